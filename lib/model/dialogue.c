/* dialogue.c - several turns about one picture, see dialogue.h. */
#include "model/dialogue.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/llama.h"

struct dialogue {
	struct llama *llama;
	const struct prompt_rules *rules;
	struct generation *generation;
	const float *picture;
	size_t picture_rows;
	struct template_turn *turns; /* question and answer are ours */
	size_t count, capacity;      /* count: answered turns; the one asked now is turns[count] */
	struct ids sequence;         /* the last prompt, and what the answer added to the cache */
	size_t prompt_rows, reused;
};

struct dialogue *dialogue_new(struct llama *llama, struct generator *generator,
    const struct prompt_rules *rules, const float *picture, size_t picture_rows)
{
	struct dialogue *dialogue = memory_allocate_zero(1, sizeof *dialogue);
	if (dialogue == NULL)
		return NULL;
	dialogue->llama = llama;
	dialogue->rules = rules;
	dialogue->picture = picture;
	dialogue->picture_rows = picture_rows;
	dialogue->generation = generation_new(generator);
	if (dialogue->generation == NULL) {
		dialogue_release(dialogue);
		return NULL;
	}
	return dialogue;
}

static void forget_turn(struct template_turn *turn)
{
	memory_release((char *)turn->question);
	memory_release((char *)turn->answer);
	*turn = (struct template_turn){ 0 };
}

void dialogue_reset(struct dialogue *dialogue)
{
	while (dialogue->count > 0)
		forget_turn(&dialogue->turns[--dialogue->count]);
}

void dialogue_release(struct dialogue *dialogue)
{
	if (dialogue == NULL)
		return;
	dialogue_reset(dialogue);
	if (dialogue->turns != NULL)
		forget_turn(&dialogue->turns[0]); /* asked and never answered */
	generation_release(dialogue->generation);
	memory_release(dialogue->turns);
	ids_clear(&dialogue->sequence);
	memory_release(dialogue);
}

struct generation *dialogue_generation(struct dialogue *dialogue)
{
	return dialogue->generation;
}

size_t dialogue_turns(const struct dialogue *dialogue)
{
	return dialogue->count;
}

size_t dialogue_rows(const struct dialogue *dialogue)
{
	return dialogue->prompt_rows;
}

size_t dialogue_reused(const struct dialogue *dialogue)
{
	return dialogue->reused;
}

static int add_turn(struct dialogue *dialogue, const char *question)
{
	void *turns = dialogue->turns;
	size_t before = dialogue->capacity;
	if (memory_grow(&turns, &dialogue->capacity, dialogue->count + 1, sizeof *dialogue->turns) != 0)
		return -1;
	dialogue->turns = turns;
	for (size_t i = before; i < dialogue->capacity; i++)
		dialogue->turns[i] = (struct template_turn){ 0 };
	struct template_turn *turn = &dialogue->turns[dialogue->count];
	forget_turn(turn);
	turn->question = memory_text(question, strlen(question));
	return turn->question == NULL ? -1 : 0;
}

/* Run the rows of fresh behind the first `keep` that the cache holds. */
static int begin(struct dialogue *dialogue, const struct ids *fresh, size_t keep)
{
	size_t count = fresh->count - keep, total;
	if (!checked_multiply(count, llama_width(dialogue->llama), &total))
		return error_memory(SIZE_MAX);
	if (fresh->count > llama_positions(dialogue->llama))
		return error_input("the talk takes %zu positions, the model has %zu; /reset begins anew",
		    fresh->count, llama_positions(dialogue->llama));
	float *rows = memory_allocate(total, sizeof *rows);
	int status = rows == NULL ? -1
	                          : prompt_embed(dialogue->llama, fresh->at + keep, count,
	                                dialogue->picture, rows);
	if (status == 0)
		status = generation_begin(dialogue->generation, keep, rows, count, dialogue->count);
	if (status == 0)
		status = generation_look_up(dialogue->generation, fresh->at, fresh->count);
	memory_release(rows);
	return status;
}

int dialogue_ask(struct dialogue *dialogue, const char *question)
{
	struct ids fresh = { 0 };
	if (add_turn(dialogue, question) != 0)
		return -1;
	int status = prompt_sequence(
	    dialogue->rules, dialogue->turns, dialogue->count + 1, dialogue->picture_rows, &fresh);
	if (status == 0 && fresh.count == 0)
		status = error_input("the prompt is empty");
	if (status == 0) {
		size_t keep = 0;
		while (keep < dialogue->sequence.count && keep + 1 < fresh.count &&
		       dialogue->sequence.at[keep] == fresh.at[keep])
			keep++;
		status = begin(dialogue, &fresh, keep);
		dialogue->prompt_rows = fresh.count;
		dialogue->reused = keep;
		if (status != 0) /* the cache was not touched, or holds at least the common rows */
			dialogue->sequence.count =
			    keep < dialogue->sequence.count ? keep : dialogue->sequence.count;
	}
	if (status != 0) {
		forget_turn(&dialogue->turns[dialogue->count]);
		ids_clear(&fresh);
		return -1;
	}
	ids_clear(&dialogue->sequence);
	dialogue->sequence = fresh;
	return 0;
}

int dialogue_answer(struct dialogue *dialogue, const char *text, size_t size)
{
	struct template_turn *turn = &dialogue->turns[dialogue->count];
	char *answer = memory_text(text, size);
	if (answer == NULL)
		return -1;
	turn->answer = answer;
	dialogue->count++;
	struct generation_result result = { 0 };
	if (generation_results(dialogue->generation) > 0)
		result = generation_result(dialogue->generation, 0);
	if (result.logprobs == NULL || result.count < 2) /* beams end up in no known order */
		return 0;
	return ids_append(&dialogue->sequence, result.ids, result.count - 1);
}
