/* generate_stage.c - the stages "generate" and "instruct": pictures through the Q-Former as soft
 * prompts into the language model, which is to write captions or answers (spec 7.3, 7.5, 7.6). In
 * "generate" captions go before talks, in "instruct" both are tasks. The language model is frozen
 * unless it has adapters or is asked for.
 */
#include "train/generate_stage.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "model/vocabulary.h"
#include "train/saves.h"
#include "train/weights.h"

#include <stdio.h>
#include <string.h>

struct stage {
	struct generate generate;
};

void generate_batch_clear(struct generate_batch *batch)
{
	batch->count = 0;
	text_list_clear(&batch->questions);
	language_batch_clear(&batch->sequences);
}

/* --- beginning ----------------------------------------------------------------------------------*/

static bool is_trained(const struct weights *weights)
{
	const struct parameter *parameter;
	for (size_t i = 0; weights && (parameter = weights_at(weights, i)); i++)
		if (parameter->value)
			return true;
	return false;
}

static int open_parts(struct generate *generate, struct weights **parts, size_t *count)
{
	const struct stage_options *options = &generate->options;
	if (options->encode) {
		generate->vit = weights_open(options->model, "vit");
		if (!generate->vit)
			return -1;
		parts[(*count)++] = generate->vit;
	}
	generate->qformer = weights_open(options->model, "qformer");
	if (!generate->qformer)
		return -1;
	parts[(*count)++] = generate->qformer;
	if (language_part_open(&generate->language, options) < 0)
		return -1;
	parts[(*count)++] = generate->language.weights;
	return 0;
}

/* Does what the Q-Former gives fit the language model? */
static int check_widths(const struct generate *generate)
{
	const struct qformer_network *network = generate->network;
	size_t width = llama_network_width(generate->language.network);
	if (network->llm_width == 0)
		return error_system("the Q-Former has no projection to a language model");
	if (network->llm_width != width)
		return error_system("the Q-Former gives rows of %zu numbers, the language model takes %zu",
		    network->llm_width, width);
	if (generate->pictures.width != network->encoder_width)
		return error_system("the image encoder gives rows of %zu numbers, the Q-Former takes %zu",
		    generate->pictures.width, network->encoder_width);
	return 0;
}

/* Groups before networks: what is trained decides what they keep. */
static int open_networks(struct generate *generate, struct weights **parts, size_t count)
{
	const struct stage_options *options = &generate->options;
	generate->network = qformer_network_open(generate->qformer);
	if (!generate->network)
		return -1;
	generate->inside =
	    options->question_inside || (generate->network->instruction && !options->question_outside);
	if (generate->inside && generate->network->positions == 0)
		return error_system("the Q-Former reads no text: no question can go inside");
	if (generate->inside &&
	    !(generate->wordpiece = vocabulary_wordpiece(weights_file(generate->qformer))))
		return -1;
	const char *own =
	    generate->inside ? "queries,qformer,text,projection" : "queries,qformer,projection";
	if (stage_groups(options, own, parts, count) < 0 ||
	    picture_batch_open(
	        &generate->pictures, options, generate->vit, generate->network->encoder_width) < 0)
		return -1;
	language_part_settle(&generate->language);
	generate->below = is_trained(generate->qformer) || is_trained(generate->vit);
	if (!generate->below && !generate->language.trained)
		return error_system("nothing is trained");
	return check_widths(generate);
}

static void generate_end(struct stage *stage)
{
	if (!stage)
		return;
	struct generate *generate = &stage->generate;
	picture_batch_close(&generate->pictures);
	qformer_network_close(generate->network);
	language_part_close(&generate->language);
	caption_prompts_close(&generate->prompts);
	if (generate->wordpiece)
		wordpiece_close(generate->wordpiece);
	memory_release(generate->batch.picture);
	text_list_release(&generate->batch.questions);
	language_batch_release(&generate->batch.sequences);
	saves_release(generate->saves);
	saves_release(generate->workspace);
	weights_close(generate->vit);
	weights_close(generate->qformer);
	memory_release(stage);
}

static struct stage *begin(
    const struct stage_options *options, struct weights **parts, size_t *count, bool talks)
{
	struct stage *stage = memory_allocate_zero(1, sizeof *stage);
	*count = 0;
	if (!stage)
		return NULL;
	struct generate *generate = &stage->generate;
	generate->options = *options;
	generate->talks = talks;
	generate->saves = saves_new();
	generate->workspace = saves_new();
	if (generate->saves && generate->workspace &&
	    caption_prompts_open(&generate->prompts, options->prompts) == 0 &&
	    open_parts(generate, parts, count) == 0 && open_networks(generate, parts, *count) == 0)
		return stage;
	generate_end(stage);
	return NULL;
}

static struct stage *generate_begin(
    const struct stage_options *options, struct weights **parts, size_t *count)
{
	return begin(options, parts, count, false);
}

static struct stage *instruct_begin(
    const struct stage_options *options, struct weights **parts, size_t *count)
{
	return begin(options, parts, count, true);
}

struct generate *generate_of(struct stage *stage)
{
	return &stage->generate;
}

/* --- a micro-batch ------------------------------------------------------------------------------*/

