/* packed - matrices as int8 and int4: what packing loses, the kernels of every level against the
 * portable ones byte for byte, the linear layer with such weights against sums in double.
 */
#include "tap.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/packed.h"
#include "base/cpu.h"
#include "num/kernels_packed.h"
#include "num/linear.h"
#include "num/product.h"

static const char types[] = { PACKED_INT8, PACKED_INT4 };

static uint32_t state = 11;

static uint32_t next(void)
{
	state = state * 1664525u + 1013904223u;
	return state >> 8;
}

/* Kinds of values: even ones, with outliers, all the same, zeros, tiny, large, of one sign. */
enum kind { EVEN, OUTLIERS, SAME, ZEROS, TINY, LARGE, POSITIVE, KINDS };

static float value_of(enum kind kind, size_t i)
{
	float even = (float)next() * 0x1p-23f - 1.0f;
	switch (kind) {
	case OUTLIERS:
		return i % 61 == 7 ? even * 300 : even;
	case SAME:
		return 0.1f;
	case ZEROS:
		return 0;
	case TINY:
		return even * 0x1p-130f;
	case LARGE:
		return even * 30000;
	case POSITIVE:
		return even + 5;
	default:
		return even;
	}
}

static void *allocate(size_t count, size_t size)
{
	void *memory = memory_allocate_zero(count, size);
	if (!memory)
		exit(2);
	return memory;
}

static float *values(enum kind kind, size_t count)
{
	float *x = allocate(count, sizeof *x);
	for (size_t i = 0; i < count; i++)
		x[i] = value_of(kind, i);
	return x;
}

/* The matrix packed; NULL if a row cannot be. */
static uint8_t *pack(char type, const float *w, size_t rows, size_t columns)
{
	size_t blocks, block;
	if (!packed_size(type, rows, columns, &blocks, &block))
		exit(2);
	uint8_t *data = allocate(blocks, block);
	for (size_t i = 0; i < blocks; i++) {
		size_t first = i * PACKED_ROWS, left = rows - first;
		if (packed_put(type, w + first * columns, left < PACKED_ROWS ? left : PACKED_ROWS, columns,
		        data + i * block) < 0) {
			memory_release(data);
			return NULL;
		}
	}
	return data;
}

/* Half a step of int8 in a row of these weights. */
static double half_step(const float *w, size_t columns)
{
	double most = 0;
	for (size_t i = 0; i < columns; i++)
		most = fmax(most, fabs((double)w[i]));
	return most / 127 / 2 * (1 + 1e-6) + 0x1p-100;
}

/* The squares that int4 loses at most in a group: those of steps over all of its values, with the
 * minimum down and the scale up to the next f16. */
static double group_bound(const float *w, size_t columns)
{
	double least = (double)w[0], most = least;
	for (size_t i = 0; i < columns; i++) {
		least = fmin(least, (double)w[i]);
		most = fmax(most, (double)w[i]);
	}
	double scale = (most - least + fmax(fabs(least) * 0x1p-10, 0x1p-24)) / 15;
	double half = (scale + fmax(scale * 0x1p-10, 0x1p-24)) / 2 + fmax(-least, most) * 1e-6;
	return (double)columns * half * half * (1 + 1e-5);
}

/* Rows or groups in which more is lost than may be. */
static size_t count_outside(
    char type, const float *w, const float *got, size_t rows, size_t columns)
{
	size_t outside = 0;
	for (size_t row = 0; row < rows; row++, w += columns, got += columns) {
		double loss = 0, step = half_step(w, columns);
		for (size_t i = 0; i < columns; i++) {
			double apart = (double)got[i] - (double)w[i];
			size_t first = i / PACKED_GROUP * PACKED_GROUP;
			bool last = i + 1 == columns || (i + 1) % PACKED_GROUP == 0;
			loss = i == first ? apart * apart : loss + apart * apart;
			if (type == PACKED_INT8)
				outside += !(fabs(apart) <= step);
			else if (last)
				outside += !(loss <= group_bound(w + first, i + 1 - first));
		}
	}
	return outside;
}

static void check_round_trip(char type, enum kind kind, size_t rows, size_t columns)
{
	float *w = values(kind, rows * columns), *got = allocate(rows * columns, sizeof *got);
	uint8_t *data = pack(type, w, rows, columns);
	packed_get(type, data, columns, 0, rows, got);
	/* One row from the middle is the same as among all. */
	float *row = allocate(columns, sizeof *row);
	packed_get(type, data, columns, rows / 2, 1, row);
	size_t outside = count_outside(type, w, got, rows, columns);
	TAP_OK(outside == 0 && memcmp(row, got + rows / 2 * columns, columns * sizeof *row) == 0,
	    "%s %zu x %zu of kind %d: loses at most half a step (%zu outside)", packed_name(type), rows,
	    columns, (int)kind, outside);
	TAP_OK(packed_not_finite(type, data, (rows + PACKED_ROWS - 1) / PACKED_ROWS, columns) == 0,
	    "scales are finite");
	memory_release(row);
	memory_release(w);
	memory_release(got);
	memory_release(data);
}

