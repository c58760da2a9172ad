/* qformer_layers.c - the layers of the Q-Former (see qformer_layers.h; spec 3.4): BERT blocks,
 * normalised after the residual, whose query rows also attend to a picture and have an MLP of
 * their own.
 */
#include "model/qformer_layers.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/finite.h"
#include "model/parameters.h"
#include "model/qformer.h"
#include "num/attention.h"
#include "num/kernels.h"
#include "stream/model_file.h"

#include <math.h>
#include <stdio.h>

static int read_attention(const struct qformer *qformer, size_t layer, const char *kind,
    size_t key_width, struct qformer_attention *attention)
{
	char name[PARAMETERS_NAME];
	const struct {
		const char *word;
		size_t in;
		struct linear *linear;
	} parts[] = {
		{ "attention.query", qformer->width, &attention->query },
		{ "attention.key", key_width, &attention->key },
		{ "attention.value", key_width, &attention->value },
		{ "output.dense", qformer->width, &attention->output },
	};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		snprintf(name, sizeof name, "encoder.layer.%zu.%s.%s", layer, kind, parts[i].word);
		if (parameters_linear(
		        qformer->file, name, qformer->width, parts[i].in, true, parts[i].linear) < 0)
			return -1;
	}
	snprintf(name, sizeof name, "encoder.layer.%zu.%s.output.LayerNorm", layer, kind);
	return parameters_norm(
	    qformer->file, name, qformer->width, qformer->eps, true, &attention->norm);
}

static int read_mlp(
    const struct qformer *qformer, size_t layer, const char *suffix, struct qformer_mlp *mlp)
{
	char name[PARAMETERS_NAME];
	snprintf(name, sizeof name, "encoder.layer.%zu.intermediate%s.dense", layer, suffix);
	if (parameters_linear(
	        qformer->file, name, qformer->mlp_width, qformer->width, true, &mlp->intermediate) < 0)
		return -1;
	snprintf(name, sizeof name, "encoder.layer.%zu.output%s.dense", layer, suffix);
	if (parameters_linear(
	        qformer->file, name, qformer->width, qformer->mlp_width, true, &mlp->output) < 0)
		return -1;
	snprintf(name, sizeof name, "encoder.layer.%zu.output%s.LayerNorm", layer, suffix);
	return parameters_norm(qformer->file, name, qformer->width, qformer->eps, true, &mlp->norm);
}

int qformer_read_layers(struct qformer *qformer)
{
	if (parameters_layers(qformer->file, "encoder.layer.", qformer->layers) < 0)
		return -1;
	qformer->layer = memory_allocate_zero(qformer->layers, sizeof *qformer->layer);
	if (!qformer->layer)
		return -1;
	for (size_t n = 0; n < qformer->layers; n++) {
		struct qformer_layer *layer = &qformer->layer[n];
		layer->crosses = n % qformer->cross_frequency == 0;
		if (read_attention(qformer, n, "attention", qformer->width, &layer->self) < 0 ||
		    read_mlp(qformer, n, "_query", &layer->queries) < 0)
			return -1;
		if (layer->crosses &&
		    read_attention(qformer, n, "crossattention", qformer->encoder_width, &layer->cross) < 0)
			return -1;
		if (qformer->positions > 0 && read_mlp(qformer, n, "", &layer->text) < 0)
			return -1;
	}
	return 0;
}

void qformer_release_room(struct qformer *qformer)
{
	float **buffers[] = { &qformer->x, &qformer->q, &qformer->k, &qformer->v, &qformer->context,
		&qformer->hidden };
	for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
		memory_release(*buffers[i]);
		*buffers[i] = NULL;
	}
	qformer->room = 0;
}

int qformer_make_room(struct qformer *qformer, size_t rows)
{
	if (rows <= qformer->room)
		return 0;
	qformer_release_room(qformer);
	if (rows == 0)
		return 0;
	size_t row = qformer->width * sizeof(float);
	qformer->x = memory_allocate(rows, row);
	qformer->q = memory_allocate(rows, row);
	qformer->k = memory_allocate(rows, row);
	qformer->v = memory_allocate(rows, row);
	qformer->context = memory_allocate(rows, row);
	qformer->hidden = memory_allocate(rows, qformer->mlp_width * sizeof(float));
	if (!qformer->x || !qformer->q || !qformer->k || !qformer->v || !qformer->context ||
	    !qformer->hidden) {
		qformer_release_room(qformer);
		return -1;
	}
	qformer->room = rows;
	return 0;
}

void qformer_image_release(struct qformer_image *image)
{
	if (!image)
		return;
	memory_release(image->keys);
	memory_release(image->values);
	memory_release(image);
}

