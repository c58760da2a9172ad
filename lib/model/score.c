/* score.c - log-likelihoods of given answers, see score.h. */
#include "model/score.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/llama.h"
#include "model/logits.h"

/* Rows that go through the model at once: bounds the logits that are held. */
enum { ROWS = 128 };

/* An answer to be scored. */
struct task {
	const int32_t *ids;
	size_t count;
	double *sum;
};

struct prompt {
	struct llama_cache *cache;
	float *first;     /* [vocabulary]: what follows the prompt */
	size_t length;    /* rows */
	size_t next, end; /* its tasks that are not begun */
};

/* A sequence behind a prompt, for one task after the other. */
struct lane {
	struct llama_cache *cache;
	struct prompt *prompt;
	const struct task *task; /* NULL: none */
	size_t done;             /* tokens of it that were read */
	size_t rows;             /* of the pass at hand */
};

struct scorer {
	struct llama *llama;
	size_t most, id_limit, vocabulary;
	struct prompt *prompts;    /* [most] */
	struct llama_cache **more; /* [most]: caches of further lanes */
	struct lane *lanes;        /* [most] */
	struct task *tasks;
	size_t prompt_count, lane_count, task_count, task_room;
	float *logits;               /* [ROWS][vocabulary] */
	struct llama_cache **caches; /* [max(ROWS, most)] */
	int32_t ids[ROWS];
};

struct scorer *scorer_new(struct llama *llama, size_t most, size_t id_limit)
{
	struct scorer *scorer = memory_allocate_zero(1, sizeof *scorer);
	if (scorer == NULL)
		return NULL;
	scorer->llama = llama;
	scorer->most = most;
	scorer->vocabulary = llama_vocabulary(llama);
	scorer->id_limit =
	    id_limit > 0 && id_limit < scorer->vocabulary ? id_limit : scorer->vocabulary;
	scorer->prompts = memory_allocate_zero(most, sizeof *scorer->prompts);
	scorer->more = memory_allocate_zero(most, sizeof(struct llama_cache *));
	scorer->lanes = memory_allocate_zero(most, sizeof *scorer->lanes);
	scorer->caches = memory_allocate(most > ROWS ? most : ROWS, sizeof(struct llama_cache *));
	size_t logits;
	if (checked_multiply(ROWS, scorer->vocabulary, &logits))
		scorer->logits = memory_allocate(logits, sizeof(float));
	if (scorer->prompts == NULL || scorer->more == NULL || scorer->lanes == NULL ||
	    scorer->caches == NULL || scorer->logits == NULL) {
		scorer_release(scorer);
		return NULL;
	}
	return scorer;
}

void scorer_release(struct scorer *scorer)
{
	if (scorer == NULL)
		return;
	for (size_t i = 0; scorer->prompts != NULL && i < scorer->most; i++) {
		llama_cache_release(scorer->prompts[i].cache);
		memory_release(scorer->prompts[i].first);
	}
	for (size_t i = 0; scorer->more != NULL && i < scorer->most; i++)
		llama_cache_release(scorer->more[i]);
	memory_release(scorer->prompts);
	memory_release(scorer->more);
	memory_release(scorer->lanes);
	memory_release(scorer->tasks);
	memory_release(scorer->logits);
	memory_release(scorer->caches);
	memory_release(scorer);
}

int scorer_prompt(struct scorer *scorer, const float *rows, size_t count)
{
	struct prompt *prompt = &scorer->prompts[scorer->prompt_count];
	if (prompt->cache == NULL)
		prompt->cache = llama_cache_new(scorer->llama);
	if (prompt->first == NULL)
		prompt->first = memory_allocate(scorer->vocabulary, sizeof(float));
	if (prompt->cache == NULL || prompt->first == NULL)
		return -1;
	llama_cache_truncate(prompt->cache, 0);
	if (llama_prefill(scorer->llama, prompt->cache, rows, count, false, prompt->first) != 0)
		return -1;
	prompt->length = count;
	prompt->next = prompt->end = scorer->task_count;
	scorer->prompt_count++;
	return 0;
}

/* The log-probability of id after the row whose logits are given. */
static double logprob_of(const struct scorer *scorer, const float *logits, int32_t id)
{
	if ((size_t)id >= scorer->id_limit)
		return -INFINITY;
	return logits[id] - logits_log_sum(logits, scorer->id_limit);
}

