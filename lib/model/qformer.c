/* qformer.c - what the Q-Former offers: its uses and its heads (see qformer.h; spec 3.4, 3.5, 3.7).
 * The layers are in qformer_layers.c.
 */
#include "model/qformer.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/finite.h"
#include "model/parameters.h"
#include "model/qformer_layers.h"
#include "num/kernels.h"
#include "num/product.h"
#include "stream/model_file.h"

#include <string.h>

enum { GROUP_MOST = 16 }; /* items that go through the layers together: bounds the buffers */

static bool has(const struct qformer *qformer, const char *word)
{
	char text[32];
	return model_file_text(qformer->file, word, text, sizeof text);
}

static bool has_tensor(const struct qformer *qformer, const char *key)
{
	struct weight weight;
	return model_file_find(qformer->file, key, &weight);
}

static int read_sizes(struct qformer *qformer)
{
	const struct model_file *file = qformer->file;
	if (parameters_begin(file, "qformer") < 0 ||
	    parameters_size(file, "width", PARAMETERS_WIDTH_MOST, &qformer->width) < 0 ||
	    parameters_size(file, "layers", PARAMETERS_LAYERS_MOST, &qformer->layers) < 0 ||
	    parameters_size(file, "heads", PARAMETERS_WIDTH_MOST, &qformer->heads) < 0 ||
	    parameters_size(file, "mlp_width", PARAMETERS_WIDTH_MOST, &qformer->mlp_width) < 0 ||
	    parameters_size(
	        file, "cross_frequency", PARAMETERS_LAYERS_MOST, &qformer->cross_frequency) < 0 ||
	    parameters_size(file, "encoder_width", PARAMETERS_WIDTH_MOST, &qformer->encoder_width) <
	        0 ||
	    parameters_size(file, "queries", PARAMETERS_WIDTH_MOST, &qformer->queries) < 0 ||
	    parameters_real(file, "norm_eps", &qformer->eps) < 0)
		return -1;
	if (qformer->width % qformer->heads != 0)
		return parameters_error(
		    file, "width %zu is not a multiple of %zu heads", qformer->width, qformer->heads);
	bool reads_text, instruction;
	if (parameters_flag(file, "text", &reads_text) < 0 ||
	    parameters_flag(file, "instruction", &instruction) < 0)
		return -1;
	if (instruction && !reads_text)
		return parameters_error(file, "config has \"instruction\" without \"text\"");
	if (reads_text &&
	    (parameters_size(file, "vocabulary", PARAMETERS_ROWS_MOST, &qformer->vocabulary) < 0 ||
	        parameters_size(file, "positions", PARAMETERS_WIDTH_MOST, &qformer->positions) < 0))
		return -1;
	if (has(qformer, "llm_width") &&
	    parameters_size(file, "llm_width", PARAMETERS_WIDTH_MOST, &qformer->llm_width) < 0)
		return -1;
	if (has(qformer, "contrast_width") && parameters_size(file, "contrast_width",
	                                          PARAMETERS_WIDTH_MOST, &qformer->contrast_width) < 0)
		return -1;
	return 0;
}

static int read_caption_head(struct qformer *qformer)
{
	const struct model_file *file = qformer->file;
	size_t width = qformer->width;
	if (parameters_linear(file, "cls.predictions.transform.dense", width, width, true,
	        &qformer->caption_dense) < 0 ||
	    parameters_norm(file, "cls.predictions.transform.LayerNorm", width, qformer->eps, true,
	        &qformer->caption_norm) < 0)
		return -1;
	/* The decoder is tied to the word table; the bias is its own. */
	return parameters_values(
	    file, "cls.predictions.bias", 0, qformer->vocabulary, &qformer->word_embeddings.bias);
}

static int read_text(struct qformer *qformer)
{
	const struct model_file *file = qformer->file;
	if (parameters_linear(file, "embeddings.word_embeddings", qformer->vocabulary, qformer->width,
	        false, &qformer->word_embeddings) < 0 ||
	    parameters_values(file, "embeddings.position_embeddings.weight", qformer->positions,
	        qformer->width, &qformer->position_embeddings) < 0)
		return -1;
	qformer->can_caption = has_tensor(qformer, "cls.predictions.bias");
	return qformer->can_caption ? read_caption_head(qformer) : 0;
}

static int read_heads(struct qformer *qformer)
{
	const struct model_file *file = qformer->file;
	size_t width = qformer->width;
	if (qformer->llm_width > 0 && parameters_linear(file, "language_projection", qformer->llm_width,
	                                  width, true, &qformer->llm_projection) < 0)
		return -1;
	if (qformer->contrast_width > 0 &&
	    (parameters_linear(file, "vision_projection", qformer->contrast_width, width, true,
	         &qformer->vision_projection) < 0 ||
	        parameters_linear(file, "text_projection", qformer->contrast_width, width, true,
	            &qformer->text_projection) < 0))
		return -1;
	qformer->can_match = has_tensor(qformer, "itm_head.weight");
	if (!qformer->can_match)
		return 0;
	return parameters_linear(file, "itm_head", 2, width, true, &qformer->match_head);
}

