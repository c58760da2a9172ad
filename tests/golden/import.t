# import.t - the models of the reference data, in all their layouts, become the model directories
# that they should: the same whatever the layout, and the tensors of the source bit by bit.
. "$ZV_TESTS/lib.sh"
need_shared zoo/A
zoo=$ZV_SHARED/zoo/A

# holds NAME MODEL-FILE CHECKPOINT TENSORS [OPTION...]: TENSORS of the file equal the checkpoint's
holds() {
	h_name=$1 h_file=$2 h_checkpoint=$3 h_count=$4; shift 4
	like "$h_name" "$(compare-checkpoint "$@" "$h_file" "$h_checkpoint" 2>&1)" "$h_count compared, *"
	ok "$h_name: bit by bit" compare-checkpoint "$@" "$h_file" "$h_checkpoint"
}

# words MODEL-FILE: the settings
words() { zv-ls --meta "$1" | head -n 60; }

# Hugging Face BLIP-2, safetensors and sharded torch files
ok "hf-blip2" zv-import -o blip2 "$zoo/hf-blip2"
ok "hf-blip2 as torch shards" zv-import -o blip2-bin "$zoo/lavis/hf-blip2-bin"
for part in llm vit qformer; do
	same "safetensors and torch give one $part.zv" blip2/$part.zv blip2-bin/$part.zv
done
holds "image encoder of hf-blip2" blip2/vit.zv "$zoo/hf-blip2" 54 -p vision_model.
holds "language model of hf-blip2" blip2/llm.zv "$zoo/hf-blip2" 30 -p language_model.
holds "Q-Former of hf-blip2" blip2/qformer.zv "$zoo/hf-blip2" 86 -a -p qformer.
holds "queries and projection of hf-blip2" blip2/qformer.zv "$zoo/hf-blip2" 3 -a
zv-export --raw -k tokenizer.model blip2/llm.zv >tokenizer.model
same "tokenizer of hf-blip2" tokenizer.model "$zoo/hf-blip2/tokenizer.model"
is "added tokens of hf-blip2" "$(zv-export --raw -k added_tokens blip2/llm.zv)" \
	"$(printf '1598\tstrip\t<human>\n1599\tstrip\t<bot>')"

# image-text retrieval and InstructBLIP
ok "hf-itm" zv-import -o itm "$zoo/hf-itm"
holds "image encoder of hf-itm" itm/vit.zv "$zoo/hf-itm" 54 -p vision_model.
holds "Q-Former of hf-itm" itm/qformer.zv "$zoo/hf-itm" 110 -a -p qformer.
holds "heads and tables of hf-itm" itm/qformer.zv "$zoo/hf-itm" 9 -a
zv-export --raw -k vocab.txt itm/qformer.zv >vocab.txt
same "vocabulary of hf-itm" vocab.txt "$zoo/hf-itm/vocab.txt"
is "added tokens of hf-itm" "$(zv-export --raw -k added_tokens itm/qformer.zv)" \
	"$(printf '421\tstrip\t[DEC]')"
ok "hf-instruct" zv-import -o instruct "$zoo/hf-instruct"
holds "Q-Former of hf-instruct" instruct/qformer.zv "$zoo/hf-instruct" 110 -a -p qformer.
holds "language model of hf-instruct" instruct/llm.zv "$zoo/hf-instruct" 30 -p language_model.

# LAVIS: the same weights under other names, the image encoder apart and in fp16
lavis() { zv-import -o "$1" "$zoo/lavis/$2" --vit "$zoo/lavis/$3" --config "$zoo/lavis/config.json" --vocab "$zoo/hf-itm/vocab.txt"; }
ok "lavis stage 1" lavis stage1 blip2_stage1.pth eva_vit_toy.pth
ok "lavis stage 1, old containers" lavis stage1-legacy blip2_stage1.legacy.pth eva_vit_toy.legacy.pth
for part in vit qformer; do
	same "old and new containers give one $part.zv" stage1/$part.zv stage1-legacy/$part.zv
done
holds "image encoder of lavis stage 1" stage1/vit.zv "$zoo/hf-itm" 54 -p vision_model.
holds "Q-Former of lavis stage 1" stage1/qformer.zv "$zoo/hf-itm" 110 -a -p qformer.
holds "heads and tables of lavis stage 1" stage1/qformer.zv "$zoo/hf-itm" 9 -a
is "LAVIS' own temperature and caption head" \
	"$(zv-ls stage1/qformer.zv | cut -f 1 | grep -c -e '^temp$' -e '^cls\.predictions\.')" 6
is "vocabulary of stage 1 gets [DEC]" "$(zv-export --raw -k added_tokens stage1/qformer.zv)" \
	"$(printf '421\tstrip\t[DEC]')"
is "the encoder keeps its fp16" "$(zv-ls stage1/vit.zv | grep -c 'weight	values	f16	[0-9]*x')" 17
like "LAVIS' epsilons" "$(words stage1/vit.zv)" "*norm_eps=1e-06*post_norm_eps=1e-05*"
ok "lavis stage 2" zv-import -q -o stage2 "$zoo/lavis/blip2_stage2.pth" "$zoo/lavis/eva_vit_toy.stage2.f32.pth" \
	"$zoo/hf-blip2" --qformer "$zoo/lavis/blip2_stage2.pth" --vit "$zoo/lavis/eva_vit_toy.stage2.f32.pth" --config "$zoo/lavis/config.json"
