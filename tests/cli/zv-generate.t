# zv-generate.t - options, prompts, failures, scores, talks, interrupts, over a toy model.
. "$ZV_TESTS/lib.sh"
seed-model ziya >/dev/null || { fail "seed-model"; finish; }
printf '@zv=1\none\tprompt\tf32\t8x64\trandom:1\ntwo\tprompt+\tf32\t8x64\trandom:2\ntwo\tquestion\tu8\t-\ttext:what is it\nthree\tprompt\tbf16\t8x64\trandom:3\n' |
	zvt-make >prompts.zv
zv-cat -k one prompts.zv >one.zv
generate() { zv-generate -q -m ziya --max-new 12 "$@"; }
tab=$(printf '\t')

# Results
generate -p hi prompts.zv >out 2>err
is "three records: exit 0" "$?" 0
is "keys in the order of the input" "$(cut -f 1 out | tr '\n' ' ')" "one two three "
is "silent" "$(cat err)" ""
generate -p hi <prompts.zv >out2
same "standard input" out out2
generate -p hi - <prompts.zv >out2
same "- is standard input" out out2
printf 'prompts.zv\n' | generate -p hi -T - >out2
same "-T names the files" out out2
printf 'one.zv\nprompts.zv\n' | generate -p hi --shard 2/2 -T - >out2
same "--shard takes its share of the names" out out2
printf 'one.zv\0' | generate -p hi --json -0 -T - >out2
is "-0 -T with --json: names end with a zero byte, lines do not" "$?:$(wc -l <out2 | tr -d ' ')" 0:1
generate -p hi -o file prompts.zv
same "-o" out file
for threads in 1 2 3; do
	generate -t $threads -p hi prompts.zv >out2
	same "$threads threads: same bytes" out out2
done
generate -p hi --text-only one.zv >text
is "--text-only is the answer alone" "$(tr '\t' ' ' <text)" "$(head -n 1 out | cut -f 2- | sed 's/\\t/ /g')"
generate -p hi --ids prompts.zv >ids
is "--ids: numbers" "$(cut -f 2 ids | tr -d '0-9 \n')" ""
generate -p hi --ids --ignore-eos prompts.zv >all
is "--ids: as many as --max-new" "$(head -n 1 all | cut -f 2 | wc -w | tr -d ' ')" 12
generate -p hi --ids --logprobs one.zv >logprobs
is "--logprobs: one for each id" "$(cut -f 3 logprobs | wc -w)" "$(cut -f 2 logprobs | wc -w)"
is "-0 ends results with a zero byte" "$(generate -p hi -0 prompts.zv | tr -dc '\000' | wc -c | tr -d ' ')" 3
generate -p hi --stream prompts.zv >out2
same "--stream: same bytes" out out2
pty -o zv-generate -q -m ziya --max-new 12 -p hi prompts.zv </dev/null | tr -d '\r' >out2
same "on a terminal: same text" out out2
generate -p hi --json --ids --logprobs prompts.zv >json
python3 - json ids out >check 2>&1 <<'EOF'
import json, sys
objects = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
ids = [line.rstrip("\n").split("\t") for line in open(sys.argv[2])]
assert [o["key"] for o in objects] == ["one", "two", "three"]
for o, (key, numbers) in zip(objects, ids):
    assert o["ids"] == [int(n) for n in numbers.split()], o
    assert o["tokens"] == len(o["ids"]) == len(o["logprobs"])
    assert o["finish"] in ("eos", "length")
    assert abs(o["score"] - sum(o["logprobs"]) / o["tokens"]) < 1e-5
print("good")
EOF
is "--json: members agree with each other and with --ids" "$(cat check)" good

# The question: -p, else the record's own
generate --ids prompts.zv >own
generate --ids -p 'what is it' prompts.zv >given
is "a record's own question is asked" "$(sed -n 2p own)" "$(sed -n 2p given)"
ok "others have none" test "$(sed -n 1p own)" != "$(sed -n 1p given)"

