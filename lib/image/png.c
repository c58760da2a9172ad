/* png.c - PNG through libpng (decoder.h), with the conversions of Pillow's PngImagePlugin and
 * convert("RGB"). Rows are read as stored and converted here, so that each colour type can be
 * seen on one screen.
 */
#include "image/decoder.h"
#include "image/exif.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"

#include <setjmp.h>
#include <string.h>

#include <png.h>

enum {
	DEFLATE_MOST = 1032,      /* bytes that one byte of a deflate stream can stand for */
	PIXELS_PER_BYTE = 8,      /* of a bilevel picture */
	CHUNKS_MOST = 64,         /* ancillary chunks kept */
	CHUNK_MOST = 8 * 1 << 20, /* bytes of one ancillary chunk */
};

/* Everything that must survive a longjmp lives here, not in local variables. */
struct png_decoder {
	png_structp png;
	png_infop info;
	struct decoding *decoding;
	size_t position; /* in the file */
	bool whole;      /* all rows are read; what follows can no more spoil them */
	int depth, colour_type;
	size_t row_size;         /* bytes of a stored row, one byte or two a sample */
	uint8_t *rows;           /* one row, or the whole picture when interlaced */
	uint8_t *rgba;           /* one converted row */
	uint8_t palette[256][4]; /* R, G, B, A; indices without an entry are black */
	bool no_memory;          /* an allocation failed; the error is recorded */
	bool keyed;              /* one colour is transparent */
	uint16_t key[3];         /* ... this one; grey: key[0] */
	bool clipped;            /* a 16-bit grey value was above 255 */
};

static _Noreturn void on_error(png_structp png, png_const_charp message)
{
	const struct png_decoder *decoder = png_get_error_ptr(png);
	char text[WARNING_SIZE];
	decoding_text(text, sizeof text, message);
	/* "truncated PNG" is recorded by the reader itself and comes with an empty text */
	if (text[0] && !decoder->no_memory)
		error_input("PNG: %s", text);
	longjmp(png_jmpbuf(png), 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
	struct png_decoder *decoder = png_get_error_ptr(png);
	char text[WARNING_SIZE];
	decoding_text(text, sizeof text, message);
	if (decoding_warn(decoder->decoding, "PNG: %.180s", text) < 0)
		png_error(png, "");
}

static png_voidp allocate_for_png(png_structp png, png_alloc_size_t size)
{
	struct png_decoder *decoder = png_get_mem_ptr(png);
	void *pointer = memory_allocate(size, 1);
	if (!pointer)
		decoder->no_memory = true;
	return pointer;
}

static void release_for_png(png_structp png, png_voidp pointer)
{
	(void)png;
	memory_release(pointer);
}

static void read_bytes(png_structp png, png_bytep target, size_t size)
{
	struct png_decoder *decoder = png_get_io_ptr(png);
	if (size > decoder->decoding->size - decoder->position) {
		error_input("truncated PNG");
		png_error(png, "");
	}
	memcpy(target, decoder->decoding->bytes + decoder->position, size);
	decoder->position += size;
}

/* Read the header, take what tells about colours, and ask for plain rows. */
static void read_header(struct png_decoder *decoder)
{
	png_structp png = decoder->png;
	/* Of the ancillary chunks only these two matter; the others are neither kept nor checked. */
	png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
	png_set_keep_unknown_chunks(
	    png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep) "tRNS\0eXIf\0", 2);
	png_set_user_limits(png, PICTURE_SIDE_MOST, PICTURE_SIDE_MOST);
	png_set_chunk_cache_max(png, CHUNKS_MOST);
	png_set_chunk_malloc_max(png, CHUNK_MOST);
	png_read_info(png, decoder->info);
	decoder->depth = png_get_bit_depth(png, decoder->info);
	decoder->colour_type = png_get_color_type(png, decoder->info);
	if (decoder->depth < 8)
		png_set_packing(png); /* one sample a byte, not scaled */
	png_set_interlace_handling(png);
}

