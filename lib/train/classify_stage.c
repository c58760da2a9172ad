/* classify_stage.c - the stage "classify": a picture encoder made from nothing learns what things
 * are before it meets language. Linear heads, thrown away afterwards, name the class of each patch
 * and of the whole picture (mean of its patches), and query i of the Q-Former the i-th class of a
 * list; where asked, each patch also says which place of the position grid it has. The sum of the
 * losses' means is trained; labels of -1 count nothing.
 */
#include "train/stage.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "num/gradient.h"
#include "num/kernels.h"
#include "train/picture_batch.h"
#include "train/qformer_network.h"
#include "train/saves.h"
#include "train/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
	STREAM_HEADS = 0x4B, /* of random numbers: the heads' first values */
	FIRST_KINDS = 4,     /* queries that are reported apart */
	CLASSES_MOST = 1 << 20,
};

/* Labelled rows of one sort. */
struct labels {
	size_t *row; /* which row of the features or of the query outputs */
	int32_t *target;
	size_t count, capacity, target_capacity;
};

struct stage {
	struct stage_options options;
	struct weights *vit, *qformer; /* qformer NULL: no classes by query */
	struct picture_batch pictures;
	struct qformer_network *network;
	struct dense patch_head, place_head; /* on features */
	struct dense kind_head;              /* on query outputs */
	struct saves *saves, *workspace;
	struct labels patches, places, kind, kinds;
	size_t *picture, picture_capacity; /* of the Q-Former's items: each its own */
	bool told;                         /* of a list of patches that does not fit */
};

/* --- beginning ----------------------------------------------------------------------------------*/

/* A head of the stage's own: uniform in +-1/sqrt(in), bias 0. stream: of its random numbers. */
static int make_head(struct stage *stage, struct weights *weights, const char *name, size_t classes,
    size_t width, unsigned stream, struct dense *head)
{
	char weight_name[32], bias_name[32];
	snprintf(weight_name, sizeof weight_name, "%s.weight", name);
	snprintf(bias_name, sizeof bias_name, "%s.bias", name);
	struct parameter *weight = weights_add(weights, weight_name, classes, width, false);
	if (!weight || !weights_add(weights, bias_name, 0, classes, false))
		return -1;
	struct random random = random_begin(stage->options.seed, (uint64_t)STREAM_HEADS << 56 | stream);
	float most = 1.0f / sqrtf((float)width);
	for (size_t i = 0; i < weight->count; i++)
		weight->value[i] = most * (float)(2 * random_unit(&random) - 1);
	return dense_open(head, weights, name, classes, width);
}

static int open_parts(struct stage *stage, struct weights **parts, size_t *count)
{
	const struct stage_options *options = &stage->options;
	if (options->classes < 1 || options->classes > CLASSES_MOST)
		return error_system("the examples have no classes (\"patches\", \"kind\", \"kinds\")");
	if (!options->encode && !options->kinds)
		return error_system("classes of patches and pictures teach the image encoder: give "
		                    "pictures, not cached features");
	if (options->encode) {
		stage->vit = weights_open(options->model, "vit");
		if (!stage->vit)
			return -1;
		parts[(*count)++] = stage->vit;
	}
	if (options->kinds) {
		stage->qformer = weights_open(options->model, "qformer");
		if (!stage->qformer)
			return -1;
		parts[(*count)++] = stage->qformer;
	}
	return stage_groups(options,
	    options->encode ? "vit,ln-vision,queries,qformer" : "queries,qformer", parts, *count);
}

static int open_networks(struct stage *stage)
{
	if (stage->qformer) {
		stage->network = qformer_network_open(stage->qformer);
		if (!stage->network || make_head(stage, stage->qformer, "classify", stage->options.classes,
		                           stage->network->width, 1, &stage->kind_head) < 0)
			return -1;
	}
	size_t width = stage->network ? stage->network->encoder_width : 0;
	if (picture_batch_open(&stage->pictures, &stage->options, stage->vit, width) < 0)
		return -1;
	if (stage->network && stage->pictures.width != width)
		return error_system("the image encoder gives rows of %zu numbers, the Q-Former takes %zu",
		    stage->pictures.width, width);
	width = stage->pictures.width;
	if (stage->vit && make_head(stage, stage->vit, "classify", stage->options.classes, width, 0,
	                      &stage->patch_head) < 0)
		return -1;
	if (stage->vit && stage->options.places) {
		size_t grid =
		    vit_network_side(stage->pictures.vit) / vit_network_patch(stage->pictures.vit);
		if (make_head(stage, stage->vit, "places", grid * grid, width, 2, &stage->place_head) < 0)
			return -1;
	}
	stage->saves = saves_new();
	stage->workspace = saves_new();
	return stage->saves && stage->workspace ? 0 : -1;
}

