# zv-ask.t - the pipeline in one command: quoting, options passed on, status of every stage.
. "$ZV_TESTS/lib.sh"
for program in zv-encode zv-qformer zv-generate; do
	command -v "$program" >/dev/null || { printf '1..0 # SKIP no %s\n' "$program"; exit 0; }
done
seed-model ziya >/dev/null || { fail "seed-model"; finish; }
cp "$ZV_ROOT/examples/pictures/balls.jpg" photo.jpg
cp "$ZV_ROOT/examples/pictures/beach.jpg" "it's a \$(touch x) \"beach\".jpg"
question="What's \"it\", \$HOME & \`so\`?"

# pipeline ARGUMENT...: what zv-ask stands for; the last argument is the question
pipeline() {
	# shellcheck disable=SC2086
	zv-encode -m ziya "$1" | zv-qformer -m ziya -p "$2" | zv-generate -m ziya --max-new 8 $3
}
pipeline photo.jpg "$question" --text-only >wanted
zv-ask -m ziya --max-new 8 photo.jpg "$question" >out 2>err
is "one picture: exit 0" "$?" 0
same "one picture: the pipeline's answer" out wanted
is "one picture: silent" "$(cat err)" ""
zv-ask photo.jpg "$question" --max-new=8 --model=ziya >out
same "options may come last, with =" out wanted
zv-ask -mziya --max-new 8 -- photo.jpg "$question" >out
same "-mMODEL, and -- before the operands" out wanted
zv-ask -m ziya --max-new 8 - "$question" <photo.jpg >out
same "a picture on standard input" out wanted
zv-ask -m ziya --max-new 8 -o 'the out' photo.jpg "$question"
same "-o FILE" 'the out' wanted

picture="it's a \$(touch x) \"beach\".jpg"
pipeline "$picture" "$question" '' >wanted
zv-ask -m ziya --max-new 8 photo.jpg "$picture" "$question" >out
is "several pictures: exit 0" "$?" 0
is "several pictures: a line each, no shell in names" "$(sed -n 2p out)" "$(cat wanted)"
ok "nothing was run" test ! -e x
zv-ask -m ziya --max-new 8 --json photo.jpg "$question" >out
like "--json" "$(cat out)" '{"key":"photo.jpg","text":*'
zv-ask -m ziya --max-new 8 --beams 2 --repetition-penalty 1.2 photo.jpg "$question" >out
is "options are passed on" "$(cat out)" "$(pipeline photo.jpg "$question" '--beams 2 --repetition-penalty 1.2 --text-only')"
zv-ask -m ziya --max-new 8 --lookup --cache int8 photo.jpg "$question" >out
is "and how they are computed" "$(cat out)" "$(pipeline photo.jpg "$question" '--cache int8 --text-only')"
zv-ask -m ziya --max-new 8 --sample --seed 3 --top-k 5 --top-p 0.9 --temperature 2 photo.jpg "$question" >out
is "sampling options too" "$(cat out)" \
	"$(pipeline photo.jpg "$question" '--sample --seed 3 --top-k 5 --top-p 0.9 --temperature 2 --text-only')"

printf 'photo.jpg\n%s\n' "$picture" >list
zv-ask -m ziya --max-new 8 photo.jpg "$picture" "$question" >wanted
zv-ask -m ziya --max-new 8 -T list "$question" >out
same "-T: pictures from a list" out wanted
zv-ask -m ziya --max-new 8 -0 photo.jpg "$picture" "$question" >raw
is "-0: answers end with zero bytes" "$(tr -dc '\0' <raw | wc -c | tr -d ' ')" 2
tr '\n' '\0' <list | zv-ask -m ziya --max-new 8 -0T - "$question" >out
same "-0T -: names end with zero bytes too" out raw
tr '\n' '\0' <list | zv-ask -m ziya --max-new 8 -0 --json --files-from=- "$question" >out
is "-0 with --json: only the names" "$(grep -c '^{"key":' out)" 2
zv-ask -m ziya --max-new 8 -t1 photo.jpg "$picture" "$question" >out
same "-t" out wanted
zv-ask -m ziya --max-new 8 --threads 0 photo.jpg "$question" >out 2>err
is "-t 0: exit 2, said once" "$?:$(grep -c -e '--threads' err)" 2:1
zv-ask -m ziya --max-new 8 -v photo.jpg "$question" 2>&1 >out | cut -d: -f 1 | sort -u >err
is "-v: counts of each stage" "$(tr '\n' ' ' <err)" "zv-encode zv-generate zv-qformer "
zv-ask -m ziya --max-new 8 --strict absent.jpg photo.jpg "$question" >out 2>err
is "--strict: exit 1, nothing behind the failure" "$?:$(cat out)" 1:

