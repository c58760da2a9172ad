/* generation.c - stepping of records, beams and talks over a stand-in for the language model: its
 * cache is a plain list of rows, and its scores are a function of that list, so that a row that is
 * missing, doubled or of another beam changes what follows.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "model/beam.h"
#include "model/dialogue.h"
#include "model/llama.h"
#include "model/logits.h"
#include "tap.h"

enum { WIDTH = 2, VOCABULARY = 12, POSITIONS = 40, EOS = 2 };

struct llama {
	size_t decode_calls;
};

struct llama_cache {
	uint64_t rows[POSITIONS]; /* each as bits */
	size_t count;
};

static size_t copied_calls,
    copied_same; /* llama_cache_copy() in all, and of what is behind 5 rows */

struct llama *llama_open(const char *model)
{
	(void)model;
	return NULL;
}

void llama_close(struct llama *llama)
{
	(void)llama;
}

const struct model_file *llama_file(const struct llama *llama)
{
	(void)llama;
	return NULL;
}

int llama_adapt(struct llama *llama, const char *path)
{
	(void)llama;
	(void)path;
	return -1;
}

size_t llama_width(const struct llama *llama)
{
	(void)llama;
	return WIDTH;
}

size_t llama_vocabulary(const struct llama *llama)
{
	(void)llama;
	return VOCABULARY;
}

size_t llama_positions(const struct llama *llama)
{
	(void)llama;
	return POSITIONS;
}

struct llama_cache *llama_cache_new(struct llama *llama)
{
	(void)llama;
	return memory_allocate_zero(1, sizeof(struct llama_cache));
}

void llama_cache_release(struct llama_cache *cache)
{
	memory_release(cache);
}

void llama_cache_truncate(struct llama_cache *cache, size_t length)
{
	if (length < cache->count)
		cache->count = length;
}

/* Rows that the caller says are the same are not touched: were they not, the scores would differ. */
int llama_cache_copy(
    struct llama_cache *target, const struct llama_cache *source, size_t same, size_t length)
{
	copied_calls++;
	copied_same += same == 5;
	memcpy(target->rows + same, source->rows + same, (length - same) * sizeof(uint64_t));
	target->count = length;
	return 0;
}

int llama_cache_fork(struct llama_cache *const *caches, size_t count)
{
	for (size_t i = 1; i < count; i++)
		*caches[i] = *caches[0];
	return 0;
}

size_t llama_cache_length(const struct llama_cache *cache)
{
	return cache->count;
}

void llama_cache_clear(struct llama_cache *cache)
{
	cache->count = 0;
}

void llama_embed(const struct llama *llama, const int32_t *ids, size_t count, float *rows)
{
	(void)llama;
	for (size_t i = 0; i < count; i++) {
		rows[i * WIDTH] = (float)ids[i];
		rows[i * WIDTH + 1] = 1;
	}
}

static size_t poisoned; /* the length at which poisoned_row's sequence gives no numbers; 0: none */
static uint64_t poisoned_row;

static void scores_after(const struct llama_cache *cache, float *logits)
{
	uint64_t state = 7;
	if (cache->count > 0 && cache->count == poisoned && cache->rows[0] == poisoned_row) {
		for (int i = 0; i < VOCABULARY; i++)
			logits[i] = NAN;
		return;
	}
	for (size_t i = 0; i < cache->count; i++)
		state = state * 6364136223846793005u + cache->rows[i] + 1;
	struct random random = random_begin(state, 1);
	for (int i = 0; i < VOCABULARY; i++)
		logits[i] = (float)(random_unit(&random) * 6 - 3);
	logits[EOS] -= 1;
}

int llama_prefill(struct llama *llama, struct llama_cache *cache, const float *rows, size_t count,
    bool all, float *logits)
{
	(void)llama;
	if (cache->count + count > POSITIONS)
		return error_input("too long");
	for (size_t i = 0; i < count; i++) {
		memcpy(&cache->rows[cache->count++], rows + i * WIDTH, sizeof(uint64_t));
		if (logits && (all || i + 1 == count))
			scores_after(cache, all ? logits + i * VOCABULARY : logits);
	}
	return 0;
}

