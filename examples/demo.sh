#!/bin/sh
# demo.sh - what the embedded model sees, in English and in Chinese.
# usage: make demo, or demo.sh [PICTURE...]
# Without a picture it takes six example scenes of emoji, which no training set held. Any JPEG, PNG or
# WebP with emoji on it can be given instead. Programs: ZV_BUILD (build); model: ZV_MODEL
# (examples/emoji/model).
set -eu
root=$(unset CDPATH && cd -- "$(dirname -- "$0")/.." && pwd)
build=${ZV_BUILD:-$root/build}
model=${ZV_MODEL:-$root/examples/emoji/model}
adapter=${ZV_ADAPTER:-$root/examples/emoji/model/terse.zv}
# names that hold in another folder, too
case $build in /*) ;; *) build=$PWD/$build ;; esac
case $model in /*) ;; *) model=$PWD/$model ;; esac
case $adapter in /*) ;; *) adapter=$PWD/$adapter ;; esac
PATH=$build:$PATH
english='Describe the picture.' chinese='请描述这张图片。'

if ! [ -f "$model/vit.zv" ] || ! [ -f "$model/qformer.zv" ] || ! [ -f "$model/llm.zv" ]; then
	echo "demo: skipped, no model in $model; examples/emoji/README.md tells how it is made"
	[ $# -eq 0 ]
	exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

own=yes
if [ $# -eq 0 ]; then
	own=
	set -- "$root"/examples/pictures/scene-[1-6].jpg
	cp "$root/examples/pictures/questions.tsv" "$work/questions"
fi
# Pictures get their last names, so that a line of an answer is short.
count=0
for picture; do
	[ -f "$picture" ] || { echo "demo: no picture $picture" >&2; exit 2; }
	name=$(basename -- "$picture")
	! [ -e "$work/$name" ] || { echo "demo: two pictures named $name" >&2; exit 2; }
	cp -- "$picture" "$work/$name"
	printf '%s\n' "$name" >>"$work/list"
	count=$((count + 1))
done
cd "$work"
ln -s "$model" model
[ -z "$own" ] || while IFS= read -r name; do
	for question in 'What color is the background?' 'How many objects are there?' 'Is there a cat?' \
		'背景是什么颜色？' '一共有几个物体？' '图中有狗吗？'; do
		printf '%s\t%s\n' "$name" "$question"
	done
done <list >questions

say() { printf '\n%s\n' "$*"; }
run() { # COMMAND FILE: show the command and what it writes, and keep that
	printf '$ %s\n' "$1"
	sh -c "$1" >"$2"
}

say "Pictures become patch features, once: everything below starts from this file."
run 'zv-encode -m model -T list -o scenes.zv && zv-ls scenes.zv' features
cat features

say "Features become soft prompts, and those a description: in English, then in Chinese."
run "zv-qformer -m model -p '$english' scenes.zv | zv-generate -m model" english
cat english
run "zv-qformer -m model -p '$chinese' scenes.zv | zv-generate -m model" chinese
cat chinese

say "Questions, which the Q-Former reads too: it looks for what is asked."
cut -f 1,2 questions >asked
run 'zv-qformer -m model --questions asked scenes.zv | zv-generate -m model' answers
# Answers come in the order of the pictures, those of a picture in the order of its questions.
awk -F '\t' '
	NR == FNR { n = ++questions[$1]; question[$1, n] = $2; wanted[$1, n] = $3; next }
	{
		n = ++answered[$1]
		if ($1 != last)
			print last = $1
		mark = wanted[$1, n] == "" ? "" : $2 == wanted[$1, n] ? "" : "   (it is: " wanted[$1, n] ")"
		right += $2 == wanted[$1, n]
		print "    " question[$1, n] "  " $2 mark
	}
	END { print right + 0 >"right" }' questions answers

if [ -f "$adapter" ]; then
	ln -s "$adapter" terse.zv
	size=$(($(wc -c <terse.zv) / 1000))
	say "The same model with an adapter of $size kB switched on: it was taught to be terse."
	run "zv-qformer -m model -p '$english' scenes.zv | zv-generate -m model --adapter terse.zv" terse
	cat terse
	run "zv-qformer -m model -p '$chinese' scenes.zv | zv-generate -m model --adapter terse.zv" terse
	cat terse
	say "And off: what it said before, word for word."
	run "zv-qformer -m model -p '$english' scenes.zv | zv-generate -m model" off
	cmp english off
	head -n 2 off
else
	say "No adapter in $adapter: examples/emoji/adapter.sh trains one."
fi

asked=$(wc -l <answers)
[ "$(wc -l <english)" -eq "$count" ] && [ "$(wc -l <chinese)" -eq "$count" ]
if [ -n "$own" ]; then
	printf '\ndemo: %d pictures described in English and Chinese, %d questions answered\n' "$count" "$asked"
else
	[ "$asked" -eq "$(wc -l <questions)" ]
	printf '\ndemo: %d pictures described in English and Chinese, %d of %d questions answered right\n' \
		"$count" "$(cat right)" "$asked"
fi