static void check_packing(void)
{
	static const size_t shapes[][2] = { { 1, 1 }, { 3, 5 }, { 16, 64 }, { 17, 65 }, { 33, 129 },
		{ 15, 127 }, { 31, 192 }, { 16, 257 } };
	for (size_t t = 0; t < sizeof types; t++)
		for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
			for (enum kind kind = EVEN; kind < KINDS; kind++)
				check_round_trip(types[t], kind, shapes[s][0], shapes[s][1]);
}

static void check_refusals(void)
{
	float w[64] = { 0 };
	const float bad[] = { NAN, INFINITY, -INFINITY };
	size_t blocks, block;
	for (size_t t = 0; t < sizeof types; t++)
		for (size_t i = 0; i < 3; i++) {
			w[37] = bad[i];
			TAP_OK(!pack(types[t], w, 1, 64) && strstr(error_text(), "not finite"), "%s refuses %f",
			    packed_name(types[t]), (double)bad[i]);
		}
	w[37] = 1e6f;
	TAP_OK(!pack(PACKED_INT4, w, 1, 64) && strstr(error_text(), "too large"),
	    "int4 refuses what its f16 cannot hold");
	TAP_OK(!packed_size(PACKED_INT8, SIZE_MAX, 64, &blocks, &block) &&
	           !packed_size(PACKED_INT8, 64, SIZE_MAX, &blocks, &block) &&
	           !packed_size(PACKED_INT4, (size_t)1 << 40, (size_t)1 << 40, &blocks, &block),
	    "sizes that do not fit are found");
	TAP_OK(packed_size(PACKED_INT4, 5120, 5120, &blocks, &block) &&
	           (double)blocks * (double)block * 8 / 5120 / 5120 <= 4.2501,
	    "int4 takes 4.25 bits a weight");
}

/* Bytes of any value but in the scales, as a hostile file may have them. */
static void spoil(char type, uint8_t *data, size_t blocks, size_t columns)
{
	size_t block = packed_block(type, columns);
	for (size_t i = 0; i < blocks * block; i++) {
		size_t at = i % block;
		size_t group = PACKED_LINE + PACKED_ROWS / 2 * PACKED_GROUP;
		bool scale = (type == PACKED_INT8 ? at : at % group) < PACKED_LINE;
		if (!scale)
			data[i] = next() % 3 == 0 ? 0x80 : (uint8_t)next();
	}
}

/* A tile of every level against the portable one: the same bytes. */
static void check_tile(
    const struct packed_kernels *kernels, const char *level, char type, size_t n, enum kind kind)
{
	size_t columns = packed_columns(n), groups = packed_groups(n);
	float *w = values(EVEN, PACKED_ROWS * n), *x = values(kind, PACKED_TILE * n);
	uint8_t *data = pack(type, w, PACKED_ROWS, n);
	int8_t *narrow[2];
	float *scale[2], y[2][PACKED_TILE * PACKED_ROWS];
	int differ = 0;
	if (kind == EVEN) {
		spoil(type, data, 1, n);
		x[n / 2] = NAN;
		x[n + n / 3] = INFINITY;
	}
	for (int i = 0; i < 2; i++) {
		narrow[i] = allocate(PACKED_TILE, columns);
		scale[i] = allocate(2 * PACKED_TILE * groups, sizeof(float));
		for (size_t row = 0; row < PACKED_TILE; row++)
			(i ? kernels : &packed_ref)
			    ->quantise(x + row * n, n, narrow[i] + row * columns, scale[i] + row * groups,
			        scale[i] + (PACKED_TILE + row) * groups);
	}
	differ += memcmp(narrow[0], narrow[1], PACKED_TILE * columns) != 0;
	for (size_t i = 0; i < 2 * PACKED_TILE * groups; i++)
		differ += memcmp(&scale[0][i], &scale[1][i], sizeof(float)) != 0 && !isnan(scale[0][i]);
	for (size_t rows = 1; rows <= PACKED_TILE; rows++) {
		for (int i = 0; i < 2; i++) {
			const struct packed_kernels *own = i ? kernels : &packed_ref;
			struct packed_tile tile = { data, narrow[0], scale[0], scale[0] + PACKED_TILE * groups,
				rows, columns, groups, y[i] };
			memset(y[i], 0x55, sizeof y[i]);
			(type == PACKED_INT8 ? own->int8 : own->int4)(&tile);
		}
		for (size_t i = 0; i < rows * PACKED_ROWS; i++)
			differ += memcmp(&y[0][i], &y[1][i], sizeof(float)) != 0 &&
			          !(isnan(y[0][i]) && isnan(y[1][i]));
	}
	TAP_OK(differ == 0, "%s: %s of %zu columns, kind %d: the bytes of the portable kernel (%d)",
	    level, packed_name(type), n, (int)kind, differ);
	for (int i = 0; i < 2; i++) {
		memory_release(narrow[i]);
		memory_release(scale[i]);
	}
	memory_release(w);
	memory_release(x);
	memory_release(data);
}

