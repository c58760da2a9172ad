# encode.py - the largest difference between a reference tensor and a raw file of the same type,
# relative to the tensor's largest magnitude; with "cosine" behind, 1 - the cosine of the two.
# usage: encode.py SAFETENSORS NAME FILE [cosine]
import array, json, struct, sys

path, name, other = sys.argv[1:4]
with open(path, 'rb') as file:
    size = struct.unpack('<Q', file.read(8))[0]
    entry = json.loads(file.read(size))[name]
    begin, end = entry['data_offsets']
    file.seek(8 + size + begin)
    kind = {'F32': 'f', 'U8': 'B'}[entry['dtype']]
    wanted = array.array(kind, file.read(end - begin))
got = array.array(kind, open(other, 'rb').read())
if len(got) != len(wanted):
    sys.exit(f'{len(got)} elements, {len(wanted)} wanted')
if sys.argv[4:] == ['cosine']:
    def dot(a, b):
        return sum(x * y for x, y in zip(a, b))
    print('%.3g' % (1 - dot(got, wanted) / (dot(got, got) * dot(wanted, wanted)) ** 0.5))
    sys.exit()
print('%.3g' % (max(abs(a - b) for a, b in zip(got, wanted)) / max(map(abs, wanted))))
