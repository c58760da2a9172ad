/* groups.h - near-duplicates: items of a bank whose similarity reaches a threshold belong together, and
 * so do those of which each belongs to the next (the connected components of these pairs). Groups
 * depend neither on the order of the items nor on threads.
 */
#ifndef ZV_SEARCH_GROUPS_H
#define ZV_SEARCH_GROUPS_H

#include "search/scan.h"

struct groups_rules {
	struct scan_rules scan;
	float threshold;
	size_t batch; /* items that are compared with all others in one pass */
};

struct groups_member {
	uint64_t group; /* 1.. */
	uint64_t item;
	float score; /* the largest similarity to another of the group */
	char *key;
};

struct groups;

struct groups *groups_new(const struct groups_rules *rules); /* NULL: memory */
void groups_release(struct groups *groups);                  /* NULL is fine */

/* Compare all items with each other. 0, or -1 with a recorded error: among others ERROR_INPUT when the
 * bank cannot be read more than once and does not fit in memory. */
int groups_run(struct groups *groups, struct bank *bank);

/* The members of groups of two and more, by group, and in each in the order of the bank. Groups come in
 * the order of their first members. */
const struct groups_member *groups_members(const struct groups *groups, size_t *count);

#endif
