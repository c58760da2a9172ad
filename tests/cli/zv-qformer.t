# zv-qformer.t - zv-qformer on its own: uses, questions, pairs, failures, makers, order.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
fixture_make || { fail "the example files are made"; finish; }

# records FILE: lines "kind key name shape" (text payloads behind them)
cat >records.py <<'E2'
import struct, subprocess, sys
data = subprocess.run(['zstd', '-dcq', sys.argv[1]], stdout=subprocess.PIPE, check=True).stdout
at = 0
while at < len(data):
    magic, kind, dt, nd, fl, kl, nl, ml, size, maker, src, xx = struct.unpack_from('<4scBBBHHIQ16s16sQ', data, at)
    head = (64 + 8 * nd + kl + nl + ml + 8 + 63) & ~63
    shape = struct.unpack_from('<%dQ' % nd, data, at + 64)
    names = data[at + 64 + 8 * nd:]
    text = data[at + head:at + head + size].decode() if kind == b'F' or chr(dt) == 'B' else ''
    print(kind.decode(), names[:kl].decode(), names[kl:kl + nl].decode(), chr(dt) + 'x'.join(map(str, shape)), '+' * (fl & 1) + text)
    if len(sys.argv) > 2:
        print(names[kl + nl:kl + nl + ml].decode(), end='')
    at += head + (size + 63 & ~63)
E2
records() { python3 records.py "$1" | grep -v '^E' | sed 's/ *$//'; }

### uses
is "soft prompts by default" "$(records prompts.zv)" "T photo.jpg prompt f8x64
T cat.jpg prompt f8x64
T dog.jpg prompt f8x64"
is "features for search" "$(records feats.zv | head -n 1)" "T photo.jpg itc f8x16"
zv-qformer -m ziya --query photos.zv >out.zv
is "query outputs" "$(records out.zv | head -n 1)" "T photo.jpg qformer f8x32"
zv-qformer -m ziya --match -p 'a dog' photos.zv >out.zv
is "matching: two logits and the text" "$(records out.zv | head -n 2)" "T photo.jpg itm f2 +
T photo.jpg text B5 a dog"
zv-qformer -m ziya --text text >out.zv
is "texts are their own keys" "$(records out.zv)" "T a dog on the beach itc f16
T 一只狗在海边 itc f16"
printf '1\ta dog\n2\ta cat\n' | zv-qformer -m ziya --text --keyed >out.zv
is "or have keys" "$(records out.zv)" "T 1 itc f16
T 2 itc f16"
is "rows for search have length 1" "$(zv-export --text out.zv | awk '{ s = 0
	for (i = 2; i <= NF; i++) s += $i * $i; printf "%.4f ", s }')" "1.0000 1.0000 "
captions=$(zv-qformer -m ziya --caption --min-length 3 --max-length 5 photos.zv)
is "captions: a line for each" "$(printf '%s\n' "$captions" | cut -f 1 | tr '\n' ' ')" "photo.jpg cat.jpg dog.jpg "
zv-qformer -m ziya --caption --max-length 5 photos.zv >lines
zv-qformer -m ziya --caption --max-length 5 --json photos.zv >json
is "captions as JSON" "$(python3 -c 'import json
for line in open("json", encoding="utf-8"):
    o = json.loads(line)
    print(o["key"], o["text"], sep="\t")')" "$(cat lines)"
is "captions alone" "$(zv-qformer -m ziya --caption --max-length 5 --text-only photos.zv)" "$(cut -f 2 lines)"
zv-qformer -m ziya --caption --max-length 5 -0 photos.zv | tr '\000' '\n' >zero
same "captions that end with a zero byte" zero lines
zv-qformer -m ziya --dtype bf16 photos.zv >out.zv
is "other dtypes" "$(records out.zv | head -n 1)" "T photo.jpg prompt E8x64"

### questions
zv-qformer -m ziya -p 'What?' photos.zv >out.zv
is "a question for all" "$(records out.zv | head -n 2)" "T photo.jpg prompt f8x64 +
T photo.jpg question B5 What?"
printf 'cat.jpg\tfirst\ncat.jpg\tsecond\\nline\nphoto.jpg\tonly\n' >questions
zv-qformer -m ziya --questions questions photos.zv >out.zv
is "questions by key: pictures in their order, questions in that of the file" "$(records out.zv | grep question)" \
	"T photo.jpg question B4 only
