/* jpeg.c - JPEG through libjpeg-turbo's classic interface (decoder.h): the pixels of
 * `djpeg -dct int`, CMYK converted as Pillow does.
 */
#include "image/decoder.h"
#include "image/exif.h"
#include "base/error.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* A bit codes 64 pixels at best (a grey block whose DC difference is 0): 512 in a byte. */
enum { INFLATION = 1024, MARKER_MOST = 0xffff };

/* Everything that must survive a longjmp lives here, not in local variables. */
struct jpeg_decoder {
	struct jpeg_decompress_struct info;
	struct jpeg_error_mgr errors;
	struct jpeg_progress_mgr progress;
	jmp_buf jump;
	struct decoding *decoding;
	uint8_t *cmyk; /* one row, for four components */
};

/* Leave libjpeg; the error is recorded already. */
static _Noreturn void bail_out(struct jpeg_decoder *decoder)
{
	longjmp(decoder->jump, 1);
}

static _Noreturn void on_error(j_common_ptr info)
{
	char message[JMSG_LENGTH_MAX], text[JMSG_LENGTH_MAX];
	info->err->format_message(info, message);
	decoding_text(text, sizeof text, message);
	if (info->err->msg_code == JERR_NO_BACKING_STORE)
		error_input("JPEG: needs more memory than allowed");
	else if (info->err->msg_code == JERR_OUT_OF_MEMORY)
		error_system("JPEG: out of memory");
	else
		error_input("JPEG: %s", text);
	bail_out(info->client_data);
}

static bool is_truncation(int code)
{
	return code == JWRN_HIT_MARKER || code == JWRN_JPEG_EOF;
}

/* Level -1 is a warning; those above are traces. A picture whose rows are all there is not
 * truncated any more, whatever follows. */
static void on_message(j_common_ptr info, int level)
{
	struct jpeg_decoder *decoder = info->client_data;
	const struct jpeg_decompress_struct *reading = &decoder->info;
	if (level >= 0)
		return;
	info->err->num_warnings++;
	bool missing = reading->output_height == 0 || reading->output_scanline < reading->output_height;
	int result;
	if (is_truncation(info->err->msg_code) && missing) {
		result = decoding_truncated(decoder->decoding, "JPEG");
	} else {
		char message[JMSG_LENGTH_MAX], text[JMSG_LENGTH_MAX];
		info->err->format_message(info, message);
		decoding_text(text, sizeof text, message);
		result = decoding_warn(decoder->decoding, "JPEG: %.180s", text);
	}
	if (result < 0)
		bail_out(decoder);
}

static void on_output(j_common_ptr info)
{
	(void)info; /* nothing is printed here */
}

static void on_progress(j_common_ptr info)
{
	struct jpeg_decoder *decoder = info->client_data;
	int most = decoder->decoding->options->scans_most;
	if (decoder->info.input_scan_number > most) {
		error_input("JPEG: more than %d scans", most);
		bail_out(decoder);
	}
}

static void find_orientation(struct jpeg_decoder *decoder)
{
	for (jpeg_saved_marker_ptr at = decoder->info.marker_list; at; at = at->next)
		if (at->marker == JPEG_APP0 + 1 && at->data_length > 6 &&
		    memcmp(at->data, "Exif\0", 5) == 0) {
			/* the byte after the two zeros of "Exif" may be anything */
			decoder->decoding->orientation = exif_orientation(at->data + 6, at->data_length - 6);
			return;
		}
}

/* Four components are taken as Adobe writes them, inverted, marker or not, and go to RGB without
 * a colour profile: nk = 255 - K, R = nk - C * nk / 255 (Pillow's JpegImagePlugin and cmyk2rgb). */
static void convert_cmyk(const uint8_t *cmyk, uint8_t *rgb, size_t count)
{
	for (size_t i = 0; i < count; i++, cmyk += 4, rgb += 3) {
		unsigned white = cmyk[3];
		for (int c = 0; c < 3; c++) {
			unsigned product = (255u - cmyk[c]) * white + 128;
			rgb[c] = (uint8_t)(white - (((product >> 8) + product) >> 8));
		}
	}
}

