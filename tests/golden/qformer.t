#!/bin/sh
# qformer.t - zv-qformer against the reference models: soft prompts, instructed soft prompts,
# features for search, matching, re-ranking, captions. The pictures come through zv-encode, so that
# the figures are those of the whole way from the file.
. "$ZV_TESTS/lib.sh"
need_shared zoo/A
zoo=$ZV_SHARED/zoo/A

cat >close.py <<'PYTHON'
# close.py EXPECTED TENSOR[@INDEX[,INDEX]] RAW TOLERANCE: the largest difference of f32 numbers over
# the tensor's largest magnitude
import array, json, struct, sys
path, wanted, raw, tolerance = sys.argv[1:5]
name, _, index = wanted.partition("@")
data = open(path, "rb").read()
size = struct.unpack("<Q", data[:8])[0]
entry = json.loads(data[8:8 + size])[name]
begin, end = entry["data_offsets"]
values = array.array("f", data[8 + size + begin:8 + size + end])
shape = entry["shape"]
for i in filter(None, index.split(",")):
    step = len(values) // shape[0]
    values, shape = values[int(i) * step:(int(i) + 1) * step], shape[1:]
got = array.array("f", open(raw, "rb").read())
if len(got) != len(values) or not len(got):
    sys.exit("%d numbers where %d are wanted" % (len(got), len(values)))
worst = max(abs(a - b) for a, b in zip(got, values)) / max(map(abs, values))
print("%.1e" % worst)
sys.exit(not worst <= float(tolerance))
PYTHON

# close NAME EXPECTED TENSOR STREAM KEY [PART]: numbers agree within the tolerance
tolerance=1e-5
close() {
	zv-export --raw -k "$5" ${6:+-n "$6"} "$4" >raw || { fail "$1" "no record"; return; }
	if difference=$(python3 close.py "$2" "$3" raw $tolerance 2>&1); then
		pass "$ZV_CPU: $1 (within $difference)"
	else
		fail "$ZV_CPU: $1" "differs: $difference"
	fi
}

ok "import hf-blip2" zv-import -q -o blip2 "$zoo/hf-blip2"
ok "import hf-instruct" zv-import -q -o instruct "$zoo/hf-instruct"
ok "import hf-itm" zv-import -q -o itm "$zoo/hf-itm"
ok "import LAVIS stage 1" zv-import -q --vit "$zoo/lavis/eva_vit_toy.pth" --config "$zoo/lavis/config.json" \
	--vocab "$zoo/hf-itm/vocab.txt" -o lavis "$zoo/lavis/blip2_stage1.pth"

# HF BLIP-2: soft prompts
soft_prompts() {
	pictures=$zoo/hf-blip2/images
	zv-encode -m blip2 --no-orient "$pictures/hopper.png" "$pictures/hopper_orientation_6.jpg" \
		"$pictures/emoji_u1f305.png" >vit.zv
	zv-qformer -m blip2 vit.zv >prompt.zv
	zv-qformer -m blip2 --query vit.zv >query.zv
	i=0
	for picture in hopper.png hopper_orientation_6.jpg emoji_u1f305.png; do
		close "image_embeds of $picture" "$zoo/hf-blip2/expected.safetensors" image$i.image_embeds vit.zv "$pictures/$picture"
		close "query_output of $picture" "$zoo/hf-blip2/expected.safetensors" image$i.query_output query.zv "$pictures/$picture"
		close "soft prompt of $picture" "$zoo/hf-blip2/expected.safetensors" image$i.soft_prompt prompt.zv "$pictures/$picture" prompt
		i=$((i + 1))
	done
}

# HF InstructBLIP: the question goes into the Q-Former
instructed() {
	pictures=$zoo/hf-instruct/images
	zv-encode -m instruct --no-orient "$pictures/hopper.png" "$pictures/hopper_orientation_6.jpg" >vit.zv
	for picture in hopper.png hopper_orientation_6.jpg; do
		for question in 'What is in the picture?' '图片里有什么？' \
			'describe the red circle, then count the people in the box'; do
			printf '%s\t%s\n' "$pictures/$picture" "$question"
		done
	done >questions
	zv-qformer -m instruct --questions questions vit.zv >prompt.zv
	is "a sample for each question" "$(zv-export --json -n question prompt.zv | wc -l)" 6
	for i in 0 1; do
		for case in 0 1 2; do
			picture=$(sed -n "$((i * 3 + case + 1))p" questions | cut -f 1)
			question=$(sed -n "$((i * 3 + case + 1))p" questions | cut -f 2)
			zv-encode -m instruct --no-orient "$picture" | zv-qformer -m instruct -p "$question" >one.zv
			close "instructed soft prompt $i.$case" "$zoo/hf-instruct/expected.safetensors" \
				image$i.case$case.soft_prompt one.zv "$picture" prompt
			zv-encode -m instruct --no-orient "$picture" | zv-qformer -m instruct --query -p "$question" >one.zv
			close "instructed query_output $i.$case" "$zoo/hf-instruct/expected.safetensors" \
				image$i.case$case.query_output one.zv "$picture" qformer
		done
	done
}

