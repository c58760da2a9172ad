# checkpoints.t - real files of torch and safetensors hold the tensors that they should, bit for bit:
# zip and legacy containers, views, shared storages, shards, half precision.
. "$ZV_TESTS/lib.sh"
need_shared zoo/A
command -v python3 >/dev/null 2>&1 || { echo '1..0 # SKIP no python3 to read the expected values'; exit 0; }
torch=$ZV_SHARED/oracles/pickle/torch zoo=$ZV_SHARED/zoo/A

listed() { list-tensors "$@" | LC_ALL=C sort; }
expected() { python3 "$ZV_TESTS/tools/expected-tensors.py" "$1" | LC_ALL=C sort; }
# equal NAME FILE...: all print the same non-empty list as the first
equal() {
	name=$1
	listed "$2" >first
	ok "$name: is not empty" test -s first
	shift 2
	for file; do
		listed "$file" >other
		same "$name: $(basename "$file")" first other
	done
}

for kind in zip legacy; do
	expected "$torch/odd_expected.json" >wanted
	for piece in 1 5 4096; do
		listed "$torch/odd_$kind.pth" $piece >got
		same "dtypes, views, shared storages ($kind container), $piece at a time" wanted got
	done
	expected "$ZV_SHARED/oracles/tiny-blip2/stage2.weights.safetensors" >wanted
	listed "$torch/plain_$kind.pth" >got
	same "a state dictionary ($kind container) equals the safetensors file" wanted got
done
equal "a training checkpoint" "$torch/lavis_like_zip.pth" "$torch/lavis_like_legacy.pth"
is "a training checkpoint: its keys" "$(list-tensors "$torch/lavis_like_zip.pth" | cut -d. -f1 | sort -u | tr '\n' ' ')" "model optimizer "
equal "LAVIS stage 1" "$zoo/lavis/blip2_stage1.pth" "$zoo/lavis/blip2_stage1.legacy.pth"
equal "EVA ViT in fp16" "$zoo/lavis/eva_vit_toy.pth" "$zoo/lavis/eva_vit_toy.legacy.pth"
equal "shards of torch equal the one safetensors file" "$zoo/hf-blip2" "$zoo/lavis/hf-blip2-bin" \
	"$zoo/lavis/hf-blip2-bin/pytorch_model.bin.index.json" "$zoo/hf-blip2/model.safetensors"
for file in "$zoo"/*/*.safetensors "$zoo"/*/*/*.safetensors "$zoo"/*/*/*/*.safetensors; do
	expected "$file" >wanted
	listed "$file" >got
	same "${file#"$zoo"/}" wanted got
done
listed "$zoo/hf-blip2" | grep -v '^language_model' >wanted
listed "$zoo/ziya-delta/vision-v1" >got
same "the vision file of Ziya v1 equals that part of the whole" wanted got
list-tensors --names "$zoo/ziya-delta/target" | sort >wanted
list-tensors --names "$zoo/ziya-delta/delta" | sort >got
same "the delta's shards have the target's names and shapes" wanted got
for adapter in "$zoo"/peft-lora/*/; do
	like "adapter $(basename "$adapter")" "$(list-tensors "$adapter")" '*lora_A*lora_B*'
done
list-tensors "$zoo/peft-lora/qkv-list-raw-names" | sed 's/\.default//' | sort >wanted
list-tensors "$zoo/peft-lora/qkv-list" | sort >got
same "one adapter as .bin and as .safetensors" wanted got

# Tied weights are one storage under two names; a transposed one is read in row-major order.
list-tensors "$zoo/lavis/blip2_stage1.pth" >got
is "tied weights" "$(grep 'predictions.decoder.weight' got | cut -f 2-)" \
	"$(grep 'embeddings.word_embeddings.weight' got | cut -f 2-)"
expected "$zoo/hf-itm/model.safetensors" >wanted
is "a transposed view" "$(grep 'layer.0.attention.self.query.weight' got | cut -f 2-)" \
	"$(grep '^qformer.encoder.layer.0.attention.attention.query.weight' wanted | cut -f 2-)"

# Damage anywhere in a storage is found when it is read; a cut file when it is opened.
cp "$zoo/lavis/eva_vit_toy.pth" damaged.pth
printf '\377' | dd of=damaged.pth bs=1 seek=20000 conv=notrunc 2>dd.err
like "a changed byte is found" "$(list-tensors damaged.pth 2>&1)" '*damaged.pth: *CRC-32*damaged*'
for size in 100 10000 100000; do
	head -c $size "$zoo/lavis/eva_vit_toy.pth" >cut.pth
	like "a file cut at $size is refused" "$(list-tensors cut.pth 2>&1)" '*cut.pth: *truncated*'
done
finish
