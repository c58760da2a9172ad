/* stack.c - stacking records into a matrix and taking it apart (see stack.h). */
#include "stream/stack.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/program.h"
#include "stream/rows.h"

#include <string.h>

static const char keys_name[] = "keys", sources_name[] = "sources";

/* Bytes that grow. */
struct bytes {
	uint8_t *at;
	size_t size, capacity;
};

struct stack {
	struct record row; /* what every record must be like; its meta is ours */
	uint64_t count;
	bool has_sources, quantised; /* rows of int8: with scales */
	struct bytes matrix, scales, keys, sources;
};

struct stack *stack_new(void)
{
	return memory_allocate_zero(1, sizeof(struct stack));
}

void stack_release(struct stack *stack)
{
	if (!stack)
		return;
	memory_release((void *)stack->row.meta);
	memory_release(stack->matrix.at);
	memory_release(stack->scales.at);
	memory_release(stack->keys.at);
	memory_release(stack->sources.at);
	memory_release(stack);
}

static int append(struct bytes *bytes, const void *from, size_t size)
{
	if (memory_grow((void **)&bytes->at, &bytes->capacity, bytes->size + size, 1) < 0)
		return -1;
	if (size > 0)
		memcpy(bytes->at + bytes->size, from, size);
	bytes->size += size;
	return 0;
}

static int begin(struct stack *stack, const struct record *record)
{
	if (record->dimensions == RECORD_DIMENSIONS)
		return error_input("\"%.200s\" has %d dimensions already", record->key, RECORD_DIMENSIONS);
	char *meta = memory_text(record->meta_size ? record->meta : "", record->meta_size);
	if (!meta)
		return -1;
	stack->row = *record;
	stack->row.meta = meta;
	return 0;
}

static int check_row(const struct stack *stack, const struct record *record)
{
	char found[200], wanted[200];
	const struct record *row = &stack->row;
	record_shape_text(record, found);
	record_shape_text(row, wanted);
	if (strcmp(record->name, row->name) != 0)
		return error_input("\"%.200s\" is \"%s\" where \"%s\" is stacked; choose one with -n",
		    record->key, record->name, row->name);
	if (record->dtype != row->dtype || strcmp(found, wanted) != 0)
		return error_input("\"%.200s\" is %s of dtype '%c' where %s of '%c' is stacked",
		    record->key, found, record->dtype, wanted, row->dtype);
	bool same_maker = digest_equal(&record->maker, &row->maker) &&
	                  record->meta_size == row->meta_size &&
	                  (row->meta_size == 0 || memcmp(record->meta, row->meta, row->meta_size) == 0);
	if (!same_maker && !common.any_maker)
		return error_input("\"%.200s\" has another maker than the rows before it; --any-maker "
		                   "stacks it",
		    record->key);
	return 0;
}

static bool is_quantised(const struct sample *sample)
{
	return sample->count > 1 && rows_are_scales(&sample->parts[0].record, &sample->parts[1].record);
}

int stack_add(struct stack *stack, const struct sample *sample)
{
	const struct sample_part *scale = is_quantised(sample) ? &sample->parts[1] : NULL;
	const struct record *record = &sample->parts[0].record;
	struct rows rows;
	if (sample->count != 1 + (scale != NULL))
		return error_input(
		    "\"%.200s\" has %d parts; choose one with -n", record->key, sample->count);
	if (scale &&
	    rows_open(&rows, record, sample->parts[0].payload, &scale->record, scale->payload) < 0)
		return error_context("\"%.200s\"", record->key);
	if ((stack->count == 0 ? begin(stack, record) : check_row(stack, record)) < 0)
		return -1;
	if (stack->count > 0 && stack->quantised != (scale != NULL))
		return error_input("\"%.200s\": rows with scales and without are not stacked", record->key);
	stack->quantised = scale != NULL;
	if (record->payload_size > (uint64_t)common.max_record - stack->matrix.size)
		return error_input("the stack would be larger than --max-record (%lld bytes)",
		    (long long)common.max_record);
	if (append(&stack->keys, record->key, strlen(record->key)) < 0 ||
	    append(&stack->keys, "\n", 1) < 0 ||
	    append(&stack->sources, record->source.bytes, sizeof record->source.bytes) < 0 ||
	    (scale && append(&stack->scales, scale->payload, (size_t)scale->record.payload_size) < 0) ||
	    append(&stack->matrix, sample->parts[0].payload, (size_t)record->payload_size) < 0)
		return -1;
	stack->has_sources |= !digest_is_zero(&record->source);
	stack->count++;
	return 0;
}

static int write_part(struct writer *writer, struct record *record, const struct stack *stack,
    const char *key, bool more, const struct bytes *bytes)
{
	if (record_set_key(record, key) < 0)
		return -1;
	record->more = more;
	record->maker = stack->row.maker;
	record->meta = stack->row.meta;
	record->meta_size = stack->row.meta_size;
	return writer_put(writer, record, bytes->at);
}

