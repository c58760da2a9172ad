"""peers_torch.py - slices of ViT-g and LLaMA-13B in PyTorch, for peers.py to time.

usage: peers_torch.py vit|llm LAYERS THREADS
Prints "ready"; then each line "f32|bf16 N" on standard input is answered by the seconds of a pass: of N
pictures through so many blocks of ViT-g, or of N positions through the linear layers (no more than
these) of so many layers of LLaMA-13B. Weights are random.
"""
import sys
import time

import torch
from torch import nn


class Block(nn.Module):
    width, heads, mlp = 1408, 16, 6144

    def __init__(self):
        super().__init__()
        self.norm1 = nn.LayerNorm(self.width, eps=1e-6)
        self.qkv = nn.Linear(self.width, 3 * self.width)
        self.projection = nn.Linear(self.width, self.width)
        self.norm2 = nn.LayerNorm(self.width, eps=1e-6)
        self.fc1 = nn.Linear(self.width, self.mlp)
        self.fc2 = nn.Linear(self.mlp, self.width)

    def forward(self, x):
        count, tokens, width = x.shape
        head = width // self.heads
        q, k, v = self.qkv(self.norm1(x)).reshape(count, tokens, 3, self.heads, head).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * head ** -0.5).softmax(-1)
        x = x + self.projection((weights @ v).transpose(1, 2).reshape(count, tokens, width))
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))


class Encoder(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.patches = nn.Conv2d(3, Block.width, 14, 14)
        self.positions = nn.Parameter(torch.randn(1, 257, Block.width))
        self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
        self.norm = nn.LayerNorm(Block.width, eps=1e-6)

    def forward(self, pixels):
        patches = self.patches(pixels).flatten(2).transpose(1, 2)
        return self.norm(self.blocks(nn.functional.pad(patches, (0, 0, 1, 0)) + self.positions))

    @staticmethod
    def input(count):
        return torch.randn(count, 3, 224, 224)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.square = nn.ModuleList(nn.Linear(5120, 5120, bias=False) for _ in range(4))
        self.gate = nn.Linear(5120, 13824, bias=False)
        self.up = nn.Linear(5120, 13824, bias=False)
        self.down = nn.Linear(13824, 5120, bias=False)

    def forward(self, x):
        q, k, v = (linear(x) for linear in self.square[:3])
        x = x + self.square[3](q + k + v)
        return x + self.down(nn.functional.silu(self.gate(x)) * self.up(x))


class Language(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = nn.Sequential(*(Layer() for _ in range(layers)))

    def forward(self, x):
        return self.layers(x)

    @staticmethod
    def input(count):
        return torch.randn(count, 5120)


def main():
    what, layers, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    network = (Encoder if what == "vit" else Language)(layers).eval()
    networks = {"f32": network, "bf16": (Encoder if what == "vit" else Language)(layers).eval().bfloat16()}
    dtypes = {"f32": torch.float32, "bf16": torch.bfloat16}
    print("ready", flush=True)
    with torch.inference_mode():
        for line in sys.stdin:
            kind, count = line.split()
            rows = network.input(int(count)).to(dtypes[kind])
            start = time.perf_counter()
            networks[kind](rows)
            print("%.6f" % (time.perf_counter() - start), flush=True)


main()
