# zv-search.t - what is found and in which order, filters, what does not fit, damage, near-duplicates,
# gathering; the same at any thread count, batch and memory.
. "$ZV_TESTS/lib.sh"

zvt-make db.zv <<'END'
north	itc	f32	2	0 1
east	itc	f32	2	1 0
south	itc	f32	2	0 -1
west	itc	f32	2	-1 0
pair	itc	f32	2x2	0.5 0.5 0.75 -0.25
also east	itc	f32	2	1 0
END
zvt-make q.zv <<'END'
right	itc	f32	2	1 0
up	itc	f32	2	0 2
END
printf 'right\t1\t1.000000\talso east\nright\t2\t1.000000\teast\nright\t3\t0.750000\tpair\n' >right
printf 'up\t1\t2.000000\tnorth\nup\t2\t1.000000\tpair\nup\t3\t0.000000\talso east\n' >up
cat right up >wanted
zv-search -k 3 db.zv <q.zv >found
same 'the largest product of vectors; of equal scores the first key by bytes' found wanted
zv-search -k 3 -Q q.zv - <db.zv >found
same 'files from standard input, queries from a file' found wanted
zv-search -k 3 -Q q.zv -o out db.zv
same 'into a file' out wanted
is 'JSON' "$(zv-search --json -k 1 -Q q.zv db.zv)" '{"query":"right","rank":1,"score":1,"key":"also east"}
{"query":"up","rank":1,"score":2,"key":"north"}'
is 'a threshold, all of what reaches it' "$(zv-search --threshold 0.75 -Q q.zv db.zv | cut -f 4 | tr '\n' ' ')" \
	'also east east pair north pair '
is 'a threshold and a number' "$(zv-search --threshold 0.75 -k 1 -Q q.zv db.zv | cut -f 4 | tr '\n' ' ')" 'also east north '
is 'lengths do not count with --cosine' "$(zv-search --cosine -k 1 -Q q.zv db.zv | cut -f 3 | tr '\n' ' ')" '1.000000 1.000000 '
is 'an item of several vectors, its lengths neither' \
	"$(zv-search --cosine --only pair -Q q.zv db.zv | cut -f 3 | tr '\n' ' ')" '0.948683 0.707107 '

# filters
is 'keys by pattern' "$(zv-search --only '*east' --only 'n?rth' -Q q.zv db.zv | grep -c .)" 6
is 'and no other' "$(zv-search --only east -Q q.zv db.zv | cut -f 4 | sort -u)" east
printf 'west\nnorth\n' >keys
is 'keys from a list' "$(zv-search -K keys -Q q.zv db.zv | cut -f 4 | tr '\n' ' ')" 'north west north west '
printf 'nowhere\n' >>keys
status 'a key that is not there' 1 zv-search -K keys -Q q.zv db.zv
like 'is told' "$tap_out" '*zv-search: no record has the key "nowhere"*'
status 'no list' 2 zv-search -K nolist -Q q.zv db.zv

# one result a key, one a source
zvt-make twice.zv <<'END'
^one
a	itc	f32	2	0.5 0
^two
b	itc	f32	2	0.75 0
^one
c	itc	f32	2	0.25 0
^two
a	itc	f32	2	1 0
d	itc	f32	2	0.125 0
END
is 'all' "$(zv-search -Q q.zv twice.zv | grep right | cut -f 3,4 | tr '\t\n' ': ')" '1.000000:a 0.750000:b 0.500000:a 0.250000:c 0.125000:d '
is '--unique: a key once' "$(zv-search --unique -Q q.zv twice.zv | grep right | cut -f 3,4 | tr '\t\n' ': ')" '1.000000:a 0.750000:b 0.250000:c 0.125000:d '
is '--unique-source: a picture once' "$(zv-search --unique-source -Q q.zv twice.zv | grep right | cut -f 3,4 | tr '\t\n' ': ')" \
	'1.000000:a 0.500000:a 0.125000:d '
is 'also when it is not among the best at first' "$(zv-search --unique-source -k 2 -Q q.zv twice.zv | grep right | cut -f 3 | tr '\n' ' ')" \
	'1.000000 0.500000 '

