/* llama.c - running the language model (see llama.h; spec 3.8). Prefill takes the rows of one
 * sequence through BLIS; decoding takes a row each (or some) of several sequences and reads every
 * weight once for all of them.
 */
#include "model/llama.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/llama_cache.h"
#include "model/llama_layers.h"
#include "num/attention.h"
#include "num/kernels.h"
#include "num/rotary.h"
#include "base/threads.h"

#include <math.h>
#include <string.h>

enum {
	PREFILL_ROWS = 512, /* that run together: bounds the buffers */
	ELEMENTS = 4096,    /* of an elementwise operation in one chunk */
};

static void release_room(struct llama *llama)
{
	float **buffers[] = { &llama->x, &llama->normal, &llama->context, &llama->q, &llama->k,
		&llama->v, &llama->gate, &llama->up, &llama->turn };
	for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
		memory_release(*buffers[i]);
		*buffers[i] = NULL;
	}
	llama->room = 0;
}

/* Let the buffers hold rows. */
static int make_room(struct llama *llama, size_t rows)
{
	if (rows <= llama->room)
		return 0;
	release_room(llama);
	size_t kv = llama->kv_heads * llama->head_width;
	const struct {
		float **buffer;
		size_t width;
	} buffers[] = {
		{ &llama->x, llama->width },
		{ &llama->normal, llama->width },
		{ &llama->context, llama->width },
		{ &llama->q, llama->width },
		{ &llama->k, kv },
		{ &llama->v, kv },
		{ &llama->gate, llama->mlp_width },
		{ &llama->up, llama->mlp_width },
		{ &llama->turn, llama->head_width },
	};
	for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++) {
		*buffers[i].buffer = memory_allocate(rows, buffers[i].width * sizeof(float));
		if (!*buffers[i].buffer) {
			release_room(llama);
			return -1;
		}
	}
	llama->room = rows;
	return 0;
}

void llama_embed(const struct llama *llama, const int32_t *ids, size_t count, float *rows)
{
	for (size_t i = 0; i < count; i++)
		linear_weight(&llama->embedding, (size_t)ids[i], 1, rows + i * llama->width);
}

struct gated {
	const struct kernels *kernels;
	float *gate;
	const float *up;
	size_t count;
};

static void gate_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct gated *gated = context;
	size_t first = chunk * ELEMENTS, left = gated->count - first;
	gated->kernels->silu_multiply(
	    gated->gate + first, gated->up + first, left < ELEMENTS ? left : ELEMENTS);
}

/* x = x + down(silu(gate(n)) * up(n)), n = RMSNorm(x); for rows rows. */
static int run_mlp(struct llama *llama, const struct llama_layer *layer, size_t rows, bool several)
{
	norm_rows(&layer->post_norm, llama->x, rows, llama->normal);
	if (lora_forward(llama, &layer->gate, llama->normal, rows, several, llama->gate, LINEAR_STORE) <
	        0 ||
	    lora_forward(llama, &layer->up, llama->normal, rows, several, llama->up, LINEAR_STORE) < 0)
		return -1;
	struct gated gated = { kernels_get(), llama->gate, llama->up, rows * llama->mlp_width };
	threads_run((gated.count + ELEMENTS - 1) / ELEMENTS, gate_chunk, &gated);
	return lora_forward(llama, &layer->down, llama->gate, rows, several, llama->x, LINEAR_ADD);
}

/* q, k and v of the normalised rows; k and v go to where the caller wants them. */
static int run_qkv(struct llama *llama, const struct llama_layer *layer, size_t rows, bool several,
    float *k, float *v)
{
	norm_rows(&layer->input_norm, llama->x, rows, llama->normal);
	const float *x = llama->normal;
	if (lora_forward(llama, &layer->q, x, rows, several, llama->q, LINEAR_STORE) < 0 ||
	    lora_forward(llama, &layer->k, x, rows, several, k, LINEAR_STORE) < 0 ||
	    lora_forward(llama, &layer->v, x, rows, several, v, LINEAR_STORE) < 0)
		return -1;
	size_t kv = llama->kv_heads * llama->head_width;
	for (size_t row = 0; row < rows; row++) {
		const float *turn = llama->turn + row * llama->head_width;
		rotary_turn(llama->q + row * llama->width, llama->heads, llama->head_width, turn);
		rotary_turn(k + row * kv, llama->kv_heads, llama->head_width, turn);
	}
	return 0;
}

