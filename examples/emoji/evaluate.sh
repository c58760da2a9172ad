#!/bin/sh
# evaluate.sh - how good a model is on scenes that it never saw: retrieval, captions and questions in
# both languages, for several seeds of test data, beside chance and beside the same network untrained.
#
#   evaluate.sh [-n SCENES] [-e QUESTIONS] [-s SEEDS] [-k SPLITS] [-w WHAT] [-c CONFIG] [-b BUILD]
#               [-E PROMPT] [-Z PROMPT] [-M TYPE] [-o] MODEL DATA OUT
#
#   -n  scenes of each set (1000)             -e  questions about each scene, 0: all (0)
#   -s  seeds of test data ("11 12 13")       -k  kinds of sets ("test several unseen")
#   -w  what ("retrieval captions questions") -c  shape of the untrained network (emoji.conf)
#   -b  folder of the programs (build)        -o  the model only, nothing untrained beside it
#   -E, -Z  how a caption is asked for in English and in Chinese
#   -M  --math TYPE for each program that has it (none: their default)
#
# What is untrained is measured on the first kind of sets alone, which is where the table shows it.
# DATA has the sets scenes-SPLIT-SEED as `make data` made them; sets that are not there are left out.
# OUT keeps the features and what each set gave, so that a second run computes only what is new. All
# figures are in OUT/results.tsv: model, split, seed, what, language, measure, value, chance, number.
set -eu

here=$(unset CDPATH && cd -- "$(dirname -- "$0")" && pwd)
scenes=1000 each=0 seeds='11 12 13' splits='test several unseen' what='retrieval captions questions'
config=$here/emoji.conf build=${BUILD:-$here/../../build} compare=yes math=
english='Describe the picture.' chinese='请描述这张图片。'
usage() {
	sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
}
die() {
	printf 'evaluate.sh: %s\n' "$1" >&2
	exit 2
}
while getopts n:e:s:k:w:c:b:E:Z:M:o letter; do
	case $letter in
	n) scenes=$OPTARG ;;
	e) each=$OPTARG ;;
	s) seeds=$OPTARG ;;
	k) splits=$OPTARG ;;
	w) what=$OPTARG ;;
	c) config=$OPTARG ;;
	b) build=$OPTARG ;;
	E) english=$OPTARG ;;
	Z) chinese=$OPTARG ;;
	M) math=$OPTARG ;;
	o) compare= ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -eq 3 ] || usage
[ -d "$1" ] || die "no model $1"
[ -f "$2/classes.tsv" ] || die "no data in $2: classes.tsv is missing"
mkdir -p "$3"
model=$(cd "$1" && pwd) data=$(cd "$2" && pwd) out=$(cd "$3" && pwd) build=$(cd "$build" && pwd)
[ -x "$build/emoji-score" ] || die "no emoji-score in $build: make -C examples/emoji"
PATH=$build:$PATH
part=$out/part.$$
mkdir "$part"
trap 'rm -rf "$part"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

few="-n $scenes"
[ "$each" = 0 ] || few="$few --each $each"
asked() { case " $what " in *" $1 "*) ;; *) return 1 ;; esac; }

# with_math PROGRAM ARGUMENT...: in the arithmetic that was asked for, if the program can be told
with_math() {
	program=$1
	shift
	if [ -n "$math" ]; then
		case $("$program" --help) in *--math*) set -- --math "$math" "$@" ;; esac
	fi
	"$program" -q "$@"
}

# sum FILE...: a word that tells other contents
sum() { cat "$@" | cksum | tr ' ' -; }

# untrained: the same shape with random weights
untrained() {
	cmp -s "$config" "$out/shape/emoji.conf" && [ -f "$out/untrained/llm.zv" ] && return
	mkdir -p "$out/shape"
	cp "$data/vocab.txt" "$data/tokenizer.model" "$out/shape"
	cp "$config" "$out/shape/emoji.conf"
	zv-train new -q --config "$out/shape/emoji.conf" --seed 1 -o "$out/untrained" --force
}

# encode MODEL SET: the features of the pictures, once for each image encoder and set
encode() {
	features=$out/features-$(sum "$1/vit.zv" "$data/$2.jsonl")-$scenes${math:+-$math}.zv
	[ -f "$features" ] && return
	emoji-score pictures -s "$data/$2.jsonl" -n "$scenes" >"$part/list"
	(cd "$data" && with_math zv-encode -m "$1" -T "$part/list" -o "$features")
}

retrieval() { # MODEL SET
	with_math zv-qformer -b 32 -m "$1" --contrast "$features" -o "$part/pictures.zv"
	for language in en zh; do
		emoji-score texts -s "$data/$2.jsonl" -n "$scenes" -l $language >"$part/texts"
		with_math zv-qformer -m "$1" --text --keyed --most 128 "$part/texts" -o "$part/texts.zv"
		emoji-score retrieval --tsv -l $language "$part/pictures.zv" "$part/texts.zv"
	done
}

