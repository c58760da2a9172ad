# zv-encode.t - zv-encode on its own: names, failures, --append, options, order, latency.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
seed-model ziya >/dev/null || { fail "seed-model"; finish; }
cp "$ZV_ROOT/examples/pictures/balls.jpg" photo.jpg
cp "$ZV_ROOT/examples/pictures/beach.jpg" cat.jpg
cp "$ZV_ROOT/examples/pictures/snowman.jpg" dog.jpg
printf 'photo.jpg\ncat.jpg\ndog.jpg\n' >list

# records FILE: a line "kind key name dtype shape maker source payload" for each record, by a reader
# that shares no code with the programs; text payloads as they are, others as a digest
cat >records.py <<'E2'
import hashlib, struct, subprocess, sys
data = subprocess.run(['zstd', '-dcq', sys.argv[1]], stdout=subprocess.PIPE, check=True).stdout
at, rows = 0, []
while at < len(data):
    magic, kind, dt, nd, fl, kl, nl, ml, size, maker, src, xx = struct.unpack_from('<4scBBBHHIQ16s16sQ', data, at)
    head = (64 + 8 * nd + kl + nl + ml + 8 + 63) & ~63
    shape = struct.unpack_from('<%dQ' % nd, data, at + 64)
    names = data[at + 64 + 8 * nd:]
    payload = data[at + head:at + head + size]
    text = payload.decode() if kind == b'F' else hashlib.sha256(payload).hexdigest()[:16]
    rows.append((kind.decode(), names[:kl].decode() or '-', names[kl:kl + nl].decode() or '-', chr(dt),
          'x'.join(map(str, shape)), maker.hex(), src.hex(), text))
    at += head + (size + 63 & ~63)
sys.stdout.write(''.join('\t'.join(row) + '\n' for row in rows))
E2
records() { python3 records.py "$1"; }
keys() { records "$1" | cut -f1,2 | tr '\t\n' ': '; }
held() { records "$1" | grep -v '^E' | cut -f1,2 | tr '\t\n' ': '; }

### the good case
ok "three pictures" zv-encode -m ziya -o three.zv photo.jpg cat.jpg dog.jpg
is "a record each, in order, and the end" "$(keys three.zv)" "T:photo.jpg T:cat.jpg T:dog.jpg E:- "
is "name and dtype" "$(records three.zv | sed -n 1p | cut -f3,4)" "vit	f"
is "source is b2sum -l 128 of the file" "$(records three.zv | sed -n 1p | cut -f7)" \
	"$(b2sum -l 128 photo.jpg | cut -d' ' -f1)"
for options in '-t 1 --batch 1' '-t 3 --batch 2' '-t 2 --batch 256'; do
	# shellcheck disable=SC2086
	zv-encode -m ziya $options photo.jpg cat.jpg dog.jpg >again.zv
	same "the same bytes with $options" three.zv again.zv
done
zv-encode -m ziya -T list >listed.zv
same "-T" three.zv listed.zv
tr '\n' '\0' <list | zv-encode -m ziya -0 -T - >listed.zv
same "-0 -T -" three.zv listed.zv
zv-encode -m ziya --shard 1/3 -T list >shard.zv
is "--shard 1/3" "$(keys shard.zv)" "T:photo.jpg T:cat.jpg E:- "
cp dog.jpg more.jpg
zv-encode -m ziya --shard 1/3 cat.jpg more.jpg dog.jpg photo.jpg >shard.zv
is "--shard 1/3: other names and another order leave names in their parts" \
	"$(zv-ls --keys shard.zv | grep -v more | tr '\n' ' ')" "cat.jpg photo.jpg "
zv-encode -m ziya --shard 3/3 -T list >shard.zv
is "--shard 3/3" "$(keys shard.zv)" "T:dog.jpg E:- "
is "silent on success" "$(zv-encode -m ziya -o x.zv photo.jpg 2>&1)" ""
is "-v counts" "$(zv-encode -v -m ziya -o x.zv photo.jpg cat.jpg 2>&1)" \
	"zv-encode: 2 pictures encoded, 0 failed, 0 already there"
