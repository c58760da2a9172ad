/* kernels.h - the inner loops that exist once per CPU level, as a table of functions filled at
 * the start (design: "Arithmetic"). All work on one thread and on plain f32 rows; what calls them
 * cuts the work into chunks. kernels_ref.c is plain C with libm and is the truth in tests; the
 * others are kernels_vector.h compiled for vectors of 8 and 16 floats.
 */
#ifndef ZV_NUM_KERNELS_H
#define ZV_NUM_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KERNELS_TILE = 4,    /* rows of x and of W that a dot tile takes at once */
	DROPOUT_GROUP = 64,  /* elements whose mask is made at once ... */
	DROPOUT_BLOCKS = 16, /* from so many blocks of Philox (random.h), of four words */
};

/* What norm_gradient takes beside its rows. */
struct norm_gradient {
	const float *weight;
	float eps;
	bool centred;           /* layernorm; else rmsnorm */
	bool add;               /* to dx, instead of stored there */
	float *dweight, *dbias; /* added to; NULL: not wanted */
	size_t n;
};

/* Element i of a group is kept if word i / 16 of block i % 16 is at least threshold. Block b of group g
 * is that of counter (16 g + b, place + 1, step) and key seed: numbers drawn in order (struct random)
 * have 0 for the second word until the 2^34th. */
struct dropout_mask {
	uint64_t seed, step;
	uint32_t place, threshold;
	float scale; /* of what is kept */
};

/* C [m][n] = A [m][k] B [k][n], or that added to C. Element [i][j] of A is at i * a_row + j *
 * a_column, so a transposed A needs no copy; rows of B and C are contiguous. */
struct matrix_product {
	size_t m, n, k;
	const float *a, *b;
	float *c;
	size_t a_row, a_column, b_row, c_row;
	bool add;
};

/* Parts of rows that a cache keeps (kept.h): n elements each, `stride` bytes apart. */
struct kept_rows {
	char dtype; /* f, e, or b: int8 */
	const char *at;
	const char *scales; /* an f32 for each row, as far apart; NULL: all 1 */
	size_t stride, count, n;
};

struct kernels {
	/* y[i] = exact gelu of (y[i] + bias[i]); bias may be NULL. */
	void (*gelu)(float *y, const float *bias, size_t n);
	/* y[i] += x[i] */
	void (*add)(float *y, const float *x, size_t n);
	/* y[i] += a * x[i] */
	void (*add_scaled)(float *y, const float *x, float a, size_t n);
	/* y[i] = a * x[i]; y may be x. */
	void (*scale)(float *y, const float *x, float a, size_t n);
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
	/* n elements as f16; what is finite and too large becomes the largest. */
	void (*narrow)(const float *source, uint16_t *target, size_t n);
	/* scores[i] = scale of row i * dot(q, row i), or that added to scores[i]. */
	void (*kept_dots)(const struct kept_rows *rows, const float *q, float *scores, bool add);
	/* y += row i * (weights[i] * scale of row i), row by row. */
	void (*kept_sum)(const struct kept_rows *rows, const float *weights, float *y);
	/* y[r * y_stride + o] = dot(x row r, W row o) for r < x_rows, o < w_rows, both at most
	 * KERNELS_TILE; rows of W have n elements of dtype e, E or f and follow each other. Every
	 * element is summed in the same order whatever x_rows and w_rows are. */
	void (*dot_tile)(float *y, size_t y_stride, const float *x, size_t x_rows, char dtype,
	    const void *w, size_t w_rows, size_t n);
	/* dy[i] *= gelu'(x[i]) */
	void (*gelu_gradient)(const float *x, float *dy, size_t n);
	/* The gradients of silu_multiply; dup may be dy. */
	void (*silu_gradient)(
	    const float *gate, const float *up, const float *dy, float *dgate, float *dup, size_t n);
	/* The gradient of a row of layernorm or rmsnorm; x is their input, dx may be dy. */
	void (*norm_gradient)(
	    const struct norm_gradient *norm, const float *x, const float *dy, float *dx);
	/* The largest of n >= 1 elements. */
	float (*most)(const float *x, size_t n);
	/* x = scale * (softmax(x) - smoothing / n), most being the largest of x as it comes. Returns
	 * log(sum of exp(x - most)) - smoothing * mean(x - most). */
	double (*entropy)(float *x, float most, float smoothing, float scale, size_t n);
	/* x[i] becomes 0 or x[i] * scale; x[0] is the element `first` of the mask, a multiple of
	 * DROPOUT_GROUP. */
	void (*dropout)(const struct dropout_mask *mask, uint64_t first, float *x, size_t n);
	/* Up to so many rows of x dot_tile is quicker than BLIS, which packs W first (SPEED.md). */
	size_t few_rows;
	/* A small product, which needs no packing (attention). Every element of C is summed in the
	 * same order whatever m and n are. */
	void (*matrix)(const struct matrix_product *product);
	/* y [columns][rows] = x [rows][columns] turned. */
	void (*transpose)(
	    const float *x, size_t x_row, size_t rows, size_t columns, float *y, size_t y_row);
	/* d[i] = scale * (kept[i] * d[i] - weight[i] * sum of kept * d): from the gradient of softmax's
	 * result weight to that of what it was taken of; kept: weight with dropout, or weight. */
	void (*softmax_gradient)(
	    float *d, const float *kept, const float *weight, float scale, size_t n);
};

extern const struct kernels kernels_ref, kernels_avx2, kernels_avx512;

/* The table for cpu_level(). */
const struct kernels *kernels_get(void);

#endif
