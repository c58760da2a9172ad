/* generation.c - stepping records token by token, see generation.h. */
#include "model/generation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/beam.h"
#include "model/llama.h"
#include "model/logits.h"
#include "model/lookup.h"

enum { PASS_ROWS = 16 }; /* of a step, guesses among them: more rows would cost more time */

struct generator {
	struct llama *llama;
	struct generation_settings settings;
	size_t vocabulary;
	struct candidate *candidates; /* vocabulary, for sampling */
	bool *marks;                  /* vocabulary, for logits_penalise() */
	float *logits;                /* of a step: a row for each token that is read */
	struct llama_cache **caches;  /* the caches these tokens go to */
	int32_t *ids;                 /* the tokens */
	size_t logits_capacity, caches_capacity, ids_capacity;
	struct generator_lookup found;
};

struct generation {
	struct generator *generator;
	struct llama_cache **caches; /* settings.beams; which belongs to which beam changes */
	struct llama_cache **kept;   /* as many, for inherit_caches() */
	size_t prompt;               /* rows that all caches of beams have in common */
	struct beam_search *search;  /* NULL without beams */
	struct random random;
	int32_t *ids; /* without beams: the answer so far, behind one place for BOS */
	float *logprobs;
	double *sums;       /* [max_new + 1]: of the log-probabilities of so many tokens */
	size_t count, most; /* most: max_new, or what positions leave */
	struct lookup lookup;
	int32_t guess[LOOKUP_MOST];
	size_t guessed; /* tokens in guess, which are read in the step at hand */
	enum generation_finish finish;
	char failure[200]; /* GENERATION_FAILED: why */
};

const char *generation_finish_name(enum generation_finish finish)
{
	static const char *const names[] = { "running", "eos", "stop", "length", "positions",
		"interrupted", "failed" };
	return names[finish];
}

struct generator *generator_new(struct llama *llama, const struct generation_settings *settings)
{
	struct generator *generator = memory_allocate_zero(1, sizeof *generator);
	if (generator == NULL)
		return NULL;
	generator->llama = llama;
	generator->settings = *settings;
	generator->vocabulary = llama_vocabulary(llama);
	if (settings->id_limit == 0 || settings->id_limit > generator->vocabulary)
		generator->settings.id_limit = generator->vocabulary;
	generator->candidates = memory_allocate(generator->vocabulary, sizeof(struct candidate));
	generator->marks = memory_allocate_zero(generator->vocabulary, sizeof *generator->marks);
	if (generator->candidates == NULL || generator->marks == NULL) {
		generator_release(generator);
		return NULL;
	}
	return generator;
}

void generator_release(struct generator *generator)
{
	if (generator == NULL)
		return;
	memory_release(generator->candidates);
	memory_release(generator->marks);
	memory_release(generator->logits);
	memory_release(generator->caches);
	memory_release(generator->ids);
	memory_release(generator);
}

struct generation *generation_new(struct generator *generator)
{
	const struct generation_settings *settings = &generator->settings;
	struct generation *generation = memory_allocate_zero(1, sizeof *generation);
	if (generation == NULL)
		return NULL;
	generation->generator = generator;
	generation->caches = memory_allocate_zero(settings->beams, sizeof *generation->caches);
	generation->kept = memory_allocate(settings->beams, sizeof *generation->kept);
	generation->ids = memory_allocate(settings->max_new + 1, sizeof *generation->ids);
	generation->logprobs = memory_allocate(settings->max_new, sizeof *generation->logprobs);
	generation->sums = memory_allocate(settings->max_new + 1, sizeof *generation->sums);
	bool failed = generation->caches == NULL || generation->kept == NULL ||
	              generation->ids == NULL || generation->logprobs == NULL ||
	              generation->sums == NULL;
	for (size_t i = 0; !failed && i < settings->beams; i++) {
		generation->caches[i] = llama_cache_new(generator->llama);
		failed = generation->caches[i] == NULL;
	}
	if (failed) {
		generation_release(generation);
		return NULL;
	}
	generation->ids[0] = settings->bos;
	generation->sums[0] = 0;
	return generation;
}

void generation_release(struct generation *generation)
{
	if (generation == NULL)
		return;
	for (size_t i = 0; generation->caches != NULL && i < generation->generator->settings.beams; i++)
		if (generation->caches[i] != NULL)
			llama_cache_release(generation->caches[i]);
	memory_release(generation->caches);
	memory_release(generation->kept);
	beam_release(generation->search);
	memory_release(generation->ids);
	memory_release(generation->logprobs);
	memory_release(generation->sums);
	lookup_clear(&generation->lookup);
	memory_release(generation);
}

