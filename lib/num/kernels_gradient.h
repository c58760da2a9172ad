/* kernels_gradient.h - what training adds to kernels_vector.h, included after it by the file of each
 * CPU level, which also defines pairs (64-bit elements) and pairs_multiply().
 */
#ifndef ZV_NUM_KERNELS_GRADIENT_H
#define ZV_NUM_KERNELS_GRADIENT_H

#include "num/kernels_vector.h"

#include <math.h>

/* In the steps below count is LANES, known to the compiler, or what is left at the end of a row. */
#define STEP static inline __attribute__((always_inline))

/* gelu' = normal(x) + x density(x). Beyond 14 the density is nothing, and x may be infinite. */
STEP void gelu_step(const float *x, float *dy, size_t count)
{
	vector at = vector_load_part(x, count), density;
	vector normal = vector_normal(at, &density);
	at = vector_least(vector_all(14.0f), vector_most(vector_all(-14.0f), at));
	vector slope = vector_fused(at * 0.39894228040143268f, density, normal);
	vector_store_part(dy, vector_load_part(dy, count) * slope, count);
}

static void gelu_gradient(const float *x, float *dy, size_t n)
{
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		gelu_step(x + i, dy + i, LANES);
	if (i < n)
		gelu_step(x + i, dy + i, n - i);
}

STEP void silu_step(
    const float *gate, const float *up, const float *dy, float *dgate, float *dup, size_t count)
{
	vector g = vector_load_part(gate, count), d = vector_load_part(dy, count);
	vector u = vector_load_part(up, count);
	vector sigmoid = 1.0f / (1.0f + vector_exp(-g));
	vector_store_part(dup, d * g * sigmoid, count);
	vector slope = sigmoid * vector_fused(g, 1.0f - sigmoid, vector_all(1.0f));
	vector_store_part(dgate, d * u * slope, count);
}

static void silu_gradient(
    const float *gate, const float *up, const float *dy, float *dgate, float *dup, size_t n)
{
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		silu_step(gate + i, up + i, dy + i, dgate + i, dup + i, LANES);
	if (i < n)
		silu_step(gate + i, up + i, dy + i, dgate + i, dup + i, n - i);
}

struct norm_sums {
	vector g, product;
};

/* Sums of g = dy weight and of g h, h = (x - mean) inverse; and the gradients of weight and bias.
 * Behind the end of a row g is zero. */
STEP struct norm_sums norm_sums_step(const struct norm_gradient *norm, const float *x,
    const float *dy, float mean, float inverse, size_t i, size_t count, struct norm_sums sums)
{
	vector h = (vector_load_part(x + i, count) - mean) * inverse;
	vector d = vector_load_part(dy + i, count);
	vector g = d * vector_load_part(norm->weight + i, count);
	if (norm->dweight) {
		vector sum = vector_load_part(norm->dweight + i, count);
		vector_store_part(norm->dweight + i, vector_fused(d, h, sum), count);
	}
	if (norm->dbias)
		vector_store_part(norm->dbias + i, vector_load_part(norm->dbias + i, count) + d, count);
	sums.g += g;
	sums.product = vector_fused(g, h, sums.product);
	return sums;
}

/* dx = (g - mean(g) - h mean(g h)) inverse, as a factor of g, of x, and a rest. */
struct norm_factors {
	float g, x, rest;
};

STEP void norm_step(const struct norm_gradient *norm, const float *x, const float *dy, float *dx,
    const struct norm_factors *factors, size_t i, size_t count)
{
	vector g = vector_load_part(dy + i, count) * vector_load_part(norm->weight + i, count);
	vector d = vector_fused(
	    vector_load_part(x + i, count), vector_all(factors->x), vector_all(factors->rest));
	d = vector_fused(g, vector_all(factors->g), d);
	vector_store_part(dx + i, norm->add ? vector_load_part(dx + i, count) + d : d, count);
}

static void norm_gradient(
    const struct norm_gradient *norm, const float *x, const float *dy, float *dx)
{
	size_t n = norm->n, i = 0;
	float mean = norm->centred ? sum_of(x, n) / (float)n : 0;
	float inverse = inverse_root(squares_of(x, mean, n) / (float)n + norm->eps);
	struct norm_sums sums = { { 0 }, { 0 } };
	for (; i + LANES <= n; i += LANES)
		sums = norm_sums_step(norm, x, dy, mean, inverse, i, LANES, sums);
	if (i < n)
		sums = norm_sums_step(norm, x, dy, mean, inverse, i, n - i, sums);
	float g_mean = norm->centred ? vector_sum(sums.g) / (float)n : 0;
	float slope = vector_sum(sums.product) / (float)n * inverse * inverse;
	struct norm_factors factors = { inverse, -slope, slope * mean - g_mean * inverse };
	for (i = 0; i + LANES <= n; i += LANES)
		norm_step(norm, x, dy, dx, &factors, i, LANES);
	if (i < n)
		norm_step(norm, x, dy, dx, &factors, i, n - i);
}

