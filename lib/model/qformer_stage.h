/* qformer_stage.h - what zv-qformer makes of pictures and texts: for each use the parts of the
 * Q-Former that it needs, what is computed, and how the result stands in a record.
 */
#ifndef ZV_MODEL_QFORMER_STAGE_H
#define ZV_MODEL_QFORMER_STAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "stream/sample.h"

enum qformer_use {
	QFORMER_PROMPT,   /* pictures, and questions beside them: soft prompts for the LLM */
	QFORMER_QUERY,    /* the same, not projected */
	QFORMER_CONTRAST, /* pictures: features for search */
	QFORMER_MATCH,    /* pictures with texts: two logits */
	QFORMER_CAPTION,  /* pictures: text */
	QFORMER_TEXT,     /* texts: features for search */
};

struct qformer_rules {
	enum qformer_use use;
	bool clean;                         /* texts, as BLIP-2 cleans captions */
	size_t most;                        /* ids of a text */
	size_t caption_least, caption_most; /* tokens */
	char dtype;                         /* that results are to be stored in: it is in their maker */
	size_t batch;                       /* results to compute together, at most */
};

struct qformer_stage;

/* Open qformer.zv of the model. NULL with a recorded error, also when it lacks what the use needs. */
struct qformer_stage *qformer_stage_open(const char *model, const struct qformer_rules *rules);
void qformer_stage_close(struct qformer_stage *stage); /* NULL is fine */

/* Was the model trained to know the question (QFORMER_PROMPT, QFORMER_QUERY)? */
bool qformer_stage_wants_question(const struct qformer_stage *stage);

/* Name and maker of what is made of a record of patch features (NULL: of a text). The name is
 * static. */
const char *qformer_stage_identity(
    struct qformer_stage *stage, const struct record *input, struct digest *maker);

/* Work is collected and then done together: pictures (qformer_stage_picture) and, for each, what
 * is wanted of it (qformer_stage_ask), until it is full or nothing more has come; then
 * qformer_stage_run(), the results, and qformer_stage_clear().
 */

/* Add the picture whose patch features are in a sample; it is the present one, also after
 * qformer_stage_clear(). 0, or -1 when they do not fit: then there is no present one. */
int qformer_stage_picture(struct qformer_stage *stage, struct sample *sample);

/* Would asking once more make it more than rules.batch results, or the memory too much? */
bool qformer_stage_full(const struct qformer_stage *stage);

/* Ask for the result for the present picture and a text: the question (NULL: none), or what is to
 * be matched. *result: its number; one for all texts where they make no difference. 0, or -1:
 * then only this text has failed. */
int qformer_stage_ask(struct qformer_stage *stage, const char *text, size_t *result);

/* Compute what was asked for. The numbers of a result do not depend on the others. 0 or -1. */
int qformer_stage_run(struct qformer_stage *stage);

/* A result as a record without a key, of f32, with source and maker; its numbers, or NULL with a
 * recorded error: only this one has failed. Both hold until the next call. */
const float *qformer_stage_record(
    struct qformer_stage *stage, size_t result, struct record *record);

/* A caption of a result's picture; *text is the caller's (memory_release). 0 or -1. */
int qformer_stage_caption(struct qformer_stage *stage, size_t result, char **text, size_t *size);

/* Forget all but the present picture. */
void qformer_stage_clear(struct qformer_stage *stage);

/* Compute the result for a text alone (QFORMER_TEXT); its number is 0. 0 or -1. */
int qformer_stage_text(struct qformer_stage *stage, const char *text);

#endif
