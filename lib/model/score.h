/* score.h - the log-likelihood of given answers after one prompt, whose keys and values are
 * computed once for all of them.
 */
#ifndef ZV_MODEL_SCORE_H
#define ZV_MODEL_SCORE_H

#include <stddef.h>
#include <stdint.h>

struct llama;
struct scorer;

/* Ids from id_limit on belong to no token and get no probability (0: all ids may). NULL: memory. */
struct scorer *scorer_new(struct llama *llama, size_t id_limit);
void scorer_release(struct scorer *scorer); /* NULL is fine */

/* The prompt: rows [count][width], count >= 1. 0, or -1 with a recorded error. */
int scorer_prompt(struct scorer *scorer, const float *rows, size_t count);

/* Sum of the log-probabilities of ids[0..count-1] behind the prompt. 0, or -1: too long, memory. */
int scorer_score(struct scorer *scorer, const int32_t *ids, size_t count, double *sum);

#endif
