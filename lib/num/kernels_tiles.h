/* kernels_tiles.h - products by tiles of AMX, the text of kernels_tiles_amx.c and of the test that runs
 * it over emulated tiles. Who includes this defines, for tiles of at most 16 rows of 64 bytes,
 *     tiles_shape(first, second)    tiles 0, 1, 4: `first` rows; 2, 3, 5: `second`; 6, 7: 16
 *     tiles_end()                   no tile is used until tiles_shape() is called again
 *     tile_zero(t)  tile_load(t, from, row)  tile_store(t, to, row)     row: bytes
 *     tile_dot_bf16(c)  tile_dot_int8(c)    c = 0..3: tile c += tile 4 + c / 2 times tile 6 + c % 2
 * Rows of activations are the rows of tiles 4 and 5; 16 lines of packed weights (base/packed.h) are
 * tile 6 or 7.
 *
 * bf16: of each 32 columns the even ones are added up, and the odd ones, each product with one
 * rounding; then both sums, then that to what there was. Integers: the bytes of the other kernels.
 */
#ifndef ZV_NUM_KERNELS_TILES_H
#define ZV_NUM_KERNELS_TILES_H

#include "base/dtype.h"
#include "num/tiles.h"

#include <stdint.h>
#include <string.h>

enum {
	TILE_ROWS = 16,
	TILE_BYTES = 64,                         /* of a row */
	TILE_LINES = 16,                         /* packed lines */
	TILE_SIZE = TILE_LINES * PACKED_LINE,    /* of weights */
	TILE_DEPTH = 16 * TILE_LINES,            /* lines at once: two blocks of them are 32 KiB */
	GROUP_TILES = PACKED_GROUP / TILE_BYTES, /* of int8 */
};

/* What a panel of bf16 does with `blocks` blocks and rows in one or two tiles. */
struct tile_place {
	size_t row, block, first, lines;
	bool add;
};

/* heights x widths tiles of sums; both numbers are known to the compiler. */
static inline __attribute__((always_inline)) void brain_tile(const struct brain_panel *panel,
    const struct tile_place *place, const size_t heights, const size_t widths)
{
	size_t y_row = panel->y_row * sizeof *panel->y, x_row = panel->x_row * sizeof *panel->x;
	const uint16_t *x = panel->x + place->row * panel->x_row + place->first * PACKED_PAIR;
	const uint8_t *lines = panel->blocks + place->block * panel->block + place->first * PACKED_LINE;
	float *y = panel->y + place->row * panel->y_row + place->block * PACKED_ROWS;
#pragma GCC unroll 2
	for (size_t h = 0; h < heights; h++)
#pragma GCC unroll 2
		for (size_t w = 0; w < widths; w++)
			if (place->add)
				tile_load(2 * h + w, y + h * TILE_ROWS * panel->y_row + w * PACKED_ROWS, y_row);
			else
				tile_zero(2 * h + w);
	for (size_t l = 0; l < place->lines; l += TILE_LINES) {
#pragma GCC unroll 2
		for (size_t w = 0; w < widths; w++)
			tile_load(6 + w, lines + w * panel->block + l * PACKED_LINE, PACKED_LINE);
#pragma GCC unroll 2
		for (size_t h = 0; h < heights; h++) {
			tile_load(4 + h, x + h * TILE_ROWS * panel->x_row + l * PACKED_PAIR, x_row);
#pragma GCC unroll 2
			for (size_t w = 0; w < widths; w++)
				tile_dot_bf16(2 * h + w);
		}
	}
#pragma GCC unroll 2
	for (size_t h = 0; h < heights; h++)
#pragma GCC unroll 2
		for (size_t w = 0; w < widths; w++)
			tile_store(2 * h + w, y + h * TILE_ROWS * panel->y_row + w * PACKED_ROWS, y_row);
}

/* All outputs of rows first .. end, which are taken by `height`; tiles have the shape for it. */
static void brain_rows(const struct brain_panel *panel, size_t first, size_t end, size_t height)
{
	struct tile_place place = { 0 };
	for (; place.first < panel->lines; place.first += TILE_DEPTH) {
		size_t left = panel->lines - place.first;
		place.lines = left < TILE_DEPTH ? left : TILE_DEPTH;
		place.add = panel->add || place.first > 0;
		for (place.block = 0; place.block < panel->count; place.block += 2)
			for (place.row = first; place.row < end; place.row += height) {
				bool two = place.block + 1 < panel->count;
				if (height > TILE_ROWS && two)
					brain_tile(panel, &place, 2, 2);
				else if (height > TILE_ROWS)
					brain_tile(panel, &place, 2, 1);
				else if (two)
					brain_tile(panel, &place, 1, 2);
				else
					brain_tile(panel, &place, 1, 1);
			}
	}
}

static void tiles_brain(const struct brain_panel *panel)
{
	size_t whole = panel->rows / (2 * TILE_ROWS) * (2 * TILE_ROWS), left = panel->rows - whole;
	if (whole > 0) {
		tiles_shape(TILE_ROWS, TILE_ROWS);
		brain_rows(panel, 0, whole, 2 * TILE_ROWS);
	}
	if (left > 0) {
		tiles_shape(left < TILE_ROWS ? left : TILE_ROWS, left > TILE_ROWS ? left - TILE_ROWS : 1);
		brain_rows(panel, whole, panel->rows, left);
	}
	tiles_end();
}

