# packed.t - models in int8 and int4: made from checkpoints and from model directories, listed, run,
# exported, compared, trained by adapters; what is damaged in them is found
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"

seed-model seed || exit 2
python3 -c "import sys
sys.stdout.buffer.write(b'P6\n56 56\n255\n' + bytes(range(256)) * 36 + bytes(56 * 56 * 3 - 256 * 36))" >1.ppm
said() { "$@" 2>&1; }

# --- converting ---

for type in int8 int4; do
	ok "$type: converted" zv-import -q -o $type --dtype $type seed
	for part in vit qformer llm; do
		is "$type: $part.zv is whole" "$(zv-ls --check $type/$part.zv | sed 's/.*, //')" whole
	done
	like "$type: what a matrix is" "$(zv-ls $type/llm.zv | grep layers.0.mlp.up_proj)" \
		"*	packed	$type	*	*	$type-16x4, *.* bits"
	is "$type: vectors stay f32" "$(zv-ls $type/llm.zv | grep norm.weight | cut -f 3 | sort -u)" f32
	is "$type: a table of words is int8" "$(zv-ls $type/llm.zv | grep embed_tokens | cut -f 3)" int8
	is "$type: the first layer is f32" "$(zv-ls $type/vit.zv | grep patch_embedding.weight | cut -f 3)" f32
	ok "$type: json" python3 -c '
import json, subprocess, sys
lines = subprocess.run(["zv-ls", "--json", sys.argv[1] + "/llm.zv"], stdout=subprocess.PIPE).stdout.decode().splitlines()
packed = [r for r in map(json.loads, lines) if "layout" in r]
assert packed and all(len(r["shape"]) == 2 and r["bits"] > 4 for r in packed)' $type
	# Parts know each other by fingerprints, which are the new ones.
	zv-encode -q -m $type -o vit.zv 1.ppm && zv-qformer -q -m $type -o prompts.zv vit.zv
	ok "$type: the whole pipeline" zv-generate -q -m $type -o out.txt --max-new 4 prompts.zv
	ok "$type: prompts of the original, when asked to" \
		zv-generate -q -m $type --any-maker -o out.txt --max-new 4 prompts.zv
	for threads in 1 3; do
		zv-encode -q -t $threads -m $type 1.ppm | zv-cat -o again.zv - &&
			ok "$type: the same bytes with $threads threads" zv-cmp again.zv vit.zv
	done
	ok "$type: back to f32" zv-import -q -o back-$type --dtype f32 $type
	for part in vit qformer llm; do
		ok "$type: $part.zv holds the same values" zv-cmp back-$type/$part.zv $type/$part.zv
	done
done
ok 'int8 is near' zv-cmp --rel-max 0.004 int8/llm.zv seed/llm.zv
ok 'int4 is not far' zv-cmp --rel-max 0.2 int4/llm.zv seed/llm.zv
like 'and neither is the original' "$(zv-cmp int4/llm.zv seed/llm.zv | head -n 1)" '*	differs	*'
ok 'by part' zv-import -q -o part --dtype llm=int4,vit=bf16 seed
ok 'what is not named stays' zv-cmp part/qformer.zv seed/qformer.zv
status 'no option of an import goes with a model' 2 zv-import -q -o no --template plain seed
status 'an existing directory' 2 zv-import -q -o int8 --dtype int8 seed
ok 'unless replaced' zv-import -q -o int8 --force --dtype int8 seed

# --- from checkpoints ---

mkdir parts
for part in vit qformer llm; do zv-export --safetensors -o parts/$part.safetensors seed/$part.zv; done
zv-export --raw -k tokenizer.model seed/llm.zv >parts/tokenizer.model
zv-export --raw -k vocab.txt seed/qformer.zv >parts/vocab.txt
toy-checkpoint.py hf source parts && zv-import -q -o plain source
for type in int8 int4; do
	ok "$type from a checkpoint" zv-import -q -o from-$type --dtype $type source
	zv-import -q -o via-$type --dtype $type plain
	for part in vit qformer llm; do
		same "$type: as by way of a model: $part.zv" from-$type/$part.zv via-$type/$part.zv
	done
done

# Matrices of several bands, each of which the threads share.
seed-model --only qformer --full qformer --layers 1 --plain large
for dtype in bf16 int4; do
	for threads in 1 3; do
		ok "$dtype, -t $threads: a model" zv-import -q -t $threads -o model-$threads --force --dtype $dtype large
		ok "$dtype, -t $threads: a checkpoint" \
			zv-import -q -t $threads -o source-$threads --force --dtype $dtype source
	done
	same "$dtype: the same bytes of a model at any number of threads" model-3/qformer.zv model-1/qformer.zv
	same "$dtype: and of a checkpoint" source-3/llm.zv source-1/llm.zv
done

# --- training ---

