# examples.t - what stands in examples/ runs, with a toy model: batch/Makefile, cache.sh; and
# so do the commands of README.md. (finetune.t has demo.sh and finetune.sh, plot.t has plot.sh, search.t
# has search.sh.)
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
fixture_make || { fail "fixtures"; finish; }
examples=$ZV_ROOT/examples
unset MAKEFLAGS MAKELEVEL MFLAGS
batch() { make -f "$examples/batch/Makefile" MODEL=ziya SEARCH_MODEL=ziya GENERATE=--max-new=4 "$@"; }

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
sed -n '/^## Search your photos/,/^## /s/^    //p' "$ZV_ROOT/README.md" >commands
rm -f list photos.zv feats.zv
is "README: a search takes five commands" "$(wc -l <commands | tr -d ' ')" 5
while read -r command <&3; do
	ok "README: $command" sh -c "$command"
done 3<commands
is "README: the photos are found" "$(sh -c "$(tail -n 1 commands)" | cut -f 2,4 | tr '\t\n' ' ,')" '1 photos/1.jpg,2 photos/2.jpg,'
like "README: a second run computes nothing" "$(sh -c "$(sed -n '2s/-T/-v -T/p' commands)" 2>&1)" '* 0 pictures encoded, 0 failed, 2 already there'
cd .. || exit 2

### batch/Makefile
printf 'photo.jpg\ncat.jpg\ndog.jpg\nmissing.jpg\n' >four
ok "batch: a job with a picture that fails" batch -j2 LIST=four N=3 WORK=job
is "batch: all records, in a stream that is whole" "$(zv-ls job/photos.zv 2>/dev/null | cut -f1 | sort | tr '\n' ' ')" \
	"cat.jpg dog.jpg missing.jpg photo.jpg "
zv-cat --no-failed job/photos.zv -o job.zv
sort list >keys
zv-cat -k cat.jpg job.zv -o one.zv; zv-cat -k cat.jpg photos.zv -o wanted.zv
same "batch: features are those of zv-encode" one.zv wanted.zv
ok "batch: the index is good" zv-cat -k photo.jpg job/photos.zv -o one.zv
is "batch: a caption for each picture" "$(cut -f1 job/captions.tsv | sort)" "$(cat keys)"
is "batch: captions are those of the pipeline" "$(sort job/captions.tsv)" \
	"$(zv-qformer -m ziya photos.zv | zv-generate -m ziya -p 'Describe the picture.' --max-new=4 | sort)"
is "batch: names of the matrix" "$(sort job/feats.txt)" "$(cat keys)"
is "batch: shape of the matrix" "$(python3 -c '
import ast
f = open("job/feats.npy", "rb"); f.read(8); n = int.from_bytes(f.read(2), "little")
print("x".join(map(str, ast.literal_eval(f.read(n).decode())["shape"])))')" \
	"3x$(zv-ls feats.zv | head -n 1 | cut -f4)"
is "batch: make failed" "$(batch -s LIST=four N=3 WORK=job failed)" \
	"missing.jpg	cannot open: No such file or directory"
like "batch: nothing is left to do" "$(batch LIST=four N=3 WORK=job)" "*Nothing to be done*"
cp dog.jpg missing.jpg; touch four
ok "batch: a list that changed" batch -s LIST=four N=3 WORK=job
is "batch: what failed is there now" "$(batch -s LIST=four N=3 WORK=job failed; cut -f1 job/captions.tsv | sort | tr '\n' ' ')" \
	"cat.jpg dog.jpg missing.jpg photo.jpg "
ok "batch: a shard alone" batch -s LIST=list N=3 WORK=task I=2 shard
is "batch: only this shard" "$(cut -f1 task/captions/2of3.tsv; cd task && find . -name '*of3.*' | sort | tr '\n' ' ')" \
	"cat.jpg
./captions/2of3.tsv ./feats/2of3.zv ./photos/2of3.cache ./photos/2of3.zv "
# The list is what counts: each of its pictures once, as it is now.
mkdir now && cp photo.jpg cat.jpg dog.jpg now && printf 'now/photo.jpg\nnow/cat.jpg\nnow/dog.jpg\n' >now.list
ok "batch: three pictures" batch -s LIST=now.list N=2 WORK=turn
cp now/dog.jpg now/cat.jpg; touch now.list
ok "batch: a picture has changed" batch -s LIST=now.list N=2 WORK=turn
is "batch: it is answered once" "$(cut -f1 turn/captions.tsv | sort | tr '\n' ' ')" "now/cat.jpg now/dog.jpg now/photo.jpg "
is "batch: as it is now" "$(grep now/cat turn/captions.tsv | cut -f2)" "$(grep now/dog turn/captions.tsv | cut -f2)"
is "batch: and is once in the matrix" "$(sort turn/feats.txt | tr '\n' ' ')" "now/cat.jpg now/dog.jpg now/photo.jpg "
printf 'now/cat.jpg\nnow/dog.jpg\n' >now.list
ok "batch: a name has left the list" batch -s LIST=now.list N=2 WORK=turn
is "batch: and the captions, features and names" "$(cut -f1 turn/captions.tsv | sort | tr '\n' ' '
	zv-ls --keys turn/photos.zv | sort | tr '\n' ' '; sort turn/feats.txt | tr '\n' ' ')" \
	"now/cat.jpg now/dog.jpg now/cat.jpg now/dog.jpg now/cat.jpg now/dog.jpg "
