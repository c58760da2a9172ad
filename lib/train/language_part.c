/* language_part.c - loss and gradient of a language model on sequences (see language_part.h). */
#include "train/language_part.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/vocabulary.h"
#include "num/gradient.h"
#include "stream/model_file.h"
#include "train/adapter.h"
#include "train/saves.h"
#include "train/weights.h"

#include <limits.h>
#include <string.h>

enum { TEXT_MOST = 256 }; /* tokens of a sequence, as the reference has it */

/* --- opening ------------------------------------------------------------------------------------*/

static int open_template(struct language_part *part, const struct stage_options *options)
{
	const struct model_file *file = weights_file(part->weights);
	const char *name = options->template;
	char directory[PATH_MAX], own[PATH_MAX];
	if (model_find(options->model, directory, sizeof directory) != 0)
		return -1;
	if (!name)
		name = model_file_text(file, "template", own, sizeof own) ? own : "plain";
	part->template = template_open(name, directory);
	return part->template ? 0 : error_as(ERROR_SYSTEM);
}

/* Does a text of this template begin with <s>? */
static int find_bos(struct language_part *part)
{
	const struct template_turn turn = { "", NULL };
	struct template_prompt prompt = { 0 };
	int status = template_render(part->template, &turn, 1, false, &prompt);
	part->bos = -1;
	for (size_t i = 0; status == 0 && i < prompt.count; i++)
		if (prompt.segments[i].bos)
			part->bos = bpe_bos(part->bpe);
	template_prompt_clear(&prompt);
	return status;
}

static int open_tokenizer(struct language_part *part, const struct stage_options *options)
{
	char legacy[8] = "";
	const struct model_file *file = weights_file(part->weights);
	part->bpe = vocabulary_bpe(file);
	if (!part->bpe)
		return error_context("%s", model_file_path(file));
	if (open_template(part, options) < 0 || find_bos(part) < 0)
		return -1;
	model_file_text(file, "legacy", legacy, sizeof legacy);
	part->rules = (struct prompt_rules){
		.bpe = part->bpe, .template = part->template, .modern = legacy[0] == '0'
	};
	part->eos = template_answer_eos(part->template) ? bpe_eos(part->bpe) : -1;
	if ((size_t)bpe_size(part->bpe) > llama_network_vocabulary(part->network))
		return error_system("the tokenizer has %d tokens, the language model %zu",
		    (int)bpe_size(part->bpe), llama_network_vocabulary(part->network));
	return 0;
}

int language_part_open(struct language_part *part, const struct stage_options *options)
{
	*part =
	    (struct language_part){ .text_most = options->text_most ? options->text_most : TEXT_MOST,
		    .recompute = options->recompute,
		    .seed = options->seed };
	part->weights = weights_open(options->model, "llm");
	part->network = part->weights ? llama_network_open(part->weights) : NULL;
	if (!part->network || open_tokenizer(part, options) < 0)
		return -1;
	if (options->adapter)
		return adapter_read(part->network, options->adapter, options->lora.dropout);
	return options->lora.rank > 0 ? llama_network_adapt(part->network, &options->lora) : 0;
}

void language_part_settle(struct language_part *part)
{
	const struct parameter *parameter;
	for (size_t i = 0; (parameter = weights_at(part->weights, i)); i++)
		part->trained |= parameter->value != NULL;
	parameter = weights_find(part->weights, "model.embed_tokens.weight");
	part->embeds = parameter && parameter->value;
}

void language_part_close(struct language_part *part)
{
	template_close(part->template);
	if (part->bpe)
		bpe_close(part->bpe);
	llama_network_close(part->network);
	weights_close(part->weights);
	*part = (struct language_part){ 0 };
}

/* --- a pass -------------------------------------------------------------------------------------*/

/* What a pass works with, on the workspace. */
struct work {
	struct language_part *part;
	const struct language_pass *pass;
	struct saves *saves, *workspace;
	struct llama_pass llama;
	size_t rows, width, counted;
	float *values;    /* rows that go in, then gradients of the hidden rows */
	float *hidden;    /* rows that come out, then gradients of those that go in */
	float *chosen;    /* hidden rows with a target, then their gradients */
	float *logits;    /* [counted][vocabulary] */
	int32_t *targets; /* [counted] */
};

