/* gradient_embedding.c - the gradient of rows taken from a table (see gradient.h): cut by columns, so
 * that rows of one id are added in their order.
 */
#include "num/gradient.h"
#include "num/kernels.h"
#include "base/threads.h"

enum { COLUMNS = 96 };

struct embedding {
	const struct kernels *kernels;
	const int32_t *ids;
	const float *drows;
	float *dtable;
	size_t count, n;
};

static void embedding_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct embedding *run = context;
	size_t n = run->n, first = chunk * COLUMNS;
	size_t columns = n - first < COLUMNS ? n - first : COLUMNS;
	for (size_t i = 0; i < run->count; i++)
		run->kernels->add(
		    run->dtable + (size_t)run->ids[i] * n + first, run->drows + i * n + first, columns);
}

int embedding_backward(
    const int32_t *ids, size_t count, const float *drows, size_t n, float *dtable)
{
	struct embedding run = { kernels_get(), ids, drows, dtable, count, n };
	threads_run((n + COLUMNS - 1) / COLUMNS, embedding_chunk, &run);
	return 0;
}