static void take_colours(struct png_decoder *decoder)
{
	png_colorp colours = NULL;
	png_bytep alphas = NULL;
	png_color_16p key = NULL;
	int count = 0;
	for (int i = 0; i < 256; i++)
		decoder->palette[i][3] = 255;
	if (png_get_PLTE(decoder->png, decoder->info, &colours, &count))
		for (int i = 0; i < count && i < 256; i++)
			memcpy(decoder->palette[i],
			    (uint8_t[]){ colours[i].red, colours[i].green, colours[i].blue }, 3);
	count = 0;
	if (!png_get_tRNS(decoder->png, decoder->info, &alphas, &count, &key))
		return;
	if (decoder->colour_type == PNG_COLOR_TYPE_PALETTE) {
		for (int i = 0; alphas && i < count && i < 256; i++)
			decoder->palette[i][3] = alphas[i];
	} else if (key) {
		bool grey = decoder->colour_type == PNG_COLOR_TYPE_GRAY;
		decoder->keyed = true;
		decoder->key[0] = grey ? key->gray : key->red;
		decoder->key[1] = key->green;
		decoder->key[2] = key->blue;
	}
}

static int allocate(struct png_decoder *decoder)
{
	struct decoding *decoding = decoder->decoding;
	uint32_t width = png_get_image_width(decoder->png, decoder->info);
	uint32_t height = png_get_image_height(decoder->png, decoder->info);
	if (picture_allocate(decoding, width, height, (uint64_t)DEFLATE_MOST * PIXELS_PER_BYTE) < 0)
		return -1;
	/* picture_allocate() reckoned with one bit a pixel; here the true bytes count */
	uint64_t stored = (uint64_t)png_get_rowbytes(decoder->png, decoder->info) * height;
	if (stored / DEFLATE_MOST > decoding->size)
		return error_input("truncated PNG (%zu bytes cannot hold %u x %u pixels)", decoding->size,
		    (unsigned)width, (unsigned)height);
	png_read_update_info(decoder->png, decoder->info);
	decoder->row_size = png_get_rowbytes(decoder->png, decoder->info);
	bool interlaced = png_get_interlace_type(decoder->png, decoder->info) != PNG_INTERLACE_NONE;
	if (interlaced && decoder->row_size * (uint64_t)height > decoding->options->memory_most)
		return error_input("PNG: needs more memory than allowed");
	decoder->rows = memory_allocate_zero(interlaced ? height : 1, decoder->row_size);
	decoder->rgba = memory_allocate(width, 4);
	return decoder->rows && decoder->rgba ? 0 : -1;
}

/* Grey of 1, 2, 4 bits is spread over 0..255; 16 bits are clipped at 255, as Pillow's mode I is
 * when it becomes RGB. */
static void convert_grey(struct png_decoder *decoder, const uint8_t *row, size_t count)
{
	static const uint8_t factors[9] = { [1] = 255, [2] = 85, [4] = 17, [8] = 1 };
	bool wide = decoder->depth == 16;
	for (size_t i = 0; i < count; i++) {
		unsigned value = wide ? row[2 * i] * 256u + row[2 * i + 1] : row[i];
		unsigned grey = wide ? value : value * factors[decoder->depth];
		if (grey > 255) {
			grey = 255;
			decoder->clipped = true;
		}
		uint8_t *to = decoder->rgba + 4 * i;
		to[0] = to[1] = to[2] = (uint8_t)grey;
		to[3] = decoder->keyed && value == decoder->key[0] ? 0 : 255;
	}
}

/* Of 16-bit colours the high byte counts. */
static void convert_rgb(struct png_decoder *decoder, const uint8_t *row, size_t count)
{
	size_t step = decoder->depth == 16 ? 2 : 1;
	for (size_t i = 0; i < count; i++) {
		bool key = decoder->keyed;
		for (size_t c = 0; c < 3; c++, row += step) {
			unsigned value = step == 2 ? row[0] * 256u + row[1] : row[0];
			key = key && value == decoder->key[c];
			decoder->rgba[4 * i + c] = row[0];
		}
		decoder->rgba[4 * i + 3] = key ? 0 : 255;
	}
}

