"""expected-tensors.py - what list-tensors should print, by an own reading of reference data that is
easy to read. usage: expected-tensors.py FILE.safetensors | EXPECTED.json
The JSON holds {name: {"dtype": "float16", "shape": [...], "values": [...]}}. Sorted by name.
"""
import hashlib
import json
import struct
import sys

NAMES = {'F32': 'f32', 'F16': 'f16', 'BF16': 'bf16', 'F64': 'f64', 'I64': 'i64', 'I32': 'i32', 'I16': 'i16',
         'I8': 'i8', 'U8': 'u8', 'BOOL': 'bool'}
LETTERS = {'float32': 'ff32', 'float16': 'ef16', 'float64': 'df64', 'int64': 'qi64', 'int32': 'ii32',
           'int16': 'hi16', 'int8': 'bi8', 'uint8': 'Bu8', 'bool': '?bool'}


def line(name, dtype, shape, data):
    return '\t'.join([name, dtype, ','.join(map(str, shape)), hashlib.blake2b(data, digest_size=16).hexdigest()])


def of_safetensors(raw):
    size, = struct.unpack_from('<Q', raw)
    for name, told in json.loads(raw[8:8 + size]).items():
        if name != '__metadata__':
            begin, end = told['data_offsets']
            yield line(name, NAMES[told['dtype']], told['shape'], raw[8 + size + begin:8 + size + end])


def of_json(raw):
    for name, told in json.loads(raw).items():
        if told['dtype'] == 'bfloat16':
            data = b''.join(struct.pack('<f', value)[2:] for value in told['values'])
            yield line(name, 'bf16', told['shape'], data)
            continue
        letter, dtype = LETTERS[told['dtype']][0], LETTERS[told['dtype']][1:]
        values = [value if letter in 'efd' else int(value) for value in told['values']]
        yield line(name, dtype, told['shape'], struct.pack('<%d%s' % (len(values), letter), *values))


with open(sys.argv[1], 'rb') as file:
    content = file.read()
for text in sorted((of_json if sys.argv[1].endswith('.json') else of_safetensors)(content)):
    print(text)
