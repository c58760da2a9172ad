/* picture.c - unit tests of image/picture: PNM variants, transparency, orientation, limits, and
 * damage at every place of small files of all formats.
 */
#include "base/error.h"
#include "base/memory.h"
#include "image/decoder.h"
#include "image/picture.h"
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct picture_options options;

/* Does text (size bytes) decode to these width x height pixels? */
static bool decodes_to(
    const char *text, size_t size, uint32_t width, uint32_t height, const uint8_t *pixels)
{
	struct picture picture;
	if (picture_decode((const uint8_t *)text, size, &options, &picture, NULL) < 0)
		return false;
	bool same = picture.width == width && picture.height == height &&
	            memcmp(picture.pixels, pixels, (size_t)width * height * 3) == 0;
	picture_clear(&picture);
	return same;
}

static bool refused(const char *text, size_t size, const char *reason)
{
	struct picture picture;
	if (picture_decode((const uint8_t *)text, size, &options, &picture, NULL) == 0) {
		picture_clear(&picture);
		return false;
	}
	if (strstr(error_text(), reason) && error_kind() == ERROR_INPUT && !picture.pixels)
		return true;
	printf("# said: %s\n", error_text());
	return false;
}

#define TEXT(literal) literal, sizeof(literal) - 1

static void test_pnm(void)
{
	static const uint8_t bits[] = { 0, 0, 0, 255, 255, 255 };
	TAP_OK(decodes_to(TEXT("P1 2 1 10"), 2, 1, bits), "P1, digits without space");
	TAP_OK(decodes_to(TEXT("P4\n2 1\n\x80"), 2, 1, bits), "P4");
	TAP_OK(decodes_to(TEXT("P2\n#a comment\n2 1#another\n3\n0 3\n"), 2, 1, bits),
	    "P2 with comments, maxval 3");
	TAP_OK(decodes_to(TEXT("P5 2 1 255\n\0\xff"), 2, 1, bits), "P5");
	TAP_OK(decodes_to(TEXT("P6 2 1 255\n\0\0\0\xff\xff\xff"), 2, 1, bits), "P6");
	TAP_OK(decodes_to(TEXT("P3 2 1 255 0 0 0 255 255 255"), 2, 1, bits), "P3");
	TAP_OK(decodes_to(TEXT("P6 2 1 65535\n\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff"), 2, 1, bits),
	    "P6 of 16 bits is scaled");
	static const uint8_t scaled[] = { 128, 64, 191 };
	TAP_OK(decodes_to(TEXT("P3 1 1 4 2 1 3"), 1, 1, scaled),
	    "127.5, 63.75 and 191.25 are rounded, halves to even");
	TAP_OK(refused(TEXT("P5 2 1 255\n\0"), "truncated PNM"), "a byte is missing");
	TAP_OK(refused(TEXT("P5 0 1 255\n"), "without pixels"), "no pixels");
	TAP_OK(refused(TEXT("P5 2 1 0\n\0\0"), "largest value"), "maxval 0");
	TAP_OK(refused(TEXT("P2 1 1 4 5"), "sample 0"), "a value above maxval");
	TAP_OK(refused(TEXT("P5 70000 1 255\n"), "width and height"), "a side of 70000");
	TAP_OK(refused(TEXT("P5 65535 65535 255\n"), "more than the limit"), "too many pixels");
	TAP_OK(refused(TEXT("P5 8000 8000 255\n"), "too few"), "18 bytes for 64 million pixels");
	TAP_OK(
	    decodes_to(TEXT("P5 2 1 255# comment\n\0\xff"), 2, 1, bits), "a comment at the last place");
	TAP_OK(refused(TEXT("P5 1 1 255"), "truncated PNM"), "the header alone");
	TAP_OK(refused(TEXT("P5 1 1 255x"), "no white space"), "a letter before the raster");
	TAP_OK(refused(TEXT("P1 1 1 7"), "sample 0"), "a bit of 7");
	TAP_OK(refused(TEXT("P2 2 1 9 1 "), "truncated PNM"), "a plain sample is missing");
	TAP_OK(refused(TEXT("P4 9 1\n\0"), "truncated PNM"), "half a row of bits");
	TAP_OK(refused(TEXT(""), "empty file"), "nothing");
	TAP_OK(refused(TEXT("hello, world"), "not a picture"), "text");
}

