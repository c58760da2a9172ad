#!/usr/bin/env python3
"""toy-checkpoint.py - dress the tensors of a model directory as other people's checkpoints.

usage: toy-checkpoint.py LAYOUT DIRECTORY FOLDER

FOLDER holds vit.safetensors, qformer.safetensors and llm.safetensors as zv-export writes them,
tokenizer.model and vocab.txt. DIRECTORY gets the checkpoint in LAYOUT:

  hf         Blip2ForConditionalGeneration: one file, all parts, no text branch
  sharded    the same in two shards with an index
  newer      the same under the names of newer versions (model.language_model.layers...)
  itm        Blip2ForImageTextRetrieval: text branch and heads, no language model
  instruct   InstructBlipForConditionalGeneration: text branch inside, qformer_tokenizer/
  chat       all parts, text branch and one directory for both tokenizers, as Ziya-Visual-Chat
  ziya       vision/ without a language model, and llm/
  lavis      blip2.safetensors and eva.safetensors under LAVIS' names, with what must be ignored
  minigpt4   LAVIS' two files, proj.safetensors and llm/
  llama      a bare LLaMA
"""
import json
import os
import struct
import sys

import checkpoint


def read(path):
    """name -> (dtype, shape, bytes) of a safetensors file."""
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    return {
        name: (entry["dtype"], entry["shape"], data[slice(*entry["data_offsets"])])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def write(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, payload) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(payload)]}
        data += payload
    with open(path, "wb") as file:
        file.write(checkpoint.safetensors(header, data))


def renamed(tensors, *pairs):
    """Tensors with the first of each pair replaced by the second in their names."""
    result = {}
    for name, tensor in tensors.items():
        for old, new in pairs:
            name = name.replace(old, new)
        result[name] = tensor
    return result


