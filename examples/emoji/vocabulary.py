"""vocabulary.py - vocab.txt for BERT's WordPiece: every word, mark and Chinese character of texts.

usage: vocabulary.py FILE... >vocab.txt
A FILE.tsv is a table of classes, of which the names count. Words are found as BERT finds them:
lower case, marks and Chinese characters alone. Letters and digits come as pieces too, so that
words that are not here can still be spelt.
"""
import re
import sys
import unicodedata

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]"]
CHINESE = re.compile("([\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")


def is_mark(character):
    code = ord(character)
    if 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126:
        return True
    return unicodedata.category(character).startswith("P")


def words(text):
    text = unicodedata.normalize("NFD", text.lower())
    text = "".join(c for c in text if unicodedata.category(c) != "Mn")
    for part in CHINESE.sub(r" \1 ", text).split():
        word = ""
        for character in part:
            if is_mark(character):
                if word:
                    yield word
                yield character
                word = ""
            else:
                word += character
        if word:
            yield word


def texts(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if path.endswith(".tsv"):
                yield " ".join(line.split("\t")[2:5])
            else:
                yield line


def main():
    found = set()
    for path in sys.argv[1:]:
        for text in texts(path):
            found.update(words(text))
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + list("0123456789")
    marks = [chr(code) for code in range(33, 127) if is_mark(chr(code))]
    begin = SPECIAL + letters + ["##" + letter for letter in letters] + marks
    rest = sorted(found.difference(begin), key=lambda word: word.encode())
    sys.stdout.buffer.write("".join(word + "\n" for word in begin + rest).encode())


main()
