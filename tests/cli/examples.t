# examples.t - what stands in examples/ runs, with a toy model: cache.sh; and so do the commands of
# README.md. (job.t has batch.mk, search.t search.sh, finetune.t demo.sh and finetune.sh, plot.t plot.sh.)
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
sed -n '/^## Search your photos/,/^## /s/^    //p' "$ZV_ROOT/README.md" >commands
rm -f list photos.zv feats.zv
is "README: a search takes five commands" "$(wc -l <commands | tr -d ' ')" 5
while read -r command <&3; do
	ok "README: $command" sh -c "$command"
done 3<commands
is "README: the photos are found" "$(sh -c "$(tail -n 1 commands)" | cut -f 2,4 | tr '\t\n' ' ,')" '1 photos/1.jpg,2 photos/2.jpg,'
like "README: a second run computes nothing" "$(sh -c "$(sed -n '2s/-T/-v -T/p' commands)" 2>&1)" '* 0 pictures encoded, 0 failed, 2 already there'
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
finish
