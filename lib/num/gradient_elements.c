/* gradient_elements.c - what training does element by element: activations and their gradients,
 * sums, dropout (see gradient.h).
 */
#include "num/gradient.h"
#include "num/kernels.h"
#include "base/threads.h"

#include <string.h>

enum { CHUNK = 8192 }; /* elements; whole groups of dropout */

struct elements {
	const struct kernels *kernels;
	const float *a, *b, *c;
	float *y, *z;
	size_t count;
	struct dropout_mask mask;
};

static size_t chunks_of(size_t count)
{
	return (count + CHUNK - 1) / CHUNK;
}

/* Where a chunk begins; *n: its elements. */
static size_t chunk_range(const struct elements *elements, size_t chunk, size_t *n)
{
	size_t first = chunk * CHUNK;
	*n = elements->count - first < CHUNK ? elements->count - first : CHUNK;
	return first;
}

static void gelu_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct elements *e = context;
	size_t n, first = chunk_range(e, chunk, &n);
	if (e->y != e->a)
		memcpy(e->y + first, e->a + first, n * sizeof(float));
	e->kernels->gelu(e->y + first, NULL, n);
}

void gelu_forward(const float *x, size_t count, float *y)
{
	struct elements e = { .kernels = kernels_get(), .a = x, .y = y, .count = count };
	threads_run(chunks_of(count), gelu_chunk, &e);
}

static void gelu_gradient_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct elements *e = context;
	size_t n, first = chunk_range(e, chunk, &n);
	e->kernels->gelu_gradient(e->a + first, e->y + first, n);
}

void gelu_backward(const float *x, size_t count, float *dy)
{
	struct elements e = { .kernels = kernels_get(), .a = x, .y = dy, .count = count };
	threads_run(chunks_of(count), gelu_gradient_chunk, &e);
}

static void silu_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct elements *e = context;
	size_t n, first = chunk_range(e, chunk, &n);
	if (e->y != e->a)
		memcpy(e->y + first, e->a + first, n * sizeof(float));
	e->kernels->silu_multiply(e->y + first, e->b + first, n);
}

void silu_forward(const float *gate, const float *up, size_t count, float *y)
{
	struct elements e = { .kernels = kernels_get(), .a = gate, .b = up, .y = y, .count = count };
	threads_run(chunks_of(count), silu_chunk, &e);
}

static void silu_gradient_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct elements *e = context;
	size_t n, first = chunk_range(e, chunk, &n);
	e->kernels->silu_gradient(
	    e->a + first, e->b + first, e->c + first, e->y + first, e->z + first, n);
}

void silu_backward(
    const float *gate, const float *up, size_t count, const float *dy, float *dgate, float *dup)
{
	struct elements e = {
		.kernels = kernels_get(), .a = gate, .b = up, .c = dy, .y = dgate, .z = dup, .count = count
	};
	threads_run(chunks_of(count), silu_gradient_chunk, &e);
}

static void add_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct elements *e = context;
	size_t n, first = chunk_range(e, chunk, &n);
	e->kernels->add(e->y + first, e->a + first, n);
}

void rows_add(float *y, const float *x, size_t count)
{
	struct elements e = { .kernels = kernels_get(), .a = x, .y = y, .count = count };
	threads_run(chunks_of(count), add_chunk, &e);
}

static void dropout_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct elements *e = context;
	size_t n, first = chunk_range(e, chunk, &n);
	e->kernels->dropout(&e->mask, first, e->y + first, n);
}

void dropout_rows(float *x, size_t count, float rate, uint64_t seed, uint64_t step, uint32_t place)
{
	if (!(rate > 0))
		return;
	double threshold = (double)rate * 0x1p32;
	struct elements e = { .kernels = kernels_get(),
		.y = x,
		.count = count,
		.mask = { .seed = seed,
		    .step = step,
		    .place = place,
		    .threshold = threshold < 0xffffffff ? (uint32_t)threshold : UINT32_MAX,
		    .scale = rate < 1 ? 1.0f / (1.0f - rate) : 0 } };
	threads_run(chunks_of(count), dropout_chunk, &e);
}
