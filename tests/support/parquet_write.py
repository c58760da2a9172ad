"""parquet_write.py - Parquet files as pandas and others write them, for the reader's tests.

usage: parquet_write.py FILE TEXT...    options in PARQUET=snappy,dictionary,optional,second,group=N,...
Written from the format's description alone; shares no code with the reader. Other columns stand before
and behind the texts. null: the second text is missing; fallback: the second half is plain.
"""
import os
import struct
import sys

WORDS = [word for word in os.environ.get("PARQUET", "").split(",") if word]
OPTIONS = {word.split("=")[0]: word.split("=")[-1] for word in WORDS}
COLUMN = OPTIONS.get("column", "image_path")


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def zigzag(number):
    return varint(number * 2 if number >= 0 else -number * 2 - 1)


def value(kind, item):
    if kind == "i" or kind == "l":
        return zigzag(item)
    if kind == "s":
        return varint(len(item)) + item
    if kind == "b":
        return b""
    if kind[0] == "[":
        head = bytes([min(len(item), 15) << 4 | CODES[kind[1]]])
        return head + (varint(len(item)) if len(item) > 14 else b"") + b"".join(value(kind[1:], x) for x in item)
    return structure(item)


CODES = {"i": 5, "l": 6, "s": 8, "[": 9, "{": 12}


def structure(fields):
    out, last = b"", 0
    for number, kind, item in fields:
        code = (1 if item else 2) if kind == "b" else CODES[kind[0]]
        if 0 < number - last < 16:
            out += bytes([(number - last) << 4 | code])
        else:
            out += bytes([code]) + zigzag(number)
        out += value(kind, item)
        last = number
    return out + b"\0"


def snappy(data):
    out, at, start = varint(len(data)), 0, 0

    def literal(piece):
        if not piece:
            return b""
        size = len(piece) - 1
        if size < 60:
            return bytes([size << 2]) + piece
        return bytes([61 << 2]) + struct.pack("<H", size) + piece

    while at < len(data):
        found = data.rfind(data[at:at + 4], max(0, at - 60000), at + 3) if at + 4 <= len(data) else -1
        if found < 0 or found >= at:
            at += 1
            continue
        size = 4
        while at + size < len(data) and size < 64 and data[found + size] == data[at + size]:
            size += 1
        out += literal(data[start:at])
        offset = at - found
        if size < 12 and offset < 2048:
            out += bytes([1 | size - 4 << 2 | offset >> 8 << 5, offset & 255])
        elif size % 2:
            out += bytes([2 | size - 1 << 2]) + struct.pack("<H", offset)
        else:
            out += bytes([3 | size - 1 << 2]) + struct.pack("<I", offset)
        at += size
        start = at
    return out + literal(data[start:])


