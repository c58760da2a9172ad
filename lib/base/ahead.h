/* ahead.h - work done ahead of who needs it: a thread of its own makes items, which wait in a ring
 * until they are taken. Who takes them computes meanwhile, and waits only when nothing is there.
 */
#ifndef ZV_BASE_AHEAD_H
#define ZV_BASE_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ahead;

struct ahead_plan {
	/* What the thread does: ahead_put() for each item; the items end when it returns. */
	void (*make)(struct ahead *ahead, void *context);
	void *context;
	size_t size, depth; /* bytes of an item; items that wait at most, >= 1 */
	uint64_t most;      /* what they may weigh together; one may weigh more. 0: anything */
};

/* Start the thread; no signal comes to it. NULL with a recorded error. */
struct ahead *ahead_start(const struct ahead_plan *plan);

/* The thread: copy an item to the ring, when there is room for it. */
void ahead_put(struct ahead *ahead, const void *item, uint64_t weight);

/* The next item, in the ring until ahead_pass(), after which the one behind it is next. NULL: none is
 * there yet; wait: they have ended. */
void *ahead_next(struct ahead *ahead, bool wait);
void ahead_pass(struct ahead *ahead);

/* Join the thread, after the end of the items. */
void ahead_finish(struct ahead *ahead);

#endif