/* From soft prompts back: their gradients [count][queries][llm width] down to the pictures. */
static int run_below(struct generate *generate, const struct qformer_pass *pass,
    const float *output, const float *dprompts)
{
	static const struct dropout_place still = { 0 };
	struct qformer_network *network = generate->network;
	struct picture_batch *pictures = &generate->pictures;
	size_t rows = pass->count * network->queries;
	size_t features = pictures->count * pictures->tokens * pictures->width;
	float *dfeatures = NULL;
	float *doutput = saves_push(generate->workspace, "query gradients", rows * network->width);
	if (doutput && picture_batch_trained(pictures))
		dfeatures = saves_push(generate->workspace, "feature gradients", features);
	if (!doutput || (picture_batch_trained(pictures) && !dfeatures))
		return -1;
	if (dfeatures)
		memset(dfeatures, 0, features * sizeof *dfeatures);
	if (dense_backward(&network->language_projection, output, rows, dprompts, doutput, false,
	        &still, generate->saves, generate->workspace) < 0 ||
	    qformer_network_backward(network, pass, generate->saves, doutput, NULL, dfeatures) < 0)
		return -1;
	return dfeatures ? picture_batch_backward(pictures, generate->saves, dfeatures) : 0;
}

static struct qformer_pass make_pass(
    const struct generate *generate, uint64_t micro_step, bool training)
{
	const struct generate_batch *batch = &generate->batch;
	bool asked = batch->questions.count > 0;
	return (struct qformer_pass){ .count = batch->count,
		.queries = true,
		.picture = batch->picture,
		.pictures = generate->pictures.count,
		.tokens = generate->pictures.tokens,
		.features = generate->pictures.features,
		.ids = asked ? batch->questions.ids.at : NULL,
		.text_start = asked ? batch->questions.start : NULL,
		.sight = QFORMER_SEES_ALL,
		.dropout = { training ? generate->options.dropout : 0, generate->options.seed, micro_step },
		.recompute = generate->options.recompute };
}

int generate_run(struct generate *generate, uint64_t micro_step, bool training, float scale,
    struct stage_report *report)
{
	static const struct dropout_place still = { 0 };
	struct qformer_network *network = generate->network;
	struct saves *workspace = generate->workspace;
	struct qformer_pass pass = make_pass(generate, micro_step, training);
	bool below = training && generate->below;
	size_t rows = pass.count * network->queries;
	float *output = saves_push(workspace, "query outputs", rows * network->width);
	float *prompts = saves_push(workspace, "soft prompts", rows * network->llm_width);
	float *dprompts = NULL;
	if (below)
		dprompts = saves_push(workspace, "prompt gradients", rows * network->llm_width);
	if (!output || !prompts || (below && !dprompts))
		return -1;
	if (below)
		memset(dprompts, 0, rows * network->llm_width * sizeof *dprompts);
	struct saves *saves = below ? generate->saves : NULL;
	if (qformer_network_forward(network, &pass, saves, output, NULL) < 0 ||
	    dense_forward(
	        &network->language_projection, output, rows, prompts, LINEAR_STORE, &still, saves) < 0)
		return -1;
	struct language_pass language = { .batch = &generate->batch.sequences,
		.prompts = prompts,
		.prompt_rows = network->queries,
		.dprompts = dprompts,
		.micro_step = micro_step,
		.scale = scale,
		.training = training };
	if (language_part_run(&generate->language, &language, generate->saves, workspace, report) < 0)
		return -1;
	return below ? run_below(generate, &pass, output, dprompts) : 0;
}

static int run(struct generate *generate, const struct example *examples, size_t count,
    uint64_t micro_step, bool training, float scale, struct stage_report *report)
{
	struct picture_batch *pictures = &generate->pictures;
	bool below = training && picture_batch_trained(pictures);
	if (picture_batch_read(pictures, examples, count, micro_step, training) < 0)
		return -1;
	if (pictures->count == 0)
		return 0;
	if (generate_tasks(generate, examples, micro_step, training) < 0)
		return -1;
	if (generate->batch.sequences.counted == 0)
		return 0;
	report->examples += generate->batch.count;
	return picture_batch_forward(pictures, below ? generate->saves : NULL) < 0
	           ? -1
	           : generate_run(generate, micro_step, training, scale, report);
}

static int generate_step(struct stage *stage, const struct example *examples, size_t count,
    uint64_t micro_step, float scale, struct stage_report *report)
{
	struct generate *generate = &stage->generate;
	int status = run(generate, examples, count, micro_step, true, scale, report);
	saves_reset(generate->saves, 0);
	saves_reset(generate->workspace, 0);
	return status;
}

static int generate_validate(
    struct stage *stage, const struct example *examples, size_t count, struct stage_report *report)
{
	struct generate *generate = &stage->generate;
	if (count == 0)
		return 0;
	int status = run(generate, examples, count, 0, false, 0, report);
	saves_reset(generate->workspace, 0);
	return status;
}

static struct llama_network *generate_language(struct stage *stage)
{
	return stage->generate.language.network;
}

const struct stage_kind stage_generate = {
	.name = "generate",
	.metric = "lm",
	.lower_is_better = true,
	.begin = generate_begin,
	.step = generate_step,
	.validate = generate_validate,
	.end = generate_end,
	.language = generate_language,
};

const struct stage_kind stage_instruct = {
	.name = "instruct",
	.metric = "lm",
	.lower_is_better = true,
	.begin = instruct_begin,
	.step = generate_step,
	.validate = generate_validate,
	.end = generate_end,
	.language = generate_language,
};
