/* text_stage.c - the stage "text": language modelling on plain text. An example's "text" counts in
 * all its tokens; one without has its talk as the template writes it, or its captions. With "answers"
 * only the answers of talks count. Texts of a batch are sequences of their own.
 */
#include "base/error.h"
#include "base/memory.h"
#include "train/language_part.h"
#include "train/saves.h"
#include "train/stage.h"
#include "train/weights.h"

#include <string.h>

struct stage {
	struct stage_options options;
	struct language_part language;
	struct language_batch batch;
	struct saves *saves, *workspace;
};

static void text_end(struct stage *stage)
{
	if (!stage)
		return;
	language_part_close(&stage->language);
	language_batch_release(&stage->batch);
	saves_release(stage->saves);
	saves_release(stage->workspace);
	memory_release(stage);
}

static int open_language(struct stage *stage, struct weights **parts, size_t *count)
{
	const struct stage_options *options = &stage->options;
	if (language_part_open(&stage->language, options) < 0)
		return -1;
	parts[(*count)++] = stage->language.weights;
	const char *own = options->lora.rank > 0 || options->adapter ? "lora" : "llm";
	if (stage_groups(options, own, parts, *count) < 0)
		return -1;
	language_part_settle(&stage->language);
	return stage->language.trained ? 0 : error_system("nothing is trained");
}

static struct stage *text_begin(
    const struct stage_options *options, struct weights **parts, size_t *count)
{
	struct stage *stage = memory_allocate_zero(1, sizeof *stage);
	*count = 0;
	if (!stage)
		return NULL;
	stage->options = *options;
	stage->saves = saves_new();
	stage->workspace = saves_new();
	if (stage->saves && stage->workspace && open_language(stage, parts, count) == 0)
		return stage;
	text_end(stage);
	return NULL;
}

/* --- a micro-batch ------------------------------------------------------------------------------*/

/* A talk as the template writes it, all of its tokens counting. */
static int add_talk(struct stage *stage, const struct example *example)
{
	const struct language_part *part = &stage->language;
	struct template_turn turns[EXAMPLE_TURNS_MOST];
	struct ids ids = { 0 };
	size_t count = 0, most = language_batch_most(part, 0);
	for (; count < example->turn_count && count < EXAMPLE_TURNS_MOST; count++)
		turns[count] =
		    (struct template_turn){ example->turns[count].question, example->turns[count].answer };
	int status = prompt_sequence(&part->rules, turns, count, 0, &ids);
	if (status == 0 && part->eos >= 0)
		status = ids_add(&ids, part->eos);
	if (status == 0)
		status = language_batch_begin(&stage->batch, 0);
	if (status == 0)
		status =
		    language_batch_add(&stage->batch, ids.at, ids.count < most ? ids.count : most, true);
	if (status == 0)
		status = language_batch_end(&stage->batch);
	ids_clear(&ids);
	return status;
}

/* One turn: the rows that ask it, and behind them its answer, which counts. 1; 0: no room; -1. */
static int add_turn(
    struct stage *stage, const struct example_turn *said, struct ids *ids, size_t *have)
{
	const struct language_part *part = &stage->language;
	const struct template_turn turn = { said->question, NULL };
	struct bpe_options options = prompt_answer_options(&part->rules);
	ids->count = 0;
	if (prompt_sequence(&part->rules, &turn, 1, 0, ids) < 0)
		return -1;
	size_t asked = ids->count;
	if (bpe_encode(part->bpe, said->answer, strlen(said->answer), &options, ids) < 0 ||
	    (part->eos >= 0 && ids_add(ids, part->eos) < 0))
		return -1;
	*have += ids->count;
	if (*have > language_batch_most(part, 0))
		return 0;
	return language_batch_add(&stage->batch, ids->at, asked, false) < 0 ||
	               language_batch_add(&stage->batch, ids->at + asked, ids->count - asked, true) < 0
	           ? -1
	           : 1;
}

/* A talk as one sequence in which answers count, each with its end: so many questions about one thing
 * cost little more than one. The turns that fit are taken. */
static int add_answers(struct stage *stage, const struct example *example)
{
	struct ids ids = { 0 };
	size_t have = 0;
	int status = language_batch_begin(&stage->batch, 0) < 0 ? -1 : 1;
	for (size_t i = 0; status > 0 && i < example->turn_count; i++)
		status = add_turn(stage, &example->turns[i], &ids, &have);
	if (status >= 0)
		status = language_batch_end(&stage->batch);
	ids_clear(&ids);
	return status;
}

static int add_captions(struct stage *stage, const struct example *example)
{
	for (int language = 0; language < EXAMPLE_LANGUAGES; language++)
		if (example->caption[language] &&
		    language_batch_text(&stage->language, &stage->batch, example->caption[language]) < 0)
			return -1;
	return 0;
}

static int add_example(struct stage *stage, const struct example *example)
{
	if (example->text)
		return language_batch_text(&stage->language, &stage->batch, example->text);
	if (example->turn_count == 0)
		return add_captions(stage, example);
	return stage->options.answers ? add_answers(stage, example) : add_talk(stage, example);
}

/* *used: how many of the examples have a text. */
static int fill_batch(
    struct stage *stage, const struct example *examples, size_t count, size_t *used)
{
	language_batch_clear(&stage->batch);
	for (size_t i = 0; i < count; i++) {
		size_t before = stage->batch.count;
		if (add_example(stage, &examples[i]) < 0)
			return -1;
		if (stage->batch.count > before)
			*used += 1;
		else
			example_left_out(&examples[i], "an example without text");
	}
	return 0;
}

static int run(struct stage *stage, const struct example *examples, size_t count,
    uint64_t micro_step, bool training, float scale, struct stage_report *report)
{
	if (fill_batch(stage, examples, count, &report->examples) < 0)
		return -1;
	struct language_pass pass = {
		.batch = &stage->batch, .micro_step = micro_step, .scale = scale, .training = training
	};
	int status = language_part_run(&stage->language, &pass, stage->saves, stage->workspace, report);
	saves_reset(stage->saves, 0);
	saves_reset(stage->workspace, 0);
	return status;
}

static int text_step(struct stage *stage, const struct example *examples, size_t count,
    uint64_t micro_step, float scale, struct stage_report *report)
{
	return run(stage, examples, count, micro_step, true, scale, report);
}

static int text_validate(
    struct stage *stage, const struct example *examples, size_t count, struct stage_report *report)
{
	return count > 0 ? run(stage, examples, count, 0, false, 0, report) : 0;
}

static struct llama_network *text_language(struct stage *stage)
{
	return stage->language.network;
}

const struct stage_kind stage_text = {
	.name = "text",
	.metric = "lm",
	.lower_is_better = true,
	.begin = text_begin,
	.step = text_step,
	.validate = text_validate,
	.end = text_end,
	.language = text_language,
	.text_only = true,
};