static int begin_work(struct work *work)
{
	const struct language_batch *batch = work->pass->batch;
	const struct language_part *part = work->part;
	struct saves *workspace = work->workspace;
	work->rows = batch->ids.count;
	work->width = llama_network_width(part->network);
	work->counted = batch->counted;
	work->llama = (struct llama_pass){ .count = batch->count,
		.start = batch->start,
		.dropout = { 0, part->seed, work->pass->micro_step },
		.recompute = part->recompute };
	size_t size = work->rows * work->width;
	work->values = saves_push(workspace, "language rows", size);
	work->hidden = saves_push(workspace, "language hidden", size);
	work->chosen = saves_push(workspace, "language chosen", work->counted * work->width);
	work->logits = saves_push(
	    workspace, "language logits", work->counted * llama_network_vocabulary(part->network));
	work->targets = (int32_t *)saves_push(workspace, "language targets", work->counted);
	if (!work->values || !work->hidden || !work->chosen || !work->logits || !work->targets)
		return -1;
	for (size_t i = 0, n = 0; i < work->rows; i++)
		if (batch->targets.at[i] >= 0)
			work->targets[n++] = batch->targets.at[i];
	return 0;
}

/* The next run of rows of a sequence that all are text, or all are soft prompt: its end. */
static size_t run_end(const struct language_batch *batch, size_t first, size_t end)
{
	bool text = batch->ids.at[first] >= 0;
	size_t i = first + 1;
	while (i < end && (batch->ids.at[i] >= 0) == text)
		i++;
	return i;
}

/* Embeddings and soft prompts to rows. */
static int fill_rows(struct work *work)
{
	const struct language_pass *pass = work->pass;
	const struct language_batch *batch = pass->batch;
	size_t width = work->width;
	for (size_t s = 0; s < batch->count; s++) {
		for (size_t i = batch->start[s], end; i < batch->start[s + 1]; i = end) {
			end = run_end(batch, i, batch->start[s + 1]);
			const int32_t *ids = batch->ids.at + i;
			float *rows = work->values + i * width;
			if (ids[0] >= 0 && llama_network_embed(work->part->network, ids, end - i, rows) < 0)
				return -1;
			for (size_t n = 0; ids[0] < 0 && n < end - i; n++)
				memcpy(rows + n * width,
				    pass->prompts +
				        (batch->prompt[s] * pass->prompt_rows + (size_t)(-1 - ids[n])) * width,
				    width * sizeof *rows);
		}
	}
	return 0;
}

/* Gradients of the rows to the soft prompts. */
static void add_prompts(const struct work *work, const float *drows)
{
	const struct language_pass *pass = work->pass;
	const struct language_batch *batch = pass->batch;
	size_t width = work->width;
	for (size_t s = 0; s < batch->count; s++)
		for (size_t i = batch->start[s]; i < batch->start[s + 1]; i++) {
			if (batch->ids.at[i] >= 0)
				continue;
			size_t row = batch->prompt[s] * pass->prompt_rows + (size_t)(-1 - batch->ids.at[i]);
			for (size_t n = 0; n < width; n++)
				pass->dprompts[row * width + n] += drows[i * width + n];
		}
}

/* Gradients of text rows to the embedding table, if it is trained. */
static int add_embeddings(const struct work *work, const float *drows)
{
	const struct language_batch *batch = work->pass->batch;
	size_t width = work->width, n = 0, mark = saves_mark(work->workspace);
	if (!work->part->embeds)
		return 0;
	float *text = saves_push(work->workspace, "language text rows", work->rows * width);
	int32_t *ids = (int32_t *)saves_push(work->workspace, "language text ids", work->rows);
	if (!text || !ids)
		return -1;
	for (size_t i = 0; i < work->rows; i++)
		if (batch->ids.at[i] >= 0) {
			memcpy(text + n * width, drows + i * width, width * sizeof *text);
			ids[n++] = batch->ids.at[i];
		}
	int status = llama_network_embed_backward(work->part->network, ids, n, text);
	saves_reset(work->workspace, mark);
	return status;
}

