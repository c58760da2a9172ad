/* pictures.c - picture files as training reads them: the same draw gives the same pixels at any
 * thread count, crops keep to their size, mirroring mirrors, and what cannot be read is told.
 */
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "train/pictures.h"

enum { SIDE = 8, PIXELS = 3 * SIDE * SIDE };

static const float none[3] = { 0, 0, 0 }, one[3] = { 1, 1, 1 };

/* Red tells the column, green the row. */
static void write_picture(const char *path, int width, int height)
{
	FILE *file = fopen(path, "wb");
	if (!file)
		exit(2);
	fprintf(file, "P6 %d %d 255\n", width, height);
	for (int y = 0; y < height; y++)
		for (int x = 0; x < width; x++) {
			fputc(x * 255 / (width - 1), file);
			fputc(y * 255 / (height - 1), file);
			fputc(128, file);
		}
	if (fclose(file) != 0)
		exit(2);
}

static struct picture_source source_of(size_t side, bool crop, bool flip, uint64_t seed)
{
	return (struct picture_source){
		.side = side, .mean = none, .std = one, .augmentation = { crop, flip }, .seed = seed
	};
}

static void read_one(
    const struct picture_source *source, const char *name, uint64_t draw, float *pixels)
{
	char *failed;
	if (pictures_read(source, &name, 1, &draw, NULL, SIDE, pixels, &failed) < 0 || failed) {
		printf("# %s\n", failed);
		exit(2);
	}
}

static void test_plain(void)
{
	struct picture_source source = source_of(SIDE, false, false, 0);
	float pixels[PIXELS], drawn[PIXELS];
	write_picture("small.ppm", SIDE, SIDE);
	read_one(&source, "small.ppm", 0, pixels);
	TAP_OK(fabsf(pixels[0]) < 1e-6f && fabsf(pixels[SIDE - 1] - 1) < 1e-6f &&
	           fabsf(pixels[SIDE * SIDE + PIXELS / 3 - 1] - 1) < 1e-6f,
	    "channels are planes, 0 to 1");
	read_one(&source, "small.ppm", 5, drawn);
	TAP_OK(
	    memcmp(pixels, drawn, sizeof pixels) == 0, "without augmentation a draw changes nothing");
	const float mean[3] = { 0.5f, 0.25f, 0 }, std[3] = { 0.5f, 0.125f, 2 };
	source.mean = mean;
	source.std = std;
	read_one(&source, "small.ppm", 0, drawn);
	double worst = 0;
	for (int i = 0; i < PIXELS; i++) {
		int channel = i / (SIDE * SIDE);
		worst = fmax(worst, fabs((pixels[i] - mean[channel]) / std[channel] - (double)drawn[i]));
	}
	TAP_OK(worst < 1e-5, "mean and deviation by channel");
}

static void test_flip(void)
{
	struct picture_source plain = source_of(SIDE, false, false, 3);
	struct picture_source source = source_of(SIDE, false, true, 3);
	float wanted[PIXELS], mirrored[PIXELS], pixels[PIXELS];
	int kept = 0, turned = 0;
	read_one(&plain, "small.ppm", 0, wanted);
	for (int i = 0; i < PIXELS; i++)
		mirrored[i] = wanted[i / SIDE * SIDE + SIDE - 1 - i % SIDE];
	for (uint64_t draw = 0; draw < 1000; draw++) {
		read_one(&source, "small.ppm", draw, pixels);
		kept += memcmp(pixels, wanted, sizeof wanted) == 0;
		turned += memcmp(pixels, mirrored, sizeof mirrored) == 0;
	}
	TAP_OK(kept + turned == 1000 && turned > 420 && turned < 580,
	    "every other picture is mirrored (%d of 1000)", turned);
}

