/* llama_layers.h - the parts of the language model that llama.c (running it), llama_open.c (its
 * file) and lora.c (adapters) share; nobody else includes it.
 */
#ifndef ZV_MODEL_LLAMA_LAYERS_H
#define ZV_MODEL_LLAMA_LAYERS_H

#include <stdbool.h>
#include <stddef.h>

#include "num/kept.h"
#include "num/linear.h"
#include "num/norm.h"

struct model_file;

/* A low-rank correction of a linear layer: y += scale * b(a x). */
struct lora {
	struct lora *next; /* applied after this one */
	struct linear a, b;
	float scale;
};

/* A linear layer with the adapters on it. */
struct projection {
	struct linear linear;
	struct lora *lora;
};

struct llama_layer {
	struct norm input_norm, post_norm;
	struct projection q, k, v, o, gate, up, down;
};

struct llama {
	struct model_file *file;
	struct model_file **adapters; /* opened by llama_adapt() */
	size_t adapter_count, adapter_room;
	size_t width, layers, heads, kv_heads, head_width, mlp_width, vocabulary, positions;
	double rope_theta;
	struct linear embedding; /* [vocabulary][width] */
	struct llama_layer *layer;
	struct norm norm;
	struct projection head;
	size_t rank_most; /* of all adapters */
	size_t sound;     /* blocks whose weights were compared with their checksums */
	bool head_sound;
	/* Buffers for rows that run together. */
	size_t room;
	float *x, *normal, *context; /* [room][width] */
	float *q;                    /* [room][heads * head_width] */
	float *k, *v;                /* [room][kv_heads * head_width], before they are kept */
	float *gate, *up;            /* [room][mlp_width] */
	float *turn;                 /* [room][head_width]: rotary angles */
	float *low;                  /* [room][rank_most] */
	size_t low_room;
	struct kept kept;           /* how caches have keys and values */
	struct kept_sequence *keys; /* of the sequences that decode together */
	size_t keys_room;
	float *wide_k,
	    *wide_v;      /* all of a layer's of a sequence that is prefilled, unless kept as f32 */
	size_t wide_room; /* rows of each */
};

/* The linear layer that a tensor name without its ".weight" means, or NULL. */
struct projection *llama_projection(struct llama *llama, const char *name, size_t length);

/* The norm, likewise. */
struct norm *llama_norm(struct llama *llama, const char *name, size_t length);

/* Compare the weights of block n, of the head, with their checksums, once, before they are computed
 * with: a large model begins to answer before all of it was read. 0 or -1. */
int llama_verify_layer(struct llama *llama, size_t n);
int llama_verify_head(struct llama *llama);

/* y = linear(x) plus what its adapters add, for many rows of one sequence (several: rows of
 * different sequences, linear_decode). 0 or -1. */
int lora_forward(struct llama *llama, const struct projection *projection, const float *x,
    size_t rows, bool several, float *y, enum linear_then then);

void lora_release(struct projection *projection);

#endif
