/* picture_queue.c - a ring of slots between one thread that asks for names, several that decode,
 * and the caller, who takes results in order (see picture_queue.h).
 */
#include "model/picture_queue.h"
#include "model/picture_file.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum slot_state { SLOT_FREE, SLOT_NAMED, SLOT_WORKING, SLOT_DONE };

struct slot {
	enum slot_state state;
	struct prepared_picture prepared;
};

struct picture_queue {
	struct picture_plan plan;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* any slot, or ended */
	struct slot *slots;     /* [plan.depth], used in a circle */
	uint64_t named;         /* names put in so far; slot = number % depth */
	uint64_t claimed;       /* of them, taken by a decoder */
	uint64_t taken;         /* results handed to the caller */
	bool ended;             /* no more names */
	char failure[512];      /* why the names ended, or "" */
	enum error_kind failure_kind;
	pthread_t *threads; /* the decoders, then the one for names */
	int started;
};

void prepared_clear(struct prepared_picture *prepared)
{
	memory_release(prepared->name);
	picture_clear(&prepared->picture);
	*prepared = (struct prepared_picture){ 0 };
}

static void keep_error(struct prepared_picture *prepared)
{
	prepared->outcome = PICTURE_FAILED;
	prepared->kind = error_kind();
	snprintf(prepared->text, sizeof prepared->text, "%s", error_text());
}

/* The bytes of a file to a picture of the wanted side. 0, or -1 with a recorded error. */
static int decode(const struct picture_plan *plan, const uint8_t *bytes, size_t size,
    struct prepared_picture *prepared)
{
	struct picture whole;
	const char *warning;
	if (picture_decode(bytes, size, &plan->picture, &whole, &warning) < 0)
		return -1;
	if (warning)
		snprintf(prepared->text, sizeof prepared->text, "%s", warning);
	int result = picture_resample(
	    &whole, (uint32_t)plan->side, (uint32_t)plan->side, plan->filter, &prepared->picture);
	picture_clear(&whole);
	return result;
}

static void prepare(const struct picture_plan *plan, struct prepared_picture *prepared)
{
	uint8_t *bytes;
	size_t size;
	if (plan->by_name && plan->known(plan->context, prepared->name, NULL)) {
		prepared->outcome = PICTURE_KNOWN;
		return;
	}
	if (picture_file_read(prepared->name, &bytes, &size) < 0) {
		keep_error(prepared);
		return;
	}
	prepared->source = digest_of(bytes, size);
	if (plan->known && plan->known(plan->context, prepared->name, &prepared->source))
		prepared->outcome = PICTURE_KNOWN;
	else if (decode(plan, bytes, size, prepared) < 0)
		keep_error(prepared);
	else
		prepared->outcome = PICTURE_READY;
	memory_release(bytes);
}

static void *run_decoder(void *argument)
{
	struct picture_queue *queue = argument;
	pthread_mutex_lock(&queue->lock);
	for (;;) {
		while (queue->claimed == queue->named && !queue->ended)
			pthread_cond_wait(&queue->changed, &queue->lock);
		if (queue->claimed == queue->named)
			break;
		struct slot *slot = &queue->slots[queue->claimed++ % queue->plan.depth];
		slot->state = SLOT_WORKING;
		pthread_mutex_unlock(&queue->lock);
		prepare(&queue->plan, &slot->prepared);
		pthread_mutex_lock(&queue->lock);
		slot->state = SLOT_DONE;
		pthread_cond_broadcast(&queue->changed);
	}
	pthread_mutex_unlock(&queue->lock);
	return NULL;
}

/* Put a name into its slot once that is free. The lock is held. */
static void put_name(struct picture_queue *queue, char *name)
{
	struct slot *slot = &queue->slots[queue->named % queue->plan.depth];
	while (slot->state != SLOT_FREE)
		pthread_cond_wait(&queue->changed, &queue->lock);
	slot->prepared = (struct prepared_picture){ .name = name };
	slot->state = SLOT_NAMED;
	queue->named++;
	pthread_cond_broadcast(&queue->changed);
}

