/* parquet_read.c - pages of a column, and the metadata that says where they are (see
 * parquet_read.h). Numbers of fields are those of the format's description.
 */
#include "stream/parquet_read.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/bytes.h"
#include "stream/snappy.h"
#include "stream/thrift.h"

#include <stdbool.h>
#include <string.h>

enum { PAGE_MOST = 1 << 28, SNAPPY_RATIO = 64, TAIL_SIZE = 8, WIDTH_MOST = 32 };
enum {
	BYTE_ARRAY = 6,
	REQUIRED = 0,
	OPTIONAL = 1,
	PLAIN = 0,
	PLAIN_DICTIONARY = 2,
	RLE = 3,
	RLE_DICTIONARY = 8,
	DATA_PAGE = 0,
	INDEX_PAGE = 1,
	DICTIONARY_PAGE = 2,
	DATA_PAGE_2 = 3,
	UNCOMPRESSED = 0,
	SNAPPY = 1
};

/* The column in one group of rows. */
struct chunk {
	int64_t type, codec, values, size, data, dictionary;
	bool wanted, elsewhere;
};

/* What stands in front of a page. */
struct page {
	int64_t type, size, compressed, values, encoding, level_encoding, levels, repeats;
	bool plain; /* not compressed whatever the codec is */
};

/* Numbers of width bits: runs of one number, and groups of eight that are packed. */
struct runs {
	const uint8_t *at, *end;
	const uint8_t *packed; /* NULL: a run of one number */
	int width;
	uint32_t number;
	uint64_t left, place;
};

struct text {
	const uint8_t *at;
	size_t size;
};

struct parquet_reader {
	const uint8_t *bytes;
	size_t size;
	const char *column;
	bool optional;
	struct chunk *chunks;
	size_t count, capacity, next; /* next: the chunk to come */
	int64_t codec;
	const uint8_t *at, *end; /* pages of the chunk that are left */
	int64_t chunk_left;      /* values in them and in this page */
	int64_t page_left;
	uint8_t *page, *dictionary; /* where they are unpacked */
	struct text *words;         /* of the dictionary */
	size_t word_count;
	const uint8_t *value, *value_end; /* plain values */
	struct runs levels, indices;
	bool by_index, has_levels;
	uint64_t row;
};

static int damaged(const char *what)
{
	return error_input("parquet: %s is damaged", what);
}

/* Is the schema's element with this name, right below the root, a column of texts? 1; 0: there is
 * none; -1: of another kind. */
static int read_schema(struct parquet_reader *reader, struct thrift *thrift, uint64_t count)
{
	uint64_t inside = 0; /* elements yet to come that belong to a group below the root */
	int found = 0;
	for (uint64_t i = 0; i < count && !thrift->bad; i++) {
		struct thrift_field field = { 0, 0 };
		int64_t type = -1, repetition = REQUIRED, children = 0;
		const char *name = "";
		size_t size = 0;
		while (thrift_field(thrift, &field)) {
			if (field.number == 1)
				type = thrift_number(thrift, &field);
			else if (field.number == 3)
				repetition = thrift_number(thrift, &field);
			else if (field.number == 4)
				name = thrift_text(thrift, &field, &size);
			else if (field.number == 5)
				children = thrift_number(thrift, &field);
			else
				thrift_skip(thrift, &field);
		}
		bool top = i > 0 && inside == 0;
		inside -= inside > 0;
		thrift->bad |= children < 0 || children > (int64_t)count;
		if (i > 0 && !thrift->bad)
			inside += (uint64_t)children;
		if (!top || size != strlen(reader->column) || memcmp(name, reader->column, size) != 0)
			continue;
		reader->optional = repetition == OPTIONAL;
		found = type == BYTE_ARRAY && children == 0 && repetition <= OPTIONAL ? 1 : -1;
	}
	return found;
}

