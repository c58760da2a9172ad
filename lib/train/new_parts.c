/* new_parts.c - tensors with their first values (see new_parts.h). */
#include "train/new_parts.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/random.h"
#include "stream/write.h"
#include "train/new_config.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PIECE = 1 << 14, NAME_BYTES = 200 };

const char *new_part_setting(const struct new_part *part, const char *word)
{
	static _Thread_local char name[NAME_BYTES];
	snprintf(name, sizeof name, "%s.%s", part->name, word);
	return name;
}

void new_part_word(struct new_part *part, const char *format, ...)
{
	size_t used = strlen(part->words);
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(part->words + used, sizeof part->words - used, format, arguments);
	va_end(arguments);
	if (length < 0 || (size_t)length >= sizeof part->words - used)
		part->failed = error_input("%s: the settings are too long", part->name);
}

int new_part_whole(
    struct new_part *part, const char *word, int64_t least, int64_t most, int64_t *value)
{
	if (new_config_whole(part->config, new_part_setting(part, word), least, most, value) < 0)
		return -1;
	new_part_word(part, "%s=%lld\n", word, (long long)*value);
	return 0;
}

int new_part_real(
    struct new_part *part, const char *word, double least, double most, const char *usual)
{
	const char *setting = new_part_setting(part, word);
	const char *text = new_config_text(part->config, setting);
	double value;
	if (text && number_real(text, least, most, &value) < 0)
		return error_context("%s", setting);
	if (text || usual)
		new_part_word(part, "%s=%s\n", word, text ? text : usual);
	return 0;
}

int new_part_flag(struct new_part *part, const char *word)
{
	int64_t value = 0;
	return new_config_whole(part->config, new_part_setting(part, word), 0, 1, &value) < 0
	           ? -1
	           : (int)value;
}

void new_part_config(struct new_part *part)
{
	struct record record = { 0 };
	record_tensor(&record, part->name, 'B', 1, (const uint64_t[]){ 0 });
	record.meta = part->words;
	record.meta_size = strlen(part->words);
	if (!part->failed &&
	    (record_set_key(&record, "config") < 0 || writer_put(part->writer, &record, "") < 0))
		part->failed = -1;
}

void new_part_bytes(struct new_part *part, const char *key, const void *bytes, size_t size)
{
	struct record record = { 0 };
	record_tensor(&record, "bytes", 'B', 1, (const uint64_t[]){ size });
	if (!part->failed &&
	    (record_set_key(&record, key) < 0 || writer_put(part->writer, &record, bytes) < 0))
		part->failed = -1;
}

/* --- values ------------------------------------------------------------------------------------ */

/* How the values of a tensor are drawn. */
struct draw {
	enum { DRAW_CONSTANT, DRAW_NORMAL, DRAW_UNIFORM } kind;
	double size; /* the constant, the deviation, the limit */
	uint32_t key[2], stream[2];
};

/* Which sequence of numbers belongs to a name: the query FFN has that of the text FFN. */
static uint64_t stream_of(const struct new_part *part, const char *name)
{
	char text[NAME_BYTES];
	const char *query = strstr(name, "_query");
	int before = query ? (int)(query - name) : (int)strlen(name);
	snprintf(text, sizeof text, "%s.%.*s%s", part->name, before, name,
	    query ? query + strlen("_query") : "");
	return checksum_of(text, strlen(text));
}

/* Four numbers, of the elements 4 * block to 4 * block + 3. */
static void draw_block(const struct draw *draw, uint64_t block, float values[4])
{
	uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32), draw->stream[0],
		draw->stream[1] };
	uint32_t words[4];
	double unit[4];
	random_block(counter, draw->key, words);
	for (int i = 0; i < 4; i++)
		unit[i] = ((double)words[i] + 0.5) * 0x1p-32; /* in (0, 1) */
	for (int i = 0; i < 4 && draw->kind == DRAW_UNIFORM; i++)
		values[i] = (float)(draw->size * (2 * unit[i] - 1));
	for (int i = 0; i < 4 && draw->kind == DRAW_NORMAL; i += 2) { /* Box and Muller */
		double radius = draw->size * sqrt(-2 * log(unit[i])),
		       angle = 0x1.921fb54442d18p2 * unit[i + 1];
		values[i] = (float)(radius * cos(angle));
		values[i + 1] = (float)(radius * sin(angle));
	}
	for (int i = 0; i < 4 && draw->kind == DRAW_CONSTANT; i++)
		values[i] = (float)draw->size;
}

