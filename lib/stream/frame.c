/* frame.c - zstd frames (see frame.h, zvt(5) "Frames" and RFC 8878). */
#include "stream/frame.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "stream/bytes.h"

#include <stdbool.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

enum {
	WRITE_WINDOW_LOG = 20, /* 1 MiB */
	READ_WINDOW_LOG = 23,  /* 8 MiB */
	STORED_HEADER = 14,
	BLOCK_MOST = 1 << 17,
	BLOCK_HEADER = 3,
	STORED_CHECKSUM = 4,
};

struct frame_encoder {
	ZSTD_CCtx *context; /* made when first needed */
	struct checksummer *checksummer;
	uint8_t *buffer;
	size_t capacity;
};

struct frame_decoder {
	ZSTD_DCtx *context;
};

enum frame_item frame_recognise(const uint8_t magic[4])
{
	uint64_t number = bytes_load(magic, 4);
	if (number == ZSTD_MAGICNUMBER)
		return FRAME_ZSTD;
	if ((number & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START)
		return FRAME_SKIPPABLE;
	return memcmp(magic, "ZVT1", 4) == 0 ? FRAME_RECORD : FRAME_UNKNOWN;
}

const char *frame_library(void)
{
	return "zstd " ZSTD_VERSION_STRING;
}

struct frame_encoder *frame_encoder_new(void)
{
	struct frame_encoder *encoder = memory_allocate_zero(1, sizeof *encoder);
	if (encoder && !(encoder->checksummer = checksummer_new())) {
		memory_release(encoder);
		return NULL;
	}
	return encoder;
}

void frame_encoder_release(struct frame_encoder *encoder)
{
	if (!encoder)
		return;
	ZSTD_freeCCtx(encoder->context);
	checksummer_release(encoder->checksummer);
	memory_release(encoder->buffer);
	memory_release(encoder);
}

static int content_size(const struct frame_piece *pieces, int count, size_t *total)
{
	*total = 0;
	for (int i = 0; i < count; i++)
		if (!checked_add(*total, pieces[i].size, total))
			return error_memory(SIZE_MAX);
	return 0;
}

/* Raw blocks of at most 128 KiB between a frame header and the content's checksum. The header
 * says "8-byte size, checksum, window 128 KiB" and not "single segment", with which stock zstd
 * would want a window as large as the content. */
static int encode_stored(struct frame_encoder *encoder, const struct frame_piece *pieces, int count,
    size_t total, size_t *size)
{
	static const uint8_t head[] = { 0x28, 0xb5, 0x2f, 0xfd, 0xc4, 0x38 };
	size_t blocks = total / BLOCK_MOST + (total % BLOCK_MOST || total == 0), needed;
	if (!checked_multiply(blocks, BLOCK_HEADER, &needed) || !checked_add(needed, total, &needed) ||
	    !checked_add(needed, STORED_HEADER + STORED_CHECKSUM, &needed))
		return error_memory(SIZE_MAX);
	if (memory_grow((void **)&encoder->buffer, &encoder->capacity, needed, 1) < 0)
		return -1;
	uint8_t *at = encoder->buffer;
	memcpy(at, head, sizeof head);
	bytes_store(at + sizeof head, 8, total);
	at += STORED_HEADER;
	checksummer_reset(encoder->checksummer);
	size_t left_in_block = 0, left = total;
	for (int i = 0; i < count; i++) {
		const uint8_t *from = pieces[i].bytes;
		for (size_t done = 0; done < pieces[i].size;) {
			if (left_in_block == 0) {
				left_in_block = left < BLOCK_MOST ? left : BLOCK_MOST;
				bytes_store(at, BLOCK_HEADER, left_in_block << 3 | (left_in_block == left));
				at += BLOCK_HEADER;
			}
			size_t step = pieces[i].size - done;
			step = step < left_in_block ? step : left_in_block;
			memcpy(at, from + done, step);
			at += step;
			done += step;
			left -= step;
			left_in_block -= step;
		}
		checksummer_add(encoder->checksummer, pieces[i].bytes, pieces[i].size);
	}
	if (total == 0) {
		bytes_store(at, BLOCK_HEADER, 1);
		at += BLOCK_HEADER;
	}
	bytes_store(at, STORED_CHECKSUM, checksummer_value(encoder->checksummer));
	*size = (size_t)(at - encoder->buffer) + STORED_CHECKSUM;
	return 0;
}

static int zstd_failure(size_t code)
{
	if (ZSTD_getErrorCode(code) == ZSTD_error_memory_allocation)
		return error_system("out of memory (for zstd)");
	if (ZSTD_getErrorCode(code) == ZSTD_error_frameParameter_windowTooLarge)
		return error_input(
		    "zstd frame needs a window of more than %d MiB", 1 << (READ_WINDOW_LOG - 20));
	return error_input("zstd: %s", ZSTD_getErrorName(code));
}

static int prepare_context(struct frame_encoder *encoder, int level, size_t total)
{
	if (!encoder->context && !(encoder->context = ZSTD_createCCtx()))
		return error_system("out of memory (for zstd)");
	ZSTD_CCtx_reset(encoder->context, ZSTD_reset_session_and_parameters);
	const struct {
		ZSTD_cParameter parameter;
		int value;
	} settings[] = {
		{ ZSTD_c_compressionLevel, level },
		{ ZSTD_c_windowLog, WRITE_WINDOW_LOG },
		{ ZSTD_c_checksumFlag, 1 },
		{ ZSTD_c_contentSizeFlag, 1 },
	};
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
		size_t code =
		    ZSTD_CCtx_setParameter(encoder->context, settings[i].parameter, settings[i].value);
		if (ZSTD_isError(code))
			return zstd_failure(code);
	}
	size_t code = ZSTD_CCtx_setPledgedSrcSize(encoder->context, total);
	return ZSTD_isError(code) ? zstd_failure(code) : 0;
}

