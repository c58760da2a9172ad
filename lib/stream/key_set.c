/* key_set.c - keys asked for (see key_set.h): an array, sorted when first searched. */
#define _GNU_SOURCE
#include "stream/key_set.h"
#include "base/error.h"
#include "base/line.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "stream/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	char *key;
	bool found;
};

struct key_set {
	struct entry *entries;
	size_t count, capacity;
	bool sorted;
};

struct key_set *key_set_new(void)
{
	return memory_allocate_zero(1, sizeof(struct key_set));
}

void key_set_release(struct key_set *set)
{
	if (!set)
		return;
	for (size_t i = 0; i < set->count; i++)
		memory_release(set->entries[i].key);
	memory_release(set->entries);
	memory_release(set);
}

int key_set_add(struct key_set *set, const char *key, size_t size)
{
	if (size > RECORD_KEY_MOST)
		return error_input("key of %zu bytes; %d is the most", size, RECORD_KEY_MOST);
	if (memory_grow((void **)&set->entries, &set->capacity, set->count + 1, sizeof *set->entries) <
	    0)
		return -1;
	char *copy = memory_text(key, size);
	if (!copy)
		return -1;
	set->entries[set->count++] = (struct entry){ copy, false };
	set->sorted = false;
	return 0;
}

static int add_lines(struct key_set *set, FILE *file, bool null)
{
	enum { MARK_SIZE = 3 };
	char *line = NULL;
	size_t capacity = 0, length;
	bool first = true;
	int result = 0, found;
	do {
		found = line_read(
		    file, null ? '\0' : '\n', RECORD_KEY_MOST + MARK_SIZE, &line, &capacity, &length);
		size_t mark = found > 0 && first && !null ? utf8_mark(line, length) : 0;
		if (found > 0 && length > mark)
			result = key_set_add(set, line + mark, length - mark);
		first = false;
	} while (found > 0 && result == 0);
	memory_release(line);
	return found < 0 ? -1 : result;
}

int key_set_add_file(struct key_set *set, const char *path, bool null)
{
	bool standard = strcmp(path, "-") == 0;
	FILE *file = standard ? stdin : fopen(path, "re");
	if (!file)
		return error_system("cannot open:");
	int result = add_lines(set, file, null);
	if (!standard)
		fclose(file);
	return result;
}

static int compare_entries(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

/* Sort and drop what was given twice. */
static void sort_entries(struct key_set *set)
{
	size_t kept = 0;
	if (set->count > 1)
		qsort(set->entries, set->count, sizeof *set->entries, compare_entries);
	for (size_t i = 0; i < set->count; i++) {
		if (kept > 0 && strcmp(set->entries[kept - 1].key, set->entries[i].key) == 0)
			memory_release(set->entries[i].key);
		else
			set->entries[kept++] = set->entries[i];
	}
	set->count = kept;
	set->sorted = true;
}

bool key_set_has(struct key_set *set, const char *key)
{
	if (!set->sorted)
		sort_entries(set);
	struct entry wanted = { (char *)key, false };
	struct entry *entry = set->count ? bsearch(&wanted, set->entries, set->count,
	                                       sizeof *set->entries, compare_entries)
	                                 : NULL;
	if (entry)
		entry->found = true;
	return entry != NULL;
}

const char *key_set_at(struct key_set *set, size_t i, bool *found)
{
	if (!set->sorted)
		sort_entries(set);
	if (i >= set->count)
		return NULL;
	*found = set->entries[i].found;
	return set->entries[i].key;
}
