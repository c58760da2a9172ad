"""peers_onnx.py - ViT-g's slice as ONNX models with zv's weights, and how near features are to each other.

usage: peers_onnx.py write VIT.safetensors DIRECTORY     (zv-export of vit.zv in f32: f32.onnx, int8.onnx)
       peers_onnx.py picture PREFIX                      (PREFIX.ppm, and PREFIX.pixels as the network takes it)
       peers_onnx.py compare PREFIX-zv-f32.raw FILE...   (cosines and largest differences)
int8 is onnxruntime's dynamic quantisation: activations to u8 with a scale for each tensor, weights to s8
with one for each output. The files are protobuf, written here.
"""
import json
import os
import struct
import sys

import numpy as np

FLOAT, INT8, INT64 = 1, 3, 7  # of TensorProto
TYPES = {"float32": FLOAT, "int8": INT8, "int64": INT64}
HEADS, TOKENS = 16, 257
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
SPREAD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


# --- protobuf: a message is a list of pieces ---------------------------------------------------------

def varint(number):
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def whole(field, number):
    return [varint(field << 3) + varint(number)]


def nested(field, pieces):
    if isinstance(pieces, str):
        pieces = [pieces.encode()]
    return [varint(field << 3 | 2) + varint(sum(len(piece) for piece in pieces)), *pieces]


def tensor(name, values):
    out = []
    for size in values.shape:
        out += whole(1, size)
    out += whole(2, TYPES[values.dtype.name]) + nested(8, name)
    return out + nested(9, [np.ascontiguousarray(values).tobytes()])


def attribute(name, value):
    out = nested(1, name)
    if isinstance(value, float):
        return out + [varint(2 << 3 | 5) + struct.pack("<f", value)] + whole(20, 1)
    if isinstance(value, int):
        return out + whole(3, value % (1 << 64)) + whole(20, 2)
    for number in value:
        out += whole(8, number % (1 << 64))
    return out + whole(20, 7)


class Graph:
    def __init__(self):
        self.pieces, self.count = [], 0

    def constant(self, values):
        self.count += 1
        name = "c%d" % self.count
        self.pieces += nested(5, tensor(name, np.asarray(values)))
        return name

    def node(self, kind, *inputs, outputs=1, **attributes):
        names = ["%s%d_%d" % (kind, self.count, i) for i in range(outputs)]
        self.count += 1
        out = []
        for name in inputs:
            out += nested(1, name)
        for name in names:
            out += nested(2, name)
        out += nested(4, kind)
        for name, value in attributes.items():
            out += nested(5, attribute(name, value))
        self.pieces += nested(1, out)
        return names if outputs > 1 else names[0]

    def write(self, path, given, result, shape):
        """given: (name, shape); result, of that shape, is called "features". A text is a size that is known later."""
        def described(name, sizes):
            dimensions = []
            for size in sizes:
                dimensions += nested(1, nested(2, size) if isinstance(size, str) else whole(1, size))
            return nested(1, name) + nested(2, nested(1, whole(1, FLOAT) + nested(2, dimensions)))
        graph = self.pieces + nested(1, nested(1, result) + nested(2, "features") + nested(4, "Identity"))
        graph += nested(2, "vit") + nested(11, described(*given)) + nested(12, described("features", shape))
        model = whole(1, 8) + nested(8, nested(1, "") + whole(2, 17)) + nested(7, graph)
        with open(path, "wb") as file:
            for piece in model:
                file.write(piece)


# --- the network -------------------------------------------------------------------------------------

def read_safetensors(path):
    with open(path, "rb") as file:
        size, = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
    data = np.memmap(path, np.uint8, "r", 8 + size)
    found = {}
    for name, about in header.items():
        if name != "__metadata__" and about["dtype"] == "F32":
            begin, end = about["data_offsets"]
            found[name] = data[begin:end].view(np.float32).reshape(about["shape"])
    return found


