/* score_batch.c - records scored side by side, see score_batch.h. */
#include "model/score_batch.h"

#include <string.h>

#include "base/memory.h"
#include "model/outlet.h"
#include "model/prompt.h"
#include "model/score.h"

struct entry {
	char *key;
	struct given_score *scores;
	size_t count;
	bool failed, damage;
	enum error_kind error;
	char *reason;
};

struct score_batch {
	struct score_plan plan;
	struct scorer *scorer;
	struct entry *entries; /* [plan.most] */
	size_t first, count;   /* those that are not out are first .. count - 1 */
};

struct score_batch *score_batch_new(const struct score_plan *plan)
{
	struct score_batch *batch = memory_allocate_zero(1, sizeof *batch);
	if (batch == NULL)
		return NULL;
	batch->plan = *plan;
	batch->scorer = scorer_new(plan->llama, plan->most, plan->id_limit);
	batch->entries = memory_allocate_zero(plan->most, sizeof *batch->entries);
	if (batch->scorer == NULL || batch->entries == NULL) {
		score_batch_release(batch);
		return NULL;
	}
	return batch;
}

/* Entries that are out, or all. */
static void clear(struct score_batch *batch, size_t end)
{
	for (size_t i = 0; batch->entries != NULL && i < end; i++) {
		memory_release(batch->entries[i].key);
		memory_release(batch->entries[i].scores);
		memory_release(batch->entries[i].reason);
		batch->entries[i] = (struct entry){ 0 };
	}
}

void score_batch_release(struct score_batch *batch)
{
	if (batch == NULL)
		return;
	clear(batch, batch->count);
	scorer_release(batch->scorer);
	memory_release(batch->entries);
	memory_release(batch);
}

size_t score_batch_count(const struct score_batch *batch)
{
	return batch->count - batch->first;
}

bool score_batch_has_room(const struct score_batch *batch)
{
	return batch->count < batch->plan.most || batch->first == batch->count;
}

/* The prompt and the answers behind it to the scorer. 0, or -1: nothing of it is there. */
static int prepare(struct score_batch *batch, struct entry *entry, const struct inquiry *inquiry)
{
	const struct score_plan *plan = &batch->plan;
	struct template_turn turn = { inquiry->question, NULL };
	size_t count;
	float *rows =
	    prompt_rows(plan->rules, plan->llama, &turn, 1, inquiry->picture, inquiry->rows, &count);
	int status = rows == NULL ? -1 : scorer_prompt(batch->scorer, rows, count);
	memory_release(rows);
	if (status != 0)
		return -1;
	status = candidates_score(
	    plan->candidates, batch->scorer, entry->key, &entry->scores, &entry->count);
	if (status != 0)
		scorer_take_back(batch->scorer);
	return status;
}

int score_batch_add(struct score_batch *batch, const struct inquiry *inquiry)
{
	if (batch->first == batch->count) {
		clear(batch, batch->count);
		batch->first = batch->count = 0;
	}
	struct entry *entry = &batch->entries[batch->count++];
	const char *reason = inquiry->reason;
	*entry = (struct entry){ .failed = inquiry->kind != INQUIRY_QUESTION,
		.damage = inquiry->kind == INQUIRY_DAMAGE,
		.error = inquiry->error };
	if (inquiry->key != NULL) {
		entry->key = memory_text(inquiry->key, strlen(inquiry->key));
		if (entry->key == NULL)
			return -1;
	}
	if (inquiry->kind == INQUIRY_QUESTION && prepare(batch, entry, inquiry) != 0) {
		if (error_kind() == ERROR_SYSTEM)
			return -1;
		entry->failed = true;
		entry->error = error_kind();
		reason = error_text();
	}
	if (entry->failed && reason != NULL)
		entry->reason = memory_text(reason, strlen(reason));
	return 0;
}

int score_batch_run(struct score_batch *batch)
{
	return scorer_run(batch->scorer);
}

static int send(struct score_batch *batch, const struct entry *entry)
{
	const struct score_plan *plan = &batch->plan;
	if (plan->rank != SCORE_IN_ORDER)
		candidates_rank(entry->scores, entry->count, plan->rank == SCORE_BY_MEAN);
	for (size_t i = 0; i < entry->count; i++) {
		const struct given_answer *given = entry->scores[i].answer;
		if (outlet_score(
		        plan->outlet, entry->key, given->text, given->ids.count, entry->scores[i].sum) != 0)
			return -1;
	}
	return 0;
}

int score_batch_write(struct score_batch *batch, struct batch_failure *failure)
{
	while (batch->first < batch->count) {
		const struct entry *entry = &batch->entries[batch->first++];
		if (entry->failed) {
			*failure =
			    (struct batch_failure){ entry->key, entry->reason, entry->error, entry->damage };
			return 1;
		}
		if (send(batch, entry) != 0)
			return -1;
	}
	return 0;
}
