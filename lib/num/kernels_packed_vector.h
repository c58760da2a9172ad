/* kernels_packed_vector.h - the kernels of packed weights (kernels_packed.h), written once for
 * vectors of LANES 32-bit elements; the file of a CPU level defines these, the types vector (f32)
 * and whole (i32, and bytes), a few operations on them, up to how many rows it has registers for
 * two sums of each row, so that additions need not wait for one another (SPLIT_ROWS), and how many
 * rows it takes at once at most (WIDE_ROWS, 8 or 16), which share what makes weights of a line.
 *
 * Sums of integers may be taken in any order. What is f32 is multiplied and added as the portable
 * kernels do it, one rounding each.
 */
#ifndef ZV_NUM_KERNELS_PACKED_VECTOR_H
#define ZV_NUM_KERNELS_PACKED_VECTOR_H

#include "num/kernels_packed.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
	AHEAD = 4352, /* bytes: four groups of int4, which are asked for while one is computed with */
	PARTS = PACKED_ROWS / LANES, /* vectors of a line */
	LINES = PACKED_GROUP / PACKED_STEP,
};

static inline vector load_floats(const float *from)
{
	vector v;
	memcpy(&v, from, sizeof v);
	return v;
}

static inline void store_floats(float *to, vector v)
{
	memcpy(to, &v, sizeof v);
}

static inline whole load_bytes(const uint8_t *from)
{
	whole v;
	memcpy(&v, from, sizeof v);
	return v;
}

/* The same four activations for all rows of weights. */
static inline whole four_of(const int8_t *x)
{
	int32_t four;
	memcpy(&four, x, sizeof four);
	return (whole){ 0 } + four;
}

/* Lines of group g. */
static inline size_t group_lines(const struct packed_tile *tile, size_t g)
{
	size_t left = tile->columns / PACKED_STEP - g * LINES;
	return left < LINES ? left : LINES;
}

/* A group of int8 for `rows` rows, a number that the compiler knows; of each line part `part`. */
static inline __attribute__((always_inline)) void group_int8(const struct packed_tile *tile,
    size_t row, size_t g, const uint8_t *line, size_t part, const size_t rows)
{
	whole sum[PACKED_TILE][2];
	const size_t other = rows <= SPLIT_ROWS;
	const int8_t *x = tile->x + row * tile->columns + g * PACKED_GROUP;
	size_t lines = group_lines(tile, g);
#pragma GCC unroll 16
	for (size_t r = 0; r < rows; r++) {
		sum[r][0] = start_int8(tile->sum[(row + r) * tile->groups + g]);
		sum[r][1] = (whole){ 0 };
	}
	line += part * sizeof(whole);
	for (size_t l = 0; l < lines; l += 2, line += 2 * PACKED_LINE, x += 2 * PACKED_STEP) {
		__builtin_prefetch(line + AHEAD);
		__builtin_prefetch(line + AHEAD + PACKED_LINE);
		whole one = ready_int8(load_bytes(line)), two = ready_int8(load_bytes(line + PACKED_LINE));
#pragma GCC unroll 16
		for (size_t r = 0; r < rows; r++) {
			const int8_t *own = x + r * tile->columns;
			sum[r][0] = dot_int8(sum[r][0], one, four_of(own));
			sum[r][other] = dot_int8(sum[r][other], two, four_of(own + PACKED_STEP));
		}
	}
#pragma GCC unroll 16
	for (size_t r = 0; r < rows; r++) {
		float *y = tile->y + (row + r) * PACKED_ROWS + part * LANES;
		vector product = floats_of(sum[r][0] + sum[r][1]);
		product *= tile->scale[(row + r) * tile->groups + g];
		store_floats(y, load_floats(y) + product);
	}
}

static inline __attribute__((always_inline)) void rows_int8(
    const struct packed_tile *tile, size_t row, const size_t rows)
{
	const float *scales = (const float *)tile->block;
	const uint8_t *line = tile->block + PACKED_LINE;
	float *y = tile->y + row * PACKED_ROWS;
	memset(y, 0, rows * PACKED_ROWS * sizeof *y);
	for (size_t g = 0; g < tile->groups; g++) {
		for (size_t part = 0; part < PARTS; part++)
			group_int8(tile, row, g, line, part, rows);
		line += group_lines(tile, g) * PACKED_LINE;
	}
	for (size_t i = 0; i < rows * PACKED_ROWS; i += LANES)
		store_floats(y + i, load_floats(y + i) * load_floats(scales + i % PACKED_ROWS));
}