# pictures with each other: vectors of the same number, or all
zvt-make pictures.zv <<'END'
one	itc	f32	2x2	1 0 0 1
two	itc	f32	2x2	0 1 1 0
END
is 'two pictures: the mean over vectors of the same number' \
	"$(zv-search -Q pictures.zv pictures.zv | cut -f 1,3,4 | tr '\t\n' ': ')" \
	'one:1.000000:one one:0.000000:two two:1.000000:two two:0.000000:one '
is 'or the largest of all products' "$(zv-search --pictures max -Q pictures.zv pictures.zv | cut -f 3 | sort -u)" 1.000000

# what does not fit
printf 'wide\titc\tf32\t3\t1\nodd\titc\tu8\t2\t1\neast\titc\tf32\t2\t1 0\nnone\titc\tf32\t0\t1\n' | zvt-make odd.zv
status 'vectors of another width, and none' 1 zv-search -n itc -k 1 -Q q.zv odd.zv
like 'are told' "$tap_out" '*zv-search: odd.zv: "wide" has vectors of 3 numbers, where 2 are wanted*'
like 'and the dtype' "$tap_out" '*zv-search: odd.zv: "odd" holds no vectors*'
like 'the rest is found' "$tap_out" '*right?1?1.000000?east*'
printf '@weights=0123456789abcdef0123456789abcdef\nright\titc\tf32\t2\t1 0\n' | zvt-make made.zv
printf '@weights=ffffffffffffffffffffffffffffffff\neast\titc\tf32\t2\t1 0\n' | zvt-make other.zv
status 'vectors of other weights' 1 zv-search -Q made.zv other.zv
like 'are refused' "$tap_out" '*other.zv: "east" was made with the weights ffff*--any-maker*'
is 'but under --any-maker' "$(zv-search --any-maker -Q made.zv other.zv | cut -f 4)" east
is 'undeclared vectors fit' "$(zv-search -k 1 -Q made.zv db.zv | cut -f 4)" 'also east'
printf 'narrow\titc\tf32\t3\t1\n!lost\tno such picture\nright\titc\tf32\t2\t1 0\n' | zvt-make mixed.zv
cat q.zv mixed.zv >all.zv
status 'a query of another width, one that failed' 1 zv-search --json -k 1 -Q all.zv db.zv
like 'the first in its place' "$tap_out" '*{"query":"narrow","error":"has vectors of 3 numbers, the queries before it have 2"}*'
like 'the second too' "$tap_out" '*{"query":"lost","error":"no such picture"}*{"query":"right","rank":1*'
printf '!lost\tno such picture\neast\titc\tf32\t2\t1 0\n' | zvt-make failed.zv
status 'a failed item in a file' 1 zv-search -Q q.zv failed.zv
like 'is counted' "$tap_out" '*1 items failed upstream*'
head -c 300 db.zv >cut.zv
status 'a truncated file' 1 zv-search -k 1 -Q q.zv cut.zv db.zv
like 'is told, the others are searched' "$tap_out" '*zv-search: cut.zv: *also east*'
status 'no file' 1 zv-search -Q q.zv nothing.zv
zvt-make nan.zv <<'END'
nan	itc	f32	2	nan
one	itc	f32	2	0.5
END
is 'what is not a number is never found' "$(zv-search -k 5 -Q q.zv nan.zv | cut -f 4 | sort -u)" one
status 'queries and files from one input' 2 zv-search - <q.zv
status 'nothing to search' 2 zv-search <q.zv
status '--rerank without a model' 2 zv-search --rerank a.zv db.zv
status 'options of different uses' 2 zv-search --dedupe --gather db.zv

# names from lists, shards
zvt-make one.zv <<'END'
one	itc	f32	2	0.25 0
END
printf 'db.zv\none.zv\n' >names
is 'files from a list' "$(zv-search -Q q.zv -k 9 -T names | grep -c one)" 2
is 'also ended by zero bytes' "$(printf 'db.zv\0one.zv\0' | zv-search -0 -Q q.zv -k 9 -T - | grep -c one)" 2
for shard in 1/2 2/2; do zv-search --shard $shard -Q q.zv -k 9 -T names; done >shards
is 'the shards of them, each name in one' "$(grep -c one shards)" 2
printf 'east\0' >keys0
is 'keys ended by zero bytes' "$(zv-search -0 -K keys0 -Q q.zv db.zv | cut -f 4 | sort -u)" east

