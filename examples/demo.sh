#!/bin/sh
# demo.sh - the whole pipeline on the example pictures. usage: make demo, or ZV_BUILD=... demo.sh
# The model is a toy that seed-model fills with random numbers: what it writes is noise. The stages,
# the streams between them and the cache are those of a real model.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
build=${ZV_BUILD:-$root/build}
PATH=$build:$build/tools:$PATH
pictures=$root/examples/pictures
work=$build/demo
rm -rf "$work"
mkdir -p "$work"
cd "$work"
cp "$pictures"/*.jpg "$pictures"/*.png "$pictures"/*.webp .
count=$(find . -name '*.jpg' -o -name '*.png' -o -name '*.webp' | wc -l)

say() { printf '\n%s\n' "$*"; }
show() { printf '$ %s\n' "$*"; sh -c "$*"; }

say "A toy model, in $build/demo-model. Its weights are random numbers, so its words mean nothing."
[ -e "$build/demo-model/llm.zv" ] || show "seed-model $build/demo-model"
ln -s "$build/demo-model" model

say "Pictures become patch features, once; the file is a cache."
show "zv-encode -m model -o photos.zv balls.jpg boxes.jpg beach.jpg snowman.jpg night.jpg fruit.png balls.webp"
show "zv-ls photos.zv"

say "A second run computes only what the cache does not hold: nothing."
show "zv-encode -v -m model --append photos.zv balls.jpg boxes.jpg beach.jpg"

say "Features become soft prompts, and those become words: English, then Chinese."
show "zv-qformer -m model photos.zv | zv-generate -m model -p 'Describe the picture.' --max-new=8"
show "zv-qformer -m model photos.zv | zv-generate -m model -p '请描述这张图片。' --max-new=8"

say "The same in one command, for one picture and one question."
show "zv-ask -m model beach.jpg 'What is on the beach?'"

say "Features for search, of pictures and of texts, in the same space; indexed by name."
show "zv-qformer -m model --contrast -o feats.zv photos.zv"
show "zv-index feats.zv && head -n 3 feats.zv.zvi"
show "echo 'a ball on the beach' | zv-qformer -m model --text | zv-ls"

say "Which pictures resemble balls.jpg? By the mean of their feature rows; its WebP twin comes first."
zv-export --text feats.zv | awk -F '\t' '
	{ n = split($2, x, " "); if (!($1 in seen)) { seen[$1] = 1; name[++count] = $1 }
	  for (i = 1; i <= n; i++) sum[$1, i] += x[i] }
	END {
		for (p = 1; p <= count; p++) {
			dot = aa = bb = 0
			for (i = 1; i <= n; i++) { a = sum["balls.jpg", i]; b = sum[name[p], i]; dot += a * b; aa += a * a; bb += b * b }
			if (name[p] != "balls.jpg") printf "%.6f\t%s\n", dot / sqrt(aa * bb), name[p]
		}
	}' | sort -rn >ranking
cat ranking
[ "$(head -n 1 ranking | cut -f 2)" = balls.webp ]

say "Does a picture match a text? Two scores for each pair: no, yes."
show "zv-qformer -m model --match -p 'a ball on the beach' photos.zv | zv-export --text -n itm"

printf '\ndemo: %d pictures, all stages worked (a toy model with random weights)\n' "$count"
