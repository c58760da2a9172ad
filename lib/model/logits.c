/* logits.c - processors of next-token scores, see logits.h. */
#include "model/logits.h"

#include <math.h>

void logits_limit(float *scores, size_t count, size_t limit)
{
	for (size_t i = limit; i < count; i++)
		scores[i] = -INFINITY;
}

void logits_penalise(float *scores, size_t count, double penalty, const int32_t *seen,
    size_t seen_count, bool *marks)
{
	if (penalty == 1)
		return;
	for (size_t i = 0; i < seen_count; i++) {
		if (seen[i] < 0 || (size_t)seen[i] >= count || marks[seen[i]])
			continue;
		marks[seen[i]] = true;
		float *score = &scores[seen[i]];
		*score = (float)(*score > 0 ? *score / penalty : *score * penalty);
	}
	for (size_t i = 0; i < seen_count; i++)
		if (seen[i] >= 0 && (size_t)seen[i] < count)
			marks[seen[i]] = false;
}

void logits_forbid(float *scores, size_t count, int32_t id)
{
	if (id >= 0 && (size_t)id < count)
		scores[id] = -INFINITY;
}

double logits_log_sum(const float *scores, size_t count)
{
	float most = -INFINITY;
	for (size_t i = 0; i < count; i++)
		if (scores[i] > most)
			most = scores[i];
	if (most == -INFINITY)
		return -INFINITY;
	double sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += exp((double)scores[i] - most);
	return most + log(sum);
}

void logits_log_softmax(float *scores, size_t count)
{
	double sum = logits_log_sum(scores, count);
	if (sum == -INFINITY)
		return;
	for (size_t i = 0; i < count; i++)
		scores[i] = (float)(scores[i] - sum);
}

int32_t logits_best(const float *scores, size_t count)
{
	int32_t best = -1;
	for (size_t i = 0; i < count; i++) {
		if (isnan(scores[i]))
			return -1;
		if (scores[i] > (best < 0 ? -INFINITY : scores[best]))
			best = (int32_t)i;
	}
	return best;
}
