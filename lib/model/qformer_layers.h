/* qformer_layers.h - the parts of the Q-Former that qformer.c (what the stage offers) and
 * qformer_layers.c (its layers) share; nobody else includes it.
 */
#ifndef ZV_MODEL_QFORMER_LAYERS_H
#define ZV_MODEL_QFORMER_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "num/linear.h"
#include "num/norm.h"

struct model_file;

/* Attention with its output layer: LN(x + output(attn(x))). */
struct qformer_attention {
	struct linear query, key, value, output;
	struct norm norm;
};

/* LN(x + output(gelu(intermediate(x)))) */
struct qformer_mlp {
	struct linear intermediate, output;
	struct norm norm;
};

struct qformer_layer {
	struct qformer_attention self, cross;
	bool crosses;                     /* cross is there */
	struct qformer_mlp queries, text; /* text only where the model reads text */
};

struct qformer {
	struct model_file *file;
	size_t width, layers, heads, mlp_width, cross_frequency, encoder_width, queries;
	size_t vocabulary, positions;     /* 0: no text branch */
	size_t llm_width, contrast_width; /* 0: no such head */
	bool can_match, can_caption;
	float eps;
	const float *query_tokens;        /* [queries][width] */
	const float *position_embeddings; /* [positions][width] */
	struct linear word_embeddings;    /* [vocabulary][width], as the decoder of captions */
	struct norm norm;                 /* over queries and text together */
	struct qformer_layer *layer;
	struct linear llm_projection, vision_projection, text_projection, match_head;
	struct linear caption_dense;
	struct norm caption_norm;
	/* Buffers for rows of joint sequences. parts: query rows of all, then text rows of all */
	size_t room;
	float *x, *q, *k, *v, *context, *parts; /* [room][width] */
	float *hidden;                          /* [room][mlp_width] */
};

/* Keys and values of the layers that cross-attend, for pictures that were made together. */
struct qformer_image_set {
	size_t users;         /* images that are still held */
	float *keys, *values; /* [crossing layers][pictures][tokens][width] */
};

struct qformer_image {
	struct qformer_image_set *set;
	size_t tokens;
	const float *keys, *values; /* of the first crossing layer, [tokens][width] */
	size_t layer;               /* elements from there to the next one's */
};

/* Which rows of the joint sequence see which in self-attention. */
enum qformer_mask {
	QFORMER_ALL,   /* everything sees everything */
	QFORMER_UNILM, /* queries see queries; text row i sees queries and text rows up to i */
};

/* Sizes and parameters of the layers from the file. 0 or -1. */
int qformer_read_layers(struct qformer *qformer);

/* Let the buffers hold rows. 0 or -1. */
int qformer_make_room(struct qformer *qformer, size_t rows);
void qformer_release_room(struct qformer *qformer);

/* What goes through the layers together: items of as many rows each. */
struct qformer_group {
	const struct qformer_image *const *images; /* [items]; NULL only without queries */
	size_t items, queries, text;               /* rows: queries is 0 or that of the model */
	enum qformer_mask mask;
};

/* Run the layers over qformer->x [items][queries + text][width]. 0 or -1. */
int qformer_run(struct qformer *qformer, const struct qformer_group *group);

#endif
