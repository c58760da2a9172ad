/* webp.c - WebP through libwebp (decoder.h). The container is walked here for the EXIF chunk.
 */
#include "image/decoder.h"
#include "image/exif.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

#include <webp/decode.h>

/* A lossy macroblock of 256 pixels takes 3 bits at least. A lossless picture of one colour takes
 * none at all: a blank one of more pixels than this allows is refused. */
enum { INFLATION = 1024 };

/* Find a chunk behind the RIFF header (WebP container specification): its bytes, or NULL. */
static const uint8_t *find_chunk(
    const uint8_t *bytes, size_t size, const char *name, size_t *chunk_size)
{
	for (size_t at = 12; at <= size && size - at >= 8;) {
		size_t length = (size_t)bytes[at + 4] | (size_t)bytes[at + 5] << 8 |
		                (size_t)bytes[at + 6] << 16 | (size_t)bytes[at + 7] << 24;
		size_t room = size - at - 8;
		if (length > room)
			return NULL;
		if (memcmp(bytes + at, name, 4) == 0) {
			*chunk_size = length;
			return bytes + at + 8;
		}
		at += 8 + length + (length < room ? length & 1 : 0);
	}
	return NULL;
}

static int check_status(VP8StatusCode status)
{
	switch (status) {
	case VP8_STATUS_OK:
		return 0;
	case VP8_STATUS_NOT_ENOUGH_DATA:
	case VP8_STATUS_SUSPENDED:
		return error_input("truncated WebP");
	case VP8_STATUS_OUT_OF_MEMORY:
		return error_system("WebP: out of memory");
	case VP8_STATUS_UNSUPPORTED_FEATURE:
		return error_input("WebP: unsupported feature");
	default:
		return error_input("damaged WebP");
	}
}

/* Decode to pixels of 3 or, with alpha, 4 bytes. */
static int decode_into(struct decoding *decoding, WEBP_CSP_MODE mode, uint8_t *pixels)
{
	const struct picture *picture = decoding->picture;
	size_t row = (size_t)picture->width * (mode == MODE_RGBA ? 4 : 3);
	WebPDecoderConfig config;
	if (!WebPInitDecoderConfig(&config))
		return error_system("WebP: the library does not match its header");
	config.output.colorspace = mode;
	config.output.is_external_memory = 1;
	config.output.u.RGBA.rgba = pixels;
	config.output.u.RGBA.stride = (int)row;
	config.output.u.RGBA.size = row * picture->height;
	int result = check_status(WebPDecode(decoding->bytes, decoding->size, &config));
	WebPFreeDecBuffer(&config.output);
	return result;
}

/* Transparency is to be blended: decode with alpha, then flatten. */
static int decode_blended(struct decoding *decoding)
{
	struct picture *picture = decoding->picture;
	size_t count = (size_t)picture->width * picture->height;
	uint8_t *rgba = memory_allocate(count, 4);
	if (!rgba)
		return -1;
	int result = decode_into(decoding, MODE_RGBA, rgba);
	if (result == 0)
		picture_flatten(decoding->options, rgba, picture->pixels, count);
	memory_release(rgba);
	return result;
}

int webp_decode(struct decoding *decoding)
{
	WebPBitstreamFeatures features;
	if (check_status(WebPGetFeatures(decoding->bytes, decoding->size, &features)) < 0)
		return -1;
	if (features.has_animation)
		return error_input("animated WebP; take one frame of it (webpmux -get frame 1)");
	if (picture_allocate(decoding, (uint64_t)features.width, (uint64_t)features.height, INFLATION) <
	    0)
		return -1;
	bool blend = features.has_alpha && decoding->options->blend;
	/* A lossless picture is kept as 4 bytes a pixel inside; blending takes 4 more. */
	uint64_t inside = (uint64_t)features.width * (uint64_t)features.height * (blend ? 8 : 4);
	if (inside > decoding->options->memory_most)
		return error_input("WebP: needs more memory than allowed");
	size_t exif_size;
	const uint8_t *exif = find_chunk(decoding->bytes, decoding->size, "EXIF", &exif_size);
	if (exif)
		decoding->orientation = exif_orientation(exif, exif_size);
	return blend ? decode_blended(decoding)
	             : decode_into(decoding, MODE_RGB, decoding->picture->pixels);
}

const char *webp_library(void)
{
	static char text[32];
	int version = WebPGetDecoderVersion(); /* a byte each of major, minor, revision */
	snprintf(text, sizeof text, "libwebp %d.%d.%d", version >> 16 & 255, version >> 8 & 255,
	    version & 255);
	return text;
}
