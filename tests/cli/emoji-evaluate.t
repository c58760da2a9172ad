# emoji-evaluate.t - examples/emoji/evaluate.sh runs the pipeline, keeps what it computed, and sums up;
# quality.sh does so in several types of weights
. "$ZV_TESTS/lib.sh"
. "$ZV_TESTS/support/fixture.sh"
fixture_make || { fail "fixtures"; finish; }
evaluate=$ZV_ROOT/examples/emoji/evaluate.sh

mkdir bin data
# shellcheck disable=SC2086
if ! out=$(${CC:-cc} -std=c11 -O1 -g ${ZV_SANITIZE:+-fsanitize=$ZV_SANITIZE -fno-sanitize-recover=all} \
	-D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -I"$ZV_ROOT/lib" -o bin/emoji-score \
	"$ZV_ROOT"/examples/emoji/score*.c "$ZV_BUILD/libzv.a" -Wl,--as-needed \
	-lzstd -ljansson -lutf8proc -lxxhash -lb2 -lpthread -lm 2>&1); then
	fail 'emoji-score is built' "$out"
	finish
fi
for program in zv-encode zv-qformer zv-generate zv-train zv-import; do
	ln -s "$ZV_BUILD/$program" bin
done

cp photo.jpg cat.jpg dog.jpg data
printf '0\tkind\tcat\t猫\tcats\t\n1\tkind\tdog\t狗\tdogs\t\n2\tcolour\tred\t红色\t\t\n3\tnumber\tone\t一个\t\t\n' >data/classes.tsv
for image in photo.jpg cat.jpg dog.jpg; do
	printf '{"image":"%s","caption":"A cat.","caption_zh":"一个猫。","layout":{"colour":"red","objects":[{"kind":0,"x":1,"y":1,"width":1,"height":1}]}}\n' $image
done >data/scenes-test-11.jsonl
for image in photo.jpg cat.jpg dog.jpg; do
	printf '{"image":"%s","question":"What?","answer":"cat","type":"what","language":"en"}\n' $image
	printf '{"image":"%s","question":"几个？","answer":"一个","type":"total","language":"zh"}\n' $image
done >data/scenes-test-11-instruct.jsonl
sed 2d data/scenes-test-11.jsonl >data/scenes-test-12.jsonl
grep -v cat.jpg data/scenes-test-11-instruct.jsonl >data/scenes-test-12-instruct.jsonl

ok 'two seeds of a set' sh "$evaluate" -o -b bin -s '11 12' -k 'test unseen' ziya data out
table=$(sh "$evaluate" -o -b bin -s '11 12' -k 'test unseen' ziya data out 2>again)
is 'what is there is not computed again' "$(grep -v 'left out' again)" ''
is 'a set that is not there is told' "$(grep -c 'scenes-unseen-1[12].jsonl is not there' again)" 2
is 'figures of both seeds' "$(cut -f 1-3 out/results.tsv | sort -u)" "$(printf 'trained\ttest\t11\ntrained\ttest\t12')"
is 'of all three tasks' "$(cut -f 4 out/results.tsv | sort -u | tr '\n' ' ')" 'captions questions retrieval '
is 'among all pictures of a set the right one is found' \
	"$(awk -F '\t' '$6 ~ /R@5/ { print $7, $8, $9 }' out/results.tsv | sort | uniq -c | tr -s ' ')" \
	"$(printf ' 4 1.000000 1.000000 2\n 4 1.000000 1.000000 3')"
is 'a line of answers for each question' "$(cut -f 1 out/trained/scenes-test-11-answers.txt | sort | uniq -c | tr -s ' ')" \
	"$(printf ' 2 cat.jpg\n 2 dog.jpg\n 2 photo.jpg')"
is 'a caption for each scene' "$(cut -f 1 out/trained/scenes-test-12-captions-zh.txt | sort)" "$(printf 'dog.jpg\nphoto.jpg')"
is 'the table: mean and spread' "$(printf '%s\n' "$table" | grep 'en  text R@5' | tr -s ' ')" \
	' en text R@5 100.0 +-0.0 - 100.0 -'

# the spread is that of one seed: 40 and 60 per cent
for seed in 11 12; do
	value=0.4
	[ $seed = 11 ] || value=0.6
	sed "/text R@1/s/^\\(retrieval	en	text R@1	\\)[0-9.]*/\\1$value/" out/trained/scenes-test-$seed-retrieval.tsv >edited
	cp edited out/trained/scenes-test-$seed-retrieval.tsv
done
is 'the table: spread of two seeds' "$(sh "$evaluate" -o -b bin -s '11 12' -k test ziya data out 2>/dev/null |
	grep 'en  text R@1 ' | tr -s ' ' | cut -d ' ' -f 5,6)" '50.0 +-14.1'

ok 'a part of it' sh "$evaluate" -o -b bin -n 1 -e 1 -s 11 -k test -w questions ziya data part
is 'a part of it: one question' "$(cut -f 1-9 part/results.tsv | sed -n '/all.all/s/.*\t//p')" 1
# in other types of weights
quality=$ZV_ROOT/examples/emoji/quality.sh
table=$(sh "$quality" -n 3 -e 0 -s '11 12' -t 'f32 bf16 int4' -b bin ziya data types 2>said) || fail 'quality.sh' "$(cat said)"
is 'types: a line for each' "$(printf '%s\n' "$table" | sed 1d | tr -s ' ' | cut -d ' ' -f 1)" "$(printf 'f32\nbf16\nint4')"
is 'types: the table is kept' "$(cat types/quality.txt)" "$table"
is 'types: bf16 takes about half of f32, int4 less' "$(printf '%s\n' "$table" | sed 1d | awk '{ print size && $2 < size; size = $2 }' | tr '\n' ' ')" '0 1 1 '
is 'types: six figures and the largest loss' "$(printf '%s\n' "$table" | tail -n 1 | grep -oE '\([+-][0-9.]+\)' | wc -l)" 6
for type in f32 int4; do
	is "types: the model in $type" "$(zv-ls types/models/$type/llm.zv | grep -c "	$type	.*layers.0.mlp.up_proj\|layers.0.mlp.up_proj.*	$type	")" 1
done
sh "$quality" -n 3 -e 0 -s '11 12' -t 'f32 bf16 int4' -b bin ziya data types >again 2>said
is 'types: what is there is not computed again' "$(cat again; grep -c ' of ' said)" "$table
0"
for seed in 11 12; do # a loss is a loss
	sed -i "/text R@1/s/^\(retrieval	..	text R@1	\)[0-9.]*/\1$([ $seed = 11 ] && echo 0.5 || echo 0.7)/; /picture R@1/s/^\(retrieval	..	picture R@1	\)[0-9.]*/\10.6/" \
		types/int4/trained/scenes-test-$seed-retrieval.tsv
	sed -i "/R@1/s/^\(retrieval	..	[a-z]* R@1	\)[0-9.]*/\10.8/" types/f32/trained/scenes-test-$seed-retrieval.tsv
done
is 'types: points lost' "$(sh "$quality" -n 3 -e 0 -s '11 12' -t 'f32 int4' -b bin ziya data types 2>said | tail -n 1 |
	tr -s ' ' | cut -d ' ' -f 3-6)" '60.0 (-20.0) 60.0 (-20.0)'

status 'no model' 2 sh "$evaluate" -b bin nothing data out
status 'no data' 2 sh "$evaluate" -b bin ziya ziya out
finish
