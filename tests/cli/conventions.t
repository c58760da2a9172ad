# conventions.t - the rows of zv(7) that concern calling: help, usage, descriptors, a full disk, a
# reader that goes away, terminals, environment; over every program.
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
fixture_make || fail "the example files are made"
set -f

# usage_error NAME PROGRAM WORD ARGUMENT...: exit 2, nothing on standard output, a line that names
# the program and holds WORD, then the synopsis
usage_error() {
	ue_name=$1 ue_program=$2 ue_word=$3
	shift 3
	"$ue_program" "$@" >ue.out 2>ue.err </dev/null
	ue_got=$?
	if [ $ue_got -ne 2 ]; then fail "$ue_name" "exit $ue_got, wanted 2; $(cat ue.err)"
	elif [ -s ue.out ]; then fail "$ue_name" "standard output: $(head -c 200 ue.out)"
	else like "$ue_name" "$(cat ue.err)" "$ue_program: *$ue_word*
usage: $ue_program *"; fi
}

for program in $(programs); do
	"$program" --help >help 2>err </dev/null
	is "$program --help: exit 0" "$?" 0
	is "$program --help: silent on standard error" "$(cat err)" ""
	like "$program --help begins with the synopsis" "$(head -n 1 help)" "usage: $program *"
	for part in options: in: out: examples: exit: see:; do
		grep -q "^$part" help || fail "$program --help has $part"
	done
	examples=$(sed -n '/^examples:/,/^$/p' help | grep -c '^  ')
	ok "$program --help has two examples (it has $examples)" test "$examples" -ge 2
	# shellcheck disable=SC2016
	ok "$program --help fits 100 columns" awk '{ if (length($0) > 100) exit 1 }' help
	wanted='0 * 1 * 2 *'
	[ "$program" != zv-cmp ] || wanted='0 equal*1 they differ*2 *'
	like "$program --help tells its exit statuses" "$(sed -n 's/^exit: *//p' help)" "$wanted"
	"$program" -h >help2 2>&1 </dev/null
	same "$program -h is --help" help help2
	"$program" --version >version 2>err </dev/null
	is "$program --version: exit 0" "$?" 0
	like "$program --version names program and stream" "$(cat version)" "$program (zv) [0-9]*
stream zvt 1*"

	[ "$program" != zv-import ] && knows "$program" --threads && # its threads convert, they have no kernels
		like "$program --version names the kernels" "$(cat version)" "*kernels *"
	usage_error "$program: an unknown long option" "$program" no-such-option --no-such-option
	usage_error "$program: a long option cut short" "$program" --verbos --verbos
	usage_error "$program: an unknown short option" "$program" -Y -Y
	for letter in m o T; do
		knows "$program" "-$letter" && usage_error "$program: -$letter without its argument" "$program" "-$letter" "-$letter"
	done
	if knows "$program" --threads; then
		for value in 0 -1 257 abc '' 1.5 1e1 99999999999999999999; do
			usage_error "$program: -t \"$value\"" "$program" '--threads*from 1 to 256' -t "$value"
		done
		ZV_THREADS=0 usage_error "$program: ZV_THREADS=0" "$program" 'ZV_THREADS*from 1 to 256'
		ZV_THREADS=abc usage_error "$program: ZV_THREADS=abc" "$program" 'ZV_THREADS*from 1 to 256'
	fi
	if knows "$program" --level; then
		usage_error "$program: --level=20" "$program" '--level*from 0 to 19' --level=20
	fi
	if knows "$program" --max-record; then
		usage_error "$program: --max-record=0" "$program" '--max-record*from 1 to' --max-record=0
		usage_error "$program: --max-record=1Q" "$program" '--max-record*from 1 to' --max-record=1Q
	fi
	if knows "$program" --shard; then
		for value in 0/1 2/1 1/0 1 a/b 1/2/3 /; do
			usage_error "$program: --shard=$value" "$program" --shard "--shard=$value"
		done
	fi
	"$program" --help 2>err >&- </dev/null
	is "$program --help with standard output closed: exit 2" "$?" 2
	ok "$program --help with standard output closed: says so" test -s err
	for option in --help --version; do
		"$program" $option >/dev/full 2>err </dev/null
		is "$program $option on a full device: exit 2" "$?" 2
		like "$program $option on a full device: says so" "$(cat err)" "$program: *"
	done
done

# A locale with a decimal comma, made here where the sources of locales are there.
german=de_DE.UTF-8
mkdir -p locales
if localedef --no-archive -i de_DE -f UTF-8 "$PWD/locales/$german" >/dev/null 2>&1; then
	LOCPATH=$PWD/locales
	export LOCPATH
	is "$german has a decimal comma" "$(LC_ALL=$german locale decimal_point)" ","
else
	german=
	skip "a locale with a decimal comma" "localedef cannot make de_DE.UTF-8 here"
fi

inputs='photo.jpg cat.jpg dog.jpg list text questions.tsv photos.zv feats.zv prompts.zv
	ziya/vit.zv ziya/qformer.zv ziya/llm.zv'