/* The scales of all rows, as rows.h wants them behind the matrix. */
static int write_scales(
    struct stack *stack, const char *key, const uint64_t *shape, struct writer *writer)
{
	struct record record;
	char name[RECORD_NAME_MOST + 1];
	if (!stack->quantised)
		return 0;
	rows_scale_name(stack->row.name, name);
	record_tensor(&record, name, 'f', stack->row.dimensions, shape);
	return write_part(writer, &record, stack, key, true, &stack->scales);
}

int stack_write(struct stack *stack, const char *key, struct writer *writer)
{
	struct record record;
	uint64_t shape[RECORD_DIMENSIONS] = { stack->count }, size = stack->keys.size;
	uint64_t sources[2] = { stack->count, sizeof(struct digest) };
	if (stack->count == 0)
		return 0;
	memcpy(shape + 1, stack->row.shape, (RECORD_DIMENSIONS - 1) * sizeof *shape);
	record_tensor(&record, stack->row.name, stack->row.dtype, stack->row.dimensions + 1, shape);
	if (write_part(writer, &record, stack, key, true, &stack->matrix) < 0 ||
	    write_scales(stack, key, shape, writer) < 0)
		return -1;
	record_tensor(&record, keys_name, 'B', 1, &size);
	if (write_part(writer, &record, stack, key, stack->has_sources, &stack->keys) < 0)
		return -1;
	if (!stack->has_sources)
		return 0;
	record_tensor(&record, sources_name, 'B', 2, sources);
	return write_part(writer, &record, stack, key, false, &stack->sources);
}

/* The key at *at, which goes behind its newline; false if there is none that a record may have. */
static bool next_key(const char **at, const char *end, struct record *record)
{
	char key[RECORD_KEY_MOST + 1];
	const char *newline = memchr(*at, '\n', (size_t)(end - *at));
	if (!newline || (size_t)(newline - *at) > RECORD_KEY_MOST)
		return false;
	size_t size = (size_t)(newline - *at);
	memcpy(key, *at, size);
	key[size] = '\0';
	*at = newline + 1;
	return strlen(key) == size && record_set_key(record, key) == 0;
}

/* Do the parts fit each other? Everything is checked before anything is written. */
static int check_stack(struct sample *sample, const struct sample_part *matrix,
    const struct sample_part *scales, const struct sample_part *keys,
    const struct sample_part *sources)
{
	struct record record;
	struct rows rows;
	const char *key = sample->parts[0].record.key;
	if (!keys || keys == matrix || keys->record.dtype != 'B' || matrix->record.dimensions == 0 ||
	    sample->count != 2 + (scales != NULL) + (sources != NULL))
		return error_input("\"%.200s\" is no stack: it wants a matrix and its \"keys\"", key);
	if (scales &&
	    rows_open(&rows, &matrix->record, matrix->payload, &scales->record, scales->payload) < 0)
		return error_context("\"%.200s\"", key);
	uint64_t count = matrix->record.shape[0], found = 0;
	const char *at = keys->payload, *end = at + keys->record.payload_size;
	while (at < end) {
		if (!next_key(&at, end, &record))
			return error_input(
			    "\"%.200s\": key %llu of the stack is bad", key, (unsigned long long)found + 1);
		found++;
	}
	if (found != count)
		return error_input("\"%.200s\" has %llu keys for %llu rows", key, (unsigned long long)found,
		    (unsigned long long)count);
	if (sources && (sources == matrix || sources->record.dtype != 'B' ||
	                   sources->record.payload_size / sizeof(struct digest) != count))
		return error_input("\"%.200s\" has not one source for each row", key);
	return 0;
}

int stack_undo(struct sample *sample, struct writer *writer)
{
	struct sample_part *matrix = &sample->parts[0], *keys = sample_find(sample, keys_name);
	struct sample_part *sources = sample_find(sample, sources_name);
	struct sample_part *scales = is_quantised(sample) ? &sample->parts[1] : NULL;
	struct record record, scale;
	if (check_stack(sample, matrix, scales, keys, sources) < 0)
		return -1;
	uint64_t count = matrix->record.shape[0];
	record_tensor(&scale, scales ? scales->record.name : "", 'f', matrix->record.dimensions - 2,
	    matrix->record.shape + 1);
	const char *at = keys->payload, *end = at + keys->record.payload_size;
	record_tensor(&record, matrix->record.name, matrix->record.dtype, matrix->record.dimensions - 1,
	    matrix->record.shape + 1);
	record.maker = matrix->record.maker;
	record.meta = matrix->record.meta;
	record.meta_size = matrix->record.meta_size;
	record.more = scales != NULL;
	for (uint64_t i = 0; i < count; i++) {
		next_key(&at, end, &record);
		if (sources)
			memcpy(record.source.bytes, (uint8_t *)sources->payload + i * sizeof(struct digest),
			    sizeof record.source.bytes);
		if (writer_put(
		        writer, &record, (uint8_t *)matrix->payload + i * (size_t)record.payload_size) < 0)
			return -1;
		if (!scales)
			continue;
		memcpy(scale.key, record.key, sizeof scale.key);
		scale.maker = record.maker;
		scale.source = record.source;
		if (writer_put(
		        writer, &scale, (uint8_t *)scales->payload + i * (size_t)scale.payload_size) < 0)
			return -1;
	}
	return 0;
}
