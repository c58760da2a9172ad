/* kernels.h - the inner loops that exist once per CPU level, as a table of functions filled at
 * the start (design: "Arithmetic"). All work on one thread and on plain f32 rows; what calls them
 * cuts the work into chunks. kernels_ref.c is plain C with libm and is the truth in tests; the
 * others are kernels_vector.h compiled for vectors of 8 and 16 floats.
 */
#ifndef ZV_NUM_KERNELS_H
#define ZV_NUM_KERNELS_H

#include <stddef.h>

enum { KERNELS_TILE = 4 }; /* rows of x and of W that a dot tile takes at once */

struct kernels {
	/* y[i] = exact gelu of (y[i] + bias[i]); bias may be NULL. */
	void (*gelu)(float *y, const float *bias, size_t n);
	/* y[i] += x[i] */
	void (*add)(float *y, const float *x, size_t n);
	/* y[i] += a * x[i] */
	void (*add_scaled)(float *y, const float *x, float a, size_t n);
	/* gate[i] = silu(gate[i]) * up[i] */
	void (*silu_multiply)(float *gate, const float *up, size_t n);
	/* y = (x - mean) / sqrt(variance + eps) * weight + bias; y may be x. */
	void (*layernorm)(
	    float *y, const float *x, const float *weight, const float *bias, float eps, size_t n);
	/* y = x / sqrt(mean of squares + eps) * weight; y may be x. */
	void (*rmsnorm)(float *y, const float *x, const float *weight, float eps, size_t n);
	/* x = softmax(scale * x) over n elements, n >= 1. */
	void (*softmax)(float *x, float scale, size_t n);
	/* Sum of a[i] * b[i]. */
	float (*dot)(const float *a, const float *b, size_t n);
	/* n elements of dtype e, E or f at source to f32. */
	void (*widen)(char dtype, const void *source, float *target, size_t n);
	/* y[r * y_stride + o] = dot(x row r, W row o) for r < x_rows, o < w_rows, both at most
	 * KERNELS_TILE; rows of W have n elements of dtype e, E or f and follow each other. Every
	 * element is summed in the same order whatever x_rows and w_rows are. */
	void (*dot_tile)(float *y, size_t y_stride, const float *x, size_t x_rows, char dtype,
	    const void *w, size_t w_rows, size_t n);
	/* Up to so many rows of x dot_tile is quicker than BLIS, which packs W first (SPEED.md). */
	size_t few_rows;
};

extern const struct kernels kernels_ref, kernels_avx2, kernels_avx512;

/* The table for cpu_level(). */
const struct kernels *kernels_get(void);

#endif
