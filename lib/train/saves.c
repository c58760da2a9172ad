/* saves.c - the save stack (see saves.h): tensors one behind the other in a few large blocks, which
 * stay for the next step. When the stack is empty and had needed several blocks, they become one
 * that holds the most that was ever in use, so that a run soon works in a single piece of memory.
 */
#include "train/saves.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdint.h>
#include <string.h>

enum {
	UNIT = 16,         /* floats that a tensor's room is rounded up to: 64 bytes */
	BLOCK = 1 << 22,   /* floats of a block, unless a tensor needs more */
	BLOCKS_MOST = 4096 /* far more than any step: they are merged when the stack is empty */
};

struct block {
	float *values;
	size_t room, used; /* floats */
};

struct entry {
	const char *tag;
	size_t count;
	size_t block, begin; /* where it is, and what its block had in use before */
};

struct saves {
	struct block blocks[BLOCKS_MOST];
	size_t block_count, current; /* the block on top */
	struct entry *entries;
	size_t count, capacity;
	size_t in_use, most; /* floats */
};

struct saves *saves_new(void)
{
	return memory_allocate_zero(1, sizeof(struct saves));
}

void saves_release(struct saves *saves)
{
	if (!saves)
		return;
	for (size_t i = 0; i < saves->block_count; i++)
		memory_release(saves->blocks[i].values);
	memory_release(saves->entries);
	memory_release(saves);
}

/* Insert a block of room floats before the blocks from index at on, which are empty. */
static int insert_block(struct saves *saves, size_t at, size_t room)
{
	if (saves->block_count == BLOCKS_MOST)
		return error_system("the save stack has too many blocks");
	float *values = memory_allocate(room, sizeof *values);
	if (!values)
		return -1;
	memmove(&saves->blocks[at + 1], &saves->blocks[at],
	    (saves->block_count - at) * sizeof saves->blocks[0]);
	saves->blocks[at] = (struct block){ values, room, 0 };
	saves->block_count++;
	return 0;
}

/* Nothing is on the stack: several blocks become one, with a quarter to spare. */
static int merge_blocks(struct saves *saves)
{
	for (size_t i = 0; i < saves->block_count; i++)
		memory_release(saves->blocks[i].values);
	saves->block_count = saves->current = 0;
	return insert_block(saves, 0, saves->most + saves->most / 4);
}

/* Let the current block have room for size floats behind what it holds. */
static int make_room(struct saves *saves, size_t size)
{
	if (saves->count == 0 && saves->block_count > 1 && merge_blocks(saves) < 0)
		return -1;
	for (size_t at = saves->current; at < saves->block_count; at++) {
		const struct block *block = &saves->blocks[at];
		if (block->room - block->used < size)
			continue;
		saves->current = at;
		return 0;
	}
	size_t at = saves->block_count;
	if (insert_block(saves, at, size > BLOCK ? size : BLOCK) < 0)
		return -1;
	saves->current = at;
	return 0;
}

float *saves_push(struct saves *saves, const char *tag, size_t count)
{
	size_t size;
	if (!checked_round_up(count, UNIT, &size)) {
		error_memory(SIZE_MAX);
		return NULL;
	}
	if (memory_grow((void **)&saves->entries, &saves->capacity, saves->count + 1,
	        sizeof *saves->entries) < 0 ||
	    make_room(saves, size) < 0)
		return NULL;
	struct block *block = &saves->blocks[saves->current];
	saves->entries[saves->count++] = (struct entry){ tag, count, saves->current, block->used };
	float *values = block->values + block->used;
	block->used += size;
	saves->in_use += size;
	if (saves->in_use > saves->most)
		saves->most = saves->in_use;
	return values;
}

/* Take the entry on top off. */
static float *take(struct saves *saves)
{
	const struct entry *entry = &saves->entries[--saves->count];
	struct block *block = &saves->blocks[entry->block];
	saves->in_use -= block->used - entry->begin;
	block->used = entry->begin;
	/* The entry below may be in an earlier block; blocks between them are empty. */
	saves->current = saves->count > 0 ? saves->entries[saves->count - 1].block : 0;
	return block->values + entry->begin;
}

float *saves_pop(struct saves *saves, const char *tag, size_t count)
{
	const struct entry *entry = saves->count > 0 ? &saves->entries[saves->count - 1] : NULL;
	if (entry && entry->count == count && strcmp(entry->tag, tag) == 0)
		return take(saves);
	error_system("fault of the program: the save stack has \"%s\" (%zu) where \"%s\" (%zu) is "
	             "wanted",
	    entry ? entry->tag : "nothing", entry ? entry->count : 0, tag, count);
	return NULL;
}

size_t saves_mark(const struct saves *saves)
{
	return saves->count;
}

void saves_reset(struct saves *saves, size_t mark)
{
	while (saves->count > mark)
		take(saves);
}

size_t saves_most(const struct saves *saves)
{
	return saves->most * sizeof(float);
}
