/* weights_write.c - a part as a model file again (see weights.h): the records of the file that it
 * was opened from, in their order, with trained values and new words in place of the old ones;
 * behind them what training added.
 */
#include "train/weights_private.h"
#include "base/dtype.h"
#include "base/ending.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/packed.h"
#include "model/finite.h"
#include "stream/model_file.h"
#include "stream/read.h"
#include "stream/write.h"

#include <string.h>

enum { PIECE = 1 << 16 }; /* elements that are converted at once */

/* The lines of the config record while it is written anew. */
struct words {
	char *text; /* RECORD_META_MOST bytes */
	size_t size;
};

/* The end of the line at text, behind its '\n' if it has one. */
static const char *line_end(const char *text, const char *end)
{
	const char *newline = memchr(text, '\n', (size_t)(end - text));
	return newline ? newline + 1 : end;
}

/* The line of words that sets the same word as line: "word=". NULL if there is none. */
static const char *same_word(
    const char *line, const char *line_stop, const char *words, size_t size)
{
	const char *equals = memchr(line, '=', (size_t)(line_stop - line)), *end = words + size;
	size_t length = equals ? (size_t)(equals - line) + 1 : 0;
	for (const char *at = words; length && at < end; at = line_end(at, end))
		if ((size_t)(end - at) >= length && memcmp(at, line, length) == 0)
			return at;
	return NULL;
}

static int add_line(struct words *words, const char *line, const char *stop)
{
	size_t length = (size_t)(stop - line);
	if (length > 0 && line[length - 1] == '\n')
		length--;
	if (length == 0)
		return 0;
	if (words->size + length + 1 > RECORD_META_MOST)
		return error_system("the words of the model take more than %d bytes", RECORD_META_MOST);
	memcpy(words->text + words->size, line, length);
	words->size += length;
	words->text[words->size++] = '\n';
	return 0;
}

/* The old lines, each replaced where added has its word; then the rest of added. */
static int merge_words(struct words *words, const char *old, size_t old_size, const char *added)
{
	size_t added_size = strlen(added);
	const char *old_end = old + old_size, *added_end = added + added_size, *stop;
	for (const char *at = old; at < old_end; at = stop) {
		stop = line_end(at, old_end);
		const char *other = same_word(at, stop, added, added_size);
		if ((other ? add_line(words, other, line_end(other, added_end))
		           : add_line(words, at, stop)) < 0)
			return -1;
	}
	for (const char *at = added; at < added_end; at = stop) {
		stop = line_end(at, added_end);
		if (!same_word(at, stop, old, old_size) && add_line(words, at, stop) < 0)
			return -1;
	}
	return 0;
}

/* zv-model(5): vectors, tables of positions and query tokens are f32 in every file. */
static bool stays_f32(const struct parameter *parameter)
{
	return parameter->dimensions == 1 || strcmp(parameter->name, "query_tokens") == 0 ||
	       strcmp(parameter->name, "embeddings.position_embedding") == 0 ||
	       strcmp(parameter->name, "embeddings.position_embeddings.weight") == 0;
}

/* Belongs to an adapter, which is a file of its own. */
static bool is_adapter(const struct weights *weights, const char *name)
{
	static const char *const ends[] = { ".lora_A", ".lora_B", ".scale" };
	char key[RECORD_KEY_MOST + 8];
	size_t stem;
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (ending_stem(name, strlen(name), ends[i], &stem) && stem <= RECORD_KEY_MOST) {
			memcpy(key, name, stem);
			memcpy(key + stem, ".lora_A", sizeof ".lora_A");
			return weights_find(weights, key) != NULL;
		}
	return false;
}

struct writing {
	const struct weights *weights;
	struct writer *writer;
	char dtype; /* asked for, or 0 */
	const char *words;
	float *wide;    /* [PIECE] elements on their way */
	uint8_t *piece; /* the same, converted */
};

/* The same of a packed matrix, a row at a time; pieces of a row are converted at once. */
static int put_unpacked(
    struct writing *writing, const struct record *record, const struct parameter *parameter)
{
	size_t columns = (size_t)parameter->shape[1], size = dtype_size(record->dtype);
	float *row = memory_allocate(columns, sizeof *row);
	int result = row ? 0 : -1;
	for (size_t i = 0; result == 0 && i < parameter->shape[0]; i++) {
		packed_get(parameter->dtype, parameter->stored, columns, i, 1, row);
		for (size_t first = 0; result == 0 && first < columns; first += PIECE) {
			size_t left = columns - first, count = left < PIECE ? left : PIECE;
			dtype_from_f32(record->dtype, row + first, writing->piece, count);
			result = writer_add_large(writing->writer, writing->piece, count * size);
		}
	}
	memory_release(row);
	return result < 0 ? -1 : writer_end_large(writing->writer);
}

