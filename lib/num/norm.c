/* norm.c - see norm.h. */
#include "num/norm.h"
#include "num/kernels.h"
#include "base/threads.h"

#include <math.h>

enum { ROWS = 16 }; /* in one chunk */

struct norm_run {
	const struct norm *norm;
	const struct kernels *kernels;
	const float *x;
	float *y;
	size_t rows;
};

static void norm_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct norm_run *run = context;
	const struct norm *norm = run->norm;
	size_t end = (chunk + 1) * ROWS < run->rows ? (chunk + 1) * ROWS : run->rows;
	for (size_t row = chunk * ROWS; row < end; row++) {
		const float *x = run->x + row * norm->n;
		float *y = run->y + row * norm->n;
		if (norm->bias)
			run->kernels->layernorm(y, x, norm->weight, norm->bias, norm->eps, norm->n);
		else
			run->kernels->rmsnorm(y, x, norm->weight, norm->eps, norm->n);
	}
}

void norm_rows(const struct norm *norm, const float *x, size_t rows, float *y)
{
	struct norm_run run = { norm, kernels_get(), x, y, rows };
	threads_run((rows + ROWS - 1) / ROWS, norm_chunk, &run);
}

void norm_unit(float *x, size_t rows, size_t n)
{
	const struct kernels *kernels = kernels_get();
	for (size_t row = 0; row < rows; row++, x += n) {
		float length = sqrtf(kernels->dot(x, x, n));
		float scale = 1.0f / (length > 1e-12f ? length : 1e-12f);
		for (size_t i = 0; i < n; i++)
			x[i] *= scale;
	}
}
