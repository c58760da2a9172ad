/* textout.h - text results on standard output: fields by TAB with escapes, JSON, or raw.
 * Escapes are \t \n \r \\ ; JSON strings escape what RFC 8259 asks for and leave UTF-8 as it is.
 * A write error is found by program_end(), which checks the stream.
 */
#ifndef ZV_BASE_TEXTOUT_H
#define ZV_BASE_TEXTOUT_H

#include <stddef.h>
#include <stdio.h>

/* size bytes with \t \n \r \\ escaped. */
void textout_field(FILE *stream, const char *text, size_t size);

/* "text" with quotes; text must be valid UTF-8 (invalid bytes become U+FFFD). */
void textout_json(FILE *stream, const char *text, size_t size);

/* Undo textout_field() in place; returns the new size, or (size_t)-1 on an unknown escape. */
size_t textout_unescape(char *text, size_t size);

#endif
