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
	char dtype;                         /* of the results: one of dtype_stored */
};

struct qformer_stage;

/* Open qformer.zv of the model. NULL with a recorded error, also when it lacks what the use needs. */
struct qformer_stage *qformer_stage_open(const char *model, const struct qformer_rules *rules);
void qformer_stage_close(struct qformer_stage *stage); /* NULL is fine */

/* Was the model trained to know the question (QFORMER_PROMPT, QFORMER_QUERY)? */
bool qformer_stage_wants_question(const struct qformer_stage *stage);

/* From here on the picture whose patch features are in part. 0, or -1 when they do not fit. */
int qformer_stage_picture(struct qformer_stage *stage, const struct sample_part *part);

/* Compute the result for the picture and a text: the question (NULL: none), or what is to be
 * matched. 0, or -1: then only this text has failed. */
int qformer_stage_result(struct qformer_stage *stage, const char *text);

/* A caption of the picture; *text is the caller's (memory_release). 0 or -1. */
int qformer_stage_caption(struct qformer_stage *stage, char **text, size_t *size);

/* Compute the result for a text alone (QFORMER_TEXT). 0 or -1. */
int qformer_stage_text(struct qformer_stage *stage, const char *text);

/* The last result as a record without a key, with source and maker; its payload. Both hold until
 * the next picture or text. */
const void *qformer_stage_record(struct qformer_stage *stage, struct record *record);

#endif