static void convert_with_alpha(struct png_decoder *decoder, const uint8_t *row, size_t count)
{
	size_t step = decoder->depth == 16 ? 2 : 1;
	bool grey = decoder->colour_type == PNG_COLOR_TYPE_GRAY_ALPHA;
	for (size_t i = 0; i < count; i++, row += step * (grey ? 2 : 4)) {
		uint8_t *to = decoder->rgba + 4 * i;
		to[0] = row[0];
		to[1] = grey ? row[0] : row[step];
		to[2] = grey ? row[0] : row[2 * step];
		to[3] = grey ? row[step] : row[3 * step];
	}
}

static void convert_row(struct png_decoder *decoder, const uint8_t *row, uint32_t y)
{
	const struct picture *picture = decoder->decoding->picture;
	size_t count = picture->width;
	switch (decoder->colour_type) {
	case PNG_COLOR_TYPE_GRAY:
		convert_grey(decoder, row, count);
		break;
	case PNG_COLOR_TYPE_PALETTE:
		for (size_t i = 0; i < count; i++)
			memcpy(decoder->rgba + 4 * i, decoder->palette[row[i]], 4);
		break;
	case PNG_COLOR_TYPE_RGB:
		convert_rgb(decoder, row, count);
		break;
	default:
		convert_with_alpha(decoder, row, count);
		break;
	}
	picture_flatten(
	    decoder->decoding->options, decoder->rgba, picture->pixels + (size_t)y * count * 3, count);
}

static void read_rows(struct png_decoder *decoder)
{
	uint32_t height = decoder->decoding->picture->height;
	if (png_get_interlace_type(decoder->png, decoder->info) == PNG_INTERLACE_NONE) {
		for (uint32_t y = 0; y < height; y++) {
			png_read_row(decoder->png, decoder->rows, NULL);
			convert_row(decoder, decoder->rows, y);
		}
		return;
	}
	for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
		for (uint32_t y = 0; y < height; y++)
			png_read_row(decoder->png, decoder->rows + y * decoder->row_size, NULL);
	for (uint32_t y = 0; y < height; y++)
		convert_row(decoder, decoder->rows + y * decoder->row_size, y);
}

/* All that may jump. -1 with a recorded error, also after a jump. */
static int decode_guarded(struct png_decoder *decoder)
{
	if (setjmp(png_jmpbuf(decoder->png)))
		return -1;
	read_header(decoder);
	take_colours(decoder);
	if (allocate(decoder) < 0)
		return -1;
	read_rows(decoder);
	decoder->whole = true;
	png_read_end(decoder->png, decoder->info);
	return 0;
}

static int decode(struct png_decoder *decoder)
{
	struct decoding *decoding = decoder->decoding;
	if (decode_guarded(decoder) < 0) {
		/* damage behind the last row leaves a whole picture */
		char text[WARNING_SIZE];
		decoding_text(text, sizeof text, error_text());
		if (!decoder->whole || decoder->no_memory ||
		    decoding_warn(decoding, "%.180s (behind the pixels)", text) < 0)
			return -1;
	}
	png_bytep exif = NULL;
	png_uint_32 exif_size = 0;
	if (png_get_eXIf_1(decoder->png, decoder->info, &exif_size, &exif) && exif)
		decoding->orientation = exif_orientation(exif, exif_size);
	if (decoder->clipped)
		return decoding_warn(decoding,
		    "16-bit grey: values above 255 are white, as the reference has it; reduce to 8 bits");
	return 0;
}

int png_decode(struct decoding *decoding)
{
	struct png_decoder *decoder = memory_allocate_zero(1, sizeof *decoder);
	if (!decoder)
		return -1;
	decoder->decoding = decoding;
	decoder->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, decoder, on_error, on_warning,
	    decoder, allocate_for_png, release_for_png);
	decoder->info = decoder->png ? png_create_info_struct(decoder->png) : NULL;
	int result;
	if (decoder->info) {
		png_set_read_fn(decoder->png, decoder, read_bytes);
		result = decode(decoder);
	} else {
		result = error_system("PNG: out of memory");
	}
	png_destroy_read_struct(&decoder->png, &decoder->info, NULL);
	memory_release(decoder->rows);
	memory_release(decoder->rgba);
	memory_release(decoder);
	return result;
}

const char *png_library(void)
{
	return "libpng " PNG_LIBPNG_VER_STRING;
}