static int put_values(struct new_part *part, struct record *record, const struct draw *draw)
{
	float values[PIECE];
	char bytes[PIECE * sizeof(float)];
	uint64_t elements, done = 0;
	if (record_elements(record, &elements) < 0 || writer_begin_large(part->writer, record) < 0)
		return -1;
	while (done < elements) {
		size_t n = elements - done < PIECE ? (size_t)(elements - done) : PIECE;
		for (size_t i = 0; i < n; i += 4)
			draw_block(draw, (done + i) / 4, values + i);
		dtype_from_f32(record->dtype, values, bytes, n);
		if (writer_add_large(part->writer, bytes, n * dtype_size(record->dtype)) < 0)
			return -1;
		done += n;
	}
	return writer_end_large(part->writer);
}

/* A tensor [rows][columns], or [columns] if rows is 0. */
static void put(struct new_part *part, const char *name, char dtype, size_t rows, size_t columns,
    struct draw draw)
{
	struct record record = { 0 };
	const uint64_t shape[2] = { rows, columns };
	uint64_t stream = stream_of(part, name);
	draw.key[0] = (uint32_t)part->seed;
	draw.key[1] = (uint32_t)(part->seed >> 32);
	draw.stream[0] = (uint32_t)stream;
	draw.stream[1] = (uint32_t)(stream >> 32);
	record_tensor(&record, "values", dtype, rows ? 2 : 1, rows ? shape : shape + 1);
	if (!part->failed &&
	    (record_set_key(&record, name) < 0 || put_values(part, &record, &draw) < 0))
		part->failed = -1;
}

static double spread_of(const struct new_part *part, size_t in)
{
	return part->spread > 0 ? part->spread : 1 / sqrt((double)in);
}

/* What a format gives, with a suffix. */
static void name_of(char name[NAME_BYTES], const char *suffix, const char *format,
    va_list arguments) __attribute__((format(printf, 3, 0)));
static void name_of(
    char name[NAME_BYTES], const char *suffix, const char *format, va_list arguments)
{
	size_t most = NAME_BYTES - strlen(suffix);
	vsnprintf(name, most, format, arguments);
	strcat(name, suffix);
}

void new_part_linear(struct new_part *part, size_t out, size_t in, enum new_values values,
    double factor, const char *format, ...)
{
	char name[NAME_BYTES];
	struct draw draw = { DRAW_NORMAL, factor * spread_of(part, in), { 0 }, { 0 } };
	if (values == NEW_UNIFORM)
		draw = (struct draw){ DRAW_UNIFORM, factor / sqrt((double)in), { 0 }, { 0 } };
	va_list arguments;
	va_start(arguments, format);
	name_of(name, ".weight", format, arguments);
	va_end(arguments);
	put(part, name, part->dtype, out, in, draw);
	va_start(arguments, format);
	name_of(name, ".bias", format, arguments);
	va_end(arguments);
	if (values != NEW_UNIFORM)
		draw = (struct draw){ DRAW_CONSTANT, 0, { 0 }, { 0 } };
	put(part, name, 'f', 0, out, draw);
}

void new_part_matrix(
    struct new_part *part, size_t out, size_t in, double factor, const char *format, ...)
{
	char name[NAME_BYTES];
	va_list arguments;
	va_start(arguments, format);
	name_of(name, ".weight", format, arguments);
	va_end(arguments);
	put(part, name, part->dtype, out, in,
	    (struct draw){ DRAW_NORMAL, factor * spread_of(part, in), { 0 }, { 0 } });
}

void new_part_norm(struct new_part *part, size_t n, bool biased, const char *format, ...)
{
	char name[NAME_BYTES];
	va_list arguments;
	va_start(arguments, format);
	name_of(name, ".weight", format, arguments);
	va_end(arguments);
	new_part_constant(part, n, 1, name);
	va_start(arguments, format);
	name_of(name, ".bias", format, arguments);
	va_end(arguments);
	if (biased)
		new_part_constant(part, n, 0, name);
}

void new_part_table(
    struct new_part *part, size_t rows, size_t columns, double spread, const char *name)
{
	put(part, name, 'f', rows, columns, (struct draw){ DRAW_NORMAL, spread, { 0 }, { 0 } });
}

void new_part_constant(struct new_part *part, size_t n, float value, const char *name)
{
	put(part, name, 'f', 0, n, (struct draw){ DRAW_CONSTANT, value, { 0 }, { 0 } });
}
