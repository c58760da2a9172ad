"""reference.py - the three models in plain Python, float64, from a model directory: what the C
programs must come near. Written from the equations of zv-model(5), one loop a sum, nothing shared
with the C code.

    reference.py features MODEL PICTURE.ppm      features of the picture, side x side pixels
    reference.py queries MODEL FEATURES [ID...]  query outputs, the ids as instruction
    reference.py prompt MODEL QUERIES            the soft prompt
    reference.py contrast MODEL QUERIES          features for search
    reference.py text MODEL ID...                the same of a text
    reference.py match MODEL QUERIES             two logits, of joint query outputs
    reference.py caption MODEL FEATURES COUNT    ids of a greedy caption
    reference.py generate MODEL PROMPT COUNT ID...  ids and log-probabilities, greedily
    reference.py near A B TOLERANCE              compare two raw f32 files

Numbers come from files of raw f32 and go to standard output as such; ids as text."""
import array
import math
import struct
import sys


def read_model(directory, stage):
    """Words and tensors of a model file: {name: (shape, values)}."""
    words, tensors = {}, {}
    with open(f'{directory}/{stage}.zv', 'rb') as file:
        while header := file.read(64):
            _, kind, dtype, dimensions, _, key, name, meta, size, _, _, _ = struct.unpack(
                '<4scBBBHHIQ16s16sQ', header)
            rest = file.read((64 + 8 * dimensions + key + name + meta + 8 + 63 & ~63) - 64)
            shape = struct.unpack_from(f'<{dimensions}Q', rest)
            at = 8 * dimensions
            label = rest[at:at + key].decode()
            payload = file.read(size)
            file.read(-size % 64)
            if kind == b'T' and label == 'config':
                lines = rest[at + key + name:at + key + name + meta].decode().split('\n')
                words = dict(line.split('=', 1) for line in lines if line)
            elif kind == b'T' and chr(dtype) in 'feE':
                tensors[label] = (shape, numbers(chr(dtype), payload))
    return words, tensors


def numbers(dtype, payload):
    if dtype == 'E':  # bf16: the upper half of an f32
        wide = b''.join(b'\0\0' + payload[i:i + 2] for i in range(0, len(payload), 2))
        return struct.unpack(f'<{len(payload) // 2}f', wide)
    return struct.unpack(f'<{len(payload) // struct.calcsize(dtype)}{dtype}', payload)


def rows_of(values, width):
    return [list(values[i:i + width]) for i in range(0, len(values), width)]


def dot(a, b):
    return sum(map(float.__mul__, a, b))


class Stage:
    def __init__(self, directory, name):
        self.words, self.tensors = read_model(directory, name)
        self.matrices = {}

    def whole(self, word):
        return int(self.words[word])

    def vector(self, name):
        return list(self.tensors[name][1])

    def matrix(self, name):
        if name not in self.matrices:
            shape, values = self.tensors[name]
            self.matrices[name] = rows_of(values, shape[1])
        return self.matrices[name]

    def linear(self, rows, name):
        weight = self.matrix(name + '.weight')
        bias = self.vector(name + '.bias') if name + '.bias' in self.tensors else [0.0] * len(weight)
        return [[dot(row, w) + b for w, b in zip(weight, bias)] for row in rows]

    def layernorm(self, rows, name, eps):
        weight, bias, out = self.vector(name + '.weight'), self.vector(name + '.bias'), []
        for row in rows:
            mean = sum(row) / len(row)
            scale = 1 / math.sqrt(sum((x - mean) ** 2 for x in row) / len(row) + eps)
            out.append([(x - mean) * scale * w + b for x, w, b in zip(row, weight, bias)])
        return out


def plus(a, b):
    return [[x + y for x, y in zip(p, q)] for p, q in zip(a, b)]


def gelu(rows):
    return [[0.5 * x * math.erfc(-x / math.sqrt(2)) for x in row] for row in rows]


def softmax(scores):
    most = max(scores)
    weights = [math.exp(score - most) for score in scores]
    total = sum(weights)
    return [weight / total for weight in weights]


