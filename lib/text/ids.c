/* ids.c - a growing list of token ids (see ids.h). */
#include "text/ids.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

int ids_add(struct ids *ids, int32_t id)
{
	return ids_append(ids, &id, 1);
}

int ids_append(struct ids *ids, const int32_t *more, size_t count)
{
	size_t needed;
	if (count == 0)
		return 0;
	if (!checked_add(ids->count, count, &needed))
		return error_memory(SIZE_MAX);
	void *at = ids->at;
	if (memory_grow(&at, &ids->capacity, needed, sizeof *ids->at))
		return -1;
	ids->at = at;
	memcpy(ids->at + ids->count, more, count * sizeof *more);
	ids->count = needed;
	return 0;
}

void ids_clear(struct ids *ids)
{
	memory_release(ids->at);
	*ids = (struct ids){ 0 };
}