class Network:
    def __init__(self, weights, quantised):
        self.weights, self.quantised, self.graph = weights, quantised, Graph()

    def linear(self, x, key):
        """x W^T + b; quantised: W by rows, x as a whole."""
        graph, weight = self.graph, self.weights[key + ".weight"]
        if not self.quantised:
            product = graph.node("MatMul", x, graph.constant(weight.T))
        else:
            scale = np.abs(weight).max(axis=1) / 127
            values = np.rint(weight / scale[:, None]).astype(np.int8).T
            small, factor, zero = graph.node("DynamicQuantizeLinear", x, outputs=3)
            whole_product = graph.node("MatMulInteger", small, graph.constant(values), zero)
            product = graph.node("Mul", graph.node("Cast", whole_product, to=FLOAT),
                                 graph.node("Mul", factor, graph.constant(scale.astype(np.float32))))
        return graph.node("Add", product, graph.constant(self.weights[key + ".bias"]))

    def norm(self, x, key):
        return self.graph.node("LayerNormalization", x, self.graph.constant(self.weights[key + ".weight"]),
                               self.graph.constant(self.weights[key + ".bias"]), axis=-1, epsilon=1e-6)

    def attention(self, x, key, width):
        graph, head = self.graph, width // HEADS
        qkv = graph.node("Reshape", self.linear(x, key + ".qkv"),
                         graph.constant(np.array([0, TOKENS, 3, HEADS, head])))
        qkv = graph.node("Transpose", qkv, perm=[2, 0, 3, 1, 4])
        q, k, v = (graph.node("Gather", qkv, graph.constant(np.array(i)), axis=0) for i in range(3))
        scores = graph.node("MatMul", q, graph.node("Transpose", k, perm=[0, 1, 3, 2]))
        scores = graph.node("Mul", scores, graph.constant(np.float32(head ** -0.5)))
        mixed = graph.node("MatMul", graph.node("Softmax", scores, axis=-1), v)
        mixed = graph.node("Transpose", mixed, perm=[0, 2, 1, 3])
        mixed = graph.node("Reshape", mixed, graph.constant(np.array([0, TOKENS, width])))
        return self.linear(mixed, key + ".projection")

    def gelu(self, x):
        graph = self.graph
        error = graph.node("Erf", graph.node("Div", x, graph.constant(np.float32(2 ** 0.5))))
        half = graph.node("Mul", x, graph.node("Add", error, graph.constant(np.float32(1))))
        return graph.node("Mul", half, graph.constant(np.float32(0.5)))

    def write(self, path):
        graph, weights = self.graph, self.weights
        table = np.array(weights["embeddings.position_embedding"])
        table[0] += weights["embeddings.class_embedding"]
        width = table.shape[1]
        kernel = weights["embeddings.patch_embedding.weight"].reshape(width, 3, 14, 14)
        x = graph.node("Conv", "pixels", graph.constant(kernel),
                       graph.constant(weights["embeddings.patch_embedding.bias"]), strides=[14, 14])
        x = graph.node("Reshape", x, graph.constant(np.array([0, width, TOKENS - 1])))
        x = graph.node("Transpose", x, perm=[0, 2, 1])
        x = graph.node("Pad", x, graph.constant(np.array([0, 1, 0, 0, 0, 0])))  # a place for the class
        x = graph.node("Add", x, graph.constant(table))
        layer = 0
        while "encoder.layers.%d.mlp.fc1.weight" % layer in weights:
            key = "encoder.layers.%d." % layer
            x = graph.node("Add", x, self.attention(self.norm(x, key + "layer_norm1"), key + "self_attn", width))
            hidden = self.gelu(self.linear(self.norm(x, key + "layer_norm2"), key + "mlp.fc1"))
            x = graph.node("Add", x, self.linear(hidden, key + "mlp.fc2"))
            layer += 1
        graph.write(path, ("pixels", ["n", 3, 224, 224]), self.norm(x, "post_layernorm"), ["n", TOKENS, width])


def write(source, directory):
    weights = read_safetensors(source)
    for name, quantised in (("f32", False), ("int8", True)):
        Network(weights, quantised).write(os.path.join(directory, name + ".onnx"))


# --- features ----------------------------------------------------------------------------------------

def picture(prefix):
    """Soft patches of colour, in the network's size: nobody has to resize it."""
    y, x = np.mgrid[0:224, 0:224] / 224
    colours = np.stack([np.sin(6 * x + 3 * y), np.cos(9 * y - 2 * x), np.sin(14 * x * y)], 2)
    pixels = np.rint(127.5 + 120 * colours).astype(np.uint8)
    with open(prefix + ".ppm", "wb") as file:
        file.write(b"P6\n224 224\n255\n" + pixels.tobytes())
    values = (pixels.astype(np.float32) / 255 - MEAN) / SPREAD
    np.ascontiguousarray(values.transpose(2, 0, 1)).tofile(prefix + ".pixels")


def compare(paths):
    first = np.fromfile(paths[0], np.float32)
    for path in paths[1:]:
        other = np.fromfile(path, np.float32)
        rows, others = first.reshape(TOKENS, -1), other.reshape(TOKENS, -1)
        cosines = (rows * others).sum(1) / np.linalg.norm(rows, axis=1) / np.linalg.norm(others, axis=1)
        name = os.path.basename(path)[len("picture-"):-len(".raw")].replace("-", " ")
        print("features of %-17s beside those of zv f32: cosine %.5f (least of a patch %.5f), largest difference %.4f"
              " of %.2f" % (name, (first @ other) / np.linalg.norm(first) / np.linalg.norm(other), cosines.min(),
                            np.abs(first - other).max(), np.abs(first).max()))


def main():
    what, *rest = sys.argv[1:]
    if what == "write":
        write(*rest)
    elif what == "picture":
        picture(*rest)
    else:
        compare(rest)


main()
