/* kernels_brain.h - the inner loops of products of bf16, once per CPU level: activations to bf16, and
 * outputs of rows of them against packed bf16 weights (base/packed.h). Sums are f32:
 *     for each pair of columns   sum += x[1] * w[1]   then   sum += x[0] * w[0]
 * each with one rounding. That is what vdpbf16ps does, and all levels without AMX give its bytes,
 * except where a sum is too small for a normal f32, which vdpbf16ps makes zero. AMX has its own order
 * (kernels_tiles.h). Neither depends on how many rows or blocks are computed at once, nor where the
 * columns are cut.
 */
#ifndef ZV_NUM_KERNELS_BRAIN_H
#define ZV_NUM_KERNELS_BRAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/packed.h"

enum {
	BRAIN_LINES = PACKED_FILL / PACKED_PAIR
}; /* columns are cut by multiples of so many lines */

/* y [rows][count * PACKED_ROWS] = x [rows][...] times a range of lines of neighbouring blocks. */
struct brain_panel {
	const uint8_t *blocks; /* the first of the lines of the first block */
	size_t block, count;   /* bytes from one block to the next; how many */
	const uint16_t *x;     /* where these lines' columns begin */
	size_t x_row, rows;
	size_t lines;
	float *y;
	size_t y_row;
	bool add; /* to what y has */
};

struct brain_kernels {
	/* n activations as bf16, filled up with zeros to packed_columns(n). */
	void (*narrow)(const float *x, size_t n, uint16_t *values);
	void (*panel)(const struct brain_panel *panel);
};

extern const struct brain_kernels brain_ref, brain_avx2, brain_avx512, brain_bf16;

/* Those for cpu_level(), and for what else the CPU has. */
const struct brain_kernels *brain_kernels_get(void);

#endif
