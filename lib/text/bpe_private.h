/* bpe_private.h - the parts of the LLaMA tokenizer that bpe*.c share. */
#ifndef ZV_TEXT_BPE_PRIVATE_H
#define ZV_TEXT_BPE_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/bpe.h"
#include "text/pieces.h"

/* ModelProto.SentencePiece.Type */
enum bpe_type {
	BPE_NORMAL = 1,
	BPE_UNKNOWN = 2,
	BPE_CONTROL = 3,
	BPE_USER = 4,   /* found in the text before merging, never merged further */
	BPE_UNUSED = 5, /* merged through, but taken apart again in the end */
	BPE_BYTE = 6,
	BPE_ADDED = 7, /* ours: from the list of added tokens, not in the model */
};

/* U+2581, which stands for a blank inside pieces. */
#define BPE_BLANK "\xe2\x96\x81"
enum { BPE_BLANK_SIZE = 3 };

/* A token that splits the text before sentencepiece sees it. */
struct bpe_special {
	int32_t id;
	bool strip;   /* as the list of added tokens says */
	bool control; /* one of the model's own: <s> </s> <unk> */
};

struct bpe {
	struct pieces pieces;
	float *scores; /* of the model's pieces */
	uint8_t *types;
	size_t model_count;        /* pieces of the model; added tokens follow */
	size_t capacity;           /* of scores and types */
	int32_t bytes[256];        /* id of <0xHH>; -1 */
	int32_t unknown, bos, eos; /* -1: none */
	bool byte_fallback, dummy_prefix, trim_blanks, escape_blanks;
	size_t user_longest; /* bytes of the longest BPE_USER piece, 0: none */
	size_t piece_most;
	struct bpe_special *specials; /* by first byte, longer texts first, see special_at */
	size_t special_count, special_capacity;
	size_t special_at[257]; /* those that begin with byte B: special_at[B]..special_at[B + 1] */
};

/* Read a ModelProto into bpe (zeroed, with the defaults set by this). 0 or -1. */
int bpe_read_model(struct bpe *bpe, const void *model, size_t size);

enum bpe_type bpe_type(const struct bpe *bpe, int32_t id);

/* Append the ids of one segment of text as sentencepiece's BPE encoder gives them; prefix: with
 * the dummy blank in front, if the model wants one. text is valid UTF-8. 0 or -1. */
int bpe_merge(const struct bpe *bpe, const char *text, size_t size, bool prefix, struct ids *ids);

#endif