# The question
zv-ask -m ziya --max-new 8 photo.jpg "$picture" >out 2>err
is "the question forgotten: exit 2" "$?:$(cat out)" 2:
like "the question forgotten: said" "$(cat err)" "zv-ask: the last operand is the question, but it's* is a file; *-p TEXT*usage:*"
zv-ask -m ziya --max-new 8 photo.jpg "$question" >wanted
zv-ask -m ziya --max-new 8 -p "$question" photo.jpg >out
same "-p: the question, operands are pictures" out wanted
zv-ask -m ziya --max-new 8 photo.jpg "--prompt=$question" >out
same "--prompt=" out wanted
zv-ask -m ziya --max-new 8 -p photo.jpg -T list >out 2>err
is "-p: a question may be a file's name" "$?:$(wc -l <out | tr -d ' ')" 0:2
status "-p and --chat: exit 2" 2 zv-ask -m ziya -p hi --chat photo.jpg
zv-ask -m ziya --max-new 8 --greedy photo.jpg "$question" >out
same "--greedy" out wanted
status "--greedy and --sample: exit 2" 2 zv-ask -m ziya --greedy --sample photo.jpg hi

# The stages: beside the script, else in PATH
mkdir 'the bin' && cp "$(command -v zv-ask)" 'the bin'
PATH=/usr/bin:/bin 'the bin/zv-ask' -m ziya photo.jpg hi >out 2>err
is "no stages: exit 2, said once" "$?:$(cat out):$(wc -l <err | tr -d ' ')" 2::1
like "no stages: said" "$(cat err)" "zv-ask: zv-encode is neither in */the bin nor in PATH"
for stage in zv-encode zv-qformer zv-generate; do cp "$(command -v $stage)" 'the bin'; done
(PATH=/usr/bin:/bin && 'the bin/zv-ask' -m ziya --max-new 8 photo.jpg "$question") >out
same "stages beside the script" out wanted

# Failures
zv-ask -m ziya --max-new 8 photo.jpg absent.jpg "$question" >out 2>err
is "a picture that is not there: exit 1" "$?" 1
is "a picture that is not there: the other is answered" "$(grep -c '^photo.jpg' out)" 1
like "a picture that is not there: said" "$(cat err)" "*absent.jpg: *"
status "a model that is not there: exit 2" 2 zv-ask -m nonesuch photo.jpg hi
status "a wrong value: exit 2" 2 zv-ask -m ziya --beams 0 photo.jpg hi
mkdir broken && cp ziya/llm.zv ziya/vit.zv broken && head -c 100000 ziya/qformer.zv >broken/qformer.zv
status "a stage that dies makes the end fail" 1 zv-ask -m broken photo.jpg hi
for wrong in '' 'photo.jpg' '--max-new' '-m' '--unknown photo.jpg hi' '-Y photo.jpg hi' '--chat' '--chat a b' '--json=1 photo.jpg hi'; do
	# shellcheck disable=SC2086
	zv-ask -m ziya $wrong >out 2>err </dev/null
	is "usage: $wrong: exit 2" "$?" 2
	like "usage: $wrong: synopsis" "$(cat err)" "zv-ask: *
usage: zv-ask *"
done
zv-ask photo.jpg hi >out 2>err
is "no model: exit 2" "$?" 2
like "no model: what to do" "$(cat err)" "*-m MODEL*zv-import*"
mkdir models && mv ziya models/only
zv-ask -m "$PWD/models/only" --max-new 8 photo.jpg hi >wanted
ZV_MODELS=nowhere:$PWD/models zv-ask --max-new 8 photo.jpg hi >out
same "the only model in ZV_MODELS" out wanted
cp -R models/only models/other
ZV_MODELS=$PWD/models zv-ask photo.jpg hi >out 2>&1
is "two models in ZV_MODELS: exit 2" "$?" 2
like "two models in ZV_MODELS: named" "$(cat out)" "*one of: only other
*"

# Talks
printf 'hi\nand?\n' | zv-ask -m models/only --max-new 8 --chat photo.jpg >out 2>err
is "--chat: exit 0" "$?" 0
zv-encode -m models/only photo.jpg | zv-qformer -m models/only -o prompt.zv
printf 'hi\nand?\n' | zv-generate -m models/only --max-new 8 --chat --text-only prompt.zv >wanted
same "--chat: the talk of zv-generate" out wanted
printf 'hi\n' | zv-ask -m models/only --chat absent.jpg >out 2>err
is "--chat about a picture that is not there: exit 1" "$?" 1
finish