/* Penalties on the scores that follow ids[0..count-1]; ids[-1] is the BOS that 4.33 counts. */
static void process(
    const struct generator *generator, float *scores, const int32_t *ids, size_t count)
{
	const struct generation_settings *settings = &generator->settings;
	size_t vocabulary = generator->vocabulary;
	size_t bos = settings->count_bos && settings->bos >= 0 ? 1 : 0;
	logits_penalise(
	    scores, vocabulary, settings->repetition_penalty, ids - bos, count + bos, generator->marks);
	if (count < settings->min_new)
		logits_forbid(scores, vocabulary, settings->eos);
}

/* Choose the next token from the scores of the last row. */
static int choose(struct generation *generation, float *scores)
{
	struct generator *generator = generation->generator;
	const struct generation_settings *settings = &generator->settings;
	size_t vocabulary = generator->vocabulary;
	logits_limit(scores, vocabulary, settings->id_limit);
	process(generator, scores, generation->ids + 1, generation->count);
	int32_t id = -1;
	if (settings->sample) {
		size_t left =
		    sampling_candidates(&settings->sampling, scores, vocabulary, generator->candidates);
		if (left > 0)
			id = sampling_draw(generator->candidates, left, &generation->random);
	} else {
		id = logits_best(scores, vocabulary);
	}
	if (id < 0)
		return error_input("the model's scores are not numbers");
	if (settings->logprobs) {
		double logprob = scores[id] - logits_log_sum(scores, vocabulary);
		generation->sums[generation->count + 1] = generation->sums[generation->count] + logprob;
		generation->logprobs[generation->count] = (float)logprob;
	}
	generation->ids[++generation->count] = id;
	if (id == settings->eos)
		generation->finish = GENERATION_EOS;
	else if (generation->count == generation->most)
		generation->finish =
		    generation->most < settings->max_new ? GENERATION_POSITIONS : GENERATION_LENGTH;
	return 0;
}

/* Give each open hypothesis a cache with its parent's rows: the first child takes the parent's
 * over, others get a copy in one that no hypothesis needs: of what is behind the prompt. */
static int inherit_caches(struct generation *generation)
{
	struct llama_cache **kept = generation->kept;
	size_t beams = generation->generator->settings.beams, live = beam_live(generation->search);
	struct llama_cache **old = generation->caches;
	size_t free_slot = 0;
	for (size_t i = 0; i < live; i++) {
		size_t parent = beam_parent(generation->search, i), before = 0;
		while (before < i && beam_parent(generation->search, before) != parent)
			before++;
		kept[i] = before == i ? old[parent] : NULL;
	}
	for (size_t i = 0; i < beams; i++) {
		if (i < live && kept[i] != NULL)
			continue;
		for (;; free_slot++) { /* the next one that no child took over */
			size_t taken = 0;
			while (taken < live && beam_parent(generation->search, taken) != free_slot)
				taken++;
			if (taken == live)
				break;
		}
		kept[i] = old[free_slot++];
		if (i < live &&
		    llama_cache_copy(kept[i], old[beam_parent(generation->search, i)], generation->prompt,
		        llama_cache_length(old[beam_parent(generation->search, i)])) != 0)
			return -1;
	}
	memcpy(old, kept, beams * sizeof *kept);
	return 0;
}

static void finish_beams(struct generation *generation)
{
	beam_finish(generation->search);
	if (generation->finish != GENERATION_RUNNING)
		return;
	const struct generation_settings *settings = &generation->generator->settings;
	if (beam_results(generation->search) > 0 && beam_result(generation->search, 0).ended)
		generation->finish = GENERATION_EOS;
	else
		generation->finish =
		    generation->most < settings->max_new ? GENERATION_POSITIONS : GENERATION_LENGTH;
}

/* Continue the open hypotheses by one token; scores [beam_live()][vocabulary]. */
static int choose_beams(struct generation *generation, float *scores)
{
	struct generator *generator = generation->generator;
	const struct generation_settings *settings = &generator->settings;
	size_t vocabulary = generator->vocabulary;
	for (size_t i = 0; i < beam_live(generation->search); i++) {
		float *row = scores + i * vocabulary;
		size_t count;
		const int32_t *ids = beam_ids(generation->search, i, &count);
		logits_limit(row, vocabulary, settings->id_limit);
		logits_log_softmax(row, vocabulary);
		memcpy(generation->ids + 1, ids, count * sizeof *ids); /* behind the place for BOS */
		process(generator, row, generation->ids + 1, count);
	}
	if (beam_step(generation->search, scores, vocabulary) != 0)
		return -1;
	generation->count++;
	if (beam_done(generation->search)) {
		finish_beams(generation);
		return 0;
	}
	return inherit_caches(generation);
}