static int encode_compressed(struct frame_encoder *encoder, int level,
    const struct frame_piece *pieces, int count, size_t total, size_t *size)
{
	size_t bound = ZSTD_compressBound(total);
	if (ZSTD_isError(bound) || bound < total)
		return error_memory(SIZE_MAX);
	if (memory_grow((void **)&encoder->buffer, &encoder->capacity, bound, 1) < 0 ||
	    prepare_context(encoder, level, total) < 0)
		return -1;
	ZSTD_outBuffer target = { encoder->buffer, encoder->capacity, 0 };
	size_t unflushed = 0;
	for (int i = 0; i < count; i++) {
		ZSTD_inBuffer source = { pieces[i].bytes, pieces[i].size, 0 };
		ZSTD_EndDirective directive = i == count - 1 ? ZSTD_e_end : ZSTD_e_continue;
		do {
			unflushed = ZSTD_compressStream2(encoder->context, &target, &source, directive);
			if (ZSTD_isError(unflushed))
				return zstd_failure(unflushed);
		} while (target.pos < target.size &&
		         (source.pos < source.size || (directive == ZSTD_e_end && unflushed > 0)));
	}
	if (unflushed > 0)
		return error_system("zstd wants more room than its own bound");
	*size = target.pos;
	return 0;
}

int frame_encode(struct frame_encoder *encoder, int level, const struct frame_piece *pieces,
    int count, const uint8_t **frame, size_t *size)
{
	size_t total;
	if (content_size(pieces, count, &total) < 0)
		return -1;
	int result = level == 0 ? encode_stored(encoder, pieces, count, total, size)
	                        : encode_compressed(encoder, level, pieces, count, total, size);
	*frame = encoder->buffer;
	return result;
}

struct frame_decoder *frame_decoder_new(void)
{
	struct frame_decoder *decoder = memory_allocate_zero(1, sizeof *decoder);
	if (!decoder)
		return NULL;
	decoder->context = ZSTD_createDCtx();
	if (!decoder->context) {
		error_system("out of memory (for zstd)");
		memory_release(decoder);
		return NULL;
	}
	size_t code = ZSTD_DCtx_setParameter(decoder->context, ZSTD_d_windowLogMax, READ_WINDOW_LOG);
	if (ZSTD_isError(code)) {
		zstd_failure(code);
		frame_decoder_release(decoder);
		return NULL;
	}
	return decoder;
}

void frame_decoder_release(struct frame_decoder *decoder)
{
	if (!decoder)
		return;
	ZSTD_freeDCtx(decoder->context);
	memory_release(decoder);
}

void frame_decoder_reset(struct frame_decoder *decoder)
{
	ZSTD_DCtx_reset(decoder->context, ZSTD_reset_session_only);
}

int frame_decode(struct frame_decoder *decoder, const uint8_t *source, size_t available,
    size_t *taken, uint8_t *target, size_t room, size_t *given)
{
	ZSTD_inBuffer from = { source, available, 0 };
	ZSTD_outBuffer into = { target, room, 0 };
	size_t code = ZSTD_decompressStream(decoder->context, &into, &from);
	*taken = from.pos;
	*given = into.pos;
	if (ZSTD_isError(code))
		return zstd_failure(code);
	return code == 0;
}
