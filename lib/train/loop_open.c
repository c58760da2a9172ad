/* loop_open.c - the beginning of a run: its files, its stage, its optimiser (see loop.h). */
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "stream/model_file.h"
#include "train/loop_parts.h"
#include "train/run_log.h"
#include "train/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH_MOST = 1 << 16, SIDE_MOST = 1 << 16 };

double loop_seconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static int open_examples(struct loop *loop)
{
	const struct train_request *request = loop->request;
	struct examples_options options = { .files = request->data,
		.count = request->data_count,
		.in_order = request->in_order,
		.seed = request->stage.seed };
	if (!(loop->data = examples_open(&options)))
		return -1;
	if (examples_count(loop->data) == 0)
		return error_input("there is no example");
	options = (struct examples_options){ .files = &request->valid, .count = 1, .in_order = true };
	if (request->valid && !(loop->valid = examples_open(&options)))
		return -1;
	return request->valid && examples_count(loop->valid) == 0
	           ? error_input("%s: there is no example", request->valid)
	           : 0;
}

/* What features must be like: what the Q-Former takes, made by the encoder it was trained with. */
static int open_features(struct loop *loop)
{
	const struct train_request *request = loop->request;
	struct model_file *file = model_file_open(request->stage.model, "qformer");
	char text[DIGEST_TEXT_SIZE];
	struct digest weights = { { 0 } };
	int64_t width;
	int status = file ? model_file_whole(file, "encoder_width", 1, WIDTH_MOST, &width) : -1;
	if (status == 0 && model_file_text(file, "vit_weights", text, sizeof text))
		digest_parse(text, &weights);
	model_file_close(file);
	if (status < 0)
		return -1;
	loop->options.features =
	    feature_files_open(request->features, request->feature_count, (size_t)width, &weights);
	return loop->options.features ? 0 : -1;
}

static int find_side(struct loop *loop)
{
	struct model_file *file = model_file_open(loop->options.model, "vit");
	int64_t side;
	if (!file)
		return -1;
	int status = model_file_whole(file, "side", 1, SIDE_MOST, &side);
	model_file_close(file);
	if (status == 0)
		loop->options.pictures.side = (size_t)side;
	return status;
}

/* Where pictures come from. */
static int open_pictures(struct loop *loop)
{
	const struct train_request *request = loop->request;
	loop->options.pictures.seed = loop->options.seed;
	if (request->kind->text_only)
		return 0;
	if (request->feature_count > 0)
		return open_features(loop);
	loop->options.encode = true;
	return request->own_side ? find_side(loop) : 0;
}

/* The largest class of an example, and whether queries have classes. */
static void see_classes(struct stage_options *options, const struct example *example)
{
	const int32_t *const lists[] = { &example->kind, example->kinds, example->patches };
	const size_t counts[] = { 1, example->kind_count, example->patch_count };
	for (int list = 0; list < 3; list++)
		for (size_t i = 0; i < counts[list]; i++)
			if (lists[list][i] >= 0 && (size_t)lists[list][i] >= options->classes)
				options->classes = (size_t)lists[list][i] + 1;
	options->kinds |= example->kind_count > 0;
}

/* How many classes there are is nowhere written: it is looked for in all examples. */
static int count_classes(struct loop *loop)
{
	size_t count = examples_count(loop->data), given = loop->options.classes;
	for (size_t i = 0; i < count; i++) {
		struct example example = { 0 };
		if (examples_read(loop->data, i, &example) < 0)
			return -1;
		see_classes(&loop->options, &example);
		example_clear(&example);
	}
	if (given > 0 && given < loop->options.classes)
		return error_input(
		    "the examples have %zu classes, more than %zu", loop->options.classes, given);
	return 0;
}

/* Steps of the run and of an epoch, warm-up, validation. */
static int settle_steps(struct loop *loop)
{
	const struct train_request *request = loop->request;
	double whole = (double)request->stage.batch * (double)request->accumulate;
	double epoch = floor((double)examples_count(loop->data) / whole);
	double steps = request->steps > 0
	                   ? (double)request->steps
	                   : floor(request->epochs * (double)examples_count(loop->data) / whole);
	if (!(steps >= 1 && steps < 0x1p40))
		return error_input("%g epochs of %zu examples are no whole step of %.0f examples",
		    request->epochs, examples_count(loop->data), whole);
	struct schedule *schedule = &loop->schedule;
	*schedule = request->schedule;
	schedule->steps = (uint64_t)steps;
	schedule->epoch_steps = epoch >= 1 ? (uint64_t)epoch : 1;
	schedule->epochs = (schedule->steps + schedule->epoch_steps - 1) / schedule->epoch_steps;
	if (request->warm_share >= 0)
		schedule->warm_steps = (uint64_t)(request->warm_share * steps + 0.5);
	loop->valid_every =
	    request->valid_every > 0 ? request->valid_every : (uint64_t)(steps < 10 ? 1 : steps / 10);
	return 0;
}