/* Write a parameter's values, trained or as they are stored, in the record's dtype. */
static int put_values(
    struct writing *writing, struct record *record, const struct parameter *parameter)
{
	char dtype = parameter->value ? 'f' : parameter->dtype;
	const char *values = parameter->value ? (const char *)parameter->value : parameter->stored;
	if (record->dtype == dtype)
		return writer_put(writing->writer, record, values);
	if (writer_begin_large(writing->writer, record) < 0)
		return -1;
	if (packed_is(dtype))
		return put_unpacked(writing, record, parameter);
	for (size_t first = 0; first < parameter->count; first += PIECE) {
		size_t left = parameter->count - first, count = left < PIECE ? left : PIECE;
		dtype_to_f32(dtype, values + first * dtype_size(dtype), writing->wide, count);
		dtype_from_f32(record->dtype, writing->wide, writing->piece, count);
		dtype_to_f32(record->dtype, writing->piece, writing->wide, count);
		if (finite_check(writing->wide, count, parameter->name) < 0)
			return error_system(
			    "%s: a number is too large for %s", parameter->name, dtype_name(record->dtype));
		if (writer_add_large(writing->writer, writing->piece, count * dtype_size(record->dtype)) <
		    0)
			return -1;
	}
	return writer_end_large(writing->writer);
}

/* A record of the old file, whose payload is in the mapping. */
static int put_old(struct writing *writing, const struct record *old)
{
	const struct parameter *parameter = weights_find(writing->weights, old->key);
	struct record record = *old;
	struct weight weight;
	if (parameter && (parameter->value || writing->dtype)) {
		char dtype = stays_f32(parameter) ? 'f' : writing->dtype ? writing->dtype : old->dtype;
		const char *name = packed_is(parameter->dtype) ? "values" : old->name;
		record_tensor(&record, name, dtype, parameter->dimensions, parameter->shape);
		memcpy(record.key, old->key, sizeof record.key);
		record.maker = old->maker;
		record.source = old->source;
		if (!packed_is(parameter->dtype)) { /* whose meta tells the layout */
			record.meta = old->meta;
			record.meta_size = old->meta_size;
		}
		return put_values(writing, &record, parameter);
	}
	if (!model_file_find(weights_file(writing->weights), old->key, &weight))
		return error_system("the model file has changed while it was open");
	return writer_put(writing->writer, &record, weight.data);
}

static int put_config(struct writing *writing, const struct record *old)
{
	struct record record = *old;
	struct words words = { .text = memory_allocate(RECORD_META_MOST, 1) };
	int result = words.text ? merge_words(&words, old->meta_size ? old->meta : "", old->meta_size,
	                              writing->words)
	                        : -1;
	record.meta = words.text;
	record.meta_size = words.size;
	if (result == 0)
		result = writer_put(writing->writer, &record, "");
	memory_release(words.text);
	return result;
}

static int put_added(struct writing *writing)
{
	const struct weights *weights = writing->weights;
	for (size_t i = 0; i < weights->added_count; i++) {
		const struct parameter *parameter = weights->added[i];
		struct record record;
		if (!parameter->saved || is_adapter(weights, parameter->name))
			continue;
		char dtype = stays_f32(parameter) || !writing->dtype ? 'f' : writing->dtype;
		record_tensor(&record, "values", dtype, parameter->dimensions, parameter->shape);
		if (record_set_key(&record, parameter->name) < 0 ||
		    put_values(writing, &record, parameter) < 0)
			return -1;
	}
	return 0;
}

static int put_all(struct writing *writing, struct reader *reader)
{
	struct record record;
	int found;
	for (bool first = true; (found = reader_next(reader, &record)) > 0; first = false)
		if ((first ? put_config(writing, &record) : put_old(writing, &record)) < 0)
			return -1;
	return found < 0 ? -1 : put_added(writing);
}

int weights_write(const struct weights *weights, const char *path, char dtype, const char *words)
{
	struct writing writing = { .weights = weights, .dtype = dtype, .words = words ? words : "" };
	struct reader *reader = reader_open(model_file_path(weights->file));
	if (!reader)
		return error_as(ERROR_SYSTEM);
	reader_trust(reader); /* payloads come from the mapping, which was verified */
	int result = -1;
	if ((writing.wide = memory_allocate(PIECE, sizeof(float))) &&
	    (writing.piece = memory_allocate(PIECE, sizeof(float))) &&
	    (writing.writer = writer_open(path, WRITER_BARE)))
		result = put_all(&writing, reader);
	reader_close(reader);
	memory_release(writing.wide);
	memory_release(writing.piece);
	if (result == 0)
		return writer_finish(writing.writer);
	writer_abandon(writing.writer);
	return error_as(ERROR_SYSTEM);
}