int llama_decode(struct llama *llama, struct llama_cache *const *caches, const int32_t *ids,
    size_t count, float *logits)
{
	llama->decode_calls++;
	for (size_t i = 0; i < count; i++) {
		float row[WIDTH];
		llama_embed(llama, &ids[i], 1, row);
		if (llama_prefill(llama, caches[i], row, 1, false, logits + i * VOCABULARY) != 0)
			return -1;
	}
	return 0;
}

static struct generation_settings plain(void)
{
	return (struct generation_settings){ .beams = 1,
		.length_penalty = 1,
		.repetition_penalty = 1,
		.max_new = 20,
		.bos = 1,
		.eos = EOS,
		.logprobs = true,
		.sampling = { .temperature = 1, .top_k = 0, .top_p = 1 } };
}

/* The prompt of a record: `length` rows that depend on n. */
static void prompt_of(int n, size_t length, float *rows)
{
	for (size_t i = 0; i < length; i++) {
		rows[i * WIDTH] = (float)(n * 100 + (int)i);
		rows[i * WIDTH + 1] = 0.5f;
	}
}

static void run(struct generator *generator, struct generation *generation, int n)
{
	float rows[5 * WIDTH];
	prompt_of(n, 5, rows);
	if (generation_begin(generation, 0, rows, 5, (uint64_t)n) != 0)
		return;
	while (!generation_done(generation))
		if (generator_step(generator, &generation, 1) != 0)
			return;
}

/* The scores after the prompt of n and ids, from nothing. */
static void reference_scores(int n, const int32_t *ids, size_t count, float *scores)
{
	struct llama_cache cache = { .count = 0 };
	float rows[5 * WIDTH];
	prompt_of(n, 5, rows);
	llama_prefill(NULL, &cache, rows, 5, false, scores);
	for (size_t i = 0; i < count; i++) {
		float row[WIDTH];
		llama_embed(NULL, &ids[i], 1, row);
		llama_prefill(NULL, &cache, row, 1, false, scores);
	}
}

static void test_greedy(struct llama *llama)
{
	struct generation_settings settings = plain();
	struct generator *generator = generator_new(llama, &settings);
	struct generation *generation = generation_new(generator);
	bool right = true, ended = false, full = false;
	for (int n = 0; n < 20; n++) {
		run(generator, generation, n);
		struct generation_result result = generation_result(generation, 0);
		double sum = 0;
		for (size_t i = 0; i < result.count; i++) {
			float scores[VOCABULARY];
			reference_scores(n, result.ids, i, scores);
			right = right && logits_best(scores, VOCABULARY) == result.ids[i];
			logits_log_softmax(scores, VOCABULARY);
			right = right && fabsf(scores[result.ids[i]] - result.logprobs[i]) < 1e-5f;
			sum += result.logprobs[i];
		}
		right = right && fabs(result.score - sum / (double)result.count) < 1e-5;
		ended = ended || (result.ended && generation_finish(generation) == GENERATION_EOS);
		full = full || (result.count == 20 && generation_finish(generation) == GENERATION_LENGTH);
	}
	TAP_OK(right, "greedy takes the best each time and tells its log-probability");
	struct generation_result told = generation_result(generation, 0);
	settings.logprobs = false;
	struct generator *silent = generator_new(llama, &settings);
	struct generation *other = generation_new(silent);
	run(silent, other, 19);
	struct generation_result untold = generation_result(other, 0);
	TAP_OK(untold.count == told.count && !untold.logprobs &&
	           memcmp(untold.ids, told.ids, told.count * sizeof *told.ids) == 0,
	    "and the same when nobody wants to know that");
	generation_release(other);
	generator_release(silent);
	TAP_OK(ended && full, "some end by eos, some by length");
	generation_release(generation);
	generator_release(generator);
}