# HF image-text retrieval, and the same weights from LAVIS files with LAVIS' eps
texts=$zoo/hf-itm/expected.json
python3 - "$texts" <<'PYTHON'
import json, sys
expected = json.load(open(sys.argv[1], encoding="utf-8"))
open("texts", "w", encoding="utf-8").write("".join("%d\t%s\n" % pair for pair in enumerate(expected["texts"])))
open("pictures", "w").write("".join(name + "\n" for name in expected["images"]))
PYTHON
while read -r picture; do
	sed "s|^[0-9]*|$zoo/hf-itm/images/$picture|" texts
done <pictures >pairs

# retrieval MODEL EXPECTED: features, similarities, matching logits, re-ranking
retrieval() {
	sed "s|^|$zoo/hf-itm/images/|" pictures | zv-encode -m "$1" --no-orient -T - >vit.zv
	zv-qformer -m "$1" --query vit.zv >query.zv
	zv-qformer -m "$1" --contrast vit.zv >feats.zv
	zv-qformer -m "$1" --text --keyed texts >texts.zv
	zv-qformer -m "$1" --match --pairs pairs vit.zv >match.zv
	i=0
	while read -r picture; do
		close "$1: query_output of picture $i" "$2" "query_output@$i" query.zv "$zoo/hf-itm/images/$picture"
		close "$1: features of picture $i" "$2" "image_feats@$i" feats.zv "$zoo/hf-itm/images/$picture"
		close "$1: matching logits of picture $i" "$2" "itm_logits@$i" match.zv "$zoo/hf-itm/images/$picture" itm
		i=$((i + 1))
	done <pictures
	for i in 0 1 2 3 4 5 6 7; do
		close "$1: features of text $i" "$2" "text_feats@$i" texts.zv $i
	done
	zv-export --raw feats.zv >feats.raw
	zv-export --raw texts.zv >texts.raw
	zv-export --raw -n itm match.zv >match.raw
	if difference=$(python3 - "$2" $tolerance <<'PYTHON'
import array, json, struct, sys
data = open(sys.argv[1], "rb").read()
size = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + size])
def tensor(name):
    begin, end = header[name]["data_offsets"]
    return array.array("f", data[8 + size + begin:8 + size + end]), header[name]["shape"]
read = lambda name: array.array("f", open(name, "rb").read())
feats, texts, match = read("feats.raw"), read("texts.raw"), read("match.raw")
sim, (pictures, count) = tensor("sim")
width = header["text_feats"]["shape"][1]
queries = len(feats) // pictures // width
worst = 0
got = [[0.0] * count for _ in range(pictures)]
for i in range(pictures):
    for t in range(count):
        text = texts[t * width:(t + 1) * width]
        rows = (feats[(i * queries + q) * width:(i * queries + q + 1) * width] for q in range(queries))
        got[i][t] = max(sum(a * b for a, b in zip(row, text)) for row in rows)
        worst = max(worst, abs(got[i][t] - sim[i * count + t]))
def rerank(name, scores, logit):
    global worst
    wanted, (rows, columns) = tensor(name)
    for r in range(rows):
        best = sorted(range(columns), key=lambda c: -scores(r, c))[:3]
        for c in range(columns):
            value = logit(r, c) + scores(r, c) if c in best else -100.0
            worst = max(worst, abs(value - wanted[r * columns + c]))
rerank("rerank_i2t_k3", lambda i, t: got[i][t], lambda i, t: match[(i * count + t) * 2 + 1])
rerank("rerank_t2i_k3", lambda t, i: got[i][t], lambda t, i: match[(i * count + t) * 2 + 1])
print("%.1e" % worst)
sys.exit(not worst <= float(sys.argv[2]))
PYTHON
	); then pass "$ZV_CPU: $1: similarities and re-ranking (within $difference)"
	else fail "$ZV_CPU: $1: similarities and re-ranking" "differs: $difference"; fi
}

# captions by the Q-Former's own head
captions() {
	for least in 0 9; do
		python3 - "$zoo/lavis/stage1.itg.json" "$zoo/hf-itm/vocab.txt" $least >wanted <<'PYTHON'
import json, sys
expected = json.load(open(sys.argv[1]))
vocabulary = open(sys.argv[2], encoding="utf-8").read().splitlines()
for case in expected["greedy" if sys.argv[3] == "0" else "greedy_min" + sys.argv[3]]:
    print(" ".join(vocabulary[i] for i in case["ids"] if i != expected["eos_id"]).replace(" ##", ""))
PYTHON
		zv-qformer -m lavis --caption --min-length $least vit.zv | cut -f 2 >captions
		same "$ZV_CPU: greedy captions of at least $least tokens" captions wanted
	done
}

for level in ref avx2 avx512; do
	export ZV_CPU=$level
	if ! zv-encode -m blip2 "$zoo/hf-blip2/images/hopper.png" >vit.zv 2>level.out; then
		skip "kernels $level" "$(cat level.out)"
		continue
	fi
	soft_prompts
	instructed
	retrieval itm "$zoo/hf-itm/expected.safetensors"
	retrieval lavis "$zoo/lavis/stage1.expected.safetensors"
	captions
done

finish