holds "language model beside lavis stage 2" stage2/llm.zv "$zoo/hf-blip2" 30 -p language_model.
ok "lavis stage 2 alone" zv-import -q -o stage2 --force "$zoo/lavis/blip2_stage2.pth" \
	"$zoo/lavis/eva_vit_toy.stage2.f32.pth" --config "$zoo/lavis/config.json"
holds "image encoder of lavis stage 2" stage2/vit.zv "$zoo/hf-blip2" 54 -p vision_model.
holds "Q-Former of lavis stage 2" stage2/qformer.zv "$zoo/hf-blip2" 86 -a -p qformer.
holds "projection of lavis stage 2" stage2/qformer.zv "$zoo/hf-blip2" 3 -a
like "without its image encoder" "$(zv-import -o none "$zoo/lavis/blip2_stage1.pth" 2>&1)" "*give --vit*"
ok "and nothing is left" test ! -e none

# Ziya: base + delta, with the vision part apart
ok "ziya-delta" zv-import -o ziya "$zoo/ziya-delta/vision-v1" --base "$zoo/ziya-delta/base" --delta "$zoo/ziya-delta/delta"
like "a delta alone is remarked on" "$(zv-import -o alone "$zoo/ziya-delta/vision-v1" "$zoo/ziya-delta/delta" 2>&1 >table)" \
	"zv-import: $zoo/ziya-delta/delta: looks like a delta, *--base*"
like "a delta that is none, too" "$(zv-import -o none "$zoo/ziya-delta/vision-v1" --base "$zoo/ziya-delta/base" \
	--delta "$zoo/ziya-delta/target" --tokenizer "$zoo/ziya-delta/delta/tokenizer.model" 2>&1 >table)" \
	"zv-import: $zoo/ziya-delta/target: does not look like a delta*"
rm -rf none
is "the sum and the target give no remark" "$(zv-import --force -o ziya "$zoo/ziya-delta/vision-v1" --base "$zoo/ziya-delta/base" \
	--delta "$zoo/ziya-delta/delta" 2>&1 >table; zv-import -o none "$zoo/ziya-delta/vision-v1" "$zoo/ziya-delta/target" \
	--tokenizer "$zoo/ziya-delta/delta/tokenizer.model" 2>&1 >table)" ""
rm -rf none
holds "base + delta" ziya/llm.zv "$zoo/ziya-delta/target" 30
holds "image encoder of vision-v1" ziya/vit.zv "$zoo/hf-blip2" 54 -p vision_model.
ok "vision-v1 + target" zv-import -o target "$zoo/ziya-delta/vision-v1" "$zoo/ziya-delta/target" \
	--tokenizer "$zoo/ziya-delta/delta/tokenizer.model"
for part in llm vit qformer; do
	same "the sum and the target give one $part.zv" ziya/$part.zv target/$part.zv
done

like "two complete models do not mix" "$(zv-import -o none "$zoo/hf-blip2" "$zoo/hf-itm" 2>&1)" \
	"zv-import: $zoo/hf-blip2 and $zoo/hf-itm both hold *: say with --* which one to take"
ok "and nothing is left" test ! -e none

# LoRA, merged by PEFT and by us
for adapter in qkv-list qkv-list-raw-names layers-subset regex-rslora-patterns modules-to-save; do
	merged=$zoo/peft-lora/${adapter%-raw-names}/merged.safetensors
	case $adapter in qkv*) n=9 ;; layers*) n=8 ;; regex*) n=18 ;; *) n=7 ;; esac
	ok "adapter $adapter" zv-import -o "$adapter" "$zoo/hf-blip2" --adapter "$zoo/peft-lora/$adapter"
	holds "merged $adapter" "$adapter/llm.zv" "$merged" $n -a -t 1e-7 -p language_model.
	if [ "$adapter" = modules-to-save ]; then
		like "adapter $adapter is not kept" "$(zv-import --adapter "$zoo/peft-lora/$adapter" -o "$adapter.zv" 2>&1)" \
			"*: holds language_projection, which is the Q-Former's: merge it*"
		continue
	fi
	ok "adapter $adapter as a file" zv-import --adapter "$zoo/peft-lora/$adapter" -o "$adapter.zv"
	is "its parts" "$(zv-ls "$adapter.zv" | grep -c '\.lora_A')" $n
done
holds "a projection saved with the adapter" modules-to-save/qformer.zv \
	"$zoo/peft-lora/modules-to-save/merged.safetensors" 2 -a
same "an adapter with raw names is the same" qkv-list/llm.zv qkv-list-raw-names/llm.zv
ok "--keep" zv-import -o kept "$zoo/hf-blip2" --adapter "$zoo/peft-lora/qkv-list" --keep
same "a kept adapter leaves the model alone" kept/llm.zv blip2/llm.zv
# its words name the model, so the file is not that of the adapter alone
is "and lies beside it" "$(zv-export --json kept/qkv-list.zv)" "$(zv-export --json qkv-list.zv)"
finish
