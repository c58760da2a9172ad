/* llama_cache.c - caches that copy, share and unite their rows give the numbers of one that computed
 * them itself. */
#include "base/memory.h"
#include "base/threads.h"
#include "model/llama.h"
#include "toy_llama.h"

#include <math.h>

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

/* Tokens of two sequences read together, several of each, some of them taken back: what one by one
 * gives, to the bit. */
static void check_together(struct llama *llama)
{
	enum { FIRST = 5, SECOND = 3, TAKEN = 2 };
	static const int32_t ids[FIRST + SECOND] = { 3, 14, 15, 9, 26, 5, 3, 5 };
	float wanted[FIRST + SECOND][WORDS], got[FIRST + SECOND][WORDS];
	struct llama_cache *alone[2], *both[2], *rows[FIRST + SECOND];
	for (int i = 0; i < 2; i++) {
		alone[i] = fresh(llama, i, (size_t)i, wanted[0]);
		both[i] = fresh(llama, i, (size_t)i, wanted[0]);
	}
	for (int i = 0; i < FIRST + SECOND; i++) {
		llama_decode(llama, &alone[i >= FIRST], &ids[i], 1, wanted[i]);
		rows[i] = both[i >= FIRST];
	}
	int status = llama_decode(llama, rows, ids, FIRST + SECOND, got[0]);
	TAP_OK(status == 0 && memcmp(wanted, got, sizeof got) == 0,
	    "rows of one sequence together: the logits of one after the other");
	llama_cache_truncate(alone[0], ROWS + TAKEN);
	llama_cache_truncate(both[0], ROWS + TAKEN);
	TAP_OK(same_next(llama, both[0], alone[0]) && same_next(llama, both[1], alone[1]),
	    "and the same goes on from them, also where some are taken back");
	for (int i = 0; i < 2; i++) {
		llama_cache_release(alone[i]);
		llama_cache_release(both[i]);
	}
}

/* How far the scores are from those with f32, as a part of the largest, in a long sequence. */
static double off_from(struct llama *llama, const float *wanted, float *got)
{
	double most = 0, largest = 0;
	llama_cache_release(fresh(llama, 0, 64 - ROWS, got));
	for (size_t i = 0; i < WORDS; i++) {
		largest = fmax(largest, fabs((double)wanted[i]));
		most = fmax(most, fabs((double)wanted[i] - (double)got[i]));
	}
	return most / largest;
}

static void check_precision(struct llama *llama)
{
	float wanted[WORDS], got[WORDS];
	llama_keep_as(llama, KEPT_F32);
	llama_cache_release(fresh(llama, 0, 64 - ROWS, wanted));
	llama_keep_as(llama, KEPT_F16);
	double half = off_from(llama, wanted, got);
	TAP_OK(half > 0 && half < 1e-3, "f16: scores within 0.001 of the largest (%.1e)", half);
	llama_keep_as(llama, KEPT_INT8);
	double byte = off_from(llama, wanted, got);
	TAP_OK(byte > half && byte < 2e-2, "int8: within 0.02 (%.1e)", byte);
}

/* Rows beyond a block, so that caches grow while they are used. */
static void check_growth(struct llama *llama)
{
	float logits[WORDS];
	int32_t id = 1;
	struct llama_cache *cache = fresh(llama, 0, 64 - ROWS, logits);
	TAP_OK(llama_cache_length(cache) == 64 && llama_decode(llama, &cache, &id, 1, logits) < 0,
	    "all positions are used, and no more");
	/* 2 layers of keys and values, 2 heads of 6 */
	static const size_t bytes[] = { 2 * 2 * 12 * 4, 2 * 2 * 12 * 2, 2 * 2 * (12 + 2 * 4) };
	TAP_OK(llama_cache_row(llama) == bytes[llama_kept_as(llama)], "bytes of a row");
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
	TAP_OK(llama_kept_as(llama) == KEPT_F32, "a model in f32: keys and values too");
	for (int type = 0; type < 3; type++) {
		llama_keep_as(llama, (enum kept_type)type);
		printf("# kept as %s\n", (const char *[]){ "f32", "f16", "int8" }[type]);
		check_fork(llama);
		check_parts(llama);
		check_together(llama);
		check_growth(llama);
	}
	check_precision(llama);
	llama_close(llama);
	threads_stop();
	return tap_finish();
}
