/* llama_cache.c - caches that copy, share and unite their rows give the numbers of one that computed
 * them itself. */
#include "base/memory.h"
#include "base/threads.h"
#include "model/llama.h"
#include "toy_llama.h"

enum { WIDTH = 24, WORDS = 30, ROWS = 9, BEAMS = 3 };

static const struct toy_llama toy = { .width = WIDTH,
	.layers = 2,
	.heads = 4,
	.kv_heads = 2,
	.mlp_width = 40,
	.vocabulary = WORDS,
	.dtype = 'f' };

static float prompt[ROWS * WIDTH];

/* A cache that holds the prompt and what n says, by itself. */
static struct llama_cache *fresh(struct llama *llama, int n, size_t steps, float *logits)
{
	struct llama_cache *cache = llama_cache_new(llama);
	llama_prefill(llama, cache, prompt, ROWS - 2, false, NULL);
	llama_prefill(llama, cache, prompt + (ROWS - 2) * WIDTH, 2, false, logits);
	for (size_t step = 0; step < steps; step++) {
		int32_t id = (int32_t)((step * 7 + (size_t)n * 3) % WORDS);
		llama_decode(llama, &cache, &id, 1, logits);
	}
	return cache;
}

static bool same_next(struct llama *llama, struct llama_cache *cache, struct llama_cache *wanted)
{
	float a[WORDS], b[WORDS];
	int32_t id = 5;
	if (llama_cache_length(cache) != llama_cache_length(wanted) ||
	    llama_decode(llama, &cache, &id, 1, a) < 0 || llama_decode(llama, &wanted, &id, 1, b) < 0)
		return false;
	return memcmp(a, b, sizeof a) == 0;
}

/* Several sequences behind one prompt, which lies in memory once. */
static void check_fork(struct llama *llama)
{
	struct llama_cache *caches[BEAMS], *alone[BEAMS];
	float logits[BEAMS * WORDS], wanted[WORDS];
	for (int i = 0; i < BEAMS; i++)
		caches[i] = llama_cache_new(llama);
	size_t same = 0;
	enum { ROUNDS = 2, SHORT = 40 };
	for (int round = 0; round < ROUNDS; round++) { /* the second time they hold something */
		if (round == 0)
			llama_prefill(llama, caches[0], prompt, ROWS - 2, false, NULL);
		llama_cache_truncate(caches[0], ROWS - 2);
		llama_prefill(llama, caches[0], prompt + (ROWS - 2) * WIDTH, 2, false, logits);
		llama_cache_fork(caches, BEAMS);
		for (size_t step = 0; step < SHORT; step++) {
			int32_t ids[BEAMS];
			for (int i = 0; i < BEAMS; i++)
				ids[i] = (int32_t)((step * 7 + (size_t)i * 3) % WORDS);
			llama_decode(llama, caches, ids, BEAMS, logits);
		}
		for (int i = 0; i < BEAMS; i++) {
			alone[i] = fresh(llama, i, SHORT, wanted);
			same += memcmp(wanted, logits + i * WORDS, sizeof wanted) == 0;
			llama_cache_release(alone[i]);
		}
	}
	TAP_OK(same == ROUNDS * BEAMS, "sequences behind one prompt: the logits of each alone");
	/* a copy of what is behind the prompt, as beams inherit; a copy of all; a shorter one */
	llama_cache_copy(caches[1], caches[2], ROWS, llama_cache_length(caches[2]));
	struct llama_cache *copy = llama_cache_new(llama), *part = llama_cache_new(llama);
	llama_cache_copy(copy, caches[2], 0, llama_cache_length(caches[2]));
	llama_cache_copy(part, caches[2], 0, ROWS - 3);
	struct llama_cache *second = fresh(llama, 2, SHORT, wanted);
	TAP_OK(same_next(llama, caches[1], second), "a sequence that inherits what is behind it");
	llama_cache_truncate(second, ROWS + SHORT);
	TAP_OK(same_next(llama, copy, second), "a copy of all rows");
	llama_cache_truncate(second, ROWS - 3);
	TAP_OK(same_next(llama, part, second), "a copy of a part of the prompt");
	llama_cache_truncate(caches[0], ROWS - 3);
	llama_cache_truncate(second, ROWS - 3);
	TAP_OK(same_next(llama, caches[0], second), "one that went back into the prompt");
	llama_cache_clear(caches[2]);
	TAP_OK(llama_cache_length(caches[2]) == 0, "a cleared one is empty");
	for (int i = 0; i < BEAMS; i++)
		llama_cache_release(caches[i]);
	llama_cache_release(copy);
	llama_cache_release(part);
	llama_cache_release(second);
}

/* The same prompt in two parts, the first copied from another sequence. */
static void check_parts(struct llama *llama)
{
	float a[WORDS], b[WORDS];
	struct llama_cache *first = llama_cache_new(llama), *other = llama_cache_new(llama);
	int status = llama_prefill(llama, first, prompt, 6, false, NULL);
	status |= llama_prefill(llama, first, prompt + 6 * WIDTH, ROWS - 6, false, a);
	int32_t id = 3;
	llama_decode(llama, &first, &id, 1, b);
	status |= llama_cache_copy(other, first, 0, 6);
	status |= llama_prefill(llama, other, prompt + 6 * WIDTH, ROWS - 6, false, b);
	TAP_OK(status == 0 && memcmp(a, b, sizeof a) == 0,
	    "a prompt whose first part was copied: the same logits");
	llama_cache_release(first);
	llama_cache_release(other);
}

/* Rows beyond a block, so that caches grow while they are used. */
static void check_growth(struct llama *llama)
{
	float logits[WORDS];
	int32_t id = 1;
	struct llama_cache *cache = fresh(llama, 0, 64 - ROWS, logits);
	TAP_OK(llama_cache_length(cache) == 64 && llama_decode(llama, &cache, &id, 1, logits) < 0,
	    "all positions are used, and no more");
	TAP_OK(llama_cache_row(llama) == 2 * 2 * (WIDTH / 4 * 2) * sizeof(float), "bytes of a row");
	llama_cache_release(cache);
}

int main(void)
{
	threads_start(2);
	toy_write(&toy, "toy");
	struct llama *llama = llama_open("toy");
	if (!TAP_OK(llama != NULL, "the toy opens"))
		return tap_finish();
	for (size_t i = 0; i < ROWS * WIDTH; i++)
		prompt[i] = toy_number(1);
	check_fork(llama);
	check_parts(llama);
	check_growth(llama);
	llama_close(llama);
	threads_stop();
	return tap_finish();
}
