/* index_make.c - writing an index (see index_make.h): the new lines are sorted, and merged with those
 * that were sorted before.
 */
#define _GNU_SOURCE
#include "stream/index_make.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/output.h"
#include "stream/index_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HEAD_MOST = 128 };

/* Texts are offsets into one array that grows. */
struct entry {
	size_t head, tail; /* "key TAB name" and what follows skip, each zero-terminated */
	struct reader_place place;
};

struct index_list {
	char *texts;
	size_t texts_size, texts_capacity;
	struct entry *entries;
	size_t count, capacity;
	int part; /* of the next record of a reader */
};

struct index_list *index_list_new(void)
{
	return memory_allocate_zero(1, sizeof(struct index_list));
}

void index_list_release(struct index_list *list)
{
	if (!list)
		return;
	memory_release(list->texts);
	memory_release(list->entries);
	memory_release(list);
}

size_t index_list_count(const struct index_list *list)
{
	return list->count;
}

void index_list_cut(struct index_list *list, size_t count)
{
	if (count < list->count)
		list->texts_size = list->entries[count].head;
	list->count = count;
	list->part = 0;
}

static int add_text(struct index_list *list, size_t *at, const char *text, size_t size)
{
	if (memory_grow((void **)&list->texts, &list->texts_capacity, list->texts_size + size + 1, 1) <
	    0)
		return -1;
	*at = list->texts_size;
	memcpy(list->texts + *at, text, size);
	list->texts[*at + size] = '\0';
	list->texts_size += size + 1;
	return 0;
}

static const char *digest_field(const struct digest *digest, char text[DIGEST_TEXT_SIZE])
{
	digest_text(digest, text);
	return digest_is_zero(digest) ? "-" : text;
}

int index_list_add(
    struct index_list *list, const struct record *record, struct reader_place place, int part)
{
	char shape[200], maker[DIGEST_TEXT_SIZE], source[DIGEST_TEXT_SIZE], text[INDEX_LINE_MOST];
	struct entry entry = { .place = place };
	int size = snprintf(text, sizeof text, "%s\t%s", record->key, record->name);
	if (add_text(list, &entry.head, text, (size_t)size) < 0)
		return -1;
	size = snprintf(text, sizeof text, "%c\t%s\t%d\t%s\t%s", record->dtype,
	    record_shape_text(record, shape), part, digest_field(&record->maker, maker),
	    digest_field(&record->source, source));
	if (add_text(list, &entry.tail, text, (size_t)size) < 0 ||
	    memory_grow((void **)&list->entries, &list->capacity, list->count + 1, sizeof entry) < 0)
		return -1;
	list->entries[list->count++] = entry;
	return 0;
}

