# import.t - zv-import while memory runs out, reads fail, the disk fills up: it ends with 2 (or 1,
# where the input is what failed) and a message, and there is no directory; or it did not need what
# failed, and the model is what it always is.
. "$ZV_TESTS/lib.sh"
shim=$ZV_BUILD/fault/shim.so
if [ -n "${ZV_SANITIZE-}" ] || [ ! -e "$shim" ]; then
	skip "faults of zv-import" "the shim does not go with sanitizers"
	finish
fi
command -v python3 >/dev/null 2>&1 || { echo "1..0 # SKIP no python3"; exit 0; }
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE
seed-model seed && mkdir parts || exit 2
for part in vit qformer llm; do zv-export --safetensors -o parts/$part.safetensors seed/$part.zv; done
zv-export --raw -k tokenizer.model seed/llm.zv >parts/tokenizer.model
zv-export --raw -k vocab.txt seed/qformer.zv >parts/vocab.txt
toy-checkpoint.py chat src parts && toy-checkpoint.py llama base parts || exit 2
zv-export --json -k post_layernorm.bias seed/vit.zv >bias.json
printf '{"do_sample": true}' >base/generation_config.json
zv-import -q -o good src --base base --delta base >good.out || exit 2
zv-import --tensor bias.json -o good.zv || exit 2

# fails_well FAULT STATUSES: one import under a fault; says what was wrong
fails_well() {
	env LD_PRELOAD="$shim" "$1" timeout 20 zv-import -q -o model src --base base --delta base >out 2>err </dev/null
	fw_got=$?
	if [ $fw_got -eq 0 ]; then
		diff -r good model >/dev/null || echo "$1: exit 0 with another model"
	else
		case " $2 " in *" $fw_got "*) ;; *) echo "$1: exit $fw_got: $(head -c 200 err)" ;; esac
		[ -s err ] || echo "$1: exit $fw_got without a message"
		[ ! -e model ] || echo "$1: exit $fw_got with a model"
	fi
	[ -z "$(find . -maxdepth 1 -name '.model*')" ] || echo "$1: left $(find . -name '.model*' | head -n 3)"
	rm -rf model .model*
}
LD_PRELOAD=$shim FAULT_COUNT=count zv-import -q -o model src --base base --delta base >/dev/null
rm -rf model
total=$(head -n 1 count)
step=$((total / 120 + 1))
[ -z "${FAULT_ALL-}" ] || step=1
for k in $(seq 1 $step "$total"); do fails_well "FAULT_ALLOCATION=$k" 2; done >wrong
is "each of about $total allocations may fail" "$(head -n 12 wrong)" ""
size=$(cat good/* | wc -c)
for k in $(seq 0 $((size / 30)) "$size"); do fails_well "FAULT_WRITE_AFTER=$k" 2; done >wrong
is "the disk may be full at any of $size bytes" "$(head -n 12 wrong)" ""
for k in 0 1 100 1000 10000 100000; do fails_well "FAULT_READ_AFTER=$k" "1 2"; done >wrong
is "reads may fail" "$(head -n 12 wrong)" ""
fails_well FAULT_SHORT=1 0 >wrong
is "reads and writes may move less than asked" "$(cat wrong)" ""

LD_PRELOAD=$shim FAULT_COUNT=count2 zv-import --tensor bias.json -o one.zv
for k in $(seq 1 "$(head -n 1 count2)"); do
	rm -f one.zv
	LD_PRELOAD=$shim FAULT_ALLOCATION=$k zv-import --tensor bias.json -o one.zv >out 2>err
	got=$?
	case $got in
	0) cmp -s one.zv good.zv || echo "allocation $k: another stream" ;;
	2) [ -s err ] && [ ! -e one.zv ] || echo "allocation $k: no message, or a file" ;;
	*) echo "allocation $k: exit $got: $(cat err)" ;;
	esac
done >wrong
is "loose tensors: each allocation may fail" "$(head -n 12 wrong)" ""
finish
