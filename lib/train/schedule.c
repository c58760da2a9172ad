/* schedule.c - learning rates over time (see adamw.h; spec 7.1, 7.7). All kinds rise linearly from
 * warm_from to peak first; without warm-up steps they begin at the peak.
 */
#include "train/adamw.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

bool schedule_parse(const char *name, enum schedule_kind *kind)
{
	static const char *const names[] = { [SCHEDULE_COSINE] = "cosine",
		[SCHEDULE_STAIRCASE] = "staircase",
		[SCHEDULE_LINEAR] = "linear",
		[SCHEDULE_CONSTANT] = "constant" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(name, names[i]) == 0) {
			*kind = (enum schedule_kind)i;
			return true;
		}
	return false;
}

static double warm_rate(const struct schedule *schedule, uint64_t step)
{
	if (step >= schedule->warm_steps)
		return schedule->peak;
	return schedule->warm_from +
	       (schedule->peak - schedule->warm_from) * (double)step / (double)schedule->warm_steps;
}

/* done / all of the way, at most the whole. */
static double share(uint64_t done, uint64_t all)
{
	return done >= all ? 1 : (double)done / (double)all;
}

static double cosine(const struct schedule *schedule, double way)
{
	return schedule->least + (schedule->peak - schedule->least) * 0.5 * (1 + cos(pi * way));
}

/* LAVIS' LinearWarmupCosineLRScheduler: warm-up by steps in epoch 0 and no further, then one rate for
 * every epoch. */
static double staircase(const struct schedule *schedule, uint64_t step)
{
	uint64_t epoch = schedule->epoch_steps ? step / schedule->epoch_steps : 0;
	return epoch == 0 ? warm_rate(schedule, step)
	                  : cosine(schedule, share(epoch, schedule->epochs));
}

double schedule_rate(const struct schedule *schedule, uint64_t step)
{
	if (schedule->kind == SCHEDULE_STAIRCASE)
		return staircase(schedule, step);
	if (step < schedule->warm_steps || schedule->kind == SCHEDULE_CONSTANT)
		return warm_rate(schedule, step);
	uint64_t all =
	    schedule->steps > schedule->warm_steps ? schedule->steps - schedule->warm_steps : 0;
	double way = share(step - schedule->warm_steps, all);
	if (schedule->kind == SCHEDULE_COSINE)
		return cosine(schedule, way);
	return schedule->least + (schedule->peak - schedule->least) * (1 - way);
}
