/* llama.h - the language model: token ids and soft prompts to logits, with a cache of keys and
 * values per sequence (spec 3.8; HF modeling_llama.py, half-split rotary).
 */
#ifndef ZV_MODEL_LLAMA_H
#define ZV_MODEL_LLAMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "num/kept.h"

struct llama;
struct model_file;

/* Open llm.zv of the model. NULL with a recorded error. */
struct llama *llama_open(const char *model);
void llama_close(struct llama *llama);
const struct model_file *llama_file(const struct llama *llama); /* tokenizer, config */

size_t llama_width(const struct llama *llama);
size_t llama_vocabulary(const struct llama *llama); /* rows of lm_head; may exceed the tokenizer */
size_t llama_positions(const struct llama *llama);  /* longest sequence */

/* Apply a LoRA adapter file (zv-import --adapter) on top of the weights: y += s * B(A x); path may
 * be its name in the model directory. Several may be stacked. 0, or -1 when it does not fit the
 * model or was kept with another one. */
int llama_adapt(struct llama *llama, const char *path);

/* How keys and values are kept, to be settled before there is a cache. At first as f32 where the
 * weights are f32, else as f16. */
void llama_keep_as(struct llama *llama, enum kept_type type);
enum kept_type llama_kept_as(const struct llama *llama);

/* Keys and values of one sequence. Grows as rows are added, up to llama_positions(). */
struct llama_cache;
struct llama_cache *llama_cache_new(struct llama *llama); /* NULL: memory */
void llama_cache_release(struct llama_cache *cache);
/* Forget rows from length on (a chat that goes back), keep those before. */
void llama_cache_truncate(struct llama_cache *cache, size_t length);
/* Make target hold the first `length` rows of source, which has them (beams, a shared prompt);
 * `same` of them are the same already. 0, or -1: memory. */
int llama_cache_copy(
    struct llama_cache *target, const struct llama_cache *source, size_t same, size_t length);
/* Let the others begin with the rows that the first holds, which lie in one place for all from now
 * on. 0 or -1: memory. */
int llama_cache_fork(struct llama_cache *const *caches, size_t count);
size_t llama_cache_length(const struct llama_cache *cache); /* rows held */
void llama_cache_clear(struct llama_cache *cache);          /* forget all; gives memory back */
/* Bytes of memory that a row of a sequence takes. */
size_t llama_cache_row(const struct llama *llama);

/* Rows of the embedding table: ids[count] -> rows [count][width]. ids must be in range. */
void llama_embed(const struct llama *llama, const int32_t *ids, size_t count, float *rows);

/* Run rows [count][width] (embeddings or projected image vectors) through the model behind what
 * cache holds. logits: [count][vocabulary] of all rows if all, else [vocabulary] of the last row;
 * NULL: nobody wants them yet. 0, or -1: no rows, or the sequence would be longer than
 * llama_positions() (ERROR_INPUT), or memory. */
int llama_prefill(struct llama *llama, struct llama_cache *cache, const float *rows, size_t count,
    bool all, float *logits);

/* One more token for each of count rows at once, weights read once for all of them. Rows of one cache
 * stand together: their tokens follow each other. logits [count][vocabulary]. A row's numbers do
 * not depend on other sequences, nor on whether the tokens before it come with it or came before. 0
 * or -1 as above. */
int llama_decode(struct llama *llama, struct llama_cache *const *caches, const int32_t *ids,
    size_t count, float *logits);

#endif
