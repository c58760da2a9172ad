# zv-import.t - the toy model of seed-model, dressed as every checkpoint that people hold, comes
# back as it was; what does not fit is refused by name; a failure leaves nothing.
. "$ZV_TESTS/lib.sh"
command -v python3 >/dev/null 2>&1 || { echo "1..0 # SKIP no python3"; exit 0; }
[ -x "$ZV_BUILD/tools/seed-model" ] || { echo "1..0 # SKIP no seed-model"; exit 0; }
PYTHONDONTWRITEBYTECODE=1
export PYTHONDONTWRITEBYTECODE

seed-model seed && mkdir parts || exit 2
for part in vit qformer llm; do zv-export --safetensors -o parts/$part.safetensors seed/$part.zv; done
zv-export --raw -k tokenizer.model seed/llm.zv >parts/tokenizer.model
zv-export --raw -k vocab.txt seed/qformer.zv >parts/vocab.txt
# edit FILE PYTHON: change the safetensors file's dictionary t of name -> (dtype, shape, bytes)
edit() {
	python3 - "$1" "$2" "$ZV_TESTS/tools" <<'P'
import json, struct, sys
sys.path.insert(0, sys.argv[3])
import checkpoint
d = open(sys.argv[1], "rb").read()
n = struct.unpack("<Q", d[:8])[0]
h = json.loads(d[8:8 + n])
t = {k: (v["dtype"], v["shape"], d[8 + n + v["data_offsets"][0]:8 + n + v["data_offsets"][1]]) for k, v in h.items() if k != "__metadata__"}
exec(sys.argv[2])
h, data = {}, b""
for k, (dtype, shape, b) in t.items():
    h[k] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(b)]}
    data += b
open(sys.argv[1], "wb").write(checkpoint.safetensors(h, data))
P
}
# Keys have no bias in these models: the middle third of the fused one is zeros.
edit parts/vit.safetensors '
for k in [k for k in t if k.endswith("qkv.bias")]:
    d, s, b = t[k]; n = len(b) // 3
    t[k] = (d, s, b[:n] + bytes(n) + b[2 * n:])'
toy() { toy-checkpoint.py "$1" "$2" parts; }
words() { zv-ls --meta "$1" | sed -n '2,/^[^	]/s/^	//p'; }
said() { "$@" 2>&1; }

# all_of PART DIR NAME: every tensor of DIR/PART.zv equals the seed's, and none of the seed's that
# was exported is missing
all_of() { ok "$3: $1.zv" compare-checkpoint "$2/$1.zv" "parts/$1.safetensors"; }
tensors() { zv-ls "$1" | grep -c '	values	'; }

# --- layouts ---

for layout in hf sharded newer chat instruct; do
	toy $layout src-$layout
	ok "$layout" zv-import -q -o $layout src-$layout
	for part in vit qformer llm; do all_of $part $layout $layout; done
	is "$layout: all of vit" "$(tensors $layout/vit.zv)" "$(tensors seed/vit.zv)"
	is "$layout: all of llm" "$(tensors $layout/llm.zv)" "$(tensors seed/llm.zv)"
done
for part in vit qformer llm; do
	same "shards are one file: $part.zv" hf/$part.zv sharded/$part.zv
	same "newer names are the old ones: $part.zv" hf/$part.zv newer/$part.zv
done
is "words of vit.zv" "$(words hf/vit.zv)" "$(words seed/vit.zv)"
is "words of llm.zv but template and pad" "$(words hf/llm.zv | grep -v template)" \
	"$(words seed/llm.zv | grep -v -e template -e pad=)"
is "words of qformer.zv without text" "$(words hf/qformer.zv | grep -v weights)" \
	"$(words seed/qformer.zv | grep -v -e weights -e text -e vocab -e positions -e contrast)"
is "instruction, by class" "$(words instruct/qformer.zv | grep -c instruction=1)" 1
is "instruction, by what is there" "$(words chat/qformer.zv | grep -c instruction=1)" 1
is "template of InstructBLIP" "$(words instruct/llm.zv | grep template)" template=vicuna
is "template otherwise" "$(words hf/llm.zv | grep template)" template=plain
toy itm src-itm
ok "itm" zv-import -q -o itm src-itm
all_of vit itm itm
all_of qformer itm itm
ok "itm: no language model" test ! -e itm/llm.zv
toy lavis src-lavis
ok "lavis" zv-import -q -o lavis src-lavis/blip2.safetensors --vit src-lavis/eva.safetensors \
	--config src-lavis/config.json --vocab parts/vocab.txt
all_of vit lavis lavis
all_of qformer lavis lavis
is "lavis: everything but the projection" "$(tensors lavis/qformer.zv)" "$(($(tensors seed/qformer.zv) - 2))"
is "lavis: epsilons of its code" "$(words lavis/vit.zv | grep post_norm)" post_norm_eps=1e-05
like "lavis: the extra block is ignored" "$(zv-import -v -q -o lavis --force src-lavis/blip2.safetensors \
	--vit src-lavis/eva.safetensors --config src-lavis/config.json --vocab parts/vocab.txt)" "*blocks.4.norm1.weight*head.weight*"
