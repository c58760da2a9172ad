# shell.t - shellcheck over every script.
. "$ZV_TESTS/lib.sh"
cd "$ZV_ROOT" || exit 2
if ! command -v shellcheck >/dev/null 2>&1; then
	skip "scripts pass shellcheck" "no shellcheck here"
	finish
fi
list=$(sources '*' | while read -r file; do
	case $file in
	*.sh | *.t | *.sbatch) [ -f "$file" ] && echo "$file" ;;
	*.*/* | *.[a-z]*) ;;
	*) ;;
	esac
	case $file in */run | .ci/*) [ -f "$file" ] && head -n 1 "$file" | grep -q '^#!.*sh' && echo "$file" ;; esac
done | sort -u)
for file in $list; do
	shell=
	case $file in *.t) shell='-s sh' ;; esac
	# lib.sh is checked on its own; what a test takes from it is not seen from the test.
	# shellcheck disable=SC2086
	out=$(shellcheck $shell -e SC1003,SC1090,SC1091,SC2015,SC2094,SC2154 -f gcc "$file" 2>&1) &&
		pass "$file" || fail "$file" "$(printf '%s\n' "$out" | head -n 20)"
done
finish
