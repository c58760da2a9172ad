/* wordpiece.h - BERT's WordPiece tokenizer, uncased (google-research/bert tokenization.py). */
#ifndef ZV_TEXT_WORDPIECE_H
#define ZV_TEXT_WORDPIECE_H

#include <stddef.h>
#include <stdint.h>

#include "text/ids.h"

struct wordpiece;

/* Read vocab.txt (one token a line, the id is the line number) and added tokens (as in bpe.h,
 * NULL: none). Special tokens are looked up by name: [PAD] [UNK] [CLS] [SEP] [DEC]. */
struct wordpiece *wordpiece_open(
    const char *vocabulary, size_t size, const char *added, size_t added_size);
void wordpiece_close(struct wordpiece *wordpiece);

/* Words of more characters become [UNK]: 100 as in transformers (the default); the original allows
 * 200, which is also the most. */
void wordpiece_limit_words(struct wordpiece *wordpiece, size_t characters);

/* Append the ids of text without [CLS] and [SEP]. 0, or -1 with ERROR_INPUT (bad UTF-8). */
int wordpiece_encode(
    const struct wordpiece *wordpiece, const char *text, size_t size, struct ids *ids);

/* Append [CLS] text [SEP], at most `most` ids: longer texts lose their end (or, from_left, their
 * beginning), as transformers' truncation does. 0 or -1. */
int wordpiece_encode_framed(const struct wordpiece *wordpiece, const char *text, size_t size,
    size_t most, int from_left, struct ids *ids);

/* Join pieces with blanks, "##" glued; special tokens are left out when skip_special. *text is
 * the caller's. 0 or -1. */
int wordpiece_decode(const struct wordpiece *wordpiece, const int32_t *ids, size_t count,
    int skip_special, char **text, size_t *size);

int32_t wordpiece_size(const struct wordpiece *wordpiece);
const char *wordpiece_piece(const struct wordpiece *wordpiece, int32_t id);
int32_t wordpiece_find(const struct wordpiece *wordpiece, const char *text); /* -1: none */

#endif
