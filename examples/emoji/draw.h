/* draw.h - choices out of a Philox stream: the same on every machine. */
#ifndef EMOJI_DRAW_H
#define EMOJI_DRAW_H

#include <stdbool.h>

#include "base/random.h"

/* A number in 0 .. n - 1. */
static inline int draw_below(struct random *random, int n)
{
	return (int)(random_unit(random) * n);
}

/* A number in least .. most, both possible. */
static inline int draw_between(struct random *random, int least, int most)
{
	return least + draw_below(random, most - least + 1);
}

static inline bool draw_percent(struct random *random, int percent)
{
	return draw_below(random, 100) < percent;
}

/* The place that a number below the sum of the weights falls into; -1 when all are 0. */
static inline int draw_weighted(struct random *random, const int *weights, int count)
{
	int sum = 0;
	for (int i = 0; i < count; i++)
		sum += weights[i];
	if (sum == 0)
		return -1;
	int left = draw_below(random, sum), i = 0;
	while (left >= weights[i])
		left -= weights[i++];
	return i;
}

static inline void draw_shuffle(struct random *random, int *numbers, int count)
{
	for (int i = count - 1; i > 0; i--) {
		int other = draw_below(random, i + 1), kept = numbers[i];
		numbers[i] = numbers[other];
		numbers[other] = kept;
	}
}

#endif
