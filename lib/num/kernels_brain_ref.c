/* kernels_brain_ref.c - the kernels of bf16 in portable C, and the truth in tests (see
 * kernels_brain.h). The product of two bf16 is exact in f32, so that rounding after the addition is
 * all there is.
 */
#include "num/kernels_brain.h"
#include "base/dtype.h"

#include <string.h>

static void narrow(const float *x, size_t n, uint16_t *values)
{
	for (size_t i = 0; i < n; i++)
		values[i] = packed_brain(x[i]);
	memset(values + n, 0, (packed_columns(n) - n) * sizeof *values);
}

/* 16 sums of one row. */
static void row_of(const struct brain_panel *panel, size_t row, size_t block)
{
	const uint8_t *line = panel->blocks + block * panel->block;
	const uint16_t *x = panel->x + row * panel->x_row;
	float *y = panel->y + row * panel->y_row + block * PACKED_ROWS;
	float sums[PACKED_ROWS] = { 0 };
	if (panel->add)
		memcpy(sums, y, sizeof sums);
	for (size_t l = 0; l < panel->lines; l++, line += PACKED_LINE, x += PACKED_PAIR) {
		float first = f32_from_bf16(x[0]), second = f32_from_bf16(x[1]);
		uint16_t weights[PACKED_ROWS * PACKED_PAIR];
		memcpy(weights, line, sizeof weights);
		for (size_t i = 0; i < PACKED_ROWS; i++) {
			sums[i] += second * f32_from_bf16(weights[PACKED_PAIR * i + 1]);
			sums[i] += first * f32_from_bf16(weights[PACKED_PAIR * i]);
		}
	}
	memcpy(y, sums, sizeof sums);
}

static void panel_of(const struct brain_panel *panel)
{
	for (size_t row = 0; row < panel->rows; row++)
		for (size_t block = 0; block < panel->count; block++)
			row_of(panel, row, block);
}

const struct brain_kernels brain_ref = { narrow, panel_of };
