# batch.t - zv-generate -b N: the bytes of -b 1 whatever is asked for, the next record as soon as it
# is there, common beginnings once.
. "$ZV_TESTS/lib.sh"
seed-model ziya >/dev/null || { fail "seed-model"; finish; }
: "${ZV_THREADS:=1}"
export ZV_THREADS
generate() { zv-generate -q -m ziya --max-new 12 "$@"; }

# Records of all kinds: own questions, some about one picture, failures between, prompts that fit
# only just or not at all, answers of one token and long ones.
words() { awk -v count="$1" 'BEGIN { for (i = 0; i < count; i++) printf "word%d ", i % 7; print "" }'; }
asked() { printf '%s\tprompt+\tf32\t8x64\trandom:%s\n%s\tquestion\tu8\t-\ttext:%s\n' "$1" "$2" "$1" "$3"; }
plain() { printf '%s\tprompt\tf32\t8x64\trandom:%s\n' "$1" "$2"; }
{
	printf '@zv=1\n'
	plain one 1
	asked two 2 'what is it'
	asked two 2 'what is it, and where'
	asked two 2 "$(words 40)"
	printf '!bad\tthe picture is damaged\n'
	asked two 2 'and now'
	asked three 3 'what is it'
	printf 'wide\tprompt\tf32\t8x65\trandom:1\n'
	asked three 3 "$(words 600)"
	asked three 3 'again'
	asked same-key 4 'a'
	asked same-key 5 'b'
	printf 'nan\tprompt\tf32\t1x64\tnan\n'
	plain four 6
	plain five 7
	printf 'narrow\tprompt\tbf16\t3x64\trandom:8\n'
	plain six 9
	asked two 2 'the same again'
	plain last 10
} >records
zvt-make <records >records.zv || fail "zvt-make"

# agree NAME OPTION...: the same bytes on standard output and standard error, and the same status
agree() {
	agree_name=$1
	shift
	generate -b 1 -t 1 "$@" >wanted 2>wanted.err
	agree_status=$?
	agree_wrong=
	for run in '2 1' '3 1' '8 1' '3 2' '8 3' '1 2'; do
		generate -b "${run% *}" -t "${run#* }" "$@" >got 2>got.err
		got=$?
		if [ $got -ne $agree_status ] || ! cmp -s wanted got || ! cmp -s wanted.err got.err; then
			agree_wrong="$agree_wrong -b ${run% *} -t ${run#* }: status $got; "
		fi
	done
	is "$agree_name: the bytes of -b 1 (status $agree_status)" "$agree_wrong" ""
}
agree "greedy" records.zv
is "all keys, in order" "$(cut -f 1 wanted | tr '\n' ' ')" \
	"one two two two bad two three wide three three same-key same-key nan four five narrow six two last "
is "failures in order" "$(sed 's/^zv-generate: \([a-z]*\): .*/\1/' wanted.err | tr '\n' ' ')" "bad wide three nan "
like "one does not fit" "$(cat wanted.err)" "*zv-generate: three: *positions, the model has 512*"
agree "JSON with numbers" --json --ids --logprobs records.zv
cp wanted numbers
agree "one question for all" -p 'what is it' records.zv
agree "sampling" --json --sample --temperature 2 --seed 3 records.zv
agree "beams" --json --hypotheses --beams 3 records.zv
agree "penalties" --repetition-penalty 1.4 --min-new 5 --ids records.zv
agree "growing answers" --stream records.zv
agree "growing answers with a question" --stream -p hi --max-new 40 records.zv
agree "zero bytes" -0 records.zv
agree "one token" --max-new 1 records.zv
zv-cat -k same-key records.zv >pair.zv 2>/dev/null
agree "up to the last position" --ignore-eos --max-new 1000 --ids pair.zv
agree "--strict" --strict records.zv
is "--strict: what is before the failure" "$(cut -f 1 wanted | tr '\n' ' ')" "one two two two "
head -c 9000 records.zv >cut.zv
agree "a truncated stream, then a whole one" cut.zv records.zv
like "the damage is told in its turn" "$(cat wanted.err)" "*bad: *cut.zv: byte *bad: *"
agree "a file that is not there between two" records.zv absent.zv records.zv
printf 'the\ntwo\tin\nsix\tat\n' >answers
agree "scores" --score answers records.zv
agree "ranked scores" --score answers --rank mean --json records.zv
{ words 30; echo hi; printf 'bad \\q\n'; words 600; echo what is it; words 3; } >questions
agree "questions without pictures" -P questions
agree "a question without a picture" --no-image -p hi
# a stop text that stands in an answer, so across tokens
stop=$(generate --text-only -p hi records.zv 2>/dev/null | LC_ALL=C grep -o '[a-zA-Z,]\{4,\}' | head -n 1 | cut -c 2-4)
ok "there is a text to stop at" test -n "$stop"
agree "stop texts" --json --stop "$stop" --max-new 40 -p hi records.zv
is "stop texts: they do stop" "$(grep -c '"finish":"stop"' wanted | sed 's/[1-9][0-9]*/some/')" some
agree "stop texts, growing" --stream --stop "$stop" --max-new 40 -p hi records.zv
# no numbers in the middle of an answer: the line so far ends, the others go on
cat records.zv records.zv records.zv >thrice.zv
agree "joined streams" thrice.zv

# What records have in common
figure() { sed -n 's/.* prompt rows, \([0-9]*\) of them shared.*/\1/p'; }
for batch in 1 8; do
	zv-generate -v -b $batch -m ziya --max-new 12 records.zv 2>err >got
	shared=$(figure <err)
	is "-b $batch: the rows of four pictures are there already" "$shared" $((4 * 8))
	zv-generate -v -b $batch -m ziya --max-new 12 -p hi records.zv 2>err >got
	is "-b $batch: one question for all: nothing to share" "$(figure <err)" 0
