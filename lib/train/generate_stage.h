/* generate_stage.h - inside the stages "generate" and "instruct": the state that their files share,
 * and a micro-batch made of features and sequences, which make bench fills by hand.
 */
#ifndef ZV_TRAIN_GENERATE_STAGE_H
#define ZV_TRAIN_GENERATE_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/wordpiece.h"
#include "train/caption_prompts.h"
#include "train/contrast_stage.h"
#include "train/language_part.h"
#include "train/picture_batch.h"
#include "train/qformer_network.h"
#include "train/stage.h"

struct saves;
struct weights;

/* What the Q-Former is asked: item i looks at picture[i], with the question i if there are any, and
 * gives soft prompt i, with which sequences begin. */
struct generate_batch {
	size_t count, capacity;
	size_t *picture;
	struct text_list questions; /* [CLS] question [SEP]; empty: the Q-Former reads none */
	struct language_batch sequences;
};

struct generate {
	struct stage_options options;
	bool talks;                    /* instruct: turns of talks before captions */
	bool inside;                   /* the Q-Former reads the question */
	bool below;                    /* something in front of the language model is trained */
	struct weights *vit, *qformer; /* vit NULL: cached features */
	struct picture_batch pictures;
	struct qformer_network *network;
	struct wordpiece *wordpiece;
	struct language_part language;
	struct caption_prompts prompts;
	struct saves *saves, *workspace;
	struct generate_batch batch;
};

/* What is inside a stage that stage_generate.begin() or stage_instruct.begin() made. */
struct generate *generate_of(struct stage *stage);

/* Compute loss and gradients of the batch on the features that `pictures` holds. Saves and workspace
 * are the caller's to reset. 0 or -1. */
int generate_run(struct generate *generate, uint64_t micro_step, bool training, float scale,
    struct stage_report *report);

/* Make the batch of what was read of the examples: for training one task of each by chance, else
 * all. 0 or -1. */
int generate_tasks(
    struct generate *generate, const struct example *examples, uint64_t micro_step, bool training);
void generate_batch_clear(struct generate_batch *batch); /* keeps the memory */

#endif