static void test_wide_grey(void)
{
	struct picture picture;
	const char *warning;
	static const char wide[] = "P5 2 1 65535\n\0\x07\x12\x34";
	TAP_OK(
	    picture_decode((const uint8_t *)wide, sizeof wide - 1, &options, &picture, &warning) == 0 &&
	        picture.pixels[0] == 7 && picture.pixels[3] == 255 && warning,
	    "16-bit grey is clipped, with a warning");
	picture_clear(&picture);
	options.strict = true;
	TAP_OK(refused(TEXT("P5 2 1 65535\n\0\x07\x12\x34"), "16-bit grey"), "strict: refused");
	options.strict = false;
}

/* Which corner of the stored 3 x 2 picture comes to the upper left, by orientation. */
static void test_turns(void)
{
	static const char corner[9] = { 0, 0, 2, 5, 3, 0, 3, 5, 2 };
	static const char right[9] = { 0, 1, 1, 4, 4, 3, 0, 2, 5 }; /* and what is right of it */
	for (int orientation = 0; orientation <= 9; orientation++) {
		struct picture picture = { 3, 2, memory_allocate(6, 3) };
		if (!picture.pixels)
			abort();
		for (int i = 0; i < 18; i++)
			picture.pixels[i] = (uint8_t)(i / 3);
		int turned = orientation > 8 ? 1 : orientation;
		bool across = turned >= 5;
		TAP_OK(picture_turn(&picture, orientation) == 0 && picture.width == (across ? 2 : 3) &&
		           picture.height == (across ? 3 : 2) && picture.pixels[0] == corner[turned] &&
		           (turned == 0 || picture.pixels[3] == right[turned]),
		    "orientation %d", orientation);
		picture_clear(&picture);
	}
	struct picture large = { 100, 70, memory_allocate(7000, 3) };
	uint8_t *copy = memory_allocate(7000, 3);
	if (!large.pixels || !copy)
		abort();
	for (int i = 0; i < 21000; i++)
		copy[i] = large.pixels[i] = (uint8_t)(i * 7 + i / 256);
	TAP_OK(picture_turn(&large, 6) == 0 && picture_turn(&large, 8) == 0 &&
	           picture_turn(&large, 7) == 0 && picture_turn(&large, 7) == 0 &&
	           memcmp(large.pixels, copy, 21000) == 0,
	    "turns of a picture of many tiles undo each other");
	picture_clear(&large);
	memory_release(copy);
}

static void test_flatten(void)
{
	static const uint8_t rgba[8] = { 10, 20, 30, 0, 200, 100, 50, 128 };
	uint8_t rgb[6];
	picture_flatten(&options, rgba, rgb, 2);
	TAP_OK(rgb[0] == 10 && rgb[3] == 200 && rgb[5] == 50, "alpha is dropped");
	struct picture_options blended = options;
	blended.blend = true;
	blended.background[0] = 255;
	picture_flatten(&blended, rgba, rgb, 2);
	TAP_OK(rgb[0] == 255 && rgb[1] == 0 && rgb[3] == 227 && rgb[4] == 50, "alpha is blended");
}

static void test_normalise(void)
{
	static uint8_t pixels[6] = { 0, 127, 255, 255, 0, 1 };
	const float mean[3] = { 0.5f, 0.25f, 0 }, std[3] = { 0.5f, 0.25f, 1 };
	float planes[6];
	picture_normalise(&(struct picture){ 2, 1, pixels }, mean, std, planes);
	TAP_OK(planes[0] == -1 && planes[1] == 1 && planes[3] == -1 && planes[4] == 1 &&
	           fabsf(planes[2] - (127.0f / 255 - 0.25f) * 4) < 1e-6f,
	    "planes of (value / 255 - mean) / std");
}

static uint8_t *read_file(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	uint8_t *bytes = malloc(1 << 20);
	if (!file || !bytes)
		abort();
	*size = fread(bytes, 1, 1 << 20, file);
	fclose(file);
	return bytes;
}

