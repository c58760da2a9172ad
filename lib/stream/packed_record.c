/* packed_record.c - packed matrices as records (see packed_record.h). */
#include "stream/packed_record.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/packed.h"

#include <stdio.h>
#include <string.h>

static const char record_name[] = "packed";

/* The size of a matrix in 64 bits as blocks and bytes of a block. */
static int measure(char type, uint64_t rows, uint64_t columns, size_t *blocks, size_t *block)
{
	size_t height, width;
	if (!checked_size(rows, &height) || !checked_size(columns, &width) ||
	    !packed_size(type, height, width, blocks, block))
		return error_input("a matrix of %llu x %llu is too large", (unsigned long long)rows,
		    (unsigned long long)columns);
	return 0;
}

int packed_record_make(
    struct record *record, char type, uint64_t rows, uint64_t columns, char meta[PACKED_META])
{
	size_t blocks, block;
	if (measure(type, rows, columns, &blocks, &block) < 0)
		return -1;
	record_tensor(record, record_name, 'B', 2, (const uint64_t[]){ blocks, block });
	int length = snprintf(meta, PACKED_META, "layout=%s\nrows=%llu\ncolumns=%llu\n",
	    packed_layout(type), (unsigned long long)rows, (unsigned long long)columns);
	if (type == PACKED_INT4)
		length += snprintf(meta + length, PACKED_META - (size_t)length, "group=%d\n", PACKED_GROUP);
	record->meta = meta;
	record->meta_size = (size_t)length;
	return 0;
}

static int read_word(
    const struct record *record, const char *word, int64_t least, int64_t most, int64_t *value)
{
	char text[32];
	if (!record_meta(record, word, text, sizeof text))
		return error_input("packed matrix \"%.200s\" has no word \"%s\"", record->key, word);
	if (number_whole(text, least, most, value) < 0)
		return error_context("packed matrix \"%.200s\", word \"%s\"", record->key, word);
	return 0;
}

int packed_record_parse(const struct record *record, char *type, uint64_t shape[2])
{
	char layout[64];
	int64_t rows, columns, group;
	size_t blocks, block;
	if (record->kind != RECORD_TENSOR || record->dtype != 'B' ||
	    strcmp(record->name, record_name) != 0 ||
	    !record_meta(record, "layout", layout, sizeof layout))
		return 0;
	char found = packed_from_layout(layout);
	if (!found)
		return error_input(
		    "packed matrix \"%.200s\" has the unknown layout \"%s\"", record->key, layout);
	if (read_word(record, "rows", 1, (int64_t)RECORD_DIMENSION_MOST, &rows) < 0 ||
	    read_word(record, "columns", 1, (int64_t)RECORD_DIMENSION_MOST, &columns) < 0 ||
	    (found == PACKED_INT4 &&
	        read_word(record, "group", PACKED_GROUP, PACKED_GROUP, &group) < 0))
		return -1;
	if (measure(found, (uint64_t)rows, (uint64_t)columns, &blocks, &block) < 0)
		return error_context("packed matrix \"%.200s\"", record->key);
	if (record->dimensions != 2 || record->shape[0] != blocks || record->shape[1] != block)
		return error_input("packed matrix \"%.200s\" of %lld x %lld as %s is %zu blocks of %zu "
		                   "bytes, not these",
		    record->key, (long long)rows, (long long)columns, layout, blocks, block);
	*type = found;
	shape[0] = (uint64_t)rows;
	shape[1] = (uint64_t)columns;
	return 1;
}

int packed_record_unpack(struct record *record, const void *payload, void **values)
{
	char type;
	uint64_t shape[2];
	size_t count;
	struct record wide;
	*values = NULL;
	int found = packed_record_parse(record, &type, shape);
	if (found <= 0)
		return found;
	if (!checked_multiply((size_t)shape[0], (size_t)shape[1], &count))
		return error_memory(SIZE_MAX);
	float *numbers = memory_allocate(count, sizeof *numbers);
	if (!numbers)
		return -1;
	packed_get(type, payload, (size_t)shape[1], 0, (size_t)shape[0], numbers);
	record_tensor(&wide, "values", 'f', 2, shape);
	wide.maker = record->maker;
	wide.source = record->source;
	wide.more = record->more;
	memcpy(wide.key, record->key, sizeof wide.key);
	*record = wide;
	*values = numbers;
	return 0;
}