def attention(q, k, v, heads, groups=1, sees=None):
    """sees(i): how many keys row i sees; all if not given."""
    width = len(q[0]) // heads
    out = [[] for _ in q]
    for head in range(heads):
        part = slice(head * width, (head + 1) * width)
        shared = slice(head // groups * width, (head // groups + 1) * width)
        keys, values = [row[shared] for row in k], [row[shared] for row in v]
        for i, row in enumerate(q):
            seen = sees(i) if sees else len(keys)
            weights = softmax([dot(row[part], key) / math.sqrt(width) for key in keys[:seen]])
            out[i] += [sum(w * value[j] for w, value in zip(weights, values)) for j in range(width)]
    return out


def read_ppm(path):
    with open(path, 'rb') as file:
        magic, size, most = file.readline(), file.readline().split(), file.readline()
        assert magic == b'P6\n' and most == b'255\n'
        return int(size[0]), file.read()


def features(directory, picture):
    vit = Stage(directory, 'vit')
    side, pixels = read_ppm(picture)
    patch, width, heads = vit.whole('patch'), vit.whole('width'), vit.whole('heads')
    mean, std = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
    grid = side // patch
    colour = [[(pixels[3 * i + c] / 255 - mean[c]) / std[c] for i in range(side * side)] for c in range(3)]
    patches = [[colour[c][(y * patch + down) * side + x * patch + across]
                for c in range(3) for down in range(patch) for across in range(patch)]
               for y in range(grid) for x in range(grid)]
    tokens = [vit.vector('embeddings.class_embedding')] + vit.linear(patches, 'embeddings.patch_embedding')
    x = plus(tokens, vit.matrix('embeddings.position_embedding'))
    eps = float(vit.words['norm_eps'])
    for layer in range(vit.whole('layers')):
        block = f'encoder.layers.{layer}.'
        qkv = vit.linear(vit.layernorm(x, block + 'layer_norm1', eps), block + 'self_attn.qkv')
        q, k, v = ([row[part * width:(part + 1) * width] for row in qkv] for part in range(3))
        x = plus(x, vit.linear(attention(q, k, v, heads), block + 'self_attn.projection'))
        hidden = vit.linear(vit.layernorm(x, block + 'layer_norm2', eps), block + 'mlp.fc1')
        x = plus(x, vit.linear(gelu(hidden), block + 'mlp.fc2'))
    return vit.layernorm(x, 'post_layernorm', float(vit.words['post_norm_eps']))


def attend(stage, x, keys, block, sees=None):
    eps = float(stage.words['norm_eps'])
    q, k, v = (stage.linear(x if part == 'query' else keys, f'{block}.attention.{part}')
               for part in ('query', 'key', 'value'))
    mixed = stage.linear(attention(q, k, v, stage.whole('heads'), sees=sees), block + '.output.dense')
    return stage.layernorm(plus(x, mixed), block + '.output.LayerNorm', eps)


def mlp(stage, x, layer, suffix):
    if not x:
        return x
    hidden = gelu(stage.linear(x, f'encoder.layer.{layer}.intermediate{suffix}.dense'))
    out = plus(x, stage.linear(hidden, f'encoder.layer.{layer}.output{suffix}.dense'))
    return stage.layernorm(out, f'encoder.layer.{layer}.output{suffix}.LayerNorm', float(stage.words['norm_eps']))


def qformer(stage, image, ids, captioning=False):
    """All rows after the last layer: queries if there is an image, then text."""
    eps, queries = float(stage.words['norm_eps']), stage.whole('queries') if image else 0
    x = stage.matrix('query_tokens')[:queries]
    if ids:
        words = stage.matrix('embeddings.word_embeddings.weight')
        places = stage.matrix('embeddings.position_embeddings.weight')
        x = x + plus([words[i] for i in ids], places)
    x = stage.layernorm(x, 'layernorm', eps)
    sees = (lambda i: max(queries, i + 1)) if captioning else None
    for layer in range(stage.whole('layers')):
        x = attend(stage, x, x, f'encoder.layer.{layer}.attention', sees)
        q, t = x[:queries], x[queries:]
        if q and layer % stage.whole('cross_frequency') == 0:
            q = attend(stage, q, image, f'encoder.layer.{layer}.crossattention')
        x = mlp(stage, q, layer, '_query') + mlp(stage, t, layer, '')
    return x


def unit(rows):
    return [[x / math.sqrt(dot(row, row)) for x in row] for row in rows]


def caption(stage, image, count):
    ids = [stage.whole('vocabulary') - 1]  # [DEC]
    eps = float(stage.words['norm_eps'])
    words, bias = stage.matrix('embeddings.word_embeddings.weight'), stage.vector('cls.predictions.bias')
    while len(ids) <= count:
        row = qformer(stage, image, ids, True)[-1:]
        row = gelu(stage.linear(row, 'cls.predictions.transform.dense'))
        row = stage.layernorm(row, 'cls.predictions.transform.LayerNorm', eps)[0]
        logits = [dot(row, word) + b for word, b in zip(words, bias)]
        ids.append(logits.index(max(logits)))
    return ids[1:]


def rmsnorm(rows, weight, eps):
    return [[x / math.sqrt(dot(row, row) / len(row) + eps) * w for x, w in zip(row, weight)] for row in rows]


def turn(rows, heads, theta):
    """Rotary positions; pairs are half a head apart."""
    width = len(rows[0]) // heads
    out = []
    for position, row in enumerate(rows):
        turned = row[:]
        for head in range(heads):
            for j in range(width // 2):
                angle, a = position * theta ** (-2 * j / width), head * width + j
                b = a + width // 2
                turned[a] = row[a] * math.cos(angle) - row[b] * math.sin(angle)
                turned[b] = row[b] * math.cos(angle) + row[a] * math.sin(angle)
        out.append(turned)
    return out


def llama(stage, x):
    """Logits behind the last row."""
    heads, kv_heads = stage.whole('heads'), stage.whole('kv_heads')
    theta, eps = float(stage.words['rope_theta']), float(stage.words['norm_eps'])
    for layer in range(stage.whole('layers')):
        block = f'model.layers.{layer}.'
        n = rmsnorm(x, stage.vector(block + 'input_layernorm.weight'), eps)
        q = turn(stage.linear(n, block + 'self_attn.q_proj'), heads, theta)
        k = turn(stage.linear(n, block + 'self_attn.k_proj'), kv_heads, theta)
        v = stage.linear(n, block + 'self_attn.v_proj')
        mixed = attention(q, k, v, heads, heads // kv_heads, lambda i: i + 1)
        x = plus(x, stage.linear(mixed, block + 'self_attn.o_proj'))
        n = rmsnorm(x, stage.vector(block + 'post_attention_layernorm.weight'), eps)
        gate, up = stage.linear(n, block + 'mlp.gate_proj'), stage.linear(n, block + 'mlp.up_proj')
        gated = [[g / (1 + math.exp(-g)) * u for g, u in zip(p, q)] for p, q in zip(gate, up)]
        x = plus(x, stage.linear(gated, block + 'mlp.down_proj'))
    last = rmsnorm(x[-1:], stage.vector('model.norm.weight'), eps)
    head = 'model.embed_tokens' if stage.words.get('tied') == '1' else 'lm_head'
    return stage.linear(last, head)[0]


def generate(directory, prompt, count, ids):
    stage = Stage(directory, 'llm')
    table = stage.matrix('model.embed_tokens.weight')
    rows = prompt + [table[i] for i in ids]
    for _ in range(count):
        logits = llama(stage, rows)
        best = logits.index(max(logits))
        most = max(logits)
        print(best, '%.6f' % (logits[best] - most - math.log(sum(math.exp(x - most) for x in logits))))
        rows.append(table[best])


def read_raw(path):
    values = array.array('f')
    with open(path, 'rb') as file:
        values.frombytes(file.read())
    return values.tolist()


def write_raw(rows):
    for row in rows:
        sys.stdout.buffer.write(array.array('f', row).tobytes())


def near(a, b, tolerance):
    a, b = read_raw(a), read_raw(b)
    most = max(map(abs, b))
    difference = max(abs(x - y) for x, y in zip(a, b)) / most if len(a) == len(b) else math.inf
    if not difference <= tolerance:
        sys.exit(f'{len(a)} and {len(b)} numbers, {difference:.2g} of the largest apart')


def main(what, model, *rest):
    if what == 'near':
        return near(model, rest[0], float(rest[1]))
    if what == 'features':
        return write_raw(features(model, rest[0]))
    if what == 'generate':
        width = Stage(model, 'llm').whole('width')
        return generate(model, rows_of(read_raw(rest[0]), width), int(rest[1]), [int(i) for i in rest[2:]])
    stage = Stage(model, 'qformer')
    width, seen = stage.whole('width'), stage.whole('encoder_width')
    if what == 'queries':
        rows = qformer(stage, rows_of(read_raw(rest[0]), seen), [int(i) for i in rest[1:]])
        return write_raw(rows[:stage.whole('queries')])
    if what == 'text':
        rows = qformer(stage, None, [int(i) for i in rest])
        return write_raw(unit(stage.linear(rows[:1], 'text_projection')))
    if what == 'caption':
        return print(*caption(stage, rows_of(read_raw(rest[0]), seen), int(rest[1])))
    queries = rows_of(read_raw(rest[0]), width)
    if what == 'prompt':
        return write_raw(stage.linear(queries, 'language_projection'))
    if what == 'contrast':
        return write_raw(unit(stage.linear(queries, 'vision_projection')))
    logits = stage.linear(queries, 'itm_head')
    return write_raw([[sum(column) / len(queries) for column in zip(*logits)]])


if __name__ == '__main__':
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
