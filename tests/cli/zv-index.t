# zv-index.t - the text it writes, what it refuses, look-up through it
. "$ZV_TESTS/lib.sh"

zvt-make a.zv <<'END'
b.jpg	vit	f32	2x3	1 2 3
a.jpg	prompt+	bf16	2x2	random:1
a.jpg	question	u8	-	text:what is it?
!c.jpg	is no picture
b.jpg	vit	f32	2x3	4 5 6
END
ok 'an index is made' zv-index a.zv
like 'its first line' "$(head -n 1 a.zv.zvi)" "#zvi 2 $(wc -c <a.zv | tr -d ' ') 5 ????????????????"
tail -n +2 a.zv.zvi >lines
LC_ALL=C sort lines >sorted
same 'entries are sorted by bytes' lines sorted
is 'keys and names' "$(cut -f 1,2,6,7 lines)" "$(printf 'a.jpg\tprompt\tE\t2x2\na.jpg\tquestion\tB\t11\nb.jpg\tvit\tf\t2x3\nb.jpg\tvit\tf\t2x3\nc.jpg\t\tB\t13')"
offset=$(sed -n 's/^a.jpg.prompt.//p' lines | cut -f 1)
length=$(sed -n 's/^a.jpg.prompt.//p' lines | cut -f 2)
is 'offset and length lead to a frame' "$(tail -c +$((offset + 1)) a.zv | head -c "$length" | zstd -dcq | head -c 4)" ZVT1

for key in a.jpg b.jpg c.jpg; do
	zv-cat -k $key <a.zv >read.zv
	zv-cat -k $key a.zv >found.zv
	same "zv-cat -k $key: the index gives what reading gives" found.zv read.zv
done
zv-cat -k b.jpg -k a.jpg <a.zv >read.zv
zv-cat -k b.jpg -k a.jpg a.zv >found.zv
same 'several keys come in the order of the file' found.zv read.zv

# many records in one frame
zstd -dcq a.zv | zstd -q >frame.zv
ok 'one frame is indexed' zv-index frame.zv
zv-cat -k a.jpg frame.zv >found.zv
zv-cat -k a.jpg <a.zv >read.zv
same 'records within a frame are found' found.zv read.zv
zstd -dcq a.zv >bare.zv
zv-index bare.zv
zv-cat -k a.jpg bare.zv >found.zv
same 'bare records are found' found.zv read.zv

# a stale or hostile index costs time or an error, never a wrong tensor
cat a.zv a.zv >grown.zv
cp a.zv.zvi grown.zv.zvi
zv-cat -k a.jpg grown.zv >found.zv
zv-cat -k a.jpg <grown.zv >read.zv
same 'an index of another size is not used' found.zv read.zv

# an honest index of a file that was written anew, in the same size
printf 'a\tq\tf32\t4\t1\nb\tq\tf32\t4\t2\n' | zvt-make -b rewritten.zv
zv-index rewritten.zv
cp rewritten.zv before.zv
printf 'a\tq\tf32\t4\t3\na\tq\tf32\t4\t4\n' | zvt-make -b rewritten.zv
is 'a file rewritten in the same size: the sizes' "$(wc -c <rewritten.zv)" "$(wc -c <before.zv)"
zv-cat -k a <rewritten.zv >read.zv
zv-cat -k a rewritten.zv >found.zv
same 'both its records are found' found.zv read.zv

# entries that are left out, come twice, or are not those of the file
zv-cat -k b.jpg <a.zv >read.zv
cp a.zv wrong.zv
for change in 'NR != 4' 'NR == 1' '{ print } NR > 1' 'NR == 1 || !/^b/'; do
	awk "$change" a.zv.zvi >wrong.zv.zvi
	zv-cat -k b.jpg wrong.zv >found.zv
	same "an index changed by $change is not used" found.zv read.zv
done
printf '#zvi 2 %s 4 %s\n' "$(wc -c <a.zv | tr -d ' ')" "$(head -n 1 a.zv.zvi | cut -d ' ' -f 5)" >wrong.zv.zvi
sed '$d' lines >>wrong.zv.zvi
zv-cat -k c.jpg <a.zv >read.zv 2>/dev/null
zv-cat -k c.jpg wrong.zv >found.zv 2>/dev/null
same 'nor one whose count fits, but not the end record' found.zv read.zv

# FILE and FILE.zvi that block
rm -f wrong.zv.zvi; mkfifo wrong.zv.zvi
status 'an index that is a FIFO does not block' 0 timeout 10 zv-cat -k b.jpg wrong.zv
rm wrong.zv.zvi

# records that joined streams and appending leave: several end records
cat a.zv frame.zv a.zv >joined.zv
zv-index joined.zv
zv-cat -k b.jpg <joined.zv >read.zv
zv-cat -k b.jpg joined.zv >found.zv
same 'joined streams' found.zv read.zv

{ head -n 1 a.zv.zvi; sed 's/^a.jpg/x.jpg/' lines | LC_ALL=C sort; } >wrong.zv.zvi
status 'an entry with another key' 1 zv-cat -k x.jpg wrong.zv
like 'the message' "$(zv-cat -k x.jpg wrong.zv 2>&1 >/dev/null)" '*wrong.zv: index leads to "a.jpg"; run zv-index*'
{ head -n 1 a.zv.zvi; sed '3s/.*/b.jpg\tvit\t3\t90\t0\tf\t2x3\t0\t-\t-/' lines; } >wrong.zv.zvi
status 'an entry into the middle of a frame' 1 zv-cat -k b.jpg wrong.zv
zv-cat -k b.jpg <a.zv >read.zv
for entry in 'b.jpg\tvit\t18446744073709551615\t9\t0\tf\t2x3\t0\t-\t-' 'b.jpg\tvit\t3'; do
	{ head -n 1 a.zv.zvi; sed "3s/.*/$entry/" lines; } >wrong.zv.zvi
	zv-cat -k b.jpg wrong.zv >found.zv
	same "an index with the entry $entry is not used" found.zv read.zv
done

# refusals
head -c 200 a.zv >cut.zv
status 'a truncated file' 1 zv-index cut.zv
ok 'leaves no index' test ! -e cut.zv.zvi
{ head -c 60 a.zv; printf x; tail -c +62 a.zv; } >flipped.zv
status 'a damaged file' 1 zv-index flipped.zv
status 'standard input' 1 sh -c 'zv-index - <a.zv'
status 'no file' 2 zv-index
is '-v counts the files' "$(zv-index -v a.zv a.zv 2>&1)" 'zv-index: 2 files indexed, 0 failed'
cp a.zv before.zv; zv-index before.zv; cp before.zv.zvi before; zv-index before.zv
same 'the same file, the same index' before before.zv.zvi

# many files as one table
zv-index --view a.zv before.zv >view
is '--view: the lines of all' "$(wc -l <view)" "$(($(wc -l <a.zv.zvi) + $(wc -l <before.zv.zvi) - 2))"
cut -f 1-10 view >table
LC_ALL=C sort table >sorted
same '... sorted' table sorted
is '... with the file behind each' "$(grep '^c.jpg' view | cut -f 11 | tr '\n' ' ')" 'a.zv before.zv '
rm -f before.zv.zvi
ok 'a file without an index gets one' zv-index --view -o view2 a.zv before.zv
same '... and the table is the same' view view2
status '--view of a damaged file' 1 zv-index --view -o view3 a.zv flipped.zv
ok '... writes no FILE' test ! -e view3
status '-o without --view' 2 zv-index -o view3 a.zv
is 'no temporary is left' "$(find . -name '*part*')" ''
finish
