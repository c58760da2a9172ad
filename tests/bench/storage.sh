#!/bin/sh
# storage.sh - what storing features as f32, bf16, f16 and int8 costs and changes.
# usage: storage.sh MODEL LIST CAPTIONS [QUESTION]
#   LIST: names of pictures; CAPTIONS: lines "picture TAB text", one for each; both in this folder
# For each type a line of a table: bytes of a picture's patch features, search features and soft
# prompt on disk; the time to read the patch features, relative to f32; the least cosine and the
# largest change of a similarity (of a picture and its text) against f32; how many texts find their
# picture first; how many greedy answers are those of f32. All three kinds are stored in the type.
# Programs: ZV_BUILD (build).
set -eu
[ $# -ge 3 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
root=$(unset CDPATH && cd -- "$(dirname -- "$0")/../.." && pwd)
PATH=$(cd -- "${ZV_BUILD:-$root/build}" && pwd):$PATH
model=$1 list=$2 captions=$3 question=${4:-Describe the picture.}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# each FILE: bytes of it for a picture, its index and the like not among them
each() { echo $(($(stat -c %s "$1") / count)); }
# time of a command, in ns; the best of three
best() {
	least=
	for _ in 1 2 3; do
		start=$(date +%s%N)
		"$@" >/dev/null
		spent=$(($(date +%s%N) - start))
		[ -n "$least" ] && [ "$least" -le $spent ] || least=$spent
	done
	echo "$least"
}
count=$(wc -l <"$list")
zv-qformer -q -m "$model" --text --keyed "$captions" | zv-export --text >"$work/texts"
printf 'type\tvit\titc\tprompt\tread\tcosine\tchange\tR@1\tanswers\n'
for type in f32 bf16 f16 int8; do
	zv-encode -q -m "$model" -T "$list" --dtype $type -o "$work/vit.$type"
	zv-qformer -q -m "$model" --contrast --dtype $type "$work/vit.$type" -o "$work/itc.$type"
	zv-qformer -q -m "$model" -p "$question" --dtype $type "$work/vit.$type" -o "$work/prompt.$type"
	zv-generate -q -m "$model" --greedy "$work/prompt.$type" >"$work/answers.$type"
	zv-export --text "$work/itc.$type" >"$work/rows.$type"
	spent=$(best zv-cat "$work/vit.$type")
	[ $type != f32 ] || first=$spent
	cosine=$(zv-cmp -v --rel-max 1 "$work/itc.$type" "$work/itc.f32" 2>&1 >"$work/same" |
		sed -n 's/.*least cosine //p') || :
	printf '%s\t%s\t%s\t%s\t%s\t%s\t' $type "$(each "$work/vit.$type")" "$(each "$work/itc.$type")" \
		"$(each "$work/prompt.$type")" "$(awk -v a="$spent" -v b="$first" 'BEGIN { printf "%.2f", a / b }')" \
		"${cosine:--}"
	python3 - "$work" $type <<'END'
import sys
from operator import mul
work, dtype = sys.argv[1:]
def read(name):
    rows = {}
    for line in open(work + '/' + name):
        key, numbers = line.rstrip('\n').split('\t')
        rows.setdefault(key, []).append([float(x) for x in numbers.split()])
    return rows
texts = {key: rows[0] for key, rows in read('texts').items()}
def similarity(rows, text):
    return max(sum(map(mul, row, text)) for row in rows)
pictures, exact = read('rows.' + dtype), read('rows.f32')
change = max(abs(similarity(pictures[k], texts[k]) - similarity(exact[k], texts[k])) for k in texts)
hits = sum(max(pictures, key=lambda k: similarity(pictures[k], text)) == key for key, text in texts.items())
answers = [open('%s/answers.%s' % (work, t)).read().splitlines() for t in (dtype, 'f32')]
same = sum(a == b for a, b in zip(*answers))
print('%.2g\t%d/%d\t%d/%d' % (change, hits, len(texts), same, len(answers[1])))
END
done
