/* memory.h - allocation that checks its sizes and records why it failed.
 * Every allocation of the project goes through these four functions, which is also where the
 * tests make allocations fail one by one. Release with memory_release (NULL is fine).
 */
#ifndef ZV_BASE_MEMORY_H
#define ZV_BASE_MEMORY_H

#include <stddef.h>

/* count * size bytes, aligned to 64 (a cache line and an AVX-512 register), not initialised.
 * A total of 0 gives a valid pointer. NULL with a recorded ERROR_SYSTEM on failure. */
void *memory_allocate(size_t count, size_t size);

/* The same, zeroed. */
void *memory_allocate_zero(size_t count, size_t size);

/* Make *pointer (NULL or from this module) hold at least needed elements of size bytes;
 * *capacity counts elements and grows by half at least, so that appending is linear. What was
 * there stays. 0, or -1 with *pointer and *capacity untouched. */
int memory_grow(void **pointer, size_t *capacity, size_t needed, size_t size);

/* A copy of length bytes with a zero byte after them. NULL on failure. */
char *memory_text(const char *text, size_t length);

void memory_release(void *pointer);

#endif
