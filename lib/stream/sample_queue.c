/* sample_queue.c - samples read ahead (see sample_queue.h): slots of base/ahead.h. */
#include "stream/sample_queue.h"
#include "base/ahead.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

static const uint64_t bytes_most = 64 << 20; /* of payloads that wait; one sample may have more */

/* A sample, or why an input ended early. */
struct slot {
	struct sample sample;
	bool damaged;
	char *name; /* of the damaged input; NULL: the list of names */
	enum error_kind kind;
	char text[1024];
};

struct sample_queue {
	struct names *names;
	struct ahead *ahead;
	struct slot reading; /* what the thread is at */
	char *taken_name;    /* of the damaged input that was told last */
};

/* Tell the recorded error about an input (NULL: the list). */
static void put_damage(struct ahead *ahead, struct slot *slot, const char *name)
{
	slot->damaged = true;
	slot->kind = error_kind();
	snprintf(slot->text, sizeof slot->text, "%s", error_text());
	/* without memory for the name the error is told without it */
	slot->name = name ? memory_text(name, strlen(name)) : NULL;
	ahead_put(ahead, slot, 0);
	slot->damaged = false;
}

static void read_stream(struct ahead *ahead, struct slot *slot, const char *name)
{
	struct reader *reader = reader_open(name);
	int found = reader ? 0 : -1;
	while (reader && (found = sample_read(reader, &slot->sample)) > 0) {
		uint64_t bytes = 0;
		for (int i = 0; i < slot->sample.count; i++)
			bytes += slot->sample.parts[i].record.payload_size;
		ahead_put(ahead, slot, bytes);
	}
	if (found < 0)
		put_damage(ahead, slot, reader ? reader_name(reader) : name);
	reader_close(reader);
}

static void read_all(struct ahead *ahead, void *context)
{
	struct sample_queue *queue = context;
	const char *name;
	int found;
	while ((found = names_next(queue->names, &name)) > 0)
		read_stream(ahead, &queue->reading, name);
	if (found < 0)
		put_damage(ahead, &queue->reading, NULL);
}

struct sample_queue *sample_queue_start(struct names *names, size_t depth)
{
	struct sample_queue *queue = memory_allocate_zero(1, sizeof *queue);
	if (!queue)
		return NULL;
	queue->names = names;
	queue->ahead = ahead_start(
	    &(struct ahead_plan){ read_all, queue, sizeof(struct slot), depth, bytes_most });
	if (queue->ahead)
		return queue;
	memory_release(queue);
	return NULL;
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
	const struct slot *slot = ahead_next(queue->ahead, wait);
	int result = 1;
	if (!slot || (slot->damaged && !wait))
		return 0;
	if (slot->damaged)
		result = tell_damage(queue, slot, name);
	else
		*sample = slot->sample;
	ahead_pass(queue->ahead);
	return result;
}

void sample_queue_finish(struct sample_queue *queue)
{
	ahead_finish(queue->ahead);
	memory_release(queue->taken_name);
	memory_release(queue);
}