static void test_limits(struct llama *llama)
{
	struct generation_settings settings = plain();
	settings.eos = -1;
	settings.max_new = 100;
	settings.id_limit = 4;
	struct generator *generator = generator_new(llama, &settings);
	struct generation *generation = generation_new(generator);
	run(generator, generation, 3);
	struct generation_result result = generation_result(generation, 0);
	bool small = true;
	for (size_t i = 0; i < result.count; i++)
		small = small && result.ids[i] < 4;
	TAP_OK(
	    result.count == POSITIONS - 5 + 1 && generation_finish(generation) == GENERATION_POSITIONS,
	    "an answer ends with the model's positions");
	TAP_OK(small, "ids past the tokenizer are never chosen");
	float rows[(POSITIONS + 1) * WIDTH];
	prompt_of(1, POSITIONS + 1, rows);
	TAP_OK(generation_begin(generation, 0, rows, POSITIONS + 1, 0) == -1 &&
	           error_kind() == ERROR_INPUT,
	    "a prompt that is too long is refused");
	TAP_OK(generation_begin(generation, 0, rows, POSITIONS, 0) == 0 &&
	           generation_done(generation) && generation_result(generation, 0).count == 1,
	    "a prompt that fills the positions gets one token");
	generation_release(generation);
	generator_release(generator);
	settings = plain();
	settings.min_new = 18;
	generator = generator_new(llama, &settings);
	generation = generation_new(generator);
	bool late = true;
	for (int n = 0; n < 20; n++) {
		run(generator, generation, n);
		late = late && generation_result(generation, 0).count >= 19;
	}
	TAP_OK(late, "eos does not come before the least length");
	generation_release(generation);
	generator_release(generator);
}

/* Step all to their ends. */
static void run_together(struct generator *generator, struct generation *const *all, size_t count)
{
	struct generation *batch[8];
	for (size_t open = 1; open > 0;) {
		open = 0;
		for (size_t n = 0; n < count; n++)
			if (!generation_done(all[n]))
				batch[open++] = all[n];
		if (generator_step(generator, batch, open) != 0)
			return;
	}
}

/* Records stepped together and one by one give the same, with sampling and with beams. */
static void test_batch(struct llama *llama, bool sample, size_t beams)
{
	enum { RECORDS = 6 };
	struct generation_settings settings = plain();
	settings.sample = sample;
	settings.beams = beams;
	settings.repetition_penalty = 1.3;
	struct generator *generator = generator_new(llama, &settings);
	struct generation *single = generation_new(generator), *together[RECORDS];
	float rows[5 * WIDTH];
	for (int n = 0; n < RECORDS; n++) {
		together[n] = generation_new(generator);
		prompt_of(n, 5, rows);
		generation_begin(together[n], 0, rows, 5, (uint64_t)n);
	}
	run_together(generator, together, RECORDS);
	bool same = true, differ = false;
	for (int n = 0; n < RECORDS; n++) {
		run(generator, single, n);
		struct generation_result one = generation_result(single, 0);
		struct generation_result many = generation_result(together[n], 0);
		same = same && one.count == many.count && one.score == many.score &&
		       memcmp(one.ids, many.ids, one.count * sizeof *one.ids) == 0;
		struct generation_result first = generation_result(together[0], 0);
		differ = differ || first.score != many.score;
	}
	TAP_OK(same && differ, "a batch gives what single records give (%s, %d beams)",
	    sample ? "sampling" : "best", (int)beams);
	generation_release(single);
	for (int n = 0; n < RECORDS; n++)
		generation_release(together[n]);
	generator_release(generator);
}

/* Begin a record of 5 rows with its first 3 from another generation (NULL: computed), and end it. */
static void run_shared(struct generator *generator, struct generation *generation,
    const struct generation *source, int n)
{
	float rows[5 * WIDTH];
	prompt_of(n, 5, rows);
	if ((source ? generation_share(generation, source, 3)
	            : generation_prefix(generation, rows, 3)) != 0 ||
	    generation_begin(generation, 3, rows + 3 * WIDTH, 2, (uint64_t)n) != 0)
		return;
	while (!generation_done(generation))
		if (generator_step(generator, &generation, 1) != 0)
			return;
}

