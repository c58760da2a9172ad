# models.t - the three models against tests/tools/reference.py, which computes them in plain Python
# from the same model file; and the same bytes at any thread count, batch and order.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
reference() { python3 "$ZV_TESTS/tools/reference.py" "$@"; }

for number in 1 2 3; do
	python3 -c "import random, sys; random.seed($number)
sys.stdout.buffer.write(b'P6\n56 56\n255\n' + bytes(random.randrange(256) for _ in range(56 * 56 * 3)))" >$number.ppm
done
question='What is this?'

# close_pairs FILE: five lines of two numbers that differ by no more than float32 does
# shellcheck disable=SC2317 # called through ok
close_pairs() {
	awk '{ d = $1 - $2; if (d < 0) d = -d; if (NF != 2 || d > 3e-5) exit 1; n++ } END { exit n != 5 }' "$1"
}

# check LABEL MODEL: every use of the model, one after the other
check() {
	label=$1 model=$2
	zv-encode -m "$model" -o vit.zv 1.ppm && zv-export --raw -o vit vit.zv
	reference features "$model" 1.ppm >vit.ref
	ok "$label: features" reference near vit vit.ref 1e-5

	zv-qformer -m "$model" --query vit.zv | zv-export --raw -o queries
	reference queries "$model" vit.ref >queries.ref
	ok "$label: query outputs" reference near queries queries.ref 1e-5

	zv-qformer -m "$model" -o prompt.zv vit.zv && zv-export --raw -o prompt prompt.zv
	reference prompt "$model" queries.ref >prompt.ref
	ok "$label: soft prompt" reference near prompt prompt.ref 1e-5

	ids=$(echo "$question" | zv-tokenize -m "$model")
	zv-generate -m "$model" --cache f32 --raw --no-bos -p "$question" --greedy --ignore-eos --all-ids --max-new 5 \
		--ids --logprobs --json -o answer prompt.zv
	# shellcheck disable=SC2086
	reference generate "$model" prompt.ref 5 $ids >answer.ref
	is "$label: token ids" "$(sed 's/.*"ids":\[\([0-9,]*\)\].*/\1/' answer | tr , ' ')" \
		"$(cut -d ' ' -f 1 answer.ref | tr '\n' ' ' | sed 's/ $//')"
	sed 's/.*"logprobs":\[\([-0-9.,e]*\)\].*/\1/' answer | tr , '\n' >logprobs
	cut -d ' ' -f 2 answer.ref | paste logprobs - >pairs
	ok "$label: log-probabilities" close_pairs pairs
}

# check_text LABEL MODEL: the uses of the Q-Former that read text; after check
check_text() {
	label=$1 model=$2 text='the dog is red'
	ids=$(echo "$text" | zv-tokenize -m "$model" --qformer --framed)
	zv-qformer -m "$model" --contrast vit.zv | zv-export --raw -o contrast
	reference contrast "$model" queries.ref >contrast.ref
	ok "$label: features for search" reference near contrast contrast.ref 1e-5

	echo "$text" | zv-qformer -m "$model" --text | zv-export --raw -o text
	# shellcheck disable=SC2086
	reference text "$model" $ids >text.ref
	ok "$label: features of a text" reference near text text.ref 1e-5

	zv-qformer -m "$model" --match -p "$text" vit.zv | zv-export --raw -n itm -o match
	# shellcheck disable=SC2086
	reference queries "$model" vit.ref $ids >joint.ref
	reference match "$model" joint.ref >match.ref
	ok "$label: matching" reference near match match.ref 1e-5

	caption=$(zv-qformer -m "$model" --caption --max-length 5 vit.zv | cut -f 2)
	is "$label: caption" "$caption" "$(reference caption "$model" vit.ref 5 | zv-tokenize -m "$model" --qformer -d)"
}

seed-model f32 && check f32 f32 && check_text f32 f32
seed-model --seed 2 --dtype bf16 --kv-heads 2 --tied bf16
check 'bf16, grouped keys, tied' bf16 && check_text bf16 bf16
seed-model --seed 3 --dtype f16 --plain f16 && check 'f16, no text' f16

seed-model --seed 4 --instruction instruction
zv-encode -m instruction -o vit.zv 1.ppm && zv-export --raw -o vit.raw vit.zv
zv-qformer -m instruction --query -p "$question" vit.zv | zv-export --raw -n qformer -o queries
ids=$(echo "$question" | zv-tokenize -m instruction --qformer --framed)
# shellcheck disable=SC2086
reference queries instruction vit.raw $ids >queries.ref
ok 'an instruction inside the Q-Former' reference near queries queries.ref 1e-5

