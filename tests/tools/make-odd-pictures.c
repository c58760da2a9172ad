/* make-odd-pictures.c - small pictures of every kind the decoders know, whole and damaged: seeds
 * for fuzzing and input for tests. usage: make-odd-pictures DIRECTORY
 * All good ones show the same 23 x 17 scene: a red, a green and a blue ramp. Names begin with good-
 * or bad- and are explained in tests/format/picture/README.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>
#include <webp/encode.h>

enum { WIDTH = 23, HEIGHT = 17, SIZE_MOST = 1 << 16 };

static const char *directory;

static void save(const char *name, const uint8_t *bytes, size_t size)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, "wb");
	if (!file || fwrite(bytes, 1, size, file) != size || fclose(file) != 0) {
		fprintf(stderr, "make-odd-pictures: cannot write %s\n", path);
		exit(2);
	}
}

/* The scene's channels 0..2, and alpha as 3. */
static uint8_t scene(int x, int y, int channel)
{
	switch (channel) {
	case 0:
		return (uint8_t)(x * 255 / (WIDTH - 1));
	case 1:
		return (uint8_t)(y * 255 / (HEIGHT - 1));
	case 2:
		return (uint8_t)((x + y) * 255 / (WIDTH + HEIGHT - 2));
	default:
		return (uint8_t)(255 - x * 8);
	}
}

/* JPEG into *bytes (malloc). components: 1..4; exif: a TIFF block or NULL. */
static size_t make_jpeg(
    int components, bool progressive, const uint8_t *exif, size_t exif_size, unsigned char **bytes)
{
	struct jpeg_compress_struct info;
	struct jpeg_error_mgr errors;
	unsigned long size = 0;
	info.err = jpeg_std_error(&errors);
	jpeg_create_compress(&info);
	*bytes = NULL;
	jpeg_mem_dest(&info, bytes, &size);
	info.image_width = WIDTH;
	info.image_height = HEIGHT;
	info.input_components = components;
	static const J_COLOR_SPACE spaces[5] = {
		[1] = JCS_GRAYSCALE, [2] = JCS_UNKNOWN, [3] = JCS_RGB, [4] = JCS_CMYK
	};
	info.in_color_space = spaces[components];
	jpeg_set_defaults(&info);
	jpeg_set_quality(&info, 80, TRUE);
	if (progressive)
		jpeg_simple_progression(&info);
	jpeg_start_compress(&info, TRUE);
	if (exif)
		jpeg_write_marker(&info, JPEG_APP0 + 1, exif, (unsigned)exif_size);
	while (info.next_scanline < HEIGHT) {
		JSAMPLE row[WIDTH * 4];
		JSAMPROW rows = row;
		for (int x = 0; x < WIDTH; x++)
			for (int c = 0; c < components; c++)
				row[x * components + c] = scene(x, (int)info.next_scanline, c);
		jpeg_write_scanlines(&info, &rows, 1);
	}
	jpeg_finish_compress(&info);
	jpeg_destroy_compress(&info);
	return size;
}

struct memory_file {
	uint8_t bytes[SIZE_MOST];
	size_t size;
};

static void write_png_bytes(png_structp png, png_bytep bytes, size_t size)
{
	struct memory_file *file = png_get_io_ptr(png);
	if (size > SIZE_MOST - file->size)
		png_error(png, "too large");
	memcpy(file->bytes + file->size, bytes, size);
	file->size += size;
}

