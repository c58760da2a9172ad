/* inlet.c - inquiries made ready ahead (see inlet.h, base/ahead.h). */
#include "model/inlet.h"

#include <stdio.h>
#include <string.h>

#include "base/ahead.h"
#include "base/memory.h"
#include "base/names.h"
#include "model/features.h"
#include "model/language.h"
#include "stream/maker.h"
#include "stream/sample.h"

struct inlet {
	struct inlet_plan plan;
	struct ahead *taken;  /* struct inquiry: what the caller takes from, */
	struct ahead *ahead;  /* and the thread puts into: the same */
	struct sample sample; /* the thread's */
};

static void inquiry_clear(struct inquiry *inquiry)
{
	memory_release(inquiry->key);
	memory_release(inquiry->question);
	memory_release(inquiry->picture);
	memory_release(inquiry->reason);
	*inquiry = (struct inquiry){ 0 };
}

static void put(struct inlet *inlet, const struct inquiry *inquiry)
{
	ahead_put(inlet->ahead, inquiry, 0);
}

/* The recorded error in the place of an inquiry about key (NULL: of none). */
static void put_error(struct inlet *inlet, enum inquiry_kind kind, const char *key)
{
	struct inquiry inquiry = { .kind = kind, .error = error_kind() };
	inquiry.reason = memory_text(error_text(), strlen(error_text()));
	inquiry.key = key != NULL ? memory_text(key, strlen(key)) : NULL;
	put(inlet, &inquiry);
}

/* Did the question go into the Q-Former? Then the soft prompt is for no other one. */
static bool is_inside(struct sample *sample)
{
	char where[16];
	const struct sample_part *part = sample_find(sample, "prompt");
	return part != NULL && maker_is_honest(&part->record) &&
	       record_meta(&part->record, "question", where, sizeof where) &&
	       strcmp(where, "inside") == 0;
}

/* The question: the one for all, else the sample's own, else none. 0 or -1. */
static int take_question(const struct inlet *inlet, struct sample *sample, struct inquiry *inquiry)
{
	const char *given = inlet->plan.question;
	if (given == NULL) {
		if (features_question(sample, &inquiry->question) != 0)
			return -1;
		inquiry->own = inquiry->question != NULL && !is_inside(sample);
		given = "";
	}
	if (inquiry->question == NULL)
		inquiry->question = memory_text(given, strlen(given));
	return inquiry->question != NULL ? 0 : -1;
}

static int take_sample(const struct inlet *inlet, struct sample *sample, struct inquiry *inquiry)
{
	const struct record *first = &sample->parts[0].record;
	if (first->kind == RECORD_FAILED)
		return error_input("%.*s", (int)(first->payload_size < 900 ? first->payload_size : 900),
		    (const char *)sample->parts[0].payload);
	inquiry->picture = language_soft_prompt(inlet->plan.language, sample, &inquiry->rows);
	if (inquiry->picture == NULL || take_question(inlet, sample, inquiry) != 0)
		return -1;
	inquiry->key = memory_text(first->key, strlen(first->key));
	return inquiry->key != NULL ? 0 : -1;
}

static void put_sample(struct inlet *inlet, struct sample *sample)
{
	struct inquiry inquiry = { .kind = INQUIRY_QUESTION };
	if (take_sample(inlet, sample, &inquiry) == 0) {
		put(inlet, &inquiry);
	} else {
		inquiry_clear(&inquiry);
		put_error(inlet, INQUIRY_FAILED, sample->parts[0].record.key);
	}
}

static void read_stream(struct inlet *inlet, const char *name)
{
	struct sample *sample = &inlet->sample;
	struct reader *reader = reader_open(name);
	int found = reader == NULL ? -1 : sample_read(reader, sample);
	while (found > 0) {
		put_sample(inlet, sample);
		sample_clear(sample);
		found = sample_read(reader, sample);
	}
	if (found < 0) {
		language_explain_input();
		put_error(inlet, INQUIRY_DAMAGE, reader != NULL ? reader_name(reader) : name);
	}
	reader_close(reader);
}

