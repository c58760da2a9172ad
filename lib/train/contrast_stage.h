/* contrast_stage.h - inside the stage "contrast": the state that its files share, and a micro-batch
 * made of ids and features, which tests may fill by hand.
 */
#ifndef ZV_TRAIN_CONTRAST_STAGE_H
#define ZV_TRAIN_CONTRAST_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/ids.h"
#include "text/wordpiece.h"
#include "train/picture_batch.h"
#include "train/qformer_network.h"
#include "train/stage.h"

struct saves;
struct weights;

/* Texts as ids, one behind the other: text i has ids.at[start[i] .. start[i + 1] - 1]. */
struct text_list {
	struct ids ids;
	size_t *start;
	size_t count, capacity;
};
void text_list_clear(struct text_list *list); /* keeps the memory */
void text_list_release(struct text_list *list);
/* What was added to ids since is the next text. 0 or -1. */
int text_list_end(struct text_list *list);
size_t text_list_length(const struct text_list *list, size_t i);

/* Picture b and text b belong together. Those with an equal id beside it are right as well. */
struct contrast_batch {
	size_t count, capacity;
	size_t *picture;                /* [count]: which of the pictures read */
	uint64_t *picture_id, *text_id; /* [count] */
	struct text_list texts;         /* [CLS] text [SEP] */
	struct text_list wrong;         /* the same: one that does not fit picture b; empty: none */
	/* Negatives of matching; NULL: drawn. A given list is the caller's. */
	const size_t *image_for_text, *text_for_image;
};
bool contrast_positive(const struct contrast_batch *batch, size_t b, size_t g);

/* Features of one language that validation collects. */
struct gallery {
	float *image, *text; /* [count][queries][contrast], [count][contrast], of length 1 */
	uint64_t *picture_id, *text_id;
	size_t count;
	size_t image_capacity, text_capacity, picture_id_capacity, text_id_capacity;
};

struct contrast {
	struct stage_options options;
	struct weights *vit, *qformer; /* vit NULL: cached features */
	struct picture_batch pictures;
	struct qformer_network *network;
	struct wordpiece *wordpiece;
	int32_t start; /* [DEC] */
	struct saves *saves, *workspace;

	struct example *usable; /* those of the micro-batch that have a text; not owned */
	size_t usable_capacity;
	struct contrast_batch batch;
	struct text_list captions; /* [DEC] text: what captioning reads */
	struct ids targets;        /* the token behind each of them */
	struct text_list match;    /* texts of matching's items */
	size_t *match_picture;     /* their pictures, and whether they fit */
	int32_t *match_target;
	uint32_t *winner; /* [count][count]: the query that is most similar */
	size_t match_picture_capacity, match_target_capacity, winner_capacity;
	struct gallery gallery[EXAMPLE_LANGUAGES];
};

/* One computation on a micro-batch. */
struct contrast_pass {
	struct contrast *contrast;
	const struct contrast_batch *batch;
	uint64_t micro_step;
	bool training;
	float scale;      /* of the gradients */
	float *dfeatures; /* of the pictures; NULL: not wanted */
	struct stage_report *report;

	/* Normalised features, on the workspace: [count][queries][contrast], [count][contrast]; largest
	 * cosine over the queries [count pictures][count texts]. */
	float *image, *text, *similarity;
};

/* What is inside a stage that stage_contrast.begin() made. */
struct contrast *contrast_of(struct stage *stage);

/* Losses and gradients of a micro-batch, those of the image encoder included, after the pictures'
 * forward pass. Saves and workspace are the caller's to reset. 0 or -1. */
int contrast_train(struct contrast *contrast, const struct contrast_batch *batch,
    uint64_t micro_step, float scale, struct stage_report *report);

/* The passes of the network in a micro-step, each with numbers of its own for dropout. */
enum contrast_which { CONTRAST_JOINT, CONTRAST_TEXT, CONTRAST_MATCH, CONTRAST_PASSES = 4 };
struct qformer_pass contrast_network_pass(const struct contrast_pass *pass,
    const struct text_list *texts, size_t count, enum contrast_which which);
/* Divides cosines. */
float contrast_temperature(const struct contrast *contrast);

/* --- contrast_texts.c ----------------------------------------------------------------------------*/
/* The language of a micro-step; in validation each has its turn. */
enum example_language contrast_language(const struct contrast *contrast, uint64_t micro_step);
bool contrast_reads(const struct contrast *contrast, enum example_language language);
/* Copy to contrast->usable the examples that have a caption in the language, or in another one
 * that is read; their number in *usable. A message for what is left out. 0 or -1. */
int contrast_choose(struct contrast *contrast, const struct example *examples, size_t count,
    enum example_language language, size_t *usable);
/* Fill contrast->batch from the usable examples whose pictures were read and that have a caption
 * (strict: in this language). 0 or -1. */
int contrast_tokenize(
    struct contrast *contrast, enum example_language language, bool strict, uint64_t micro_step);

/* --- contrast_loss.c -----------------------------------------------------------------------------*/
/* Similarities and ITC, from the outputs of the passes [count][queries][width] and [CLS] rows
 * [count][width]; gradients of them are added to dquery and stored in dtext. 0 or -1. */
int contrast_loss(
    struct contrast_pass *pass, const float *query, const float *text, float *dquery, float *dtext);

/* --- caption_loss.c ------------------------------------------------------------------------------*/
/* ITG on n rows; their gradient is stored in drows if training. 0 or -1. */
int caption_loss(struct contrast_pass *pass, const float *rows, size_t n, float *drows);

/* --- match_loss.c --------------------------------------------------------------------------------*/
/* ITM: draws negatives by pass->similarity. 0 or -1. */
int match_loss(struct contrast_pass *pass);
/* One draw from weights exp(similarity / temperature) of those that are no positives of b; place:
 * which random number of the micro-step. SIZE_MAX: there is nothing but positives. step: distance
 * of the similarities of b. */
size_t match_draw(const struct contrast_pass *pass, size_t b, const float *similarity, size_t step,
    uint64_t place);

/* --- retrieval.c ---------------------------------------------------------------------------------*/
int gallery_add(struct gallery *gallery, const struct contrast_pass *pass);
void gallery_release(struct gallery *gallery);
/* Recall among all that was added, to the report; empties the galleries. 0 or -1. */
int gallery_report(struct contrast *contrast, struct stage_report *report);

#endif
