/* checked.h - size arithmetic that reports overflow instead of wrapping.
 * Every size that comes from outside (a file, a pipe, an option) goes through these before it
 * allocates or indexes. Each returns true when the result fits, and only then stores it.
 */
#ifndef ZV_BASE_CHECKED_H
#define ZV_BASE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool checked_add(size_t a, size_t b, size_t *sum)
{
	size_t result;
	if (__builtin_add_overflow(a, b, &result))
		return false;
	*sum = result;
	return true;
}

static inline bool checked_multiply(size_t a, size_t b, size_t *product)
{
	size_t result;
	if (__builtin_mul_overflow(a, b, &result))
		return false;
	*product = result;
	return true;
}

/* The next multiple of unit (a power of two) at or above n. */
static inline bool checked_round_up(size_t n, size_t unit, size_t *rounded)
{
	size_t result;
	if (!checked_add(n, unit - 1, &result))
		return false;
	*rounded = result & ~(unit - 1);
	return true;
}

/* A 64-bit number from a file as size_t. */
static inline bool checked_size(uint64_t n, size_t *size)
{
	if (n > SIZE_MAX)
		return false;
	*size = (size_t)n;
	return true;
}

#endif
