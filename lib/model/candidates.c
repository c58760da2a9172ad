/* candidates.c - reading given answers, see candidates.h. */
#define _GNU_SOURCE
#include "model/candidates.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/textout.h"

enum { MOST_CANDIDATES = 1 << 20 };

/* A copy of size bytes with the escapes undone; NULL with a recorded error. */
static char *unescaped(const char *bytes, size_t size)
{
	char *text = memory_text(bytes, size);
	if (text == NULL)
		return NULL;
	size_t length = textout_unescape(text, size);
	if (length == (size_t)-1) {
		memory_release(text);
		error_input("unknown escape (known are \\t \\n \\r \\\\)");
		return NULL;
	}
	text[length] = '\0';
	return text;
}

static int read_line(struct given_answer *answer, const char *line, size_t size,
    const struct bpe *bpe, const struct bpe_options *options)
{
	if (memchr(line, '\0', size) != NULL)
		return error_input("a zero byte");
	const char *tab = memchr(line, '\t', size);
	if (tab != NULL) {
		answer->key = unescaped(line, (size_t)(tab - line));
		if (answer->key == NULL)
			return -1;
		size -= (size_t)(tab + 1 - line);
		line = tab + 1;
	}
	answer->text = unescaped(line, size);
	if (answer->text == NULL)
		return -1;
	if (answer->text[0] == '\0')
		return error_input("an empty answer");
	return bpe_encode(bpe, answer->text, strlen(answer->text), options, &answer->ids);
}

int candidates_read(struct candidates *candidates, FILE *stream, const struct bpe *bpe,
    const struct bpe_options *options)
{
	char *line = NULL;
	size_t room = 0, number = 0;
	ssize_t length;
	int status = 0;
	while (status == 0 && (length = getline(&line, &room, stream)) >= 0) {
		number++;
		size_t size = (size_t)length;
		if (size > 0 && line[size - 1] == '\n')
			size--;
		void *at = candidates->at;
		if (candidates->count == MOST_CANDIDATES)
			status = error_input("more than %d answers", MOST_CANDIDATES);
		else
			status = memory_grow(
			    &at, &candidates->capacity, candidates->count + 1, sizeof *candidates->at);
		candidates->at = at;
		if (status != 0)
			break;
		struct given_answer *answer = &candidates->at[candidates->count++];
		*answer = (struct given_answer){ 0 };
		status = read_line(answer, line, size, bpe, options);
		if (status != 0)
			error_context("line %zu", number);
	}
	if (status == 0 && ferror(stream))
		status = error_input("cannot read:");
	free(line);
	return status;
}

void candidates_clear(struct candidates *candidates)
{
	for (size_t i = 0; i < candidates->count; i++) {
		memory_release(candidates->at[i].key);
		memory_release(candidates->at[i].text);
		ids_clear(&candidates->at[i].ids);
	}
	memory_release(candidates->at);
	*candidates = (struct candidates){ 0 };
}
