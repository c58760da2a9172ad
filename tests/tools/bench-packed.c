/* bench-packed.c - linear layers with packed weights beside the f32 and bf16 ones, in one run:
 *     bench-packed [THREADS [SECONDS [ROWS]]]
 * For shapes of LLaMA-13B and of ViT-g and some numbers of rows (257: a picture): the least
 * milliseconds, GB/s of weights and Gop/s (2 per weight and row) for each type, and how much quicker
 * than f32 it is. Weights are 256 MiB of copies in rotation, so that they come from memory as in a
 * model.
 */
#include "base/dtype.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/packed.h"
#include "base/threads.h"
#include "num/linear.h"
#include "num/product.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TYPES = 5, RUNS_LEAST = 5 };
static const char types[TYPES] = { 'f', 'E', PACKED_BF16, PACKED_INT8, PACKED_INT4 };

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void *allocate(size_t size)
{
	void *memory = memory_allocate(size, 1);
	if (!memory)
		exit(2);
	return memory;
}

static uint32_t next(void)
{
	static uint32_t state = 5;
	state = state * 1664525u + 1013904223u;
	return state >> 8;
}

/* Weights of any values: bytes, with scales that are numbers. */
static size_t fill(char type, size_t out, size_t in, size_t *copies, void **weights)
{
	size_t blocks, block, size = out * in * dtype_size(type);
	if (packed_is(type) && packed_size(type, out, in, &blocks, &block))
		size = blocks * block;
	*copies = ((size_t)256 << 20) / size + 1;
	*weights = allocate(size * *copies);
	for (size_t i = 0; i < size * *copies; i++)
		((uint8_t *)*weights)[i] = (uint8_t)(i * 29 & 0x3f);
	return size;
}

/* The least time of a product of so many rows. */
static double time_type(char type, size_t rows, size_t out, size_t in, double seconds, size_t *size)
{
	size_t copies, runs = 0;
	double least = INFINITY;
	void *weights;
	*size = fill(type, out, in, &copies, &weights);
	float *x = allocate(rows * in * sizeof *x), *y = allocate(rows * out * sizeof *y);
	for (size_t i = 0; i < rows * in; i++)
		x[i] = (float)next() * 0x1p-23f - 1;
	for (double end = now() + seconds; now() < end || runs < RUNS_LEAST; runs++) {
		struct linear linear = { (char *)weights + runs % copies * *size, type, out, in, NULL };
		double start = now();
		if (linear_forward(&linear, x, 1, rows, y, LINEAR_STORE) < 0)
			exit(2);
		least = fmin(least, now() - start);
	}
	memory_release(weights);
	memory_release(x);
	memory_release(y);
	return least;
}

int main(int argc, char **argv)
{
	static const size_t shapes[][2] = { { 5120, 5120 }, { 13824, 5120 }, { 5120, 13824 },
		{ 4224, 1408 }, { 1408, 1408 }, { 6144, 1408 }, { 1408, 6144 } };
	static const size_t rows[] = { 1, 4, 16, 64, 512, 257, 2056 };
	enum { LANGUAGE = 3, LANGUAGE_ROWS = 5 }; /* so many of them are LLaMA's */
	int64_t threads = threads_available(), only = 0;
	double seconds = 0.5;
	if ((argc > 1 && number_whole(argv[1], 1, 64, &threads) < 0) ||
	    (argc > 2 && number_real(argv[2], 0, 100, &seconds) < 0) ||
	    (argc > 3 && number_whole(argv[3], 1, 1 << 20, &only) < 0) || product_start() < 0 ||
	    threads_start((int)threads) < 0)
		return 2;
	printf("%s, %d threads\n", product_version(), (int)threads);
	printf(
	    "%-18s %-9s %9s %8s %9s %8s\n", "rows x in x out", "type", "ms", "GB/s", "Gop/s", "of f32");
	for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
		for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
			double plain = 0;
			if (only > 0 ? rows[r] != (size_t)only : (s < LANGUAGE) != (r < LANGUAGE_ROWS))
				continue;
			for (int t = 0; t < TYPES; t++) {
				size_t out = shapes[s][0], in = shapes[s][1], size;
				double time = time_type(types[t], rows[r], out, in, seconds, &size);
				plain = t == 0 ? time : plain;
				char shape[40];
				snprintf(shape, sizeof shape, "%zux%zux%zu", rows[r], in, out);
				printf("%-18s %-9s %9.3f %8.1f %9.0f %8.2f\n", shape,
				    packed_is(types[t]) ? packed_layout(types[t]) : dtype_name(types[t]),
				    time * 1e3, (double)size / time * 1e-9,
				    2e-9 * (double)rows[r] * (double)in * (double)out / time, plain / time);
				fflush(stdout);
			}
		}
	threads_stop();
	return 0;
}
