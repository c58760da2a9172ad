"""peers.py - zv beside PyTorch and onnxruntime, by turns in one run (see peers.sh).

usage: peers.py --threads N --rounds N --layers N --scratch DIR --picture FILE vit|llm [torch] [onnx]
The others are servers (peers_torch.py, peers_onnx.js) that time one pass a line; each is stopped while
another one works, so that threads that spin take nothing from it.
"""
import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
PICTURES = 8  # one more than these are encoded, and one: the difference is their time


class Server:
    """A program that answers a line with a line, asleep in between."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env=dict(os.environ, **(environment or {})))
        self.process.stdout.readline()  # "ready"
        self.process.send_signal(signal.SIGSTOP)

    def ask(self, line):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit("peers.py: %s ended early" % self.process.args[0])
        self.process.send_signal(signal.SIGSTOP)
        return answer.strip()

    def time(self, line):
        return float(self.ask(line))

    def close(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.wait()


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def math_of(kind):
    """The option for an arithmetic, if zv-encode has it; None: it has not, nor weights packed for it."""
    listed = run("zv-encode", "--help")
    if "--math" in listed:
        return ["--math", kind]
    return None if kind == "bf16" else []


class Encode:
    """zv-encode over JPEGs: what one more picture costs."""

    def __init__(self, options):
        self.options = options
        self.pictures = [os.path.join(options.scratch, "%d.jpg" % i) for i in range(PICTURES + 1)]
        for path in self.pictures:
            shutil.copyfile(options.picture, path)

    def command(self, kind, batch, output):
        return ["zv-encode", "-q", "-t", str(self.options.threads), "-b", str(batch), *math_of(kind), "-m",
                os.path.join(self.options.scratch, "vit-" + kind), "-o", output]

    def time(self, kind, batch):
        command = self.command(kind, batch, os.path.join(self.options.scratch, "out.zv"))
        one = run("bench-model", "run", *command, self.pictures[0])
        all_of_them = run("bench-model", "run", *command, *self.pictures)
        return (float(all_of_them.split()[0]) - float(one.split()[0])) / PICTURES


def servers(options, what):
    found = {}
    threads = {"OMP_NUM_THREADS": str(options.threads), "OMP_WAIT_POLICY": "passive",
               "OPENBLAS_NUM_THREADS": str(options.threads), "BLIS_NUM_THREADS": str(options.threads)}
    if "torch" in options.peers:
        found["PyTorch"] = Server([sys.executable, os.path.join(HERE, "peers_torch.py"), what,
                                   str(options.layers), str(options.threads)], threads)
    if "onnx" in options.peers and what == "vit":
        found["onnxruntime"] = Server(["node", os.path.join(HERE, "peers_onnx.js"), options.scratch,
                                       str(options.threads)])
    return found


def print_table(unit, times, ours):
    """times: {(name, case): seconds of each round}; a ratio is of one round, the middle one is shown."""
    cases = list(dict.fromkeys(case for _, case in times))
    for case in cases:
        print(case)
        for (name, other), seconds in times.items():
            if other != case:
                continue
            line = "  %-22s %9.2f %s (%.2f - %.2f)" % (name, 1e3 * statistics.median(seconds), unit,
                                                      1e3 * min(seconds), 1e3 * max(seconds))
            for mine in ours:
                if mine != name and (mine, case) in times and name not in ours:
                    ratios = [peer / own for peer, own in zip(seconds, times[mine, case])]
                    line += "   %s is %.2f times as fast" % (mine, statistics.median(ratios))
            print(line)


def measure(rounds, cases):
    """cases: {(name, case): function}; all of them each round. The round before is to warm up."""
    times = {key: [] for key in cases}
    for turn in range(rounds + 1):
        for key, function in cases.items():
            seconds = function()
            if turn > 0:
                times[key].append(seconds)
    return times


def compare_features(options, encode, onnx):
    """How near to features in f32 those in int8 are, of zv and of onnxruntime, for one picture."""
    path = os.path.join(options.scratch, "picture")
    script = [sys.executable, os.path.join(HERE, "peers_onnx.py")]
    run(*script, "picture", path)
    found = []
    for kind in ("f32", "bf16", "int8"):
        if math_of(kind) is None:
            continue
        run(*encode.command(kind, 1, path + ".zv"), path + ".ppm")
        run("zv-export", "--raw", "--to", "f32", "-o", "%s-zv-%s.raw" % (path, kind), path + ".zv")
        found.append("%s-zv-%s.raw" % (path, kind))
    for kind in ("f32", "int8"):
        onnx.ask("features %s %s.pixels %s-onnxruntime-%s.raw" % (kind, path, path, kind))
        found.append("%s-onnxruntime-%s.raw" % (path, kind))
    print(run(*script, "compare", *found), end="")


def vit(options):
    encode, others = Encode(options), servers(options, "vit")
    kinds = [kind for kind in ("f32", "bf16", "int8") if math_of(kind) is not None]
    cases = {}
    for batch in (8, 1):
        case = "ViT-g, %d blocks, batch %d" % (options.layers, batch)
        for kind in kinds:
            cases["zv " + kind, case] = lambda kind=kind, batch=batch: encode.time(kind, batch)
        for name, server in others.items():
            for kind in ("f32", "bf16") if name == "PyTorch" else ("f32", "int8"):
                cases["%s %s" % (name, kind), case] = \
                    lambda server=server, kind=kind, batch=batch: server.time("%s %d" % (kind, batch)) / batch
    print_table("ms a picture", measure(options.rounds, cases), ["zv " + kind for kind in kinds])
    if "onnxruntime" in others:
        compare_features(options, encode, others["onnxruntime"])
    for server in others.values():
        server.close()


def llm(options):
    others, cases = servers(options, "llm"), {}
    ours = {}
    for kind in ("int4", "int8"):
        ours[kind] = Server(["sh", "-c", "echo ready; exec bench-model --threads %d serve '%s'" % (
            options.threads, os.path.join(options.scratch, "llm-" + kind))])
    for rows in (512, 64, 1):
        case = "LLaMA-13B, %d layers, %d positions" % (options.layers, rows)
        order = "decode 1" if rows == 1 else "prefill %d" % rows
        for kind, server in ours.items():
            cases["zv " + kind, case] = lambda server=server, order=order: server.time(order)
        for name, server in others.items():
            for kind in ("f32", "bf16"):
                cases["%s %s" % (name, kind), case] = \
                    lambda server=server, kind=kind, rows=rows: server.time("%s %d" % (kind, rows))
    print_table("ms", measure(options.rounds, cases), ["zv int4", "zv int8"])
    for server in list(others.values()) + list(ours.values()):
        server.close()


def main():
    parser = argparse.ArgumentParser()
    for name in ("--threads", "--rounds", "--layers"):
        parser.add_argument(name, type=int, required=True)
    parser.add_argument("--scratch", required=True)
    parser.add_argument("--picture", required=True)
    parser.add_argument("what", choices=["vit", "llm"])
    parser.add_argument("peers", nargs="*")
    options = parser.parse_args()
    {"vit": vit, "llm": llm}[options.what](options)


main()