# Prompts: what zv-tokenize says about the text is what --raw reads
generate --ids --raw -p '<human>:hi
<bot>:' --added strip --legacy one.zv >raw
generate --ids --template ziya -p hi one.zv >ziya.out
same "the template ziya is that text" raw ziya.out
generate --ids --raw --bos -p hi one.zv >bos
generate --ids --template plain --bos -p hi one.zv >plain.out
same "the template plain is the question" bos plain.out
generate --ids --raw --no-bos -p hi one.zv >nobos
ok "--bos and --no-bos differ" test "$(cat bos)" != "$(cat nobos)"
generate --ids --raw -p 'a
<bot> b' --added strip one.zv >strip.out
generate --ids --raw -p 'a
<bot> b' --added keep one.zv >keep.out
ok "--added strip and keep differ" test "$(cat strip.out)" != "$(cat keep.out)"
printf 'bos no\nimage front\nturn Q: {question}\\nA:{answer}\n' >own.template
generate --ids --template ./own.template -p hi one.zv >file.out
generate --ids --raw -p 'Q: hi
A:' one.zv >raw
same "a template from a file" raw file.out
generate -q --template nonesuch one.zv >out2 2>err
is "a template that is not there: exit 2" "$?" 2
like "and the known ones are named" "$(cat err)" "*ziya*"

# Without pictures
printf 'hi\nwhat is it\n' | generate --ids -P - >lines
is "-P: keys are line numbers" "$(cut -f 1 lines | tr '\n' ' ')" "1 2 "
is "-P and -p with --no-image ask the same" "$(generate --ids --no-image -p hi)" "$(head -n 1 lines)"
printf 'a\\tb\thi\nc\twhat is it\n' | generate --ids --keyed -P - >keyed
is "--keyed" "$(cut -f 1 keyed | tr '\n' ' ')" 'a\tb c '
is "--keyed: same answers" "$(cut -f 2 keyed)" "$(cut -f 2 lines)"
printf 'hi\nbad \\q\n\377\nwhat is it\n' | generate --ids -P - >out2 2>err
is "bad lines: exit 1" "$?" 1
is "bad lines: the others are answered" "$(grep "^[14]$tab" out2 | cut -f 2)" "$(cut -f 2 lines)"
is "bad lines: empty results" "$(grep "^[23]$tab" out2)" "2$tab
3$tab"
like "bad lines: named" "$(cat err)" "*line 2*escape*line 3*UTF-8*"

# Decoding
generate --ids -p hi --sample --temperature 0 prompts.zv >cold
same "temperature 0 is greedy" ids cold
generate --ids -p hi --sample --top-k 1 prompts.zv >cold
same "top-k 1 is greedy" ids cold
generate --ids -p hi --sample --top-p 0 prompts.zv >cold
same "top-p 0 is greedy" ids cold
generate --ids -p hi --beams 1 prompts.zv >cold
same "one beam is greedy" ids cold
generate --ids -p hi --sample --seed 5 --temperature 2 prompts.zv >five
generate --ids -p hi --sample --seed 5 --temperature 2 -t 1 prompts.zv >five2
same "the same seed: same bytes" five five2
generate --ids -p hi --sample --seed 6 --temperature 2 prompts.zv >six
ok "another seed: other bytes" test "$(cat five)" != "$(cat six)"
generate --ids -p hi --sample --seed 5 --temperature 2 one.zv >alone
is "a record's draws do not depend on the others" "$(cat alone)" "$(head -n 1 five)"
generate --json --hypotheses -p hi --beams 3 one.zv >beams
python3 -c 'import json, sys
o = json.loads(open("beams", encoding="utf-8").read())
scores = [h["score"] for h in o["hypotheses"]]
assert len(scores) == 3 and scores == sorted(scores, reverse=True) and scores[0] == o["score"]
print("good")' >check 2>&1
is "--hypotheses: best first" "$(cat check)" good
# A text of three characters that stands in the answer of a record, so across tokens.
long() { generate --ignore-eos --max-new 300 -p hi "$@" prompts.zv; }
long --json >json
python3 - json <<'EOF'
import json, sys
for line in open(sys.argv[1], encoding="utf-8"):
    text = json.loads(line)["text"]
    for at in range(len(text) - 3):
        stop = text[at : at + 3]
        if text.index(stop) > 2 and stop.isprintable() and "\ufffd" not in stop and "'" not in stop:
            open("stop.text", "w", encoding="utf-8").write(stop)
            open("stop.wanted", "w", encoding="utf-8", newline="").write(text[: text.index(stop)])
            sys.exit()
