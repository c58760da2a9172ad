/* decoder.h - what the decoders of one format each share; internal to lib/image.
 * A decoder gets the whole file, checks the header, allocates the pixels once through
 * picture_allocate(), and fills them. On failure it records an error and returns -1; the caller
 * clears the picture.
 */
#ifndef ZV_IMAGE_DECODER_H
#define ZV_IMAGE_DECODER_H

#include "image/picture.h"

enum { WARNING_SIZE = 200 };

struct decoding {
	const uint8_t *bytes;
	size_t size;
	const struct picture_options *options;
	struct picture *picture;
	int orientation;            /* EXIF 1..8; 0 when the file says nothing */
	char warning[WARNING_SIZE]; /* the first complaint; "" if none */
};

int jpeg_decode(struct decoding *decoding);
int png_decode(struct decoding *decoding);
int webp_decode(struct decoding *decoding);
int pnm_decode(struct decoding *decoding);

/* Name and version of the library behind a decoder. */
const char *jpeg_library(void);
const char *png_library(void);
const char *webp_library(void);

/* Check the size of a picture against the limits. inflation: how many pixels one byte of file can
 * stand for in this format, so that a small file cannot make us take much memory. 0 or -1. */
int picture_limit(
    const struct decoding *decoding, uint64_t width, uint64_t height, uint64_t inflation);

/* The same, and allocate its pixels. 0 or -1. */
int picture_allocate(
    struct decoding *decoding, uint64_t width, uint64_t height, uint64_t inflation);

/* The decoder complained: keep the first complaint. 0 to go on, -1 with it as the error under
 * options->strict. format gives a text without capital and full stop. */
int decoding_warn(struct decoding *decoding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The rest of the data is missing: an error, or a warning under options->partial. */
int decoding_truncated(struct decoding *decoding, const char *format_name);

/* A foreign library's text in our style: first letter lower, no full stop. */
void decoding_text(char *target, size_t size, const char *source);

/* count R, G, B, A pixels to R, G, B: alpha dropped, or blended with the background. */
void picture_flatten(
    const struct picture_options *options, const uint8_t *rgba, uint8_t *rgb, size_t count);

/* Turn the picture upright by an EXIF orientation 1..8 (others: as it is). 0, or -1: memory. */
int picture_turn(struct picture *picture, int orientation);

#endif