toy ziya src-ziya
ok "ziya" zv-import -q -o ziya src-ziya/vision src-ziya/llm
for part in vit qformer llm; do all_of $part ziya ziya; done
toy minigpt4 src-mini
ok "minigpt4" zv-import -q -o mini src-mini/blip2.safetensors src-mini/proj.safetensors src-mini/llm \
	--vit src-mini/eva.safetensors --config src-mini/config.json
for part in vit qformer llm; do all_of $part mini minigpt4; done
is "template of MiniGPT-4" "$(words mini/llm.zv | grep template)" template=minigpt4
toy llama src-llama
ok "llama" zv-import -q -o llama src-llama
all_of llm llama llama
ok "llama: nothing else" test ! -e llama/vit.zv -a ! -e llama/qformer.zv
ok "parts by role" zv-import -q -o roles --vit src-lavis/eva.safetensors --qformer src-hf --llm src-llama --config src-lavis/config.json
all_of llm roles roles
all_of qformer roles roles

# --- settings, tokens, types ---

cat >src-llama/generation_config.json <<'J'
{"do_sample": true, "temperature": 0.7, "top_p": 0.1, "top_k": 5, "max_new_tokens": 128,
 "repetition_penalty": 1.05, "num_beams": 2, "length_penalty": -1.0, "eos_token_id": [2, 3], "pad_token_id": 0}
J
cat >src-llama/added_tokens.json <<'J'
{"<human>": 373, "<bot>": 374, "a\tb": 375}
J
cat >src-llama/special_tokens_map.json <<'J'
{"bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false, "rstrip": false},
 "additional_special_tokens": ["<human>", {"content": "<bot>", "lstrip": false, "rstrip": false}]}
J
ok "with generation and tokens" zv-import -q -o llama --force src-llama
is "settings of decoding" "$(words llama/llm.zv | tail -n 10 | tr '\n' ' ')" \
	"pad=0 template=ziya do_sample=1 top_k=5 max_new_tokens=128 num_beams=2 temperature=0.7 top_p=0.1 repetition_penalty=1.05 length_penalty=-1 "
is "added tokens" "$(zv-export --raw -k added_tokens llama/llm.zv)" \
	"$(printf '1\tstrip\t<s>\n373\tstrip\t<human>\n374\tkeep\t<bot>\n375\tstrip\ta\\tb')"
printf '{"legacy": false, "added_tokens_decoder": {"1": {"content": "<s>", "lstrip": false, "rstrip": false},
 "373": {"content": "<human>", "lstrip": false, "rstrip": false}}}' >src-llama/tokenizer_config.json
ok "with the list of newer versions" zv-import -q -o llama --force src-llama --template vicuna
is "it comes first" "$(zv-export --raw -k added_tokens llama/llm.zv | sed -n 2p)" "$(printf '373\tkeep\t<human>')"
is "legacy and template" "$(words llama/llm.zv | grep -e legacy -e template | tr '\n' ' ')" "legacy=0 template=vicuna "
printf '{"size": {"height": 112, "width": 112}, "image_mean": [0.5, 0.5, 0.25]}' >src-hf/preprocessor_config.json
ok "with a preprocessor" zv-import -q -o hf2 src-hf
is "its words" "$(words hf2/vit.zv | grep -e side -e _[012] | tr '\n' ' ')" "side=112 mean_0=0.5 mean_1=0.5 mean_2=0.25 "
ok "--dtype by part" zv-import -q -o types src-hf --dtype vit=bf16,llm=f16
is "matrices of each part" "$(for part in vit qformer llm; do zv-ls types/$part.zv | grep '[0-9]x[0-9]' | cut -f 3 | sort | uniq -c | tr -s ' \n' ' '; done)" \
	" 17 bf16 1 f32  34 f32  23 f16 "
ok "--dtype for all" zv-import -q -o types --force src-hf --dtype bf16
ok "bf16 is near" compare-checkpoint -t 0.02 types/llm.zv parts/llm.safetensors

rm -rf wide && cp -R src-hf wide && edit wide/model.safetensors '
import array
for k in [k for k in t if "mlp.fc1" in k]:
    d, s, b = t[k]; t[k] = ("F64", s, array.array("d", array.array("f", b)).tobytes())'
ok "f64" zv-import -q -o wide-model wide
same "f64 becomes f32" wide-model/vit.zv hf2/vit.zv
rm -rf tied && cp -R src-hf tied && edit tied/model.safetensors 't.pop("language_model.lm_head.weight")'
like "no head" "$(said zv-import -q -o tied-model tied)" "*lacks lm_head.weight*"
sed -i 's/"rms_norm_eps"/"tie_word_embeddings": true, "rms_norm_eps"/' tied/config.json
ok "a tied head" zv-import -q -o tied-model tied
is "is said, and not there" "$(words tied-model/llm.zv | grep tied) $(zv-ls tied-model/llm.zv | grep -c lm_head)" "tied=1 0"

