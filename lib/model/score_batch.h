/* score_batch.h - records whose given answers are scored side by side: as many as are there, up to a
 * number, without waiting for more. Scores leave in the order of the records and do not depend on
 * how many were scored together.
 *
 *     score_batch_add() ...      what came
 *     score_batch_run()          all scores
 *     score_batch_write() ...    until all is out
 */
#ifndef ZV_MODEL_SCORE_BATCH_H
#define ZV_MODEL_SCORE_BATCH_H

#include <stdbool.h>
#include <stddef.h>

#include "model/batch.h"
#include "model/candidates.h"
#include "model/inlet.h"

enum score_rank { SCORE_IN_ORDER, SCORE_BY_SUM, SCORE_BY_MEAN };

struct score_plan {
	struct llama *llama;
	const struct prompt_rules *rules;
	struct outlet *outlet;
	struct candidates *candidates;
	size_t id_limit; /* see score.h */
	size_t most;     /* records at once, 1 to BATCH_MOST */
	enum score_rank rank;
};

struct score_batch;
struct score_batch *score_batch_new(const struct score_plan *plan); /* NULL: memory */
void score_batch_release(struct score_batch *batch);                /* NULL is fine */

size_t score_batch_count(const struct score_batch *batch); /* records whose scores are not out */
bool score_batch_has_room(const struct score_batch *batch);

/* The next of the input, anything but INQUIRY_END; what fails is told by score_batch_write() in its
 * turn. 0, or -1 with a recorded error (ERROR_SYSTEM). */
int score_batch_add(struct score_batch *batch, const struct inquiry *inquiry);

/* 0, or -1: memory. */
int score_batch_run(struct score_batch *batch);

/* As batch_write(): 0 when all is out, 1 for a failure that is the caller's to tell, -1. */
int score_batch_write(struct score_batch *batch, struct batch_failure *failure);

#endif
