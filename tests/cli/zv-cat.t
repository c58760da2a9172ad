# zv-cat.t - joining, selecting, splitting, stacking, salvage
. "$ZV_TESTS/lib.sh"

zvt-make a.zv <<'END'
@zv=1
@stage=encode 1
^one
1.jpg	vit	f32	2x3	1 2 3
^two
2.jpg	vit	f32	2x3	random:2
3.jpg	vit	f32	2x3	random:3
END
zvt-make b.zv <<'END'
4.jpg	prompt+	bf16	2x2	random:4
4.jpg	question	u8	-	text:what is it?
!5.jpg	is no picture
6.jpg	prompt	bf16	2x2	random:6
1.jpg	vit	f32	2x3	9
END
records() { zv-ls "$@" 2>/dev/null | cut -f 1,2; }

# joining
zv-cat a.zv -o copy.zv
same 'a copy has the same bytes' copy.zv a.zv
zv-cat a.zv >copy.zv
same 'on standard output too' copy.zv a.zv
zv-cat <a.zv >copy.zv
same 'from standard input too' copy.zv a.zv
zv-cat a.zv b.zv >ab.zv
is 'status 1 for a failed item' $? 1
is 'all records, in order' "$(records ab.zv)" "$(records a.zv b.zv)"
cat a.zv b.zv | zv-cat >joined.zv
same 'joined by cat or by zv-cat' joined.zv ab.zv
is 'one end record' "$(zstd -dcq ab.zv | grep -ac 'ZVT1EQ')" 1
status 'nothing failed in it' 0 zv-cat a.zv -o copy.zv
zv-cat a.zv b.zv --no-failed -o whole.zv
is '--no-failed' $? 0
is '--no-failed drops failures only' "$(records whole.zv | wc -l | tr -d ' ')" 7

# levels
for level in 0 1 19; do
	ok "--level $level" zv-cat --level $level a.zv -o level.zv
	ok "--level $level: stock zstd takes it" zstd -qt level.zv
	zv-cat level.zv >copy.zv
	same "--level $level and back" copy.zv a.zv
done
ok '--bare' zv-cat --bare a.zv -o bare.zv
is '--bare: a record begins the file' "$(head -c 4 bare.zv)" ZVT1
zstd -dcq a.zv >plain
same '--bare: what zstd -dc gives' bare.zv plain
zv-cat bare.zv >copy.zv
same '--bare and back' copy.zv a.zv
zv-cat --bare a.zv | cat >copy.zv
same '--bare through a pipe' copy.zv bare.zv

# selecting
is '-k' "$(zv-cat -k 2.jpg ab.zv | records)" "$(printf '2.jpg\tvit')"
is '-k takes all of a key' "$(zv-cat -k 1.jpg ab.zv | records | wc -l | tr -d ' ')" 2
is '-k keeps samples together' "$(zv-cat -k 4.jpg ab.zv | records)" "$(printf '4.jpg\tprompt\n4.jpg\tquestion')"
printf '3.jpg\n1.jpg\n' >keys
is '-K' "$(zv-cat -K keys a.zv | records)" "$(printf '1.jpg\tvit\n3.jpg\tvit')"
is '-K from standard input' "$(zv-cat -K - a.zv <keys | records)" "$(printf '1.jpg\tvit\n3.jpg\tvit')"
status '-K of a line that never ends' 2 timeout 10 zv-cat -K /dev/zero a.zv -o none.zv
status 'a key that is not there' 1 zv-cat -k absent a.zv -o none.zv
like 'is named' "$(zv-cat -k absent a.zv -o none.zv 2>&1)" 'zv-cat: no record has the key "absent"'
is 'a failed item is selected by key' "$(zv-cat -k 5.jpg ab.zv | zv-ls 2>/dev/null | cut -f 5)" 'is no picture'
is '-n' "$(zv-cat -n question ab.zv 2>/dev/null | records)" "$(printf '4.jpg\tquestion\n5.jpg\t')"
is '-n leaves no promise of more parts' "$(zv-cat -n prompt -k 4.jpg ab.zv | zv-ls --json | grep -c '"more":false')" 1
is '-n twice' "$(zv-cat -n prompt -n question -k 4.jpg ab.zv | records | wc -l | tr -d ' ')" 2
is '--skip' "$(zv-cat --skip 2 a.zv | records)" "$(printf '3.jpg\tvit')"
is '--limit' "$(zv-cat --limit 2 ab.zv | records)" "$(printf '1.jpg\tvit\n2.jpg\tvit')"
is '--limit counts samples' "$(zv-cat --skip 3 --limit 1 ab.zv | records | wc -l | tr -d ' ')" 2
is '--limit 0' "$(zv-cat --limit 0 a.zv | zv-ls --check)" '0 tensors, 0 failed, 0 bytes, whole'