# --- what does not fit ---

refused() {
	refused_name=$1 refused_pattern=$2; shift 2
	rm -rf out
	like "refused: $refused_name" "$(zv-import -q -o out "$@" 2>&1)" "zv-import: *$refused_pattern*"
	ok "refused: $refused_name: nothing is left" test ! -e out -a -z "$(find . -maxdepth 1 -name '.out*')"
}
refused "no image encoder" "give --vit" src-lavis/blip2.safetensors --config src-lavis/config.json
refused "no settings" "give --config" src-lavis/blip2.safetensors --vit src-lavis/eva.safetensors
refused "no vocabulary" "give --vocab" src-lavis/blip2.safetensors --vit src-lavis/eva.safetensors --config src-lavis/config.json
refused "no file" "nowhere*No such file" nowhere
mkdir weightless
refused "a directory without weights" "weightless" weightless
refused "a model beside a source" "seed" seed src-hf
cp -R src-llama no-tokenizer && rm no-tokenizer/tokenizer.model
refused "no tokenizer" "give --tokenizer" no-tokenizer
# changed NAME PATTERN PYTHON: the Hugging Face directory with this change is refused
changed() {
	rm -rf bad && cp -R src-hf bad && edit bad/model.safetensors "$3"
	refused "$1" "$2" bad
}
changed "a missing tensor" "lacks encoder.layers.2.mlp.fc1.bias" 't.pop("vision_model.encoder.layers.2.mlp.fc1.bias")'
changed "a missing layer" "3 blocks*says 4" 't = {k: v for k, v in t.items() if "encoder.layers.3." not in k}'
changed "a wrong shape" 'fc2.weight" is 209 x 48, but*is 48 x 209' \
	'k = "vision_model.encoder.layers.1.mlp.fc2.weight"; t[k] = (t[k][0], t[k][1][::-1], t[k][2])'
changed "whole numbers" 'is of type i32' \
	'k = "vision_model.encoder.layers.1.mlp.fc2.weight"; t[k] = ("I32", t[k][1], t[k][2])'
changed "a bias that a LLaMA has not" 'q_proj.bias" is in a layer of the llm' \
	't["language_model.model.layers.0.self_attn.q_proj.bias"] = ("F32", [1], b"1234")'
changed "two of one" 'are both layernorm.weight' 't["qformer.embeddings.layernorm.weight"] = t["qformer.layernorm.weight"]'
changed "another width of the projection" "projects to width 32, the language model has 64" \
	't["language_projection.weight"] = ("F32", [32, 32], bytes(4096))'
changed "cross-attention too often" "layer 1 of the Q-Former has a cross" \
	't.update({k.replace("layer.0.", "layer.1."): v for k, v in t.items() if "layer.0.cross" in k})'
