"""terse.py - scenes as lists, for an adapter that answers tersely: "cat + 2 apples | blue".

usage: terse.py classes.tsv SET.jsonl COUNT >TERSE.jsonl
What is listed comes from the layout, in the order of the captions: from left to right.
"""
import itertools
import json
import sys


def listed(groups, names):
    return " + ".join(names[0][kind] if n == 1 else "%d %s" % (n, names[1][kind]) for kind, n in groups.items())


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
                "caption": "%s | %s" % (listed(groups, english), colour),
                "caption_zh": "%s | %s" % (listed(groups, chinese), colours[colour]),
            }
            print(json.dumps(said, ensure_ascii=False))


sys.stdout.reconfigure(encoding="utf-8")
main()
