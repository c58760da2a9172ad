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
enum { ROWS = 32 };

struct scorer {
	struct llama *llama;
	struct llama_cache *cache;
	size_t id_limit, vocabulary, width, prompt;
	float *first;  /* [vocabulary]: what follows the prompt */
	float *logits; /* [ROWS][vocabulary] */
	float *rows;   /* [ROWS][width] */
};

struct scorer *scorer_new(struct llama *llama, size_t id_limit)
{
	struct scorer *scorer = memory_allocate_zero(1, sizeof *scorer);
	if (scorer == NULL)
		return NULL;
	scorer->llama = llama;
	scorer->vocabulary = llama_vocabulary(llama);
	scorer->width = llama_width(llama);
	scorer->id_limit =
	    id_limit > 0 && id_limit < scorer->vocabulary ? id_limit : scorer->vocabulary;
	scorer->cache = llama_cache_new(llama);
	scorer->first = memory_allocate(scorer->vocabulary, sizeof(float));
	size_t logits, rows;
	bool fits = checked_multiply(ROWS, scorer->vocabulary, &logits) &&
	            checked_multiply(ROWS, scorer->width, &rows);
	if (fits) {
		scorer->logits = memory_allocate(logits, sizeof(float));
		scorer->rows = memory_allocate(rows, sizeof(float));
	}
	if (scorer->cache == NULL || scorer->first == NULL || scorer->logits == NULL ||
	    scorer->rows == NULL) {
		scorer_release(scorer);
		return NULL;
	}
	return scorer;
}

void scorer_release(struct scorer *scorer)
{
	if (scorer == NULL)
		return;
	if (scorer->cache != NULL)
		llama_cache_release(scorer->cache);
	memory_release(scorer->first);
	memory_release(scorer->logits);
	memory_release(scorer->rows);
	memory_release(scorer);
}

int scorer_prompt(struct scorer *scorer, const float *rows, size_t count)
{
	llama_cache_truncate(scorer->cache, 0);
	scorer->prompt = count;
	return llama_prefill(scorer->llama, scorer->cache, rows, count, false, scorer->first);
}

/* The log-probability of id after the row whose logits are given. */
static double logprob_of(const struct scorer *scorer, const float *logits, int32_t id)
{
	if ((size_t)id >= scorer->id_limit)
		return -INFINITY;
	return logits[id] - logits_log_sum(logits, scorer->id_limit);
}

int scorer_score(struct scorer *scorer, const int32_t *ids, size_t count, double *sum)
{
	*sum = 0;
	if (count == 0)
		return 0;
	for (size_t i = 0; i < count; i++)
		if (ids[i] < 0 || (size_t)ids[i] >= scorer->vocabulary)
			return error_input("the model has no row for id %d", (int)ids[i]);
	llama_cache_truncate(scorer->cache, scorer->prompt);
	*sum = logprob_of(scorer, scorer->first, ids[0]);
	for (size_t done = 0;
	     done + 1 < count;) { /* ids[done] tells the probability of ids[done + 1] */
		size_t now = count - 1 - done < ROWS ? count - 1 - done : ROWS;
		llama_embed(scorer->llama, ids + done, now, scorer->rows);
		if (llama_prefill(scorer->llama, scorer->cache, scorer->rows, now, true, scorer->logits) !=
		    0)
			return -1;
		for (size_t i = 0; i < now; i++)
			*sum += logprob_of(scorer, scorer->logits + i * scorer->vocabulary, ids[done + 1 + i]);
		done += now;
	}
	return 0;
}
