/* maker.h - what produced a payload, as text and as the fingerprint in each record.
 * The text is lines "word=value\n" and is the record's meta; the fingerprint is its BLAKE2b-128,
 * so that `zv-ls --meta` shows it and `b2sum -l 128` of it gives the maker:
 *     zv=1
 *     stage=encode 1
 *     weights=<fingerprint of vit.zv>
 *     prep=rgb 224x224 bicubic clip-norm
 *     math=f32
 * A stage appends its input's fingerprint as "input=", so identity chains like a derivation.
 */
#ifndef ZV_STREAM_MAKER_H
#define ZV_STREAM_MAKER_H

#include "base/hash.h"
#include "stream/record.h"

enum { MAKER_TEXT_SIZE = 1024 };

struct maker {
	char text[MAKER_TEXT_SIZE];
	size_t size;
	struct digest digest; /* of text, kept up to date by maker_begin() and maker_add() */
};

/* Start with "zv=1" and "stage=STAGE VERSION". Version is raised by hand when the code's numbers
 * change. */
void maker_begin(struct maker *maker, const char *stage, int version);

/* Append "word=value\n"; value is formatted. */
void maker_add(struct maker *maker, const char *word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void maker_add_digest(struct maker *maker, const char *word, const struct digest *digest);

/* Make record carry maker: its digest as maker, its text as meta (not copied). */
void maker_stamp(const struct maker *maker, struct record *record);

/* Does the record's maker belong to its meta? False also when either is absent. */
bool maker_is_honest(const struct record *record);

/* Refuse (-1, ERROR_INPUT that says in words what it is and what to do) a record whose maker text
 * lacks "word=<digest>"; 0 if it has it, if wanted is zero, or under common.any_maker. An
 * undeclared maker (all zero) is refused too. The word is "weights" or "llm". */
int maker_expect(const struct record *record, const char *word, const struct digest *wanted);

#endif
