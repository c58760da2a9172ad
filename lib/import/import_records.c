/* import_records.c - tensors of other programs as records (see import_records.h). */
#include "import/import_records.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/ending.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "import/import_file.h"
#include "import/import_rows.h"
#include "stream/checkpoint.h"
#include "stream/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int import_parse_shape(const char *text, int *dimensions, uint64_t shape[RECORD_DIMENSIONS])
{
	*dimensions = 0;
	if (strcmp(text, "scalar") == 0)
		return 0;
	for (const char *at = text;; at++) {
		char part[24];
		size_t length = strcspn(at, "x");
		int64_t size;
		if (*dimensions == RECORD_DIMENSIONS || length >= sizeof part)
			return error_input("\"%.60s\" is no shape such as 3x224x224", text);
		memcpy(part, at, length);
		part[length] = '\0';
		if (number_whole(part, 0, (int64_t)RECORD_DIMENSION_MOST, &size) < 0)
			return error_context("shape \"%.60s\"", text);
		shape[(*dimensions)++] = (uint64_t)size;
		at += length;
		if (!*at)
			return 0;
	}
}

static int put(const struct import_records *records, const char *key, char dtype, int dimensions,
    const uint64_t *shape, const void *payload, struct writer *writer)
{
	struct record record;
	record_tensor(&record, records->name ? records->name : "values", dtype, dimensions, shape);
	return record_set_key(&record, key) < 0 ? -1 : writer_put(writer, &record, payload);
}

/* The key of a file that holds one tensor. */
static const char *file_key(const struct import_records *records, const char *path, char *key)
{
	if (records->key)
		return records->key;
	size_t length = strlen(path);
	if (ending_is(path, ".npy"))
		length -= 4;
	snprintf(key, RECORD_KEY_MOST + 2, "%.*s",
	    (int)(length > RECORD_KEY_MOST ? RECORD_KEY_MOST + 1 : length), path);
	return key;
}

static int read_raw(const struct import_records *records, const char *path,
    const struct import_bytes *file, struct writer *writer)
{
	char key[RECORD_KEY_MOST + 2];
	if (!records->dtype || records->dimensions < 0)
		return error_system("raw bytes need --shape and --dtype to be a tensor");
	struct record record;
	record_tensor(&record, "values", records->dtype, records->dimensions, records->shape);
	uint64_t elements;
	size_t wanted = 0;
	if (record_elements(&record, &elements) < 0)
		return -1;
	if (!checked_multiply((size_t)elements, dtype_size(records->dtype), &wanted) ||
	    wanted != file->size)
		return error_input(
		    "holds %zu bytes, but this shape and dtype need %zu", file->size, wanted);
	return put(records, file_key(records, path, key), records->dtype, records->dimensions,
	    records->shape, file->bytes, writer);
}

static int put_tensor(const struct import_records *records, const struct checkpoint *checkpoint,
    const struct checkpoint_tensor *tensor, struct writer *writer)
{
	char key[2 * RECORD_KEY_MOST];
	size_t length = strlen(tensor->name), tail = records->name ? strlen(records->name) : 0;
	if (tail && length > tail + 1 && tensor->name[length - tail - 1] == '.' &&
	    strcmp(tensor->name + length - tail, records->name) == 0)
		length -= tail + 1;
	if (length >= sizeof key)
		return error_input("the name of a tensor is too long");
	memcpy(key, tensor->name, length);
	key[length] = '\0';
	size_t bytes;
	if (!checked_multiply((size_t)tensor->elements, dtype_size(tensor->dtype), &bytes) ||
	    bytes > records->most)
		return error_input("tensor \"%s\" is larger than %zu bytes", tensor->name, records->most);
	void *payload = memory_allocate(bytes, 1);
	int result = payload ? checkpoint_read(checkpoint, tensor, 0, tensor->elements, payload) : -1;
	if (result == 0)
		result =
		    put(records, key, tensor->dtype, tensor->dimensions, tensor->shape, payload, writer);
	checkpoint_forget(checkpoint, tensor);
	memory_release(payload);
	return result;
}

static int read_safetensors(
    const struct import_records *records, const char *path, struct writer *writer)
{
	struct checkpoint *checkpoint = checkpoint_open(path);
	int result = checkpoint ? 0 : -1;
	for (size_t i = 0; result == 0 && i < checkpoint_count(checkpoint); i++)
		result = put_tensor(records, checkpoint, checkpoint_at(checkpoint, i), writer);
	checkpoint_close(checkpoint);
	return result;
}

/* One number of a JSON line as an element. */
static int store_element(const struct json *value, char dtype, void *element)
{
	int64_t whole = 0;
	double real = NAN;
	bool truth;
	float single;
	enum json_kind kind = json_kind(value);
	switch (dtype) {
	case '?':
		if (json_bool(value, &truth) < 0)
			return -1;
		*(uint8_t *)element = truth;
		return 0;
	case 'd':
	case 'f':
	case 'e':
	case 'E':
		/* JSON has no word for NaN. */
		if (kind != JSON_KIND_NULL && json_number(value, &real) < 0)
			return -1;
		single = (float)real;
		if (dtype == 'd')
			memcpy(element, &real, sizeof real);
		else
			dtype_from_f32(dtype, &single, element, 1);
		return 0;
	default:
		break;
	}
	static const struct {
		char dtype;
		int64_t least, most;
	} ranges[] = { { 'b', INT8_MIN, INT8_MAX }, { 'B', 0, UINT8_MAX },
		{ 'h', INT16_MIN, INT16_MAX }, { 'H', 0, UINT16_MAX }, { 'i', INT32_MIN, INT32_MAX },
		{ 'I', 0, UINT32_MAX }, { 'q', INT64_MIN, INT64_MAX }, { 'Q', 0, INT64_MAX } };
	for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
		if (ranges[i].dtype == dtype &&
		    json_whole(value, ranges[i].least, ranges[i].most, &whole) < 0)
			return -1;
	/* Little-endian: the lowest bytes come first. */
	memcpy(element, &whole, dtype_size(dtype));
	return 0;
}

