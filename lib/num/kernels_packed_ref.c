/* kernels_packed_ref.c - the kernels of packed weights in portable C: plain, and the truth in tests
 * (see kernels_packed.h).
 */
#include "num/kernels_packed.h"
#include "base/dtype.h"

#include <math.h>
#include <string.h>

enum { LINES = PACKED_GROUP / PACKED_STEP, HALF_LINE = PACKED_LINE / 2 };

/* The bits of the largest magnitude: NaN and infinity are the largest of all. */
static uint32_t most_bits(const float *x, size_t n)
{
	uint32_t most = 0;
	for (size_t i = 0; i < n; i++) {
		uint32_t bits;
		memcpy(&bits, &x[i], sizeof bits);
		bits &= 0x7fffffff;
		most = bits > most ? bits : most;
	}
	return most;
}

static void quantise_group(const float *x, size_t n, int8_t *values, float *scale, float *sum)
{
	uint32_t bits = most_bits(x, n);
	float most;
	memcpy(&most, &bits, sizeof most);
	*sum = 0;
	*scale = 0;
	memset(values, 0, packed_columns(n));
	if (bits >= 0x7f800000)
		*scale = NAN;
	if (bits >= 0x7f800000 || most < 0x1p-100f)
		return;
	*scale = most / PACKED_MOST;
	float inverse = PACKED_MOST / most;
	int total = 0;
	for (size_t i = 0; i < n; i++) {
		values[i] = (int8_t)lrintf(x[i] * inverse);
		total += values[i];
	}
	*sum = (float)total;
}

static void quantise(const float *x, size_t n, int8_t *values, float *scale, float *sum)
{
	for (size_t at = 0, g = 0; at < n; at += PACKED_GROUP, g++)
		quantise_group(
		    x + at, n - at < PACKED_GROUP ? n - at : PACKED_GROUP, values + at, scale + g, sum + g);
}

/* Lines of group g. */
static size_t group_lines(const struct packed_tile *tile, size_t g)
{
	size_t left = tile->columns / PACKED_STEP - g * LINES;
	return left < LINES ? left : LINES;
}

/* sums += a line of weights times its activations. */
static void add_line(int32_t sums[PACKED_ROWS], const int8_t *line, const int8_t *x)
{
	for (size_t row = 0; row < PACKED_ROWS; row++)
		for (size_t i = 0; i < PACKED_STEP; i++)
			sums[row] += line[row * PACKED_STEP + i] * x[i];
}

static void int8(const struct packed_tile *tile)
{
	const float *scales = (const float *)tile->block;
	for (size_t r = 0; r < tile->rows; r++) {
		const int8_t *line = (const int8_t *)tile->block + PACKED_LINE;
		const int8_t *x = tile->x + r * tile->columns;
		float total[PACKED_ROWS] = { 0 };
		for (size_t g = 0; g < tile->groups; g++) {
			int32_t sums[PACKED_ROWS] = { 0 };
			for (size_t l = group_lines(tile, g); l > 0; l--, line += PACKED_LINE, x += PACKED_STEP)
				add_line(sums, line, x);
			for (size_t row = 0; row < PACKED_ROWS; row++)
				total[row] += (float)sums[row] * tile->scale[r * tile->groups + g];
		}
		for (size_t row = 0; row < PACKED_ROWS; row++)
			tile->y[r * PACKED_ROWS + row] = total[row] * scales[row];
	}
}

/* A line of nibbles as two lines of weights. */
static void split_line(const uint8_t *line, int8_t low[PACKED_LINE], int8_t high[PACKED_LINE])
{
	for (size_t i = 0; i < PACKED_LINE; i++) {
		low[i] = (int8_t)(line[i] & 0xf);
		high[i] = (int8_t)(line[i] >> 4);
	}
}

static void int4(const struct packed_tile *tile)
{
	for (size_t r = 0; r < tile->rows; r++) {
		const uint8_t *line = tile->block;
		const int8_t *x = tile->x + r * tile->columns;
		float total[PACKED_ROWS] = { 0 };
		for (size_t g = 0; g < tile->groups; g++) {
			const uint16_t *halves = (const uint16_t *)line;
			float scale = tile->scale[r * tile->groups + g];
			float sum = tile->sum[r * tile->groups + g];
			int32_t sums[PACKED_ROWS] = { 0 };
			line += PACKED_LINE;
			for (size_t l = group_lines(tile, g); l > 0; l -= 2, x += 2 * PACKED_STEP) {
				int8_t low[PACKED_LINE], high[PACKED_LINE];
				split_line(line, low, high);
				add_line(sums, low, x);
				add_line(sums, high, x + PACKED_STEP);
				line += PACKED_LINE;
			}
			for (size_t row = 0; row < PACKED_ROWS; row++) {
				float product = (float)sums[row] * f32_from_f16(halves[row]);
				product += sum * f32_from_f16(halves[PACKED_ROWS + row]);
				total[row] += scale * product;
			}
		}
		memcpy(tile->y + r * PACKED_ROWS, total, sizeof total);
	}
}

const struct packed_kernels packed_ref = { quantise, int8, int4, PACKED_TILE, NULL };
