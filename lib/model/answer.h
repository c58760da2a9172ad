/* answer.h - the text of an answer while it grows: stop texts, which may span tokens and are cut
 * off, and how much of the text is settled, so that it can be shown before the answer is complete.
 */
#ifndef ZV_MODEL_ANSWER_H
#define ZV_MODEL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "text/bpe.h"

struct answer {
	const char *const *stops;   /* stop_count texts, none of them empty */
	size_t stop_count, longest; /* longest: bytes of the longest of them */
	char *text;                 /* size bytes and a zero byte; the answer's */
	size_t size, capacity;
	bool stopped;             /* a stop text was found and cut off, with all behind it */
	struct bpe_stream stream; /* where answer_add_token() is */
};

/* An empty answer that ends at the first of these texts. stops must outlive it. */
void answer_begin(struct answer *answer, const char *const *stops, size_t stop_count);

/* Append bytes; after a stop text they are dropped. 0, or -1: memory. */
int answer_add(struct answer *answer, const char *bytes, size_t size);

/* Append the text of the next token; -1: there are no more. 0, or -1: memory. */
int answer_add_token(struct answer *answer, const struct bpe *bpe, int32_t id);

/* How many bytes of the text no later byte can take away: all but what may be the beginning of a
 * stop text, and never part of a UTF-8 character. */
size_t answer_settled(const struct answer *answer);

void answer_clear(struct answer *answer); /* releases the memory; stops stay */

#endif
