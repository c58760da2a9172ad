#!/bin/sh
# finetune.sh - teach the embedded model something new with 50 pairs: three road signs, which are no
# emoji. usage: finetune.sh [FOLDER]
# The pictures are drawn here, and the pairs are what a user would write: 38 of signs, and 12 of
# finetune/known.jsonl, scenes such as the model knows, so that it forgets nothing. An adapter of the
# language model is all that is trained; the model itself stays as it is.
# FOLDER (a temporary one) keeps everything. Programs: ZV_BUILD (build); model: ZV_MODEL
# (examples/emoji/model); ZV_STEPS: steps of training (500).
set -eu
root=$(unset CDPATH && cd -- "$(dirname -- "$0")/.." && pwd)
build=${ZV_BUILD:-$root/build}
model=${ZV_MODEL:-$root/examples/emoji/model}
steps=${ZV_STEPS:-500}
# names that hold in another folder, too
case $build in /*) ;; *) build=$PWD/$build ;; esac
case $model in /*) ;; *) model=$PWD/$model ;; esac
PATH=$build:$PATH
case ${1-} in -*) sed -n 's/^# \{0,1\}//; 2,3p' "$0" >&2; exit 2 ;; esac
if ! [ -f "$model/vit.zv" ] || ! [ -f "$model/qformer.zv" ] || ! [ -f "$model/llm.zv" ]; then
	echo "finetune: skipped, no model in $model; examples/emoji/README.md tells how it is made"
	exit
fi
if [ $# -gt 0 ]; then
	mkdir -p -- "$1"
	cd -- "$1"
else
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	cd "$work"
fi
began=$(date +%s)
ln -sfn "$model" model
say() { printf '\n%s\n' "$*"; }
show() { printf '$ %s\n' "$*"; sh -c "$*"; }

# draw STEM COUNT SHIFT: pictures STEM-NN.ppm with a sign each, and a line "name sign colour" for each.
# Place, size and colour follow from the number.
draw() {
	awk -v stem="$1" -v count="$2" -v shift="$3" '
	function abs(x) { return x < 0 ? -x : x }
	function no_entry(u, v) {
		if (u * u + v * v > 1) return ""
		return abs(u) < 0.7 && abs(v) < 0.2 ? white : red
	}
	function give_way(u, v) {
		if (v < -0.8 || abs(u) > 0.55 * (0.95 - v)) return ""
		return v > -0.55 && abs(u) < 0.55 * (0.45 - v) ? white : red
	}
	function parking(u, v,   bowl) {
		if (abs(u) > 0.85 || abs(v) > 0.85) return ""
		bowl = (u + 0.1) * (u + 0.1) + (v + 0.22) * (v + 0.22)
		if ((u > -0.35 && u < -0.1 && abs(v) < 0.62) || (u >= -0.1 && bowl < 0.16 && bowl > 0.03)) return white
		return blue
	}
	function sign(kind, u, v) {
		return kind == 0 ? no_entry(u, v) : kind == 1 ? give_way(u, v) : parking(u, v)
	}
	# a number in 0 .. n - 1 (Park and Miller)
	function below(n) { state = state * 16807 % 2147483647; return int(state / 2147483647 * n) }
	BEGIN {
		side = 112
		white = "240 240 240"; red = "200 30 40"; blue = "30 80 190"
		split("white yellow green gray pink turquoise", colours, " ")
		split("240 240 240,244 218 70,66 166 78,132 132 132,246 164 196,84 206 214", paints, ",")
		state = 1000 * shift + 7
		for (i = 1; i <= 5; i++) below(2)
		for (i = 1; i <= count; i++) {
			kind = i % 3
			colour = 1 + below(6)
			radius = 14 + below(14)
			x0 = radius + 2 + below(side - 2 * radius - 4)
			y0 = radius + 2 + below(side - 2 * radius - 4)
			name = sprintf("%s-%02d.ppm", stem, i)
			print "P3", side, side, 255 >name
			for (y = 0; y < side; y++) {
				line = ""
				for (x = 0; x < side; x++) {
					paint = abs(x - x0) <= radius && abs(y - y0) <= radius ? sign(kind, (x - x0) / radius, (y - y0) / radius) : ""
					line = line (paint == "" ? paints[colour] : paint) (x % 5 == 4 ? "\n" : " ")
				}
				print line >name
			}
			close(name)
			print name, kind, colours[colour]
		}
	}'
}

# pairs: lines of draw to JSON lines, English and Chinese in turn; names: to "name TAB en TAB zh"
words='BEGIN {
	split("no entry sign,give way sign,parking sign", en, ","); split("禁行牌,让行牌,停车牌", zh, ",")
	split("white yellow green gray pink turquoise", colour, " ")
	split("白色 黄色 绿色 灰色 粉色 青色", paint, " ")
	for (i in colour) chinese[colour[i]] = paint[i]
}'
pairs() {
	awk "$words"'{
		if (NR % 2) { q = "Describe this picture."; a = "A " en[$2 + 1] " on a " $3 " background." }
		else { q = "请描述这张图片。"; a = chinese[$3] "背景上有一个" zh[$2 + 1] "。" }
		printf "{\"image\":\"%s\",\"question\":\"%s\",\"answer\":\"%s\"}\n", $1, q, a
	}'
}

say "Fifty pairs: pictures of three road signs with what to say about them, and a few known scenes."
draw sign 38 0 | pairs >pairs.jsonl
cp "$root"/examples/finetune/known-*.jpg .
cat "$root/examples/finetune/known.jsonl" >>pairs.jsonl
show "wc -l pairs.jsonl; head -n 2 pairs.jsonl; tail -n 1 pairs.jsonl"

say "Their features, once; and those of twelve other pictures of signs, to see what was learnt."
draw fresh 12 100 >fresh.txt
awk "$words"'{ print $1 "\t" en[$2 + 1] "\t" zh[$2 + 1] }' fresh.txt >wanted
show "zv-encode -m model -o pictures.zv sign-*.ppm known-*.jpg"
show "zv-encode -m model -o fresh.zv fresh-*.ppm"
cp "$root"/examples/pictures/scene-[1-6].jpg .
zv-encode -q -m model -o scenes.zv scene-[1-6].jpg

say "Training: an adapter on the language model; picture encoder, Q-Former and the rest are frozen."
rm -rf signs.zv signs.zv.checkpoint log.jsonl
show "zv-train instruct -q -m model -o signs.zv --features pictures.zv --train lora --lora 8 \\
    --lora-targets q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj --lora-dropout 0 \\
    --dropout 0 --rate 1e-3 --steps $steps -b 10 --log log.jsonl pairs.jsonl"
sh "$root/examples/plot.sh" -t -k lm log.jsonl

# describe STREAM PROMPT OPTION...
describe() {
	stream=$1 prompt=$2
	shift 2
	zv-qformer -q -m model -p "$prompt" "$stream" | zv-generate -q -m model "$@"
}
english='Describe this picture.' chinese='请描述这张图片。'
for set in fresh scenes; do
	describe $set.zv "$english" >$set-before-en
	describe $set.zv "$chinese" >$set-before-zh
	describe $set.zv "$english" --adapter signs.zv >$set-after-en
	describe $set.zv "$chinese" --adapter signs.zv >$set-after-zh
done
named() { # COLUMN ANSWERS: how many name the sign
	awk -F '\t' -v column="$1" 'NR == FNR { name[$1] = $column; next } index($2, name[$1]) { n++ } END { print n + 0 }' wanted "$2"
}
say "Pictures that it was not trained on, before and after:"
for language in en zh; do
	paste fresh-before-$language fresh-after-$language | head -n 4 |
		awk -F '\t' '{ print $1; print "    before: " $2; print "    after:  " $4 }'
done
say "Scenes of emoji, before and after:"
for language in en zh; do
	paste scenes-before-$language scenes-after-$language | head -n 3 |
		awk -F '\t' '{ print $1; print "    before: " $2; print "    after:  " ($4 == $2 ? "the same" : $4) }'
done
kept=$({ paste scenes-before-en scenes-after-en; paste scenes-before-zh scenes-after-zh; } |
	awk -F '\t' '$2 == $4 { n++ } END { print n + 0 }')
printf '\nfinetune: signs named before %d, after %d of 24; %d of 12 descriptions of emoji as before; %d s\n' \
	$(($(named 2 fresh-before-en) + $(named 3 fresh-before-zh))) \
	$(($(named 2 fresh-after-en) + $(named 3 fresh-after-zh))) "$kept" $(($(date +%s) - began))
