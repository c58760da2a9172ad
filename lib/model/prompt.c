/* prompt.c - dialogues to rows of embeddings, see prompt.h. */
#include "model/prompt.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/llama.h"

static int add_picture(struct ids *sequence, size_t rows)
{
	for (size_t row = 0; row < rows; row++)
		if (ids_add(sequence, prompt_picture_row(row)) != 0)
			return -1;
	return 0;
}

/* What the caller settled goes before what template or model say. */
static void settle(const struct prompt_rules *rules, bool first, struct bpe_options *options)
{
	if (rules->bos != PROMPT_BOS_TEMPLATE)
		options->bos = first && rules->bos == PROMPT_BOS_YES;
	if (rules->added != BPE_ADDED_MODEL)
		options->added = rules->added;
	if (rules->modern_is_settled)
		options->modern = rules->modern;
}

static int raw_sequence(const struct prompt_rules *rules, const struct template_turn *turns,
    size_t count, size_t picture_rows, struct ids *sequence)
{
	if (count != 1)
		return error_system("several turns need a template");
	struct bpe_options options = { .added = rules->added, .modern = rules->modern };
	settle(rules, true, &options);
	if (add_picture(sequence, picture_rows) != 0)
		return -1;
	const char *text = turns[0].question;
	return bpe_encode(rules->bpe, text, strlen(text), &options, sequence);
}

struct bpe_options prompt_answer_options(const struct prompt_rules *rules)
{
	const struct template_segment segment = { 0 };
	struct bpe_options options = { .added = rules->added, .modern = rules->modern };
	if (rules->template != NULL)
		options = template_options(rules->template, &segment, rules->added, rules->modern);
	settle(rules, false, &options);
	return options;
}

int prompt_sequence(const struct prompt_rules *rules, const struct template_turn *turns,
    size_t count, size_t picture_rows, struct ids *sequence)
{
	if (rules->template == NULL)
		return raw_sequence(rules, turns, count, picture_rows, sequence);
	struct template_prompt prompt = { 0 };
	int status = template_render(rules->template, turns, count, picture_rows > 0, &prompt);
	bool first = true; /* the first text */
	for (size_t i = 0; status == 0 && i < prompt.count; i++) {
		const struct template_segment *segment = &prompt.segments[i];
		if (segment->image) {
			status = add_picture(sequence, picture_rows);
			continue;
		}
		struct bpe_options options =
		    template_options(rules->template, segment, rules->added, rules->modern);
		settle(rules, first, &options);
		first = false;
		status = bpe_encode(rules->bpe, segment->text, segment->size, &options, sequence);
	}
	if (status == 0 && first && rules->bos == PROMPT_BOS_YES) /* a prompt without any text */
		status = ids_add(sequence, bpe_bos(rules->bpe));
	template_prompt_clear(&prompt);
	return status;
}

int prompt_embed(const struct llama *llama, const int32_t *sequence, size_t count,
    const float *picture, float *rows)
{
	size_t width = llama_width(llama), vocabulary = llama_vocabulary(llama);
	for (size_t i = 0; i < count; i++) {
		if (sequence[i] < 0) {
			size_t row = (size_t)(-1 - sequence[i]);
			memcpy(rows + i * width, picture + row * width, width * sizeof *rows);
			continue;
		}
		if ((size_t)sequence[i] >= vocabulary)
			return error_system("the tokenizer has id %d, but the model has only %zu rows",
			    (int)sequence[i], vocabulary);
		llama_embed(llama, &sequence[i], 1, rows + i * width);
	}
	return 0;
}

int prompt_fitting_sequence(const struct prompt_rules *rules, const struct llama *llama,
    const struct template_turn *turns, size_t count, size_t picture_rows, struct ids *sequence)
{
	if (prompt_sequence(rules, turns, count, picture_rows, sequence) != 0)
		return -1;
	if (sequence->count == 0)
		return error_input("the prompt is empty");
	if (sequence->count > llama_positions(llama))
		return error_input("the prompt takes %zu positions, the model has %zu", sequence->count,
		    llama_positions(llama));
	return 0;
}

size_t prompt_picture_end(const struct ids *sequence)
{
	size_t end = sequence->count;
	while (end > 0 && sequence->at[end - 1] >= 0)
		end--;
	return end < sequence->count ? end : 0;
}

float *prompt_rows(const struct prompt_rules *rules, const struct llama *llama,
    const struct template_turn *turns, size_t turn_count, const float *picture, size_t picture_rows,
    size_t *count)
{
	struct ids sequence = { 0 };
	float *rows = NULL;
	size_t total = 0;
	int status = prompt_fitting_sequence(rules, llama, turns, turn_count, picture_rows, &sequence);
	if (status == 0 && !checked_multiply(sequence.count, llama_width(llama), &total))
		status = error_memory(SIZE_MAX);
	if (status == 0)
		rows = memory_allocate(total, sizeof *rows);
	if (rows != NULL && prompt_embed(llama, sequence.at, sequence.count, picture, rows) != 0) {
		memory_release(rows);
		rows = NULL;
	}
	*count = sequence.count;
	ids_clear(&sequence);
	return rows;
}
