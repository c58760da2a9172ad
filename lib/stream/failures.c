/* failures.c - failed items of a file that grows in place (see failures.h). */
#define _GNU_SOURCE
#include "stream/failures.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "stream/write.h"

#include <stdlib.h>
#include <string.h>

enum { REASON_MOST = 4096 };

struct failure {
	char *key, *reason;
	struct digest source;
	uint64_t position; /* in the file: the last one of a key counts */
	bool loose;        /* it can be taken out of the file, or is not in it */
	bool resolved;
};

struct failures {
	struct failure *items; /* those of the file first, sorted by key, each key once */
	size_t count, capacity, old_count;
	uint64_t limit; /* where the loose ones begin; 0: there are none */
};

static int add(struct failures *failures, const char *key, const char *reason, size_t size,
    const struct digest *source)
{
	static const struct digest none;
	if (memory_grow((void **)&failures->items, &failures->capacity, failures->count + 1,
	        sizeof *failures->items) < 0)
		return -1;
	struct failure *item = &failures->items[failures->count];
	*item = (struct failure){ .key = memory_text(key, strlen(key)),
		.reason = memory_text(reason, size),
		.source = source ? *source : none,
		.position = failures->count,
		.loose = true };
	failures->count++;
	return item->key && item->reason ? 0 : -1;
}

static void release_item(struct failure *item)
{
	memory_release(item->key);
	memory_release(item->reason);
}

static int compare_items(const void *a, const void *b)
{
	const struct failure *first = a, *second = b;
	int order = strcmp(first->key, second->key);
	return order ? order
	             : (first->position > second->position) - (first->position < second->position);
}

static void sort(struct failures *failures)
{
	size_t kept = 0;
	if (failures->count > 1)
		qsort(failures->items, failures->count, sizeof *failures->items, compare_items);
	for (size_t i = 0; i < failures->count; i++) {
		if (kept && strcmp(failures->items[kept - 1].key, failures->items[i].key) == 0)
			release_item(&failures->items[--kept]);
		failures->items[kept++] = failures->items[i];
	}
	failures->old_count = failures->count = kept;
}

/* Read the failed item at place, unless it is none: a tensor of bytes without a name. 0 or -1. */
static int read_item(struct failures *failures, struct index *index,
    const struct reader_place *place, uint64_t loose_from)
{
	static struct sample sample;
	if (index_read(index, place, NULL, &sample) < 0)
		return -1;
	const struct sample_part *part = &sample.parts[0];
	int result = 0;
	if (part->record.kind == RECORD_FAILED) {
		size_t size = (size_t)part->record.payload_size;
		result = add(failures, part->record.key, part->payload,
		    size < REASON_MOST ? size : REASON_MOST, &part->record.source);
		if (result == 0)
			failures->items[failures->count - 1].loose = place->offset >= loose_from;
	}
	sample_clear(&sample);
	return result;
}

/* Where the failed items behind the last tensor begin, if they can be taken out; else the end. */
static uint64_t loose_from(const struct index *index, const struct holdings *holdings)
{
	struct index_line last = holdings_last(holdings);
	struct reader_place place;
	uint64_t from = UINT64_MAX;
	for (size_t i = 0; holdings_failure(holdings, i, &place); i++)
		if (place.offset >= last.offset + last.length && place.offset < from)
			from = place.offset;
	return from < UINT64_MAX && index_is_closed(index, &last, from) ? from : UINT64_MAX;
}

struct failures *failures_read(
    const char *path, struct index *index, const struct holdings *holdings)
{
	struct failures *failures = memory_allocate_zero(1, sizeof *failures);
	if (!failures)
		return NULL;
	struct reader_place place;
	uint64_t from = loose_from(index, holdings);
	failures->limit = from == UINT64_MAX ? 0 : from;
	for (size_t i = 0; holdings_failure(holdings, i, &place); i++)
		if (read_item(failures, index, &place, from) < 0) {
			if (error_kind() != ERROR_INPUT) {
				failures_release(failures);
				return NULL;
			}
			message_note(path, "%s", error_text()); /* whatever it was, it is tried again */
		}
	sort(failures);
	return failures;
}

void failures_release(struct failures *failures)
{
	if (!failures)
		return;
	for (size_t i = 0; i < failures->count; i++)
		release_item(&failures->items[i]);
	memory_release(failures->items);
	memory_release(failures);
}

static int compare_key(const void *key, const void *item)
{
	return strcmp(key, ((const struct failure *)item)->key);
}

/* The one of this key in the file, or NULL. */
static struct failure *find(const struct failures *failures, const char *key)
{
	return failures->old_count == 0 ? NULL
	                                : bsearch(key, failures->items, failures->old_count,
	                                      sizeof *failures->items, compare_key);
}

int failures_add(
    struct failures *failures, const char *key, const char *reason, const struct digest *source)
{
	struct record record;
	writer_failed_item(&record, key, reason, source); /* whose key may be another */
	struct failure *old = find(failures, record.key);
	if (old && strcmp(old->reason, reason) == 0) {
		old->resolved = false;
		return 0;
	}
	if (old)
		old->resolved = true;
	return add(failures, record.key, reason, strlen(reason), source);
}

void failures_resolve(struct failures *failures, const char *key)
{
	struct failure *old = find(failures, key);
	if (old)
		old->resolved = true;
}

bool failures_changed(const struct failures *failures)
{
	for (size_t i = 0; i < failures->count; i++)
		if (i >= failures->old_count || (failures->items[i].resolved && failures->items[i].loose))
			return true;
	return false;
}

int failures_make_room(const struct failures *failures, struct append *append)
{
	return failures->limit ? append_cut(append, failures->limit) : 0;
}

int failures_write(struct failures *failures, struct append *append)
{
	if (append_end(append) < 0)
		return -1;
	for (size_t i = 0; i < failures->count; i++) {
		const struct failure *item = &failures->items[i];
		struct record record;
		if (item->resolved || !item->loose)
			continue;
		writer_failed_item(
		    &record, item->key, item->reason, digest_is_zero(&item->source) ? NULL : &item->source);
		if (append_put(append, &record, item->reason) < 0)
			return -1;
	}
	return 0;
}
