#!/bin/sh
# peers.sh - make bench-peers: the same slices of ViT-g and LLaMA-13B in zv, in PyTorch (Debian's
# python3-torch; f32 and bf16) and in onnxruntime (npm's onnxruntime-node; f32 and dynamic int8), in one
# run, by turns; ratios of times. What is not installed is left out with a line.
# usage: tests/bench/peers.sh [-i] [vit|llm]...      -i: first put onnxruntime-node into BUILD/peers (npm)
# Of the others the network alone is timed, of zv the whole zv-encode over JPEGs. ZV_BENCH_LAYERS: blocks
# of ViT-g (default 12), ZV_BENCH_LLM_LAYERS: layers of LLaMA-13B (1), ZV_BENCH_ROUNDS: 3,
# ZV_BENCH_THREADS: all CPUs. Debian's packages: .ci/deps peers.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 2
build=${ZV_BUILD:-$root/build}
layers=${ZV_BENCH_LAYERS:-12} llm_layers=${ZV_BENCH_LLM_LAYERS:-1}
threads=${ZV_BENCH_THREADS:-$(nproc)} rounds=${ZV_BENCH_ROUNDS:-3}
python=/usr/bin/python3 # Debian's, which has Debian's python3-torch
version=1.30.0
export PYTHONDONTWRITEBYTECODE=1
[ "${1-}" = -i ] && {
	shift
	command -v npm >/dev/null 2>&1 || { echo "peers.sh: no npm here: .ci/deps peers" >&2; exit 2; }
	mkdir -p "$build/peers" && npm install --silent --no-fund --no-audit --ignore-scripts \
		--prefix "$build/peers" "onnxruntime-node@$version" || exit 2
}
make -s -C "$root" BUILD="$build" programs "$build/tools/bench-model" "$build/tools/seed-model" || exit 2
PATH=$build:$build/tools:$PATH
scratch=$(mktemp -d) || exit 2
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# What of the others is here.
peers=
if torch=$($python -c 'import torch; print(torch.__version__)' 2>/dev/null); then
	echo "PyTorch $torch"
	peers="$peers torch"
else
	echo "PyTorch is left out: no python3-torch here (.ci/deps peers)"
fi
onnx() {
	export NODE_PATH="$build/peers/node_modules"
	command -v node >/dev/null 2>&1 && node -e 'require("onnxruntime-node")' 2>/dev/null || {
		echo "onnxruntime is left out: not in $build/peers (tests/bench/peers.sh -i puts it there)"
		return
	}
	$python -c 'import numpy' 2>/dev/null || {
		echo "onnxruntime is left out: no python3-numpy here to write its model with"
		return
	}
	echo "onnxruntime-node $(node -p 'require("onnxruntime-node/package.json").version')"
	peers="$peers onnx"
}

compare() { # WHAT LAYERS
	# shellcheck disable=SC2086
	$python "$root/tests/bench/peers.py" --threads "$threads" --rounds "$rounds" --layers "$2" --scratch "$scratch" \
		--picture "$root/examples/pictures/beach.jpg" "$1" $peers
}

vit() {
	onnx
	seed-model --only vit --full vit --layers "$layers" "$scratch/vit-f32" || return 1
	for type in bf16 int8; do
		zv-import -q -o "$scratch/vit-$type" --dtype $type "$scratch/vit-f32" >/dev/null || return 1
	done
	case $peers in *onnx*)
		zv-export --safetensors -o "$scratch/vit.safetensors" "$scratch/vit-f32/vit.zv" &&
			$python "$root/tests/bench/peers_onnx.py" write "$scratch/vit.safetensors" "$scratch" || return 1 ;;
	esac
	compare vit "$layers"
}

llm() {
	seed-model --only llm --full llm --layers "$llm_layers" --dtype bf16 "$scratch/llm" || return 1
	for type in int4 int8; do
		zv-import -q -o "$scratch/llm-$type" --dtype $type "$scratch/llm" >/dev/null || return 1
	done
	compare llm "$llm_layers"
}

[ $# -gt 0 ] || set -- vit llm
for what; do
	case $what in
	vit | llm) "$what" || exit 2 ;;
	*) echo "peers.sh: \"$what\" is none of vit, llm" >&2; exit 2 ;;
	esac
done
