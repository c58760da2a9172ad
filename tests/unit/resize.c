/* resize.c - unit tests of image/resize: against a plain rewrite of the rule, corner cases, and that
 * every CPU level, which has a process of its own, gives the bytes of the portable code.
 */
#include "base/cpu.h"
#include "base/hash.h"
#include "base/memory.h"
#include "image/picture.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static double cubic(double x)
{
	x = fabs(x);
	if (x < 1)
		return (1.5 * x - 2.5) * x * x + 1;
	return x < 2 ? (((x - 5) * x + 8) * x - 4) * -0.5 : 0;
}

/* One pass over a line of count pixels with the given distance, the rule of spec 3.1 word by word. */
static void pass(
    const uint8_t *line, size_t in, size_t step, uint8_t *to, size_t out, size_t to_step)
{
	double scale = (double)in / (double)out, wide = scale > 1 ? scale : 1;
	for (size_t x = 0; x < out; x++) {
		double centre = ((double)x + 0.5) * scale, sum = 0;
		long first = (long)(centre - 2 * wide + 0.5), end = (long)(centre + 2 * wide + 0.5);
		first = first < 0 ? 0 : first;
		end = end > (long)in ? (long)in : end;
		for (long i = first; i < end; i++)
			sum += cubic(((double)i - centre + 0.5) * (1 / wide));
		int64_t total = 1 << 21;
		for (long i = first; i < end; i++) {
			double weight = cubic(((double)i - centre + 0.5) * (1 / wide)) / sum * (1 << 22);
			total += line[(size_t)i * step] * (int64_t)(weight + (weight < 0 ? -0.5 : 0.5));
		}
		total >>= 22;
		to[x * to_step] = (uint8_t)(total < 0 ? 0 : total > 255 ? 255 : total);
	}
}

/* A picture of noise with many overshoots. */
static struct picture noise(uint32_t width, uint32_t height)
{
	struct picture picture = { width, height, memory_allocate((size_t)width * height, 3) };
	uint32_t state = 1;
	if (!picture.pixels)
		abort();
	for (size_t i = 0; i < (size_t)width * height * 3; i++) {
		state = state * 1664525u + 1013904223u;
		picture.pixels[i] = state >> 31 ? 255 : (uint8_t)(state >> 24);
	}
	return picture;
}

static bool agrees(uint32_t in_w, uint32_t in_h, uint32_t out_w, uint32_t out_h)
{
	struct picture source = noise(in_w, in_h), target;
	uint8_t *between = memory_allocate((size_t)out_w * in_h, 3);
	uint8_t *wanted = memory_allocate((size_t)out_w * out_h, 3);
	if (!between || !wanted)
		abort();
	for (size_t y = 0; y < in_h; y++)
		for (size_t c = 0; c < 3; c++)
			pass(source.pixels + y * in_w * 3 + c, in_w, 3, between + y * out_w * 3 + c, out_w, 3);
	for (size_t x = 0; x < (size_t)out_w * 3; x++)
		pass(between + x, in_h, (size_t)out_w * 3, wanted + x, out_h, (size_t)out_w * 3);
	bool same = picture_resample(&source, out_w, out_h, PICTURE_BICUBIC, &target) == 0 &&
	            target.width == out_w && target.height == out_h &&
	            memcmp(target.pixels, wanted, (size_t)out_w * out_h * 3) == 0;
	picture_clear(&source);
	picture_clear(&target);
	memory_release(between);
	memory_release(wanted);
	return same;
}

/* Widths and heights around what vectors and turned blocks hold, up and down, in and out. */
static const uint32_t sides[] = { 1, 2, 15, 16, 17, 63, 64, 65, 131 };
static const uint32_t targets[] = { 1, 5, 16, 21, 22, 64, 97 };
enum { SIDES = sizeof sides / sizeof *sides, TARGETS = sizeof targets / sizeof *targets };
enum { CASES = SIDES * TARGETS * 4 + 1 };

static struct digest resampled(
    const struct picture *source, uint32_t width, uint32_t height, enum picture_filter filter)
{
	struct picture target;
	if (picture_resample(source, width, height, filter, &target) < 0)
		_exit(2);
	struct digest digest = digest_of(target.pixels, (size_t)width * height * 3);
	picture_clear(&target);
	return digest;
}

