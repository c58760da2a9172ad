/* llama_cache.c - keys and values of one sequence (see llama.h). */
#include "model/llama_cache.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/llama.h"
#include "model/llama_layers.h"

#include <string.h>

enum {
	ROWS_BLOCK = 64,    /* a cache grows by so many rows, */
	GROWTH_DIVISOR = 8, /* or by this part of what it has, which bounds the copying */
};

struct llama_cache *llama_cache_new(struct llama *llama)
{
	struct llama_cache *cache = memory_allocate_zero(1, sizeof *cache);
	if (!cache)
		return NULL;
	cache->layers = llama->layers;
	cache->width = llama->kv_heads * llama->head_width;
	cache->most = llama->positions;
	cache->k = memory_allocate_zero(cache->layers, sizeof *cache->k);
	cache->v = memory_allocate_zero(cache->layers, sizeof *cache->v);
	if (cache->k && cache->v)
		return cache;
	llama_cache_release(cache);
	return NULL;
}

void llama_cache_clear(struct llama_cache *cache)
{
	for (size_t n = 0; n < cache->layers; n++) {
		memory_release(cache->k[n]);
		memory_release(cache->v[n]);
		cache->k[n] = cache->v[n] = NULL;
	}
	cache->length = cache->room = 0;
}

void llama_cache_release(struct llama_cache *cache)
{
	if (!cache)
		return;
	if (cache->k && cache->v)
		llama_cache_clear(cache);
	memory_release(cache->k);
	memory_release(cache->v);
	memory_release(cache);
}

void llama_cache_truncate(struct llama_cache *cache, size_t length)
{
	if (length < cache->length)
		cache->length = length;
}

size_t llama_cache_length(const struct llama_cache *cache)
{
	return cache->length;
}

size_t llama_cache_row(const struct llama *llama)
{
	return 2 * llama->layers * llama->kv_heads * llama->head_width * sizeof(float);
}

/* Move one layer's rows to a larger block. */
static int enlarge(const struct llama_cache *cache, float **rows, size_t room)
{
	float *larger = memory_allocate(room, cache->width * sizeof **rows);
	if (!larger)
		return -1;
	if (*rows)
		memcpy(larger, *rows, cache->length * cache->width * sizeof **rows);
	memory_release(*rows);
	*rows = larger;
	return 0;
}

int llama_cache_extend(struct llama_cache *cache, size_t rows)
{
	if (rows > cache->most - cache->length)
		return error_input("the sequence would be %zu tokens long, the model takes up to %zu",
		    cache->length + rows, cache->most);
	size_t needed = cache->length + rows, room = cache->room + cache->room / GROWTH_DIVISOR;
	if (needed <= cache->room)
		return 0;
	if (room < needed)
		room = needed;
	room = (room + ROWS_BLOCK - 1) / ROWS_BLOCK * ROWS_BLOCK; /* positions are few: no overflow */
	if (room > cache->most)
		room = cache->most;
	for (size_t n = 0; n < cache->layers; n++)
		if (enlarge(cache, &cache->k[n], room) < 0 || enlarge(cache, &cache->v[n], room) < 0)
			return -1; /* those that are larger than room says stay usable */
	cache->room = room;
	return 0;
}

int llama_cache_copy(
    struct llama_cache *target, const struct llama_cache *source, size_t same, size_t length)
{
	target->length = same;
	if (llama_cache_extend(target, length - same) < 0)
		return -1;
	size_t from = same * source->width, bytes = (length - same) * source->width * sizeof(float);
	for (size_t n = 0; bytes > 0 && n < source->layers; n++) {
		memcpy(target->k[n] + from, source->k[n] + from, bytes);
		memcpy(target->v[n] + from, source->v[n] + from, bytes);
	}
	target->length = length;
	return 0;
}
