#!/bin/sh
# search.sh - find pictures by a text, as BLIP-2 does: rank all by the contrastive features, which
# are computed once; look at the best again with the matching head.
# usage: search.sh MODEL PHOTOS.zv TEXT [COUNT]
# writes: lines "probability TAB picture", best first; beside PHOTOS.zv the files PHOTOS.feats.zv,
# and for other programs (FAISS, Milvus, NumPy) PHOTOS.npy: pictures x queries x width, f32, rows of
# length 1, the pictures' names in order in PHOTOS.txt.
set -u
[ $# -ge 3 ] || { sed -n 's/^# //; 4p' "$0" >&2; exit 2; }
model=$1 photos=$2 text=$3 count=${4:-10}
stem=${photos%.zv}
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ -z "$(find "$stem.npy" -newer "$photos" 2>/dev/null)" ]; then
	zv-cat --no-failed "$photos" | zv-qformer -m "$model" --contrast -o "$stem.feats.zv" &&
		zv-export --stack --keys "$stem.txt" -o "$stem.npy" "$stem.feats.zv" || exit 2
fi

# A picture has a row for each query; its score is the best dot product with the row of the text.
printf '%s\n' "$text" | zv-qformer -m "$model" --text -o "$scratch/text.zv" &&
	zv-export --text -o "$scratch/text" "$scratch/text.zv" &&
	zv-export --text -o "$scratch/rows" "$stem.feats.zv" || exit 2
awk -F '\t' '
	{ n = split($2, x, " ") }
	NR == FNR { for (i = 1; i <= n; i++) t[i] = x[i]; next }
	{ dot = 0; for (i = 1; i <= n; i++) dot += t[i] * x[i]
	  if (!($1 in best) || dot > best[$1]) best[$1] = dot }
	END { for (key in best) printf "%.6f\t%s\n", best[key], key }
' "$scratch/text" "$scratch/rows" | sort -k1,1rn -k2 | head -n "$count" | cut -f 2- >"$scratch/keys"

# Two logits, no and yes, to a probability. An index of PHOTOS.zv makes -K read only these records.
zv-cat -K "$scratch/keys" "$photos" |
	zv-qformer -m "$model" --match -p "$text" -o "$scratch/match.zv" &&
	zv-export --text -n itm "$scratch/match.zv" |
	awk -F '\t' '{ split($2, x, " "); printf "%.4f\t%s\n", 1 / (1 + exp(x[1] - x[2])), $1 }' |
		sort -k1,1rn -k2
