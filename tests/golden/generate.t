# generate.t - answers equal to the reference's: ids, log-probabilities and beam scores of toy
# models in every layout, adapters merged and kept, and the story of a real small LLaMA.
. "$ZV_TESTS/lib.sh"
need_shared zoo/A
zoo=$ZV_SHARED/zoo/A
script=$ZV_TESTS/golden/generate.py
command -v python3 >/dev/null || { printf '1..0 # SKIP no python3\n'; exit 0; }

# import NAME ARGUMENT...: a model directory or an adapter file
import() {
	import_to=$1
	shift
	zv-import -o "$import_to" "$@" >import.out 2>&1 || fail "zv-import of $import_to" "$(cat import.out)"
}

# answers FOLDER MODEL PROMPTS DIRECTORY ARGUMENT...: run all cases of FOLDER's expected.json
answers() {
	an_folder=$1 an_model=$2 an_prompts=$3 an_to=$4
	shift 4
	mkdir -p "$an_to"
	python3 "$script" cases "$an_folder" >cases.list
	while IFS='	' read -r number key question _ options; do
		case $options in *--beams*) all=--hypotheses ;; *) all= ;; esac
		# shellcheck disable=SC2086
		zv-cat -k "$key" "$an_prompts" | zv-generate --any-maker -q -m "$an_model" --cache f32 --json --ids --all-ids $all $options \
			-p "$question" "$@" >"$an_to/$number.json" || echo "case $number failed"
	done <cases.list
}

# compare NAME FOLDER DIRECTORY
compare() {
	if out=$(python3 "$script" compare "$2" "$3" 2>&1); then pass "$1 ($out)"; else fail "$1" "$out"; fi
}

# prompts FOLDER FILE: the soft prompts of expected.safetensors as a stream
prompts() { python3 "$script" prompts "$1/expected.safetensors" | zvt-make >"$2"; }

# The CPU's own kernels, then each level of them.
for folder in hf-blip2 hf-instruct; do
	import "$folder" "$zoo/$folder"
	prompts "$zoo/$folder" "$folder.zv"
	answers "$zoo/$folder" "$folder" "$folder.zv" "$folder.out"
	compare "$folder: greedy, penalty and beams" "$zoo/$folder" "$folder.out"
	for level in ref avx2 avx512; do
		if ! ZV_CPU=$level zv-generate --any-maker -q -m "$folder" --max-new 1 -p x "$folder.zv" >level.out 2>&1; then
			skip "$folder: kernels $level" "$(cat level.out)"
			continue
		fi
		export ZV_CPU=$level
		answers "$zoo/$folder" "$folder" "$folder.zv" "$folder.$level"
		unset ZV_CPU
		compare "$folder: kernels $level" "$zoo/$folder" "$folder.$level"
	done
done
answers "$zoo/hf-blip2" hf-blip2 hf-blip2.zv one.out -t 1
ok "hf-blip2: the same bytes with one thread" diff -r hf-blip2.out one.out

import delta --base "$zoo/ziya-delta/base" --delta "$zoo/ziya-delta/delta" "$zoo/ziya-delta/vision-v1"
prompts "$zoo/ziya-delta" delta.zv
answers "$zoo/ziya-delta" delta delta.zv delta.out
compare "ziya-delta: greedy" "$zoo/ziya-delta" delta.out

# Adapters: applied while the model runs, and merged into the weights when it was imported.
# One of them also replaces the projection that makes the soft prompt; it can only be merged.
zv-cat -k image0 hf-blip2.zv >image0.zv
python3 "$script" project "$zoo/hf-blip2/expected.safetensors" \
	"$zoo/peft-lora/modules-to-save/adapter_model.safetensors" | zvt-make >projected.all
