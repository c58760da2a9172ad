/* qformer_network_layers.h - what the files of the Q-Former under training share; nobody else
 * includes it. qformer_network.c: opening, embeddings, the pass; qformer_network_rows.c: where rows
 * lie; qformer_network_forward.c and qformer_network_backward.c: one layer; qformer_network_heads.c.
 */
#ifndef ZV_TRAIN_QFORMER_NETWORK_LAYERS_H
#define ZV_TRAIN_QFORMER_NETWORK_LAYERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "num/attention_batch.h"
#include "train/dense.h"
#include "train/qformer_network.h"

/* norm(x + output(attention(x))) */
struct qformer_network_attention {
	struct dense query, key, value, output;
	struct trained_norm norm;
};

/* norm(x + output(gelu(intermediate(x)))) */
struct qformer_network_mlp {
	struct dense intermediate, output;
	struct trained_norm norm;
};

struct qformer_network_layer {
	struct qformer_network_attention self, cross;
	bool crosses;                             /* cross is there */
	struct qformer_network_mlp queries, text; /* text: only where the model reads text */
	uint32_t place;                           /* of its first dropout mask */
};

/* Dropout masks: 0 is the embeddings', then these for every layer. */
enum {
	PLACE_SELF_WEIGHTS,
	PLACE_SELF,
	PLACE_CROSS_WEIGHTS,
	PLACE_CROSS,
	PLACE_QUERIES,
	PLACE_TEXT,
	PLACES, /* of a layer */
};

struct qformer_network_layers {
	struct parameter *query_tokens, *position_embeddings;
	struct trained_norm norm; /* over queries and text together */
	struct dense decoder;     /* of captions: the word table and its bias */
	struct qformer_network_layer *layer;
	struct saves *workspace; /* temporaries of one layer */
	struct saves *again;     /* rows between layers that nobody keeps, and a layer run again */
	/* Of the pass at work: */
	struct attention_item *self, *cross; /* cross: by picture */
	size_t self_count, cross_count, self_room, cross_room;
	size_t *order; /* items by picture, behind the first item of each picture */
	size_t order_room;
	int32_t *numbers; /* which row of a table each query or text row was */
	size_t number_room;
};

/* The rows of a pass. Joint rows are those of the items one behind the other, an item's queries
 * before its text; the MLPs and cross-attention work on all query rows together and all text rows
 * together. */
struct qformer_rows {
	size_t items, queries;    /* queries: of an item, or 0 */
	const size_t *text_start; /* NULL: no text */
	size_t width;
	size_t query_rows, text_rows, rows; /* of all items */
	size_t picture_rows;                /* pictures * tokens */
};
struct qformer_rows qformer_network_rows(
    const struct qformer_network *network, const struct qformer_pass *pass);

/* First text id of item i, counted from the first of the pass, and how many it has. */
size_t qformer_network_text_at(const struct qformer_rows *rows, size_t item);
size_t qformer_network_text_count(const struct qformer_rows *rows, size_t item);

/* Are there both kinds, so that they have to be parted? */
bool qformer_network_mixed(const struct qformer_rows *rows);

/* Joint rows to query rows and text rows, and back: memory moves over the pool. */
void qformer_network_part(
    const struct qformer_rows *rows, const float *joint, float *queries, float *text);
void qformer_network_join(
    const struct qformer_rows *rows, const float *queries, const float *text, float *joint);

/* Attention items of the pass. 0 or -1. */
int qformer_network_plan(struct qformer_network *network, const struct qformer_pass *pass);

/* A batch of heads over keys of one kind; q, k, v have rows of the network's width. */
struct attention_batch qformer_network_heads(const struct qformer_network *network,
    const struct qformer_pass *pass, const float *q, const float *k, const float *v);

/* Dropout of rows at a place of the pass. */
void qformer_network_drop(const struct qformer_pass *pass, uint32_t place, float *x, size_t count);

/* A layer from joint rows x. What backward needs is pushed onto kept; the result onto results as
 * "rows", its address in *y (y NULL: not wanted). 0 or -1. */
int qformer_network_layer_forward(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_layer *layer, const float *x, struct saves *kept,
    struct saves *results, float **y);

/* d [rows][width] from the gradient of a layer's result to that of its input x; x NULL: it is on
 * the stack below what the layer kept. Adds to dfeatures unless NULL. 0 or -1. */
int qformer_network_layer_backward(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_layer *layer, const float *x, struct saves *saves, float *d,
    float *dfeatures);

/* Open the heads that the part has. 0 or -1. */
int qformer_network_open_heads(struct qformer_network *network, float eps);

#endif
