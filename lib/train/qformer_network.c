/* qformer_network.c - the Q-Former under training: opening, embeddings, and a pass through the
 * layers forward and back (see qformer_network.h).
 */
#include "train/qformer_network.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "model/parameters.h"
#include "num/gradient.h"
#include "num/kernels.h"
#include "num/product.h"
#include "stream/model_file.h"
#include "train/network.h"
#include "train/qformer_network_layers.h"
#include "train/saves.h"
#include "train/weights.h"

#include <stdio.h>
#include <string.h>

enum { ITEMS = 4 }; /* in one chunk of embedding */

static int open_attention(struct qformer_network *network, size_t layer, const char *kind,
    size_t key_width, float eps, struct qformer_network_attention *attention)
{
	char name[PARAMETERS_NAME];
	size_t width = network->width;
	const struct {
		const char *word;
		size_t in;
		struct dense *dense;
	} parts[] = {
		{ "attention.query", width, &attention->query },
		{ "attention.key", key_width, &attention->key },
		{ "attention.value", key_width, &attention->value },
		{ "output.dense", width, &attention->output },
	};
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
		snprintf(name, sizeof name, "encoder.layer.%zu.%s.%s", layer, kind, parts[i].word);
		if (dense_open(parts[i].dense, network->weights, name, width, parts[i].in) < 0)
			return -1;
	}
	snprintf(name, sizeof name, "encoder.layer.%zu.%s.output.LayerNorm", layer, kind);
	return trained_norm_open(&attention->norm, network->weights, name, width, eps, true);
}

static int open_mlp(struct qformer_network *network, size_t layer, const char *suffix, float eps,
    struct qformer_network_mlp *mlp)
{
	char name[PARAMETERS_NAME];
	size_t width = network->width, mlp_width = network->mlp_width;
	snprintf(name, sizeof name, "encoder.layer.%zu.intermediate%s.dense", layer, suffix);
	if (dense_open(&mlp->intermediate, network->weights, name, mlp_width, width) < 0)
		return -1;
	snprintf(name, sizeof name, "encoder.layer.%zu.output%s.dense", layer, suffix);
	if (dense_open(&mlp->output, network->weights, name, width, mlp_width) < 0)
		return -1;
	snprintf(name, sizeof name, "encoder.layer.%zu.output%s.LayerNorm", layer, suffix);
	return trained_norm_open(&mlp->norm, network->weights, name, width, eps, true);
}

static int open_layers(struct qformer_network *network, float eps)
{
	struct qformer_network_layers *inside = network->inside;
	if (parameters_layers(weights_file(network->weights), "encoder.layer.", network->layers) < 0)
		return -1;
	inside->layer = memory_allocate_zero(network->layers, sizeof *inside->layer);
	if (!inside->layer)
		return -1;
	for (size_t n = 0; n < network->layers; n++) {
		struct qformer_network_layer *layer = &inside->layer[n];
		layer->crosses = n % network->cross_frequency == 0;
		layer->place = 1 + (uint32_t)n * PLACES;
		if (open_attention(network, n, "attention", network->width, eps, &layer->self) < 0 ||
		    open_mlp(network, n, "_query", eps, &layer->queries) < 0)
			return -1;
		if (layer->crosses && open_attention(network, n, "crossattention", network->encoder_width,
		                          eps, &layer->cross) < 0)
			return -1;
		if (network->positions > 0 && open_mlp(network, n, "", eps, &layer->text) < 0)
			return -1;
	}
	return 0;
}

/* A size that may be absent: 0. */
static int open_width(const struct model_file *file, const char *word, size_t *size)
{
	char text[64];
	*size = 0;
	return model_file_text(file, word, text, sizeof text)
	           ? parameters_size(file, word, PARAMETERS_WIDTH_MOST, size)
	           : 0;
}

