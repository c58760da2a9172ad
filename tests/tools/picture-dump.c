/* picture-dump.c - decode pictures and write their raw pixels, for comparison with reference hashes.
 * usage: picture-dump DIR [OPTION...] FILE...
 * The N-th file's pixels go to DIR/N (six digits); a line "N TAB ok|failed TAB WxH TAB text" goes
 * to standard output, text being the warning or the error. Options, in any order before the files:
 *   --rgba       write R, G, B, A: alpha is found from decodes over black and over white
 *   --grey       write only the first channel
 *   --no-orient  do not turn
 *   --strict     warnings are errors
 *   --partial    take pictures that end early
 *   --memory N   bytes a decoder may take besides the pixels
 *   --size WxH   resize;  --filter bicubic|bilinear|lanczos|box
 */
#include "base/error.h"
#include "base/memory.h"
#include "image/picture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	struct picture_options picture;
	bool rgba, grey;
	unsigned width, height; /* 0: as decoded */
	enum picture_filter filter;
} option;

static uint8_t *read_all(const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return NULL;
	uint8_t *bytes = NULL;
	size_t capacity = 0, got = 0;
	*size = 0;
	do {
		if (memory_grow((void **)&bytes, &capacity, *size + 65536, 1) < 0)
			break;
		got = fread(bytes + *size, 1, 65536, file);
		*size += got;
	} while (got);
	fclose(file);
	return bytes;
}

/* rgb over white minus rgb over black is 255 - alpha, exactly. */
static int find_alpha(const uint8_t *bytes, size_t size, uint8_t *alpha)
{
	struct picture_options options = option.picture;
	struct picture black, white;
	options.blend = true;
	memset(options.background, 0, 3);
	if (picture_decode(bytes, size, &options, &black, NULL) < 0)
		return -1;
	memset(options.background, 255, 3);
	int result = picture_decode(bytes, size, &options, &white, NULL);
	if (result == 0)
		for (size_t i = 0; i < (size_t)black.width * black.height; i++)
			alpha[i] = (uint8_t)(255 - (white.pixels[3 * i] - black.pixels[3 * i]));
	picture_clear(&black);
	picture_clear(&white);
	return result;
}

static void write_pixels(FILE *file, const struct picture *picture, const uint8_t *alpha)
{
	size_t count = (size_t)picture->width * picture->height;
	for (size_t i = 0; i < count; i++) {
		fwrite(picture->pixels + 3 * i, 1, option.grey ? 1 : 3, file);
		if (alpha)
			putc(alpha[i], file);
	}
}

static int dump(const char *path, FILE *file, char *size_text, char *text)
{
	size_t size = 0;
	uint8_t *bytes = read_all(path, &size), *alpha = NULL;
	struct picture picture = { 0 };
	const char *warning = NULL;
	int result = bytes ? picture_decode(bytes, size, &option.picture, &picture, &warning) : -1;
	snprintf(text, 256, "%s", warning ? warning : "");
	if (result == 0 && option.rgba) {
		alpha = memory_allocate(picture.width, picture.height);
		result = alpha ? find_alpha(bytes, size, alpha) : -1;
	}
	if (result == 0 && option.width) {
		struct picture resized;
		result = picture_resample(&picture, option.width, option.height, option.filter, &resized);
		picture_clear(&picture);
		picture = resized;
	}
	snprintf(size_text, 32, "%ux%u", (unsigned)picture.width, (unsigned)picture.height);
	if (result == 0)
		write_pixels(file, &picture, alpha);
	else
		snprintf(text, 256, "%s", error_text());
	picture_clear(&picture);
	memory_release(alpha);
	memory_release(bytes);
	return result;
}

static int parse(int argc, char **argv)
{
	static const char *const filters[] = { "bicubic", "bilinear", "lanczos", "box" };
	int i = 2;
	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--rgba") == 0)
			option.rgba = true;
		else if (strcmp(argv[i], "--grey") == 0)
			option.grey = true;
		else if (strcmp(argv[i], "--no-orient") == 0)
			option.picture.orient = false;
		else if (strcmp(argv[i], "--strict") == 0)
			option.picture.strict = true;
		else if (strcmp(argv[i], "--partial") == 0)
			option.picture.partial = true;
		else if (strcmp(argv[i], "--memory") == 0 && i + 1 < argc)
			option.picture.memory_most = strtoul(argv[++i], NULL, 10);
		else if (strcmp(argv[i], "--size") == 0 && i + 1 < argc) {
			char *end;
			option.width = (unsigned)strtoul(argv[++i], &end, 10);
			option.height = *end == 'x' ? (unsigned)strtoul(end + 1, NULL, 10) : 0;
		} else if (strcmp(argv[i], "--filter") == 0 && i + 1 < argc) {
			i++;
			for (int f = 0; f < 4; f++)
				if (strcmp(argv[i], filters[f]) == 0)
					option.filter = (enum picture_filter)f;
		}
	}
	return i;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		fprintf(stderr, "usage: picture-dump DIR [OPTION...] FILE...\n");
		return 2;
	}
	option.picture = picture_defaults();
	int first = parse(argc, argv);
	for (int i = first; i < argc; i++) {
		char path[4096], size_text[32], text[256];
		snprintf(path, sizeof path, "%s/%06d", argv[1], i - first + 1);
		FILE *file = fopen(path, "wb");
		if (!file)
			return 2;
		int result = dump(argv[i], file, size_text, text);
		if (fclose(file) != 0)
			return 2;
		printf("%06d\t%s\t%s\t%s\n", i - first + 1, result == 0 ? "ok" : "failed", size_text, text);
	}
	return 0;
}
