"""zvt-files.py - odd tensor streams, good and bad, written from the text of zvt(5) alone.
usage: zvt-files.py DIRECTORY
Each good-NAME.zv has a good-NAME.ls beside it: what zv-ls prints of it. tests/format/zvt/README
explains the files. Nothing of the project's C code is used, so this is a second implementation.
"""
import os
import struct
import sys

P1, P2, P3, P4, P5 = (11400714785074694791, 14029467366897019727, 1609587929392839161,
                      9650029242287828579, 2870177450012600261)
MASK = (1 << 64) - 1


def rotate(x, n):
    return ((x << n) | (x >> (64 - n))) & MASK


def xxh64(data):
    """XXH64 with seed 0."""
    def round_(a, lane):
        return rotate((a + lane * P2) & MASK, 31) * P1 & MASK
    at, size = 0, len(data)
    if size >= 32:
        lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
        while at + 32 <= size:
            words = struct.unpack_from('<4Q', data, at)
            lanes = [round_(a, w) for a, w in zip(lanes, words)]
            at += 32
        h = sum(rotate(a, n) for a, n in zip(lanes, (1, 7, 12, 18))) & MASK
        for a in lanes:
            h = ((h ^ round_(0, a)) * P1 + P4) & MASK
    else:
        h = P5
    h = (h + size) & MASK
    while at + 8 <= size:
        h = (rotate(h ^ round_(0, struct.unpack_from('<Q', data, at)[0]), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= size:
        h = (rotate(h ^ struct.unpack_from('<I', data, at)[0] * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        h = rotate(h ^ byte * P5 & MASK, 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32


SIZES = dict(e=2, E=2, f=4, d=8, b=1, B=1, h=2, H=2, i=4, I=4, q=8, Q=8)
NAMES = dict(e='f16', E='bf16', f='f32', d='f64', b='i8', B='u8', i='i32', Q='u64')


class Record:
    """One record; any field of the header may be made to lie."""

    def __init__(self, key=b'k', name=b'x', dtype='B', shape=(3,), payload=b'abc', kind=b'T',
                 meta=b'', flags=0, size=None, payload_checksum=None, header_checksum=None,
                 padding=b'\0', payload_padding=b'\0', key_size=None, name_size=None,
                 meta_size=None, ndim=None, magic=b'ZVT1'):
        self.key, self.name, self.dtype, self.shape = key, name, dtype, shape
        self.kind, self.payload = kind, payload
        head = struct.pack(
            '<4scBBBHHIQ32xQ', magic, kind, ord(dtype), len(shape) if ndim is None else ndim,
            flags, len(key) if key_size is None else key_size,
            len(name) if name_size is None else name_size,
            len(meta) if meta_size is None else meta_size,
            len(payload) if size is None else size,
            xxh64(payload) if payload_checksum is None else payload_checksum)
        head += struct.pack('<%dQ' % len(shape), *shape) + key + name + meta
        head += padding * (-(len(head) + 8) % 64)
        self.checksum = xxh64(head) if header_checksum is None else header_checksum
        self.head = head + struct.pack('<Q', self.checksum)
        self.bytes = self.head + payload + payload_padding * (-len(payload) % 64)

    def line(self):
        """What zv-ls prints."""
        key, name = self.key.decode(), self.name.decode()
        if self.kind == b'F':
            return '%s\t%s\tfailed\t-\t%s\n' % (key, name, self.payload.decode())
        shape = 'x'.join('%d' % d for d in self.shape) or 'scalar'
        return '%s\t%s\t%s\t%s\t%d\n' % (key, name, NAMES[self.dtype], shape, len(self.payload))


def end(records, tensors=None, failures=None, size=None, chain=None):
    """The end record for these records, or one that lies."""
    numbers = (
        sum(r.kind == b'T' for r in records) if tensors is None else tensors,
        sum(r.kind == b'F' for r in records) if failures is None else failures,
        sum(len(r.payload) for r in records) if size is None else size,
        xxh64(b''.join(struct.pack('<Q', r.checksum) for r in records)) if chain is None else chain)
    return Record(b'', b'', 'Q', (4,), struct.pack('<4Q', *numbers), kind=b'E')


def stored(content, window=0x38, checksum=None, size=None, flags=0xc4):
    """A zstd frame of raw blocks."""
    frame = struct.pack('<IB', 0xfd2fb528, flags)
    frame += bytes([window]) if not flags & 0x20 else b''
    frame += struct.pack('<Q', len(content) if size is None else size)
    blocks = [content[i:i + 131072] for i in range(0, len(content), 131072)] or [b'']
    for i, block in enumerate(blocks):
        frame += struct.pack('<I', len(block) << 3 | (i == len(blocks) - 1))[:3] + block
    if flags & 4:
        frame += struct.pack('<I', (xxh64(content) if checksum is None else checksum) & 0xffffffff)
    return frame


def block(content, kind, size=None, last=0):
    """A block of a frame: kind 0 stores, 1 is size times the one byte, 3 is reserved."""
    size = len(content) if size is None else size
    return struct.pack('<I', size << 3 | kind << 1 | last)[:3] + content


def bare(records):
    return b''.join(r.bytes for r in records)


def whole(*records):
    """A stream of bare records with the end record that they want."""
    return bare(records) + end(records).bytes


ONE = Record(b'1.jpg', b'vit', 'f', (2, 3), struct.pack('<6f', *range(6)))
TWO = Record('中/2.jpg'.encode(), b'prompt', 'E', (2,), b'\x80\x3f\x00\x40')
FAIL = Record(b'3.jpg', b'', 'B', (13,), b'is no picture', kind=b'F')
SKIPPABLE = struct.pack('<II', 0x184d2a53, 5) + b'hello'


def good():
    basic = [ONE, TWO]
    yield 'bare', whole(*basic), basic
    yield 'stored', b''.join(stored(r.bytes) for r in basic + [end(basic)]), basic
    yield 'one-frame', stored(whole(*basic)), basic
    yield 'joined', whole(ONE) + stored(whole(TWO)) + whole(*basic), [ONE, TWO] + basic
    yield 'skippable', SKIPPABLE + ONE.bytes + SKIPPABLE + stored(
        TWO.bytes + end(basic).bytes) + SKIPPABLE, basic
    yield 'empty-frame', stored(b'') + whole(*basic) + stored(b''), basic
    yield 'no-frame-checksum', stored(whole(*basic), flags=0xc0), basic
    yield 'single-segment', stored(whole(*basic), flags=0xe4), basic
    yield 'nothing', whole(), []
    yield 'failed', whole(ONE, FAIL), [ONE, FAIL]
    records = [Record(dtype='d', shape=(), payload=bytes(8)),
               Record(b'e', dtype='f', shape=(0, 1 << 40, 1 << 40), payload=b''),
               Record(b'8', dtype='B', shape=(1,) * 8, payload=b'x')]
    yield 'shapes', whole(*records), records
    records = [Record(b'k' * 1024, b'n' * 64, meta=b'm=' + b'v' * 65533 + b'\n')]
    yield 'largest-header', whole(*records), records
    comment = Record(b'', b'', 'B', (7,), b'zv-cat ', kind=b'c')
    later = Record(b'', b'', 'i', (2,), bytes(8), kind=b'z')
    yield 'unknown-kind', whole(comment, ONE, later, TWO), basic
    records = [Record(b's', b'a', flags=1), Record(b's', b'b')]
    yield 'sample', whole(*records), records
    large = Record(b'l', dtype='B', shape=(300000,), payload=bytes(range(250)) * 1200)
    yield 'blocks', stored(large.bytes) + stored(end([large]).bytes), [large]
    zeros = Record(b'z', dtype='B', shape=(131072,), payload=bytes(131072))
    yield 'run', (struct.pack('<IBB', 0xfd2fb528, 0, 0x38) + block(zeros.head, 0)
                  + block(b'\0', 1, 131072) + block(end([zeros]).bytes, 0, last=1)), [zeros]


def bad_headers():
    yield 'kind', Record(kind=b'X')
    yield 'dtype', Record(dtype='x')
    yield 'dimensions', Record(shape=(1,) * 8 + (3,), ndim=9)
    yield 'flags', Record(flags=2)
    yield 'no-key', Record(key=b'')
    yield 'long-key', Record(key=b'k' * 1025)
    yield 'long-name', Record(name=b'n' * 65)
    yield 'long-meta', Record(meta_size=65537)
    yield 'key-newline', Record(key=b'a\nb')
    yield 'key-zero', Record(key=b'a\0b')
    yield 'key-utf8', Record(key=b'\xed\xa0\x80')
    yield 'name-slash', Record(name=b'a/b')
    yield 'meta-line', Record(meta=b'no equals sign\n')
    yield 'meta-end', Record(meta=b'a=1')
    yield 'wrap', Record(dtype='f', shape=(1 << 32, 1 << 32, 4), payload=b'')
    yield 'wrap-size', Record(dtype='d', shape=(1 << 31, 1 << 30), payload=b'')
    yield 'large-dimension', Record(shape=(1 << 41, 0), payload=b'')
    yield 'size', Record(shape=(4,))
    yield 'header-checksum', Record(header_checksum=1)
    yield 'header-padding', Record(padding=b'\1')
    yield 'payload-checksum', Record(payload_checksum=1)
    yield 'payload-padding', Record(payload_padding=b'\1')
    yield 'failed-floats', Record(kind=b'F', dtype='f', shape=(1,), payload=bytes(4))
    yield 'more-failed', Record(kind=b'F', flags=1)
    yield 'promise', Record(dtype='d', shape=(1 << 40, 1 << 7), payload=b'', size=1 << 50)


def bad():
    for name, record in bad_headers():
        yield name, whole(record)
    basic, finish = [ONE, TWO], end([ONE, TWO]).bytes
    yield 'empty', b''
    yield 'text', b'some text\n'
    yield 'no-end', bare(basic)
    yield 'dropped', ONE.bytes + finish
    yield 'doubled', ONE.bytes + bare(basic) + finish
    yield 'swapped', TWO.bytes + ONE.bytes + finish
    yield 'end-tensors', bare(basic) + end(basic, tensors=3).bytes
    yield 'end-failures', bare(basic) + end(basic, failures=1).bytes
    yield 'end-size', bare(basic) + end(basic, size=1).bytes
    yield 'end-chain', bare(basic) + end(basic, chain=1).bytes
    yield 'end-three', Record(b'', b'', 'Q', (3,), bytes(24), kind=b'E').bytes
    yield 'behind-end', whole(*basic) + ONE.bytes
    yield 'garbage', whole(*basic) + b'garbage'
    yield 'three-bytes', whole(*basic) + b'ZVT'
    yield 'more-end', whole(Record(flags=1))
    yield 'more-key', whole(Record(flags=1), ONE)
    frame = stored(whole(*basic))
    yield 'frame-cut', frame[:-5]
    yield 'frame-checksum', stored(whole(*basic), checksum=1)
    yield 'frame-window', stored(whole(*basic), window=0x70)
    yield 'frame-size', stored(whole(*basic), size=1 << 40)
    yield 'frame-text', stored(b'some text that is long enough to be a header' * 9)
    yield 'frame-straddle', stored(ONE.bytes[:100]) + stored(ONE.bytes[100:] + end([ONE]).bytes)
    yield 'frame-dictionary', b'\x28\xb5\x2f\xfd\xc7\x38\1\0\0\0' + frame[6:]
    yield 'frame-block', struct.pack('<IBB', 0xfd2fb528, 0, 0x38) + block(whole(ONE), 3, last=1)
    yield 'frame-large-block', (struct.pack('<IBB', 0xfd2fb528, 0, 0x38)
                                + block(whole(ONE), 0, 131073, last=1))
    yield 'skippable-cut', whole(*basic) + SKIPPABLE[:-1]
    yield 'skippable-lie', struct.pack('<II', 0x184d2a50, 0xffffffff) + whole(*basic)
    # A run of zeros in blocks of four bytes each, as the payload of a tensor of 2^50 bytes.
    head = Record(dtype='d', shape=(1 << 40, 1 << 7), payload=b'', size=1 << 50).head
    run = struct.pack('<I', 131072 << 3 | 2)[:3] + b'\0'
    yield 'bomb', (struct.pack('<IBBQ', 0xfd2fb528, 0xc0, 0x38, 1 << 50)
                   + struct.pack('<I', len(head) << 3)[:3] + head + run * 200)


def main():
    for name, content, records in good():
        with open(os.path.join(sys.argv[1], 'good-%s.zv' % name), 'wb') as file:
            file.write(content)
        with open(os.path.join(sys.argv[1], 'good-%s.ls' % name), 'w') as file:
            file.write(''.join(r.line() for r in records))
    for name, content in bad():
        with open(os.path.join(sys.argv[1], 'bad-%s.zv' % name), 'wb') as file:
            file.write(content)


main()
