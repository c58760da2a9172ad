/* json.c - the one file that knows jansson. struct json is never completed: a pointer to it is a
 * pointer to jansson's value, so that looking at values allocates nothing (see json.h).
 */
#include "stream/json.h"
#include "base/abort.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static json_t *inside(const struct json *value)
{
	/* jansson's accessors take json_t * even where they change nothing. */
	return (json_t *)(uintptr_t)value;
}

static const struct json *outside(const json_t *value)
{
	return (const struct json *)value;
}

/* The parser recurses for each level and allocates up to some hundred bytes for each value, so
 * both are counted first. Strings are passed over; whether the text is JSON is not decided here,
 * but for zero bytes, behind which the parser would not look. */
static int check_limits(const uint8_t *bytes, size_t size)
{
	size_t depth = 0, values = 1;
	bool in_text = false;
	for (size_t i = 0; i < size; i++) {
		uint8_t byte = bytes[i];
		if (byte == '\0')
			return error_input("byte %zu: a zero byte is no JSON", i);
		if (in_text) {
			if (byte == '\\' && i + 1 < size && bytes[i + 1] != '\0')
				i++;
			else if (byte == '"')
				in_text = false;
		} else if (byte == '"') {
			in_text = true;
		} else if (byte == '[' || byte == '{') {
			values++;
			if (++depth > JSON_DEPTH_MOST)
				return error_input("byte %zu: more than %d levels are nested", i, JSON_DEPTH_MOST);
		} else if (byte == ']' || byte == '}') {
			depth -= depth > 0;
		} else if (byte == ',' && ++values > JSON_VALUES_MOST) {
			return error_input("byte %zu: more than %d values", i, JSON_VALUES_MOST);
		}
	}
	return 0;
}

/* jansson takes a failed allocation for a fault of the text in some places, goes on without the
 * value in others, and trips over an assert of its own in one; whether one failed is noted here. */
static _Thread_local bool memory_was_short;

static void *allocate(size_t size)
{
	void *pointer = memory_allocate(size, 1);
	if (!pointer)
		memory_was_short = true;
	return pointer;
}

/* A text of one line is mostly one of many, whose number the caller knows. */
static void tell(const char *bytes, size_t size, const json_error_t *reason)
{
	if (size > 0 && memchr(bytes, '\n', size))
		error_input("JSON line %d, column %d: %s", reason->line, reason->column, reason->text);
	else
		error_input("JSON column %d: %s", reason->column, reason->text);
}

struct json *json_parse(const void *bytes, size_t size)
{
	if (size > JSON_SIZE_MOST) {
		error_input("%zu bytes of JSON are more than the %zu allowed", size, JSON_SIZE_MOST);
		return NULL;
	}
	if (check_limits(bytes, size) < 0)
		return NULL;
	json_error_t reason;
	json_set_alloc_funcs(allocate, memory_release);
	memory_was_short = false;
	/* jansson refuses NULL for an empty buffer, which is no value anyway. */
	abort_means_memory(true);
	json_t *root =
	    json_loadb(size > 0 ? bytes : "", size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &reason);
	abort_means_memory(false);
	if (root && !memory_was_short)
		return (struct json *)root;
	json_decref(root);
	if (memory_was_short || json_error_code(&reason) == json_error_out_of_memory)
		error_memory(size);
	else
		tell(bytes, size, &reason);
	return NULL;
}

struct json *json_open(const char *path)
{
	char *bytes;
	size_t size;
	if (file_read_regular(path, JSON_FILE_SIZE_MOST, &bytes, &size) < 0)
		return NULL;
	struct json *root = json_parse(bytes, size);
	memory_release(bytes);
	return root;
}

void json_release(struct json *root)
{
	json_decref(inside(root));
}

enum json_kind json_kind(const struct json *value)
{
	if (!value)
		return JSON_KIND_ABSENT;
	switch (json_typeof(inside(value))) {
	case JSON_OBJECT:
		return JSON_KIND_OBJECT;
	case JSON_ARRAY:
		return JSON_KIND_ARRAY;
	case JSON_STRING:
		return JSON_KIND_TEXT;
	case JSON_INTEGER:
		return JSON_KIND_WHOLE;
	case JSON_REAL:
		return JSON_KIND_REAL;
	case JSON_TRUE:
	case JSON_FALSE:
		return JSON_KIND_BOOL;
	case JSON_NULL:
		break;
	}
	return JSON_KIND_NULL;
}

const char *json_kind_name(enum json_kind kind)
{
	static const char *const names[] = { "nothing", "null", "true or false", "whole number",
		"real number", "text", "array", "object" };
	return names[kind];
}

size_t json_count(const struct json *value)
{
	/* Each gives 0 for a value of another kind. */
	return json_object_size(inside(value)) + json_array_size(inside(value));
}

const struct json *json_member(const struct json *value, const char *key)
{
	return outside(json_object_get(inside(value), key));
}

const struct json *json_item(const struct json *value, size_t i)
{
	return outside(json_array_get(inside(value), i));
}

struct json_walk json_walk_start(const struct json *object)
{
	struct json_walk walk = { .object = (struct json *)(uintptr_t)object };
	return walk;
}

bool json_walk_next(struct json_walk *walk)
{
	json_t *object = (json_t *)walk->object;
	/* key is NULL only before the first member. */
	walk->place = walk->key ? json_object_iter_next(object, walk->place) : json_object_iter(object);
	if (!walk->place)
		return false;
	walk->key = json_object_iter_key(walk->place);
	walk->key_size = strlen(walk->key);
	walk->value = outside(json_object_iter_value(walk->place));
	return true;
}

const char *json_text(const struct json *value, size_t *size)
{
	const char *text = json_string_value(inside(value));
	if (text && size)
		*size = json_string_length(inside(value));
	return text;
}

int json_whole(const struct json *value, int64_t least, int64_t most, int64_t *number)
{
	enum json_kind kind = json_kind(value);
	if (kind != JSON_KIND_WHOLE)
		return error_input("a whole number is wanted, not %s", json_kind_name(kind));
	int64_t found = json_integer_value(inside(value));
	if (found < least || found > most)
		return error_input(
		    "%" PRId64 " is not between %" PRId64 " and %" PRId64, found, least, most);
	*number = found;
	return 0;
}

int json_number(const struct json *value, double *number)
{
	enum json_kind kind = json_kind(value);
	if (kind != JSON_KIND_WHOLE && kind != JSON_KIND_REAL)
		return error_input("a number is wanted, not %s", json_kind_name(kind));
	*number = json_number_value(inside(value));
	return 0;
}

int json_bool(const struct json *value, bool *truth)
{
	enum json_kind kind = json_kind(value);
	if (kind != JSON_KIND_BOOL)
		return error_input("true or false is wanted, not %s", json_kind_name(kind));
	*truth = json_is_true(inside(value));
	return 0;
}
