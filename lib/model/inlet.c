/* inlet.c - a ring of inquiries between the thread that reads and the caller (see inlet.h). */
#include "model/inlet.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/names.h"
#include "model/features.h"
#include "model/language.h"
#include "stream/sample.h"

struct inlet {
	struct inlet_plan plan;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* count */
	struct inquiry *ring;   /* [plan.depth] */
	size_t first, count;
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
	pthread_mutex_lock(&inlet->lock);
	while (inlet->count == inlet->plan.depth)
		pthread_cond_wait(&inlet->changed, &inlet->lock);
	inlet->ring[(inlet->first + inlet->count++) % inlet->plan.depth] = *inquiry;
	pthread_cond_signal(&inlet->changed);
	pthread_mutex_unlock(&inlet->lock);
}

/* The recorded error in the place of an inquiry about key (NULL: of none). */
static void put_error(struct inlet *inlet, enum inquiry_kind kind, const char *key)
{
	struct inquiry inquiry = { .kind = kind, .error = error_kind() };
	inquiry.reason = memory_text(error_text(), strlen(error_text()));
	inquiry.key = key != NULL ? memory_text(key, strlen(key)) : NULL;
	put(inlet, &inquiry);
}

/* The question: the one for all, else the sample's own, else none. 0 or -1. */
static int take_question(const struct inlet *inlet, struct sample *sample, struct inquiry *inquiry)
{
	const char *given = inlet->plan.question;
	if (given == NULL) {
		if (features_question(sample, &inquiry->question) != 0)
			return -1;
		inquiry->own = inquiry->question != NULL;
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

static void *run(void *argument)
{
	struct inlet *inlet = argument;
	if (inlet->plan.names != NULL)
		read_streams(inlet);
	else if (inlet->plan.lines != NULL)
		read_lines(inlet);
	else
		put_question(inlet, "1", inlet->plan.question);
	put(inlet, &(struct inquiry){ .kind = INQUIRY_END });
	return NULL;
}

static void release(struct inlet *inlet)
{
	pthread_cond_destroy(&inlet->changed);
	pthread_mutex_destroy(&inlet->lock);
	memory_release(inlet->ring);
	memory_release(inlet);
}

struct inlet *inlet_start(const struct inlet_plan *plan)
{
	struct inlet *inlet = memory_allocate_zero(1, sizeof *inlet);
	if (inlet == NULL)
		return NULL;
	inlet->plan = *plan;
	pthread_mutex_init(&inlet->lock, NULL);
	pthread_cond_init(&inlet->changed, NULL);
	inlet->ring = memory_allocate(plan->depth, sizeof *inlet->ring);
	if (inlet->ring == NULL) {
		release(inlet);
		return NULL;
	}
	/* Signals are the main thread's: it owns the clean-up of outputs. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	int status = pthread_create(&inlet->thread, NULL, run, inlet);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (status != 0) {
		release(inlet);
		error_system("cannot start a thread");
		return NULL;
	}
	return inlet;
}

const struct inquiry *inlet_next(struct inlet *inlet, bool wait)
{
	pthread_mutex_lock(&inlet->lock);
	while (wait && inlet->count == 0)
		pthread_cond_wait(&inlet->changed, &inlet->lock);
	const struct inquiry *inquiry = inlet->count > 0 ? &inlet->ring[inlet->first] : NULL;
	pthread_mutex_unlock(&inlet->lock);
	return inquiry;
}

void inlet_pass(struct inlet *inlet)
{
	inquiry_clear(&inlet->ring[inlet->first]); /* nobody else touches it while it counts */
	pthread_mutex_lock(&inlet->lock);
	inlet->first = (inlet->first + 1) % inlet->plan.depth;
	inlet->count--;
	pthread_cond_signal(&inlet->changed);
	pthread_mutex_unlock(&inlet->lock);
}

void inlet_finish(struct inlet *inlet)
{
	pthread_join(inlet->thread, NULL);
	release(inlet);
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
