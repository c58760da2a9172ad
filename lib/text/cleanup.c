/* cleanup.c - BLIP-2's clean-up of captions and questions (see cleanup.h). The order of the steps
 * is the reference's: punctuation, runs of white space, the ends, the first 50 words.
 */
#include "text/cleanup.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/blank.h"
#include "text/unicode.h"

#include <string.h>

enum { WORDS_MOST = 50 };

static bool is_dropped(uint32_t code)
{
	return code > 0 && code < 0x80 && strchr(".!\"()*#:;~", (int)code);
}

/* Lower case without the dropped characters, or with blanks for them. Returns the new count. */
static size_t drop_punctuation(uint32_t *codes, size_t count, bool to_blank)
{
	size_t used = 0;
	unicode_lower(codes, count);
	for (size_t i = 0; i < count; i++) {
		if (!is_dropped(codes[i]))
			codes[used++] = codes[i];
		else if (to_blank)
			codes[used++] = ' ';
	}
	return used;
}

/* Each run of two or more white-space characters becomes one blank. Returns the new count. */
static size_t join_blanks(uint32_t *codes, size_t count)
{
	size_t used = 0;
	for (size_t i = 0, end; i < count; i = end) {
		for (end = i; end < count && blank_is(codes[end]); end++)
			;
		if (end > i) {
			codes[used++] = end - i == 1 ? codes[i] : ' ';
		} else {
			codes[used++] = codes[i];
			end = i + 1;
		}
	}
	return used;
}

/* What stands before the blank that ends the last word allowed. */
static size_t first_words(const uint32_t *codes, size_t count)
{
	size_t words = 1;
	for (size_t i = 0; i < count; i++)
		if (codes[i] == ' ' && ++words > WORDS_MOST)
			return i;
	return count;
}

/* Clean codes[0..count-1] in place; what is left is [*first, *first + the returned count). */
static size_t clean_codes(enum cleanup_kind kind, uint32_t *codes, size_t count, size_t *first)
{
	*first = 0;
	if (kind == CLEANUP_NONE)
		return count;
	bool caption = kind == CLEANUP_CAPTION;
	count = drop_punctuation(codes, count, caption);
	if (caption) {
		count = join_blanks(codes, count);
		while (count > 0 && codes[count - 1] == '\n')
			count--;
	}
	while (count > 0 && codes[count - 1] == ' ')
		count--;
	while (caption && *first < count && codes[*first] == ' ')
		(*first)++;
	return first_words(codes + *first, count - *first);
}

int cleanup_text(enum cleanup_kind kind, const char *text, size_t size, const char *prompt,
    char **clean, size_t *clean_size)
{
	size_t prompt_size = prompt ? strlen(prompt) : 0, room, count = 0, first;
	size_t valid = utf8_valid_prefix(text, size);
	if (valid != size)
		return error_input("the text is not valid UTF-8 at byte %zu", valid);
	/* Lower case may take more bytes than upper case, but never more than 4 a character. */
	if (!checked_multiply(size, 4, &room) || !checked_add(room, prompt_size, &room) ||
	    !checked_add(room, 1, &room))
		return error_memory(SIZE_MAX);
	uint32_t *codes = memory_allocate(size, sizeof *codes);
	char *out = codes ? memory_allocate(room, 1) : NULL;
	if (!out) {
		memory_release(codes);
		return -1;
	}
	for (size_t at = 0; at < size; count++)
		at += (size_t)utf8_decode((const uint8_t *)text + at, size - at, &codes[count]);
	count = clean_codes(kind, codes, count, &first);
	size_t used = prompt_size;
	if (prompt_size > 0)
		memcpy(out, prompt, prompt_size);
	for (size_t i = first; i < first + count; i++)
		used += (size_t)utf8_encode(codes[i], (uint8_t *)out + used);
	out[used] = '\0';
	memory_release(codes);
	*clean = out;
	*clean_size = used;
	return 0;
}
