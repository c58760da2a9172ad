# base-input.t - names, lists, shards, odd names; failed items that pass through; truncation;
# the first result before the last input; over every program that takes such input.
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
fixture_make || fail "the example files are made"
escape=$(printf '\033')
# wait_for COMMAND...: until it succeeds, 10 s at most
wait_for() {
	wf_left=50
	until "$@"; do
		wf_left=$((wf_left - 1))
		[ $wf_left -gt 0 ] || return 1
		sleep 0.2
	done
}

for program in $(programs); do
	example "$program" || continue
	# shellcheck disable=SC2086
	"$program" $args >good 2>err </dev/null || { fail "$program $args: runs" "$(head -c 300 err)"; continue; }
	[ -n "$filter" ] && [ "$program" != zv-cmp ] || continue
	set -f
	# shellcheck disable=SC2086
	{
		"$program" $filter "$input" >one 2>err </dev/null
		is "$program $input: exit 0" "$?" 0
		cp "$input" -- "-dash"
		"$program" $filter -- -dash >out 2>err </dev/null
		is "$program: -- ends the options" "$?" 0
		# A name is a name: nothing of it reaches a shell or the terminal.
		odd="touch pwned|"
		cp "$input" "$odd"
		"$program" $filter "$odd" >out 2>err </dev/null
		is "$program: a file called \"$odd\" is read" "$?" 0
		cp "$input" "x|"
		"$program" $filter "x|" >out 2>err </dev/null
		is "$program: a file called x| is read" "$?" 0
		ok "$program: nothing was run" test ! -e pwned
		missing="no${escape}[31m
such"
		"$program" $filter "$missing" >out 2>err </dev/null
		got=$?
		ok "$program: a name that is not there fails (exit $got)" test $got -eq 1 -o $got -eq 2
		like "$program: control bytes are shown as \\xNN" "$(cat err)" '*no\\x1B?31m\\x0Asuch*'
		ok "$program: and not sent to the terminal" test "$(tr -d '\n' <err | grep -c "$escape")" -eq 0
		is "$program: in one line" "$(wc -l <err | tr -d ' ')" 1
		"$program" $filter . >out 2>err </dev/null
		ok "$program: a directory is no input" test $? -ne 0
	}
	set +f
done

# Names from lists and shards: any program with -T.
for program in $(programs); do
	example "$program" && knows "$program" -T && [ -n "$input" ] || continue
	names='photo.jpg cat.jpg dog.jpg'
	[ "$takes" = pictures ] || { cp "$input" n1; cp "$input" n2; cp "$input" n3; names='n1 n2 n3'; }
	# shellcheck disable=SC2086
	{
		"$program" $filter $names >wanted 2>err </dev/null || fail "$program: three names" "$(head -c 300 err)"
		printf '%s\n' $names >names
		printf '%s\0' $names >names0
		"$program" $filter -T names >out 2>err </dev/null
		same "$program -T LIST" wanted out
		"$program" $filter -T - >out 2>err <names
		same "$program -T -" wanted out
		"$program" $filter -0 $names >wanted 2>err </dev/null
		"$program" $filter -0 -T names0 >out 2>err </dev/null
		same "$program -0 -T LIST" wanted out
		status "$program -T absent: exit 2" 2 "$program" $filter -T absent
		printf 'a\0b\n' >bad
		"$program" $filter -T bad >out 2>err </dev/null
		like "$program: a zero byte in a list of lines is refused with its line" "$(cat err)" "*line 1*"
	}
done
if have zv-encode && have zv-ls; then
	for shards in 1 2 3 5; do
		for i in $(seq $shards); do zv-encode -m ziya --shard "$i/$shards" -T list; done >all.zv 2>err
		is "zv-encode: $shards shards hold every picture once" \
			"$(zv-ls all.zv | grep -oE '(photo|cat|dog)\.jpg' | sort | tr '\n' ' ')" "cat.jpg dog.jpg photo.jpg "
	done
	zv-encode -m ziya photo.jpg absent.jpg cat.jpg >mixed.zv 2>err
	is "zv-encode: a picture that is not there: exit 1" "$?" 1
	like "zv-encode: it is named" "$(cat err)" "zv-encode: absent.jpg: *"
	like "zv-encode: it is in the stream, in order" "$(zv-ls mixed.zv 2>/dev/null)" "*photo.jpg*absent.jpg*cat.jpg*"
	status "zv-encode --strict stops: exit 1" 1 zv-encode -m ziya --strict -o strict.zv photo.jpg absent.jpg cat.jpg
	ok "zv-encode --strict -o leaves no file" test ! -e strict.zv
	zv-encode -m ziya --strict photo.jpg absent.jpg >strict.zv 2>/dev/null
	status "zv-encode --strict down a pipe leaves no end record" 1 zv-ls strict.zv
	if have zv-qformer; then
		zv-qformer -m ziya mixed.zv >mixed-prompts.zv 2>err
		is "zv-qformer: a failed item from upstream makes exit 1" "$?" 1
		like "zv-qformer: and passes through in order" "$(zv-ls mixed-prompts.zv 2>/dev/null)" \
			"*photo.jpg*absent.jpg*cat.jpg*"
		zv-encode -m ziya photo.jpg absent.jpg | zv-qformer -m ziya 2>/dev/null | zv-cat >/dev/null 2>&1
		is "so down to the last program" "$?" 1
	fi
	for program in zv-generate zv-cat zv-export; do
		example "$program" && have "$program" || continue
		from=mixed.zv
		[ "$program" = zv-generate ] && from=mixed-prompts.zv
		[ -e $from ] || continue
		# shellcheck disable=SC2086
		"$program" $filter $from >out 2>err </dev/null
		is "$program: a failed item from upstream makes exit 1" "$?" 1
		[ "$gives" = tensors ] && like "$program: it passes through" "$(zv-ls out 2>/dev/null)" "*absent.jpg*"
	done
