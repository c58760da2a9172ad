/* scan.h - queries against blocks of a bank: the similarity of every query and item, on all threads.
 *
 * A text is one vector, a picture several (32). The similarity of a text and a picture is the
 * reference's: the largest product of the text's vector with any of the picture's (spec 3.5, 3.6); of
 * two texts it is the product. Vector i of every picture is the answer of the same learned query, so
 * two pictures (two items of equally many vectors) are compared vector by vector: the mean of the
 * products of vectors of the same number, 1 for a picture and itself. Items of different numbers of
 * vectors, and all with all_pairs, are compared by the largest product of any two vectors.
 */
#ifndef ZV_SEARCH_SCAN_H
#define ZV_SEARCH_SCAN_H

#include "search/bank.h"

/* Queries of one shape: values [count][vectors][width]. */
struct scan_queries {
	float *values;
	size_t count, vectors, width;
};

struct scan_rules {
	bool all_pairs;
	bool others; /* queries of one vector meet items of several alone, and the other way round */
	bool
	    cosine; /* vectors of items are divided by their length (those of queries: scan_normalise) */
};

/* What takes scores in. All are called by several threads, each with its own worker number. */
struct scan_sink {
	void *context;
	/* Scores below are of no use. */
	float (*least)(void *context, size_t query, int worker);
	/* An item that is wanted, with a score that is at least that: 0, or -1: memory. */
	int (*take)(void *context, size_t query, const struct bank_block *block, size_t item,
	    float score, int worker);
};

/* Compare all queries with all items numbered `from` and more (whole blocks before are passed over).
 * A score depends on its query and its item alone. 0, or -1: memory. */
int scan_blocks(const struct scan_rules *rules, const struct scan_queries *queries,
    const struct bank_block *blocks, size_t count, uint64_t from, const struct scan_sink *sink);

/* Divide each vector by its length; one of zeros stays. */
void scan_normalise(float *values, size_t vectors, size_t width);

#endif
