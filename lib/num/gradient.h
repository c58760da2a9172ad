/* gradient.h - linear layers, norms and activations for training: whole batches of rows, and the
 * derivatives. Work is cut by fixed rows or columns and no sum is split between threads, so numbers
 * do not depend on their count.
 */
#ifndef ZV_NUM_GRADIENT_H
#define ZV_NUM_GRADIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "num/arithmetic.h"
#include "num/linear.h"
#include "num/norm.h"

/* Compute the products of linear layers and of their gradients with bf16 from now on
 * (gradient_brain.h), or with f32 again. Weights, gradients and what is no such product stay f32. */
void gradient_use(enum arithmetic arithmetic);

/* x [rows][in] -> y [rows][out] (STORE or ADD), rows as one matrix. 0 or -1 (memory). */
int linear_rows(
    const struct linear *linear, const float *x, size_t rows, float *y, enum linear_then then);
/* The same by turning W first, however few rows there are: a row's numbers do not depend on the
 * others. */
int linear_turned(
    const struct linear *linear, const float *x, size_t rows, float *y, enum linear_then then);
/* dx [rows][in] = dy [rows][out] W, or added to dx. 0 or -1 (memory). */
int linear_backward_input(
    const struct linear *linear, const float *dy, size_t rows, float *dx, bool add);
/* dweight [out][in] += dy^T x; dbias [out] += sum of dy over rows (either may be NULL). 0 or -1. */
int linear_backward_weight(const float *x, const float *dy, size_t rows, size_t out, size_t in,
    float *dweight, float *dbias);

/* Gradient of norm_rows(): x is its input. dx stored, or added to if add (dx may be dy if stored);
 * dweight, dbias [n] += (NULL: not wanted). 0 or -1. */
int norm_backward(const struct norm *norm, const float *x, size_t rows, const float *dy, float *dx,
    bool add, float *dweight, float *dbias);
/* y = x / |x| for rows (length at least 1e-12), keeping x; and dx = its gradient, stored. */
void unit_forward(const float *x, size_t rows, size_t n, float *y);
void unit_backward(const float *x, size_t rows, size_t n, const float *dy, float *dx);

/* y = gelu(x) (erf); dy -> dx = dy gelu'(x), in place in dy. */
void gelu_forward(const float *x, size_t count, float *y);
void gelu_backward(const float *x, size_t count, float *dy);
/* y = silu(gate) up; dy -> dgate, dup (dup may be dy's memory). */
void silu_forward(const float *gate, const float *up, size_t count, float *y);
void silu_backward(
    const float *gate, const float *up, size_t count, const float *dy, float *dgate, float *dup);

/* y += x over the pool. */
void rows_add(float *y, const float *x, size_t count);

/* table gradient [.][n] += drows of ids (each id's rows in order). 0 or -1. */
int embedding_backward(
    const int32_t *ids, size_t count, const float *drows, size_t n, float *dtable);

/* Inverted dropout in place: x *= mask / (1 - rate), the mask a pure function of (seed, step,
 * place, index). The same call on the gradient is its derivative. rate 0: nothing. */
void dropout_rows(float *x, size_t count, float rate, uint64_t seed, uint64_t step, uint32_t place);

/* Softmax cross-entropy of rows of logits [rows][classes] with label smoothing: the target is
 * (1 - smoothing) on targets[row] plus smoothing / classes everywhere; a target of -1 counts
 * nothing. logits become scale * gradient of the SUM over counted rows. *loss: that sum (double,
 * rows in order), *counted: rows with a target, *right: those whose largest logit is the target. */
struct entropy {
	double loss;
	size_t counted, right;
};
int cross_entropy(float *logits, size_t rows, size_t classes, const int32_t *targets,
    float smoothing, float scale, struct entropy *entropy);

#endif
