/* resize.c - unit tests of image/resize: against a plain rewrite of the rule, and corner cases. */
#include "base/memory.h"
#include "image/picture.h"
#include "tap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

static bool agrees(uint32_t in_w, uint32_t in_h, uint32_t out_w, uint32_t out_h)
{
	struct picture source = { in_w, in_h, memory_allocate((size_t)in_w * in_h, 3) }, target;
	uint8_t *between = memory_allocate((size_t)out_w * in_h, 3);
	uint8_t *wanted = memory_allocate((size_t)out_w * out_h, 3);
	if (!source.pixels || !between || !wanted)
		abort();
	uint32_t state = 1;
	for (size_t i = 0; i < (size_t)in_w * in_h * 3; i++) {
		state = state * 1664525u + 1013904223u;
		source.pixels[i] = state >> 31 ? 255 : (uint8_t)(state >> 24); /* many overshoots */
	}
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

int main(void)
{
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
