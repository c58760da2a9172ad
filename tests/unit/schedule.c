/* schedule.c - learning rates: the reference's staircase against LAVIS' own table, the others at
 * their corners.
 */
#include "tap.h"
#include "train/adamw.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static bool near(double got, double wanted)
{
	return fabs(got - wanted) <= 1e-12 * fabs(wanted);
}

/* Lines "epoch step rate", 10 steps an epoch. */
static void test_reference(void)
{
	const char *path = tap_shared("oracles/tiny-blip2/lr_schedule.tsv");
	FILE *file = path ? fopen(path, "r") : NULL;
	if (!file) {
		tap_skip("the staircase is that of LAVIS", "no reference data");
		return;
	}
	const struct schedule schedule = { .kind = SCHEDULE_STAIRCASE,
		.peak = 1e-4,
		.least = 1e-5,
		.warm_from = 1e-6,
		.warm_steps = 7,
		.steps = 50,
		.epoch_steps = 10,
		.epochs = 5 };
	char line[200], *end;
	int right = 0, lines = 0;
	while (fgets(line, sizeof line, file)) {
		if (line[0] == '#')
			continue;
		uint64_t epoch = strtoull(line, &end, 10), step = strtoull(end, &end, 10);
		right += near(schedule_rate(&schedule, epoch * 10 + step), strtod(end, NULL));
		lines++;
	}
	fclose(file);
	TAP_OK(
	    lines == 50 && right == lines, "the staircase is that of LAVIS (%d of %d)", right, lines);
}

static void test_corners(void)
{
	struct schedule schedule = { .peak = 1e-3,
		.least = 1e-4,
		.warm_from = 1e-5,
		.warm_steps = 10,
		.steps = 110,
		.epoch_steps = 20,
		.epochs = 5 };
	static const enum schedule_kind kinds[] = { SCHEDULE_COSINE, SCHEDULE_LINEAR, SCHEDULE_CONSTANT,
		SCHEDULE_STAIRCASE };
	for (size_t i = 0; i < 4; i++) {
		schedule.kind = kinds[i];
		TAP_OK(near(schedule_rate(&schedule, 0), 1e-5) &&
		           near(schedule_rate(&schedule, 5), 5.05e-4) &&
		           near(schedule_rate(&schedule, 10), 1e-3),
		    "kind %d warms up", (int)kinds[i]);
		double last = kinds[i] == SCHEDULE_CONSTANT ? 1e-3 : 1e-4;
		TAP_OK(near(schedule_rate(&schedule, 110), last) &&
		           near(schedule_rate(&schedule, UINT64_MAX), last),
		    "kind %d ends", (int)kinds[i]);
	}
	schedule.kind = SCHEDULE_COSINE;
	TAP_OK(near(schedule_rate(&schedule, 60), 5.5e-4), "cosine: half way is in the middle");
	TAP_OK(
	    near(schedule_rate(&schedule, 35), 1e-4 + 9e-4 * (0.5 + sqrt(0.125))), "cosine: a quarter");
	schedule.kind = SCHEDULE_LINEAR;
	TAP_OK(near(schedule_rate(&schedule, 35), 1e-4 + 9e-4 * 0.75), "linear: a quarter");
	schedule.warm_steps = 0;
	TAP_OK(near(schedule_rate(&schedule, 0), 1e-3), "without warm-up: the peak at once");
	schedule.steps = 0;
	TAP_OK(near(schedule_rate(&schedule, 0), 1e-4), "no steps: the least");
}

int main(void)
{
	enum schedule_kind kind = SCHEDULE_CONSTANT;
	test_reference();
	test_corners();
	TAP_OK(schedule_parse("staircase", &kind) && kind == SCHEDULE_STAIRCASE, "names are known");
	TAP_OK(!schedule_parse("cos", &kind) && kind == SCHEDULE_STAIRCASE, "others are not");
	return tap_finish();
}
