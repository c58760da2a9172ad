"""checkpoint.py - writers of safetensors, npy and torch files for tests, byte by byte, so that each
field can be made wrong. Python's standard library only; the torch writer imitates the layout of
torch.save (stored entries, descriptors, "FB" padding to 64 bytes, zip64 end records).
"""
import json
import struct
import zlib

ITEM = {'F32': 4, 'F16': 2, 'BF16': 2, 'F64': 8, 'I64': 8, 'I32': 4, 'I16': 2, 'I8': 1, 'U8': 1,
        'BOOL': 1, 'U16': 2, 'U32': 4, 'U64': 8}


def count(shape):
    product = 1
    for length in shape:
        product *= length
    return product


def ramp(dtype, elements):
    """0, 1, 2, ... as elements of a dtype."""
    letter = {'F32': 'f', 'F16': 'e', 'F64': 'd', 'I64': 'q', 'I32': 'i', 'I16': 'h', 'I8': 'b',
              'U8': 'B', 'BOOL': '?', 'U16': 'H', 'U32': 'I', 'U64': 'Q'}
    if dtype == 'BF16':
        return b''.join(struct.pack('<f', i)[2:] for i in range(elements))
    return struct.pack('<%d%s' % (elements, letter[dtype]), *range(elements))


F4 = ramp('F32', 4)


# --- safetensors ---

def safetensors(header, data, length=None):
    """header: text, bytes or a dictionary; length: what the file says of it."""
    if isinstance(header, dict):
        header = json.dumps(header)
    if isinstance(header, str):
        header = header.encode()
    return struct.pack('<Q', len(header) if length is None else length) + header + data


def entry(dtype, shape, begin, end=None):
    return {'dtype': dtype, 'shape': shape,
            'data_offsets': [begin, begin + count(shape) * ITEM[dtype] if end is None else end]}


# --- npy ---

def npy(header, data, version=(1, 0), length=None, pad=True):
    if isinstance(header, str):
        header = header.encode('latin-1')
    head = 10 if version[0] == 1 else 12
    if pad:
        header += b' ' * (-(head + len(header) + 1) % 64) + b'\n'
    size = struct.pack('<H' if version[0] == 1 else '<I', len(header) if length is None else length)
    return b'\x93NUMPY' + bytes(version) + size + header + data


# --- pickle, opcode by opcode ---

def glob(module, name):
    return b'c' + module.encode() + b'\n' + name.encode() + b'\n'


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return b'X' + struct.pack('<I', len(raw)) + raw


def short_text(value):
    return b'\x8c' + bytes([len(value)]) + value.encode()