EOF
ok "a stop text is found in the answers" test -s stop.text
long --json --stop nothing --stop "$(cat stop.text)" >json
is "--stop cuts the answer" "$(python3 -c 'import json
wanted = open("stop.wanted", encoding="utf-8", newline="").read()
answers = [json.loads(line) for line in open("json", encoding="utf-8")]
print([o["text"] for o in answers if o["finish"] == "stop"][:1] == [wanted])')" True
long --stop "$(cat stop.text)" >out2
long --stop "$(cat stop.text)" --stream >out3
same "--stop while streaming" out2 out3
is "positions are the limit" "$(generate --json -p hi --ignore-eos --max-new 1000 one.zv | grep -c '"finish":"positions"')" 1
generate -p hi --min-new 40 --json --max-new 60 prompts.zv >json
is "--min-new" "$(python3 -c 'import json
print(all(json.loads(line)["tokens"] > 40 for line in open("json", encoding="utf-8")))')" True

# Failures
{ zvt-make <<EOF
@zv=1
!bad	the picture is damaged
wide	prompt	f32	8x65	random:1
vit	vit	f32	8x64	random:1
asked	prompt+	f32	8x64	random:1
asked	question	f32	2	1
whole	prompt	i32	8x64	1
nan	prompt	f32	1x64	nan
good	prompt	f32	8x64	random:1
EOF
} >mixed.zv 2>err || fail "zvt-make" "$(cat err)"
generate mixed.zv >out2 2>err
is "a question that is no text: empty" "$(grep '^asked' out2)" "asked$tab"
like "a question that is no text: said" "$(cat err)" "*zv-generate: asked: the question is no UTF-8 text*"
generate -p hi mixed.zv >out2 2>err
is "failed records: exit 1" "$?" 1
is "failed records: results stay in line" "$(cut -f 1 out2 | tr '\n' ' ')" "bad wide vit asked whole nan good "
is "failed records: empty" "$(grep -c "$tab\$" out2)" 5
is "failed records: the good one is answered" "$(tail -n 1 out2 | cut -f 2)" "$(head -n 1 out | cut -f 2)"
like "failed records: reasons" "$(cat err)" "zv-generate: bad: the picture is damaged
zv-generate: wide: *8x65*64*
zv-generate: vit: *soft prompt*vit*
zv-generate: whole: *
zv-generate: nan: *not numbers*"
generate -p hi --json mixed.zv 2>err | head -n 1 >out2
is "failed records in JSON" "$(cat out2)" '{"key":"bad","error":"the picture is damaged"}'
generate -p hi --strict -o strict.out mixed.zv 2>err
is "--strict: exit 1" "$?" 1
is "--strict: one message" "$(wc -l <err | tr -d ' ')" 1
ok "--strict: no file" test ! -e strict.out
head -c 3000 prompts.zv >cut.zv
generate -p hi cut.zv >out2 2>err
is "a truncated stream: exit 1" "$?" 1
like "a truncated stream: said" "$(cat err)" "zv-generate: cut.zv: byte *"
generate -p hi absent.zv 2>err
is "a file that is not there: not 0" "$(($? > 0))" 1
printf '@llm=00000000000000000000000000000000\nother\tprompt\tf32\t8x64\trandom:1\n' | zvt-make >other.zv
generate -p hi other.zv >out2 2>err
is "a prompt made for another model: exit 1" "$?" 1
like "and says so" "$(cat err)" "zv-generate: other: *"
status "--any-maker takes it" 0 zv-generate -q -m ziya --any-maker --max-new 2 other.zv
like "one that names no model is taken, and that is said once" "$(zv-generate -m ziya --max-new 1 prompts.zv 2>&1 >out2)" \
	"zv-generate: soft prompts do not say which language model they are for"
