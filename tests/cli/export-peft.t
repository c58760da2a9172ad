# export-peft.t - zv-export --peft: an adapter file as PEFT's two files, and back through zv-import
# to the same file; what is no adapter is refused and leaves nothing.
. "$ZV_TESTS/lib.sh"
said() { "$@" 2>&1; }

# Adapters as zv-import makes them: two layers of one shape each, and an odd one.
command -v python3 >/dev/null 2>&1 || { echo "1..0 # SKIP no python3"; exit 0; }
cat >make.py <<'P'
import array, json, os, random, struct, sys
random.seed(4)
folder, config, layers = sys.argv[1], json.loads(sys.argv[2]), sys.argv[3:]
os.makedirs(folder, exist_ok=True)
header, data = {}, b''
def put(name, *shape):
    global data
    count = 1
    for n in shape:
        count *= n
    values = array.array('f', [random.uniform(-1, 1) for _ in range(count)]).tobytes()
    header['base_model.model.' + name] = {'dtype': 'F32', 'shape': list(shape), 'data_offsets': [len(data), len(data) + len(values)]}
    data += values
for layer in layers:
    name, *sizes = layer.split(':')
    if len(sizes) == 3:
        rank, out, into = map(int, sizes)
        put(name + '.lora_A.weight', rank, into)
        put(name + '.lora_B.weight', out, rank)
    else:
        put(name, *map(int, sizes))
text = json.dumps(header).encode()
open(folder + '/adapter_model.safetensors', 'wb').write(struct.pack('<Q', len(text)) + text + data)
json.dump({'peft_type': 'LORA', **config}, open(folder + '/adapter_config.json', 'w'))
P
make() { python3 make.py "$@"; }
config() { python3 -c 'import json, sys; print(json.dumps(json.load(open(sys.argv[1] + "/adapter_config.json"))[sys.argv[2]]))' "$@"; }

# round NAME: the adapter NAME.zv out and in again is the same file
round() {
	ok "$1: out" zv-export -q --peft "$1-out" "$1.zv"
	zv-import -q --adapter "$1-out" -o "$1-again.zv" >table 2>&1 || fail "$1: in again" "$(cat table)"
	same "$1: the same file again" "$1.zv" "$1-again.zv"
}

make even '{"r": 4, "lora_alpha": 16}' model.layers.0.self_attn.q_proj:4:8:8 model.layers.1.self_attn.q_proj:4:8:8 \
	model.layers.0.self_attn.v_proj:4:8:8 model.layers.1.self_attn.v_proj:4:8:8
zv-import -q --adapter even -o even.zv >table
round even
is "targets by their last words" "$(config even-out target_modules)" '["q_proj", "v_proj"]'
is "rank" "$(config even-out r)" 4
is "alpha" "$(config even-out lora_alpha)" 16
for word in rank_pattern alpha_pattern; do is "$word is not needed" "$(config even-out $word)" '{}'; done
for pair in peft_type='"LORA"' bias='"none"' fan_in_fan_out=false use_rslora=false lora_dropout=0.0 \
	modules_to_save=null base_model_name_or_path=null; do
	is "${pair%%=*}" "$(config even-out "${pair%%=*}")" "${pair#*=}"
done
is "names of tensors" "$(python3 -c 'import json, struct
d = open("even-out/adapter_model.safetensors", "rb").read()
print(*sorted(k for k in json.loads(d[8:8 + struct.unpack("<Q", d[:8])[0]]) if k[0] != "_")[:2], sep="\n")')" \
	"base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight
base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"
ok "--base" zv-export --peft even-out --base 'some"one/13B' even.zv
is "--base is in the configuration" "$(config even-out base_model_name_or_path)" '"some\"one/13B"'

make uneven '{"r": 2, "lora_alpha": 3, "use_rslora": true, "rank_pattern": {"mlp.down_proj": 6}, "alpha_pattern": {"layers.1.self_attn.o_proj": 8}}' \
	model.layers.0.self_attn.o_proj:2:8:8 model.layers.1.self_attn.o_proj:2:8:8 model.layers.11.mlp.down_proj:6:8:20 lm_head:2:30:8
zv-import -q --adapter uneven -o uneven.zv >table
round uneven
is "uneven targets by their names" "$(config uneven-out target_modules)" \
	'["lm_head", "model.layers.0.self_attn.o_proj", "model.layers.1.self_attn.o_proj", "model.layers.11.mlp.down_proj"]'
