/* lookup.h - what may follow in a sequence, looked up in the sequence itself: behind the last place
 * where it went on from the same tokens. Answers often repeat words of the question, of earlier
 * turns, or their own; a guess costs a row of a pass over the weights that is made anyway.
 */
#ifndef ZV_MODEL_LOOKUP_H
#define ZV_MODEL_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "text/ids.h"

enum { LOOKUP_MOST = 15 }; /* tokens guessed at once */

struct lookup {
	struct ids known; /* the sequence so far; what is negative is no token */
	size_t reach;     /* tokens to guess at most: grows with success */
	size_t misses;    /* guesses in a row that were wrong from their first token on, */
	size_t pause;     /* after which so many times nothing is guessed */
};

/* Forget all, keep the memory. */
void lookup_begin(struct lookup *lookup);
void lookup_clear(struct lookup *lookup); /* releases the memory */

/* The sequence goes on by these. 0, or -1: memory. */
int lookup_add(struct lookup *lookup, const int32_t *ids, size_t count);

/* Guess up to most (and LOOKUP_MOST) tokens: how many were written to ids. */
size_t lookup_guess(struct lookup *lookup, size_t most, int32_t ids[LOOKUP_MOST]);

/* Of a guess of so many tokens the first `right` came true. */
void lookup_learn(struct lookup *lookup, size_t guessed, size_t right);

#endif