static void gather(const struct work *work)
{
	const struct ids *targets = &work->pass->batch->targets;
	for (size_t i = 0, n = 0; i < work->rows; i++)
		if (targets->at[i] >= 0)
			memcpy(work->chosen + n++ * work->width, work->hidden + i * work->width,
			    work->width * sizeof *work->chosen);
}

/* Gradients of the chosen rows back among all, the others' being zero. */
static void scatter(const struct work *work)
{
	const struct ids *targets = &work->pass->batch->targets;
	for (size_t i = 0, n = 0; i < work->rows; i++) {
		float *row = work->values + i * work->width;
		if (targets->at[i] >= 0)
			memcpy(row, work->chosen + n++ * work->width, work->width * sizeof *row);
		else
			memset(row, 0, work->width * sizeof *row);
	}
}

/* How many answers are right in all tokens. */
static int count_exact(const struct work *work, struct stage_report *report)
{
	const struct language_batch *batch = work->pass->batch;
	size_t classes = llama_network_vocabulary(work->part->network), right = 0;
	bool *wrong = memory_allocate_zero(batch->answers, sizeof *wrong);
	bool *seen = memory_allocate_zero(batch->answers, sizeof *seen);
	for (size_t i = 0, n = 0; wrong && seen && i < work->rows; i++) {
		if (batch->targets.at[i] < 0)
			continue;
		const float *row = work->logits + n++ * classes;
		size_t best = 0;
		for (size_t c = 1; c < classes; c++)
			best = row[c] > row[best] ? c : best;
		seen[batch->answer.at[i]] = true;
		if (best != (size_t)batch->targets.at[i])
			wrong[batch->answer.at[i]] = true;
	}
	size_t all = 0;
	for (size_t i = 0; wrong && seen && i < batch->answers; i++) {
		all += seen[i];
		right += seen[i] && !wrong[i];
	}
	int status = wrong && seen ? 0 : -1;
	memory_release(wrong);
	memory_release(seen);
	if (status == 0)
		stage_report_add(report, "exact", (double)right, (double)all);
	return status;
}

static int run_forward(struct work *work)
{
	struct language_part *part = work->part;
	struct saves *saves = work->pass->training ? work->saves : NULL;
	if (fill_rows(work) < 0 ||
	    llama_network_forward(part->network, &work->llama, work->values, saves, work->hidden) < 0)
		return -1;
	gather(work);
	return llama_network_head(part->network, work->chosen, work->counted, saves, work->logits);
}

static int run_backward(struct work *work)
{
	const struct language_pass *pass = work->pass;
	struct llama_network *network = work->part->network;
	size_t width = work->width, mark = saves_mark(work->workspace);
	bool below = pass->dprompts || work->part->embeds;
	float *dchosen = saves_push(work->workspace, "language dchosen", work->counted * width);
	if (!dchosen || llama_network_head_backward(network, work->chosen, work->counted, work->logits,
	                    work->saves, dchosen) < 0)
		return -1;
	memcpy(work->chosen, dchosen, work->counted * width * sizeof *dchosen);
	saves_reset(work->workspace, mark);
	scatter(work);
	if (llama_network_backward(
	        network, &work->llama, work->saves, work->values, below ? work->hidden : NULL) < 0)
		return -1;
	if (pass->dprompts)
		add_prompts(work, work->hidden);
	return add_embeddings(work, work->hidden);
}

int language_part_run(struct language_part *part, const struct language_pass *pass,
    struct saves *saves, struct saves *workspace, struct stage_report *report)
{
	struct work work = { .part = part, .pass = pass, .saves = saves, .workspace = workspace };
	struct entropy entropy;
	if (pass->batch->counted == 0)
		return 0;
	size_t mark = saves_mark(workspace);
	if (begin_work(&work) < 0 || run_forward(&work) < 0 ||
	    (!pass->training && count_exact(&work, report) < 0) ||
	    cross_entropy(work.logits, work.counted, llama_network_vocabulary(part->network),
	        work.targets, 0, pass->scale / (float)work.counted, &entropy) < 0)
		return -1;
	stage_report_add(report, "lm", entropy.loss, (double)entropy.counted);
	stage_report_add(report, "lm-right", (double)entropy.right, (double)entropy.counted);
	report->total += entropy.loss / (double)entropy.counted;
	int status = pass->training ? run_backward(&work) : 0;
	saves_reset(workspace, mark);
	return status;
}
