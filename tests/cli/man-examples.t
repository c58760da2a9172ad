# man-examples.t - the EXAMPLES of every manual page are run as they stand, in one scratch
# directory per page with the files that fixture.sh makes, and must succeed.
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
mkdir kept && cd kept || exit 2
if ! fixture_make; then
	skip "examples of the manual pages" "a program or the model maker is not there"
	finish
fi
# the model and the folder that zv(7) searches
ln -s ziya emoji
mkdir photos && cp cat.jpg photos/1.jpg && cp dog.jpg photos/2.jpg
cd .. || exit 2

# Commands of a page, each into a file: lines "$ command" in displays after .Sh EXAMPLES; lines "> "
# behind one continue it.
commands_of() {
	awk '/^\.Sh / { inside = $0 ~ /^\.Sh EXAMPLES/ }
		/^\.Bd/ { display = 1; next } /^\.Ed/ { display = 0 }
		inside && display && /^\$ / { file = sprintf("command-%03d", ++count) }
		inside && display && /^[$>] / { print substr($0, 3) >file }' "$1"
	for file in command-*; do
		[ -e "$file" ] || continue
		sed -e 's/\\e/\\/g' -e "s/\\\\(aq/'/g" -e 's/\\-/-/g' -e 's/\\&//g' -e 's/\\(ti/~/g' \
			-e 's/\\(ga/`/g' -e 's/\\(ha/^/g' "$file" >unescaped
		mv unescaped "$file"
	done
}
for page in "$ZV_ROOT"/man/*.[157]; do
	name=$(basename "$page")
	rm -rf run command-*
	cp -R kept run
	commands_of "$page"
	if [ ! -e command-001 ]; then
		case $name in *.1) fail "$name has examples" ;; esac
		continue
	fi
	for file in command-*; do
		command=$(cat "$file")
		if out=$(cd run && timeout 60 sh "../$file" 2>&1 </dev/null); then pass "$name: $(echo "$command" | head -n 1)"
		else fail "$name: $(echo "$command" | head -n 1)" "exit $?: $(printf '%s' "$out" | head -c 600)"; fi
	done
done
finish
