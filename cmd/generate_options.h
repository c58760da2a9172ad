/* generate_options.h - the options of zv-generate. */
#ifndef ZV_CMD_GENERATE_OPTIONS_H
#define ZV_CMD_GENERATE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/program.h"
#include "model/generation.h"

struct generate_options {
	const char *prompt, *prompts, *template, *score;
	bool keyed, no_image, raw, bos, no_bos, modern, legacy;
	bool all_ids, text_only, ids, logprobs, hypotheses, stream, chat, lookup;
	int added, rank, cache; /* choices, in the order of their names; cache: of enum kept_type */
	int64_t batch;
	struct generation_wishes wishes;
	struct option_list stops, adapters;
};

extern struct generate_options option;
extern const struct program generate_program;

/* Refuse what does not go together, with so many operands (a usage error ends the program). */
void options_check(int operands);

#endif
