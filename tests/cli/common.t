# common.t - options that are spelt the same in several programs do the same in all of them:
# --strict, -T, -0, --shard, --json; and the progress line.
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
fixture_make || fail "the example files are made"
escape=$(printf '\033')

# Five inputs of each kind, with other keys and other bytes: p1.jpg.., v1.zv.., s1.zv.., t1...
for i in 1 2 3 4 5; do
	cp photo.jpg p$i.jpg
	printf '%s' $i >>p$i.jpg
	zv-encode -q -m ziya -o v$i.zv p$i.jpg && zv-qformer -q -m ziya -o s$i.zv v$i.zv || fail "streams are made"
	printf 'a text with number %s\n' $i >t$i
done
printf 'GIF89a and so on, this is no stream at all, whatever its name says' >bad.zv
printf 'no picture\n' >bad.jpg
printf 'bad \377 bytes\n' >bad

# names_of PROGRAM: sets name (with I for the number) and bad
names_of() {
	bad=bad.zv
	case $1 in
	zv-encode) name=pI.jpg bad=bad.jpg ;;
	zv-generate) name=sI.zv ;;
	zv-tokenize) name=tI bad=bad ;;
	*) name=vI.zv ;;
	esac
}
name_at() { echo "$name" | sed "s/I/$1/"; }

