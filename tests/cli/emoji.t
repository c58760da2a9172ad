# emoji.t - examples/emoji: the same seed gives the same bytes; what is said and asked about scenes
# follows from where things stand; reserved pairs of kinds are in no training scene.
# shellcheck shell=sh
# shellcheck source=tests/lib.sh
. "$ZV_TESTS/lib.sh"
make=$ZV_ROOT/examples/emoji/Makefile

missing=
for file in /usr/include/freetype2/ft2build.h /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf \
	/usr/share/unicode/cldr/common/annotations/zh.xml /usr/share/unicode/emoji/emoji-test.txt; do
	[ -e "$file" ] || missing="$missing $file"
done
if [ -n "$missing" ] || ! command -v pkg-config >/dev/null 2>&1; then
	skip "pictures of emoji" "missing:$missing (.ci/deps emoji)"
	finish
fi
unset MAKEFLAGS MAKELEVEL MFLAGS
ok "the generator is built" make -s -f "$make" BUILD="$ZV_BUILD" \
	CFLAGS="-O2 -g ${ZV_SANITIZE:+-fsanitize=$ZV_SANITIZE}" program

### classes
ok "kinds" emoji-scenes -q kinds -o data
is "512 kinds, each with a name of its own" "$(awk -F'\t' '$2 == "kind"' data/classes.tsv | cut -f3 | sort -u | wc -l)" 512
is "Chinese names too" "$(awk -F'\t' '$2 == "kind"' data/classes.tsv | cut -f4 | sort -u | wc -l)" 512
is "classes are numbered through" "$(cut -f1 data/classes.tsv)" "$(seq 0 540)"
is "plurals" "$(awk -F'\t' '$3 ~ /^(wolf|city|fox|loaf of bread|tomato|nut and bolt|deer|ox)$/ { print $5 }' data/classes.tsv | sort | tr '\n' ,)" \
	"cities,deer,foxes,loaves of bread,nuts and bolts,oxen,tomatoes,wolves,"

### scenes
for split in train valid test unseen; do
	ok "scenes: $split" emoji-scenes -q scenes -n 300 --split $split -o data
	out=$(python3 "$ZV_TESTS/support/emoji_check.py" data/classes.tsv data/scenes-$split.jsonl $split) &&
		pass "scenes, $split: all follows from the layout ($out)" ||
		fail "scenes, $split: all follows from the layout" "$(printf '%s\n' "$out" | head -n 20)"
done
is "every scene has its picture" "$(find data/scenes-train -name '*.jpg' | wc -l)" 300
emoji-scenes -q scenes -n 300 -o again
ok "the same seed: the same bytes" diff -r data/scenes-train again/scenes-train
same "the same seed: the same lines" data/scenes-train.jsonl again/scenes-train.jsonl
same "the same seed: the same questions" data/scenes-train-instruct.jsonl again/scenes-train-instruct.jsonl
emoji-scenes -q scenes -n 20 -o again --set fewer
same "a scene does not depend on how many there are" again/fewer/000/000019.jpg data/scenes-train/000/000019.jpg
emoji-scenes -q scenes -n 300 -s 2 -o again --objects 1-2 --set other
ok "another seed: other pictures" test "$(cat again/other/000/*.jpg | cksum)" != "$(cat data/scenes-train/000/*.jpg | cksum)"
is "numbers of objects as asked" "$(python3 -c '
import json
print(sorted({len(json.loads(line)["layout"]["objects"]) for line in open("again/other.jsonl")}))')" "[1, 2]"
for bad in 0-2 2-1 5-5 x 1-; do
	status "numbers of objects: \"$bad\" is refused" 2 emoji-scenes scenes --objects "$bad" -n 1 -o again
done
is "lines of instructions: question and answer, or a dialogue" "$(python3 -c '
import json
for line in open("data/scenes-train-instruct.jsonl"):
    entry = json.loads(line)
    if "conversations" in entry:
        turns = [turn["from"] for turn in entry["conversations"]]
        assert len(turns) >= 4 and turns == ["human", "gpt"] * (len(turns) // 2), turns
    else:
        assert entry["question"] and entry["answer"] and entry["type"] and entry["language"]
print("good")' 2>&1)" good

### windows
ok "windows" emoji-scenes -q windows -n 300 -o data
is "windows: the object shows, further from the middle as it goes on" "$(python3 -c '
import json
spread = []
for line in open("data/windows-train.jsonl"):
    entry = json.loads(line)
    patches = entry["patches"]
    assert len(patches) == 16 and entry["kind"] in patches and set(patches) <= {-1, entry["kind"]}
    assert entry["caption"] and entry["caption_zh"]
    places = [i for i, kind in enumerate(patches) if kind >= 0]
    x = sum(i % 4 for i in places) / len(places) - 1.5
    y = sum(i // 4 for i in places) / len(places) - 1.5
    spread.append(x * x + y * y)
print(sum(spread[:30]) / 30 * 3 < sum(spread[90:]) / 210)' 2>&1)" True

### texts
ok "texts" emoji-scenes -q text -n 200 -o data
ok "texts: English and Chinese" grep -q '"language":"zh"' data/text-train.jsonl
python3 "$ZV_ROOT/examples/emoji/vocabulary.py" data/text-train.txt data/classes.tsv >vocab.txt
is "vocabulary: special tokens in front" "$(head -n 6 vocab.txt | tr '\n' ' ')" "[PAD] [UNK] [CLS] [SEP] [MASK] [DEC] "
is "vocabulary: nothing twice" "$(sort vocab.txt | uniq -d)" ""
if command -v spm_train >/dev/null 2>&1; then
	ok "tokenizer" make -s -f "$make" BUILD="$ZV_BUILD" WORK="$PWD/work" TEXTS=2000 PIECES=2000 \
		CFLAGS="-O2 -g ${ZV_SANITIZE:+-fsanitize=$ZV_SANITIZE}" tokenizer
	is "tokenizer: it holds no path" "$(grep -aoF "$PWD" work/tokenizer.model)" ""
	is "tokenizer: a Chinese name is one piece wherever it stands" \
		"$(printf '图中有一个银牌和两个银牌。\n银牌\n' | spm_encode --model work/tokenizer.model --output_format=piece |
			grep -o '\(^\| \)银牌\( \|$\)' | wc -l)" 3
else
	skip "tokenizer" "no spm_train here (.ci/deps emoji)"
fi

### what cannot be
status "no such mode" 2 emoji-scenes nothing
status "no such font" 2 emoji-scenes kinds -o again --font missing.ttf
status "no names" 2 emoji-scenes kinds -o again --annotations .
status "too many kinds" 1 emoji-scenes kinds -o again --kinds 2000
finish
