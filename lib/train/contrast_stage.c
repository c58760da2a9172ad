/* contrast_stage.c - the stage "contrast": the Q-Former learns to see by ITC, ITM and ITG (spec 7.2;
 * LAVIS blip2_qformer.py).
 *
 * One joint pass, in which text row i sees the queries and the text up to i but no query sees the
 * text, gives the uni-modal query outputs and the captioning rows at once: the reference's pass with
 * cached keys. A pass of the texts alone gives their features; a third of pictures with fitting and
 * unfitting texts matches. Each micro-batch is in one language.
 *
 * The temperature, if trained, is put back between 0.02 and 0.5 before each micro-batch: from
 * nothing it else drifts to zero before features differ. The reference has no such bounds; its
 * temperatures do not come near them.
 */
#include "train/contrast_stage.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/vocabulary.h"
#include "train/saves.h"
#include "train/weights.h"

#include <stdio.h>
#include <string.h>

static const float temperature_least = 0.02f, temperature_most = 0.5f, temperature_given = 0.07f;

struct stage {
	struct contrast contrast;
};

/* --- beginning ----------------------------------------------------------------------------------*/

/* Is the group one of those that options->train names? */
static bool asked_for(const struct stage_options *options, const char *group)
{
	const char *at = options->train, *name;
	while (at && *at) {
		size_t size = stage_next_name(&at, &name);
		if (strlen(group) == size && memcmp(name, group, size) == 0)
			return true;
	}
	return false;
}

static int open_parts(struct contrast *contrast, struct weights **parts, size_t *count)
{
	const struct stage_options *options = &contrast->options;
	char own[128];
	if (!options->encode && (asked_for(options, "vit") || asked_for(options, "ln-vision")))
		return error_system("features that were written once have gone through the image encoder "
		                    "and its last norm: to train \"vit\" or \"ln-vision\", give pictures");
	if (options->encode) {
		contrast->vit = weights_open(options->model, "vit");
		if (!contrast->vit)
			return -1;
		parts[(*count)++] = contrast->vit;
	}
	contrast->qformer = weights_open(options->model, "qformer");
	if (!contrast->qformer)
		return -1;
	parts[(*count)++] = contrast->qformer;
	/* Heads without a loss would only decay. */
	snprintf(own, sizeof own, "%squeries,qformer,text%s%s%s", options->encode ? "ln-vision," : "",
	    options->itc_weight > 0 ? ",contrast-heads" : "",
	    options->itm_weight > 0 ? ",match-head" : "",
	    options->itg_weight > 0 ? ",caption-head" : "");
	return stage_groups(options, own, parts, *count);
}

static int check_network(const struct contrast *contrast)
{
	const struct qformer_network *network = contrast->network;
	const struct stage_options *options = &contrast->options;
	const char *missing = NULL;
	if (network->vocabulary == 0)
		missing = "text branch";
	else if (network->contrast_width == 0)
		missing = "heads for search (vision_projection, text_projection)";
	else if (options->itm_weight > 0 && !network->can_match)
		missing = "matching head (itm_head)";
	else if (options->itg_weight > 0 && !network->can_caption)
		missing = "captioning head (cls.predictions)";
	if (missing)
		return error_system("the Q-Former has no %s", missing);
	if (contrast->pictures.width != network->encoder_width)
		return error_system("the image encoder gives rows of %zu numbers, the Q-Former takes %zu",
		    contrast->pictures.width, network->encoder_width);
	if (!(options->itc_weight > 0 || options->itm_weight > 0 || options->itg_weight > 0))
		return error_system("all losses have weight 0");
	return 0;
}

static int open_words(struct contrast *contrast)
{
	contrast->wordpiece = vocabulary_wordpiece(weights_file(contrast->qformer));
	if (!contrast->wordpiece)
		return -1;
	contrast->start = wordpiece_find(contrast->wordpiece, "[DEC]");
	if (contrast->options.itg_weight <= 0)
		return 0;
	if (contrast->start < 0)
		return error_system("the vocabulary has no [DEC], so it cannot caption");
	size_t words = (size_t)wordpiece_size(contrast->wordpiece);
	return words > contrast->network->vocabulary
	           ? error_system("the vocabulary has %zu tokens, the captioning head %zu", words,
	                 contrast->network->vocabulary)
	           : 0;
}

