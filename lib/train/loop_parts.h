/* loop_parts.h - a run at work: what loop.c, loop_open.c and loop_check.c share. */
#ifndef ZV_TRAIN_LOOP_PARTS_H
#define ZV_TRAIN_LOOP_PARTS_H

#include <limits.h>

#include "train/loop.h"
#include "train/run_state.h"

struct run_log;

struct loop {
	const struct train_request *request;
	struct stage_options options;
	struct examples *data, *valid;
	struct stage *stage;
	struct weights *parts[STAGE_PARTS_MOST];
	size_t count;
	struct adamw adamw;
	struct schedule schedule;
	struct run_state state;
	uint64_t valid_every, told; /* tenths of the run that a line was printed for */
	struct run_log *log;
	char checkpoint[PATH_MAX], best[PATH_MAX];

	struct example *examples; /* of a micro-batch [batch] */
	size_t *lines;            /* which they are [batch] */
	double since_time;        /* when the last line of the log was written */
	double started;           /* when the run would have begun, had it not been interrupted */
	char *settings;           /* the request's, and what the files held */
	double rate, norm;        /* of the last step */
	uint64_t saved_step;      /* of the checkpoint that is there; 0: none */
	double given, used;       /* examples of this run, and how many of them could be used */
};

/* Files, stage, optimiser; the state of an earlier run. 0 or -1. */
int loop_open(struct loop *loop, const struct train_request *request);
/* Names of the checkpoints, and whether everything can be written. 0 or -1. */
int loop_find_places(struct loop *loop);
/* loop->settings. 0 or -1. */
int loop_settle(struct loop *loop);
/* The log, when it is certain that there will be a run. 0 or -1. */
int loop_open_log(struct loop *loop);
void loop_close(struct loop *loop);

/* Read the examples of a micro-batch: number i of all; held out: from the valid file, *count of
 * them. 0 or -1. */
int loop_read(struct loop *loop, uint64_t micro_step);
int loop_read_valid(struct loop *loop, size_t first, size_t *count);

/* Measure on the held-out examples, keep the best state. 0 or -1; a signal that comes meanwhile ends
 * it, and it is done again when the run goes on. */
int loop_validate(struct loop *loop);
/* Is it due behind the step that was done last? */
bool loop_validation_due(const struct loop *loop);
/* Are all parameters finite? 0 or -1. */
int loop_check_finite(const struct loop *loop);
/* Write a checkpoint of the present state to path. 0 or -1. */
int loop_save(struct loop *loop, const char *path);
/* Put the averages, if any are kept, in the parameters' place, and back by the same call. */
void loop_exchange_averages(struct loop *loop);

double loop_seconds(void);

#endif
