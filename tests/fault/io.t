# io.t - input and output in pieces of a byte, interrupted, failing in the middle: the output is the
# same, or the program ends with a message, status 1 or 2, and no file.
# shellcheck disable=SC2086
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
shim=$ZV_BUILD/fault/shim.so
fixture_make || fail "the example files are made"

# no_file NAME: neither result nor temporary
no_file() {
	if [ -e result ]; then fail "$1" "there is a file"
	else is "$1" "$(find . -name '*.part')" ""; fi
	rm -f result ./.*.part
}

with_shim() { # PROGRAM: reading and writing through the shim
	LD_PRELOAD=$shim FAULT_SHORT=1 "$1" $args >out 2>err </dev/null
	is "$1: pieces and interruptions: exit 0" "$?" 0
	same "$1: pieces and interruptions: same output" good out
	if [ -n "$filter" ]; then
		"$1" $filter <"$input" >piped 2>err
		{ LD_PRELOAD=$shim FAULT_SHORT=1 cat "$input"; sleep 0.1; } |
			LD_PRELOAD=$shim FAULT_SHORT=1 "$1" $filter >out 2>err
		same "$1: pieces through a pipe: same output" piped out
		LD_PRELOAD=$shim FAULT_READ_AFTER=100 "$1" $filter <"$input" >out 2>err
		got=$?
		if [ $got -eq 0 ]; then same "$1: standard input was not read by read(2)" piped out
		else
			ok "$1: input fails after 100 bytes: status $got" test $got -eq 1 -o $got -eq 2
			ok "$1: input fails after 100 bytes: a message" test -s err
		fi
	fi
	# zv-ask is a script, whose shell would get the shim, too.
	knows "$1" -o && [ "$gives" != nothing ] && [ "$1" != zv-ask ] || return
	for after in 0 1 100 700; do
		[ $after -lt "$(wc -c <good)" ] || continue
		LD_PRELOAD=$shim FAULT_WRITE_AFTER=$after "$1" $args -o result >out 2>err </dev/null
		got=$?
		# Text leaves through stdio, whose writes no shim sees; then there is a whole file.
		if [ $got -eq 0 ]; then same "$1: the whole file although $after bytes were allowed" good result; rm -f result
		else
			is "$1: the disk is full after $after bytes: exit 2" "$got" 2
			like "$1: the disk is full after $after bytes: says so" "$(cat err)" "$1: *No space left*"
			no_file "$1: the disk is full after $after bytes: no file"
		fi
	done
}

with_strace() { # PROGRAM: system calls that fail
	for fault in fsync:error=EIO close:error=EIO rename,renameat,renameat2:error=EACCES write:error=ENOSPC; do
		knows "$1" -o && [ "$gives" != nothing ] || return
		calls=${fault%%:*}
		when=
		[ "$calls" = close ] && continue # whose close it is cannot be told
		strace -qq -f -o trace -e trace="$calls" -e inject="$fault$when" "$1" $args -o result >out 2>err </dev/null
		got=$?
		grep -q INJECTED trace || { skip "$1: $fault" "there is no such call"; rm -f result; continue; }
		is "$1: $fault: exit 2" "$got" 2
		[ "$calls" = write ] || ok "$1: $fault: a message" test -s err
		no_file "$1: $fault: no file"
	done
	# Only write: the loader of shared libraries reads, and gives up when it is interrupted.
	strace -qq -f -o trace -e trace=write -e inject=write:error=EINTR:when=1+2 "$1" $args >out 2>err </dev/null
	is "$1: every second write interrupted: exit 0" "$?" 0
	same "$1: every second write interrupted: same output" good out
}

strace_works=
strace -qq -o trace -e trace=write -e inject=write:error=EIO true 2>/dev/null && strace_works=1
[ -n "$strace_works" ] || skip "system calls that fail" "strace is not there or not permitted"
set -f
for program in $(programs); do
	example "$program" || continue
	# shellcheck disable=SC2086
	"$program" $args >good 2>err </dev/null || { fail "$program $args: runs" "$(head -c 300 err)"; continue; }
	if [ -z "${ZV_SANITIZE-}" ] && [ -e "$shim" ]; then with_shim "$program"
	else skip "$program: pieces" "the shim does not go with sanitizers"; fi
	[ -z "$strace_works" ] || [ -n "${ZV_SANITIZE-}" ] || [ "$program" = zv-ask ] || with_strace "$program"
done
finish
