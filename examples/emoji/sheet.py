"""sheet.py - the first scenes of a set as one HTML page, with captions and questions.

usage: sheet.py SET.jsonl COUNT >SET.html
"""
import base64
import html
import itertools
import json
import os
import sys

PAGE = """<!DOCTYPE html><meta charset="utf-8"><title>%s</title>
<style>body{font:14px sans-serif;display:grid;grid-template-columns:repeat(4,1fr);gap:1em}
img{width:224px;image-rendering:pixelated}ul{padding-left:1em}</style>
"""


def scene(folder, line):
    entry = json.loads(line)
    with open(os.path.join(folder, entry["image"]), "rb") as picture:
        data = base64.b64encode(picture.read()).decode()
    said = [entry["caption"], entry.get("caption_zh", "")]
    asked = [q["question"] + " " + q["answer"] for q in entry.get("questions", [])]
    return '<div><img src="data:image/jpeg;base64,%s"><p>%s<ul>%s</ul></div>\n' % (
        data,
        "<br>".join(map(html.escape, said)),
        "".join("<li>" + html.escape(text) for text in asked),
    )


def main():
    path, count = sys.argv[1], int(sys.argv[2])
    sys.stdout.write(PAGE % html.escape(os.path.basename(path)))
    with open(path, encoding="utf-8") as lines:
        for line in itertools.islice(lines, count):
            sys.stdout.write(scene(os.path.dirname(path), line))


main()