def prefixed(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def floats(tensors):
    """Without the byte files and, in what they exported, without their names."""
    return {name: tensor for name, tensor in tensors.items() if tensor[0] not in ("U8", "I8")}


def reshaped(tensors):
    """Shapes as the classes of the originals have them."""
    result = dict(tensors)
    for name in result:
        dtype, shape, payload = result[name]
        if name == "embeddings.class_embedding":
            result[name] = dtype, [1, 1] + shape, payload
        elif name in ("embeddings.position_embedding", "query_tokens"):
            result[name] = dtype, [1] + shape, payload
        elif name == "embeddings.patch_embedding.weight":
            side = round((shape[1] / 3) ** 0.5)
            result[name] = dtype, [shape[0], 3, side, side], payload
    return result


HEADS = ("query_tokens", "language_projection", "vision_projection", "text_projection", "itm_head", "temp", "cls.")
TEXT = (".intermediate.", ".output.dense", ".output.LayerNorm", "embeddings.")


def is_text(name):
    """Does the tensor belong to the text branch?"""
    attention = "attention" in name
    return name.startswith("embeddings.") or (not attention and any(part in name for part in TEXT))


def split(qformer):
    """The body and the heads."""
    heads = {name: tensor for name, tensor in qformer.items() if name.startswith(HEADS)}
    return {name: tensor for name, tensor in qformer.items() if name not in heads}, heads


def only(tensors, *begins):
    return {name: tensor for name, tensor in tensors.items() if name.startswith(begins)}


def hugging_face(vit, qformer, llm, text, heads, newer=False):
    body, all_heads = split(qformer)
    if not text:
        body = {name: tensor for name, tensor in body.items() if not is_text(name)}
    tensors = prefixed("vision_model.", vit)
    tensors.update(only(all_heads, *heads))
    if text == "outside":
        tensors.update(only(body, "embeddings."))
        body = {name: tensor for name, tensor in body.items() if not name.startswith("embeddings.")}
    if text == "inside":
        body = {("embeddings." + name if name.startswith("layernorm.") else name): tensor for name, tensor in body.items()}
        body["embeddings.position_ids"] = ("I64", [1, 2], struct.pack("<qq", 0, 1))
    tensors.update(prefixed("qformer.", body))
    tensors.update(prefixed("language_model.", llm))
    if newer:
        tensors = prefixed("model.", renamed(tensors, ("language_model.model.", "language_model.")))
    return tensors


def lavis(vit, qformer, heads):
    """The encoder's file, and the other one."""
    names = (
        ("embeddings.class_embedding", "cls_token"), ("embeddings.position_embedding", "pos_embed"),
        ("embeddings.patch_embedding", "patch_embed.proj"), ("encoder.layers.", "blocks."),
        ("layer_norm1", "norm1"), ("layer_norm2", "norm2"), ("self_attn.projection", "attn.proj"),
        ("self_attn.qkv", "attn.qkv"), ("post_layernorm", "ln_vision"),
    )
    encoder = renamed(vit, *names)
    norm = only(encoder, "ln_vision.")
    encoder = {name: tensor for name, tensor in encoder.items() if name not in norm}
    for name in [name for name in encoder if name.endswith("attn.qkv.bias")]:
        dtype, shape, payload = encoder.pop(name)
        third = len(payload) // 3
        stem = name[: -len("qkv.bias")]
        encoder[stem + "q_bias"] = dtype, [shape[0] // 3], payload[:third]
        encoder[stem + "v_bias"] = dtype, [shape[0] // 3], payload[2 * third:]
    layers = 1 + max(int(name.split(".")[1]) for name in encoder if name.startswith("blocks."))
    for name in [name for name in encoder if name.startswith("blocks.0.")]:
        encoder[name.replace("blocks.0.", "blocks.%d." % layers)] = encoder[name]
    encoder["norm.weight"] = encoder["head.weight"] = ("F32", [1], struct.pack("<f", 1))
    body, all_heads = split(qformer)
    body = renamed(body, ("attention.attention.", "attention.self."), ("layernorm.", "embeddings.LayerNorm."))
    rest = prefixed("Qformer.bert.", body)
    rest.update(norm)
    for name, tensor in only(all_heads, *heads).items():
        rest[("Qformer." if name.startswith("cls.") else "") + name] = tensor
    rest = renamed(rest, ("vision_projection", "vision_proj"), ("text_projection", "text_proj"),
                   ("language_projection", "llm_proj"))
    if "cls." in heads:
        rest["Qformer.cls.predictions.decoder.weight"] = rest["Qformer.bert.embeddings.word_embeddings.weight"]
        rest["Qformer.cls.predictions.decoder.bias"] = rest["Qformer.cls.predictions.bias"]
    rest["Qformer.bert.embeddings.position_ids"] = ("I64", [1, 2], struct.pack("<qq", 0, 1))
    return encoder, prefixed("model.", rest)


def config(vit, qformer, llm, kind):
    """The settings of seed-model's toy sizes; a member that holds the default may be left out."""
    vision = {"num_attention_heads": 4, "num_hidden_layers": 4, "image_size": 56, "patch_size": 14, "layer_norm_eps": 1e-6}
    text = {"model_type": "llama", "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 512,
            "num_hidden_layers": 3, "rms_norm_eps": 1e-6, "pad_token_id": None}
    if kind == "llama":
        return text
    result = {"vision_config": vision, "qformer_config": {"num_attention_heads": 4}}
    if kind != "lavis":
        result["model_type"] = "instructblip" if kind == "instruct" else "blip-2"
        result["text_config"] = text
    return result


def save_json(directory, name, value):
    with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
        json.dump(value, file)


def copy(folder, name, directory, to=None):
    with open(os.path.join(folder, name), "rb") as source:
        with open(os.path.join(directory, to or name), "wb") as target:
            target.write(source.read())


def save_shards(directory, tensors):
    names = list(tensors)
    files = "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"
    halves = names[: len(names) // 2], names[len(names) // 2:]
    for file, half in zip(files, halves):
        write(os.path.join(directory, file), {name: tensors[name] for name in half})
    weight_map = {name: file for file, half in zip(files, halves) for name in half}
    save_json(directory, "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})


def main():
    layout, directory, folder = sys.argv[1:]
    vit, qformer, llm = (
        reshaped(floats(read(os.path.join(folder, part + ".safetensors")))) for part in ("vit", "qformer", "llm")
    )
    os.makedirs(directory)
    whole = os.path.join(directory, "model.safetensors")
    if layout in ("hf", "sharded", "newer", "chat", "instruct"):
        text = {"chat": "inside", "instruct": "inside"}.get(layout)
        tensors = hugging_face(vit, qformer, llm, text, ("query_tokens", "language_projection"), layout == "newer")
        if layout == "sharded":
            save_shards(directory, tensors)
        else:
            write(whole, tensors)
        copy(folder, "tokenizer.model", directory)
        if layout == "instruct":
            os.mkdir(os.path.join(directory, "qformer_tokenizer"))
            copy(folder, "vocab.txt", directory, "qformer_tokenizer/vocab.txt")
        if layout == "chat":
            copy(folder, "vocab.txt", directory)
        save_json(directory, "config.json", config(vit, qformer, llm, layout))
    elif layout == "itm":
        write(whole, hugging_face(vit, qformer, {}, "outside", ("query_tokens", "vision_", "text_", "itm_")))
        copy(folder, "vocab.txt", directory)
        save_json(directory, "config.json", config(vit, qformer, llm, layout))
    elif layout in ("lavis", "minigpt4"):
        heads = ("query_tokens", "vision_", "text_", "itm_", "temp", "cls.") if layout == "lavis" else ("query_tokens",)
        if layout == "minigpt4":
            qformer = {name: tensor for name, tensor in qformer.items() if not is_text(name)}
            projection = renamed(only(qformer, "language_projection."), ("language_projection", "llama_proj"))
            write(os.path.join(directory, "proj.safetensors"), prefixed("model.", projection))
        encoder, rest = lavis(vit, qformer, heads)
        if layout == "minigpt4":
            rest["model.t5_proj.weight"] = ("F32", [1, 1], struct.pack("<f", 1))
        write(os.path.join(directory, "eva.safetensors"), encoder)
        write(os.path.join(directory, "blip2.safetensors"), rest)
        save_json(directory, "config.json", config(vit, qformer, llm, "lavis"))
    elif layout == "ziya":
        os.mkdir(os.path.join(directory, "vision"))
        write(os.path.join(directory, "vision", "model.safetensors"),
              hugging_face(vit, qformer, {}, None, ("query_tokens", "language_projection")))
        save_json(os.path.join(directory, "vision"), "config.json", config(vit, qformer, llm, layout))
    if layout in ("ziya", "minigpt4", "llama"):
        place = directory if layout == "llama" else os.path.join(directory, "llm")
        os.makedirs(place, exist_ok=True)
        tensors = dict(llm)
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = ("F32", [1], struct.pack("<f", 1))
        write(os.path.join(place, "model.safetensors"), tensors)
        copy(folder, "tokenizer.model", place)
        save_json(place, "config.json", config(vit, qformer, llm, "llama"))


main()
