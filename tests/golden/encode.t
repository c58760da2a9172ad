# encode.t - zv-encode equal to the reference: pixels exactly, features within 1e-5 of the largest in
# f32; in bf16 and int8 to a cosine of 1 - 5e-5 and 1 - 1e-3, at each level of the CPU.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
need_shared zoo/A/hf-blip2
reference=$ZV_SHARED/zoo/A/hf-blip2
ok "import" zv-import -o model "$reference"
mkdir dump
cp "$reference"/images/* .
names='hopper.png hopper_orientation_6.jpg emoji_u1f305.png' # in the order of expected.json

# differs NAME FILE: relative difference from the reference's tensor
differs() { python3 "$ZV_TESTS/golden/encode.py" "$reference/expected.safetensors" "$@"; }
# shellcheck disable=SC2317 # called through ok
within() { awk -v x="$1" -v most="$2" 'BEGIN { exit !(x != "" && x + 0 <= most + 0) }'; }

# shellcheck disable=SC2086
picture-dump dump --no-orient --size 56x56 $names >/dev/null
number=0
for name in $names; do
	is "$name: resized pixels" "$(differs "image$number.resized_u8" "dump/00000$((number + 1))")" 0
	number=$((number + 1))
done
# all_within MATH MOST [cosine]: features.zv against the reference
all_within() {
	number=0
	for name in $names; do
		zv-export --raw -k "$name" features.zv >raw
		# shellcheck disable=SC2086
		difference=$(differs "image$number.image_embeds" raw ${3-})
		ok "$level, $1: features of $name ($difference)" within "$difference" "$2"
		number=$((number + 1))
	done
}

for level in ref avx2 avx512; do
	# the reference does not look at the EXIF orientation
	# shellcheck disable=SC2086
	if ! ZV_CPU=$level zv-encode -m model --no-orient --math f32 -o features.zv $names 2>level.out; then
		skip "kernels $level" "$(cat level.out)"
		continue
	fi
	all_within f32 1e-5
	for math in 'bf16 5e-5' 'int8 1e-3'; do
		# shellcheck disable=SC2086
		ok "$level, ${math% *}" env ZV_CPU=$level \
			zv-encode -m model --no-orient --math ${math% *} -o features.zv $names
		# shellcheck disable=SC2086
		all_within $math cosine
	done
done
finish
