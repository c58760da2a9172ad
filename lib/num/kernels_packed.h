/* kernels_packed.h - the inner loops over packed weights (base/packed.h), once per CPU level:
 * activations to int8, and 16 outputs of some rows of them. The integers are the same at every
 * level, and what is done with them in f32 is the same operations in the same order, each rounded
 * by itself (no fused multiply-add): so all levels give the same bytes.
 *
 * A row of activations is cut into groups of PACKED_GROUP columns, which have a scale each, so that
 * an outlier costs its own group digits only:
 *     scale = max|x| / 127        value = round to nearest even (x * (127 / max|x|))
 * A group whose max|x| is below 2^-100 counts as zeros; one with NaN or infinity has a NaN scale,
 * which makes NaN of all outputs of its row.
 */
#ifndef ZV_NUM_KERNELS_PACKED_H
#define ZV_NUM_KERNELS_PACKED_H

#include <stddef.h>
#include <stdint.h>

#include "base/packed.h"

enum { PACKED_TILE = 16 }; /* rows of activations that are taken at once */

/* 16 outputs, a block of weights, of some rows of activations:
 *     int8   y = (sum over groups of (float)S * scale) * w.scale
 *     int4   y =  sum over groups of scale * ((float)S * w.scale + sum * w.minimum)
 * S: the sum of products of integers in a group; sum: that of the activations alone. */
struct packed_tile {
	const uint8_t *block;
	const int8_t *x;              /* [rows][columns] */
	const float *scale, *sum;     /* [rows][groups] */
	size_t rows, columns, groups; /* columns with their filling */
	float *y;                     /* [rows][PACKED_ROWS] */
};

struct packed_kernels {
	/* n activations as int8, filled up with zeros to packed_columns(n); scale and sum: of each
	 * group. */
	void (*quantise)(const float *x, size_t n, int8_t *values, float *scale, float *sum);
	void (*int8)(const struct packed_tile *tile);
	void (*int4)(const struct packed_tile *tile);
	size_t rows;       /* that a tile has at most: PACKED_TILE, or more */
	void (*end)(void); /* behind a number of tiles; may be NULL */
};

extern const struct packed_kernels packed_ref, packed_avx2, packed_avx512, packed_vnni;

/* Those for cpu_level(), and for what else the CPU has. */
const struct packed_kernels *packed_kernels_get(void);

#endif