# larger files: 32 x 8 pictures in several forms
awk 'BEGIN { for (i = 0; i < 1500; i++) printf "p%04d\titc\tf32\t32x8\trandom:%d\n", i, i }' >lines
zvt-make many.zv <lines
zvt-make -b bare.zv <lines
awk 'BEGIN { for (i = 0; i < 40; i++) printf "t%d\titc\tf32\t8\trandom:%d\n", i, 5000 + i }' | zvt-make texts.zv
zv-search -Q texts.zv -k 20 -t 1 many.zv >wanted
is 'many results' "$(wc -l <wanted | tr -d ' ')" 800
for how in '-t 3' '-b 1' '-b 7 --memory 0' '--memory 1M -b 16' '-t 2 -b 1'; do
	# shellcheck disable=SC2086
	zv-search -Q texts.zv -k 20 $how many.zv >found
	same "the same with $how" found wanted
done
for level in ref avx2 avx512; do
	ZV_CPU=$level zv-search -Q texts.zv -k 20 many.zv >found 2>level.out || { skip "kernels $level" "$(cat level.out)"; continue; }
	same "the same bytes with kernels $level" found wanted
done
zv-search -Q texts.zv -k 20 bare.zv >found
same 'bare records' found wanted
zv-cat --limit 700 -o first.zv many.zv
zv-cat --skip 700 --bare -o second.zv many.zv
zv-search -Q texts.zv -k 20 first.zv second.zv >found
same 'several files' found wanted
zv-cat many.zv | zv-search -Q texts.zv -k 20 --memory 0 -b 3 - >found
same 'from a pipe, in one pass' found wanted
ok 'gather' zv-search --gather -o bank.zv many.zv
zv-search -Q texts.zv -k 20 bank.zv >found
same 'a gathered file' found wanted
zv-cat --unstack bank.zv | zv-cmp - many.zv
is 'its rows are the records' $? 0
is 'a stack as queries' "$(zv-search -k 1 -Q bank.zv bank.zv | awk -F '\t' '$1 == $4' | wc -l | tr -d ' ')" 1500
zv-search --gather --dtype bf16 --only 'p00*' -o small.zv many.zv
is 'in bf16, some of it' "$(zv-cat --unstack small.zv | zv-ls | cut -f 3,4 | sort | uniq -c | tr -s ' ')" ' 100 bf16	32x8'
zv-search -Q texts.zv -k 3 --only 'p00*' many.zv | cut -f 1,2,4 >wanted.few
zv-search -Q texts.zv -k 3 small.zv | cut -f 1,2,4 >found
same 'gives the same (8 bits are bf16 exactly)' found wanted.few

# rows of int8: a quarter of the bytes; what is found is what their numbers give
zv-search --gather --dtype int8 -o int8.zv many.zv
is 'gathered in int8' "$(zv-ls int8.zv | cut -f 2,3,4 | head -n 3 | tr '\t\n' ': ')" 'itc:i8:1500x32x8 itc.scale:f32:1500x32 keys:u8:9000 '
zv-search -Q texts.zv -k 20 int8.zv >wanted.int8
zv-search --gather --dtype f32 -o wide.zv int8.zv
zv-search -Q texts.zv -k 20 wide.zv >found
same 'the scores of the numbers that they stand for' found wanted.int8
like 'which differ from the first little' "$(paste wanted found | awk -F '\t' '{ d = $3 - $7; if (d < 0) d = -d; if (d > most) most = d }
	END { print (most > 0 && most < 0.05) ? "little" : most }')" little
for level in ref avx2 avx512; do
	ZV_CPU=$level zv-search -Q texts.zv -k 20 int8.zv >found 2>level.out || { skip "kernels $level" "$(cat level.out)"; continue; }
	same "int8: the same bytes with kernels $level" found wanted.int8
done
zv-search --cosine -Q texts.zv -k 5 int8.zv >wanted.int8
zv-search --cosine -Q texts.zv -k 5 wide.zv >found
same 'int8 with --cosine' found wanted.int8
printf 'a\titc+\ti8\t2\t100 50\na\titc.scale\tf32\tscalar\t0.01\nb\tother+\ti8\t2\t1\nb\titc\tf32\t2\t0.25 1\n' | zvt-make rows.zv
is 'a record of int8, and int8 of another use' "$(zv-search -Q q.zv rows.zv | cut -f 1,3,4 | head -n 2 | tr '\t\n' ': ')" \
	'right:1.000000:a right:0.250000:b '
