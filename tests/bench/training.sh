#!/bin/sh
# training.sh - a step of each training stage against the same step in PyTorch (Debian's
# python3-torch), f32, the same threads; at the emoji model's size and at that of BERT base and ViT-B.
# usage: tests/bench/training.sh [toy|bert-base|vit-g]...     (toy and bert-base if none is given)
# vit-g: what cached features save where the encoder is BLIP-2's: PyTorch runs it at each step.
# ZV_BENCH_THREADS: default all CPUs; one is timed by CPU time, for where others are at work.
# ZV_BENCH_ROUNDS: steps that are timed of each (default 5). ZV_BENCH_BATCH: default 64, 8 and 4.
# ZV_BENCH_VIT_LAYERS: of ViT-g (39). ZV_BENCH_LIBRARY: "LIBRARY POLICY" as choose_library() prints
# them, to spare the choice. Without PyTorch there is nothing to compare with: our own
# seconds alone.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 2
build=${ZV_BUILD:-$root/build}
threads=${ZV_BENCH_THREADS:-$(nproc)}
rounds=${ZV_BENCH_ROUNDS:-5}
python=/usr/bin/python3 # Debian's, which has Debian's python3-torch
make -s -C "$root" BUILD="$build" "$build/zv-train" "$build/tools/bench-training" \
	"$build/tools/make-tokenizer" || exit 2
PATH=$build:$build/tools:$PATH
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# model NAME CONFIG WORDS [SETTING...]: a model from nothing with so many words in the Q-Former's
# vocabulary.
model() {
	name=$1 config=$2 words=$3
	shift 3
	mkdir "$scratch/$name" && make-tokenizer "$scratch/$name" || return 1
	awk -v n="$words" 'BEGIN {
		split("[PAD] [UNK] [CLS] [SEP] [MASK]", special, " ")
		for (i = 1; i <= n; i++)
			print i <= 5 ? special[i] : "w" i
	}' >"$scratch/$name/vocab.txt"
	{ cat "$config" && printf '%s\n' "$@"; } >"$scratch/$name/model.conf"
	zv-train new -q --config "$scratch/$name/model.conf" -o "$scratch/$name/model"
}

# choose_library NAME: Debian's PyTorch takes whatever libblas.so.3 is, and threads that wait actively
# may be in the way of those of another library: the quickest of what is installed is what we are
# compared with, at each size.
choose_library() {
	best='' chosen=''
	[ -n "$torch" ] || return 0
	chosen=${ZV_BENCH_LIBRARY-}
	[ -z "$chosen" ] || return 0
	for library in /usr/lib/*/openblas*/libblas.so.3 /usr/lib/*/blis-*/libblas.so.3 /usr/lib/*/blas/libblas.so.3; do
		[ -e "$library" ] || continue
		[ -z "$best" ] || [ "${library%/blas/*}" = "$library" ] || continue # the reference: if there is no other
		for policy in passive active; do
			seconds=$(with_library "$library $policy" training.py --config "$scratch/$1/model.conf" \
				--threads "$threads" --probe) || continue
			echo "PyTorch with $library, threads that wait $policy: $seconds s"
			awk "BEGIN { exit ${best:-1e9} > $seconds ? 0 : 1 }" && best=$seconds chosen="$library $policy"
		done
	done
	[ -n "$best" ] && echo "PyTorch $torch takes ${chosen% *}, threads that wait ${chosen#* }"
}

# with_library "LIBRARY POLICY" SCRIPT ARGUMENT...
with_library() {
	library=${1% *} policy=${1#* } script=$2
	shift 2
	# BLIS does not know every CPU: where there is AVX-512 it is to use it (0: skx)
	arch=
	grep -q avx512f /proc/cpuinfo 2>/dev/null && arch=BLIS_ARCH_TYPE=0
	env LD_LIBRARY_PATH="${library%/*}" OMP_WAIT_POLICY="$policy" OPENBLAS_NUM_THREADS="$threads" \
		BLIS_NUM_THREADS="$threads" PYTHONDONTWRITEBYTECODE=1 $arch "$python" "$root/tests/bench/$script" "$@"
}

# compare NAME BATCH [OPTION...] CASE...
compare() {
	name=$1 batch=$2
	shift 2
	if [ -n "$chosen" ]; then
		with_library "$chosen" training.py --config "$scratch/$name/model.conf" --program bench-training \
			--model "$scratch/$name/model" --threads "$threads" --batch "$batch" --rounds "$rounds" "$@"
		return
	fi
	for case; do
		source=${case#*:}
		[ "$source" = "$case" ] && source=none
		echo "$case: $(yes | head -n "$((rounds + 1))" | bench-training --threads "$threads" --batch "$batch" \
			"$scratch/$name/model" "${case%%:*}" "$source" | awk 'NR > 2 { print $1 }' | sort -n |
			awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] " s (" all[1] "-" all[NR] ")" }')"
	done
}

cases="contrast:features contrast:pictures contrast:vit generate:features generate:pictures
	instruct:features instruct:pictures text"

toy() {
	echo "== training, toy: examples/emoji/emoji.conf, batches of ${ZV_BENCH_BATCH:-64}, f32, $threads threads"
	model toy "$root/examples/emoji/emoji.conf" 1818 llm.vocabulary=4098 && choose_library toy || return 1
	# shellcheck disable=SC2086
	compare toy "${ZV_BENCH_BATCH:-64}" $cases
}

bert_base() {
	echo "== training, bert-base: ViT-B/16, BERT base, LLaMA 768x12, batches of ${ZV_BENCH_BATCH:-8}, f32, $threads threads"
	model bert-base "$root/tests/bench/bert-base.conf" 30522 && choose_library bert-base || return 1
	# shellcheck disable=SC2086
	compare bert-base "${ZV_BENCH_BATCH:-8}" $cases
}

# Ours never runs the encoder here: one block stands for all of it.
vit_g() {
	layers=${ZV_BENCH_VIT_LAYERS:-39}
	echo "== training, vit-g: ViT-g/14 of $layers blocks, BERT base, LLaMA 768x12, batches of ${ZV_BENCH_BATCH:-4}, f32, $threads threads"
	sed '/^vit/d' "$root/tests/bench/bert-base.conf" >"$scratch/vit-g.conf"
	model vit-g "$scratch/vit-g.conf" 30522 vit.width=1408 vit.layers=1 vit.heads=16 vit.mlp_width=6144 \
		vit.patch=14 vit.side=224 && choose_library vit-g || return 1
	compare vit-g "${ZV_BENCH_BATCH:-4}" --vit-layers "$layers" contrast:features contrast:pictures generate:features generate:pictures
}

chosen=
torch=$($python -c 'import torch; print(torch.__version__)' 2>/dev/null) ||
	echo "training: no python3-torch here: our seconds alone"
[ $# -gt 0 ] || set -- toy bert-base
for what; do
	case $what in
	toy) toy || exit 2 ;;
	bert-base) bert_base || exit 2 ;;
	vit-g) [ -z "$torch" ] || vit_g || exit 2 ;;
	*) echo "training.sh: \"$what\" is none of toy, bert-base, vit-g" >&2; exit 2 ;;
	esac
done
