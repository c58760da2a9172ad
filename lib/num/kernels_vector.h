/* kernels_vector.h - the kernels (kernels.h) written once for vectors of LANES floats. The file of
 * a CPU level defines LANES, vector, whole (as many int32_t), and the few primitives that name
 * instructions (vector_fused, vector_most, vector_least, vector_sum, vector_highest, vector_f16,
 * vector_store_f16, vector_bf16, vector_bytes; lanes, a mask, lanes_first, vector_lanes,
 * vector_load_lanes, vector_store_lanes), then includes this. Everything is added up in a fixed
 * order that depends on n alone.
 */
#ifndef ZV_NUM_KERNELS_VECTOR_H
#define ZV_NUM_KERNELS_VECTOR_H

#include "num/kernels.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline vector vector_all(float value)
{
	return value - (vector){ 0 };
}

static inline vector vector_load(const float *from)
{
	vector v;
	memcpy(&v, from, sizeof v);
	return v;
}

static inline void vector_store(float *to, vector v)
{
	memcpy(to, &v, sizeof v);
}

/* The last n < LANES elements of a row, zeros behind them. */
static inline vector vector_load_part(const float *from, size_t n)
{
	vector v = { 0 };
	memcpy(&v, from, n * sizeof *from);
	return v;
}

static inline void vector_store_part(float *to, vector v, size_t n)
{
	memcpy(to, &v, n * sizeof *to);
}

/* e^x by x = k ln 2 + r and a polynomial in r (Chebyshev fit, 3e-9); below -87 as at -87, NaN stays. */
static inline vector vector_exp(vector x)
{
	const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to a whole number */
	x = vector_least(vector_all(88.0f), vector_most(vector_all(-87.0f), x));
	vector shifted = vector_fused(x, vector_all(1.44269504f), vector_all(magic));
	vector k = shifted - magic;
	vector r = vector_fused(k, vector_all(-0.693359375f), x);
	r = vector_fused(k, vector_all(2.12194440e-4f), r);
	vector p = vector_all(1.394858076e-3f);
	p = vector_fused(p, r, vector_all(8.375128931e-3f));
	p = vector_fused(p, r, vector_all(4.166621828e-2f));
	p = vector_fused(p, r, vector_all(1.666641548e-1f));
	p = vector_fused(p, r, vector_all(5.000000108e-1f));
	p = vector_fused(p, r, vector_all(1.0f));
	p = vector_fused(p, r, vector_all(1.0f));
	whole power = ((whole)shifted << 23) + (127 << 23);
	return p * (vector)power;
}

/* The normal distribution: density = exp(-x^2 / 2); returns erfc(-x / sqrt 2) / 2. With
 * u = |x| / sqrt 2, erfc(u) = exp(-u^2) t P(t), t = 1 / (1 + 0.4 u), P a Chebyshev fit on u in
 * [0, 10] (1.5e-8); erfc(-u) = 2 - erfc(u). */
static inline vector vector_normal(vector x, vector *density)
{
	vector u = vector_least(vector_all(10.0f), vector_most(x, -x) * 0.70710678118654752f);
	vector t = 1.0f / vector_fused(u, vector_all(0.4f), vector_all(1.0f));
	vector s = vector_fused(t, vector_all(2.5f), vector_all(-1.5f));
	vector p = vector_all(-8.541824553e-6f);
	p = vector_fused(p, s, vector_all(2.482709610e-5f));
	p = vector_fused(p, s, vector_all(1.133141776e-4f));
	p = vector_fused(p, s, vector_all(-3.623243595e-4f));
	p = vector_fused(p, s, vector_all(-1.769802432e-3f));
	p = vector_fused(p, s, vector_all(2.829066749e-3f));
	p = vector_fused(p, s, vector_all(3.888083311e-2f));
	p = vector_fused(p, s, vector_all(1.440484565e-1f));
	p = vector_fused(p, s, vector_all(3.224317142e-1f));
	p = vector_fused(p, s, vector_all(4.938124591e-1f));
	*density = vector_exp(-(u * u));
	vector half_tail = *density * t * p * 0.5f;
	/* x < 0: the tail itself; x >= 0: 1 - tail. */
	whole negative = (whole)x >> 31;
	return (vector)((negative & (whole)half_tail) | (~negative & (whole)(1.0f - half_tail)));
}

