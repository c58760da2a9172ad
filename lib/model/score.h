/* score.h - the log-likelihood of given answers behind prompts, several at a time: a pass over the
 * weights reads the tokens of as many answers as there are sequences, whose sums do not depend on
 * that.
 *
 *     scorer_prompt()         the first prompt
 *     scorer_add() ...        the answers behind it
 *     scorer_prompt() ...     the next one, its answers
 *     scorer_run()            all sums; nothing is left of prompts and answers
 */
#ifndef ZV_MODEL_SCORE_H
#define ZV_MODEL_SCORE_H

#include <stddef.h>
#include <stdint.h>

struct llama;
struct scorer;

/* Up to `most` sequences at a time. Ids from id_limit on belong to no token and get no probability
 * (0: all ids may). NULL: memory. */
struct scorer *scorer_new(struct llama *llama, size_t most, size_t id_limit);
void scorer_release(struct scorer *scorer); /* NULL is fine */

/* A prompt: rows [count][width], count >= 1; up to `most` of them before scorer_run(). 0, or -1 with
 * a recorded error: then there is no such prompt. */
int scorer_prompt(struct scorer *scorer, const float *rows, size_t count);

/* An answer behind the prompt that came last; both ids [count] and *sum, where the sum of its
 * log-probabilities is to go, must be there until scorer_run(). 0, or -1: too long, an id that the
 * model has not, memory. */
int scorer_add(struct scorer *scorer, const int32_t *ids, size_t count, double *sum);

/* Forget the prompt that came last, with its answers. */
void scorer_take_back(struct scorer *scorer);

/* 0, or -1: memory. */
int scorer_run(struct scorer *scorer);

#endif