static int open_networks(struct contrast *contrast)
{
	contrast->network = qformer_network_open(contrast->qformer);
	if (!contrast->network ||
	    picture_batch_open(&contrast->pictures, &contrast->options, contrast->vit,
	        contrast->network->encoder_width) < 0 ||
	    check_network(contrast) < 0)
		return -1;
	contrast->saves = saves_new();
	contrast->workspace = saves_new();
	return contrast->saves && contrast->workspace ? 0 : -1;
}

static void contrast_end(struct stage *stage)
{
	if (!stage)
		return;
	struct contrast *contrast = &stage->contrast;
	picture_batch_close(&contrast->pictures);
	qformer_network_close(contrast->network);
	wordpiece_close(contrast->wordpiece);
	saves_release(contrast->saves);
	saves_release(contrast->workspace);
	memory_release(contrast->usable);
	memory_release(contrast->batch.picture);
	memory_release(contrast->batch.picture_id);
	memory_release(contrast->batch.text_id);
	text_list_release(&contrast->batch.texts);
	text_list_release(&contrast->batch.wrong);
	text_list_release(&contrast->captions);
	text_list_release(&contrast->match);
	ids_clear(&contrast->targets);
	memory_release(contrast->match_picture);
	memory_release(contrast->match_target);
	memory_release(contrast->winner);
	for (int language = 0; language < EXAMPLE_LANGUAGES; language++)
		gallery_release(&contrast->gallery[language]);
	weights_close(contrast->vit);
	weights_close(contrast->qformer);
	memory_release(stage);
}

static struct stage *contrast_begin(
    const struct stage_options *options, struct weights **parts, size_t *count)
{
	struct stage *stage = memory_allocate_zero(1, sizeof *stage);
	*count = 0;
	if (!stage)
		return NULL;
	stage->contrast.options = *options;
	if (open_parts(&stage->contrast, parts, count) == 0 && open_networks(&stage->contrast) == 0 &&
	    open_words(&stage->contrast) == 0)
		return stage;
	contrast_end(stage);
	return NULL;
}

struct contrast *contrast_of(struct stage *stage)
{
	return &stage->contrast;
}

/* --- passes -------------------------------------------------------------------------------------*/

float contrast_temperature(const struct contrast *contrast)
{
	const struct parameter *parameter = contrast->network->temperature;
	const float *values = parameter ? parameter_values(parameter) : NULL;
	return values ? values[0] : temperature_given;
}

static void bound_temperature(const struct contrast *contrast)
{
	struct parameter *parameter = contrast->network->temperature;
	if (!parameter || !parameter->value)
		return;
	if (!(parameter->value[0] >= temperature_least))
		parameter->value[0] = temperature_least;
	if (parameter->value[0] > temperature_most)
		parameter->value[0] = temperature_most;
}

struct qformer_pass contrast_network_pass(const struct contrast_pass *pass,
    const struct text_list *texts, size_t count, enum contrast_which which)
{
	const struct contrast *contrast = pass->contrast;
	const struct stage_options *options = &contrast->options;
	return (struct qformer_pass){ .count = count,
		.queries = true,
		.picture = pass->batch->picture,
		.pictures = contrast->pictures.count,
		.tokens = contrast->pictures.tokens,
		.features = contrast->pictures.features,
		.ids = texts ? texts->ids.at : NULL,
		.text_start = texts ? texts->start : NULL,
		.sight = QFORMER_SEES_CAUSAL,
		.dropout = { pass->training ? options->dropout : 0, options->seed,
		    pass->micro_step * CONTRAST_PASSES + (uint64_t)which },
		.recompute = options->recompute };
}

/* What captioning reads, [DEC] text, and the tokens behind it: text [SEP]. [SEP] itself is not read:
 * nothing is behind it, and no other row sees it. */