zv-encode -m ziya -T /dev/null >none.zv
is "no pictures: only the end" "$(keys none.zv)" "E:- "

### standard input
zv-encode -m ziya <photo.jpg >stdin.zv
is "a picture on standard input has the key -" "$(keys stdin.zv)" "T:- E:- "
zv-encode -m ziya --key photo.jpg - <./photo.jpg >stdin.zv
zv-encode -m ziya photo.jpg >file.zv
same "--key names it" stdin.zv file.zv
status "standard input cannot be the list too" 2 sh -c 'echo - | zv-encode -m ziya -T - >x.zv'

### what fails
mkdir folder; : >empty; echo 'hello, this is text' >text; mkfifo pipe; head -c 3000 photo.jpg >cut.jpg
head -c 3000 photo.jpg >'x|'
zv-encode -m ziya -o failed.zv photo.jpg folder missing empty text pipe cut.jpg 'x|' cat.jpg 2>errors
is "failed items: exit 1" $? 1
cat >wanted <<'E2'
zv-encode: folder: is a directory
zv-encode: missing: cannot open: No such file or directory
zv-encode: empty: empty file
zv-encode: text: not a picture (JPEG, PNG, WebP or PNM)
zv-encode: pipe: is a pipe; give the picture on standard input, named -
zv-encode: cut.jpg: truncated JPEG
zv-encode: x|: truncated JPEG
E2
same "failed items: one line each" errors wanted
is "failed items: a record each, in order" "$(keys failed.zv)" \
	"T:photo.jpg F:folder F:missing F:empty F:text F:pipe F:cut.jpg F:x| T:cat.jpg E:- "
is "failed items: the reason is in the record" "$(records failed.zv | sed -n 7p | cut -f8)" "truncated JPEG"
zv-encode -m ziya --strict photo.jpg missing cat.jpg 2>errors | cat >strict.zv
is "--strict: stops without the end" "$(keys strict.zv)" "T:photo.jpg "
status "--strict: exit 1" 1 zv-encode -m ziya --strict -o strict2.zv photo.jpg missing
ok "--strict: no file" test ! -e strict2.zv
zv-encode -m ziya --partial -o partial.zv cut.jpg 2>errors
is "--partial: taken" "$?:$(keys partial.zv)" "0:T:cut.jpg E:- "
is "--partial: with a remark" "$(cat errors)" "zv-encode: cut.jpg: truncated JPEG"
is "--partial -q: without" "$(zv-encode -q -m ziya --partial -o x.zv cut.jpg 2>&1)" ""
status "--partial --strict: refused" 1 zv-encode -m ziya --partial --strict -o x.zv cut.jpg

status "a device" 1 zv-encode -m ziya -o x.zv /dev/null
long=$(printf '%05000d' 0)
printf 'photo.jpg\n%s\n' "$long" >badlist
zv-encode -m ziya -T badlist 2>errors | cat >badlist.zv
like "a damaged list: said" "$(cat errors)" 'zv-encode: list "badlist": line 2 *'
is "a damaged list: what came before is there, the end is not" "$(keys badlist.zv)" "T:photo.jpg "

### names that cannot be keys
bell=$(printf 'a\007b.jpg'); latin=$(printf 'caf\351.jpg')
cp photo.jpg "$bell"; cp photo.jpg "$latin"
long=$(printf '%01100d' 0 | sed 's/0/a/g')
zv-encode -m ziya -o keys.zv "$bell" "$latin" "./$long" photo.jpg 2>errors
is "names that are no keys fail" $? 1
is "... with one line each" "$(wc -l <errors)" 3
is "... and escaped keys" "$(keys keys.zv | sed 's/aaaa*/A/')" \
	"F:a\\x07b.jpg F:caf\\xE9.jpg F:./A... T:photo.jpg E:- "

### --append
zv-encode -m ziya --append cache.zv photo.jpg
zv-encode -m ziya photo.jpg >once.zv
is "--append makes the file" "$(records cache.zv | grep ^T)" "$(records once.zv | grep ^T)"
ok "... and its index" grep -q "^photo.jpg	vit	" cache.zv.zvi
cp cache.zv first.zv; touch -d 2001-01-01 cache.zv; before=$(ls -li cache.zv)
is "--append: counts" "$(zv-encode -v -m ziya --append cache.zv photo.jpg 2>&1)" \
	"zv-encode: 0 pictures encoded, 0 failed, 1 already there"
