/* cache.h - where a stage writes, and what need not be computed: --append FILE, which grows in place
 * (append.h), --reuse OLD, whose samples are copied, or, with neither, any output.
 *
 * A sample that is held but no longer the newest in its place (holdings.h) is copied to the end, so
 * that it is. A failed item stays at the end of FILE, in a stretch of its own, until a later run
 * makes it good, which takes it out.
 */
#ifndef ZV_STREAM_CACHE_H
#define ZV_STREAM_CACHE_H

#include "stream/holdings.h"
#include "stream/rows.h"

struct cache_plan {
	const char *append;       /* FILE, or NULL: */
	const char *output;       /* what writer_open() takes */
	const char *const *reuse; /* other files whose samples are copied */
	int reuse_count;
	bool wait;   /* for another process that appends to FILE */
	bool verify; /* all that FILE holds */
};

struct cache;

/* NULL with a recorded error that names its file. */
struct cache *cache_open(const struct cache_plan *plan);

/* Is this held? A sample of an older file is read, to be sure. From any thread. */
bool cache_has(struct cache *cache, const struct holding_wanted *wanted);

/* The stage has come to a sample that is held: it is copied if it has to be. 0 or -1. */
int cache_keep(struct cache *cache, const struct holding_wanted *wanted);

/* A sample was computed: it is about to be written part by part, numbers as rows.h stored them. */
void cache_begin(struct cache *cache, const struct holding_wanted *wanted);
/* 0 or -1. */
int cache_put(struct cache *cache, struct record *record, const void *payload);
int cache_put_rows(struct cache *cache, const struct rows_stored *stored);

/* Item key failed. 0 or -1. */
int cache_fail(
    struct cache *cache, const char *key, const char *reason, const struct digest *source);

/* What was written so far is in FILE, whatever happens. 0 or -1. */
int cache_flush(struct cache *cache);

/* End record, index; the file is in place. 0 or -1. Releases cache. */
int cache_finish(struct cache *cache);

/* The work ends early: FILE keeps what is done; another output does not appear. NULL is fine. */
void cache_abandon(struct cache *cache);

#endif
