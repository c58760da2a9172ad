# zv-train.t - zv-train while memory runs out, the disk fills up, reads fail, and at kill -9 or a signal
# while it writes: it ends with 2 and a message, and there is the old result or none; or it did not
# need what failed, and the result is what it always is. Hostile models, features and examples end
# it in words.
# Faults are for one run each.
# shellcheck disable=SC2030,SC2031
. "$ZV_TESTS/lib.sh"
shim=$ZV_BUILD/fault/shim.so
seed-model ziya >/dev/null || exit 2
cp "$ZV_ROOT/examples/pictures/balls.jpg" a.jpg
cp "$ZV_ROOT/examples/pictures/beach.jpg" b.jpg
cat >pairs.jsonl <<'E2'
{"image": "a.jpg", "caption": "balls", "wrong": ["a beach"], "question": "what?", "answer": "balls", "kind": 1}
{"image": "b.jpg", "caption": "a beach", "question": "where?", "answer": "there", "kind": 0}
E2
printf '{"text": "some words"}\n{"text": "and others"}\n' >texts.jsonl
zv-encode -q -m ziya -o feats.zv a.jpg b.jpg && zv-index feats.zv || exit 2
printf '%s\n' 'llm.width=8' 'llm.layers=1' 'llm.heads=2' 'llm.mlp_width=8' 'llm.positions=16' \
	'vit.width=8' 'vit.layers=1' 'vit.heads=2' 'vit.patch=7' 'vit.side=14' >new.conf
zv-export --raw -k tokenizer.model ziya/llm.zv >tokenizer.model
echo 'llm.tokenizer=tokenizer.model' >>new.conf

# Runs of a step or two; each with a result of its own kind.
run() {
	case $1 in
	new) set -- new -q --config new.conf ;;
	text) set -- text -q -m ziya texts.jsonl -b 2 --steps 2 --valid texts.jsonl --save-every 1 --log log --average 0.9 ;;
	instruct) set -- instruct -q -m ziya pairs.jsonl --features feats.zv -b 2 --steps 2 --lora 2 --merge --train lora,projection ;;
	adapter) set -- instruct -q -m ziya pairs.jsonl --features feats.zv -b 2 --steps 1 --lora 2 --train lora ;;
	contrast) set -- contrast -q -m ziya pairs.jsonl --crop --flip -b 2 --steps 1 --wrong-share 1 ;;
	classify) set -- classify -q -m ziya pairs.jsonl -b 2 --steps 1 --recompute ;;
	esac
	ZV_THREADS=2 zv-train "$@" -o "$out" --force >table 2>err </dev/null
}
result_of() { case $1 in adapter) echo result.zv ;; *) echo result ;; esac; }

# clean WHAT: nothing is left beside the result
clean() {
	left=$(find . -maxdepth 1 -name '.*.part' | head -n 3)
	[ -z "$left" ] || echo "$1: left $left"
	rm -rf ./.*.part "$out" result.checkpoint* result.zv.checkpoint* log
}

# fails_well STAGE FAULT STATUSES: one run under a fault; says what was wrong. With 1, what could not
# be read was left out, and the rest was trained.
fails_well() {
	out=$(result_of "$1")
	(export LD_PRELOAD="$shim" "${2?}"; run "$1")
	got=$?
	if [ $got -eq 0 ]; then
		diff -r "good-$1" "$out" >/dev/null || echo "$1 $2: exit 0 with another result"
	else
		case " $3 " in *" $got "*) ;; *) echo "$1 $2: exit $got: $(head -c 200 err)" ;; esac
		[ -s err ] || echo "$1 $2: exit $got without a message"
		[ $got -eq 1 ] || [ ! -e "$out" ] || echo "$1 $2: exit $got with a result"
	fi
	clean "$1 $2"
}

if [ -n "${ZV_SANITIZE-}" ] || [ ! -e "$shim" ]; then
	skip "memory and disk run out" "the shim does not go with sanitizers"
