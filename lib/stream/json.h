/* json.h - JSON texts of others (config.json, index files, safetensors headers, JSON lines) as
 * values that can be looked at. Strict: valid UTF-8, no duplicate members, no NUL in texts,
 * nothing after the value, at most JSON_DEPTH_MOST levels and JSON_VALUES_MOST values.
 * Values belong to the document and live until json_release() of its root.
 */
#ifndef ZV_STREAM_JSON_H
#define ZV_STREAM_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JSON_DEPTH_MOST = 128, JSON_VALUES_MOST = 1 << 22 };
#define JSON_SIZE_MOST      ((size_t)128 << 20)
#define JSON_FILE_SIZE_MOST ((size_t)32 << 20) /* of a file read by json_open() */

struct json;

enum json_kind {
	JSON_KIND_ABSENT, /* of a NULL pointer: a member that is not there */
	JSON_KIND_NULL,
	JSON_KIND_BOOL,
	JSON_KIND_WHOLE, /* written without fraction and exponent */
	JSON_KIND_REAL,
	JSON_KIND_TEXT,
	JSON_KIND_ARRAY,
	JSON_KIND_OBJECT,
};

/* Parse size bytes as one value of any kind. NULL with a recorded error (ERROR_INPUT naming the
 * line, where there are several, and the column, or memory). */
struct json *json_parse(const void *bytes, size_t size);

/* The same for a whole regular file. The recorded error does not name the file. */
struct json *json_open(const char *path);

void json_release(struct json *root); /* the root only; NULL is fine */

/* All of these take NULL as an absent value, so that look-ups can be chained. */

enum json_kind json_kind(const struct json *value);

/* Members of an object or items of an array, in the order of the text; 0 for other kinds. */
size_t json_count(const struct json *value);

/* NULL (nothing recorded) if value is no object or has no such member. */
const struct json *json_member(const struct json *value, const char *key);

/* NULL if value is no array or i is beyond its end. */
const struct json *json_item(const struct json *value, size_t i);

/* Walk an object's members in the order of the text:
 *     for (struct json_walk walk = json_walk_start(object); json_walk_next(&walk);)
 *         ...walk.key, walk.key_size, walk.value... */
struct json_walk {
	const char *key;
	size_t key_size;
	const struct json *value;
	struct json *object; /* private, like what follows */
	void *place;
};
struct json_walk json_walk_start(const struct json *object);
bool json_walk_next(struct json_walk *walk);

/* The text (zero-terminated UTF-8; *size may be NULL), or NULL if value is no text. */
const char *json_text(const struct json *value, size_t *size);

/* A whole number (no fraction, no exponent) in [least, most]: 0, or -1 with ERROR_INPUT that says
 * what was found and what was wanted. */
int json_whole(const struct json *value, int64_t least, int64_t most, int64_t *number);

/* Any number: 0, or -1 with ERROR_INPUT. */
int json_number(const struct json *value, double *number);

/* true or false: 0, or -1 with ERROR_INPUT. */
int json_bool(const struct json *value, bool *truth);

/* "text", "array", ...: for messages. */
const char *json_kind_name(enum json_kind kind);

#endif
