/* sample_queue.h - samples read ahead by a thread of their own, so that a filter can compute over
 * all that is there together, and waits for input only when nothing is.
 */
#ifndef ZV_STREAM_SAMPLE_QUEUE_H
#define ZV_STREAM_SAMPLE_QUEUE_H

#include "base/names.h"
#include "stream/sample.h"

struct sample_queue;

/* Read the streams that names lead to, one after the other: at most depth samples ahead, fewer
 * where they are large (64 MiB). names belong to the queue's thread until sample_queue_finish().
 * NULL with a recorded error. */
struct sample_queue *sample_queue_start(struct names *names, size_t depth);

/* The next sample: 1, and it is the caller's. 0: at the end; and, unless wait, also when nothing is
 * there yet. -1, only if wait: an input could not be read to its end, with a recorded error and
 * *name, valid until the next call, or NULL when it is the list of names; the next call goes on
 * behind it. */
int sample_queue_take(
    struct sample_queue *queue, bool wait, struct sample *sample, const char **name);

/* After the end was reached: join the thread. */
void sample_queue_finish(struct sample_queue *queue);

#endif
