/* ending.c - how names end (see ending.h). */
#include "base/ending.h"

#include <string.h>

bool ending_stem(const char *name, size_t size, const char *end, size_t *stem)
{
	size_t tail = strlen(end);
	if (size <= tail || memcmp(name + size - tail, end, tail) != 0)
		return false;
	*stem = size - tail;
	return true;
}

bool ending_is(const char *name, const char *end)
{
	size_t stem;
	return ending_stem(name, strlen(name), end, &stem);
}