/* gelu(x) = x * erfc(-x / sqrt 2) / 2 */
static inline vector vector_gelu(vector x)
{
	vector density;
	return x * vector_normal(x, &density);
}

static void gelu(float *y, const float *bias, size_t n)
{
	size_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		vector x = vector_load(y + i);
		vector_store(y + i, vector_gelu(bias ? x + vector_load(bias + i) : x));
	}
	if (i < n) {
		vector x = vector_load_part(y + i, n - i);
		x = bias ? x + vector_load_part(bias + i, n - i) : x;
		vector_store_part(y + i, vector_gelu(x), n - i);
	}
}

static void add(float *y, const float *x, size_t n)
{
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		vector_store(y + i, vector_load(y + i) + vector_load(x + i));
	for (; i < n; i++)
		y[i] += x[i];
}

static void add_scaled(float *y, const float *x, float a, size_t n)
{
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		vector_store(y + i, vector_fused(vector_load(x + i), vector_all(a), vector_load(y + i)));
	if (i < n) {
		vector part = vector_load_part(x + i, n - i);
		part = vector_fused(part, vector_all(a), vector_load_part(y + i, n - i));
		vector_store_part(y + i, part, n - i);
	}
}

static void multiply(float *y, const float *x, float a, size_t n)
{
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		vector_store(y + i, vector_load(x + i) * a);
	for (; i < n; i++)
		y[i] = x[i] * a;
}

static inline vector vector_silu(vector x)
{
	return x / (1.0f + vector_exp(-x));
}

static void silu_multiply(float *gate, const float *up, size_t n)
{
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		vector_store(gate + i, vector_silu(vector_load(gate + i)) * vector_load(up + i));
	if (i < n) {
		vector x = vector_silu(vector_load_part(gate + i, n - i));
		vector_store_part(gate + i, x * vector_load_part(up + i, n - i), n - i);
	}
}

static float sum_of(const float *x, size_t n)
{
	vector sum = { 0 };
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		sum += vector_load(x + i);
	return vector_sum(sum + vector_load_part(x + i, n - i));
}

/* Sum of (x - mean)^2. */
static float squares_of(const float *x, float mean, size_t n)
{
	vector sum = { 0 };
	size_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		vector off = vector_load(x + i) - mean;
		sum = vector_fused(off, off, sum);
	}
	float total = vector_sum(sum);
	for (; i < n; i++)
		total += (x[i] - mean) * (x[i] - mean);
	return total;
}

static inline float inverse_root(float x)
{
	return 1.0f / __builtin_sqrtf(x);
}

static void layernorm(
    float *y, const float *x, const float *weight, const float *bias, float eps, size_t n)
{
	float mean = sum_of(x, n) / (float)n;
	float scale = inverse_root(squares_of(x, mean, n) / (float)n + eps);
	size_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		vector normal = (vector_load(x + i) - mean) * scale;
		vector_store(y + i, vector_fused(normal, vector_load(weight + i), vector_load(bias + i)));
	}
	for (; i < n; i++)
		y[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

static void rmsnorm(float *y, const float *x, const float *weight, float eps, size_t n)
{
	float scale = inverse_root(squares_of(x, 0, n) / (float)n + eps);
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		vector_store(y + i, vector_load(x + i) * scale * vector_load(weight + i));
	for (; i < n; i++)
		y[i] = x[i] * scale * weight[i];
}

static float most_of(const float *x, size_t n)
{
	vector top = vector_all(x[0]);
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		top = vector_most(top, vector_load(x + i));
	if (i < n)
		top = vector_most(top, vector_load_lanes(x + i, lanes_first(n - i), vector_all(x[0])));
	return vector_highest(top);
}

static void softmax(float *x, float scale, size_t n)
{
	const vector none = { 0 };
	lanes last = lanes_first(n % LANES);
	float most = most_of(x, n);
	vector sum = { 0 }, end = { 0 };
	size_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		vector e = vector_exp((vector_load(x + i) - most) * scale);
		vector_store(x + i, e);
		sum += e;
	}
	if (i < n) {
		end = vector_exp((vector_load_lanes(x + i, last, none) - most) * scale);
		end = vector_lanes(end, last);
	}
	float inverse = 1.0f / vector_sum(sum + end);
	for (i = 0; i + LANES <= n; i += LANES)
		vector_store(x + i, vector_load(x + i) * inverse);
	if (i < n)
		vector_store_lanes(x + i, end * inverse, last);
}

