/* llama_cache.h - the inside of a sequence's cache, for llama.c; others use llama.h. */
#ifndef ZV_MODEL_LLAMA_CACHE_H
#define ZV_MODEL_LLAMA_CACHE_H

#include <stddef.h>

struct llama_cache {
	size_t layers, width; /* width: kv_heads * head_width */
	size_t most;          /* positions of the model */
	size_t length, room;  /* rows filled, rows allocated */
	float **k, **v;       /* [layers], each [room][width]; keys are turned already */
};

/* Make room for rows more rows. 0, or -1: longer than the model's positions, or memory. */
int llama_cache_extend(struct llama_cache *cache, size_t rows);

#endif
