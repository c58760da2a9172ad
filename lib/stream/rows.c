/* rows.c - stored numbers, among them int8 with a scale for each row (see rows.h). */
#include "stream/rows.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MOST = 127 };

static const char suffix[] = ".scale";

const char *const rows_types[] = { "f32", "bf16", "f16", "int8", NULL };

char rows_type(const char *name)
{
	static const char letters[] = "fEeb";
	for (int i = 0; rows_types[i]; i++)
		if (strcmp(rows_types[i], name) == 0)
			return letters[i];
	return 0;
}

const char *rows_type_name(char dtype)
{
	return dtype == 'b' ? "int8" : dtype_name(dtype);
}

bool rows_are_numbers(const struct record *record)
{
	return record->kind == RECORD_TENSOR &&
	       (dtype_is_float(record->dtype) || (record->dtype == 'b' && record->more));
}

bool rows_are_scales(const struct record *first, const struct record *second)
{
	size_t size = strlen(first->name);
	return first->dtype == 'b' && first->more && second->kind == RECORD_TENSOR &&
	       strncmp(second->name, first->name, size) == 0 &&
	       strcmp(second->name + size, suffix) == 0;
}

void rows_scale_name(const char *name, char scale_name[RECORD_NAME_MOST + 1])
{
	snprintf(scale_name, RECORD_NAME_MOST + 1, "%.*s%s",
	    (int)(RECORD_NAME_MOST + 1 - sizeof suffix), name, suffix);
}

/* Do the scales belong to such values, and are they numbers? */
static int check_scales(
    const struct rows *rows, const struct record *record, const struct record *scale)
{
	char shape[200], wanted[200];
	if (scale->dtype != 'f' || scale->dimensions != record->dimensions - 1 ||
	    memcmp(scale->shape, record->shape, 8 * (size_t)scale->dimensions) != 0)
		return error_input("scales of %s %s do not fit int8 rows of %s",
		    record_shape_text(scale, shape), dtype_name(scale->dtype),
		    record_shape_text(record, wanted));
	for (size_t i = 0; i < rows->count; i++) {
		float value;
		memcpy(&value, (const char *)rows->scales + i * sizeof value, sizeof value);
		if (!isfinite(value) || value < 0)
			return error_input("the scale of row %zu is %g", i + 1, (double)value);
	}
	return 0;
}

int rows_open(struct rows *rows, const struct record *record, const void *payload,
    const struct record *scale, const void *scale_payload)
{
	char shape[200];
	bool quantised = record->dtype == 'b' && scale && rows_are_scales(record, scale);
	if (record->kind != RECORD_TENSOR || record->dimensions == 0 ||
	    (!quantised && !dtype_is_float(record->dtype)))
		return error_input("%s %s where rows of floats, or of int8 with scales, are wanted",
		    record_shape_text(record, shape), dtype_name(record->dtype));
	*rows = (struct rows){ .dtype = record->dtype, .count = 1, .values = payload };
	for (int i = 0; i + 1 < record->dimensions; i++)
		if (!checked_multiply(rows->count, (size_t)record->shape[i], &rows->count))
			return error_input("shape has too many rows");
	rows->width = (size_t)record->shape[record->dimensions - 1];
	if (!quantised)
		return 0;
	rows->scales = scale_payload;
	return check_scales(rows, record, scale);
}

int rows_find(
    struct sample *sample, const char *name, struct rows *rows, const struct sample_part **part)
{
	struct sample_part *found = sample_find(sample, name), *scale = NULL;
	*part = found;
	if (!found)
		return 0;
	if (found + 1 < sample->parts + sample->count &&
	    rows_are_scales(&found->record, &found[1].record))
		scale = found + 1;
	if (rows_open(rows, &found->record, found->payload, scale ? &scale->record : NULL,
	        scale ? scale->payload : NULL) < 0)
		return error_context("\"%s\"", name);
	return 1;
}

void rows_get(const struct rows *rows, size_t first, size_t count, float *target)
{
	size_t size = dtype_size(rows->dtype), width = rows->width;
	const char *from = (const char *)rows->values + first * width * size;
	if (!rows->scales) {
		dtype_to_f32(rows->dtype, from, target, count * width);
		return;
	}
	for (size_t row = 0; row < count; row++) {
		const int8_t *values = (const int8_t *)from + row * width;
		float scale, *to = target + row * width;
		memcpy(&scale, (const char *)rows->scales + (first + row) * sizeof scale, sizeof scale);
		for (size_t i = 0; i < width; i++)
			to[i] = scale * (float)values[i];
	}
}

