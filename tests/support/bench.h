/* bench.h - what the programs of make bench share: clocks, random values, the middle of many times,
 * and bare BLIS products at the shapes of the models, which all else is compared with.
 */
#ifndef ZV_TESTS_BENCH_H
#define ZV_TESTS_BENCH_H

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "num/product.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { BENCH_TIMES = 4000 };

_Noreturn static inline void bench_fail(const char *program)
{
	fprintf(stderr, "%s: %s\n", program, error_text());
	exit(2);
}

static inline double bench_clock(clockid_t clock)
{
	struct timespec time;
	clock_gettime(clock, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* One thread is timed by the CPU time it takes, which others on the machine disturb little. */
static inline double bench_now(void)
{
	return bench_clock(threads_count() > 1 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID);
}

/* Of [-0.5, 0.5), the same at every call. NULL never. */
static inline float *bench_values(size_t count)
{
	float *values = memory_allocate(count, sizeof *values);
	uint32_t state = 1;
	if (!values)
		bench_fail("bench");
	for (size_t i = 0; i < count; i++) {
		state = state * 1664525u + 1013904223u;
		values[i] = (float)(state >> 8) * 0x1p-24f - 0.5f;
	}
	return values;
}

struct bench_times {
	double seconds[BENCH_TIMES];
	size_t count;
};

static inline void bench_add(struct bench_times *times, double seconds)
{
	if (times->count < BENCH_TIMES)
		times->seconds[times->count++] = seconds;
}

static inline int bench_order(const void *a, const void *b)
{
	const double *one = a, *other = b;
	return (*one > *other) - (*one < *other);
}

/* Sorts them. At least one must be there. */
static inline double bench_median(struct bench_times *times)
{
	qsort(times->seconds, times->count, sizeof times->seconds[0], bench_order);
	return times->seconds[times->count / 2];
}

/* The quickest: what the machine can do when nobody else uses it. */
static inline double bench_least(const struct bench_times *times)
{
	double least = times->seconds[0];
	for (size_t i = 1; i < times->count; i++)
		least = times->seconds[i] < least ? times->seconds[i] : least;
	return least;
}

/* y [rows][out] = x [rows][in] times w [out][in] by bare BLIS with threads of its own. */
static inline void bench_blis(
    size_t rows, size_t in, size_t out, const float *x, const float *w, float *y)
{
	const struct product product = { .m = rows,
		.n = out,
		.k = in,
		.a = x,
		.b = w,
		.c = y,
		.a_row = in,
		.b_row = in,
		.c_row = out,
		.b_transposed = true };
	product_run_threads(&product, threads_count());
}

#endif
