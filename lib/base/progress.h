/* progress.h - one line on a terminal's standard error while long work runs: done/total, rate,
 * time left. Nothing where standard error is no terminal, or under -q; gone when it ends.
 */
#ifndef ZV_BASE_PROGRESS_H
#define ZV_BASE_PROGRESS_H

#include <stdint.h>

/* unit: "pictures", "bytes" (shown as MB), ... total 0: not known. */
void progress_begin(const char *unit, uint64_t total);

/* So much is done in all; prints a few times a second at most. Cheap to call often. */
void progress_update(uint64_t done);

/* Work that an earlier run has done already: part of the count, not of the rate. */
void progress_skip(uint64_t done);

/* A text that stands behind the rate from now on, such as figures of the work. */
void progress_detail(const char *text);

/* Take the line away, so that a message can be printed or the work is over. */
void progress_clear(void);

#endif
