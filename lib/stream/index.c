/* index.c - making an index and reading records through it (see index.h and zvi(5)). */
#define _GNU_SOURCE
#include "stream/index.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/output.h"
#include "stream/index_end.h"
#include "stream/index_text.h"
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
	struct reader *reader; /* of the record found last: owns its meta */
};

/* The entries of an index being made. Texts are offsets into one array that grows. */
struct entry {
	size_t head, tail; /* "key TAB name" and "dtype TAB shape", each zero-terminated */
	struct reader_place place;
};

struct maker_state {
	char *texts;
	size_t texts_size, texts_capacity;
	struct entry *entries;
	size_t count, capacity;
};

static int add_text(struct maker_state *state, size_t *at, const char *a, const char *b)
{
	size_t a_size = strlen(a), b_size = strlen(b);
	if (memory_grow((void **)&state->texts, &state->texts_capacity,
	        state->texts_size + a_size + b_size + 2, 1) < 0)
		return -1;
	*at = state->texts_size;
	char *text = state->texts + state->texts_size;
	memcpy(text, a, a_size);
	text[a_size] = '\t';
	memcpy(text + a_size + 1, b, b_size + 1);
	state->texts_size += a_size + b_size + 2;
	return 0;
}

static int add_entry(
    struct maker_state *state, const struct record *record, struct reader_place place)
{
	char shape[200], dtype[2] = { record->dtype, '\0' };
	if (memory_grow((void **)&state->entries, &state->capacity, state->count + 1,
	        sizeof *state->entries) < 0)
		return -1;
	struct entry *entry = &state->entries[state->count];
	entry->place = place;
	if (add_text(state, &entry->head, record->key, record->name) < 0 ||
	    add_text(state, &entry->tail, dtype, record_shape_text(record, shape)) < 0)
		return -1;
	state->count++;
	return 0;
}

static int collect(struct reader *reader, struct maker_state *state)
{
	struct record record;
	int found;
	while ((found = reader_next(reader, &record)) > 0)
		if (reader_skip(reader) < 0 || add_entry(state, &record, reader_place(reader)) < 0)
			return -1;
	/* Records of one frame: the last of them knows best how long it is. */
	for (size_t i = state->count; i-- > 1;)
		if (state->entries[i - 1].place.offset == state->entries[i].place.offset)
			state->entries[i - 1].place.length = state->entries[i].place.length;
	return found;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines of the index, sorted; one allocation each, since they are many but small. */
static char **format_lines(const struct maker_state *state)
{
	char **lines = memory_allocate_zero(state->count, sizeof *lines);
	for (size_t i = 0; lines && i < state->count; i++) {
		char line[INDEX_LINE_MOST];
		const struct entry *entry = &state->entries[i];
		int length =
		    snprintf(line, sizeof line, "%s\t%llu\t%llu\t%llu\t%s\n", state->texts + entry->head,
		        (unsigned long long)entry->place.offset, (unsigned long long)entry->place.length,
		        (unsigned long long)entry->place.skip, state->texts + entry->tail);
		lines[i] = memory_text(line, (size_t)length);
		if (!lines[i]) {
			for (size_t k = 0; k < i; k++)
				memory_release(lines[k]);
			memory_release(lines);
			return NULL;
		}
	}
	if (lines && state->count > 1)
		qsort(lines, state->count, sizeof *lines, compare_lines);
	return lines;
}

static int write_lines(struct output *output, const struct reader *reader,
    const struct maker_state *state, char **lines)
{
	char head[128];
	struct stream_totals totals = reader_totals(reader);
	snprintf(head, sizeof head, "#zvi 1 %llu %llu %016llx\n",
	    (unsigned long long)reader_size(reader), (unsigned long long)state->count,
	    (unsigned long long)totals.chain);
	int result = output_write(output, head, strlen(head));
	for (size_t i = 0; result == 0 && i < state->count; i++)
		result = output_write(output, lines[i], strlen(lines[i]));
	return result;
}

static char *index_path(const char *path)
{
	size_t size = strlen(path);
	char *name = memory_allocate(size + 5, 1);
	if (name) {
		memcpy(name, path, size);
		memcpy(name + size, ".zvi", 5);
	}
	return name;
}

static int write_index(
    const char *path, const struct reader *reader, const struct maker_state *state)
{
	char *name = index_path(path);
	char **lines = name ? format_lines(state) : NULL;
	struct output *output = lines ? output_open(name) : NULL;
	int result = output ? write_lines(output, reader, state, lines) : -1;
	if (result == 0)
		result = output_commit(output);
	else
		output_abandon(output);
	for (size_t i = 0; lines && i < state->count; i++)
		memory_release(lines[i]);
	memory_release(lines);
	memory_release(name);
	return result;
}

int index_make(const char *path)
{
	struct stat status;
	struct maker_state state = { 0 };
	if (strcmp(path, "-") == 0)
		return error_input("standard input cannot be indexed");
	if (stat(path, &status) < 0)
		return error_input("cannot open:");
	if (!S_ISREG(status.st_mode))
		return error_input("is no regular file");
	struct reader *reader = reader_open(path);
	if (!reader)
		return -1;
	int result = collect(reader, &state);
	if (result == 0)
		result = write_index(path, reader, &state);
	reader_close(reader);
	memory_release(state.texts);
	memory_release(state.entries);
	return result;
}

static int map_text(struct index *index, const char *path)
{
	struct stat status;
	char *name = index_path(path);
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

static int open_both(struct index *index, const char *path)
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
	if ((uint64_t)status.st_size != index->head.file_size)
		return error_input("index is stale; run zv-index");
	return 0;
}

/* Is this the index of what the file holds now? The end record that closes the file vouches for
 * its part of the records (all, unless streams were joined or appended). */
static int check_end(const struct index *index)
{
	struct index_line last;
	struct stream_totals totals;
	if (index_text_check(index->text, index->size, &index->head, &last) < 0)
		return error_context("run zv-index");
	if (index_end_read(index->descriptor, index->head.file_size, &last, &totals) < 0 ||
	    totals.chain != index->head.chain || totals.tensors > index->head.records ||
	    totals.failures > index->head.records - totals.tensors)
		return error_kind() == ERROR_SYSTEM ? -1 : error_input("index is stale; run zv-index");
	return 0;
}

struct index *index_open(const char *path)
{
	struct index *index = memory_allocate_zero(1, sizeof *index);
	if (!index)
		return NULL;
	index->descriptor = -1;
	error_clear();
	if (open_both(index, path) < 0 || check_end(index) < 0) {
		index_close(index);
		return NULL;
	}
	return index;
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
	index->reader = reader_open_range(index->descriptor, place->offset, place->length);
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

int index_read(struct index *index, const struct reader_place *place, const char *key,
    struct record *record, void **payload)
{
	int result = seek_record(index, place, record);
	if (result == 0 && key && strcmp(record->key, key) != 0)
		result = error_input("leads to \"%.200s\"", record->key);
	*payload = result == 0 ? reader_take_payload(index->reader) : NULL;
	if (*payload)
		return 0;
	return error_context("index (stale? run zv-index)");
}
