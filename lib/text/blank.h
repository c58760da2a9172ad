/* blank.h - white space as Python's str.strip() knows it, on UTF-8 text. */
#ifndef ZV_TEXT_BLANK_H
#define ZV_TEXT_BLANK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool blank_is(uint32_t code);

/* How many bytes remain when white space is taken from the end of text. */
size_t blank_trim_end(const char *text, size_t size);

/* How many bytes of white space text begins with. */
size_t blank_at_start(const char *text, size_t size);

#endif