static void make_png(
    int colour_type, int depth, bool interlaced, bool transparent, struct memory_file *file)
{
	png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
	png_infop info = png_create_info_struct(png);
	file->size = 0;
	png_set_write_fn(png, file, write_png_bytes, NULL);
	png_set_IHDR(png, info, WIDTH, HEIGHT, depth, colour_type,
	    interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
	    PNG_FILTER_TYPE_DEFAULT);
	int channels = png_get_channels(png, info);
	if (colour_type == PNG_COLOR_TYPE_PALETTE) {
		png_color palette[4] = { { 0, 0, 0 }, { 255, 0, 0 }, { 0, 255, 0 }, { 0, 0, 255 } };
		png_set_PLTE(png, info, palette, 4);
	}
	png_color_16 key = { .index = 0, .red = 0, .green = 0, .blue = 0, .gray = 0 };
	uint8_t alphas[4] = { 0, 64, 128, 255 };
	if (transparent)
		png_set_tRNS(png, info, alphas, 4, &key);
	uint8_t pixels[HEIGHT][WIDTH * 8], *rows[HEIGHT];
	memset(pixels, 0, sizeof pixels);
	for (int y = 0; y < HEIGHT; y++) {
		rows[y] = pixels[y];
		for (int i = 0; i < WIDTH * channels; i++) {
			int x = i / channels, c = i % channels;
			uint8_t value = scene(x, y, channels == 2 && c == 1 ? 3 : c);
			if (depth == 16)
				pixels[y][2 * i] = pixels[y][2 * i + 1] = value;
			else if (colour_type == PNG_COLOR_TYPE_PALETTE)
				pixels[y][i * depth / 8] |= (uint8_t)((value & 3) << (8 - depth - i * depth % 8));
			else
				pixels[y][i * depth / 8] |=
				    (uint8_t)(value >> (8 - depth) << (8 - depth - i * depth % 8));
		}
	}
	png_set_rows(png, info, rows);
	png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
	png_destroy_write_struct(&png, &info);
}

static void save_jpegs(void)
{
	static const uint8_t exif[] =
	    "Exif\0\0MM\0*\0\0\0\010\0\001\001\022\0\003\0\0\0\001\0\006\0\0\0\0\0";
	static const uint8_t bomb[] = { 0x1f, 0x40 }; /* 8000 */
	unsigned char *bytes;
	size_t size = make_jpeg(1, false, NULL, 0, &bytes);
	save("good-grey.jpg", bytes, size);
	free(bytes);
	size = make_jpeg(2, false, NULL, 0, &bytes);
	save("bad-two-components.jpg", bytes, size);
	free(bytes);
	size = make_jpeg(4, false, NULL, 0, &bytes);
	save("good-cmyk.jpg", bytes, size);
	free(bytes);
	size = make_jpeg(3, true, exif, sizeof exif - 1, &bytes);
	save("good-progressive-turned.jpg", bytes, size);
	save("bad-progressive-cut.jpg", bytes, size / 2 + 100);
	free(bytes);
	size = make_jpeg(3, false, NULL, 0, &bytes);
	save("good-baseline.jpg", bytes, size);
	save("bad-cut.jpg", bytes, size - 40);
	save("bad-no-end.jpg", bytes, size - 2);
	for (size_t at = 0; at + 9 < size; at++)
		if (bytes[at] == 0xff && bytes[at + 1] == 0xc0) {
			bytes[at + 4] = 12;
			save("bad-12-bit.jpg", bytes, size);
			bytes[at + 4] = 8;
			memcpy(bytes + at + 5, bomb, 2);
			memcpy(bytes + at + 7, bomb, 2);
			save("bad-bomb.jpg", bytes, size);
			break;
		}
	free(bytes);
}

static void save_pngs(void)
{
	static const struct {
		const char *name;
		int colour_type, depth;
		bool interlaced, transparent;
	} kinds[] = {
		{ "good-grey-1.png", PNG_COLOR_TYPE_GRAY, 1, false, false },
		{ "good-grey-4-interlaced.png", PNG_COLOR_TYPE_GRAY, 4, true, false },
		{ "good-grey-8-key.png", PNG_COLOR_TYPE_GRAY, 8, false, true },
		{ "good-grey-16.png", PNG_COLOR_TYPE_GRAY, 16, false, false },
		{ "good-grey-alpha.png", PNG_COLOR_TYPE_GRAY_ALPHA, 8, false, false },
		{ "good-palette-2-alpha.png", PNG_COLOR_TYPE_PALETTE, 2, false, true },
		{ "good-palette-8.png", PNG_COLOR_TYPE_PALETTE, 8, true, false },
		{ "good-rgb.png", PNG_COLOR_TYPE_RGB, 8, false, false },
		{ "good-rgb-16-key.png", PNG_COLOR_TYPE_RGB, 16, false, true },
		{ "good-rgba.png", PNG_COLOR_TYPE_RGB_ALPHA, 8, false, false },
		{ "good-rgba-16-interlaced.png", PNG_COLOR_TYPE_RGB_ALPHA, 16, true, false },
	};
	static struct memory_file file;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		make_png(
		    kinds[i].colour_type, kinds[i].depth, kinds[i].interlaced, kinds[i].transparent, &file);
		save(kinds[i].name, file.bytes, file.size);
	}
	make_png(PNG_COLOR_TYPE_RGB, 8, false, false, &file);
	save("bad-cut.png", file.bytes, file.size / 2);
	save("bad-no-end.png", file.bytes, file.size - 12);
	file.bytes[30] ^= 1; /* checksum of IHDR: bytes 29..32 */
	save("bad-header-checksum.png", file.bytes, file.size);
}

