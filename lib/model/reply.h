/* reply.h - how an answer is written: a line "key TAB text" with escapes, the text alone, ids, or
 * one JSON object.
 */
#ifndef ZV_MODEL_REPLY_H
#define ZV_MODEL_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "model/answer.h"
#include "model/generation.h"
#include "text/bpe.h"

struct reply_form {
	bool json;       /* else fields */
	bool text_only;  /* no key, no escapes, but control bytes other than \n and \t as \xNN */
	bool null;       /* results end with a zero byte and carry no escapes */
	bool ids;        /* ids in place of the text; in JSON beside it */
	bool logprobs;   /* one more field: the log-probability of each id */
	bool hypotheses; /* JSON: all results of a beam search */
};

/* One answer; turn 0: no talk, else counted from 1. 0, or -1: memory. */
int reply_write(FILE *stream, const struct reply_form *form, const char *key, size_t turn,
    const struct generation *generation, const struct answer *answer, const struct bpe *bpe);

/* An item that failed: in JSON with the reason, else an empty result, so that results stay in line
 * with the input. */
void reply_write_failure(
    FILE *stream, const struct reply_form *form, const char *key, const char *reason);

/* A text of a key and nothing more. */
void reply_write_plain(
    FILE *stream, const struct reply_form *form, const char *key, const char *text, size_t size);

/* A given answer with its log-likelihood over so many tokens. */
void reply_write_score(FILE *stream, const struct reply_form *form, const char *key,
    const char *text, size_t tokens, double sum);

/* The parts of a reply that is shown while it grows. */
void reply_write_key(FILE *stream, const struct reply_form *form, const char *key);
void reply_write_text(FILE *stream, const struct reply_form *form, const char *text, size_t size);
void reply_write_end(FILE *stream, const struct reply_form *form);

#endif
