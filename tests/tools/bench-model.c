/* bench-model.c - the models' parts for make bench: matrix products of ViT-g, the Q-Former and
 * LLaMA-13B through the linear layer against bare BLIS products of the same shapes, interleaved;
 * bare BLIS alone; passes of a language model; whole programs.
 *
 *     bench-model [--threads N] [--seconds S] products
 *     bench-model [--threads N] [--seconds S] blis vit|qformer|llama COUNT
 *                     seconds (median, least, most) of the products of a ViT-g block for COUNT
 *                     pictures, of the Q-Former for as many, of a LLaMA-13B layer for COUNT positions
 *     bench-model [--threads N] serve MODEL
 *                     "prefill N" (N positions) or "decode N" (a step of N sequences of 64 positions) a
 *                     line on standard input: its seconds; "weights": bytes and number of the layers'
 *     bench-model run PROGRAM ARGUMENT...
 *                     its seconds, its peak memory in MiB, seconds to the first byte that it wrote
 */
#define _GNU_SOURCE
#include "../support/bench.h"
#include "base/dtype.h"
#include "base/number.h"
#include "model/llama.h"
#include "num/linear.h"
#include "stream/model_file.h"

#include <fcntl.h>
#include <getopt.h>
#include <spawn.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static double seconds = 1;

_Noreturn static void fail(void)
{
	bench_fail("bench-model");
}

/* --- products ------------------------------------------------------------------------------------*/

enum { DTYPES = 3 };
static const char dtypes[DTYPES] = { 'f', 'E', 'e' };

/* rows x in times out x in, so many times in the part of a model that it belongs to. */
struct shape {
	const char *name;
	size_t rows, in, out;
	int times;
};

static const struct shape vit_shapes[] = {
	{ "vit qkv", 257, 1408, 4224, 1 },
	{ "vit proj", 257, 1408, 1408, 1 },
	{ "vit fc1", 257, 1408, 6144, 1 },
	{ "vit fc2", 257, 6144, 1408, 1 },
	{ 0 },
};
/* 12 layers, half of which look at the picture. */
static const struct shape qformer_shapes[] = {
	{ "qformer o", 32, 768, 768, 12 * 4 + 6 * 2 },
	{ "qformer fc1", 32, 768, 3072, 12 },
	{ "qformer fc2", 32, 3072, 768, 12 },
	{ "qformer kv", 257, 1408, 768, 6 * 2 },
	{ 0 },
};
static const struct shape llama_shapes[] = {
	{ "llama q", 1, 5120, 5120, 4 },
	{ "llama up", 1, 5120, 13824, 2 },
	{ "llama down", 1, 13824, 5120, 1 },
	{ 0 },
};
static const struct part {
	const char *name;
	const struct shape *shapes;
} parts[] = { { "vit", vit_shapes }, { "qformer", qformer_shapes }, { "llama", llama_shapes } };
enum { PARTS = sizeof parts / sizeof parts[0] };

/* The times of one shape, runs interleaved: times[0] bare BLIS with its own threads, then the linear
 * layer by dtype of its weights. Enough copies of W that they come from memory as in a model. */
static void time_shape(const struct shape *shape, int count, struct bench_times *times)
{
	size_t size = shape->in * shape->out, copies = ((size_t)256 << 20) / (size * sizeof(float));
	copies = copies < 1 ? 1 : copies > 16 ? 16 : copies;
	float *x = bench_values(shape->rows * shape->in), *w = bench_values(copies * size);
	float *y = bench_values(shape->rows * shape->out);
	void *narrow[DTYPES] = { w };
	for (int dtype = 1; dtype < count; dtype++) {
		if (!(narrow[dtype] = memory_allocate(copies * size, 2)))
			fail();
		dtype_from_f32(dtypes[dtype], w, narrow[dtype], copies * size);
	}
	for (int i = 0; i <= count; i++)
		times[i].count = 0;
	double end = bench_now() + seconds;
	for (size_t run = 0; (bench_now() < end || run < 5) && run < BENCH_TIMES; run++) {
		size_t at = run % copies * size;
		double start = bench_now();
		bench_blis(shape->rows, shape->in, shape->out, x, w + at, y);
		bench_add(&times[0], bench_now() - start);
		for (int dtype = 0; dtype < count; dtype++) {
			const char *weight = (char *)narrow[dtype] + at * dtype_size(dtypes[dtype]);
			struct linear linear = { weight, dtypes[dtype], shape->out, shape->in, NULL };
			start = bench_now();
			if (linear_forward(&linear, x, 1, shape->rows, y, LINEAR_STORE) < 0)
				fail();
			bench_add(&times[1 + dtype], bench_now() - start);
		}
	}
	memory_release(x);
	memory_release(w);
	memory_release(y);
	for (int dtype = 1; dtype < count; dtype++)
		memory_release(narrow[dtype]);
}

