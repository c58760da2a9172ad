/* cross_entropy.c - softmax cross-entropy of rows, loss and gradient in one pass (see gradient.h). */
#include "num/gradient.h"
#include "num/kernels.h"
#include "num/scratch.h"
#include "base/threads.h"

#include <string.h>

enum { ELEMENTS = 16384 }; /* about so many in a chunk of rows */

struct row_result {
	double loss;
	bool right;
};

struct entropy_run {
	const struct kernels *kernels;
	float *logits;
	const int32_t *targets;
	size_t rows, classes, step;
	float smoothing, scale;
	struct row_result *results;
};

/* -sum over k of t_k log p_k, t_k = (1 - smoothing) [k = target] + smoothing / classes, with
 * log p_k = x_k - most - log(sum of exp(x - most)); the gradient is p - t. */
static struct row_result entropy_row(const struct entropy_run *run, float *x, size_t target)
{
	float most = run->kernels->most(x, run->classes), wanted = x[target];
	struct row_result result = { 0, wanted >= most };
	for (size_t i = 0; i < target && result.right; i++)
		result.right = x[i] < most; /* of equal ones the first counts as the largest */
	result.loss = run->kernels->entropy(x, most, run->smoothing, run->scale, run->classes);
	result.loss -= (1.0 - (double)run->smoothing) * ((double)wanted - (double)most);
	x[target] -= run->scale * (1.0f - run->smoothing);
	return result;
}

static void entropy_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct entropy_run *run = context;
	size_t first = chunk * run->step, end = first + run->step;
	for (size_t row = first; row < end && row < run->rows; row++) {
		float *x = run->logits + row * run->classes;
		if (run->targets[row] >= 0)
			run->results[row] = entropy_row(run, x, (size_t)run->targets[row]);
		else
			memset(x, 0, run->classes * sizeof *x);
	}
}

int cross_entropy(float *logits, size_t rows, size_t classes, const int32_t *targets,
    float smoothing, float scale, struct entropy *entropy)
{
	*entropy = (struct entropy){ 0 };
	if (rows == 0 || classes == 0)
		return 0;
	if (scratch_reserve(rows * (sizeof(struct row_result) / sizeof(float))) < 0)
		return -1;
	struct entropy_run run = { .kernels = kernels_get(),
		.logits = logits,
		.targets = targets,
		.rows = rows,
		.classes = classes,
		.step = classes < ELEMENTS ? ELEMENTS / classes : 1,
		.smoothing = smoothing,
		.scale = scale,
		.results = (void *)scratch_of(0) };
	threads_run((rows + run.step - 1) / run.step, entropy_chunk, &run);
	for (size_t row = 0; row < rows; row++)
		if (targets[row] >= 0) {
			entropy->loss += run.results[row].loss;
			entropy->counted++;
			entropy->right += run.results[row].right;
		}
	return 0;
}