/* Is the path in the schema the wanted column? */
static bool read_path(
    const struct parquet_reader *reader, struct thrift *thrift, const struct thrift_field *list)
{
	struct thrift_field item = { 0, 0 };
	bool same = false;
	size_t size;
	uint64_t count = thrift_list(thrift, list, &item.type);
	for (uint64_t i = 0; i < count && !thrift->bad; i++) {
		const char *name = thrift_text(thrift, &item, &size);
		same = count == 1 && size == strlen(reader->column) && !thrift->bad &&
		       memcmp(name, reader->column, size) == 0;
	}
	return same;
}

static void read_chunk(
    const struct parquet_reader *reader, struct thrift *thrift, struct chunk *chunk)
{
	struct thrift_field field = { 0, 0 };
	int64_t *const numbers[] = { [1] = &chunk->type,
		[4] = &chunk->codec,
		[5] = &chunk->values,
		[7] = &chunk->size,
		[9] = &chunk->data,
		[11] = &chunk->dictionary };
	while (thrift_field(thrift, &field)) {
		if (field.number == 3)
			chunk->wanted = read_path(reader, thrift, &field);
		else if (field.number < (int)(sizeof numbers / sizeof *numbers) && numbers[field.number])
			*numbers[field.number] = thrift_number(thrift, &field);
		else
			thrift_skip(thrift, &field);
	}
}

static int add_chunk(struct parquet_reader *reader, const struct chunk *chunk)
{
	void *chunks = reader->chunks;
	if (memory_grow(&chunks, &reader->capacity, reader->count + 1, sizeof *reader->chunks) < 0)
		return -1;
	reader->chunks = chunks;
	reader->chunks[reader->count++] = *chunk;
	return 0;
}

/* The columns of a group of rows, of which one is wanted. */
static int read_columns(
    struct parquet_reader *reader, struct thrift *thrift, const struct thrift_field *list)
{
	struct thrift_field item = { 0, 0 };
	uint64_t count = thrift_list(thrift, list, &item.type);
	for (uint64_t i = 0; i < count && !thrift->bad; i++) {
		struct thrift_field field = { 0, 0 };
		struct chunk chunk = { 0 };
		while (thrift_field(thrift, &field)) {
			if (field.number == 3 && field.type == THRIFT_STRUCT) {
				read_chunk(reader, thrift, &chunk);
				continue;
			}
			chunk.elsewhere |= field.number == 1; /* in a file of its own */
			thrift_skip(thrift, &field);
		}
		if (chunk.wanted && !thrift->bad && add_chunk(reader, &chunk) < 0)
			return -1;
	}
	return 0;
}

static int read_groups(
    struct parquet_reader *reader, struct thrift *thrift, const struct thrift_field *list)
{
	struct thrift_field item = { 0, 0 };
	uint64_t count = thrift_list(thrift, list, &item.type);
	for (uint64_t i = 0; i < count && !thrift->bad; i++) {
		struct thrift_field field = { 0, 0 };
		while (thrift_field(thrift, &field)) {
			if (field.number != 1)
				thrift_skip(thrift, &field);
			else if (read_columns(reader, thrift, &field) < 0)
				return -1;
		}
	}
	return 0;
}

static int read_metadata(struct parquet_reader *reader, struct thrift *thrift)
{
	struct thrift_field field = { 0, 0 };
	int type, found = 0;
	while (thrift_field(thrift, &field)) {
		if (field.number == 2) {
			uint64_t count = thrift_list(thrift, &field, &type);
			found = read_schema(reader, thrift, count);
		} else if (field.number == 4) {
			if (read_groups(reader, thrift, &field) < 0)
				return -1;
		} else {
			thrift_skip(thrift, &field);
		}
	}
	if (thrift->bad)
		return damaged("the metadata");
	if (found <= 0)
		return error_input("parquet: %s column \"%s\"%s", found ? "the" : "no", reader->column,
		    found ? " holds no texts" : "");
	return 0;
}

