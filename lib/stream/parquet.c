/* parquet.c - writing a column of texts (see parquet.h). The file is
 *     "PAR1" | pages, each a header and lengths (u32) with texts | metadata | its size (u32) | "PAR1"
 * and headers and metadata are structures in Thrift's compact encoding: fields as (distance from
 * the last field << 4 | type), whole numbers as zigzag varints, 0 at the end.
 */
#include "stream/parquet.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/bytes.h"

#include <string.h>

enum { PAGE_SIZE = 1 << 20, METADATA_MOST = 512, NAME_MOST = 64 };

/* Of Thrift and of Parquet, in their own numbers. */
enum { TYPE_I32 = 5, TYPE_I64 = 6, TYPE_BINARY = 8, TYPE_LIST = 9, TYPE_STRUCT = 12 };
enum {
	BYTE_ARRAY = 6,
	REQUIRED = 0,
	UTF8 = 0,
	PLAIN = 0,
	RLE = 3,
	DATA_PAGE = 0,
	UNCOMPRESSED = 0
};

struct parquet_writer {
	struct output *output;
	char column[NAME_MOST];
	uint8_t *page; /* lengths and texts that wait */
	size_t size, capacity;
	uint64_t page_count, count; /* texts in it, and in all */
	uint64_t written;           /* bytes of the file so far */
};

/* A structure being encoded. */
struct thrift {
	uint8_t bytes[METADATA_MOST];
	size_t size;
	int last; /* field of the structure that is open */
};

static void put_varint(struct thrift *thrift, uint64_t number)
{
	for (; number >= 0x80; number >>= 7)
		thrift->bytes[thrift->size++] = (uint8_t)(number | 0x80);
	thrift->bytes[thrift->size++] = (uint8_t)number;
}

static void put_field(struct thrift *thrift, int field, int type)
{
	thrift->bytes[thrift->size++] = (uint8_t)((field - thrift->last) << 4 | type);
	thrift->last = field;
}

/* Numbers here are never negative: zigzag doubles them. */
static void put_number(struct thrift *thrift, int field, int type, uint64_t number)
{
	put_field(thrift, field, type);
	put_varint(thrift, number << 1);
}

static void put_text(struct thrift *thrift, const char *text)
{
	size_t size = strlen(text);
	put_varint(thrift, size);
	memcpy(thrift->bytes + thrift->size, text, size);
	thrift->size += size;
}

static void put_list(struct thrift *thrift, int field, int type, int count)
{
	put_field(thrift, field, TYPE_LIST);
	thrift->bytes[thrift->size++] = (uint8_t)(count << 4 | type);
}

/* Go into a structure, and out of it to the field that it is. */
static void begin(struct thrift *thrift)
{
	thrift->last = 0;
}

static void end(struct thrift *thrift, int field)
{
	thrift->bytes[thrift->size++] = 0;
	thrift->last = field;
}

static int put(struct parquet_writer *writer, const void *bytes, size_t size)
{
	writer->written += size;
	return output_write(writer->output, bytes, size);
}

struct parquet_writer *parquet_open(struct output *output, const char *column)
{
	struct parquet_writer *writer = memory_allocate_zero(1, sizeof *writer);
	if (!writer)
		return NULL;
	writer->output = output;
	memcpy(writer->column, column, strlen(column) < NAME_MOST ? strlen(column) : NAME_MOST - 1);
	if (put(writer, "PAR1", 4) < 0) {
		memory_release(writer);
		return NULL;
	}
	return writer;
}

static int write_page(struct parquet_writer *writer)
{
	struct thrift header = { .size = 0 };
	put_number(&header, 1, TYPE_I32, DATA_PAGE);
	put_number(&header, 2, TYPE_I32, writer->size);
	put_number(&header, 3, TYPE_I32, writer->size);
	put_field(&header, 5, TYPE_STRUCT);
	begin(&header);
	put_number(&header, 1, TYPE_I32, writer->page_count);
	put_number(&header, 2, TYPE_I32, PLAIN);
	put_number(&header, 3, TYPE_I32, RLE); /* of levels, which a required column has not */
	put_number(&header, 4, TYPE_I32, RLE);
	end(&header, 5);
	end(&header, 0);
	if (put(writer, header.bytes, header.size) < 0 || put(writer, writer->page, writer->size) < 0)
		return -1;
	writer->size = writer->page_count = 0;
	return 0;
}