is "--append with nothing new leaves the file alone" "$(ls -li cache.zv)" "$before"
zv-encode -m ziya --append cache.zv -T list
is "--append adds what is new" "$(held cache.zv)" "T:photo.jpg T:cat.jpg T:dog.jpg "
ok "... in place, behind what was there" sh -c "head -c $(wc -c <first.zv) cache.zv | cmp -s - first.zv"
cp cat.jpg changed.jpg; zv-encode -m ziya --append cache.zv changed.jpg
cp dog.jpg changed.jpg; zv-encode -m ziya --append cache.zv changed.jpg
is "--append: other bytes under the same name are computed" \
	"$(records cache.zv | grep -c 'changed.jpg')" 2
zv-encode -m ziya --size 28 --append cache.zv photo.jpg
is "--append: another preparation is computed" "$(records cache.zv | grep -c 'photo.jpg')" 2
zv-encode -m ziya --append cache.zv text 2>/dev/null
zv-encode -m ziya --append cache.zv text 2>errors
is "--append: a failure is reported again" "$?:$(cat errors)" \
	"1:zv-encode: text: not a picture (JPEG, PNG, WebP or PNM)"
is "... but recorded once" "$(records cache.zv | grep -c '^F')" 1
cp cache.zv copy.zv
head -c 3000 photo.jpg >late.jpg
zv-encode -m ziya --append late.zv photo.jpg late.jpg text 2>/dev/null
: >late.jpg
zv-encode -m ziya --append late.zv photo.jpg late.jpg 2>/dev/null
is "--append: another reason takes the place of the one before" \
	"$(records late.zv | grep '^F' | cut -f2,8 | sort | tr '\t\n' ':|')" \
	"late.jpg:empty file|text:not a picture (JPEG, PNG, WebP or PNM)|"
cp cat.jpg late.jpg
zv-encode -m ziya --append late.zv late.jpg
is "--append: a picture that failed is tried again; its failure goes, others stay" "$?:$(held late.zv)" \
	"0:T:photo.jpg T:late.jpg F:text "
zv-ls --check late.zv >/dev/null 2>errors
is "... and the file is sound" "$(cat errors)" \
	'zv-ls: late.zv: "text" failed: not a picture (JPEG, PNG, WebP or PNM)'
before=$(ls -li --full-time late.zv)
zv-encode -m ziya --append late.zv late.jpg photo.jpg
is "... and stays alone from now on" "$(ls -li --full-time late.zv)" "$before"
: >late.jpg; zv-encode -m ziya --append late.zv late.jpg 2>/dev/null
cp cat.jpg late.jpg; zv-encode -m ziya --append late.zv late.jpg
is "--append: a failure between two good states goes too" "$(held late.zv)" \
	"T:photo.jpg T:late.jpg F:text "
zv-encode -m ziya --append kept.zv -T badlist 2>/dev/null
is "--append: a damaged list loses nothing" "$?:$(held kept.zv)" "1:T:photo.jpg "
zv-encode -m ziya --append strict3.zv --strict photo.jpg missing cat.jpg 2>/dev/null
is "--append --strict: stops, and keeps what is done" "$?:$(held strict3.zv)" "1:T:photo.jpg "
zv-encode -m ziya --append strict3.zv --strict dog.jpg -T badlist 2>/dev/null
is "--append --strict with a damaged list: so, too" "$?:$(held strict3.zv)" "1:T:photo.jpg T:dog.jpg "
zv-encode -m ziya --append none2.zv -T /dev/null
is "--append of nothing makes an empty file" "$(keys none2.zv)" "E:- "
echo text >damaged.zv; cp damaged.zv copy.zv
status "--append to what is no stream is refused" 1 zv-encode -m ziya --append damaged.zv cat.jpg
same "... which stays as it was" damaged.zv copy.zv
status "--verify and --wait want --append" 2 zv-encode -m ziya --verify -o x.zv cat.jpg
status "--append and -o" 2 zv-encode -m ziya --append a.zv -o b.zv cat.jpg

