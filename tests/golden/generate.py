"""generate.py - the reference's soft prompts as text for zvt-make, and the comparison of answers.

    generate.py prompts FILE.safetensors >text       tensors KEY.soft_prompt by that key
    generate.py project FILE.safetensors ADAPTER...  KEY.query_output through the adapter's own
                                                     language_projection
    generate.py cases FOLDER                         the runs that expected.json asks for
    generate.py compare FOLDER DIRECTORY             of answers N.json; status 1 if they differ
"""
import json
import os
import struct
import sys


def tensors(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(size))
        data = file.read()
    for name, entry in header.items():
        if name != "__metadata__":
            start, end = entry["data_offsets"]
            yield name, entry["dtype"], entry["shape"], data[start:end]


def floats(dtype, data):
    assert dtype == "F32", dtype
    return struct.unpack("<%df" % (len(data) // 4), data)


def write_prompt(key, rows, width, values):
    """f32 values are written so that they come back the same."""
    numbers = " ".join("%.9g" % value for value in values)
    print(key, "prompt", "f32", "%dx%d" % (rows, width), numbers, sep="\t")


def write_prompts(path):
    suffix = ".soft_prompt"
    for name, dtype, shape, data in tensors(path):
        if name.endswith(suffix[1:]):
            write_prompt(name[: -len(suffix)] or "picture", *shape[-2:], floats(dtype, data))


def project_prompts(path, adapter):
    found = {name.split(".", 2)[2]: (shape, floats(dtype, data)) for name, dtype, shape, data in tensors(adapter)}
    (width, inner), weight = found["language_projection.weight"]
    _, bias = found["language_projection.bias"]
    for name, dtype, shape, data in tensors(path):
        if not name.endswith(".query_output"):
            continue
        query = floats(dtype, data)
        prompt = [
            bias[j] + sum(weight[j * inner + i] * query[row * inner + i] for i in range(inner))
            for row in range(shape[-2])
            for j in range(width)
        ]
        write_prompt(name.split(".")[0], shape[-2], width, prompt)


BEAMS = {
    "beam5_lp1": ["--beams=5", "--length-penalty=1", "--max-new=20"],
    "beam5_lp0": ["--beams=5", "--length-penalty=0", "--max-new=20"],
    "beam5_lp-1": ["--beams=5", "--length-penalty=-1", "--max-new=20"],
    "beam5_lp1_rep1.5_min3": ["--beams=5", "--repetition-penalty=1.5", "--min-new=3", "--max-new=20"],
    "beam5_rep15_min1": ["--beams=5", "--repetition-penalty=1.5", "--min-new=1", "--max-new=20"],
}
RUNS = {
    "greedy40_ids": ["--ignore-eos", "--max-new=40", "--logprobs"],
    "greedy20_ids": ["--ignore-eos", "--max-new=20"],
    "greedy_ids": ["--max-new=40", "--logprobs"],
    "rep1.5_ids": ["--repetition-penalty=1.5", "--max-new=40", "--logprobs"],
    "rep1.5_ids_tf433": ["--repetition-penalty=1.5", "--max-new=40", "--count-bos"],
}


def entries(folder):
    """(key of the soft prompt, question, options for the prompt, what is expected)"""
    with open(os.path.join(folder, "expected.json"), encoding="utf-8") as file:
        expected = json.load(file)
    if "cases" in expected:
        for case in expected["cases"]:
            how = ["--raw", "--bos"] if case["case"] == 0 else []
            yield "image%d.case%d" % (case["image"], case["case"]), case["instruction"], how, case
    elif "generate" in expected:
        assert len(expected["text"]) == len(expected["generate"])
        for case, answer in zip(expected["generate"], expected["text"]):
            case["text"] = answer
            text = expected["prompts"][case["prompt"]]["text"]
            question = text[len("<human>:") : text.index("\n<bot>")]
            yield "image%d" % case["image"], question, [], case
    else:
        yield "picture", "图片里有什么？", [], expected


def runs(folder):
    """Every command that is needed: its number, the options, and what each answer must be."""
    for key, question, how, case in entries(folder):
        for name, options in RUNS.items():
            if name in case:
                yield key, question, how + options, name, case
        for name, options in BEAMS.items():
            if name in case:
                yield key, question, how + options, name, case
                if "ids_tf433" in case[name]:
                    yield key, question, how + options + ["--count-bos"], name + "/tf433", case


def close(a, b, tolerance=1e-5):
    return abs(a - b) <= tolerance * max(1.0, abs(b))


compared = {"ids": 0, "texts": 0, "log-probabilities": 0, "scores": 0}


def count(what, number=1):
    compared[what] += number


def differences(answer, name, case):
    """What is wrong with one answer, as texts."""
    wrong = []
    base = name.split("/")[0]
    if base in BEAMS:
        beams = case[base]
        wanted = beams["ids_tf433"] if name.endswith("/tf433") else beams["ids"]
        score = beams.get("score_tf433") if name.endswith("/tf433") else beams["score"]
        count("ids", len(wanted))
        if answer["ids"] != wanted:
            wrong.append("ids %s, wanted %s" % (answer["ids"], wanted))
        count("scores", score is not None)
        if score is not None and not close(answer["score"], score):
            wrong.append("score %r, wanted %r" % (answer["score"], score))
        if name == base and "all" in beams:
            got = [(h["ids"], h["score"]) for h in answer["hypotheses"]]
            for (ids, score), all_ in zip(got, beams["all"]):
                count("scores")
                if ids != all_["ids"] or not close(score, all_["score"]):
                    wrong.append("hypothesis %s %r, wanted %s %r" % (ids, score, all_["ids"], all_["score"]))
            if len(got) != len(beams["all"]):
                wrong.append("%d hypotheses, wanted %d" % (len(got), len(beams["all"])))
        return wrong
    count("ids", len(case[name]))
    if answer["ids"] != case[name]:
        wrong.append("ids %s, wanted %s" % (answer["ids"], case[name]))
    if name == "greedy_ids" and "text" in case:
        count("texts")
        if answer["text"] != case["text"]:
            wrong.append("text %r, wanted %r" % (answer["text"], case["text"]))
    known = {"greedy40_ids": "greedy40_logprob", "rep1.5_ids": "rep1.5_logprob_processed", "greedy_ids": "greedy_logprob"}
    probabilities = case.get(known.get(name))
    if probabilities:
        got = answer["logprobs"]
        count("log-probabilities", len(probabilities))
        if len(got) != len(probabilities):
            wrong.append("%d log-probabilities, wanted %d" % (len(got), len(probabilities)))
        elif not all(close(a, b) for a, b in zip(got, probabilities)):
            wrong.append("log-probabilities differ by up to %.1e" % max(abs(a - b) for a, b in zip(got, probabilities)))
    return wrong


def main():
    if sys.argv[1] == "prompts":
        write_prompts(sys.argv[2])
        return 0
    if sys.argv[1] == "project":
        project_prompts(sys.argv[2], sys.argv[3])
        return 0
    if sys.argv[1] == "cases":
        for number, (key, question, options, name, _) in enumerate(runs(sys.argv[2])):
            print(number, key, question, name, " ".join(options), sep="\t")
        return 0
    wanted = list(runs(sys.argv[2]))
    bad = 0
    for number, (key, question, options, name, case) in enumerate(wanted):
        with open("%s/%d.json" % (sys.argv[3], number), encoding="utf-8") as file:
            answer = json.loads(file.read())
        for line in differences(answer, name, case):
            print("%s %s %s: %s" % (key, name, options, line))
            bad = 1
    print("%d answers:" % len(wanted), ", ".join("%d %s" % (n, what) for what, n in compared.items() if n))
    return bad


sys.exit(main())
