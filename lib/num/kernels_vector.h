/* kernels_vector.h - the kernels (kernels.h) written once for vectors of LANES floats. The file of
 * a CPU level defines LANES, vector, whole (as many int32_t), and the few primitives that name
 * instructions: vector_fused, vector_most, vector_least, vector_f16, vector_bf16; then includes
 * this. Everything is added up in a fixed order that depends on n alone.
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

static inline float vector_sum(vector v)
{
	float lanes[LANES];
	memcpy(lanes, &v, sizeof v);
	for (size_t width = LANES / 2; width > 0; width /= 2)
		for (size_t i = 0; i < width; i++)
			lanes[i] += lanes[i + width];
	return lanes[0];
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

/* gelu(x) = x * erfc(-x / sqrt 2) / 2. With u = |x| / sqrt 2, erfc(u) = exp(-u^2) t P(t),
 * t = 1 / (1 + 0.4 u), P a Chebyshev fit on u in [0, 10] (1.5e-8); erfc(-u) = 2 - erfc(u). */
static inline vector vector_gelu(vector x)
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
	vector half_tail = vector_exp(-(u * u)) * t * p * 0.5f;
	/* x < 0: the tail itself; x >= 0: 1 - tail. */
	whole negative = (whole)x >> 31;
	vector factor =
	    (vector)((negative & (whole)half_tail) | (~negative & (whole)(1.0f - half_tail)));
	return x * factor;
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
	float most = x[0];
	size_t i = 0;
	if (n >= LANES) {
		vector top = vector_load(x);
		for (i = LANES; i + LANES <= n; i += LANES)
			top = vector_most(top, vector_load(x + i));
		for (size_t lane = 0; lane < LANES; lane++)
			most = top[lane] > most ? top[lane] : most;
	}
	for (; i < n; i++)
		most = x[i] > most ? x[i] : most;
	return most;
}

static void softmax(float *x, float scale, size_t n)
{
	float most = most_of(x, n);
	vector sum = { 0 };
	size_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		vector e = vector_exp((vector_load(x + i) - most) * scale);
		vector_store(x + i, e);
		sum += e;
	}
	if (i < n) {
		vector e = vector_exp((vector_load_part(x + i, n - i) - most) * scale);
		vector_store_part(x + i, e, n - i);
		sum += vector_load_part(x + i, n - i);
	}
	float inverse = 1.0f / vector_sum(sum);
	for (i = 0; i + LANES <= n; i += LANES)
		vector_store(x + i, vector_load(x + i) * inverse);
	for (; i < n; i++)
		x[i] *= inverse;
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

/* dot_tile with sizes that the compiler knows, so that the sums stay in registers. */
static inline __attribute__((always_inline)) void tile(float *y, size_t y_stride, const float *x,
    const size_t x_rows, const char dtype, const void *w, const size_t w_rows, size_t n)
{
	const char *row[KERNELS_TILE];
	for (size_t o = 0; o < w_rows; o++)
		row[o] = (const char *)w + o * n * (dtype == 'f' ? 4 : 2);
	vector sum[KERNELS_TILE][KERNELS_TILE] = { { { 0 } } };
	size_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		vector column[KERNELS_TILE];
		for (size_t r = 0; r < x_rows; r++)
			column[r] = vector_load(x + r * n + i);
		for (size_t o = 0; o < w_rows; o++) {
			vector weight = weight_load(dtype, row[o], i);
			for (size_t r = 0; r < x_rows; r++)
				sum[o][r] = vector_fused(column[r], weight, sum[o][r]);
		}
	}
	if (i < n)
		for (size_t o = 0; o < w_rows; o++) {
			vector weight = weight_load_part(dtype, row[o], i, n);
			for (size_t r = 0; r < x_rows; r++)
				sum[o][r] = vector_fused(vector_load_part(x + r * n + i, n - i), weight, sum[o][r]);
		}
	for (size_t o = 0; o < w_rows; o++)
		for (size_t r = 0; r < x_rows; r++)
			y[r * y_stride + o] = vector_sum(sum[o][r]);
}

static inline __attribute__((always_inline)) void tile_rows(float *y, size_t y_stride,
    const float *x, size_t x_rows, const char dtype, const void *w, const size_t w_rows, size_t n)
{
	if (x_rows == 1)
		tile(y, y_stride, x, 1, dtype, w, w_rows, n);
	else if (x_rows == 2)
		tile(y, y_stride, x, 2, dtype, w, w_rows, n);
	else if (x_rows == 3)
		tile(y, y_stride, x, 3, dtype, w, w_rows, n);
	else
		tile(y, y_stride, x, 4, dtype, w, w_rows, n);
}

static inline __attribute__((always_inline)) void tile_of(float *y, size_t y_stride, const float *x,
    size_t x_rows, const char dtype, const void *w, size_t w_rows, size_t n)
{
	size_t size = dtype == 'f' ? 4 : 2;
	if (w_rows == KERNELS_TILE)
		tile_rows(y, y_stride, x, x_rows, dtype, w, KERNELS_TILE, n);
	else
		for (size_t o = 0; o < w_rows; o++)
			tile_rows(y + o, y_stride, x, x_rows, dtype, (const char *)w + o * n * size, 1, n);
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
