#!/usr/bin/env python3
"""training.py - a step of each training stage, ours and PyTorch's by turns, in one run.

usage: training.py --program bench-training --model DIR --config FILE [--threads N] [--batch N]
                   [--rounds N] [--vit-layers N] CASE...
       training.py --config FILE --probe     seconds of a step, to choose a library by

CASE: text, contrast:features, contrast:pictures, contrast:vit, generate:features, ... as
bench-training's STAGE:SOURCE. The networks are those that --config describes (zv-train new), with
random weights: time does not depend on them. Both sides must count the same trained numbers. A
text's tokens are as many here as there. What is printed is a ratio of times within each round:
its median and its range.

--vit-layers N: PyTorch's encoder has N blocks, whatever the config says; then only its cases from
pictures run, and ours from features (the encoder itself is not in our time).
"""
import argparse
import os
import statistics
import subprocess
import sys
import time

import torch

from training_networks import Networks, text_size

CAPTION, QUESTION, ANSWER, PASSAGE = (8, 13), (6, 7), (10, 11), (48, 33)


def read_config(path):
    """Lines PART.WORD=VALUE, as {part: {word: value}}."""
    parts = {"vit": {}, "qformer": {}, "llm": {}}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            line = line.split("#")[0].strip()
            if line:
                name, value = line.split("=", 1)
                part, word = name.split(".", 1)
                parts[part][word] = int(value) if value.isdigit() else value
    vocabulary = os.path.join(os.path.dirname(path), parts["qformer"]["vocab"])
    with open(vocabulary, encoding="utf-8") as lines:
        parts["qformer"]["vocabulary"] = sum(1 for _ in lines) + 1  # [DEC]
    return parts


class Batch:
    """Made-up pictures and texts, padded to the longest; -1 stands behind a text."""

    def __init__(self, config, count):
        generator = torch.Generator().manual_seed(1)
        vit, qformer = config["vit"], config["qformer"]
        tokens = 1 + (vit["side"] // vit["patch"]) ** 2
        self.pixels = torch.randn(count, 3, vit["side"], vit["side"], generator=generator)
        self.features = torch.randn(count, tokens, vit["width"], generator=generator)

        def texts(size, vocabulary):
            sizes = [text_size(size, i) for i in range(count)]
            ids = torch.randint(10, vocabulary, (count, max(sizes)), generator=generator)
            for i, length in enumerate(sizes):
                ids[i, length:] = -1
            return ids

        self.captions = texts(CAPTION, qformer["vocabulary"])
        self.questions = texts(QUESTION, qformer["vocabulary"])
        self.asked = texts(QUESTION, config["llm"]["vocabulary"])
        self.answers = texts(ANSWER, config["llm"]["vocabulary"])
        self.passages = texts(PASSAGE, config["llm"]["vocabulary"])


class Torch:
    """PyTorch's side of a case; all cases share the networks and the optimiser."""

    def __init__(self, networks, optimiser, batch, case):
        self.networks, self.optimiser, self.batch = networks, optimiser, batch
        self.stage, _, self.source = case.partition(":")
        self.trained = networks.select(self.stage, self.source)

    def step(self):
        self.networks.select(self.stage, self.source)
        # one thread is timed by its CPU time, which others on the machine disturb little
        clock = time.monotonic if torch.get_num_threads() > 1 else time.process_time
        start = clock()
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.networks.loss(self.stage, self.source, self.batch)
        loss.backward()
        self.optimiser.step()
        return clock() - start


class Ours:
    """bench-training, which takes a step for each line it reads."""

    def __init__(self, options, case):
        stage, _, source = case.partition(":")
        self.process = subprocess.Popen(
            [options.program, "--threads", str(options.threads), "--batch", str(options.batch),
             options.model, stage, source or "none"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.trained, self.memory = int(self.answer()[0]), 0

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit("training.py: bench-training ended")
        return line.split()

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seconds, _, memory = self.answer()
        self.memory = int(memory)
        return float(seconds)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def spread(values, digits):
    return "%.*f (%.*f-%.*f)" % (digits, statistics.median(values), digits, min(values),
                                 digits, max(values))


def ratios(slow, quick):
    return [a / b for a, b in zip(slow, quick)]


def measure(options, sides):
    """Seconds of each step by side and case; the first round warms up."""
    times = {key: [] for key in sides}
    for turn in range(options.rounds + 1):
        for key, side in sides.items():
            time.sleep(0.02)  # threads of the one before may still be looking for work
            seconds = side.step()
            if turn > 0:
                times[key].append(seconds)
    return times


def run_cases(options, config, stage, cases):
    """One stage in all its cases."""
    batch = Batch(config, options.batch)
    networks = Networks(config, lora=stage == "instruct")
    optimiser = torch.optim.AdamW(networks.parameters(), 1e-5, (0.9, 0.98), 1e-8, 0.05)
    sides = {}
    for case in cases:
        theirs = not options.vit_layers or case.endswith(":pictures")
        ours = not options.vit_layers or case.endswith(":features")
        if ours:
            sides["zv", case] = Ours(options, case)
        if theirs:
            sides["torch", case] = Torch(networks, optimiser, batch, case)
        if ours and theirs and sides["zv", case].trained != sides["torch", case].trained:
            sys.exit("training.py: %s: zv trains %d numbers, PyTorch %d" % (
                case, sides["zv", case].trained, sides["torch", case].trained))
    times = measure(options, sides)
    for case in cases:
        if ("zv", case) in times and ("torch", case) in times:
            report(case, times["zv", case], times["torch", case], sides["zv", case])
    cached, whole = ("zv", stage + ":features"), ("torch", stage + ":pictures")
    if cached in times and whole in times:
        print("%-18s zv %8.3f s  PyTorch %8.3f s  samples/s, cached, over PyTorch from pictures: %s" % (
            stage, statistics.median(times[cached]), statistics.median(times[whole]),
            spread(ratios(times[whole], times[cached]), 1)), flush=True)
    for side in sides.values():
        if isinstance(side, Ours):
            side.close()


def report(case, ours, theirs, side):
    print("%-18s zv %8.3f s  PyTorch %8.3f s  ratio %s  trained %.1f M  zv's memory %d MiB" % (
        case, statistics.median(ours), statistics.median(theirs), spread(ratios(theirs, ours), 2),
        side.trained / 1e6, side.memory), flush=True)


def probe(config):
    """The quickest of some steps from pictures, for choosing among BLAS libraries."""
    networks = Networks(config, lora=False)
    optimiser = torch.optim.AdamW(networks.parameters(), 1e-5)
    side = Torch(networks, optimiser, Batch(config, 4), "generate:pictures")
    print("%.4f" % min(side.step() for _ in range(4)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", required=True)
    parser.add_argument("--program")
    parser.add_argument("--model")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--vit-layers", type=int, default=0)
    parser.add_argument("--probe", action="store_true")
    parser.add_argument("cases", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    config = read_config(options.config)
    if options.vit_layers:
        config["vit"]["layers"] = options.vit_layers
    if options.probe:
        probe(config)
        return
    groups = {}
    for case in options.cases:  # the encoder under training by itself: less memory at once
        stage, _, source = case.partition(":")
        groups.setdefault((stage, source == "vit"), []).append(case)
    for (stage, _), cases in groups.items():
        run_cases(options, config, stage, cases)


if __name__ == "__main__":
    main()
