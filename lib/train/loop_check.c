/* loop_check.c - looking at a run while it goes: validation, the best state, checkpoints (see
 * loop.h).
 */
#include "base/error.h"
#include "base/interrupt.h"
#include "base/message.h"
#include "model/finite.h"
#include "train/loop_parts.h"
#include "train/run_log.h"
#include "train/weights.h"

#include <math.h>
#include <string.h>

void loop_exchange_averages(struct loop *loop)
{
	struct parameter *parameter;
	for (size_t part = 0; part < loop->count; part++)
		for (size_t i = 0; (parameter = weights_at(loop->parts[part], i)); i++)
			for (size_t n = 0; parameter->average && n < parameter->count; n++) {
				float value = parameter->value[n];
				parameter->value[n] = parameter->average[n];
				parameter->average[n] = value;
			}
}

int loop_check_finite(const struct loop *loop)
{
	const struct parameter *parameter;
	for (size_t part = 0; part < loop->count; part++)
		for (size_t i = 0; (parameter = weights_at(loop->parts[part], i)); i++)
			if (parameter->value && finite_check(parameter->value, parameter->count, "") < 0)
				return error_system("step %llu: %s of %s.zv is not finite any more, so nothing is "
				                    "written; %s%s",
				    (unsigned long long)loop->state.step, parameter->name,
				    weights_part(loop->parts[part]),
				    loop->saved_step > 0 ? "the last good checkpoint is "
				                         : "there is no checkpoint",
				    loop->saved_step > 0 ? loop->checkpoint : "");
	return 0;
}

int loop_save(struct loop *loop, const char *path)
{
	loop->state.seconds = loop_seconds() - loop->started;
	return run_state_write(path, &loop->state, &loop->adamw, loop->parts, loop->count) < 0
	           ? error_context("%s", path)
	           : 0;
}

static int measure(struct loop *loop, struct stage_report *report)
{
	const struct stage_kind *kind = loop->request->kind;
	size_t all = examples_count(loop->valid), count;
	for (size_t first = 0; first < all && !*interrupt_flag(); first += count)
		if (loop_read_valid(loop, first, &count) < 0 ||
		    kind->validate(loop->stage, loop->examples, count, report) < 0)
			return -1;
	return kind->validate(loop->stage, NULL, 0, report);
}

bool loop_validation_due(const struct loop *loop)
{
	uint64_t step = loop->state.step;
	return loop->valid && loop->state.validated < step &&
	       (step % loop->valid_every == 0 || step == loop->schedule.steps);
}

/* The stage's metric; NaN if it was not measured. */
static double find_metric(const struct loop *loop, const struct stage_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		if (strcmp(report->losses[i].name, loop->request->kind->metric) == 0 &&
		    report->losses[i].count > 0)
			return report->losses[i].sum / report->losses[i].count;
	return NAN;
}

static bool is_better(const struct loop *loop, double metric)
{
	if (isnan(metric))
		return false;
	if (loop->state.best_step == 0)
		return true;
	return loop->request->kind->lower_is_better ? metric < loop->state.best
	                                            : metric > loop->state.best;
}

int loop_validate(struct loop *loop)
{
	struct stage_report report = { 0 };
	char text[400];
	loop_exchange_averages(loop);
	int status = measure(loop, &report);
	loop_exchange_averages(loop);
	if (status < 0 || *interrupt_flag())
		return status;
	loop->state.validated = loop->state.step;
	double metric = find_metric(loop, &report);
	bool better = is_better(loop, metric);
	if (better) {
		loop->state.best = metric;
		loop->state.best_step = loop->state.step;
	}
	stage_report_text(&report, text, sizeof text);
	message_note(NULL, "step %llu: held out: %s%s", (unsigned long long)loop->state.step, text,
	    better ? " (best)" : "");
	if (loop->log && run_log_validation(loop->log, loop->state.step, &report) < 0)
		return error_context("%s", loop->request->log);
	return better && loop->request->keep_best ? loop_save(loop, loop->best) : 0;
}
