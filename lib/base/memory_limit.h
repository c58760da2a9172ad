/* memory_limit.h - how much memory this process may have: what the machine has, or less in a
 * container or a batch job.
 */
#ifndef ZV_BASE_MEMORY_LIMIT_H
#define ZV_BASE_MEMORY_LIMIT_H

#include <stdint.h>

/* Bytes: the least of the machine's memory and the limits of the process's control groups and all
 * that they lie in, version 2 (memory.max) and version 1 (memory.limit_in_bytes). root: "/", or a
 * folder with proc/ and sys/ in place of it. 0: not known. */
uint64_t memory_limit(const char *root);

#endif