struct qformer_image *qformer_image_new(
    struct qformer *qformer, const float *features, size_t tokens)
{
	size_t crossing = (qformer->layers + qformer->cross_frequency - 1) / qformer->cross_frequency;
	size_t one = tokens * qformer->width, used = 0;
	if (tokens == 0) {
		error_input("the picture has no features");
		return NULL;
	}
	if (finite_check(features, tokens * qformer->encoder_width, "the picture's features hold") < 0)
		return NULL;
	struct qformer_image *image = memory_allocate_zero(1, sizeof *image);
	if (!image)
		return NULL;
	image->tokens = tokens;
	image->keys = memory_allocate(crossing * one, sizeof(float));
	image->values = memory_allocate(crossing * one, sizeof(float));
	bool done = image->keys && image->values;
	for (size_t n = 0; done && n < qformer->layers; n++) {
		const struct qformer_attention *cross = &qformer->layer[n].cross;
		if (!qformer->layer[n].crosses)
			continue;
		done = linear_forward(&cross->key, features, 1, tokens, image->keys + used, LINEAR_STORE) ==
		           0 &&
		       linear_forward(
		           &cross->value, features, 1, tokens, image->values + used, LINEAR_STORE) == 0;
		used += one;
	}
	if (done)
		return image;
	qformer_image_release(image);
	return NULL;
}

static struct attention heads_of(const struct qformer *qformer, size_t queries, size_t keys)
{
	size_t head_width = qformer->width / qformer->heads;
	return (struct attention){ .heads = qformer->heads,
		.kv_heads = qformer->heads,
		.head_width = head_width,
		.scale = 1.0f / sqrtf((float)head_width),
		.q = qformer->q,
		.y = qformer->context,
		.q_row = qformer->width,
		.kv_row = qformer->width,
		.y_row = qformer->width,
		.queries = queries,
		.keys = keys,
		.items = 1,
		.open = keys };
}

/* x = LN(x + output(context)) */
static int close_attention(
    struct qformer *qformer, const struct qformer_attention *part, size_t rows)
{
	if (linear_forward(&part->output, qformer->context, 1, rows, qformer->x, LINEAR_ADD) < 0)
		return -1;
	norm_rows(&part->norm, qformer->x, rows, qformer->x);
	return 0;
}

static int attend_self(struct qformer *qformer, const struct qformer_attention *self,
    size_t queries, size_t rows, enum qformer_mask mask)
{
	const float *x = qformer->x;
	struct attention attention = heads_of(qformer, rows, rows);
	attention.k = qformer->k;
	attention.v = qformer->v;
	if (mask == QFORMER_UNILM) {
		attention.open = queries;
		attention.see = 1;
	}
	if (linear_forward(&self->query, x, 1, rows, qformer->q, LINEAR_STORE) < 0 ||
	    linear_forward(&self->key, x, 1, rows, qformer->k, LINEAR_STORE) < 0 ||
	    linear_forward(&self->value, x, 1, rows, qformer->v, LINEAR_STORE) < 0 ||
	    attention_forward(&attention) < 0)
		return -1;
	return close_attention(qformer, self, rows);
}

/* The query rows look at the picture, whose keys and values begin at offset at. */
static int attend_image(struct qformer *qformer, const struct qformer_attention *cross,
    const struct qformer_image *image, size_t at)
{
	struct attention attention = heads_of(qformer, qformer->queries, image->tokens);
	attention.k = image->keys + at;
	attention.v = image->values + at;
	if (linear_forward(&cross->query, qformer->x, 1, qformer->queries, qformer->q, LINEAR_STORE) <
	        0 ||
	    attention_forward(&attention) < 0)
		return -1;
	return close_attention(qformer, cross, qformer->queries);
}

static int run_mlp(struct qformer *qformer, const struct qformer_mlp *mlp, float *x, size_t rows)
{
	if (rows == 0)
		return 0;
	if (linear_forward(&mlp->intermediate, x, 1, rows, qformer->hidden, LINEAR_GELU) < 0 ||
	    linear_forward(&mlp->output, qformer->hidden, 1, rows, x, LINEAR_ADD) < 0)
		return -1;
	norm_rows(&mlp->norm, x, rows, x);
	return 0;
}

int qformer_run(struct qformer *qformer, const struct qformer_image *image, size_t queries,
    size_t text, enum qformer_mask mask)
{
	size_t crossed = 0;
	for (size_t n = 0; n < qformer->layers; n++) {
		const struct qformer_layer *layer = &qformer->layer[n];
		if (attend_self(qformer, &layer->self, queries, queries + text, mask) < 0)
			return -1;
		if (layer->crosses && queries > 0) {
			size_t at = crossed++ * image->tokens * qformer->width;
			if (attend_image(qformer, &layer->cross, image, at) < 0)
				return -1;
		}
		if (run_mlp(qformer, &layer->queries, qformer->x, queries) < 0 ||
		    run_mlp(qformer, &layer->text, qformer->x + queries * qformer->width, text) < 0)
			return -1;
	}
	return 0;
}
