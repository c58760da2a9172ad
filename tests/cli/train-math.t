# train-math.t - zv-train --math bf16: learns as f32 does, with the same bytes at any number of threads.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
mkdir tok
make-tokenizer tok || { fail "the tokenizer is made"; finish; }
python3 - <<'E2'
import json, random
random.seed(5)
colours = ['red', 'green', 'blue', 'grey', 'black', 'white', 'pink', 'brown']
with open('pairs.jsonl', 'w') as pairs, open('texts.jsonl', 'w') as texts:
    for i in range(16):
        name, caption = 'p%02d.ppm' % i, 'a %s thing %s' % (colours[i % 8], ['left', 'right'][i // 8])
        with open(name, 'wb') as f:
            f.write(b'P6 56 56 255\n' + bytes(random.randrange(256) for _ in range(56 * 56 * 3)))
        pairs.write(json.dumps({'image': name, 'caption': caption}) + '\n')
        texts.write(json.dumps({'text': '%d: %s' % (i, caption)}) + '\n')
E2
zv-train new -o toy vit.width=32 vit.layers=1 vit.heads=4 vit.patch=14 vit.side=56 qformer.width=32 \
	qformer.layers=2 qformer.heads=4 qformer.queries=4 qformer.positions=64 qformer.contrast_width=16 \
	qformer.vocab=tok/vocab.txt llm.width=48 llm.layers=2 llm.heads=4 llm.mlp_width=96 llm.positions=256 \
	llm.tokenizer=tok/tokenizer.model || { fail "a model from nothing"; finish; }
export ZV_THREADS=1

# losses LOG: the last loss of each line, one a line
losses() { sed -n 's/.*"lm":\([0-9.e+-]*\).*/\1/p' "$1"; }
by_heart() {
	zv-train text -q -m toy -o "$1" texts.jsonl --math "$1" --steps 120 -b 16 --rate 1e-2 --decay 0 \
		--log "$1.log" --log-every 1
}
ok "texts by heart in f32" by_heart f32
ok "and in bf16" by_heart bf16
status "which gives other bytes" 1 cmp -s f32/llm.zv bf16/llm.zv
# the largest distance of the two curves over their first quarter, and where they end
losses f32.log >a && losses bf16.log >b
found=$(paste a b | awk 'NR <= 30 { d = $1 - $2; d = d < 0 ? -d : d; if (d > most) most = d }
	END { print NR, most, $1, $2 }')
ok "with nearly the same losses, and as low at the end ($found)" \
	awk -v found="$found" 'BEGIN { split(found, f, " "); exit !(f[1] == 120 && f[2] < 0.2 && f[4] < 0.4 &&
		f[4] < f[3] + 0.05) }'

### all networks, the same bytes at any number of threads
pictures() {
	zv-train contrast -q -t "$1" --math bf16 -m toy -o "with$1" pairs.jsonl --steps 3 -b 8 \
		--train vit,ln-vision,queries,qformer,text,heads
}
for threads in 1 2 3; do
	ok "contrast with the encoder, $threads threads" pictures $threads
	for file in vit qformer; do
		same "$file: the same bytes with $threads threads" with1/$file.zv with$threads/$file.zv
	done
done

### a run that was stopped goes on in the same arithmetic
long='text -m toy -o half texts.jsonl --steps 4000 -b 8 --save-every 0'
# shellcheck disable=SC2086
zv-train $long --math bf16 --log half.log >/dev/null 2>&1 &
while [ ! -s half.log ]; do sleep 0.05; done
kill -TERM $!
wait $! 2>/dev/null
# shellcheck disable=SC2086
like "another arithmetic is another setting" "$(zv-train $long --math f32 --resume 2>&1)" "*math*"
finish
