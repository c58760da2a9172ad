/* bench-model.c - where the time of the models goes: each matrix product of ViT-g, the Q-Former
 * and LLaMA-13B through the linear layer against a bare BLIS product of the same shape in the same
 * run, interleaved; then whole blocks. Everything is printed as a ratio of this run.
 *
 *     bench-model [--threads N] [--seconds S] products
 *     bench-model [--threads N] [--seconds S] block       seconds of the products of a ViT-g block:
 *                                                         bare BLIS, ours
 *     bench-model [--threads N] [--seconds S] decode MODEL SEQUENCES
 *     bench-model run PROGRAM ARGUMENT...     its seconds and its peak memory in MiB
 */
#define _GNU_SOURCE
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/threads.h"
#include "model/llama.h"
#include "num/linear.h"
#include "num/product.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static double seconds = 1;

/* One thread is timed by the CPU time it takes, which others on the machine disturb little. */
static double now(void)
{
	struct timespec time;
	clock_gettime(threads_count() > 1 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

_Noreturn static void fail(void)
{
	fprintf(stderr, "bench-model: %s\n", error_text());
	exit(2);
}

static float *random_values(size_t count)
{
	float *values = memory_allocate(count, sizeof *values);
	uint32_t state = 1;
	if (!values)
		fail();
	for (size_t i = 0; i < count; i++) {
		state = state * 1664525u + 1013904223u;
		values[i] = (float)(state >> 8) * 0x1p-24f - 0.5f;
	}
	return values;
}

/* The quickest run: what the machine can do when nobody else uses it. */
static double best(const double *times, size_t count)
{
	double least = times[0];
	for (size_t i = 1; i < count; i++)
		least = times[i] < least ? times[i] : least;
	return least;
}

enum { TIMES_MOST = 4000, DTYPES = 3 };
static const char dtypes[DTYPES] = { 'f', 'E', 'e' };

/* One shape: rows x in times out x in. Enough copies of W that they come from memory as in a
 * model. */
struct shape {
	const char *name;
	size_t rows, in, out;
};

/* The best times of one shape, runs interleaved: times[0] bare BLIS with its own threads, then the
 * linear layer by dtype of its weights. */
static void time_shape(const struct shape *shape, int count, double times[1 + DTYPES])
{
	static double all[1 + DTYPES][TIMES_MOST];
	size_t size = shape->in * shape->out, copies = ((size_t)256 << 20) / (size * sizeof(float));
	copies = copies < 1 ? 1 : copies > 16 ? 16 : copies;
	float *x = random_values(shape->rows * shape->in), *w = random_values(copies * size);
	float *y = random_values(shape->rows * shape->out);
	void *narrow[DTYPES] = { w };
	for (int dtype = 1; dtype < count; dtype++) {
		if (!(narrow[dtype] = memory_allocate(copies * size, 2)))
			fail();
		dtype_from_f32(dtypes[dtype], w, narrow[dtype], copies * size);
	}
	size_t runs = 0;
	for (double end = now() + seconds; (now() < end || runs < 5) && runs < TIMES_MOST; runs++) {
		size_t at = runs % copies * size;
		double start = now();
		product_run_threads(&(struct product){ .m = shape->rows,
		                        .n = shape->out,
		                        .k = shape->in,
		                        .a = x,
		                        .a_row = shape->in,
		                        .b = w + at,
		                        .b_row = shape->in,
		                        .b_transposed = true,
		                        .c = y,
		                        .c_row = shape->out },
		    threads_count());
		all[0][runs] = now() - start;
		for (int dtype = 0; dtype < count; dtype++) {
			const char *weight = (char *)narrow[dtype] + at * dtype_size(dtypes[dtype]);
			struct linear linear = { weight, dtypes[dtype], shape->out, shape->in, NULL };
			start = now();
			if (linear_forward(&linear, x, 1, shape->rows, y, LINEAR_STORE) < 0)
				fail();
			all[1 + dtype][runs] = now() - start;
		}
	}
	for (int i = 0; i <= count; i++)
		times[i] = best(all[i], runs);
	memory_release(x);
	memory_release(w);
	memory_release(y);
	for (int dtype = 1; dtype < count; dtype++)
		memory_release(narrow[dtype]);
}

static void bench_shape(const struct shape *shape)
{
	double times[1 + DTYPES];
	time_shape(shape, DTYPES, times);
	printf("%-12s %4zux%zux%zu  bare BLIS %6.1f GFLOP/s", shape->name, shape->rows, shape->in,
	    shape->out, 2e-9 * (double)(shape->rows * shape->in * shape->out) / times[0]);
	for (int dtype = 0; dtype < DTYPES; dtype++)
		printf("  %s %.2f", dtype_name(dtypes[dtype]), times[0] / times[1 + dtype]);
	printf("\n");
}

static const struct shape vit_shapes[] = {
	{ "vit qkv", 257, 1408, 4224 },
	{ "vit proj", 257, 1408, 1408 },
	{ "vit fc1", 257, 1408, 6144 },
	{ "vit fc2", 257, 6144, 1408 },
};
enum { VIT_SHAPES = sizeof vit_shapes / sizeof vit_shapes[0] };

/* The four products of a ViT-g block for one picture: seconds of bare BLIS, and of ours in f32. */
static void bench_block(void)
{
	double bare = 0, ours = 0;
	for (int i = 0; i < VIT_SHAPES; i++) {
		double times[1 + DTYPES];
		time_shape(&vit_shapes[i], 1, times);
		bare += times[0];
		ours += times[1];
	}
	printf("%.6f %.6f\n", bare, ours);
}

/* The ratio is bare time over ours: above 1, ours is faster. */
static void bench_products(void)
{
	static const struct shape shapes[] = {
		{ "qformer o", 32, 768, 768 },
		{ "qformer fc1", 32, 768, 3072 },
		{ "qformer fc2", 32, 3072, 768 },
		{ "qformer kv", 257, 1408, 768 },
		{ "llama q", 64, 5120, 5120 },
		{ "llama up", 64, 5120, 13824 },
	};
	for (int i = 0; i < VIT_SHAPES; i++)
		bench_shape(&vit_shapes[i]);
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		bench_shape(&shapes[i]);
}

static void bench_decode(const char *model, size_t sequences)
{
	struct llama *llama = llama_open(model);
	if (!llama)
		fail();
	struct llama_cache **caches = memory_allocate(sequences, sizeof *caches);
	int32_t *ids = memory_allocate_zero(sequences, sizeof *ids);
	float *logits = memory_allocate(sequences * llama_vocabulary(llama), sizeof *logits);
	if (!caches || !ids || !logits)
		fail();
	for (size_t i = 0; i < sequences; i++)
		caches[i] = llama_cache_new(llama);
	double times[TIMES_MOST];
	size_t runs = 0;
	for (double end = now() + seconds; (now() < end || runs < 5) && runs < 500; runs++) {
		double start = now();
		if (llama_decode(llama, caches, ids, sequences, logits) < 0)
			fail();
		times[runs] = now() - start;
	}
	printf("decode: %.4f s a step of %zu sequences\n", best(times, runs), sequences);
	for (size_t i = 0; i < sequences; i++)
		llama_cache_release(caches[i]);
	memory_release(caches);
	memory_release(ids);
	memory_release(logits);
	llama_close(llama);
}

static int bench_run(char **command)
{
	extern char **environ;
	pid_t child;
	int status;
	struct rusage usage;
	struct timespec start, end;
	clock_gettime(CLOCK_MONOTONIC, &start);
	if (posix_spawnp(&child, command[0], NULL, NULL, command, environ) != 0 ||
	    waitpid(child, &status, 0) != child || status != 0)
		return 2;
	clock_gettime(CLOCK_MONOTONIC, &end);
	getrusage(RUSAGE_CHILDREN, &usage);
	printf("%.3f %ld\n",
	    (double)(end.tv_sec - start.tv_sec) + 1e-9 * (double)(end.tv_nsec - start.tv_nsec),
	    usage.ru_maxrss >> 10);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "threads", 1, NULL, 't' }, { "seconds", 1, NULL, 's' },
		{ 0 } };
	int64_t threads = threads_available(), count = 1;
	int letter;
	while ((letter = getopt_long(argc, argv, "+", longs, NULL)) != -1)
		if ((letter == 't' && number_whole(optarg, 1, THREADS_MOST, &threads) < 0) ||
		    (letter == 's' && number_real(optarg, 0, 1000, &seconds) < 0) || letter == '?')
			return 2;
	argc -= optind;
	argv += optind;
	if (product_start() < 0 || threads_start((int)threads) < 0)
		fail();
	if (argc > 1 && strcmp(argv[0], "run") == 0) {
		threads_stop();
		return bench_run(argv + 1);
	}
	if (argc == 3 && number_whole(argv[2], 1, 1000, &count) < 0)
		fail();
	if (argc == 1 && strcmp(argv[0], "block") == 0) {
		bench_block();
		threads_stop();
		return 0;
	}
	printf("%s, %d threads\n", product_version(), threads_count());
	if (argc == 1 && strcmp(argv[0], "products") == 0)
		bench_products();
	else if (argc == 3 && strcmp(argv[0], "decode") == 0)
		bench_decode(argv[1], (size_t)count);
	else
		fprintf(stderr, "usage: bench-model products | block | decode MODEL N | run PROGRAM...\n");
	threads_stop();
	return 0;
}
