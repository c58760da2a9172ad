/* llama - the language model against the reference data: prefill, decoding, batches, caches. */
#include "support/reference.h"
#include "base/threads.h"
#include "model/llama.h"

enum { IDS_MOST = 256 };
static const double tolerance = 1e-5;

static size_t greatest(const float *logits, size_t count)
{
	size_t best = 0;
	for (size_t i = 1; i < count; i++)
		if (logits[i] > logits[best])
			best = i;
	return best;
}

/* Soft prompt of a picture and the ids behind it as rows; their number. */
static size_t prompt_rows(const struct llama *llama, const float *soft, size_t queries,
    const int32_t *ids, size_t count, float *rows)
{
	memcpy(rows, soft, queries * llama_width(llama) * sizeof *rows);
	llama_embed(llama, ids, count, rows + queries * llama_width(llama));
	return queries + count;
}

struct prompt {
	float *rows;
	size_t queries, count; /* of the soft prompt, of all */
	int32_t greedy[IDS_MOST];
	size_t greedy_count;
};

static struct prompt read_prompt(
    const struct llama *llama, const struct reference *reference, int picture, int number)
{
	char name[80];
	size_t values;
	int32_t ids[IDS_MOST];
	struct prompt prompt = { 0 };
	snprintf(name, sizeof name, "image%d.soft_prompt", picture);
	float *soft = reference_values(reference->tensors, name, &values);
	const struct json *one = json_item(json_member(reference->json, "prompts"), (size_t)number);
	size_t count = reference_ids(json_member(one, "ids"), ids, IDS_MOST);
	if (!soft)
		exit(2);
	prompt.queries = values / llama_width(llama);
	prompt.rows = memory_allocate((prompt.queries + count) * llama_width(llama), sizeof(float));
	prompt.count = prompt_rows(llama, soft, prompt.queries, ids, count, prompt.rows);
	memory_release(soft);
	const struct json *runs = json_member(reference->json, "generate");
	for (size_t i = 0; i < json_count(runs); i++) {
		const struct json *run = json_item(runs, i);
		int64_t run_picture = -1, run_number = -1;
		json_whole(json_member(run, "image"), 0, 9, &run_picture);
		json_whole(json_member(run, "prompt"), 0, 9, &run_number);
		if (run_picture == picture && run_number == number)
			prompt.greedy_count =
			    reference_ids(json_member(run, "greedy40_ids"), prompt.greedy, IDS_MOST);
	}
	return prompt;
}

/* All rows at once, then row after row: the same logits within tolerance. */
static void check_logits(struct llama *llama, const struct reference *reference, int picture, int n)
{
	char name[80];
	size_t vocabulary = llama_vocabulary(llama);
	struct prompt prompt = read_prompt(llama, reference, picture, n);
	struct llama_cache *cache = llama_cache_new(llama);
	float *logits = memory_allocate(prompt.count * vocabulary, sizeof *logits);
	float *last = memory_allocate(vocabulary, sizeof *last);
	TAP_OK(llama_prefill(llama, cache, prompt.rows, prompt.count, true, logits) == 0,
	    "picture %d, prompt %d runs", picture, n);
	snprintf(name, sizeof name, "image%d.prompt%d.logits", picture, n);
	size_t first = prompt.queries - 1;
	if (checkpoint_find(reference->tensors, name))
		reference_compare(reference->tensors, name, logits + first * vocabulary,
		    (prompt.count - first) * vocabulary, tolerance);
	llama_cache_truncate(cache, 3);
	TAP_OK(llama_prefill(llama, cache, prompt.rows + 3 * llama_width(llama), prompt.count - 3,
	           false, last) == 0 &&
	           reference_error(last, logits + (prompt.count - 1) * vocabulary, vocabulary) <=
	               tolerance,
	    "going on behind 3 rows gives the same");
	memory_release(logits);
	memory_release(last);
	memory_release(prompt.rows);
	llama_cache_release(cache);
}

/* Greedy decoding of several prompts in one batch gives each the ids it has alone. */
static void check_greedy(struct llama *llama, const struct reference *reference)
{
	enum { BATCH = 6, STEPS = 40 };
	size_t vocabulary = llama_vocabulary(llama);
	struct llama_cache *caches[BATCH];
	int32_t ids[BATCH];
	float *logits = memory_allocate(BATCH * vocabulary, sizeof *logits);
	float *alone = memory_allocate(vocabulary, sizeof *alone);
	struct prompt prompts[BATCH];
	size_t right = 0, wanted = 0, same = 0;
	for (int i = 0; i < BATCH; i++) {
		prompts[i] = read_prompt(llama, reference, i / 2, i % 2);
		caches[i] = llama_cache_new(llama);
		llama_prefill(llama, caches[i], prompts[i].rows, prompts[i].count, false,
		    logits + (size_t)i * vocabulary);
	}
	struct llama_cache *copy = llama_cache_new(llama);
	for (size_t step = 0; step < STEPS; step++) {
		for (size_t i = 0; i < BATCH; i++) {
			ids[i] = (int32_t)greatest(logits + i * vocabulary, vocabulary);
			wanted += step < prompts[i].greedy_count;
			right += step < prompts[i].greedy_count && ids[i] == prompts[i].greedy[step];
		}
		llama_cache_copy(copy, caches[2]);
		llama_decode(llama, caches, ids, BATCH, logits);
		llama_decode(llama, &copy, ids + 2, 1, alone);
		same += memcmp(alone, logits + 2 * vocabulary, vocabulary * sizeof *alone) == 0;
	}
	TAP_OK(wanted == BATCH * STEPS && right == wanted, "greedy ids: %zu of %zu", right, wanted);
	TAP_OK(same == STEPS, "a sequence decoded alone gives the bytes it has in a batch");
	for (int i = 0; i < BATCH; i++) {
		llama_cache_release(caches[i]);
		memory_release(prompts[i].rows);
	}
	llama_cache_release(copy);
	memory_release(logits);
	memory_release(alone);
}

static void check_limits(struct llama *llama)
{
	size_t count = llama_positions(llama) + 1, width = llama_width(llama);
	float *rows = memory_allocate_zero(count, width * sizeof *rows);
	float *logits = memory_allocate(llama_vocabulary(llama), sizeof *logits);
	struct llama_cache *cache = llama_cache_new(llama);
	TAP_OK(llama_prefill(llama, cache, rows, count, false, logits) < 0 &&
	           error_kind() == ERROR_INPUT && llama_cache_length(cache) == 0,
	    "more rows than positions are refused");
	TAP_OK(llama_prefill(llama, cache, rows, count - 1, false, logits) == 0, "all positions run");
	int32_t id = 1;
	TAP_OK(llama_decode(llama, &cache, &id, 1, logits) < 0, "and no token fits behind them");
	memory_release(rows);
	memory_release(logits);
	llama_cache_release(cache);
}

int main(void)
{
	threads_start(3);
	const char *model = reference_model("hf-blip2");
	struct llama *llama = model ? llama_open(model) : NULL;
	if (model && TAP_OK(llama != NULL, "llm.zv opens")) {
		struct reference reference = reference_open("zoo/A/hf-blip2");
		for (int picture = 0; picture < 3; picture++)
			for (int n = 0; n < 2; n++)
				check_logits(llama, &reference, picture, n);
		check_greedy(llama, &reference);
		check_limits(llama);
		reference_close(&reference);
	}
	llama_close(llama);
	threads_stop();
	return tap_finish();
}
