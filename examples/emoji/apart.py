"""apart.py - texts to train a tokenizer on: Chinese names and colours stand apart by commas.

usage: apart.py classes.tsv <TEXT >TEXT
Chinese has no blanks, so byte pair encoding would learn pieces such as "and one" with a name behind it.
A comma is where pieces end; with it on both sides a name becomes the same piece wherever it stands.
"""
import re
import sys

COMMA = "\uff0c"


def main():
    with open(sys.argv[1], encoding="utf-8") as table:
        rows = [line.rstrip("\n").split("\t") for line in table]
    names = {row[3] for row in rows if row[1] in ("kind", "colour")}
    longest_first = sorted(names, key=lambda name: (-len(name), name))
    pattern = re.compile("|".join(map(re.escape, longest_first)))
    for line in sys.stdin.buffer:
        text = line.decode("utf-8")
        sys.stdout.buffer.write(pattern.sub(lambda m: COMMA + m[0] + COMMA, text).encode())


main()
