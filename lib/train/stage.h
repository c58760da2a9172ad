/* stage.h - what a stage of training is to the loop: it opens the networks it needs, says what is
 * trained, computes the losses and gradients of one micro-batch, and measures itself.
 */
#ifndef ZV_TRAIN_STAGE_H
#define ZV_TRAIN_STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "train/dense.h"
#include "train/examples.h"
#include "train/llama_network.h"
#include "train/pictures.h"

struct parameter;
struct weights;
struct saves;

enum { STAGE_PARTS_MOST = 3, STAGE_LOSSES_MOST = 24, STAGE_NAME_BYTES = 24 };

/* What a person sets; the program fills it (cmd/zv-train.c). */
struct stage_options {
	const char *model;
	size_t batch;
	float dropout;   /* of the Q-Former's hidden rows and attention */
	float smoothing; /* of labels, ITC and ITG (0.1) */
	bool recompute;
	uint64_t seed;
	const char *train;    /* comma-separated groups (stage_groups); NULL: the stage's own */
	const char *rates;    /* "GROUP=FACTOR,..." of the learning rate, or NULL */
	const char *language; /* "both" (by turns, a batch each), "en", "zh" */
	/* classify */
	size_t classes; /* of all labels: the largest and 1 */
	bool kinds;     /* examples have classes by query: the Q-Former is trained as well */
	bool places;    /* patches also say where they are */
	/* contrast */
	double itc_weight, itm_weight, itg_weight;
	double match_share; /* of a batch that goes through matching (1) */
	double wrong_share; /* of matching's negative texts taken from "wrong" where there are any */
	bool two_sided;     /* gradient also through the gathered side of ITC */
	bool fix_temperature;
	/* text */
	bool answers; /* only the answers of talks count */
	/* generate, instruct */
	bool question_inside;      /* the question also goes into the Q-Former */
	bool question_outside;     /* it does not, whatever the model says */
	const char *prompts;       /* file of caption prompts, NULL: built in (spec 7.5) */
	const char *template;      /* prompt template, NULL: the model's */
	size_t text_most;          /* longest text in tokens; longer ones are cut; 0: 32 or 256 */
	struct lora_settings lora; /* rank 0: none */
	const char *adapter;       /* a file of adapters to go on with, or NULL */
	/* where pictures come from: features, or files (the ViT then runs) */
	struct feature_files *features;
	struct picture_source pictures;
	bool encode; /* run the ViT on pictures */
};

struct stage_loss {
	char name[STAGE_NAME_BYTES]; /* "itc", "itm", "itg", "lm", "kinds", and measures: "itc-right" */
	double sum;                  /* of what is averaged */
	double count;                /* over this many; the loop prints sum / count */
};

/* What came out of a micro-batch or a validation. */
struct stage_report {
	struct stage_loss losses[STAGE_LOSSES_MOST];
	size_t count;
	double total;    /* the loss whose gradient was computed */
	size_t examples; /* pictures or texts that took part */
};
/* Add to the loss of this name, making it if it is not there. */
void stage_report_add(struct stage_report *report, const char *name, double sum, double count);

struct stage; /* a stage at work */

struct stage_kind {
	const char *name;
	const char *metric; /* of validation: which state is the best */
	bool lower_is_better;
	/* Open the networks and mark what is trained. parts: room for STAGE_PARTS_MOST. NULL recorded. */
	struct stage *(*begin)(
	    const struct stage_options *options, struct weights **parts, size_t *count);
	/* Losses and gradients of one micro-batch, gradients scaled by scale. micro_step numbers all
	 * forward passes of the run (for dropout, languages and negatives). An example that cannot be
	 * used (no features) is left out with a message. 0, or -1: the run cannot go on. */
	int (*step)(struct stage *stage, const struct example *examples, size_t count,
	    uint64_t micro_step, float scale, struct stage_report *report);
	/* The same without gradients, on held-out examples in batches; the last call, with count 0, adds
	 * what is measured over all of them (retrieval) and the metric. */
	int (*validate)(struct stage *stage, const struct example *examples, size_t count,
	    struct stage_report *report);
	void (*end)(struct stage *stage);
	/* The language model's network, which may have adapters; NULL for stages without one. */
	struct llama_network *(*language)(struct stage *stage);
	bool text_only; /* no pictures are read */
};

extern const struct stage_kind stage_classify, stage_contrast, stage_generate, stage_instruct,
    stage_text;

/* Mark the parameters of the groups in options->train, or else own, as trained, at the rates of
 * options->rates. Groups: vit (without ln-vision), ln-vision, queries, qformer (layers and norms),
 * text (the Q-Former's tables and text layers), heads (all of contrast-heads, match-head,
 * caption-head), projection, llm, lora. A group of options->train that no part has is refused; one
 * of own is passed over. What training itself made (adapters, throw-away heads) is trained anyway.
 * 0, or -1: an unknown group. */
int stage_groups(const struct stage_options *options, const char *own, struct weights *const *parts,
    size_t count);
/* The next of the names that commas separate, from *at on, which is then behind it: its size. */
size_t stage_next_name(const char **at, const char **name);
/* The first group that a parameter of a part ("vit") belongs to; "other": none. */
const char *stage_group(const char *part, const struct parameter *parameter);

#endif
