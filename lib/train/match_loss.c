/* match_loss.c - ITM (spec 7.2): does this text fit this picture? Beside each pair stand its text
 * with another picture and its picture with another text, drawn where the similarity is high, or a
 * text made wrong on purpose. Positives of a row (equal image ids or texts) are never drawn.
 */
#include "train/contrast_stage.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "num/gradient.h"
#include "num/kernels.h"
#include "train/saves.h"

#include <math.h>
#include <string.h>

enum {
	STREAM_NEGATIVES = 0x59, /* of random numbers */
	MATCH_SORTS = 3,         /* items of one pair */
	FITS = 1,                /* the class of a pair that belongs together */
	MADE_WRONG = 2,          /* marks an item whose text came from the list of wrong ones */
};

size_t match_draw(const struct contrast_pass *pass, size_t b, const float *similarity, size_t step,
    uint64_t place)
{
	const struct contrast_batch *batch = pass->batch;
	double temperature = (double)contrast_temperature(pass->contrast), most = -INFINITY, sum = 0;
	size_t last = SIZE_MAX;
	for (size_t g = 0; g < batch->count; g++)
		if (!contrast_positive(batch, b, g)) {
			most = fmax(most, (double)similarity[g * step]);
			last = g;
		}
	for (size_t g = 0; g < batch->count; g++)
		if (!contrast_positive(batch, b, g))
			sum += exp(((double)similarity[g * step] - most) / temperature);
	struct random random = random_begin(
	    pass->contrast->options.seed, (uint64_t)STREAM_NEGATIVES << 56 | pass->micro_step);
	random.position = 2 * place;
	double left = random_unit(&random) * sum;
	for (size_t g = 0; g < batch->count && last != SIZE_MAX; g++) {
		if (contrast_positive(batch, b, g))
			continue;
		left -= exp(((double)similarity[g * step] - most) / temperature);
		if (left < 0)
			return g;
	}
	return last; /* rounding at the end of the sum, or nothing to draw */
}

static int add_item(struct contrast *contrast, const struct text_list *texts, size_t text,
    size_t picture, int32_t target)
{
	struct text_list *match = &contrast->match;
	contrast->match_picture[match->count] = picture;
	contrast->match_target[match->count] = target;
	return ids_append(
	           &match->ids, texts->ids.at + texts->start[text], text_list_length(texts, text)) < 0
	           ? -1
	           : text_list_end(match);
}

/* The items that look at picture b: items of one picture follow each other. image[t]: the negative
 * picture of text t. */
static int add_items(
    struct contrast_pass *pass, size_t b, size_t pairs, const size_t *image, const size_t *text)
{
	struct contrast *contrast = pass->contrast;
	const struct contrast_batch *batch = pass->batch;
	size_t picture = batch->picture[b];
	if (b < pairs && add_item(contrast, &batch->texts, b, picture, FITS) < 0)
		return -1;
	if (b < pairs && text_list_length(&batch->wrong, b) > 0) {
		if (add_item(contrast, &batch->wrong, b, picture, MADE_WRONG) < 0)
			return -1;
	} else if (b < pairs && text[b] != SIZE_MAX) {
		if (add_item(contrast, &batch->texts, text[b], picture, 0) < 0)
			return -1;
	}
	for (size_t t = 0; t < pairs; t++)
		if (image[t] == b && add_item(contrast, &batch->texts, t, picture, 0) < 0)
			return -1;
	return 0;
}

/* All items of matching, from the first pairs of the batch. 0 or -1. */
static int collect_items(struct contrast_pass *pass, size_t pairs)
{
	struct contrast *contrast = pass->contrast;
	const struct contrast_batch *batch = pass->batch;
	size_t n = batch->count, items = MATCH_SORTS * pairs;
	text_list_clear(&contrast->match);
	size_t *negative = memory_allocate(2 * pairs, sizeof *negative);
	int result = negative ? 0 : -1;
	if (result == 0 && (memory_grow((void **)&contrast->match_picture,
	                        &contrast->match_picture_capacity, items, sizeof(size_t)) < 0 ||
	                       memory_grow((void **)&contrast->match_target,
	                           &contrast->match_target_capacity, items, sizeof(int32_t)) < 0))
		result = -1;
	for (size_t b = 0; result == 0 && b < pairs; b++) {
		negative[b] = batch->image_for_text ? batch->image_for_text[b]
		                                    : match_draw(pass, b, pass->similarity + b, n, 2 * b);
		negative[pairs + b] = batch->text_for_image
		                          ? batch->text_for_image[b]
		                          : match_draw(pass, b, pass->similarity + b * n, 1, 2 * b + 1);
	}
	for (size_t b = 0; result == 0 && b < n; b++)
		result = add_items(pass, b, pairs, negative, negative + pairs);
	memory_release(negative);
	return result;
}

