/* safetensors.c - reading and writing safetensors headers (see safetensors.h). */
#include "stream/safetensors.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/textout.h"
#include "stream/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	char dtype;
} dtypes[] = {
	{ "F32", 'f' },
	{ "F16", 'e' },
	{ "BF16", 'E' },
	{ "F64", 'd' },
	{ "I64", 'q' },
	{ "I32", 'i' },
	{ "I16", 'h' },
	{ "I8", 'b' },
	{ "U64", 'Q' },
	{ "U32", 'I' },
	{ "U16", 'H' },
	{ "U8", 'B' },
	{ "BOOL", '?' },
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

static uint64_t read_u64(const uint8_t *bytes)
{
	uint64_t number = 0;
	for (int i = 8; i-- > 0;)
		number = number << 8 | bytes[i];
	return number;
}

static int parse_dtype(const struct json *value, char *dtype)
{
	const char *text = json_text(value, NULL);
	if (!text)
		return error_input("dtype must be text, not %s", json_kind_name(json_kind(value)));
	for (size_t i = 0; i < DTYPES; i++)
		if (strcmp(text, dtypes[i].name) == 0) {
			*dtype = dtypes[i].dtype;
			return 0;
		}
	return error_input("unknown dtype \"%.32s\"", text);
}

static int parse_shape(const struct json *value, struct checkpoint_tensor *tensor)
{
	if (json_kind(value) != JSON_KIND_ARRAY)
		return error_input("shape must be an array, not %s", json_kind_name(json_kind(value)));
	size_t count = json_count(value);
	if (count > CHECKPOINT_DIMENSIONS)
		return error_input("%zu dimensions (%d are allowed)", count, CHECKPOINT_DIMENSIONS);
	tensor->dimensions = (int)count;
	for (size_t i = 0; i < count; i++) {
		int64_t length;
		if (json_whole(json_item(value, i), 0, INT64_MAX, &length) < 0)
			return error_context("dimension %zu", i);
		tensor->shape[i] = (uint64_t)length;
	}
	return tensor_fill(tensor);
}

/* The entry of one tensor, without its name. data_size: bytes behind the header, which begin at
 * data_start of the file. */
static int parse_entry(
    const struct json *entry, size_t data_start, size_t data_size, struct checkpoint_tensor *tensor)
{
	if (json_kind(entry) != JSON_KIND_OBJECT || json_count(entry) != 3)
		return error_input("an object of dtype, shape and data_offsets is wanted");
	if (parse_dtype(json_member(entry, "dtype"), &tensor->dtype) < 0 ||
	    parse_shape(json_member(entry, "shape"), tensor) < 0)
		return -1;
	const struct json *offsets = json_member(entry, "data_offsets");
	int64_t begin, end;
	if (json_kind(offsets) != JSON_KIND_ARRAY || json_count(offsets) != 2)
		return error_input("data_offsets must be an array of two numbers");
	if (json_whole(json_item(offsets, 0), 0, INT64_MAX, &begin) < 0 ||
	    json_whole(json_item(offsets, 1), 0, INT64_MAX, &end) < 0)
		return error_context("data_offsets");
	if (begin > end || (uint64_t)end > data_size)
		return error_input("data_offsets %" PRId64 " to %" PRId64
		                   " lie outside the %zu bytes of data",
		    begin, end, data_size);
	/* tensor_fill() has made sure that the product fits. */
	uint64_t bytes = tensor->elements * dtype_size(tensor->dtype);
	if ((uint64_t)(end - begin) != bytes)
		return error_input("shape and dtype need %" PRIu64 " bytes, data_offsets give %" PRId64,
		    bytes, end - begin);
	tensor->offset = (uint64_t)data_start + (uint64_t)begin;
	return 0;
}

static int check_metadata(const struct json *metadata)
{
	if (json_kind(metadata) != JSON_KIND_OBJECT)
		return error_input("__metadata__ must be an object of texts");
	for (struct json_walk walk = json_walk_start(metadata); json_walk_next(&walk);)
		if (!json_text(walk.value, NULL))
			return error_input("__metadata__: \"%.64s\" must be text, not %s", walk.key,
			    json_kind_name(json_kind(walk.value)));
	return 0;
}

static int parse_entries(const struct json *root, size_t data_start, size_t data_size, int file,
    struct tensor_list *list)
{
	for (struct json_walk walk = json_walk_start(root); json_walk_next(&walk);) {
		if (strcmp(walk.key, "__metadata__") == 0) {
			if (check_metadata(walk.value) < 0)
				return -1;
			continue;
		}
		struct checkpoint_tensor tensor = { .file = file };
		if (parse_entry(walk.value, data_start, data_size, &tensor) < 0 ||
		    tensor_list_add(list, walk.key, walk.key_size, &tensor) < 0)
			return error_context("tensor \"%.200s\"", walk.key);
	}
	return 0;
}

/* By place; of two at the same place the empty one is first. */
static int compare_places(const void *a, const void *b)
{
	const struct checkpoint_tensor *left = a, *right = b;
	if (left->offset != right->offset)
		return left->offset < right->offset ? -1 : 1;
	if ((left->elements == 0) != (right->elements == 0))
		return left->elements == 0 ? -1 : 1;
	return strcmp(left->name, right->name);
}

/* The payloads must join without a hole or overlap from the header to the end of the file. */
static int check_joints(
    struct checkpoint_tensor *tensors, size_t count, size_t data_start, size_t size)
{
	if (count > 0)
		qsort(tensors, count, sizeof *tensors, compare_places);
	uint64_t place = data_start;
	for (size_t i = 0; i < count; i++) {
		if (tensors[i].offset != place)
			return error_input("tensor \"%.200s\" begins at byte %" PRIu64
			                   " of the file, but the data before it ends at %" PRIu64,
			    tensors[i].name, tensors[i].offset, place);
		place += tensors[i].elements * dtype_size(tensors[i].dtype);
	}
	if (place != size)
		return error_input(
		    "%" PRIu64 " bytes after the last tensor belong to none", (uint64_t)size - place);
	return 0;
}

int safetensors_parse(const uint8_t *bytes, size_t size, int file, struct tensor_list *list)
{
	if (size < 8)
		return error_input("%zu bytes are too few for a safetensors file", size);
	uint64_t length = read_u64(bytes);
	if (length > SAFETENSORS_HEADER_MOST)
		return error_input(
		    "neither a torch nor a safetensors file (a header of %" PRIu64 " bytes)", length);
	if (length > size - 8)
		return error_input("the header should have %" PRIu64 " bytes, but the file ends after %zu",
		    length, size - 8);
	if (length == 0 || bytes[8] != '{')
		return error_input("neither a torch nor a safetensors file (byte 8 is not '{')");
	struct json *root = json_parse(bytes + 8, (size_t)length);
	if (!root)
		return error_context("safetensors header");
	size_t data_start = 8 + (size_t)length, before = list->count;
	int status = parse_entries(root, data_start, size - data_start, file, list);
	json_release(root);
	if (status < 0)
		return -1;
	return check_joints(list->tensors + before, list->count - before, data_start, size);
}

static const char *foreign_dtype(char dtype)
{
	for (size_t i = 0; i < DTYPES; i++)
		if (dtypes[i].dtype == dtype)
			return dtypes[i].name;
	return NULL;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int check_entry_names(const struct safetensors_entry *entries, size_t count)
{
	const char **names = memory_allocate(count, sizeof *names);
	if (!names)
		return -1;
	int status = 0;
	for (size_t i = 0; i < count; i++) {
		names[i] = entries[i].name;
		if (strcmp(names[i], "__metadata__") == 0)
			status = error_input("safetensors has no room for a tensor named __metadata__");
	}
	qsort(names, count, sizeof *names, compare_names);
	for (size_t i = 1; i < count && status == 0; i++)
		if (strcmp(names[i - 1], names[i]) == 0)
			status = error_input("two tensors are named \"%.200s\"", names[i]);
	memory_release(names);
	return status;
}

/* {"format":"pt", and the words of metadata}: loaders of others ask for the format. */
static void put_metadata(FILE *stream, const char *metadata, size_t size)
{
	fputs("{\"__metadata__\":{\"format\":\"pt\"", stream);
	const char *end = size > 0 ? metadata + size : NULL;
	for (const char *line = size > 0 ? metadata : NULL; line < end;) {
		const char *newline = memchr(line, '\n', (size_t)(end - line));
		const char *stop = newline ? newline : end;
		const char *equals = memchr(line, '=', (size_t)(stop - line));
		if (equals) {
			putc(',', stream);
			textout_json(stream, line, (size_t)(equals - line));
			putc(':', stream);
			textout_json(stream, equals + 1, (size_t)(stop - equals - 1));
		}
		line = stop + 1;
	}
	putc('}', stream);
}

/* ,"name":{...} with the payload from *place on, which moves behind it. */
static int put_entry(FILE *stream, const struct safetensors_entry *entry, uint64_t *place)
{
	struct checkpoint_tensor tensor = { .dtype = entry->dtype, .dimensions = entry->dimensions };
	memcpy(tensor.shape, entry->shape, sizeof tensor.shape);
	if (tensor_fill(&tensor) < 0)
		return -1;
	uint64_t end;
	if (__builtin_add_overflow(*place, tensor.elements * dtype_size(entry->dtype), &end))
		return error_input("the sum of all sizes is too large");
	char text[128];
	putc(',', stream);
	textout_json(stream, entry->name, strlen(entry->name));
	snprintf(text, sizeof text, ":{\"dtype\":\"%s\",\"shape\":[", foreign_dtype(entry->dtype));
	fputs(text, stream);
	for (int i = 0; i < entry->dimensions; i++) {
		snprintf(text, sizeof text, "%s%" PRIu64, i > 0 ? "," : "", entry->shape[i]);
		fputs(text, stream);
	}
	snprintf(text, sizeof text, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", *place, end);
	fputs(text, stream);
	*place = end;
	return 0;
}

int safetensors_format(const struct safetensors_entry *entries, size_t count, const char *metadata,
    size_t metadata_size, uint8_t **header, size_t *size)
{
	if (check_entry_names(entries, count) < 0)
		return -1;
	char *text = NULL;
	size_t length = 0;
	FILE *stream = textout_open(&text, &length);
	if (!stream)
		return -1;
	fwrite("\0\0\0\0\0\0\0", 1, 8, stream); /* the length, set below */
	put_metadata(stream, metadata, metadata_size);
	int status = 0;
	uint64_t place = 0;
	for (size_t i = 0; i < count && status == 0; i++)
		if (put_entry(stream, &entries[i], &place) < 0)
			status = error_context("tensor \"%.200s\"", entries[i].name);
	putc('}', stream);
	while (ftell(stream) % 8 != 0)
		putc(' ', stream);
	if (textout_close(stream) < 0)
		status = -1;
	if (status == 0 && length - 8 > SAFETENSORS_HEADER_MOST)
		status = error_input("the header would have %zu bytes (%d are allowed)", length - 8,
		    SAFETENSORS_HEADER_MOST);
	if (status == 0 && !(*header = (uint8_t *)memory_text(text, length)))
		status = -1;
	free(text);
	if (status < 0)
		return -1;
	for (int i = 0; i < 8; i++)
		(*header)[i] = (uint8_t)((uint64_t)(length - 8) >> 8 * i);
	*size = length;
	return 0;
}
