/* append.c - a stream file written on in place (see append.h). */
#define _GNU_SOURCE
#include "stream/append.h"
#include "base/error.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/message.h"
#include "stream/recover.h"
#include "stream/write.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct append {
	char *path;
	int descriptor; /* locked */
	struct index *index;
	uint64_t limit;        /* bytes of the file that stay as they were */
	struct writer *writer; /* NULL: nothing was written yet */
	struct index_list *list;
	int part;             /* of the next record in its sample */
	uint64_t good;        /* bytes written, up to the last whole sample */
	uint64_t chain;       /* of the last end record */
	bool ended;           /* it was the last thing written */
	struct timespec kept; /* when end record and index were last written */
	double cost;          /* seconds that it took */
};

static double seconds_since(const struct timespec *then)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) + 1e-9 * (double)(now.tv_nsec - then->tv_nsec);
}

/* Lock the open file; a file system without locks is taken as it is. 0 or -1. */
static int take_lock(const char *path, int descriptor, bool wait)
{
	const struct timespec pause = { 0, 100000000 };
	bool told = false;
	while (flock(descriptor, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK) {
		if (!wait)
			return error_system("another process appends to it at this moment (--wait waits)");
		if (!told)
			message_note(path, "another process appends to it; waiting");
		told = true;
		if (*interrupt_flag())
			interrupt_die();
		nanosleep(&pause, NULL);
	}
	return 0;
}

/* Open and lock what is at path, or make it. The descriptor, or -1. */
static int open_locked(const char *path, bool wait)
{
	for (;;) {
		struct stat opened, present;
		int descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
		if (descriptor < 0)
			return error_system("cannot open:");
		int result = fstat(descriptor, &opened) < 0 ? error_system("cannot examine:") : 0;
		if (result == 0 && !S_ISREG(opened.st_mode))
			result = error_system("is no regular file");
		if (result == 0)
			result = take_lock(path, descriptor, wait);
		/* Was it replaced between the open and the lock? */
		if (result == 0 && stat(path, &present) == 0 && present.st_dev == opened.st_dev &&
		    present.st_ino == opened.st_ino)
			return descriptor;
		close(descriptor);
		if (result < 0)
			return -1;
	}
}

static struct append *open_file(struct append *append, const char *path, bool wait, bool verify)
{
	bool replaced = true;
	append->descriptor = -1;
	if (!(append->path = memory_text(path, strlen(path))) || !(append->list = index_list_new()))
		return NULL;
	while (replaced) {
		if (append->descriptor >= 0)
			close(append->descriptor);
		append->descriptor = open_locked(path, wait);
		if (append->descriptor < 0)
			return NULL;
		append->index = recover(path, append->descriptor, verify, &replaced);
		verify = false; /* what was written anew is verified */
	}
	if (!append->index)
		return NULL;
	append->limit = index_size(append->index);
	append->chain = index_checksum(append->index);
	append->ended = true;
	return append;
}

struct append *append_open(const char *path, bool wait, bool verify)
{
	struct append *append = memory_allocate_zero(1, sizeof *append);
	if (append && open_file(append, path, wait, verify))
		return append;
	append_abandon(append);
	return NULL;
}

struct index *append_index(struct append *append)
{
	return append->index;
}

static int begin(struct append *append)
{
	if (append->writer)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &append->kept);
	append->writer = writer_open_end(append->path, append->descriptor);
	return append->writer ? 0 : -1;
}

int append_cut(struct append *append, uint64_t limit)
{
	if (ftruncate(append->descriptor, (off_t)limit) < 0)
		return error_system("cannot cut it:");
	append->limit = limit;
	return begin(append);
}

int append_end(struct append *append)
{
	if (append->ended)
		return 0;
	append->chain = writer_totals(append->writer).chain;
	if (writer_end(append->writer, NULL) < 0)
		return -1;
	append->ended = true;
	append->good = writer_written(append->writer);
	return 0;
}

/* End record and index, on the disk. */
static int keep(struct append *append)
{
	struct timespec began;
	struct index_base base = index_base(append->index);
	clock_gettime(CLOCK_MONOTONIC, &began);
	base.limit = append->limit;
	if (append_end(append) < 0 || writer_sync(append->writer) < 0 ||
	    index_list_write(
	        append->list, &base, append->path, append->limit + append->good, append->chain) < 0)
		return -1;
	append->cost = seconds_since(&began);
	clock_gettime(CLOCK_MONOTONIC, &append->kept);
	return 0;
}

/* A minute of work is worth a new index, if that takes no twentieth of the time. */
static bool is_due(const struct append *append)
{
	enum { INTERVAL = 60, SHARE = 20 };
	double seconds = seconds_since(&append->kept);
	return seconds > INTERVAL && seconds > SHARE * append->cost;
}

int append_put(struct append *append, struct record *record, const void *payload)
{
	if (begin(append) < 0)
		return -1;
	uint64_t before = writer_written(append->writer);
	if (writer_put(append->writer, record, payload) < 0)
		return -1;
	uint64_t after = writer_written(append->writer);
	struct reader_place place = { append->limit + before, after - before, 0 };
	if (index_list_add(append->list, record, place, append->part) < 0)
		return -1;
	append->part = record->more ? append->part + 1 : 0;
	append->ended = false;
	if (record->more)
		return 0;
	append->good = after;
	return is_due(append) ? keep(append) : 0;
}

int append_flush(struct append *append)
{
	return append->writer ? writer_flush(append->writer) : 0;
}

static void release(struct append *append)
{
	index_close(append->index);
	index_list_release(append->list);
	if (append->descriptor >= 0)
		close(append->descriptor);
	memory_release(append->path);
	memory_release(append);
}

int append_finish(struct append *append)
{
	int result = append->writer ? keep(append) : 0;
	if (result == 0 && append->writer) {
		result = writer_leave(append->writer);
		append->writer = NULL;
	}
	if (result < 0) {
		append_abandon(append);
		return error_as(ERROR_SYSTEM);
	}
	release(append);
	return 0;
}

void append_abandon(struct append *append)
{
	struct stat status;
	if (!append)
		return;
	if (append->writer) {
		writer_flush(append->writer); /* as far as it goes */
		writer_abandon(append->writer);
		uint64_t end = append->limit + append->good;
		if (fstat(append->descriptor, &status) == 0 && (uint64_t)status.st_size > end &&
		    ftruncate(append->descriptor, (off_t)end) < 0)
			message_note(append->path, "an unfinished record stays behind the last whole one");
	}
	release(append);
}
