# memory.t - memory runs out: the k-th allocation of a small run of every program fails, for
# k = 1, 2, ... (each of the first 40, then a sample; FAULT_ALL=1: each). The program ends with 2
# and a message, or it did not need that memory and gives what it always gives; never a crash, never
# a part of a file, never another status.
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
shim=$ZV_BUILD/fault/shim.so
if [ -n "${ZV_SANITIZE-}" ] || [ ! -e "$shim" ]; then
	skip "memory runs out" "the shim does not go with sanitizers"
	finish
fi
fixture_make || fail "the example files are made"

# fails_well PROGRAM K FOREVER: one run; says what was wrong
fails_well() {
	rm -f result
	# shellcheck disable=SC2086
	LD_PRELOAD=$shim FAULT_ALLOCATION=$2 FAULT_FOREVER=$3 timeout 20 "$1" $args >out 2>err </dev/null
	fw_got=$?
	if [ $fw_got -eq 2 ]; then
		[ -s err ] || echo "allocation $2 of $1: exit 2 without a message"
	elif [ $fw_got -eq 0 ]; then
		cmp -s good out || echo "allocation $2 of $1: exit 0 with other output"
	else
		echo "allocation $2 (forever: $3) of $1: exit $fw_got: $(head -c 200 err)"
	fi
	if [ "$to_file" = 1 ]; then
		if [ $fw_got -eq 0 ]; then cmp -s good-file result || echo "allocation $2 of $1: another file"
		elif [ -e result ]; then echo "allocation $2 of $1: exit $fw_got with a file"; fi
		fw_left=$(find . -name '*.part')
		[ -z "$fw_left" ] || { echo "allocation $2 of $1: left $fw_left"; rm -f ./.*.part; }
	fi
}

for program in $(programs); do
	example "$program" || continue
	[ "$(head -c 2 "$ZV_BUILD/$program" | tr -d '\0')" != '#!' ] || continue
	knows "$program" -t && args="-t 2 $args"
	to_file=0
	if knows "$program" -o && [ "$gives" != nothing ]; then
		args="$args -o result" to_file=1
	fi
	rm -f count
	# shellcheck disable=SC2086
	LD_PRELOAD=$shim FAULT_COUNT=count "$program" $args >good 2>err </dev/null ||
		{ fail "$program $args: runs" "$(head -c 300 err)"; continue; }
	[ $to_file = 0 ] || mv result good-file
	total=$(head -n 1 count)
	step=$(((total - 40) / 60 + 1))
	[ -z "${FAULT_ALL-}" ] || step=1
	k=1
	: >wrong
	while [ "$k" -le "$((total + 1))" ]; do
		fails_well "$program" "$k" 0 >>wrong
		[ $((k % 3)) -ne 0 ] || fails_well "$program" "$k" 1 >>wrong
		if [ "$k" -lt 40 ]; then k=$((k + 1)); else k=$((k + step)); fi
	done
	is "$program: each of about $total allocations may fail" "$(head -n 12 wrong)" ""
done
finish
