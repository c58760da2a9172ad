#!/bin/sh
# adapter.sh - the adapter of the demonstration: descriptions become lists, "blue: cat, two apples",
# while questions are answered as before. Two minutes.
#
#   adapter.sh [-n SCENES] [-s STEPS] [-b BUILD] [-f FEATURES] MODEL DATA OUT.zv
#
#   -n  scenes to learn from, the first of scenes-train (6000)   -s  steps of 64 examples (400)
#   -b  folder of the programs (build)                           -f  features of these scenes, if
#                                                                    there are some already
# DATA is the folder of `make data`.
set -eu
here=$(unset CDPATH && cd -- "$(dirname -- "$0")" && pwd)
scenes=6000 steps=400 build=${BUILD:-$here/../../build} features=
usage() {
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
}
while getopts n:s:b:f: letter; do
	case $letter in
	n) scenes=$OPTARG ;;
	s) steps=$OPTARG ;;
	b) build=$OPTARG ;;
	f) features=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 3 ] || usage
model=$(cd -- "$1" && pwd) data=$2 out=$3
PATH=$(cd -- "$build" && pwd):$PATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

python3 "$here/terse.py" "$data/classes.tsv" "$data/scenes-train.jsonl" "$scenes" >"$work/terse.jsonl"
# Questions about the same scenes, except for descriptions, so that their answers stay as they are.
last=$(tail -n 1 "$work/terse.jsonl" | sed 's/^{"image": "\([^"]*\)".*/\1/')
awk -v last="\"$last\"" '
	index($0, last) { seen = 1 }
	seen && !index($0, last) { exit }
	!/"type":"caption"/ && !/"conversations"/' "$data/scenes-train-instruct.jsonl" >"$work/questions.jsonl"
if [ -z "$features" ]; then
	features=$work/features.zv
	sed 's/^{"image": "\([^"]*\)".*/\1/' "$work/terse.jsonl" >"$work/list"
	(cd -- "$data" && zv-encode -q -m "$model" -T "$work/list" -o "$features")
fi
zv-train instruct -m "$model" -o "$out" --force --features "$features" --lora 8 --train lora \
	--rate 2e-3 --steps "$steps" -b 64 "$work/terse.jsonl=3" "$work/questions.jsonl=1"