int scorer_add(struct scorer *scorer, const int32_t *ids, size_t count, double *sum)
{
	struct prompt *prompt = &scorer->prompts[scorer->prompt_count - 1];
	size_t positions = llama_positions(scorer->llama);
	*sum = 0;
	if (count == 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (ids[i] < 0 || (size_t)ids[i] >= scorer->vocabulary)
			return error_input("the model has no row for id %d", (int)ids[i]);
	if (count - 1 > positions - prompt->length) /* nobody reads the last one */
		return error_input("the sequence would be %zu tokens long, the model takes up to %zu",
		    prompt->length + count - 1, positions);
	if (memory_grow((void **)&scorer->tasks, &scorer->task_room, scorer->task_count + 1,
	        sizeof *scorer->tasks) != 0)
		return -1;
	*sum = logprob_of(scorer, prompt->first, ids[0]);
	if (count > 1)
		scorer->tasks[scorer->task_count++] = (struct task){ ids, count, sum };
	prompt->end = scorer->task_count;
	return 0;
}

void scorer_take_back(struct scorer *scorer)
{
	scorer->prompt_count--;
	scorer->task_count = scorer->prompts[scorer->prompt_count].next;
}

/* Lanes for a prompt, whose rows they all begin with. 0, or -1: memory. */
static int open_lanes(struct scorer *scorer, struct prompt *prompt)
{
	size_t share = scorer->most / scorer->prompt_count, tasks = prompt->end - prompt->next;
	size_t count = tasks < share ? tasks : share, first = scorer->lane_count;
	for (size_t i = 0; i < count; i++) {
		struct llama_cache **cache = &prompt->cache;
		if (i > 0)
			cache = &scorer->more[first + i];
		if (*cache == NULL)
			*cache = llama_cache_new(scorer->llama);
		if (*cache == NULL)
			return -1;
		scorer->caches[i] = *cache;
		scorer->lanes[first + i] = (struct lane){ .cache = *cache, .prompt = prompt };
	}
	scorer->lane_count += count;
	return count > 1 ? llama_cache_fork(scorer->caches, count) : 0;
}

/* The rows that the lanes have in the next pass. */
static size_t gather(struct scorer *scorer)
{
	size_t rows = 0;
	for (size_t i = 0; i < scorer->lane_count; i++) {
		struct lane *lane = &scorer->lanes[i];
		struct prompt *prompt = lane->prompt;
		if (lane->task == NULL && prompt->next < prompt->end) {
			lane->task = &scorer->tasks[prompt->next++];
			lane->done = 0;
		}
		size_t left = lane->task == NULL ? 0 : lane->task->count - 1 - lane->done;
		lane->rows = left < ROWS - rows ? left : ROWS - rows;
		for (size_t row = 0; row < lane->rows; row++, rows++) {
			scorer->caches[rows] = lane->cache;
			scorer->ids[rows] = lane->task->ids[lane->done + row];
		}
	}
	return rows;
}

/* Each row tells the probability of the token behind it. */
static void add_up(struct scorer *scorer)
{
	const float *logits = scorer->logits;
	for (size_t i = 0; i < scorer->lane_count; i++) {
		struct lane *lane = &scorer->lanes[i];
		for (size_t row = 0; row < lane->rows; row++, logits += scorer->vocabulary)
			*lane->task->sum += logprob_of(scorer, logits, lane->task->ids[++lane->done]);
		if (lane->task != NULL && lane->done + 1 == lane->task->count) {
			llama_cache_truncate(lane->cache, lane->prompt->length);
			lane->task = NULL;
		}
	}
}

int scorer_run(struct scorer *scorer)
{
	size_t rows;
	int status = 0;
	scorer->lane_count = 0;
	for (size_t i = 0; status == 0 && i < scorer->prompt_count; i++)
		status = open_lanes(scorer, &scorer->prompts[i]);
	while (status == 0 && (rows = gather(scorer)) > 0) {
		status = llama_decode(scorer->llama, scorer->caches, scorer->ids, rows, scorer->logits);
		if (status == 0)
			add_up(scorer);
	}
	for (size_t i = 0; i < scorer->lane_count; i++)
		llama_cache_truncate(scorer->lanes[i].cache, 0);
	scorer->prompt_count = scorer->task_count = 0;
	return status;
}
