/* snappy.c - literals and copies of what came before (see snappy.h):
 *     length of all (varint) | elements, whose first byte tells by its low bits what follows:
 *     0 a literal, 1 2 3 a copy with an offset of 11 bits, 2 bytes, 4 bytes
 */
#include "stream/snappy.h"
#include "base/error.h"
#include "stream/bytes.h"

#include <stdbool.h>
#include <string.h>

struct cursor {
	const uint8_t *at, *end;
};

static bool has(const struct cursor *cursor, size_t size)
{
	return (size_t)(cursor->end - cursor->at) >= size;
}

/* The length in front must be the one that is wanted. */
static bool take_length(struct cursor *cursor, size_t wanted)
{
	uint64_t length = 0;
	for (int shift = 0; shift < 35 && has(cursor, 1); shift += 7) {
		uint8_t byte = *cursor->at++;
		length |= (uint64_t)(byte & 127) << shift;
		if (byte < 128)
			return length == wanted;
	}
	return false;
}

/* A literal's length: in the tag, or in up to 4 bytes behind it. */
static bool take_literal(struct cursor *cursor, uint8_t tag, size_t *size)
{
	size_t more = tag >> 2 < 60 ? 0 : (size_t)(tag >> 2) - 59;
	if (!has(cursor, more))
		return false;
	*size = (more ? (size_t)bytes_load(cursor->at, more) : (size_t)(tag >> 2)) + 1;
	cursor->at += more;
	return true;
}

static bool take_copy(struct cursor *cursor, uint8_t tag, size_t *size, size_t *offset)
{
	static const size_t more[] = { 0, 1, 2, 4 };
	int kind = tag & 3;
	if (!has(cursor, more[kind]))
		return false;
	*offset = (size_t)bytes_load(cursor->at, more[kind]);
	*size = (size_t)(tag >> 2) + 1;
	if (kind == 1) {
		*offset |= (size_t)(tag >> 5) << 8;
		*size = (size_t)(tag >> 2 & 7) + 4;
	}
	cursor->at += more[kind];
	return true;
}

int snappy_decode(const uint8_t *bytes, size_t compressed, uint8_t *target, size_t size)
{
	struct cursor cursor = { bytes, bytes + compressed };
	size_t done = 0, length = 0, offset = 0;
	if (!take_length(&cursor, size))
		return error_input("snappy: not the length that is wanted");
	while (has(&cursor, 1)) {
		uint8_t tag = *cursor.at++;
		bool literal = (tag & 3) == 0;
		if (literal ? !take_literal(&cursor, tag, &length)
		            : !take_copy(&cursor, tag, &length, &offset))
			return error_input("snappy: cut off");
		if (length > size - done || (literal && !has(&cursor, length)) ||
		    (!literal && (offset == 0 || offset > done)))
			return error_input("snappy: damaged at byte %zu", (size_t)(cursor.at - bytes));
		if (literal) {
			memcpy(target + done, cursor.at, length);
			cursor.at += length;
		}
		/* A copy may reach into what it writes. */
		for (size_t i = 0; !literal && i < length; i++)
			target[done + i] = target[done + i - offset];
		done += length;
	}
	return done == size ? 0 : error_input("snappy: cut off");
}