static int make_room(struct generator *generator, size_t rows)
{
	size_t wanted;
	if (!checked_multiply(rows, generator->vocabulary, &wanted))
		return error_memory(SIZE_MAX);
	void *logits = generator->logits, *caches = generator->caches, *ids = generator->ids;
	int status = memory_grow(&logits, &generator->logits_capacity, wanted, sizeof(float));
	status |= memory_grow(&caches, &generator->caches_capacity, rows, sizeof *generator->caches);
	status |= memory_grow(&ids, &generator->ids_capacity, rows, sizeof *generator->ids);
	generator->logits = logits;
	generator->caches = caches;
	generator->ids = ids;
	return status;
}

static int begin_beams(struct generation *generation)
{
	const struct generation_settings *settings = &generation->generator->settings;
	struct beam_rules rules = { .beams = settings->beams,
		.most = generation->most,
		.length_penalty = settings->length_penalty,
		.eos = settings->eos,
		.early = settings->early_stopping,
		.count_bos = settings->count_bos && settings->bos >= 0 };
	beam_release(generation->search);
	generation->search = beam_new(&rules);
	if (generation->search == NULL)
		return -1;
	return llama_cache_fork(generation->caches, settings->beams);
}

int generation_prefix(struct generation *generation, const float *rows, size_t count)
{
	llama_cache_truncate(generation->caches[0], 0);
	return llama_prefill(
	    generation->generator->llama, generation->caches[0], rows, count, false, NULL);
}

int generation_share(struct generation *generation, const struct generation *source, size_t count)
{
	if (source == generation)
		return 0; /* generation_begin() keeps them */
	return llama_cache_copy(generation->caches[0], source->caches[0], 0, count);
}

void generation_rest(struct generation *generation)
{
	for (size_t i = 0; i < generation->generator->settings.beams; i++)
		llama_cache_clear(generation->caches[i]);
}

int generation_begin(
    struct generation *generation, size_t keep, const float *rows, size_t count, uint64_t stream)
{
	struct generator *generator = generation->generator;
	const struct generation_settings *settings = &generator->settings;
	size_t positions = llama_positions(generator->llama);
	generation->finish = GENERATION_RUNNING;
	generation->count = 0;
	lookup_begin(&generation->lookup);
	generation->random = random_begin(settings->seed, stream);
	if (keep + count > positions)
		return error_input(
		    "the prompt takes %zu positions, the model has %zu", keep + count, positions);
	/* the last token chosen is not read again, so one more than what is left fits */
	size_t left = positions - keep - count + 1;
	generation->most = settings->max_new < left ? settings->max_new : left;
	generation->prompt = keep + count;
	llama_cache_truncate(generation->caches[0], keep);
	if (make_room(generator, settings->beams) != 0)
		return -1;
	float *logits = generator->logits;
	if (llama_prefill(generator->llama, generation->caches[0], rows, count, false, logits) != 0)
		return -1;
	if (settings->beams == 1)
		return choose(generation, logits);
	return begin_beams(generation) != 0 ? -1 : choose_beams(generation, logits);
}

int generation_look_up(struct generation *generation, const int32_t *ids, size_t count)
{
	if (!generation->generator->settings.lookup)
		return 0;
	if (lookup_add(&generation->lookup, ids, count) != 0)
		return -1;
	return lookup_add(&generation->lookup, generation->ids + 1, generation->count);
}

/* What may follow the last token of each answer, as many rows as a step has room for. */
static void guess_all(
    const struct generator *generator, struct generation *const *batch, size_t count)
{
	size_t room = count < PASS_ROWS ? (PASS_ROWS - count) / count : 0;
	for (size_t i = 0; i < count; i++) {
		struct generation *generation = batch[i];
		size_t left = generation->most - generation->count; /* tokens that the step may add */
		generation->guessed = 0;
		if (generator->settings.lookup && left > 1)
			generation->guessed = lookup_guess(
			    &generation->lookup, room < left - 1 ? room : left - 1, generation->guess);
	}
}

/* Tokens that a generation reads in a step: one for each open beam, or one and those guessed. */
static size_t width_of(const struct generation *generation)
{
	return generation->search != NULL ? beam_live(generation->search) : 1 + generation->guessed;
}