echo broken >now/cat.jpg; touch now.list
batch -s LIST=now.list N=2 WORK=turn 2>/dev/null
is "batch: a picture that was one has no answer" "$(cut -f1 turn/captions.tsv)" now/dog.jpg
like "batch: but a reason" "$(batch -s LIST=now.list N=2 WORK=turn failed)" "now/cat.jpg	not a picture*"
ok "batch: more shards than pictures" batch -s LIST=now.list N=4 WORK=wide wide/captions.tsv 2>/dev/null

# Damage in the middle of a stream that was made: no captions, and none from it later.
ok "batch: features to be damaged" batch -s LIST=list N=1 WORK=hurt hurt/photos/1of1.zv
printf ABCD | dd of=hurt/photos/1of1.zv bs=1 seek=5000 conv=notrunc 2>/dev/null
status "batch: damaged features" 2 batch -s LIST=list N=1 WORK=hurt hurt/captions.tsv
is "batch: no captions are published" "$(find hurt -name '*.tsv')" ""
touch list
batch -s LIST=list N=1 WORK=hurt >out 2>err
is "batch: a damaged cache is no shard" "$?:$(find hurt -name '*.tsv' -o -name '1of1.zv')" "2:"
like "batch: and says so" "$(cat err)" "*1of1.cache: damaged*"

# A search model of its own.
plain() { make -f "$examples/batch/Makefile" MODEL=ziya GENERATE=--max-new=4 LIST=list N=2 -s "$@"; }
ok "batch: without a search model" plain WORK=captions-only
is "batch: there is no matrix" "$(cd captions-only && find . -maxdepth 1 -type f | sort | tr '\n' ' ')" \
	"./captions.tsv ./photos.zv ./photos.zv.zvi "
cp -R ziya twin
ok "batch: a search model with the same image encoder" plain WORK=twins SEARCH_MODEL=twin
ok "batch: takes the same features" test -s twins/feats.npy -a ! -e twins/search-photos
seed-model --seed 2 other >/dev/null
ok "batch: a search model with another image encoder" plain WORK=others SEARCH_MODEL=other
zv-encode -q -m other -T list | zv-qformer -q -m other --contrast | zv-export --text -n itc >wanted
zv-export --text others/feats.zv >got
is "batch: has features of its own" "$(sort got)" "$(sort wanted)"
ok "batch: a shard of it" plain WORK=others-shard SEARCH_MODEL=other I=1 shard
PROMPT="What's on \$HOME?" batch -s LIST=list N=1 WORK=quoted quoted/captions.tsv
is "batch: a prompt with a quote" "$(sort quoted/captions.tsv)" \
	"$(zv-qformer -m ziya photos.zv | zv-generate -m ziya -p "What's on \$HOME?" --max-new=4 | sort)"

# Ctrl-C in the middle: the group of make gets it. A pipe as the list holds zv-encode up.
mkfifo slow
env --default-signal=INT setsid make -s -f "$examples/batch/Makefile" MODEL=ziya LIST=slow N=1 WORK=cut >out 2>&1 &
job=$!
exec 3>slow
printf 'photo.jpg\n' >&3
tries=0
until ls cut/photos/.*.part >/dev/null 2>&1 || [ $tries -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
kill -INT -$job
wait $job
ok "batch: interrupted make fails" test $? -ne 0
exec 3>&-
is "batch: interrupted make leaves the cache, no shard" "$(cd cut/photos && find . -type f)" "./1of1.cache"
is "batch: with what was done" "$(zv-ls --keys cut/photos/1of1.cache)" photo.jpg
mkdir hidden; mv photo.jpg hidden
batch -s LIST=list N=1 WORK=cut >out 2>&1
mv hidden/photo.jpg .
ok "batch: the next make asks for all pictures" grep -q 'photo.jpg: cannot open' out
touch list
ok "batch: and goes on" batch -s LIST=list N=1 WORK=cut
is "batch: each picture is there once" "$(zv-ls --keys cut/photos.zv | sort)" "$(cat keys)"

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
finish
