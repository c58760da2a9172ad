/* pieces.h - the table of a tokenizer: id to text, and text to id by hashing.
 * Texts are kept in one block, each with a zero byte behind it, and found by id; only texts that
 * were indexed are found by text. Texts hold no zero byte.
 */
#ifndef ZV_TEXT_PIECES_H
#define ZV_TEXT_PIECES_H

#include <stddef.h>
#include <stdint.h>

enum {
	PIECES_MOST = 1 << 22,    /* ids below this */
	PIECE_SIZE_MOST = 1 << 12 /* bytes of one text */
};

struct piece {
	size_t start; /* into block */
	uint32_t size;
};

struct pieces {
	char *block;
	size_t block_size, block_capacity;
	struct piece *at;
	size_t count, capacity; /* ids 0..count-1; a size of 0: no text has this id */
	uint32_t *slots;        /* id + 1, 0: empty */
	size_t slot_count;      /* a power of two, at least twice the indexed texts */
	size_t indexed;
};

/* Give id this text; ids between count and id come into being without a text. 0, or -1: memory,
 * or ERROR_INPUT when id or text is beyond the limits, or the text holds a zero byte. */
int pieces_set(struct pieces *pieces, size_t id, const char *text, size_t size);

/* Make the text of id findable. Of equal texts the one indexed last is found; *before (may be
 * NULL) tells which was there, -1: none. 0 or -1. */
int pieces_index(struct pieces *pieces, size_t id, int32_t *before);

/* The id of an indexed text, or -1. */
int32_t pieces_find(const struct pieces *pieces, const char *text, size_t size);

/* The zero-terminated text of id; NULL if there is none. */
const char *pieces_text(const struct pieces *pieces, int32_t id);

void pieces_clear(struct pieces *pieces);

#endif
