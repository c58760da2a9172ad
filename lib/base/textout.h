/* textout.h - text results on standard output: fields by TAB with escapes, JSON, or raw.
 * Escapes are \t \n \r \\ \xNN ; JSON strings escape what RFC 8259 asks for and leave UTF-8 as it is.
 * A write error is found by program_end(), which checks the stream.
 */
#ifndef ZV_BASE_TEXTOUT_H
#define ZV_BASE_TEXTOUT_H

#include <stddef.h>
#include <stdio.h>

/* size bytes with \t \n \r \\ escaped, and other control characters (also DEL and C1) as \xNN for
 * each of their bytes: they could steer a terminal. */
void textout_field(FILE *stream, const char *text, size_t size);

/* size bytes as they are but for control characters, as \xNN; those in plain stay. */
void textout_shown(FILE *stream, const char *text, size_t size, const char *plain);

/* "text" with quotes; text must be valid UTF-8 (invalid bytes become U+FFFD). */
void textout_json(FILE *stream, const char *text, size_t size);

/* Undo textout_field() in place; returns the new size, or (size_t)-1 on an unknown escape. */
size_t textout_unescape(char *text, size_t size);

/* A stream into memory: after fflush() and textout_close(), *text holds *size bytes and a zero byte
 * behind them; rewind() begins anew. Unlike open_memstream(), whose glibc version loses text without
 * a word when memory runs out, ferror() and textout_close() tell. NULL with ERROR_SYSTEM. *text is
 * the caller's (memory_release) also after a failure; both must live as long as the stream. */
FILE *textout_open(char **text, size_t *size);

/* Close it: 0, or -1 with ERROR_SYSTEM if not all that was written is there. */
int textout_close(FILE *stream);

#endif
