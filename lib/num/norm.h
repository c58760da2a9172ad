/* norm.h - normalisations of rows, over the pool: LayerNorm, RMSNorm, L2. */
#ifndef ZV_NUM_NORM_H
#define ZV_NUM_NORM_H

#include <stddef.h>

/* LayerNorm (bias given) or RMSNorm (bias NULL) of rows of n elements. */
struct norm {
	const float *weight, *bias; /* [n] */
	float eps;
	size_t n;
};

/* y [rows][n] from x [rows][n]; y may be x. */
void norm_rows(const struct norm *norm, const float *x, size_t rows, float *y);

/* Make every row of x [rows][n] have length 1; a row shorter than 1e-12 is divided by 1e-12. */
void norm_unit(float *x, size_t rows, size_t n);

#endif
