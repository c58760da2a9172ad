/* brain.h - linear layers whose weights are packed bf16 (base/packed.h): x is rounded to bf16, sums are
 * f32 (kernels_brain.h). A row's numbers depend neither on the others nor on threads. linear.h calls
 * brain_linear(); layers that follow each other with nothing but an activation between them are
 * better computed together.
 */
#ifndef ZV_NUM_BRAIN_H
#define ZV_NUM_BRAIN_H

#include "num/linear.h"

/* y [rows][out] from x [rows][in]. 0 or -1 (memory). */
int brain_linear(
    const struct linear *linear, const float *x, size_t rows, float *y, enum linear_then then);

/* y [rows][second out], STORE or ADD, from gelu(first x), which stays bf16. 0 or -1 (memory). */
int brain_pair(const struct linear *first, const struct linear *second, const float *x, size_t rows,
    float *y, enum linear_then then);

/* The weight of a layer as packed bf16 to `to`, packed_size() bytes. What has no normal f32 becomes
 * zero, what is too large for bf16 infinite. 0 or -1 (memory). */
int brain_pack(const struct linear *linear, void *to);

#endif
