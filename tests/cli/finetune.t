# finetune.t - examples/demo.sh and finetune.sh with the embedded model, the latter.
# Without a model they say so.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
examples=$ZV_ROOT/examples
embedded=$examples/emoji/model
unset ZV_MODEL ZV_ADAPTER ZV_STEPS
export ZV_THREADS=2

### no model: said, and no failure; but a picture that somebody asks about is one
like "demo: no model" "$(ZV_MODEL=nowhere sh "$examples/demo.sh" 2>&1; echo $?)" "demo: skipped, no model*0"
status "demo: no model for a picture" 1 env ZV_MODEL=nowhere sh "$examples/demo.sh" "$examples/pictures/scene-1.jpg"
like "finetune: no model" "$(ZV_MODEL=nowhere sh "$examples/finetune.sh" 2>&1; echo $?)" "finetune: skipped, no model*0"
### names relative to the folder in which they are started; this model is none
mkdir hollow
touch hollow/vit.zv hollow/qformer.zv hollow/llm.zv
ZV_MODEL=hollow sh "$examples/finetune.sh" tried >/dev/null 2>&1
ok "finetune: a relative name of a model" test -f tried/model/vit.zv
is "demo: the same" "$(ZV_MODEL=hollow sh "$examples/demo.sh" 2>&1 | grep -c 'No such file')" 0
if ! [ -f "$embedded/llm.zv" ]; then
	skip "the demonstration and fine-tuning" "no model in examples/emoji/model"
	finish
fi

### the demonstration
sh "$examples/demo.sh" >demo.out 2>&1
is "demo: exit 0" "$?" 0
like "demo: the sum" "$(tail -n 1 demo.out)" "demo: 6 pictures described in English and Chinese, * of 36 questions answered right"
right=$(sed -n '$s/.*, \([0-9]*\) of 36 .*/\1/p' demo.out)
ok "demo: two of three answers are right ($right), one would be by chance" test "${right:-0}" -ge 24
cp "$examples/pictures/fruit.png" own.png
like "demo: a picture of one's own" "$(sh "$examples/demo.sh" own.png 2>&1 | tail -n 1)" \
	"demo: 1 pictures described in English and Chinese, 6 questions answered"
status "demo: no such picture" 2 sh "$examples/demo.sh" missing.png

### fine-tuning, a part of it
if [ -n "$ZV_SANITIZE" ]; then
	skip "fine-tuning" "takes too long under sanitizers; zv-train.t trains there"
	finish
fi
sh "$examples/finetune.sh" kept >tune.out 2>&1
is "finetune: exit 0" "$?" 0
is "finetune: fifty pairs" "$(python3 -c '
import json
lines = [json.loads(line) for line in open("kept/pairs.jsonl", encoding="utf-8")]
print(len(lines), all(line["question"] and line["answer"] for line in lines))')" "50 True"
like "finetune: the sum" "$(tail -n 1 tune.out)" "finetune: signs named before 0, after * of 24; * of 12 *"
after=$(sed -n '$s/.*after \([0-9]*\) of 24.*/\1/p' tune.out)
ok "finetune: signs are named ($after of 24)" test "${after:-0}" -ge 16
ok "finetune: the loss fell" python3 -c '
import json
lines = [json.loads(line)["lm"] for line in open("kept/log.jsonl")]
assert lines[-1] < lines[0] / 2, lines'
finish
