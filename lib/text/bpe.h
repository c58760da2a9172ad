/* bpe.h - the LLaMA tokenizer: SentencePiece BPE with byte fallback and added tokens
 * (spec: sentencepiece's bpe_model; transformers' slow LlamaTokenizer for added tokens).
 */
#ifndef ZV_TEXT_BPE_H
#define ZV_TEXT_BPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/ids.h"

struct bpe;

/* How text next to an added token is treated (spec 2.6). */
enum bpe_added {
	BPE_ADDED_MODEL, /* as the model's added-token list says, token by token */
	BPE_ADDED_STRIP, /* white space on both sides is lost (transformers <= 4.33) */
	BPE_ADDED_KEEP,  /* it is kept (transformers >= 4.34) */
};

struct bpe_options {
	bool bos, eos;        /* put <s> in front, </s> behind */
	enum bpe_added added; /* default BPE_ADDED_MODEL */
	bool modern; /* false: legacy, a dummy prefix on every segment; true: only on the first */
	bool plain;  /* treat added and control tokens as ordinary text */
};

/* Read tokenizer.model (a SentencePiece ModelProto) of size bytes; refuses models that are not BPE
 * or that normalise. added: lines "ID\tstrip|keep\tTEXT" (NULL: none), see zv-model(5). NULL with
 * a recorded error. The bytes are not needed afterwards. */
struct bpe *bpe_open(const void *model, size_t size, const char *added, size_t added_size);
void bpe_close(struct bpe *bpe);

/* Append the ids of text (valid UTF-8) to ids. 0, or -1 with ERROR_INPUT naming the byte. */
int bpe_encode(const struct bpe *bpe, const char *text, size_t size,
    const struct bpe_options *options, struct ids *ids);

/* Text of ids to *text (the caller's, memory_release, zero-terminated), as sentencepiece and the
 * slow tokenizer of 4.33 write it: byte pieces are joined, invalid UTF-8 becomes U+FFFD, control
 * tokens are left out when skip_special. Unknown ids are ERROR_INPUT. */
int bpe_decode(const struct bpe *bpe, const int32_t *ids, size_t count, bool skip_special,
    char **text, size_t *size);

/* Decoding token by token: only whole UTF-8 characters leave; the first piece loses its dummy
 * blank if at_start. */
struct bpe_stream {
	bool started;
	uint8_t held[4]; /* bytes of an unfinished character */
	int held_count;
};
/* Bytes of the next id to out (room for bpe_piece_most() + 8); returns their number. An id of -1
 * ends the stream: what is held becomes U+FFFD. */
size_t bpe_stream_next(const struct bpe *bpe, struct bpe_stream *stream, int32_t id, char *out);
size_t bpe_piece_most(const struct bpe *bpe);

int32_t bpe_size(const struct bpe *bpe); /* pieces and added tokens: ids below this exist */
int32_t bpe_bos(const struct bpe *bpe);
int32_t bpe_eos(const struct bpe *bpe);
/* The piece or added token as it stands in the model; NULL if there is no such id. */
const char *bpe_piece(const struct bpe *bpe, int32_t id);
/* The id whose piece or added token is exactly text, or -1. */
int32_t bpe_find(const struct bpe *bpe, const char *text);

#endif
