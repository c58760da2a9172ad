/* adamw.c - steps of the optimiser against plain sums in double (torch's order, spec 7.8); the same
 * bytes at any number of threads and near the portable kernels at every CPU level.
 */
#include "tap.h"
#include "toy_weights.h"

#include <math.h>

#include "base/threads.h"
#include "base/cpu.h"
#include "num/optimiser.h"
#include "train/adamw.h"
#include "train/weights.h"

static const struct toy_tensor tensors[] = {
	{ "a.weight", 'f', 301, 101 },
	{ "a.bias", 'f', 0, 301 },
	{ "frozen.weight", 'f', 5, 5 },
};
enum { TENSORS = sizeof tensors / sizeof tensors[0], STEPS = 5, MOST = 301 * 101 };

struct plain {
	double w[MOST], m[MOST], v[MOST], average[MOST];
};
static struct plain plain[2];

static struct weights *open_toy(void)
{
	toy_write("toy", "vit", "stage=vit\n", tensors, TENSORS, 9);
	struct weights *weights = weights_open("toy", "vit");
	if (!weights || parameter_train(weights_at(weights, 0), 1) < 0 ||
	    parameter_train(weights_at(weights, 1), 0.25f) < 0)
		exit(2);
	return weights;
}

static void set_gradients(struct weights *weights, int step)
{
	uint32_t state = 100 + (uint32_t)step;
	for (size_t part = 0; part < 2; part++) {
		struct parameter *parameter = weights_at(weights, part);
		for (size_t i = 0; i < parameter->count; i++)
			parameter->gradient[i] = toy_random(&state) * (i % 7 ? 0.1f : 1e-6f);
	}
}

static void plain_step(const struct adamw *adamw, const struct weights *weights, int t, double rate)
{
	double norm = 0;
	for (size_t part = 0; part < 2; part++)
		for (size_t i = 0; i < weights_at(weights, part)->count; i++)
			norm += pow((double)weights_at(weights, part)->gradient[i], 2);
	norm = sqrt(norm);
	double clip = adamw->clip > 0 ? fmin(1, adamw->clip / (norm + 1e-6)) : 1;
	double keep = fmin(adamw->average, (1.0 + t) / (10.0 + t));
	for (size_t part = 0; part < 2; part++) {
		const struct parameter *parameter = weights_at(weights, part);
		struct plain *p = &plain[part];
		double own = rate * (double)parameter->rate;
		for (size_t i = 0; i < parameter->count; i++) {
			double g = clip * (double)parameter->gradient[i];
			p->w[i] *= part == 0 ? 1 - own * adamw->decay : 1;
			p->m[i] = adamw->beta1 * p->m[i] + (1 - adamw->beta1) * g;
			p->v[i] = adamw->beta2 * p->v[i] + (1 - adamw->beta2) * g * g;
			p->w[i] -= own * (p->m[i] / (1 - pow(adamw->beta1, t))) /
			           (sqrt(p->v[i] / (1 - pow(adamw->beta2, t))) + adamw->eps);
			p->average[i] = keep * p->average[i] + (1 - keep) * p->w[i];
		}
	}
}

/* Largest difference of the parameters and averages from those in double. */
static double off(const struct weights *weights, bool averaged)
{
	double most = 0;
	for (size_t part = 0; part < 2; part++) {
		const struct parameter *parameter = weights_at(weights, part);
		for (size_t i = 0; i < parameter->count; i++) {
			most = fmax(most, fabs((double)parameter->value[i] - plain[part].w[i]));
			if (averaged)
				most = fmax(most, fabs((double)parameter->average[i] - plain[part].average[i]));
		}
	}
	return most;
}

