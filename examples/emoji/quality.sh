#!/bin/sh
# quality.sh - what a model loses in other types of weights and other arithmetic: the measures of
# evaluate.sh on scenes that it never saw, side by side, with the difference to f32 in points.
#
#   quality.sh [-n SCENES] [-e QUESTIONS] [-s SEEDS] [-k SPLITS] [-t TYPES] [-b BUILD] MODEL DATA OUT
#
#   -n  scenes of each set (1000)             -e  questions about each scene, 0: all (3)
#   -s  seeds of test data ("11 12 13")       -k  kinds of sets ("test")
#   -t  what is compared with the first ("f32 bf16 f16 int8 int4", and math-TYPE for each TYPE of
#       zv-encode --math but f32: weights in f32, products in TYPE)
#   -b  folder of the programs (build)
#
# DATA is the folder of `make data`. OUT keeps the models and what was measured, so that a second run
# computes only what is new; all figures are in OUT/TYPE/results.tsv, the table in OUT/quality.txt.
set -eu

here=$(unset CDPATH && cd -- "$(dirname -- "$0")" && pwd)
scenes=1000 each=3 seeds='11 12 13' splits=test types='' build=${BUILD:-$here/../../build}
usage() {
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
}
while getopts n:e:s:k:t:b: letter; do
	case $letter in
	n) scenes=$OPTARG ;;
	e) each=$OPTARG ;;
	s) seeds=$OPTARG ;;
	k) splits=$OPTARG ;;
	t) types=$OPTARG ;;
	b) build=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 3 ] || usage
mkdir -p "$3/models"
model=$1 data=$2 out=$(cd -- "$3" && pwd) build=$(cd -- "$build" && pwd)
PATH=$build:$PATH

if [ -z "$types" ]; then
	types='f32 bf16 f16 int8 int4'
	listed=$(zv-encode --help | sed -n '/--math/,/default/p')
	for type in bf16 int8; do
		case $listed in *$type*) types="$types math-$type" ;; esac
	done
fi

# weights TYPE: the model in it, made anew when the model is another
weights() {
	sum=$(cat "$model"/*.zv | cksum)
	[ "$(cat "$out/models/$1.sum" 2>/dev/null)" = "$sum" ] && return
	zv-import -q --force -o "$out/models/$1" --dtype "$1" "$model" >/dev/null
	printf '%s\n' "$sum" >"$out/models/$1.sum"
}

# megabytes TYPE: of what is computed with
megabytes() {
	cat "$out/models/$1/vit.zv" "$out/models/$1/qformer.zv" "$out/models/$1/llm.zv" | wc -c | awk '{ printf "%.1f", $1 / 1e6 }'
}

for type in $types; do
	stored=$type
	set --
	case $type in math-*)
		stored=f32
		set -- -M "${type#math-}"
		;;
	esac
	weights "$stored"
	printf 'quality.sh: %s\n' "$type" >&2
	"$here/evaluate.sh" -o -n "$scenes" -e "$each" -s "$seeds" -k "$splits" -b "$build" "$@" \
		"$out/models/$stored" "$data" "$out/$type" >"$out/$type.txt"
	awk -v type="$type" -v megabytes="$(megabytes "$stored")" '{ print type "\t" megabytes "\t" $0 }' "$out/$type/results.tsv"
done >"$out/quality.part"

# A column for each task and language; of retrieval the mean of both directions. Means over sets.
awk -F '\t' '
	function column(task, language, measure) {
		if (task == "retrieval" && measure ~ /R@1$/ || task == "captions" && measure == "exact set" ||
		    task == "questions" && measure == "all" && language != "all")
			return task " " language
		return ""
	}
	{
		if (!($1 in place)) {
			order[++types] = $1
			place[$1] = types
			size[$1] = $2
		}
		name = column($6, $7, $8)
		if (name == "" || $9 == "-")
			next
		sum[$1, name] += 100 * $9
		count[$1, name]++
	}
	END {
		n = split("retrieval en,retrieval zh,captions en,captions zh,questions en,questions zh", names, ",")
		titles["retrieval"] = "R@1"; titles["captions"] = "exact set"; titles["questions"] = "questions"
		printf "%-10s %7s", "", "MB"
		for (i = 1; i <= n; i++) {
			split(names[i], words, " ")
			printf " %15s", titles[words[1]] " " words[2]
		}
		printf " %13s\n", "largest loss"
		for (t = 1; t <= types; t++) {
			type = order[t]
			loss = ""
			printf "%-10s %7s", type, size[type]
			for (i = 1; i <= n; i++) {
				if (!count[type, names[i]]) {
					printf " %15s", "-"
					continue
				}
				value = sum[type, names[i]] / count[type, names[i]]
				first = sum[order[1], names[i]] / count[order[1], names[i]]
				if (t > 1 && (loss == "" || first - value > loss))
					loss = first - value
				printf " %15s", t == 1 ? sprintf("%.1f", value) : sprintf("%.1f (%+.1f)", value, value - first)
			}
			printf " %13s\n", loss == "" ? "" : sprintf("%.1f", loss)
		}
	}' "$out/quality.part" >"$out/quality.txt"
rm "$out/quality.part"
cat "$out/quality.txt"
