/* picture.c - tell formats apart, limits, transparency, and the call of the decoders (picture.h).
 */
#include "image/picture.h"
#include "image/decoder.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Pixels that any file may have, however short: a small blank picture is no attack. With the 20
 * bytes a pixel that the hungriest decoder takes this is 40 MB. */
enum { PIXELS_FREE = 1 << 21 };

struct picture_options picture_defaults(void)
{
	return (struct picture_options){
		.pixels_most = 1 << 26,
		.scans_most = 500,
		.memory_most = (uint64_t)512 << 20,
		.orient = true,
	};
}

static bool is_png(const uint8_t *bytes, size_t size)
{
	return size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static bool is_jpeg(const uint8_t *bytes, size_t size)
{
	return size >= 2 && memcmp(bytes, "\xff\xd8", 2) == 0;
}

static bool is_webp(const uint8_t *bytes, size_t size)
{
	return size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

static bool is_pnm(const uint8_t *bytes, size_t size)
{
	return size >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
	       (bytes[2] == '#' || memchr(" \t\n\v\f\r", bytes[2], 6));
}

bool picture_recognise(const uint8_t *bytes, size_t size)
{
	return is_jpeg(bytes, size) || is_png(bytes, size) || is_webp(bytes, size) ||
	       is_pnm(bytes, size);
}

int picture_limit(
    const struct decoding *decoding, uint64_t width, uint64_t height, uint64_t inflation)
{
	const struct picture_options *options = decoding->options;
	if (width == 0 || height == 0)
		return error_input("a picture without pixels (%llu x %llu)", (unsigned long long)width,
		    (unsigned long long)height);
	if (width > PICTURE_SIDE_MOST || height > PICTURE_SIDE_MOST)
		return error_input("%llu x %llu pixels: a side may have %d at most",
		    (unsigned long long)width, (unsigned long long)height, (int)PICTURE_SIDE_MOST);
	uint64_t pixels = width * height;
	if (pixels > options->pixels_most)
		return error_input("%llu x %llu pixels are more than the limit of %llu",
		    (unsigned long long)width, (unsigned long long)height,
		    (unsigned long long)options->pixels_most);
	if (pixels > PIXELS_FREE && (pixels - PIXELS_FREE) / inflation > decoding->size)
		return error_input("%zu bytes are too few for %llu x %llu pixels", decoding->size,
		    (unsigned long long)width, (unsigned long long)height);
	return 0;
}

int picture_allocate(struct decoding *decoding, uint64_t width, uint64_t height, uint64_t inflation)
{
	size_t pixels;
	if (picture_limit(decoding, width, height, inflation) < 0)
		return -1;
	if (!checked_multiply((size_t)width, (size_t)height, &pixels))
		return error_memory(SIZE_MAX);
	decoding->picture->pixels = memory_allocate(pixels, 3);
	if (!decoding->picture->pixels)
		return -1;
	decoding->picture->width = (uint32_t)width;
	decoding->picture->height = (uint32_t)height;
	return 0;
}

int decoding_warn(struct decoding *decoding, const char *format, ...)
{
	char text[WARNING_SIZE];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	if (decoding->options->strict)
		return error_input("%s", text);
	if (!decoding->warning[0])
		memcpy(decoding->warning, text, sizeof text);
	return 0;
}

int decoding_truncated(struct decoding *decoding, const char *format_name)
{
	if (decoding->options->partial)
		return decoding_warn(decoding, "truncated %s", format_name);
	return error_input("truncated %s", format_name);
}

void decoding_text(char *target, size_t size, const char *source)
{
	snprintf(target, size, "%s", source);
	size_t length = strlen(target);
	while (length && (target[length - 1] == '.' || target[length - 1] == '\n'))
		target[--length] = '\0';
	/* "Invalid" becomes "invalid", but "JPEG" and "IDAT" stay. */
	if (length > 1 && isupper((unsigned char)target[0]) && islower((unsigned char)target[1]))
		target[0] = (char)tolower((unsigned char)target[0]);
}

void picture_flatten(
    const struct picture_options *options, const uint8_t *rgba, uint8_t *rgb, size_t count)
{
	for (size_t i = 0; i < count; i++, rgba += 4, rgb += 3)
		for (int c = 0; c < 3; c++) {
			unsigned alpha = options->blend ? rgba[3] : 255;
			unsigned sum = rgba[c] * alpha + options->background[c] * (255 - alpha);
			rgb[c] = (uint8_t)((sum + 127) / 255);
		}
}

static int decode_by_content(struct decoding *decoding)
{
	const uint8_t *bytes = decoding->bytes;
	size_t size = decoding->size;
	if (size == 0)
		return error_input("empty file");
	if (is_jpeg(bytes, size))
		return jpeg_decode(decoding);
	if (is_png(bytes, size))
		return png_decode(decoding);
	if (is_webp(bytes, size))
		return webp_decode(decoding);
	if (is_pnm(bytes, size))
		return pnm_decode(decoding);
	return error_input("not a picture (JPEG, PNG, WebP or PNM)");
}

int picture_decode(const uint8_t *bytes, size_t size, const struct picture_options *options,
    struct picture *picture, const char **warning)
{
	static _Thread_local char kept[WARNING_SIZE];
	struct decoding decoding = {
		.bytes = bytes, .size = size, .options = options, .picture = picture
	};
	if (warning)
		*warning = NULL;
	*picture = (struct picture){ 0 };
	int result = decode_by_content(&decoding);
	if (result == 0 && options->orient)
		result = picture_turn(picture, decoding.orientation);
	if (result < 0) {
		picture_clear(picture);
		return -1;
	}
	if (warning && decoding.warning[0]) {
		memcpy(kept, decoding.warning, sizeof kept);
		*warning = kept;
	}
	return 0;
}

const float picture_clip_mean[3] = { 0.48145466f, 0.4578275f, 0.40821073f };
const float picture_clip_std[3] = { 0.26862954f, 0.26130258f, 0.27577711f };

void picture_normalise(
    const struct picture *picture, const float mean[3], const float std[3], float *planes)
{
	size_t count = (size_t)picture->width * picture->height;
	for (int c = 0; c < 3; c++) {
		float table[256];
		for (int value = 0; value < 256; value++)
			table[value] = (float)((value / 255.0 - (double)mean[c]) / (double)std[c]);
		for (size_t i = 0; i < count; i++)
			planes[(size_t)c * count + i] = table[picture->pixels[i * 3 + (size_t)c]];
	}
}

void picture_clear(struct picture *picture)
{
	memory_release(picture->pixels);
	*picture = (struct picture){ 0 };
}

const char *picture_library(int i)
{
	switch (i) {
	case 0:
		return jpeg_library();
	case 1:
		return png_library();
	case 2:
		return webp_library();
	default:
		return NULL;
	}
}
