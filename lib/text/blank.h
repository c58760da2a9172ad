/* blank.h - white space as Python's str.strip() knows it, on UTF-8 text. */
#ifndef ZV_TEXT_BLANK_H
#define ZV_TEXT_BLANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool blank_is(uint32_t code);

/* Bytes of the white-space character at text[0] (size >= 1), or 0. */
size_t blank_first(const char *text, size_t size);

/* How many bytes remain when white space is taken from the end of text. */
size_t blank_trim_end(const char *text, size_t size);

/* How many bytes of white space text begins with. */
size_t blank_at_start(const char *text, size_t size);

#endif