static int make_captions(struct contrast *contrast, const struct contrast_batch *batch)
{
	const struct text_list *texts = &batch->texts;
	text_list_clear(&contrast->captions);
	contrast->targets.count = 0;
	for (size_t b = 0; b < batch->count; b++) {
		const int32_t *ids = texts->ids.at + texts->start[b];
		size_t length = text_list_length(texts, b);
		if (ids_add(&contrast->captions.ids, contrast->start) < 0 ||
		    ids_append(&contrast->captions.ids, ids + 1, length - 2) < 0 ||
		    text_list_end(&contrast->captions) < 0 ||
		    ids_append(&contrast->targets, ids + 1, length - 1) < 0)
			return -1;
	}
	return 0;
}

/* The texts alone: their features from the [CLS] rows, similarities and ITC; adds to dquery. */
static int run_texts(struct contrast_pass *pass, const float *query, float *dquery)
{
	struct contrast *contrast = pass->contrast;
	const struct text_list *texts = &pass->batch->texts;
	size_t width = contrast->network->width, n = pass->batch->count, rows = texts->ids.count;
	bool training = pass->training && contrast->options.itc_weight > 0;
	float *output = saves_push(contrast->workspace, "text rows", rows * width);
	float *first = saves_push(contrast->workspace, "[CLS] rows", 2 * n * width);
	struct qformer_pass alone = contrast_network_pass(pass, texts, n, CONTRAST_TEXT);
	alone.queries = false;
	alone.picture = NULL;
	alone.sight = QFORMER_SEES_ALL;
	if (!output || !first ||
	    qformer_network_forward(
	        contrast->network, &alone, training ? contrast->saves : NULL, NULL, output) < 0)
		return -1;
	for (size_t b = 0; b < n; b++)
		memcpy(first + b * width, output + texts->start[b] * width, width * sizeof *first);
	float *dfirst = first + n * width;
	if (contrast_loss(pass, query, first, dquery, dfirst) < 0)
		return -1;
	if (!training)
		return 0;
	memset(output, 0, rows * width * sizeof *output);
	for (size_t b = 0; b < n; b++)
		memcpy(output + texts->start[b] * width, dfirst + b * width, width * sizeof *first);
	return qformer_network_backward(contrast->network, &alone, contrast->saves, NULL, output, NULL);
}

/* Losses, and gradients if training. The pictures' features are those of contrast->pictures. What
 * it leaves on the workspace is for the caller to reset. 0 or -1. */
static int run(struct contrast_pass *pass)
{
	struct contrast *contrast = pass->contrast;
	struct qformer_network *network = contrast->network;
	const struct stage_options *options = &contrast->options;
	bool captions = options->itg_weight > 0;
	bool training = pass->training && (captions || options->itc_weight > 0);
	size_t n = pass->batch->count, queries = n * network->queries * network->width;
	if (captions && make_captions(contrast, pass->batch) < 0)
		return -1;
	size_t rows = captions ? contrast->captions.ids.count : 0;
	float *query = saves_push(contrast->workspace, "query outputs", queries);
	float *dquery = saves_push(contrast->workspace, "their gradient", queries);
	float *text = saves_push(contrast->workspace, "caption rows", 2 * rows * network->width);
	struct qformer_pass joint =
	    contrast_network_pass(pass, captions ? &contrast->captions : NULL, n, CONTRAST_JOINT);
	if (!query || !dquery || !text ||
	    qformer_network_forward(
	        network, &joint, training ? contrast->saves : NULL, query, captions ? text : NULL) < 0)
		return -1;
	float *dtext = training && captions ? text + rows * network->width : NULL;
	memset(dquery, 0, queries * sizeof *dquery);
	if ((captions && caption_loss(pass, text, rows, dtext) < 0) ||
	    run_texts(pass, query, dquery) < 0)
		return -1;
	if (training && qformer_network_backward(
	                    network, &joint, contrast->saves, dquery, dtext, pass->dfeatures) < 0)
		return -1;
	return options->itm_weight > 0 ? match_loss(pass) : 0;
}

