/* cache.c - what a stage computed and what it need not compute (see cache.h). */
#include "stream/cache.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "stream/append.h"
#include "stream/failures.h"
#include "stream/write.h"

#include <pthread.h>
#include <string.h>

/* A file whose samples are copied. */
struct old {
	const char *path;
	struct index *index;
	struct holdings *holdings;
};

struct cache {
	struct append *append; /* or: */
	struct writer *writer;
	const char *path; /* of FILE */
	struct holdings *holdings;
	uint32_t *latest; /* what the stage came to last in the place of each newest sample */
	struct failures *failures;
	bool begun; /* FILE is being changed */
	struct old *old;
	int old_count;
	pthread_mutex_t lock; /* over the reading of old files */
};

/* The index of an older file; it is made when it is missing or stale. */
static int open_old(struct old *old, const char *path)
{
	old->path = path;
	old->index = index_open(path);
	if (!old->index) {
		message_note(path, "there is no index of it as it is now: one is made");
		if (index_make(path) < 0 || !(old->index = index_open(path)))
			return -1;
	}
	old->holdings = holdings_read(old->index);
	return old->holdings ? 0 : -1;
}

static int open_append(struct cache *cache, const struct cache_plan *plan)
{
	cache->path = plan->append;
	cache->append = append_open(plan->append, plan->wait, plan->verify);
	cache->holdings = cache->append ? holdings_read(append_index(cache->append)) : NULL;
	if (!cache->holdings)
		return error_context("%s", plan->append);
	cache->latest = memory_allocate_zero(holdings_count(cache->holdings), sizeof *cache->latest);
	cache->failures = failures_read(plan->append, append_index(cache->append), cache->holdings);
	if (!cache->latest || !cache->failures)
		return error_context("%s", plan->append);
	return 0;
}

static int open_all(struct cache *cache, const struct cache_plan *plan)
{
	cache->old = memory_allocate_zero((size_t)plan->reuse_count, sizeof *cache->old);
	if (!cache->old)
		return -1;
	for (; cache->old_count < plan->reuse_count; cache->old_count++)
		if (open_old(&cache->old[cache->old_count], plan->reuse[cache->old_count]) < 0) {
			error_context("%s", plan->reuse[cache->old_count++]);
			return error_as(ERROR_SYSTEM);
		}
	if (plan->append)
		return open_append(cache, plan);
	cache->writer = writer_open(plan->output, WRITER_COMPRESSED);
	if (!cache->writer)
		return plan->output ? error_context("%s", plan->output) : -1;
	return 0;
}

static void release(struct cache *cache)
{
	for (int i = 0; i < cache->old_count; i++) {
		holdings_release(cache->old[i].holdings);
		index_close(cache->old[i].index);
	}
	failures_release(cache->failures);
	holdings_release(cache->holdings);
	memory_release(cache->latest);
	memory_release(cache->old);
	pthread_mutex_destroy(&cache->lock);
	memory_release(cache);
}

struct cache *cache_open(const struct cache_plan *plan)
{
	struct cache *cache = memory_allocate_zero(1, sizeof *cache);
	if (!cache)
		return NULL;
	pthread_mutex_init(&cache->lock, NULL);
	if (open_all(cache, plan) == 0)
		return cache;
	append_abandon(cache->append);
	release(cache);
	return NULL;
}

/* Read a held sample and see that it is the one. 0 or -1. */
static int read_sample(struct index *index, const struct holdings *holdings, uint32_t number,
    const struct holding_wanted *wanted, struct sample *sample)
{
	struct reader_place place = holdings_place(holdings, number);
	if (index_read(index, &place, wanted->key, sample) < 0)
		return -1;
	const struct record *record = &sample->parts[0].record;
	if (strcmp(record->name, wanted->name) == 0 && digest_equal(&record->maker, wanted->maker) &&
	    (!wanted->source || digest_equal(&record->source, wanted->source)))
		return 0;
	sample_clear(sample);
	return error_input("index leads to another \"%.200s\"; run zv-index", wanted->key);
}

/* In which older file it is, whole: its number, or -1. */
static int find_old(struct cache *cache, const struct holding_wanted *wanted, struct sample *sample)
{
	for (int i = 0; i < cache->old_count; i++) {
		const struct old *old = &cache->old[i];
		uint32_t number = holdings_find(old->holdings, wanted);
		if (number == HOLDING_NONE)
			continue;
		pthread_mutex_lock(&cache->lock);
		int result = read_sample(old->index, old->holdings, number, wanted, sample);
		pthread_mutex_unlock(&cache->lock);
		if (result == 0)
			return i;
		message_note(old->path, "\"%s\" is not taken: %s", wanted->key, error_text());
	}
	return -1;
}

