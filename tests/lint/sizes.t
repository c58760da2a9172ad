# sizes.t - a file is one thing (600 lines), a function fits a screen (60), a line 100 columns.
. "$ZV_TESTS/lib.sh"
cd "$ZV_ROOT" || exit 2
sources '*.c' '*.h' '*.sh' '*.t' '*.py' >"$OLDPWD/list"
ok "there are sources" test "$(wc -l <"$OLDPWD/list")" -gt 200
out=$(while read -r file; do
	lines=$(wc -l <"$file")
	[ "$lines" -le 600 ] || echo "$file: $lines lines"
done <"$OLDPWD/list")
is "no file has more than 600 lines" "$out" ""
# The layout puts the braces of a function, and of nothing else with lines before a '{', in column 1.
# shellcheck disable=SC2016
out=$(grep '\.c$' "$OLDPWD/list" | xargs awk '
	FNR == 1 { open = 0 }
	/^{/ { open = FNR; name = before }
	/^}/ { if (open && FNR - open - 1 > 60) printf "%s:%d: %d lines: %s\n", FILENAME, open, FNR - open - 1, name; open = 0 }
	/^[a-zA-Z_]/ { before = $0 }')
is "no function has more than 60 lines" "$out" ""
# shellcheck disable=SC2016
out=$(grep '\.[ch]$' "$OLDPWD/list" | xargs awk '
	{ line = $0; gsub(/\t/, "    ", line); gsub(/[\200-\277]/, "", line)
	  if (length(line) > 104) printf "%s:%d\n", FILENAME, FNR }')
is "no line of C has more than 104 columns (clang-format wants 100 and gives up on some comments)" "$out" ""
finish
