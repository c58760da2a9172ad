# zv-train.t - zv-train on its own: models from nothing, stages that learn 32 pictures by heart,
# interrupted runs, bad data, adapters, what is written.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"

mkdir tok
make-tokenizer tok || { fail "the tokenizer is made"; finish; }
cat >make.py <<'E2'
import json, random
random.seed(3)
colours = ['red', 'green', 'blue', 'grey', 'black', 'white', 'pink', 'brown']
places = ['left', 'right', 'above', 'below']
def lines(name, objects):
    with open(name, 'w', encoding='utf-8') as f:
        for o in objects:
            f.write(json.dumps(o) + '\n')
pairs, talks, questions, texts, read = [], [], [], [], []
for i in range(32):
    name, colour, place = 'p%02d.ppm' % i, colours[i % 8], places[i // 8]
    with open(name, 'wb') as f:
        f.write(b'P6 56 56 255\n')
        cells = [[bytes(random.randrange(256) for _ in range(3)) for _ in range(4)] for _ in range(4)]
        for y in range(56):
            f.write(b''.join(cells[y // 14][x // 14] for x in range(56)))
    pairs.append({'image': name, 'caption': 'a %s thing %s' % (colour, place), 'kind': i % 8})
    talks.append({'image': name, 'conversations': [{'question': 'What colour?', 'answer': colour},
        {'question': 'Where?', 'answer': place}]})
    questions += [{'image': name, 'question': 'What colour?', 'answer': colour},
        {'image': name, 'instruction': 'Where?', 'outputs': place}]
    read.append({'conversations': [{'question': 'the %s thing' % colour, 'answer': colour},
        {'question': 'and %s?' % place, 'answer': place}]})
    texts.append({'text': '%d: a %s thing %s' % (i, colour, place)})
lines('pairs.jsonl', pairs)
lines('talks.jsonl', talks)
lines('questions.jsonl', questions)
lines('texts.jsonl', texts)
lines('read.jsonl', read)
lines('few.jsonl', pairs[:4])
with open('list', 'w') as f:
    f.write(''.join(p['image'] + '\n' for p in pairs))
E2
python3 make.py
printf 'en\tDescribe.\n' >prompts
cat >toy.conf <<'E2'
# a toy
vit.width = 32
vit.layers=1
vit.heads=4
vit.patch=14
vit.side=56

qformer.width=32
qformer.layers=2
qformer.heads=4
qformer.queries=4
qformer.positions=64
qformer.contrast_width=16
qformer.vocab=tok/vocab.txt
llm.width=48
llm.layers=2
llm.heads=4
llm.mlp_width=96
llm.positions=256
llm.tokenizer=tok/tokenizer.model
llm.added=<human> <bot>
E2
export ZV_THREADS=1 # small matrices; what needs threads says so
# field NAME FILE: of the last line of a log
field() { tail -n 1 "$2" | sed -n "s/.*\"$1\":\([0-9.e+-]*\).*/\1/p"; }
below() {
	if awk -v got="$2" -v most="$3" 'BEGIN { exit !(got != "" && got + 0 < most) }'; then pass "$1"
	else fail "$1" "got $2, wanted less than $3"; fi
}
same_model() {
	for file in vit qformer llm; do
		cmp -s "$2/$file.zv" "$3/$file.zv" || { fail "$1" "$file.zv differs"; return; }
	done
	pass "$1"
}

### from nothing
ok "a model from nothing" zv-train new --config toy.conf -o toy
ok "the same again" zv-train new --config toy.conf -o again
same_model "has the same bytes" toy again
zv-train new --config toy.conf -o other --seed 1
status "another seed, other bytes" 1 cmp -s toy/vit.zv other/vit.zv
status "it does not replace a model" 2 zv-train new --config toy.conf -o toy
ok "unless it has to" zv-train new --config toy.conf -o again --force vit.layers=2 --dtype bf16
like "operands go before the file" "$(zv-ls again/vit.zv)" "*encoder.layers.1.mlp.fc2.weight*bf16*"
like "a setting that is none" "$(zv-train new --config toy.conf -o none vit.widht=3 2>&1)" "*no setting vit.widht"
like "one that is missing" "$(zv-train new -o none vit.width=3 2>&1)" "*vit.layers is missing"
like "an option of training" "$(zv-train new --config toy.conf -o none --steps 3 2>&1)" \
	"*--steps is about training*"
like "an option of another stage" "$(zv-train contrast --places -m toy -o none x.jsonl 2>&1)" \
	"*--places is not for contrast, but for: classify*"
status "it is a mistake in the command" 2 zv-train text --features x.zv -m toy -o none x.jsonl
like "one that does not fit" "$(zv-train new --config toy.conf -o none vit.side=57 2>&1)" "*multiple of vit.patch"
ok "nothing was written" test ! -e none
ok "its encoder runs" zv-encode -q -m toy -T list -o feats.zv
like "and the rest" "$(zv-qformer -m toy feats.zv | zv-generate -m toy -p 'What?' --max-new 2 | wc -l)" "*32"

### usage
for arguments in "" "paint -m toy -o out pairs.jsonl --steps 1" "text -o out texts.jsonl --steps 1" \
	"text -m toy texts.jsonl --steps 1" "text -m toy -o out --steps 1" "text -m toy -o out texts.jsonl" \
	"text -m toy -o out texts.jsonl --steps 1 --epochs 1" "text -m toy -o out texts.jsonl --steps 1 --features feats.zv" \
	"contrast -m toy -o out pairs.jsonl --steps 1 --lora 4" "text -m toy -o out texts.jsonl --steps 1 --merge" \
	"text -m toy -o out texts.jsonl --steps 1 --warm-up 101%" "text -m toy -o out texts.jsonl --steps 1 --train wings" \
	"contrast -m toy -o out pairs.jsonl --steps 1 --losses itx=1" "text -m toy -o out texts.jsonl --steps 1 --keep best" \
	"text -m toy -o out.zv texts.jsonl --steps 1" "text -m nowhere -o out texts.jsonl --steps 1"; do
	# shellcheck disable=SC2086
	status "usage: $arguments" 2 zv-train $arguments
done
ok "and nothing is written" test ! -e out
zv-train instruct -m toy -o out --features feats.zv talks.jsonl --epochs 2 -b 8 --accumulate 2 --lora 4 \
	--rates lora=2,projection=0.5 --rate 1e-3 --dry-run >table
like "the table: what is trained" "$(cat table)" "*llm  *lora *trained  0.002*"
like "and what is not" "$(cat table)" "*llm  *llm *frozen*"
like "rates of groups" "$(cat table)" "*projection *trained  0.0005*"
like "two epochs of 32 in steps of 16" "$(cat table)" "*steps: 4 of 16 examples, 8 at a time; 32 examples*"
ok "a dry run writes nothing" test ! -e out
like "it tells what a batch takes" "$(cat table)" "*memory of one batch, without the moments: *B"

### stages learn by heart
# The first token of a text cannot be known: ln(32) over all tokens of one remains.
ok "text" zv-train text -q -m toy -o said texts.jsonl --steps 150 -b 32 --rate 1e-2 --decay 0 --log text.log
below "text: the loss" "$(field lm text.log)" 0.3
# What is asked cannot be known beforehand, what is answered can; the end of each answer is learnt too.
ok "text, answers" zv-train text -q -m toy -o told read.jsonl --answers --steps 100 -b 32 --rate 1e-2 --decay 0 --log told.log
below "text, answers: the loss" "$(field lm told.log)" 0.05
ok "text, all of a talk" zv-train text -q -m toy -o whole read.jsonl --steps 100 -b 32 --rate 1e-2 --decay 0 --log whole.log
below "what is asked counts with it: the loss is more" 0.05 "$(field lm whole.log)"
status "--answers is about texts" 2 zv-train contrast -m toy -o none pairs.jsonl --steps 1 --answers
ok "what was not trained is the same file" test toy/vit.zv -ef said/vit.zv
ok "generate" zv-train generate -q -m toy -o wrote --features feats.zv pairs.jsonl --steps 300 -b 32 --rate 5e-3 \
	--dropout 0 --decay 0 --train queries,qformer,projection,llm --prompts prompts --log generate.log
below "generate: the loss" "$(field lm generate.log)" 0.02
zv-qformer -m wrote feats.zv | zv-generate -m wrote -p Describe. >got
python3 -c 'import json
for line in open("pairs.jsonl"):
    o = json.loads(line)
    print(o["image"], o["caption"], sep="\t")' >wanted
same "zv-generate writes what it was taught" got wanted
ok "instruct" zv-train instruct -q -m toy -o talked --features feats.zv questions.jsonl --steps 400 -b 32 --rate 5e-3 \
	--dropout 0 --decay 0 --train queries,qformer,text,projection,llm --question-inside --log instruct.log \
	--valid questions.jsonl
below "instruct: the loss" "$(field lm instruct.log)" 0.1
like "held out: answers that are right" "$(tail -n 1 instruct.log)" '*"validation":true,"exact":1,*'
answers=$(for question in 'What colour?' 'Where?'; do
	zv-qformer -m talked -p "$question" feats.zv | zv-generate -m talked -p "$question" | cut -f 2 | sort | uniq -c
done | tr -s ' \n' ' ')
is "and zv-qformer asks inside" "$answers" \
	" 4 black 4 blue 4 brown 4 green 4 grey 4 pink 4 red 4 white 8 above 8 below 8 left 8 right "
ok "classify" zv-train classify -q -m toy -o seen pairs.jsonl --steps 150 -b 32 --rate 1e-2 --log kinds.log
below "classify: the loss" "$(field kind kinds.log)" 0.5
ok "the Q-Former knows the new encoder" sh -c 'zv-encode -q -m seen p00.ppm | zv-qformer -m seen -o /dev/null'
ok "contrast" zv-train contrast -q -m toy -o paired --features feats.zv pairs.jsonl --steps 5 -b 16
ok "the log is JSON" python3 -c 'import json
for line in open("instruct.log"): json.loads(line)'

### the same bytes
settings='instruct -q -m said --features feats.zv talks.jsonl --steps 60 -b 4 --accumulate 2 --rate 3e-3
	--lora 4 --merge --average 0.9 --valid few.jsonl --valid-every 20 --keep best --save-every 2 --log-every 3'
# shellcheck disable=SC2086
run() { zv-train $settings "$@" >/dev/null; }
run -o one --log one.log
run -o two -t 2 && same_model "two threads" one two
run -o three -t 3 && same_model "three" one three
run -o less --recompute && same_model "layers computed twice" one less
same_log() {
	sed 's/,"examples_per.*//' "$2" >a
	sed 's/,"examples_per.*//' "$3" >b
	same "$1" a b
}

### interrupted
# 20 times killed at a random place; each run that comes to its end has the same bytes.
kills=0 tries=0 ends=0 wrong=0
differs() {
	for file in vit qformer llm; do cmp -s one/$file.zv killed/$file.zv || return 0; done
	return 1
}
while [ $kills -lt 20 ] && [ $tries -lt 200 ]; do
	tries=$((tries + 1))
	# shellcheck disable=SC2086 # not by run(): the process to kill would be its shell
	zv-train $settings -o killed --log killed.log --resume >/dev/null 2>&1 &
	sleep "$(awk -v seed=$tries 'BEGIN { srand(seed); print 0.05 + 0.4 * rand() }')"
	kill -9 $! 2>/dev/null
	wait $! 2>/dev/null
	[ $? -eq 137 ] && kills=$((kills + 1))
	[ -d killed ] || continue
	ends=$((ends + 1))
	differs && wrong=$((wrong + 1))
	rm -rf killed killed.*
done
run -o killed --log killed.log --resume -q 2>/dev/null
differs && wrong=$((wrong + 1))
is "killed 20 times at random places: $((ends + 1)) runs came to their end" "$kills killed, $wrong differ" \
	"20 killed, 0 differ"
same_log "the log goes on" one.log killed.log
is "nothing unfinished is left" "$(find . -maxdepth 1 -name '.killed.checkpoint*')" ""
ok "the checkpoint is gone in the end" test ! -e killed.checkpoint
# shellcheck disable=SC2086
zv-train $settings -o stopped --save-every 0 --steps 4000 --log stopped.log >/dev/null &
while [ ! -s stopped.log ]; do sleep 0.05; done
kill -TERM $!
wait $! 2>/dev/null
is "SIGTERM ends it by the signal" "$?" 143
ok "with a checkpoint" test -s stopped.checkpoint
ok "and no result" test ! -e stopped
status "a checkpoint is not lost" 2 run -o stopped --steps 4000
like "it tells how to go on" "$(run -o stopped --steps 4000 2>&1)" "*give --resume*"
like "not with other settings" "$(run -o stopped --resume --steps 5 2>&1)" "*steps*"
ok "--force begins anew" run -o stopped --force
ok "a finished run has nothing to go on with" run -o stopped --resume
same_model "and ends as ever" one stopped

# What the log tells, and when, does not depend on where a run was interrupted.
zv-train text -q -m toy -o late texts.jsonl --steps 600 -b 32 --log late.log --log-every 1 --save-every 0 >/dev/null &
until grep -q '"step":7,' late.log 2>/dev/null; do sleep 0.02; done
kill -TERM $!
wait $! 2>/dev/null
at=$(field step late.log)
status "not with other data" 2 zv-train text -q -m toy -o late pairs.jsonl --steps 600 -b 32 --resume
awk '{ print } END { print "{\"text\":\"more\"}" }' texts.jsonl >more.jsonl
cp texts.jsonl texts.kept && cp more.jsonl texts.jsonl
like "nor with lines that have come since" "$(zv-train text -m toy -o late texts.jsonl --steps 600 -b 32 \
	--save-every 0 --resume 2>&1)" "*contents of examples=*contents of examples=*"
sed '1s/[a-z]/X/' texts.kept >texts.jsonl
like "nor with one letter that is another" "$(zv-train text -m toy -o late texts.jsonl --steps 600 -b 32 \
	--save-every 0 --resume 2>&1)" "*contents of examples=*contents of examples=*"
cp texts.kept texts.jsonl
ok "it goes on from step $at" zv-train text -q -m toy -o late texts.jsonl --steps 600 -b 32 --log late.log \
	--log-every 200 --save-every 0 --resume
is "the log has the lines of the whole run" "$(sed -n "$((at + 1)),\$p" late.log | sed 's/.*"step":\([0-9]*\),.*/\1/' |
	awk '$1 % 200' | wc -l)" 0

# Features are inputs like the examples.
mkdir -p turned
for n in $(seq 10 31); do cp "p$n.ppm" "turned/p$((41 - n)).ppm"; done
for n in 0 1 2 3 4 5 6 7 8 9; do cp "p0$n.ppm" "turned/p0$((9 - n)).ppm"; done
zv-encode -q -m toy -o feats2.zv p??.ppm
(cd turned && zv-encode -q -m ../toy -o ../turned.zv p??.ppm)
zv-train contrast -q -m toy -o fed --features feats2.zv pairs.jsonl --steps 4000 -b 4 --log fed.log >/dev/null 2>&1 &
until [ -s fed.log ]; do sleep 0.05; done
kill -TERM $!
wait $! 2>/dev/null
cp turned.zv feats2.zv
like "other features are no way to go on" "$(zv-train contrast -m toy -o fed --features feats2.zv pairs.jsonl --steps 4000 -b 4 \
	--resume 2>&1)" "*contents of features=*"
like "unless it is asked for" "$(zv-train contrast -m toy -o fed --features feats2.zv pairs.jsonl --steps 4000 -b 4 \
	--resume --other-settings --dry-run 2>&1)" "*memory of one batch*"

### outputs are no inputs, and nobody's file is written over
for log in texts.jsonl toy/llm.zv; do
	cp "$log" before
	like "the log is not $log" "$(zv-train text -m toy -o none texts.jsonl --steps 1 --log $log 2>&1)" "*$log: is read by this run*"
	same "which stays" before "$log"
done
cp pairs.jsonl before
like "nor a file of another kind" "$(zv-train text -m toy -o none texts.jsonl --steps 1 --log pairs.jsonl 2>&1)" "*no log of training*"
same "which stays as well" before pairs.jsonl
like "nor is the checkpoint" "$(zv-train text -m toy -o none texts.jsonl --steps 1 --checkpoint texts.jsonl --force 2>&1)" \
	"*texts.jsonl: is read by this run*"
zv-train text -q -m toy -o once texts.jsonl --steps 2 -b 4 --log once.log --log-every 1 >/dev/null
status "a run that cannot begin" 2 zv-train text -q -m toy -o once texts.jsonl --steps 2 -b 4 --log once.log
is "leaves the log of the one before" "$(wc -l <once.log)" 2
ln -sf nowhere dangling
status "a link to nothing is no place for a result" 2 zv-train text -q -m toy -o dangling texts.jsonl --steps 1

### what goes wrong
zv-train text -q -m toy -o none texts.jsonl --steps 1 -b 4 --eps 0 --warm-up 0 >/dev/null 2>message
is "parameters that are not finite: status" "$?" 2
like "they are named" "$(cat message)" "*of llm.zv is not finite any more*"
ok "and are nowhere" test ! -e none -a ! -e none.checkpoint
like "nor is what f16 cannot hold" "$(zv-train text -q -m toy -o none texts.jsonl --steps 5 -b 4 --rate 100 --decay 100 --schedule constant \
	--dtype f16 2>&1)" "*too large for f16; the checkpoint of step 5*"
rm -f none.checkpoint
zv-train text -q -m toy -o broken texts.jsonl --steps 50 -b 4 --rate 100 --warm-up 0 --schedule constant --save-every 1 --decay 100 2>message
is "numbers that are not finite: status" "$?" 1
like "the message has the step and the checkpoint" "$(cat message)" "*step *finite*broken.checkpoint *; the examples were *"
ok "and nothing is written" test ! -e broken
step=$(sed -n 's/.*: step \([0-9]*\):.*/\1/p' message)
zv-train text -q -m toy -o bursts texts.jsonl --steps 50 -b 4 --rate 100 --warm-up 0 --schedule constant --save-every $((step - 2)) \
	--decay 100 2>message
like "or the checkpoint before" "$(cat message)" \
	"*step $step:*the last good checkpoint is that of step $((step - 2)), bursts.checkpoint *"
ok "it can be used with a lower rate" zv-train text -q -m toy -o bursts texts.jsonl --steps 50 -b 4 --rate 1e-4 --resume \
	--other-settings
awk 'NR == 7 { print "{\"image\":" } { print } ' pairs.jsonl pairs.jsonl pairs.jsonl pairs.jsonl >bad.jsonl
zv-train contrast -q -m toy -o good --features feats.zv bad.jsonl --steps 2 -b 4 2>message
is "a bad line in 128: status" "$?" 1
like "it is named" "$(cat message)" "*bad.jsonl: line 7:*"
ok "the rest is trained" test -d good
awk 'NR % 10 == 3 { print "?" } { print }' pairs.jsonl >bad.jsonl
status "too many bad lines" 2 zv-train contrast -q -m toy -o worse --features feats.zv bad.jsonl --steps 2 -b 4
ok "end it" test ! -e worse
sed 's/p00.ppm/nowhere.ppm/' pairs.jsonl >lost.jsonl
zv-train contrast -q -m toy -o rest --features feats.zv lost.jsonl --steps 2 -b 32 2>message
is "a picture that is not there: status" "$?" 1
like "it is named, too" "$(cat message)" "*nowhere.ppm*"
status "features of another encoder" 2 zv-train contrast -q -m seen -o wrong --features feats.zv pairs.jsonl --steps 2 -b 4
status "a result that is there already" 2 zv-train text -q -m toy -o said texts.jsonl --steps 1

printf '\n \n' >blank.jsonl
like "a file without lines" "$(zv-train text -m toy -o none blank.jsonl --steps 1 2>&1)" "*blank.jsonl: no lines in it"
printf '{"image":"p00.ppm"}\n' >mute.jsonl
for stage in contrast generate instruct; do
	status "$stage: no example can be used" 2 zv-train $stage -q -m toy -o none --features feats.zv mute.jsonl --steps 2 -b 4
	ok "$stage: nothing is written" test ! -e none -a ! -e none.checkpoint
done
like "text: nor there" "$(zv-train text -q -m toy -o none mute.jsonl --steps 2 -b 4 2>&1)" "*not one of the examples could be used*"
like "it ends soon" "$(zv-train text -q -m toy -o none mute.jsonl --steps 1000000 -b 8 2>&1)" "*104 of 104 examples had to be left out*"
like "held-out examples that measure nothing" "$(zv-train contrast -q -m toy -o unmeasured --features feats.zv pairs.jsonl \
	--steps 2 -b 4 --valid mute.jsonl --keep best 2>&1)" "*mute.jsonl: nothing could be measured*"
like "a result without a folder is refused at once" \
	"$(zv-train text -m toy -o no/where texts.jsonl --steps 1000000 2>&1)" "zv-train: no/where: cannot be written there:*"
like "or a checkpoint" "$(zv-train text -m toy -o none texts.jsonl --steps 1000000 --checkpoint no/where 2>&1)" \
	"zv-train: no/where: cannot be written there:*"
status "too few examples for a step" 2 zv-train text -q -m toy -o none few.jsonl --epochs 1
status "a pattern that is none" 2 zv-train text -q -m toy -o none few.jsonl --steps 1 --lora 4 --lora-targets '('
# A tokenizer without </s>: nothing ends a text.
LC_ALL=C sed 's,</s>,<_s>,' tok/tokenizer.model >tok/endless.model
zv-train new --config toy.conf -o endless llm.tokenizer=tok/endless.model
ok "a tokenizer without </s>" zv-train text -q -m endless -o unended texts.jsonl --steps 1 -b 4

# A vocabulary with more words than the tables: [SEP] has no row.
zv-export --raw -k vocab.txt toy/qformer.zv >words
{ sed 's/^\[SEP\]$/[sep]/' words; seq -f 'word%04g' 99; echo '[SEP]'; } >words.more
mkdir wordy
cp toy/*.zv wordy
printf '%d\tstrip\t[DEC]\n' "$(wc -l <words.more)" >words.added
edit-model toy/qformer.zv wordy/qformer.zv bytes:vocab.txt=words.more bytes:added_tokens=words.added
like "more words than the tables have rows" "$(zv-train contrast -m wordy -o none --features feats.zv pairs.jsonl --steps 1 2>&1)" \
	"zv-train: the vocabulary has * tokens, the captioning head *"

### adapters
# shellcheck disable=SC2317 # ok and status call it
tune() { zv-train instruct -q -m said --features feats.zv talks.jsonl --steps 20 -b 8 --rate 1e-2 --train lora "$@" >/dev/null; }
ok "adapters alone" tune --lora 4 -o style.zv
ok "or merged" tune --lora 4 --merge -o merged
zv-qformer -m said feats.zv >prompts.zv
zv-generate -m said --adapter style.zv -p 'Where?' prompts.zv >got
zv-generate -m merged --any-maker -p 'Where?' prompts.zv >wanted
same "say the same" got wanted
ok "or beside the model" tune --lora 4 -o kept
same "as the same file" kept/adapter.zv style.zv
ok "train the rest" zv-train contrast -q -m kept -o keeps --features feats.zv pairs.jsonl --steps 1 -b 4
same "they stay beside the model" keeps/adapter.zv style.zv
ok "train what they are for" zv-train text -q -m kept -o loses texts.jsonl --steps 1 -b 4
ok "they do not fit any more" test ! -e loses/adapter.zv
ok "with the language model trained as well" tune --lora 4 --train lora,llm -o both
ok "they fit the model beside them" zv-train text -q -m both --adapter both/adapter.zv -o both2 texts.jsonl --steps 1 -b 4 --train lora
like "a question inside is no matter for a file" "$(tune --lora 4 --train lora --question-inside -o inside.zv 2>&1)" \
	"*reads the question is kept in qformer.zv*"
like "their settings need them" "$(tune --lora-alpha 16 -o none 2>&1)" "*are about --lora: give it a rank*"
ok "go on with them" tune --adapter style.zv -o more.zv
status "they are other ones then" 1 cmp -s style.zv more.zv
zv-train new --config toy.conf -o tied llm.tied=1
# Refused before it is trained.
like "an adapter on a head that is the embeddings, too" "$(zv-train text -m tied -o none texts.jsonl --steps 1000000 --lora 2 \
	--lora-targets lm_head --merge 2>&1)" "zv-train: *lm_head*cannot be merged"
ok "a pattern for layers" tune --lora 2 --rslora --lora-targets 'model\.layers\.1\.mlp\..*' -o mlp.zv
is "and no others" "$(zv-ls mlp.zv | grep -c lora_A)" 3
status "other parts do not go into a file" 2 tune --lora 4 --train lora,queries -o not.zv
finish
