/* optimiser_vector.h - the loops of optimiser.h for vectors of LANES floats. The file of a CPU level
 * defines LANES, vector, pair (half as many doubles) and the primitives vector_root, pair_low and
 * pair_high (the halves of a vector as doubles) and pair_sum, then includes this.
 */
#ifndef ZV_NUM_OPTIMISER_VECTOR_H
#define ZV_NUM_OPTIMISER_VECTOR_H

#include "num/optimiser.h"

#include <string.h>

/* n elements, LANES at most, zeros behind them. */
static inline vector load(const float *from, size_t n)
{
	vector v = { 0 };
	memcpy(&v, from, n * sizeof *from);
	return v;
}

static inline void store(float *to, vector v, size_t n)
{
	memcpy(to, &v, n * sizeof *to);
}

static inline __attribute__((always_inline)) void adamw_vector(
    const struct adamw_factors *factors, float *w, const float *g, float *m, float *v, size_t n)
{
	vector gradient = factors->clip * load(g, n);
	vector first = factors->beta1 * load(m, n) + factors->rest1 * gradient;
	vector second = factors->beta2 * load(v, n) + factors->rest2 * (gradient * gradient);
	vector size = factors->root * vector_root(second) + factors->eps;
	store(m, first, n);
	store(v, second, n);
	store(w, factors->keep * load(w, n) - factors->rate * (first / size), n);
}

static void adamw(
    const struct adamw_factors *factors, float *w, const float *g, float *m, float *v, size_t n)
{
	const struct adamw_factors own = *factors; /* which no store can change */
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		adamw_vector(&own, w + i, g + i, m + i, v + i, LANES);
	if (i < n)
		adamw_vector(&own, w + i, g + i, m + i, v + i, n - i);
}

static void average(float *y, const float *x, float share, size_t n)
{
	size_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		vector old = load(y + i, LANES);
		store(y + i, old + share * (load(x + i, LANES) - old), LANES);
	}
	for (; i < n; i++)
		y[i] += share * (x[i] - y[i]);
}

static double squares(const float *x, size_t n)
{
	pair low = { 0 }, high = { 0 };
	for (size_t i = 0; i < n; i += LANES) {
		vector v = n - i < LANES ? load(x + i, n - i) : load(x + i, LANES);
		pair first = pair_low(v), second = pair_high(v);
		low += first * first;
		high += second * second;
	}
	return pair_sum(low + high);
}

#endif
