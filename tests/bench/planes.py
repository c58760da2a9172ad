#!/usr/bin/env python3
"""planes.py - does splitting float payloads into byte planes before zstd pay?

usage: zv-encode -m MODEL PICTURE... | tests/bench/planes.py
Takes a stream of f32 tensors, makes f16 and bf16 of them, and prints for each the compression
ratio and speed that `zstd -b` reports at level 1, plain and with all first bytes put before all
second bytes and so on. SPEED.md has the result and the decision.
"""
import array
import os
import struct
import subprocess
import sys
import tempfile

PREFIX = struct.Struct("<4scBBBHHIQ")


def payloads(stream):
    """The payloads of the tensors in a decompressed stream."""
    at = 0
    while at < len(stream):
        _, kind, _, dimensions, _, key, name, meta, size = PREFIX.unpack_from(stream, at)
        header = (64 + 8 * dimensions + key + name + meta + 8 + 63) & ~63
        if kind == b"T":
            yield stream[at + header:at + header + size]
        at += header + size + -size % 64


def as_f16(raw):
    values = array.array("f", raw)
    return struct.pack("<%de" % len(values), *values)


def as_bf16(raw):
    """Rounded to nearest even on the bit patterns."""
    bits = array.array("I", raw)
    return array.array("H", [(b + 0x7FFF + (b >> 16 & 1)) >> 16 & 0xFFFF for b in bits]).tobytes()


def planes(raw, width):
    return b"".join(raw[i::width] for i in range(width))


def measure(label, data):
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(data)
    run = subprocess.run(["zstd", "-b1", "-i2", "-q", file.name], capture_output=True, text=True)
    os.unlink(file.name)
    figures = (run.stdout + run.stderr).strip().split("\r")[-1].split()
    print(label, " ".join(figures[2:-1]))


def main():
    stream = subprocess.run(["zstd", "-dc"], stdin=sys.stdin.buffer, capture_output=True, check=True)
    raw = b"".join(payloads(stream.stdout))
    for dtype, data, width in (("f32", raw, 4), ("f16", as_f16(raw), 2), ("bf16", as_bf16(raw), 2)):
        measure(dtype + "\tplain ", data)
        measure(dtype + "\tplanes", planes(data, width))


main()