static int open_sizes(struct qformer_network *network)
{
	const struct model_file *file = weights_file(network->weights);
	const struct {
		const char *word;
		size_t most, *size;
	} sizes[] = { { "width", PARAMETERS_WIDTH_MOST, &network->width },
		{ "layers", PARAMETERS_LAYERS_MOST, &network->layers },
		{ "heads", PARAMETERS_WIDTH_MOST, &network->heads },
		{ "mlp_width", PARAMETERS_WIDTH_MOST, &network->mlp_width },
		{ "cross_frequency", PARAMETERS_LAYERS_MOST, &network->cross_frequency },
		{ "encoder_width", PARAMETERS_WIDTH_MOST, &network->encoder_width },
		{ "queries", PARAMETERS_WIDTH_MOST, &network->queries } };
	bool reads_text;
	if (parameters_begin(file, "qformer") < 0)
		return -1;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		if (parameters_size(file, sizes[i].word, sizes[i].most, sizes[i].size) < 0)
			return -1;
	if (network->width % network->heads != 0)
		return parameters_error(
		    file, "width %zu is not a multiple of %zu heads", network->width, network->heads);
	if (parameters_flag(file, "text", &reads_text) < 0 ||
	    parameters_flag(file, "instruction", &network->instruction) < 0)
		return -1;
	if (network->instruction && !reads_text)
		return parameters_error(file, "config has \"instruction\" without \"text\"");
	if (reads_text &&
	    (parameters_size(file, "vocabulary", PARAMETERS_ROWS_MOST, &network->vocabulary) < 0 ||
	        parameters_size(file, "positions", PARAMETERS_WIDTH_MOST, &network->positions) < 0))
		return -1;
	return open_width(file, "llm_width", &network->llm_width) < 0
	           ? -1
	           : open_width(file, "contrast_width", &network->contrast_width);
}

static int open_parameters(struct qformer_network *network)
{
	struct qformer_network_layers *inside = network->inside;
	float eps;
	inside->workspace = saves_new();
	inside->again = saves_new();
	if (!inside->workspace || !inside->again || open_sizes(network) < 0 ||
	    parameters_real(weights_file(network->weights), "norm_eps", &eps) < 0)
		return -1;
	inside->query_tokens =
	    network_tensor(network->weights, "query_tokens", network->queries, network->width, true);
	if (!inside->query_tokens || trained_norm_open(&inside->norm, network->weights, "layernorm",
	                                 network->width, eps, true) < 0)
		return -1;
	if (network->positions > 0) {
		inside->position_embeddings = network_tensor(network->weights,
		    "embeddings.position_embeddings.weight", network->positions, network->width, true);
		if (!inside->position_embeddings)
			return -1;
	}
	return open_layers(network, eps) < 0 ? -1 : qformer_network_open_heads(network, eps);
}

struct qformer_network *qformer_network_open(struct weights *weights)
{
	struct qformer_network *network =
	    product_start() < 0 ? NULL : memory_allocate_zero(1, sizeof *network);
	if (!network)
		return NULL;
	network->weights = weights;
	network->inside = memory_allocate_zero(1, sizeof *network->inside);
	if (network->inside && open_parameters(network) == 0)
		return network;
	qformer_network_close(network);
	return NULL;
}

void qformer_network_close(struct qformer_network *network)
{
	if (!network)
		return;
	struct qformer_network_layers *inside = network->inside;
	if (inside) {
		saves_release(inside->workspace);
		saves_release(inside->again);
		memory_release(inside->layer);
		memory_release(inside->self);
		memory_release(inside->cross);
		memory_release(inside->order);
		memory_release(inside->numbers);
	}
	memory_release(inside);
	memory_release(network);
}

static int check_pass(const struct qformer_network *network, const struct qformer_pass *pass)
{
	if (pass->queries && (pass->pictures == 0 || pass->tokens == 0))
		return error_input("the picture has no features");
	if (!pass->ids)
		return 0;
	for (size_t i = 0; i < pass->count; i++)
		if (pass->text_start[i + 1] - pass->text_start[i] > network->positions)
			return error_input("text of %zu tokens, the model takes up to %zu",
			    pass->text_start[i + 1] - pass->text_start[i], network->positions);
	for (size_t at = pass->text_start[0]; at < pass->text_start[pass->count]; at++)
		if (pass->ids[at] < 0 || (size_t)pass->ids[at] >= network->vocabulary)
			return error_input(
			    "token id %d, the vocabulary has %zu", (int)pass->ids[at], network->vocabulary);
	return 0;
}