zv-cat -k image0 projected.all >projected.zv
for adapter in qkv-list qkv-list-raw-names regex-rslora-patterns modules-to-save layers-subset; do
	import "merged-$adapter" "$zoo/hf-blip2" --adapter "$zoo/peft-lora/$adapter"
	wanted=$(python3 -c 'import json, sys
adapters = json.load(open(sys.argv[1]))["adapters"]
name = sys.argv[2].replace("-raw-names", "")
print(*adapters[name]["greedy20_ids"])' "$zoo/peft-lora/expected.json" "$adapter")
	set -- -q --ids --text-only --all-ids --ignore-eos --max-new 20 -p '图片里有什么？'
	if [ "$adapter" = modules-to-save ]; then set -- "$@" projected.zv; else set -- "$@" image0.zv; fi
	if [ "$adapter" != modules-to-save ]; then
		import "$adapter.zv" --adapter "$zoo/peft-lora/$adapter"
		is "$adapter: kept beside the model" "$(zv-generate --any-maker -m hf-blip2 --adapter "$adapter.zv" "$@" 2>&1)" "$wanted"
	fi
	is "$adapter: merged" "$(zv-generate --any-maker -m "merged-$adapter" "$@" 2>&1)" "$wanted"
done

# Without --all-ids only tokens of the tokenizer come out, and the best of them.
ids=$(zv-generate --any-maker -q -m hf-blip2 --ids --text-only --ignore-eos --max-new 200 -p x hf-blip2.zv | tr ' ' '\n' | sort -n | tail -n 1)
ok "ids past the tokenizer never come out ($ids)" test "$ids" -lt 1600

# The log-likelihood of one token is what the reference's logits say about that id.
seq 259 8 1597 | zv-tokenize -m hf-blip2 --decode >pieces.all
zv-tokenize -m hf-blip2 pieces.all >pieces.ids
paste pieces.ids pieces.all | awk -F'\t' '$1 ~ /^[0-9]+$/ && $2 != ""' >pieces.single
cut -f 2 pieces.single >pieces
zv-generate --any-maker -q -m hf-blip2 --cache f32 --score pieces --ignore-eos --all-ids --json -p '图片里有什么？' image0.zv >scores
python3 - "$zoo/hf-blip2" scores pieces.single >out 2>&1 <<'EOF'
import json, math, struct, sys
sys.dont_write_bytecode = True
with open(sys.argv[1] + "/expected.safetensors", "rb") as file:
    size = struct.unpack("<Q", file.read(8))[0]
    header = json.loads(file.read(size))
    start, end = header["image0.prompt1.logits"]["data_offsets"]
    file.seek(8 + size + start)
    data = file.read(end - start)
width = header["image0.prompt1.logits"]["shape"][-1]
last = struct.unpack("<%df" % width, data[-4 * width:])
total = math.log(sum(math.exp(x) for x in last))
answers = [json.loads(line) for line in open(sys.argv[2], encoding="utf-8")]
pieces = [line.rstrip("\n").split("\t") for line in open(sys.argv[3], encoding="utf-8")]
if len(answers) != len(pieces) or len(pieces) < 20:
    print(len(answers), "answers about", len(pieces), "pieces")
for answer, (number, piece) in zip(answers, pieces):
    wanted = last[int(number)] - total
    if answer["text"] != piece or answer["tokens"] != 1 or abs(answer["sum"] - wanted) > 1e-5 * abs(wanted):
        print(answer, "where", number, piece, "has", wanted)
print("compared")
EOF
is "the score of one token is its logit's ($(wc -l <pieces) tokens)" "$(cat out)" compared

# A real model of 260 000 parameters tells its story, byte for byte.
stories=$ZV_SHARED/oracles/stories260k
if [ -d "$stories" ]; then
	mkdir stories
	llama2c-to-zv "$stories/stories260K.bin" "$stories/tok512.bin" stories || fail "llama2c-to-zv"
	{ cat "$stories/expected-greedy-200.txt"; echo; } >wanted
	for threads in 1 2; do
		zv-generate -q -t $threads -m stories --no-image --raw --bos -p '' --max-new 200 --text-only >story
		same "stories260k: 200 tokens of text, $threads threads" story wanted
	done
	for how in '--cache f32' '--cache f16' '--lookup' '--cache f16 --lookup'; do
		# shellcheck disable=SC2086
		zv-generate -q -m stories --no-image --raw --bos -p '' --max-new 200 --text-only $how >story
		same "stories260k: the same text with $how" story wanted
	done
	zv-import -q -o brief --dtype bf16 stories || fail "zv-import --dtype bf16"
	# (the 186th token is nearly a tie, which rounded weights turn)
	zv-generate -q -m brief --no-image --raw --bos -p '' --max-new 185 --ids --text-only >brief.ids
	zv-generate -q -m stories --no-image --raw --bos -p '' --max-new 185 --ids --text-only >plain.ids
	same "stories260k in bf16: the same 185 tokens" brief.ids plain.ids
	wanted=$(python3 -c 'import json, sys
print(*json.load(open(sys.argv[1]))["ids"][1:])' "$stories/logits-64x512.json")
	is "stories260k: the first 63 ids" "$wanted" \
		"$(zv-generate -q -m stories --no-image --raw --bos -p '' --max-new 63 --text-only --ids)"
	# Its first line as the prompt: the same words follow, so reading equals writing.
	first=$(head -n 1 wanted)
	zv-generate -q -m stories --no-image --raw --bos -p "$first" --max-new 100 --text-only >after
	ok "stories260k: the second line follows from the first" \
		python3 -c 'a, b = open("after").read(), open("wanted").read().split("\n", 1)[1]
assert b.startswith(a.strip()[:140]) and len(a) > 140, (a, b)'
else
	skip "stories260k" "no reference data (oracles/stories260k)"
fi

finish
