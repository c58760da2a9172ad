/* resize.c - Pillow's resampler for 8-bit pixels, bit for bit (src/libImaging/Resample.c; spec
 * 3.1): weights in double, rounded to 22 fraction bits, a horizontal and a vertical pass, each
 * rounded and clipped to 8 bits.
 *
 * Both passes are the same inner product over contiguous 16-bit pixels. A weight of 24 bits is
 * split into high * 2^11 + low, so that each half is a 16-bit factor and the compiler can use the
 * multiply-and-add-pairs instruction; the sum is the same integer. The picture between the passes
 * is kept by columns, so that the vertical pass is contiguous too. Where the CPU has wide vectors
 * resize_rows.c does the same sums in another order.
 */
#include "image/resize.h"
#include "image/picture.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

enum {
	FRACTION_BITS = RESIZE_FRACTION_BITS,
	LOW_BITS = RESIZE_LOW_BITS,
	BLOCK = 8,            /* taps; windows are padded to whole blocks with zero weights */
	BLOCKS_AT_ONCE = 256, /* 2048 taps of 255 * 1024 each fit in 32 bits */
};

static const double pi = 3.14159265358979323846;

static double cubic(double x)
{
	const double a = -0.5;
	x = fabs(x);
	if (x < 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	if (x < 2)
		return (((x - 5) * x + 8) * x - 4) * a;
	return 0;
}

static double triangle(double x)
{
	x = fabs(x);
	return x < 1 ? 1 - x : 0;
}

static double sinc(double x)
{
	return x == 0 ? 1 : sin(x * pi) / (x * pi);
}

static double lanczos(double x)
{
	return x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0;
}

static double box(double x)
{
	return x > -0.5 && x <= 0.5 ? 1 : 0;
}

static const struct {
	double (*kernel)(double x);
	double support;
} filters[] = {
	[PICTURE_BICUBIC] = { cubic, 2 },
	[PICTURE_BILINEAR] = { triangle, 1 },
	[PICTURE_LANCZOS] = { lanczos, 3 },
	[PICTURE_BOX] = { box, 0.5 },
};

static void axis_clear(struct resize_axis *axis)
{
	memory_release(axis->first);
	memory_release(axis->high);
	memory_release(axis->low);
}

static void set_weights(
    struct resize_axis *axis, uint32_t position, enum picture_filter filter, double *weights)
{
	double scale = (double)axis->in / axis->out;
	double filter_scale = scale < 1 ? 1 : scale;
	double support = filters[filter].support * filter_scale;
	double centre = (position + 0.5) * scale, sum = 0, inverse = 1 / filter_scale;
	int first = (int)(centre - support + 0.5), end = (int)(centre + support + 0.5);
	first = first < 0 ? 0 : first;
	end = end > (int)axis->in ? (int)axis->in : end;
	for (int i = first; i < end; i++) {
		weights[i - first] = filters[filter].kernel((i - centre + 0.5) * inverse);
		sum += weights[i - first];
	}
	axis->first[position] = (uint32_t)first;
	for (int i = 0; i < end - first; i++) {
		double weight = sum != 0 ? weights[i] / sum : weights[i];
		int whole = (int)(weight * (1 << FRACTION_BITS) + (weight < 0 ? -0.5 : 0.5));
		/* the low half is balanced, -1024..1023, so that its sums stay small */
		int high = (whole + (1 << (LOW_BITS - 1))) >> LOW_BITS;
		size_t at = position * axis->padded + (size_t)i;
		axis->high[at] = (int16_t)high;
		axis->low[at] = (int16_t)(whole - high * (1 << LOW_BITS));
	}
}

static int axis_make(
    struct resize_axis *axis, uint32_t in, uint32_t out, enum picture_filter filter)
{
	double scale = (double)in / out;
	double support = filters[filter].support * (scale < 1 ? 1 : scale);
	size_t taps = (size_t)ceil(support) * 2 + 1, count;
	*axis = (struct resize_axis){ .in = in, .out = out, .taps = taps + (taps & 1) };
	if (!checked_round_up(taps, BLOCK, &axis->padded) ||
	    !checked_multiply(axis->padded, out, &count))
		return error_memory(SIZE_MAX);
	double *weights = memory_allocate(taps, sizeof *weights);
	axis->first = memory_allocate(out, sizeof *axis->first);
	axis->high = memory_allocate_zero(count, sizeof *axis->high);
	axis->low = memory_allocate_zero(count, sizeof *axis->low);
	int result = -1;
	if (weights && axis->first && axis->high && axis->low) {
		for (uint32_t i = 0; i < out; i++)
			set_weights(axis, i, filter, weights);
		result = 0;
	}
	memory_release(weights);
	if (result < 0)
		axis_clear(axis);
	return result;
}

/* The filtered pixel: sum of pixels * weights, rounded, clipped. The sum modulo 2^32 is exact,
 * because the true one fits. */
static uint8_t filtered(const int16_t *pixels, const int16_t *high, const int16_t *low, size_t taps)
{
	uint32_t total = 1u << (FRACTION_BITS - 1);
	for (size_t start = 0; start < taps; start += BLOCKS_AT_ONCE * BLOCK) {
		size_t left = taps - start;
		size_t count = left < BLOCKS_AT_ONCE * BLOCK ? left : BLOCKS_AT_ONCE * BLOCK;
		count &= ~(size_t)(BLOCK - 1); /* as taps are; tells the compiler that no rest is left */
		int32_t high_sum = 0, low_sum = 0;
		for (size_t i = 0; i < count; i++) {
			high_sum += pixels[start + i] * high[start + i];
			low_sum += pixels[start + i] * low[start + i];
		}
		total += ((uint32_t)high_sum << LOW_BITS) + (uint32_t)low_sum;
	}
	int32_t value = (int32_t)total >> FRACTION_BITS;
	return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* Horizontal pass: source rows to columns [3][width][stride] of 16-bit pixels. rows: scratch,
 * 3 planes of plane elements, zero behind the width. */
static void pass_across(const struct picture *source, const struct resize_axis *axis, int16_t *rows,
    size_t plane, int16_t *columns, size_t stride)
{
	for (uint32_t y = 0; y < source->height; y++) {
		const uint8_t *pixels = source->pixels + (size_t)y * source->width * 3;
		int16_t *red = rows, *green = rows + plane, *blue = rows + 2 * plane;
		for (uint32_t x = 0; x < source->width; x++) {
			red[x] = pixels[3 * x];
			green[x] = pixels[3 * x + 1];
			blue[x] = pixels[3 * x + 2];
		}
		for (uint32_t x = 0; x < axis->out; x++) {
			const int16_t *high = axis->high + x * axis->padded;
			const int16_t *low = axis->low + x * axis->padded;
			for (size_t c = 0; c < 3; c++)
				columns[(c * axis->out + x) * stride + y] =
				    filtered(rows + c * plane + axis->first[x], high, low, axis->padded);
		}
	}
}

/* Vertical pass: columns to the target's rows. */
static void pass_down(
    const int16_t *columns, size_t stride, const struct resize_axis *axis, struct picture *target)
{
	size_t width = target->width;
	for (size_t c = 0; c < 3; c++)
		for (size_t x = 0; x < width; x++) {
			const int16_t *column = columns + (c * width + x) * stride;
			for (uint32_t y = 0; y < axis->out; y++)
				target->pixels[(y * width + x) * 3 + c] = filtered(column + axis->first[y],
				    axis->high + y * axis->padded, axis->low + y * axis->padded, axis->padded);
		}
}

/* The portable way. 0, or -1: memory. */
static int resize_by_pixels(const struct picture *source, const struct resize_axis *across,
    const struct resize_axis *down, struct picture *target)
{
	/* windows are read to their padded end: zeros, or pixels that meet zero weights */
	size_t plane = source->width + across->padded, stride = source->height + down->padded;
	size_t count;
	if (!checked_multiply(stride, (size_t)across->out * 3, &count))
		return error_memory(SIZE_MAX);
	int16_t *rows = memory_allocate_zero(plane * 3, sizeof *rows);
	int16_t *columns = memory_allocate_zero(count, sizeof *columns);
	int result = rows && columns ? 0 : -1;
	if (result == 0) {
		pass_across(source, across, rows, plane, columns, stride);
		pass_down(columns, stride, down, target);
	}
	memory_release(rows);
	memory_release(columns);
	return result;
}

static int resample_axes(const struct picture *source, const struct resize_axis *across,
    const struct resize_axis *down, struct picture *target)
{
	const struct resize_kernels *kernels = resize_kernels_get();
	if (kernels)
		return resize_by_rows(kernels, source, across, down, target);
	return resize_by_pixels(source, across, down, target);
}

static int resample(
    const struct picture *source, enum picture_filter filter, struct picture *target)
{
	struct resize_axis across, down;
	if (axis_make(&across, source->width, target->width, filter) < 0)
		return -1;
	if (axis_make(&down, source->height, target->height, filter) < 0) {
		axis_clear(&across);
		return -1;
	}
	int result = resample_axes(source, &across, &down, target);
	axis_clear(&across);
	axis_clear(&down);
	return result;
}

int picture_resample(const struct picture *source, uint32_t width, uint32_t height,
    enum picture_filter filter, struct picture *target)
{
	*target = (struct picture){ 0 };
	if (source->width == 0 || source->height == 0 || width == 0 || height == 0 ||
	    width > PICTURE_SIDE_MOST || height > PICTURE_SIDE_MOST)
		return error_input("cannot resize %u x %u pixels to %u x %u", (unsigned)source->width,
		    (unsigned)source->height, (unsigned)width, (unsigned)height);
	size_t size = (size_t)width * height * 3;
	*target = (struct picture){ width, height, memory_allocate(size, 1) };
	int result = target->pixels ? 0 : -1;
	/* at its own size each window has one weight, 1 */
	if (result == 0 && source->width == width && source->height == height)
		memcpy(target->pixels, source->pixels, size);
	else if (result == 0)
		result = resample(source, filter, target);
	if (result < 0)
		picture_clear(target);
	return result;
}