static int read_parameters(struct qformer *qformer)
{
	if (read_sizes(qformer) < 0 ||
	    parameters_values(qformer->file, "query_tokens", qformer->queries, qformer->width,
	        &qformer->query_tokens) < 0 ||
	    parameters_norm(
	        qformer->file, "layernorm", qformer->width, qformer->eps, true, &qformer->norm) < 0 ||
	    qformer_read_layers(qformer) < 0)
		return -1;
	if (qformer->positions > 0 && read_text(qformer) < 0)
		return -1;
	return read_heads(qformer);
}

struct qformer *qformer_open(const char *model)
{
	if (product_start() < 0)
		return NULL;
	struct qformer *qformer = memory_allocate_zero(1, sizeof *qformer);
	if (!qformer)
		return NULL;
	qformer->file = model_file_open(model, "qformer");
	if (!qformer->file) {
		memory_release(qformer);
		return NULL;
	}
	if (model_file_verify(qformer->file, NULL) < 0 || read_parameters(qformer) < 0) {
		qformer_close(qformer);
		return NULL;
	}
	return qformer;
}

void qformer_close(struct qformer *qformer)
{
	if (!qformer)
		return;
	qformer_release_room(qformer);
	memory_release(qformer->layer);
	model_file_close(qformer->file);
	memory_release(qformer);
}

const struct model_file *qformer_file(const struct qformer *qformer)
{
	return qformer->file;
}

size_t qformer_queries(const struct qformer *qformer)
{
	return qformer->queries;
}

size_t qformer_width(const struct qformer *qformer)
{
	return qformer->width;
}

size_t qformer_encoder_width(const struct qformer *qformer)
{
	return qformer->encoder_width;
}

bool qformer_reads_text(const struct qformer *qformer)
{
	return qformer->positions > 0;
}

size_t qformer_text_most(const struct qformer *qformer)
{
	return qformer->positions;
}

size_t qformer_llm_width(const struct qformer *qformer)
{
	return qformer->llm_width;
}

size_t qformer_contrast_width(const struct qformer *qformer)
{
	return qformer->contrast_width;
}

bool qformer_can_match(const struct qformer *qformer)
{
	return qformer->can_match;
}

bool qformer_can_caption(const struct qformer *qformer)
{
	return qformer->can_caption;
}

static int check_text(const struct qformer *qformer, const int32_t *text, size_t count)
{
	if (count > qformer->positions)
		return error_input(
		    "text of %zu tokens, the model takes up to %zu", count, qformer->positions);
	for (size_t i = 0; i < count; i++)
		if (text[i] < 0 || (size_t)text[i] >= qformer->vocabulary)
			return error_input(
			    "token id %d, the vocabulary has %zu", (int)text[i], qformer->vocabulary);
	return 0;
}

/* Queries (if any) and text of one item to x: word plus position for text. */
static int embed(
    struct qformer *qformer, size_t queries, const int32_t *text, size_t count, float *x)
{
	size_t width = qformer->width;
	if (check_text(qformer, text, count) < 0)
		return -1;
	if (queries > 0)
		memcpy(x, qformer->query_tokens, queries * width * sizeof *x);
	for (size_t i = 0; i < count; i++) {
		float *row = x + (queries + i) * width;
		linear_weight(&qformer->word_embeddings, (size_t)text[i], 1, row);
		kernels_get()->add(row, qformer->position_embeddings + i * width, width);
	}
	return 0;
}

/* Embed the items of a group (one norm over queries and text) and run the layers. */
static int run_group(
    struct qformer *qformer, const struct qformer_group *group, const int32_t *const *text)
{
	size_t rows = group->queries + group->text;
	if (qformer_make_room(qformer, group->items * rows) < 0)
		return -1;
	for (size_t i = 0; i < group->items; i++)
		if (embed(qformer, group->queries, text[i], group->text,
		        qformer->x + i * rows * qformer->width) < 0)
			return -1;
	norm_rows(&qformer->norm, qformer->x, group->items * rows, qformer->x);
	return qformer_run(qformer, group);
}

int qformer_forward(struct qformer *qformer, const struct qformer_image *image, const int32_t *text,
    size_t count, float *query_output, float *text_output)
{
	size_t queries = qformer->queries, width = qformer->width;
	const struct qformer_group group = { &image, 1, queries, count, QFORMER_ALL };
	if (run_group(qformer, &group, &text) < 0)
		return -1;
	memcpy(query_output, qformer->x, queries * width * sizeof *query_output);
	if (text_output)
		memcpy(text_output, qformer->x + queries * width, count * width * sizeof *text_output);
	return finite_check(qformer->x, (queries + count) * width, "the result holds");
}