struct entropy_sums {
	vector exponents, distance;
};

STEP struct entropy_sums entropy_step(float *x, float most, size_t count, struct entropy_sums sums)
{
	vector distance = vector_load_part(x, count) - most;
	vector_store_part(x, vector_exp(distance), count);
	/* Loaded again: zeros behind the end of a row. */
	sums.exponents += vector_load_part(x, count);
	sums.distance += distance;
	return sums;
}

static double entropy(float *x, float most, float smoothing, float factor, size_t n)
{
	struct entropy_sums sums = { { 0 }, { 0 } };
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		sums = entropy_step(x + i, most, LANES, sums);
	float rest = 0;
	for (size_t j = i; j < n; j++)
		rest += x[j] - most;
	vector distance = sums.distance;
	if (i < n)
		sums = entropy_step(x + i, most, n - i, sums);
	float sum = vector_sum(sums.exponents);
	float inverse = factor / sum, floor = factor * smoothing / (float)n;
	for (i = 0; i + LANES <= n; i += LANES)
		vector_store(x + i, vector_load(x + i) * inverse - floor);
	for (; i < n; i++)
		x[i] = x[i] * inverse - floor;
	double mean = ((double)vector_sum(distance) + (double)rest) / (double)n;
	return log((double)sum) - (double)smoothing * mean;
}

/* LANES / 2 blocks of Philox; of each element the lower half counts, the upper holds what is left
 * over and is never read. */
struct blocks {
	pairs a, b, c, d;
};

STEP struct blocks philox(struct blocks c, uint32_t key0, uint32_t key1)
{
	for (int round = 0; round < 10; round++) {
		pairs product0 = pairs_multiply(c.a, 0xD2511F53u),
		      product1 = pairs_multiply(c.c, 0xCD9E8D57u);
		c = (struct blocks){ (product1 >> 32) ^ c.b ^ key0, product1, (product0 >> 32) ^ c.d ^ key1,
			product0 };
		key0 += 0x9E3779B9u;
		key1 += 0xBB67AE85u;
	}
	return c;
}

/* Word by word, blocks of even number below and of odd number above. */
STEP whole words_joined(pairs even, pairs odd)
{
	return (whole)((even & 0xffffffffu) | (odd << 32));
}

struct words {
	whole a, b, c, d;
};

/* The words of the LANES blocks from `block` on. */
static inline struct words mask_words(const struct dropout_mask *mask, uint32_t block)
{
	pairs even = { 0 };
	for (size_t lane = 0; lane < LANES / 2; lane++)
		even[lane] = block + 2 * lane;
	pairs none = { 0 };
	struct blocks counter = { even, none + (mask->place + 1), none + (uint32_t)mask->step,
		none + (uint32_t)(mask->step >> 32) };
	uint32_t key0 = (uint32_t)mask->seed, key1 = (uint32_t)(mask->seed >> 32);
	struct blocks low = philox(counter, key0, key1);
	counter.a = even + 1;
	struct blocks high = philox(counter, key0, key1);
	return (struct words){ words_joined(low.a, high.a), words_joined(low.b, high.b),
		words_joined(low.c, high.c), words_joined(low.d, high.d) };
}

/* Elements whose word is at least threshold, unsigned: compared as signed with the top bit turned. */
STEP void mask_step(float *x, whole words, const struct dropout_mask *mask)
{
	whole below = (words ^ INT32_MIN) < ((int32_t)(mask->threshold ^ 0x80000000u) - (whole){ 0 });
	vector_store(x, (vector)(~below & (whole)(vector_load(x) * mask->scale)));
}

static void dropout_group(const struct dropout_mask *mask, uint64_t first, float *x)
{
	for (size_t block = 0; block < DROPOUT_BLOCKS; block += LANES) {
		struct words words = mask_words(mask, (uint32_t)(first / 4 + block));
		mask_step(x + block, words.a, mask);
		mask_step(x + DROPOUT_BLOCKS + block, words.b, mask);
		mask_step(x + 2 * DROPOUT_BLOCKS + block, words.c, mask);
		mask_step(x + 3 * DROPOUT_BLOCKS + block, words.d, mask);
	}
}

static void dropout(const struct dropout_mask *mask, uint64_t first, float *x, size_t n)
{
	size_t i = 0;
	for (; i + DROPOUT_GROUP <= n; i += DROPOUT_GROUP)
		dropout_group(mask, first + i, x + i);
	if (i < n) {
		float group[DROPOUT_GROUP] = { 0 };
		memcpy(group, x + i, (n - i) * sizeof *x);
		dropout_group(mask, first + i, group);
		memcpy(x + i, group, (n - i) * sizeof *x);
	}
}

#undef STEP

#endif
