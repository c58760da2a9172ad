/* known_pictures.c - what a feature file holds (see known_pictures.h). */
#define _GNU_SOURCE
#include "model/known_pictures.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/read.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { REASON_MOST = 4096 };

struct failure {
	char *key, *reason;
	struct digest source;
	uint64_t position; /* among the failures of the file: the last one of a key counts */
	bool resolved;
};

struct known_pictures {
	const char *path;
	int lock; /* descriptor of the file, locked while there is work on it; -1: there is no file */
	bool exists;
	struct digest *pictures; /* digests of key, a zero byte and source; sorted */
	size_t picture_count, picture_capacity;
	struct failure *failures; /* sorted by key, each key once */
	size_t failure_count, failure_capacity;
};

static struct digest identity_of(const char *key, const struct digest *source)
{
	struct digest none = { { 0 } };
	struct hasher *hasher = hasher_new();
	if (!hasher)
		return none; /* matches nothing: the picture is computed again */
	hasher_add(hasher, key, strlen(key) + 1);
	hasher_add(hasher, source->bytes, sizeof source->bytes);
	return hasher_end(hasher);
}

static int compare_digests(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct digest));
}

static int add_picture(struct known_pictures *known, const struct record *record)
{
	if (memory_grow((void **)&known->pictures, &known->picture_capacity, known->picture_count + 1,
	        sizeof *known->pictures) < 0)
		return -1;
	struct digest identity = identity_of(record->key, &record->source);
	if (!digest_is_zero(&identity))
		known->pictures[known->picture_count++] = identity;
	return 0;
}

static int add_failure(
    struct known_pictures *known, struct reader *reader, const struct record *record)
{
	const char *reason = reader_payload(reader);
	if (!reason || memory_grow((void **)&known->failures, &known->failure_capacity,
	                   known->failure_count + 1, sizeof *known->failures) < 0)
		return -1;
	size_t size = record->payload_size < REASON_MOST ? (size_t)record->payload_size : REASON_MOST;
	struct failure *failure = &known->failures[known->failure_count];
	*failure = (struct failure){
		.key = memory_text(record->key, strlen(record->key)),
		.reason = memory_text(reason, size),
		.source = record->source,
		.position = known->failure_count,
	};
	known->failure_count++;
	return failure->key && failure->reason ? 0 : -1;
}

/* All records of the file: 0 at its proper end, -1. */
static int read_records(
    struct known_pictures *known, struct reader *reader, const struct digest *maker)
{
	struct record record;
	int found, result = 0;
	while (result == 0 && (found = reader_next(reader, &record)) != 0) {
		if (found < 0)
			result = -1;
		else if (record.kind == RECORD_FAILED)
			result = add_failure(known, reader, &record);
		else if (strcmp(record.name, "vit") == 0 && digest_equal(&record.maker, maker) &&
		         !digest_is_zero(&record.source))
			result = add_picture(known, &record);
	}
	return result;
}

static int compare_failures(const void *a, const void *b)
{
	const struct failure *first = a, *second = b;
	int order = strcmp(first->key, second->key);
	return order ? order
	             : (first->position > second->position) - (first->position < second->position);
}

static void release_failure(struct failure *failure)
{
	memory_release(failure->key);
	memory_release(failure->reason);
}

static void sort(struct known_pictures *known)
{
	if (known->picture_count)
		qsort(known->pictures, known->picture_count, sizeof *known->pictures, compare_digests);
	if (known->failure_count)
		qsort(known->failures, known->failure_count, sizeof *known->failures, compare_failures);
	size_t kept = 0;
	for (size_t i = 0; i < known->failure_count; i++) {
		if (kept && strcmp(known->failures[kept - 1].key, known->failures[i].key) == 0)
			release_failure(&known->failures[--kept]);
		known->failures[kept++] = known->failures[i];
	}
	known->failure_count = kept;
}