printf 'anybody\tprompt\tf32\t8x64\trandom:1\n' | zvt-make >anybody.zv
message=$(generate -p hi anybody.zv 2>&1)
is "a prompt of no maker: exit 1" "$?" 1
like "and says so" "$message" "*it has no maker; --any-maker takes it*"
status "--any-maker takes that, too" 0 zv-generate -q -m ziya --any-maker --max-new 2 anybody.zv
awk 'BEGIN { for (i = 0; i < 600; i++) printf "word "; print "" }' >long
generate -P long >out2 2>err
is "too long a prompt: exit 1" "$?" 1
like "and says how long" "$(cat err)" "*positions, the model has 512*"
for wrong in '--bos --no-bos' '--modern --legacy' '--sample --greedy' '--sample --beams=2' '--temperature=1' \
	'--length-penalty=2' '--raw --template=plain' '--raw --chat' '--keyed' '--no-image' '--rank=sum' '--hypotheses' \
	'--json --text-only' '--stream --json' '--chat' '--beams=0' '--beams=65' '--top-p=1.1' '--added=some' '--max-new=0' \
	'--temperature=-1' '--temperature=nan' '--stop=' '--logprobs --beams=2' '--min-new=5 --max-new=2' '--min-new=4000'; do
	# shellcheck disable=SC2086
	zv-generate -m ziya $wrong </dev/null >out2 2>err
	is "usage: $wrong: exit 2" "$?" 2
	like "usage: $wrong: synopsis" "$(cat err)" "zv-generate: *usage: *"
done
status "no model: exit 2" 2 zv-generate prompts.zv

like "text in place of a stream: how to ask it" "$(echo hi | generate 2>&1 >out2)" \
	"*standard input: byte 0: not a zv stream; *--no-image*-P -*"
like "a terminal in place of a stream: the same" "$(pty -i zv-generate -m ziya 2>&1 >out2 </dev/null)" \
	"*is a terminal; *--no-image*-P -*"
is "what is damaged later gets no such advice" \
	"$({ cat one.zv; echo hi; } | generate -p hi 2>&1 >out2 | grep -c 'no-image')" 0

# Scores of given answers
printf 'the\ntwo\tin\nthe\\tin\none\tat\n' >answers
generate -p hi --score answers prompts.zv >scores
is "--score: every record with its answers" "$(cut -f 1,2 scores | tr '\t\n' '= ')" \
	'one=the one=the\tin one=at two=the two=in two=the\tin three=the three=the\tin '
python3 - scores >check 2>&1 <<'EOF'
import sys
for line in open(sys.argv[1]):
    key, text, total, mean = line.rstrip("\n").split("\t")
    assert float(total) < 0 and float(mean) < 0 and float(total) <= float(mean), line
print("good")
EOF
is "--score: sum and mean" "$(cat check)" good
generate -p hi --score answers --rank mean prompts.zv | grep '^one' | cut -f 4 >ranked
sort -g -r ranked >sorted
same "--rank mean: best first" ranked sorted
generate -p hi --score answers --json one.zv >json
is "--score --json" "$(python3 -c 'import json
print([sorted(json.loads(line)) for line in open("json", encoding="utf-8")][0])')" "['key', 'mean', 'sum', 'text', 'tokens']"
printf 'a\033[2J\a\302\233b\n' >controls
is "control bytes appear as \\xNN" "$(generate -p hi --score controls one.zv | cut -f 2)" 'a\x1B[2J\x07\xC2\x9Bb'
printf 'a\\x1B[2J\\x07\\xC2\\x9Bb\n' >escaped
is "and are read so" "$(generate -p hi --score escaped one.zv)" "$(generate -p hi --score controls one.zv)"
is "in keys too" "$(printf 'k\033\thi\n' | generate --keyed -P - | cut -f 1)" 'k\x1B'
is "an escape that makes no text" "$(printf 'a\\x00\n' | generate -P - 2>&1 >out2 | grep -c 'zero byte')" 1
printf 'a\n\n' >empty
printf 'one\ta\nthree\tb\nfour\tc\nfour\td\nfive\te\n' >strangers
generate -p hi --score strangers prompts.zv >out2 2>err
is "--score: answers without a record: exit 1, the others scored" "$?:$(cut -f 1 out2 | tr '\n' ' ')" "1:one three "
is "--score: answers without a record: counted" "$(cat err)" \
	'zv-generate: strangers: 3 answers are about records that did not come, the first about "four"'
