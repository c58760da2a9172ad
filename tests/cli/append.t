# append.t - files that grow in place: torn tails, damage in the middle, and indexes of another file,
# of an older one, or changed.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
# shellcheck source=tests/support/append.sh
. "$ZV_TESTS/support/append.sh"
encode -o true.zv -T list
tensors true.zv >wanted

### a torn tail: cut at every place from the last but one record on, with and without the index
encode --append whole.zv -T list
is "the records of one run" "$(tensors whole.zv)" "$(cat wanted)"
zv-index -q whole.zv
cp whole.zv.zvi made
ok "the index is the one that zv-index makes" cmp -s made whole.zv.zvi
last=$(sort -t '	' -k 3,3n whole.zv.zvi | tail -n 1 | cut -f 3)
bad=0 runs=0 cut=$((last - 40))
while [ "$cut" -lt "$(size whole.zv)" ]; do
	for index in with without; do
		head -c "$cut" whole.zv >torn.zv
		rm -f torn.zv.zvi
		[ $index = without ] || cp whole.zv.zvi torn.zv.zvi
		runs=$((runs + 1))
		encode --append torn.zv -T list 2>>errors || bad=$((bad + 1))
		[ "$(tensors torn.zv)" = "$(cat wanted)" ] || bad=$((bad + 1))
		zv-ls --check torn.zv >/dev/null || bad=$((bad + 1))
	done
	cut=$((cut + 911))
done
is "cut at $((runs / 2)) places the file is completed" $bad 0
head -c $((last + 100)) whole.zv >torn.zv
cp whole.zv.zvi torn.zv.zvi
like "with a remark" "$(zv-encode -v -m ziya --append torn.zv -T list 2>&1)" \
	"*torn.zv: * bytes behind the last whole record are cut off*1 pictures encoded, 0 failed, 11 already there"
{ cat whole.zv; head -c 5000 /dev/zero; } >torn.zv
encode --append torn.zv -T list 2>/dev/null
ok "zeros behind the end are cut off" cmp -s torn.zv whole.zv
: >torn.zv; rm -f torn.zv.zvi
encode --append torn.zv -T list
is "an empty file is begun" "$(tensors torn.zv)" "$(cat wanted)"
encode --dtype int8 --append parts.zv -T list
tensors parts.zv >wanted8
last=$(sort -t '	' -k 3,3n parts.zv.zvi | tail -n 1 | cut -f 3)
head -c $((last + 30)) parts.zv >torn.zv
cp parts.zv.zvi torn.zv.zvi
like "a sample of which a part is there is cut off whole" \
	"$(zv-encode -v -m ziya --dtype int8 --append torn.zv -T list 2>&1)" "*1 pictures encoded, 0 failed, 11 already there"
is "... and computed again" "$(tensors torn.zv)" "$(cat wanted8)"
for no in 'not a stream' ''; do
	printf '%s' "$no$(head -c 300 all)" >no.zv
	cp no.zv before
	status "what is no stream is refused" 1 encode --append no.zv -T list
	same "... and stays as it is" no.zv before
done

### damage in the middle
cp whole.zv sick.zv; cp whole.zv.zvi sick.zv.zvi
place=$(sed -n '5p' sick.zv.zvi | cut -f 3); key=$(sed -n '5p' sick.zv.zvi | cut -f 1)
printf 'damage' | dd of=sick.zv bs=1 seek=$((place + 300)) conv=notrunc 2>/dev/null
status "damage is found" 1 zv-ls --check sick.zv
like "and named" "$(zv-ls --check sick.zv 2>&1)" "*sick.zv: \"$key\" vit is damaged*"
like "--verify computes just that again" "$(zv-encode -v -m ziya --append sick.zv --verify -T list 2>&1)" \
	"*1 pictures encoded, 0 failed, 11 already there"
is "... and nothing is lost" "$(tensors sick.zv)" "$(cat wanted)"
ok "... and all is right" zv-ls --check sick.zv
cp whole.zv sick.zv; rm -f sick.zv.zvi
printf 'damage' | dd of=sick.zv bs=1 seek=$((place + 300)) conv=notrunc 2>/dev/null
encode --append sick.zv -T list 2>/dev/null
is "without an index damage is found in any case" "$(tensors sick.zv)" "$(cat wanted)"

### the index: of another file, older, changed, or leading elsewhere
status "zv-ls --check: an index that is another's" 1 sh -c \
	"cp whole.zv other.zv; cp true.zv x.zv; zv-index x.zv; cp x.zv.zvi other.zv.zvi; zv-ls --check other.zv"
encode --append other.zv -T list
is "--append does not believe it" "$(tensors other.zv)" "$(cat wanted)"
ok "... and puts it right" zv-ls --check other.zv
encode --append grown.zv -T list; cp grown.zv.zvi old.zvi
encode --append grown.zv -T all; cp old.zvi grown.zv.zvi
like "an older index serves as far as it goes" "$(zv-encode -v -m ziya --append grown.zv -T all 2>&1)" \
	"*0 pictures encoded, 0 failed, $pictures already there"
ok "... and is completed" zv-ls --check grown.zv
python3 - <<'E2' >flips
import random
random.seed(1)
text = open('whole.zv.zvi', 'rb').read()
for n in range(12):
    at = random.randrange(len(text))
    with open('flip%d.zvi' % n, 'wb') as f:
        f.write(text[:at] + bytes([text[at] ^ 1 << random.randrange(8)]) + text[at + 1:])
E2
bad=0 refused=0
zv-cat -K list whole.zv | zv-ls -l | sort >right
for flip in flip*.zvi; do
	cp whole.zv flipped.zv; mv "$flip" flipped.zv.zvi
	if zv-cat -K list flipped.zv 2>/dev/null >got.zv; then
		zv-ls -l got.zv | sort | cmp -s - right || bad=$((bad + 1))
	else
		refused=$((refused + 1))
	fi
	encode --append flipped.zv -T list 2>/dev/null
	# a flip in key, maker or source makes work, never a wrong record, and loses none
	zv-cat --newest flipped.zv | tensors | uniq | cmp -s - wanted || bad=$((bad + 1))
done
is "12 indexes with a flipped bit: an error ($refused) or the right tensors" $bad 0
finish
