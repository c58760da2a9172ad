# zv-train-options.t - what single options of zv-train change, seen in the result or the log, and
# what it says to mistaken files and options. Toy models, few steps; zv-train.t has the rest.
# shellcheck shell=sh
# shellcheck disable=SC2016 # programs of awk
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
command -v python3 >/dev/null 2>&1 || { echo "1..0 # SKIP no python3"; exit 0; }
export ZV_THREADS=1 # small matrices

mkdir tok pictures
make-tokenizer tok || { fail "the tokenizer is made"; finish; }
cat >make.py <<'P'
import json, random
random.seed(5)
colours = ['red', 'green', 'blue', 'grey', 'black', 'white', 'pink', 'brown']
def lines(name, objects):
    with open(name, 'w', encoding='utf-8') as f:
        f.write(''.join(json.dumps(o) + '\n' for o in objects))
def picture(name):
    with open('pictures/' + name, 'wb') as f:
        f.write(b'P6 56 56 255\n' + bytes(random.randrange(256) for _ in range(3 * 56 * 56)))
names = ['p%d.ppm' % i for i in range(8)]
for name in names:
    picture(name)
en = [{'image': n, 'caption': 'a %s thing' % c} for n, c in zip(names, colours)]
zh = [{'image': n, 'caption_zh': '\u4e00' * (1 + i)} for i, n in enumerate(names)]
lines('en.jsonl', en)
lines('zh.jsonl', zh)
lines('both.jsonl', [dict(a, **b) for a, b in zip(en, zh)])
lines('kinds.jsonl', [{'image': n, 'kind': i} for i, n in enumerate(names)])
lines('texts.jsonl', [{'text': '%d: a %s thing' % (i, c)} for i, c in enumerate(colours)])
lines('one.jsonl', [{'text': 'one'}, {'text': 'two'}])
lines('other.jsonl', [{'text': 'three'}, {'text': 'four'}])
lines('mute.jsonl', [{'image': 'mute'}] * 8)
lines('asked.jsonl', [{'image': n, 'question': 'What?', 'answer': c} for n, c in zip(names, colours)])
lines('llava.jsonl', [{'image': n, 'conversations': [{'from': 'human', 'value': '<image>\nWhat?'},
    {'from': 'gpt', 'value': c}]} for n, c in zip(names, colours)])
with open('array.json', 'w') as f:
    json.dump(en, f, indent=1)
with open('list', 'w') as f:
    f.write(''.join(n + '\n' for n in names))
P
python3 make.py
zv-train new -o toy vit.width=32 vit.layers=1 vit.heads=4 vit.patch=14 vit.side=56 qformer.width=32 qformer.layers=2 \
	qformer.heads=4 qformer.queries=4 qformer.positions=64 qformer.contrast_width=16 qformer.vocab=tok/vocab.txt \
	llm.width=48 llm.layers=2 llm.heads=4 llm.mlp_width=96 llm.positions=256 llm.tokenizer=tok/tokenizer.model \
	llm.added='<human> <bot>' || { fail "the model is made"; finish; }
(cd pictures && zv-encode -q -m ../toy -T ../list) >feats.zv

# text|contrast OPTION...: a few steps of a stage
text() { zv-train text -q -m toy -b 4 "$@" >/dev/null; }
contrast() { zv-train contrast -q -m toy --features feats.zv -b 4 --dropout 0 "$@" >/dev/null; }
said() { timeout 20 zv-train "$@" 2>&1; }
# values NAME FILE: of a log, one a line; numbers KEY FILE: of a tensor
values() { sed -n "s/.*\"$1\":\([-0-9.e+]*\).*/\1/p" "$2"; }
numbers() { zv-export --text -k "$1" "$2" | cut -f 2 | tr ' ' '\n'; }
# all NAME EXPRESSION: awk's, of each line of standard input; there is at least one
all() { if awk "$2"' { n++ } !('"$3"') { print "# " $0; bad = 1 } END { exit bad || n == 0 }'; then pass "$1"; else fail "$1"; fi; }
differ() { if cmp -s -- "$2" "$3"; then fail "$1" "$2 and $3 are the same"; else pass "$1"; fi; }

