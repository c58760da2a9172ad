/* memory.c - checked allocation (see memory.h). */
#include "base/memory.h"
#include "base/checked.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };

void *memory_allocate(size_t count, size_t size)
{
	size_t bytes;
	if (!checked_multiply(count, size, &bytes) ||
	    !checked_round_up(bytes ? bytes : 1, ALIGNMENT, &bytes)) {
		error_memory(SIZE_MAX);
		return NULL;
	}
	void *pointer = aligned_alloc(ALIGNMENT, bytes);
	if (!pointer)
		error_memory(bytes);
	return pointer;
}

void *memory_allocate_zero(size_t count, size_t size)
{
	void *pointer = memory_allocate(count, size);
	if (pointer)
		memset(pointer, 0, count * size);
	return pointer;
}

int memory_grow(void **pointer, size_t *capacity, size_t needed, size_t size)
{
	if (*pointer && needed <= *capacity)
		return 0;
	size_t larger;
	if (!checked_add(*capacity, *capacity / 2 + 16, &larger) || larger < needed)
		larger = needed;
	void *grown = memory_allocate(larger, size);
	if (!grown)
		return -1;
	if (*pointer)
		memcpy(grown, *pointer, *capacity * size);
	free(*pointer);
	*pointer = grown;
	*capacity = larger;
	return 0;
}

char *memory_text(const char *text, size_t length)
{
	size_t bytes;
	if (!checked_add(length, 1, &bytes)) {
		error_memory(SIZE_MAX);
		return NULL;
	}
	char *copy = memory_allocate(bytes, 1);
	if (!copy)
		return NULL;
	memcpy(copy, text, length);
	copy[length] = '\0';
	return copy;
}

void memory_release(void *pointer)
{
	free(pointer);
}