static float dot(const float *a, const float *b, size_t n)
{
	vector sum = { 0 };
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		sum = vector_fused(vector_load(a + i), vector_load(b + i), sum);
	if (i < n)
		sum = vector_fused(vector_load_part(a + i, n - i), vector_load_part(b + i, n - i), sum);
	return vector_sum(sum);
}

/* LANES elements of a weight row from its element i on. */
static inline __attribute__((always_inline)) vector weight_load(
    char dtype, const void *row, size_t i)
{
	if (dtype == 'f')
		return vector_load((const float *)row + i);
	return dtype == 'e' ? vector_f16((const uint16_t *)row + i)
	                    : vector_bf16((const uint16_t *)row + i);
}

/* The n - i < LANES elements that end a weight row, zeros behind them. */
static inline __attribute__((always_inline)) vector weight_load_part(
    char dtype, const void *row, size_t i, size_t n)
{
	if (dtype == 'f')
		return vector_load_part((const float *)row + i, n - i);
	uint16_t part[LANES] = { 0 };
	memcpy(part, (const uint16_t *)row + i, (n - i) * sizeof *part);
	return dtype == 'e' ? vector_f16(part) : vector_bf16(part);
}

static inline __attribute__((always_inline)) void widen_one(
    char dtype, const void *source, float *target, size_t n)
{
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		vector_store(target + i, weight_load(dtype, source, i));
	if (i < n)
		vector_store_part(target + i, weight_load_part(dtype, source, i, n), n - i);
}

static void widen(char dtype, const void *source, float *target, size_t n)
{
	if (dtype == 'e')
		widen_one('e', source, target, n);
	else if (dtype == 'E')
		widen_one('E', source, target, n);
	else
		widen_one('f', source, target, n);
}

/* Infinity stays what it is, NaN too. */
static inline vector vector_in_f16(vector v)
{
	const vector most = vector_all(65504.0f);
	vector bound = vector_least(most, vector_most(-most, v));
	whole infinite = ((whole)v & 0x7fffffff) == 0x7f800000;
	return (vector)((infinite & (whole)v) | (~infinite & (whole)bound));
}

static void narrow(const float *source, uint16_t *target, size_t n)
{
	uint16_t part[LANES];
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		vector_store_f16(target + i, vector_in_f16(vector_load(source + i)));
	if (i < n) {
		vector_store_f16(part, vector_in_f16(vector_load_part(source + i, n - i)));
		memcpy(target + i, part, (n - i) * sizeof *part);
	}
}

/* The last n < LANES bytes of a row, zeros behind them. */
static inline vector vector_bytes_part(const int8_t *from, size_t n)
{
	int8_t part[LANES] = { 0 };
	memcpy(part, from, n);
	return vector_bytes(part);
}

/* LANES elements of a kept row from its element i on; part: the n - i < LANES that end it. */
static inline __attribute__((always_inline)) vector kept_load(char dtype, const char *row, size_t i)
{
	return dtype == 'b' ? vector_bytes((const int8_t *)row + i) : weight_load(dtype, row, i);
}

static inline __attribute__((always_inline)) vector kept_load_part(
    char dtype, const char *row, size_t i, size_t n)
{
	if (dtype == 'b')
		return vector_bytes_part((const int8_t *)row + i, n - i);
	return weight_load_part(dtype, row, i, n);
}

static inline float kept_scale(const struct kept_rows *rows, size_t row)
{
	return rows->scales ? *(const float *)(rows->scales + row * rows->stride) : 1;
}

/* Four rows at once, so that additions need not wait for one another; what is added up for a row is
 * what dot() adds up. */
