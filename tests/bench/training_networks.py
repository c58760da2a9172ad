"""training_networks.py - the networks of zv-model(5) and the losses of zv-train's stages in
PyTorch, written plainly from the shapes: what make bench measures against. Each pass is the usual
one: batches padded to the longest text, caches of keys for captioning, three joint passes for
matching put into one, only counted rows through the output matrix.
"""
import math

import torch
from torch import nn
from torch.nn import functional

FAR = -10000.0  # added to a score that is not to be seen


def text_size(size, i):
    """Tokens of text number i (bench-training.c has the same rule)."""
    return size[0] + i * 5 % size[1]


def attend(q, k, v, heads, mask, dropout):
    """q [n][rows][width], k and v [n][keys][width]; mask is added to the scores."""
    def part(x):
        return x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)
    q, k, v = part(q), part(k), part(v)
    scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores + mask
    weights = dropout(torch.softmax(scores, -1))
    return (weights @ v).transpose(1, 2).flatten(2)


# --- image encoder --------------------------------------------------------------------------------


class Block(nn.Module):
    def __init__(self, width, heads, mlp_width):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, 1e-6), nn.LayerNorm(width, 1e-6)
        self.qkv, self.projection = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, mlp_width), nn.Linear(mlp_width, width)
        self.still = nn.Identity()

    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).chunk(3, -1)
        x = x + self.projection(attend(q, k, v, self.heads, None, self.still))
        return x + self.fc2(functional.gelu(self.fc1(self.norm2(x))))


class Encoder(nn.Module):
    def __init__(self, words):
        super().__init__()
        width, patch = words["width"], words["patch"]
        self.side_in_patches = words["side"] // patch
        self.class_embedding = nn.Parameter(torch.randn(width) * 0.02)
        self.positions = nn.Parameter(torch.randn(1 + self.side_in_patches ** 2, width) * 0.02)
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.blocks = nn.ModuleList(
            Block(width, words["heads"], words.get("mlp_width", 4 * width))
            for _ in range(words["layers"]))
        self.post_norm = nn.LayerNorm(width, 1e-6)

    def forward(self, pixels, trained):
        with torch.set_grad_enabled(trained):
            x = self.patches(pixels).flatten(2).transpose(1, 2)
            x = torch.cat([self.class_embedding.expand(x.shape[0], 1, -1), x], 1) + self.positions
            for block in self.blocks:
                x = block(x)
        return self.post_norm(x)


# --- Q-Former -------------------------------------------------------------------------------------


class Attention(nn.Module):
    def __init__(self, width, keys, heads):
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(width, width), nn.Linear(keys, width)
        self.value, self.output = nn.Linear(keys, width), nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, 1e-12)
        self.drop, self.drop_weights = nn.Dropout(0.1), nn.Dropout(0.1)

    def forward(self, x, seen, mask=None, past=None):
        """seen: what keys and values come from; past: keys and values in front of them."""
        k, v = self.key(seen), self.value(seen)
        own = (k, v)
        if past is not None:
            k, v = torch.cat([past[0], k], 1), torch.cat([past[1], v], 1)
        context = attend(self.query(x), k, v, self.heads, mask, self.drop_weights)
        return self.norm(x + self.drop(self.output(context))), own


class Mlp(nn.Module):
    def __init__(self, width, mlp_width):
        super().__init__()
        self.intermediate, self.output = nn.Linear(width, mlp_width), nn.Linear(mlp_width, width)
        self.norm, self.drop = nn.LayerNorm(width, 1e-12), nn.Dropout(0.1)

    def forward(self, x):
        return self.norm(x + self.drop(self.output(functional.gelu(self.intermediate(x)))))


class Layer(nn.Module):
    def __init__(self, words, encoder_width, crosses):
        super().__init__()
        width, heads = words["width"], words["heads"]
        mlp_width = words.get("mlp_width", 4 * width)
        self.own = Attention(width, width, heads)
        self.cross = Attention(width, encoder_width, heads) if crosses else None
        self.query_mlp, self.text_mlp = Mlp(width, mlp_width), Mlp(width, mlp_width)

    def forward(self, x, queries, features, mask, past):
        x, own = self.own(x, x, mask, past)
        parts = []
        if queries > 0:
            rows = x[:, :queries]
            if self.cross is not None:
                rows, _ = self.cross(rows, features)
            parts.append(self.query_mlp(rows))
        if x.shape[1] > queries:
            parts.append(self.text_mlp(x[:, queries:]))
        return parts[0] if len(parts) == 1 else torch.cat(parts, 1), own


