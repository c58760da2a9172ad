# zv-export.t - each format holds the very numbers, as an independent reader sees them; selection,
# conversion, failed items, damage.
. "$ZV_TESTS/lib.sh"
printf '%s\n' 'a.jpg	vit	f32	2x3	1 -2.5 3 4 0.1 1e-7' 'b\tc	vit	f32	2x3	7 8 9 10 11 12' |
	sed 's/b.tc/b c/' >text
zvt-make two.zv <text
printf '%s\n' 'k	half	f16	2	1.5 -2' 'k	brain	bf16	2	1.5 -2' 'k	long	i64	2	4611686018427387904 -1' \
	'k	values	u8	3	1 2 255' 'k	truth	bool	2	1 0' 'k	double	f64	1	0.1' 'k	one	f32	scalar	0.1' \
	'k	none	f32	0x4	0' | zvt-make kinds.zv
printf '%s\n' 'a	vit	f32	2	1 2' '!b	cannot be decoded' 'c	vit	f32	2	3 4' | zvt-make failed.zv

# python CODE: with read_npy and read_safetensors, small readers that share no code with ours
cat >readers.py <<'PY'
import ast, json, struct, sys
def read_npy(path):
    raw = open(path, 'rb').read()
    assert raw[:8] == b'\x93NUMPY\1\0'
    size, = struct.unpack_from('<H', raw, 8)
    assert (10 + size) % 64 == 0 and raw[9 + size:10 + size] == b'\n'
    head = ast.literal_eval(raw[10:10 + size].decode())
    assert sorted(head) == ['descr', 'fortran_order', 'shape'] and head['fortran_order'] is False
    letter = {'<f4': 'f', '<f2': 'e', '<f8': 'd', '<u2': 'H', '<i8': 'q', '|u1': 'B', '|b1': '?'}[head['descr']]
    data = raw[10 + size:]
    return head['descr'], head['shape'], struct.unpack('<%d%s' % (len(data) // struct.calcsize(letter), letter), data)
def read_safetensors(path):
    raw = open(path, 'rb').read()
    size, = struct.unpack_from('<Q', raw)
    head = json.loads(raw[8:8 + size])
    assert size % 8 == 0
    return head.pop('__metadata__'), {k: (v['dtype'], v['shape'], raw[8 + size:][slice(*v['data_offsets'])].hex()) for k, v in head.items()}
exec(sys.argv[1])
PY
python() { PYTHONDONTWRITEBYTECODE=1 python3 readers.py "$1" 2>&1; }
have_python=$(command -v python3)
[ -n "$have_python" ] || skip "the formats as another reader sees them" "no python3"

is "--text: a line for each row" "$(zv-export --text two.zv)" 'a.jpg	1 -2.5 3
a.jpg	4 0.100000001 1.00000001e-07
b c	7 8 9
b c	10 11 12'
is "--text: numbers of every kind" "$(zv-export --text kinds.zv)" 'k	1.5 -2
k	1.5 -2
k	4611686018427387904 -1
k	1 2 255
k	1 0
k	0.10000000000000001
k	0.100000001'
is "--json" "$(zv-export --json -k a.jpg two.zv)" \
	'{"key":"a.jpg","name":"vit","dtype":"f32","shape":[2,3],"data":[1,-2.5,3,4,0.100000001,1.00000001e-07]}'
is "--json: numbers of every kind" "$(zv-export --json -n long -n truth -n one -n none kinds.zv | sed 's/.*"shape"/"shape"/')" \
	'"shape":[2],"data":[4611686018427387904,-1]}
"shape":[2],"data":[true,false]}
"shape":[],"data":[0.100000001]}
"shape":[0,4],"data":[]}'
printf '%s\n' 'k	x	f32	3	nan inf -inf' | zvt-make odd.zv 2>err &&
	is "--json: what is no number" "$(zv-export --json odd.zv | sed 's/.*"data"/"data"/')" '"data":[null,null,null]}'
is "--raw" "$(zv-export --raw -n values kinds.zv | od -An -tu1 | tr -s ' ')" ' 1 2 255'
is "--raw from standard input" "$(zv-export --raw -n values <kinds.zv | od -An -tu1 | tr -s ' ')" ' 1 2 255'