static inline __attribute__((always_inline)) void kept_dots_of(
    const struct kept_rows *rows, const float *q, float *scores, bool more, const char dtype)
{
	for (size_t row = 0; row < rows->count; row += 4) {
		const char *at[4];
		vector sum[4] = { { 0 }, { 0 }, { 0 }, { 0 } };
		size_t left = rows->count - row, count = left < 4 ? left : 4, i = 0;
		for (size_t r = 0; r < 4; r++)
			at[r] = rows->at + (row + (r < count ? r : 0)) * rows->stride;
		for (; i + LANES <= rows->n; i += LANES)
#pragma GCC unroll 4
			for (size_t r = 0; r < 4; r++)
				sum[r] = vector_fused(vector_load(q + i), kept_load(dtype, at[r], i), sum[r]);
		if (i < rows->n)
#pragma GCC unroll 4
			for (size_t r = 0; r < 4; r++)
				sum[r] = vector_fused(vector_load_part(q + i, rows->n - i),
				    kept_load_part(dtype, at[r], i, rows->n), sum[r]);
		float sums[4] = { vector_sum(sum[0]), vector_sum(sum[1]), vector_sum(sum[2]),
			vector_sum(sum[3]) };
		for (size_t r = 0; r < count; r++) {
			float score = sums[r] * kept_scale(rows, row + r);
			scores[row + r] = more ? scores[row + r] + score : score;
		}
	}
}

static void kept_dots(const struct kept_rows *rows, const float *q, float *scores, bool more)
{
	if (rows->dtype == 'b')
		kept_dots_of(rows, q, scores, more, 'b');
	else if (rows->dtype == 'e')
		kept_dots_of(rows, q, scores, more, 'e');
	else
		kept_dots_of(rows, q, scores, more, 'f');
}

/* `vectors` vectors of y from element i on, a number that the compiler knows: they stay in registers
 * over all rows. */
static inline __attribute__((always_inline)) void kept_sum_vectors(const struct kept_rows *rows,
    const float *weights, float *y, size_t i, const char dtype, const size_t vectors)
{
	vector sum[8];
#pragma GCC unroll 8
	for (size_t v = 0; v < vectors; v++)
		sum[v] = vector_load(y + i + v * LANES);
	for (size_t row = 0; row < rows->count; row++) {
		const char *at = rows->at + row * rows->stride;
		vector weight = vector_all(weights[row] * kept_scale(rows, row));
#pragma GCC unroll 8
		for (size_t v = 0; v < vectors; v++)
			sum[v] = vector_fused(kept_load(dtype, at, i + v * LANES), weight, sum[v]);
	}
#pragma GCC unroll 8
	for (size_t v = 0; v < vectors; v++)
		vector_store(y + i + v * LANES, sum[v]);
}

static inline __attribute__((always_inline)) void kept_sum_of(
    const struct kept_rows *rows, const float *weights, float *y, const char dtype)
{
	size_t i = 0;
	for (; i + 8 * LANES <= rows->n; i += 8 * LANES)
		kept_sum_vectors(rows, weights, y, i, dtype, 8);
	for (; i + LANES <= rows->n; i += LANES)
		kept_sum_vectors(rows, weights, y, i, dtype, 1);
	if (i == rows->n)
		return;
	vector end = vector_load_part(y + i, rows->n - i);
	for (size_t row = 0; row < rows->count; row++) {
		vector weight = vector_all(weights[row] * kept_scale(rows, row));
		const char *at = rows->at + row * rows->stride;
		end = vector_fused(kept_load_part(dtype, at, i, rows->n), weight, end);
	}
	vector_store_part(y + i, end, rows->n - i);
}

static void kept_sum(const struct kept_rows *rows, const float *weights, float *y)
{
	if (rows->dtype == 'b')
		kept_sum_of(rows, weights, y, 'b');
	else if (rows->dtype == 'e')
		kept_sum_of(rows, weights, y, 'e');
	else
		kept_sum_of(rows, weights, y, 'f');
}

/* One vector for each of the four rows of W that a tile takes. Named, not an array: an array stays
 * in memory where the compiler does not unroll. */
struct four {
	vector a, b, c, d;
};