/* Scales were read behind the int8 values of first: all as f32. NULL with a recorded error. */
static float *widen(
    const struct record *first, const void *values, const struct record *scale, const void *scales)
{
	struct rows rows;
	size_t elements;
	if (rows_open(&rows, first, values, scale, scales) < 0) {
		error_context("\"%.200s\" %s", first->key, first->name);
		return NULL;
	}
	if (!checked_multiply(rows.count, rows.width, &elements)) {
		error_memory(SIZE_MAX);
		return NULL;
	}
	float *wide = memory_allocate(elements, sizeof *wide);
	if (wide)
		rows_get(&rows, 0, rows.count, wide);
	return wide;
}

int rows_join(struct reader *reader, struct record *record, void **values)
{
	struct record first = *record, next;
	*values = NULL;
	if (record->kind != RECORD_TENSOR || record->dtype != 'b' || !record->more)
		return 0;
	first.meta = NULL; /* it goes with the next record */
	first.meta_size = 0;
	void *narrow = reader_take_payload(reader);
	int found = narrow ? reader_next(reader, &next) : -1;
	if (found > 0 && rows_are_scales(&first, &next) && strcmp(first.key, next.key) == 0) {
		const void *scales = reader_payload(reader);
		*values = scales ? widen(&first, narrow, &next, scales) : NULL;
		memory_release(narrow);
		record_tensor(record, first.name, 'f', first.dimensions, first.shape);
		memcpy(record->key, first.key, sizeof record->key);
		record->maker = first.maker;
		record->source = first.source;
		record->more = next.more;
		return *values ? 0 : -1;
	}
	if (found > 0)
		reader_again(reader);
	if (found <= 0) {
		memory_release(narrow);
		return found < 0 ? -1 : error_input("\"%.200s\" lacks its other parts", first.key);
	}
	*record = first;
	*values = narrow;
	return 0;
}

/* One row: values [width] and its scale. */
void rows_quantise(const float *row, size_t width, int8_t *values, float *scale)
{
	float largest = 0;
	for (size_t i = 0; i < width; i++)
		largest = fmaxf(largest, fabsf(row[i]));
	*scale = largest / MOST;
	for (size_t i = 0; i < width; i++) {
		float value = *scale > 0 ? rintf(row[i] / *scale) : 0;
		values[i] = (int8_t)fmaxf(-MOST, fminf(MOST, value));
	}
}

static int store_int8(struct rows_stored *stored, const float *values)
{
	struct record *record = &stored->records[0], *scale = &stored->records[1];
	if (record->dimensions == 0)
		return error_input("a scalar has no rows to store as int8");
	if (strlen(record->name) + sizeof suffix > sizeof scale->name)
		return error_input("name \"%s\" is too long for int8", record->name);
	record_tensor(scale, "", 'f', record->dimensions - 1, record->shape);
	rows_scale_name(record->name, scale->name);
	memcpy(scale->key, record->key, sizeof scale->key);
	scale->maker = record->maker;
	scale->source = record->source;
	scale->more = record->more;
	record->more = true;
	stored->count = 2;
	size_t width = (size_t)record->shape[record->dimensions - 1];
	size_t count = (size_t)(scale->payload_size / sizeof(float));
	if (memory_grow(&stored->payloads[1], &stored->room[1], count, sizeof(float)) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		rows_quantise(values + i * width, width, (int8_t *)stored->payloads[0] + i * width,
		    (float *)stored->payloads[1] + i);
	return 0;
}

int rows_store(
    struct rows_stored *stored, char dtype, const struct record *like, const float *values)
{
	uint64_t elements;
	struct record *record = &stored->records[0];
	if (record_elements(like, &elements) < 0)
		return -1;
	*record = *like;
	record->dtype = dtype;
	record->payload_size = elements * dtype_size(dtype);
	stored->count = 1;
	if (memory_grow(&stored->payloads[0], &stored->room[0], (size_t)record->payload_size, 1) < 0)
		return -1;
	if (dtype == 'b')
		return store_int8(stored, values);
	dtype_from_f32(dtype, values, stored->payloads[0], (size_t)elements);
	return 0;
}

void rows_clear(struct rows_stored *stored)
{
	for (int i = 0; i < 2; i++)
		memory_release(stored->payloads[i]);
	*stored = (struct rows_stored){ 0 };
}
