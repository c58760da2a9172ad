/* kernels_matrix.h - what attention of small items is made of (kernels.h): products of matrices of
 * some tens of rows, transposes, the gradient of softmax. Written once for vectors of LANES floats
 * like kernels_vector.h, behind which the file of a CPU level includes this.
 */
#ifndef ZV_NUM_KERNELS_MATRIX_H
#define ZV_NUM_KERNELS_MATRIX_H

#include "num/kernels.h"
#include "num/kernels_vector.h"

#include <immintrin.h>
#include <stdbool.h>

/* The sums of a tile stay in registers: 6 x 4 of 32 with AVX-512, 6 x 2 of 16 with AVX2. As many
 * rows of B are taken at once as leave a tile's columns of them in the first cache. */
enum { TILE_ROWS = 6, TILE_MOST = 4, TILE_VECTORS = LANES == 16 ? 4 : 2, TILE_DEPTH = 192 };

/* One row of a tile: vectors of them, the last as far as last says. */
struct tile_row {
	vector v[TILE_MOST];
};

static inline __attribute__((always_inline)) struct tile_row tile_load(
    const float *from, lanes last, const size_t vectors)
{
	struct tile_row row;
#pragma GCC unroll 4
	for (size_t v = 0; v + 1 < vectors; v++)
		row.v[v] = vector_load(from + v * LANES);
	row.v[vectors - 1] = vector_load_lanes(from + (vectors - 1) * LANES, last, vector_all(0));
	return row;
}

static inline __attribute__((always_inline)) void tile_store(
    float *to, const struct tile_row *row, lanes last, const size_t vectors)
{
#pragma GCC unroll 4
	for (size_t v = 0; v + 1 < vectors; v++)
		vector_store(to + v * LANES, row->v[v]);
	vector_store_lanes(to + (vectors - 1) * LANES, row->v[vectors - 1], last);
}

/* rows x vectors elements of C from depth columns of A; both numbers are known to the compiler. */
static inline __attribute__((always_inline)) void matrix_tile(const struct matrix_product *x,
    const float *a, const float *b, float *c, size_t depth, bool add, lanes last, const size_t rows,
    const size_t vectors)
{
	struct tile_row sum[TILE_ROWS] = { 0 };
	if (add) {
#pragma GCC unroll 6
		for (size_t r = 0; r < rows; r++)
			sum[r] = tile_load(c + r * x->c_row, last, vectors);
	}
	for (size_t i = 0; i < depth; i++, a += x->a_column, b += x->b_row) {
		struct tile_row row = tile_load(b, last, vectors);
#pragma GCC unroll 6
		for (size_t r = 0; r < rows; r++) {
			vector factor = vector_all(a[r * x->a_row]);
#pragma GCC unroll 4
			for (size_t v = 0; v < vectors; v++)
				sum[r].v[v] = vector_fused(factor, row.v[v], sum[r].v[v]);
		}
	}
#pragma GCC unroll 6
	for (size_t r = 0; r < rows; r++)
		tile_store(c + r * x->c_row, &sum[r], last, vectors);
}

/* The columns of a tile: what they need of B, of A's columns and of C, and where the last ends. */
struct panel {
	const float *a, *b;
	float *c;
	size_t depth;
	bool add;
	lanes last;
};

/* All rows of C for one panel. */
static inline __attribute__((always_inline)) void matrix_panel(
    const struct matrix_product *x, const struct panel *panel, const size_t vectors)
{
	const float *a = panel->a, *b = panel->b;
	float *c = panel->c;
	size_t depth = panel->depth, left = x->m;
	for (; left >= TILE_ROWS; left -= TILE_ROWS) {
		matrix_tile(x, a, b, c, depth, panel->add, panel->last, TILE_ROWS, vectors);
		a += TILE_ROWS * x->a_row;
		c += TILE_ROWS * x->c_row;
	}
	if (left >= 4) {
		matrix_tile(x, a, b, c, depth, panel->add, panel->last, 4, vectors);
		left -= 4;
		a += 4 * x->a_row;
		c += 4 * x->c_row;
	}
	if (left >= 2) {
		matrix_tile(x, a, b, c, depth, panel->add, panel->last, 2, vectors);
		left -= 2;
		a += 2 * x->a_row;
		c += 2 * x->c_row;
	}
	if (left)
		matrix_tile(x, a, b, c, depth, panel->add, panel->last, 1, vectors);
}

/* Functions of their own: all in one would take compilers long. The wider two are of AVX-512. */
static __attribute__((noinline)) void panel_one(
    const struct matrix_product *x, const struct panel *panel)
{
	matrix_panel(x, panel, 1);
}

static __attribute__((noinline)) void panel_two(
    const struct matrix_product *x, const struct panel *panel)
{
	matrix_panel(x, panel, 2);
}

static __attribute__((noinline)) void panel_three(
    const struct matrix_product *x, const struct panel *panel)
{
	if (TILE_VECTORS > 2)
		matrix_panel(x, panel, 3);
}

static __attribute__((noinline)) void panel_four(
    const struct matrix_product *x, const struct panel *panel)
{
	if (TILE_VECTORS > 2)
		matrix_panel(x, panel, 4);
}

/* A panel's part of B, its rows one behind the other. */
static void copy_panel(
    const float *b, size_t b_row, size_t depth, size_t vectors, lanes last, float *to)
{
	for (size_t i = 0; i < depth; i++, b += b_row, to += TILE_VECTORS * LANES) {
		for (size_t v = 0; v + 1 < vectors; v++)
			vector_store(to + v * LANES, vector_load(b + v * LANES));
		size_t end = (vectors - 1) * LANES;
		vector_store(to + end, vector_load_lanes(b + end, last, vector_all(0)));
	}
}

