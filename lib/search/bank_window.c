/* bank_window.c - the blocks of a window (see bank_window.h). */
#define _GNU_SOURCE
#include "search/bank_window.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "stream/rows.h"

#include <fnmatch.h>
#include <string.h>

static void block_release(struct bank_block *block)
{
	memory_release(block->own_rows);
	memory_release(block->own_scales);
	memory_release(block->own_keys);
	memory_release(block->own_ends);
	memory_release(block->own_sources);
	memory_release(block->own_wanted);
}

void window_release(struct bank_window *window)
{
	for (size_t i = 0; i < window->count; i++)
		block_release(&window->blocks[i]);
	memory_release(window->blocks);
	*window = (struct bank_window){ 0 };
}

static size_t block_bytes(const struct bank_block *block)
{
	return block->count * block->vectors * block->width * dtype_size(block->dtype);
}

int window_add(struct bank_window *window, const struct bank_block *block)
{
	size_t bytes = block_bytes(block), keys = block->count * sizeof *block->key_ends;
	struct bank_block added = *block;
	if (memory_grow((void **)&window->blocks, &window->capacity, window->count + 1,
	        sizeof *window->blocks)) {
		block_release(&added);
		return -1;
	}
	window->blocks[window->count++] = added;
	window->bytes += bytes;
	window->own += sizeof added + keys + (block->own_rows ? bytes : 0) +
	               (block->own_scales ? block->count * block->vectors * sizeof(float) : 0) +
	               (block->own_sources ? block->count * sizeof(struct digest) : 0);
	return 0;
}

enum block_state { BLOCK_GOOD, BLOCK_DAMAGED, BLOCK_KEYS, BLOCK_MEMORY };

struct prepare {
	struct bank_window *window;
	enum block_state *states;
};

/* The keys of a stack, whose bytes were verified: as many lines as rows, each a possible key. */
static enum block_state find_keys(struct bank_block *block, size_t size)
{
	uint32_t *ends = memory_allocate(block->count, sizeof *ends);
	const char *at = block->keys, *end = block->keys + size;
	if (!ends)
		return BLOCK_MEMORY;
	block->own_ends = ends;
	block->key_ends = ends;
	for (size_t i = 0; i < block->count; i++) {
		const char *newline = at < end ? memchr(at, '\n', (size_t)(end - at)) : NULL;
		if (!newline || newline == at || newline - at > RECORD_KEY_MOST ||
		    memchr(at, '\0', (size_t)(newline - at)))
			return BLOCK_KEYS;
		ends[i] = (uint32_t)(newline - block->keys);
		at = newline + 1;
	}
	return at == end ? BLOCK_GOOD : BLOCK_KEYS;
}

static void prepare_block(void *context, size_t chunk, int worker)
{
	(void)worker;
	struct prepare *prepare = context;
	struct bank_block *block = &prepare->window->blocks[chunk];
	enum block_state *state = &prepare->states[chunk];
	if (!block->verified && checksum_of(block->rows, block_bytes(block)) != block->checksum)
		*state = BLOCK_DAMAGED;
	else if (!block->key_ends)
		*state = find_keys(block, block->keys_size);
	block->verified = true;
}

static int report_block(
    struct bank_block *block, enum block_state state, const struct bank_rules *rules)
{
	if (state == BLOCK_MEMORY)
		return error_memory(block->count * sizeof *block->key_ends);
	if (state == BLOCK_KEYS)
		error_input("a stack of %zu rows has other keys than one for each", block->count);
	else if (block->count == 1 && block->key_ends)
		error_input("checksum of the payload of \"%.*s\" is wrong",
		    block->key_ends[0] < 200 ? (int)block->key_ends[0] : 200, block->keys);
	else
		error_input("checksum of the payload of a stack of %zu rows is wrong", block->count);
	rules->report(block->file);
	block->count = 0;
	return 0;
}

bool window_wants(const struct bank_rules *rules, const char *key)
{
	bool wanted = rules->only_count == 0;
	for (size_t i = 0; i < rules->only_count && !wanted; i++)
		wanted = fnmatch(rules->only[i], key, 0) == 0;
	return wanted && (!rules->keys || key_set_has(rules->keys, key));
}

/* Which items of a stack are wanted; a record by itself was looked at when it was read. */
static int filter_block(struct bank_block *block, const struct bank_rules *rules)
{
	char key[RECORD_KEY_MOST + 1];
	if (block->filtered || block->count == 0 || (rules->only_count == 0 && !rules->keys))
		return 0;
	bool *wanted = memory_allocate(block->count, sizeof *wanted);
	if (!wanted)
		return -1;
	for (size_t i = 0; i < block->count; i++) {
		size_t size;
		const char *at = bank_key(block, i, &size);
		memcpy(key, at, size);
		key[size] = '\0';
		wanted[i] = window_wants(rules, key);
	}
	block->own_wanted = wanted;
	block->wanted = wanted;
	block->filtered = true;
	return 0;
}

int window_prepare(struct bank_window *window, const struct bank_rules *rules)
{
	struct prepare prepare = { window,
		memory_allocate_zero(window->count, sizeof *prepare.states) };
	int status = prepare.states ? 0 : -1;
	if (status == 0)
		threads_run(window->count, prepare_block, &prepare);
	for (size_t i = 0; i < window->count && status == 0; i++) {
		if (prepare.states[i] != BLOCK_GOOD)
			status = report_block(&window->blocks[i], prepare.states[i], rules);
		if (status == 0)
			status = filter_block(&window->blocks[i], rules);
	}
	memory_release(prepare.states);
	return status;
}

void bank_numbers(const struct bank_block *block, size_t first, size_t count, float *numbers)
{
	struct rows rows = { block->dtype, block->count * block->vectors, block->width, block->rows,
		block->scales };
	rows_get(&rows, first * block->vectors, count * block->vectors, numbers);
}

const char *bank_key(const struct bank_block *block, size_t item, size_t *size)
{
	size_t first = item > 0 ? (size_t)block->key_ends[item - 1] + 1 : 0;
	*size = block->key_ends[item] - first;
	return block->keys + first;
}

struct digest bank_source(const struct bank_block *block, size_t item)
{
	struct digest source = { { 0 } };
	if (block->sources)
		memcpy(source.bytes, block->sources + item * sizeof source.bytes, sizeof source.bytes);
	return source;
}