static void *run_names(void *argument)
{
	struct picture_queue *queue = argument;
	for (;;) {
		const char *name;
		int found = queue->plan.next(queue->plan.context, &name);
		char *copy = found > 0 ? memory_text(name, strlen(name)) : NULL;
		pthread_mutex_lock(&queue->lock);
		if (!copy) {
			queue->ended = true;
			if (found != 0) {
				snprintf(queue->failure, sizeof queue->failure, "%s", error_text());
				queue->failure_kind = error_kind();
			}
			pthread_cond_broadcast(&queue->changed);
			pthread_mutex_unlock(&queue->lock);
			return NULL;
		}
		put_name(queue, copy);
		pthread_mutex_unlock(&queue->lock);
	}
}

static void release(struct picture_queue *queue)
{
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
	memory_release(queue->slots);
	memory_release(queue->threads);
	memory_release(queue);
}

struct picture_queue *picture_queue_start(const struct picture_plan *plan)
{
	struct picture_queue *queue = memory_allocate_zero(1, sizeof *queue);
	if (!queue)
		return NULL;
	queue->plan = *plan;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->changed, NULL);
	queue->slots = memory_allocate_zero(plan->depth, sizeof *queue->slots);
	queue->threads = memory_allocate((size_t)plan->threads + 1, sizeof *queue->threads);
	if (!queue->slots || !queue->threads) {
		release(queue);
		return NULL;
	}
	/* decoders first: when one of them cannot start, no name was asked for yet */
	for (int i = plan->threads; i >= 0; i--) {
		if (pthread_create(
		        &queue->threads[queue->started], NULL, i ? run_decoder : run_names, queue) != 0) {
			pthread_mutex_lock(&queue->lock);
			queue->ended = true;
			pthread_cond_broadcast(&queue->changed);
			pthread_mutex_unlock(&queue->lock);
			picture_queue_finish(queue);
			error_system("cannot start a thread");
			return NULL;
		}
		queue->started++;
	}
	return queue;
}

/* Wait for a change; where a signal may end the work, no longer than a tenth of a second. */
static void wait_for_change(struct picture_queue *queue)
{
	enum { TENTH = 100000000, SECOND = 1000000000 };
	if (!queue->plan.stop) {
		pthread_cond_wait(&queue->changed, &queue->lock);
		return;
	}
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += until.tv_nsec + TENTH >= SECOND;
	until.tv_nsec = (until.tv_nsec + TENTH) % SECOND;
	pthread_cond_timedwait(&queue->changed, &queue->lock, &until);
}

int picture_queue_take(struct picture_queue *queue, bool wait, struct prepared_picture *prepared)
{
	int result = 0;
	pthread_mutex_lock(&queue->lock);
	while (!queue->plan.stop || !*queue->plan.stop) {
		struct slot *slot = &queue->slots[queue->taken % queue->plan.depth];
		if (queue->taken < queue->named && slot->state == SLOT_DONE) {
			*prepared = slot->prepared;
			slot->state = SLOT_FREE;
			queue->taken++;
			pthread_cond_broadcast(&queue->changed);
			result = 1;
			break;
		}
		if (queue->taken == queue->named && queue->ended) {
			if (queue->failure[0] && wait)
				result = queue->failure_kind == ERROR_INPUT ? error_input("%s", queue->failure)
				                                            : error_system("%s", queue->failure);
			break;
		}
		if (!wait)
			break;
		wait_for_change(queue);
	}
	pthread_mutex_unlock(&queue->lock);
	return result;
}

void picture_queue_finish(struct picture_queue *queue)
{
	for (int i = 0; i < queue->started; i++)
		pthread_join(queue->threads[i], NULL);
	release(queue);
}