/* The tokens that one generation reads, and the caches they go to. */
static void gather_one(
    const struct generation *generation, struct llama_cache **caches, int32_t *ids)
{
	for (size_t row = 0; row < width_of(generation); row++) {
		size_t length;
		caches[row] = generation->caches[generation->search != NULL ? row : 0];
		if (generation->search != NULL) {
			const int32_t *beam = beam_ids(generation->search, row, &length);
			ids[row] = beam[length - 1];
		} else {
			ids[row] = row == 0 ? generation->ids[generation->count] : generation->guess[row - 1];
		}
	}
}

static int gather(struct generator *generator, struct generation *const *batch, size_t count)
{
	size_t rows = 0, row = 0;
	guess_all(generator, batch, count);
	for (size_t i = 0; i < count; i++)
		rows += width_of(batch[i]);
	if (make_room(generator, rows) != 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		gather_one(batch[i], generator->caches + row, generator->ids + row);
		row += width_of(batch[i]);
	}
	return llama_decode(
	    generator->llama, generator->caches, generator->ids, rows, generator->logits);
}

/* Tokens from the scores behind the last one and behind each guess, as long as these are what is
 * chosen. */
static int choose_rows(struct generation *generation, float *scores)
{
	struct generator_lookup *found = &generation->generator->found;
	size_t before = generation->count, right = 0;
	int status = choose(generation, scores);
	while (status == 0 && right < generation->guessed &&
	       generation->ids[generation->count] == generation->guess[right]) {
		right++;
		if (generation->finish != GENERATION_RUNNING)
			break;
		status = choose(generation, scores + right * generation->generator->vocabulary);
	}
	/* the token chosen last is not read yet */
	llama_cache_truncate(generation->caches[0], generation->prompt + before + right);
	found->guessed += generation->guessed;
	found->right += right;
	found->passes++;
	lookup_learn(&generation->lookup, generation->guessed, right);
	if (status == 0 && generation->generator->settings.lookup)
		status = lookup_add(
		    &generation->lookup, generation->ids + 1 + before, generation->count - before);
	return status;
}

/* The scores of one generation are of no use: it ends, the others do not. Memory is for all. */
static int fail_one(struct generation *generation)
{
	if (error_kind() == ERROR_SYSTEM)
		return -1;
	snprintf(generation->failure, sizeof generation->failure, "%s", error_text());
	generation_stop(generation, GENERATION_FAILED);
	return 0;
}

int generator_step(struct generator *generator, struct generation *const *batch, size_t count)
{
	if (count == 0)
		return 0;
	if (gather(generator, batch, count) != 0)
		return -1;
	float *scores = generator->logits;
	for (size_t i = 0; i < count; i++) {
		size_t rows = width_of(batch[i]);
		int status = batch[i]->search != NULL ? choose_beams(batch[i], scores)
		                                      : choose_rows(batch[i], scores);
		if (status != 0 && fail_one(batch[i]) != 0)
			return -1;
		scores += rows * generator->vocabulary;
	}
	return 0;
}

struct generator_lookup generator_lookup(const struct generator *generator)
{
	return generator->found;
}

bool generation_done(const struct generation *generation)
{
	return generation->finish != GENERATION_RUNNING;
}

bool generation_has_beams(const struct generation *generation)
{
	return generation->search != NULL;
}

void generation_stop(struct generation *generation, enum generation_finish finish)
{
	generation->finish = finish;
	if (generation->search != NULL)
		beam_finish(generation->search);
}

void generation_cut(struct generation *generation, size_t count)
{
	generation->count = count;
	generation_stop(generation, GENERATION_STOP);
}

enum generation_finish generation_finish(const struct generation *generation)
{
	return generation->finish;
}

int generation_failure(const struct generation *generation)
{
	return error_input("%s", generation->failure);
}

size_t generation_results(const struct generation *generation)
{
	return generation->search != NULL ? beam_results(generation->search) : 1;
}

struct generation_result generation_result(const struct generation *generation, size_t i)
{
	if (generation->search != NULL) {
		struct beam_hypothesis best = beam_result(generation->search, i);
		return (struct generation_result){ best.ids, NULL, best.count, best.ended, best.score };
	}
	const struct generation_settings *settings = &generation->generator->settings;
	double length = pow((double)generation->count, settings->length_penalty);
	return (struct generation_result){ generation->ids + 1,
		settings->logprobs ? generation->logprobs : NULL, generation->count,
		generation->count > 0 && generation->ids[generation->count] == settings->eos,
		settings->logprobs && generation->count > 0 ? generation->sums[generation->count] / length
		                                            : 0 };
}
