/* sample_queue.c - a ring of slots between the thread that reads and the caller (see
 * sample_queue.h).
 */
#include "stream/sample_queue.h"
#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const uint64_t bytes_most = 64 << 20; /* of payloads that wait; one sample may have more */

/* A sample, or why an input ended early. */
struct slot {
	struct sample sample;
	uint64_t bytes;
	bool damaged;
	char *name; /* of the damaged input; NULL: the list of names */
	enum error_kind kind;
	char text[1024];
};

struct sample_queue {
	struct names *names;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct slot *slots; /* [depth], used in a circle */
	size_t depth;
	uint64_t put, taken; /* slots so far */
	uint64_t bytes;      /* of payloads in slots */
	bool ended;
	struct slot reading; /* what the thread is at */
	char *taken_name;    /* of the damaged input that was told last */
};

/* Put what was read into the next slot, once that is free and not too much is waiting. */
static void put(struct sample_queue *queue, const struct slot *slot)
{
	pthread_mutex_lock(&queue->lock);
	while (queue->put - queue->taken == queue->depth ||
	       (queue->bytes > 0 && queue->bytes + slot->bytes > bytes_most))
		pthread_cond_wait(&queue->changed, &queue->lock);
	queue->slots[queue->put++ % queue->depth] = *slot;
	queue->bytes += slot->bytes;
	pthread_cond_signal(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
}

/* Tell the recorded error about an input (NULL: the list). */
static void put_damage(struct sample_queue *queue, struct slot *slot, const char *name)
{
	slot->damaged = true;
	slot->bytes = 0;
	slot->kind = error_kind();
	snprintf(slot->text, sizeof slot->text, "%s", error_text());
	/* without memory for the name the error is told without it */
	slot->name = name ? memory_text(name, strlen(name)) : NULL;
	put(queue, slot);
	slot->damaged = false;
}

static void read_stream(struct sample_queue *queue, struct slot *slot, const char *name)
{
	struct reader *reader = reader_open(name);
	int found = reader ? 0 : -1;
	while (reader && (found = sample_read(reader, &slot->sample)) > 0) {
		slot->bytes = 0;
		for (int i = 0; i < slot->sample.count; i++)
			slot->bytes += slot->sample.parts[i].record.payload_size;
		put(queue, slot);
	}
	if (found < 0)
		put_damage(queue, slot, reader ? reader_name(reader) : name);
	reader_close(reader);
}

static void *run(void *argument)
{
	struct sample_queue *queue = argument;
	const char *name;
	int found;
	while ((found = names_next(queue->names, &name)) > 0)
		read_stream(queue, &queue->reading, name);
	if (found < 0)
		put_damage(queue, &queue->reading, NULL);
	pthread_mutex_lock(&queue->lock);
	queue->ended = true;
	pthread_cond_signal(&queue->changed);
	pthread_mutex_unlock(&queue->lock);
	return NULL;
}

static void release(struct sample_queue *queue)
{
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
	memory_release(queue->taken_name);
	memory_release(queue->slots);
	memory_release(queue);
}

struct sample_queue *sample_queue_start(struct names *names, size_t depth)
{
	struct sample_queue *queue = memory_allocate_zero(1, sizeof *queue);
	if (!queue)
		return NULL;
	queue->names = names;
	queue->depth = depth;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_cond_init(&queue->changed, NULL);
	queue->slots = memory_allocate(depth, sizeof *queue->slots);
	if (!queue->slots) {
		release(queue);
		return NULL;
	}
	/* signals are the main thread's: it owns the clean-up of outputs */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	int failed = pthread_create(&queue->thread, NULL, run, queue);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (failed) {
		release(queue);
		error_system("cannot start a thread");
		return NULL;
	}
	return queue;
}

/* Make the error of a slot the caller's. */
static int tell_damage(struct sample_queue *queue, const struct slot *slot, const char **name)
{
	memory_release(queue->taken_name);
	*name = queue->taken_name = slot->name;
	return slot->kind == ERROR_INPUT ? error_input("%s", slot->text)
	                                 : error_system("%s", slot->text);
}

int sample_queue_take(
    struct sample_queue *queue, bool wait, struct sample *sample, const char **name)
{
	int result = 0;
	pthread_mutex_lock(&queue->lock);
	while (wait && queue->taken == queue->put && !queue->ended)
		pthread_cond_wait(&queue->changed, &queue->lock);
	const struct slot *slot = &queue->slots[queue->taken % queue->depth];
	if (queue->taken < queue->put && (wait || !slot->damaged)) {
		result = 1;
		if (slot->damaged)
			result = tell_damage(queue, slot, name);
		else
			*sample = slot->sample;
		queue->bytes -= slot->bytes;
		queue->taken++;
		pthread_cond_signal(&queue->changed);
	}
	pthread_mutex_unlock(&queue->lock);
	return result;
}

void sample_queue_finish(struct sample_queue *queue)
{
	pthread_join(queue->thread, NULL);
	release(queue);
}
