/* threads.h - the one pool of compute threads.
 * Work is cut into chunks whose limits do not depend on the number of threads; who takes which
 * chunk does, so each chunk must compute the same whoever runs it. That keeps results the same,
 * byte for byte, at any thread count.
 */
#ifndef ZV_BASE_THREADS_H
#define ZV_BASE_THREADS_H

#include <stddef.h>

enum { THREADS_MOST = 256 };

/* CPUs this process may use (its affinity mask), at least 1. */
int threads_available(void);

/* Start count - 1 threads beside the calling one; once per process. 0, or -1 recorded. */
int threads_start(int count);

/* How many run chunks, including the caller; 1 before threads_start(). */
int threads_count(void);

/* Run work(context, chunk, worker) for chunk = 0..chunks-1, the caller taking part as worker 0,
 * and return when all are done. worker < threads_count() selects scratch memory. Only one thread
 * of the process may call this, and work must not call it again. */
void threads_run(
    size_t chunks, void (*work)(void *context, size_t chunk, int worker), void *context);

/* Join the pool's threads (for leak checkers); threads_run then works alone. */
void threads_stop(void);

#endif