struct parquet_reader *parquet_read(const uint8_t *bytes, size_t size, const char *column)
{
	if (size < 4 + TAIL_SIZE || memcmp(bytes, "PAR1", 4) != 0 ||
	    memcmp(bytes + size - 4, "PAR1", 4) != 0) {
		error_input("is no whole Parquet file");
		return NULL;
	}
	uint64_t metadata = bytes_load(bytes + size - TAIL_SIZE, 4);
	if (metadata > size - 4 - TAIL_SIZE) {
		damaged("the metadata");
		return NULL;
	}
	struct parquet_reader *reader = memory_allocate_zero(1, sizeof *reader);
	if (!reader)
		return NULL;
	reader->bytes = bytes;
	reader->size = size - TAIL_SIZE - (size_t)metadata;
	reader->column = column;
	struct thrift thrift = { bytes + reader->size, bytes + size - TAIL_SIZE, false };
	if (read_metadata(reader, &thrift) < 0) {
		parquet_close(reader);
		return NULL;
	}
	return reader;
}

/* Go to the next chunk: 1, 0 after the last, -1. */
static int begin_chunk(struct parquet_reader *reader)
{
	if (reader->next == reader->count)
		return 0;
	const struct chunk *chunk = &reader->chunks[reader->next++];
	int64_t start =
	    chunk->dictionary > 0 && chunk->dictionary < chunk->data ? chunk->dictionary : chunk->data;
	if (chunk->elsewhere)
		return error_input("parquet: the column is in another file");
	if (chunk->codec != UNCOMPRESSED && chunk->codec != SNAPPY)
		return error_input("parquet: the column is compressed by other means than Snappy; write it "
		                   "with compression=\"snappy\" or None");
	if (chunk->type != BYTE_ARRAY || chunk->values < 0 || start < 4 || chunk->size < 0 ||
	    (uint64_t)start > reader->size || (uint64_t)chunk->size > reader->size - (uint64_t)start)
		return damaged("the place of a column");
	reader->codec = chunk->codec;
	reader->at = reader->bytes + start;
	reader->end = reader->at + chunk->size;
	reader->chunk_left = chunk->values;
	reader->word_count = 0;
	return 1;
}

/* The headers of pages of data (5), of a dictionary (7), of data in the second version (8). */
static void read_counts(struct thrift *thrift, struct page *page, int kind)
{
	struct thrift_field field = { 0, 0 };
	while (thrift_field(thrift, &field)) {
		if (field.number == 1)
			page->values = thrift_number(thrift, &field);
		else if (field.number == (kind == 8 ? 4 : 2))
			page->encoding = thrift_number(thrift, &field);
		else if (kind == 5 && field.number == 3)
			page->level_encoding = thrift_number(thrift, &field);
		else if (kind == 8 && field.number == 5)
			page->levels = thrift_number(thrift, &field);
		else if (kind == 8 && field.number == 6)
			page->repeats = thrift_number(thrift, &field);
		else if (kind == 8 && field.number == 7)
			page->plain = thrift_number(thrift, &field) == 0;
		else
			thrift_skip(thrift, &field);
	}
}

/* The header of the next page, which *bytes point behind. */
static int read_header(struct parquet_reader *reader, struct page *page)
{
	struct thrift thrift = { reader->at, reader->end, false };
	struct thrift_field field = { 0, 0 };
	*page = (struct page){ .type = -1, .level_encoding = RLE };
	while (thrift_field(&thrift, &field)) {
		if (field.number == 1)
			page->type = thrift_number(&thrift, &field);
		else if (field.number == 2)
			page->size = thrift_number(&thrift, &field);
		else if (field.number == 3)
			page->compressed = thrift_number(&thrift, &field);
		else if (field.type == THRIFT_STRUCT &&
		         (field.number == 5 || field.number == 7 || field.number == 8))
			read_counts(&thrift, page, field.number);
		else
			thrift_skip(&thrift, &field);
	}
	if (thrift.bad || page->size < 0 || page->compressed < 0 || page->values < 0 ||
	    page->compressed > thrift.end - thrift.at)
		return damaged("a page's header");
	reader->at = thrift.at;
	return 0;
}

