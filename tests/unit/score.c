/* score - log-likelihoods of answers behind prompts: the sums of tokens read one by one, to the bit,
 * however many prompts and answers are scored together.
 */
#include "model/score.h"

#include <math.h>

#include "base/threads.h"
#include "model/llama.h"
#include "model/logits.h"
#include "toy_llama.h"

enum { WIDTH = 24, WORDS = 30, PROMPTS = 5, ROWS = 6, ANSWERS = 9, LONG = 50, MOST = 8 };

static const struct toy_llama toy = { .width = WIDTH,
	.layers = 2,
	.heads = 4,
	.kv_heads = 2,
	.mlp_width = 40,
	.vocabulary = WORDS,
	.dtype = 'f' };

static float prompts[PROMPTS][ROWS * WIDTH];
static int32_t answers[ANSWERS][LONG];

/* Prompts and answers of different lengths. */
static size_t rows_of(size_t prompt)
{
	return 1 + prompt % ROWS;
}

static size_t size_of(size_t answer)
{
	static const size_t sizes[ANSWERS] = { 1, 7, 0, LONG, 2, 13, 1, 40, 5 };
	return sizes[answer];
}

static double alone(struct llama *llama, size_t prompt, const int32_t *ids, size_t count)
{
	float logits[WORDS];
	double sum = 0;
	struct llama_cache *cache = llama_cache_new(llama);
	llama_prefill(llama, cache, prompts[prompt], rows_of(prompt), false, logits);
	for (size_t i = 0; i < count; i++) {
		sum += logits[ids[i]] - logits_log_sum(logits, WORDS);
		llama_decode(llama, &cache, &ids[i], 1, logits);
	}
	llama_cache_release(cache);
	return sum;
}

/* All answers behind all prompts, so many prompts together. */
static bool same_sums(struct llama *llama, struct scorer *scorer, size_t together)
{
	static double sums[PROMPTS][ANSWERS];
	bool same = true;
	for (size_t first = 0; first < PROMPTS; first += together) {
		for (size_t p = first; p < PROMPTS && p < first + together; p++) {
			same = same && scorer_prompt(scorer, prompts[p], rows_of(p)) == 0;
			for (size_t a = 0; a < ANSWERS; a++)
				same = same && scorer_add(scorer, answers[a], size_of(a), &sums[p][a]) == 0;
		}
		same = same && scorer_run(scorer) == 0;
	}
	for (size_t p = 0; p < PROMPTS; p++)
		for (size_t a = 0; a < ANSWERS; a++)
			same = same && sums[p][a] == alone(llama, p, answers[a], size_of(a));
	return same;
}

static void check_refused(struct llama *llama)
{
	struct scorer *scorer = scorer_new(llama, 2, 20);
	double sum, other;
	const int32_t unknown[] = { 3, WORDS }, beyond[] = { 20 };
	int32_t much[70] = { 0 };
	scorer_prompt(scorer, prompts[0], ROWS);
	TAP_OK(scorer_add(scorer, unknown, 2, &sum) < 0, "an id without a row is refused");
	TAP_OK(scorer_add(scorer, much, 64 - ROWS + 2, &sum) < 0, "an answer that does not fit too");
	TAP_OK(scorer_add(scorer, much, 64 - ROWS + 1, &sum) == 0, "one that only just fits is not");
	scorer_take_back(scorer);
	scorer_prompt(scorer, prompts[1], rows_of(1));
	TAP_OK(
	    scorer_add(scorer, beyond, 1, &other) == 0 && scorer_run(scorer) == 0 && other == -INFINITY,
	    "an id past the tokenizer has no probability");
	scorer_release(scorer);
}

int main(void)
{
	threads_start(2);
	toy_write(&toy, "toy");
	struct llama *llama = llama_open("toy");
	if (!TAP_OK(llama != NULL, "the toy opens"))
		return tap_finish();
	for (size_t p = 0; p < PROMPTS; p++)
		for (size_t i = 0; i < ROWS * WIDTH; i++)
			prompts[p][i] = toy_number(1);
	for (size_t a = 0; a < ANSWERS; a++)
		for (size_t i = 0; i < LONG; i++)
			answers[a][i] = (int32_t)((a * 11 + i * 7 + i / 13) % WORDS);
	for (size_t most = 1; most <= MOST; most *= 2) {
		struct scorer *scorer = scorer_new(llama, most, 0);
		for (size_t together = 1; together <= most && together <= PROMPTS; together++)
			TAP_OK(same_sums(llama, scorer, together),
			    "%zu prompts together, %zu sequences: the sums of tokens one by one", together,
			    most);
		scorer_release(scorer);
	}
	check_refused(llama);
	llama_close(llama);
	threads_stop();
	return tap_finish();
}