/* The ratio is bare time over ours: above 1, ours is faster. */
static void bench_products(void)
{
	static struct bench_times times[1 + DTYPES];
	printf("%s, %d threads\n", product_version(), threads_count());
	for (int part = 0; part < PARTS; part++)
		for (const struct shape *known = parts[part].shapes; known->name; known++) {
			struct shape shape = *known;
			shape.rows = shape.rows == 1 ? 64 : shape.rows;
			time_shape(&shape, DTYPES, times);
			double bare = bench_least(&times[0]);
			printf("%-12s %4zux%zux%zu  bare BLIS %6.1f GFLOP/s", shape.name, shape.rows, shape.in,
			    shape.out, 2e-9 * (double)(shape.rows * shape.in * shape.out) / bare);
			for (int dtype = 0; dtype < DTYPES; dtype++)
				printf(
				    "  %s %.2f", dtype_name(dtypes[dtype]), bare / bench_least(&times[1 + dtype]));
			printf("\n");
		}
}

static void bench_blis_part(const char *name, size_t count)
{
	static struct bench_times times[1];
	double median = 0, least = 0, most = 0;
	int part = 0;
	while (part < PARTS && strcmp(parts[part].name, name) != 0)
		part++;
	for (const struct shape *known = part < PARTS ? parts[part].shapes : NULL; known && known->name;
	     known++) {
		struct shape shape = *known;
		shape.rows *= count;
		time_shape(&shape, 0, times);
		median += shape.times * bench_median(times);
		least += shape.times * times->seconds[0];
		most += shape.times * times->seconds[times->count - 1];
	}
	printf("%.6f %.6f %.6f\n", median, least, most);
}

/* --- a language model ----------------------------------------------------------------------------*/

enum { SEQUENCES = 64, BEFORE = 64 }; /* at most; positions that a sequence has before a step */

static struct {
	struct llama *llama;
	struct llama_cache *caches[SEQUENCES];
	float *rows, *logits;
	int32_t ids[SEQUENCES];
} served;

static double prefill(size_t count)
{
	llama_cache_truncate(served.caches[0], 0);
	double start = bench_now();
	if (llama_prefill(served.llama, served.caches[0], served.rows, count, false, served.logits) < 0)
		fail();
	return bench_now() - start;
}

static double decode(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (llama_cache_length(served.caches[i]) < BEFORE) {
			llama_cache_truncate(served.caches[i], 0);
			if (llama_prefill(
			        served.llama, served.caches[i], served.rows, BEFORE, false, served.logits) < 0)
				fail();
		}
		llama_cache_truncate(served.caches[i], BEFORE);
	}
	double start = bench_now();
	if (llama_decode(served.llama, served.caches, served.ids, count, served.logits) < 0)
		fail();
	return bench_now() - start;
}

/* Bytes and number of the weights that a step reads: matrices, but not the table of words. */
static void print_weights(void)
{
	static const char table[] = "model.embed_tokens.weight";
	const struct model_file *file = llama_file(served.llama);
	double bytes = 0, number = 0;
	struct weight weight;
	const char *key;
	size_t size;
	for (size_t i = 0; model_file_at(file, i, &key, &size, &weight); i++)
		if (weight.dimensions == 2 && (size != sizeof table - 1 || memcmp(key, table, size) != 0)) {
			bytes += (double)weight.bytes;
			number += (double)weight.shape[0] * (double)weight.shape[1];
		}
	printf("%.0f %.0f\n", bytes, number);
}

