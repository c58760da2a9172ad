/* contrast_loss.c - ITC (spec 7.2): cosines of all pictures and texts of a batch, each the largest
 * over the queries, divided by the temperature, are logits both ways.
 *     s[b][g] = max_q F[b,q] T[g] / temp,  L = (CE of rows + CE of columns) / 2
 * The gradient goes to the winning query only. As in the reference the other side of each loss is
 * detached: that of rows (which text fits picture b?) reaches F alone, that of columns T alone;
 * unless two_sided. Targets are spread over all positives of a row (equal image ids or texts).
 */
#include "train/contrast_stage.h"
#include "base/memory.h"
#include "num/gradient.h"
#include "num/kernels.h"
#include "train/saves.h"
#include "train/weights.h"

#include <math.h>
#include <string.h>

enum { ROWS, COLUMNS };

/* What forward leaves for backward; B pictures, B texts. */
struct itc {
	size_t count, queries, width;
	float *raw_image, *raw_text; /* before normalisation */
	float *all;                  /* [B * queries][B] cosines, then their gradient */
	float *gradient[2];          /* [B pictures][B texts], of similarity, by rows and by columns */
	float *row;                  /* [B] */
};

static float *push(const struct contrast_pass *pass, const char *tag, size_t count)
{
	return saves_push(pass->contrast->workspace, tag, count);
}

static int project(const struct contrast_pass *pass, const struct dense *dense, const float *x,
    size_t rows, float **raw, float **unit)
{
	*raw = push(pass, "projection", rows * dense->out);
	*unit = push(pass, "features", rows * dense->out);
	if (!*raw || !*unit || dense_forward(dense, x, rows, *raw, LINEAR_STORE, NULL, NULL) < 0)
		return -1;
	unit_forward(*raw, rows, dense->out, *unit);
	return 0;
}

/* The largest of a picture's queries for every text, and which it was. */
static void find_winners(const struct itc *itc, float *similarity, uint32_t *winner)
{
	size_t n = itc->count;
	for (size_t b = 0; b < n; b++) {
		const float *all = itc->all + b * itc->queries * n;
		memcpy(similarity + b * n, all, n * sizeof *similarity);
		memset(winner + b * n, 0, n * sizeof *winner);
		for (size_t q = 1; q < itc->queries; q++)
			for (size_t g = 0; g < n; g++)
				if (all[q * n + g] > similarity[b * n + g]) {
					similarity[b * n + g] = all[q * n + g];
					winner[b * n + g] = (uint32_t)q;
				}
	}
}

static int compare(
    struct contrast_pass *pass, struct itc *itc, const float *query, const float *text)
{
	struct contrast *contrast = pass->contrast;
	const struct qformer_network *network = contrast->network;
	size_t n = pass->batch->count, rows = n * network->queries;
	*itc =
	    (struct itc){ .count = n, .queries = network->queries, .width = network->contrast_width };
	if (project(pass, &network->vision_projection, query, rows, &itc->raw_image, &pass->image) <
	        0 ||
	    project(pass, &network->text_projection, text, n, &itc->raw_text, &pass->text) < 0)
		return -1;
	itc->all = push(pass, "cosines", rows * n);
	pass->similarity = push(pass, "similarity", n * n);
	itc->gradient[ROWS] = push(pass, "gradient of rows", n * n);
	itc->gradient[COLUMNS] = push(pass, "gradient of columns", n * n);
	itc->row = push(pass, "row", n);
	if (!itc->all || !pass->similarity || !itc->gradient[ROWS] || !itc->gradient[COLUMNS] ||
	    !itc->row ||
	    memory_grow((void **)&contrast->winner, &contrast->winner_capacity, n * n,
	        sizeof *contrast->winner) < 0)
		return -1;
	struct linear texts = { pass->text, 'f', n, itc->width, NULL };
	if (linear_rows(&texts, pass->image, rows, itc->all, LINEAR_STORE) < 0)
		return -1;
	find_winners(itc, pass->similarity, contrast->winner);
	return 0;
}

struct itc_sums {
	double loss, dtemperature;
	size_t right;
};

/* Cross-entropy of one row or column b of the cosines, whose elements are step apart; gradient:
 * factor times that with respect to the cosines. */
