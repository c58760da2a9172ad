/* queries.h - queries as they come: samples of a stream, or stacks of them, collected into batches of
 * one shape.
 */
#ifndef ZV_SEARCH_QUERIES_H
#define ZV_SEARCH_QUERIES_H

#include "search/scan.h"
#include "stream/sample.h"

struct query {
	char *key;
	char *failure; /* why there is no result, or NULL */
	size_t number; /* in vectors, without failure */
};

struct queries {
	const char *name;      /* of the tensors; NULL: the first of each sample that is floats */
	bool cosine;           /* vectors are divided by their length */
	size_t most;           /* of a batch */
	struct bank_kind kind; /* settled by the first query */
	struct query *all;     /* in the order in which they came */
	size_t count, capacity, value_capacity;
	struct scan_queries vectors; /* of those that did not fail */
};

enum queries_state {
	QUERIES_TAKEN,
	QUERIES_FULL,    /* nothing was taken: the batch has to be worked on first */
	QUERIES_TROUBLE, /* a recorded error: memory */
};

/* Take a sample in: a query, all rows of a stack, or a failed item, which fails here as well. *row: the
 * first row of a stack that is not taken yet, 0 to begin with; QUERIES_FULL leaves it where it goes
 * on. */
enum queries_state queries_take(struct queries *queries, struct sample *sample, size_t *row);

/* Is there no room for another? */
bool queries_full(const struct queries *queries);

/* A batch is done with. */
void queries_clear(struct queries *queries);
void queries_release(struct queries *queries);

#endif
