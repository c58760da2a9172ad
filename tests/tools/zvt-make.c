/* zvt-make - a tensor stream from text, for tests. usage: zvt-make [-b] [-l LEVEL] [FILE] <text
 * -b bare records; -l zstd level (0: stored, default 1). Lines of the text, fields by TAB:
 *     KEY  NAME  DTYPE  SHAPE  VALUES   a tensor; "NAME+": more parts of the sample follow
 *     !KEY  REASON                      a failed item
 *     =WORD=VALUE                       meta of the next record
 *     @WORD=VALUE                       maker text of all records that follow; "@" begins anew
 *     ^TEXT                             source of the next record: the digest of TEXT
 * DTYPE as in zv-ls (f32, bf16, u8, ...); SHAPE as 2x3, or "scalar". VALUES: numbers separated by
 * spaces, repeated until the shape is full; "text:..." for the bytes of a text, whose SHAPE "-" is
 * its length; "random:SEED" for numbers from -1 to 1 with 8 bits behind the point.
 */
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/program.h"
#include "stream/maker.h"
#include "stream/write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { META_SIZE = 65536 };

static char meta[META_SIZE];
static size_t meta_size;
static struct digest source;
static char maker_text[META_SIZE];
static size_t maker_size;

_Noreturn static void stop(const char *where)
{
	fprintf(stderr, "zvt-make: %s: %s\n", where, error_text());
	exit(2);
}

/* Cut the line into fields at its TABs; their number. */
static int cut_fields(char *line, char **fields, int most)
{
	int count = 0;
	while (count < most) {
		fields[count++] = line;
		char *tab = count < most ? strchr(line, '\t') : NULL;
		if (!tab)
			break;
		*tab = '\0';
		line = tab + 1;
	}
	return count;
}

static int parse_shape(const char *text, uint64_t *shape)
{
	int dimensions = 0;
	if (strcmp(text, "scalar") == 0)
		return 0;
	while (dimensions < RECORD_DIMENSIONS) {
		char *end;
		shape[dimensions++] = strtoull(text, &end, 10);
		if (*end != 'x')
			break;
		text = end + 1;
	}
	return dimensions;
}

static void store(char dtype, unsigned char *at, double value)
{
	float narrow = (float)value;
	int64_t whole = fabs(value) < 0x1p63 ? (int64_t)value : 0; /* 0 for NaN too */
	if (dtype == 'd')
		memcpy(at, &value, sizeof value);
	else if (dtype_is_float(dtype))
		dtype_from_f32(dtype, &narrow, at, 1);
	else
		memcpy(at, &whole, dtype_size(dtype)); /* little-endian, as the format is */
}

static void fill(const struct record *record, unsigned char *payload, const char *values)
{
	size_t size = dtype_size(record->dtype), count = (size_t)record->payload_size / size;
	const char *at = values, *number = values;
	uint32_t state = 0;
	bool random = strncmp(values, "random:", 7) == 0;
	if (random)
		state = (uint32_t)strtoul(values + 7, NULL, 10) * 2654435761u + 1;
	for (size_t i = 0; i < count; i++) {
		char *end;
		double value;
		if (random) {
			state = state * 1664525u + 1013904223u;
			value = (double)((int)(state >> 23) - 256) / 256;
		} else {
			value = strtod(at, &end);
			if (end == at) {
				at = values;
				value = strtod(at, &end);
			}
			number = at;
			at = end;
		}
		if (random || size < 8 || record->dtype == 'd') {
			store(record->dtype, payload + i * size, value);
			continue;
		}
		/* 64 bits are more than a double holds; minus goes around as it should. */
		uint64_t whole = strtoull(number, NULL, 10);
		memcpy(payload + i * size, &whole, sizeof whole);
	}
}

static void stamp(struct record *record)
{
	record->source = source;
	if (meta_size > 0) {
		record->meta = meta;
		record->meta_size = meta_size;
	} else if (maker_size > 0) {
		record->meta = maker_text;
		record->meta_size = maker_size;
		record->maker = digest_of(maker_text, maker_size);
	}
	memset(&source, 0, sizeof source);
}

static void put_tensor(struct writer *writer, char **fields)
{
	struct record record;
	uint64_t shape[RECORD_DIMENSIONS];
	size_t name_size = strlen(fields[1]);
	bool more = name_size > 0 && fields[1][name_size - 1] == '+';
	if (more)
		fields[1][name_size - 1] = '\0';
	const char *text = strncmp(fields[4], "text:", 5) == 0 ? fields[4] + 5 : NULL;
	char dtype = dtype_from_name(fields[2]);
	int dimensions = parse_shape(fields[3], shape);
	if (text && strcmp(fields[3], "-") == 0)
		shape[0] = strlen(text), dimensions = 1;
	record_tensor(&record, fields[1], dtype, dimensions, shape);
	record.more = more;
	stamp(&record);
	if (!dtype || record.payload_size > (uint64_t)1 << 30 || record_set_key(&record, fields[0]) < 0)
		stop(fields[0]);
	unsigned char *payload = memory_allocate((size_t)record.payload_size, 1);
	if (!payload)
		stop(fields[0]);
	if (text)
		memcpy(payload, text, (size_t)record.payload_size);
	else
		fill(&record, payload, fields[4]);
	if (writer_put(writer, &record, payload) < 0)
		stop(fields[0]);
	memory_release(payload);
	meta_size = 0;
}

static void add_line(char *text, size_t *size, const char *line)
{
	int length = snprintf(text + *size, META_SIZE - *size, "%s\n", line);
	*size += (size_t)length < META_SIZE - *size ? (size_t)length : 0;
}

static void take_line(struct writer *writer, char *line)
{
	char *fields[5];
	if (line[0] == '=') {
		add_line(meta, &meta_size, line + 1);
	} else if (line[0] == '@') {
		maker_size = line[1] ? maker_size : 0;
		if (line[1])
			add_line(maker_text, &maker_size, line + 1);
	} else if (line[0] == '^') {
		source = digest_of(line + 1, strlen(line + 1));
	} else if (line[0] == '!') {
		if (cut_fields(line + 1, fields, 2) != 2 ||
		    writer_fail(writer, fields[0], fields[1], &source) < 0)
			stop(line);
	} else if (cut_fields(line, fields, 5) == 5) {
		put_tensor(writer, fields);
	} else if (line[0]) {
		error_input("no five fields");
		stop(line);
	}
}

int main(int argc, char **argv)
{
	enum writer_form form = WRITER_COMPRESSED;
	int letter;
	while ((letter = getopt(argc, argv, "bl:")) != -1) {
		if (letter == 'b')
			form = WRITER_BARE;
		else if (letter != 'l' || number_whole(optarg, 0, 19, &common.level) < 0)
			return 2;
	}
	struct writer *writer = writer_open(argv[optind], form);
	if (!writer)
		stop("output");
	char *line = NULL;
	size_t capacity = 0;
	ssize_t length;
	while ((length = getline(&line, &capacity, stdin)) >= 0) {
		if (length > 0 && line[length - 1] == '\n')
			line[length - 1] = '\0';
		take_line(writer, line);
	}
	free(line);
	if (writer_finish(writer) < 0)
		stop("output");
	return 0;
}