def number(value):
    if 0 <= value < 256:
        return b'K' + bytes([value])
    if 0 <= value < 65536:
        return b'M' + struct.pack('<H', value)
    if -2**31 <= value < 2**31:
        return b'J' + struct.pack('<i', value)
    raw = value.to_bytes(value.bit_length() // 8 + 1, 'little', signed=True)
    return b'\x8a' + bytes([len(raw)]) + raw


def tuple_of(*items):
    return b'(' + b''.join(items) + b't'


def numbers(values):
    return tuple_of(*[number(v) for v in values])


def dictionary(pairs, start=b'}'):
    return start + b'(' + b''.join(k + v for k, v in pairs) + b'u'


ORDERED = glob('collections', 'OrderedDict') + b')R'
REBUILD = glob('torch._utils', '_rebuild_tensor_v2')


def storage(kind, key, elements, legacy=False, view=b'N'):
    items = [text('storage'), glob('torch', kind + 'Storage'), text(key), text('cpu'),
             number(elements)]
    return tuple_of(*items, *([view] if legacy else [])) + b'Q'


def strides_of(shape):
    strides, product = [], 1
    for length in reversed(shape):
        strides.insert(0, product)
        product *= length
    return strides


def tensor(store, shape, strides=None, offset=0, hooks=ORDERED, grad=b'\x89'):
    return REBUILD + tuple_of(store, number(offset), numbers(shape),
                              numbers(strides_of(shape) if strides is None else strides), grad,
                              hooks) + b'R'


def pickled(body, protocol=2):
    return b'\x80' + bytes([protocol]) + body + b'.'


def state(pairs):
    """An OrderedDict of names and tensors."""
    return dictionary([(text(name), value) for name, value in pairs], ORDERED)


# --- zip ---

class Zip:
    """The zip container of torch.save. Each entry is a dictionary of what its headers say; change
    it before bytes() is called."""

    def __init__(self, folder='archive'):
        self.folder = folder
        self.entries = []
        self.changes = {}  # of the end records
        self.before = b''
        self.after = b''

    def add(self, name, data, whole_name=False, **changes):
        name = name if whole_name else self.folder + '/' + name
        raw = name if isinstance(name, bytes) else name.encode()
        self.entries.append({'name': raw, 'data': data, **changes})
        return self

    def _local(self, place, e):
        name = e.get('local_name', e['name'])
        extra = e.get('local_extra')
        if extra is None:
            pad = -(place + 30 + len(name) + 4) % 64
            extra = b'FB' + struct.pack('<H', pad) + b'Z' * pad
        flags = e.get('local_flags', e.get('flags', 0x808))
        late = flags & 8
        crc = e.get('local_crc', 0 if late else zlib.crc32(e['data']))
        size = e.get('local_size', 0 if late else len(e['data']))
        return struct.pack('<4sHHHHHIIIHH', b'PK\3\4', 0, flags,
                           e.get('local_method', e.get('method', 0)), 0, 0, crc,
                           e.get('local_stored', size), size, len(name), len(extra)) + name + extra

    @staticmethod
    def _descriptor(e):
        if 'descriptor' in e:
            return e['descriptor']
        if not e.get('flags', 0x808) & 8:
            return b''
        return b'PK\7\10' + struct.pack('<III', e.get('crc', zlib.crc32(e['data'])),
                                        len(e['data']), len(e['data']))

    @staticmethod
    def _central(place, e):
        name = e.get('central_name', e['name'])
        extra = e.get('central_extra', b'')
        size = e.get('size', len(e['data']))
        return struct.pack('<4sHHHHHHIIIHHHHHII', b'PK\1\2', 0, e.get('version', 0),
                           e.get('flags', 0x808), e.get('method', 0), 0, 0,
                           e.get('crc', zlib.crc32(e['data'])), e.get('stored', size), size,
                           len(name), len(extra), len(e.get('comment', b'')), e.get('disk', 0), 0,
                           0, e.get('place', place)) + name + extra + e.get('comment', b'')

    def bytes(self):
        out, central = self.before, b''
        for e in self.entries:
            place = len(out)
            out += self._local(place, e) + e['data'] + self._descriptor(e) + e.get('hole', b'')
            if not e.get('hidden'):
                central += self._central(place, e)
        entries = [e for e in self.entries if not e.get('hidden')]
        return out + central + self.end(len(entries), len(central), len(out)) + self.after

    def end(self, entries, size, place):
        w = {'entries': entries, 'size': size, 'place': place, 'entries64': entries, 'size64': size,
             'place64': place, 'record64': place + size, 'disks64': 1, 'comment': b'', 'disk': 0,
             'zip64': True, 'record_size': 44}
        w.update(self.changes)
        out = b''
        if w['zip64']:
            out += struct.pack('<4sQHHIIQQQQ', b'PK\6\6', w['record_size'], 0x31e, 45, w['disk'], 0,
                               w['entries64'], w['entries64'], w['size64'], w['place64'])
            out += struct.pack('<4sIQI', b'PK\6\7', 0, w['record64'], w['disks64'])
        return out + struct.pack('<4sHHHHIIH', b'PK\5\6', w['disk'], 0, w['entries'] & 0xffff,
                                 w['entries'] & 0xffff, w['size'] & 0xffffffff,
                                 w['place'] & 0xffffffff, len(w['comment'])) + w['comment']


def torch_zip(pickle, storages, folder='archive'):
    """storages: {key: bytes}."""
    archive = Zip(folder).add('data.pkl', pickle)
    for key, data in storages.items():
        archive.add('data/' + key, data)
    return archive.add('version', b'3\n')


def torch_large(path, pickle, hole, small):
    """A container beyond 4 GB: storage 0 is a hole of so many bytes (its checksum is made up), storage
    1 is small. Places and sizes that do not fit into 32 bits are in zip64 fields, as torch writes."""
    central, entries = b'', [('data.pkl', pickle), ('data/0', None), ('data/1', small), ('version', b'3\n')]
    full = 2**32 - 1
    with open(path, 'wb') as file:
        for name, data in entries:
            place, raw = file.tell(), b'archive/' + name.encode()
            size, crc = (hole, 7) if data is None else (len(data), zlib.crc32(data))
            wide = (struct.pack('<QQ', size, size) if size >= full else b'') + (
                struct.pack('<Q', place) if place >= full else b'')
            wide = struct.pack('<HH', 1, len(wide)) + wide if wide else b''
            pad = -(place + 30 + len(raw) + len(wide) + 4) % 64
            file.write(struct.pack('<4sHHHHHIIIHH', b'PK\3\4', 0, 0x808, 0, 0, 0, 0, 0, 0, len(raw),
                                   len(wide) + 4 + pad) + raw + wide + b'FB' + struct.pack('<H', pad) + b'Z' * pad)
            file.seek(hole, 1) if data is None else file.write(data)
            file.write(struct.pack('<4sIQQ' if wide else '<4sIII', b'PK\7\10', crc, size, size))
            central += struct.pack('<4sHHHHHHIIIHHHHHII', b'PK\1\2', 0, 0, 0x808, 0, 0, 0, crc, min(size, full),
                                   min(size, full), len(raw), len(wide), 0, 0, 0, 0, min(place, full)) + raw + wide
        place = file.tell()
        file.write(central)
        end = struct.pack('<4sQHHIIQQQQ', b'PK\6\6', 44, 0x31e, 45, 0, 0, len(entries), len(entries), len(central), place)
        file.write(end + struct.pack('<4sIQI', b'PK\6\7', 0, place + len(central), 1))
        file.write(struct.pack('<4sHHHHIIH', b'PK\5\6', 0, 0, len(entries), len(entries), len(central), full, 0))


# --- the legacy container ---

MAGIC = number(0x1950a86a20f9469cfc6c)
SYSTEM = dictionary([(text('protocol_version'), number(1001)), (text('little_endian'), b'\x88'),
                     (text('type_sizes'), dictionary([(text('int'), number(4))]))])


def torch_legacy(body, storages, magic=MAGIC, protocol=number(1001), system=SYSTEM, keys=None):
    """storages: [(key, elements, bytes)]."""
    if keys is None:
        keys = b'](' + b''.join(text(key) for key, _, _ in storages) + b'e'
    out = pickled(magic) + pickled(protocol) + pickled(system) + pickled(body) + pickled(keys)
    for _, elements, data in storages:
        out += struct.pack('<q', elements) + data
    return out
