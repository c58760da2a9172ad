# large.t - a language model of half a gigabyte is imported in bounded memory, with a progress line
# on a terminal that is gone at the end.
. "$ZV_TESTS/lib.sh"
command -v python3 >/dev/null 2>&1 || { echo '1..0 # SKIP no python3 to make the checkpoint'; exit 0; }
if [ -n "${ZV_SANITIZE-}" ]; then
	skip "memory of an import" "sanitizers have their own"
	finish
fi
free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
if [ "$free" -lt 2500 ]; then
	skip "memory of an import" "$free MiB of disk are not enough"
	finish
fi
seed-model seed && mkdir big || exit 2
zv-export --raw -k tokenizer.model seed/llm.zv >big/tokenizer.model

# Two layers of a LLaMA in f16; the file is sparse, so only its head takes room.
cat >sparse.py <<'END'
import json, struct
width, mlp, rows, layers = 2048, 8192, 32000, 2
shapes = {'model.embed_tokens.weight': [rows, width], 'model.norm.weight': [width], 'lm_head.weight': [rows, width]}
for n in range(layers):
    p = 'model.layers.%d.' % n
    shapes.update({p + 'self_attn.%s_proj.weight' % x: [width, width] for x in 'qkvo'})
    shapes.update({p + 'mlp.gate_proj.weight': [mlp, width], p + 'mlp.up_proj.weight': [mlp, width],
                   p + 'mlp.down_proj.weight': [width, mlp], p + 'input_layernorm.weight': [width],
                   p + 'post_attention_layernorm.weight': [width]})
header, size = {}, 0
for name, shape in shapes.items():
    count = 2
    for d in shape:
        count *= d
    header[name] = {'dtype': 'F16', 'shape': shape, 'data_offsets': [size, size + count]}
    size += count
text = json.dumps(header).encode()
text += b' ' * (-len(text) % 8)
with open('big/model.safetensors', 'wb') as file:
    file.write(struct.pack('<Q', len(text)) + text)
    file.truncate(8 + len(text) + size)
with open('big/config.json', 'w') as file:
    json.dump({'model_type': 'llama', 'hidden_size': width, 'num_hidden_layers': layers,
               'num_attention_heads': 16, 'num_key_value_heads': 16, 'intermediate_size': mlp,
               'vocab_size': rows, 'rms_norm_eps': 1e-6, 'max_position_embeddings': 2048,
               'bos_token_id': 1, 'eos_token_id': 2}, file)
print(size >> 20)
END
# peak COMMAND...: its greatest memory in MiB (mapped pages of files included) goes to the file peak
cat >peak.py <<'END'
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:])
with open('peak', 'w') as file:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10, file=file)
sys.exit(status)
END
size=$(python3 sparse.py)
ok "the checkpoint has $size MiB" test "$size" -gt 500
for dtype in f16 bf16; do
	python3 peak.py zv-import -q --dtype $dtype -o model big >out 2>err
	is "import as $dtype: exit 0" "$?" 0
	is "import as $dtype: silent on standard error" "$(cat err)" ""
	ok "import as $dtype: $(cat peak) MiB, less than 400" test "$(cat peak)" -lt 400
	ok "import as $dtype: all of it arrives" test "$(($(wc -c <model/llm.zv) >> 20))" -ge "$size"
	rm -rf model
done

escape=$(printf '\033')
# A line of progress begins with a carriage return and "erase to the end"; so does taking it away.
pty -e sh -c 'zv-import -o model big >out' >terminal 2>&1 </dev/null
is "import on a terminal: exit 0" "$?" 0
like "the terminal shows progress" "$(cat terminal)" "*$escape?K*/*MB*/s*left*"
tr '\r' '\n' <terminal | grep -a "$escape" | tail -n 1 >last
is "and is clean at the end" "$(cat last)" "${escape}[K"
rm -rf model
pty -e sh -c 'zv-import -q -o model big >out' >terminal 2>&1 </dev/null
ok "with -q it shows none" test "$(grep -ac "$escape" terminal)" -eq 0
finish
