/* logits.h - what is done to the scores of the next token before one is chosen (spec 3.9, in the
 * order of transformers 4.33): ids that belong to no token, repetition penalty, least length.
 */
#ifndef ZV_MODEL_LOGITS_H
#define ZV_MODEL_LOGITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows limit..count-1 belong to no token of the tokenizer: make them impossible. */
void logits_limit(float *scores, size_t count, size_t limit);

/* Repetition penalty p on each id that occurs in seen (once, however often it occurs): a positive
 * score is divided by p, another multiplied. Works on logits and, where all values are <= 0, on
 * log-probabilities. marks [count]: scratch, all false before and after. */
void logits_penalise(float *scores, size_t count, double penalty, const int32_t *seen,
    size_t seen_count, bool *marks);

/* Make one id impossible (eos before the least length is reached). */
void logits_forbid(float *scores, size_t count, int32_t id);

/* scores[i] -= log(sum(exp(scores))), summed in double. All -inf stays as it is. */
void logits_log_softmax(float *scores, size_t count);

/* log(sum(exp(scores))); -inf if nothing is possible. */
double logits_log_sum(const float *scores, size_t count);

/* The largest score's index, the lowest of equal ones; -1 if nothing is possible or a score is
 * not a number. */
int32_t logits_best(const float *scores, size_t count);

#endif
