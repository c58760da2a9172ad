/* utf8.h - validity and boundaries of UTF-8 text. */
#ifndef ZV_BASE_UTF8_H
#define ZV_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Decode the character at bytes[0]: its length 1..4 with *code set; 0 if the bytes are not valid
 * UTF-8 (overlong, surrogate, above U+10FFFF, stray byte); -1 if they are the beginning of a
 * character that size cuts off. size >= 1. Pure. */
int utf8_decode(const uint8_t *bytes, size_t size, uint32_t *code);

/* Bytes before the first invalid or cut-off character; size if all is valid. */
size_t utf8_valid_prefix(const void *bytes, size_t size);

/* Bytes of the byte order mark that some editors put in front of a text: 3, or 0 without one. */
size_t utf8_mark(const void *bytes, size_t size);

/* code (a valid scalar value) as 1..4 bytes; returns their number. */
int utf8_encode(uint32_t code, uint8_t bytes[4]);

#endif