/* Every cut of a file must be refused, or whole with a warning; no flipped byte may crash. */
static void test_damage(const char *name, const char *format)
{
	const char *path = tap_shared(name);
	if (!path) {
		tap_skip(name, "no reference data");
		return;
	}
	size_t size, wrong = 0;
	uint8_t *bytes = read_file(path, &size);
	struct picture picture;
	const char *warning;
	for (size_t cut = 0; cut < size; cut += cut < 200 ? 1 : 37) {
		uint8_t *exact = malloc(cut ? cut : 1);
		if (!exact)
			abort();
		memcpy(exact, bytes, cut);
		if (picture_decode(exact, cut, &options, &picture, &warning) == 0) {
			wrong += warning == NULL;
			picture_clear(&picture);
		}
		free(exact);
	}
	TAP_OK(wrong == 0, "%s: no cut passes without a word (%zu did)", format, wrong);
	for (size_t at = 0; at < size; at += at < 600 ? 1 : 61) {
		bytes[at] ^= 0xff;
		if (picture_decode(bytes, size, &options, &picture, &warning) == 0)
			picture_clear(&picture);
		bytes[at] ^= 0xff;
	}
	TAP_OK(
	    picture_decode(bytes, size, &options, &picture, &warning) == 0, "%s: whole again", format);
	picture_clear(&picture);
	free(bytes);
}

/* How far, on average, a decoded picture is from the whole one shrunk to its size by box. */
static double off_from(const struct picture *part, const struct picture *whole)
{
	struct picture shrunk;
	double sum = 0;
	if (picture_resample(whole, part->width, part->height, PICTURE_BOX, &shrunk) < 0)
		abort();
	size_t count = (size_t)part->width * part->height * 3;
	for (size_t i = 0; i < count; i++)
		sum += abs(part->pixels[i] - shrunk.pixels[i]);
	picture_clear(&shrunk);
	return sum / (double)count;
}

/* A JPEG of 640 x 480 for sides around those where half, a quarter, an eighth are enough. */
static void test_scaled(const char *name)
{
	static const struct {
		uint32_t side, width, height;
	} cases[] = { { 0, 640, 480 }, { 1, 80, 60 }, { 30, 80, 60 }, { 31, 160, 120 },
		{ 60, 160, 120 }, { 61, 320, 240 }, { 120, 320, 240 }, { 121, 640, 480 },
		{ 65535, 640, 480 } };
	const char *root = getenv("ZV_ROOT");
	char path[1024];
	struct picture whole, picture;
	size_t size;
	if (!root) {
		tap_skip(name, "ZV_ROOT is not set");
		return;
	}
	snprintf(path, sizeof path, "%s/examples/pictures/%s", root, name);
	uint8_t *bytes = read_file(path, &size);
	if (picture_decode(bytes, size, &options, &whole, NULL) < 0)
		abort();
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		options.side_wanted = cases[i].side;
		if (picture_decode(bytes, size, &options, &picture, NULL) < 0)
			abort();
		double off = off_from(&picture, &whole);
		TAP_OK(picture.width == cases[i].width && picture.height == cases[i].height && off < 2,
		    "%s for a side of %u: %u x %u (%.2f off)", name, (unsigned)cases[i].side,
		    (unsigned)picture.width, (unsigned)picture.height, off);
		picture_clear(&picture);
	}
	options.side_wanted = 30;
	options.pixels_most = 640 * 480 - 1;
	TAP_OK(picture_decode(bytes, size, &options, &picture, NULL) < 0,
	    "%s: the limit is about the size of the file", name);
	options = picture_defaults();
	picture_clear(&whole);
	free(bytes);
}

int main(void)
{
	options = picture_defaults();
	test_scaled("balls.jpg");
	test_scaled("night.jpg");
	test_pnm();
	test_wide_grey();
	test_turns();
	test_flatten();
	test_normalise();
	test_damage("oracles/libjpeg-turbo/testimages/testorig.jpg", "JPEG");
	test_damage("oracles/pngsuite/png/basi6a08.png", "PNG");
	test_damage("oracles/pillow-images/hopper.webp", "WebP");
	return tap_finish();
}