/* Let wide_k and wide_v hold rows. */
static int make_wide_room(struct llama *llama, size_t rows)
{
	size_t width = llama->kv_heads * llama->head_width;
	if (rows <= llama->wide_room || llama->kept.type == KEPT_F32)
		return 0;
	memory_release(llama->wide_k);
	memory_release(llama->wide_v);
	llama->wide_room = 0;
	llama->wide_k = memory_allocate(rows, width * sizeof(float));
	llama->wide_v = memory_allocate(rows, width * sizeof(float));
	if (!llama->wide_k || !llama->wide_v)
		return -1;
	llama->wide_room = rows;
	return 0;
}

/* New keys and values of a layer go behind those in the cache; where all of them are as f32. */
static int keep(struct llama *llama, struct llama_cache *cache, size_t n, size_t rows,
    const float **k, const float **v)
{
	size_t all = cache->length + rows;
	*k = (const float *)cache->k[n];
	*v = (const float *)cache->v[n];
	if (llama->kept.type == KEPT_F32)
		return 0;
	kept_put(&llama->kept, llama->k, rows, cache->k[n] + cache->length * cache->row);
	kept_put(&llama->kept, llama->v, rows, cache->v[n] + cache->length * cache->row);
	if (make_wide_room(llama, all) < 0)
		return -1;
	kept_get(&llama->kept, cache->k[n], all, llama->wide_k);
	kept_get(&llama->kept, cache->v[n], all, llama->wide_v);
	*k = llama->wide_k;
	*v = llama->wide_v;
	return 0;
}

/* One block over rows of one sequence, whose keys and values go behind those in the cache (at once
 * where it has them as they come). */
static int prefill_layer(struct llama *llama, struct llama_cache *cache, size_t n, size_t rows)
{
	const struct llama_layer *layer = &llama->layer[n];
	size_t width = llama->head_width, at = cache->length * cache->row;
	bool plain = llama->kept.type == KEPT_F32;
	const float *k, *v;
	if (run_qkv(llama, layer, rows, false, plain ? (float *)(cache->k[n] + at) : llama->k,
	        plain ? (float *)(cache->v[n] + at) : llama->v) < 0 ||
	    keep(llama, cache, n, rows, &k, &v) < 0)
		return -1;
	struct attention attention = { .heads = llama->heads,
		.kv_heads = llama->kv_heads,
		.head_width = width,
		.scale = 1.0f / sqrtf((float)width),
		.q = llama->q,
		.k = k,
		.v = v,
		.y = llama->context,
		.q_row = llama->width,
		.kv_row = llama->kv_heads * width,
		.y_row = llama->width,
		.queries = rows,
		.keys = cache->length + rows,
		.items = 1,
		.see = cache->length + 1 };
	if (attention_forward(&attention) < 0 ||
	    lora_forward(llama, &layer->o, llama->context, rows, false, llama->x, LINEAR_ADD) < 0)
		return -1;
	return run_mlp(llama, layer, rows, false);
}

static int prefill_block(
    struct llama *llama, struct llama_cache *cache, const float *rows, size_t count)
{
	memcpy(llama->x, rows, count * llama->width * sizeof *rows);
	for (size_t i = 0; i < count; i++)
		rotary_angles(llama->rope_theta, cache->length + i, llama->head_width,
		    llama->turn + i * llama->head_width);
	for (size_t n = 0; n < llama->layers; n++)
		if (llama_verify_layer(llama, n) < 0 || prefill_layer(llama, cache, n, count) < 0)
			return -1;
	cache->length += count;
	norm_rows(&llama->norm, llama->x, count, llama->normal);
	return 0;
}

