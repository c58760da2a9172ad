/* failures.h - the failed items of a file that grows in place: those that stand are at its end,
 * behind the end record of what is in front of them, so that they can be written anew.
 */
#ifndef ZV_STREAM_FAILURES_H
#define ZV_STREAM_FAILURES_H

#include "stream/append.h"
#include "stream/holdings.h"

struct failures;

/* NULL with a recorded error. */
struct failures *failures_read(
    const char *path, struct index *index, const struct holdings *holdings);
void failures_release(struct failures *failures); /* NULL is fine */

/* Item key failed, for the same reason as before or for another. 0 or -1. */
int failures_add(
    struct failures *failures, const char *key, const char *reason, const struct digest *source);

/* Item key is there: an earlier failure of it is out of date. */
void failures_resolve(struct failures *failures, const char *key);

/* Is what stands now other than what is in the file? */
bool failures_changed(const struct failures *failures);

/* Before anything is written: the old ones are cut off. 0 or -1. */
int failures_make_room(const struct failures *failures, struct append *append);

/* Write those that stand and are not in the file, behind an end record. 0 or -1. */
int failures_write(struct failures *failures, struct append *append);

#endif
