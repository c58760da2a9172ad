/* gradient_brain.h - linear layers over a batch of rows and their gradients, with products of bf16:
 * what the functions of gradient.h call once gradient_use() has said so. Weights of any dtype, sums
 * f32, the same bytes at any number of threads.
 */
#ifndef ZV_NUM_GRADIENT_BRAIN_H
#define ZV_NUM_GRADIENT_BRAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "num/linear.h"

/* As linear_rows(), linear_backward_input() and the weight's part of linear_backward_weight() are, for
 * sizes that are not 0. 0 or -1 (memory). */
int brain_rows(
    const struct linear *linear, const float *x, size_t rows, float *y, enum linear_then then);
int brain_backward_input(
    const struct linear *linear, const float *dy, size_t rows, float *dx, bool add);
int brain_backward_weight(
    const float *x, const float *dy, size_t rows, size_t out, size_t in, float *dweight);

#endif