else
	skip "shards and failed items" "zv-encode or zv-ls is not there"
fi

# Truncation: in the middle of a record, and exactly before the end record.
if have zv-index && [ -e photos.zv ]; then
	for program in $(programs); do
		example "$program" && [ "$takes" = stream ] && [ "$program" != zv-cmp ] || continue
		cp "$input" whole.zv
		zv-index whole.zv
		end=$(awk -F '\t' 'NR > 1 && $3 + $4 > e { e = $3 + $4 } END { print e }' whole.zv.zvi)
		size=$(wc -c <whole.zv)
		ok "$program: the end record of $input lies at $end of $size" test "$end" -gt 0 -a "$end" -lt "$size"
		head -c "$end" whole.zv >cut.zv
		# shellcheck disable=SC2086
		"$program" $filter <cut.zv >out 2>err
		is "$program: no end record: exit 1" "$?" 1
		like "$program: no end record: says so" "$(cat err)" "*truncated stream*no end record after*"
		head -c $((end - 100)) whole.zv >cut.zv
		# shellcheck disable=SC2086
		"$program" $filter <cut.zv >out 2>err
		is "$program: cut within a record: exit 1" "$?" 1
		like "$program: cut within a record: says so" "$(cat err)" "*$program: *byte *cut off*"
		printf 'GIF89a and so on, this is no stream at all, whatever its name says' >cut.zv
		# shellcheck disable=SC2086
		"$program" $filter <cut.zv >out 2>err
		is "$program: no stream at all: exit 1" "$?" 1
		like "$program: no stream at all: says so" "$(cat err)" "*byte 0: not a zv stream*"
		cp whole.zv cut.zv
		printf '\377' | dd of=cut.zv bs=1 seek=$((end / 2)) conv=notrunc 2>/dev/null
		printf '\000' | dd of=cut.zv bs=1 seek=$((end / 2 + 1)) conv=notrunc 2>/dev/null
		# shellcheck disable=SC2086
		"$program" $filter <cut.zv >out 2>err
		is "$program: changed bytes: exit 1" "$?" 1
		cat whole.zv whole.zv >twice.zv
		# shellcheck disable=SC2086
		[ "$program" = zv-cmp ] || status "$program: joined streams are a stream" 0 "$program" $filter twice.zv
	done
else
	skip "truncation" "zv-index or the example streams are not there"
fi

# The first result flows before the last input is there: a pipe is fed and kept open.
mkfifo slow
if have zv-encode; then
	zv-encode -m ziya -T slow 2>err | cat >first &
	exec 9<>slow
	echo photo.jpg >&9
	ok "zv-encode: the first record flows before the second name" wait_for test -s first
	exec 9>&-
	wait
fi
if have zv-cat && have zv-index && [ -e photos.zv ]; then
	for program in zv-qformer zv-generate zv-cat zv-ls zv-export; do
		have "$program" && example "$program" || continue
		# The first record of the stream, without an end record behind it.
		zv-cat -k photo.jpg "$input" >one.zv 2>err || { fail "zv-cat -k selects" "$(cat err)"; continue; }
		zv-index one.zv
		head -c "$(awk -F '\t' 'NR > 1 && $3 + $4 > e { e = $3 + $4 } END { print e }' one.zv.zvi)" one.zv >first.zv
		rm -f first
		# shellcheck disable=SC2086
		"$program" $filter <slow 2>err | cat >first &
		exec 9<>slow
		cat first.zv >&9
		ok "$program: the first result flows before the second record" wait_for test -s first
		exec 9>&-
		wait
	done
fi

# Text: bad UTF-8 is an error that names the line.
printf 'good\nbad \377 byte\n' >bad-text
if have zv-tokenize; then
	zv-tokenize -m ziya <bad-text >out 2>err
	is "zv-tokenize: bad UTF-8: exit 1" "$?" 1
	like "zv-tokenize: bad UTF-8: names the line" "$(cat err)" "*line 2*"
fi
if have zv-qformer && [ -e feats.zv ]; then
	zv-qformer -m ziya --text <bad-text >out 2>err
	is "zv-qformer --text: bad UTF-8: exit 1" "$?" 1
	like "zv-qformer --text: bad UTF-8: names the line" "$(cat err)" "*line 2*"
fi
finish