/* The items, first of them and after it, whose text is as long as the first one's, at most
 * GROUP_MOST; of done ones there is nothing left to do. */
static int forward_alike(struct qformer *qformer, const struct qformer_item *items, size_t first,
    size_t end, bool *done, float *query_output)
{
	const struct qformer_image *images[GROUP_MOST];
	const int32_t *text[GROUP_MOST];
	size_t at[GROUP_MOST], one = qformer->queries * qformer->width;
	struct qformer_group group = { images, 0, qformer->queries, items[first].count, QFORMER_ALL };
	for (size_t i = first; i < end && group.items < GROUP_MOST; i++) {
		if (done[i] || items[i].count != group.text)
			continue;
		done[i] = true;
		images[group.items] = items[i].image;
		text[group.items] = items[i].text;
		at[group.items++] = i;
	}
	if (run_group(qformer, &group, text) < 0)
		return -1;
	for (size_t i = 0; i < group.items; i++)
		memcpy(query_output + at[i] * one,
		    qformer->x + i * (qformer->queries + group.text) * qformer->width,
		    one * sizeof *query_output);
	return 0;
}

int qformer_forward_items(
    struct qformer *qformer, const struct qformer_item *items, size_t count, float *query_output)
{
	bool *done = memory_allocate_zero(count, sizeof *done);
	int status = done ? 0 : -1;
	for (size_t i = 0; status == 0 && i < count; i++)
		if (!done[i])
			status = forward_alike(qformer, items, i, count, done, query_output);
	memory_release(done);
	return status;
}

int qformer_text(struct qformer *qformer, const int32_t *text, size_t count, float *output)
{
	const struct qformer_group group = { NULL, 1, 0, count, QFORMER_ALL };
	if (run_group(qformer, &group, &text) < 0)
		return -1;
	memcpy(output, qformer->x, count * qformer->width * sizeof *output);
	return finite_check(output, count * qformer->width, "the result holds");
}

int qformer_caption_logits(struct qformer *qformer, const struct qformer_image *image,
    const int32_t *text, size_t count, float *logits)
{
	size_t queries = qformer->queries, width = qformer->width;
	const struct qformer_group group = { &image, 1, queries, count, QFORMER_UNILM };
	if (count == 0)
		return error_input("captioning starts from at least one token");
	if (run_group(qformer, &group, &text) < 0)
		return -1;
	const float *last = qformer->x + (queries + count - 1) * width;
	float *row = qformer->context;
	if (linear_decode(&qformer->caption_dense, last, 1, row, LINEAR_STORE) < 0)
		return -1;
	kernels_get()->gelu(row, NULL, width);
	norm_rows(&qformer->caption_norm, row, 1, row);
	return linear_decode(&qformer->word_embeddings, row, 1, logits, LINEAR_STORE);
}

int qformer_project(
    struct qformer *qformer, const float *query_output, size_t items, float *soft_prompts)
{
	size_t rows = items * qformer->queries;
	if (linear_decode(&qformer->llm_projection, query_output, rows, soft_prompts, LINEAR_STORE) < 0)
		return -1;
	return finite_check(soft_prompts, rows * qformer->llm_width, "the result holds");
}

int qformer_contrast(struct qformer *qformer, const float *query_output, float *features)
{
	if (linear_decode(&qformer->vision_projection, query_output, qformer->queries, features,
	        LINEAR_STORE) < 0)
		return -1;
	norm_unit(features, qformer->queries, qformer->contrast_width);
	return finite_check(features, qformer->queries * qformer->contrast_width, "the result holds");
}

int qformer_contrast_text(struct qformer *qformer, const float *row, float *feature)
{
	if (linear_decode(&qformer->text_projection, row, 1, feature, LINEAR_STORE) < 0)
		return -1;
	norm_unit(feature, 1, qformer->contrast_width);
	return finite_check(feature, qformer->contrast_width, "the result holds");
}

int qformer_match(struct qformer *qformer, const float *query_output, float logits[2])
{
	double sum[2] = { 0, 0 };
	for (size_t i = 0; i < qformer->queries; i++) {
		float row[2];
		if (linear_decode(
		        &qformer->match_head, query_output + i * qformer->width, 1, row, LINEAR_STORE) < 0)
			return -1;
		sum[0] += (double)row[0];
		sum[1] += (double)row[1];
	}
	logits[0] = (float)(sum[0] / (double)qformer->queries);
	logits[1] = (float)(sum[1] / (double)qformer->queries);
	return finite_check(logits, 2, "the result holds");
}
