# format.t - layout of C as .clang-format says; tabs, blanks and line ends everywhere.
. "$ZV_TESTS/lib.sh"
cd "$ZV_ROOT" || exit 2

version=$(clang-format --version 2>/dev/null | sed 's/.*version \([0-9]*\).*/\1/')
if [ "$version" = 14 ]; then
	sources '*.c' '*.h' >"$OLDPWD/list"
	out=$(xargs clang-format --dry-run -Werror <"$OLDPWD/list" 2>&1) &&
		pass "C is laid out as .clang-format says" ||
		fail "C is laid out as .clang-format says (clang-format -i FILE)" \
			"$(printf '%s\n' "$out" | grep -o '^[^: ]*:[0-9]*' | sort -u | head -n 20)"
else
	skip "C is laid out as .clang-format says" "clang-format 14 decides, here is ${version:-none}"
fi

none() { # none NAME PATTERN PATH...: no tracked text has lines that match
	name=$1 pattern=$2
	shift 2
	out=$(sources "$@" | xargs grep -nIE -- "$pattern" 2>/dev/null | head -n 20)
	if [ -z "$out" ]; then pass "$name"; else fail "$name" "$out"; fi
}
text='*.c *.h *.sh *.t *.py *.1 *.5 *.7 *.md Makefile tests/run tests/fuzz/run .ci/run .ci/deps'
# shellcheck disable=SC2086
{
	set -f
	none "no blanks at line ends" '[[:blank:]]+$' $text
	none "no carriage returns" "$(printf '\r')" $text
	none "no blanks before tabs" "$(printf ' \t')" $text
	set +f
}
out=$(sources '*.c' '*.h' '*.sh' '*.t' '*.py' | while read -r file; do
	[ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ] && echo "$file"
done)
is "files end with a newline" "$out" ""
finish
