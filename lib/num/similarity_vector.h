/* similarity_vector.h - the kernels of similarity.h written once for vectors of LANES floats. The file
 * of a CPU level defines LANES, vector, TILE_ROWS, TILE_QUERIES, and the few
 * primitives that name instructions (vector_fused, vector_greater, vector_f16, vector_bf16,
 * vector_int8, vector_reaches, tile_fold), then includes this.
 */
#ifndef ZV_NUM_SIMILARITY_VECTOR_H
#define ZV_NUM_SIMILARITY_VECTOR_H

#include "num/similarity.h"

#include <stdint.h>
#include <string.h>

/* What a step of 16 elements is made of; how far ahead a single query asks for rows, in bytes: those
 * of a tile are several streams, of which the CPU by itself follows none far enough. */
enum { PARTS = SIMILARITY_LANES / LANES, AHEAD = 8192 };

static inline __attribute__((always_inline)) size_t element_size(const char dtype)
{
	return dtype == 'f' ? 4 : 2;
}

static inline __attribute__((always_inline)) vector load(const void *from, const char dtype)
{
	vector v;
	if (dtype == 'E')
		return vector_bf16(from);
	if (dtype == 'e')
		return vector_f16(from);
	memcpy(&v, from, sizeof v);
	return v;
}

/* Elements of a row from `at` on, zeros behind its last. */
static inline __attribute__((always_inline)) vector load_last(
    const char *row, size_t at, size_t width, const char dtype)
{
	float part[LANES] = { 0 };
	size_t left = at < width ? width - at : 0, n = left < LANES ? left : LANES;
	if (n > 0)
		memcpy(part, row + at * element_size(dtype), n * element_size(dtype));
	return load(part, dtype);
}

/* queries x rows products; dtype and both numbers are known to the compiler. The sums stay in
 * registers. */
static inline __attribute__((always_inline)) void tile(const struct similarity_product *x, size_t q,
    size_t r, const char dtype, const size_t queries, const size_t rows)
{
	const size_t size = element_size(dtype), width = x->width;
	const float *query = x->queries + q * width;
	const char *row = (const char *)x->rows + r * width * size;
	vector sum[TILE_QUERIES][TILE_ROWS][PARTS] = { 0 }, part[TILE_ROWS];
	size_t i = 0, whole = width - width % SIMILARITY_LANES;
	for (; i < whole; i += SIMILARITY_LANES) {
#pragma GCC unroll 2
		for (size_t p = 0; p < PARTS; p++) {
			size_t at = i + p * LANES;
#pragma GCC unroll 4
			for (size_t b = 0; b < rows; b++) {
				const char *from = row + (b * width + at) * size;
				if (queries == 1 && rows > 1)
					__builtin_prefetch(from + AHEAD);
				part[b] = load(from, dtype);
			}
#pragma GCC unroll 6
			for (size_t a = 0; a < queries; a++) {
				vector factor = load(query + a * width + at, 'f');
#pragma GCC unroll 4
				for (size_t b = 0; b < rows; b++)
					sum[a][b][p] = vector_fused(factor, part[b], sum[a][b][p]);
			}
		}
	}
	if (i < width) {
#pragma GCC unroll 2
		for (size_t p = 0; p < PARTS; p++) {
			size_t at = i + p * LANES;
#pragma GCC unroll 4
			for (size_t b = 0; b < rows; b++)
				part[b] = load_last(row + b * width * size, at, width, dtype);
#pragma GCC unroll 6
			for (size_t a = 0; a < queries; a++) {
				vector factor = load_last((const char *)(query + a * width), at, width, 'f');
#pragma GCC unroll 4
				for (size_t b = 0; b < rows; b++)
					sum[a][b][p] = vector_fused(factor, part[b], sum[a][b][p]);
			}
		}
	}
#pragma GCC unroll 6
	for (size_t a = 0; a < queries; a++)
		tile_fold(sum[a], x->y + (q + a) * x->y_row + r, rows);
}

