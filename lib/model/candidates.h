/* candidates.h - given answers to be scored: lines "answer", for every record, or
 * "key TAB answer", for the record of that key. Escapes as in results: \t \n \r \\ .
 */
#ifndef ZV_MODEL_CANDIDATES_H
#define ZV_MODEL_CANDIDATES_H

#include <stddef.h>
#include <stdio.h>

#include "text/bpe.h"

struct given_answer {
	char *key; /* NULL: for every record */
	char *text;
	struct ids ids; /* without eos */
};

struct candidates {
	struct given_answer *at;
	size_t count, capacity;
};

/* Read and tokenise all lines. 0, or -1 with a recorded error that names the line. */
int candidates_read(struct candidates *candidates, FILE *stream, const struct bpe *bpe,
    const struct bpe_options *options);
void candidates_clear(struct candidates *candidates);

#endif
