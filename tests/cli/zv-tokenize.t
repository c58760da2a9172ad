# zv-tokenize.t - zv-tokenize on its own: lines, failures, options, streaming, latency.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
make-tokenizer . || { fail "make-tokenizer"; finish; }
bpe() { zv-tokenize --tokenizer tokenizer.model "$@"; }
chat() { bpe --added-tokens added_tokens "$@"; }
words() { zv-tokenize --tokenizer vocab.txt "$@"; }

### both tokenizers
is "pieces of a text" "$(echo 'the cat is in the picture' | bpe -p)" "▁the ▁cat ▁is ▁in ▁the ▁picture"
is "appended pieces with score 0 win" "$(echo 这张图片 | bpe -p)" "▁ 这张图片"
is "bytes where there is no piece" "$(echo z | bpe -p)" "▁ <0x7A>"
is "ids" "$(echo 'the cat' | bpe)" "263 279"
is "an empty line stays one" "$(printf 'the\n\ncat\n' | bpe)" "263

279"
is "a last line without its newline" "$(printf 'the' | bpe)" "263"
is "no input, no output" "$(bpe </dev/null)" ""
is "<s> and </s>" "$(echo the | bpe --bos --eos -p)" "<s> ▁the </s>"
is "WordPiece" "$(echo 'The CATS, 你' | words -p)" "the cat ##s , 你"
is "WordPiece, framed" "$(echo cat | words -f -p)" "[CLS] cat [SEP]"
is "framed and cut" "$(echo 'the cat is' | words -f --most 4 -p)" "[CLS] the cat [SEP]"
printf '%0120d\n' 0 | tr 0 x >long-word
is "long words" "$(words -c long-word) $(words --word-most 200 -c long-word)" "1 120"
is "counts" "$(printf 'the cat\n\nis\n' | bpe -c | tr '\n' ' ')" "2 0 1 "

### added tokens
is "the list says strip" "$(printf '<human>: the\\n<bot>:\n' | chat --escaped -p)" "<human> ▁ : ▁the <bot> ▁ :"
is "keep" "$(printf 'the\\n<bot>the\n' | chat --escaped --added keep -p)" "▁the <0x0A> <bot> ▁the"
is "modern" "$(printf 'the<bot>the\n' | chat --modern -p)" "▁the <bot> t he"
is "plain" "$(echo 'is</s>' | bpe --plain -c) $(echo 'is</s>' | bpe -c)" "5 2"
is "without a list they are text" "$(echo '<bot>' | bpe -p | grep -c '<bot>')" 0

### clean-up
is "a caption" "$(echo 'The CAT (is)!' | bpe --clean caption -p)" "▁the ▁cat ▁is"
is "a prompt in front" "$(echo 'Cat' | bpe --clean caption --prompt 'the ' -p)" "▁the ▁cat"

### forms
is "JSON ids" "$(echo 'the cat' | bpe --json)" '{"ids":[263,279]}'
is "JSON pieces" "$(echo 'the' | bpe --json -p)" '{"pieces":["▁the"]}'
is "JSON count" "$(echo 'the' | bpe --json -c)" '{"count":1}'
is "JSON text" "$(echo '263 13' | bpe -d --json)" '{"text":"the\n"}'
is "-0 ends texts and results with zero bytes" "$(printf 'the\0is\nis\0' | bpe -0 | tr '\0' '|')" "263|265 13 264|"

### decoding
is "there and back" "$(printf 'the cat is\n 你好  z\n' | bpe | bpe -d)" "the cat is
 你好  z"
