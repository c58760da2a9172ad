/* dense.h - a linear layer under training: Y = X W^T + b, with LoRA beside it where asked:
 * Y += scale * B(A dropout(X)) (PEFT lora/layer.py). Forward and backward over all rows at once.
 */
#ifndef ZV_TRAIN_DENSE_H
#define ZV_TRAIN_DENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "num/linear.h"

struct parameter;
struct weights;
struct saves;

/* Dropout of one step: masks are a pure function of seed, step and place (dropout.h), so forward,
 * backward and recomputation agree. rate 0: none. */
struct dropout_place {
	float rate;
	uint64_t seed; /* of the run */
	uint64_t step; /* micro-step: different in every forward pass of the run */
};

struct dense {
	struct parameter *weight, *bias; /* bias NULL: none */
	size_t out, in;
	struct parameter *lora_a, *lora_b; /* [rank][in], [out][rank]; NULL: none */
	size_t rank;
	float lora_scale;
	float lora_dropout;
	uint32_t place; /* number of this layer, for its dropout mask */
};

/* "NAME.weight" [out][in], and "NAME.bias" if it is there. 0, or -1 recorded (missing, shape). */
int dense_open(
    struct dense *dense, struct weights *weights, const char *name, size_t out, size_t in);

/* A parameter of two dimensions as a matrix, wherever its values are. */
struct linear dense_matrix(const struct parameter *weight);

/* y [rows][out] from x [rows][in]. then: STORE or ADD. With LoRA and saves, what backward needs is
 * pushed; x itself is the caller's to keep. The adapter's dropout (at its own rate, whatever
 * dropout->rate is) happens when there are both dropout and saves. 0 or -1. */
int dense_forward(const struct dense *dense, const float *x, size_t rows, float *y,
    enum linear_then then, const struct dropout_place *dropout, struct saves *saves);

/* Add to the gradients of trained parameters; dx [rows][in] (NULL: not wanted) is stored, or added
 * to if add. Pops what forward pushed. workspace is left as it was. 0 or -1. */
int dense_backward(const struct dense *dense, const float *x, size_t rows, const float *dy,
    float *dx, bool add, const struct dropout_place *dropout, struct saves *saves,
    struct saves *workspace);

/* Norms: "NAME.weight" [n] and, for LayerNorm, "NAME.bias". */
struct trained_norm {
	struct parameter *weight, *bias; /* bias NULL: RMSNorm */
	size_t n;
	float eps;
};
int trained_norm_open(struct trained_norm *norm, struct weights *weights, const char *name,
    size_t n, float eps, bool biased);
int trained_norm_forward(const struct trained_norm *norm, const float *x, size_t rows, float *y);
/* dx is stored, or added to if add; dx may be dy. x is forward's input. 0 or -1. */
int trained_norm_backward(const struct trained_norm *norm, const float *x, size_t rows,
    const float *dy, float *dx, bool add);

#endif
