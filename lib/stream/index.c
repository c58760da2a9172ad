/* index.c - reading records through an index (see index.h and zvi(5)). */
#define _GNU_SOURCE
#include "stream/index.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/index_end.h"
#include "stream/index_make.h"
#include "stream/read_internal.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct index {
	int descriptor; /* of the stream file */
	const char *text;
	size_t size;
	struct index_head head;
	struct reader *reader; /* of the sample found last */
};

static int map_text(struct index *index, const char *path)
{
	struct stat status;
	char *name = index_make_path(path);
	if (!name)
		return -1;
	int descriptor = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not block */
	memory_release(name);
	if (descriptor < 0)
		return error_input("has no index; run zv-index");
	int result = fstat(descriptor, &status) < 0 ? error_input("cannot examine its index:") : 0;
	if (result == 0 && (!S_ISREG(status.st_mode) || status.st_size == 0))
		result = error_input("its index is empty or no regular file; run zv-index");
	if (result == 0) {
		index->size = (size_t)status.st_size;
		void *mapping = mmap(NULL, index->size, PROT_READ, MAP_PRIVATE, descriptor, 0);
		if (mapping == MAP_FAILED)
			result = error_input("cannot map its index:");
		else
			index->text = mapping;
	}
	close(descriptor);
	return result;
}

/* How much of the file an index must fit. */
enum fit { FIT_ALL, FIT_GROWN, FIT_DAMAGED };

static int open_both(struct index *index, const char *path, enum fit fit)
{
	struct stat status;
	index->descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (index->descriptor < 0)
		return error_input("cannot open:");
	if (fstat(index->descriptor, &status) < 0)
		return error_input("cannot examine:");
	if (!S_ISREG(status.st_mode))
		return error_input("is no regular file");
	if (map_text(index, path) < 0 || index_text_head(index->text, index->size, &index->head) < 0)
		return -1;
	uint64_t size = (uint64_t)status.st_size;
	if (fit == FIT_GROWN ? size < index->head.file_size : size != index->head.file_size)
		return error_input("index is stale; run zv-index");
	return 0;
}

/* Is this the index of what the file holds now? The end record that closes the file vouches for
 * its part of the records (all, unless streams were joined or appended). */
static int check_end(const struct index *index, enum fit fit)
{
	struct index_line last;
	struct stream_totals totals;
	if (index_text_check(index->text, index->size, &index->head, &last) < 0)
		return error_context("run zv-index");
	if (fit == FIT_DAMAGED)
		return 0;
	if (index_end_read(index->descriptor, index->head.file_size, &last, &totals) < 0 ||
	    totals.chain != index->head.chain || totals.tensors > index->head.records ||
	    totals.failures > index->head.records - totals.tensors)
		return error_kind() == ERROR_SYSTEM ? -1 : error_input("index is stale; run zv-index");
	return 0;
}

static struct index *open_index(const char *path, enum fit fit)
{
	struct index *index = memory_allocate_zero(1, sizeof *index);
	if (!index)
		return NULL;
	index->descriptor = -1;
	error_clear();
	if (open_both(index, path, fit) < 0 || check_end(index, fit) < 0) {
		index_close(index);
		return NULL;
	}
	return index;
}

struct index *index_open(const char *path)
{
	return open_index(path, FIT_ALL);
}

struct index *index_open_grown(const char *path)
{
	return open_index(path, FIT_GROWN);
}

struct index *index_open_damaged(const char *path)
{
	return open_index(path, FIT_DAMAGED);
}

uint64_t index_size(const struct index *index)
{
	return index->head.file_size;
}

size_t index_lines(const struct index *index)
{
	return (size_t)index->head.records;
}

struct index_base index_base(const struct index *index)
{
	return (struct index_base){ index->text + index->head.size, index->size - index->head.size,
		index->head.file_size };
}

int index_next(const struct index *index, size_t *at, struct index_line *line)
{
	size_t from = *at ? *at : index->head.size;
	if (from >= index->size)
		return 0;
	return index_text_line(index->text, index->size, from, line, at) < 0 ? -1 : 1;
}

bool index_is_closed(const struct index *index, const struct index_line *last, uint64_t limit)
{
	struct stream_totals totals;
	return index_end_read(index->descriptor, limit, last, &totals) == 0;
}

uint64_t index_checksum(const struct index *index)
{
	return index->head.chain;
}

void index_close(struct index *index)
{
	if (!index)
		return;
	reader_close(index->reader);
	if (index->text)
		munmap((void *)index->text, index->size);
	if (index->descriptor >= 0)
		close(index->descriptor);
	memory_release(index);
}

int index_places(struct index *index, const char *key, struct reader_place **places, size_t *count,
    size_t *capacity)
{
	size_t key_size = strlen(key);
	size_t at = index_text_find(index->text, index->size, index->head.size, key);
	while (at < index->size) {
		struct index_line line;
		if (index_text_line(index->text, index->size, at, &line, &at) < 0)
			return -1;
		if (line.key_size != key_size || memcmp(line.key, key, key_size) != 0)
			break;
		if (line.part > 0)
			continue;
		if (memory_grow((void **)places, capacity, *count + 1, sizeof **places) < 0)
			return -1;
		(*places)[(*count)++] = (struct reader_place){ line.offset, line.length, line.skip };
	}
	return 0;
}

/* Go to the record at place: 0, or -1. */
static int seek_record(struct index *index, const struct reader_place *place, struct record *record)
{
	if (place->length > index->head.file_size ||
	    place->offset > index->head.file_size - place->length)
		return error_input("entry lies outside the file");
	reader_close(index->reader);
	/* the other parts of its sample lie behind it */
	index->reader =
	    reader_open_range(index->descriptor, place->offset, index->head.file_size - place->offset);
	if (!index->reader)
		return -1;
	for (;;) {
		int found = reader_next(index->reader, record);
		if (found < 0)
			return -1;
		struct reader_place here = reader_place(index->reader);
		if (found > 0 && here.offset == place->offset && here.skip == place->skip)
			return 0;
		if (found == 0 || here.offset != place->offset || here.skip > place->skip)
			return error_input("no record begins there");
	}
}

/* The record just read, with those that belong to it. 0 or -1. */
static int read_parts(struct index *index, struct record *record, struct sample *sample)
{
	const char *key = sample->parts[0].record.key; /* once there is one */
	for (;;) {
		void *payload = reader_take_payload(index->reader);
		if (!payload)
			return -1;
		if (sample_add(sample, record, payload) < 0) {
			memory_release(payload);
			return -1;
		}
		if (!record->more)
			return 0;
		int found = reader_next(index->reader, record);
		if (found <= 0)
			return found < 0 ? -1 : error_input("\"%.200s\" lacks its other parts", key);
		if (record->kind != RECORD_TENSOR || strcmp(record->key, key) != 0)
			return error_input("\"%.200s\" follows where another part of \"%.200s\" was promised",
			    record->key, key);
	}
}

int index_read(
    struct index *index, const struct reader_place *place, const char *key, struct sample *sample)
{
	struct record record;
	sample->count = 0;
	int result = seek_record(index, place, &record);
	if (result == 0 && key && strcmp(record.key, key) != 0)
		result = error_input("leads to \"%.200s\"", record.key);
	if (result == 0)
		result = read_parts(index, &record, sample);
	if (result == 0)
		return 0;
	sample_clear(sample);
	return error_context("index (stale? run zv-index)");
}
