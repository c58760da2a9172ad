/* language_batch.c - talks and texts as sequences for training (see language_part.h). */
#include "base/error.h"
#include "base/memory.h"
#include "train/language_part.h"

#include <string.h>

void language_batch_clear(struct language_batch *batch)
{
	batch->ids.count = batch->targets.count = batch->answer.count = 0;
	batch->count = batch->answers = batch->counted = 0;
}

void language_batch_release(struct language_batch *batch)
{
	ids_clear(&batch->ids);
	ids_clear(&batch->targets);
	ids_clear(&batch->answer);
	memory_release(batch->start);
	memory_release(batch->prompt);
	*batch = (struct language_batch){ 0 };
}

int language_batch_begin(struct language_batch *batch, size_t prompt)
{
	if (memory_grow((void **)&batch->start, &batch->start_capacity, batch->count + 2,
	        sizeof *batch->start) < 0 ||
	    memory_grow((void **)&batch->prompt, &batch->prompt_capacity, batch->count + 1,
	        sizeof *batch->prompt) < 0)
		return -1;
	batch->start[batch->count] = batch->ids.count;
	batch->prompt[batch->count] = prompt;
	return 0;
}

int language_batch_add(struct language_batch *batch, const int32_t *ids, size_t count, bool answer)
{
	for (size_t i = 0; i < count; i++) {
		size_t row = batch->ids.count;
		if (ids_add(&batch->ids, ids[i]) < 0 || ids_add(&batch->targets, -1) < 0 ||
		    ids_add(&batch->answer, -1) < 0)
			return -1;
		if (!answer || row == batch->start[batch->count])
			continue;
		batch->targets.at[row - 1] = ids[i];
		batch->answer.at[row - 1] = (int32_t)batch->answers;
		batch->counted++;
	}
	batch->answers += answer;
	return 0;
}

int language_batch_end(struct language_batch *batch)
{
	size_t first = batch->start[batch->count];
	if (batch->ids.count - first < 2) {
		batch->ids.count = batch->targets.count = batch->answer.count = first;
		return 0;
	}
	batch->start[++batch->count] = batch->ids.count;
	return 0;
}

size_t language_batch_most(const struct language_part *part, size_t picture_rows)
{
	size_t positions = llama_network_positions(part->network);
	size_t most = part->text_most + picture_rows;
	return most < positions ? most : positions;
}

/* Ids of an answer, blanks around it left off as templates do. */
static int encode_answer(const struct language_part *part, const char *answer, struct ids *ids)
{
	struct bpe_options options = prompt_answer_options(&part->rules);
	size_t size = strlen(answer);
	while (size > 0 && strchr(" \t\r\n", *answer))
		answer++, size--;
	while (size > 0 && strchr(" \t\r\n", answer[size - 1]))
		size--;
	if (bpe_encode(part->bpe, answer, size, &options, ids) < 0)
		return -1;
	return part->eos >= 0 ? ids_add(ids, part->eos) : 0;
}

/* Does the sequence being made, from row first on, stand in front of these ids? */
static bool goes_on(const struct language_batch *batch, const struct ids *ids)
{
	size_t first = batch->start[batch->count], count = batch->ids.count - first;
	return count > 0 && count < ids->count &&
	       memcmp(batch->ids.at + first, ids->at, count * sizeof *ids->at) == 0;
}

/* The next answer with what stands before it; *begun: a sequence is being made. 1, or 0: there is
 * no room for it; -1. */
static int add_turn(struct language_batch *batch, const struct ids *before,
    const struct ids *answer, size_t prompt, size_t most, bool *begun)
{
	if (before->count >= most)
		return 0;
	bool on = *begun && goes_on(batch, before);
	if (*begun && !on && language_batch_end(batch) < 0)
		return -1;
	if (!on && language_batch_begin(batch, prompt) < 0)
		return -1;
	*begun = true;
	size_t have = batch->ids.count - batch->start[batch->count];
	size_t room = most - before->count;
	size_t count = answer->count < room ? answer->count : room;
	return language_batch_add(batch, before->at + have, before->count - have, false) < 0 ||
	               language_batch_add(batch, answer->at, count, true) < 0
	           ? -1
	           : 1;
}

int language_batch_talk(const struct language_part *part, struct language_batch *batch,
    const struct template_turn *turns, size_t count, size_t only, size_t prompt, size_t rows)
{
	struct template_turn talk[EXAMPLE_TURNS_MOST];
	struct ids before = { 0 }, answer = { 0 };
	bool begun = false;
	int status = 1;
	for (size_t i = 0; status > 0 && i < count && i < EXAMPLE_TURNS_MOST; i++) {
		talk[i] = (struct template_turn){ turns[i].question, NULL };
		before.count = answer.count = 0;
		if (only == SIZE_MAX || only == i) {
			if (prompt_sequence(&part->rules, talk, i + 1, rows, &before) < 0 ||
			    encode_answer(part, turns[i].answer, &answer) < 0)
				status = -1;
			else
				status = add_turn(
				    batch, &before, &answer, prompt, language_batch_most(part, rows), &begun);
		}
		talk[i].answer = turns[i].answer;
		if (only == i)
			break;
	}
	if (begun && language_batch_end(batch) < 0)
		status = -1;
	ids_clear(&before);
	ids_clear(&answer);
	return status < 0 ? -1 : 0;
}

int language_batch_text(
    const struct language_part *part, struct language_batch *batch, const char *text)
{
	struct bpe_options options = prompt_answer_options(&part->rules);
	struct ids ids = { 0 };
	size_t most = language_batch_most(part, 0);
	int status = part->bos >= 0 ? ids_add(&ids, part->bos) : 0;
	if (status == 0)
		status = bpe_encode(part->bpe, text, strlen(text), &options, &ids);
	if (status == 0 && bpe_eos(part->bpe) >= 0)
		status = ids_add(&ids, bpe_eos(part->bpe));
	if (status == 0)
		status = language_batch_begin(batch, 0);
	if (status == 0)
		status = language_batch_add(batch, ids.at, ids.count < most ? ids.count : most, true);
	if (status == 0)
		status = language_batch_end(batch);
	ids_clear(&ids);
	return status;
}