static void test_steps(double clip, double average)
{
	struct weights *weights = open_toy();
	struct adamw adamw = {
		.beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .decay = 0.05, .clip = clip, .average = average
	};
	if (adamw_begin(&adamw, &weights, 1) < 0)
		exit(2);
	memset(plain, 0, sizeof plain);
	for (size_t part = 0; part < 2; part++)
		for (size_t i = 0; i < weights_at(weights, part)->count; i++)
			plain[part].w[i] = plain[part].average[i] = (double)weights_at(weights, part)->value[i];
	for (int step = 0; step < STEPS; step++) {
		double rate = 1e-3 / (step + 1);
		set_gradients(weights, step);
		plain_step(&adamw, weights, step + 1, rate);
		adamw_step(&adamw, &weights, 1, rate, adamw_norm(&weights, 1));
	}
	double difference = off(weights, average > 0);
	TAP_OK(difference < 4e-7 && adamw.step == STEPS,
	    "%d steps, clip %g, average %g: %.1e from those in double", STEPS, clip, average,
	    difference);
	const struct parameter *frozen = weights_at(weights, 2);
	TAP_OK(!frozen->value && !frozen->first_moment, "what is frozen gets no memory");
	TAP_OK((weights_at(weights, 0)->average != NULL) == (average > 0), "averages where asked");
	weights_close(weights);
}

/* All that the steps leave behind, as one checksum. */
static uint64_t run(void)
{
	struct weights *weights = open_toy();
	struct adamw adamw = {
		.beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .decay = 0.05, .clip = 0.5, .average = 0.9
	};
	uint64_t sums[6];
	if (adamw_begin(&adamw, &weights, 1) < 0)
		exit(2);
	for (int step = 0; step < STEPS; step++) {
		set_gradients(weights, step);
		adamw_step(&adamw, &weights, 1, 1e-3, adamw_norm(&weights, 1));
	}
	for (size_t part = 0; part < 2; part++) {
		const struct parameter *parameter = weights_at(weights, part);
		size_t bytes = parameter->count * sizeof(float);
		sums[3 * part] = checksum_of(parameter->value, bytes);
		sums[3 * part + 1] = checksum_of(parameter->second_moment, bytes);
		sums[3 * part + 2] = checksum_of(parameter->average, bytes);
	}
	weights_close(weights);
	return checksum_of(sums, sizeof sums);
}

enum { KERNEL = 1003 };

/* The vectors' loops against the portable ones. */
static void test_kernels(const struct optimiser *optimiser)
{
	uint32_t state = 77;
	float *rows[8];
	for (int row = 0; row < 8; row++)
		rows[row] = toy_values(KERNEL, &state);
	for (int i = 0; i < KERNEL; i++)
		rows[3][i] = fabsf(rows[3][i]);
	for (int row = 0; row < 4; row++)
		memcpy(rows[row + 4], rows[row], KERNEL * sizeof(float));
	const struct adamw_factors factors = { 0.7f, 0.9f, 0.1f, 0.98f, 0.02f, 0.999f, 1e-2f, 3,
		1e-8f };
	double most = 0;
	for (size_t n = 0; n < KERNEL; n = n * 2 + 1) {
		optimiser->adamw(&factors, rows[0], rows[1], rows[2], rows[3], n);
		optimiser_ref.adamw(&factors, rows[4], rows[5], rows[6], rows[7], n);
		optimiser->average(rows[1], rows[0], 0.3f, n);
		optimiser_ref.average(rows[5], rows[4], 0.3f, n);
		double sum = optimiser->squares(rows[0], n), wanted = optimiser_ref.squares(rows[4], n);
		most = fmax(most, fabs(sum - wanted) / (1 + wanted));
	}
	for (int row = 0; row < 4; row++)
		for (int i = 0; i < KERNEL; i++)
			most = fmax(most, fabs((double)rows[row][i] - (double)rows[row + 4][i]));
	TAP_OK(most < 1e-6, "the loops of this CPU are %.1e from the portable ones", most);
	for (int row = 0; row < 8; row++)
		memory_release(rows[row]);
}

int main(void)
{
	if (cpu_start() < 0)
		return 2;
	test_kernels(optimiser_get());
	test_steps(0, 0);
	test_steps(0.1, 0);
	test_steps(1000, 0.9);
	uint64_t alone = run();
	if (threads_start(3) < 0)
		return 2;
	TAP_OK(run() == alone, "the same bytes with one thread and with three");
	threads_stop();
	return tap_finish();
}
