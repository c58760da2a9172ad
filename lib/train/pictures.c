/* pictures.c - picture files for training: decoded over the pool, augmented as LAVIS does it
 * (blip_processors.py: random resized crop, mirrored), normalised (see pictures.h).
 */
#include "train/pictures.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/random.h"
#include "base/threads.h"
#include "image/picture.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define FILE_MOST  ((size_t)1 << 30) /* bytes */
#define AREA_LEAST 0.5               /* of the picture, in a crop */
enum { TRIES = 10 };                 /* for a crop that fits (torchvision RandomResizedCrop) */

struct window {
	uint32_t x, y, width, height;
};

static int load(const struct picture_source *source, const char *name, struct picture *picture)
{
	char path[PATH_MAX], *bytes;
	size_t size;
	if (!name)
		return error_input("the line names no picture");
	bool whole = !source->folder || name[0] == '/';
	int length =
	    snprintf(path, sizeof path, "%s%s%s", whole ? "" : source->folder, whole ? "" : "/", name);
	if (length < 0 || (size_t)length >= sizeof path)
		return error_input("its name is too long");
	errno = 0;
	if (file_read_regular(path, FILE_MOST, &bytes, &size) < 0)
		return errno == ENOMEM ? -1 : error_as(ERROR_INPUT);
	struct picture_options options = picture_defaults();
	int result = picture_decode((const uint8_t *)bytes, size, &options, picture, NULL);
	memory_release(bytes);
	return result;
}

/* A random part of the picture: half to all of its area, sides 3:4 to 4:3 in logarithmic scale; the
 * largest centred part of such sides where none was found. */
static struct window choose_window(const struct picture *picture, struct random *random)
{
	double area = (double)picture->width * picture->height;
	for (int try = 0; try < TRIES; try++) {
		double wanted = area * (AREA_LEAST + (1 - AREA_LEAST) * random_unit(random));
		double ratio = exp(log(4.0 / 3.0) * (2 * random_unit(random) - 1));
		double width = round(sqrt(wanted * ratio)), height = round(sqrt(wanted / ratio));
		double right = random_unit(random), down = random_unit(random);
		if (width < 1 || height < 1 || width > picture->width || height > picture->height)
			continue;
		return (struct window){ (uint32_t)(right * (picture->width - width + 1)),
			(uint32_t)(down * (picture->height - height + 1)), (uint32_t)width, (uint32_t)height };
	}
	uint32_t side = picture->width < picture->height ? picture->width : picture->height;
	return (struct window){ (picture->width - side) / 2, (picture->height - side) / 2, side, side };
}

static int cut(struct picture *picture, struct window window)
{
	uint8_t *pixels = memory_allocate((size_t)window.width * window.height, 3);
	if (!pixels)
		return -1;
	for (uint32_t y = 0; y < window.height; y++)
		memcpy(pixels + (size_t)y * window.width * 3,
		    picture->pixels + ((size_t)(window.y + y) * picture->width + window.x) * 3,
		    (size_t)window.width * 3);
	memory_release(picture->pixels);
	*picture = (struct picture){ window.width, window.height, pixels };
	return 0;
}

static void mirror(struct picture *picture)
{
	for (uint32_t y = 0; y < picture->height; y++) {
		uint8_t *row = picture->pixels + (size_t)y * picture->width * 3;
		for (uint32_t left = 0, right = picture->width - 1; left < right; left++, right--)
			for (int channel = 0; channel < 3; channel++) {
				uint8_t kept = row[left * 3 + channel];
				row[left * 3 + channel] = row[right * 3 + channel];
				row[right * 3 + channel] = kept;
			}
	}
}

/* Bring the picture to side x side pixels. */
static int fit(const struct picture_source *source, struct picture *picture, uint64_t draw,
    bool upright, size_t side)
{
	struct random random = random_begin(source->seed, draw);
	struct picture target = { 0 };
	if (source->augmentation.crop && cut(picture, choose_window(picture, &random)) < 0)
		return -1;
	if (source->augmentation.flip && random_unit(&random) < 0.5 && !upright)
		mirror(picture);
	if (picture->width == side && picture->height == side)
		return 0;
	if (source->side == 0)
		return error_input("%u x %u pixels, where the others have %zu x %zu", picture->width,
		    picture->height, side, side);
	if (picture_resample(picture, (uint32_t)side, (uint32_t)side, PICTURE_BICUBIC, &target) < 0)
		return -1;
	picture_clear(picture);
	*picture = target;
	return 0;
}

struct reading {
	const struct picture_source *source;
	const char *const *names;
	const uint64_t *draw;
	const bool *upright; /* never mirrored; NULL: none */
	size_t side;
	float *pixels;
	char **failed;
	atomic_bool broken; /* no memory: that is no fault of a picture */
};

static void read_one(void *context, size_t i, int worker)
{
	struct reading *reading = context;
	struct picture picture = { 0 };
	(void)worker;
	reading->failed[i] = NULL;
	if (load(reading->source, reading->names[i], &picture) == 0 &&
	    fit(reading->source, &picture, reading->draw[i], reading->upright && reading->upright[i],
	        reading->side) == 0)
		picture_normalise(&picture, reading->source->mean, reading->source->std,
		    reading->pixels + i * 3 * reading->side * reading->side);
	else if (error_kind() != ERROR_INPUT ||
	         !(reading->failed[i] = memory_text(error_text(), strlen(error_text()))))
		atomic_store(&reading->broken, true);
	picture_clear(&picture);
}

int pictures_read(const struct picture_source *source, const char *const *names, size_t count,
    const uint64_t *draw, const bool *upright, size_t side, float *pixels, char **failed)
{
	struct reading reading = { source, names, draw, upright, side, pixels, failed, false };
	threads_run(count, read_one, &reading);
	if (!atomic_load(&reading.broken))
		return 0;
	for (size_t i = 0; i < count; i++)
		memory_release(failed[i]);
	return error_memory(0);
}

int picture_side(const struct picture_source *source, const char *name, size_t *side)
{
	struct picture picture = { 0 };
	if (load(source, name, &picture) < 0)
		return -1;
	*side = picture.width;
	int result = picture.width == picture.height
	                 ? 0
	                 : error_input("%u x %u pixels: not square", picture.width, picture.height);
	picture_clear(&picture);
	return result;
}