### --append and signals; a shell's background job ignores SIGINT unless told otherwise
zv-encode -m ziya photo.jpg cat.jpg dog.jpg >fresh.zv
tensors() { records "$1" | grep '^T' | sort; }
number=130
for signal in INT TERM HUP; do
	case $signal in INT) number=130 ;; TERM) number=143 ;; HUP) number=129 ;; esac
	rm -f long.zv names; mkfifo names
	zv-encode -m ziya --append long.zv photo.jpg
	size=$(stat -c %s long.zv)
	env --default-signal=INT,TERM,HUP zv-encode -v -m ziya --append long.zv -T names 2>errors &
	job=$!
	exec 3>names
	printf 'photo.jpg\ncat.jpg\n' >&3
	tries=0
	until [ "$(stat -c %s long.zv)" -gt "$size" ] || [ $tries -ge 100 ]; do sleep 0.1; tries=$((tries + 1)); done
	kill -$signal $job
	# timeout(1) sends its signal twice
	[ $signal = INT ] || kill -$signal $job 2>/dev/null
	wait $job
	is "SIG$signal: dies of it" $? $number
	exec 3>&-
	is "SIG$signal: what was done is there" "$(held long.zv)" "T:photo.jpg T:cat.jpg "
	is "SIG$signal: and counted" "$(cat errors)" "zv-encode: 1 pictures encoded, 0 failed, 1 already there"
	is "SIG$signal: no temporary" "$(find . -name '*.part')" ""
	zv-encode -m ziya --append long.zv -T list
	is "SIG$signal: the next run does the rest" "$(held long.zv)" "T:photo.jpg T:cat.jpg T:dog.jpg "
	is "SIG$signal: records are those of one run" "$(tensors long.zv)" "$(tensors fresh.zv)"
done
mkfifo names2
env --default-signal=INT zv-encode -m ziya --append never.zv -T names2 &
job=$!
exec 3>names2
sleep 0.5
kill -INT $job
wait $job
is "a signal while nothing came: dies of it" "$?:$(keys never.zv)" "130:E:- "
exec 3>&-
cp once.zv twice.zv; zv-index twice.zv
env --default-signal=INT zv-encode -m ziya --size 1792 --append twice.zv photo.jpg cat.jpg &
job=$!
sleep 1; kill -INT $job; sleep 0.5; kill -INT $job 2>/dev/null
wait $job
is "a second SIGINT ends at once" $? 130
is "... and what was there is there" "$(zv-ls -l twice.zv 2>/dev/null | head -n 1)" "$(zv-ls -l once.zv)"
is "... without a temporary" "$(find . -name '*.part')" ""
rm names
env --default-signal=INT zv-encode -m ziya --size 1792 -o whole.zv photo.jpg &
job=$!
sleep 1; kill -INT $job; wait $job
is "without --append the first signal ends at once" "$?:$(ls whole.zv .*.part 2>/dev/null)" "130:"

### preparation
field() { records "$1" | sed -n 1p | cut -f"$2"; }
zv-encode -m ziya --no-orient dog.jpg >lying.zv
zv-encode -m ziya dog.jpg >upright.zv
ok "orientation changes features and maker" test "$(field lying.zv 6,8)" != "$(field upright.zv 6,8)"
mkdir dump; size=$(picture-dump dump dog.jpg | cut -f3)
{ printf 'P6\n%s\n255\n' "$(echo "$size" | tr x ' ')"; cat dump/000001; } >turned.ppm
zv-encode -m ziya --key dog.jpg <turned.ppm >turned.zv
is "the upright pixels as PNM give the same features" "$(field turned.zv 8)" "$(field upright.zv 8)"
make-odd-pictures .
zv-encode -m ziya good-rgba.png >dropped.zv
zv-encode -m ziya --background '#ff8000' good-rgba.png >blended.zv
ok "--background changes features and maker" test "$(field dropped.zv 6,8)" != "$(field blended.zv 6,8)"
zv-encode -m ziya --dtype bf16 photo.jpg >brain.zv
is "--dtype bf16" "$(field brain.zv 4)" E
zv-encode -m ziya --dtype f16 photo.jpg >half.zv
is "--dtype f16" "$(field half.zv 4)" e
zv-encode -m ziya --size 28 photo.jpg >small.zv
is "--size 28: 1 + 2 * 2 tokens" "$(field small.zv 5 | cut -dx -f1)" 5
status "--filter bilinear" 0 zv-encode -m ziya --filter bilinear -o x.zv photo.jpg
status "--max-pixels" 1 zv-encode -m ziya --max-pixels 1000 -o x.zv photo.jpg
status "--max-scans" 1 zv-encode -m ziya --max-scans 2 -o x.zv good-progressive-turned.jpg