done
like "-v tells how many at once" "$(cat err)" "*tokens/s; at once [1-8].* on average, 8 at most (-b 8); *"
zv-generate -v -m ziya --max-new 12 pair.zv 2>err >got
is "the same key and another picture: nothing is shared" "$(figure <err)" 0
{ printf '@zv=1\n'; asked two 2 'what is it, and where'; } | zvt-make >alone.zv
is "a record alone has the numbers that it has behind others about its picture" \
	"$(generate --json --ids --logprobs alone.zv)" "$(sed -n 3p numbers)"

# The embedded model: pictures, two questions each
model=$ZV_ROOT/examples/emoji/model
pictures=$ZV_ROOT/examples/pictures
cut -f 1,2 "$pictures/questions.tsv" | head -n 14 >asked.tsv
zv-encode -q -m "$model" "$pictures"/scene-[123].jpg -o features.zv
sed "s,^,$pictures/," asked.tsv >asked-paths.tsv
zv-qformer -q -m "$model" --questions asked-paths.tsv features.zv -o prompts.zv
say() { zv-generate -q -m "$model" "$@"; }
say -b 1 -t 1 prompts.zv >wanted
is "the embedded model answers" "$(wc -l <wanted | tr -d ' ')" 14
wrong=
for run in '2 1' '3 2' '8 1' '8 3'; do
	say -b "${run% *}" -t "${run#* }" prompts.zv >got
	cmp -s wanted got || wrong="$wrong -b $run"
done
is "the embedded model: the bytes of -b 1" "$wrong" ""
say -b 1 -t 1 --json --beams 3 prompts.zv >wanted
say -b 5 -t 1 --json --beams 3 prompts.zv >got
same "the embedded model with beams" wanted got
zv-generate -v -m "$model" prompts.zv 2>err >got
is "its questions go into the Q-Former, so that soft prompts differ: nothing is shared" "$(figure <err)" 0
key=$(head -n 1 asked-paths.tsv | cut -f 1)
question=$(head -n 1 asked-paths.tsv | cut -f 2)
zv-cat -k "$key" prompts.zv >own.zv
say --json --ids --logprobs own.zv | head -n 1 >own
say --json --ids --logprobs -p "$question" own.zv | head -n 1 >given
same "so their prompts run in one piece: the numbers of the same question by -p" own given

# A slow producer: what has come is answered before the next record comes
arrives() { # arrives FILE LINES: within some seconds
	arrives_tries=0
	while [ "$(wc -l <"$1")" -lt "$2" ] && [ $arrives_tries -lt 200 ]; do
		sleep 0.1
		arrives_tries=$((arrives_tries + 1))
	done
	[ "$(wc -l <"$1")" -eq "$2" ]
}
slow() { # slow NAME STREAM: all of it but the end record first
	mkfifo "$1.pipe"
	generate -b 8 -p hi <"$1.pipe" >"$1.out" 2>"$1.err" &
	slow_job=$!
	exec 4>"$1.pipe"
	head -c $(($(wc -c <"$2") - 30)) "$2" >&4
	ok "$1: a record is answered while the next is not there" arrives "$1.out" 1
	tail -c 30 "$2" >&4
	cat one.zv >&4
	ok "$1: so is the next" arrives "$1.out" 2
	exec 4>&-
	wait $slow_job
	is "$1: and the stream ends well" "$?:$(sort -u <"$1.out" | wc -l | tr -d ' ')" 0:1
}
zv-cat -k one records.zv >one.zv 2>/dev/null
plain one 1 | { printf '@zv=1\n'; cat; } | zvt-make >bare.zv
slow "a compressed stream" one.zv
slow "a stream of bare records" bare.zv
mkfifo lines.pipe
generate -b 4 -P - <lines.pipe >lines.out &
job=$!
exec 4>lines.pipe
echo hi >&4
ok "a line is answered while the next is not there" arrives lines.out 1
printf 'what is it\nand where\n' >&4
ok "so are the next" arrives lines.out 3
exec 4>&-
wait $job
is "the end of the lines" "$?" 0

# Who reads the answers goes away
awk 'BEGIN { for (i = 0; i < 100000; i++) print "hi" }' >many
{ zv-generate -q -b 8 -m ziya --max-new 5 -P many 2>err; echo "$?" >code; } | head -n 3 >got
is "a reader that goes away: by SIGPIPE, without a word" "$(cat code):$(cat err):$(wc -l <got | tr -d ' ')" "141::3"
# SIGINT: what runs is ended and written, what waits does not begin
env --default-signal=INT true 2>/dev/null && default='env --default-signal=INT' || default=
# shellcheck disable=SC2086
$default zv-generate -q -b 4 -m ziya --max-new 400 --ignore-eos --json -P many >interrupted 2>err &
job=$!
tries=0
while [ ! -s interrupted ] && [ $tries -lt 200 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
kill -INT $job
wait $job
is "SIGINT: dies of it, without a word" "$?:$(cat err)" "130:"
is "SIGINT: whole lines, the last up to four are cut short" "$(python3 -c 'import json
lines = [json.loads(line) for line in open("interrupted", encoding="utf-8")]
cut = [line["finish"] == "interrupted" for line in lines]
print([line["key"] for line in lines] == [str(1 + i) for i in range(len(lines))], sum(cut) <= 4, any(cut[:-4]))')" \
	"True True False"
is "-b 0: exit 2" "$(zv-generate -b 0 -m ziya records.zv >got 2>err; echo $?)" 2
is "-b 257: exit 2" "$(zv-generate -b 257 -m ziya records.zv >got 2>err; echo $?)" 2
finish
