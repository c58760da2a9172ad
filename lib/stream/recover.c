/* recover.c - a stream file made whole again (see recover.h). */
#define _GNU_SOURCE
#include "stream/recover.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "stream/index.h"
#include "stream/read_internal.h"
#include "stream/write.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a walk over the end of a file has found. */
struct walk {
	const char *path;
	int descriptor;
	uint64_t start, size;
	struct index_list *list;     /* of whole samples */
	uint64_t good;               /* where the last whole sample ends */
	struct stream_totals totals; /* up to there, since the last end record */
	uint64_t closed, chain;      /* where the last end record ends, and what it says */
	uint64_t stopped;            /* the item that is not whole, or the end */
	bool damaged;                /* whole records lie behind what is not */
	char reason[512];
};

/* The samples up to the end, or to the first thing that is not whole. */
static int read_samples(struct walk *walk, struct reader *reader)
{
	struct record record;
	size_t whole = 0;
	int found;
	walk->totals = reader_open_totals(reader);
	while ((found = reader_next(reader, &record)) > 0 && reader_skip(reader) == 0) {
		struct reader_place place = reader_place(reader);
		if (index_list_take(walk->list, reader, &record) < 0)
			return -1;
		if (record.more)
			continue;
		whole = index_list_count(walk->list);
		walk->good = place.offset + place.length;
		walk->totals = reader_open_totals(reader);
	}
	if (found != 0 && error_kind() != ERROR_INPUT)
		return -1;
	snprintf(walk->reason, sizeof walk->reason, "%s", found == 0 ? "" : error_text());
	index_list_cut(walk->list, whole);
	walk->stopped = found == 0 ? walk->size : reader_place(reader).offset;
	if (reader_closed(reader) > walk->closed) {
		walk->closed = reader_closed(reader);
		walk->chain = reader_totals(reader).chain;
	}
	/* in a frame of several records some are whole in front of the damage */
	walk->damaged = walk->stopped < walk->good;
	return 0;
}

/* Is there a whole record behind the item that is not? (Those in front of it are parts of a sample
 * that was not finished.) */
static int look_behind(struct walk *walk)
{
	struct record record;
	struct reader *reader =
	    reader_open_part(walk->descriptor, walk->stopped, walk->size - walk->stopped);
	if (!reader)
		return -1;
	reader_salvage(reader);
	int found = reader_next(reader, &record);
	reader_close(reader);
	walk->damaged |= found > 0;
	return found < 0 ? -1 : 0;
}

/* All that verifies, as a new file in the place of the old one. */
static int write_anew(const struct walk *walk)
{
	static struct sample sample;
	struct reader *reader = reader_open(walk->path);
	struct writer *writer = reader ? writer_open(walk->path, WRITER_COMPRESSED) : NULL;
	int found = writer ? 1 : -1;
	message_note(walk->path, "%s; what is whole is written anew", walk->reason);
	if (reader)
		reader_salvage(reader);
	while (found > 0) {
		found = sample_read(reader, &sample);
		if (found < 0 && error_kind() == ERROR_INPUT) {
			message_note(walk->path, "%s", error_text());
			found = 1;
			continue;
		}
		if (found > 0 && sample_write(writer, &sample) < 0)
			found = -1;
		sample_clear(&sample);
	}
	if (found == 0)
		message_note(walk->path, "%llu damaged bytes are left out",
		    (unsigned long long)reader_lost_bytes(reader));
	reader_close(reader);
	if (found < 0) {
		writer_abandon(writer);
		return -1;
	}
	return writer_finish(writer) < 0 ? -1 : index_make(walk->path);
}

/* Cut the file behind the last whole sample, or end record if that comes later, and close it. */
static int close_file(struct walk *walk, uint64_t end)
{
	struct writer *writer = NULL;
	if (end < walk->size) {
		message_note(walk->path, "%llu bytes behind the last whole record are cut off (%s)",
		    (unsigned long long)(walk->size - end), walk->reason);
		if (ftruncate(walk->descriptor, (off_t)end) < 0)
			return error_system("cannot cut it:");
	} else if (walk->closed < end) {
		message_note(walk->path, "it was not finished; all %zu records behind its index are kept",
		    index_list_count(walk->list));
	}
	if (walk->closed == end && end > 0)
		return 0;
	walk->chain = walk->totals.chain;
	writer = writer_open_end(walk->path, walk->descriptor);
	if (!writer)
		return -1;
	if (writer_end(writer, &walk->totals) < 0 || writer_sync(writer) < 0) {
		writer_abandon(writer);
		return -1;
	}
	return writer_leave(writer);
}

/* Walk from start, mend what is to be mended, and write the index: that of base goes on. 0, 1: the
 * file was replaced, -1. */
static int mend(struct walk *walk, const struct index_base *base)
{
	struct stat status;
	struct reader *reader =
	    reader_open_part(walk->descriptor, walk->start, walk->size - walk->start);
	int result = reader ? read_samples(walk, reader) : -1;
	reader_close(reader);
	if (result < 0 || (walk->stopped < walk->size && look_behind(walk) < 0))
		return -1;
	uint64_t end = walk->good > walk->closed ? walk->good : walk->closed;
	if (end == 0 && walk->size > 0 && !walk->damaged)
		return error_input("holds no whole record: %s", walk->reason);
	if (walk->damaged)
		return write_anew(walk) < 0 ? -1 : 1;
	if (close_file(walk, end) < 0)
		return -1;
	if (fstat(walk->descriptor, &status) < 0)
		return error_system("cannot examine:");
	return index_list_write(walk->list, base, walk->path, (uint64_t)status.st_size, walk->chain);
}

struct index *recover(const char *path, int descriptor, bool verify, bool *replaced)
{
	struct stat status;
	struct index *index = verify ? NULL : index_open(path);
	*replaced = false;
	if (index)
		return index;
	if (fstat(descriptor, &status) < 0) {
		error_system("cannot examine:");
		return NULL;
	}
	index = verify ? NULL : index_open_grown(path);
	struct index_base base = { NULL, 0, 0 };
	struct walk walk = { .path = path,
		.descriptor = descriptor,
		.size = (uint64_t)status.st_size,
		.list = index_list_new() };
	if (index) {
		base = index_base(index);
		walk.start = walk.closed = index_size(index);
		walk.chain = index_checksum(index);
	}
	int result = walk.list ? mend(&walk, &base) : -1;
	index_list_release(walk.list);
	index_close(index);
	*replaced = result > 0;
	return result == 0 ? index_open(path) : NULL;
}
