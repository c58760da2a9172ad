/* ids.h - a growing list of token ids. */
#ifndef ZV_TEXT_IDS_H
#define ZV_TEXT_IDS_H

#include <stddef.h>
#include <stdint.h>

struct ids {
	int32_t *at;
	size_t count, capacity;
};

int ids_add(struct ids *ids, int32_t id);                           /* 0, or -1: memory */
int ids_append(struct ids *ids, const int32_t *more, size_t count); /* 0, or -1: memory */
void ids_clear(struct ids *ids);                                    /* releases the memory */

#endif