/* A child's whole life: digests of all cases to descriptor; status 3 if this CPU has not the
 * level. */
static void child(const char *level, int descriptor)
{
	static struct digest digests[CASES];
	size_t count = 0;
	setenv("ZV_CPU", level, 1);
	if (cpu_start() < 0)
		_exit(3);
	for (size_t i = 0; i < SIDES; i++) {
		struct picture source = noise(sides[i], sides[SIDES - 1 - i] + 3);
		for (size_t j = 0; j < TARGETS; j++)
			for (int filter = PICTURE_BICUBIC; filter <= PICTURE_BOX; filter++)
				digests[count++] = resampled(
				    &source, targets[j], targets[(j + 3) % TARGETS], (enum picture_filter)filter);
		picture_clear(&source);
	}
	struct picture wide = noise(20011, 67); /* sums of thousands of weights */
	digests[count] = resampled(&wide, 3, 2, PICTURE_LANCZOS);
	picture_clear(&wide);
	_exit(write(descriptor, digests, sizeof digests) == (ssize_t)sizeof digests ? 0 : 2);
}

/* The child's status. */
static int digests_of(const char *level, struct digest digests[CASES])
{
	int ends[2], status;
	fflush(NULL);
	if (pipe(ends) < 0)
		exit(2);
	pid_t process = fork();
	if (process == 0)
		child(level, ends[1]);
	close(ends[1]);
	char *at = (char *)digests;
	size_t left = CASES * sizeof *digests;
	for (ssize_t got; left > 0 && (got = read(ends[0], at, left)) > 0; at += got)
		left -= (size_t)got;
	close(ends[0]);
	if (process < 0 || waitpid(process, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

static void test_levels(void)
{
	static struct digest portable[CASES], vectors[CASES];
	TAP_OK(digests_of("ref", portable) == 0, "portable resizing runs");
	for (int i = 0; i < 2; i++) {
		const char *level = i ? "avx512" : "avx2";
		int status = digests_of(level, vectors);
		if (status == 3)
			tap_skip(level, "this CPU has it not");
		else
			TAP_OK(status == 0 && memcmp(portable, vectors, sizeof portable) == 0,
			    "%s: %d resizings have the bytes of the portable ones", level, (int)CASES);
	}
}

int main(void)
{
	test_levels();
	if (cpu_start() < 0) /* from here on the level of this CPU, or ZV_CPU's */
		return 2;
	static const uint32_t sizes[][4] = { { 1, 1, 1, 1 }, { 1, 1, 7, 5 }, { 7, 5, 1, 1 },
		{ 640, 480, 224, 224 }, { 33, 47, 224, 224 }, { 224, 224, 224, 224 }, { 224, 100, 224, 56 },
		{ 100, 224, 56, 224 }, { 1000, 3, 14, 14 }, { 3, 1000, 14, 14 }, { 9, 9, 8, 10 } };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		TAP_OK(agrees(sizes[i][0], sizes[i][1], sizes[i][2], sizes[i][3]),
		    "%u x %u to %u x %u as the rule says", (unsigned)sizes[i][0], (unsigned)sizes[i][1],
		    (unsigned)sizes[i][2], (unsigned)sizes[i][3]);
	TAP_OK(agrees(40000, 2, 3, 2), "a window of tens of thousands of pixels");

	struct picture source = { 2, 2, memory_allocate_zero(4, 3) }, target;
	TAP_OK(picture_resample(&source, 0, 5, PICTURE_BICUBIC, &target) < 0 && !target.pixels,
	    "a width of 0 is refused");
	TAP_OK(picture_resample(&source, 5, 70000, PICTURE_BICUBIC, &target) < 0,
	    "a height of 70000 is refused");
	source.pixels[0] = 255;
	TAP_OK(picture_resample(&source, 1, 1, PICTURE_BOX, &target) == 0 && target.pixels[0] == 64 &&
	           target.pixels[1] == 0,
	    "box takes the mean: 255 / 4 is 64");
	picture_clear(&target);
	picture_clear(&source);
	return tap_finish();
}