static void test_share(struct llama *llama, size_t beams)
{
	struct generation_settings settings = plain();
	settings.beams = beams;
	struct generator *generator = generator_new(llama, &settings);
	struct generation *single = generation_new(generator), *holder = generation_new(generator);
	struct generation *other = generation_new(generator);
	bool same = true;
	for (int n = 0; n < 5; n++) {
		run(generator, single, n);
		struct generation_result wanted = generation_result(single, 0);
		for (int way = 0; way < 3; way++) {
			struct generation *generation = way == 1 ? other : holder;
			run_shared(generator, generation, way == 0 ? NULL : holder, n);
			struct generation_result got = generation_result(generation, 0);
			same = same && got.count == wanted.count && got.score == wanted.score &&
			       memcmp(got.ids, wanted.ids, got.count * sizeof *got.ids) == 0;
		}
		generation_rest(other);
	}
	TAP_OK(same,
	    "a prompt in two parts, the first computed, copied or kept: the same answers (%d beams)",
	    (int)beams);
	generation_release(single);
	generation_release(holder);
	generation_release(other);
	generator_release(generator);
}

/* With guesses the same answers, in fewer steps; of words so few that guesses come true. */
static void test_lookup(struct llama *llama, bool sample, size_t together)
{
	struct generation_settings settings = plain();
	settings.sample = sample;
	settings.repetition_penalty = 0.8;
	settings.min_new = 20;
	settings.id_limit = 4;
	settings.max_new = 60; /* more than there are positions */
	struct generator *one = generator_new(llama, &settings);
	settings.lookup = true;
	struct generator *several = generator_new(llama, &settings);
	struct generation *single = generation_new(one), *guessing[8];
	bool same = true;
	float rows[5 * WIDTH];
	poisoned = 30;
	prompt_of(1, 5, rows);
	memcpy(&poisoned_row, rows, sizeof poisoned_row);
	for (size_t n = 0; n < together; n++) {
		guessing[n] = generation_new(several);
		prompt_of((int)n, 5, rows);
		generation_begin(guessing[n], 0, rows, 5, n);
		generation_look_up(guessing[n], (const int32_t[]){ 3, 1, 3, 0, 3 }, 5);
	}
	run_together(several, guessing, together);
	for (size_t n = 0; n < together; n++) {
		run(one, single, (int)n);
		struct generation_result a = generation_result(single, 0);
		struct generation_result b = generation_result(guessing[n], 0);
		same = same && generation_finish(single) == generation_finish(guessing[n]) &&
		       a.count == b.count && a.score == b.score &&
		       memcmp(a.ids, b.ids, a.count * sizeof *a.ids) == 0 &&
		       memcmp(a.logprobs, b.logprobs, a.count * sizeof *a.logprobs) == 0;
		generation_release(guessing[n]);
	}
	struct generator_lookup found = generator_lookup(several);
	TAP_OK(
	    same, "guesses change nothing (%s, %zu together)", sample ? "sampling" : "best", together);
	TAP_OK(found.right > 0 && found.right < found.guessed, "some of them come true (%d of %d)",
	    (int)found.right, (int)found.guessed);
	poisoned = 0;
	generation_release(single);
	generator_release(one);
	generator_release(several);
}

