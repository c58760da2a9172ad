# training.t - memory runs out under what training keeps (parameters, save stack, layers, the
# optimiser, checkpoints): each of a sample of allocations fails in the unit tests, which may then
# fail or end with 2, but never by a signal.
. "$ZV_TESTS/lib.sh"
shim=$ZV_BUILD/fault/shim.so
if [ -n "${ZV_SANITIZE-}" ] || [ ! -e "$shim" ]; then
	skip "faults of training" "the shim does not go with sanitizers"
	finish
fi

for unit in saves weights dense adamw run_state; do
	rm -rf count toy
	LD_PRELOAD=$shim FAULT_COUNT=count "$ZV_BUILD/unit/$unit" >out 2>err || fail "$unit: runs" "$(cat out)"
	# run_state's children end by a signal as they should, and count for themselves.
	total=$(sort -n count | tail -n 1)
	runs=40
	[ $unit != run_state ] || runs=10
	[ -z "${FAULT_ALL-}" ] || runs=$((runs * 4)) # they allocate thousands of times
	step=$((total / runs + 1))
	for k in $(seq 1 $step "$total"); do
		LD_PRELOAD=$shim FAULT_ALLOCATION=$k timeout 30 "$ZV_BUILD/unit/$unit" >out 2>err
		got=$?
		# BLIS aborts, which only programs turn into a message (base/abort.h)
		[ $got -le 2 ] || grep -q '^libblis: Aborting' err || echo "allocation $k: exit $got"
	done >wrong
	is "$unit: each of $total allocations may fail" "$(head -n 12 wrong)" ""
done
finish
