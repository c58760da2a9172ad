/* outlet.h - where answers leave a program: each in one write, or growing while it is generated.
 */
#ifndef ZV_MODEL_OUTLET_H
#define ZV_MODEL_OUTLET_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/reply.h"

struct output;

struct outlet {
	struct output *output;
	struct reply_form form;
	bool growing;                             /* show answers while they grow; not JSON, no beams */
	const volatile sig_atomic_t *interrupted; /* when it is set, the answer ends; NULL: never */
	const struct bpe *bpe;
	const char *const *stops;
	size_t stop_count;
	bool line_open;  /* the beginning of a growing answer is out, its end is not */
	uint64_t tokens; /* generated so far, in all */
};

/* Step a generation that was begun to its end and write its reply; its text is left in answer
 * (answer_clear). turn: see reply.h. 0, or -1 with a recorded error. */
int outlet_answer(struct outlet *outlet, struct generator *generator, struct generation *generation,
    const char *key, size_t turn, struct answer *answer);

/* An item that failed: see reply_write_failure(). 0 or -1. */
int outlet_failure(struct outlet *outlet, const char *key, const char *reason);

/* A text that was not generated here, such as a caption: as reply_write_plain(). 0 or -1. */
int outlet_text(struct outlet *outlet, const char *key, const char *text, size_t size);

/* A given answer with its log-likelihood. 0 or -1. */
int outlet_score(
    struct outlet *outlet, const char *key, const char *text, size_t tokens, double sum);

#endif
