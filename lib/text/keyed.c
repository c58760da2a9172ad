/* keyed.c - texts by key (see keyed.h): one sorted array over one block of bytes. */
#include "text/keyed.h"
#include "base/error.h"
#include "base/memory.h"
#include "text/lines.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	size_t key, text;  /* into block; zero-terminated */
	const char *block; /* for comparing; set when the block stands still */
	size_t number;     /* of the line */
	bool used;
};

struct keyed {
	char *block;
	size_t block_size, block_capacity;
	struct entry *entries;
	size_t count, capacity;
};

/* Copy text with its zero byte into the block. 0 or -1. */
static int store(struct keyed *keyed, const char *text, size_t *start)
{
	size_t size = strlen(text) + 1;
	void *block = keyed->block;
	int status = memory_grow(&block, &keyed->block_capacity, keyed->block_size + size, 1);
	keyed->block = block;
	if (status)
		return -1;
	*start = keyed->block_size;
	memcpy(keyed->block + *start, text, size);
	keyed->block_size += size;
	return 0;
}

static int add(struct keyed *keyed, const struct lines *lines)
{
	struct entry entry = { .number = lines->number };
	void *entries = keyed->entries;
	int status = memory_grow(&entries, &keyed->capacity, keyed->count + 1, sizeof entry);
	keyed->entries = entries;
	if (status || store(keyed, lines->key, &entry.key) || store(keyed, lines->text, &entry.text))
		return -1;
	keyed->entries[keyed->count++] = entry;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct entry *left = a, *right = b;
	int order = strcmp(left->block + left->key, right->block + right->key);
	return order ? order : left->number < right->number ? -1 : left->number > right->number;
}

struct keyed *keyed_read(const char *path)
{
	struct lines lines;
	struct keyed *keyed = memory_allocate_zero(1, sizeof *keyed);
	if (!keyed)
		return NULL;
	if (lines_open(&lines, path, LINES_KEYED)) {
		keyed_close(keyed);
		return NULL;
	}
	int found;
	while ((found = lines_next(&lines)) > 0)
		if (add(keyed, &lines)) {
			found = -1;
			break;
		}
	lines_close(&lines);
	if (found < 0) {
		keyed_close(keyed);
		return NULL;
	}
	for (size_t i = 0; i < keyed->count; i++)
		keyed->entries[i].block = keyed->block;
	if (keyed->count > 1)
		qsort(keyed->entries, keyed->count, sizeof *keyed->entries, compare);
	return keyed;
}

void keyed_close(struct keyed *keyed)
{
	if (!keyed)
		return;
	memory_release(keyed->block);
	memory_release(keyed->entries);
	memory_release(keyed);
}

size_t keyed_find(struct keyed *keyed, const char *key, size_t *first)
{
	size_t low = 0, high = keyed->count, count = 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(keyed->block + keyed->entries[middle].key, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*first = low;
	while (low + count < keyed->count &&
	       strcmp(keyed->block + keyed->entries[low + count].key, key) == 0)
		keyed->entries[low + count++].used = true;
	return count;
}

const char *keyed_text(const struct keyed *keyed, size_t i)
{
	return keyed->block + keyed->entries[i].text;
}

size_t keyed_unused(const struct keyed *keyed, const char **key)
{
	size_t count = 0;
	const struct entry *first = NULL;
	for (size_t i = 0; i < keyed->count; i++) {
		const struct entry *entry = &keyed->entries[i];
		if (entry->used)
			continue;
		count++;
		if (!first || entry->number < first->number)
			first = entry;
	}
	*key = first ? keyed->block + first->key : NULL;
	return count;
}