static inline __attribute__((always_inline)) void four_fused(
    struct four *sum, const struct four *weight, vector x)
{
	sum->a = vector_fused(x, weight->a, sum->a);
	sum->b = vector_fused(x, weight->b, sum->b);
	sum->c = vector_fused(x, weight->c, sum->c);
	sum->d = vector_fused(x, weight->d, sum->d);
}

static inline __attribute__((always_inline)) void four_store(
    float *y, const struct four *sum, size_t w_rows)
{
	float sums[KERNELS_TILE] = { vector_sum(sum->a), vector_sum(sum->b), vector_sum(sum->c),
		vector_sum(sum->d) };
	memcpy(y, sums, w_rows * sizeof *y);
}

/* Four rows of W against x_rows rows of x, a number that the compiler knows. */
static inline __attribute__((always_inline)) void tile(float *y, size_t y_stride, const float *x,
    const size_t x_rows, const char dtype, const void *const row[KERNELS_TILE], size_t w_rows,
    size_t n)
{
	struct four sum0 = { { 0 }, { 0 }, { 0 }, { 0 } }, sum1 = sum0, sum2 = sum0, sum3 = sum0;
	size_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		struct four weight = { weight_load(dtype, row[0], i), weight_load(dtype, row[1], i),
			weight_load(dtype, row[2], i), weight_load(dtype, row[3], i) };
		four_fused(&sum0, &weight, vector_load(x + i));
		if (x_rows > 1)
			four_fused(&sum1, &weight, vector_load(x + n + i));
		if (x_rows > 2)
			four_fused(&sum2, &weight, vector_load(x + 2 * n + i));
		if (x_rows > 3)
			four_fused(&sum3, &weight, vector_load(x + 3 * n + i));
	}
	if (i < n) {
		struct four weight = { weight_load_part(dtype, row[0], i, n),
			weight_load_part(dtype, row[1], i, n), weight_load_part(dtype, row[2], i, n),
			weight_load_part(dtype, row[3], i, n) };
		four_fused(&sum0, &weight, vector_load_part(x + i, n - i));
		if (x_rows > 1)
			four_fused(&sum1, &weight, vector_load_part(x + n + i, n - i));
		if (x_rows > 2)
			four_fused(&sum2, &weight, vector_load_part(x + 2 * n + i, n - i));
		if (x_rows > 3)
			four_fused(&sum3, &weight, vector_load_part(x + 3 * n + i, n - i));
	}
	four_store(y, &sum0, w_rows);
	if (x_rows > 1)
		four_store(y + y_stride, &sum1, w_rows);
	if (x_rows > 2)
		four_store(y + 2 * y_stride, &sum2, w_rows);
	if (x_rows > 3)
		four_store(y + 3 * y_stride, &sum3, w_rows);
}

/* Rows of W that are not there are stood in for by the first, and their sums dropped. */
static inline __attribute__((always_inline)) void tile_of(float *y, size_t y_stride, const float *x,
    size_t x_rows, const char dtype, const void *w, size_t w_rows, size_t n)
{
	const void *row[KERNELS_TILE];
	for (size_t o = 0; o < KERNELS_TILE; o++)
		row[o] = (const char *)w + (o < w_rows ? o : 0) * n * (dtype == 'f' ? 4 : 2);
	if (x_rows == 1)
		tile(y, y_stride, x, 1, dtype, row, w_rows, n);
	else if (x_rows == 2)
		tile(y, y_stride, x, 2, dtype, row, w_rows, n);
	else if (x_rows == 3)
		tile(y, y_stride, x, 3, dtype, row, w_rows, n);
	else
		tile(y, y_stride, x, 4, dtype, row, w_rows, n);
}

static void dot_tile(float *y, size_t y_stride, const float *x, size_t x_rows, char dtype,
    const void *w, size_t w_rows, size_t n)
{
	if (dtype == 'e')
		tile_of(y, y_stride, x, x_rows, 'e', w, w_rows, n);
	else if (dtype == 'E')
		tile_of(y, y_stride, x, x_rows, 'E', w, w_rows, n);
	else
		tile_of(y, y_stride, x, x_rows, 'f', w, w_rows, n);
}

#endif
