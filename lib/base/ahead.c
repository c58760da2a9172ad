/* ahead.c - a ring of items between a thread and its taker, see ahead.h. */
#include "base/ahead.h"
#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

struct ahead {
	struct ahead_plan plan;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	char *items;       /* [depth], used in a circle */
	uint64_t *weights; /* [depth] */
	size_t first, count;
	uint64_t weight; /* of all in the ring */
	bool ended;
};

void ahead_put(struct ahead *ahead, const void *item, uint64_t weight)
{
	const struct ahead_plan *plan = &ahead->plan;
	pthread_mutex_lock(&ahead->lock);
	while (ahead->count == plan->depth ||
	       (plan->most > 0 && ahead->weight > 0 && ahead->weight + weight > plan->most))
		pthread_cond_wait(&ahead->changed, &ahead->lock);
	size_t place = (ahead->first + ahead->count++) % plan->depth;
	memcpy(ahead->items + place * plan->size, item, plan->size);
	ahead->weights[place] = weight;
	ahead->weight += weight;
	pthread_cond_signal(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
}

static void *run(void *argument)
{
	struct ahead *ahead = argument;
	ahead->plan.make(ahead, ahead->plan.context);
	pthread_mutex_lock(&ahead->lock);
	ahead->ended = true;
	pthread_cond_signal(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
	return NULL;
}

static void release(struct ahead *ahead)
{
	pthread_cond_destroy(&ahead->changed);
	pthread_mutex_destroy(&ahead->lock);
	memory_release(ahead->items);
	memory_release(ahead->weights);
	memory_release(ahead);
}

struct ahead *ahead_start(const struct ahead_plan *plan)
{
	struct ahead *ahead = memory_allocate_zero(1, sizeof *ahead);
	if (!ahead)
		return NULL;
	ahead->plan = *plan;
	pthread_mutex_init(&ahead->lock, NULL);
	pthread_cond_init(&ahead->changed, NULL);
	ahead->items = memory_allocate(plan->depth, plan->size);
	ahead->weights = memory_allocate(plan->depth, sizeof *ahead->weights);
	if (!ahead->items || !ahead->weights) {
		release(ahead);
		return NULL;
	}
	/* signals are the main thread's: it owns the clean-up of outputs */
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	int status = pthread_create(&ahead->thread, NULL, run, ahead);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (status != 0) {
		release(ahead);
		error_system("cannot start a thread");
		return NULL;
	}
	return ahead;
}

void *ahead_next(struct ahead *ahead, bool wait)
{
	pthread_mutex_lock(&ahead->lock);
	while (wait && ahead->count == 0 && !ahead->ended)
		pthread_cond_wait(&ahead->changed, &ahead->lock);
	void *item = ahead->count > 0 ? ahead->items + ahead->first * ahead->plan.size : NULL;
	pthread_mutex_unlock(&ahead->lock);
	return item;
}

void ahead_pass(struct ahead *ahead)
{
	pthread_mutex_lock(&ahead->lock);
	ahead->weight -= ahead->weights[ahead->first];
	ahead->first = (ahead->first + 1) % ahead->plan.depth;
	ahead->count--;
	pthread_cond_signal(&ahead->changed);
	pthread_mutex_unlock(&ahead->lock);
}

void ahead_finish(struct ahead *ahead)
{
	pthread_join(ahead->thread, NULL);
	release(ahead);
}
