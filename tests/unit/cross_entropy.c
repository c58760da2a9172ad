/* cross_entropy - loss and gradient of rows of logits against the definition in double and its central
 * differences, at every CPU level and thread count.
 */
#include "levels.h"

#include <math.h>

#include "base/memory.h"
#include "num/gradient.h"

static uint32_t state = 9;

static float next(float scale)
{
	state = state * 1664525u + 1013904223u;
	return ((float)(state >> 8) * 0x1p-23f - 1.0f) * scale;
}

enum { LOSS, GRADIENT, CENTRAL, COUNTS, LARGE, CHECKS };
static const char *const names[] = { "loss", "gradient", "gradient by central differences",
	"rows counted and right", "large logits, equal logits" };
static const double bounds[] = { 1e-6, 1e-6, 1e-6, 0, 1e-6 };

/* Loss of one row in double, with logit `at` moved. */
static double loss_of(
    const float *x, size_t classes, size_t target, double smoothing, size_t at, double step)
{
	double most = -1e300, sum = 0, loss = 0;
	for (size_t i = 0; i < classes; i++)
		most = fmax(most, (double)x[i]);
	for (size_t i = 0; i < classes; i++)
		sum += exp((double)x[i] + (i == at ? step : 0) - most);
	for (size_t i = 0; i < classes; i++) {
		double share = smoothing / (double)classes + (i == target ? 1 - smoothing : 0);
		loss -= share * ((double)x[i] + (i == at ? step : 0) - most - log(sum));
	}
	return loss;
}

struct batch {
	size_t rows, classes;
	float smoothing;
	float *logits, *gradient;
	int32_t *targets;
};

static void check_gradient(const struct batch *batch, float scale, struct findings *findings)
{
	size_t classes = batch->classes;
	const double step = 1e-4;
	for (size_t row = 0; row < batch->rows; row++) {
		const float *x = batch->logits + row * classes, *got = batch->gradient + row * classes;
		double most = -1e300, sum = 0;
		for (size_t i = 0; i < classes; i++)
			most = fmax(most, (double)x[i]);
		for (size_t i = 0; i < classes; i++)
			sum += exp((double)x[i] - most);
		for (size_t i = 0; i < classes; i++) {
			bool target = (int32_t)i == batch->targets[row];
			double smooth = (double)batch->smoothing, wanted = exp((double)x[i] - most) / sum;
			wanted -= smooth / (double)classes + (target ? 1 - smooth : 0);
			wanted *= batch->targets[row] < 0 ? 0 : (double)scale;
			findings_error(findings, GRADIENT, fabs((double)got[i] - wanted));
			if (batch->targets[row] < 0 || classes > 200)
				continue;
			size_t at = (size_t)batch->targets[row];
			double slope = loss_of(x, classes, at, smooth, i, step) -
			               loss_of(x, classes, at, smooth, i, -step);
			slope *= (double)scale / (2 * step);
			findings_error(findings, CENTRAL, fabs((double)got[i] - slope));
		}
	}
}

static void check_batch(size_t rows, size_t classes, float smoothing, struct findings *findings)
{
	const float scale = 0.5f;
	struct batch batch = { rows, classes, smoothing, memory_allocate(rows * classes, 4),
		memory_allocate(rows * classes, 4), memory_allocate(rows, sizeof(int32_t)) };
	struct entropy entropy;
	double loss = 0;
	size_t counted = 0, right = 0;
	for (size_t i = 0; i < rows * classes; i++)
		batch.logits[i] = batch.gradient[i] = next(4);
	for (size_t row = 0; row < rows; row++) {
		const float *x = batch.logits + row * classes;
		size_t best = 0, target = row % 3 == 1 ? row * 31 % classes : 0;
		for (size_t i = 0; i < classes; i++)
			best = x[i] > x[best] ? i : best;
		target = row % 3 == 0 ? best : target;
		batch.targets[row] = row % 5 == 4 ? -1 : (int32_t)target;
		if (batch.targets[row] < 0)
			continue;
		counted++;
		right += target == best;
		loss += loss_of(x, classes, target, (double)smoothing, 0, 0);
	}
	int failed =
	    cross_entropy(batch.gradient, rows, classes, batch.targets, smoothing, scale, &entropy);
	findings_error(findings, LOSS, fabs(entropy.loss - loss) / (double)rows);
	findings_error(
	    findings, COUNTS, failed < 0 || entropy.counted != counted || entropy.right != right);
	check_gradient(&batch, scale, findings);
	findings_digest(findings, batch.gradient, rows * classes * sizeof(float));
	findings_digest(findings, &entropy.loss, sizeof entropy.loss);
	memory_release(batch.logits);
	memory_release(batch.gradient);
	memory_release(batch.targets);
}

static void check_large(struct findings *findings)
{
	float logits[2][3] = { { 3e4f, -3e4f, 0 }, { 2, 2, 2 } };
	int32_t targets[2] = { 1, 1 };
	struct entropy entropy;
	cross_entropy(logits[0], 2, 3, targets, 0, 1, &entropy);
	findings_error(findings, LARGE, fabs(entropy.loss - 6e4 - log(3)) / 6e4);
	findings_error(findings, LARGE, fabs((double)logits[0][0] - 1));
	findings_error(findings, LARGE, fabs((double)logits[0][1] + 1));
	findings_error(findings, LARGE, fabs((double)logits[1][1] + 2.0 / 3));
	/* Of equal logits the first is the largest. */
	findings_error(findings, COUNTS, entropy.counted != 2 || entropy.right != 0);
}

static void work(struct findings *findings)
{
	static const size_t shapes[][2] = { { 1, 1 }, { 1, 2 }, { 7, 3 }, { 64, 64 }, { 33, 17 },
		{ 301, 31 }, { 5, 1031 }, { 3, 20011 } };
	for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
		check_batch(shapes[i][0], shapes[i][1], 0, findings);
		check_batch(shapes[i][0], shapes[i][1], 0.1f, findings);
	}
	check_large(findings);
}

int main(void)
{
	levels_check(work, names, bounds, CHECKS);
	return tap_finish();
}
