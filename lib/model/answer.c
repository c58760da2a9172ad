/* answer.c - text of a growing answer, see answer.h. */
#include "model/answer.h"

#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"

void answer_begin(struct answer *answer, const char *const *stops, size_t stop_count)
{
	*answer = (struct answer){ .stops = stops, .stop_count = stop_count };
	for (size_t i = 0; i < stop_count; i++) {
		size_t length = strlen(stops[i]);
		answer->longest = length > answer->longest ? length : answer->longest;
	}
}

void answer_clear(struct answer *answer)
{
	memory_release(answer->text);
	answer_begin(answer, answer->stops, answer->stop_count);
}

/* Where a stop text can begin that is not whole before byte end. */
static size_t earliest(const struct answer *answer, size_t end)
{
	return answer->longest == 0     ? SIZE_MAX
	       : end >= answer->longest ? end - (answer->longest - 1)
	                                : 0;
}

/* The first occurrence of a stop text in text[0..size-1], or size; none is within the first `old`
 * bytes. */
static size_t find_stop(const struct answer *answer, const char *text, size_t size, size_t old)
{
	for (size_t at = earliest(answer, old); at < size; at++) {
		for (size_t i = 0; i < answer->stop_count; i++) {
			size_t length = strlen(answer->stops[i]);
			if (length <= size - at && memcmp(text + at, answer->stops[i], length) == 0)
				return at;
		}
	}
	return size;
}

/* Room for size more bytes and a zero byte. */
static int make_room(struct answer *answer, size_t size)
{
	size_t needed;
	if (!checked_add(answer->size, size, &needed) || !checked_add(needed, 1, &needed))
		return error_memory(SIZE_MAX);
	void *text = answer->text;
	int status = memory_grow(&text, &answer->capacity, needed, 1);
	answer->text = text;
	return status;
}

/* size bytes have arrived behind the text. */
static void take(struct answer *answer, size_t size)
{
	size_t all = answer->size + size;
	answer->size = find_stop(answer, answer->text, all, answer->size);
	answer->stopped = answer->size < all;
	answer->text[answer->size] = '\0';
}

int answer_add(struct answer *answer, const char *bytes, size_t size)
{
	if (answer->stopped)
		return 0;
	if (make_room(answer, size) != 0)
		return -1;
	memcpy(answer->text + answer->size, bytes, size);
	take(answer, size);
	return 0;
}

int answer_add_token(struct answer *answer, const struct bpe *bpe, int32_t id)
{
	if (answer->stopped)
		return 0;
	if (make_room(answer, bpe_piece_most(bpe) + 8) != 0)
		return -1;
	take(answer, bpe_stream_next(bpe, &answer->stream, id, answer->text + answer->size));
	return 0;
}

/* Is text[0..size-1] the beginning of a stop text? */
static bool may_become_stop(const struct answer *answer, const char *text, size_t size)
{
	for (size_t i = 0; i < answer->stop_count; i++)
		if (strncmp(answer->stops[i], text, size) == 0)
			return true;
	return false;
}

size_t answer_settled(const struct answer *answer)
{
	size_t settled = answer->size;
	if (!answer->stopped) {
		for (size_t at = earliest(answer, answer->size); at < answer->size; at++) {
			if (may_become_stop(answer, answer->text + at, answer->size - at)) {
				settled = at;
				break;
			}
		}
	}
	return settled == 0 ? 0 : utf8_valid_prefix(answer->text, settled);
}