int parquet_add(struct parquet_writer *writer, const char *text, size_t size)
{
	void *page = writer->page;
	if (size > PAGE_SIZE)
		return error_input("a text of %zu bytes; %d are the most", size, PAGE_SIZE);
	if (writer->size >= PAGE_SIZE && write_page(writer) < 0)
		return -1;
	if (memory_grow(&page, &writer->capacity, writer->size + size + 4, 1) < 0)
		return -1;
	writer->page = page;
	bytes_store(writer->page + writer->size, 4, size);
	memcpy(writer->page + writer->size + 4, text, size);
	writer->size += size + 4;
	writer->page_count++;
	writer->count++;
	return 0;
}

/* The root, and the column in it. */
static void put_schema(struct thrift *thrift, const char *column)
{
	put_list(thrift, 2, TYPE_STRUCT, 2);
	begin(thrift);
	put_field(thrift, 4, TYPE_BINARY);
	put_text(thrift, "schema");
	put_number(thrift, 5, TYPE_I32, 1); /* children */
	end(thrift, 0);
	begin(thrift);
	put_number(thrift, 1, TYPE_I32, BYTE_ARRAY);
	put_number(thrift, 3, TYPE_I32, REQUIRED);
	put_field(thrift, 4, TYPE_BINARY);
	put_text(thrift, column);
	put_number(thrift, 6, TYPE_I32, UTF8);
	end(thrift, 2);
}

/* The one group of rows with its one chunk: pages from byte 4 on, size bytes. */
static void put_rows(struct thrift *thrift, const struct parquet_writer *writer, uint64_t size)
{
	put_list(thrift, 4, TYPE_STRUCT, 1);
	begin(thrift);
	put_list(thrift, 1, TYPE_STRUCT, 1);
	begin(thrift);
	put_number(thrift, 2, TYPE_I64, 4);
	put_field(thrift, 3, TYPE_STRUCT);
	begin(thrift);
	put_number(thrift, 1, TYPE_I32, BYTE_ARRAY);
	put_list(thrift, 2, TYPE_I32, 1);
	put_varint(thrift, PLAIN << 1);
	put_list(thrift, 3, TYPE_BINARY, 1);
	put_text(thrift, writer->column);
	put_number(thrift, 4, TYPE_I32, UNCOMPRESSED);
	put_number(thrift, 5, TYPE_I64, writer->count);
	put_number(thrift, 6, TYPE_I64, size);
	put_number(thrift, 7, TYPE_I64, size);
	put_number(thrift, 9, TYPE_I64, 4);
	end(thrift, 3); /* of the metadata */
	end(thrift, 1); /* of the chunk */
	put_number(thrift, 2, TYPE_I64, size);
	put_number(thrift, 3, TYPE_I64, writer->count);
	end(thrift, 4);
}

static int write_metadata(struct parquet_writer *writer)
{
	struct thrift metadata = { .size = 0 };
	uint8_t tail[8];
	put_number(&metadata, 1, TYPE_I32, 1); /* version */
	put_schema(&metadata, writer->column);
	put_number(&metadata, 3, TYPE_I64, writer->count);
	put_rows(&metadata, writer, writer->written - 4);
	put_field(&metadata, 6, TYPE_BINARY);
	put_text(&metadata, "zv");
	end(&metadata, 0);
	bytes_store(tail, 4, metadata.size);
	memcpy(tail + 4, "PAR1", 4);
	return put(writer, metadata.bytes, metadata.size) < 0 ? -1 : put(writer, tail, sizeof tail);
}

int parquet_finish(struct parquet_writer *writer)
{
	if (!writer)
		return 0;
	int result = writer->page_count > 0 ? write_page(writer) : 0;
	if (result == 0)
		result = write_metadata(writer);
	memory_release(writer->page);
	memory_release(writer);
	return result;
}
