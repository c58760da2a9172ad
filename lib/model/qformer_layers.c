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
#include <string.h>

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
		&qformer->parts, &qformer->hidden };
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
	qformer->parts = memory_allocate(rows, row);
	qformer->hidden = memory_allocate(rows, qformer->mlp_width * sizeof(float));
	if (!qformer->x || !qformer->q || !qformer->k || !qformer->v || !qformer->context ||
	    !qformer->parts || !qformer->hidden) {
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
	if (--image->set->users == 0) {
		memory_release(image->set->keys);
		memory_release(image->set->values);
		memory_release(image->set);
	}
	memory_release(image);
}

static size_t crossing_layers(const struct qformer *qformer)
{
	return (qformer->layers + qformer->cross_frequency - 1) / qformer->cross_frequency;
}

/* count images that share a set; its memory is not filled yet. 0 or -1. */
static int allocate_images(
    const struct qformer *qformer, size_t count, size_t tokens, struct qformer_image **images)
{
	size_t one = tokens * qformer->width, made = 0;
	struct qformer_image_set *set = memory_allocate_zero(1, sizeof *set);
	if (!set)
		return -1;
	set->keys = memory_allocate(crossing_layers(qformer) * count * one, sizeof(float));
	set->values = memory_allocate(crossing_layers(qformer) * count * one, sizeof(float));
	set->users = count + 1; /* one is held here, until all is done */
	bool done = set->keys && set->values;
	for (; done && made < count; made++) {
		images[made] = memory_allocate(1, sizeof **images);
		if (!images[made])
			break;
		*images[made] = (struct qformer_image){ set, tokens, set->keys + made * one,
			set->values + made * one, count * one };
	}
	done = done && made == count;
	if (!done) {
		while (made > 0)
			memory_release(images[--made]);
		memory_release(set->keys);
		memory_release(set->values);
		memory_release(set);
		return -1;
	}
	set->users--;
	return 0;
}

int qformer_images_new(struct qformer *qformer, const float *features, size_t count, size_t tokens,
    struct qformer_image **images)
{
	size_t used = 0;
	if (allocate_images(qformer, count, tokens, images) < 0)
		return -1;
	float *keys = images[0]->set->keys, *values = images[0]->set->values;
	bool done = true;
	for (size_t n = 0; done && n < qformer->layers; n++) {
		const struct qformer_attention *cross = &qformer->layer[n].cross;
		if (!qformer->layer[n].crosses)
			continue;
		done =
		    linear_forward(&cross->key, features, count, tokens, keys + used, LINEAR_STORE) == 0 &&
		    linear_forward(&cross->value, features, count, tokens, values + used, LINEAR_STORE) ==
		        0;
		used += count * tokens * qformer->width;
	}
	for (size_t i = 0; !done && i < count; i++)
		qformer_image_release(images[i]);
	return done ? 0 : -1;
}

struct qformer_image *qformer_image_new(
    struct qformer *qformer, const float *features, size_t tokens)
{
	struct qformer_image *image;
	if (tokens == 0) {
		error_input("the picture has no features");
		return NULL;
	}
	if (finite_check(features, tokens * qformer->encoder_width, "the picture's features hold") < 0)
		return NULL;
	return qformer_images_new(qformer, features, 1, tokens, &image) < 0 ? NULL : image;
}

/* The rows of a group that take part: x [items][rows][width]. */
struct rows {
	float *x;
	size_t items, rows;
};

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
		.q_item = queries * qformer->width,
		.y_item = queries * qformer->width,
		.open = keys };
}

/* x = LN(x + output(context)) */
static int close_attention(
    struct qformer *qformer, const struct qformer_attention *part, const struct rows *rows)
{
	if (linear_forward(
	        &part->output, qformer->context, rows->items, rows->rows, rows->x, LINEAR_ADD) < 0)
		return -1;
	norm_rows(&part->norm, rows->x, rows->items * rows->rows, rows->x);
	return 0;
}

static int attend_self(struct qformer *qformer, const struct qformer_attention *self,
    const struct qformer_group *group)
{
	size_t items = group->items, count = group->queries + group->text;
	const struct rows rows = { qformer->x, items, count };
	struct attention attention = heads_of(qformer, count, count);
	attention.k = qformer->k;
	attention.v = qformer->v;
	attention.items = items;
	attention.kv_item = count * qformer->width;
	if (group->mask == QFORMER_UNILM) {
		attention.open = group->queries;
		attention.see = 1;
	}
	if (linear_forward(&self->query, rows.x, items, count, qformer->q, LINEAR_STORE) < 0 ||
	    linear_forward(&self->key, rows.x, items, count, qformer->k, LINEAR_STORE) < 0 ||
	    linear_forward(&self->value, rows.x, items, count, qformer->v, LINEAR_STORE) < 0 ||
	    attention_forward(&attention) < 0)
		return -1;
	return close_attention(qformer, self, &rows);
}

