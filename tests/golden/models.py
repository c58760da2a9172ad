"""models.py - a checkpoint of llama2.c as people would hold it: a Hugging Face LLaMA directory.

    models.py build MODEL.bin TOKENIZER.bin DIRECTORY
    models.py logprobs LOGITS.f32 LOGITS.json ANSWER.json    the log-probability of each id; status 1
                                                             if the answer's are others

The file's rotary pairs are neighbours (2j, 2j + 1); Hugging Face pairs row j with row j + half, so
rows of the query and key matrices move. The output is tied to the embedding table.
"""
import array
import json
import math
import os
import struct
import sys

PER_LAYER = [  # in the order of the file: rows, columns (None: a vector)
    ("input_layernorm", "width", None),
    ("self_attn.q_proj", "width", "width"),
    ("self_attn.k_proj", "kv", "width"),
    ("self_attn.v_proj", "kv", "width"),
    ("self_attn.o_proj", "width", "width"),
    ("post_attention_layernorm", "width", None),
    ("mlp.gate_proj", "mlp", "width"),
    ("mlp.down_proj", "width", "mlp"),
    ("mlp.up_proj", "mlp", "width"),
]


def halves(values, heads, columns):
    """Rows of each head: the even ones, then the odd ones."""
    rows = [values[i : i + columns] for i in range(0, len(values), columns)]
    head = len(rows) // heads
    moved = array.array("f")
    for start in range(0, len(rows), head):
        for row in rows[start : start + head : 2] + rows[start + 1 : start + head : 2]:
            moved.extend(row)
    return moved


def read_weights(path):
    """Sizes, and name -> (shape, values)."""
    with open(path, "rb") as file:
        names = ("width", "mlp", "layers", "heads", "kv_heads", "words", "positions")
        sizes = dict(zip(names, struct.unpack("<7i", file.read(28))))
        sizes["kv"] = sizes["width"] // sizes["heads"] * sizes["kv_heads"]

        def take(*shape):
            values = array.array("f")
            values.frombytes(file.read(4 * math.prod(shape)))
            assert len(values) == math.prod(shape)
            return list(shape), values

        tensors = {"model.embed_tokens.weight": take(sizes["words"], sizes["width"])}
        for part, rows, columns in PER_LAYER:
            for layer in range(sizes["layers"]):
                shape, values = take(*(sizes[size] for size in (rows, columns) if size))
                if part == "self_attn.q_proj":
                    values = halves(values, sizes["heads"], sizes["width"])
                if part == "self_attn.k_proj":
                    values = halves(values, sizes["kv_heads"], sizes["width"])
                tensors["model.layers.%d.%s.weight" % (layer, part)] = shape, values
        tensors["model.norm.weight"] = take(sizes["width"])
    return sizes, tensors


def write_safetensors(path, tensors):
    header, place = {"__metadata__": {"format": "pt"}}, 0
    for name, (shape, values) in sorted(tensors.items()):
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + 4 * len(values)]}
        place += 4 * len(values)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, (_, values) in sorted(tensors.items()):
            file.write(values.tobytes())


def varint(number):
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def field(number, data):
    """A length-delimited field of a protobuf message."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def convert_tokenizer(path, words):
    """A ModelProto: pieces (text 1, score 2, type 3) as 1, trainer_spec (BPE, byte fallback) as 2."""
    model = b""
    with open(path, "rb") as file:
        file.read(4)
        for number in range(words):
            score, size = struct.unpack("<fi", file.read(8))
            text = file.read(size).replace(b" ", "\u2581".encode())
            if number < 3:
                text = (b"<unk>", b"<s>", b"</s>")[number]
            kind = 2 if number == 0 else 3 if number < 3 else 6 if number < 259 else 1
            piece = field(1, text) + b"\x15" + struct.pack("<f", score) + b"\x18" + varint(kind)
            model += field(1, piece)
    return model + field(2, b"\x18" + varint(2) + varint(35 << 3) + varint(1))


def build(weights, tokenizer, directory):
    sizes, tensors = read_weights(weights)
    os.mkdir(directory)
    write_safetensors(os.path.join(directory, "model.safetensors"), tensors)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": sizes["width"],
        "intermediate_size": sizes["mlp"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "num_key_value_heads": sizes["kv_heads"],
        "vocab_size": sizes["words"],
        "max_position_embeddings": sizes["positions"],
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    with open(os.path.join(directory, "config.json"), "w") as file:
        json.dump(config, file)
    with open(os.path.join(directory, "tokenizer.model"), "wb") as file:
        file.write(convert_tokenizer(tokenizer, sizes["words"]))


def check_logprobs(logits, ids, answer):
    """What the logits say about each next id, and the answer's own figures. The status."""
    rows = array.array("f", open(logits, "rb").read())
    ids = json.load(open(ids))["ids"]
    answer = json.load(open(answer))
    width = len(rows) // len(ids)
    if answer["ids"] != ids[1:] or len(answer["logprobs"]) != len(ids) - 1:
        print("ids", answer["ids"])
        return 1
    worst = 0
    for step, (number, got) in enumerate(zip(ids[1:], answer["logprobs"])):
        row = rows[step * width : (step + 1) * width]
        wanted = row[number] - math.log(sum(math.exp(x) for x in row))
        worst = max(worst, abs(got - wanted) / max(1, abs(wanted)))
    print("%d within %.1e" % (len(ids) - 1, worst))
    return worst > 1e-5


if sys.argv[1] == "build":
    build(*sys.argv[2:])
else:
    sys.exit(check_logprobs(*sys.argv[2:]))
