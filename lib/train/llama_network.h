/* llama_network.h - the language model under training: ragged sequences of rows (soft prompts and
 * embeddings) to hidden rows, forward and backward, with LoRA on any linear layer (spec 3.8, 5; HF
 * modeling_llama.py). Frozen weights are read from the mapped file and get no gradients.
 */
#ifndef ZV_TRAIN_LLAMA_NETWORK_H
#define ZV_TRAIN_LLAMA_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "train/dense.h"

struct saves;
struct weights;
struct llama_network;

struct llama_network *llama_network_open(struct weights *weights); /* NULL recorded */
void llama_network_close(struct llama_network *network);
size_t llama_network_width(const struct llama_network *network);
size_t llama_network_vocabulary(const struct llama_network *network);
size_t llama_network_positions(const struct llama_network *network);

struct lora_settings {
	size_t rank;
	double alpha;
	bool rank_stabilised; /* scale = alpha / sqrt(rank), else alpha / rank */
	float dropout;
	/* Which linear layers: names that a layer's name ends in ("q_proj"), or one regular expression
	 * that matches it in whole ("model\\.layers\\..*\\.(q|v)_proj"). */
	const char *const *targets;
	size_t target_count;
	bool pattern;  /* targets[0] is a regular expression */
	uint64_t seed; /* of A: uniform in +-1/sqrt(in) (PEFT); B = 0 */
};
/* Put trained adapters KEY.lora_A, KEY.lora_B (and KEY.scale, see zv-model(5)) on the layers. 0, or
 * -1: a target that no layer has. */
int llama_network_adapt(struct llama_network *network, const struct lora_settings *settings);
/* Add W += scale B A to the values of the layers that have adapters (as f32 masters), and take the
 * adapters off. 0 or -1. */
int llama_network_merge(struct llama_network *network);
/* 0, or -1 if that would change more than the layers that have adapters. */
int llama_network_check_merge(struct llama_network *network);

struct llama_pass {
	size_t count;                 /* sequences */
	const size_t *start;          /* [count + 1]: rows of sequence i */
	struct dropout_place dropout; /* seed and step for the adapters' dropout; rate is theirs */
	bool recompute;               /* keep each layer's input only */
};

/* rows [n][width] -> hidden [n][width], the last norm applied; n = start[count]. A row sees its
 * sequence up to itself. saves NULL: no backward. 0, or -1 (too long: ERROR_INPUT). */
int llama_network_forward(struct llama_network *network, const struct llama_pass *pass,
    const float *rows, struct saves *saves, float *hidden);
/* gradient [n][width] of hidden (overwritten) -> drows [n][width] stored (NULL: not wanted). */
int llama_network_backward(struct llama_network *network, const struct llama_pass *pass,
    struct saves *saves, float *gradient, float *drows);

/* Rows of the embedding table, and the gradient into it (nothing if it is frozen). */
int llama_network_embed(
    struct llama_network *network, const int32_t *ids, size_t count, float *rows);
int llama_network_embed_backward(
    struct llama_network *network, const int32_t *ids, size_t count, const float *drows);

/* The head on n chosen hidden rows -> logits [n][vocabulary], and back (drows stored). */
int llama_network_head(struct llama_network *network, const float *hidden, size_t n,
    struct saves *saves, float *logits);
int llama_network_head_backward(struct llama_network *network, const float *hidden, size_t n,
    const float *dlogits, struct saves *saves, float *drows);

#endif
