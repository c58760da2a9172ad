/* qformer_network.h - the Q-Former under training: one pass over a ragged batch of items, each
 * queries and/or text rows without padding, forward and backward, and the heads (spec 3.4, 3.5,
 * 7.2; LAVIS Qformer.py, blip2_qformer.py).
 * A pass with QFORMER_UNILM gives the uni-modal query outputs (ITC) and the captioning rows (ITG) at
 * once: query rows do not see the text, so this is the reference's cached pass.
 */
#ifndef ZV_TRAIN_QFORMER_NETWORK_H
#define ZV_TRAIN_QFORMER_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "train/dense.h"

struct saves;
struct weights;

enum qformer_sight {     /* which rows of an item see which in self-attention */
	QFORMER_SEES_ALL,    /* everything sees everything */
	QFORMER_SEES_CAUSAL, /* queries see queries; text row i sees queries and text rows up to i */
};

struct qformer_pass {
	size_t count;          /* items */
	bool queries;          /* every item begins with the query rows; false: text alone */
	const size_t *picture; /* [count]: which picture an item looks at (with queries) */
	size_t pictures, tokens;
	const float *features;    /* [pictures][tokens][encoder_width] */
	const int32_t *ids;       /* text of all items, one behind the other; NULL: no text */
	const size_t *text_start; /* [count + 1]: item i has ids[text_start[i] .. text_start[i+1]-1] */
	enum qformer_sight sight;
	struct dropout_place dropout; /* of hidden rows and attention weights */
	bool recompute;               /* keep each layer's input only */
};

struct qformer_network {
	struct weights *weights;
	size_t width, layers, heads, mlp_width, cross_frequency, encoder_width, queries;
	size_t vocabulary, positions;     /* 0: no text branch */
	size_t llm_width, contrast_width; /* 0: no such head */
	bool can_match, can_caption, instruction;
	/* Heads; open only where the file has them. */
	struct dense language_projection, vision_projection, text_projection, match_head, caption_dense;
	struct trained_norm caption_norm;
	struct parameter *temperature;                    /* temp [1]; NULL: none */
	struct parameter *word_embeddings, *caption_bias; /* the decoder of captions: tied */
	struct qformer_network_layers *inside;
};

struct qformer_network *qformer_network_open(struct weights *weights); /* NULL recorded */
void qformer_network_close(struct qformer_network *network);

/* query_output [count][queries][width] (with queries) and text_output [text rows][width] (with
 * text; NULL: not wanted). saves NULL: no backward. 0 or -1 (ids out of range: ERROR_INPUT). */
int qformer_network_forward(struct qformer_network *network, const struct qformer_pass *pass,
    struct saves *saves, float *query_output, float *text_output);

/* dquery, dtext: gradients of the outputs (either may be NULL: zero; overwritten). Adds to the
 * gradients of what is trained, and to dfeatures [pictures][tokens][encoder_width] unless NULL. */
int qformer_network_backward(struct qformer_network *network, const struct qformer_pass *pass,
    struct saves *saves, float *dquery, float *dtext, float *dfeatures);

/* The captioning head on n chosen rows [n][width] -> logits [n][vocabulary]; and back: dlogits ->
 * drows [n][width] stored. */
int qformer_network_caption(struct qformer_network *network, const float *rows, size_t n,
    struct saves *saves, float *logits);
int qformer_network_caption_backward(struct qformer_network *network, size_t n,
    const float *dlogits, struct saves *saves, float *drows);

#endif