# shellcheck disable=SC2086
cksum $inputs >sums 2>&1
for program in $(programs); do
	if ! example "$program"; then
		skip "$program: runs" "no example of it here"
		continue
	fi
	# shellcheck disable=SC2086
	"$program" $args >good 2>err </dev/null
	got=$?
	if [ $got -ne 0 ]; then
		fail "$program $args: runs" "exit $got: $(head -c 500 err)"
		continue
	fi
	is "$program: silent on success" "$(cat err)" ""
	# shellcheck disable=SC2086
	{
		"$program" $args >out 2>err <&-
		is "$program with standard input closed: exit 0" "$?" 0
		same "$program with standard input closed: same output" good out
		"$program" $args >out 2>&- </dev/null
		is "$program with standard error closed: exit 0" "$?" 0
		same "$program with standard error closed: same output" good out
		"$program" $args >&- 2>err </dev/null
		is "$program with standard output closed: exit 2" "$?" 2
		like "$program with standard output closed: says so" "$(cat err)" "$program: *standard output*"
	}
	if [ "$gives" != nothing ]; then
		# shellcheck disable=SC2086
		"$program" $args >/dev/full 2>err </dev/null
		is "$program on a full device: exit 2" "$?" 2
		like "$program on a full device: says so" "$(cat err)" "*zv-*: *No space left on device*"
		# shellcheck disable=SC2086
		{ sleep 0.2; "$program" $args 2>err </dev/null; echo $? >status; } | true
		is "$program without a reader: dies by SIGPIPE" "$(cat status)" 141
		is "$program without a reader: silent" "$(cat err)" ""
	fi
	if [ -n "$filter" ]; then
		# shellcheck disable=SC2086
		"$program" $filter <"$input" >out 2>err
		is "$program reads standard input: exit 0" "$?" 0
		# shellcheck disable=SC2086
		"$program" $filter - <"$input" >out2 2>err
		[ "$program" = zv-cmp ] || same "$program: - is standard input" out out2
		# shellcheck disable=SC2086
		[ "$takes" = text ] || [ "$program" = zv-cmp ] ||
			status "$program with nothing on standard input: exit 1" 1 "$program" $filter </dev/null
	fi
	if [ "$gives" = tensors ]; then
		# shellcheck disable=SC2086
		pty -o "$program" $args >out 2>err </dev/null
		is "$program: tensors are not written to a terminal" "$?" 2
		like "$program: with advice" "$(cat out err)" "*terminal*"
	fi
	if [ "$takes" = stream ]; then
		# shellcheck disable=SC2086
		pty -i "$program" $filter >out 2>err
		is "$program: tensors are not read from a terminal" "$?" 2
		like "$program: with advice" "$(cat out err)" "*terminal*"
	fi
	if [ "$gives" = text ]; then
		# shellcheck disable=SC2086
		pty -o "$program" $args 2>err </dev/null | tr -d '\r' >out
		same "$program: text goes to a terminal" good out
	fi
	for locale in C C.UTF-8 $german; do
		# shellcheck disable=SC2086
		LC_ALL=$locale "$program" $args >out 2>err </dev/null
		same "$program: same output in locale $locale" good out
	done
	if knows "$program" --threads; then
		for threads in 1 2 3; do
			# shellcheck disable=SC2086
			ZV_THREADS=abc "$program" -t $threads $args >out 2>err </dev/null
			is "$program -t $threads overrides ZV_THREADS: exit 0" "$?" 0
			same "$program -t $threads: same bytes" good out
		done
	fi
	if [ "$program" != zv-import ] && knows "$program" --threads; then
		# shellcheck disable=SC2086
		ZV_CPU=abacus "$program" $args >out 2>err </dev/null
		is "$program: ZV_CPU=abacus is refused" "$?" 2
		like "$program: and says why" "$(cat err)" "*ZV_CPU*"
	fi
	# zv-import takes one with --adapter, zv-search with --rerank
	if [ "$program" != zv-import ] && [ "$program" != zv-search ] && knows "$program" --model; then
		# shellcheck disable=SC2086
		status "$program: a model that is not there: exit 2" 2 "$program" $args -m absent
		# shellcheck disable=SC2086
		like "$program: and says what was looked for" "$("$program" $args -m absent 2>&1 </dev/null)" "*absent*"
		mv ziya kept; mkdir models; mv kept models/toy
		# shellcheck disable=SC2086
		ZV_MODELS=nowhere:models "$program" $args -m toy >out 2>err </dev/null
		same "$program: ZV_MODELS is where -m NAME looks" good out
		mv models/toy ziya; rmdir models
	fi
	# shellcheck disable=SC2086
	"$program" $args -q >out 2>err </dev/null
	same "$program -q: same output" good out
	[ "$program" = zv-cmp ] && continue # which tells more on standard output under -v
	# shellcheck disable=SC2086
	"$program" $args -v >out 2>err </dev/null
	same "$program -v: same output" good out
	ok "$program -v: counts on standard error" test -s err
done
set +f
# shellcheck disable=SC2086
cksum $inputs >sums2 2>&1
same "no program has touched its inputs" sums sums2
finish
