# emoji-score.t - figures of examples/emoji/score*.c that are known by hand
. "$ZV_TESTS/lib.sh"

# Compiled here: the test of the generator, which also builds it, may run at the same time.
score=$PWD/emoji-score
# shellcheck disable=SC2086
if ! out=$(${CC:-cc} -std=c11 -O1 -g ${ZV_SANITIZE:+-fsanitize=$ZV_SANITIZE -fno-sanitize-recover=all} \
	-D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -I"$ZV_ROOT/lib" -o "$score" \
	"$ZV_ROOT"/examples/emoji/score*.c "$ZV_BUILD/libzv.a" -Wl,--as-needed \
	-lzstd -ljansson -lutf8proc -lxxhash -lb2 -lpthread -lm 2>&1); then
	fail 'emoji-score is built' "$out"
	finish
fi

# Tables: kinds with "and", one within another, one that begins like a colour, their own plural.
while read -r class group rest; do
	printf '%s\t%s\t%s\n' "$class" "$group" "$rest"
done <<'END' | tr '|' '\t' >classes.tsv
0 kind bow and arrow|弓箭|bows and arrows|U+1F3F9
1 kind bow|弓|bows|U+1F380
2 kind arrow|箭|arrows|U+27A1
3 kind orange heart|橙心|orange hearts|U+1F9E1
4 kind sheep|羊|sheep|U+1F411
5 kind mountain sheep|山羊|mountain sheep|U+1F410
6 none none|没有||
7 colour orange|橙色||
8 colour red|红色||
9 number one|一个||
10 number two|两个||
11 number three|三个||
END
# scene IMAGE COLOUR CAPTION CAPTION_ZH [KIND X Y]...: objects of 10 by 10
scene() {
	printf '{"image":"%s","caption":"%s","caption_zh":"%s","layout":{"colour":"%s","objects":[' "$1" "$3" "$4" "$2"
	shift 4
	comma=
	while [ $# -gt 0 ]; do
		printf '%s{"kind":%d,"x":%d,"y":%d,"width":10,"height":10}' "$comma" "$1" "$2" "$3"
		comma=, && shift 3
	done
	printf ']}}\n'
}
{
	scene a orange 'A bow and arrow on an orange background.' '橙色背景上有一个弓箭。' 0 10 10
	scene b red 'A bow and an arrow on a red background. The bow is to the left of the arrow.' \
		'红色背景上有一个弓和一个箭。弓在箭的左边。' 1 10 50 2 80 60
	scene c orange 'Two sheep and an orange heart on an orange background.' \
		'图中有两个羊和一个橙心，背景是橙色。' 4 10 10 4 50 10 3 90 10
	scene d red 'A mountain sheep on a red background.' '图中有一个山羊，背景是红色。' 5 50 50
} >set.jsonl

# value TABLE COLUMN MEASURE: "value chance number"
value() { awk -F '\t' -v c="$2" -v m="$3" '$2 == c && $3 == m { print $4, $5, $6 }' "$1"; }

"$score" pictures -s set.jsonl -n 3 >list
is 'the list of pictures' "$(cat list)" 'a
b
c'
for language in en zh; do
	"$score" texts -s set.jsonl -l $language >texts-$language
	"$score" captions -s set.jsonl -l $language --tsv texts-$language >right-$language
	for measure in 'exact set' 'objects named' 'named rightly' number colour 'all right'; do
		like "true captions, $language: $measure" "$(value right-$language $language "$measure")" '1.000000 *'
	done
	is "true captions, $language: the one relation" "$(value right-$language $language 'relation true')" '1.000000 - 1'
	like "true captions, $language: BLEU-4" "$(value right-$language $language BLEU-4)" '1.000000 - 0'
done
is 'chance of a set is the commonest one' "$(value right-en en 'exact set')" '1.000000 0.250000 4'
is 'chance of a colour' "$(value right-en en colour)" '1.000000 0.500000 4'
is 'chance of a number: five of six kinds are there once' "$(value right-en en number)" '1.000000 0.833333 6'

# a: two names where there is one. b: relation the wrong way round, and upper case. c: a count and
# the colour wrong, one kind left out. d: a kind within another is not named; one too many.
printf '%s\t%s\n' a 'A bow and an arrow on an orange background.' \
	b 'An ARROW and a bow on a red background. The arrow is to the left of the bow.' \
	c 'Three sheep on a red background.' d 'One mountain sheep and a bow on a red background.' >wrong.tsv
"$score" captions -s set.jsonl --tsv wrong.tsv >wrong
is 'wrong captions: exact sets' "$(value wrong en 'exact set')" '0.250000 0.250000 4'
is 'wrong captions: of two kinds' "$(value wrong en 'exact, 2 kinds')" '0.500000 - 2'
is 'wrong captions: of two or more' "$(value wrong en 'exact, 2 or more')" '0.500000 - 2'
is 'wrong captions: objects named' "$(value wrong en 'objects named')" '0.666667 0.166667 6'
is 'wrong captions: named rightly' "$(value wrong en 'named rightly')" '0.571429 0.250000 7'
is 'wrong captions: numbers of what is there' "$(value wrong en number)" '0.750000 0.833333 4'
is 'wrong captions: colours' "$(value wrong en colour)" '0.750000 0.500000 4'
is 'wrong captions: relations' "$(value wrong en 'relation true')" '0.000000 - 1'
is 'wrong captions: nothing is all right' "$(value wrong en 'all right')" '0.000000 - 4'

# Chinese: 羊 within 山羊, a relation up and down, two colours
printf '%s\t%s\n' a '一个弓箭，橙色，红色。' b '红色背景上有一个弓和一个箭。箭在弓的右边。' d '图中有一个羊，背景是红色。' >wrong-zh.tsv
out=$("$score" captions -s set.jsonl -l zh --tsv wrong-zh.tsv 2>&1 >wrong-zh)
like 'a scene without a caption is told' "$out" '*1 of 4 scenes have no caption*'
is 'wrong Chinese captions: exact sets' "$(value wrong-zh zh 'exact set')" '0.500000 0.250000 4'
is 'wrong Chinese captions: colours; two are not right' "$(value wrong-zh zh colour)" '0.500000 0.500000 4'
is 'wrong Chinese captions: relations' "$(value wrong-zh zh 'relation true')" '1.000000 - 1'

# A scene with several references: BLEU takes the nearest one.
sed '1s/}$/,"references":["We see it all here.","A thing on an orange background."],"references_zh":["弓箭。"]}/' set.jsonl >several.jsonl
sed '1s/.*/a\tWe see it all here./' texts-en >seen.tsv
"$score" captions -s several.jsonl --tsv seen.tsv >several
is 'one of several references is met' "$(value several en BLEU-4)" '1.000000 - 0'
is 'but what it names counts' "$(value several en 'exact set')" '0.750000 0.250000 4'

# Questions: order within a picture counts; capitals and full stops do not.
cat >ask.jsonl <<'END'
{"image":"a","question":"What is this?","answer":"bow and arrow","type":"what","language":"en"}
{"image":"a","question":"背景是什么颜色？","answer":"橙色","type":"colour","language":"zh"}
{"image":"a","question":"Describe it.","answer":"A bow and arrow.","type":"caption","language":"en"}
{"image":"a","language":"en","conversations":[{"from":"human","value":"Hi"},{"from":"gpt","value":"Ho"}]}
{"image":"b","question":"What color?","answer":"red","type":"colour","language":"en"}
{"image":"b","question":"Which is bigger, the bow or the arrow?","answer":"bow","type":"bigger","language":"en"}
{"image":"c","question":"What color?","answer":"orange","type":"colour","language":"en"}
{"image":"c","question":"Which is bigger, the sheep or the orange heart?","answer":"sheep","type":"bigger","language":"en"}
{"image":"d","question":"What color?","answer":"red","type":"colour","language":"en"}
END
"$score" questions -Q ask.jsonl -n 2 >asked
is 'the list of questions, without descriptions and talks' "$(cat asked)" "$(printf 'a\tWhat is this?\na\t背景是什么颜色？\nb\tWhat color?\nb\tWhich is bigger, the bow or the arrow?')"
is 'one of each picture' "$("$score" questions -Q ask.jsonl --each 1 | cut -f 1 | tr -d '\n')" abcd
printf '%s\t%s\n' b Red. b arrow a 'bow and arrow' a 红色 c 'orange ' c sheep d 'red sheep' >answers.tsv
"$score" answers -Q ask.jsonl --tsv answers.tsv >answered
is 'questions: what' "$(value answered en what)" '1.000000 1.000000 1'
is 'questions: colour' "$(value answered en colour)" '0.666667 0.666667 3'
is 'questions: colour in Chinese' "$(value answered zh colour)" '0.000000 1.000000 1'
is 'questions: colour in both' "$(value answered all colour)" '0.500000 0.750000 4'
is 'questions: half of the bigger ones are chance' "$(value answered en bigger)" '0.500000 0.500000 2'
is 'questions: all' "$(value answered all all)" '0.571429 0.714286 7'
out=$("$score" answers -Q ask.jsonl -n 1 --each 1 --tsv answers.tsv)
like 'questions: the first of the first picture' "$out" '*en*what*1.000000*1.000000*1*all*all*1.000000*1.000000*1'

# Search: pictures of two rows, texts of one; the largest product counts. Picture a is most like
# text b (3 > 2); text a most like picture a; b and c are each other's; d ties with text a at 0 and
# stands behind it.
zvt-make pictures.zv <<'END'
c	itc	f32	2x3	0 0 4 0 0 0
a	itc	f32	2x3	1 0 0 0 3 0
b	itc	f32	2x3	0 1 0 0 4 0
d	itc	f32	2x3	0 0 0 0 0 0
END
zvt-make texts.zv <<'END'
a	itc	f32	3	2 0 0
b	itc	f32	3	0 1 0
c	itc	f32	3	0 0 1
d	itc	f32	3	0 0 0
END
"$score" retrieval --tsv pictures.zv texts.zv >found
is 'search: texts of pictures, first' "$(value found en 'text R@1')" '0.500000 0.250000 4'
is 'search: texts of pictures, among five of four' "$(value found en 'text R@5')" '1.000000 1.000000 4'
is 'search: pictures of texts, first' "$(value found en 'picture R@1')" '0.750000 0.250000 4'

# BLEU and CIDEr of a corpus of two: the first equal, the second without a common word.
printf '%s\t%s\n' a 'a b c d e' b 'f g h i j' >references.tsv
printf '%s\t%s\n' a 'A b, c d e!' b 'k l m n o' >judged.tsv
"$score" sentences --tsv references.tsv judged.tsv >judged
is 'sentences: half of all n-grams' "$(value judged en BLEU-4)" '0.500000 - 0'
is 'sentences: CIDEr is 10 and 0' "$(value judged en CIDEr)" '5.000000 - 0'

status 'no such mode' 2 "$score" everything
status 'captions want scenes' 2 "$score" captions wrong.tsv
status 'answers without a key' 1 sh -c "echo nothing | '$score' captions -s set.jsonl -"
status 'a scene without a layout' 1 sh -c "echo '{\"image\":\"a\",\"caption\":\"\",\"caption_zh\":\"\"}' >bad.jsonl; '$score' captions -s bad.jsonl wrong.tsv"
status 'a colour that is none' 1 sh -c "sed 's/\"red\"/\"rot\"/' set.jsonl >bad.jsonl; '$score' captions -s bad.jsonl wrong.tsv"
status 'texts that are not of these pictures' 1 sh -c "printf 'a\titc\tf32\t3\t1 1 1\n' | zvt-make less.zv; '$score' retrieval pictures.zv less.zv"
status 'features of other kinds' 1 sh -c "printf 'a\tvit\tf32\t3\t1 1 1\n' | zvt-make vit.zv; '$score' retrieval vit.zv vit.zv"
status 'features that are no numbers' 1 sh -c "printf 'a\titc\tf32\t1\tnan\n' | zvt-make nan.zv; '$score' retrieval nan.zv nan.zv"
finish
