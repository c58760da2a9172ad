/* best.c - a heap of the best items (see best.h). Slots behind count keep the memory of their keys. */
#include "search/best.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void best_begin(struct best *best, size_t most, float threshold, enum best_same same)
{
	*best = (struct best){
		.most = most, .same = same, .threshold = threshold, .least = most ? threshold : INFINITY
	};
}

static int compare_keys(const char *a, size_t a_size, const char *b, size_t b_size)
{
	int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
	return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* Is a better than b? */
static bool is_before(const struct best_entry *a, const struct best_entry *b)
{
	if (a->score != b->score)
		return a->score > b->score;
	int order = compare_keys(a->key, a->key_size, b->key, b->key_size);
	return order ? order < 0 : a->item < b->item;
}

static void swap(struct best_entry *a, struct best_entry *b)
{
	struct best_entry other = *a;
	*a = *b;
	*b = other;
}

/* Entry i may be worse than those above it. */
static void sift_up(struct best *best, size_t i)
{
	for (; i > 0 && is_before(&best->entries[(i - 1) / 2], &best->entries[i]); i = (i - 1) / 2)
		swap(&best->entries[(i - 1) / 2], &best->entries[i]);
}

/* Entry i may be better than those below it. */
static void sift_down(struct best *best, size_t i)
{
	for (;;) {
		size_t worst = i, child = 2 * i + 1;
		for (size_t c = child; c < child + 2 && c < best->count; c++)
			if (is_before(&best->entries[worst], &best->entries[c]))
				worst = c;
		if (worst == i)
			return;
		swap(&best->entries[i], &best->entries[worst]);
		i = worst;
	}
}

/* The entry that is the same as the one offered; count if there is none. */
static size_t find_same(const struct best *best, const struct best_entry *offered)
{
	bool by_source = best->same == BEST_SOURCE && !digest_is_zero(&offered->source);
	size_t i = best->same == BEST_ALL ? best->count : 0;
	for (; i < best->count; i++) {
		const struct best_entry *entry = &best->entries[i];
		if (by_source) {
			if (digest_equal(&entry->source, &offered->source))
				break;
		} else if ((best->same == BEST_KEY || digest_is_zero(&entry->source)) &&
		           entry->key_size == offered->key_size &&
		           memcmp(entry->key, offered->key, entry->key_size) == 0) {
			break;
		}
	}
	return i;
}

/* Put what is offered, whose key is the caller's, into a slot. */
static int fill(struct best_entry *entry, const struct best_entry *offered)
{
	if (memory_grow((void **)&entry->key, &entry->key_capacity, offered->key_size + 1, 1))
		return -1;
	memcpy(entry->key, offered->key, offered->key_size);
	entry->key[offered->key_size] = '\0';
	entry->key_size = offered->key_size;
	entry->score = offered->score;
	entry->item = offered->item;
	entry->source = offered->source;
	return 0;
}

/* A slot behind the last entry. */
static int add_slot(struct best *best)
{
	if (best->count < best->slots)
		return 0;
	if (memory_grow(
	        (void **)&best->entries, &best->capacity, best->slots + 1, sizeof *best->entries))
		return -1;
	best->entries[best->slots++] = (struct best_entry){ .key = NULL };
	return 0;
}

int best_offer(struct best *best, float score, uint64_t item, const char *key, size_t key_size,
    const struct digest *source)
{
	struct best_entry offered = { score, item, (char *)key, key_size, 0, *source };
	if (!(score >= best->least))
		return 0;
	size_t i = find_same(best, &offered);
	bool same = i < best->count, full = best->count == best->most;
	if (!same && full)
		i = 0;
	if ((same || full) && !is_before(&offered, &best->entries[i]))
		return 0;
	if (!same && !full && add_slot(best))
		return -1;
	if (fill(&best->entries[i], &offered))
		return -1;
	if (same || full) {
		sift_down(best, i);
	} else {
		best->count++;
		sift_up(best, i);
	}
	if (best->count == best->most)
		best->least = best->entries[0].score;
	return 0;
}

int best_merge(struct best *best, const struct best *other)
{
	for (size_t i = 0; i < other->count; i++) {
		const struct best_entry *entry = &other->entries[i];
		if (best_offer(
		        best, entry->score, entry->item, entry->key, entry->key_size, &entry->source))
			return -1;
	}
	return 0;
}

static int compare_entries(const void *a, const void *b)
{
	return is_before(a, b) ? -1 : is_before(b, a);
}

void best_sort(struct best *best)
{
	if (best->count > 1)
		qsort(best->entries, best->count, sizeof *best->entries, compare_entries);
}

void best_clear(struct best *best)
{
	best->count = 0;
	best->least = best->most ? best->threshold : INFINITY;
}

void best_release(struct best *best)
{
	for (size_t i = 0; i < best->slots; i++)
		memory_release(best->entries[i].key);
	memory_release(best->entries);
	best->entries = NULL;
	best->count = best->capacity = best->slots = 0;
}