struct embedding {
	const struct qformer_network *network;
	const struct qformer_pass *pass;
	struct qformer_rows rows;
	float *joint;
};

/* Queries, and words plus positions, of a few items. */
static void embed_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct embedding *run = context;
	const struct qformer_rows *rows = &run->rows;
	const struct kernels *kernels = kernels_get();
	struct linear words = { 0 };
	if (run->network->word_embeddings)
		words = dense_matrix(run->network->word_embeddings);
	const struct qformer_network_layers *inside = run->network->inside;
	size_t width = rows->width, query_count = rows->queries * width;
	size_t end = (chunk + 1) * ITEMS < rows->items ? (chunk + 1) * ITEMS : rows->items;
	for (size_t i = chunk * ITEMS; i < end; i++) {
		size_t text = qformer_network_text_at(rows, i);
		float *row = run->joint + (i * rows->queries + text) * width;
		if (query_count > 0)
			memcpy(row, parameter_values(inside->query_tokens), query_count * sizeof *row);
		row += query_count;
		for (size_t p = 0; p < qformer_network_text_count(rows, i); p++, row += width) {
			linear_weight(&words, (size_t)run->pass->ids[rows->text_start[i] + p], 1, row);
			kernels->add(row, parameter_values(inside->position_embeddings) + p * width, width);
		}
	}
}

static int embed(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_rows *rows, float *embedded, float *x)
{
	struct embedding run = { network, pass, *rows, embedded };
	threads_run((rows->items + ITEMS - 1) / ITEMS, embed_chunk, &run);
	if (trained_norm_forward(&network->inside->norm, embedded, rows->rows, x) < 0)
		return -1;
	qformer_network_drop(pass, 0, x, rows->rows * rows->width);
	return 0;
}

/* All layers from x, which lies on top of `again` if nothing is saved. *y: the last rows, on
 * `again`. */
static int run_layers(struct qformer_network *network, const struct qformer_pass *pass,
    struct saves *saves, size_t count, float *x, float **y)
{
	struct qformer_network_layers *inside = network->inside;
	struct saves *kept = saves && !pass->recompute ? saves : inside->workspace;
	size_t mark = saves_mark(inside->again);
	for (size_t n = 0; n < network->layers; n++) {
		bool last = n + 1 == network->layers;
		struct saves *results = saves && !last ? saves : inside->again;
		if (qformer_network_layer_forward(network, pass, &inside->layer[n], x, kept, results, y) <
		    0)
			return -1;
		if (saves) {
			x = *y;
		} else if (!last) {
			network_copy(x, *y, count);
			saves_reset(inside->again, mark);
		}
	}
	return 0;
}

static int run_forward(struct qformer_network *network, const struct qformer_pass *pass,
    struct saves *saves, float *query_output, float *text_output)
{
	struct qformer_rows rows = qformer_network_rows(network, pass);
	struct saves *results = saves ? saves : network->inside->again;
	size_t count = rows.rows * rows.width;
	float *embedded = saves_push(results, "embedded", count);
	float *x = embedded ? saves_push(results, "rows", count) : NULL, *y;
	if (!x || embed(network, pass, &rows, embedded, x) < 0 ||
	    run_layers(network, pass, saves, count, x, &y) < 0)
		return -1;
	qformer_network_part(&rows, y, query_output, text_output);
	return 0;
}

int qformer_network_forward(struct qformer_network *network, const struct qformer_pass *pass,
    struct saves *saves, float *query_output, float *text_output)
{
	if (check_pass(network, pass) < 0 || qformer_network_plan(network, pass) < 0)
		return -1;
	size_t mark = saves_mark(network->inside->again);
	int result = run_forward(network, pass, saves, query_output, text_output);
	saves_reset(network->inside->again, mark);
	return result;
}

/* Gradients of a table whose row numbers[i] was row i of d. */
static int table_backward(struct parameter *table, const struct qformer_network_layers *inside,
    size_t count, const float *d, size_t width)
{
	return network_trains(table)
	           ? embedding_backward(inside->numbers, count, d, width, table->gradient)
	           : 0;
}