# splitting
ok '--split' zv-cat --split 2 -o part a.zv
is '--split: the files' "$(echo part*)" 'part-00001.zv part-00002.zv'
zv-cat part-0000?.zv >copy.zv
same '--split and join' copy.zv a.zv
mkdir -p held/part-00002.zv
like '--split: the message names the part' "$(zv-cat --split 2 -o held/part a.zv 2>&1)" 'zv-cat: held/part-00002.zv: *'
head -c $(($(wc -c <a.zv) - 1)) a.zv >cut-a.zv
status '--split: a damaged input' 1 zv-cat --split 2 -o some a.zv cut-a.zv
is '--split: the parts before it stay' "$(echo some-*)" 'some-00001.zv some-00002.zv'
status '--split without -o' 2 zv-cat --split 2 a.zv

# stacking
ok '--stack' zv-cat --stack a.zv -o stack.zv
is '--stack: one matrix and its keys' "$(zv-ls stack.zv)" "$(printf 'stack\tvit\tf32\t3x2x3\t72\nstack\tkeys\tu8\t18\t18\nstack\tsources\tu8\t3x16\t48')"
zv-cat --unstack stack.zv >copy.zv
same '--unstack gives the same bytes back' copy.zv a.zv
is '--stack-key' "$(zv-cat --stack --stack-key all a.zv | zv-ls --keys)" all
is 'nothing to stack' "$(zv-cat --stack --limit 0 a.zv | zv-ls --check)" '0 tensors, 0 failed, 0 bytes, whole'
status '--stack of other shapes' 1 zv-cat --stack -n prompt -n vit ab.zv -o mixed.zv
like '--stack of other makers' "$(zv-cat --stack -n vit a.zv b.zv 2>&1 >/dev/null)" '*"1.jpg" has another maker than the rows before it*'
ok '--stack of other makers by --any-maker' sh -c 'zv-cat --no-failed -n vit a.zv b.zv | zv-cat --stack --any-maker -o any.zv'
status '--stack of several parts' 1 zv-cat --stack -k 4.jpg b.zv -o parts.zv
is 'which become a failed item' "$(zv-ls parts.zv | cut -f 3)" failed
status '--strict: no file' 1 zv-cat --strict --stack -k 4.jpg b.zv -o strict.zv
ok '--strict: none at all' test ! -e strict.zv
status '--unstack of what is no stack' 1 zv-cat --unstack a.zv -o rows.zv
printf 'k\tx+\tf32\t2\t1\nk\tkeys\tu8\t-\ttext:a\n' | zvt-make lie.zv
status '--unstack with too few keys' 1 zv-cat --unstack lie.zv -o rows.zv
status '--stack larger than --max-record' 1 zv-cat --max-record 40 --stack a.zv -o big.zv

# damage
size=$(wc -c <ab.zv)
head -c $((size - 1)) ab.zv >cut.zv
status 'a truncated stream' 1 zv-cat cut.zv -o out.zv
ok 'leaves no file' test ! -e out.zv
zv-cat cut.zv 2>/dev/null >out.zv
like 'on standard output it has no end either' "$(zv-ls out.zv 2>&1 >/dev/null)" '*truncated stream*'
rm out.zv
status '--salvage says so by its status' 1 zv-cat --salvage cut.zv -o out.zv
like '--salvage: the message' "$(zv-cat --salvage cut.zv 2>&1 -o out.zv)" '*zv-cat: cut.zv: * damaged bytes were passed over*'
is '--salvage: all records are there' "$(records out.zv)" "$(records ab.zv)"
like '--salvage: and the result is whole' "$(zv-ls --check out.zv 2>/dev/null)" '*whole'
zstd -dcq ab.zv >plain.zv
for file in ab.zv plain.zv; do
	size=$(wc -c <$file)
	for at in 5 200 500 700; do
		{ head -c $at $file; printf '\377\377'; tail -c +$((at + 3)) $file; } >flipped.zv
		[ "$(wc -c <flipped.zv)" -eq "$size" ] || fail 'test is right'
		zv-cat --salvage flipped.zv -o out.zv 2>/dev/null
		count=$(records out.zv | wc -l | tr -d ' ')
		case $count in
		6 | 7) pass "--salvage: $file damaged at $at loses one sample at most" ;;
		*) fail "--salvage: $file damaged at $at" "$count records" ;;
		esac
	done
done
ok '--salvage of a whole file' zv-cat --salvage a.zv -o out.zv
same '--salvage of a whole file is a copy' out.zv a.zv
status 'a file that is absent' 1 zv-cat absent.zv -o out2.zv
status 'something else' 1 sh -c 'echo text | zv-cat >out2.zv'

# pipes
is 'a full disk gives one line' "$(zv-cat a.zv 2>&1 >/dev/full | wc -l | tr -d ' ')" 1
mkfifo fifo
head -c 1 <fifo >/dev/null &
yes a.zv | head -n 3000 | zv-cat -T - >fifo 2>err
like 'a reader that goes away: SIGPIPE or done' $? '141'
is 'a reader that goes away: no message' "$(cat err)" ''
wait
status 'a full disk' 2 sh -c 'zv-cat a.zv >/dev/full'

# nothing partial survives a kill
zvt-make -l 0 large.zv <<'END'
k	x	f32	3000x1000	random:1
END
cp a.zv out.zv
{ cat large.zv; sleep 3; } | zv-cat --level 0 -o out.zv &
pid=$!
sleep 1
kill -9 $pid
wait $pid 2>/dev/null
same 'kill -9: the old file is untouched' out.zv a.zv
finish
