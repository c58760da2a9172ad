/* optimiser.h - the inner loops of the optimiser, once per CPU level (as kernels.h has those of the
 * networks): one thread, plain f32 rows; what calls them cuts the work into pieces.
 */
#ifndef ZV_NUM_OPTIMISER_H
#define ZV_NUM_OPTIMISER_H

#include <stddef.h>

/* What a step of AdamW multiplies with; the scalars of the whole step, computed in double. */
struct adamw_factors {
	float clip;         /* of the gradient g: g' = clip g */
	float beta1, rest1; /* m = beta1 m + rest1 g' */
	float beta2, rest2; /* v = beta2 v + rest2 g'^2 */
	float keep;         /* w = keep w - rate m / (root sqrt(v) + eps) */
	float rate, root, eps;
};

struct optimiser {
	void (*adamw)(const struct adamw_factors *factors, float *w, const float *g, float *m, float *v,
	    size_t n);
	/* y[i] += share * (x[i] - y[i]) */
	void (*average)(float *y, const float *x, float share, size_t n);
	/* Sum of x[i]^2 in double. */
	double (*squares)(const float *x, size_t n);
};

extern const struct optimiser optimiser_ref, optimiser_avx2, optimiser_avx512;

/* The table for cpu_level(). */
const struct optimiser *optimiser_get(void);

#endif