int llama_prefill(struct llama *llama, struct llama_cache *cache, const float *rows, size_t count,
    bool all, float *logits)
{
	size_t before = cache->length, block = 0;
	if (count == 0)
		return error_input("the prompt is empty");
	if (llama_cache_unite(cache) < 0 || llama_cache_extend(cache, count) < 0 ||
	    make_room(llama, count < PREFILL_ROWS ? count : PREFILL_ROWS) < 0)
		return -1;
	for (size_t done = 0; done < count; done += block) {
		block = count - done < PREFILL_ROWS ? count - done : PREFILL_ROWS;
		if (prefill_block(llama, cache, rows + done * llama->width, block) < 0 ||
		    (logits != NULL && llama_verify_head(llama) < 0) ||
		    (all && lora_forward(llama, &llama->head, llama->normal, block, false,
		                logits + done * llama->vocabulary, LINEAR_STORE) < 0)) {
			cache->length = before;
			return -1;
		}
	}
	if (all || logits == NULL)
		return 0;
	return lora_forward(llama, &llama->head, llama->normal + (block - 1) * llama->width, 1, true,
	    logits, LINEAR_STORE);
}

/* Rows of the same sequence that stand right before row i. */
static size_t rows_before(struct llama_cache *const *caches, size_t i)
{
	size_t n = 0;
	while (n < i && caches[i - 1 - n] == caches[i])
		n++;
	return n;
}

/* One block over new rows of sequences. */
static int decode_layer(
    struct llama *llama, struct llama_cache *const *caches, size_t n, size_t count)
{
	const struct llama_layer *layer = &llama->layer[n];
	if (run_qkv(llama, layer, count, true, llama->k, llama->v) < 0)
		return -1;
	size_t width = llama->kv_heads * llama->head_width;
	for (size_t i = 0; i < count; i++) {
		struct llama_cache *cache = caches[i];
		const struct llama_prefix *prefix = cache->prefix;
		size_t own = cache->length - cache->shared + rows_before(caches, i);
		kept_put(&llama->kept, llama->k + i * width, 1, cache->k[n] + own * cache->row);
		kept_put(&llama->kept, llama->v + i * width, 1, cache->v[n] + own * cache->row);
		llama->keys[i] = (struct kept_sequence){ prefix ? prefix->k[n] : NULL,
			prefix ? prefix->v[n] : NULL, cache->shared, cache->k[n], cache->v[n], own + 1 };
	}
	if (kept_attention(&llama->kept, llama->q, llama->keys, count, llama->heads, llama->context) <
	        0 ||
	    lora_forward(llama, &layer->o, llama->context, count, true, llama->x, LINEAR_ADD) < 0)
		return -1;
	return run_mlp(llama, layer, count, true);
}

int llama_decode(struct llama *llama, struct llama_cache *const *caches, const int32_t *ids,
    size_t count, float *logits)
{
	for (size_t i = 0; i < count; i++)
		if (llama_cache_extend(caches[i], 1 + rows_before(caches, i)) < 0)
			return -1;
	void *keys = llama->keys;
	int result = memory_grow(&keys, &llama->keys_room, count, sizeof *llama->keys);
	llama->keys = keys;
	if (result < 0 || make_room(llama, count) < 0)
		return -1;
	llama_embed(llama, ids, count, llama->x);
	for (size_t i = 0; i < count; i++)
		rotary_angles(llama->rope_theta, caches[i]->length + rows_before(caches, i),
		    llama->head_width, llama->turn + i * llama->head_width);
	for (size_t n = 0; n < llama->layers; n++)
		if (llama_verify_layer(llama, n) < 0 || decode_layer(llama, caches, n, count) < 0)
			return -1;
	for (size_t i = 0; i < count; i++)
		caches[i]->length++;
	norm_rows(&llama->norm, llama->x, count, llama->normal);
	if (llama_verify_head(llama) < 0)
		return -1;
	return lora_forward(llama, &llama->head, llama->normal, count, true, logits, LINEAR_STORE);
}