/* The rows first .. first + depth of B. Columns are shared out evenly: 5 vectors are panels of 3 and
 * 2, not of 4 and 1. Rows of B whose distance is a multiple of CROWDED share few sets of the first
 * cache, too few for a panel: where there are rows of A enough to pay for it, it is copied. */
static void matrix_depth(const struct matrix_product *x, size_t first, size_t depth)
{
	enum { CROWDED = 128, ROWS_ENOUGH = 4 * TILE_ROWS };
	void (*const panel_of[])(const struct matrix_product *, const struct panel *) = { panel_one,
		panel_two, panel_three, panel_four };
	float copy[TILE_DEPTH * TILE_VECTORS * LANES];
	struct matrix_product copied = *x;
	bool copies = x->b_row % CROWDED == 0 && x->m >= ROWS_ENOUGH;
	size_t vectors = (x->n + LANES - 1) / LANES;
	size_t panels = (vectors + TILE_VECTORS - 1) / TILE_VECTORS;
	copied.b_row = copies ? TILE_VECTORS * LANES : x->b_row;
	for (size_t column = 0; panels > 0; panels--) {
		size_t wide = (vectors + panels - 1) / panels;
		size_t end = x->n - column - (wide - 1) * LANES;
		struct panel panel = { x->a + first * x->a_column, x->b + first * x->b_row + column,
			x->c + column, depth, x->add || first > 0, lanes_first(end < LANES ? end : LANES) };
		if (copies) {
			copy_panel(panel.b, x->b_row, depth, wide, panel.last, copy);
			panel.b = copy;
		}
		panel_of[wide - 1](&copied, &panel);
		column += wide * LANES;
		vectors -= wide;
	}
}

static void matrix(const struct matrix_product *x)
{
	size_t first = 0;
	do {
		size_t left = x->k - first, depth = left < TILE_DEPTH ? left : TILE_DEPTH;
		matrix_depth(x, first, depth);
		first += depth;
	} while (first < x->k);
}

/* 8 rows of 8 elements, turned. */
static inline void transpose_eight(const float *x, size_t x_row, float *y, size_t y_row)
{
	__m256 row[8], pair[8];
#pragma GCC unroll 8
	for (size_t i = 0; i < 4; i++) {
		/* Rows i and i + 4 in the halves of one register: columns 0..3, then 4..7. */
		row[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(x + i * x_row)),
		    _mm_loadu_ps(x + (i + 4) * x_row), 1);
		row[i + 4] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(x + i * x_row + 4)),
		    _mm_loadu_ps(x + (i + 4) * x_row + 4), 1);
	}
#pragma GCC unroll 2
	for (size_t i = 0; i < 8; i += 4) {
		pair[0] = _mm256_unpacklo_ps(row[i], row[i + 1]);
		pair[1] = _mm256_unpackhi_ps(row[i], row[i + 1]);
		pair[2] = _mm256_unpacklo_ps(row[i + 2], row[i + 3]);
		pair[3] = _mm256_unpackhi_ps(row[i + 2], row[i + 3]);
		_mm256_storeu_ps(y + i * y_row, _mm256_shuffle_ps(pair[0], pair[2], 0x44));
		_mm256_storeu_ps(y + (i + 1) * y_row, _mm256_shuffle_ps(pair[0], pair[2], 0xEE));
		_mm256_storeu_ps(y + (i + 2) * y_row, _mm256_shuffle_ps(pair[1], pair[3], 0x44));
		_mm256_storeu_ps(y + (i + 3) * y_row, _mm256_shuffle_ps(pair[1], pair[3], 0xEE));
	}
}

static void transpose(
    const float *x, size_t x_row, size_t rows, size_t columns, float *y, size_t y_row)
{
	size_t whole_rows = rows & ~(size_t)7, whole_columns = columns & ~(size_t)7;
	for (size_t r = 0; r < whole_rows; r += 8)
		for (size_t c = 0; c < whole_columns; c += 8)
			transpose_eight(x + r * x_row + c, x_row, y + c * y_row + r, y_row);
	for (size_t r = 0; r < rows; r++)
		for (size_t c = r < whole_rows ? whole_columns : 0; c < columns; c++)
			y[c * y_row + r] = x[r * x_row + c];
}

static void softmax_gradient(
    float *d, const float *kept, const float *weight, float scale, size_t n)
{
	lanes last = lanes_first(n % LANES);
	vector sum = { 0 };
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		sum = vector_fused(vector_load(kept + i), vector_load(d + i), sum);
	if (i < n)
		sum = vector_fused(vector_load_lanes(kept + i, last, vector_all(0)),
		    vector_load_lanes(d + i, last, vector_all(0)), sum);
	float mean = vector_sum(sum);
	for (i = 0; i + LANES <= n; i += LANES) {
		vector off = vector_load(kept + i) * vector_load(d + i);
		off = vector_fused(vector_load(weight + i), vector_all(-mean), off);
		vector_store(d + i, off * scale);
	}
	if (i < n) {
		vector off = vector_load_lanes(kept + i, last, vector_all(0)) *
		             vector_load_lanes(d + i, last, vector_all(0));
		off = vector_fused(
		    vector_load_lanes(weight + i, last, vector_all(0)), vector_all(-mean), off);
		vector_store_lanes(d + i, off * scale, last);
	}
}

#endif
