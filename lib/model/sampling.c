/* sampling.c - drawing the next token, see sampling.h. The best candidates are taken from a heap
 * one by one until k or p is reached, so that a large vocabulary is never sorted as a whole.
 */
#include "model/sampling.h"

#include <math.h>
#include <stdbool.h>

static bool is_better(const struct candidate *a, const struct candidate *b)
{
	return a->score > b->score || (a->score == b->score && a->id < b->id);
}

static void swap(struct candidate *a, struct candidate *b)
{
	struct candidate kept = *a;
	*a = *b;
	*b = kept;
}

/* The heap lies in reverse: its root is heap[-0], its children heap[-1], heap[-2] and so on, so
 * that what is taken off can be gathered from the array's beginning without more memory. */
static void sift(struct candidate *root, size_t from, size_t count)
{
	for (;;) {
		size_t best = from;
		for (size_t child = 2 * from + 1; child <= 2 * from + 2 && child < count; child++)
			if (is_better(root - child, root - best))
				best = child;
		if (best == from)
			return;
		swap(root - from, root - best);
		from = best;
	}
}

struct selection {
	struct candidate *candidates; /* [0, taken): best first; behind them the heap */
	size_t count, taken;
};

static void selection_begin(struct selection *selection, struct candidate *candidates, size_t count)
{
	*selection = (struct selection){ candidates, count, 0 };
	for (size_t i = count / 2; i-- > 0;)
		sift(candidates + count - 1, i, count);
}

/* Move the best of the rest, which must not be empty, to its place. */
static const struct candidate *selection_next(struct selection *selection)
{
	size_t left = selection->count - selection->taken;
	struct candidate *root = selection->candidates + selection->count - 1;
	struct candidate *place = selection->candidates + selection->taken++; /* the last leaf */
	swap(root, place);
	sift(root, 0, left - 1);
	return place;
}

/* Keep k, and those that equal the k-th, as transformers' TopKLogitsWarper does. */
static size_t keep_top_k(struct candidate *candidates, size_t count, size_t k)
{
	struct selection selection;
	selection_begin(&selection, candidates, count);
	float least = 0;
	while (selection.taken < k)
		least = selection_next(&selection)->score;
	while (selection.taken < count && candidates[count - 1].score == least)
		selection_next(&selection);
	return selection.taken;
}

/* Keep the fewest best whose probabilities reach p. */
static size_t keep_top_p(struct candidate *candidates, size_t count, double p)
{
	struct selection selection;
	selection_begin(&selection, candidates, count);
	double sum = 0;
	do
		sum += selection_next(&selection)->probability;
	while (sum < p && selection.taken < count);
	return selection.taken;
}

static void normalise(struct candidate *candidates, size_t count, double temperature)
{
	float most = candidates[0].score;
	for (size_t i = 1; i < count; i++)
		if (candidates[i].score > most)
			most = candidates[i].score;
	double sum = 0;
	for (size_t i = 0; i < count; i++) {
		candidates[i].probability = exp(((double)candidates[i].score - most) / temperature);
		sum += candidates[i].probability;
	}
	for (size_t i = 0; i < count; i++)
		candidates[i].probability /= sum;
}

size_t sampling_candidates(const struct sampling *sampling, const float *scores, size_t count,
    struct candidate *candidates)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		if (isnan(scores[i]) || scores[i] == INFINITY)
			return 0;
		if (scores[i] > -INFINITY)
			candidates[kept++] = (struct candidate){ 0, scores[i], (int32_t)i };
	}
	if (kept == 0)
		return 0;
	if (sampling->top_k > 0 && (uint64_t)sampling->top_k < kept)
		kept = keep_top_k(candidates, kept, (size_t)sampling->top_k);
	normalise(candidates, kept, sampling->temperature);
	if (sampling->top_p < 1) {
		kept = keep_top_p(candidates, kept, sampling->top_p);
		normalise(candidates, kept, sampling->temperature);
	}
	return kept;
}

int32_t sampling_draw(const struct candidate *candidates, size_t count, struct random *random)
{
	double drawn = random_unit(random), sum = 0;
	for (size_t i = 0; i + 1 < count; i++) {
		sum += candidates[i].probability;
		if (drawn < sum)
			return candidates[i].id;
	}
	return candidates[count - 1].id;
}
