/* candidates.c - reading given answers, see candidates.h. */
#include "model/candidates.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

enum { MOST_CANDIDATES = 1 << 20 };

static int read_answer(struct given_answer *answer, const struct lines *lines,
    const struct bpe *bpe, const struct bpe_options *options, int32_t end)
{
	size_t size = strlen(lines->text);
	if (size == 0)
		return error_input("line %zu: an empty answer", lines->number);
	answer->text = memory_text(lines->text, size);
	if (lines->key != NULL)
		answer->key = memory_text(lines->key, strlen(lines->key));
	if (answer->text == NULL || (lines->key != NULL && answer->key == NULL))
		return -1;
	if (bpe_encode(bpe, answer->text, size, options, &answer->ids) != 0)
		return error_context("line %zu", lines->number);
	return end >= 0 ? ids_add(&answer->ids, end) : 0;
}

static int read_all(struct candidates *candidates, struct lines *lines, const struct bpe *bpe,
    const struct bpe_options *options, int32_t end)
{
	int found;
	while ((found = lines_next(lines)) > 0) {
		if (candidates->count == MOST_CANDIDATES)
			return error_input("more than %d answers", MOST_CANDIDATES);
		void *at = candidates->at;
		if (memory_grow(
		        &at, &candidates->capacity, candidates->count + 1, sizeof *candidates->at) != 0)
			return -1;
		candidates->at = at;
		struct given_answer *answer = &candidates->at[candidates->count++];
		*answer = (struct given_answer){ 0 };
		if (read_answer(answer, lines, bpe, options, end) != 0)
			return -1;
	}
	if (found == 0 && candidates->count == 0)
		return error_input("holds no answer");
	return found;
}

int candidates_open(struct candidates *candidates, const char *path, const struct bpe *bpe,
    const struct bpe_options *options, int32_t end)
{
	struct lines lines;
	if (lines_open(&lines, path, LINES_OPTIONAL) != 0)
		return -1;
	int status = read_all(candidates, &lines, bpe, options, end);
	lines_close(&lines);
	return status != 0 ? error_as(ERROR_SYSTEM) : 0;
}

void candidates_meet(struct candidates *candidates, const char *key)
{
	for (size_t i = 0; i < candidates->count; i++)
		if (candidates->at[i].key != NULL && strcmp(candidates->at[i].key, key) == 0)
			candidates->at[i].met = true;
}

int candidates_all_met(const struct candidates *candidates)
{
	size_t count = 0;
	const char *first = NULL;
	for (size_t i = candidates->count; i-- > 0;) {
		const struct given_answer *answer = &candidates->at[i];
		if (answer->key == NULL || answer->met)
			continue;
		first = answer->key;
		count++;
	}
	if (count == 0)
		return 0;
	return error_input("%zu %s about records that did not come, the first about \"%.200s\"", count,
	    count == 1 ? "answer is" : "answers are", first);
}

int candidates_score(struct candidates *candidates, struct scorer *scorer, const char *key,
    struct given_score **scores, size_t *count)
{
	*count = 0;
	*scores = memory_allocate(candidates->count, sizeof **scores);
	if (*scores == NULL)
		return -1;
	candidates_meet(candidates, key);
	for (size_t i = 0; i < candidates->count; i++) {
		const struct given_answer *answer = &candidates->at[i];
		if (answer->key != NULL && strcmp(answer->key, key) != 0)
			continue;
		struct given_score *score = &(*scores)[(*count)++];
		score->answer = answer;
		if (scorer_add(scorer, answer->ids.at, answer->ids.count, &score->sum) != 0)
			return error_context("answer \"%.200s\"", answer->text);
	}
	return 0;
}

static double rank_of(const struct given_score *score, bool by_mean)
{
	size_t count = score->answer->ids.count;
	return by_mean && count > 0 ? score->sum / (double)count : score->sum;
}

static int better_sum(const void *a, const void *b)
{
	const struct given_score *one = a, *two = b;
	double left = rank_of(one, false), right = rank_of(two, false);
	if (left != right)
		return left > right ? -1 : 1;
	return one->answer < two->answer ? -1 : 1;
}

static int better_mean(const void *a, const void *b)
{
	const struct given_score *one = a, *two = b;
	double left = rank_of(one, true), right = rank_of(two, true);
	if (left != right)
		return left > right ? -1 : 1;
	return one->answer < two->answer ? -1 : 1;
}

void candidates_rank(struct given_score *scores, size_t count, bool by_mean)
{
	qsort(scores, count, sizeof *scores, by_mean ? better_mean : better_sum);
}

void candidates_clear(struct candidates *candidates)
{
	for (size_t i = 0; i < candidates->count; i++) {
		memory_release(candidates->at[i].key);
		memory_release(candidates->at[i].text);
		ids_clear(&candidates->at[i].ids);
	}
	memory_release(candidates->at);
	*candidates = (struct candidates){ 0 };
}