/* --- micro-batches ------------------------------------------------------------------------------*/

/* Features of the pictures of the usable examples. */
static int read_pictures(
    struct contrast *contrast, size_t usable, uint64_t micro_step, bool training)
{
	if (picture_batch_read(&contrast->pictures, contrast->usable, usable, micro_step, training) < 0)
		return -1;
	return picture_batch_forward(&contrast->pictures, training ? contrast->saves : NULL);
}

int contrast_train(struct contrast *contrast, const struct contrast_batch *batch,
    uint64_t micro_step, float scale, struct stage_report *report)
{
	struct contrast_pass pass = { .contrast = contrast,
		.batch = batch,
		.micro_step = micro_step,
		.training = true,
		.scale = scale,
		.report = report };
	const struct picture_batch *pictures = &contrast->pictures;
	size_t size = pictures->count * pictures->tokens * pictures->width;
	bound_temperature(contrast);
	if (picture_batch_trained(pictures)) {
		pass.dfeatures = saves_push(contrast->workspace, "gradient of features", size);
		if (!pass.dfeatures)
			return -1;
		memset(pass.dfeatures, 0, size * sizeof *pass.dfeatures);
	}
	if (run(&pass) < 0)
		return -1;
	return picture_batch_backward(&contrast->pictures, contrast->saves, pass.dfeatures);
}

static int step(struct contrast *contrast, const struct example *examples, size_t count,
    uint64_t micro_step, float scale, struct stage_report *report)
{
	enum example_language language = contrast_language(contrast, micro_step);
	size_t usable;
	if (contrast_choose(contrast, examples, count, language, &usable) < 0 ||
	    read_pictures(contrast, usable, micro_step, true) < 0 ||
	    contrast_tokenize(contrast, language, false, micro_step) < 0)
		return -1;
	report->examples += contrast->batch.count;
	return contrast->batch.count == 0
	           ? 0
	           : contrast_train(contrast, &contrast->batch, micro_step, scale, report);
}

static int contrast_step(struct stage *stage, const struct example *examples, size_t count,
    uint64_t micro_step, float scale, struct stage_report *report)
{
	struct contrast *contrast = &stage->contrast;
	int result = step(contrast, examples, count, micro_step, scale, report);
	saves_reset(contrast->saves, 0);
	saves_reset(contrast->workspace, 0);
	return result;
}

/* Every language that is read has its turn with the same pictures. */
static int validate(struct contrast *contrast, const struct example *examples, size_t count,
    struct stage_report *report)
{
	size_t usable;
	if (contrast_choose(contrast, examples, count, contrast_language(contrast, 0), &usable) < 0 ||
	    read_pictures(contrast, usable, 0, false) < 0)
		return -1;
	report->examples += contrast->pictures.count;
	for (int i = 0; i < EXAMPLE_LANGUAGES; i++) {
		enum example_language language = (enum example_language)i;
		uint64_t place = contrast->gallery[i].count; /* other negatives in every batch */
		if (!contrast_reads(contrast, language))
			continue;
		if (contrast_tokenize(contrast, language, true, place) < 0)
			return -1;
		struct contrast_pass pass = {
			.contrast = contrast, .batch = &contrast->batch, .micro_step = place, .report = report
		};
		if (contrast->batch.count > 0 &&
		    (run(&pass) < 0 || gallery_add(&contrast->gallery[i], &pass) < 0))
			return -1;
		saves_reset(contrast->workspace, 0);
	}
	return 0;
}

static int contrast_validate(
    struct stage *stage, const struct example *examples, size_t count, struct stage_report *report)
{
	struct contrast *contrast = &stage->contrast;
	int result =
	    count == 0 ? gallery_report(contrast, report) : validate(contrast, examples, count, report);
	saves_reset(contrast->workspace, 0);
	return result;
}

const struct stage_kind stage_contrast = {
	.name = "contrast",
	.metric = "recall@1",
	.begin = contrast_begin,
	.step = contrast_step,
	.validate = contrast_validate,
	.end = contrast_end,
};