static void check_level(const struct packed_kernels *kernels, const char *level)
{
	static const size_t sizes[] = { 1, 2, 61, 64, 65, 127, 128, 129, 192, 257, 640 };
	for (size_t t = 0; t < sizeof types; t++)
		for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
			for (enum kind kind = EVEN; kind < KINDS; kind++)
				check_tile(kernels, level, types[t], sizes[s], kind);
}

static void check_levels(void)
{
#if defined(__x86_64__)
	if (cpu_level() >= CPU_AVX2)
		check_level(&packed_avx2, "avx2");
	if (cpu_level() >= CPU_AVX512)
		check_level(&packed_avx512, "avx512");
	if (cpu_has_vnni())
		check_level(&packed_vnni, "vnni");
#endif
}

/* y = x W^T + b in double, W being what is stored; and how far rounding x may take it. */
static double reference(const float *w, const float *bias, const float *x, size_t in, double *bound)
{
	double sum = bias ? (double)*bias : 0;
	*bound = 1e-5;
	for (size_t first = 0; first < in; first += PACKED_GROUP) {
		size_t end = first + PACKED_GROUP < in ? first + PACKED_GROUP : in;
		double most = 0, weights = 0;
		for (size_t i = first; i < end; i++) {
			sum += (double)x[i] * (double)w[i];
			most = fmax(most, fabs((double)x[i]));
			weights += fabs((double)w[i]);
		}
		*bound += most / 127 / 2 * 1.0001 * weights + 1e-6 * most * weights;
	}
	return sum;
}

static void check_linear(char type, size_t rows, size_t in, size_t out)
{
	enum { ITEMS = 2 };
	float *w = values(OUTLIERS, out * in), *bias = values(EVEN, out);
	float *x = values(OUTLIERS, ITEMS * rows * in), *y = allocate(ITEMS * rows * out, sizeof *y);
	float *alone = allocate(rows * out, sizeof *alone);
	uint8_t *data = pack(type, w, out, in);
	struct linear linear = { data, type, out, in, bias };
	packed_get(type, data, in, 0, out, w);
	size_t outside = 0, failed = 0;
	failed += linear_forward(&linear, x, ITEMS, rows, y, LINEAR_STORE) < 0;
	for (size_t i = 0; i < ITEMS * rows * out; i++) {
		double bound;
		size_t o = i % out;
		double wanted = reference(w + o * in, bias + o, x + i / out * in, in, &bound);
		outside += !(fabs((double)y[i] - wanted) <= bound);
	}
	TAP_OK(failed == 0 && outside == 0, "%s %zu x %zu x %zu: within what rounding x may do",
	    packed_name(type), rows, in, out);
	failed += linear_decode(&linear, x + rows * in, rows, alone, LINEAR_STORE) < 0;
	TAP_OK(failed == 0 && memcmp(alone, y + rows * out, rows * out * sizeof *y) == 0,
	    "rows have the same bytes alone, and in decoding");
	failed += linear_forward(&linear, x, ITEMS, rows, y, LINEAR_ADD) < 0;
	for (size_t i = 0; i < rows * out; i++)
		outside += y[rows * out + i] != alone[i] + alone[i];
	failed += linear_forward(&linear, x, ITEMS, rows, y, LINEAR_GELU) < 0;
	for (size_t i = 0; i < rows * out; i++) {
		double v = (double)alone[i], wanted = 0.5 * v * erfc(-v / sqrt(2));
		outside += !(fabs((double)y[rows * out + i] - wanted) <= 2e-6 * (1 + fabs(v)));
	}
	TAP_OK(failed == 0 && outside == 0, "added, and through gelu");
	linear_weight(&linear, out / 2, 1, x);
	TAP_OK(memcmp(x, w + out / 2 * in, in * sizeof *x) == 0, "a row of the weight");
	memory_release(w);
	memory_release(bias);
	memory_release(x);
	memory_release(y);
	memory_release(alone);
	memory_release(data);
}

int main(void)
{
	if (product_start() < 0)
		return 2;
	check_packing();
	check_refusals();
	check_levels();
	for (size_t t = 0; t < sizeof types; t++) {
		check_linear(types[t], 1, 1, 1);
		check_linear(types[t], 1, 67, 61);
		check_linear(types[t], 9, 192, 40);
		check_linear(types[t], 23, 300, 33);
	}
	return tap_finish();
}
