/* picture_queue.h - pictures made ready in the background: threads of their own read, hash, decode
 * and resize while the caller computes; results come in the order of the names. At most depth
 * pictures are waiting and one per thread is being decoded, however long the list is.
 */
#ifndef ZV_MODEL_PICTURE_QUEUE_H
#define ZV_MODEL_PICTURE_QUEUE_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/hash.h"
#include "image/picture.h"

struct picture_plan {
	int side; /* pixels of the square to resize to */
	enum picture_filter filter;
	struct picture_options picture;
	int threads;
	size_t depth;
	/* The next name ("-": standard input): 1, 0 at the end, -1 with a recorded error. Called from
	 * one thread of the queue, so that a slow list delays no result. */
	int (*next)(void *context, const char **name);
	/* Is this picture done already? Asked before decoding, from several threads; may be NULL. */
	bool (*known)(void *context, const char *name, const struct digest *source);
	bool by_name; /* ask even before the file is read, with source NULL */
	void *context;
	/* Once this is set by a signal, picture_queue_take() tells the end; may be NULL. The threads may
	 * then still wait for a name, and picture_queue_finish() with them. */
	const volatile sig_atomic_t *stop;
};

enum picture_outcome { PICTURE_READY, PICTURE_KNOWN, PICTURE_FAILED };

struct prepared_picture {
	char *name;
	enum picture_outcome outcome;
	struct picture picture; /* PICTURE_READY: side x side */
	struct digest source;   /* BLAKE2b-128 of the file; zero when it was not read to the end */
	enum error_kind kind;   /* PICTURE_FAILED */
	char text[512];         /* the reason, or a warning, or "" */
};

struct picture_queue;

/* Start the threads. plan is copied. NULL with a recorded error. */
struct picture_queue *picture_queue_start(const struct picture_plan *plan);

/* The next picture in order: 1, or -1 with a recorded error when the names failed. 0: at the end;
 * and, unless wait, also when the next one is not ready yet. */
int picture_queue_take(struct picture_queue *queue, bool wait, struct prepared_picture *prepared);

void prepared_clear(struct prepared_picture *prepared);

/* Join the threads after the end was reached. */
void picture_queue_finish(struct picture_queue *queue);

#endif
