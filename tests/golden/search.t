#!/bin/sh
# search.t - zv-search against the reference model: similarities of pictures and texts in both
# directions, their order, and the scores after re-ranking; from the picture files on.
. "$ZV_TESTS/lib.sh"
need_shared zoo/A
zoo=$ZV_SHARED/zoo/A/hf-itm

cat >compare.py <<'PYTHON'
# compare.py EXPECTED TENSOR TOLERANCE QUERIES KEYS RESULTS: lines "query rank score key" against the
# matrix [pictures][texts] or [texts][pictures] turned to the queries' side. -100: not among the best.
# Every number wanted must be there, no other, and ranks must follow the reference's scores.
import array, json, struct, sys
path, tensor, tolerance, queries, keys, results = sys.argv[1:7]
data = open(path, "rb").read()
size = struct.unpack("<Q", data[:8])[0]
entry = json.loads(data[8:8 + size])[tensor.rstrip("^")]
begin, end = entry["data_offsets"]
values = array.array("f", data[8 + size + begin:8 + size + end])
columns = entry["shape"][1]
lines = lambda name: open(name, encoding="utf-8").read().splitlines()
queries, keys = lines(queries), lines(keys)
wanted = {}
for q, query in enumerate(queries):
    for k, key in enumerate(keys):
        value = values[k * columns + q] if tensor.endswith("^") else values[q * columns + k]
        if value != -100:
            wanted[query, key] = value
worst, last, seen = 0, None, set()
for line in lines(results):
    query, rank, score, key = line.split("\t")
    value = wanted[query, key]
    worst = max(worst, abs(float(score) - value))
    if int(rank) > 1 and not (last[0] == query and last[1] >= value - float(tolerance)):
        sys.exit("rank %s of %s is out of order" % (rank, query))
    last = query, value
    seen.add((query, key))
if seen != set(wanted) or len(lines(results)) != len(wanted):
    sys.exit("%d results, %d wanted" % (len(lines(results)), len(wanted)))
print("%.1e" % worst)
sys.exit(not worst <= float(tolerance))
PYTHON
compare() { # compare NAME TENSOR QUERIES KEYS RESULTS
	if difference=$(python3 compare.py "$zoo/expected.safetensors" "$2" 1e-5 "$3" "$4" "$5" 2>&1); then
		pass "$ZV_CPU: $1 (within $difference)"
	else
		fail "$ZV_CPU: $1" "$difference"
	fi
}

python3 - "$zoo" <<'PYTHON'
import json, sys
expected = json.load(open(sys.argv[1] + "/expected.json", encoding="utf-8"))
with open("texts", "w", encoding="utf-8") as file:
    file.writelines("text %d\t%s\n" % pair for pair in enumerate(expected["texts"]))
with open("pictures", "w") as file:
    file.writelines("%s/images/%s\n" % (sys.argv[1], name) for name in expected["images"])
PYTHON
cut -f 1 texts >keys
ok "import the model" zv-import -q -o itm "$zoo"
for level in ref avx2 avx512; do
	export ZV_CPU=$level
	if ! zv-encode -q -m itm --no-orient -T pictures -o vit.zv 2>level.out; then
		skip "kernels $level" "$(cat level.out)"
		continue
	fi
	zv-index vit.zv
	zv-qformer -m itm --contrast vit.zv -o feats.zv
	zv-qformer -m itm --text --keyed texts -o texts.zv
	zv-search -k 100 feats.zv <texts.zv >found
	compare "texts look for pictures" 'sim^' keys pictures found
	zv-search -k 100 texts.zv <feats.zv >found
	compare "pictures look for texts" sim pictures keys found
	zv-search -k 100 -m itm --rerank vit.zv --texts texts --rerank-most 3 feats.zv <texts.zv >found
	compare "the best 3 pictures of each text, matched" rerank_t2i_k3 keys pictures found
	zv-search -k 100 -m itm --rerank vit.zv --texts texts --rerank-most 3 texts.zv <feats.zv >found
	compare "the best 3 texts of each picture, matched" rerank_i2t_k3 pictures keys found
	zv-search --gather -o bank.zv feats.zv
	zv-search -k 100 bank.zv <texts.zv >gathered
	zv-search -k 100 feats.zv <texts.zv >found
	same "$level: gathered features give the same" gathered found
done
finish
