/* loop.c - the steps of a run (see loop.h). */
#include "train/loop.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/message.h"
#include "base/progress.h"
#include "train/loop_parts.h"
#include "train/plan.h"
#include "train/result.h"
#include "train/run_log.h"
#include "train/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEYS_BYTES = 1500 };
enum { LEFT_OUT_MOST = 100, LEFT_OUT_SHARE = 10 }; /* then something is wrong with the run */

/* What becomes of a step. */
enum course {
	COURSE_FAILED = -1, /* recorded */
	COURSE_ON,
	COURSE_SIGNAL, /* one came: nothing of the step has happened */
	COURSE_BROKEN, /* the loss or the gradient is not finite */
};

/* --- one step -----------------------------------------------------------------------------------*/

static void add_report(struct stage_report *sum, const struct stage_report *report)
{
	for (size_t i = 0; i < report->count; i++)
		stage_report_add(
		    sum, report->losses[i].name, report->losses[i].sum, report->losses[i].count);
	sum->examples += report->examples;
}

/* Keys of the micro-batch at hand, as far as there is room. */
static void list_keys(const struct loop *loop, char *text, size_t size)
{
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < loop->request->stage.batch && used + 1 < size; i++) {
		char name[PATH_MAX + 64];
		example_name(&loop->examples[i], name, sizeof name);
		int length = snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", name);
		used += length > 0 ? (size_t)length : 0;
	}
	if (used >= size)
		memcpy(text + size - 4, "...", 4);
}

/* Training goes no further: say where, with what, and what is left. */
static enum course stop_broken(const struct loop *loop, double loss, const char *keys)
{
	char checkpoint[PATH_MAX + 160] = "there is no checkpoint";
	if (loop->saved_step > 0)
		snprintf(checkpoint, sizeof checkpoint,
		    "the last good checkpoint is that of step %llu, %s (--resume --other-settings goes on "
		    "from it, with a lower --rate or with --clip)",
		    (unsigned long long)loop->saved_step, loop->checkpoint);
	/* Only the gradient of several batches together: the keys are those of the last. */
	bool several = isfinite(loss) && loop->request->accumulate > 1;
	message_failure(EXIT_ITEM, NULL,
	    "step %llu: the run has left the finite numbers (loss %g, norm of the gradient %g); %s; "
	    "the %sexamples were %s",
	    (unsigned long long)loop->state.step + 1, loss, loop->norm, checkpoint,
	    several ? "last " : "", keys);
	return COURSE_BROKEN;
}

/* Examples that cannot be used are told one by one; a hundred of them and every tenth are too many. */
static int count_used(struct loop *loop, const struct stage_report *part)
{
	loop->given += (double)loop->request->stage.batch;
	loop->used += (double)part->examples;
	double left_out = loop->given - loop->used;
	if (left_out < LEFT_OUT_MOST || left_out * LEFT_OUT_SHARE < loop->given)
		return 0;
	return error_system(
	    "%.0f of %.0f examples had to be left out: are the folder, the features, the "
	    "language and the model the right ones?",
	    left_out, loop->given);
}

/* Gradients of all micro-batches of the step. */
static enum course run_batches(struct loop *loop, struct stage_report *report)
{
	const struct train_request *request = loop->request;
	for (size_t i = 0; i < loop->count; i++)
		weights_zero_gradients(loop->parts[i]);
	for (uint64_t i = 0; i < request->accumulate; i++) {
		uint64_t micro_step = loop->state.step * request->accumulate + i;
		struct stage_report part = { 0 };
		if (*interrupt_flag())
			return COURSE_SIGNAL;
		if (loop_read(loop, micro_step) < 0 ||
		    request->kind->step(loop->stage, loop->examples, request->stage.batch, micro_step,
		        1.0f / (float)request->accumulate, &part) < 0 ||
		    count_used(loop, &part) < 0)
			return COURSE_FAILED;
		if (!isfinite(part.total)) {
			char keys[KEYS_BYTES];
			list_keys(loop, keys, sizeof keys);
			loop->norm = NAN;
			return stop_broken(loop, part.total, keys);
		}
		report->total += part.total / (double)request->accumulate;
		add_report(report, &part);
	}
	return COURSE_ON;
}

static enum course run_step(struct loop *loop)
{
	struct stage_report report = { 0 };
	enum course course = run_batches(loop, &report);
	if (course != COURSE_ON)
		return course;
	loop->norm = adamw_norm(loop->parts, loop->count);
	if (!isfinite(loop->norm)) {
		char keys[KEYS_BYTES];
		list_keys(loop, keys, sizeof keys);
		return stop_broken(loop, report.total, keys);
	}
	loop->rate = schedule_rate(&loop->schedule, loop->state.step);
	adamw_step(&loop->adamw, loop->parts, loop->count, loop->rate, loop->norm);
	loop->state.step++;
	add_report(&loop->state.since, &report);
	return COURSE_ON;
}