for i in 1 2 3 4; do echo "{\"text\":\"a cat sits on mat $i\"}"; done >texts.jsonl
zv-import -q -o frozen --dtype llm=int8 seed >/dev/null
train() { zv-train text -q -m frozen texts.jsonl --steps 3 -b 2 --rate 1e-2 "$@"; }
ok 'an adapter on int8' train -o style.zv --lora 2
ok 'which the model takes' zv-generate -q -m frozen --any-maker --adapter style.zv --max-new 2 prompts.zv
ok 'the same with three threads' train -o style3.zv --lora 2 -t 3
same 'byte for byte' style.zv style3.zv
ok 'kept with the model' train -o kept --lora 2
same 'whose packed matrices are those that came' kept/llm.zv frozen/llm.zv
status 'nothing can be merged' 2 train -o no --lora 2 --merge
like 'it says so' "$(said train -o no --lora 2 --merge)" '*is int8, into which no adapter can be merged*'
status 'nor trained' 2 train -o no
like 'it says what to do' "$(said train -o no)" '*is int8, which cannot be trained: *--lora*'

# --- exporting ---

zv-export --raw -k model.layers.0.mlp.up_proj.weight int8/llm.zv >packed.raw
zv-export --raw -k model.layers.0.mlp.up_proj.weight back-int8/llm.zv >plain.raw
same 'exported as f32' packed.raw plain.raw
like 'under its plain name' "$(zv-export --json -k model.layers.0.mlp.up_proj.weight int4/llm.zv)" \
	'{"key":*,"name":"values","dtype":"f32",*'
# The page's reader, word for word.
sed -n '/^filled = /,/^\.Ed/p' "$ZV_ROOT/man/zv-model.5" | sed '/^\.Ed/d' >page.py
for type in int8 int4; do
	ok "$type: the reader of zv-model(5) agrees" python3 - "$type" <<'P'
import json, struct, subprocess, sys
run = lambda *a: subprocess.run(a, stdout=subprocess.PIPE).stdout
f = open(sys.argv[1] + "/llm.zv", "rb")
code = compile(open("page.py").read(), "page", "exec")
seen = 0
while (h := f.read(64)):
    _, kind, _, nd, _, kl, nl, ml, size = struct.unpack("<4scBBBHHIQ", h[:24])
    rest = f.read((64 + 8 * nd + kl + nl + ml + 8 + 63 & ~63) - 64)
    key, name = rest[8 * nd:8 * nd + kl].decode(), rest[8 * nd + kl:8 * nd + kl + nl]
    meta = rest[8 * nd + kl + nl:8 * nd + kl + nl + ml].decode()
    data = f.read(size); f.read(-size % 64)
    if name != b"packed" or ".0." not in key:
        continue
    words = dict(line.split("=") for line in meta.splitlines())
    rows, columns, layout = int(words["rows"]), int(words["columns"]), words["layout"]
    raw = run("zv-export", "--raw", "-k", key, sys.argv[1] + "/llm.zv")
    for i in range(0, rows * columns, 37):
        row, column = divmod(i, columns)
        scope = dict(globals())
        exec(code, scope)
        wanted, = struct.unpack_from("<f", raw, 4 * i)
        assert abs(scope["weight"] - wanted) <= 1e-6 * abs(wanted), (key, row, column)
    seen += 1
assert seen
P
done

# --- values that cannot be packed, files that lie ---

mkdir odd && cp seed/*.zv odd/
edit-model seed/llm.zv odd/llm.zv nan:model.norm.weight
ok 'NaN in a vector is not packed' zv-import -q -o odd-vector --dtype int8 odd
zv-import -q -o wide --dtype f32 seed && edit-model wide/llm.zv odd/llm.zv inf:lm_head.weight
status 'infinity in a matrix is refused' 1 zv-import -q -o odd-out --dtype int8 odd
like 'with its name' "$(said zv-import -q -o odd-out --dtype int4 odd)" '*"lm_head.weight"*not finite*'
no_file() { [ ! -e "$1" ]; }
ok 'and nothing is left' no_file odd-out

matrix=model.layers.0.mlp.up_proj.weight
mkdir bad
for change in layout=int9-16x4 rows=9 rows=0 rows= columns=900 columns=x columns=1099511627776 group=64 group=; do
	edit-model int4/llm.zv bad/llm.zv meta:$matrix:$change || fail 'the test itself'
	status "$change: refused" 2 zv-generate -q -m bad --any-maker --max-new 1 prompts.zv
	like "$change: said" "$(said zv-generate -q -m bad --any-maker prompts.zv)" "*bad/llm.zv: *\"$matrix\"*"
	status "$change: listed as damaged" 1 zv-ls bad/llm.zv
	status "$change: not exported" 1 zv-export --raw -o bad.raw -k $matrix bad/llm.zv
done
edit-model int8/llm.zv bad/llm.zv rows=1 nan:$matrix || fail 'the test itself'
like 'a scale that is not finite is found' "$(said zv-ls --check bad/llm.zv)" "*\"$matrix\" packed: 1 values are not finite*"
head -c 40000 int8/llm.zv >bad/llm.zv
status 'a file that is cut' 2 zv-generate -q -m bad --any-maker prompts.zv
finish