ok "--npy" zv-export --npy -k a.jpg -o a.npy two.zv
ok "--stack" zv-export --stack --keys keys -o all.npy two.zv
is "--keys" "$(cat keys)" 'a.jpg
b c'
zv-export --stack two.zv >pipe.npy
same "--stack to standard output" all.npy pipe.npy
zv-export --stack - <two.zv | cat >pipe.npy
same "--stack through pipes" all.npy pipe.npy
ok "--safetensors" zv-export --safetensors -o kinds.safetensors kinds.zv
zv-export --safetensors <kinds.zv | cat >pipe.safetensors
same "--safetensors through pipes" kinds.safetensors pipe.safetensors
if [ -n "$have_python" ]; then
	is "npy: shape and numbers" "$(python 'print(read_npy("a.npy")[:2], read_npy("a.npy")[2][1::2])')" \
		"('<f4', (2, 3)) (-2.5, 4.0, 1.0000000116860974e-07)"
	is "npy: stacked" "$(python 'd, s, v = read_npy("all.npy"); print(d, s, v[0], v[5] == 1.0000000116860974e-07, v[6:])')" \
		"<f4 (2, 2, 3) 1.0 True (7.0, 8.0, 9.0, 10.0, 11.0, 12.0)"
	for name in half double long values truth one none; do
		zv-export --npy -n $name -o $name.npy kinds.zv
	done
	is "npy: every kind" "$(python 'for n in "half double long values truth one none".split(): print(*read_npy(n + ".npy"))')" \
		"<f2 (2,) (1.5, -2.0)
<f8 (1,) (0.1,)
<i8 (2,) (4611686018427387904, -1)
|u1 (3,) (1, 2, 255)
|b1 (2,) (True, False)
<f4 () (0.10000000149011612,)
<f4 (0, 4) ()"
	zv-export --npy -n brain -o f32.npy kinds.zv
	zv-export --npy -n brain --to bits -o bits.npy kinds.zv
	zv-export --npy -n half --to f32 -o up.npy kinds.zv
	zv-export --npy -k a.jpg --to f16 -o down.npy two.zv
	is "npy: bf16 becomes f32, or its bits" "$(python 'for n in "f32 bits up".split(): print(*read_npy(n + ".npy"))')" \
		"<f4 (2,) (1.5, -2.0)
<u2 (2,) (16320, 49152)
<f4 (2,) (1.5, -2.0)"
	is "npy: rounded to f16" "$(python 'print(*read_npy("down.npy"))')" \
		"<f2 (2, 3) (1.0, -2.5, 3.0, 4.0, 0.0999755859375, 1.1920928955078125e-07)"
	is "safetensors: names, dtypes, bytes" "$(python 'm, t = read_safetensors("kinds.safetensors"); print(m); [print(k, *v) for k, v in t.items()]')" \
		"{'format': 'pt'}
k.half F16 [2] 003e00c0
k.brain BF16 [2] c03f00c0
k.long I64 [2] 0000000000000040ffffffffffffffff
k U8 [3] 0102ff
k.truth BOOL [2] 0100
k.double F64 [1] 9a9999999999b93f
k.one F32 [] cdcccc3d
k.none F32 [0, 4] "
	printf '%s\n' '=stage=vit' '=width=2' 'config	vit	u8	0	0' 'embeddings.bias	values	f32	2	1 2' | zvt-make -b model.zv
	zv-export --safetensors -o model.safetensors model.zv
	is "safetensors: a model file" "$(python 'print(*read_safetensors("model.safetensors"))')" \
		"{'format': 'pt', 'stage': 'vit', 'width': '2'} {'embeddings.bias': ('F32', [2], '0000803f00000040')}"
	is "the reader of checkpoints reads it" "$(list-tensors --names model.safetensors)" 'embeddings.bias	f32	2	-'
fi

