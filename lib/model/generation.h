/* generation.h - from a prompt to an answer, token by token. What is shared by all records (model,
 * settings, scratch) is a generator; what belongs to one record is a generation, which is stepped
 * from outside, so that many records can share one pass over the weights:
 *
 *     generation_begin(g, keep, rows, count, stream);   prompt in, first token out
 *     while (!generation_done(g))
 *         generator_step(generator, &g, 1);             one token more for each of the batch
 *     generation_result(g, 0)
 */
#ifndef ZV_MODEL_GENERATION_H
#define ZV_MODEL_GENERATION_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/sampling.h"

struct llama;
struct llama_cache;

struct generation_settings {
	bool sample;              /* else the best token (or beams) */
	struct sampling sampling; /* looked at only with sample */
	uint64_t seed;
	size_t beams; /* 1: no beam search; not together with sample */
	double length_penalty;
	bool early_stopping;
	double repetition_penalty; /* 1: none */
	bool count_bos;            /* the ids begin with a BOS, as transformers 4.33 has it */
	size_t min_new, max_new;   /* tokens; eos cannot come before min_new */
	int32_t bos, eos;          /* -1: none */
	bool logprobs;             /* results without beams have log-probabilities and a score */
	size_t id_limit;           /* ids from here on belong to no token; 0: all ids are possible */
	bool lookup; /* guess tokens (lookup.h), verify several in a pass; not with beams */
};

/* Settings as the words of llm.zv say, else these defaults: greedy, 128 tokens; temperature 1,
 * top-k 50 and top-p 1 where sampling is asked for. 0, or -1 with a recorded error. */
struct model_file;
int generation_settings_read(const struct model_file *file, struct generation_settings *settings);

/* What a person asks for; -1 and NAN: no wish. */
struct generation_wishes {
	bool sample, greedy, early_stopping, count_bos, ignore_eos;
	int64_t seed, top_k, beams, min_new, max_new;
	double temperature, top_p, length_penalty, repetition_penalty;
};
#define GENERATION_NO_WISHES                                                                       \
	{                                                                                              \
		.top_k = -1, .beams = -1, .max_new = -1, .temperature = NAN, .top_p = NAN,                 \
		.length_penalty = NAN, .repetition_penalty = NAN                                           \
	}

/* Wishes go before the settings. 0, or -1 with an ERROR_SYSTEM that names the options which
 * contradict each other. */
int generation_settings_apply(
    struct generation_settings *settings, const struct generation_wishes *wishes);

enum generation_finish {
	GENERATION_RUNNING,
	GENERATION_EOS,         /* the model ended the answer */
	GENERATION_STOP,        /* a stop text was found: generation_stop() */
	GENERATION_LENGTH,      /* max_new */
	GENERATION_POSITIONS,   /* the model's positions are used up */
	GENERATION_INTERRUPTED, /* generation_stop() */
	GENERATION_FAILED,      /* no next token can be chosen: generation_failure() */
};
const char *generation_finish_name(enum generation_finish finish);

struct generator;
/* settings are copied; llama must outlive it. NULL with a recorded error. */
struct generator *generator_new(struct llama *llama, const struct generation_settings *settings);
void generator_release(struct generator *generator); /* NULL is fine */

struct generation;
struct generation *generation_new(struct generator *generator); /* NULL: memory */
void generation_release(struct generation *generation);         /* NULL is fine */

/* Start a record: keep the first `keep` rows that the generation still holds (of the prompt before,
 * or, without beams, of that and its answer but for the last token), put rows [count][width]
 * behind them, and choose the first token. stream selects the random numbers. count >= 1. 0, or -1
 * (too long a prompt: ERROR_INPUT). */
int generation_begin(
    struct generation *generation, size_t keep, const float *rows, size_t count, uint64_t stream);

/* What the prompt begun last says, for guesses (settings.lookup; else nothing is done): its ids,
 * negative where a row is no token. 0, or -1: memory. */
int generation_look_up(struct generation *generation, const int32_t *ids, size_t count);

/* A prompt in two parts, for records that begin alike: run the first `count` rows alone and choose
 * nothing; or take the first `count` rows of the prompt that source (which may be the generation
 * itself) was begun with. Either gives the same bytes. generation_begin() with keep = count
 * follows. 0, or -1: memory. */
int generation_prefix(struct generation *generation, const float *rows, size_t count);
int generation_share(struct generation *generation, const struct generation *source, size_t count);

/* Give the memory of keys and values back until the next record; what they held is gone. */
void generation_rest(struct generation *generation);

/* One token more for each of count generations that are not done, and those guessed that turn out to
 * be what would have been chosen one by one, to the bit; the weights are read once. What
 * one gets does not depend on the others; one whose scores are not numbers ends with
 * GENERATION_FAILED, and the others go on. 0, or -1: memory. */
int generator_step(struct generator *generator, struct generation *const *batch, size_t count);

/* What became of guesses so far, in all: guessed and right ones, and the passes of answers (one for
 * each answer in a step). */
struct generator_lookup {
	uint64_t guessed, right, passes;
};
struct generator_lookup generator_lookup(const struct generator *generator);

bool generation_done(const struct generation *generation);
bool generation_has_beams(const struct generation *generation);
void generation_stop(struct generation *generation, enum generation_finish finish);
enum generation_finish generation_finish(const struct generation *generation);
/* The answer ends behind its first `count` tokens, where a stop text was found: GENERATION_STOP. */
void generation_cut(struct generation *generation, size_t count);
/* GENERATION_FAILED: record why (ERROR_INPUT). Returns -1. */
int generation_failure(const struct generation *generation);

/* An answer: ids with the eos that ended it. */
struct generation_result {
	const int32_t *ids;
	const float *logprobs; /* of each id, after penalties, before temperature; NULL: none kept */
	size_t count;
	bool ended;   /* by eos, which is the last id */
	double score; /* sum of log-probabilities / count^length_penalty, 0 if none are kept; beams: see
	               * beam.h */
};
/* So far, and in the end. Without beams there is one; with beams best first, known when done. */
size_t generation_results(const struct generation *generation);
struct generation_result generation_result(const struct generation *generation, size_t i);

#endif