/* What red and green grow by over a crop tells its width and height. */
static void test_crop(void)
{
	enum { WIDTH = 160, HEIGHT = 120, DRAWS = 400 };
	struct picture_source source = source_of(SIDE, true, false, 4);
	float pixels[PIXELS];
	double least = 1, most = 0, flat = 10, high = 0;
	int left = 0;
	write_picture("large.ppm", WIDTH, HEIGHT);
	for (uint64_t draw = 0; draw < DRAWS; draw++) {
		read_one(&source, "large.ppm", draw, pixels);
		/* between the middles of the inner pixels, where resampling is linear */
		const float *row = pixels + SIDE / 2 * SIDE, *green = pixels + SIDE * SIDE + SIDE / 2;
		double across = (row[5] - row[2]) / 3.0 * SIDE,
		       down = (green[5 * SIDE] - green[2 * SIDE]) / 3.0 * SIDE;
		double ratio = across * WIDTH / (down * HEIGHT);
		least = fmin(least, across * down);
		most = fmax(most, across * down);
		flat = fmin(flat, ratio);
		high = fmax(high, ratio);
		left += row[0] < 0.1f;
	}
	TAP_OK(least > 0.47 && least < 0.6 && most > 0.9 && most < 1.04,
	    "crops are half to all of the picture (%.3f to %.3f)", least, most);
	TAP_OK(flat > 0.71 && flat < 0.85 && high > 1.2 && high < 1.4,
	    "of sides 3:4 to 4:3 (%.3f to %.3f)", flat, high);
	TAP_OK(left > DRAWS / 5 && left < DRAWS, "at several places");
	write_picture("strip.ppm", 200, 3); /* no crop of such sides fits */
	float again[PIXELS];
	read_one(&source, "strip.ppm", 1, pixels);
	read_one(&source, "strip.ppm", 2, again);
	TAP_OK(fabs((double)pixels[0] - 0.5) < 0.05 && memcmp(pixels, again, sizeof pixels) == 0,
	    "of a narrow picture its middle is taken");
}

static void test_repeat(void)
{
	enum { COUNT = 20 };
	static const char *names[COUNT];
	static float first[COUNT * PIXELS], second[COUNT * PIXELS];
	uint64_t draw[COUNT];
	char *failed[COUNT];
	struct picture_source source = source_of(SIDE, true, true, 9);
	for (int i = 0; i < COUNT; i++) {
		names[i] = i % 3 ? "large.ppm" : "small.ppm";
		draw[i] = (uint64_t)i * UINT64_C(0x123456789);
	}
	if (pictures_read(&source, names, COUNT, draw, NULL, SIDE, first, failed) < 0)
		exit(2);
	threads_start(3);
	int read = pictures_read(&source, names, COUNT, draw, NULL, SIDE, second, failed);
	TAP_OK(read == 0 && memcmp(first, second, sizeof first) == 0,
	    "the same pixels at 1 and at 3 threads");
	source.seed = 10;
	read = pictures_read(&source, names, COUNT, draw, NULL, SIDE, second, failed);
	TAP_OK(read == 0 && memcmp(first, second, sizeof first) != 0, "another seed, other pixels");
}

static void test_failures(void)
{
	static const char *const names[] = { "small.ppm", "none.ppm", "bad.jpg", NULL, "folder",
		"small.ppm", "large.ppm" };
	static const char *const words[] = { NULL, "cannot open", "", "names no picture", "", NULL,
		"160 x 120 pixels, where the others have 8 x 8" };
	enum { COUNT = sizeof names / sizeof names[0] };
	static float pixels[COUNT * PIXELS];
	const uint64_t draw[COUNT] = { 0 };
	char *failed[COUNT];
	struct picture_source source = source_of(0, false, false, 0);
	FILE *file = fopen("bad.jpg", "wb");
	if (!file || fputs("\xff\xd8\xff\xe0 no picture", file) < 0 || fclose(file) != 0)
		exit(2);
	mkdir("folder", 0777);
	TAP_OK(pictures_read(&source, names, COUNT, draw, NULL, SIDE, pixels, failed) == 0,
	    "some cannot be read");
	for (int i = 0; i < COUNT; i++) {
		TAP_OK(words[i] ? failed[i] && strstr(failed[i], words[i]) : !failed[i], "%s: %s",
		    names[i] ? names[i] : "no name", failed[i] ? failed[i] : "is read");
		memory_release(failed[i]);
	}
	TAP_OK(
	    memcmp(pixels, pixels + 5 * PIXELS, PIXELS * sizeof *pixels) == 0, "those beside them are");
}

static void test_names(void)
{
	struct picture_source source = source_of(0, false, false, 0);
	size_t side = 0;
	TAP_OK(picture_side(&source, "small.ppm", &side) == 0 && side == SIDE, "the side of a picture");
	TAP_OK(picture_side(&source, "large.ppm", &side) < 0 && strstr(error_text(), "not square"),
	    "which is square: %s", error_text());
	TAP_OK(picture_side(&source, NULL, &side) < 0 && error_kind() == ERROR_INPUT, "no name");
	rename("small.ppm", "folder/small.ppm");
	source.folder = "folder";
	TAP_OK(picture_side(&source, "small.ppm", &side) == 0, "names are relative to the folder");
	static char name[5000];
	memset(name, 'a', sizeof name - 1);
	TAP_OK(picture_side(&source, name, &side) < 0 && error_kind() == ERROR_INPUT,
	    "a name of 5000 bytes: %s", error_text());
}

int main(void)
{
	test_plain();
	test_flip();
	test_crop();
	test_repeat();
	test_failures();
	test_names();
	threads_stop();
	return tap_finish();
}
