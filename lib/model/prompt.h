/* prompt.h - from a dialogue about a picture to the rows that the language model reads: a sequence
 * of token ids in which the rows of the soft prompt have their places.
 */
#ifndef ZV_MODEL_PROMPT_H
#define ZV_MODEL_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/bpe.h"
#include "text/template.h"

struct llama;

enum prompt_bos {
	PROMPT_BOS_TEMPLATE, /* <s> where the template says so */
	PROMPT_BOS_YES,      /* in front of the first text */
	PROMPT_BOS_NO,
};

/* How prompts are made; the same for all records. */
struct prompt_rules {
	const struct bpe *bpe;
	const struct template *template; /* NULL: the text as it is, behind the picture */
	enum prompt_bos bos;
	enum bpe_added added;   /* BPE_ADDED_MODEL: as the template or the model says */
	bool modern;            /* the model's tokenizer; the template may say otherwise, */
	bool modern_is_settled; /* unless this is set */
};

/* In a sequence, row r of the soft prompt is written as -1 - r. */
static inline int32_t prompt_picture_row(size_t row)
{
	return -1 - (int32_t)row;
}

/* Append the sequence of a dialogue; picture_rows 0: no picture. Without a template there is one
 * turn, whose question is the whole text. 0, or -1 with a recorded error. */
int prompt_sequence(const struct prompt_rules *rules, const struct template_turn *turns,
    size_t count, size_t picture_rows, struct ids *sequence);

/* How a text that follows the prompt is tokenised. */
struct bpe_options prompt_answer_options(const struct prompt_rules *rules);

/* Embeddings of sequence[0..count-1] to rows [count][width]; picture: the soft prompt
 * [picture_rows][width], or NULL if there is none. 0, or -1: an id that the model has not. */
int prompt_embed(const struct llama *llama, const int32_t *sequence, size_t count,
    const float *picture, float *rows);

/* prompt_sequence() of a prompt that the model can read: neither empty nor too long. */
int prompt_fitting_sequence(const struct prompt_rules *rules, const struct llama *llama,
    const struct template_turn *turns, size_t count, size_t picture_rows, struct ids *sequence);

/* Rows up to the picture's last, which questions about one picture have in common; 0: no picture,
 * or nothing behind it. */
size_t prompt_picture_end(const struct ids *sequence);

/* All in one: the rows [*count][width] of a dialogue. The caller releases them. NULL with a
 * recorded error, as when the prompt is empty. */
float *prompt_rows(const struct prompt_rules *rules, const struct llama *llama,
    const struct template_turn *turns, size_t turn_count, const float *picture, size_t picture_rows,
    size_t *count);

#endif