def runs(numbers, width):
    """Half as runs, half packed."""
    out, half = b"", len(numbers) // 2
    for number in numbers[:half]:
        out += varint(1 << 1) + number.to_bytes((width + 7) // 8, "little")
    rest = numbers[half:]
    if rest:
        rest = rest + [0] * (-len(rest) % 8)
        bits = sum(number << i * width for i, number in enumerate(rest))
        out += varint(len(rest) // 8 << 1 | 1) + bits.to_bytes(len(rest) // 8 * width, "little")
    return out


def plain(texts):
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def page(kind, head, body, front=b""):
    packed = snappy(body) if "snappy" in OPTIONS else body
    number = {0: 5, 2: 7, 3: 8}[kind]
    return structure([(1, "i", kind), (2, "i", len(front) + len(body)), (3, "i", len(front) + len(packed)),
                      (4, "i", -7), (number, "{", head)]) + front + packed


def data_page(texts, missing, body, encoding):
    levels = runs([0 if i in missing else 1 for i in range(len(texts))], 1) if "optional" in OPTIONS else b""
    if "second" in OPTIONS:
        return page(3, [(1, "i", len(texts)), (2, "i", len(missing)), (3, "i", len(texts)), (4, "i", encoding),
                        (5, "i", len(levels)), (6, "i", 0), (7, "b", True)], body, levels)
    if "optional" in OPTIONS:
        body = struct.pack("<I", len(levels)) + levels + body
    return page(0, [(1, "i", len(texts)), (2, "i", encoding), (3, "i", 3), (4, "i", 3)], body)


def chunk(texts, at):
    missing = {1} if "null" in OPTIONS else set()
    there = [text for i, text in enumerate(texts) if i not in missing]
    out, dictionary = b"", 0
    if "dictionary" in OPTIONS:
        words = sorted(set(there))
        width = max(1, (len(words) - 1).bit_length())
        out += page(2, [(1, "i", len(words)), (2, "i", 0)], plain(words))
        dictionary, data = at, at + len(out)
        half = len(texts) // 2 if "fallback" in OPTIONS else len(texts)
        indices = [words.index(text) for i, text in enumerate(texts[:half]) if i not in missing]
        out += data_page(texts[:half], missing, bytes([width]) + runs(indices, width), 8)
        if half < len(texts):
            out += data_page(texts[half:], set(), plain(texts[half:]), 0)
    else:
        data = at
        out += data_page(texts, missing, plain(there), int(OPTIONS.get("encoding", 0)))
    codec = int(OPTIONS.get("codec", 1 if "snappy" in OPTIONS else 0))
    fields = [(1, "i", 6), (2, "[i", [0, 3, 8]), (3, "[s", [COLUMN.encode()]), (4, "i", codec),
              (5, "l", len(texts)), (6, "l", len(out)), (7, "l", len(out)), (9, "l", data)]
    return out, fields + ([(11, "l", dictionary)] if dictionary else [])


def numbers_chunk(count, at, name):
    body = struct.pack("<%dq" % count, *range(count))
    out = structure([(1, "i", 0), (2, "i", len(body)), (3, "i", len(body)),
                     (5, "{", [(1, "i", count), (2, "i", 0), (3, "i", 3), (4, "i", 3)])]) + body
    return out, [(1, "i", 2), (2, "[i", [0]), (3, "[s", [name]), (4, "i", 0), (5, "l", count),
                 (6, "l", len(out)), (7, "l", len(out)), (9, "l", at)]


def main():
    texts = [text.encode() for text in sys.argv[2:]]
    size = int(OPTIONS.get("group", len(texts)))
    out, groups = b"PAR1", []
    for first in range(0, len(texts), size):
        part, columns = texts[first:first + size], []
        for make in (lambda at: numbers_chunk(len(part), at, b"width"), lambda at: chunk(part, at),
                     lambda at: numbers_chunk(len(part), at, b"height")):
            data, fields = make(len(out))
            columns.append([(2, "l", len(out)), (3, "{", fields)])
            out += data
        groups.append([(1, "[{", columns), (2, "l", 99), (3, "l", len(part))])
    repetition = 1 if "optional" in OPTIONS else 0
    schema = [[(4, "s", b"schema"), (5, "i", 4)], [(1, "i", 2), (3, "i", 0), (4, "s", b"width")],
              [(1, "i", 6), (3, "i", repetition), (4, "s", COLUMN.encode()), (6, "i", 0), (10, "{", [(1, "{", [])])],
              [(3, "i", 1), (4, "s", b"nested"), (5, "i", 1)], [(1, "i", 6), (3, "i", 0), (4, "s", b"caption")],
              [(1, "i", 2), (3, "i", 0), (4, "s", b"height")]]
    metadata = structure([(1, "i", 2), (2, "[{", schema), (3, "l", len(texts)), (4, "[{", groups),
                          (5, "[{", [[(1, "s", b"pandas"), (2, "s", b"{}")]]), (6, "s", b"a test")])
    with open(sys.argv[1], "wb") as file:
        file.write(out + metadata + struct.pack("<I", len(metadata)) + b"PAR1")


main()
