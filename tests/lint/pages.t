# pages.t - every program has a manual page and a test, and page and --help say the same.
. "$ZV_TESTS/lib.sh"
cd "$ZV_ROOT" || exit 2

lower() { tr '[:upper:]' '[:lower:]'; }

# Options in --help, one a line: -x and --long.
help_options() {
	"$ZV_BUILD/$1" --help </dev/null | sed -n '/^options:/,/^$/p' |
		grep -oE '^ +(-[A-Za-z0-9], )?--[a-z0-9-]+|^ +-[A-Za-z0-9]( |$)' | tr -d ' ' | tr ',' '\n' | sort -u
}
# Options in the page: whatever follows Fl on a macro line.
page_options() {
	awk '/^\.[A-Z]/ {
		n = split(substr($0, 2), word, / +/)
		for (i = 1; i < n; i++) if (word[i] == "Fl" && word[i + 1] !~ /^(Ns|Ar|Pq|,|\.|\|)$/) {
			text = word[i + 1]; gsub(/\\-/, "-", text)
			if (text ~ /^-/) print "-" text
			else for (j = 1; j <= length(text); j++) print "-" substr(text, j, 1)
		}
	}' "$1" | sort -u
}

if command -v mandoc >/dev/null 2>&1; then
	for page in man/*.[157]; do
		[ -e "$page" ] || { fail "there are manual pages"; break; }
		out=$(mandoc -T lint -W warning "$page" 2>&1)
		is "$page is clean mdoc" "$out" ""
	done
else
	skip "manual pages are clean mdoc" "no mandoc here"
fi

for source in cmd/zv-*; do
	[ -e "$source" ] || { skip "programs have pages" "no programs yet"; break; }
	program=$(basename "${source%.*}")
	page=man/$program.1
	ok "$program has a test" test -s "tests/cli/$program.t"
	if [ ! -s "$page" ]; then
		fail "$program has a manual page"
		continue
	fi
	is "$program: the page has the options of --help and no other (< help, > page)" \
		"$(help_options "$program" >"$OLDPWD/help"; page_options "$page" >"$OLDPWD/page"
			diff "$OLDPWD/help" "$OLDPWD/page" | grep '^[<>]')" ""
	missing=
	for section in NAME SYNOPSIS DESCRIPTION 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
		grep -qx "\.Sh $section" "$page" || missing="$missing $section"
	done
	is "$program: the page has its sections" "$missing" ""
	purpose=$("$ZV_BUILD/$program" --help | sed -n "2s/^$program - //p")
	is "$program: the page's one line is that of --help" "$(sed -n 's/^\.Nd //p' "$page")" "$purpose"
	synopsis=$(sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESC/p' "$page" | tr '\n' ' ' | lower)
	missing=
	for word in $("$ZV_BUILD/$program" --help | head -n 1 | sed 's/.*\[OPTION\.\.\.\]//' | grep -oE '[A-Z]{2,}' | lower); do
		case $synopsis in *"$word"*) ;; *) missing="$missing $word" ;; esac
	done
	is "$program: SYNOPSIS has the operands of --help" "$missing" ""
done
# Cross references lead somewhere.
out=$(cat man/*.[157] 2>/dev/null | awk '/^\.Xr zv/ { print $2 "." $3 }' | tr -d ',' | sort -u | while read -r target; do
	[ -e "man/$target" ] || echo "$target"
done)
is "references between the pages lead somewhere" "$out" ""
finish
