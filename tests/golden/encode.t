# encode.t - zv-encode equal to the reference: pixels exactly, features within 1e-5 of the largest.
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
differs() { python3 "$ZV_TESTS/golden/encode.py" "$reference/expected.safetensors" "$1" "$2"; }
# shellcheck disable=SC2317 # called through ok
small() { awk -v x="$1" 'BEGIN { exit !(x != "" && x + 0 <= 1e-5) }'; }

# shellcheck disable=SC2086
picture-dump dump --no-orient --size 56x56 $names >/dev/null
number=0
for name in $names; do
	is "$name: resized pixels" "$(differs "image$number.resized_u8" "dump/00000$((number + 1))")" 0
	number=$((number + 1))
done
for level in ref avx2 avx512; do
	# the reference does not look at the EXIF orientation
	# shellcheck disable=SC2086
	if ! ZV_CPU=$level zv-encode -m model --no-orient -o features.zv $names 2>level.out; then
		skip "kernels $level" "$(cat level.out)"
		continue
	fi
	number=0
	for name in $names; do
		zv-export --raw -k "$name" features.zv >raw
		difference=$(differs "image$number.image_embeds" raw)
		ok "$level: features of $name ($difference)" small "$difference"
		number=$((number + 1))
	done
done
finish
