/* loop.h - a run of training: examples drawn, steps of the optimiser, validation, checkpoints, and
 * the result as a model directory or an adapter file.
 */
#ifndef ZV_TRAIN_LOOP_H
#define ZV_TRAIN_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "train/adamw.h"
#include "train/stage.h"

/* What a person asks for (cmd/zv-train.c). */
struct train_request {
	const struct stage_kind *kind;
	struct stage_options stage; /* features, encode and classes are found out by the run */

	const char *const *data; /* files of examples, "FILE" or "FILE=WEIGHT" */
	size_t data_count;
	bool in_order;
	const char *valid;           /* held-out examples, or NULL */
	const char *const *features; /* streams of zv-encode; none: pictures are encoded */
	size_t feature_count;
	bool own_side; /* pictures are brought to the model's side */

	uint64_t accumulate;      /* micro-batches a step */
	uint64_t steps;           /* 0: by epochs */
	double epochs;            /* 0: by steps */
	struct schedule schedule; /* kind and rates */
	double warm_share;        /* of the steps; negative: schedule.warm_steps as they are */
	struct adamw adamw;       /* settings */

	uint64_t valid_every; /* steps; 0: a tenth of them */
	uint64_t save_every;  /* steps; 0: no checkpoints but at a signal */
	uint64_t log_every;   /* steps */
	const char *log;      /* JSON lines, or NULL */
	const char *checkpoint;
	bool resume, dry_run, keep_best;
	bool any_settings;    /* a resumed run may have other settings and other inputs */
	const char *settings; /* what a resumed run must have as well: word=value lines */

	const char *output; /* a directory, or FILE.zv for adapters */
	bool force, merge;
	char dtype; /* of trained matrices in the result; 0: as they were */
};

/* Train. 0: done, or stopped by what message_failure() has told; -1 recorded. At SIGINT, SIGTERM or
 * SIGHUP a checkpoint is written and the process ends by the signal. */
int train_run(const struct train_request *request);

#endif
