/* result_output.h - results of the Q-Former as samples, each with the text that it is about beside
 * it, computed or held already (stream/cache.h).
 */
#ifndef ZV_MODEL_RESULT_OUTPUT_H
#define ZV_MODEL_RESULT_OUTPUT_H

#include "stream/cache.h"

/* What a result is made of. */
struct result_identity {
	const char *key, *name;
	const char *text;            /* beside it; NULL: none */
	struct digest maker, source; /* of the result, of the picture */
	struct digest text_digest;   /* set by result_held() */
};

/* Is it held? Prepares the identity for the others. */
bool result_held(struct cache *cache, struct result_identity *identity);

/* Have the cache keep what is held. 0 or -1. */
int result_keep(struct cache *cache, const struct result_identity *identity);

/* Write record, which has no key, with its numbers as dtype (rows.h), and the text as text_name.
 * 0, or -1: with ERROR_INPUT nothing was written. */
int result_put(struct cache *cache, const struct result_identity *identity, struct record *record,
    const float *numbers, char dtype, const char *text_name, struct rows_stored *stored);

/* A key for a text without one: the text itself, cut to what a key may be; control bytes become
 * blanks. */
void result_text_key(const char *text, char key[RECORD_KEY_MOST + 1]);

#endif