class QFormer(nn.Module):
    def __init__(self, words, encoder_width, llm_width):
        super().__init__()
        width, contrast = words["width"], words["contrast_width"]
        self.queries = words["queries"]
        self.query_tokens = nn.Parameter(torch.randn(self.queries, width) * 0.02)
        self.words = nn.Embedding(words["vocabulary"], width)
        self.positions = nn.Embedding(words["positions"], width)
        self.norm, self.drop = nn.LayerNorm(width, 1e-12), nn.Dropout(0.1)
        self.layers = nn.ModuleList(
            Layer(words, encoder_width, i % words["cross_frequency"] == 0)
            for i in range(words["layers"]))
        self.projection = nn.Linear(width, llm_width)
        self.vision_projection = nn.Linear(width, contrast)
        self.text_projection = nn.Linear(width, contrast)
        self.match_head = nn.Linear(width, 2)
        self.temperature = nn.Parameter(torch.tensor([0.07]))
        self.caption_dense, self.caption_norm = nn.Linear(width, width), nn.LayerNorm(width, 1e-12)
        self.caption_bias = nn.Parameter(torch.zeros(words["vocabulary"]))

    def forward(self, features=None, ids=None, mask=None, past=None):
        """Rows of all layers' end, and each layer's keys and values. mask: 1 where a row sees."""
        rows = []
        if features is not None:
            rows.append(self.query_tokens.expand(features.shape[0], -1, -1))
        if ids is not None:
            rows.append(self.words(ids) + self.positions.weight[:ids.shape[1]])
        x = self.drop(self.norm(torch.cat(rows, 1)))
        queries = self.queries if features is not None else 0
        added = None if mask is None else (1 - mask) * FAR
        caches = []
        for i, layer in enumerate(self.layers):
            x, own = layer(x, queries, features, added, None if past is None else past[i])
            caches.append(own)
        return x, caches

    def caption(self, rows):
        rows = self.caption_norm(functional.gelu(self.caption_dense(rows)))
        return rows @ self.words.weight.t() + self.caption_bias


# --- language model -------------------------------------------------------------------------------


class RootNorm(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))


class Adapted(nn.Module):
    """A frozen linear layer with an adapter of rank 8 beside it."""

    def __init__(self, width, out, rank):
        super().__init__()
        self.linear = nn.Linear(width, out, bias=False)
        self.drop, self.scale = nn.Dropout(0.05), 32 / rank if rank else 0
        self.a = nn.Linear(width, rank, bias=False) if rank else None
        self.b = nn.Linear(rank, out, bias=False) if rank else None

    def forward(self, x):
        y = self.linear(x)
        return y if self.a is None else y + self.b(self.a(self.drop(x))) * self.scale


def rotate(x, cosine, sine):
    """x [n][heads][rows][of a head]: halves are the pair's two numbers."""
    first, second = x.chunk(2, -1)
    return x * cosine + torch.cat([-second, first], -1) * sine


class LlamaLayer(nn.Module):
    def __init__(self, words, rank):
        super().__init__()
        width, mlp_width = words["width"], words["mlp_width"]
        self.heads = words["heads"]
        self.norm1, self.norm2 = RootNorm(width), RootNorm(width)
        self.q, self.k = Adapted(width, width, rank), Adapted(width, width, rank)
        self.v = Adapted(width, width, rank)
        self.o = nn.Linear(width, width, bias=False)
        self.gate = nn.Linear(width, mlp_width, bias=False)
        self.up = nn.Linear(width, mlp_width, bias=False)
        self.down = nn.Linear(mlp_width, width, bias=False)

    def forward(self, x, mask, cosine, sine):
        rows = self.norm1(x)
        q, k, v = (layer(rows).view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)
                   for layer in (self.q, self.k, self.v))
        q, k = rotate(q, cosine, sine), rotate(k, cosine, sine)
        weights = torch.softmax(q @ k.transpose(2, 3) / math.sqrt(q.shape[-1]) + mask, -1)
        x = x + self.o((weights @ v).transpose(1, 2).flatten(2))
        rows = self.norm2(x)
        return x + self.down(functional.silu(self.gate(rows)) * self.up(rows))


class Llama(nn.Module):
    def __init__(self, words, rank):
        super().__init__()
        width = words["width"]
        self.size = width // words["heads"]
        self.table = nn.Embedding(words["vocabulary"], width)
        self.layers = nn.ModuleList(LlamaLayer(words, rank) for _ in range(words["layers"]))
        self.norm = RootNorm(width)
        self.head = None if words.get("tied") else nn.Linear(width, words["vocabulary"], bias=False)

    def forward(self, rows):
        """Rows see themselves and those before them: what is padded stands behind all others."""
        n = rows.shape[1]
        mask = torch.full((n, n), -math.inf).triu(1)
        angle = torch.arange(n)[:, None] * 10000 ** (-torch.arange(0, self.size, 2) / self.size)
        angle = torch.cat([angle, angle], -1)
        cosine, sine = angle.cos(), angle.sin()
        for layer in self.layers:
            rows = layer(rows, mask, cosine, sine)
        return self.norm(rows)

    def loss(self, hidden, targets):
        """Of the counted rows alone; targets -1: not counted."""
        counted = targets >= 0
        weight = self.table.weight if self.head is None else self.head.weight
        return functional.cross_entropy(hidden[counted] @ weight.t(), targets[counted])


# --- stages ---------------------------------------------------------------------------------------


def sees(ids):
    """[n][1][1][rows]: 1 where there is a text."""
    return (ids >= 0).float()[:, None, None, :]


def padded(ids):
    return ids.clamp_min(0)


