/* llama_cache.h - the inside of a sequence's cache, for llama.c; others use llama.h. */
#ifndef ZV_MODEL_LLAMA_CACHE_H
#define ZV_MODEL_LLAMA_CACHE_H

#include <stddef.h>

/* Rows that several sequences begin with: never written again. */
struct llama_prefix {
	size_t holders;
	size_t layers;
	char **k, **v; /* [layers], each so many rows */
};

struct llama_cache {
	size_t layers, row;          /* row: bytes of one of keys or values of a layer (kept.h) */
	size_t most;                 /* positions of the model */
	size_t length, room;         /* rows of the sequence; rows that k and v have room for */
	size_t shared;               /* of length, those that lie in prefix */
	struct llama_prefix *prefix; /* NULL where shared is 0 */
	char **k, **v; /* [layers], each of room rows: those from shared on; keys are turned already */
};

/* Make the rows lie in one place, for llama_prefill(). 0 or -1: memory. */
int llama_cache_unite(struct llama_cache *cache);

/* Make room for rows more rows. 0, or -1: longer than the model's positions, or memory. */
int llama_cache_extend(struct llama_cache *cache, size_t rows);

#endif