# run_on ARGUMENT...: the program on these names; what it makes of them goes to "made", a line an
# item: lines of zv-ls, of text (which end with a zero byte under -0), or the index files that appeared.
run_on() {
	rm -f ./*.zvi
	# Through a pipe: what goes to a file is gathered, and dropped when the program gives up.
	# shellcheck disable=SC2086
	{ "$program" $filter "$@" 2>err </dev/null; echo $? >got; } | cat >made.raw
	read -r got <got
	case $program in
	zv-index) ls ./*.zvi >made 2>/dev/null ;;
	*) if [ "$gives" = tensors ]; then zv-ls made.raw >made 2>ls.err; else tr '\000' '\n' <made.raw >made; fi ;;
	esac
}

for program in $(programs); do
	example "$program" || continue
	[ "$program" != zv-index ] || filter=' '
	[ -n "$filter" ] || continue
	knows "$program" --shard || continue
	# What it writes is of all names together, ranks among them: see zv-search.t.
	[ "$program" != zv-search ] || continue
	names_of "$program"
	all=$(for i in 1 2 3 4 5; do name_at $i; done)
	# shellcheck disable=SC2086
	run_on $all
	is "$program of five names: exit 0" "$got" 0
	sort made >wanted
	# Under -0 texts end with a zero byte, too, so that other ids may come of them.
	# shellcheck disable=SC2086
	run_on -0 $all
	sort made >wanted0
	ok "$program -0: the same number of items" test "$(wc -l <wanted0)" -eq "$(wc -l <wanted)"
	ok "$program: each makes something of its own" test "$(sort -u wanted | wc -l)" -ge 5
	printf '%s\n' "$all" >names
	printf '%s\n' "$all" | tr '\n' '\0' >names0
	for list in '-T names' '-0 -T names0' '--files-from=names' '--null --files-from names0'; do
		# shellcheck disable=SC2086
		run_on $list
		sort made >sorted
		case $list in *-0* | *--null*) wants=wanted0 ;; *) wants=wanted ;; esac
		same "$program $list: every name once" $wants sorted
	done
	for shards in 1 2 3 7; do
		for list in "$all" '-T names' '-0 -T names0'; do
			: >pieces
			worst=0
			for i in $(seq $shards); do
				# shellcheck disable=SC2086
				run_on --shard $i/$shards $list
				cat made >>pieces
				# No name at all for this shard: nothing is made, whatever the status is.
				[ "$i" -gt 5 ] || [ "$got" -le "$worst" ] || worst=$got
			done
			sort pieces >sorted
			case $list in -0*) wants=wanted0 ;; *) wants=wanted ;; esac
			same "$program: $shards shards of $(printf %.9s "$list" | tr '\n' ' ')... hold every name once" $wants sorted
			is "$program: and each shard ends well" "$worst" 0
		done
	done
	run_on -T absent
	is "$program -T absent: exit 2" "$got" 2
	is "$program -T absent: one line" "$(wc -l <err | tr -d ' ')" 1
done

for program in $(programs); do
	example "$program" || continue
	[ "$program" != zv-index ] || filter=' '
	[ -n "$filter" ] || continue
	knows "$program" --strict || continue
	names_of "$program"
	one=$(name_at 1) two=$(name_at 2)
	run_on "$one"
	cp made first
	run_on "$one" "$bad" "$two"
	is "$program with a bad input: exit 1" "$got" 1
	like "$program: it is named" "$(cat err)" "$program: $bad: *"
	is "$program: in one line" "$(wc -l <err | tr -d ' ')" 1
	run_on --strict "$one" "$bad" "$two"
	is "$program --strict: exit 1" "$got" 1
	like "$program --strict: it is named" "$(cat err)" "$program: $bad: *"
	is "$program --strict: in one line" "$(wc -l <err | tr -d ' ')" 1
	same "$program --strict: what came before it is there, what comes behind it is not" first made
	if [ "$gives" = tensors ]; then
		like "$program --strict: no end record" "$(cat ls.err)" "*truncated stream*"
	fi
	if knows "$program" -o; then
		rm -f out
		[ "$program" != zv-index ] || filter=--view # without it nothing but indexes is written
		# shellcheck disable=SC2086
		status "$program --strict -o: exit 1" 1 "$program" $filter --strict -o out "$one" "$bad" "$two"
		ok "$program --strict -o: no file" test ! -e out
	fi
	# A failed item from upstream is one, too.
	case $takes in stream) ;; *) continue ;; esac
	[ "$program" != zv-index ] || continue
	zv-encode -q -m ziya p1.jpg absent.jpg p2.jpg >failed.zv 2>/dev/null
	[ "$program" != zv-generate ] || { zv-qformer -q -m ziya failed.zv >f.zv 2>/dev/null; mv f.zv failed.zv; }
	run_on failed.zv
	is "$program passes a failed item by: exit 1" "$got" 1
	ok "$program: and goes on" test "$(wc -l <made)" -gt "$(wc -l <first)"
done

# Every line of --json is an object of JSON, whatever the keys are.
if command -v python3 >/dev/null 2>&1; then
	# shellcheck disable=SC1003
	odd='a "b" \c 中 <d>.jpg'
	cp photo.jpg "$odd"
	zv-encode -q -m ziya -o odd.zv "$odd" photo.jpg
	zv-qformer -q -m ziya -o odd-prompts.zv odd.zv
	zv-encode -q -m ziya -o odd2.zv "$odd" cat.jpg
	printf 'a "b" \\ \t c\n中\n' >odd.txt
	cat >lines.py <<'END'
import json, sys
count = 0
for line in sys.stdin.buffer:
    value = json.loads(line.decode('utf-8'))
    if not isinstance(value, dict) or not line.endswith(b'\n'):
        sys.exit('no object: %r' % line)
    count += 1
sys.exit(0 if count else 'nothing')
END
	for program in $(programs); do
		knows "$program" --json || continue
		# shellcheck disable=SC2086
		case $program in
		zv-generate) set -- -m ziya -p Describe --max-new=4 odd-prompts.zv ;;
		zv-qformer) set -- -m ziya --caption --max-length=4 odd.zv ;;
		zv-tokenize) set -- -m ziya odd.txt ;;
		zv-cmp) set -- -v odd.zv odd2.zv ;;
		zv-search) set -- -Q odd.zv odd.zv ;;
		zv-ask) set -- -m ziya "$odd" Describe ;;
		*) set -- odd.zv ;;
		esac
		"$program" --json "$@" >out 2>err </dev/null
		ok "$program --json: lines of JSON ($(wc -l <out | tr -d ' '))" python3 lines.py <out
	done
else
	skip "--json" "no python3 to read it"
fi

# The progress line: on a terminal, gone at the end; not under -q, not elsewhere.
i=0 pictures=300
[ -z "${ZV_SANITIZE-}" ] || pictures=60 # which take as long there
while [ $i -lt $pictures ]; do echo photo.jpg; i=$((i + 1)); done >many
# shellcheck disable=SC2046
pty -e zv-encode -t 1 -m ziya -o many.zv $(cat many) >terminal 2>&1 </dev/null
is "zv-encode of $pictures pictures on a terminal: exit 0" "$?" 0
like "the terminal shows progress" "$(cat terminal)" "*$escape?K*/$pictures pictures, */s, * left*"
is "and nothing is left of it" "$(tr '\r' '\n' <terminal | tail -n 1)" "${escape}[K"
zv-encode -t 1 -m ziya -T many -o many.zv 2>err
is "no progress where standard error is no terminal" "$(cat err)" ""
pty -e zv-encode -q -t 1 -m ziya -T many -o many.zv >terminal 2>&1 </dev/null
is "no progress under -q" "$(cat terminal)" ""
# A message takes the line away first.
{ cat many; echo absent.jpg; } >longer
pty -e zv-encode -t 1 -m ziya -T longer -o many.zv >terminal 2>&1 </dev/null
like "a message stands in a line of its own" "$(tr '\r' '\n' <terminal | grep -a 'zv-encode:')" \
	"${escape}?Kzv-encode: absent.jpg: *"
finish
