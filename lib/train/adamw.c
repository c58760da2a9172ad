/* adamw.c - the optimiser's steps (see adamw.h): torch's order of operations, spec 7.8,
 *     w = w (1 - rate decay); m = beta1 m + (1 - beta1) g; v = beta2 v + (1 - beta2) g^2;
 *     w = w - rate / (1 - beta1^t) m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 *     average = d average + (1 - d) w, d = min(x, (1 + t) / (10 + t)): young averages forget sooner
 * with moments and parameters in f32 and the step's scalars in double.
 */
#include "train/adamw.h"
#include "base/memory.h"
#include "num/optimiser.h"
#include "train/spans.h"
#include "train/weights.h"

#include <math.h>
#include <string.h>

static int begin_one(const struct adamw *adamw, struct parameter *parameter)
{
	size_t count = parameter->count;
	float **moments[2] = { &parameter->first_moment, &parameter->second_moment };
	for (int i = 0; i < 2; i++)
		if (!*moments[i] && !(*moments[i] = memory_allocate_zero(count, sizeof **moments[i])))
			return -1;
	if (adamw->average <= 0 || parameter->average)
		return 0;
	parameter->average = memory_allocate(count, sizeof *parameter->average);
	if (!parameter->average)
		return -1;
	memcpy(parameter->average, parameter->value, count * sizeof *parameter->average);
	return 0;
}

int adamw_begin(struct adamw *adamw, struct weights *const *parts, size_t count)
{
	struct parameter *parameter;
	for (size_t part = 0; part < count; part++)
		for (size_t i = 0; (parameter = weights_at(parts[part], i)); i++)
			if (parameter->value && parameter->gradient && begin_one(adamw, parameter) < 0)
				return -1;
	return 0;
}

static double square_span(void *context, const struct span *span)
{
	const struct optimiser *optimiser = context;
	return optimiser->squares(span->parameter->gradient + span->first, span->count);
}

double adamw_norm(struct weights *const *parts, size_t count)
{
	const struct optimiser *optimiser = optimiser_get();
	return sqrt(spans_run(parts, count, square_span, (void *)optimiser));
}

struct step {
	const struct adamw *adamw;
	const struct optimiser *optimiser;
	double rate, clip, first, second; /* the last two: 1 - beta^t */
	double fresh;                     /* share of the step in the average */
};

static double step_span(void *context, const struct span *span)
{
	const struct step *step = context;
	const struct adamw *adamw = step->adamw;
	const struct parameter *parameter = span->parameter;
	if (!parameter->first_moment || !parameter->second_moment)
		return 0;
	double rate = step->rate * (double)parameter->rate;
	struct adamw_factors factors = { .clip = (float)step->clip,
		.beta1 = (float)adamw->beta1,
		.rest1 = (float)(1 - adamw->beta1),
		.beta2 = (float)adamw->beta2,
		.rest2 = (float)(1 - adamw->beta2),
		.keep = (float)(parameter->decays ? 1 - rate * adamw->decay : 1),
		.rate = (float)(rate / step->first),
		.root = (float)(1 / sqrt(step->second)),
		.eps = (float)adamw->eps };
	float *value = parameter->value + span->first;
	step->optimiser->adamw(&factors, value, parameter->gradient + span->first,
	    parameter->first_moment + span->first, parameter->second_moment + span->first, span->count);
	if (parameter->average)
		step->optimiser->average(
		    parameter->average + span->first, value, (float)step->fresh, span->count);
	return 0;
}

void adamw_step(
    struct adamw *adamw, struct weights *const *parts, size_t count, double rate, double norm)
{
	adamw->step++;
	double clip = adamw->clip > 0 ? adamw->clip / (norm + 1e-6) : 1;
	double young = (1 + (double)adamw->step) / (10 + (double)adamw->step);
	struct step step = { .adamw = adamw,
		.fresh = 1 - (adamw->average < young ? adamw->average : young),
		.optimiser = optimiser_get(),
		.rate = rate,
		.clip = clip < 1 ? clip : 1,
		.first = 1 - pow(adamw->beta1, (double)adamw->step),
		.second = 1 - pow(adamw->beta2, (double)adamw->step) };
	spans_run(parts, count, step_span, &step);
}