/* Open path and lock it: two that append to one file would each put their own in its place, and
 * the first one's work would be lost. A file system without locks is taken as it is.
 * 1, 0 if there is no file, -1. */
static int lock_file(struct known_pictures *known, const char *path)
{
	for (;;) {
		struct stat opened, present;
		known->lock = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (known->lock < 0)
			return errno == ENOENT ? 0 : error_system("cannot open:");
		if (fstat(known->lock, &opened) < 0 || !S_ISREG(opened.st_mode))
			return error_system("is no regular file");
		if (flock(known->lock, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
			return error_system("another zv-encode appends to it at this moment");
		/* Was it replaced between the open and the lock? */
		if (stat(path, &present) == 0 && present.st_dev == opened.st_dev &&
		    present.st_ino == opened.st_ino)
			return 1;
		close(known->lock);
	}
}

struct known_pictures *known_pictures_read(const char *path, const struct digest *maker)
{
	struct known_pictures *known = memory_allocate_zero(1, sizeof *known);
	if (!known)
		return NULL;
	int found = lock_file(known, path);
	if (found == 0)
		return known;
	known->path = path;
	known->exists = true;
	struct reader *reader = found > 0 ? reader_open(path) : NULL;
	int result = reader ? read_records(known, reader, maker) : -1;
	reader_close(reader);
	if (result < 0) {
		known_pictures_release(known);
		return NULL;
	}
	sort(known);
	return known;
}

bool known_pictures_exist(const struct known_pictures *known)
{
	return known->exists;
}

bool known_pictures_has(
    const struct known_pictures *known, const char *key, const struct digest *source)
{
	struct digest identity = identity_of(key, source);
	return known->picture_count && bsearch(&identity, known->pictures, known->picture_count,
	                                   sizeof identity, compare_digests);
}

static int compare_key(const void *key, const void *failure)
{
	return strcmp(key, ((const struct failure *)failure)->key);
}

/* The failure of this key that still stands, or NULL. */
static struct failure *find_failure(const struct known_pictures *known, const char *key)
{
	struct failure *failure = known->failure_count == 0
	                              ? NULL
	                              : bsearch(key, known->failures, known->failure_count,
	                                    sizeof *known->failures, compare_key);
	return failure && !failure->resolved ? failure : NULL;
}

bool known_pictures_failed(const struct known_pictures *known, const char *key, const char *reason)
{
	const struct failure *failure = find_failure(known, key);
	return failure && strcmp(failure->reason, reason) == 0;
}

bool known_pictures_resolve(struct known_pictures *known, const char *key)
{
	struct failure *failure = find_failure(known, key);
	if (failure)
		failure->resolved = true;
	return failure != NULL;
}

int known_pictures_copy(const struct known_pictures *known, struct writer *writer)
{
	if (!known->exists)
		return 0;
	if (known->failure_count == 0)
		return writer_continue(writer, known->path);
	struct reader *reader = reader_open(known->path);
	struct record record;
	int found = reader ? 1 : -1;
	while (found > 0 && (found = reader_next(reader, &record)) > 0)
		if (record.kind != RECORD_FAILED && writer_copy(writer, reader, &record) < 0)
			found = -1;
	reader_close(reader);
	return found;
}

int known_pictures_put_failures(const struct known_pictures *known, struct writer *writer)
{
	for (size_t i = 0; i < known->failure_count; i++) {
		const struct failure *failure = &known->failures[i];
		if (!failure->resolved &&
		    writer_fail(writer, failure->key, failure->reason,
		        digest_is_zero(&failure->source) ? NULL : &failure->source) < 0)
			return -1;
	}
	return 0;
}

void known_pictures_release(struct known_pictures *known)
{
	if (!known)
		return;
	for (size_t i = 0; i < known->failure_count; i++)
		release_failure(&known->failures[i]);
	if (known->lock >= 0)
		close(known->lock);
	memory_release(known->failures);
	memory_release(known->pictures);
	memory_release(known);
}
