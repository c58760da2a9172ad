/* lines.c - lines of text with keys, see lines.h. */
#define _GNU_SOURCE
#include "text/lines.h"

#include <string.h>

#include "base/error.h"
#include "base/line.h"
#include "base/memory.h"
#include "base/textout.h"
#include "base/utf8.h"

int lines_open(struct lines *lines, const char *path, enum lines_key keyed)
{
	*lines = (struct lines){ .keyed = keyed };
	lines->file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
	return lines->file == NULL ? error_system("cannot open:") : 0;
}

void lines_close(struct lines *lines)
{
	if (lines->file != NULL && lines->file != stdin)
		fclose(lines->file);
	memory_release(lines->line);
	*lines = (struct lines){ 0 };
}

/* Undo the escapes of text, which ends with a zero byte, in place. */
static int unescape(const struct lines *lines, char *text)
{
	size_t size = textout_unescape(text, strlen(text));
	if (size == (size_t)-1)
		return error_input(
		    "line %zu: unknown escape (known are \\t \\n \\r \\\\ \\xNN)", lines->number);
	if (memchr(text, '\0', size) != NULL || utf8_valid_prefix(text, size) < size)
		return error_input("line %zu: an escape makes a zero byte or no UTF-8", lines->number);
	text[size] = '\0';
	return 0;
}

static int split(struct lines *lines, size_t size)
{
	lines->key = NULL;
	lines->text = lines->line;
	if (memchr(lines->line, '\0', size) != NULL)
		return error_input("line %zu: a zero byte", lines->number);
	size_t valid = utf8_valid_prefix(lines->line, size);
	if (valid < size)
		return error_input("line %zu: byte %zu is not UTF-8", lines->number, valid + 1);
	if (lines->keyed == LINES_RAW)
		return 0;
	char *tab = lines->keyed == LINES_PLAIN ? NULL : strchr(lines->line, '\t');
	if (lines->keyed == LINES_KEYED && tab == NULL)
		return error_input("line %zu: no TAB behind the key", lines->number);
	if (tab != NULL) {
		*tab = '\0';
		lines->key = lines->line;
		lines->text = tab + 1;
		if (unescape(lines, lines->key) != 0)
			return -1;
	}
	return unescape(lines, lines->text);
}

int lines_next(struct lines *lines)
{
	size_t size;
	int found = lines->broken
	                ? 0
	                : line_read(lines->file, '\n', LINES_MOST, &lines->line, &lines->room, &size);
	lines->broken = found < 0;
	if (found == 0 || (found < 0 && error_kind() == ERROR_SYSTEM))
		return found;
	if (found < 0)
		return error_input("line %zu is longer than %d bytes; it and what follows are not read",
		    ++lines->number, LINES_MOST);
	if (lines->number++ == 0) {
		size_t mark = utf8_mark(lines->line, size);
		memmove(lines->line, lines->line + mark, size + 1 - mark);
		size -= mark;
	}
	return split(lines, size) != 0 ? -1 : 1;
}