/* The bytes of a page, unpacked into *space if they are compressed. */
static int unpack(struct parquet_reader *reader, const struct page *page, size_t front,
    uint8_t **space, const uint8_t **bytes, size_t *size)
{
	*bytes = reader->at;
	*size = (size_t)page->compressed;
	if (front > *size || front > (size_t)page->size)
		return damaged("a page's header");
	if (reader->codec == UNCOMPRESSED || page->plain)
		return 0;
	size_t wanted = (size_t)page->size - front, packed = *size - front;
	/* Snappy does not pack tighter; no room for what cannot be there. */
	if (wanted > PAGE_MOST || wanted / SNAPPY_RATIO > packed)
		return error_input("parquet: a page of %zu bytes", wanted);
	memory_release(*space);
	if (!(*space = memory_allocate((size_t)page->size, 1)))
		return -1;
	memcpy(*space, *bytes, front);
	if (wanted > 0 && snappy_decode(*bytes + front, packed, *space + front, wanted) < 0)
		return -1;
	*bytes = *space;
	*size = (size_t)page->size;
	return 0;
}

/* A plain text: its length, and itself. */
static bool take_text(const uint8_t **at, const uint8_t *end, struct text *text)
{
	if (end - *at < 4 || bytes_load(*at, 4) > (uint64_t)(end - *at - 4))
		return false;
	*text = (struct text){ *at + 4, (size_t)bytes_load(*at, 4) };
	*at += 4 + text->size;
	return true;
}

static int read_dictionary(struct parquet_reader *reader, const struct page *page)
{
	const uint8_t *at;
	size_t size;
	if (unpack(reader, page, 0, &reader->dictionary, &at, &size) < 0)
		return -1;
	if ((uint64_t)page->values > size / 4 ||
	    (page->encoding != PLAIN && page->encoding != PLAIN_DICTIONARY))
		return damaged("a dictionary");
	memory_release(reader->words);
	reader->word_count = (size_t)page->values;
	if (!(reader->words = memory_allocate(reader->word_count, sizeof *reader->words)))
		return -1;
	const uint8_t *end = at + size;
	for (size_t i = 0; i < reader->word_count; i++)
		if (!take_text(&at, end, &reader->words[i]))
			return damaged("a dictionary");
	return 0;
}

/* The levels, 1 where there is a value, in front of the values: their bytes go from *at on. */
static int begin_levels(
    struct parquet_reader *reader, const struct page *page, const uint8_t **at, const uint8_t *end)
{
	uint64_t size = (uint64_t)page->levels;
	reader->has_levels = reader->optional;
	if (page->type == DATA_PAGE && reader->optional) {
		if (end - *at < 4 || page->level_encoding != RLE)
			return damaged("a page");
		size = bytes_load(*at, 4);
		*at += 4;
	}
	if (size > (uint64_t)(end - *at))
		return damaged("a page");
	reader->levels = (struct runs){ .at = *at, .end = *at + size, .width = 1 };
	*at += size;
	return 0;
}

static int begin_page(struct parquet_reader *reader, const struct page *page)
{
	const uint8_t *at, *end;
	size_t size;
	bool second = page->type == DATA_PAGE_2;
	if (page->levels < 0 || page->levels > page->compressed || page->repeats != 0)
		return damaged("a page's header");
	if (unpack(reader, page, second ? (size_t)page->levels : 0, &reader->page, &at, &size) < 0)
		return -1;
	end = at + size;
	if (begin_levels(reader, page, &at, end) < 0)
		return -1;
	reader->by_index = page->encoding == PLAIN_DICTIONARY || page->encoding == RLE_DICTIONARY;
	if (!reader->by_index && page->encoding != PLAIN)
		return error_input(
		    "parquet: the column is encoded in a way (%d) that is not read; plain and "
		    "dictionary are",
		    (int)page->encoding);
	reader->value = at;
	reader->value_end = end;
	if (reader->by_index && at < end) {
		reader->indices = (struct runs){ .at = at + 1, .end = end, .width = *at };
		if (*at > WIDTH_MOST)
			return damaged("a page");
	}
	if (page->values > reader->chunk_left)
		return damaged("the number of values");
	reader->page_left = page->values;
	reader->chunk_left -= page->values;
	return 0;
}