/* --- what is told -------------------------------------------------------------------------------*/

static double examples_per_second(const struct loop *loop, double now)
{
	return now > loop->since_time ? (double)loop->state.since.examples / (now - loop->since_time)
	                              : 0;
}

/* The line on a terminal, and one now and then elsewhere. */
static void tell_progress(struct loop *loop, double now)
{
	char losses[300], text[400];
	uint64_t steps = loop->schedule.steps, tenth = loop->state.step * 10 / steps;
	stage_report_text(&loop->state.since, losses, sizeof losses);
	snprintf(text, sizeof text, "%s, rate %.3g, %.3g examples/s", losses, loop->rate,
	    examples_per_second(loop, now));
	progress_detail(text);
	progress_update(loop->state.step);
	if (tenth == loop->told)
		return;
	loop->told = tenth;
	if (!isatty(STDERR_FILENO))
		message_note(NULL, "step %llu of %llu: %s", (unsigned long long)loop->state.step,
		    (unsigned long long)steps, text);
}

static int write_log(struct loop *loop, double now)
{
	struct run_figures figures = { .rate = loop->rate,
		.norm = loop->norm,
		.examples_per_second = examples_per_second(loop, now),
		.seconds = now - loop->started };
	return run_log_step(loop->log, loop->state.step, &loop->state.since, &figures) < 0
	           ? error_context("%s", loop->request->log)
	           : 0;
}

/* The losses of each step go into the figures of the log's next line, at steps that do not depend on
 * where a run was interrupted. */
static int tell(struct loop *loop)
{
	double now = loop_seconds();
	tell_progress(loop, now);
	bool due = loop->state.step % loop->request->log_every == 0 ||
	           loop->state.step == loop->schedule.steps;
	if (!due)
		return 0;
	if (loop->log && write_log(loop, now) < 0)
		return -1;
	loop->state.since = (struct stage_report){ .examples = 0 };
	loop->since_time = now;
	return 0;
}

static void tell_memory(const struct loop *loop)
{
	char text[32];
	if (loop->state.step == 1)
		message_note(NULL, "memory at the first step, with saved activations: %s",
		    plan_bytes(plan_memory(), text));
}

/* --- the run ------------------------------------------------------------------------------------*/

static int save_checkpoint(struct loop *loop)
{
	if (loop_check_finite(loop) < 0 || loop_save(loop, loop->checkpoint) < 0)
		return -1;
	loop->saved_step = loop->state.step;
	return 0;
}

/* A signal came: keep what there is, and die of it. */
static int end_by_signal(struct loop *loop)
{
	progress_clear();
	if (loop->saved_step < loop->state.step && save_checkpoint(loop) < 0)
		return -1;
	if (loop->saved_step > 0)
		message_note(loop->checkpoint, "checkpoint of step %llu; --resume goes on from there",
		    (unsigned long long)loop->state.step);
	run_log_close(loop->log);
	interrupt_die();
}

/* What is due behind a step. */
static int look_after(struct loop *loop)
{
	const struct train_request *request = loop->request;
	uint64_t step = loop->state.step;
	bool last = step == loop->schedule.steps;
	tell_memory(loop);
	if (tell(loop) < 0)
		return -1;
	if (loop_validation_due(loop) && loop_validate(loop) < 0)
		return -1;
	return request->save_every > 0 && (step % request->save_every == 0 || last)
	           ? save_checkpoint(loop)
	           : 0;
}

static enum course run_steps(struct loop *loop)
{
	enum course course = COURSE_ON;
	progress_begin("steps", loop->schedule.steps);
	progress_skip(loop->state.step);
	loop->since_time = loop_seconds();
	loop->started = loop->since_time - loop->state.seconds;
	loop->told = loop->state.step * 10 / loop->schedule.steps;
	if (loop->state.step > 0 && loop_validation_due(loop) && loop_validate(loop) < 0)
		course = COURSE_FAILED; /* a signal had come meanwhile */
	while (course == COURSE_ON && loop->state.step < loop->schedule.steps) {
		course = *interrupt_flag() ? COURSE_SIGNAL : run_step(loop);
		if (course == COURSE_ON && look_after(loop) < 0)
			course = COURSE_FAILED;
	}
	progress_clear();
	return course;
}

static struct result result_of(const struct loop *loop)
{
	const struct train_request *request = loop->request;
	return (struct result){ .model = request->stage.model,
		.output = request->output,
		.force = request->force,
		.merge = request->merge,
		.dtype = request->dtype,
		.parts = loop->parts,
		.count = loop->count,
		.instruction =
		    request->stage.question_inside && request->kind->language && !request->kind->text_only,
		.language = request->kind->language ? request->kind->language(loop->stage) : NULL };
}