static void row_loss(const struct contrast_pass *pass, size_t b, const float *cosine, size_t step,
    float factor, float *row, float *gradient, struct itc_sums *sums)
{
	const struct contrast_batch *batch = pass->batch;
	size_t n = batch->count, best = 0, positives = 0;
	float temperature = contrast_temperature(pass->contrast);
	float smoothing = pass->contrast->options.smoothing;
	for (size_t g = 0; g < n; g++) {
		row[g] = cosine[g * step];
		best = row[g] > row[best] ? g : best;
		positives += contrast_positive(batch, b, g);
	}
	double target = 0;
	float largest = row[best] / temperature;
	kernels_get()->softmax(row, 1 / temperature, n);
	sums->loss += (double)largest - log((double)row[best]); /* log of the sum of exponentials */
	sums->right += contrast_positive(batch, b, best);
	for (size_t g = 0; g < n; g++) {
		float wanted = smoothing / (float)n;
		if (contrast_positive(batch, b, g))
			wanted += (1 - smoothing) / (float)positives;
		float logit = cosine[g * step] / temperature;
		target += (double)wanted * (double)logit;
		gradient[g * step] = factor * (row[g] - wanted) / temperature;
		sums->dtemperature -= (double)gradient[g * step] * (double)logit;
	}
	sums->loss -= target;
}

/* Cosine gradients to the rows of the winning queries, one side or both. */
static void scatter(
    const struct itc *itc, const uint32_t *winner, const float *one, const float *other, float *all)
{
	size_t n = itc->count;
	memset(all, 0, n * itc->queries * n * sizeof *all);
	for (size_t b = 0; b < n; b++)
		for (size_t g = 0; g < n; g++) {
			size_t place = (b * itc->queries + winner[b * n + g]) * n + g;
			all[place] = one[b * n + g] + (other ? other[b * n + g] : 0);
		}
}

static int backward(const struct contrast_pass *pass, const struct itc *itc, const float *query,
    const float *text, float *dquery, float *dtext)
{
	const struct contrast *contrast = pass->contrast;
	const struct qformer_network *network = contrast->network;
	bool both = contrast->options.two_sided;
	size_t n = itc->count, rows = n * itc->queries, width = itc->width;
	float *image = push(pass, "gradient of image features", 2 * rows * width);
	float *texts = push(pass, "gradient of text features", 2 * n * width);
	if (!image || !texts)
		return -1;
	struct linear other = { pass->text, 'f', n, width, NULL };
	scatter(
	    itc, contrast->winner, itc->gradient[ROWS], both ? itc->gradient[COLUMNS] : NULL, itc->all);
	if (linear_backward_input(&other, itc->all, rows, image, false) < 0)
		return -1;
	scatter(
	    itc, contrast->winner, itc->gradient[COLUMNS], both ? itc->gradient[ROWS] : NULL, itc->all);
	memset(texts, 0, n * width * sizeof *texts);
	if (linear_backward_weight(pass->image, itc->all, rows, n, width, texts, NULL) < 0)
		return -1;
	unit_backward(itc->raw_image, rows, width, image, image + rows * width);
	unit_backward(itc->raw_text, n, width, texts, texts + n * width);
	return dense_backward(&network->vision_projection, query, rows, image + rows * width, dquery,
	           true, NULL, contrast->saves, contrast->workspace) < 0 ||
	               dense_backward(&network->text_projection, text, n, texts + n * width, dtext,
	                   false, NULL, contrast->saves, contrast->workspace) < 0
	           ? -1
	           : 0;
}

int contrast_loss(
    struct contrast_pass *pass, const float *query, const float *text, float *dquery, float *dtext)
{
	struct itc itc;
	struct contrast *contrast = pass->contrast;
	const struct stage_options *options = &contrast->options;
	size_t n = pass->batch->count;
	if (compare(pass, &itc, query, text) < 0)
		return -1;
	if (options->itc_weight <= 0)
		return 0;
	struct itc_sums sums = { 0 };
	float factor = (float)(options->itc_weight * 0.5 / (double)n) * pass->scale;
	for (size_t b = 0; b < n; b++) {
		row_loss(pass, b, pass->similarity + b * n, 1, factor, itc.row, itc.gradient[ROWS] + b * n,
		    &sums);
		row_loss(
		    pass, b, pass->similarity + b, n, factor, itc.row, itc.gradient[COLUMNS] + b, &sums);
	}
	stage_report_add(pass->report, "itc", sums.loss / 2, (double)n);
	stage_report_add(pass->report, "itc-right", (double)sums.right, 2 * (double)n);
	pass->report->total += options->itc_weight * sums.loss / (2 * (double)n);
	if (!pass->training)
		return 0;
	struct parameter *temperature = contrast->network->temperature;
	if (temperature && temperature->gradient)
		temperature->gradient[0] += (float)sums.dtemperature;
	return backward(pass, &itc, query, text, dquery, dtext);
}
