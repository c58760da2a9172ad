# lookup.t - zv-generate --lookup: the bytes of the answers without it, whatever is asked for, and
# fewer passes over the weights.
. "$ZV_TESTS/lib.sh"
seed-model ziya >/dev/null || { fail "seed-model"; finish; }
: "${ZV_THREADS:=1}"
export ZV_THREADS
asked() { printf '%s\tprompt+\tf32\t8x64\trandom:%s\n%s\tquestion\tu8\t-\ttext:%s\n' "$1" "$2" "$1" "$3"; }
{
	printf '@zv=1\n'
	asked one 1 'what is it, what is it, what is it'
	asked one 1 'what is it'
	printf '!bad\tthe picture is damaged\n'
	asked two 2 'a cat, a dog, a cat, a dog, a cat, a'
	printf 'nan\tprompt\tf32\t1x64\tnan\n'
	asked three 3 "$(awk 'BEGIN { for (i = 0; i < 60; i++) printf "word%d ", i % 3 }')"
	asked four 4 ''
} | zvt-make >records.zv
model=ziya

# agree NAME OPTION...: the same bytes on standard output and standard error, and the same status
agree() {
	agree_name=$1
	shift
	zv-generate -q -m "$model" -b 1 "$@" >wanted 2>wanted.err
	agree_status=$?
	agree_wrong=
	for run in '1 1' '2 1' '3 2' '8 3' '16 1'; do
		zv-generate -q -m "$model" --lookup -b "${run% *}" -t "${run#* }" "$@" >got 2>got.err
		got=$?
		if [ $got -ne $agree_status ] || ! cmp -s wanted got || ! cmp -s wanted.err got.err; then
			agree_wrong="$agree_wrong -b ${run% *} -t ${run#* }: status $got; "
		fi
	done
	is "$agree_name: the bytes without --lookup (status $agree_status)" "$agree_wrong" ""
}
# guessed FILE: "GUESSED RIGHT" of -v
guessed() { sed -n 's/.*--lookup: \([0-9]*\) tokens guessed, \([0-9]*\) of them right.*/\1 \2/p' "$1"; }

agree "greedy" --max-new 60 records.zv
agree "JSON with numbers" --max-new 60 --ignore-eos --json --ids --logprobs records.zv
agree "up to the last position" --ignore-eos --max-new 1000 --json --ids records.zv
agree "one token" --max-new 1 records.zv
agree "two tokens" --max-new 2 --json records.zv
agree "penalties" --repetition-penalty 0.5 --min-new 5 --json --ids --max-new 60 records.zv
agree "sampling" --sample --temperature 0.3 --seed 3 --json --ids --logprobs --max-new 60 records.zv
agree "growing answers" --stream --max-new 60 records.zv
# stop texts that stand in the middle of a guess: what was guessed behind them does not count
zv-generate -q -m ziya --repetition-penalty 0.5 --ignore-eos --text-only --max-new 60 records.zv 2>/dev/null |
	sed 's,\\x[0-9A-F][0-9A-F],,g' | LC_ALL=C grep -o '[a-zA-Z*]\{2,3\}' | sort | uniq -c | sort -rn | head -n 3 | awk '{ print $2 }' >stops
ok "there are texts to stop at" test -s stops
while read -r stop; do
	agree "a stop text" --ignore-eos --repetition-penalty 0.5 --stop "$stop" --json --ids --logprobs --max-new 60 records.zv
	is "it does stop" "$(grep -c '"finish":"stop"' wanted | sed 's/[1-9][0-9]*/some/')" some
done <stops
zv-generate -v -m ziya --lookup --repetition-penalty 0.5 --ignore-eos --max-new 100 records.zv 2>err >got
guessed err >figures
read -r all right <figures
ok "where answers repeat themselves guesses come true ($right of $all)" test "$right" -gt 20
like "-v tells tokens a pass" "$(cat err)" "*tokens a pass*"

# Talks
printf 'hi hi hi hi\nhi hi hi hi again\n/reset\nhi hi\n' >turns
zv-cat -k two records.zv >two.zv
for options in '' '--json --ids --logprobs'; do
	# shellcheck disable=SC2086
	zv-generate -q -m ziya --chat --max-new 40 $options two.zv <turns >wanted
	# shellcheck disable=SC2086
	zv-generate -q -m ziya --chat --max-new 40 $options --lookup two.zv <turns >got
	same "a talk $options" wanted got
done

# The embedded model: questions of which answers repeat parts
model=$ZV_ROOT/examples/emoji/model
{
	cut -f 2 "$ZV_ROOT/examples/pictures/questions.tsv" | head -n 40
	echo 'a cat a cat a cat a cat'
	echo '一只猫 一只猫 一只猫'
	echo 'one two three one two three one two'
} >questions
agree "the embedded model, $(wc -l <questions | tr -d ' ') questions" --json --ids -P questions
agree "the embedded model, long answers" --ignore-eos --max-new 80 --ids -P questions
zv-generate -v -m "$model" --lookup --ignore-eos --max-new 80 -P questions 2>err >got
guessed err >figures
read -r all right <figures
ok "the embedded model repeats itself ($right of $all guesses were right)" test "$right" -gt 100

# What it does not go with
zv-generate -q -m ziya --lookup --beams 2 records.zv >out 2>err
is "with beams: exit 2" "$?" 2
like "with beams: said" "$(cat err)" "*--lookup does not go with beams*"
zv-generate -q -m ziya --lookup --score stops records.zv >out 2>err
is "with --score: exit 2" "$?" 2
finish