/* The sums of integers of a group, 16 outputs of each row: tiles of weights in the order of columns. */
static inline __attribute__((always_inline)) void group_tile(const struct packed_tile *tile,
    size_t g, const uint8_t *weights, size_t tiles, int32_t *sums, const size_t heights)
{
	const int8_t *x = tile->x + g * PACKED_GROUP;
#pragma GCC unroll 2
	for (size_t h = 0; h < heights; h++)
		tile_zero(2 * h);
	for (size_t t = 0; t < tiles; t++) {
		tile_load(6, weights + t * TILE_SIZE, PACKED_LINE);
#pragma GCC unroll 2
		for (size_t h = 0; h < heights; h++) {
			tile_load(4 + h, x + h * TILE_ROWS * tile->columns + t * TILE_BYTES, tile->columns);
			tile_dot_int8(2 * h);
		}
	}
#pragma GCC unroll 2
	for (size_t h = 0; h < heights; h++)
		tile_store(2 * h, sums + h * TILE_ROWS * PACKED_ROWS, TILE_BYTES);
}

static void group_sums(const struct packed_tile *tile, size_t g, const uint8_t *weights,
    size_t tiles, int32_t sums[TILES_ROWS * PACKED_ROWS])
{
	if (tile->rows > TILE_ROWS)
		group_tile(tile, g, weights, tiles, sums, 2);
	else
		group_tile(tile, g, weights, tiles, sums, 1);
}

/* Tiles of 64 columns in group g. */
static size_t group_tiles(const struct packed_tile *tile, size_t g)
{
	size_t left = tile->columns / TILE_BYTES - g * GROUP_TILES;
	return left < GROUP_TILES ? left : GROUP_TILES;
}

static void shape_for(const struct packed_tile *tile)
{
	size_t rows = tile->rows;
	tiles_shape(rows < TILE_ROWS ? rows : TILE_ROWS, rows > TILE_ROWS ? rows - TILE_ROWS : 1);
	memset(tile->y, 0, rows * PACKED_ROWS * sizeof *tile->y);
}

static void tiles_int8(const struct packed_tile *tile)
{
	int32_t sums[TILES_ROWS * PACKED_ROWS];
	float scales[PACKED_ROWS];
	const uint8_t *weights = tile->block + PACKED_LINE;
	memcpy(scales, tile->block, sizeof scales);
	shape_for(tile);
	for (size_t g = 0; g < tile->groups; g++) {
		size_t tiles = group_tiles(tile, g);
		group_sums(tile, g, weights, tiles, sums);
		weights += tiles * TILE_SIZE;
		for (size_t r = 0; r < tile->rows; r++) {
			float *y = tile->y + r * PACKED_ROWS, scale = tile->scale[r * tile->groups + g];
			for (size_t i = 0; i < PACKED_ROWS; i++)
				y[i] += (float)sums[r * PACKED_ROWS + i] * scale;
		}
	}
	for (size_t r = 0; r < tile->rows; r++)
		for (size_t i = 0; i < PACKED_ROWS; i++)
			tile->y[r * PACKED_ROWS + i] *= scales[i];
}

/* Lines of nibbles as twice as many lines of weights. */
static void split_lines(const uint8_t *nibbles, size_t lines, uint8_t *weights)
{
	for (size_t l = 0; l < lines; l++, nibbles += PACKED_LINE, weights += 2 * PACKED_LINE)
		for (size_t i = 0; i < PACKED_LINE; i++) {
			weights[i] = nibbles[i] & 0xf;
			weights[PACKED_LINE + i] = nibbles[i] >> 4;
		}
}

static void tiles_int4(const struct packed_tile *tile)
{
	int32_t sums[TILES_ROWS * PACKED_ROWS];
	uint8_t weights[GROUP_TILES * TILE_SIZE];
	const uint8_t *group = tile->block;
	shape_for(tile);
	for (size_t g = 0; g < tile->groups; g++) {
		size_t tiles = group_tiles(tile, g);
		uint16_t halves[2 * PACKED_ROWS];
		float scales[PACKED_ROWS], minima[PACKED_ROWS];
		memcpy(halves, group, sizeof halves);
		for (size_t i = 0; i < PACKED_ROWS; i++) {
			scales[i] = f32_from_f16(halves[i]);
			minima[i] = f32_from_f16(halves[PACKED_ROWS + i]);
		}
		split_lines(group + PACKED_LINE, tiles * TILE_LINES / 2, weights);
		group_sums(tile, g, weights, tiles, sums);
		group += PACKED_LINE + tiles * TILE_SIZE / 2;
		for (size_t r = 0; r < tile->rows; r++) {
			float *y = tile->y + r * PACKED_ROWS, scale = tile->scale[r * tile->groups + g];
			float sum = tile->sum[r * tile->groups + g];
			for (size_t i = 0; i < PACKED_ROWS; i++) {
				float product = (float)sums[r * PACKED_ROWS + i] * scales[i];
				product += sum * minima[i];
				y[i] += scale * product;
			}
		}
	}
}

#endif