T cat.jpg question B5 first
T cat.jpg question B11 second"
printf 'bird.jpg\tfirst\ncat.jpg\tsecond\nfish.jpg\tthird\n' >questions
zv-qformer -m ziya --questions questions photos.zv >out.zv 2>err
is "questions about pictures that did not come: exit 1" "$?" 1
is "and a message" "$(cat err)" 'zv-qformer: questions: 2 lines are about pictures that did not come, the first about "bird.jpg"'
is "the others are answered" "$(records out.zv | grep -c question)" 1
zv-qformer -m ziya -p 'What?' photos.zv | zv-cat -n question >only.zv 2>/dev/null
zv-qformer -m ziya only.zv >out.zv 2>err
is "a question without a picture fails" "$?" 1
like "and says what zv-encode is for" "$(head -n 1 err)" "*holds no patch features*zv-encode*"
printf 'photo.jpg\ta dog\nphoto.jpg\ta cat\n' >pairs
zv-qformer -m ziya --match --pairs pairs photos.zv >out.zv
is "pairs: only pictures with texts" "$(records out.zv | grep -c itm)" 2
printf 'photo.jpg\ta dog\nphoto.jpg\t\nphoto.jpg\ta cat\ncat.jpg\ta cat\n' >pairs-2
zv-qformer -m ziya --match --pairs pairs-2 photos.zv >out.zv 2>err
is "a text that fails: exit 1" "$?" 1
is "and fails alone" "$(records out.zv | grep -v itm)" "T photo.jpg text B5 a dog
F photo.jpg  B21 \"\": the text is empty
T photo.jpg text B5 a cat
T cat.jpg text B5 a cat"
is "the message names it" "$(cat err)" 'zv-qformer: photo.jpg: "": the text is empty'
status "--strict stops at it" 1 zv-qformer -m ziya --strict --match --pairs pairs-2 -o out2.zv photos.zv
ok "without a file" test ! -e out2.zv
printf 'photo.jpg a dog\n' >bad-pairs
status "pairs without TAB" 2 zv-qformer -m ziya --match --pairs bad-pairs photos.zv
like "the line is named" "$tap_out" "*bad-pairs: line 1*"

### the question inside the Q-Former
seed-model --instruction asked >/dev/null
zv-qformer -m asked --any-maker -p 'What is it?' photos.zv >what.zv
zv-qformer -m asked --any-maker -p 'Who is it?' photos.zv >who.zv
zv-qformer -m asked --any-maker photos.zv >none.zv 2>err
is "works without a question" "$?" 0
is "with one remark" "$(wc -l <err)" 1
zv-export --raw -n prompt what.zv >what.raw
zv-export --raw -n prompt who.zv >who.raw
zv-export --raw -n prompt none.zv >none.raw
ok "another question, another prompt" sh -c '! cmp -s what.raw who.raw && ! cmp -s what.raw none.raw'
zv-qformer -m ziya -p 'What is it?' photos.zv | zv-export --raw -n prompt >what.raw
zv-qformer -m ziya -p 'Who is it?' photos.zv | zv-export --raw -n prompt >who.raw
same "models without instruction: the same prompt" what.raw who.raw
long=$(python3 -c "print('a ' * 500)")
ok "a question of 500 words is cut" zv-qformer -m asked --any-maker -p "$long" -o out.zv photos.zv

### texts
printf 'A dog!\na dog\n' | zv-qformer -m ziya --text | zv-export --raw >raw
is "texts are cleaned" "$(head -c 64 raw | cksum)" "$(tail -c 64 raw | cksum)"
printf 'A dog!\na dog\n' | zv-qformer -m ziya --text --no-clean | zv-export --raw >raw
ok "unless asked not to" test "$(head -c 64 raw | cksum)" != "$(tail -c 64 raw | cksum)"
many=$(python3 -c "print('a ' * 40)")
printf '%s\n%sb\n' "$many" "$many" | zv-qformer -m ziya --text | zv-export --raw >raw
is "texts are cut at 35 ids" "$(head -c 64 raw | cksum)" "$(tail -c 64 raw | cksum)"
printf '%s\n%sb\n' "$many" "$many" | zv-qformer -m ziya --text --most 50 | zv-export --raw >raw
ok "or elsewhere" test "$(head -c 64 raw | cksum)" != "$(tail -c 64 raw | cksum)"
printf 'one\n\n\377\ntwo\n' | zv-qformer -m ziya --text >out.zv 2>err
is "bad lines: exit 1" "$?" 1
is "bad lines leave failures in place" "$(records out.zv | cut -d' ' -f 1-3)" "T one itc
F line 2
F line 3
T two itc"
printf 'a\tb\n' | zv-qformer -m ziya --text >out.zv
is "a TAB in a text is a blank in its key" "$(records out.zv)" "T a b itc f16"
python3 -c "print('猫' * 1000)" | zv-qformer -m ziya --text >out.zv
is "a long text has a key cut between characters" "$(records out.zv | cut -d' ' -f 2 | tr -d '\n' | wc -c)" 1023

### failures and makers
zv-encode -m ziya photo.jpg absent.jpg cat.jpg >mixed.zv 2>/dev/null
zv-qformer -m ziya mixed.zv >out.zv 2>err
is "a failure from upstream: exit 1" "$?" 1
is "and is passed on in its place" "$(records out.zv | cut -d' ' -f 1,2 | tr '\n' ' ')" "T photo.jpg F absent.jpg T cat.jpg "
status "--strict stops at it" 1 zv-qformer -m ziya --strict -o out.zv mixed.zv
is "captions as JSON: failures with their reason" "$(zv-qformer -m ziya --caption --json mixed.zv 2>/dev/null | sed -n 2p)" \
	'{"key":"absent.jpg","error":"cannot open: No such file or directory"}'