### what must not be lost
cp photo.jpg own.jpg
status "-o over one of the pictures" 2 zv-encode -m ziya -o own.jpg cat.jpg own.jpg
same "... which is still there" photo.jpg own.jpg
echo own.jpg >own.list
status "-o over one of the list" 2 zv-encode -m ziya -o own.jpg -T own.list
same "... which is still there, too" photo.jpg own.jpg
zv-encode -m ziya -o shared.zv photo.jpg
mkfifo further
zv-encode -m ziya --append shared.zv -T further &
pid=$!
exec 3>further
echo cat.jpg >&3
sleep 0.5
status "two appends to one file: the second is refused" 2 zv-encode -m ziya --append shared.zv dog.jpg
exec 3>&-
wait $pid
is "... and the first one loses nothing" "$(keys shared.zv | tr ' ' '\n' | grep -c '^T')" 2
status "... after which it can be done" 0 zv-encode -m ziya --append shared.zv dog.jpg
mkfifo fifo.zv
status "--append to a fifo does not wait" 2 timeout 10 zv-encode -m ziya --append fifo.zv dog.jpg

### usage
status "--size that is no multiple of the patch" 2 zv-encode -m ziya --size 30 -o x.zv photo.jpg
status "--background red" 2 zv-encode -m ziya --background red -o x.zv photo.jpg
status "--batch 0" 2 zv-encode -m ziya --batch 0 -o x.zv photo.jpg
status "no such model" 2 zv-encode -m nowhere -o x.zv photo.jpg
zv-encode -m ziya --size 112 -o whole.zv photo.jpg
zv-encode -m ziya --size 112 --fast-decode -o fast.zv photo.jpg
zv-export --raw whole.zv >whole.raw
zv-export --raw fast.zv >fast.raw
ok "--fast-decode changes the features of a large JPEG" sh -c '! cmp -s whole.raw fast.raw'
like "and says so" "$(zv-ls --meta fast.zv)" "*prep=rgb 112x112 * fast-decode*"
cp fast.zv more.zv
zv-encode -v -m ziya --size 112 --append more.zv photo.jpg 2>err
like "so that they are not taken for others" "$(cat err)" "*1 pictures encoded*0 already there*"
djpeg photo.jpg >photo.ppm 2>/dev/null && {
	zv-encode -m ziya --size 112 photo.ppm | zv-export --raw >whole.raw
	zv-encode -m ziya --size 112 --fast-decode photo.ppm | zv-export --raw >fast.raw
	same "--fast-decode is about JPEG alone" whole.raw fast.raw
}
zv-encode -m ziya --size 280 photo.jpg | zv-export --raw >whole.raw
zv-encode -m ziya --size 280 --fast-decode photo.jpg | zv-export --raw >fast.raw
same "and about those of at least four times the size" whole.raw fast.raw
like "--version names the libraries" "$(zv-encode --version | tr '\n' ' ')" '*libjpeg-turbo*libpng*libwebp*'

### latency: the first result is there while the list is still open
mkfifo names
zv-encode -m ziya -T names | cat >flow.zv & # a pipe: files are written in larger pieces
exec 3>names
echo photo.jpg >&3
tries=0
while [ ! -s flow.zv ] && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
ok "the first result flows before the list ends" test -s flow.zv
exec 3>&-
wait
is "... and the end comes after it" "$(keys flow.zv)" "T:photo.jpg E:- "
finish
