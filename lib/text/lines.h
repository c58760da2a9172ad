/* lines.h - lines of text from a person's file: "text", or "key TAB text"; escapes as in results
 * (\t \n \r \\), UTF-8, with or without a byte order mark.
 */
#ifndef ZV_TEXT_LINES_H
#define ZV_TEXT_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { LINES_MOST = 1 << 20 }; /* bytes of a line */

enum lines_key {
	LINES_RAW,      /* the text is as it is: no key, no escapes */
	LINES_PLAIN,    /* a TAB is part of the text */
	LINES_OPTIONAL, /* a line without TAB has no key */
	LINES_KEYED,    /* a line without TAB is an error */
};

struct lines {
	FILE *file;
	enum lines_key keyed;
	size_t number; /* of the line just read, from 1 */
	char *key;     /* NULL: none; both are zero-terminated and valid until the next call */
	char *text;
	char *line; /* memory of both */
	size_t room;
	bool broken; /* reading failed: nothing more comes */
};

/* path "-": standard input. 0, or -1 with ERROR_SYSTEM. */
int lines_open(struct lines *lines, const char *path, enum lines_key keyed);

/* 1 and the next line, 0 at the end, -1 with ERROR_INPUT that names the line; the next call then
 * goes on with the line behind it, but ends behind one that is longer than LINES_MOST. ERROR_SYSTEM:
 the file cannot be read. */
int lines_next(struct lines *lines);

void lines_close(struct lines *lines);

#endif
