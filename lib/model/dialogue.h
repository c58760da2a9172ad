/* dialogue.h - several turns about one picture. Each turn renders the whole talk through the
 * template, as a fresh prompt would; only what differs from the rows that the cache still holds is
 * computed.
 */
#ifndef ZV_MODEL_DIALOGUE_H
#define ZV_MODEL_DIALOGUE_H

#include <stddef.h>
#include <stdint.h>

#include "model/generation.h"
#include "model/prompt.h"

struct dialogue;

/* picture: the soft prompt [picture_rows][width], or NULL with 0; it, rules, llama and generator
 * must outlive the dialogue. NULL: memory. */
struct dialogue *dialogue_new(struct llama *llama, struct generator *generator,
    const struct prompt_rules *rules, const float *picture, size_t picture_rows);
void dialogue_release(struct dialogue *dialogue); /* NULL is fine */

/* Begin the answer to a question; step dialogue_generation() until it is done, then hand its text
 * to dialogue_answer(). 0, or -1 (a talk that is too long: ERROR_INPUT); the question is then
 * forgotten. */
int dialogue_ask(struct dialogue *dialogue, const char *question);
struct generation *dialogue_generation(struct dialogue *dialogue);
int dialogue_answer(struct dialogue *dialogue, const char *text, size_t size);

size_t dialogue_turns(const struct dialogue *dialogue); /* answered so far */
/* Rows of the last prompt, and how many of them the cache still held. */
size_t dialogue_rows(const struct dialogue *dialogue);
size_t dialogue_reused(const struct dialogue *dialogue);

void dialogue_reset(struct dialogue *dialogue); /* forget all turns */

#endif