static void read_streams(struct inlet *inlet)
{
	const char *name;
	int found;
	while ((found = names_next(inlet->plan.names, &name)) > 0)
		read_stream(inlet, name);
	if (found < 0)
		put_error(inlet, INQUIRY_DAMAGE, NULL);
}

/* A question without a picture. */
static void put_question(struct inlet *inlet, const char *key, const char *question)
{
	struct inquiry inquiry = { .kind = INQUIRY_QUESTION };
	inquiry.key = memory_text(key, strlen(key));
	inquiry.question = inquiry.key != NULL ? memory_text(question, strlen(question)) : NULL;
	if (inquiry.question != NULL) {
		put(inlet, &inquiry);
	} else {
		inquiry_clear(&inquiry);
		put_error(inlet, INQUIRY_FAILED, key);
	}
}

static void read_lines(struct inlet *inlet)
{
	struct lines *lines = inlet->plan.lines;
	int found;
	while ((found = lines_next(lines)) != 0) {
		char number[24];
		snprintf(number, sizeof number, "%zu", lines->number);
		const char *key = found > 0 && lines->key != NULL ? lines->key : number;
		if (found < 0 && error_kind() == ERROR_SYSTEM) {
			put_error(inlet, INQUIRY_DAMAGE, NULL);
			return;
		}
		if (found > 0)
			put_question(inlet, key, lines->text);
		else
			put_error(inlet, INQUIRY_FAILED, key);
	}
}

static void make_all(struct ahead *ahead, void *context)
{
	struct inlet *inlet = context;
	inlet->ahead = ahead; /* who started it may not know it yet */
	if (inlet->plan.names != NULL)
		read_streams(inlet);
	else if (inlet->plan.lines != NULL)
		read_lines(inlet);
	else
		put_question(inlet, "1", inlet->plan.question);
	put(inlet, &(struct inquiry){ .kind = INQUIRY_END });
}

struct inlet *inlet_start(const struct inlet_plan *plan)
{
	struct inlet *inlet = memory_allocate_zero(1, sizeof *inlet);
	if (inlet == NULL)
		return NULL;
	inlet->plan = *plan;
	inlet->taken = ahead_start(
	    &(struct ahead_plan){ make_all, inlet, sizeof(struct inquiry), plan->depth, 0 });
	if (inlet->taken != NULL)
		return inlet;
	memory_release(inlet);
	return NULL;
}

const struct inquiry *inlet_next(struct inlet *inlet, bool wait)
{
	return ahead_next(inlet->taken, wait);
}

void inlet_pass(struct inlet *inlet)
{
	inquiry_clear(ahead_next(inlet->taken, false)); /* the ring's until it is passed */
	ahead_pass(inlet->taken);
}

void inlet_finish(struct inlet *inlet)
{
	ahead_finish(inlet->taken);
	memory_release(inlet);
}

float *inlet_first(
    struct language *language, const char *name, size_t *rows, char key[RECORD_KEY_MOST + 1])
{
	float *picture = NULL;
	struct sample *sample = memory_allocate_zero(1, sizeof *sample);
	struct reader *reader = sample == NULL ? NULL : reader_open(name);
	int found = reader == NULL ? -1 : sample_read(reader, sample);
	const struct sample_part *first = found > 0 ? &sample->parts[0] : NULL;
	if (found == 0) {
		error_input("holds no picture");
	} else if (found > 0 && first->record.kind == RECORD_FAILED) {
		error_input("the picture failed: %.*s",
		    (int)(first->record.payload_size < 900 ? first->record.payload_size : 900),
		    (const char *)first->payload);
	} else if (found > 0) {
		memcpy(key, first->record.key, RECORD_KEY_MOST + 1);
		picture = language_soft_prompt(language, sample, rows);
	}
	if (found > 0)
		sample_clear(sample);
	memory_release(sample);
	reader_close(reader);
	if (picture == NULL)
		language_explain_input();
	return picture;
}
