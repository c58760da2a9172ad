/* pieces.c - the table of a tokenizer (see pieces.h). */
#include "text/pieces.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"

#include <string.h>

int pieces_set(struct pieces *pieces, size_t id, const char *text, size_t size)
{
	if (id >= PIECES_MOST)
		return error_input("id %zu is beyond the limit of %d", id, PIECES_MOST);
	if (size > PIECE_SIZE_MOST)
		return error_input(
		    "id %zu has a text of %zu bytes (at most %d)", id, size, PIECE_SIZE_MOST);
	if (memchr(text, '\0', size))
		return error_input("id %zu has a text with a zero byte", id);
	size_t needed;
	if (!checked_add(pieces->block_size, size + 1, &needed))
		return error_memory(SIZE_MAX);
	void *block = pieces->block;
	if (memory_grow(&block, &pieces->block_capacity, needed, 1))
		return -1;
	pieces->block = block;
	if (id >= pieces->count) {
		void *at = pieces->at;
		if (memory_grow(&at, &pieces->capacity, id + 1, sizeof *pieces->at))
			return -1;
		pieces->at = at;
		memset(pieces->at + pieces->count, 0, (id + 1 - pieces->count) * sizeof *pieces->at);
		pieces->count = id + 1;
	}
	memcpy(pieces->block + pieces->block_size, text, size);
	pieces->block[needed - 1] = '\0';
	pieces->at[id] = (struct piece){ .start = pieces->block_size, .size = (uint32_t)size };
	pieces->block_size = needed;
	return 0;
}

/* The slot that holds text, or the empty one where it belongs. There is always an empty slot. */
static uint32_t *slot_of(const struct pieces *pieces, const char *text, size_t size)
{
	size_t mask = pieces->slot_count - 1;
	for (size_t slot = checksum_of(text, size) & mask;; slot = (slot + 1) & mask) {
		uint32_t found = pieces->slots[slot];
		if (!found)
			return &pieces->slots[slot];
		const struct piece *piece = &pieces->at[found - 1];
		if (piece->size == size && memcmp(pieces->block + piece->start, text, size) == 0)
			return &pieces->slots[slot];
	}
}

/* Twice the slots, everything placed anew. 0 or -1. */
static int grow_slots(struct pieces *pieces)
{
	uint32_t *old = pieces->slots;
	size_t old_count = pieces->slot_count, larger = old_count ? old_count * 2 : 1024;
	uint32_t *slots = memory_allocate_zero(larger, sizeof *slots);
	if (!slots)
		return -1;
	pieces->slots = slots;
	pieces->slot_count = larger;
	for (size_t i = 0; i < old_count; i++) {
		if (old[i]) {
			const struct piece *piece = &pieces->at[old[i] - 1];
			*slot_of(pieces, pieces->block + piece->start, piece->size) = old[i];
		}
	}
	memory_release(old);
	return 0;
}

int pieces_index(struct pieces *pieces, size_t id, int32_t *before)
{
	if (pieces->slot_count < 2 * (pieces->indexed + 1) && grow_slots(pieces))
		return -1;
	const struct piece *piece = &pieces->at[id];
	uint32_t *slot = slot_of(pieces, pieces->block + piece->start, piece->size);
	if (before)
		*before = (int32_t)*slot - 1;
	if (!*slot)
		pieces->indexed++;
	*slot = (uint32_t)id + 1;
	return 0;
}

int32_t pieces_find(const struct pieces *pieces, const char *text, size_t size)
{
	return pieces->slot_count ? (int32_t)*slot_of(pieces, text, size) - 1 : -1;
}

const char *pieces_text(const struct pieces *pieces, int32_t id)
{
	if (id < 0 || (size_t)id >= pieces->count || pieces->at[id].size == 0)
		return NULL;
	return pieces->block + pieces->at[id].start;
}

void pieces_clear(struct pieces *pieces)
{
	memory_release(pieces->block);
	memory_release(pieces->at);
	memory_release(pieces->slots);
	*pieces = (struct pieces){ 0 };
}