static void save_webps(void)
{
	uint8_t rgba[WIDTH * HEIGHT * 4], *bytes;
	for (int i = 0; i < WIDTH * HEIGHT * 4; i++)
		rgba[i] = scene(i / 4 % WIDTH, i / 4 / WIDTH, i % 4);
	size_t size = WebPEncodeRGBA(rgba, WIDTH, HEIGHT, WIDTH * 4, 80, &bytes);
	save("good-lossy-alpha.webp", bytes, size);
	save("bad-cut.webp", bytes, size / 2);
	bytes[20] |= 2; /* the animation flag of VP8X */
	save("bad-animated.webp", bytes, size);
	WebPFree(bytes);
	size = WebPEncodeLosslessRGBA(rgba, WIDTH, HEIGHT, WIDTH * 4, &bytes);
	save("good-lossless-alpha.webp", bytes, size);
	WebPFree(bytes);
	for (int i = 3; i < WIDTH * HEIGHT * 4; i += 4)
		rgba[i] = 255;
	size = WebPEncodeRGBA(rgba, WIDTH, HEIGHT, WIDTH * 4, 80, &bytes);
	save("good-lossy.webp", bytes, size);
	WebPFree(bytes);
	/* lossless and of one colour: whatever its size, it takes a few bytes */
	enum { SIDE = 2000 };
	uint8_t *blank = calloc(SIDE, SIDE * 3);
	if (!blank)
		exit(2);
	size = WebPEncodeLosslessRGB(blank, SIDE, SIDE, SIDE * 3, &bytes);
	save("bad-blank-2000.webp", bytes, size);
	WebPFree(bytes);
	free(blank);
}

static void save_pnms(void)
{
	uint8_t bytes[4096];
	int head = snprintf((char *)bytes, sizeof bytes, "P6\n# ramps\n%d %d\n255\n", WIDTH, HEIGHT);
	for (int i = 0; i < WIDTH * HEIGHT * 3; i++)
		bytes[head + i] = scene(i / 3 % WIDTH, i / 3 / WIDTH, i % 3);
	size_t size = (size_t)head + WIDTH * HEIGHT * 3;
	save("good-raw.ppm", bytes, size);
	save("bad-cut.ppm", bytes, size - 1);
	static const char plain[] = "P2 3 2 15\n0 7 15\n15 7 0\n", bits[] = "P4 9 2\n\x55\x80\xaa\x00";
	static const char wide[] = "P5 2 1 1023\n\0\xff\3\xff", bomb[] = "P5 60000 1000 255\n";
	save("good-plain.pgm", (const uint8_t *)plain, sizeof plain - 1);
	save("good-raw.pbm", (const uint8_t *)bits, sizeof bits - 1);
	save("good-10-bit.pgm", (const uint8_t *)wide, sizeof wide - 1);
	save("bad-bomb.pgm", (const uint8_t *)bomb, sizeof bomb - 1);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: make-odd-pictures DIRECTORY\n");
		return 2;
	}
	directory = argv[1];
	save_jpegs();
	save_pngs();
	save_webps();
	save_pnms();
	save("bad-empty", (const uint8_t *)"", 0);
	save("bad-text", (const uint8_t *)"not a picture\n", 14);
	return 0;
}
