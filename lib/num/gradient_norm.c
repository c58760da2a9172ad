/* gradient_norm.c - gradients of layernorm, rmsnorm and of rows of unit length (see gradient.h). */
#include "num/gradient.h"
#include "num/kernels.h"
#include "num/scratch.h"
#include "base/threads.h"

#include <math.h>
#include <string.h>

enum {
	ROWS = 16,   /* at least, of one chunk */
	CHUNKS = 32, /* at most: each has sums of its own for dweight and dbias */
};

struct norm_run {
	struct norm_gradient norm; /* dweight, dbias: those of chunk 0, NULL if not wanted */
	const struct kernels *kernels;
	const float *x, *dy;
	float *dx;
	size_t rows, step; /* of a chunk */
};

static size_t step_of(size_t rows)
{
	size_t step = (rows + CHUNKS - 1) / CHUNKS;
	return step > ROWS ? step : ROWS;
}

static void norm_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct norm_run *run = context;
	size_t n = run->norm.n, first = chunk * run->step, end = first + run->step;
	struct norm_gradient norm = run->norm;
	if (norm.dweight)
		norm.dweight = memset(norm.dweight + chunk * n, 0, n * sizeof(float));
	if (norm.dbias)
		norm.dbias = memset(norm.dbias + chunk * n, 0, n * sizeof(float));
	for (size_t row = first; row < end && row < run->rows; row++)
		run->kernels->norm_gradient(&norm, run->x + row * n, run->dy + row * n, run->dx + row * n);
}

int norm_backward(const struct norm *norm, const float *x, size_t rows, const float *dy, float *dx,
    bool add, float *dweight, float *dbias)
{
	const struct kernels *kernels = kernels_get();
	size_t n = norm->n;
	if (scratch_reserve(2 * CHUNKS * n) < 0)
		return -1;
	struct norm_run run = { .norm = { .weight = norm->weight,
		                        .eps = norm->eps,
		                        .centred = norm->bias != NULL,
		                        .add = add,
		                        .dweight = dweight ? scratch_of(0) : NULL,
		                        .dbias = dbias ? scratch_of(0) + CHUNKS * n : NULL,
		                        .n = n },
		.kernels = kernels,
		.x = x,
		.dy = dy,
		.dx = dx,
		.rows = rows,
		.step = step_of(rows) };
	size_t chunks = (rows + run.step - 1) / run.step;
	threads_run(chunks, norm_chunk, &run);
	for (size_t chunk = 0; chunk < chunks; chunk++) {
		if (dweight)
			kernels->add(dweight, run.norm.dweight + chunk * n, n);
		if (dbias)
			kernels->add(dbias, run.norm.dbias + chunk * n, n);
	}
	return 0;
}

struct unit_run {
	const struct kernels *kernels;
	const float *x, *dy; /* dy NULL: forward */
	float *y;            /* or dx */
	size_t rows, n;
};

/* With length l: y = x / l; dx = (dy - x (x dy) / l^2) / l, where l is not the least length. */
static void unit_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct unit_run *run = context;
	size_t n = run->n, end = (chunk + 1) * ROWS < run->rows ? (chunk + 1) * ROWS : run->rows;
	for (size_t row = chunk * ROWS; row < end; row++) {
		const float *x = run->x + row * n;
		float *y = run->y + row * n, length = sqrtf(run->kernels->dot(x, x, n));
		float inverse = 1.0f / (length > 1e-12f ? length : 1e-12f);
		if (!run->dy) {
			run->kernels->scale(y, x, inverse, n);
			continue;
		}
		float along = run->kernels->dot(x, run->dy + row * n, n) * inverse * inverse;
		run->kernels->scale(y, run->dy + row * n, inverse, n);
		if (length > 1e-12f)
			run->kernels->add_scaled(y, x, -along * inverse, n);
	}
}

void unit_forward(const float *x, size_t rows, size_t n, float *y)
{
	struct unit_run run = { kernels_get(), x, NULL, y, rows, n };
	threads_run((rows + ROWS - 1) / ROWS, unit_chunk, &run);
}

void unit_backward(const float *x, size_t rows, size_t n, const float *dy, float *dx)
{
	struct unit_run run = { kernels_get(), x, dy, dx, rows, n };
	threads_run((rows + ROWS - 1) / ROWS, unit_chunk, &run);
}
