# zv-ls.t - listings, checks, damage, standard input
. "$ZV_TESTS/lib.sh"

zvt-make small.zv <<'END'
@zv=1
@stage=encode 1
^source bytes
a.jpg	vit	f32	2x3	1 2 3
!b.jpg	is no picture
c.jpg	prompt+	bf16	2x2	random:1
c.jpg	question	u8	-	text:what is it?
END
zvt-make one.zv <<'END'
a	x	f32	scalar	1
END
zvt-make empty.zv </dev/null

is 'lines' "$(zv-ls small.zv)" "$(printf 'a.jpg\tvit\tf32\t2x3\t24\nb.jpg\t\tfailed\t-\tis no picture\nc.jpg\tprompt\tbf16\t2x2\t8\nc.jpg\tquestion\tu8\t11\t11')"
status 'a failed item raises the status' 1 zv-ls small.zv
status 'nothing failed' 0 zv-ls one.zv
is 'from standard input' "$(zv-ls <one.zv)" "$(printf 'a\tx\tf32\tscalar\t4')"
is 'from a pipe, - is standard input' "$(zstd -dc one.zv | zv-ls -)" "$(printf 'a\tx\tf32\tscalar\t4')"
is 'several files' "$(zv-ls one.zv one.zv | wc -l | tr -d ' ')" 2
is 'names from a list' "$(printf 'one.zv\none.zv\n' | zv-ls -T - | wc -l | tr -d ' ')" 2
is 'keys, one a sample, without failures' "$(zv-ls --keys small.zv)" "$(printf 'a.jpg\nc.jpg')"
maker=$(printf 'zv=1\nstage=encode 1\n' | b2sum -l 128 | cut -c 1-32)
origin=$(printf 'source bytes' | b2sum -l 128 | cut -c 1-32)
is 'long: maker and source are what b2sum says' "$(zv-ls -l small.zv | head -n 1 | cut -f 6,7)" "$maker	$origin"
is 'meta' "$(zv-ls --meta small.zv | sed -n '2,3p')" "$(printf '\tzv=1\n\tstage=encode 1')"
ok 'json is JSON' python3 -c '
import json, subprocess
lines = subprocess.run(["zv-ls", "--json", "small.zv"], stdout=subprocess.PIPE).stdout.decode().splitlines()
records = [json.loads(line) for line in lines]
assert [r["key"] for r in records] == ["a.jpg", "b.jpg", "c.jpg", "c.jpg"]
assert records[0]["shape"] == [2, 3] and records[1]["failed"] == "is no picture"
assert records[2]["more"] and not records[3]["more"]
assert records[0]["meta"] == "zv=1\nstage=encode 1\n"'

is 'check: a summary' "$(zv-ls --check one.zv)" '1 tensors, 0 failed, 4 bytes, whole'
is 'check: nothing in it is whole too' "$(zv-ls --check empty.zv)" '0 tensors, 0 failed, 0 bytes, whole'
is 'check: several files are named' "$(zv-ls --check one.zv empty.zv | head -n 1)" 'one.zv: 1 tensors, 0 failed, 4 bytes, whole'
like 'check: the failure is told' "$(zv-ls --check small.zv 2>&1)" '*small.zv: "b.jpg" failed: is no picture*3 tensors, 1 failed, 56 bytes, whole*'
like 'verbose: the summary on standard error' "$(zv-ls -v one.zv 2>&1 >/dev/null)" 'zv-ls: one.zv: 1 tensors,*whole'

# values that are not finite, in each floating-point dtype
for dtype in f32 f16 bf16 f64; do
	printf 'k\tx\t%s\t4\t1 nan inf 2\n' $dtype | zvt-make bad.zv
	status "check: $dtype that is not finite" 1 zv-ls --check bad.zv
	like "check: counted in $dtype" "$(zv-ls --check bad.zv 2>&1)" '*"k" x: 2 values are not finite*'
done

# damage
head -c 40 one.zv >cut.zv
status 'a cut stream' 1 zv-ls cut.zv
like 'a cut stream: the message' "$(zv-ls cut.zv 2>&1)" 'zv-ls: cut.zv: byte 0: *cut off'
zvt-make -l 0 stored.zv <<'END'
cats/7.jpg	x	u8	64	0
END
zvt-make -b bare.zv <<'END'
cats/7.jpg	x	u8	64	0
END
head -c 192 bare.zv >cut.zv
is 'a cut between records' "$(zv-ls cut.zv 2>&1 >/dev/null)" 'zv-ls: cut.zv: truncated stream (no end record after "cats/7.jpg")'
: >nothing
is 'empty input' "$(zv-ls nothing 2>&1)" 'zv-ls: nothing: truncated stream (no end record)'
echo text >text
is 'something else' "$(zv-ls text 2>&1)" 'zv-ls: text: byte 0: not a zv stream'
status 'a file that is absent' 1 zv-ls absent.zv
status 'a directory' 1 zv-ls .
{ head -c 150 bare.zv; printf x; tail -c +152 bare.zv; } >flipped.zv
status 'listing a file of bare records reads headers only' 0 zv-ls flipped.zv
like 'check sees the payload' "$(zv-ls --check flipped.zv 2>&1)" '*checksum of the payload is wrong*1 tensors,*damaged'
is 'the other files are listed all the same' "$(zv-ls text one.zv 2>/dev/null)" "$(printf 'a\tx\tf32\tscalar\t4')"

# stock zstd
ok 'zstd -t takes compressed frames' zstd -qt small.zv
ok 'zstd -t takes stored frames' zstd -qt stored.zv
cat small.zv one.zv small.zv >three.zv
is 'joined streams' "$(zv-ls three.zv | wc -l | tr -d ' ')" 9
zstd -qdc three.zv | zstd -q -19 >again.zv
is 'recompressed as one frame by zstd' "$(zv-ls again.zv)" "$(zv-ls three.zv)"
zstd -qdc three.zv >plain.zv
is 'decompressed by zstd' "$(zv-ls plain.zv)" "$(zv-ls three.zv)"
zvt-make -l 0 large.zv <<'END'
k	x	f32	3000x1000	random:1
END
ok 'zstd -t takes a large stored frame' zstd -qt large.zv
is 'and it is whole' "$(zv-ls --check large.zv)" '1 tensors, 0 failed, 12.0 MB, whole'
status 'a window above 8 MiB is refused' 1 sh -c 'zstd -qdc large.zv | zstd -q -1 --long=27 --no-check | zv-ls'
status 'above --max-record' 1 zv-ls --check --max-record 1M large.zv

status 'options that exclude each other' 2 zv-ls --keys --check one.zv
status 'an unknown option' 2 zv-ls --unknown
status 'a full disk' 2 sh -c 'zv-ls one.zv >/dev/full'
finish
