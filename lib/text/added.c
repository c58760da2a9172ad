/* added.c - reading a list of added tokens (see added.h). */
#include "text/added.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/textout.h"
#include "base/utf8.h"
#include "text/pieces.h"

#include <string.h>

/* Decimal digits up to the TAB: the id, or -1. */
static int32_t parse_id(const char *digits, size_t size)
{
	int32_t id = 0;
	for (size_t i = 0; i < size; i++) {
		if (digits[i] < '0' || digits[i] > '9' || id >= PIECES_MOST)
			return -1;
		id = id * 10 + (digits[i] - '0');
	}
	return size > 0 && id < PIECES_MOST ? id : -1;
}

/* One line (a copy that may be changed) into token. 0 or -1 (recorded). */
static int parse_line(char *line, size_t size, struct added_token *token)
{
	char *first = memchr(line, '\t', size);
	char *second = first ? memchr(first + 1, '\t', size - (size_t)(first + 1 - line)) : NULL;
	if (!second)
		return error_input("an added token has three fields: id, strip or keep, text");
	token->id = parse_id(line, (size_t)(first - line));
	if (token->id < 0)
		return error_input("the id of an added token is a number below %d", PIECES_MOST);
	size_t mode = (size_t)(second - first - 1);
	token->strip = mode == 5 && memcmp(first + 1, "strip", 5) == 0;
	if (!token->strip && !(mode == 4 && memcmp(first + 1, "keep", 4) == 0))
		return error_input("the second field of an added token is strip or keep");
	token->text = second + 1;
	token->size = textout_unescape(token->text, size - (size_t)(token->text - line));
	if (token->size == (size_t)-1)
		return error_input("an added token has an unknown escape");
	if (token->size == 0 || token->size > PIECE_SIZE_MOST)
		return error_input("an added token has 1 to %d bytes", PIECE_SIZE_MOST);
	token->text[token->size] = '\0';
	if (memchr(token->text, '\0', token->size) ||
	    utf8_valid_prefix(token->text, token->size) != token->size)
		return error_input("an added token is not UTF-8 text");
	return 0;
}

int added_read(const char *lines, size_t size,
    int (*take)(void *context, const struct added_token *token), void *context)
{
	size_t number = 0, count = 0;
	for (size_t at = 0; at < size;) {
		const char *newline = memchr(lines + at, '\n', size - at);
		size_t length = newline ? (size_t)(newline - lines) - at : size - at;
		number++;
		if (length > 0) {
			if (count++ >= ADDED_MOST)
				return error_input("more than %d added tokens", ADDED_MOST);
			char *line = memory_text(lines + at, length);
			if (!line)
				return -1;
			struct added_token token;
			int status = parse_line(line, length, &token);
			if (status == 0)
				status = take(context, &token);
			memory_release(line);
			if (status)
				return error_context("line %zu", number);
		}
		at += length + 1;
	}
	return 0;
}