else
	for stage in new text instruct adapter contrast classify; do
		out=$(result_of $stage)
		rm -f count
		(export LD_PRELOAD="$shim" FAULT_COUNT=count; run $stage) || fail "$stage: runs" "$(cat err)"
		mv "$out" "good-$stage" || exit 2
		total=$(head -n 1 count)
		step=$((total / 24 + 1))
		[ -z "${FAULT_ALL-}" ] || step=$((total / 400 + 1))
		for k in $(seq 1 $step "$total"); do fails_well $stage "FAULT_ALLOCATION=$k" 2; done >wrong
		is "$stage: each of about $total allocations may fail" "$(head -n 12 wrong)" ""
		size=$(find "good-$stage" -type f -exec cat {} + | wc -c)
		for k in $(seq 0 $((size / 6)) "$size"); do fails_well $stage "FAULT_WRITE_AFTER=$k" 2; done >wrong
		is "$stage: the disk may be full at any of $size bytes" "$(head -n 12 wrong)" ""
		fails_well $stage FAULT_SHORT=1 0 >wrong
		is "$stage: reads and writes may move less than asked" "$(cat wrong)" ""
	done
	for stage in text contrast; do
		for k in 0 1 100 1000 10000 100000; do fails_well $stage "FAULT_READ_AFTER=$k" "1 2"; done >wrong
		is "$stage: reads may fail" "$(head -n 12 wrong)" ""
	done
	# A checkpoint that cannot be written is no reason to lose the one before.
	out=result
	zv-train text -q -m ziya texts.jsonl -b 2 --steps 100000 --save-every 2 -o result >table 2>err &
	while [ ! -s result.checkpoint ]; do sleep 0.02; done
	kill -TERM $!
	wait $!
	is "SIGTERM: ends by it" "$?" 143
	cp result.checkpoint kept
	LD_PRELOAD=$shim FAULT_WRITE_AFTER=200000 zv-train text -q -m ziya texts.jsonl -b 2 --steps 100000 \
		--save-every 1 -o result --resume >table 2>err
	is "a full disk at the next checkpoint: exit 2" "$?" 2
	like "a full disk at the next checkpoint: says so" "$(cat err)" "zv-train: *No space left*"
	same "a full disk at the next checkpoint: the one before is there" kept result.checkpoint
	clean "a full disk" >wrong
	is "a full disk at the next checkpoint: nothing else is" "$(cat wrong)" ""
fi

### devices and names
one() { zv-train text -q -m ziya texts.jsonl -b 2 --steps 1 -o none "$@" 2>&1 >table </dev/null; }
like "the log on a full device" "$(one --log /dev/full)" "zv-train: /dev/full: *No space left*"
like "a log that cannot be made" "$(one --log nowhere/log)" "zv-train: nowhere/log: *"
like "a device as checkpoint" "$(one --checkpoint /dev/null --force)" "zv-train: /dev/null: is no regular file"
like "a device as result" "$(one -o /dev/null --force)" "zv-train: /dev/null: exists and is no directory"
zv-train text -q -m ziya texts.jsonl -b 2 --steps 1 -o none 2>err >/dev/full
is "the table on a full device: status" "$?" 2
ok "devices are still there" test -c /dev/null -a -c /dev/full
rm -rf none

