/* unicode.h - the properties of characters that BERT's tokenizer asks for (utf8proc's tables). */
#ifndef ZV_TEXT_UNICODE_H
#define ZV_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

bool unicode_is_control(uint32_t code);     /* Cc and Cf, but for \t \n \r */
bool unicode_is_blank(uint32_t code);       /* \t \n \r, Zs, and U+2028, U+2029 */
bool unicode_is_punctuation(uint32_t code); /* P*, and the symbols of ASCII */
bool unicode_is_mark(uint32_t code);        /* Mn */
bool unicode_is_ideograph(uint32_t code);   /* the CJK blocks of BERT's tokenization.py */

/* Lower case by Python's str.lower(), the final sigma included, in place. */
void unicode_lower(uint32_t *codes, size_t count);

/* Canonical decomposition of codes to *decomposed (the caller's), *size codes. Marks stay in the
 * order in which they come, for the caller drops nearly all of them (Mn). 0 or -1. */
int unicode_decompose(const uint32_t *codes, size_t count, uint32_t **decomposed, size_t *size);

#endif