static int embed_backward(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_rows *rows, const float *embedded, float *d)
{
	struct qformer_network_layers *inside = network->inside;
	size_t width = rows->width;
	float *dqueries = d, *dtext = d;
	if (memory_grow((void **)&inside->numbers, &inside->number_room, rows->rows,
	        sizeof *inside->numbers) < 0)
		return -1;
	qformer_network_drop(pass, 0, d, rows->rows * width);
	if (trained_norm_backward(&inside->norm, embedded, rows->rows, d, d, false) < 0)
		return -1;
	if (qformer_network_mixed(rows)) {
		dqueries = saves_push(inside->workspace, "dqueries", rows->query_rows * width);
		dtext = saves_push(inside->workspace, "dtext", rows->text_rows * width);
		if (!dqueries || !dtext)
			return -1;
		qformer_network_part(rows, d, dqueries, dtext);
	}
	for (size_t i = 0; i < rows->query_rows; i++)
		inside->numbers[i] = (int32_t)(i % rows->queries);
	if (rows->query_rows > 0 &&
	    table_backward(inside->query_tokens, inside, rows->query_rows, dqueries, width) < 0)
		return -1;
	if (rows->text_rows == 0)
		return 0;
	for (size_t i = 0, at = 0; i < rows->items; i++)
		for (size_t p = 0; p < qformer_network_text_count(rows, i); p++)
			inside->numbers[at++] = (int32_t)p;
	if (table_backward(inside->position_embeddings, inside, rows->text_rows, dtext, width) < 0)
		return -1;
	memcpy(inside->numbers, pass->ids + pass->text_start[0],
	    rows->text_rows * sizeof *inside->numbers);
	return table_backward(network->word_embeddings, inside, rows->text_rows, dtext, width);
}

/* The gradient of the joint rows: those given, or room on the stack `again`. NULL: memory. */
static float *join_gradients(
    struct qformer_network *network, const struct qformer_rows *rows, float *dquery, float *dtext)
{
	size_t count = rows->rows * rows->width;
	float *only = rows->query_rows > 0 ? dquery : dtext;
	if (!qformer_network_mixed(rows) && only)
		return only;
	float *d = saves_push(network->inside->again, "gradient", count);
	if (!d)
		return NULL;
	if (!dquery || !dtext)
		network_zero(d, count);
	qformer_network_join(rows, dquery, dtext, d);
	return d;
}

static int layer_again(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_layer *layer, size_t count, struct saves *saves, float *d,
    float *dfeatures)
{
	struct saves *again = network->inside->again;
	size_t mark = saves_mark(again);
	const float *x = saves_pop(saves, "rows", count);
	if (!x || qformer_network_layer_forward(network, pass, layer, x, again, NULL, NULL) < 0 ||
	    qformer_network_layer_backward(network, pass, layer, x, again, d, dfeatures) < 0)
		return -1;
	saves_reset(again, mark);
	return 0;
}

static int run_backward(struct qformer_network *network, const struct qformer_pass *pass,
    struct saves *saves, float *dquery, float *dtext, float *dfeatures)
{
	struct qformer_rows rows = qformer_network_rows(network, pass);
	size_t count = rows.rows * rows.width;
	float *d = join_gradients(network, &rows, dquery, dtext);
	if (!d)
		return -1;
	for (size_t n = network->layers; n-- > 0;) {
		const struct qformer_network_layer *layer = &network->inside->layer[n];
		if ((pass->recompute ? layer_again(network, pass, layer, count, saves, d, dfeatures)
		                     : qformer_network_layer_backward(
		                           network, pass, layer, NULL, saves, d, dfeatures)) < 0)
			return -1;
	}
	const float *embedded = saves_pop(saves, "embedded", count);
	return embedded ? embed_backward(network, pass, &rows, embedded, d) : -1;
}

int qformer_network_backward(struct qformer_network *network, const struct qformer_pass *pass,
    struct saves *saves, float *dquery, float *dtext, float *dfeatures)
{
	struct qformer_network_layers *inside = network->inside;
	if (qformer_network_plan(network, pass) < 0)
		return -1;
	size_t again = saves_mark(inside->again), workspace = saves_mark(inside->workspace);
	int result = run_backward(network, pass, saves, dquery, dtext, dfeatures);
	saves_reset(inside->again, again);
	saves_reset(inside->workspace, workspace);
	return result;
}
