/* llama_parts.h - the parts of the language model under training that llama_network*.c share;
 * nobody else includes it.
 */
#ifndef ZV_TRAIN_LLAMA_PARTS_H
#define ZV_TRAIN_LLAMA_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "num/attention_batch.h"
#include "train/dense.h"
#include "train/llama_network.h"

struct saves;
struct weights;

struct network_layer {
	struct trained_norm input_norm, post_norm;
	struct dense q, k, v, o, gate, up, down;
};

struct llama_network {
	struct weights *weights;
	size_t width, layers, heads, kv_heads, head_width, mlp_width, vocabulary, positions;
	double rope_theta;
	struct parameter *embedding; /* [vocabulary][width] */
	struct network_layer *layer;
	struct trained_norm norm;
	struct dense head;
	struct saves *workspace;
	struct dropout_place dropout; /* of the last pass that keeps something: the head's too */
	float *turns;                 /* [turned][head_width]: rotary angles of positions 0, 1, ... */
	size_t turned;
	uint32_t *position; /* [rows]: of each row of the pass in its sequence */
	size_t position_room;
	struct attention_item *items; /* [sequences] */
	size_t item_room;
};

/* The linear layers by number: those of the blocks, then the head; NULL behind them. name (if not
 * NULL) becomes that of its tensor without ".weight". */
enum { LLAMA_NAME = 160 };
struct dense *llama_network_dense(
    const struct llama_network *network, size_t i, char name[LLAMA_NAME]);
/* The layer called name, or NULL. */
struct dense *llama_network_find(const struct llama_network *network, const char *name);

/* What a block keeps for its backward pass, on the stack of saves; NULL is not kept. */
struct layer_kept {
	float *x;                   /* its input [rows][width] */
	float *q, *k, *v, *context; /* queries and keys after rotation, attention's output */
	float *middle;              /* x + what attention adds */
	float *gate, *up;           /* [rows][mlp_width] */
};

/* A pass at work. */
struct llama_work {
	struct llama_network *network;
	const struct dropout_place *dropout; /* NULL: nothing is kept, nothing dropped */
	bool recompute;
	size_t rows, sequences;
};

/* Sequences, positions and angles of a pass. 0 or -1. */
int llama_network_prepare(struct llama_network *network, const struct llama_pass *pass, bool keep,
    struct llama_work *work);

/* Attention over the sequences of a pass. */
struct attention_batch llama_network_attention(
    const struct llama_work *work, const float *q, const float *k, const float *v);

/* h [rows][width] through block n, in place. saves: what backward needs is kept there (NULL: not).
 * again: h is not wanted, so that its last product is left out where backward does without. */
int llama_layer_forward(
    const struct llama_work *work, size_t n, float *h, struct saves *saves, bool again);
/* Take the block's tensors off the stack when its adapters' are off: the reverse of forward. */
int llama_layer_pop(const struct llama_work *work, struct saves *saves);

/* Does the weight gradient of this layer need its input? */
bool dense_is_trained(const struct dense *dense);

#endif