captions() { # MODEL SET
	for language in en zh; do
		prompt=$english
		[ $language = en ] || prompt=$chinese
		with_math zv-qformer -b 32 -m "$1" -p "$prompt" "$features" |
			with_math zv-generate -m "$1" --greedy --max-new 48 -o "$part/captions-$language"
		emoji-score captions --tsv -l $language -s "$data/$2.jsonl" -n "$scenes" \
			"$part/captions-$language"
	done
}

questions() { # MODEL SET
	# shellcheck disable=SC2086
	set -- "$1" "$data/$2-instruct.jsonl" $few
	model_of=$1
	shift
	emoji-score questions -Q "$@" >"$part/questions"
	with_math zv-qformer -b 32 -m "$model_of" --questions "$part/questions" "$features" |
		with_math zv-generate -m "$model_of" --greedy --max-new 16 -o "$part/answers"
	emoji-score answers --tsv -Q "$@" "$part/answers"
}

# measure NAME MODEL SET: what is asked of a set, unless OUT/NAME has it
measure() {
	mkdir -p "$out/$1"
	encode "$2" "$3"
	stamp="# $(sum "$2/vit.zv" "$2/qformer.zv" "$2/llm.zv" "$data/$3.jsonl" "$build/emoji-score") $few $english $chinese${math:+ $math}"
	for task in retrieval captions questions; do
		asked $task || continue
		file=$out/$1/$3-$task.tsv
		if [ -f "$file" ] && [ "$(sed 1q "$file")" = "$stamp" ]; then
			continue
		fi
		printf '%s: %s of %s\n' "$1" "$task" "$3" >&2
		$task "$2" "$3" >"$part/result"
		{ printf '%s\n' "$stamp" && cat "$part/result"; } >"$part/whole"
		mv "$part/whole" "$file"
		case $task in
		captions) mv "$part/captions-en" "$out/$1/$3-captions-en.txt" &&
			mv "$part/captions-zh" "$out/$1/$3-captions-zh.txt" ;;
		questions) mv "$part/answers" "$out/$1/$3-answers.txt" ;;
		esac
	done
}

# gather NAME: its lines, with model, split and seed in front
gather() {
	for split in $splits; do
		for seed in $seeds; do
			for task in retrieval captions questions; do
				file=$out/$1/scenes-$split-$seed-$task.tsv
				if asked $task && [ -f "$file" ]; then
					sed "1d;s/^/$1	$split	$seed	/" "$file"
				fi
			done
		done
	done
}

[ -z "$compare" ] || untrained
for split in $splits; do
	for seed in $seeds; do
		set=scenes-$split-$seed
		if ! [ -f "$data/$set.jsonl" ]; then
			printf 'evaluate.sh: %s is not there; left out\n' "$data/$set.jsonl" >&2
			continue
		fi
		measure trained "$model" "$set"
		if [ -n "$compare" ] && [ "$split" = "${splits%% *}" ]; then
			measure untrained "$out/untrained" "$set"
		fi
	done
done
{
	gather trained
	[ -z "$compare" ] || gather untrained
} >"$part/results"
mv "$part/results" "$out/results.tsv"

# Means over the seeds, with the standard deviation of one seed behind them.
awk -F '\t' -v splits="$splits" '
	function root(x) { return x > 0 ? sqrt(x) : 0 }
	function cell(name, kind, row,   n, mean, key) {
		key = name SUBSEP kind SUBSEP row
		n = count[key]
		if (!n)
			return "-"
		mean = sum[key] / n
		if (n == 1)
			return sprintf("%.*f", digits[row], mean)
		return sprintf("%.*f +-%.*f", digits[row], mean, digits[row], root((squares[key] - n * mean * mean) / (n - 1)))
	}
	{
		row = $4 "\t" $5 "\t" $6
		if (!(row in digits)) {
			order[++rows] = row
			digits[row] = ($6 == "CIDEr" || $6 == "BLEU-4") ? 3 : 1
		}
		if ($7 != "-") {
			value = digits[row] == 3 ? $7 : 100 * $7
			key = $1 SUBSEP $2 SUBSEP row
			count[key]++
			sum[key] += value
			squares[key] += value * value
		}
		if ($1 == "trained" && $2 == "test" && $8 != "-") {
			chances[row]++
			chance[row] += 100 * $8
		}
	}
	END {
		number = split(splits, names, " ")
		printf "%-27s", ""
		for (i = 1; i <= number; i++)
			printf " %15s", names[i]
		printf " %9s %15s\n", "chance", "untrained"
		for (r = 1; r <= rows; r++) {
			row = order[r]
			split(row, words, "\t")
			if (words[1] != title)
				printf "%s\n", title = words[1]
			printf "  %-3s %-21s", words[2], words[3]
			for (i = 1; i <= number; i++)
				printf " %15s", cell("trained", names[i], row)
			printf " %9s", (row in chances) ? sprintf("%.1f", chance[row] / chances[row]) : "-"
			printf " %15s\n", cell("untrained", names[1], row)
		}
	}' "$out/results.tsv"
