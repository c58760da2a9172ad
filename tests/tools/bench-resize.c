/* bench-resize - resizing with this CPU's vectors (or ZV_CPU's) against the portable code, by CPU
 * time in one process: the best of several runs each. usage: bench-resize
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cpu.h"
#include "base/error.h"
#include "base/memory.h"
#include "image/picture.h"

enum { RUNS = 7 };

/* Width of a 4:3 picture, and the side of the square that it becomes. */
static const uint32_t sizes[][2] = { { 112, 224 }, { 224, 112 }, { 320, 224 }, { 640, 224 },
	{ 1024, 224 }, { 2000, 224 }, { 4000, 224 }, { 640, 490 } };
enum { SIZES = sizeof sizes / sizeof *sizes };

static double seconds(void)
{
	struct timespec time;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double best_of(const struct picture *picture, uint32_t side)
{
	double best = 1e9;
	for (int run = 0; run < RUNS; run++) {
		struct picture target;
		double start = seconds();
		if (picture_resample(picture, side, side, PICTURE_BICUBIC, &target) < 0)
			exit(2);
		double took = seconds() - start;
		best = took < best ? took : best;
		picture_clear(&target);
	}
	return best;
}

int main(void)
{
	struct picture pictures[SIZES];
	double portable[SIZES];
	uint32_t state = 1;
	for (size_t i = 0; i < SIZES; i++) {
		uint32_t width = sizes[i][0], height = width * 3 / 4;
		pictures[i] = (struct picture){ width, height, memory_allocate((size_t)width * height, 3) };
		if (!pictures[i].pixels)
			return 2;
		for (size_t p = 0; p < (size_t)width * height * 3; p++)
			pictures[i].pixels[p] = (uint8_t)((state = state * 1664525u + 1013904223u) >> 24);
		portable[i] = best_of(&pictures[i], sizes[i][1]);
	}
	if (cpu_start() < 0) {
		fprintf(stderr, "bench-resize: %s\n", error_text());
		return 2;
	}
	for (size_t i = 0; i < SIZES; i++) {
		double vectors = best_of(&pictures[i], sizes[i][1]);
		printf("%ux%u -> %ux%u: portable %.3f ms, %s %.3f ms, %.1f times as fast\n",
		    (unsigned)pictures[i].width, (unsigned)pictures[i].height, (unsigned)sizes[i][1],
		    (unsigned)sizes[i][1], portable[i] * 1e3, cpu_level_name(cpu_level()), vectors * 1e3,
		    portable[i] / vectors);
		picture_clear(&pictures[i]);
	}
	return 0;
}
