/* threads.c - a pool that hands out chunks by a counter (see threads.h). */
#define _GNU_SOURCE
#include "base/threads.h"
#include "base/error.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { SPIN_ROUNDS = 2000 };

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
	atomic_uint_fast64_t round; /* a new value tells the workers that there is work */
	atomic_int busy;            /* pool threads still in this round */
	atomic_bool stop;
	void (*work)(void *, size_t, int);
	void *context;
	size_t chunks;
	atomic_size_t next;
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

static void take_chunks(int worker)
{
	for (;;) {
		size_t chunk = atomic_fetch_add(&pool.next, 1);
		if (chunk >= pool.chunks)
			return;
		pool.work(pool.context, chunk, worker);
	}
}

static void *worker_main(void *argument)
{
	int worker = (int)(intptr_t)argument;
	uint_fast64_t seen = 0;
	for (;;) {
		/* Kernels follow each other closely: look for a moment before sleeping. */
		for (int spin = 0; spin < SPIN_ROUNDS && atomic_load(&pool.round) == seen; spin++)
			relax();
		pthread_mutex_lock(&pool.lock);
		while (atomic_load(&pool.round) == seen && !atomic_load(&pool.stop))
			pthread_cond_wait(&pool.started, &pool.lock);
		seen = atomic_load(&pool.round);
		pthread_mutex_unlock(&pool.lock);
		if (atomic_load(&pool.stop))
			return NULL;
		take_chunks(worker);
		if (atomic_fetch_sub(&pool.busy, 1) == 1) {
			pthread_mutex_lock(&pool.lock);
			pthread_cond_signal(&pool.finished);
			pthread_mutex_unlock(&pool.lock);
		}
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
	if (chunks <= 1 || threads_count() == 1) {
		for (size_t chunk = 0; chunk < chunks; chunk++)
			work(context, chunk, 0);
		return;
	}
	pool.work = work;
	pool.context = context;
	pool.chunks = chunks;
	atomic_store(&pool.next, 0);
	atomic_store(&pool.busy, pool.count - 1);
	pthread_mutex_lock(&pool.lock);
	atomic_fetch_add(&pool.round, 1);
	pthread_cond_broadcast(&pool.started);
	pthread_mutex_unlock(&pool.lock);
	take_chunks(0);
	for (int spin = 0; spin < SPIN_ROUNDS && atomic_load(&pool.busy) > 0; spin++)
		relax();
	pthread_mutex_lock(&pool.lock);
	while (atomic_load(&pool.busy) > 0)
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
