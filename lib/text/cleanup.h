/* cleanup.h - the clean-up of texts that BLIP-2's training and evaluation apply before the
 * tokenizer (LAVIS blip_processors.py, spec 3.10).
 */
#ifndef ZV_TEXT_CLEANUP_H
#define ZV_TEXT_CLEANUP_H

#include <stddef.h>

enum cleanup_kind {
	CLEANUP_NONE,     /* the text as it is */
	CLEANUP_CAPTION,  /* blip_caption: lower case, punctuation to blanks, 50 words */
	CLEANUP_QUESTION, /* blip_question: lower case, punctuation deleted, 50 words */
};

/* Clean a text (valid UTF-8) and put prompt ("a photo of ", may be NULL) in front of it; *clean is
 * the caller's, zero-terminated. 0, or -1: memory, or ERROR_INPUT (bad UTF-8). */
int cleanup_text(enum cleanup_kind kind, const char *text, size_t size, const char *prompt,
    char **clean, size_t *clean_size);

#endif