/* Mean over the queries, [n][width] from [n][queries][width], and its gradient. */
static void pool(const float *query, size_t n, size_t queries, size_t width, float *pooled)
{
	memset(pooled, 0, n * width * sizeof *pooled);
	for (size_t i = 0; i < n * queries; i++)
		kernels_get()->add_scaled(
		    pooled + i / queries * width, query + i * width, 1.0f / (float)queries, width);
}

static void unpool(const float *pooled, size_t n, size_t queries, size_t width, float *query)
{
	memset(query, 0, n * queries * width * sizeof *query);
	for (size_t i = 0; i < n * queries; i++)
		kernels_get()->add_scaled(
		    query + i * width, pooled + i / queries * width, 1.0f / (float)queries, width);
}

/* Tell of the texts made wrong apart, and make their label what it is: 0. */
static void report_wrong(struct contrast_pass *pass, const float *logits, size_t n)
{
	int32_t *target = pass->contrast->match_target;
	size_t wrong = 0, right = 0;
	for (size_t i = 0; i < n; i++)
		if (target[i] == MADE_WRONG) {
			target[i] = 0;
			wrong++;
			right += logits[2 * i] > logits[2 * i + FITS];
		}
	if (wrong > 0)
		stage_report_add(pass->report, "wrong-right", (double)right, (double)wrong);
}

/* The head on the pooled query outputs; query becomes their gradient. */
static int run_head(struct contrast_pass *pass, float *query, size_t n)
{
	struct contrast *contrast = pass->contrast;
	const struct qformer_network *network = contrast->network;
	size_t width = network->width, queries = network->queries;
	double weight = contrast->options.itm_weight;
	float *pooled = saves_push(contrast->workspace, "pooled", 2 * n * width);
	float *logits = saves_push(contrast->workspace, "match logits", 2 * n);
	struct entropy entropy;
	if (!pooled || !logits)
		return -1;
	pool(query, n, queries, width, pooled);
	if (dense_forward(&network->match_head, pooled, n, logits, LINEAR_STORE, NULL, NULL) < 0)
		return -1;
	report_wrong(pass, logits, n);
	if (cross_entropy(logits, n, 2, contrast->match_target, 0,
	        (float)(weight / (double)n) * pass->scale, &entropy) < 0)
		return -1;
	stage_report_add(pass->report, "itm", entropy.loss, (double)n);
	stage_report_add(pass->report, "itm-right", (double)entropy.right, (double)n);
	pass->report->total += weight * entropy.loss / (double)n;
	if (!pass->training)
		return 0;
	if (dense_backward(&network->match_head, pooled, n, logits, pooled + n * width, false, NULL,
	        contrast->saves, contrast->workspace) < 0)
		return -1;
	unpool(pooled + n * width, n, queries, width, query);
	return 0;
}

int match_loss(struct contrast_pass *pass)
{
	struct contrast *contrast = pass->contrast;
	struct qformer_network *network = contrast->network;
	double share = ceil(contrast->options.match_share * (double)pass->batch->count);
	size_t pairs = share < (double)pass->batch->count ? (size_t)share : pass->batch->count;
	if (pairs == 0)
		return 0;
	if (collect_items(pass, pairs) < 0)
		return -1;
	size_t n = contrast->match.count, mark = saves_mark(contrast->workspace);
	float *query =
	    saves_push(contrast->workspace, "match outputs", n * network->queries * network->width);
	struct qformer_pass joint = contrast_network_pass(pass, &contrast->match, n, CONTRAST_MATCH);
	joint.picture = contrast->match_picture;
	joint.sight = QFORMER_SEES_ALL;
	if (!query ||
	    qformer_network_forward(
	        network, &joint, pass->training ? contrast->saves : NULL, query, NULL) < 0 ||
	    run_head(pass, query, n) < 0)
		return -1;
	if (pass->training && qformer_network_backward(
	                          network, &joint, contrast->saves, query, NULL, pass->dfeatures) < 0)
		return -1;
	saves_reset(contrast->workspace, mark);
	return 0;
}