/* Back to the best state, if that is wanted and the last is another. */
static int take_best(struct loop *loop)
{
	if (!loop->request->keep_best || loop->state.best_step == loop->state.step)
		return 0;
	if (loop->state.best_step == 0) {
		message_failure(EXIT_ITEM, loop->request->valid,
		    "nothing could be measured on it: the result is the state at the end");
		return 0;
	}
	uint64_t step = loop->state.best_step;
	int found = run_state_read(loop->best, &loop->state, &loop->adamw, loop->parts, loop->count);
	if (found <= 0)
		return found < 0 ? error_context("%s", loop->best)
		                 : error_system("%s: the best state is gone", loop->best);
	message_note(NULL, "the result is that of step %llu, the best on the held-out examples",
	    (unsigned long long)step);
	return 0;
}

static void remove_checkpoints(const struct loop *loop)
{
	unlink(loop->checkpoint);
	if (loop->request->keep_best)
		unlink(loop->best);
}

/* The result could not be written: is there a checkpoint to write it from? */
static void keep_last(struct loop *loop)
{
	char reason[1000];
	snprintf(reason, sizeof reason, "%s", error_text());
	loop_exchange_averages(loop);
	if (loop->saved_step == loop->state.step || save_checkpoint(loop) == 0)
		error_system(
		    "%s; the checkpoint of step %llu, %s, is there: --resume writes the result anew",
		    reason, (unsigned long long)loop->state.step, loop->checkpoint);
	else
		error_system("%s, and no checkpoint either: %s", reason, error_text());
}

static int finish(struct loop *loop)
{
	const struct train_request *request = loop->request;
	double all = (double)loop->state.step * (double)request->accumulate;
	if (loop->used == 0 && loop->given >= all * (double)request->stage.batch) {
		if (loop->saved_step > 0)
			remove_checkpoints(loop); /* nothing in them to go on from */
		return error_system("not one of the examples could be used, so nothing was trained");
	}
	if (loop_check_finite(loop) < 0 || take_best(loop) < 0)
		return -1;
	loop_exchange_averages(loop);
	struct result result = result_of(loop);
	if (result_write(&result) < 0) {
		keep_last(loop);
		return -1;
	}
	remove_checkpoints(loop);
	struct run_log *log = loop->log;
	loop->log = NULL;
	return run_log_close(log) < 0 ? error_context("%s", loop->request->log) : 0;
}

static void print_plan(const struct loop *loop)
{
	struct plan plan = { .parts = loop->parts,
		.count = loop->count,
		.rate = loop->schedule.peak,
		.average = loop->request->adamw.average > 0 };
	char line[300];
	plan_print(&plan, stdout);
	snprintf(line, sizeof line,
	    "steps: %llu of %llu examples, %zu at a time; %zu examples in all\n",
	    (unsigned long long)loop->schedule.steps,
	    (unsigned long long)(loop->request->accumulate * loop->request->stage.batch),
	    loop->request->stage.batch, examples_count(loop->data));
	fputs(line, stdout);
	fflush(stdout);
}

/* What a step takes beside the table's figures shows when one is computed. */
static int try_batch(struct loop *loop)
{
	char text[32], line[100];
	struct stage_report report = { 0 };
	for (size_t i = 0; i < loop->count; i++)
		weights_zero_gradients(loop->parts[i]);
	if (loop_read(loop, 0) < 0 || loop->request->kind->step(loop->stage, loop->examples,
	                                  loop->request->stage.batch, 0, 1, &report) < 0)
		return -1;
	snprintf(line, sizeof line, "memory of one batch, without the moments: %s\n",
	    plan_bytes(plan_memory(), text));
	fputs(line, stdout);
	return 0;
}

/* A script that always gives --resume comes back to a run that has reached its end. */
static bool is_finished(const struct loop *loop)
{
	const struct train_request *request = loop->request;
	return request->resume && !request->force && loop->saved_step == 0 &&
	       access(request->output, F_OK) == 0;
}

static int run(struct loop *loop)
{
	struct result result = result_of(loop);
	if (loop->request->dry_run) {
		print_plan(loop);
		return try_batch(loop);
	}
	if (is_finished(loop)) {
		message_note(loop->request->output, "is there, and no checkpoint to go on from: the run is "
		                                    "finished (--force makes it anew)");
		return 0;
	}
	if (result_check(&result) < 0 || loop_open_log(loop) < 0)
		return -1;
	print_plan(loop);
	interrupt_hold_all();
	enum course course = run_steps(loop);
	if (course == COURSE_SIGNAL)
		return end_by_signal(loop);
	if (course != COURSE_ON)
		return course == COURSE_FAILED ? -1 : 0;
	interrupt_release();
	return *interrupt_flag() ? end_by_signal(loop) : finish(loop);
}

int train_run(const struct train_request *request)
{
	struct loop loop;
	int status = loop_open(&loop, request);
	if (status == 0)
		status = run(&loop);
	loop_close(&loop);
	return status < 0 ? error_as(ERROR_SYSTEM) : 0; /* whatever it is, there is no result */
}