static void classify_end(struct stage *stage)
{
	if (!stage)
		return;
	picture_batch_close(&stage->pictures);
	qformer_network_close(stage->network);
	saves_release(stage->saves);
	saves_release(stage->workspace);
	struct labels *all[] = { &stage->patches, &stage->places, &stage->kind, &stage->kinds };
	for (int i = 0; i < 4; i++) {
		memory_release(all[i]->row);
		memory_release(all[i]->target);
	}
	memory_release(stage->picture);
	weights_close(stage->vit);
	weights_close(stage->qformer);
	memory_release(stage);
}

static struct stage *classify_begin(
    const struct stage_options *options, struct weights **parts, size_t *count)
{
	struct stage *stage = memory_allocate_zero(1, sizeof *stage);
	*count = 0;
	if (!stage)
		return NULL;
	stage->options = *options;
	if (open_parts(stage, parts, count) == 0 && open_networks(stage) == 0)
		return stage;
	classify_end(stage);
	return NULL;
}

/* --- labels -------------------------------------------------------------------------------------*/

static int labels_add(struct labels *labels, size_t row, int32_t target)
{
	size_t count = labels->count + 1;
	if (memory_grow((void **)&labels->row, &labels->capacity, count, sizeof *labels->row) < 0 ||
	    memory_grow(
	        (void **)&labels->target, &labels->target_capacity, count, sizeof *labels->target) < 0)
		return -1;
	labels->row[labels->count] = row;
	labels->target[labels->count++] = target;
	return 0;
}

/* Labels of one picture; row: of the first. Classes beyond the head are no labels. */
static int add_list(const struct stage *stage, struct labels *labels, size_t row,
    const int32_t *targets, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (targets[i] >= 0 && (size_t)targets[i] < stage->options.classes &&
		    labels_add(labels, row + i, targets[i]) < 0)
			return -1;
	return 0;
}

/* Every patch of picture i and its place in the model's position grid. */
static int add_places(struct stage *stage, size_t i)
{
	const struct picture_batch *batch = &stage->pictures;
	size_t patch = vit_network_patch(batch->vit);
	size_t grid = vit_network_side(batch->vit) / patch, side = batch->pictures.side / patch;
	for (size_t p = 0; p < side * side; p++) {
		size_t row = batch->pictures.row + p / side, column = batch->pictures.column + p % side;
		if (labels_add(&stage->places, i * batch->tokens + 1 + p, (int32_t)(row * grid + column)) <
		    0)
			return -1;
	}
	return 0;
}

static int collect_labels(struct stage *stage, const struct example *examples)
{
	const struct picture_batch *batch = &stage->pictures;
	size_t queries = stage->network ? stage->network->queries : 0;
	stage->patches.count = stage->places.count = stage->kind.count = stage->kinds.count = 0;
	for (size_t i = 0; i < batch->count; i++) {
		const struct example *example = &examples[batch->example[i]];
		bool fits = example->patch_count == batch->tokens - 1;
		if (stage->vit && example->patch_count > 0 && !fits && !stage->told) {
			stage->told = true;
			example_left_out(example, "%zu classes for %zu patches (others like it are not told)",
			    example->patch_count, batch->tokens - 1);
		}
		size_t kinds = example->kind_count < queries ? example->kind_count : queries;
		if ((stage->vit && fits &&
		        add_list(stage, &stage->patches, i * batch->tokens + 1, example->patches,
		            example->patch_count) < 0) ||
		    (stage->vit && add_list(stage, &stage->kind, i, &example->kind, 1) < 0) ||
		    (stage->place_head.weight && add_places(stage, i) < 0) ||
		    add_list(stage, &stage->kinds, i * queries, example->kinds, kinds) < 0)
			return -1;
	}
	return 0;
}

/* --- heads --------------------------------------------------------------------------------------*/

