/* run_state.h - a checkpoint of training: a zv stream that holds what the next step needs (trained
 * values, moments, averages, the loop's numbers), written atomically, so that a resumed run
 * computes the same bytes as one that was never stopped.
 */
#ifndef ZV_TRAIN_RUN_STATE_H
#define ZV_TRAIN_RUN_STATE_H

#include <stddef.h>
#include <stdint.h>

struct adamw;
struct weights;

struct run_state {
	uint64_t step; /* optimiser steps done */
	double best;   /* best validation metric so far, and the step it was at */
	uint64_t best_step;
	uint64_t examples; /* their checksum: a run on other data is another run */
	/* What the run was started with, as text of word=value lines: a resume with other settings is
	 * refused, naming the first that differs. */
	const char *settings;
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