is 'as queries' "$(zv-search -k 1 -Q rows.zv db.zv | cut -f 1,3,4 | tr '\t\n' ': ')" 'a:1.000000:also east b:1.000000:north '
printf 'a\titc+\ti8\t2\t100 50\na\titc.scale\tf32\tscalar\tnan\n' | zvt-make rows.zv
status 'a scale that is no number' 1 zv-search -Q q.zv rows.zv
like 'is told' "$tap_out" '*rows.zv: "a": the scale of row 1 is nan*'

# a damaged payload in a stack and in a record: an error, never a result
cp bank.zv bad.zv
printf 'x' | dd of=bad.zv bs=1 seek=5000 conv=notrunc 2>/dev/null
status 'a damaged stack' 1 zv-search -Q texts.zv bad.zv
like 'is told' "$tap_out" '*bad.zv: checksum of the payload of a stack of*'
is 'and nothing of it found' "$(zv-search -q -k 100 -Q texts.zv bad.zv 2>/dev/null | wc -l | tr -d ' ')" 0
awk 'BEGIN { for (i = 0; i < 3; i++) printf "big%d\titc\tf32\t512x8\trandom:%d\n", i, i }' | zvt-make -b big.zv
cp big.zv bad.zv
printf 'x' | dd of=bad.zv bs=1 seek=20000 conv=notrunc 2>/dev/null
status 'a damaged bare record' 1 zv-search -k 9 -Q texts.zv bad.zv
like 'is told' "$tap_out" '*bad.zv: checksum of the payload of "big1" is wrong*'
is 'the others are found' "$(zv-search -k 9 -Q texts.zv bad.zv 2>/dev/null | cut -f 4 | sort -u | tr '\n' ' ')" 'big0 big2 '

# stacks that are none
printf 's\titc+\tf32\t2x2\t1 0\ns\tkeys\tu8\t4\t97 10 10 98\n' | zvt-make -b stack.zv
status 'a stack with wrong keys' 1 zv-search -Q q.zv stack.zv
like 'is told' "$tap_out" '*a stack of 2 rows has other keys than one for each*'
printf 's\titc+\tf32\t2x2\t1 0\ns\tkeys+\tu8\t4\t97 10 98 10\ns\tsources\tu8\t16\t0\n' | zvt-make stack.zv
status 'a stack with a source too few' 1 zv-search -Q q.zv stack.zv
like 'is told' "$tap_out" '*"s" has not one source for each row*'

# near-duplicates: components, in the order of the files
zvt-make near.zv <<'END'
a	itc	f32	2	1 0
z	itc	f32	2	0 1
b	itc	f32	2	0.8 0.6
y	itc	f32	2	0 1
c	itc	f32	2	0.28 0.96
alone	itc	f32	2	-1 0
END
is 'groups of near-duplicates' "$(zv-search --dedupe --threshold 0.99 near.zv | tr '\t\n' ': ')" '1:1:1.000000:z 1:2:1.000000:y '
is 'each a neighbour of the next' "$(zv-search --dedupe --threshold 0.79 near.zv | cut -f 1,4 | tr '\t\n' ': ')" '1:a 1:z 1:b 1:y 1:c '
is 'two groups' "$(zv-search --dedupe --threshold 0.9 near.zv | cut -f 1,2,4 | tr '\t\n' ': ')" '1:1:z 1:2:y 1:3:c '
is 'as JSON' "$(zv-search --dedupe --json --threshold 0.99 near.zv | head -n 1)" '{"group":1,"number":1,"score":1,"key":"z"}'
is 'from standard input' "$(zv-search --dedupe --threshold 0.99 <near.zv | wc -l | tr -d ' ')" 2
cat many.zv bare.zv >double.zv
zv-search --dedupe double.zv >groups
is 'every picture twice' "$(cut -f 1 groups | uniq -c | awk '$1 == 2' | wc -l | tr -d ' ')" 1500
zv-search --dedupe -b 100 --memory 0 -t 3 double.zv >found
same 'the same in other batches, read again for each' found groups
finish
