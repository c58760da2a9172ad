/* differences.h - tests of gradients: a toy model of seed-model, and derivatives by differences to
 * compare with. Static, so that only the tests that need it depend on it.
 */
#ifndef ZV_TESTS_DIFFERENCES_H
#define ZV_TESTS_DIFFERENCES_H

#include "tap.h"

#include <math.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/memory.h"
#include "train/weights.h"

/* seed-model --only STAGE DIRECTORY: is it there? */
static inline bool differences_model(const char *stage, const char *directory)
{
	extern char **environ;
	const char *const arguments[] = { "seed-model", "--only", stage, directory, NULL };
	pid_t child;
	int status;
	bool done =
	    posix_spawnp(&child, arguments[0], NULL, NULL, (char *const *)arguments, environ) == 0 &&
	    waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return TAP_OK(done, "seed-model makes %s/%s.zv", directory, stage);
}

/* Uniform in [-1, 1) (splitmix64). */
static inline float differences_random(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15u;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return (float)((z ^ z >> 31) >> 40) * 0x1p-23f - 1.0f;
}

static inline float *differences_values(size_t count, uint64_t seed)
{
	float *values = memory_allocate(count, sizeof *values);
	if (!values)
		exit(2);
	for (size_t i = 0; i < count; i++)
		values[i] = differences_random(&seed);
	return values;
}

/* Sum of weights[i] * values[i]: what is derived. */
static inline double differences_sum(const float *values, const float *weights, size_t count)
{
	double sum = 0;
	for (size_t i = 0; i < count; i++)
		sum += (double)values[i] * (double)weights[i];
	return sum;
}

/* Largest distance, relative to the largest element of b. */
static inline double differences_error(const float *a, const float *b, size_t count)
{
	double most = 0, error = 0;
	for (size_t i = 0; i < count; i++) {
		most = fmax(most, fabs((double)b[i]));
		error = fmax(error, fabs((double)a[i] - (double)b[i]));
	}
	return error / most;
}

struct differences {
	double (*loss)(void *context);
	void *context;
	double noise; /* what rounding does to a loss */
};

/* The derivative of the loss when count values move together, each up or down by step: five points.
 * *along: the same by the gradient. */
static inline double differences_derive(const struct differences *check, float *value,
    const float *gradient, size_t count, float step, double *along)
{
	static const float at[] = { 1, -1, 2, -2 };
	static const double factors[] = { 8, -8, -1, 1 };
	float *kept = memory_allocate(2 * count, sizeof *kept), *sign = kept + count;
	uint64_t state = count;
	double sum = 0;
	if (!kept)
		exit(2);
	memcpy(kept, value, count * sizeof *kept);
	*along = 0;
	for (size_t i = 0; i < count; i++) {
		sign[i] = differences_random(&state) < 0 ? -1 : 1;
		*along += (double)sign[i] * (double)gradient[i];
	}
	for (int point = 0; point < 4; point++) {
		for (size_t i = 0; i < count; i++)
			value[i] = kept[i] + at[point] * step * sign[i];
		sum += factors[point] * check->loss(check->context);
	}
	memcpy(value, kept, count * sizeof *kept);
	memory_release(kept);
	return sum / (12 * (double)step);
}

/* Compare a gradient with derivatives of the loss: by some elements, the greatest gradient's among
 * them, and by all together, which finds a part that is missing. */
static inline bool differences_check(const struct differences *check, const char *name,
    float *value, const float *gradient, size_t count, size_t samples)
{
	double squares = 0, length = 0, worst = 0, most = 0, along;
	uint64_t state = count;
	size_t greatest = 0;
	for (size_t i = 0; i < count; i++) {
		squares += (double)value[i] * (double)value[i];
		length += (double)gradient[i] * (double)gradient[i];
		greatest = fabsf(gradient[i]) > fabsf(gradient[greatest]) ? i : greatest;
	}
	float step = 0.03f * (float)fmax(sqrt(squares / (double)count), 0.05);
	for (size_t sample = 0; sample < samples; sample++) {
		double place = (double)count * (0.5 + 0.499 * (double)differences_random(&state));
		size_t i = sample == 0 ? greatest : (size_t)place;
		double wanted = differences_derive(check, value + i, gradient + i, 1, step, &along);
		most = fmax(most, fabs(wanted));
		worst = fmax(worst, fabs(along - wanted));
	}
	double allowed = 0.002 * most + check->noise / (double)step;
	bool right = TAP_OK(worst <= allowed, "gradient of %s: %.3g wrong of %.3g", name, worst, most);
	step /= (float)sqrt(sqrt((double)count));
	double wanted = differences_derive(check, value, gradient, count, step, &along);
	length = sqrt(length);
	allowed = 0.005 * length + check->noise / (double)step;
	return TAP_OK(fabs(along - wanted) <= allowed,
	           "all together: %.3g wrong of %.3g, length %.3g, %.3g allowed", fabs(along - wanted),
	           fabs(wanted), length, allowed) &&
	       right;
}

/* The same for every trained parameter of a part. */
static inline void differences_parameters(
    const struct differences *check, struct weights *weights, size_t samples)
{
	struct parameter *parameter;
	for (size_t i = 0; (parameter = weights_at(weights, i)); i++)
		if (parameter->gradient)
			differences_check(check, parameter->name, parameter->value, parameter->gradient,
			    parameter->count, samples);
}

/* Train everything, or what begins with a prefix. */
static inline bool differences_train(struct weights *weights, const char *prefix)
{
	struct parameter *parameter;
	for (size_t i = 0; (parameter = weights_at(weights, i)); i++)
		if (strncmp(parameter->name, prefix, strlen(prefix)) == 0 &&
		    parameter_train(parameter, 1) < 0)
			return false;
	return true;
}

/* All gradients of a part, one behind the other; *count of them. */
static inline float *differences_gradients(struct weights *weights, size_t *count)
{
	struct parameter *parameter;
	*count = 0;
	for (size_t i = 0; (parameter = weights_at(weights, i)); i++)
		*count += parameter->gradient ? parameter->count : 0;
	float *all = memory_allocate(*count, sizeof *all), *at = all;
	if (!all)
		exit(2);
	for (size_t i = 0; (parameter = weights_at(weights, i)); i++)
		if (parameter->gradient) {
			memcpy(at, parameter->gradient, parameter->count * sizeof *at);
			at += parameter->count;
		}
	return all;
}

#endif