/* One of three gets no numbers in the middle of its answer. */
static void test_failure(struct llama *llama, size_t beams)
{
	struct generation_settings settings = plain();
	settings.beams = beams;
	settings.eos = -1;
	struct generator *generator = generator_new(llama, &settings);
	struct generation *together[3], *single = generation_new(generator);
	float rows[5 * WIDTH];
	prompt_of(1, 5, rows);
	memcpy(&poisoned_row, rows, sizeof poisoned_row);
	poisoned = 9;
	for (int n = 0; n < 3; n++) {
		together[n] = generation_new(generator);
		prompt_of(n, 5, rows);
		generation_begin(together[n], 0, rows, 5, (uint64_t)n);
	}
	int status = 0;
	for (int step = 0; step < 19 && status == 0; step++) {
		struct generation *batch[3];
		size_t count = 0;
		for (int n = 0; n < 3; n++)
			if (!generation_done(together[n]))
				batch[count++] = together[n];
		status = generator_step(generator, batch, count);
	}
	TAP_OK(status == 0 && generation_finish(together[1]) == GENERATION_FAILED &&
	           generation_failure(together[1]) == -1 && error_kind() == ERROR_INPUT &&
	           strcmp(error_text(), "the model's scores are not numbers") == 0,
	    "one whose scores are not numbers fails by itself (%d beams)", (int)beams);
	poisoned = 0;
	bool same = true;
	for (int n = 0; n < 3; n += 2) {
		run(generator, single, n);
		struct generation_result one = generation_result(single, 0);
		struct generation_result many = generation_result(together[n], 0);
		same = same && one.count == 20 && many.count == 20 &&
		       memcmp(one.ids, many.ids, one.count * sizeof *one.ids) == 0;
	}
	TAP_OK(same, "and the others go on as if it were not there");
	generation_release(single);
	for (int n = 0; n < 3; n++)
		generation_release(together[n]);
	generator_release(generator);
}

/* Each hypothesis' sum is what the model says about its ids from nothing: caches were inherited
 * by the right beams. */
static void test_beams(struct llama *llama)
{
	struct generation_settings settings = plain();
	settings.beams = 4;
	settings.max_new = 12;
	struct generator *generator = generator_new(llama, &settings);
	struct generation *generation = generation_new(generator);
	double worst = 0;
	size_t seen = 0;
	for (int n = 0; n < 20; n++) {
		run(generator, generation, n);
		for (size_t i = 0; i < generation_results(generation); i++, seen++) {
			struct generation_result result = generation_result(generation, i);
			double sum = 0;
			for (size_t k = 0; k < result.count; k++) {
				float scores[VOCABULARY];
				reference_scores(n, result.ids, k, scores);
				logits_log_softmax(scores, VOCABULARY);
				sum += scores[result.ids[k]];
			}
			worst = fmax(worst, fabs(sum / (double)result.count - result.score));
		}
	}
	copied_same = copied_calls = 0;
	run(generator, generation, 1);
	TAP_OK(copied_calls > 10 && copied_same == copied_calls,
	    "the prompt is shared by the beams, %zu copies leave it alone", copied_same);
	TAP_OK(seen == 80 && worst < 1e-5, "all beams' scores are those of their ids (off by %.1g)",
	    worst);
	generation_release(generation);
	generator_release(generator);
}

static void test_seeds(struct llama *llama)
{
	struct generation_settings settings = plain();
	settings.sample = true;
	settings.eos = -1;
	int32_t first[20];
	for (int round = 0; round < 3; round++) {
		settings.seed = round == 2 ? 5 : 4;
		struct generator *generator = generator_new(llama, &settings);
		struct generation *generation = generation_new(generator);
		run(generator, generation, 8);
		run(generator, generation, 1);
		const int32_t *ids = generation_result(generation, 0).ids;
		bool same = memcmp(first, ids, sizeof first) == 0;
		if (round == 0)
			memcpy(first, ids, sizeof first);
		else
			TAP_OK(same == (round == 1), "%s",
			    round == 1 ? "the same seed: the same answer" : "another seed: another answer");
		generation_release(generation);
		generator_release(generator);
	}
}

int main(void)
{
	struct llama llama = { 0 };
	test_greedy(&llama);
	test_limits(&llama);
	test_batch(&llama, false, 1);
	test_batch(&llama, true, 1);
	test_batch(&llama, false, 3);
	test_share(&llama, 1);
	test_share(&llama, 3);
	test_lookup(&llama, false, 1);
	test_lookup(&llama, false, 6);
	test_lookup(&llama, true, 3);
	test_failure(&llama, 1);
	test_failure(&llama, 2);
	test_beams(&llama);
	test_seeds(&llama);
	return tap_finish();
}