### data
ok "operands" text -o operands one.jsonl other.jsonl --in-order --steps 3
ok "--data" text -o data --data one.jsonl other.jsonl --in-order --steps 3
same "stands in front of the operands" operands/llm.zv data/llm.zv
ok "again" text -o twice --data one.jsonl --data other.jsonl --in-order --steps 3
same "may be given twice" operands/llm.zv twice/llm.zv
ok "another order" text -o turned other.jsonl one.jsonl --in-order --steps 3
differ "is another run" operands/llm.zv turned/llm.zv
# Of 64 draws those of mute.jsonl are left out.
draws() { timeout 60 zv-train text -q -m toy -b 16 --steps 4 -o none --force "$@" 2>&1 | grep -c 'mute.jsonl:'; }
all "FILE=WEIGHT: three of four draws" '' '$1 > 38 && $1 < 58' <<E
$(draws --data mute.jsonl=3 texts.jsonl=1)
E
all "FILE=WEIGHT: one of four" '' '$1 > 6 && $1 < 26' <<E
$(draws --data mute.jsonl=1 texts.jsonl=3)
E
rm -rf none
classify() { zv-train classify -q -m toy -b 4 --steps 2 "$@" >/dev/null; }
ok "--pictures" classify -o seen --pictures pictures kinds.jsonl
(cd pictures && zv-train classify -q -m ../toy -b 4 --steps 2 -o ../there ../kinds.jsonl >/dev/null)
same "is as if they were here" seen/vit.zv there/vit.zv
status "which they are not" 2 classify -o none kinds.jsonl
for language in en zh; do
	ok "--language $language" contrast -o $language --language $language both.jsonl --steps 3
	ok "captions in it alone" contrast -o only-$language $language.jsonl --steps 3
	same "$language: as if there were no others" $language/qformer.zv only-$language/qformer.zv
done
ok "--language both" contrast -o both both.jsonl --steps 3
differ "takes more than one" both/qformer.zv en/qformer.zv
differ "and more than the other" both/qformer.zv zh/qformer.zv
ok "questions of LLaVA" zv-train instruct -q -m toy -o llava --features feats.zv llava.jsonl -b 4 --steps 2
ok "and others" zv-train instruct -q -m toy -o asked --features feats.zv asked.jsonl -b 4 --steps 2
same "are the same: <image> is no text" llava/qformer.zv asked/qformer.zv

### losses
for smoothing in 0 0.1 0.3; do
	contrast -o smooth$smoothing en.jsonl --steps 1 --smoothing $smoothing --log smooth$smoothing.log --log-every 1
done
# (1 - s) * loss + s * its mean over all classes: linear in s
for loss in itc itg; do
	all "--smoothing: $loss" '' '$3 != $1 && ($2 - $1) * 3 - ($3 - $1) < 1e-5 && ($3 - $1) - ($2 - $1) * 3 < 1e-5' <<E
$(values $loss smooth0.log) $(values $loss smooth0.1.log) $(values $loss smooth0.3.log)
E
done
contrast -o usual en.jsonl --steps 1 --log usual.log --log-every 1
same "--smoothing: 0.1 by default" usual/qformer.zv smooth0.1/qformer.zv
ok "--two-sided" contrast -o sides en.jsonl --steps 1 --two-sided --log sides.log --log-every 1
is "--two-sided: the same losses" "$(values itc sides.log)" "$(values itc usual.log)"
differ "another gradient" sides/qformer.zv usual/qformer.zv
is "which is longer or shorter" "$(test "$(values norm sides.log)" = "$(values norm usual.log)" && echo the same)" ""
ok "--fix-temperature" contrast -o fixed en.jsonl --steps 3 --rate 1e-2 --fix-temperature
is "it stays" "$(numbers temp fixed/qformer.zv)" "$(numbers temp toy/qformer.zv)"
ok "not else" contrast -o warm en.jsonl --steps 3 --rate 1e-2
is "then it moves" "$(test "$(numbers temp warm/qformer.zv)" = "$(numbers temp toy/qformer.zv)" && echo the same)" ""
for classes in 8 500; do
	classify -o classes$classes --pictures pictures --classes $classes kinds.jsonl --log classes$classes.log --log-every 1 --steps 1
done
classify -o classes --pictures pictures kinds.jsonl --steps 1
same "--classes: the largest and 1 by default" classes/vit.zv classes8/vit.zv
# Heads are small at first: about as likely each.
all "--classes 8: ln 8" '' '$1 > 1.5 && $1 < 2.8' <<E
$(values kind classes8.log | head -n 1)
E
all "--classes 500: ln 500" '' '$1 > 5.5 && $1 < 7' <<E
$(values kind classes500.log | head -n 1)
E
like "--classes: too few" "$(said classify -m toy -o none --pictures pictures --classes 7 --steps 1 -b 4 kinds.jsonl)" \
	"*8 classes, more than 7"

### optimiser
ok "--warm-from" text -o from texts.jsonl --steps 6 --rate 1e-2 --warm-up 4 --warm-from 2e-3 --schedule constant \
	--log from.log --log-every 1