is "ranks that differ" "$(config uneven-out rank_pattern)" '{"layers.11.mlp.down_proj": 6}'
like "alphas that differ" "$(config uneven-out alpha_pattern)" '{"layers.1.self_attn.o_proj": 11.3137*, "layers.11.mlp.down_proj": 7.3484*}'

make whole '{"r": 2, "lora_alpha": 5}' model.layers.0.mlp.up_proj:2:20:8 model.norm.weight:8 model.embed_tokens.weight:30:8
zv-import -q --adapter whole -o whole.zv >table
round whole
is "replaced modules" "$(config whole-out modules_to_save)" '["model.embed_tokens", "model.norm"]'
is "their number is no target" "$(config whole-out target_modules)" '["up_proj"]'
is "alpha 5 over 2" "$(config whole-out lora_alpha)" 5

# --- what is refused ---

status "nothing to export" 2 zv-export --peft out
status "two files" 2 zv-export --peft out even.zv whole.zv
status "another form too" 2 zv-export --peft out --npy even.zv
status "-o" 2 zv-export --peft out -o file even.zv
status "-k" 2 zv-export --peft out -k lm_head.lora_A even.zv
status "--base alone" 2 zv-export --npy --base x even.zv
status "no such file" 2 zv-export --peft out none.zv
like "which is named" "$(said zv-export --peft out none.zv)" "zv-export: none.zv: cannot open: No such file*"
printf '%s\n' 'a	vit	f32	2	1 2' | zvt-make stream.zv
status "a stream" 1 zv-export --peft out stream.zv
head -c 900 even.zv >short.zv
status "a file that is cut off" 1 zv-export --peft out short.zv
python3 -c 'd = bytearray(open("even.zv", "rb").read()); d[d.index(b"lora_A") + 500] ^= 1; open("damaged.zv", "wb").write(d)'
status "a damaged one" 1 zv-export --peft out damaged.zv
if [ -x "$ZV_BUILD/tools/seed-model" ]; then
	seed-model --only llm ziya
	like "a model" "$(said zv-export --peft out ziya/llm.zv)" "*ziya/llm.zv: is no adapter file*"

	# --- an adapter that notes its model ---

	printf '{"text":"one"}\n{"text":"two"}\n' >texts
	ok "an adapter that was trained" zv-train text -q -m ziya -o trained.zv texts --steps 2 -b 2 --lora 2 --train lora
	ok "out" zv-export -q --peft trained trained.zv
	ok "in again, for its model" zv-import -q --adapter trained -m ziya -o noted.zv
	same "it is the same file" trained.zv noted.zv
	ok "without -m" zv-import -q --adapter trained -o bare.zv
	status "notes none" 1 cmp -s trained.zv bare.zv
	zv-train text -q -m ziya -o other texts --steps 1 -b 2 >/dev/null
	go_on() { zv-train text -q -m other -o next.zv --force texts --steps 1 -b 2 --adapter "$1" --train lora; }
	status "another model refuses it" 2 go_on noted.zv
	ok "or takes one that notes none" go_on bare.zv
	status "no such model" 2 zv-import --adapter trained -m nowhere -o none.zv
	status "-m with a source" 2 zv-import --adapter trained -m ziya -o none ziya
	status "-m without an adapter" 2 zv-import -m ziya -o none ziya
	ok "nothing is written" test ! -e none.zv -a ! -e none
fi
is "nothing is left of these" "$(ls -d out file 2>/dev/null)" ""
: >occupied
status "a directory that is a file" 2 zv-export --peft occupied even.zv
mkdir locked && zv-export --peft locked even.zv && chmod 500 locked
if [ "$(id -u)" -ne 0 ]; then
	cp -r locked before
	status "a directory without permission" 2 zv-export --peft locked whole.zv
	same "its files stay" before/adapter_model.safetensors locked/adapter_model.safetensors
else
	skip "a directory without permission" "root may write everywhere"
fi
chmod 700 locked
is "no temporary is left" "$(find . -name '*.tmp*' -o -name '.*zv*' | head -n 3)" ""

# --- the reference's adapters ---

if [ -d "$ZV_SHARED/zoo/A/peft-lora" ]; then
	for name in qkv-list qkv-list-raw-names regex-rslora-patterns layers-subset; do
		zv-import -q --adapter "$ZV_SHARED/zoo/A/peft-lora/$name" -o "$name.zv" >table
		round $name
	done
else
	skip "the reference's adapters" "no reference data"
fi
finish