is "captions stay in line" "$(zv-qformer -m ziya --caption mixed.zv 2>/dev/null | cut -f 1 | tr '\n' ' ')" "photo.jpg absent.jpg cat.jpg "
seed-model --seed 2 other >/dev/null
zv-qformer -m other photos.zv >out.zv 2>err
is "features of another encoder: exit 1" "$?" 1
like "the message names the way out" "$(head -n 1 err)" "zv-qformer: photo.jpg: *another model's image encoder*--any-maker*"
ok "--any-maker takes them" zv-qformer -m other --any-maker -o out.zv photos.zv
zv-qformer -m ziya feats.zv >out.zv 2>err
is "records of another name: exit 1" "$?" 1
maker=$(python3 records.py prompts.zv meta | sed -n 2,7p)
like "the maker tells stage, weights and input" "$maker" "zv=1
stage=qformer 1
weights=*
input=*
llm=*"
head -c 3000 photos.zv >cut.zv
zv-qformer -m ziya cut.zv >out.zv 2>err
is "a cut stream: exit 1" "$?" 1
like "and a message" "$(cat err)" "zv-qformer: cut.zv: *cut off*"

### models without the parts
seed-model --plain plain >/dev/null
ok "a model without text branch" zv-qformer -m plain --any-maker -o out.zv photos.zv
for use in --contrast '--match -p x' --text --caption; do
	# shellcheck disable=SC2086
	status "without heads: $use" 2 zv-qformer -m plain --any-maker $use photos.zv
	like "says what is missing: $use" "$tap_out" "*the Q-Former has no *"
done
for options in '--match' '--query --contrast' '--pairs pairs' '--keyed' '--contrast -p x' '--match --questions pairs' \
	'-p x --questions pairs' '--json' '--text-only' '--caption --json --text-only' '--caption --json -0' '--match --prompt='; do
	# shellcheck disable=SC2086
	status "refused: $options" 2 zv-qformer -m ziya $options photos.zv
done

### order, latency, threads
for threads in 1 2 3; do
	zv-qformer -m ziya -t $threads photos.zv >again.zv
	same "the same bytes with $threads threads" prompts.zv again.zv
done
cat photos.zv photos.zv photos.zv mixed.zv >many.zv
printf 'photo.jpg\ta dog\nphoto.jpg\t\nphoto.jpg\ta cat on a mat\ncat.jpg\ta cow\ncat.jpg\tone more cat here\n' >texts
for level in ref avx2 avx512; do
	ZV_CPU=$level zv-qformer -m ziya --version >/dev/null 2>&1 || continue
	for use in '' '--query -t 3' '--contrast' '--match --pairs texts' '--any-maker --questions texts'; do
		model=ziya
		case $use in *questions*) model=asked ;; esac
		# shellcheck disable=SC2086
		ZV_CPU=$level zv-qformer -q -m $model -b 1 $use many.zv >wanted.zv 2>/dev/null
		for batch in 2 3 8 256; do
			# shellcheck disable=SC2086
			ZV_CPU=$level zv-qformer -q -m $model -b $batch $use many.zv >got.zv 2>/dev/null
			same "$level: the same bytes with -b $batch $use" wanted.zv got.zv
		done
	done
done
zv-qformer -q -m ziya --caption --max-length 5 -b 1 many.zv >wanted 2>/dev/null
zv-qformer -q -m ziya --caption --max-length 5 -b 7 many.zv >got 2>/dev/null
same "captions with -b 7" wanted got
status "-b 0" 2 zv-qformer -m ziya -b 0 photos.zv
zv-qformer -m ziya --questions texts -b 1 photos.zv >out.zv
is "questions that make no difference share a result" "$(zv-export --raw -n prompt -k cat.jpg out.zv | cksum)" \
	"$({ zv-export --raw -k cat.jpg prompts.zv; zv-export --raw -k cat.jpg prompts.zv; } | cksum)"
is "what comes behind a damaged input is worked on" \
	"$(zv-qformer -m ziya cut.zv photos.zv 2>/dev/null | zstd -dcq | grep -ao 'dog\.jpg' | wc -l)" 1
zv-cat -k cat.jpg photos.zv | zv-qformer -m ziya | zv-export --raw >alone.raw
zv-export --raw -k cat.jpg prompts.zv >among.raw
same "the same bytes alone and among others" alone.raw among.raw
zv-encode -m ziya photo.jpg >one.zv
# shellcheck disable=SC2094
( cat one.zv; sleep 1; cp results early; cat one.zv ) | zv-qformer -m ziya | cat >results
ok "the first result flows before the input ends" test -s early
# shellcheck disable=SC2094
( cat one.zv; sleep 1; cp results early; cat one.zv ) | zv-qformer -b 256 -m ziya --match -p 'a dog' | cat >results
ok "also in large batches" test -s early
cat photos.zv photos.zv | zv-qformer -m ziya >out.zv
is "joined streams" "$(records out.zv | wc -l)" 6
finish
