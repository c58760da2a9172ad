/* qformer.h - the Q-Former: patch features and text to query outputs, and the heads on them
 * (spec 3.4, 3.5, 3.7; LAVIS Qformer.py, blip2_qformer.py; HF modeling_blip_2.py,
 * modeling_instructblip.py).
 */
#ifndef ZV_MODEL_QFORMER_H
#define ZV_MODEL_QFORMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

struct qformer;
struct model_file;

/* Open qformer.zv of the model. NULL with a recorded error. */
struct qformer *qformer_open(const char *model);
void qformer_close(struct qformer *qformer);
const struct model_file *qformer_file(const struct qformer *qformer); /* for vocabulary, config */

size_t qformer_queries(const struct qformer *qformer);
size_t qformer_width(const struct qformer *qformer);
size_t qformer_encoder_width(const struct qformer *qformer);
bool qformer_reads_text(const struct qformer *qformer);       /* text branch and tables present */
size_t qformer_text_most(const struct qformer *qformer);      /* text positions; 0: no text */
size_t qformer_llm_width(const struct qformer *qformer);      /* 0: no language_projection */
size_t qformer_contrast_width(const struct qformer *qformer); /* 0: no contrastive heads */
bool qformer_can_match(const struct qformer *qformer);        /* itm_head present */
bool qformer_can_caption(const struct qformer *qformer);      /* LM head present (ITG) */

/* Cross-attention keys and values of one picture, computed once for all texts. */
struct qformer_image;
/* features [tokens][encoder_width]. NULL: no tokens, or not finite (ERROR_INPUT), or memory. */
struct qformer_image *qformer_image_new(
    struct qformer *qformer, const float *features, size_t tokens);
/* Those of count pictures at once, into images, for features [count][tokens][encoder_width] that
 * are finite. A picture's numbers do not depend on the others. 0, or -1: memory. */
int qformer_images_new(struct qformer *qformer, const float *features, size_t count, size_t tokens,
    struct qformer_image **images);
void qformer_image_release(struct qformer_image *image);

/* Query outputs [queries][width]. text: ids of an instruction that queries and text attend to
 * jointly (all-to-all), or NULL with count 0 for queries alone. text_output [count][width] may be
 * NULL. 0 or -1. */
int qformer_forward(struct qformer *qformer, const struct qformer_image *image, const int32_t *text,
    size_t count, float *query_output, float *text_output);

/* One of several things to compute at once: a picture with a text (ids, or NULL and 0). */
struct qformer_item {
	const struct qformer_image *image;
	const int32_t *text;
	size_t count;
};

/* Query outputs [count][queries][width]. The numbers of an item are those of qformer_forward()
 * whatever the others are, but nobody has looked whether they are finite. Quickest when items of
 * one picture follow each other, and pictures as they were made. 0, or -1: memory, or a text that
 * is too long. */
int qformer_forward_items(
    struct qformer *qformer, const struct qformer_item *items, size_t count, float *query_output);

/* Text alone (ITC): the text rows after the last layer [count][width]. 0 or -1. */
int qformer_text(struct qformer *qformer, const int32_t *text, size_t count, float *output);

/* Captioning by the Q-Former's own LM head (ITG): logits [vocabulary] of the token after
 * text[0..count-1], text[0] = [DEC]; the UniLM mask of spec 3.4. 0 or -1. */
int qformer_caption_logits(struct qformer *qformer, const struct qformer_image *image,
    const int32_t *text, size_t count, float *logits);

/* Heads. project: [items][queries][width] -> [items][queries][llm_width] soft prompts, each by
 * itself. contrast: query outputs ->
 * [queries][contrast_width], each row L2-normalised. contrast_text: one [width] row ([CLS]) ->
 * [contrast_width] normalised. match: joint query outputs -> two logits, averaged over the
 * queries; index 1 = match. 0, or -1 with ERROR_INPUT: the result is not finite. */
int qformer_project(
    struct qformer *qformer, const float *query_output, size_t items, float *soft_prompts);
int qformer_contrast(struct qformer *qformer, const float *query_output, float *features);
int qformer_contrast_text(struct qformer *qformer, const float *row, float *feature);
int qformer_match(struct qformer *qformer, const float *query_output, float logits[2]);

#endif
