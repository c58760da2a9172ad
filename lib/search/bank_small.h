/* bank_small.h - small records that become one block, gathered in memory. Private to bank.c. */
#ifndef ZV_SEARCH_BANK_SMALL_H
#define ZV_SEARCH_BANK_SMALL_H

#include "search/bank_window.h"

struct bank_small {
	struct bank_block block; /* shape, origin and number of the first; count */
	uint8_t *rows, *sources;
	char *keys;
	float *scales;
	uint32_t *ends;
	size_t rows_size, keys_size, rows_capacity, keys_capacity, ends_capacity, sources_capacity;
	size_t scales_capacity;
	bool has_sources;
};

/* Append a verified record, which block describes (with its scales); those before it go to the window
 * when it is of another shape, dtype or origin, or when they are enough. 0, or -1: memory. */
int small_add(struct bank_small *small, struct bank_window *window, const struct record *record,
    const struct bank_block *block, const void *payload);

/* What was gathered becomes a block of the window. 0, or -1: memory. */
int small_end(struct bank_small *small, struct bank_window *window);

void small_release(struct bank_small *small);

#endif
