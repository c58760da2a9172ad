# models.t - a real small LLaMA in Hugging Face's layout through zv-import: grouped keys, a tied
# output, rotary pairs in halves; it tells its story byte for byte.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
need_shared oracles/stories260k
stories=$ZV_SHARED/oracles/stories260k
command -v python3 >/dev/null || { printf '1..0 # SKIP no python3\n'; exit 0; }

ok "the model as a directory of Hugging Face's" python3 "$ZV_TESTS/golden/models.py" build \
	"$stories/stories260K.bin" "$stories/tok512.bin" hf
ok "zv-import" zv-import -q -o model hf
{ cat "$stories/expected-greedy-200.txt"; echo; } >wanted
for level in ref avx2 avx512; do
	export ZV_CPU=$level
	if ! zv-generate -q -m model --no-image --raw --bos -p '' --max-new 1 >out 2>&1; then
		unset ZV_CPU
		skip "kernels $level" "$(cat out)"
		continue
	fi
	zv-generate -q -m model --no-image --raw --bos -p '' --max-new 200 --text-only >story
	same "$level: 200 tokens of text" story wanted
	zv-generate -q -m model --no-image --raw --bos -p '' --max-new 63 --json --ids --logprobs >answer
	unset ZV_CPU
	if out=$(python3 "$ZV_TESTS/golden/models.py" logprobs "$stories/logits-64x512.f32" \
		"$stories/logits-64x512.json" answer 2>&1)
	then pass "$level: log-probabilities ($out)"
	else fail "$level: log-probabilities" "$out"; fi
done

# Another way from the same file, whose logits are all compared (tests/unit/llama.c).
mkdir direct
ok "converted directly" llama2c-to-zv "$stories/stories260K.bin" "$stories/tok512.bin" direct
zv-cat -n values -o direct.zv direct/llm.zv
zv-cat -n values -o model.zv model/llm.zv
ok "has the same tensors, bit for bit" zv-cmp direct.zv model.zv
is "all of them" "$(zv-ls model.zv | wc -l)" 47
finish