# What does not fit is refused, and nothing is left.
status "no format: exit 2" 2 zv-export two.zv
status "two formats: exit 2" 2 zv-export --text --json two.zv
status "--npy --stack: exit 2" 2 zv-export --npy --stack two.zv
like "two formats: says so" "$(zv-export --text --json two.zv 2>&1)" '*exactly one of*'
status "--npy of two records: exit 1" 1 zv-export --npy -o no.npy two.zv
ok "--npy of two records: no file" test ! -e no.npy
zv-export --npy two.zv >out 2>err
ok "--npy of two records: nothing on standard output" test ! -s out
like "--npy of two records: says what to do" "$(zv-export --npy two.zv 2>&1 >out)" '*two.zv: "b c" vit: *--stack*'
status "--stack of different shapes: exit 1" 1 zv-export --stack -o no.npy kinds.zv
like "--stack of different shapes: says which" "$(zv-export --stack two.zv failed.zv 2>&1 >out)" \
	'*failed.zv: "a" vit: shape 2 of f32 * shape 2x3 of f32*'
status "--to bf16 in npy: exit 1" 1 zv-export --npy --to bf16 -k a.jpg two.zv
status "--safetensors of the same names: exit 1" 1 zv-export --safetensors -o no.safetensors two.zv two.zv
status "a key that is not there: exit 1" 1 zv-export --text -k a.jpg -k nobody two.zv
like "a key that is not there: says so" "$(zv-export --text -k nobody two.zv 2>&1)" '*no record has the key "nobody"*'
printf 'b c\n' >wanted
is "-K: keys from a list" "$(zv-export --text -K wanted two.zv | cut -f 1 | uniq)" "b c"
printf '\357\273\277b c\n' >wanted
is "-K: a list with a byte order mark" "$(zv-export --text -K wanted two.zv | cut -f 1 | uniq)" "b c"
printf '\357\273\277two.zv\n' >list
is "-T: a list with a byte order mark" "$(zv-export --text -T list | cut -f 1 | uniq | tr '\n' ,)" "a.jpg,b c,"
printf 'b c\0a.jpg\0nobody\0' >wanted
is "-K with -0, and -k: all of them" "$(zv-export --text -0 -K wanted -k a.jpg two.zv 2>err | cut -f 1 | uniq | tr '\n' ,)" "a.jpg,b c,"
is "-K: a key that is not there" "$(cat err)" 'zv-export: no record has the key "nobody"'
status "-K: a list that is not there: exit 2" 2 zv-export --text -K absent two.zv
status "--npy of nothing: exit 1" 1 zv-export --npy -k nobody -o no.npy two.zv
ok "nothing is left of what failed" test ! -e no.safetensors

if command -v pty >/dev/null 2>&1; then
	pty -i zv-export --text - >out 2>err
	like "a terminal as input has a name" "$(cat out err)" "zv-export: standard input: is a terminal*"
fi

# Failed items are said and passed over.
for form in --text --json --raw --stack --safetensors; do
	zv-export $form failed.zv >out 2>err
	is "$form with a failed item: exit 1" "$?" 1
	like "$form with a failed item: says so" "$(cat err)" '*failed.zv: "b" failed: cannot be decoded'
	ok "$form with a failed item: the others are there" test -s out
done
is "--json: the failed item has a line" "$(zv-export --json failed.zv 2>err | sed -n 2p)" '{"key":"b","failed":"cannot be decoded"}'
is "--strict stops at the failed item" "$(zv-export --strict --text failed.zv 2>err)" 'a	1 2'

# Damage: binary files with one header are not made at all.
head -c -40 two.zv >cut.zv
for form in --npy --stack --safetensors; do
	zv-export $form -n vit -o cut.out cut.zv >out 2>err
	is "$form of a cut stream: exit 1" "$?" 1
	like "$form of a cut stream: says so" "$(cat err)" 'zv-export: cut.zv: *'
	ok "$form of a cut stream: no file" test ! -e cut.out
done
is "--text of a cut stream: what came before" "$(zv-export --text cut.zv 2>err | wc -l | tr -d ' ')" 4
is "no temporary file is left" "$(find . -name '.*' -type f)" ""
status "a full disk: exit 2" 2 zv-export --stack -o /dev/full two.zv
finish