/* How many items from the first on look at one picture, or at pictures that lie evenly apart in
 * their set; distance: how far. */
static size_t count_even(const struct qformer_image *const *images, size_t items, size_t *distance)
{
	size_t count = 1;
	*distance = 0;
	if (items > 1 && images[1]->set == images[0]->set && images[1]->keys > images[0]->keys)
		*distance = (size_t)(images[1]->keys - images[0]->keys);
	while (count < items && images[count]->set == images[0]->set &&
	       images[count]->keys == images[count - 1]->keys + *distance)
		count++;
	return count;
}

/* The query rows look at the pictures; layer: how many crossing layers came before. */
static int attend_images(struct qformer *qformer, const struct qformer_attention *cross,
    const struct qformer_image *const *images, const struct rows *queries, size_t layer)
{
	size_t width = qformer->width, even;
	if (linear_forward(
	        &cross->query, queries->x, queries->items, queries->rows, qformer->q, LINEAR_STORE) < 0)
		return -1;
	for (size_t i = 0; i < queries->items; i += even) {
		const struct qformer_image *image = images[i];
		struct attention attention = heads_of(qformer, queries->rows, image->tokens);
		even = count_even(images + i, queries->items - i, &attention.kv_item);
		attention.items = even;
		attention.q += i * queries->rows * width;
		attention.y += i * queries->rows * width;
		attention.k = image->keys + layer * image->layer;
		attention.v = image->values + layer * image->layer;
		if (attention_forward(&attention) < 0)
			return -1;
	}
	return close_attention(qformer, cross, queries);
}

static int run_mlp(struct qformer *qformer, const struct qformer_mlp *mlp, const struct rows *rows)
{
	size_t items = rows->items, count = rows->rows;
	if (count == 0)
		return 0;
	if (linear_forward(&mlp->intermediate, rows->x, items, count, qformer->hidden, LINEAR_GELU) <
	        0 ||
	    linear_forward(&mlp->output, qformer->hidden, items, count, rows->x, LINEAR_ADD) < 0)
		return -1;
	norm_rows(&mlp->norm, rows->x, items * count, rows->x);
	return 0;
}

/* Query rows and text rows of all items, each kind by itself: where they lie already, or in parts,
 * to which (or from which, if back) they are copied. */
static void part_rows(struct qformer *qformer, const struct qformer_group *group, bool back,
    struct rows *queries, struct rows *text)
{
	size_t width = qformer->width, items = group->items, joint = group->queries + group->text;
	bool apart = items > 1 && group->queries > 0 && group->text > 0;
	float *base = apart ? qformer->parts : qformer->x;
	*queries = (struct rows){ base, items, group->queries };
	*text = (struct rows){ base + items * group->queries * width, items, group->text };
	for (size_t i = 0; apart && i < items; i++) {
		float *one = qformer->x + i * joint * width;
		float *kinds[] = { queries->x + i * group->queries * width,
			text->x + i * group->text * width };
		float *in_one[] = { one, one + group->queries * width };
		size_t sizes[] = { group->queries * width * sizeof *one,
			group->text * width * sizeof *one };
		for (int kind = 0; kind < 2; kind++)
			memcpy(
			    back ? in_one[kind] : kinds[kind], back ? kinds[kind] : in_one[kind], sizes[kind]);
	}
}

int qformer_run(struct qformer *qformer, const struct qformer_group *group)
{
	struct rows queries, text;
	size_t crossed = 0;
	for (size_t n = 0; n < qformer->layers; n++) {
		const struct qformer_layer *layer = &qformer->layer[n];
		if (attend_self(qformer, &layer->self, group) < 0)
			return -1;
		part_rows(qformer, group, false, &queries, &text);
		if (layer->crosses && queries.rows > 0 &&
		    attend_images(qformer, &layer->cross, group->images, &queries, crossed++) < 0)
			return -1;
		if (run_mlp(qformer, &layer->queries, &queries) < 0 ||
		    run_mlp(qformer, &layer->text, &text) < 0)
			return -1;
		part_rows(qformer, group, true, &queries, &text);
	}
	return 0;
}
