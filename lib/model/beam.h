/* beam.h - beam search over an abstract scorer, with the rules of transformers' BeamSearchScorer
 * (spec 3.9): this module holds hypotheses and decides; the caller computes the scores.
 *
 *     struct beam_search *search = beam_new(&rules);
 *     while (!beam_done(search)) {
 *         for i = 0..beam_live(search)-1: rows[i] = processed log-softmax after beam_ids(search, i)
 *         beam_step(search, rows, vocabulary);       (log-probabilities of one more token)
 *         hypothesis i now continues the earlier hypothesis beam_parent(search, i) by its last id
 *     }
 *     beam_finish(search);  hypotheses by beam_result(search, 0..), best first
 */
#ifndef ZV_MODEL_BEAM_H
#define ZV_MODEL_BEAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct beam_rules {
	size_t beams;          /* >= 1 */
	size_t most;           /* longest hypothesis in new tokens, eos counted */
	double length_penalty; /* score = sum of log-probabilities / length^penalty */
	int32_t eos;           /* -1: none */
	bool early;            /* stop as soon as `beams` hypotheses are closed */
	bool count_bos; /* transformers 4.33 puts a BOS in front of the ids: open hypotheses and the
	                 * stopping rule count one token more */
};

struct beam_search;

struct beam_search *beam_new(const struct beam_rules *rules); /* NULL: memory */
void beam_release(struct beam_search *search);                /* NULL is fine */

/* Hypotheses that are still open: 1 before the first step, then up to `beams`. */
size_t beam_live(const struct beam_search *search);
const int32_t *beam_ids(const struct beam_search *search, size_t i, size_t *count);
/* Which of the hypotheses before the last step hypothesis i continues; several may share one. */
size_t beam_parent(const struct beam_search *search, size_t i);

/* rows [beam_live()][vocabulary]: log-probabilities. 0, or -1: memory, or a row is not a number. */
int beam_step(struct beam_search *search, const float *rows, size_t vocabulary);

/* Nothing more can change, or the longest length is reached. */
bool beam_done(const struct beam_search *search);

/* Close what is open, unless the closed ones are better for certain. */
void beam_finish(struct beam_search *search);

struct beam_hypothesis {
	const int32_t *ids; /* with eos if that ended it */
	size_t count;
	double sum;   /* of log-probabilities */
	double score; /* sum / length^penalty */
	bool ended;   /* by eos */
};
size_t beam_results(const struct beam_search *search);
struct beam_hypothesis beam_result(const struct beam_search *search, size_t i);

#endif