/* All rows with so many queries, which the compiler knows. */
static inline __attribute__((always_inline)) void all_rows(
    const struct similarity_product *x, size_t q, const char dtype, const size_t queries)
{
	size_t r = 0;
	for (; r + TILE_ROWS <= x->row_count; r += TILE_ROWS)
		tile(x, q, r, dtype, queries, TILE_ROWS);
	for (; r < x->row_count; r++)
		tile(x, q, r, dtype, queries, 1);
}

/* Functions of their own: all in one would take compilers long. The higher three are of AVX-512. */
static __attribute__((noinline)) void rows_one(const struct similarity_product *x, size_t q)
{
	if (x->dtype == 'E')
		all_rows(x, q, 'E', 1);
	else if (x->dtype == 'e')
		all_rows(x, q, 'e', 1);
	else
		all_rows(x, q, 'f', 1);
}

static __attribute__((noinline)) void rows_two(const struct similarity_product *x, size_t q)
{
	all_rows(x, q, 'f', 2);
}

static __attribute__((noinline)) void rows_three(const struct similarity_product *x, size_t q)
{
	all_rows(x, q, 'f', 3);
}

static __attribute__((noinline)) void rows_four(const struct similarity_product *x, size_t q)
{
	if (TILE_QUERIES > 3)
		all_rows(x, q, 'f', TILE_QUERIES > 3 ? 4 : 1);
}

static __attribute__((noinline)) void rows_five(const struct similarity_product *x, size_t q)
{
	if (TILE_QUERIES > 3)
		all_rows(x, q, 'f', TILE_QUERIES > 3 ? 5 : 1);
}

static __attribute__((noinline)) void rows_six(const struct similarity_product *x, size_t q)
{
	if (TILE_QUERIES > 3)
		all_rows(x, q, 'f', TILE_QUERIES > 3 ? 6 : 1);
}

/* Queries are shared out evenly: 8 are tiles of 4 and 4, not of 6 and 2. */
static void products(const struct similarity_product *x)
{
	static void (*const rows_of[])(const struct similarity_product *, size_t) = { rows_one,
		rows_two, rows_three, rows_four, rows_five, rows_six };
	size_t q = 0, most = x->dtype == 'f' ? TILE_QUERIES : 1;
	for (size_t tiles = (x->query_count + most - 1) / most; tiles > 0; tiles--) {
		size_t queries = (x->query_count - q + tiles - 1) / tiles;
		rows_of[queries - 1](x, q);
		q += queries;
	}
}

static float most(const float *x, size_t n)
{
	vector top = (vector){ 0 } - __builtin_inff();
	float part[LANES], one = -__builtin_inff();
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		top = vector_greater(load(x + i, 'f'), top);
	memcpy(part, &top, sizeof part);
	for (size_t lane = 0; lane < LANES; lane++)
		one = part[lane] > one ? part[lane] : one;
	for (; i < n; i++)
		one = x[i] > one ? x[i] : one;
	return one;
}

static void widen(
    const int8_t *values, const void *scales, size_t row_count, size_t width, float *y)
{
	for (size_t r = 0; r < row_count; r++, values += width, y += width) {
		float scale;
		size_t i = 0;
		memcpy(&scale, (const char *)scales + r * sizeof scale, sizeof scale);
		for (; i + LANES <= width; i += LANES) {
			vector wide = vector_int8(values + i) * scale;
			memcpy(y + i, &wide, sizeof wide);
		}
		for (; i < width; i++)
			y[i] = scale * (float)values[i];
	}
}

static size_t reach(const float *x, size_t n, float least)
{
	size_t i = 0;
	for (; i + LANES <= n; i += LANES) {
		unsigned which = vector_reaches(load(x + i, 'f'), least);
		if (which)
			return i + (size_t)__builtin_ctz(which);
	}
	while (i < n && !(x[i] >= least))
		i++;
	return i;
}

#endif
