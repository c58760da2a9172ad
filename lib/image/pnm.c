/* pnm.c - PBM, PGM and PPM, plain and raw (P1..P6), the first picture of the file (decoder.h).
 * Samples are scaled to 0..255 as Pillow's PpmImagePlugin and convert("RGB") do.
 */
#include "image/decoder.h"
#include "base/error.h"

#include <math.h>
#include <string.h>

enum { VALUE_MOST = 65535 };

struct pnm {
	const uint8_t *at, *end;
	char kind; /* '1'..'6' */
	uint32_t maxval;
};

static bool is_space(uint8_t byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Pass over white space and comments, which run from '#' to the end of the line. */
static void skip_space(struct pnm *pnm)
{
	while (pnm->at < pnm->end && (is_space(*pnm->at) || *pnm->at == '#')) {
		if (*pnm->at == '#')
			while (pnm->at < pnm->end && *pnm->at != '\n' && *pnm->at != '\r')
				pnm->at++;
		else
			pnm->at++;
	}
}

/* A whole number up to VALUE_MOST: 0, or -1 (nothing recorded). */
static int read_number(struct pnm *pnm, uint32_t *number)
{
	skip_space(pnm);
	const uint8_t *start = pnm->at;
	*number = 0;
	while (pnm->at < pnm->end && *pnm->at >= '0' && *pnm->at <= '9') {
		*number = *number * 10 + (uint32_t)(*pnm->at++ - '0');
		if (*number > VALUE_MOST)
			return -1;
	}
	return pnm->at > start ? 0 : -1;
}

static int read_header(struct pnm *pnm, uint32_t *width, uint32_t *height)
{
	pnm->kind = (char)pnm->at[1];
	pnm->at += 2;
	pnm->maxval = 1;
	if (read_number(pnm, width) < 0 || read_number(pnm, height) < 0)
		return error_input("PNM: width and height are not two numbers up to %d", (int)VALUE_MOST);
	bool bitmap = pnm->kind == '1' || pnm->kind == '4';
	if (!bitmap && (read_number(pnm, &pnm->maxval) < 0 || pnm->maxval == 0))
		return error_input("PNM: the largest value is not a number of 1..%d", (int)VALUE_MOST);
	if (pnm->kind < '4')
		return 0;
	/* a raw raster begins behind exactly one white space; a comment may stand before it */
	if (pnm->at < pnm->end && *pnm->at == '#')
		while (pnm->at < pnm->end && *pnm->at != '\n')
			pnm->at++;
	if (pnm->at == pnm->end)
		return error_input("truncated PNM");
	if (!is_space(*pnm->at++))
		return error_input("PNM: no white space before the raster");
	return 0;
}

/* A sample to 0..255: rounded to the nearest, halves to even. Grey of more than 8 bits is scaled
 * to 0..65535 and clipped at 255 instead: Pillow opens it in mode I, whose conversion clips. */
static uint8_t scale(const struct pnm *pnm, uint32_t value, bool *clipped)
{
	bool wide_grey = (pnm->kind == '2' || pnm->kind == '5') && pnm->maxval > 255;
	double most = wide_grey ? 65535 : 255;
	double scaled = rint((double)value / pnm->maxval * most);
	if (wide_grey && scaled > 255)
		*clipped = true;
	return scaled > 255 ? 255 : (uint8_t)scaled;
}

static int read_plain(struct pnm *pnm, uint8_t *samples, size_t count, bool *clipped)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t value;
		skip_space(pnm);
		if (pnm->at == pnm->end)
			return 1;
		if (pnm->kind == '1') { /* digits of a plain bitmap need no space between them */
			if (*pnm->at != '0' && *pnm->at != '1')
				return error_input("PNM: sample %zu is neither 0 nor 1", i);
			samples[i] = *pnm->at++ == '0' ? 255 : 0;
			continue;
		}
		if (read_number(pnm, &value) < 0 || value > pnm->maxval)
			return error_input(
			    "PNM: sample %zu is not a number of 0..%u", i, (unsigned)pnm->maxval);
		samples[i] = scale(pnm, value, clipped);
	}
	return 0;
}

static int read_raw_bits(struct pnm *pnm, uint8_t *samples, uint32_t width, uint32_t height)
{
	size_t row_size = ((size_t)width + 7) / 8;
	for (uint32_t y = 0; y < height; y++, pnm->at += row_size) {
		if ((size_t)(pnm->end - pnm->at) < row_size)
			return 1;
		for (uint32_t x = 0; x < width; x++)
			*samples++ = pnm->at[x / 8] >> (7 - x % 8) & 1 ? 0 : 255;
	}
	return 0;
}

static int read_raw(struct pnm *pnm, uint8_t *samples, size_t count, bool *clipped)
{
	size_t size = pnm->maxval > 255 ? 2 : 1;
	size_t here = (size_t)(pnm->end - pnm->at) / size;
	size_t most = count < here ? count : here;
	if (pnm->maxval == 255) {
		memcpy(samples, pnm->at, most);
		return most < count;
	}
	for (size_t i = 0; i < most; i++, pnm->at += size) {
		uint32_t value = size == 2 ? pnm->at[0] * 256u + pnm->at[1] : pnm->at[0];
		samples[i] = scale(pnm, value, clipped);
	}
	return most < count;
}

/* Grey samples at the front of the pixels to R, G, B, from the back. */
static void spread_grey(uint8_t *pixels, size_t count)
{
	for (size_t i = count; i-- > 0;) {
		uint8_t grey = pixels[i];
		pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = grey;
	}
}

int pnm_decode(struct decoding *decoding)
{
	struct pnm pnm = { .at = decoding->bytes, .end = decoding->bytes + decoding->size };
	struct picture *picture = decoding->picture;
	uint32_t width, height;
	if (read_header(&pnm, &width, &height) < 0 || picture_allocate(decoding, width, height, 8) < 0)
		return -1;
	size_t pixels = (size_t)width * height;
	bool colour = pnm.kind == '3' || pnm.kind == '6', clipped = false;
	size_t count = colour ? 3 * pixels : pixels;
	int result;
	if (pnm.kind < '4')
		result = read_plain(&pnm, picture->pixels, count, &clipped);
	else if (pnm.kind == '4')
		result = read_raw_bits(&pnm, picture->pixels, width, height);
	else
		result = read_raw(&pnm, picture->pixels, count, &clipped);
	if (result < 0)
		return -1;
	if (result > 0)
		return error_input("truncated PNM");
	if (!colour)
		spread_grey(picture->pixels, pixels);
	if (clipped)
		return decoding_warn(decoding,
		    "16-bit grey: values above 255 are white, as the reference has it; reduce to 8 bits");
	return 0;
}