is "special tokens are left out" "$(echo '1 263 2' | bpe -d)" "the"
is "or shown" "$(echo '1 263 2' | bpe -d --special)" "<s> the</s>"
is "bytes that are no character" "$(echo '263 231' | bpe -d)" "the�"
# shellcheck disable=SC1003
is "escaped" "$(echo '263 13 12 95' | bpe -d --escaped)" 'the\n\t\\'
is "WordPiece" "$(echo 'the cats, what' | words | words -d)" "the cats , what"
is "a stream of ids" "$(printf '231\n192\n163\n263\n' | bpe -d --stream)" "你 the"
printf '' >streamed
# shellcheck disable=SC2094
( printf '231 192\n'; sleep 0.3; cp streamed before; printf '163\n'; sleep 0.3; cp streamed after ) | bpe -d --stream | cat >streamed
is "a character waits for its bytes" "$(wc -c <before) $(wc -c <after)" "0 3"
# shellcheck disable=SC2094
( echo the; sleep 0.3; cp lines early; echo cat ) | bpe | cat >lines
is "lines leave as they come" "$(cat early)" "263"

### failures: a message that names the line, an empty line, and on
printf 'the\n\377\ncat\n' >bad
bpe bad >out 2>err
is "bad UTF-8: exit 1" "$?" 1
is "bad UTF-8: an empty line in its place" "$(cat out)" "263

279"
like "bad UTF-8: the message names file and line" "$(cat err)" "zv-tokenize: bad: line 2: *UTF-8*byte 0*"
is "bad UTF-8 in JSON" "$(bpe --json bad 2>/dev/null | sed -n 2p | cut -c 1-9)" '{"error":'
status "--strict: exit 1" 1 bpe --strict bad
is "--strict: nothing behind it" "$(bpe --strict bad 2>err)" "263"
printf '263\n99999\nx\n-1\n1 2 3x\n279\n' >ids
bpe -d ids >out 2>err
is "bad ids: exit 1" "$?" 1
is "bad ids: empty lines" "$(tr '\n' '|' <out)" "the|||||cat|"
is "bad ids: a message each" "$(wc -l <err)" 4
status "an escape that is none" 1 sh -c "echo 'a\\\\x' | zv-tokenize --tokenizer tokenizer.model --escaped"
bpe bad absent ids >out 2>err
is "a missing file: exit 1, the others are read" "$? $(wc -l <out)" "1 9"
echo the | bpe -o whole
is "-o writes a file" "$(cat whole)" "263"
rm whole
bpe -o whole --strict bad 2>/dev/null
ok "--strict leaves no file" test ! -e whole

### usage and environment
status "no model" 2 zv-tokenize bad
like "says what is needed" "$tap_out" "*--tokenizer*"
status "a tokenizer that is none" 2 zv-tokenize --tokenizer bad bad
status "a tokenizer that is not there" 2 zv-tokenize --tokenizer absent bad
for options in '--legacy --modern' '-p -c' '--stream' '--special' '--most 4' '--framed' '-d -p' '--qformer'; do
	# shellcheck disable=SC2086
	status "refused: $options" 2 bpe $options bad
done
status "WordPiece has no <s>" 2 words --bos bad
printf 'x\tkeep\ta\n' >bad-list
status "a damaged list" 2 zv-tokenize --tokenizer tokenizer.model --added-tokens bad-list bad
like "names the line" "$tap_out" "*line 1*"
head -c 3000 tokenizer.model >cut.model
status "a cut model" 2 zv-tokenize --tokenizer cut.model bad
if seed-model ziya >/dev/null 2>&1; then
	ok "the model's tokenizer" sh -c 'echo the | zv-tokenize -m ziya'
	is "the Q-Former's" "$(echo a | zv-tokenize -m ziya --qformer -f -p)" "[CLS] a [SEP]"
	seed-model --only qformer --plain bare >/dev/null
	status "a Q-Former without text" 2 zv-tokenize -m bare --qformer bad
else
	skip "tokenizers in models" "no seed-model"
fi

### long and repetitive texts stay quick: n log n
python3 -c "print('a' * 200000); print('the ' * 50000); print('你' * 60000)" >long
# shellcheck disable=SC2016
ok "texts of 200,000 characters in seconds" timeout 20 sh -c 'zv-tokenize --tokenizer tokenizer.model -c long'
finish