changed "no square grid" "which is no square" 't["vision_model.embeddings.position_embedding"] = ("F32", [1, 16, 48], bytes(16 * 48 * 4))'
set_config() { rm -rf bad && cp -R src-hf bad && sed -i "$1" bad/config.json; }
set_config 's/"model_type": "llama"/"model_type": "opt"/'
refused "another language model" 'model_type "opt" is not supported' bad
set_config 's/"num_attention_heads": 4/"num_attention_heads": 5/'
refused "heads that do not divide" "no multiple of its 5 heads" bad
set_config 's/"num_attention_heads": 4/"num_attention_heads": "four"/'
refused "heads that are no number" "vision_config: num_attention_heads:" bad
set_config 's/"rms_norm_eps": 1e-06/"rms_norm_eps": 1e-06, "rope_scaling": {"type": "linear"}/'
refused "scaled rotary angles" "rope_scaling is not supported" bad
set_config 's/"rms_norm_eps": 1e-06/"rms_norm_eps": 1e-06, "rope_parameters": {"rope_type": "yarn"}/'
refused "rotary angles of another kind" 'rope_parameters: rope_type "yarn" is not supported' bad
set_config 's/"rms_norm_eps": 1e-06/"rms_norm_eps": 1e-06, "rope_parameters": {"rope_theta": 500000.0, "rope_type": "default"}/'
ok "the newer place of the angles' base" zv-import -q -o rope bad
is "is read" "$(words rope/llm.zv | grep rope)" rope_theta=500000
for setting in '"resample": 2' '"rescale_factor": 1.0' '"do_rescale": false' '"do_resize": false' '"do_center_crop": true' '"size": {"shortest_edge": 56}'; do
	rm -rf bad && cp -R src-hf bad && printf '{%s}' "$setting" >bad/preprocessor_config.json
	name=${setting##*[{]}; name=${name#?}
	refused "pictures with $setting" "preprocessor_config.json: *${name%%\"*}*is not supported" bad
done
rm -rf bad && cp -R src-hf bad
printf '{"resample": 3, "rescale_factor": 0.00392156862745098, "do_resize": true, "do_center_crop": false, "size": 112}' >bad/preprocessor_config.json
ok "pictures as they are always made" zv-import -q -o pictures bad
printf '{"no_repeat_ngram_size": 0, "typical_p": 1.0, "forced_eos_token_id": null, "bad_words_ids": [], "early_stopping": false}' >bad/generation_config.json
is "settings that do nothing" "$(zv-import --force -o pictures bad 2>&1 >table)" ""
printf '{"no_repeat_ngram_size": 3, "min_p": 0.1, "suppress_tokens": [5]}' >bad/generation_config.json
is "settings that nothing here does" "$(zv-import --force -o pictures bad 2>&1 >table)" \
	"zv-import: bad/generation_config.json: not used: no_repeat_ngram_size, suppress_tokens, min_p"
printf '{"eos_token_id": [2, 5]}' >bad/generation_config.json
is "more than one end" "$(zv-import --force -o pictures bad 2>&1 >table)" \
	"zv-import: bad/generation_config.json: eos_token_id names 2 ids; only the first, 2, ends an answer"
rm -rf bad && cp -R src-hf bad && edit bad/model.safetensors '
for k in ("vision_model.post_layernorm.weight", "language_model.model.norm.weight"):
    d, s, b = t[k]; t[k] = (d, s, b[:-4] + (b"\0\0\300\177" if k[0] == "l" else b"\0\0\200\177"))'
is "values that are no numbers: one remark" "$(zv-import --force -o pictures bad 2>&1 >table)" \
	'zv-import: bad/model.safetensors: tensor "language_model.model.norm.weight" holds values that are not finite as f32'
rm -rf bad && cp -R src-hf bad && edit bad/model.safetensors '
k = "language_model.lm_head.weight"; d, s, b = t[k]; t[k] = (d, s, b"\0\0\200\111" + b[4:])'
is "a number too large for its type" "$(zv-import --dtype f16 --force -o pictures bad 2>&1 >table)" \
	'zv-import: bad/model.safetensors: tensor "language_model.lm_head.weight" holds values that are not finite as f16'
set_config 's/}$//'
refused "a config that is cut off" "bad/config.json: " bad
set_config 's/"num_hidden_layers": 3/"num_hidden_layers": 40/'
refused "fewer layers than said" "3 layers in the language model, but*40" bad
cp -R src-sharded cut && truncate -s -1 cut/model-00002-of-00002.safetensors
refused "a truncated shard, by name" "model-00002-of-00002.safetensors" cut
rm cut/model-00002-of-00002.safetensors
refused "a missing shard, by name" "model-00002-of-00002.safetensors" cut
edit src-lavis/blip2.safetensors 'k = "model.Qformer.cls.predictions.decoder.weight"; t[k] = (t[k][0], t[k][1], bytes(len(t[k][2])))'
refused "a head that is not tied" "decoder.weight*differ" src-lavis/blip2.safetensors \
	--vit src-lavis/eva.safetensors --config src-lavis/config.json --vocab parts/vocab.txt

refused "two complete models" "src-hf and src-itm both hold a*say with --" src-hf src-itm
refused "one directory twice" "both hold" src-hf src-hf
refused "a Q-Former with the projection of another" "no source has the projection" src-hf --qformer src-itm --vit src-itm --llm src-hf
cp -R src-sharded loose && rm loose/*.json
refused "shards as loose files" "lacks *loose/model-0000*has it, but a part comes from one source" \
	loose/model-00001-of-00002.safetensors loose/model-00002-of-00002.safetensors --config src-sharded/config.json --tokenizer parts/tokenizer.model
ok "a projection of its own before that of the Q-Former's file" zv-import -q -o own src-hf src-mini/proj.safetensors
refused "two of them" "both hold a projection alone" src-hf src-mini/proj.safetensors src-mini/proj.safetensors
refused "what is no tokenizer, by its name" "parts/vocab.txt: is not a tokenizer.model: " src-hf --tokenizer parts/vocab.txt
refused "what is no vocabulary, by its name" "parts/tokenizer.model: is not a vocab.txt: " src-itm --vocab parts/tokenizer.model
(cat parts/vocab.txt; echo one; echo two) >long.txt
refused "a vocabulary of another model, by its name" "long.txt: with the added tokens beside it there are ids up to" src-itm --vocab long.txt
for file in added_tokens tokenizer_config special_tokens_map; do
	rm -rf bad && cp -R src-hf bad && printf '{' >bad/$file.json
	refused "half of $file.json" "bad/$file.json: ?*" bad
done
for file in config preprocessor_config generation_config tokenizer_config; do
	rm -rf bad && cp -R src-hf bad && printf '[1]' >bad/$file.json
	refused "a list as $file.json" "bad/$file.json: holds array where settings, an object, should be" bad
done
for file in config.json tokenizer.model model.safetensors; do
	rm -rf bad && cp -R src-hf bad && rm bad/$file && mkfifo bad/$file
	refused "a pipe as $file" "bad/$file: *regular file" bad
done
printf '{"vision_config":{"num_attention_heads":"q"}}' >settings.json
refused "settings, by the name of their file" "settings.json: vision_config: num_attention_heads: " src-itm --config settings.json
cp -R src-hf wordless && rm wordless/tokenizer.model
like "a tokenizer from beside another part is said" "$(said zv-import -o borrowed --llm wordless --vit src-itm --qformer src-ziya/vision src-ziya/llm)" \
	"*wordless has no tokenizer.model: took src-ziya/llm/tokenizer.model*"

# --- old names ---

rm -rf old && cp -R src-hf old && edit old/model.safetensors '
for k in [k for k in t if k.endswith("qkv.bias")]:
    d, s, b = t.pop(k); n = len(b) // 3
    t[k.replace("qkv.bias", "q_bias")] = (d, [s[0] // 3], b[:n])
    t[k.replace("qkv.bias", "v_bias")] = (d, [s[0] // 3], b[2 * n:])'
ok "q_bias and v_bias" zv-import -q -o old-model old
same "they are the fused bias" old-model/vit.zv hf2/vit.zv
edit old/model.safetensors 't = {k: v for k, v in t.items() if not k.endswith("v_bias")}'
refused "one of them" "v_bias" old
edit old/model.safetensors 't = {k: v for k, v in t.items() if not k.endswith("q_bias")}'
ok "no bias at all" zv-import -q -o bare old
is "is a bias of zeros" "$(zv-export --text -k encoder.layers.0.self_attn.qkv.bias bare/vit.zv | cut -f 2 | tr ' ' '\n' | sort -u)" 0

# --- deltas and adapters ---

ok "a base in f16" zv-import -q -o base --dtype f16 src-llama
mkdir delta-base delta-delta && cp src-llama/* delta-base && cp src-llama/* delta-delta
edit delta-base/model.safetensors 't = {k: ("F16", v[1], b"\x00\x3c" * (len(v[2]) // 4)) for k, v in t.items() if v[0] == "F32"}'
edit delta-delta/model.safetensors 't = {k: ("F16", v[1], b"\x00\x40" * (len(v[2]) // 4)) for k, v in t.items() if v[0] == "F32"}'
ok "base + delta" zv-import -q -o sum --base delta-base --delta delta-delta
is "one and two are three" "$(zv-export --text -k model.layers.0.mlp.up_proj.weight sum/llm.zv | cut -f 2 | tr ' ' '\n' | sort -u)" 3
is "the table is the delta's" "$(zv-export --text -k model.embed_tokens.weight sum/llm.zv | cut -f 2 | tr ' ' '\n' | sort -u)" 2
like "a base that looks like a delta" "$(edit delta-base/model.safetensors 't = {k: (v[0], v[1], bytes(len(v[2]))) for k, v in t.items()}'
	said zv-import -o zero --base delta-base --delta delta-delta)" "*delta-delta: does not look like a delta*delta-base: looks like a delta*"
is "the example of --help is that of the page" "$(zv-import --help | sed -n '/-o ziya/,/--delta/p' | tr -d '\\\n' | tr -s ' ')" \
	" $(sed -n 's/^\.Dl \(zv-import -o ziya .*\)/\1/p' "$ZV_ROOT/man/zv-import.1")"
edit delta-base/model.safetensors 't.pop("model.norm.weight")'
refused "a base that lacks a tensor" 'model.norm.weight" is not in the base' --base delta-base --delta delta-delta
mkdir lora
lora() { # CONFIG PYTHON: an adapter with these settings and tensors
	printf '%s' "$1" >lora/adapter_config.json
	cp parts/vit.safetensors lora/adapter_model.safetensors
	edit lora/adapter_model.safetensors "
import array
one = lambda *shape: ('F32', list(shape), array.array('f', [1.0] * (shape[0] * shape[1])).tobytes())
m = 'base_model.model.model.layers.0.self_attn.'
t = $2"
}
lora '{"peft_type": "LORA", "r": 2, "lora_alpha": 6}' '{m + "q_proj.lora_A.weight": one(2, 64), m + "q_proj.lora_B.weight": one(64, 2)}'
ok "an adapter" zv-import -q -o plus delta-delta --adapter lora
is "2 + 6/2 * 2" "$(zv-export --text -k model.layers.0.self_attn.q_proj.weight plus/llm.zv | cut -f 2 | tr ' ' '\n' | sort -u)" 8
is "others stay" "$(zv-export --text -k model.layers.0.self_attn.k_proj.weight plus/llm.zv | cut -f 2 | tr ' ' '\n' | sort -u)" 2
like "the table shows it" "$(zv-import --force -o plus delta-delta --adapter lora)" "*
adapter         1            256              -  lora, merged*"
ok "twice" zv-import -q -o plus --force delta-delta --adapter lora --adapter lora
is "2 + 6 + 6" "$(zv-export --text -k model.layers.0.self_attn.q_proj.weight plus/llm.zv | cut -f 2 | tr ' ' '\n' | sort -u)" 14
ok "kept" zv-import -q -o kept delta-delta --adapter lora --keep
like "the table shows the file" "$(zv-import --force -o kept delta-delta --adapter lora --keep)" "*
llm *delta-delta
adapter         3            256           1028  lora, kept as lora.zv*"
is "as a file" "$(zv-ls kept/lora.zv | cut -f 1,2,3,4 | tr '\t\n' '  ')" "config adapter u8 0 model.layers.0.self_attn.q_proj.lora_A values f32 2x64 model.layers.0.self_attn.q_proj.lora_B values f32 64x2 model.layers.0.self_attn.q_proj.scale values f32 1 "
is "which says to which model it belongs" "$(words kept/lora.zv)" "stage=adapter
llm_weights=$(zv-import -q --force -o kept-too delta-delta --adapter lora --keep >table; words kept-too/lora.zv | sed -n 's/^llm_weights=//p')"
ok "kept with a model" zv-import -q -o withlora src-hf --adapter lora --keep
say() { zv-generate -q --no-image -p 'hi' --greedy --max-new=6 "$@"; }
say -m withlora --adapter withlora/lora.zv >by-path
ok "the model answers with it" test -s by-path
for name in lora lora.zv; do
	say -m withlora --adapter $name >by-name
	same "--adapter $name is found in the model" by-path by-name
done
like "a name that is not there" "$(said say -m withlora --adapter nolora)" "zv-generate: nolora*: cannot open: No such file*"
like "another model refuses it" "$(said say -m types --adapter withlora/lora.zv)" "*withlora/lora.zv: made for another language model (????????...)*--any-maker*"
ok "--any-maker takes it" say -m types --any-maker --adapter withlora/lora.zv
zv-import -q --adapter lora -o alone.zv >table
ok "an adapter that names no model fits all that it fits" say -m types --adapter alone.zv
lora '{"peft_type": "LORA", "r": 2, "base_model_name_or_path": "someone/Other-13B"}' '{m + "q_proj.lora_A.weight": one(2, 64), m + "q_proj.lora_B.weight": one(64, 2)}'
like "an adapter made for another" "$(said zv-import -o named src-hf --adapter lora)" '*lora: was made for "someone/Other-13B", it says; is that the model in src-hf[?]*'
lora '{"peft_type": "LORA", "r": 2, "base_model_name_or_path": "someone/SRC-hf/"}' '{m + "q_proj.lora_A.weight": one(2, 64), m + "q_proj.lora_B.weight": one(64, 2)}'
is "an adapter made for this one" "$(zv-import --force -o named src-hf --adapter lora 2>&1 >table)" ""
lora '{"peft_type": "LORA", "r": 8, "lora_alpha": 6, "use_rslora": true, "rank_pattern": {"self_attn.q_proj": 4}, "alpha_pattern": {"layers\\.[0-9]+\\..*q_proj": 2}}' \
	'{m + "q_proj.lora_A.weight": one(4, 64), m + "q_proj.lora_B.weight": one(64, 4)}'
ok "patterns and rsLoRA" zv-import --adapter lora -o lora.zv
is "2/sqrt(4)" "$(zv-export --text -k model.layers.0.self_attn.q_proj.scale lora.zv | cut -f 2)" 1
lora '{"peft_type": "LORA", "r": 2}' '{m + "q_proj.lora_A.weight": one(4, 64), m + "q_proj.lora_B.weight": one(64, 4)}'
refused "another rank than said" "has rank 4, the configuration says 2" delta-delta --adapter lora
lora '{"peft_type": "LORA", "r": 4}' '{m + "q_proj.lora_A.weight": one(4, 64)}'
refused "half of a pair" "has no lora_B" delta-delta --adapter lora
lora '{"peft_type": "LORA", "r": 4}' '{m + "q_proj.lora_A.weight": one(4, 60), m + "q_proj.lora_B.weight": one(64, 4)}'
refused "another shape" "make 64 x 60" delta-delta --adapter lora
refused "another shape, kept" "make 64 x 60" delta-delta --adapter lora --keep
lora '{"peft_type": "LORA", "r": 4}' '{m.replace("layers.0", "layers.9") + "q_proj.lora_A.weight": one(4, 64), m.replace("layers.0", "layers.9") + "q_proj.lora_B.weight": one(64, 4)}'
refused "a layer that is not there" "which this model does not have" delta-delta --adapter lora
lora '{"peft_type": "LORA", "r": 4, "use_dora": true}' '{m + "q_proj.lora_A.weight": one(4, 64)}'
refused "DoRA" "use_dora is not supported" delta-delta --adapter lora
for setting in '"use_qalora": true' '"lora_bias": true' '"layer_replication": [[0, 1]]' '"trainable_token_indices": [1]' \
	'"alora_invocation_tokens": [1]' '"init_lora_weights": "pissa_niter_4"' '"init_lora_weights": "olora"'; do
	lora "{\"peft_type\": \"LORA\", \"r\": 4, $setting}" '{m + "q_proj.lora_A.weight": one(4, 64), m + "q_proj.lora_B.weight": one(64, 4)}'
	setting=${setting#?}
	refused "$setting" "lora: adapter_config.json: ${setting%%\"*}*is not supported" delta-delta --adapter lora
done
for table in rank_pattern alpha_pattern; do
	lora "{\"peft_type\": \"LORA\", \"r\": 4, \"$table\": [8]}" '{m + "q_proj.lora_A.weight": one(4, 64), m + "q_proj.lora_B.weight": one(64, 4)}'
	refused "$table as a list" "$table: is array, not an object" delta-delta --adapter lora
	lora "{\"peft_type\": \"LORA\", \"r\": 4, \"$table\": {\"k_proj\": \"8\"}}" '{m + "q_proj.lora_A.weight": one(4, 64), m + "q_proj.lora_B.weight": one(64, 4)}'
	refused "$table with a text" "$table: \"k_proj\": " delta-delta --adapter lora
done
lora '{"peft_type": "LORA", "r": 4, "use_qalora": false, "layer_replication": null, "trainable_token_indices": [], "init_lora_weights": true}' \
	'{"base_model.model.qformer.encoder.layer.0.attention.attention.query.base_layer.bias": ("F32", [32], b"\0\0\200\77" * 32)}'
ok "settings that say nothing; the bias of an adapted layer" zv-import -q -o biased src-hf --adapter lora
is "is the layer's" "$(zv-export --text -k encoder.layer.0.attention.attention.query.bias biased/qformer.zv | cut -f 2 | tr ' ' '\n' | sort -u)" 1
lora '{"peft_type": "IA3"}' '{m + "q_proj.ia3_l": one(4, 64)}'
refused "another kind" 'peft_type "IA3"' delta-delta --adapter lora
lora '{"peft_type": "LORA", "r": 4}' '{m + "q_proj.lora_A.weight": one(4, 64), m + "q_proj.lora_B.weight": one(64, 4),
	"base_model.model.language_projection.modules_to_save.default.weight": one(64, 32)}'
refused "a projection, kept" "lora: holds language_projection, which is the Q-Former's: merge it (zv-import MODEL --adapter lora)" src-hf --adapter lora --keep
refused "a projection, as a file" "lora: holds language_projection, which is the Q-Former's: merge it" --adapter lora
ok "a projection, merged" zv-import -q -o projected src-hf --adapter lora
is "is the adapter's" "$(zv-export --text -k language_projection.weight projected/qformer.zv | cut -f 2 | tr ' ' '\n' | sort -u)" 1
for type in I8 I64 BOOL; do
	lora '{"peft_type": "LORA"}' "{'base_model.model.lm_head.modules_to_save.default.weight': ('$type', [64, 64], bytes(4096 * (8 if '$type' == 'I64' else 1)))}"
	refused "$type as weights, kept" "which holds no weights" src-hf --adapter lora --keep
	refused "$type as weights, as a file" "which holds no weights" --adapter lora
done
lora '{"peft_type": "LORA"}' '{"base_model.model.lm_head.modules_to_save.default.weight": one(65, 64)}'
refused "a whole tensor of another shape, kept" 'has another shape than lm_head.weight' src-hf --adapter lora --keep

# --- the directory ---

mkdir there && : >there/mine
is "an existing directory, named once" "$(said zv-import -q -o there src-llama)" "zv-import: there: exists; give --force to replace it"
like "is replaced only if nothing is lost" "$(said zv-import -q -o there --force src-llama)" '*holds "mine"*'
ok "what is in it stays" test -e there/mine
rm there/mine && mkdir there/llm.zv
like "a directory is no file of a model" "$(said zv-import -q -o there --force src-llama)" '*holds "llm.zv"*'
rmdir there/llm.zv
status "and a file is no directory" 2 zv-import -q -o lora.zv --force src-llama
ok "an empty one is replaced" zv-import -q -o there/ --force src-llama
ok "a link is followed" sh -c 'ln -s there link && zv-import -q -o link --force src-llama && test -L link'
cksum there/llm.zv >sum1
for limit in 1 100 700; do
	status "a write that fails ($limit blocks): exit 2" 2 sh -c "ulimit -f $limit; exec zv-import -q -o full src-hf"
	ok "and leaves nothing" test ! -e full -a -z "$(find . -maxdepth 1 -name '.full*')"
	status "nor does it touch an old one" 2 sh -c "ulimit -f $limit; exec zv-import -q -o there --force src-hf"
done
cksum there/llm.zv >sum2
same "which is as it was" sum1 sum2
status "a directory that cannot be written to" 2 zv-import -q -o nowhere/model src-llama
# A source that is a pipe would wait for ever; a big one gives the time to interrupt.
edit src-llama/model.safetensors 't["model.embed_tokens.weight"] = ("F32", [300000, 64], bytes(300000 * 256)); t["lm_head.weight"] = t["model.embed_tokens.weight"]'
for signal in INT TERM HUP KILL; do
	# A shell lets its background jobs ignore INT; undo that.
	python3 -c 'import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])' zv-import -q -o killed src-llama & pid=$!
	# shellcheck disable=SC2034
	for try in $(seq 300); do
		[ -n "$(find . -maxdepth 2 -path './.killed.*' -name '.llm.zv*')" ] && break
		sleep 0.01
	done
	kill -"$signal" $pid 2>/dev/null
	wait $pid 2>/dev/null
	got=$?
	ok "killed by $signal (status $got)" test $got -gt 128 -o -e killed
	if [ -e killed ]; then
		skip "$signal in the middle" "it was done before"
		rm -rf killed
	elif [ "$signal" = KILL ]; then ok "KILL: no directory at the place" test ! -e killed
	else ok "$signal: nothing is left" test -z "$(find . -maxdepth 1 -name '.killed*')"; fi
	rm -rf .killed*
done

# --- loose tensors ---

for form in safetensors json; do
	zv-export --$form -o vit.$form seed/vit.zv
	ok "$form to records" zv-import --tensor vit.$form -o vit-$form.zv
done
zv-export --json vit-safetensors.zv >again.json
sed 1d vit.json >without-config.json
same "safetensors, bit by bit" again.json without-config.json
zv-export --json vit-json.zv >again.json
same "JSON lines, bit by bit" again.json vit.json
for record in temp itm_head.weight; do
	zv-export --npy -k $record -o $record.npy seed/qformer.zv
	zv-export --raw -k $record -o $record.raw seed/qformer.zv
	zv-import --tensor $record.npy -o from-npy.zv
	shape=$(zv-ls seed/qformer.zv | sed -n "s/^$record	//p" | cut -f 3)
	zv-import --tensor $record.raw --shape "$shape" --dtype f32 --key $record -o from-raw.zv
	is "$record from npy" "$(zv-export --json from-npy.zv)" "$(zv-export --json -k $record seed/qformer.zv)"
	same "$record from raw bytes" from-npy.zv from-raw.zv
done
zv-export --stack -k layernorm.weight -k layernorm.bias --keys keys -o stack.npy seed/qformer.zv
is "a stack by its keys" "$(zv-import --tensor --keys keys stack.npy | zv-export --json)" \
	"$(zv-export --json -k layernorm.weight -k layernorm.bias seed/qformer.zv)"
(printf '\357\273\277'; cat keys) >marked
is "a list of keys with a byte order mark" "$(zv-import --tensor --keys marked stack.npy | zv-export --json)" \
	"$(zv-export --json -k layernorm.weight -k layernorm.bias seed/qformer.zv)"
printf '{"key":"a","name":"x","dtype":"%s","shape":[2],"data":[%s]}\n' i8 -128,127 u16 0,65535 i64 -9223372036854775808,9223372036854775807 \
	bool true,false f64 0.1,1e300 bf16 1,null f16 -0.0,65504 >types.json
is "every type" "$(zv-import --tensor types.json | zv-export --json | tr -d '\n')" \
	"$(sed 's/1e300/1.0000000000000001e+300/; s/0.1,/0.10000000000000001,/' types.json | tr -d '\n')"
printf '{"key":"a","failed":"because"}\n' >failed.json
status "a failed item stays one" 1 zv-import --tensor failed.json -o failed.zv
like "and says so" "$(said zv-ls failed.zv)" "*because*"
for bad in '{"key":"a","dtype":"u8","shape":[1],"data":[256]}' '{"key":"a","dtype":"u8","shape":[2],"data":[1]}' \
	'{"key":"a","dtype":"f99","shape":[1],"data":[1]}' '{"dtype":"u8","shape":[1],"data":[1]}' '{' \
	'{"key":"a","dtype":"u8","shape":[1099511627776,1099511627776],"data":[]}'; do
	printf '%s\n' "$bad" >bad.json
	status "a bad line: $bad" 1 zv-import --tensor bad.json -o bad.zv
	ok "gives no file" test ! -e bad.zv
done
status "raw bytes of another size" 1 zv-import --tensor temp.raw --shape 2 --dtype f32 -o bad.zv
status "raw bytes without a shape" 2 zv-import --tensor temp.raw -o bad.zv
status "more keys than rows" 1 sh -c 'echo three >>keys; zv-import --tensor --keys keys stack.npy -o bad.zv'

# --- usage ---

for args in '' '-o x' 'src-hf' '-o x --base src-llama' '-o x src-hf --dtype f99' '-o x src-hf --dtype xyz=f16' '-o x src-hf --keep' \
	'-o x src-hf --shape 3' '--tensor' '--tensor a b --key c' '-o x --adapter a --adapter b' '-o x --llm a --base b --delta c' '-o x src-hf --template='; do
	# shellcheck disable=SC2086
	status "usage: $args" 2 zv-import $args
done
finish
