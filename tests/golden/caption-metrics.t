# caption-metrics.t - BLEU-4 and CIDEr of emoji-score equal to those of pycocoevalcap
. "$ZV_TESTS/lib.sh"
need_shared oracles/caption-metrics
command -v python3 >/dev/null || { printf '1..0 # SKIP no python3\n'; exit 0; }

score=$ZV_BUILD/emoji-score
ok 'emoji-score is built' make -s -C "$ZV_ROOT/examples/emoji" BUILD="$ZV_BUILD" "$score"

# unfold FILE: references.tsv, judged.tsv, expected, of {refs, hyps, expected}
unfold() {
	python3 - "$1" <<'END'
import json
import sys

data = json.load(open(sys.argv[1]))
for name, part in (("references.tsv", "refs"), ("judged.tsv", "hyps")):
    with open(name, "w") as file:
        for key, texts in data[part].items():
            for text in texts:
                print(key, text.replace("\\", "\\\\"), sep="\t", file=file)
corpus = data["expected"]["corpus"]
with open("expected", "w") as file:
    print("%.6f %.6f" % (corpus["Bleu_4"], corpus["CIDEr"]), file=file)
END
}

for name in abstract5_B abstract5_C abstract48_B20 corner zh_chars; do
	unfold "$ZV_SHARED/oracles/caption-metrics/$name.json"
	language=en
	[ $name != zh_chars ] || language=zh
	is "$name: BLEU-4 and CIDEr" "$("$score" sentences --tsv -l $language references.tsv judged.tsv |
		cut -f 4 | paste -s -d ' ' -)" "$(cat expected)"
done
finish
