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

/* The same in steps, for answers that grow side by side: what has become of one of them. */
struct outlet_reply {
	struct answer answer;
	size_t fed, shown; /* ids that are part of the answer, bytes of it that are out */
	bool open;         /* its key is out */
	char *bytes;       /* the rest, formatted when the answer was complete; free() */
	size_t size;
};
void outlet_begin(const struct outlet *outlet, struct outlet_reply *reply);
void outlet_end(struct outlet_reply *reply); /* releases its memory */

/* Take in what the generation has chosen since; end it at a stop text, or on an interrupt. When it
 * is done then, the reply is formatted and the generation no longer needed. 0, or -1 with a recorded
 * error (GENERATION_FAILED: why). */
int outlet_follow(struct outlet *outlet, struct outlet_reply *reply, struct generation *generation,
    const char *key, size_t turn);

/* To be called for one answer at a time, until it is complete: send what of it is settled (growing
 * answers only); send all that is left. 0 or -1. */
int outlet_show(struct outlet *outlet, struct outlet_reply *reply, const char *key);
int outlet_send(struct outlet *outlet, struct outlet_reply *reply);

/* An item that failed: see reply_write_failure(). 0 or -1. */
int outlet_failure(struct outlet *outlet, const char *key, const char *reason);

/* A text that was not generated here, such as a caption: as reply_write_plain(). 0 or -1. */
int outlet_text(struct outlet *outlet, const char *key, const char *text, size_t size);

/* A given answer with its log-likelihood. 0 or -1. */
int outlet_score(
    struct outlet *outlet, const char *key, const char *text, size_t tokens, double sum);

#endif
