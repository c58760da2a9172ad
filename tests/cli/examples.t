# examples.t - what stands in examples/ runs, with a toy model: cache.sh, search.sh; and so do
# the commands of README.md. (job.t has batch.mk, finetune.t demo.sh and finetune.sh, plot.t plot.sh.)
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
fixture_make || { fail "fixtures"; finish; }
examples=$ZV_ROOT/examples
unset MAKEFLAGS MAKELEVEL MFLAGS

### README.md: all commands but the import of a checkpoint, as they stand
mkdir -p readme/cats
cp photo.jpg dog.jpg readme; cp cat.jpg readme/cats/1.jpg
cp -R ziya readme/ziya; cp -R ziya readme/itm
cd readme || exit 2
printf 'photo.jpg\ncats/1.jpg\n' >list
sed -n '/^## What you type/,/^|/s/^    \(zv-.*\)/\1/p' "$ZV_ROOT/README.md" | grep -v '^zv-import' >commands
ok "README: there are commands" test "$(wc -l <commands)" -ge 7
while read -r command <&3; do
	ok "README: $command" sh -c "$command"
done 3<commands
printf '{"image":"photos/%d.jpg","question":"What is it?","answer":"A ball."}\n' 1 2 >pairs.jsonl
mkdir photos; cp photo.jpg photos/1.jpg; cp cats/1.jpg photos/2.jpg; cp -R ziya emoji
sed -n '/^## Train on your own/,/^## /s/^    \(zv-.*\)/\1/p' "$ZV_ROOT/README.md" >commands
is "README: training takes five commands" "$(wc -l <commands | tr -d ' ')" 5
while read -r command <&3; do
	ok "README: $command" sh -c "$(printf '%s\n' "$command" | sed 's/--steps 150/--steps 2/')"
done 3<commands
cd .. || exit 2

### cache.sh
mkdir -p 'album/a b'; cp photo.jpg 'album/a b/one.jpg'; cp cat.jpg album/two.JPG; echo no >album/notes.txt
sh "$examples/cache.sh" update ziya album.zv album 2>err
is "cache.sh update: counts" "$?:$(cat err)" "0:zv-encode: 2 pictures encoded, 0 failed, 0 already there"
is "cache.sh keys" "$(sh "$examples/cache.sh" keys album.zv | tr '\n' '|')" "album/a b/one.jpg|album/two.JPG|"
cp dog.jpg album/three.jpg; echo broken >album/four.png
sh "$examples/cache.sh" update ziya album.zv album 2>err
is "cache.sh update: only what is new; failures are status 1" "$?:$(tail -n 1 err)" \
	"1:zv-encode: 1 pictures encoded, 1 failed, 2 already there"
sh "$examples/cache.sh" ask ziya album.zv '里面有什么？' 'album/a b/one.jpg' album/three.jpg >answers
is "cache.sh ask: the chosen pictures" "$?:$(cut -f1 answers | sort | tr '\n' '|')" "0:album/a b/one.jpg|album/three.jpg|"
zv-ask -m ziya 'album/a b/one.jpg' album/three.jpg '里面有什么？' >asked
same "cache.sh ask: answers are those of zv-ask" answers asked
is "cache.sh ask: a picture that is not there" "$(sh "$examples/cache.sh" ask ziya album.zv 'What?' none.jpg 2>&1)" \
	'zv-cat: no record has the key "none.jpg"'
status "cache.sh: usage" 2 sh "$examples/cache.sh" ask ziya
like "cache.sh: usage is legible" "$(sh "$examples/cache.sh" 2>&1)" "usage: cache.sh update*keys CACHE*"

### search.sh
sort list >keys
sh "$examples/search.sh" ziya photos.zv 'a dog on the beach' >found
is "search.sh: all pictures, in order of probability" \
	"$?:$(wc -l <found | tr -d ' '):$(sort -rn <found | cmp - found 2>&1)" "0:3:"
is "search.sh: probabilities are those of zv-qformer --match" "$(cut -f2 found | sort)" "$(cat keys)"
wanted=$(zv-qformer -m ziya --match -p 'a dog on the beach' photos.zv | zv-export --json -n itm | python3 -c '
import json, math, sys
for line in sys.stdin:
    row = json.loads(line); no, yes = row["data"]
    print("%.4f\t%s" % (1 / (1 + math.exp(no - yes)), row["key"]))' | sort -k1,1rn -k2)
is "search.sh: ... computed elsewhere" "$(cat found)" "$wanted"
is "search.sh: the best one only" "$(sh "$examples/search.sh" ziya photos.zv 'a dog on the beach' 1 | wc -l | tr -d ' ')" 1
# The candidate is the picture with the largest dot product: the same from the .npy by Python.
sh "$examples/search.sh" ziya photos.zv '雪人' 1 >found
printf '雪人\n' | zv-qformer -m ziya --text | zv-export --stack -o text.npy
is "search.sh: ... is the one that the matrix tells" "$(cut -f2 found)" "$(python3 - <<'PY'
import ast, struct
def load(path):
    f = open(path, 'rb'); f.read(8); n = int.from_bytes(f.read(2), 'little')
    shape = ast.literal_eval(f.read(n).decode())['shape']; data = f.read()
    return shape, struct.unpack('<%df' % (len(data) // 4), data)
(count, rows, width), x = load('photos.npy')
_, t = load('text.npy')
names = open('photos.txt').read().splitlines()
score = lambda p: max(sum(a * b for a, b in zip(t, x[(p * rows + r) * width:][:width])) for r in range(rows))
print(names[max(range(count), key=score)])
PY
)"
status "search.sh: no such stream" 2 sh "$examples/search.sh" ziya none.zv text
finish
