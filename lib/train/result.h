/* result.h - what comes out of a run: a model directory whose untrained files are those of the model
 * that was trained, or an adapter file. Either appears whole or not at all.
 */
#ifndef ZV_TRAIN_RESULT_H
#define ZV_TRAIN_RESULT_H

#include <stdbool.h>
#include <stddef.h>

struct llama_network;
struct weights;

struct result {
	const char *model;  /* that was trained */
	const char *output; /* a directory; "NAME.zv": an adapter file */
	bool force;
	bool merge; /* adapters into the weights */
	char dtype; /* of trained matrices, 0: as they were */
	struct weights *const *parts;
	size_t count;
	struct llama_network *language; /* NULL: no adapters */
	bool instruction;               /* the Q-Former was trained to read the question */
};

/* Can the result be written, as far as is known before the start? 0 or -1. */
int result_check(const struct result *result);

/* Write it. Adapters that are not merged go into the directory as adapter.zv. 0 or -1. */
int result_write(const struct result *result);

#endif