# Kernels of every level come near; those of one level give the same bytes whatever the threads and
# the batch are. A picture of 126 pixels has 82 rows: the way of many rows.
for level in ref avx2 avx512; do
	if ! ZV_CPU=$level zv-encode -m f32 -o near.zv 1.ppm 2>error; then
		skip "kernels $level" "$(cat error)"
		continue
	fi
	ZV_CPU=$level zv-encode -m f32 --size 126 -t 1 -o one.zv 1.ppm 2.ppm 3.ppm
	ZV_CPU=$level zv-encode -m f32 --size 126 -t 5 --batch 1 -o five.zv 1.ppm 2.ppm 3.ppm
	same "$level: pictures, 1 thread in a batch, 5 threads one by one" one.zv five.zv
	[ "$level" = ref ] && cp one.zv wide.zv && cp near.zv first.zv
	ok "$level: features come near the portable ones" zv-cmp --rel-max 1e-5 near.zv first.zv
	ok "$level: of a large picture, too" zv-cmp --rel-max 1e-5 one.zv wide.zv
	ZV_CPU=$level zv-encode -m f32 -o vit.zv 1.ppm 2.ppm 3.ppm
	ZV_CPU=$level zv-qformer -m f32 -t 1 -o prompts.zv vit.zv
	ZV_CPU=$level zv-qformer -m f32 -t 3 -o three.zv vit.zv
	same "$level: soft prompts, 1 thread and 3" prompts.zv three.zv
	ZV_CPU=$level zv-generate -m f32 -t 1 --greedy --max-new 8 --json --logprobs -o answers prompts.zv
	ZV_CPU=$level zv-generate -m f32 -t 3 --greedy --max-new 8 --json --logprobs -o answers3 prompts.zv
	same "$level: answers, 1 thread and 3" answers answers3
	zv-cat -k 2.ppm prompts.zv | ZV_CPU=$level zv-generate -m f32 --greedy --max-new 8 --json --logprobs -o alone
	is "$level: an answer alone and among others" "$(cat alone)" "$(grep 2.ppm answers)"
done

# Damage that a copy or a disk may do: a weight, and the tokenizer that another program reads.
cp -r f32 damaged
for file in vit qformer llm; do
	size=$(wc -c <damaged/$file.zv)
	cp damaged/$file.zv whole
	printf '\101\102\103' | dd of=damaged/$file.zv bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
	case $file in
	vit) status "a damaged $file.zv is not computed with" 2 zv-encode -m damaged -o out.zv 1.ppm ;;
	qformer) status "a damaged $file.zv is not computed with" 2 zv-qformer -m damaged -o out.zv vit.zv ;;
	llm) status "a damaged $file.zv is not computed with" 2 zv-generate -m damaged --max-new 1 -o out.zv prompts.zv ;;
	esac
	ok 'and no file comes of it' test ! -e out.zv
	mv whole damaged/$file.zv
done
# Blocks of the language model are verified one by one, when they are needed first: nothing comes out.
for tenth in 1 3 5 7 8 9; do
	cp damaged/llm.zv whole
	printf '\101\102\103' | dd of=damaged/llm.zv bs=1 seek=$((size * tenth / 10)) conv=notrunc 2>/dev/null
	status "damage at $tenth tenths of llm.zv is found" 2 zv-generate -m damaged -q --max-new 1 prompts.zv
	like 'and named' "$tap_out" '*llm.zv: "*" is damaged (checksum)*'
	is 'in place of answers' "$(zv-generate -m damaged -q --max-new 1 prompts.zv 2>/dev/null)" ""
	mv whole damaged/llm.zv
done
status 'mended, it is' 0 zv-encode -m damaged -o out.zv 1.ppm

like 'a level that is none' "$(ZV_CPU=fast zv-encode -m f32 1.ppm 2>&1 >/dev/null)" '*ZV_CPU*"fast"*ref, avx2, avx512*'
status 'is trouble' 2 env ZV_CPU=fast zv-encode -m f32 -o out.zv 1.ppm
if ZV_CPU=amx zv-encode -m f32 -o out.zv 1.ppm 2>error; then
	skip 'AMX is refused where it is not' 'this CPU has it'
else
	like 'AMX is refused where it is not' "$(cat error)" '*ZV_CPU: this CPU has no amx, the most it can is *'
fi
finish
