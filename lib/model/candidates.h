/* candidates.h - given answers to be scored: lines "answer", for every record, or
 * "key TAB answer", for the record of that key (see lines.h, LINES_OPTIONAL).
 */
#ifndef ZV_MODEL_CANDIDATES_H
#define ZV_MODEL_CANDIDATES_H

#include <stdbool.h>
#include <stddef.h>

#include "model/score.h"
#include "text/bpe.h"
#include "text/lines.h"

struct given_answer {
	char *key; /* NULL: for every record */
	char *text;
	struct ids ids;
	bool met; /* a record of its key came */
};

struct candidates {
	struct given_answer *at;
	size_t count, capacity;
};

/* Read and tokenise all lines of the file at path, one at least; end is the token that each answer
 * ends with, or -1. 0, or -1 with an ERROR_SYSTEM that names the line. */
int candidates_open(struct candidates *candidates, const char *path, const struct bpe *bpe,
    const struct bpe_options *options, int32_t end);

/* A record of this key came. */
void candidates_meet(struct candidates *candidates, const char *key);

/* 0 when each answer with a key met its record, else -1 with a recorded error that counts them. */
int candidates_all_met(const struct candidates *candidates);

struct given_score {
	const struct given_answer *answer;
	double sum; /* of log-probabilities */
};

/* Those that belong to key, in order, to be scored behind the scorer's last prompt: *scores, the
 * caller's (memory_release), has its sums after scorer_run(). 0, or -1 with a recorded error. */
int candidates_score(struct candidates *candidates, struct scorer *scorer, const char *key,
    struct given_score **scores, size_t *count);

/* Best first, by sum or by mean; equal ones stay in order. */
void candidates_rank(struct given_score *scores, size_t count, bool by_mean);

void candidates_clear(struct candidates *candidates);

#endif
