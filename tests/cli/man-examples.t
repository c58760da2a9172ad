# man-examples.t - the EXAMPLES of every manual page are run as they stand, in one scratch
# directory per page with the files that fixture.sh makes, and must succeed.
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
mkdir kept && cd kept || exit 2
if ! fixture_make; then
	skip "examples of the manual pages" "a program or the model maker is not there"
	finish
fi
cd .. || exit 2

# Commands of a page: lines "$ command" in displays after .Sh EXAMPLES; "> " continues one.
commands_of() {
	awk '/^\.Sh / { inside = $0 ~ /^\.Sh EXAMPLES/ }
		/^\.Bd/ { display = 1; next } /^\.Ed/ { display = 0 }
		inside && display && /^\$ / { print substr($0, 3) }
		inside && display && /^> / { print "\001" substr($0, 3) }' "$1" |
		sed -e 's/\\e/\\/g' -e 's/\\(aq/'"'"'/g' -e 's/\\-/-/g' -e 's/\\&//g' -e 's/\\(ti/~/g' -e 's/\\(ga/`/g' -e 's/\\(ha/^/g' |
		awk '{ if (sub(/^\001/, "")) line = line " " $0; else { if (NR > 1) print line; line = $0 } } END { if (NR) print line }'
}
for page in "$ZV_ROOT"/man/*.[157]; do
	name=$(basename "$page")
	commands_of "$page" >commands
	if [ ! -s commands ]; then
		case $name in *.1) fail "$name has examples" ;; esac
		continue
	fi
	rm -rf run && cp -R kept run
	number=0
	while read -r command <&3; do
		number=$((number + 1))
		for word in $command; do
			case $word in zv-*) have "$word" || { skip "$name: $command" "$word is not there"; continue 2; } ;; esac
		done
		if out=$(cd run && timeout 60 sh -c "$command" 2>&1 </dev/null); then pass "$name: $command"
		else fail "$name: $command" "exit $?: $(printf '%s' "$out" | head -c 600)"; fi
	done 3<commands
done
finish
