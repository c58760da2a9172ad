# zstd.t - the stream's frame layer against frames and inputs that zstd itself is tested with: what
# the zstd of this machine decodes, refuses or once failed to compress.
. "$ZV_TESTS/lib.sh"
need_shared oracles/zstd-golden
golden=$ZV_SHARED/oracles/zstd-golden
command -v zstd >/dev/null 2>&1 || { echo '1..0 # SKIP no zstd to compare with'; exit 0; }

# as_zstd FILE: the same bytes and the same verdict as zstd -dc
as_zstd() {
	name=$(basename "$1")
	zstd -q -dc "$1" >wanted 2>err
	wanted=$?
	frames "$1" >got 2>err
	got=$?
	if [ $wanted -eq 0 ]; then
		is "$name is decoded" "$got" 0
		same "$name: as by zstd" wanted got
		# A pipe brings it in pieces.
		dd bs=7 status=none <"$1" | frames - >got 2>err
		same "$name: in pieces, too" wanted got
	else
		is "$name is refused, as by this zstd" "$got" 1
		like "$name: with a reason" "$(cat err)" "frames: *zstd: *"
	fi
}

taken=0
for file in "$golden"/golden-decompression/*.zst; do
	as_zstd "$file"
	[ $got -ne 0 ] || taken=$((taken + 1))
done
# zeroSeq_2B has its number of sequences, 0, in two bytes: zstd takes that from 1.5.6 on.
ok "the frames that every zstd takes are taken ($taken)" test $taken -ge 3
for name in block-128k:131068 empty-block:0 rle-first-block:1048576; do
	is "${name%:*} holds ${name#*:} bytes" "$(frames "$golden/golden-decompression/${name%:*}.zst" | wc -c)" "${name#*:}"
done
# Early versions of zstd take these, too, without harm; a stream they are not, whatever it decodes.
for file in "$golden"/golden-decompression-errors/* "$golden"/golden-decompression/*; do
	name=$(basename "$file")
	case $file in *-errors/*) as_zstd "$file" ;; esac
	for program in zv-ls zv-cat; do
		$program "$file" >out 2>err
		is "$program refuses $name" "$?" 1
		like "$program says where" "$(cat err)" "$program: *$name: *"
	done
	zv-cat --salvage "$file" >out 2>err
	is "zv-cat --salvage finds nothing in $name" "$?" 1
done

# What once broke compression comes back at every level, by our decoder and by zstd's.
for file in "$golden"/golden-compression/* "$golden"/golden-dictionaries/*; do
	name=$(basename "$file")
	for level in 0 1 2 3 5 9 13 16 19; do
		frames -$level "$file" >frame && frames frame >back 2>err
		if ! cmp -s "$file" back; then fail "$name at level $level comes back" "$(cat err)"
		elif ! zstd -q -dc <frame 2>err | cmp -s "$file" -; then fail "$name at level $level: by zstd" "$(cat err)"
		else pass "$name at level $level comes back, by zstd, too"; fi
	done
done
# The same as payloads of records, through the writer and the reader.
command -v python3 >/dev/null 2>&1 || { skip "as payloads" "no python3 to make .npy files"; finish; }
for file in "$golden"/golden-compression/*; do
	name=$(basename "$file")
	python3 - "$file" input.npy <<'END' || fail "$name.npy is made"
import struct, sys
data = open(sys.argv[1], 'rb').read()
head = ("{'descr': '|u1', 'fortran_order': False, 'shape': (%d,), }" % len(data)).encode()
head += b' ' * (-(len(head) + 11) % 64) + b'\n'
open(sys.argv[2], 'wb').write(b'\x93NUMPY\x01\x00' + struct.pack('<H', len(head)) + head + data)
END
	zv-import --tensor input.npy -o input.zv
	for level in 0 1 3 19; do
		zv-cat --level=$level input.zv -o output.zv && zv-export --raw output.zv >back
		same "$name as a payload at level $level" "$file" back
	done
done
finish
