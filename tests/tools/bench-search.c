/* bench-search.c - the scan of a search against what the machine can do: reading the same bytes with
 * the same threads, and f32 products of matrices by this project's kernel and by BLIS.
 *
 *     bench-search [--threads N] [--rows N] [--width N] [--dtype T] [--queries N]... [--dump PREFIX]
 *
 * One block of N rows (default 1000000 x 256, bf16) that begins in memory, so that neither the disk nor
 * the checksums of a file count. Runs take turns; times are the least of many; one thread is timed by
 * its CPU time. --dump writes rows and queries as f32 into PREFIX.rows and PREFIX.queries, and the
 * results to PREFIX.found: lines "query rank score row", for search-faiss.py.
 */
#define _GNU_SOURCE
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/threads.h"
#include "num/kernels.h"
#include "num/product.h"
#include "search/find.h"

#include <float.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { KEY_DIGITS = 9, CHUNK = 1 << 20, SIZES_MOST = 8, TURNS = 7, MATRIX = 1024 };

static struct {
	int64_t rows, width, threads, queries[SIZES_MOST];
	int sizes;
	char dtype;
	const char *dump;
} option = { .rows = 1000000, .width = 256, .dtype = 'E' };

static double now(void)
{
	struct timespec time;
	clock_gettime(threads_count() > 1 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

_Noreturn static void fail(void)
{
	fprintf(stderr, "bench-search: %s\n", error_text());
	exit(2);
}

static void *check(void *pointer)
{
	if (!pointer)
		fail();
	return pointer;
}

/* Vectors of length 1 with directions from a fixed sequence. */
static void fill(float *values, size_t width, uint64_t number)
{
	uint64_t state = number * 0x9E3779B97F4A7C15u + 1;
	for (size_t i = 0; i < width; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		values[i] = (float)(state >> 40) * 0x1p-23f - 1.0f;
	}
	scan_normalise(values, 1, width);
}

/* --- the block -----------------------------------------------------------------------------------*/

static struct bank_block block;

static void make_rows(void *context, size_t chunk, int worker)
{
	(void)worker;
	float *scratch = check(memory_allocate(block.width, sizeof *scratch));
	size_t first = chunk * 1000, row = block.width * dtype_size(block.dtype);
	for (size_t i = first; i < block.count && i < first + 1000; i++) {
		fill(scratch, block.width, i);
		dtype_from_f32(block.dtype, scratch, (char *)context + i * row, block.width);
	}
	memory_release(scratch);
}

static void make_block(void)
{
	size_t count = (size_t)option.rows, width = (size_t)option.width;
	char *keys = check(memory_allocate(count * (KEY_DIGITS + 1) + 1, 1));
	uint32_t *ends = check(memory_allocate(count, sizeof *ends));
	void *rows = check(memory_allocate(count * width * dtype_size(option.dtype), 1));
	for (size_t i = 0; i < count; i++) {
		size_t left = i;
		char *key = keys + i * (KEY_DIGITS + 1);
		key[KEY_DIGITS] = '\n';
		for (size_t digit = KEY_DIGITS; digit-- > 0; left /= 10)
			key[digit] = (char)('0' + left % 10);
		ends[i] = (uint32_t)(i * (KEY_DIGITS + 1) + KEY_DIGITS);
	}
	block = (struct bank_block){ .rows = rows,
		.dtype = option.dtype,
		.count = count,
		.vectors = 1,
		.width = width,
		.keys = keys,
		.key_ends = ends };
	threads_run((count + 999) / 1000, make_rows, rows);
}

/* --- what the machine can do ---------------------------------------------------------------------*/

static uint64_t sums[THREADS_MOST * 8];

/* A plain sum of words, four at a time. */
static void sum_chunk(void *context, size_t chunk, int worker)
{
	size_t bytes = block.count * block.width * dtype_size(block.dtype), first = chunk * CHUNK;
	size_t end = first + CHUNK < bytes ? first + CHUNK : bytes;
	const uint64_t *words = (const uint64_t *)context;
	uint64_t sum[32] = { 0 };
	for (size_t i = first / 8; i + 32 <= end / 8; i += 32)
		for (size_t lane = 0; lane < 32; lane++)
			sum[lane] += words[i + lane];
	for (size_t lane = 0; lane < 32; lane++)
		sums[worker * 8] += sum[lane];
}

static double time_reading(void)
{
	size_t bytes = block.count * block.width * dtype_size(block.dtype);
	double start = now();
	threads_run((bytes + CHUNK - 1) / CHUNK, sum_chunk, (void *)block.rows);
	return now() - start;
}

static float *matrices[THREADS_MOST][3];

/* C = A B of 64 x 1024 x 256 by the project's kernel, several times. */
static void multiply_chunk(void *context, size_t chunk, int worker)
{
	(void)context;
	(void)chunk;
	struct matrix_product product = { .m = 64,
		.n = MATRIX,
		.k = 256,
		.a = matrices[worker][0],
		.b = matrices[worker][1],
		.c = matrices[worker][2],
		.a_row = 256,
		.a_column = 1,
		.b_row = MATRIX,
		.c_row = MATRIX };
	for (int i = 0; i < 8; i++)
		kernels_get()->matrix(&product);
}

static double matrix_rate(void)
{
	size_t chunks = 16 * (size_t)threads_count();
	double start = now();
	threads_run(chunks, multiply_chunk, NULL);
	return 2.0 * 64 * MATRIX * 256 * 8 * (double)chunks / (now() - start);
}

static double blis_rate(void)
{
	struct product product = { 64, 16384, 256, matrices[0][0], matrices[0][1], matrices[0][2], 256,
		16384, 16384, false, false, false };
	double start = now();
	product_run_threads(&product, threads_count());
	return 2.0 * 64 * 16384 * 256 / (now() - start);
}

static void make_matrices(void)
{
	static const size_t sizes[3] = { 64 * 256, 16384 * 256, 16384 * 64 };
	for (int t = 0; t < threads_count(); t++)
		for (int i = 0; i < 3; i++) {
			matrices[t][i] = check(memory_allocate(sizes[i], sizeof(float)));
			fill(matrices[t][i], sizes[i], (uint64_t)i);
		}
}

/* --- the search ----------------------------------------------------------------------------------*/

struct searched {
	struct find_rules rules;
	struct scan_queries queries;
	struct best *best; /* [workers][queries] */
};

static float least(void *context, size_t query, int worker)
{
	struct searched *searched = context;
	return searched->best[(size_t)worker * searched->queries.count + query].least;
}

static int take(void *context, size_t query, const struct bank_block *from, size_t item,
    float score, int worker)
{
	struct searched *searched = context;
	size_t size;
	const char *key = bank_key(from, item, &size);
	struct digest none = bank_source(from, item);
	return best_offer(&searched->best[(size_t)worker * searched->queries.count + query], score,
	    item, key, size, &none);
}

static double time_search(struct searched *searched)
{
	struct scan_sink sink = { searched, least, take };
	size_t count = searched->queries.count, workers = (size_t)threads_count();
	double start = now();
	for (size_t i = 0; i < workers * count; i++)
		best_clear(&searched->best[i]);
	if (scan_blocks(&searched->rules.scan, &searched->queries, &block, 1, 0, &sink))
		fail();
	for (size_t q = 0; q < count; q++) {
		for (size_t w = 1; w < workers; w++)
			if (best_merge(&searched->best[q], &searched->best[w * count + q]))
				fail();
		best_sort(&searched->best[q]);
	}
	return now() - start;
}

static void dump(const struct searched *searched)
{
	char name[4096];
	const char *const parts[] = { "rows", "queries", "found" };
	for (int p = 0; p < 3; p++) {
		snprintf(name, sizeof name, "%s.%s", option.dump, parts[p]);
		FILE *file = fopen(name, "w");
		float *row = check(memory_allocate(block.width, sizeof *row));
		if (!file) {
			perror(name);
			exit(2);
		}
		for (size_t i = 0; p == 0 && i < block.count; i++) {
			dtype_to_f32(block.dtype,
			    (const char *)block.rows + i * block.width * dtype_size(block.dtype), row,
			    block.width);
			fwrite(row, sizeof *row, block.width, file);
		}
		if (p == 1)
			fwrite(searched->queries.values, sizeof(float), searched->queries.count * block.width,
			    file);
		for (size_t q = 0; p == 2 && q < searched->queries.count; q++)
			for (size_t i = 0; i < searched->best[q].count; i++)
				fprintf(file, "%zu %zu %.9g %llu\n", q, i,
				    (double)searched->best[q].entries[i].score,
				    (unsigned long long)searched->best[q].entries[i].item);
		memory_release(row);
		if (fclose(file)) {
			perror(name);
			exit(2);
		}
	}
}

static void bench(size_t count)
{
	struct searched searched = { .queries = {
		                             .count = count, .vectors = 1, .width = block.width } };
	size_t bests = count * (size_t)threads_count();
	double reading = 1e9, ours = 1e9, matrix = 0, blis = 0;
	searched.queries.values = check(memory_allocate(count * block.width, sizeof(float)));
	searched.best = check(memory_allocate(bests, sizeof *searched.best));
	for (size_t i = 0; i < bests; i++)
		best_begin(&searched.best[i], 10, -FLT_MAX, BEST_ALL);
	for (size_t q = 0; q < count; q++)
		fill(searched.queries.values + q * block.width, block.width, 1u << 31 | q);
	for (int turn = 0; turn < TURNS; turn++) {
		double read = time_reading(), one = matrix_rate(), other = blis_rate();
		double search = time_search(&searched);
		reading = read < reading ? read : reading;
		matrix = one > matrix ? one : matrix;
		blis = other > blis ? other : blis;
		ours = search < ours ? search : ours;
	}
	double bytes = (double)(block.count * block.width * dtype_size(block.dtype));
	double work = 2.0 * (double)count * (double)block.count * (double)block.width;
	printf("%3zu queries: %7.2f ms; %5.1f GB/s, %.2f of plain reading (%.1f GB/s); %6.1f GFLOP/s, "
	       "%.2f "
	       "of the matrix kernel (%.1f), %.2f of BLIS (%.1f)\n",
	    count, 1e3 * ours, 1e-9 * bytes / ours, reading / ours, 1e-9 * bytes / reading,
	    1e-9 * work / ours, work / ours / matrix, 1e-9 * matrix, work / ours / blis, 1e-9 * blis);
	if (option.dump)
		dump(&searched);
	for (size_t i = 0; i < bests; i++)
		best_release(&searched.best[i]);
	memory_release(searched.best);
	memory_release(searched.queries.values);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = { { "threads", 1, NULL, 't' }, { "rows", 1, NULL, 'r' },
		{ "width", 1, NULL, 'w' }, { "dtype", 1, NULL, 'd' }, { "queries", 1, NULL, 'q' },
		{ "dump", 1, NULL, 'o' }, { 0 } };
	int letter, status = 0;
	option.threads = threads_available();
	while ((letter = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (letter == 't')
			status |= number_whole(optarg, 1, THREADS_MOST, &option.threads);
		else if (letter == 'r')
			status |= number_whole(optarg, 1, 400000000, &option.rows);
		else if (letter == 'w')
			status |= number_whole(optarg, 1, 1 << 16, &option.width);
		else if (letter == 'd')
			option.dtype = dtype_from_name(optarg);
		else if (letter == 'o')
			option.dump = optarg;
		else if (letter == 'q' && option.sizes < SIZES_MOST)
			status |= number_whole(optarg, 1, 1 << 16, &option.queries[option.sizes++]);
		else
			exit(2);
	}
	if (status || !strchr("fEe", option.dtype) || !option.dtype)
		fail();
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	if (product_start() < 0 || threads_start((int)option.threads) < 0)
		fail();
	make_block();
	make_matrices();
	printf("%lld x %lld %s, %d threads\n", (long long)option.rows, (long long)option.width,
	    dtype_name(option.dtype), threads_count());
	for (int i = 0; i < option.sizes; i++)
		bench((size_t)option.queries[i]);
	if (option.sizes == 0) {
		bench(1);
		bench(64);
	}
	return 0;
}