static int read_shape(const struct json *list, int *dimensions, uint64_t shape[RECORD_DIMENSIONS])
{
	if (json_kind(list) != JSON_KIND_ARRAY || json_count(list) > RECORD_DIMENSIONS)
		return error_input("\"shape\" is no list of at most %d numbers", RECORD_DIMENSIONS);
	*dimensions = (int)json_count(list);
	for (int i = 0; i < *dimensions; i++) {
		int64_t size;
		if (json_whole(json_item(list, (size_t)i), 0, (int64_t)RECORD_DIMENSION_MOST, &size) < 0)
			return error_context("\"shape\"");
		shape[i] = (uint64_t)size;
	}
	return 0;
}

static int put_json(const struct import_records *records, const struct json *root, const char *key,
    struct writer *writer)
{
	const char *type = json_text(json_member(root, "dtype"), NULL);
	const char *name = json_text(json_member(root, "name"), NULL);
	const struct json *data = json_member(root, "data");
	char dtype = type ? dtype_from_name(type) : 0;
	uint64_t shape[RECORD_DIMENSIONS], elements;
	int dimensions = 0;
	if (!dtype)
		return error_input("\"dtype\" is missing or unknown");
	if (read_shape(json_member(root, "shape"), &dimensions, shape) < 0)
		return -1;
	struct record record;
	if (name && strlen(name) > RECORD_NAME_MOST)
		return error_input("\"name\" is too long");
	record_tensor(&record,
	    records->name ? records->name
	    : name        ? name
	                  : "values",
	    dtype, dimensions, shape);
	if (record_elements(&record, &elements) < 0 || record_set_key(&record, key) < 0)
		return -1;
	if (json_kind(data) != JSON_KIND_ARRAY || json_count(data) != elements)
		return error_input("\"data\" is no list of %llu numbers", (unsigned long long)elements);
	uint8_t *payload = memory_allocate((size_t)elements, dtype_size(dtype));
	int result = payload ? 0 : -1;
	for (size_t i = 0; result == 0 && i < elements; i++)
		if (store_element(json_item(data, i), dtype, payload + i * dtype_size(dtype)) < 0)
			result = error_context("\"data\", item %zu", i + 1);
	if (result == 0)
		result = writer_put(writer, &record, payload);
	memory_release(payload);
	return result;
}

/* One line: a record, or a failed item. */
static int read_line(const struct import_records *records, const char *line, size_t size,
    struct writer *writer, uint64_t *failed)
{
	struct json *root = json_parse(line, size);
	if (!root)
		return -1;
	const char *key = json_text(json_member(root, "key"), NULL);
	const char *reason = json_text(json_member(root, "failed"), NULL);
	int result;
	if (!key)
		result = error_input("\"key\" is missing");
	else if (reason)
		result = (*failed += 1, writer_fail(writer, key, reason, NULL));
	else
		result = put_json(records, root, key, writer);
	json_release(root);
	return result;
}

static int read_lines(const struct import_records *records, const struct import_bytes *file,
    struct writer *writer, uint64_t *failed)
{
	uint64_t number = 1;
	for (size_t at = 0; at < file->size; number++) {
		const char *line = file->bytes + at;
		const char *end = memchr(line, '\n', file->size - at);
		size_t size = end ? (size_t)(end - line) : file->size - at;
		if (size > 0 && read_line(records, line, size, writer, failed) < 0)
			return error_context("line %llu", (unsigned long long)number);
		at += size + (end != NULL);
	}
	return 0;
}

/* A .npy file, mapped, so that it may be larger than memory. */
static int read_npy(const struct import_records *records, const char *path, struct writer *writer)
{
	struct import_mapping file;
	char key[RECORD_KEY_MOST + 2];
	if (import_map(path, &file) < 0)
		return -1;
	int result = import_rows_npy(records, file_key(records, path, key), &file, writer);
	import_unmap(&file);
	return result;
}

int import_records_read(
    const struct import_records *records, const char *path, struct writer *writer, uint64_t *failed)
{
	char start[16];
	if (ending_is(path, ".safetensors"))
		return read_safetensors(records, path, writer);
	struct stat status;
	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
		return import_rows_folder(records, path, writer);
	size_t known = import_peek(path, start, sizeof start);
	if (known >= 6 && memcmp(start, "\x93NUMPY", 6) == 0)
		return read_npy(records, path, writer);
	if (known == sizeof start && memcmp(start, "SQLite format 3", sizeof start) == 0)
		return import_rows_database(records, path, writer);
	struct import_bytes file;
	int found = import_file_read(path, records->most, &file);
	if (found <= 0)
		return found < 0 ? -1 : error_input("no such file");
	int result;
	char key[RECORD_KEY_MOST + 2];
	if (file.size > 6 && memcmp(file.bytes, "\x93NUMPY", 6) == 0)
		result = import_rows_npy(records, file_key(records, path, key),
		    &(struct import_mapping){ (const uint8_t *)file.bytes, file.size, false }, writer);
	else if (ending_is(path, ".json") || ending_is(path, ".jsonl"))
		result = read_lines(records, &file, writer, failed);
	else if (ending_is(path, ".npy"))
		result = error_input("is no NumPy file");
	else
		result = read_raw(records, path, &file, writer);
	memory_release(file.bytes);
	return result;
}