static int serve(const char *model)
{
	char line[100];
	served.llama = llama_open(model);
	if (!served.llama)
		fail();
	served.rows = bench_values(llama_positions(served.llama) * llama_width(served.llama));
	served.logits = bench_values(SEQUENCES * llama_vocabulary(served.llama));
	for (int i = 0; i < SEQUENCES; i++)
		if (!(served.caches[i] = llama_cache_new(served.llama)))
			fail();
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = '\0';
		char *blank = strchr(line, ' ');
		int64_t count = 0;
		if (strcmp(line, "weights") == 0)
			print_weights();
		else if (blank && strncmp(line, "prefill ", 8) == 0 &&
		         number_whole(blank + 1, 1, (int64_t)llama_positions(served.llama), &count) == 0)
			printf("%.6f\n", prefill((size_t)count));
		else if (blank && strncmp(line, "decode ", 7) == 0 &&
		         number_whole(blank + 1, 1, SEQUENCES, &count) == 0)
			printf("%.6f\n", decode((size_t)count));
		else
			return 2;
		fflush(stdout);
	}
	for (int i = 0; i < SEQUENCES; i++)
		llama_cache_release(served.caches[i]);
	memory_release(served.rows);
	memory_release(served.logits);
	llama_close(served.llama);
	return 0;
}

/* --- programs ------------------------------------------------------------------------------------*/

static int run_program(char **command)
{
	extern char **environ;
	static char bytes[1 << 16];
	pid_t child;
	int status, ends[2];
	struct rusage usage;
	posix_spawn_file_actions_t actions;
	if (pipe2(ends, O_CLOEXEC) < 0 || posix_spawn_file_actions_init(&actions) != 0 ||
	    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO) != 0)
		return 2;
	double start = bench_clock(CLOCK_MONOTONIC), first = 0;
	if (posix_spawnp(&child, command[0], &actions, NULL, command, environ) != 0)
		return 2;
	close(ends[1]);
	while (read(ends[0], bytes, sizeof bytes) > 0)
		first = first > 0 ? first : bench_clock(CLOCK_MONOTONIC) - start;
	if (waitpid(child, &status, 0) != child || status != 0)
		return 2;
	double whole = bench_clock(CLOCK_MONOTONIC) - start;
	getrusage(RUSAGE_CHILDREN, &usage);
	printf("%.4f %ld %.4f\n", whole, usage.ru_maxrss >> 10, first > 0 ? first : whole);
	return 0;
}

static int usage(void)
{
	fprintf(stderr,
	    "usage: bench-model [--threads N] [--seconds S] products | blis PART COUNT | serve "
	    "MODEL | run PROGRAM...\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "threads", 1, NULL, 't' }, { "seconds", 1, NULL, 's' },
		{ 0 } };
	int64_t threads = threads_available(), count = 1;
	int letter, status = 0;
	while ((letter = getopt_long(argc, argv, "+", longs, NULL)) != -1)
		if ((letter == 't' && number_whole(optarg, 1, THREADS_MOST, &threads) < 0) ||
		    (letter == 's' && number_real(optarg, 0, 1000, &seconds) < 0) || letter == '?')
			return usage();
	argc -= optind;
	argv += optind;
	if (argc > 1 && strcmp(argv[0], "run") == 0)
		return run_program(argv + 1);
	if (product_start() < 0 || threads_start((int)threads) < 0)
		fail();
	if (argc == 1 && strcmp(argv[0], "products") == 0)
		bench_products();
	else if (argc == 3 && strcmp(argv[0], "blis") == 0 &&
	         number_whole(argv[2], 1, 4096, &count) == 0)
		bench_blis_part(argv[1], (size_t)count);
	else if (argc == 2 && strcmp(argv[0], "serve") == 0)
		status = serve(argv[1]);
	else
		status = usage();
	threads_stop();
	return status;
}
