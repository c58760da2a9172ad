/* linear.h - Y = X W^T + b: the linear layer, for many rows (encoding, prefill) and for the few
 * rows of decoding. Which of the two a caller takes depends on what it does, never on how much of
 * it there is, and work is cut at fixed places: numbers depend on neither threads nor batch.
 * Packed weights have one way for both (packed.h, brain.h), in which x is rounded to int8 or bf16.
 */
#ifndef ZV_NUM_LINEAR_H
#define ZV_NUM_LINEAR_H

#include <stddef.h>

struct linear {
	const void *weight; /* [out][in], row-major, or packed */
	char dtype;         /* of weight: e, E or f; or that of a packed one (base/packed.h) */
	size_t out, in;
	const float *bias; /* [out], or NULL */
};

/* What becomes of the product X W^T + b. */
enum linear_then {
	LINEAR_STORE, /* Y = it */
	LINEAR_GELU,  /* Y = gelu(it) */
	LINEAR_ADD,   /* Y += it: the residual */
};

/* x [items][rows][in] -> y [items][rows][out]: every item is computed by itself, its numbers do
 * not depend on the others. 0 or -1 (memory). */
int linear_forward(const struct linear *linear, const float *x, size_t items, size_t rows, float *y,
    enum linear_then then);

/* x [rows][in] -> y [rows][out] where rows are independent sequences: weights are read once for
 * all of them, a row's numbers do not depend on the others. 0 or -1 (memory). */
int linear_decode(
    const struct linear *linear, const float *x, size_t rows, float *y, enum linear_then then);

/* Rows first.. of the weight as f32 [count][in]: what a table of words gives for a word. */
void linear_weight(const struct linear *linear, size_t first, size_t count, float *rows);

#endif
