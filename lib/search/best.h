/* best.h - the best of many scored items: the k highest scores, or all from a threshold on. Of equal
 * scores the key that comes first by bytes is better, of equal keys the item that comes first. What
 * is kept depends neither on the order in which items come nor on how they were shared out.
 */
#ifndef ZV_SEARCH_BEST_H
#define ZV_SEARCH_BEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* Of items that are the same, only the best is kept. */
enum best_same {
	BEST_ALL,    /* no two are */
	BEST_KEY,    /* those with one key */
	BEST_SOURCE, /* those with one source; of unknown source: with one key */
};

struct best_entry {
	float score;
	uint64_t item; /* its number */
	char *key;     /* zero-terminated */
	size_t key_size, key_capacity;
	struct digest source;
};

struct best {
	size_t most; /* SIZE_MAX: no limit */
	enum best_same same;
	float threshold;            /* minus infinity: none */
	float least;                /* scores below are of no use; NaN never is */
	struct best_entry *entries; /* count of them, the worst first (a heap) */
	size_t count, capacity, slots;
};

void best_begin(struct best *best, size_t most, float threshold, enum best_same same);

/* Take an item in if it is good enough; key is copied. 0, or -1: memory. */
int best_offer(struct best *best, float score, uint64_t item, const char *key, size_t key_size,
    const struct digest *source);

/* Offer all that another one holds. 0 or -1. */
int best_merge(struct best *best, const struct best *other);

/* Put entries into their order, the best first; nothing can be offered behind that. */
void best_sort(struct best *best);

/* Forget all entries, but not their memory; and all of it. */
void best_clear(struct best *best);
void best_release(struct best *best);

#endif
