/* arithmetic.h - what the products of linear layers are computed with, --math: f32; bf16, with sums in
 * f32; int8, activations in steps of 128 columns' own scale. Norms, softmax, activations and residuals
 * are f32 always.
 */
#ifndef ZV_NUM_ARITHMETIC_H
#define ZV_NUM_ARITHMETIC_H

#include <stddef.h>

#include "num/linear.h"

enum arithmetic {
	ARITHMETIC_F32,
	ARITHMETIC_BF16,
	ARITHMETIC_INT8,
	ARITHMETIC_ANY, /* asked for: that of the weights; with weights that are not packed f32 */
};

/* "f32", "bf16", "int8", NULL. */
extern const char *const arithmetic_names[];

/* Have layers computed with `wanted`: weights that are not packed are packed, in memory that is for the
 * caller to release as long as the layers are not used (NULL if none was needed). *used: with what
 * they are computed now. 0, or -1: no memory; a value that int8 cannot hold (ERROR_INPUT); weights that
 * are packed for another arithmetic (ERROR_SYSTEM). */
int arithmetic_choose(struct linear *const *layers, size_t count, enum arithmetic wanted,
    enum arithmetic *used, void **memory);

#endif
