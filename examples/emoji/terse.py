"""terse.py - scenes as lists, for an adapter that answers tersely: "blue: cat, two apples". All in words
that the tokenizer knows from the captions: an adapter cannot teach new ones.

usage: terse.py classes.tsv SET.jsonl COUNT >TERSE.jsonl
What is listed comes from the layout, in the order of the captions: from left to right.
"""
import itertools
import json
import sys


def listed(groups, names, form, comma):
    numbers = ("", "two", "three", "four") if form == "en" else ("", "两个", "三个", "四个")
    blank = " " if form == "en" else ""
    return comma.join(names[0][kind] if n == 1 else numbers[n - 1] + blank + names[1][kind]
                      for kind, n in groups.items())


def main():
    with open(sys.argv[1], encoding="utf-8") as table:
        rows = [line.rstrip("\n").split("\t") for line in table]
    kinds = [row for row in rows if row[1] == "kind"]
    english = [{int(row[0]): row[column] for row in kinds} for column in (2, 4)]
    chinese = [{int(row[0]): row[3] for row in kinds}] * 2
    colours = {row[2]: row[3] for row in rows if row[1] == "colour"}
    with open(sys.argv[2], encoding="utf-8") as lines:
        for line in itertools.islice(lines, int(sys.argv[3])):
            entry = json.loads(line)
            colour, groups = entry["layout"]["colour"], {}
            for thing in entry["layout"]["objects"]:
                groups[thing["kind"]] = groups.get(thing["kind"], 0) + 1
            said = {
                "image": entry["image"],
                "caption": "%s: %s" % (colour, listed(groups, english, "en", ", ")),
                "caption_zh": "%s，%s" % (colours[colour], listed(groups, chinese, "zh", "、")),
            }
            print(json.dumps(said, ensure_ascii=False))


sys.stdout.reconfigure(encoding="utf-8")
main()
