/* bank_window.h - some blocks of a bank that are shown together: verified and completed by all threads.
 * Private to bank.c.
 */
#ifndef ZV_SEARCH_BANK_WINDOW_H
#define ZV_SEARCH_BANK_WINDOW_H

#include "search/bank.h"

struct bank_window {
	struct bank_block *blocks;
	size_t count, capacity;
	uint64_t bytes; /* of rows */
	uint64_t own;   /* bytes that are not mapped */
};

/* Append a block; what it owns becomes the window's, also on failure. 0, or -1: memory. */
int window_add(struct bank_window *window, const struct bank_block *block);

/* Verify what nobody has verified, find the keys, evaluate the filters. Blocks that turn out damaged
 * are reported and have no items any more. 0, or -1: memory. */
int window_prepare(struct bank_window *window, const struct bank_rules *rules);

/* Is the key among those that are wanted? */
bool window_wants(const struct bank_rules *rules, const char *key);

void window_release(struct bank_window *window);

#endif
