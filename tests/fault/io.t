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
	for fault in fsync:error=EIO rename,renameat,renameat2:error=EACCES write:error=ENOSPC; do
		knows "$1" -o && [ "$gives" != nothing ] || break
		calls=${fault%%:*}
		strace -qq -f -o trace -e trace="$calls" -e inject="$fault" "$1" $args -o result >out 2>err </dev/null
		got=$?
		grep -q INJECTED trace || { skip "$1: $fault" "there is no such call"; rm -f result; continue; }
		is "$1: $fault: exit 2" "$got" 2
		[ "$calls" = write ] || ok "$1: $fault: a message" test -s err
		no_file "$1: $fault: no file"
	done
	# Programs that write through stdio have no handler that returns, so nothing interrupts them.
	if knows "$1" -o && [ "$gives" != nothing ]; then
		strace -qq -f -o trace -e trace=write -e inject=write:error=EINTR:when=1+2 "$1" $args >out 2>err </dev/null
		is "$1: every second write interrupted: exit 0" "$?" 0
		same "$1: every second write interrupted: same output" good out
	fi
	# Reads of the input, by whatever function: strace tells them by their file.
	[ -n "$filter" ] && [ "$1" != zv-cmp ] || return
	interrupted "$1" "$input" "reads of a file" $filter "$input"
	knows "$1" -T || return
	echo "$input" >names
	interrupted "$1" names "reads of a list" $filter -T names
}

# interrupted PROGRAM FILE WHAT ARGUMENT...: every second read of FILE is interrupted
interrupted() {
	i_program=$1 i_file=$2 i_what=$3
	shift 3
	"$i_program" "$@" >wanted 2>err </dev/null
	strace -qq -f -o trace -P "$PWD/$i_file" -e trace=read,pread64 \
		-e inject=read,pread64:error=EINTR:when=1+2 "$i_program" "$@" >out 2>err </dev/null
	is "$i_program: $i_what interrupted: exit 0" "$?" 0
	same "$i_program: $i_what interrupted: same output" wanted out
	ok "$i_program: $i_what interrupted: so they were" grep -q INJECTED trace
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
