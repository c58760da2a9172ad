/* batch.h - many records answered at once: each token takes one pass over the weights for all of
 * them. When an answer is complete the next record takes its place at once, whatever the others are
 * doing; replies leave in the order in which the records came. A reply's bytes depend neither on
 * how many run together nor on what ran before.
 *
 *     while (there are records or batch_running()) {
 *         while (batch_has_room() and a record is there)
 *             batch_add();
 *         batch_step();
 *         batch_write();
 *     }
 */
#ifndef ZV_MODEL_BATCH_H
#define ZV_MODEL_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/generation.h"
#include "model/inlet.h"

struct llama;
struct outlet;
struct prompt_rules;

enum { BATCH_MOST = 256 };

/* How many records are answered at once unless somebody says otherwise: up to 16, as many as a
 * quarter of the memory beside the weights (base/memory_limit.h) holds keys and values for, at 256
 * tokens of prompt and the most new tokens for each; at least 1. */
size_t batch_default(const struct llama *llama, const struct generation_settings *settings);

struct batch_plan {
	struct llama *llama;
	struct generator *generator;
	const struct prompt_rules *rules;
	struct outlet *outlet;
	size_t most; /* at once */
};

struct batch;

struct batch *batch_new(const struct batch_plan *plan); /* NULL: memory */
void batch_release(struct batch *batch);                /* NULL is fine */

size_t batch_running(const struct batch *batch); /* answers that are not complete */
bool batch_has_room(const struct batch *batch);  /* for one more record or failure */

/* Take the next of the input, anything but INQUIRY_END; what fails is told by batch_write() in its
 * turn. 1; 0: memory is short as long as the others run, try again when one is complete; -1 with a
 * recorded error (ERROR_SYSTEM). */
int batch_add(struct batch *batch, const struct inquiry *inquiry);

/* One token more for each that runs; after an interrupt (see outlet.h) they all end. 0 or -1. */
int batch_step(struct batch *batch);

/* Write the replies that are complete and in turn. 0: all of them, and of the first that still
 * grows what may be shown; 1: it is the turn of a failure, which is the caller's to tell and counts
 * as written (valid until the next call); -1 with a recorded error. */
struct batch_failure {
	const char *key, *reason; /* NULL: there was no memory for it; key also where damage has none */
	enum error_kind error;
	bool damage; /* INQUIRY_DAMAGE */
};
int batch_write(struct batch *batch, struct batch_failure *failure);

struct batch_figures {
	uint64_t records;         /* begun */
	uint64_t rows, shared;    /* of prompts, and of them those that were there already */
	uint64_t steps, together; /* steps, and their answers in all */
	size_t most;              /* answers in one step */
};
struct batch_figures batch_figures(const struct batch *batch);

#endif