bool cache_has(struct cache *cache, const struct holding_wanted *wanted)
{
	if (cache->holdings && holdings_find(cache->holdings, wanted) != HOLDING_NONE)
		return true;
	if (cache->old_count == 0)
		return false;
	struct sample *sample = memory_allocate(1, sizeof *sample);
	bool found = sample && find_old(cache, wanted, sample) >= 0;
	if (found)
		sample_clear(sample);
	memory_release(sample);
	return found;
}

/* FILE is to be changed: its failures make room. 0 or -1. */
static int begin(struct cache *cache)
{
	if (cache->begun)
		return 0;
	cache->begun = true;
	return failures_make_room(cache->failures, cache->append);
}

static int put_sample(struct cache *cache, struct sample *sample)
{
	for (int i = 0; i < sample->count; i++) {
		sample->parts[i].record.more = i + 1 < sample->count;
		if (cache_put(cache, &sample->parts[i].record, sample->parts[i].payload) < 0)
			return -1;
	}
	return 0;
}

/* Copy a sample from an older file. 0 or -1. */
static int copy_old(struct cache *cache, const struct holding_wanted *wanted)
{
	struct sample *sample = memory_allocate(1, sizeof *sample);
	if (!sample)
		return -1;
	int result = -1;
	if (find_old(cache, wanted, sample) < 0) {
		error_input("\"%.200s\" is no longer there to be copied", wanted->key);
	} else {
		result = put_sample(cache, sample);
		sample_clear(sample);
	}
	memory_release(sample);
	return result;
}

void cache_begin(struct cache *cache, const struct holding_wanted *wanted)
{
	if (!cache->append)
		return;
	failures_resolve(cache->failures, wanted->key);
	cache->latest[holdings_newest(cache->holdings, wanted)] = HOLDING_WRITTEN;
}

int cache_keep(struct cache *cache, const struct holding_wanted *wanted)
{
	uint32_t number = cache->append ? holdings_find(cache->holdings, wanted) : HOLDING_NONE;
	cache_begin(cache, wanted);
	if (number == HOLDING_NONE)
		return copy_old(cache, wanted);
	cache->latest[holdings_newest_of(cache->holdings, number)] = number;
	return 0;
}

int cache_put(struct cache *cache, struct record *record, const void *payload)
{
	if (cache->writer)
		return writer_put(cache->writer, record, payload);
	return begin(cache) < 0 ? -1 : append_put(cache->append, record, payload);
}

int cache_put_rows(struct cache *cache, const struct rows_stored *stored)
{
	for (int i = 0; i < stored->count; i++) {
		struct record record = stored->records[i];
		if (cache_put(cache, &record, stored->payloads[i]) < 0)
			return -1;
	}
	return 0;
}

int cache_fail(
    struct cache *cache, const char *key, const char *reason, const struct digest *source)
{
	if (cache->writer)
		return writer_fail(cache->writer, key, reason, source);
	return failures_add(cache->failures, key, reason, source);
}

int cache_flush(struct cache *cache)
{
	return cache->append ? append_flush(cache->append) : 0;
}

/* What the stage came to last is to be the newest in its place. 0 or -1. */
static int revive(struct cache *cache)
{
	for (uint32_t i = 1; i < holdings_count(cache->holdings); i++) {
		static struct sample sample;
		uint32_t latest = cache->latest[i];
		if (latest == HOLDING_NONE || latest == HOLDING_WRITTEN || latest == i)
			continue;
		struct reader_place place = holdings_place(cache->holdings, latest);
		if (index_read(append_index(cache->append), &place, NULL, &sample) < 0) {
			if (error_kind() != ERROR_INPUT)
				return -1;
			message_error(cache->path);
			continue;
		}
		int result = put_sample(cache, &sample);
		sample_clear(&sample);
		if (result < 0)
			return -1;
	}
	return 0;
}

static int finish_append(struct cache *cache)
{
	int result = revive(cache);
	if (result == 0 && (cache->begun || failures_changed(cache->failures))) {
		result = begin(cache);
		if (result == 0)
			result = failures_write(cache->failures, cache->append);
	}
	if (result == 0)
		return append_finish(cache->append);
	append_abandon(cache->append);
	return error_as(ERROR_SYSTEM);
}

int cache_finish(struct cache *cache)
{
	int result = cache->writer ? writer_finish(cache->writer) : finish_append(cache);
	release(cache);
	return result;
}

void cache_abandon(struct cache *cache)
{
	if (!cache)
		return;
	writer_abandon(cache->writer);
	append_abandon(cache->append);
	release(cache);
}
