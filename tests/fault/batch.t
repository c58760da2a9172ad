# batch.t - memory runs out while several records are answered at once: the k-th allocation fails,
# once or from there on. zv-generate ends with 2 and a message, or a record waited until another
# ended, and all is as always.
. "$ZV_TESTS/lib.sh"
shim=$ZV_BUILD/fault/shim.so
if [ -n "${ZV_SANITIZE-}" ] || [ ! -e "$shim" ]; then
	skip "memory runs out" "the shim does not go with sanitizers"
	finish
fi
seed-model ziya >/dev/null || { fail "seed-model"; finish; }
for key in one two three; do
	for question in 'what is it' 'and where' 'why so'; do
		printf '%s\tprompt+\tf32\t8x64\trandom:1\n%s\tquestion\tu8\t-\ttext:%s\n' $key $key "$question"
	done
done | { printf '@zv=1\n'; cat; } | zvt-make >prompts.zv
printf 'the\na cat\n' >answers
for how in '--max-new 6' '--max-new 6 --beams 3' '--max-new 6 --lookup --cache int8' '--score answers'; do
	# shellcheck disable=SC2086
	set -- zv-generate -q -m ziya -t 1 -b 4 $how prompts.zv
	rm -f count
	LD_PRELOAD=$shim FAULT_COUNT=count "$@" >good
	is "$how: answers" "$?:$(cut -f 1 good | uniq | wc -l | tr -d ' ')" 0:3
	total=$(head -n 1 count)
	# what comes before the first record is memory.t's
	first=$((total / 4)) step=$((total / 60 + 1))
	[ -z "${FAULT_ALL-}" ] || first=1 step=1
	k=$first waited=0
	: >wrong
	while [ "$k" -le "$((total + 1))" ]; do
		for forever in 0 1; do
			LD_PRELOAD=$shim FAULT_ALLOCATION=$k FAULT_FOREVER=$forever timeout 20 "$@" >out 2>err
			got=$?
			if [ $got -eq 2 ]; then [ -s err ] || echo "allocation $k: exit 2 without a message"
			elif [ $got -ne 0 ]; then echo "allocation $k (forever: $forever): exit $got: $(head -c 200 err)"
			elif ! cmp -s good out; then echo "allocation $k (forever: $forever): exit 0 with other output"
			fi >>wrong
			[ $forever$got != 00 ] || waited=$((waited + 1))
		done
		k=$((k + step))
	done
	is "$how: each of about $total allocations may fail" "$(head -n 12 wrong)" ""
	case $how in --score*) continue ;; esac # which computes all that are there together
	ok "$how: some are not missed ($waited)" test $waited -gt 1
done
finish
