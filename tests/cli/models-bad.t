# models-bad.t - model files whose config disagrees with their tensors, or asks for the absurd: each
# is refused with a reason before anything is computed
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"

seed-model good
python3 -c "import sys
sys.stdout.buffer.write(b'P6\n56 56\n255\n' + bytes(range(256)) * 36 + bytes(56 * 56 * 3 - 256 * 36))" >1.ppm
zv-encode -m good -o vit.zv 1.ppm
zv-qformer -m good -o prompts.zv vit.zv

# use STAGE MODEL: the program that reads this stage
use() {
	case $1 in
	vit) zv-encode -m "$2" -o out.zv 1.ppm ;;
	qformer) zv-qformer -m "$2" --any-maker -o out.zv vit.zv ;;
	llm) zv-generate -m "$2" --any-maker --max-new 1 -o out.zv prompts.zv ;;
	esac
}

# refused STAGE CHANGE PATTERN
refused() {
	rm -rf bad && cp -r good bad
	edit-model "good/$1.zv" "bad/$1.zv" "$2" || fail 'the test itself'
	message=$(use "$1" bad 2>&1)
	is "$1, $2: status" "$?" 2
	like "$1, $2: reason" "$message" "*bad/$1.zv: $3"
}

long=$(printf '%064d' 0)
for stage in vit qformer llm; do
	cp -r good same && edit-model "good/$stage.zv" "same/$stage.zv" unknown=1
	ok "$stage: with a word more it works" use $stage same
	refused $stage stage=other '*"stage": "other" where*'
	refused $stage layers=1 '*"layers" is 1, but there is a tensor*layer*'
	refused $stage "norm_eps=$long" '*"norm_eps": longer than 63 bytes'
	rm -r same out.zv
done
refused vit side=28 '*"side" is 28, which has *position embeddings*'
refused qformer text=2 '*"text"*'
refused llm tied=yes '*"tied"*'
refused llm "tied=$long" '*"tied": longer than 63 bytes'
refused llm legacy=no '*"legacy"*'
refused llm bos=x '*"bos"*'
refused llm eos=100000 '*"eos"*'
refused llm eos=-2 '*"eos"*'
refused llm pad=1e3 '*"pad"*'

# The position table need not fit a side that is asked for; but attention is quadratic.
ok 'zv-encode --size takes another side' zv-encode -m good --size 28 -o out.zv 1.ppm
message=$(zv-encode -m good --size 4088 -o out.zv 1.ppm 2>&1)
is 'but not one of 292 x 292 patches: status' "$?" 2
like 'reason' "$message" '*292 x 292 patches*'

# Results that are no numbers are failed items, not tensors.
edit-model good/vit.zv bad/vit.zv nan:encoder.layers.0.layer_norm1.weight
for file in qformer llm; do cp good/$file.zv bad; done
message=$(zv-encode -m bad -o nan.zv 1.ppm 2>&1)
is 'zv-encode, NaN in the weights: status' "$?" 1
like 'reason' "$message" '*1.ppm: the result holds NaN or infinity'
is 'a failed item' "$(zv-ls nan.zv | cut -f 3)" failed
cp good/vit.zv bad
for value in nan inf; do
	edit-model good/qformer.zv bad/qformer.zv $value:encoder.layer.0.attention.output.LayerNorm.weight
	for use in --query --contrast '--match -p x' ''; do
		# shellcheck disable=SC2086
		message=$(zv-qformer -m bad --any-maker $use -o nan.zv vit.zv 2>&1)
		is "zv-qformer $use, $value in the weights: status" "$?" 1
		like 'reason' "$message" '*the result holds NaN or infinity*'
		is 'a failed item' "$(zv-ls nan.zv | cut -f 3)" failed
	done
	edit-model vit.zv nanvit.zv $value:1.ppm
	message=$(zv-qformer -m good -o nan.zv nanvit.zv 2>&1)
	is "zv-qformer, $value in the features: status" "$?" 1
	like 'reason' "$message" "*the picture's features hold NaN or infinity*"
done

finish