### killed while it writes: the old result or the new one
kill_at() { # NAME CALLS: kill at the first, second, ... of these system calls
	mixed='' news=0 olds=0 when=1
	while [ $when -lt 40 ]; do
		rm -rf result ./.result* result.checkpoint
		mkdir result && cp good-new/* result/
		strace -qq -f -o trace -e trace="$2" -e inject="$2:signal=KILL:when=$when" \
			zv-train text -q -m ziya texts.jsonl -b 2 --steps 1 --save-every 0 -o result --force >table 2>&1
		grep -q KILL trace || break
		if diff -r good-new result >/dev/null; then olds=$((olds + 1))
		elif diff -r good-one result >/dev/null; then news=$((news + 1))
		else mixed="$mixed $when"; fi
		when=$((when + 1))
	done
	is "killed at $2: the old ($olds) or the new ($news), never a mixture" "$mixed" ""
	ok "killed at $2: so it was" test $when -gt 1
}
if ! strace -qq -o trace -e trace=write true 2>/dev/null; then
	skip "killed while it writes" "strace is not there or not permitted"
elif [ -n "${ZV_SANITIZE-}" ]; then
	skip "killed while it writes" "the leak sanitizer does not go with strace"
else
	[ -d good-new ] || zv-train new -q --config new.conf -o good-new
	zv-train text -q -m ziya texts.jsonl -b 2 --steps 1 --save-every 0 -o good-one >table
	kill_at renames renameat2,rename
	kill_at writes write
	kill_at removals unlink,rmdir
	rm -rf result ./.result* result.checkpoint
fi

### what comes from outside
refused() { # NAME WORDS STATUS ARGUMENT...: ends in words, within bounds, without a result
	r_name=$1 r_words=$2 r_status=$3
	shift 3
	timeout 20 zv-train "$@" -q -o none >table 2>err </dev/null
	is "$r_name: status" "$?" "$r_status"
	like "$r_name: words" "$(cat err)" "zv-train: *$r_words*"
	[ "$r_status" = 1 ] && return
	ok "$r_name: no result" test ! -e none
}
for part in vit qformer llm; do
	mkdir bad && cp ziya/* bad/
	size=$(wc -c <ziya/$part.zv)
	head -c $((size / 2)) ziya/$part.zv >bad/$part.zv
	refused "half of $part.zv" "$part.zv" 2 generate -m bad pairs.jsonl -b 2 --steps 1
	{ head -c $((size / 2)) ziya/$part.zv; printf '\377\377\377\377'; tail -c +$((size / 2 + 5)) ziya/$part.zv; } >bad/$part.zv
	refused "a damaged weight in $part.zv" "$part.zv: *checksum" 2 generate -m bad pairs.jsonl -b 2 --steps 1
	rm -rf bad
done
mkdir other && seed-model --seed 2 other >/dev/null
zv-encode -q -m other -o other.zv a.jpg b.jpg
refused "features of another encoder" "other.zv: encoded with another model" 2 contrast -m ziya pairs.jsonl --features other.zv -b 2 --steps 1
zv-qformer -q -m ziya -o prompts.zv feats.zv
refused "soft prompts as features" "prompts.zv: *tokens x" 2 contrast -m ziya pairs.jsonl --features prompts.zv -b 2 --steps 1
refused "a picture as features" "a.jpg: " 2 contrast -m ziya pairs.jsonl --features a.jpg -b 2 --steps 1
refused "a stream as examples" "the first 20 lines are no examples" 2 contrast -m ziya feats.zv --features feats.zv -b 2 --steps 1
refused "an adapter of another model" "" 2 instruct -m ziya pairs.jsonl --features feats.zv -b 2 --steps 1 --adapter other/llm.zv

# Lines that promise or hold too much, each between 200 good ones.
python3 - <<'E2'
good = open('pairs.jsonl').read() * 100
def write(name, line):
    open(name, 'w').write(good + line + '\n' + good)
write('list.jsonl', '{"image": "a.jpg", "kinds": [' + '0,' * 2000000 + '0]}')
write('long.jsonl', '{"image": "a.jpg", "caption": "' + 'a' * (1 << 24) + '"}')
write('deep.jsonl', '[' * 1000000)
write('turns.jsonl', '{"text": [' + ','.join(['{"question": "q", "answer": "a"}'] * 1000) + ']}')
write('number.jsonl', '{"kind": ' + '9' * 100000 + '}')
write('bytes.jsonl', '{"caption": "\\u0000"}')
E2
for name in list long deep turns number bytes; do
	refused "hostile line: $name" "$name.jsonl: line 201: " 1 classify -m ziya $name.jsonl -b 2 --steps 1
	ok "hostile line: $name: the others train" test -d none
	rm -rf none
done

# A picture that goes away while others are trained on: one line each time it is drawn, no more.
awk '{ print } END { print "{\"image\": \"gone.jpg\", \"caption\": \"gone\"}" }' pairs.jsonl >three.jsonl
cp a.jpg gone.jpg
zv-train contrast -m ziya three.jsonl -b 3 --steps 60 --log log --log-every 1 --save-every 0 -o none >table 2>err &
while [ ! -s log ]; do sleep 0.02; done
rm gone.jpg
wait $!
is "a picture goes away: status" "$?" 1
ok "a picture goes away: the result is there" test -d none
lines=$(grep -c 'three.jsonl:[0-9]*: gone.jpg: cannot open: No such file or directory; left out$' err)
ok "a picture goes away: a line each time ($lines)" test "$lines" -ge 1 -a "$lines" -le 60
is "a picture goes away: all steps are done" "$(tail -n 1 log | sed 's/.*"step":\([0-9]*\).*/\1/')" 60
finish