int index_list_take(
    struct index_list *list, const struct reader *reader, const struct record *record)
{
	struct reader_place place = reader_place(reader);
	for (size_t i = list->count; i > 0 && list->entries[i - 1].place.offset == place.offset; i--)
		list->entries[i - 1].place.length = place.length;
	if (index_list_add(list, record, place, list->part) < 0)
		return -1;
	list->part = record->more ? list->part + 1 : 0;
	return 0;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void release_lines(char **lines, size_t count)
{
	for (size_t i = 0; lines && i < count; i++)
		memory_release(lines[i]);
	memory_release(lines);
}

/* The new lines, sorted; one allocation each, since they are many but small. */
static char **format_lines(const struct index_list *list)
{
	char **lines = memory_allocate_zero(list->count, sizeof *lines);
	for (size_t i = 0; lines && i < list->count; i++) {
		char line[INDEX_LINE_MOST];
		const struct entry *entry = &list->entries[i];
		int length =
		    snprintf(line, sizeof line, "%s\t%llu\t%llu\t%llu\t%s\n", list->texts + entry->head,
		        (unsigned long long)entry->place.offset, (unsigned long long)entry->place.length,
		        (unsigned long long)entry->place.skip, list->texts + entry->tail);
		lines[i] = memory_text(line, (size_t)length);
		if (!lines[i]) {
			release_lines(lines, i);
			return NULL;
		}
	}
	if (lines && list->count > 1)
		qsort(lines, list->count, sizeof *lines, compare_lines);
	return lines;
}

/* The next line of the base that counts, with its end, from *at on: its size, 0 at the end. */
static size_t next_kept(const struct index_base *base, size_t *at)
{
	struct index_line line;
	size_t next;
	for (; *at < base->size; *at = next) {
		if (index_text_line(base->text, base->size, *at, &line, &next) < 0)
			return 0;
		if (line.offset < base->limit)
			return next - *at;
	}
	return 0;
}

static uint64_t count_kept(const struct index_base *base)
{
	uint64_t count = 0;
	size_t at = 0;
	for (size_t size; (size = next_kept(base, &at)) > 0; at += size)
		count++;
	return count;
}

/* The first line, then both sorted lists merged. 0 or -1. */
static int write_lines(struct output *output, const struct index_list *list, char **lines,
    const struct index_base *base, const char *head)
{
	size_t at = 0, i = 0, size = next_kept(base, &at);
	int result = output_write(output, head, strlen(head));
	while (result == 0 && (size > 0 || i < list->count)) {
		size_t length = i < list->count ? strlen(lines[i]) : 0;
		size_t common = size < length ? size : length;
		bool from_base = length == 0 || (size > 0 && memcmp(base->text + at, lines[i], common) < 0);
		result = from_base ? output_write(output, base->text + at, size)
		                   : output_write(output, lines[i], length);
		if (!from_base) {
			i++;
			continue;
		}
		at += size;
		size = next_kept(base, &at);
	}
	return result;
}

char *index_make_path(const char *path)
{
	size_t size = strlen(path);
	char *name = memory_allocate(size + 5, 1);
	if (name) {
		memcpy(name, path, size);
		memcpy(name + size, ".zvi", 5);
	}
	return name;
}

static void format_head(char head[HEAD_MOST], uint64_t size, uint64_t lines, uint64_t chain)
{
	snprintf(head, HEAD_MOST, "#zvi 2 %llu %llu %016llx\n", (unsigned long long)size,
	    (unsigned long long)lines, (unsigned long long)chain);
}

int index_list_write(const struct index_list *list, const struct index_base *base, const char *path,
    uint64_t file_size, uint64_t chain)
{
	char head[HEAD_MOST];
	char *name = index_make_path(path);
	char **lines = name ? format_lines(list) : NULL;
	struct output *output = lines ? output_open(name) : NULL;
	format_head(head, file_size, count_kept(base) + list->count, chain);
	int result = output ? write_lines(output, list, lines, base, head) : -1;
	if (result == 0)
		result = output_commit(output);
	else
		output_abandon(output);
	release_lines(lines, list->count);
	memory_release(name);
	return result;
}

/* Does the file go on with this text? */
static bool goes_on(FILE *file, const char *text)
{
	while (*text && getc(file) == (unsigned char)*text)
		text++;
	return !*text;
}

int index_list_compare(
    const struct index_list *list, const char *path, uint64_t file_size, uint64_t chain)
{
	char head[HEAD_MOST];
	struct stat status;
	char *name = index_make_path(path);
	FILE *file =
	    name && stat(name, &status) == 0 && S_ISREG(status.st_mode) ? fopen(name, "re") : NULL;
	memory_release(name);
	if (!file)
		return name ? 0 : -1;
	char **lines = format_lines(list);
	format_head(head, file_size, list->count, chain);
	bool same = lines && goes_on(file, head);
	for (size_t i = 0; same && i < list->count; i++)
		same = goes_on(file, lines[i]);
	same = same && getc(file) == EOF;
	fclose(file);
	release_lines(lines, list->count);
	if (!lines)
		return -1;
	return same ? 1 : error_input("its index is not that of its records; run zv-index");
}

static int collect(struct reader *reader, struct index_list *list)
{
	struct record record;
	int found;
	while ((found = reader_next(reader, &record)) > 0)
		if (reader_skip(reader) < 0 || index_list_take(list, reader, &record) < 0)
			return -1;
	return found;
}

int index_make(const char *path)
{
	struct stat status;
	const struct index_base none = { NULL, 0, 0 };
	if (strcmp(path, "-") == 0)
		return error_input("standard input cannot be indexed");
	if (stat(path, &status) < 0)
		return error_input("cannot open:");
	if (!S_ISREG(status.st_mode))
		return error_input("is no regular file");
	struct index_list *list = index_list_new();
	struct reader *reader = list ? reader_open(path) : NULL;
	int result = reader ? collect(reader, list) : -1;
	if (result == 0)
		result =
		    index_list_write(list, &none, path, reader_size(reader), reader_totals(reader).chain);
	reader_close(reader);
	index_list_release(list);
	return result;
}
