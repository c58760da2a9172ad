/* find.h - the best items of a bank for each of some queries. */
#ifndef ZV_SEARCH_FIND_H
#define ZV_SEARCH_FIND_H

#include "search/best.h"
#include "search/scan.h"

struct find_rules {
	struct scan_rules scan;
	size_t most; /* items for each query; SIZE_MAX: no limit */
	enum best_same same;
	float threshold;
};

struct find;

struct find *find_new(const struct find_rules *rules); /* NULL: memory */
void find_release(struct find *find);                  /* NULL is fine */

/* Look for all queries in one pass over the bank. 0, or -1 with a recorded error. */
int find_run(struct find *find, struct bank *bank, const struct scan_queries *queries);

/* What was found for a query, the best first; the caller may reorder it. Valid until the next
 * find_run(). */
struct best *find_result(const struct find *find, size_t query);

#endif