/* Go on with an earlier run, or make sure that none is lost. */
static int open_state(struct loop *loop)
{
	const struct train_request *request = loop->request;
	loop->state =
	    (struct run_state){ .settings = loop->settings, .any_settings = request->any_settings };
	if (!request->resume)
		return request->force || request->dry_run || access(loop->checkpoint, F_OK) != 0
		           ? 0
		           : error_system("%s: a checkpoint of an earlier run; give --resume to go on with "
		                          "it, or --force to begin anew",
		                 loop->checkpoint);
	int found =
	    run_state_read(loop->checkpoint, &loop->state, &loop->adamw, loop->parts, loop->count);
	if (found < 0)
		return error_context("%s", loop->checkpoint);
	if (found == 0 && access(request->output, F_OK) != 0)
		message_note(loop->checkpoint, "no checkpoint; the run begins at its start");
	if (found > 0)
		message_note(loop->checkpoint, "the run goes on behind step %llu",
		    (unsigned long long)loop->state.step);
	loop->saved_step = found > 0 ? loop->state.step : 0;
	return 0;
}

int loop_open(struct loop *loop, const struct train_request *request)
{
	*loop = (struct loop){ .request = request, .options = request->stage };
	size_t batch = request->stage.batch;
	loop->examples = memory_allocate_zero(batch, sizeof *loop->examples);
	loop->lines = memory_allocate_zero(batch, sizeof *loop->lines);
	if (!loop->examples || !loop->lines || open_examples(loop) < 0 || settle_steps(loop) < 0 ||
	    open_pictures(loop) < 0 || (request->kind == &stage_classify && count_classes(loop) < 0))
		return -1;
	loop->stage = request->kind->begin(&loop->options, loop->parts, &loop->count);
	if (!loop->stage)
		return -1;
	loop->adamw = request->adamw;
	if (request->dry_run)
		return 0;
	return loop_find_places(loop) < 0 || loop_settle(loop) < 0 ||
	               adamw_begin(&loop->adamw, loop->parts, loop->count) < 0 || open_state(loop) < 0
	           ? -1
	           : 0;
}

int loop_open_log(struct loop *loop)
{
	const char *path = loop->request->log;
	loop->log = path ? run_log_open(path, loop->state.step) : NULL;
	return path && !loop->log ? error_context("%s", path) : 0;
}

static void clear_examples(struct loop *loop)
{
	for (size_t i = 0; loop->examples && i < loop->request->stage.batch; i++)
		example_clear(&loop->examples[i]);
}

void loop_close(struct loop *loop)
{
	clear_examples(loop);
	if (loop->stage)
		loop->request->kind->end(loop->stage);
	run_log_close(loop->log);
	feature_files_close(loop->options.features);
	examples_close(loop->data);
	examples_close(loop->valid);
	memory_release(loop->examples);
	memory_release(loop->lines);
	memory_release(loop->settings);
}

/* --- examples -----------------------------------------------------------------------------------*/

int loop_read(struct loop *loop, uint64_t micro_step)
{
	size_t batch = loop->request->stage.batch;
	clear_examples(loop);
	for (size_t i = 0; i < batch; i++) {
		loop->lines[i] = examples_draw(loop->data, micro_step * batch + i);
		if (examples_read(loop->data, loop->lines[i], &loop->examples[i]) < 0)
			return -1;
	}
	return 0;
}

int loop_read_valid(struct loop *loop, size_t first, size_t *count)
{
	size_t all = examples_count(loop->valid), batch = loop->request->stage.batch;
	clear_examples(loop);
	*count = all - first < batch ? all - first : batch;
	for (size_t i = 0; i < *count; i++)
		if (examples_read(loop->valid, first + i, &loop->examples[i]) < 0)
			return -1;
	return 0;
}
