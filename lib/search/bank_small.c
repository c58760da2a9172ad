/* bank_small.c - small records gathered in memory (see bank_small.h). */
#include "search/bank_small.h"
#include "base/memory.h"

#include <string.h>

enum { BLOCK_BYTES = 1 << 20 };

void small_release(struct bank_small *small)
{
	memory_release(small->rows);
	memory_release(small->scales);
	memory_release(small->keys);
	memory_release(small->ends);
	memory_release(small->sources);
	*small = (struct bank_small){ 0 };
}

int small_end(struct bank_small *small, struct bank_window *window)
{
	struct bank_block block = small->block;
	if (block.count == 0)
		return 0;
	if (!small->has_sources) {
		memory_release(small->sources);
		small->sources = NULL;
	}
	block.rows = block.own_rows = small->rows;
	block.scales = block.own_scales = small->scales;
	block.keys = block.own_keys = small->keys;
	block.keys_size = small->keys_size;
	block.key_ends = block.own_ends = small->ends;
	block.sources = block.own_sources = small->sources;
	block.verified = block.filtered = true;
	*small = (struct bank_small){ 0 };
	return window_add(window, &block);
}

/* Room for one more. */
static int grow(
    struct bank_small *small, const struct bank_block *block, size_t size, size_t key_size)
{
	size_t count = small->block.count + 1;
	if (memory_grow((void **)&small->rows, &small->rows_capacity, small->rows_size + size, 1) ||
	    memory_grow((void **)&small->keys, &small->keys_capacity, small->keys_size + key_size, 1) ||
	    memory_grow((void **)&small->ends, &small->ends_capacity, count, sizeof *small->ends) ||
	    memory_grow(
	        (void **)&small->sources, &small->sources_capacity, count * sizeof(struct digest), 1))
		return -1;
	if (!block->scales)
		return 0;
	return memory_grow((void **)&small->scales, &small->scales_capacity, count * block->vectors,
	    sizeof *small->scales);
}

int small_add(struct bank_small *small, struct bank_window *window, const struct record *record,
    const struct bank_block *block, const void *payload)
{
	const struct bank_block *last = &small->block;
	size_t size = (size_t)record->payload_size, key = strlen(record->key);
	bool alike = last->vectors == block->vectors && last->width == block->width &&
	             last->dtype == block->dtype && last->origin == block->origin;
	if ((!alike || small->rows_size + size > BLOCK_BYTES) && small_end(small, window))
		return -1;
	size_t count = small->block.count;
	if (grow(small, block, size, key + 1))
		return -1;
	if (count == 0) {
		small->block = *block;
		small->block.count = 0;
	}
	memcpy(small->rows + small->rows_size, payload, size);
	if (block->scales)
		memcpy(small->scales + count * block->vectors, block->scales,
		    block->vectors * sizeof *small->scales);
	memcpy(small->keys + small->keys_size, record->key, key);
	small->keys[small->keys_size + key] = '\n';
	small->ends[count] = (uint32_t)(small->keys_size + key);
	memcpy(small->sources + count * sizeof(struct digest), record->source.bytes,
	    sizeof(struct digest));
	small->has_sources |= !digest_is_zero(&record->source);
	small->rows_size += size;
	small->keys_size += key + 1;
	small->block.count++;
	return 0;
}
