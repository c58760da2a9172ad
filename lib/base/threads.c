/* threads.c - a pool that hands out chunks by a counter (see threads.h). A round ends when its
 * chunks are done, not when all threads have seen it: one that the system lets wait holds nobody up.
 */
#define _GNU_SOURCE
#include "base/threads.h"
#include "base/error.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SPIN_ROUNDS = 2000, CHUNK_BITS = 32 };
static const uint64_t chunk_mask = ((uint64_t)1 << CHUNK_BITS) - 1;

/* Tell the CPU that this is a waiting loop, where there is an instruction for it. */
static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

static struct {
	pthread_t threads[THREADS_MOST];
	int count; /* workers, including the caller of threads_run(); 0 means not started */
	pthread_mutex_t lock;
	pthread_cond_t started, finished;
	/* Number of the round and, in the lower half, its next chunk: a new round is new work. Who takes
	 * a chunk compares and swaps it, and thereby knows that what follows belongs to the round. */
	atomic_uint_fast64_t ticket;
	void (*_Atomic work)(void *context, size_t chunk, int worker);
	void *_Atomic context;
	atomic_size_t chunks;
	atomic_size_t done; /* chunks of this round */
	atomic_bool stop;
} pool = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.started = PTHREAD_COND_INITIALIZER,
	.finished = PTHREAD_COND_INITIALIZER };

int threads_available(void)
{
	cpu_set_t set;
	if (sched_getaffinity(0, sizeof set, &set) != 0)
		return 1;
	int count = CPU_COUNT(&set);
	return count < 1 ? 1 : count > THREADS_MOST ? THREADS_MOST : count;
}

/* Work until the round has no chunk left to take; its number. */
static uint64_t take_chunks(int worker)
{
	for (;;) {
		uint_fast64_t ticket = atomic_load(&pool.ticket);
		size_t chunk = (size_t)(ticket & chunk_mask), chunks = atomic_load(&pool.chunks);
		void (*work)(void *, size_t, int) = atomic_load(&pool.work);
		void *context = atomic_load(&pool.context);
		if (chunk >= chunks)
			return ticket >> CHUNK_BITS;
		if (!atomic_compare_exchange_strong(&pool.ticket, &ticket, ticket + 1))
			continue;
		work(context, chunk, worker);
		if (atomic_fetch_add(&pool.done, 1) + 1 == chunks && worker > 0) {
			pthread_mutex_lock(&pool.lock);
			pthread_cond_signal(&pool.finished);
			pthread_mutex_unlock(&pool.lock);
		}
	}
}

static bool is_over(uint64_t round)
{
	return atomic_load(&pool.ticket) >> CHUNK_BITS == round;
}

static void *worker_main(void *argument)
{
	int worker = (int)(intptr_t)argument;
	uint64_t seen = 0;
	for (;;) {
		/* Kernels follow each other closely: look for a moment before sleeping. */
		for (int spin = 0; spin < SPIN_ROUNDS && is_over(seen); spin++)
			relax();
		pthread_mutex_lock(&pool.lock);
		while (is_over(seen) && !atomic_load(&pool.stop))
			pthread_cond_wait(&pool.started, &pool.lock);
		pthread_mutex_unlock(&pool.lock);
		if (atomic_load(&pool.stop))
			return NULL;
		seen = take_chunks(worker);
	}
}

int threads_start(int count)
{
	/* Signals are the main thread's: it owns the clean-up of outputs. */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	pool.count = 1;
	for (int worker = 1; worker < count && worker < THREADS_MOST; worker++) {
		if (pthread_create(&pool.threads[worker], NULL, worker_main, (void *)(intptr_t)worker) !=
		    0) {
			pthread_sigmask(SIG_SETMASK, &before, NULL);
			return error_system("cannot start %d threads", count);
		}
		pool.count = worker + 1;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return 0;
}

int threads_count(void)
{
	return pool.count > 0 ? pool.count : 1;
}

void threads_run(
    size_t chunks, void (*work)(void *context, size_t chunk, int worker), void *context)
{
	if (chunks <= 1 || chunks > chunk_mask || threads_count() == 1) {
		for (size_t chunk = 0; chunk < chunks; chunk++)
			work(context, chunk, 0);
		return;
	}
	/* Close the last round before its work is replaced: no ticket of it is good any more. */
	uint64_t round = (atomic_load(&pool.ticket) >> CHUNK_BITS) + 1;
	atomic_store(&pool.ticket, round << CHUNK_BITS | chunk_mask);
	atomic_store(&pool.work, work);
	atomic_store(&pool.context, context);
	atomic_store(&pool.chunks, chunks);
	atomic_store(&pool.done, 0);
	pthread_mutex_lock(&pool.lock);
	atomic_store(&pool.ticket, (round + 1) << CHUNK_BITS);
	pthread_cond_broadcast(&pool.started);
	pthread_mutex_unlock(&pool.lock);
	take_chunks(0);
	for (int spin = 0; spin < SPIN_ROUNDS && atomic_load(&pool.done) < chunks; spin++)
		relax();
	pthread_mutex_lock(&pool.lock);
	while (atomic_load(&pool.done) < chunks)
		pthread_cond_wait(&pool.finished, &pool.lock);
	pthread_mutex_unlock(&pool.lock);
}

void threads_stop(void)
{
	if (pool.count <= 1)
		return;
	atomic_store(&pool.stop, true);
	pthread_mutex_lock(&pool.lock);
	pthread_cond_broadcast(&pool.started);
	pthread_mutex_unlock(&pool.lock);
	for (int worker = 1; worker < pool.count; worker++)
		pthread_join(pool.threads[worker], NULL);
	pool.count = 1;
	atomic_store(&pool.stop, false);
}
