/* train_options.h - the options of zv-train. */
#ifndef ZV_CMD_TRAIN_OPTIONS_H
#define ZV_CMD_TRAIN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/program.h"

enum { KEEP_LAST, KEEP_BEST };        /* of --keep */
enum { MULTIPLY_F32, MULTIPLY_BF16 }; /* of --math */

struct train_options {
	const char *config, *valid, *pictures;
	struct option_list data, features;
	int64_t side;
	bool crop, flip;
	int64_t batch, accumulate, steps;
	double epochs, rate, least, warm_from;
	const char *warm_up;
	int schedule;
	double beta1, beta2, eps, decay, clip, average;
	const char *train, *rates;
	double dropout, smoothing;
	const char *losses;
	double match_share, wrong_share;
	bool two_sided, fix_temperature, places;
	int64_t classes;
	int language;
	bool question_inside, question_outside, answers;
	const char *prompts, *template;
	int64_t text_most;
	int64_t lora_rank;
	double lora_alpha, lora_dropout;
	const char *lora_targets;
	bool rslora;
	const char *adapter;
	bool merge;
	int dtype, math, keep;
	bool in_order;
	int64_t seed, valid_every, save_every, log_every;
	const char *checkpoint, *log;
	bool resume, other_settings, recompute, dry_run, force;
};

extern struct train_options option;
extern const struct program train_program;

/* The words of --language and --schedule. */
extern const char *const language_choices[];
extern const char *const schedule_choices[];

/* Refuse options that say nothing to the stage (a usage error ends the program). */
void options_check_stage(const char *stage);
/* And those that do not go together, or lack, where one trains. */
void options_check(void);

#endif
