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
	cache->row = kept_row(&llama->kept);
	cache->most = llama->positions;
	cache->k = memory_allocate_zero(cache->layers, sizeof *cache->k);
	cache->v = memory_allocate_zero(cache->layers, sizeof *cache->v);
	if (cache->k && cache->v)
		return cache;
	llama_cache_release(cache);
	return NULL;
}

static void release_rows(size_t layers, char **k, char **v)
{
	for (size_t n = 0; n < layers; n++) {
		memory_release(k[n]);
		memory_release(v[n]);
		k[n] = v[n] = NULL;
	}
}

static void leave_prefix(struct llama_cache *cache)
{
	struct llama_prefix *prefix = cache->prefix;
	cache->prefix = NULL;
	cache->shared = 0;
	if (!prefix || --prefix->holders > 0)
		return;
	release_rows(prefix->layers, prefix->k, prefix->v);
	memory_release(prefix->k);
	memory_release(prefix->v);
	memory_release(prefix);
}

void llama_cache_clear(struct llama_cache *cache)
{
	leave_prefix(cache);
	release_rows(cache->layers, cache->k, cache->v);
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
	if (cache->length < cache->shared)
		cache->shared = cache->length;
	if (cache->shared == 0)
		leave_prefix(cache);
}

void llama_keep_as(struct llama *llama, enum kept_type type)
{
	llama->kept.type = type;
}

enum kept_type llama_kept_as(const struct llama *llama)
{
	return llama->kept.type;
}

size_t llama_cache_length(const struct llama_cache *cache)
{
	return cache->length;
}

size_t llama_cache_row(const struct llama *llama)
{
	return 2 * llama->layers * kept_row(&llama->kept);
}

/* Move one layer's rows to a larger block. */
static int enlarge(const struct llama_cache *cache, char **rows, size_t room)
{
	char *larger = memory_allocate(room, cache->row);
	if (!larger)
		return -1;
	if (*rows)
		memcpy(larger, *rows, (cache->length - cache->shared) * cache->row);
	memory_release(*rows);
	*rows = larger;
	return 0;
}

int llama_cache_extend(struct llama_cache *cache, size_t rows)
{
	if (rows > cache->most - cache->length)
		return error_input("the sequence would be %zu tokens long, the model takes up to %zu",
		    cache->length + rows, cache->most);
	size_t needed = cache->length - cache->shared + rows;
	size_t room = cache->room + cache->room / GROWTH_DIVISOR;
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

/* Rows from..to-1 of a sequence, whose first lie in prefix, to target. */
static void copy_rows(const struct llama_cache *source, const char *prefix, const char *rows,
    size_t from, size_t to, char *target)
{
	size_t row = source->row, border = source->shared < to ? source->shared : to;
	if (from < border) {
		memcpy(target, prefix + from * row, (border - from) * row);
		target += (border - from) * row;
		from = border;
	}
	if (from < to)
		memcpy(target, rows + (from - source->shared) * row, (to - from) * row);
}

int llama_cache_copy(
    struct llama_cache *target, const struct llama_cache *source, size_t same, size_t length)
{
	llama_cache_truncate(target, same);
	if (llama_cache_extend(target, length - same) < 0)
		return -1;
	size_t at = (same - target->shared) * target->row;
	for (size_t n = 0; length > same && n < source->layers; n++) {
		const struct llama_prefix *prefix = source->prefix;
		copy_rows(
		    source, prefix ? prefix->k[n] : NULL, source->k[n], same, length, target->k[n] + at);
		copy_rows(
		    source, prefix ? prefix->v[n] : NULL, source->v[n], same, length, target->v[n] + at);
	}
	target->length = length;
	return 0;
}

int llama_cache_unite(struct llama_cache *cache)
{
	if (!cache->prefix)
		return 0;
	struct llama_cache whole = *cache;
	whole.length = whole.room = whole.shared = 0;
	whole.prefix = NULL;
	whole.k = memory_allocate_zero(cache->layers, sizeof *whole.k);
	whole.v = memory_allocate_zero(cache->layers, sizeof *whole.v);
	int result = whole.k && whole.v ? llama_cache_copy(&whole, cache, 0, cache->length) : -1;
	struct llama_cache *old = result < 0 ? &whole : cache; /* which of them goes */
	if (old->k && old->v)
		llama_cache_clear(old);
	memory_release(old->k);
	memory_release(old->v);
	if (result == 0)
		*cache = whole;
	return result;
}

int llama_cache_fork(struct llama_cache *const *caches, size_t count)
{
	struct llama_cache *first = caches[0];
	struct llama_prefix *prefix = memory_allocate_zero(1, sizeof *prefix);
	char **k = memory_allocate_zero(first->layers, sizeof *k);
	char **v = memory_allocate_zero(first->layers, sizeof *v);
	if (!prefix || !k || !v || llama_cache_unite(first) < 0) {
		memory_release(prefix);
		memory_release(k);
		memory_release(v);
		return -1;
	}
	*prefix = (struct llama_prefix){ count, first->layers, first->k, first->v };
	first->k = k;
	first->v = v;
	first->room = 0;
	for (size_t i = 0; i < count; i++) {
		llama_cache_truncate(caches[i], i == 0 ? first->length : 0);
		caches[i]->prefix = prefix;
		caches[i]->shared = caches[i]->length = first->length;
	}
	return 0;
}
