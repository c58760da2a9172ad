/* packed.h - linear layers whose weights are packed int8 or int4 (base/packed.h): products of integers.
 * linear.h calls this; nobody else need.
 */
#ifndef ZV_NUM_PACKED_H
#define ZV_NUM_PACKED_H

#include "num/linear.h"

/* y [rows][out] from x [rows][in], which is made int8 first (kernels_packed.h), in one way for any
 * number of rows: a row's numbers depend neither on the others nor on threads nor on the CPU's
 * level. 0 or -1 (memory). */
int packed_linear(
    const struct linear *linear, const float *x, size_t rows, float *y, enum linear_then then);

#endif
