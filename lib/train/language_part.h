/* language_part.h - the language model's side of training: sequences in which some tokens are to be
 * predicted, their loss, and its gradient into the model and into the soft prompts (spec 7.3).
 */
#ifndef ZV_TRAIN_LANGUAGE_PART_H
#define ZV_TRAIN_LANGUAGE_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/prompt.h"
#include "text/ids.h"
#include "train/llama_network.h"
#include "train/stage.h"

struct saves;
struct weights;

struct language_part {
	struct weights *weights;
	struct llama_network *network;
	struct bpe *bpe;
	struct template *template;
	struct prompt_rules rules;
	int32_t eos;      /* behind an answer, -1: nothing */
	int32_t bos;      /* in front of a plain text, -1: nothing */
	size_t text_most; /* tokens of a sequence, without the picture's rows */
	bool recompute;
	uint64_t seed;
	bool trained; /* the model has trained parameters, */
	bool embeds;  /* its table of embeddings among them */
};

/* Open llm.zv of the model with tokenizer and template, and put adapters on it as options say. What
 * else is trained is not yet known. 0 or -1; language_part_close() is fine in either case. */
int language_part_open(struct language_part *part, const struct stage_options *options);
void language_part_close(struct language_part *part);
/* When stage_groups() has marked the parameters. */
void language_part_settle(struct language_part *part);

/* Sequences of a micro-batch, one behind the other. */
struct language_batch {
	struct ids ids;     /* -1 - r: row r of the sequence's soft prompt */
	struct ids targets; /* of each row: the id that follows it if that counts, else -1 */
	struct ids answer;  /* of each row with a target: which answer it belongs to, else -1 */
	size_t *start;      /* [count + 1] */
	size_t *prompt;     /* [count]: which soft prompt a sequence begins with */
	size_t count, start_capacity, prompt_capacity;
	size_t answers, counted; /* answers so far; rows with a target */
};
void language_batch_clear(struct language_batch *batch); /* keeps the memory */
void language_batch_release(struct language_batch *batch);

/* Begin a sequence; append ids to it, each of which counts if answer is set; end it. A sequence of
 * less than two rows is forgotten. 0 or -1. */
int language_batch_begin(struct language_batch *batch, size_t prompt);
int language_batch_add(struct language_batch *batch, const int32_t *ids, size_t count, bool answer);
int language_batch_end(struct language_batch *batch);

/* Rows that a sequence may have, those of its soft prompt included. */
size_t language_batch_most(const struct language_part *part, size_t picture_rows);

/* A talk about the soft prompt (rows 0: about nothing) as sequences in which answers count: all of
 * them, or only number `only`, at which the talk then ends (SIZE_MAX: all). Each answer stands
 * behind the very rows that zv-generate would make of the talk so far; where these go on from the
 * last answer, they are one sequence. What is too long is cut. 0 or -1. */
int language_batch_talk(const struct language_part *part, struct language_batch *batch,
    const struct template_turn *turns, size_t count, size_t only, size_t prompt, size_t rows);

/* A text all of whose tokens count. 0 or -1 (not UTF-8: ERROR_INPUT). */
int language_batch_text(
    const struct language_part *part, struct language_batch *batch, const char *text);

struct language_pass {
	const struct language_batch *batch;
	const float *prompts; /* [.][prompt_rows][width], or NULL */
	size_t prompt_rows;
	float *dprompts; /* the same shape: gradients are added; NULL: not wanted */
	uint64_t micro_step;
	float scale; /* of the gradient of the mean loss */
	bool training;
};
/* Loss "lm" and accuracy "lm-right" to the report; without training also "exact", the share of
 * answers that are right in all tokens. 0 or -1. */
int language_part_run(struct language_part *part, const struct language_pass *pass,
    struct saves *saves, struct saves *workspace, struct stage_report *report);

#endif