static int choose_colours(struct jpeg_decoder *decoder)
{
	struct jpeg_decompress_struct *info = &decoder->info;
	info->dct_method = JDCT_ISLOW;
	info->do_fancy_upsampling = TRUE;
	if (info->num_components == 1 || info->num_components == 3) {
		info->out_color_space = JCS_RGB;
		return 0;
	}
	if (info->num_components != 4)
		return error_input("JPEG: %d colour components", info->num_components);
	info->out_color_space = JCS_CMYK;
	decoder->cmyk = memory_allocate(info->image_width, 4);
	return decoder->cmyk ? 0 : -1;
}

/* The size to decode at: that of the file, or a part of it that is enough for what is wanted. */
static void choose_scale(struct jpeg_decoder *decoder)
{
	struct jpeg_decompress_struct *info = &decoder->info;
	uint64_t enough = (uint64_t)decoder->decoding->options->side_wanted * 2;
	info->scale_num = 1;
	for (info->scale_denom = enough > 0 ? 8 : 1; info->scale_denom > 1; info->scale_denom /= 2) {
		jpeg_calc_output_dimensions(info);
		if (info->output_width >= enough && info->output_height >= enough)
			return;
	}
	jpeg_calc_output_dimensions(info);
}

static void read_rows(struct jpeg_decoder *decoder)
{
	struct jpeg_decompress_struct *info = &decoder->info;
	struct picture *picture = decoder->decoding->picture;
	while (info->output_scanline < info->output_height) {
		uint8_t *row = picture->pixels + (size_t)info->output_scanline * picture->width * 3;
		JSAMPROW into = decoder->cmyk ? decoder->cmyk : row;
		jpeg_read_scanlines(info, &into, 1);
		if (decoder->cmyk)
			convert_cmyk(decoder->cmyk, row, picture->width);
	}
}

/* All that may jump. -1 with a recorded error, also after a jump. */
static int decode_guarded(struct jpeg_decoder *decoder)
{
	struct jpeg_decompress_struct *info = &decoder->info;
	struct decoding *decoding = decoder->decoding;
	if (setjmp(decoder->jump))
		return -1;
	jpeg_create_decompress(info);
	info->mem->max_memory_to_use = (long)decoding->options->memory_most;
	info->progress = &decoder->progress;
	jpeg_mem_src(info, decoding->bytes, (unsigned long)decoding->size);
	jpeg_save_markers(info, JPEG_APP0 + 1, MARKER_MOST);
	jpeg_read_header(info, TRUE);
	if (picture_limit(decoding, info->image_width, info->image_height, INFLATION) < 0 ||
	    choose_colours(decoder) < 0)
		return -1;
	choose_scale(decoder);
	if (picture_allocate(decoding, info->output_width, info->output_height, INFLATION) < 0)
		return -1;
	find_orientation(decoder);
	jpeg_start_decompress(info);
	read_rows(decoder);
	jpeg_finish_decompress(info);
	return 0;
}

int jpeg_decode(struct decoding *decoding)
{
	struct jpeg_decoder *decoder = memory_allocate_zero(1, sizeof *decoder);
	if (!decoder)
		return -1;
	decoder->decoding = decoding;
	decoder->info.err = jpeg_std_error(&decoder->errors);
	decoder->info.client_data = decoder;
	decoder->errors.error_exit = on_error;
	decoder->errors.emit_message = on_message;
	decoder->errors.output_message = on_output;
	decoder->progress.progress_monitor = on_progress;
	int result = decode_guarded(decoder);
	jpeg_destroy_decompress(&decoder->info);
	memory_release(decoder->cmyk);
	memory_release(decoder);
	return result;
}

/* The header gives the version as a bare 2.1.5; two steps make a string of its value. */
#define TEXT_OF(token)       #token
#define TEXT_OF_VALUE(macro) TEXT_OF(macro)

const char *jpeg_library(void)
{
	return "libjpeg-turbo " TEXT_OF_VALUE(LIBJPEG_TURBO_VERSION);
}