is "the rate rises from there" "$(values rate from.log | tr '\n' ' ')" "0.002 0.004 0.006 0.008 0.01 0.01 "
# Norms begin at 1 and do not decay. A step without memory is rate * sign of the gradient.
step() { text texts.jsonl --rate 1e-2 --warm-up 0 --schedule constant --force "$@"; }
norm() { numbers model.norm.weight "$1/llm.zv"; }
near='function near(a, b) { return a - b < 2e-5 && b - a < 2e-5 }'
step -o forgets --steps 2 --beta1 0 --beta2 0
norm forgets >norms
all "--beta1 0 --beta2 0: two whole steps" "$near" 'near($1, 0.98) || near($1, 1) || near($1, 1.02)' <norms
step -o half --steps 2 --beta2 0
step -o rest --steps 2 --beta1 0
step -o keeps --steps 2
for run in half rest keeps; do
	if norm $run | awk "$near"' !(near($1, 0.98) || near($1, 1) || near($1, 1.02)) { n++ } END { exit n == 0 }'; then
		pass "with memory ($run) they are others"
	else
		fail "with memory ($run) they are others"
	fi
done
differ "--beta1 alone" rest/llm.zv keeps/llm.zv
differ "--beta2 alone" half/llm.zv keeps/llm.zv
step -o named --steps 2 --beta1 0.9 --beta2 0.98 --eps 1e-8
same "0.9, 0.98, 1e-8 by default" named/llm.zv keeps/llm.zv
step -o small --steps 1
norm small >norms
all "one step is the whole rate" "$near" 'near($1, 0.99) || near($1, 1.01)' <norms
step -o tiny --steps 1 --eps 1
norm tiny >norms
all "--eps 1: g / (|g| + 1) of it" '' '$1 > 0.9951 && $1 < 1.0049' <norms

### mistaken options
like "--train lora without --lora" "$(said instruct -m toy -o none --features feats.zv asked.jsonl --steps 1 --train lora)" \
	"*no parameters 'lora': give --lora RANK*"
like "captions in another language" "$(said generate -m toy -o none --features feats.zv zh.jsonl --steps 1 -b 4 --language en)" \
	"*zh.jsonl:*no caption in the language asked for (--language en)*"
for stage in contrast generate; do
	like "$stage: a model as features" "$(said $stage -m toy -o none --features toy/vit.zv en.jsonl --steps 1 -b 4)" \
		"zv-train: toy/vit.zv: this is a part of a model, not a stream of features*"
done
for targets in q_proj,q_proj q_proj,self_attn.q_proj model.layers.0.self_attn.q_proj,q_proj; do
	ok "--lora-targets $targets" zv-train text -q -m toy -o twice.zv --force texts.jsonl --steps 1 -b 4 --train lora --lora 2 \
		--lora-targets $targets
	is "one adapter a layer" "$(zv-ls twice.zv | grep -c lora_A)" 2
done
like "one that is none" "$(said text -m toy -o none.zv texts.jsonl --steps 1 --train lora --lora 2 --lora-targets q_proj,p_proj)" \
	'*no linear layer "p_proj"*'
for setting in vit.width=-1 vit.width=x vit.layers=1.5 vit vit.widht=3; do
	status "new $setting" 2 zv-train new -o none vit.width=32 vit.layers=1 vit.heads=4 vit.patch=14 vit.side=56 "$setting"
done
status "new without settings" 2 zv-train new -o none
printf 'vit.width\n' >bad.conf
status "a bad line in --config" 2 zv-train new -o none --config bad.conf
like "it is named" "$(said new -o none --config bad.conf)" "*bad.conf: line 1: *"

### mistaken files
mkfifo fifo
like "a FIFO as data" "$(said text -m toy -o none fifo --steps 1)" "zv-train: fifo: not a regular file*"
like "to measure with" "$(said text -m toy -o none texts.jsonl --valid fifo --steps 1)" "zv-train: fifo: not a regular file*"
status "a device" 2 zv-train text -m toy -o none /dev/zero --steps 1
like "an array" "$(said contrast -m toy -o none --features feats.zv array.json --steps 1 2>&1)" \
	"zv-train: array.json: this is one JSON array; write one object a line (jq -c '.\\[\\]')"
said text -m toy -o none feats.zv --steps 1 >message
is "no text at all: it ends soon" "$(awk 'END { print NR < 25 }' message)" 1
like "and says why" "$(tail -n 1 message)" "*the first 20 lines are no examples: *"
seq 1000 >thousand
said text -m toy -o none thousand --steps 1 >message
is "a thousand bad lines: 20 of them are told" "$(wc -l <message)" 20
like "then it ends" "$(tail -n 1 message)" "zv-train: thousand: the first 20 lines are no examples: line 20: *"
ok "nothing is written" test ! -e none -a ! -e none.zv -a ! -e none.checkpoint
finish
