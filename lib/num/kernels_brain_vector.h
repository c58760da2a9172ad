/* kernels_brain_vector.h - the kernels of bf16 (kernels_brain.h), written once for vectors of LANES
 * 32-bit elements; the file of a CPU level defines these, the types vector (f32) and whole (i32), how
 * large a tile its registers hold (TILE_ROWS rows, VECTORS vectors of outputs), and dot_pairs().
 */
#ifndef ZV_NUM_KERNELS_BRAIN_VECTOR_H
#define ZV_NUM_KERNELS_BRAIN_VECTOR_H

#include "num/kernels_brain.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum {
	PARTS = PACKED_ROWS / LANES, /* vectors of a line */
	DEPTH = 4 * BRAIN_LINES,     /* lines at once: the strip of a tile stays in the first cache */
};
typedef int16_t short_whole __attribute__((vector_size(2 * LANES)));
typedef uint32_t bit_pattern __attribute__((vector_size(4 * LANES)));

static inline whole load_whole(const void *from)
{
	whole v;
	memcpy(&v, from, sizeof v);
	return v;
}

static inline vector load_floats(const float *from)
{
	vector v;
	memcpy(&v, from, sizeof v);
	return v;
}

/* The same two activations for all rows of weights. */
static inline whole pair_of(const uint16_t *x)
{
	int32_t pair;
	memcpy(&pair, x, sizeof pair);
	return (whole){ 0 } + pair;
}

/* A vector of f32 to bf16: to the nearest, ties to even; NaN stays one, what is not normal is 0. */
static inline void narrow_vector(vector v, uint16_t *to)
{
	bit_pattern bits = (bit_pattern)v;
	bit_pattern rounded = bits + 0x7fff + ((bits >> 16) & 1); /* NaNs may wrap round */
	whole magnitude = (whole)(bits & 0x7fffffff);
	bit_pattern nan = (bit_pattern)(magnitude > 0x7f800000);
	bit_pattern small = (bit_pattern)(magnitude < 0x00800000);
	rounded = (nan & (bits | 0x00400000)) | (~nan & rounded);
	rounded = (small & (bits & 0x80000000)) | (~small & rounded);
	short_whole halves = __builtin_convertvector((whole)rounded >> 16, short_whole);
	memcpy(to, &halves, sizeof halves);
}

static void narrow(const float *x, size_t n, uint16_t *values)
{
	size_t i = 0;
	for (; i + LANES <= n; i += LANES)
		narrow_vector(load_floats(x + i), values + i);
	if (i < n) {
		vector end = { 0 };
		memcpy(&end, x + i, (n - i) * sizeof *x);
		narrow_vector(end, values + i);
		i += LANES;
	}
	memset(values + i, 0, (packed_columns(n) - i) * sizeof *values);
}

/* A strip: the vectors of outputs from `part` on, lines first .. first + lines. */
struct strip {
	size_t part, first, lines;
	bool add;
};

/* rows x vectors sums; both numbers are known to the compiler. */
static inline __attribute__((always_inline)) void tile(const struct brain_panel *panel,
    const struct strip *strip, size_t row, const size_t rows, const size_t vectors)
{
	vector sum[TILE_ROWS][VECTORS];
	const uint8_t *line[VECTORS];
	const uint16_t *x = panel->x + row * panel->x_row + strip->first * PACKED_PAIR;
	float *y = panel->y + row * panel->y_row + strip->part * LANES;
#pragma GCC unroll 4
	for (size_t v = 0; v < vectors; v++) {
		size_t part = strip->part + v;
		line[v] = panel->blocks + part / PARTS * panel->block + part % PARTS * sizeof(whole) +
		          strip->first * PACKED_LINE;
	}
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
		for (size_t v = 0; v < vectors; v++)
			sum[r][v] = strip->add ? load_floats(y + r * panel->y_row + v * LANES) : (vector){ 0 };
	for (size_t l = 0; l < strip->lines; l++, x += PACKED_PAIR) {
		whole weights[VECTORS];
#pragma GCC unroll 4
		for (size_t v = 0; v < vectors; v++)
			weights[v] = load_whole(line[v] + l * PACKED_LINE);
#pragma GCC unroll 8
		for (size_t r = 0; r < rows; r++) {
			whole pair = pair_of(x + r * panel->x_row);
#pragma GCC unroll 4
			for (size_t v = 0; v < vectors; v++)
				sum[r][v] = dot_pairs(sum[r][v], weights[v], pair);
		}
	}
#pragma GCC unroll 8
	for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 4
		for (size_t v = 0; v < vectors; v++)
			memcpy(y + r * panel->y_row + v * LANES, &sum[r][v], sizeof(vector));
}

/* All rows of a strip. */
static inline __attribute__((always_inline)) void strip_of(
    const struct brain_panel *panel, const struct strip *strip, const size_t vectors)
{
	size_t row = 0;
	for (; row + TILE_ROWS <= panel->rows; row += TILE_ROWS)
		tile(panel, strip, row, TILE_ROWS, vectors);
	size_t left = panel->rows - row;
	if (left & 4) {
		tile(panel, strip, row, 4, vectors);
		row += 4;
	}
	if (left & 2) {
		tile(panel, strip, row, 2, vectors);
		row += 2;
	}
	if (left & 1)
		tile(panel, strip, row, 1, vectors);
}

/* Functions of their own: all in one would take compilers long. */
static __attribute__((noinline)) void strip_one(
    const struct brain_panel *panel, const struct strip *strip)
{
	strip_of(panel, strip, 1);
}

static __attribute__((noinline)) void strip_two(
    const struct brain_panel *panel, const struct strip *strip)
{
	strip_of(panel, strip, 2);
}

static __attribute__((noinline)) void strip_all(
    const struct brain_panel *panel, const struct strip *strip)
{
	strip_of(panel, strip, VECTORS);
}

/* All strips of a range of lines. */
static void lines_of(const struct brain_panel *panel, size_t first, size_t lines)
{
	struct strip strip = { 0, first, lines, panel->add || first > 0 };
	size_t parts = panel->count * PARTS;
	for (; strip.part + VECTORS <= parts; strip.part += VECTORS)
		strip_all(panel, &strip);
	for (; strip.part + 2 <= parts; strip.part += 2)
		strip_two(panel, &strip);
	if (strip.part < parts)
		strip_one(panel, &strip);
}

static void panel_of(const struct brain_panel *panel)
{
	size_t depth = panel->rows > TILE_ROWS ? DEPTH : panel->lines;
	for (size_t first = 0; first < panel->lines; first += depth)
		lines_of(panel, first, panel->lines - first < depth ? panel->lines - first : depth);
}

#endif