/* How many of the labels of queries below limit the logits get right. */
static size_t count_right(
    const struct labels *labels, const float *logits, size_t classes, size_t queries, size_t *of)
{
	size_t right = 0;
	*of = 0;
	for (size_t i = 0; i < labels->count; i++) {
		if (labels->row[i] % queries >= FIRST_KINDS)
			continue;
		const float *row = logits + i * classes;
		size_t best = 0;
		for (size_t c = 1; c < classes; c++)
			best = row[c] > row[best] ? c : best;
		right += best == (size_t)labels->target[i];
		*of += 1;
	}
	return right;
}

struct head_names {
	const char *loss, *right;
};

/* The head on the labelled rows of source: loss and accuracy to the report; with gradient (rows
 * like source's), adds to it and to the head. queries: of the rows are queries, for the first. */
static int run_head(struct stage *stage, const struct dense *head, const struct labels *labels,
    const float *source, float *gradient, float scale, struct head_names names, size_t queries,
    struct stage_report *report)
{
	static const struct dropout_place still = { 0 };
	size_t width = head->in, classes = head->out, n = labels->count;
	if (n == 0)
		return 0;
	size_t mark = saves_mark(stage->workspace);
	float *rows = saves_push(stage->workspace, "labelled rows", n * width);
	float *logits = saves_push(stage->workspace, "class logits", n * classes);
	if (!rows || !logits)
		return -1;
	for (size_t i = 0; i < n; i++)
		memcpy(rows + i * width, source + labels->row[i] * width, width * sizeof *rows);
	struct entropy entropy;
	if (dense_forward(head, rows, n, logits, LINEAR_STORE, &still, NULL) < 0)
		return -1;
	size_t first = 0,
	       first_right = queries ? count_right(labels, logits, classes, queries, &first) : 0;
	if (cross_entropy(logits, n, classes, labels->target, 0, scale / (float)n, &entropy) < 0)
		return -1;
	stage_report_add(report, names.loss, entropy.loss, (double)n);
	stage_report_add(report, names.right, (double)entropy.right, (double)n);
	if (queries)
		stage_report_add(report, "kinds-first", (double)first_right, (double)first);
	report->total += entropy.loss / (double)n;
	if (gradient) {
		float *drows = saves_push(stage->workspace, "gradient of rows", n * width);
		if (!drows || dense_backward(head, rows, n, logits, drows, false, &still, stage->saves,
		                  stage->workspace) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			kernels_get()->add(gradient + labels->row[i] * width, drows + i * width, width);
	}
	saves_reset(stage->workspace, mark);
	return 0;
}

/* Mean over the patches of each picture, and its gradient. */
static void mean_forward(const struct picture_batch *batch, float *mean)
{
	size_t width = batch->width, tokens = batch->tokens;
	memset(mean, 0, batch->count * width * sizeof *mean);
	for (size_t i = 0; i < batch->count; i++)
		for (size_t t = 1; t < tokens; t++)
			kernels_get()->add_scaled(mean + i * width, batch->features + (i * tokens + t) * width,
			    1.0f / (float)(tokens - 1), width);
}

static void mean_backward(const struct picture_batch *batch, const float *dmean, float *gradient)
{
	size_t width = batch->width, tokens = batch->tokens;
	for (size_t i = 0; i < batch->count; i++)
		for (size_t t = 1; t < tokens; t++)
			kernels_get()->add_scaled(gradient + (i * tokens + t) * width, dmean + i * width,
			    1.0f / (float)(tokens - 1), width);
}

/* Classes of whole pictures; the mean is computed only when there are labels. */
static int run_kind(struct stage *stage, float *gradient, float scale, struct stage_report *report)
{
	const struct picture_batch *batch = &stage->pictures;
	if (stage->kind.count == 0)
		return 0;
	size_t size = batch->count * batch->width, mark = saves_mark(stage->workspace);
	float *mean = saves_push(stage->workspace, "mean of patches", size);
	float *dmean = saves_push(stage->workspace, "gradient of the mean", size);
	if (!mean || !dmean)
		return -1;
	mean_forward(batch, mean);
	memset(dmean, 0, size * sizeof *dmean);
	if (run_head(stage, &stage->patch_head, &stage->kind, mean, gradient ? dmean : NULL, scale,
	        (struct head_names){ "kind", "kind-right" }, 0, report) < 0)
		return -1;
	if (gradient)
		mean_backward(batch, dmean, gradient);
	saves_reset(stage->workspace, mark);
	return 0;
}

/* Classes by query, through the Q-Former. */
static int run_kinds(struct stage *stage, uint64_t micro_step, bool training, float *gradient,
    float scale, struct stage_report *report)
{
	const struct picture_batch *batch = &stage->pictures;
	size_t size = batch->count * stage->network->queries * stage->network->width;
	size_t mark = saves_mark(stage->workspace);
	float *output = saves_push(stage->workspace, "query outputs", size);
	float *doutput = saves_push(stage->workspace, "gradient of query outputs", size);
	if (!output || !doutput ||
	    memory_grow((void **)&stage->picture, &stage->picture_capacity, batch->count,
	        sizeof *stage->picture) < 0)
		return -1;
	for (size_t i = 0; i < batch->count; i++)
		stage->picture[i] = i;
	struct qformer_pass pass = { .count = batch->count,
		.queries = true,
		.picture = stage->picture,
		.pictures = batch->count,
		.tokens = batch->tokens,
		.features = batch->features,
		.dropout = { training ? stage->options.dropout : 0, stage->options.seed, micro_step },
		.recompute = stage->options.recompute };
	if (qformer_network_forward(
	        stage->network, &pass, training ? stage->saves : NULL, output, NULL) < 0)
		return -1;
	memset(doutput, 0, size * sizeof *doutput);
	if (run_head(stage, &stage->kind_head, &stage->kinds, output, training ? doutput : NULL, scale,
	        (struct head_names){ "kinds", "kinds-right" }, stage->network->queries, report) < 0)
		return -1;
	if (training && qformer_network_backward(stage->network, &pass, stage->saves, doutput, NULL,
	                    picture_batch_trained(batch) ? gradient : NULL) < 0)
		return -1;
	saves_reset(stage->workspace, mark);
	return 0;
}

/* --- a micro-batch ------------------------------------------------------------------------------*/

static int classify(struct stage *stage, const struct example *examples, size_t count,
    uint64_t micro_step, bool training, float scale, struct stage_report *report)
{
	struct picture_batch *batch = &stage->pictures;
	if (picture_batch_read(batch, examples, count, micro_step, training) < 0)
		return -1;
	if (batch->count == 0)
		return 0;
	if (picture_batch_forward(batch, training ? stage->saves : NULL) < 0 ||
	    collect_labels(stage, examples) < 0)
		return -1;
	size_t size = batch->count * batch->tokens * batch->width;
	float *gradient = NULL;
	if (training && stage->vit) {
		gradient = saves_push(stage->workspace, "gradient of features", size);
		if (!gradient)
			return -1;
		memset(gradient, 0, size * sizeof *gradient);
	}
	if (run_head(stage, &stage->patch_head, &stage->patches, batch->features, gradient, scale,
	        (struct head_names){ "patches", "patches-right" }, 0, report) < 0 ||
	    run_head(stage, &stage->place_head, &stage->places, batch->features, gradient, scale,
	        (struct head_names){ "places", "places-right" }, 0, report) < 0 ||
	    run_kind(stage, gradient, scale, report) < 0)
		return -1;
	if (stage->kinds.count > 0 &&
	    run_kinds(stage, micro_step, training, gradient, scale, report) < 0)
		return -1;
	report->examples += batch->count;
	return gradient ? picture_batch_backward(batch, stage->saves, gradient) : 0;
}

static int classify_step(struct stage *stage, const struct example *examples, size_t count,
    uint64_t micro_step, float scale, struct stage_report *report)
{
	int result = classify(stage, examples, count, micro_step, true, scale, report);
	saves_reset(stage->saves, 0);
	saves_reset(stage->workspace, 0);
	return result;
}

/* The metric is the share of right classes of queries, or patches, or pictures: the first there
 * is. */
static void add_metric(struct stage_report *report)
{
	static const char *const names[] = { "kinds-right", "patches-right", "kind-right" };
	for (int n = 0; n < 3; n++)
		for (size_t i = 0; i < report->count; i++)
			if (strcmp(report->losses[i].name, names[n]) == 0) {
				stage_report_add(report, "right", report->losses[i].sum, report->losses[i].count);
				return;
			}
}

static int classify_validate(
    struct stage *stage, const struct example *examples, size_t count, struct stage_report *report)
{
	if (count == 0) {
		add_metric(report);
		return 0;
	}
	int result = classify(stage, examples, count, 0, false, 0, report);
	saves_reset(stage->workspace, 0);
	return result;
}

const struct stage_kind stage_classify = {
	.name = "classify",
	.metric = "right",
	.begin = classify_begin,
	.step = classify_step,
	.validate = classify_validate,
	.end = classify_end,
};