printf 'one\tprompt\tf32\t8x63\trandom:1\n' | zvt-make >narrow.zv
is "--score: a record that failed did come" "$(printf 'one\ta\n' | generate --score - narrow.zv 2>&1 >out2 | grep -c 'did not come')" 0
status "--score: an empty file: exit 2" 2 zv-generate -m ziya --score /dev/null prompts.zv
status "--score: an empty answer: exit 2" 2 zv-generate -m ziya --score empty prompts.zv
status "--score: a file that is not there: exit 2" 2 zv-generate -m ziya --score absent prompts.zv

# Talks
printf 'hi\nand?\n/reset\nhi\n' | generate --json --chat one.zv >talk.out 2>err
is "--chat: exit 0" "$?" 0
is "--chat: turns are counted, /reset begins anew" "$(grep -o '"turn":[0-9]*' talk.out | tr '\n' ' ')" '"turn":1 "turn":2 "turn":1 '
is "--chat: after /reset the same again" "$(sed -n 3p talk.out)" "$(sed -n 1p talk.out)"
is "--chat: the first turn is a plain question" "$(printf 'hi\n' | generate --ids --chat one.zv)" "$(generate --ids -p hi one.zv)"
kept=$(printf 'hi\nand?\n' | zv-generate -v -m ziya --max-new 12 --chat one.zv 2>&1 >/dev/null |
	sed -n 's/.* rows, \([0-9]*\) of them kept.*/\1/p')
ok "--chat: the second turn keeps the picture's rows at least ($kept)" test "${kept:-0}" -ge 8
printf 'hi\n\nand?\n/quit\nnever\n' | generate --ids --chat one.zv >talk.out
is "--chat: /quit ends, an empty line is passed over" "$(wc -l <talk.out | tr -d ' ')" 2
printf 'and?\n' | generate --ids --chat one.zv >fresh
ok "--chat: a turn knows the turns before" test "$(sed -n 2p talk.out)" != "$(cat fresh)"
printf 'hi\nand?\n' | generate --json --ids --chat one.zv >talk.out
text=$(python3 -c 'import json
answer = json.loads(open("talk.out", encoding="utf-8").readline())["text"]
print("<human>:hi\n<bot>:" + answer.strip() + "\n<human>:and?\n<bot>:", end="")')
is "--chat: what the cache keeps changes nothing" \
	"$(sed -n '2s/.*"ids"/"ids"/p' talk.out)" "$(generate --json --ids --raw --added strip -p "$text" one.zv | sed 's/.*"ids"/"ids"/')"
printf 'a \\q\n' | generate --ids --chat one.zv >out2
is "--chat: a line is taken as it is" "$?" 0
{ cat long; echo hi; } | generate --ids --chat one.zv >out2 2>err
is "--chat: too long a turn: exit 1" "$?" 1
like "--chat: and what to do" "$(cat err)" "*/reset*"
is "--chat: the talk goes on" "$(tail -n 1 out2)" "$(generate --ids -p hi one.zv)"
is "--chat without a picture" "$(printf 'hi\n' | generate --ids --chat --no-image | cut -f 2)" "$(generate --ids --no-image -p hi | cut -f 2)"

# Interrupts: the line is finished, what is done is kept, the signal is the status
awk 'BEGIN { for (i = 0; i < 100000; i++) print "hi" }' >many
env --default-signal=INT true 2>/dev/null && default='env --default-signal=INT' || default=
# shellcheck disable=SC2086
$default zv-generate -q -m ziya --max-new 400 --ignore-eos -P many >out2 2>err &
job=$!
sleep 1
kill -INT $job
wait $job
is "SIGINT: dies of it" "$?" 130
is "SIGINT: silent" "$(cat err)" ""
ok "SIGINT: results so far are there" test "$(wc -l <out2)" -gt 0
is "SIGINT: the last line is whole" "$(tail -c 1 out2 | tr '\n' n)" n
# shellcheck disable=SC2086
$default zv-generate -q -m ziya --max-new 400 --ignore-eos -P many -o file2 &
job=$!
sleep 0.5
kill -INT $job
wait $job
ok "SIGINT: no unfinished file" test ! -e file2
is "SIGINT: no temporary either" "$(find . -name '*.part')" ""
finish
