/* run_state.h - a checkpoint of training: a zv stream that holds what the next step needs (trained
 * values, moments, averages, the loop's numbers), written atomically, so that a resumed run
 * computes the same bytes as one that was never stopped.
 */
#ifndef ZV_TRAIN_RUN_STATE_H
#define ZV_TRAIN_RUN_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "train/stage.h"

struct adamw;
struct weights;

struct run_state {
	uint64_t step;      /* optimiser steps done */
	uint64_t validated; /* the last step behind which the held-out examples were looked at */
	double best;        /* best validation metric so far, and the step it was at */
	uint64_t best_step;
	double seconds;            /* that the run has taken */
	struct stage_report since; /* since the last line of the log */
	/* What the run was started with, as text of word=value lines: a resume with other settings is
	 * refused, naming the first that differs, unless any_settings. */
	const char *settings;
	bool any_settings;
};

/* 0 or -1: an earlier file stays whole when writing fails. */
int run_state_write(const char *path, const struct run_state *state, const struct adamw *adamw,
    struct weights *const *parts, size_t count);

/* Read into parts that are already set up as in the run that wrote it (same trained parameters;
 * moments allocated). state->settings: those of this run, compared. 1: read; 0: there is no such
 * file; -1: damaged, other settings, other model (fingerprints of the parts are compared). */
int run_state_read(const char *path, struct run_state *state, struct adamw *adamw,
    struct weights *const *parts, size_t count);

#endif
