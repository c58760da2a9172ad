/* inlet.h - what is to be answered, made ready in the background: a thread of its own reads streams
 * of soft prompts, or lines of questions, while the caller computes, and never waits for more than
 * the next record: what a slow producer has sent whole (a record; of a compressed stream the block
 * that completes it) can be taken at once.
 */
#ifndef ZV_MODEL_INLET_H
#define ZV_MODEL_INLET_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "stream/record.h"
#include "text/lines.h"

struct language;
struct names;

enum inquiry_kind {
	INQUIRY_QUESTION,
	INQUIRY_FAILED, /* a record that cannot be answered: reason */
	INQUIRY_DAMAGE, /* the rest of an input (key: its name, NULL: the list of them) cannot be read */
	INQUIRY_END,    /* nothing follows */
};

struct inquiry {
	enum inquiry_kind kind;
	char *key, *question;
	bool own;       /* the question came with the record, whose soft prompt does not know it: others
	                 * about its picture may follow */
	float *picture; /* the soft prompt [rows][width], or NULL */
	size_t rows;
	enum error_kind error; /* INQUIRY_FAILED, INQUIRY_DAMAGE */
	char *reason;
};

struct inlet_plan {
	struct language *language;
	struct names *names;  /* streams of soft prompts, or NULL: */
	struct lines *lines;  /* questions without pictures, or NULL; key: line number if it has none */
	const char *question; /* about every picture (NULL: the record's own, or ""); with neither
	                       * streams nor lines the one there is, with the key "1" */
	size_t depth;         /* inquiries that wait at most, >= 1 */
};

struct inlet;

/* Start the thread. plan is copied; what it points to is the thread's until INQUIRY_END came. NULL
 * with a recorded error. */
struct inlet *inlet_start(const struct inlet_plan *plan);

/* The next inquiry, the inlet's until inlet_pass(), after which the one behind it is next. NULL:
 * not there yet (wait: never). */
const struct inquiry *inlet_next(struct inlet *inlet, bool wait);
void inlet_pass(struct inlet *inlet);

/* Join the thread, after INQUIRY_END. */
void inlet_finish(struct inlet *inlet);

/* The soft prompt of the first sample in a file, as new rows [*rows][width], and its key. NULL with
 * a recorded error. */
float *inlet_first(
    struct language *language, const char *name, size_t *rows, char key[RECORD_KEY_MOST + 1]);

#endif