/* Go on to a page with values: 1, 0 after the last, -1. */
static int next_page(struct parquet_reader *reader)
{
	struct page page;
	while (reader->page_left == 0) {
		if (reader->chunk_left == 0) {
			int found = begin_chunk(reader);
			if (found <= 0)
				return found;
			continue;
		}
		if (read_header(reader, &page) < 0)
			return -1;
		int result = 0;
		if (page.type == DICTIONARY_PAGE)
			result = read_dictionary(reader, &page);
		else if (page.type == DATA_PAGE || page.type == DATA_PAGE_2)
			result = begin_page(reader, &page);
		else if (page.type != INDEX_PAGE)
			result = damaged("a page's header");
		if (result < 0)
			return -1;
		reader->at += page.compressed;
	}
	return 1;
}

/* Begin the next run; false when it is cut off, or empty. */
static bool begin_run(struct runs *runs)
{
	uint64_t head = 0;
	int shift = 0;
	do {
		if (runs->at == runs->end || shift > 28)
			return false;
		head |= (uint64_t)(*runs->at & 127) << shift;
		shift += 7;
	} while (*runs->at++ >= 128);
	size_t there = (size_t)(runs->end - runs->at);
	size_t size =
	    head & 1 ? (size_t)(head >> 1) * (size_t)runs->width : (size_t)(runs->width + 7) / 8;
	if (head >> 1 == 0 || size > there)
		return false;
	runs->packed = head & 1 ? runs->at : NULL;
	runs->number = head & 1 ? 0 : (uint32_t)(size ? bytes_load(runs->at, size) : 0);
	runs->left = head & 1 ? (head >> 1) * 8 : head >> 1;
	runs->place = 0;
	runs->at += size;
	return true;
}

static bool take_run(struct runs *runs, uint32_t *number)
{
	if (runs->left == 0 && !begin_run(runs))
		return false;
	runs->left--;
	*number = runs->number;
	if (!runs->packed)
		return true;
	uint64_t bits = 0;
	for (int i = 0; i < runs->width; i++, runs->place++)
		bits |= (uint64_t)(runs->packed[runs->place / 8] >> runs->place % 8 & 1) << i;
	*number = (uint32_t)bits;
	return true;
}

int parquet_next(struct parquet_reader *reader, const char **text, size_t *size)
{
	uint32_t number = 1;
	struct text found;
	int pages = next_page(reader);
	if (pages <= 0)
		return pages;
	reader->page_left--;
	reader->row++;
	if (reader->has_levels && !take_run(&reader->levels, &number))
		return damaged("a page");
	if (number == 0)
		return error_input(
		    "parquet: row %llu has no %s", (unsigned long long)reader->row, reader->column);
	if (reader->by_index) {
		if (!take_run(&reader->indices, &number) || number >= reader->word_count)
			return damaged("a page");
		found = reader->words[number];
	} else if (!take_text(&reader->value, reader->value_end, &found)) {
		return damaged("a page");
	}
	*text = (const char *)found.at;
	*size = found.size;
	return 1;
}

void parquet_close(struct parquet_reader *reader)
{
	if (!reader)
		return;
	memory_release(reader->chunks);
	memory_release(reader->page);
	memory_release(reader->dictionary);
	memory_release(reader->words);
	memory_release(reader);
}