class Networks(nn.Module):
    def __init__(self, config, lora):
        super().__init__()
        self.vit = Encoder(config["vit"])
        self.qformer = QFormer(
            config["qformer"], config["vit"]["width"], config["llm"]["width"])
        self.llm = Llama(config["llm"], 8 if lora else 0)

    def select(self, stage, source):
        """Mark what the stage trains; how many numbers these are."""
        q = self.qformer
        heads = [q.vision_projection, q.text_projection, q.match_head, q.caption_dense,
                 q.caption_norm]
        self.requires_grad_(False)
        if stage == "text":
            self.llm.requires_grad_(True)
        else:
            q.requires_grad_(True)
        if stage == "contrast":
            q.projection.requires_grad_(False)
            self.vit.requires_grad_(source == "vit")
            self.vit.post_norm.requires_grad_(source != "features")
        elif stage != "text":
            for module in heads:
                module.requires_grad_(False)
            q.temperature.requires_grad_(False)
            q.caption_bias.requires_grad_(False)
        for name, parameter in self.llm.named_parameters():
            if name.endswith((".a.weight", ".b.weight")):
                parameter.requires_grad_(stage == "instruct")
        return sum(p.numel() for p in self.parameters() if p.requires_grad)

    def loss(self, stage, source, batch):
        if stage == "text":
            return self.text_loss(batch)
        features = batch.features
        if source != "features":
            features = self.vit(batch.pixels, source == "vit")
        return self.contrast_loss(features, batch.captions) if stage == "contrast" \
            else self.answer_loss(features, batch)

    def text_loss(self, batch):
        ids = batch.passages
        hidden = self.llm(self.llm.table(padded(ids[:, :-1])))
        return self.llm.loss(hidden, ids[:, 1:])

    def answer_loss(self, features, batch):
        """[soft prompt] question answer, one row of the batch each, padded behind."""
        q, questions = self.qformer, batch.questions
        mask = functional.pad(sees(questions), (q.queries, 0), value=1.0)
        rows, _ = q(features, padded(questions), mask)
        prompts = q.projection(rows[:, :q.queries])
        count = prompts.shape[0]
        longest = (batch.asked >= 0).sum(1) + (batch.answers >= 0).sum(1)
        ids = torch.full((count, int(longest.max())), -1)
        targets = torch.full((count, q.queries + ids.shape[1]), -1)
        for i in range(count):
            asked, answer = (x[i][x[i] >= 0] for x in (batch.asked, batch.answers))
            ids[i, :len(asked) + len(answer)] = torch.cat([asked, answer])
            first = q.queries + len(asked) - 1
            targets[i, first:first + len(answer)] = answer
        hidden = self.llm(torch.cat([prompts, self.llm.table(padded(ids))], 1))
        return self.llm.loss(hidden, targets)

    def contrast_loss(self, features, ids):
        q, count = self.qformer, ids.shape[0]
        rows, caches = q(features)
        text, _ = q(None, padded(ids), sees(ids))
        image = functional.normalize(q.vision_projection(rows), dim=-1)
        text = functional.normalize(q.text_projection(text[:, 0]), dim=-1)
        own = torch.arange(count)

        def similarity(images, texts):
            return torch.einsum("bqw,tw->btq", images, texts).amax(-1) / q.temperature

        # the gathered other side carries no gradient
        to_text, to_image = similarity(image, text.detach()), similarity(image.detach(), text).t()
        loss = (functional.cross_entropy(to_text, own, label_smoothing=0.1) +
                functional.cross_entropy(to_image, own, label_smoothing=0.1)) / 2
        loss = loss + self.match_loss(features, ids, to_text.detach(), to_image.detach())
        return loss + self.caption_loss(ids, caches)

    def match_loss(self, features, ids, to_text, to_image):
        """Each pair, each text with a hard wrong picture, each picture with a hard wrong text."""
        q, count = self.qformer, ids.shape[0]
        diagonal = torch.eye(count) * FAR
        picture = torch.multinomial(torch.softmax(to_image + diagonal, 1), 1)[:, 0]
        text = torch.multinomial(torch.softmax(to_text + diagonal, 1), 1)[:, 0]
        texts = torch.cat([ids, ids, ids[text]])
        mask = functional.pad(sees(texts), (q.queries, 0), value=1.0)
        rows, _ = q(torch.cat([features, features[picture], features]), padded(texts), mask)
        logits = q.match_head(rows[:, :q.queries]).mean(1)
        labels = torch.cat([torch.ones(count), torch.zeros(2 * count)]).long()
        return functional.cross_entropy(logits, labels)

    def caption_loss(self, ids, caches):
        """The text behind the cached keys of the queries; its last token is not read."""
        q, read = self.qformer, ids[:, :-1]
        n = read.shape[1]
        causal = torch.ones(n, n).tril()[None, None] * sees(read)
        mask = functional.pad(causal, (q.queries, 0), value=1.0)
        rows, _ = q(None, padded(read), mask, caches)
        targets = ids[:, 1:]
        counted = targets >= 0
        return functional.cross_entropy(
            q.caption(rows[counted]), targets[counted], label_smoothing=0.1)