/* The same for int4; half the lines, two lines of weights in each. */
static inline __attribute__((always_inline)) void group_int4(const struct packed_tile *tile,
    size_t row, size_t g, const uint8_t *line, size_t part, const size_t rows)
{
	const whole low = (whole){ 0 } + 0x0f0f0f0f;
	whole sum[PACKED_TILE][2];
	const size_t other = rows <= SPLIT_ROWS;
	const int8_t *x = tile->x + row * tile->columns + g * PACKED_GROUP;
	const uint16_t *halves = (const uint16_t *)line + part * LANES;
	size_t lines = group_lines(tile, g) / 2;
#pragma GCC unroll 16
	for (size_t r = 0; r < rows; r++)
		sum[r][0] = sum[r][1] = (whole){ 0 };
	line += PACKED_LINE + part * sizeof(whole);
	for (size_t l = 0; l < lines; l++, line += PACKED_LINE, x += 2 * PACKED_STEP) {
		__builtin_prefetch(line + AHEAD);
		whole both = load_bytes(line);
		whole one = both & low, two = upper_nibbles(both) & low;
#pragma GCC unroll 16
		for (size_t r = 0; r < rows; r++) {
			const int8_t *own = x + r * tile->columns;
			sum[r][0] = dot_int4(sum[r][0], one, four_of(own));
			sum[r][other] = dot_int4(sum[r][other], two, four_of(own + PACKED_STEP));
		}
	}
	vector scale = floats_of_halves(halves), minimum = floats_of_halves(halves + PACKED_ROWS);
#pragma GCC unroll 16
	for (size_t r = 0; r < rows; r++) {
		size_t at = (row + r) * tile->groups + g;
		float *y = tile->y + (row + r) * PACKED_ROWS + part * LANES;
		vector product = floats_of(sum[r][0] + sum[r][1]) * scale;
		product += minimum * tile->sum[at];
		store_floats(y, load_floats(y) + product * tile->scale[at]);
	}
}

static inline __attribute__((always_inline)) void rows_int4(
    const struct packed_tile *tile, size_t row, const size_t rows)
{
	const uint8_t *line = tile->block;
	memset(tile->y + row * PACKED_ROWS, 0, rows * PACKED_ROWS * sizeof(float));
	for (size_t g = 0; g < tile->groups; g++) {
		for (size_t part = 0; part < PARTS; part++)
			group_int4(tile, row, g, line, part, rows);
		line += PACKED_LINE + group_lines(tile, g) / 2 * PACKED_LINE;
	}
}

/* Rows by WIDE_ROWS, then by powers of two. */
static void int8(const struct packed_tile *tile)
{
	size_t row = 0, left = tile->rows;
	for (; left >= WIDE_ROWS; left -= WIDE_ROWS, row += WIDE_ROWS)
		rows_int8(tile, row, WIDE_ROWS);
	if (left & 8) {
		rows_int8(tile, row, 8);
		row += 8;
	}
	if (left & 4) {
		rows_int8(tile, row, 4);
		row += 4;
	}
	if (left & 2) {
		rows_int8(tile, row, 2);
		row += 2;
	}
	if (left & 1)
		rows_int8(tile, row, 1);
}

static void int4(const struct packed_tile *tile)
{
	size_t row = 0, left = tile->rows;
	for (; left >= WIDE_ROWS; left -= WIDE_ROWS, row += WIDE_ROWS)
		rows_int4(tile, row, WIDE_ROWS);
	if (left & 8) {
		rows_int4(tile, row, 8);
		row += 8;
	}
	if (left & 4) {
		rows_int4(tile, row, 4);
		row += 4;
	}
	if (left & 2) {
		rows_int4(tile, row, 2);
		row += 2;
	}
	if (left & 1)
		rows_int4(tile, row, 1);
}

/* A group of n elements, a multiple of PACKED_FILL. */
static void quantise_group(const float *x, size_t n, int8_t *values, float *scale, float *sum)
{
	whole most = { 0 }, total = { 0 };
	for (size_t i = 0; i < n; i += LANES)
		most = whole_most(most, (whole)load_floats(x + i) & 0x7fffffff);
	/* NaN and infinity have the largest bits of all. */
	int32_t bits = whole_highest(most);
	float top;
	memcpy(&top, &bits, sizeof top);
	*sum = 0;
	*scale = 0;
	if (bits >= 0x7f800000 || top < 0x1p-100f) {
		memset(values, 0, n);
		*scale = bits >= 0x7f800000 ? NAN : 0;
		return;
	}
	float inverse = PACKED_MOST / top;
	*scale = top / PACKED_MOST;
	for (size_t i = 0; i < n; i += LANES) {
		whole rounded = whole_of(load_floats(x + i) * inverse);
		total += rounded;
		store_narrow(values + i, rounded);
	}
	*sum = (float)whole_sum(total);
}

static void quantise(const float *x, size_t n, int8_t *values, float *scale, float *sum)
{
	float filled[PACKED_GROUP];
	size_t at = 0, g = 0;
	for (; n - at >= PACKED_GROUP; at += PACKED_GROUP, g++)
		quantise_group(x + at, PACKED_GROUP, values + at, scale + g, sum + g);
	if (at == n)
		return;
	memset(filled, 0, sizeof filled);
	memcpy(filled, x + at, (n - at) * sizeof *filled);
	quantise_group(filled, packed_columns(n - at), values + at, scale + g, sum + g);
}

#endif
