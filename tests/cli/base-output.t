# base-output.t - -o FILE: whole or not at all, whatever ends the program; what is no file is
# written in place; over every program with -o.
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
fixture_make || fail "the example files are made"
cp list names
mkfifo slow
leftover() { find . -name '*.part' -o -name '.*.*-*'; }

# wait_for COMMAND...: until it succeeds, 5 s at most
wait_for() { for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25; do "$@" && return; sleep 0.2; done; return 1; }
has_leftover() { [ -n "$(leftover)" ]; }

for program in $(programs); do
	example "$program" || continue
	knows "$program" -o || continue
	[ "$gives" = nothing ] && continue
	# shellcheck disable=SC2086
	"$program" $args >wanted 2>err </dev/null || { fail "$program $args: runs" "$(head -c 300 err)"; continue; }
	rm -f out
	# shellcheck disable=SC2086
	{
		status "$program -o new file" 0 "$program" $args -o out
		same "$program -o: what standard output gets" wanted out
		printf old >out; chmod 640 out
		status "$program -o over an old file" 0 "$program" $args -o out
		same "$program -o: replaced" wanted out
		is "$program -o keeps the permissions" "$(stat -c %a out)" 640
		is "$program -o leaves nothing else" "$(leftover)" ""
		ln -s out link
		status "$program -o through a link" 0 "$program" $args -o link
		ok "$program -o: the link stays" test -L link
		rm -f link
		status "$program -o -" 0 "$program" $args -o -
		mkfifo pipe
		cat pipe >copy &
		reader=$!
		status "$program -o to a fifo: in place" 0 "$program" $args -o pipe
		wait $reader
		same "$program -o to a fifo: the bytes" wanted copy
		ok "$program -o: the fifo is still one" test -p pipe
		rm -f pipe
		status "$program -o /dev/null" 0 "$program" $args -o /dev/null
		ok "/dev/null is still a device" test -c /dev/null
		status "$program -o /dev/full: exit 2" 2 "$program" $args -o /dev/full
		printf old >out
		said=$(ulimit -f 0; "$program" $args -o out 2>&1)
		is "$program -o beyond the file size limit: exit 2" $? 2
		like "$program: with a message" "$said" "zv-*: out: write error: *"
		is "$program: the old file stays" "$(cat out)" old
		is "$program: and no other" "$(leftover)" ""
		status "$program -o into no directory: exit 2" 2 "$program" $args -o absent/out
		status "$program -o a directory: exit 2" 2 "$program" $args -o .
		status "$program -o '': exit 2" 2 "$program" $args -o ''
	}
	if [ -z "$filter" ]; then
		skip "$program: signals" "it reads no standard input that could wait"
		continue
	fi
	for signal in INT TERM HUP KILL; do
		printf old >out
		rm -f ./*.part ./.*.part
		# The input comes through a pipe that stays open, so the program waits in the middle.
		# setsid: a shell without job control makes its background jobs ignore INT
		# shellcheck disable=SC2086
		env --default-signal=INT,TERM,HUP "$program" $filter -o out <slow 2>err &
		pid=$!
		exec 9<>slow
		[ "$takes" = text ] && cat "$input" >&9
		[ "$takes" = stream ] && cat "$input" >&9
		[ "$takes" = pictures ] && head -c 1000 "$input" >&9
		sleep 0.3
		kill -s "$signal" $pid
		wait $pid
		got=$?
		exec 9>&-
		wanted_status=$((128 + $(kill -l "$signal" 2>/dev/null || echo 9)))
		case $signal in INT) wanted_status=130 ;; TERM) wanted_status=143 ;; HUP) wanted_status=129 ;; KILL) wanted_status=137 ;; esac
		is "$program: dies by $signal" "$got" "$wanted_status"
		is "$program: $signal leaves the old file" "$(cat out)" old
		[ "$signal" = KILL ] || is "$program: $signal leaves no temporary" "$(leftover)" ""
	done
	rm -f ./*.part ./.*.part
done
finish
