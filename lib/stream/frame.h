/* frame.h - zstd frames to and from memory; frame.c is the one file that knows the library.
 * An encoder makes one frame of one record (content size and checksum, window at most 1 MiB); a
 * decoder takes any frame whose window is at most 8 MiB, piece by piece.
 */
#ifndef ZV_STREAM_FRAME_H
#define ZV_STREAM_FRAME_H

#include <stddef.h>
#include <stdint.h>

/* What the first four bytes of an item say it is. */
enum frame_item {
	FRAME_RECORD,    /* a bare record */
	FRAME_ZSTD,      /* a zstd frame */
	FRAME_SKIPPABLE, /* four bytes of length follow, then that many bytes to pass over */
	FRAME_UNKNOWN,
};
enum frame_item frame_recognise(const uint8_t magic[4]);

/* A frame's content, given in pieces. */
struct frame_piece {
	const void *bytes;
	size_t size;
};

struct frame_encoder;
struct frame_encoder *frame_encoder_new(void); /* NULL: out of memory */
void frame_encoder_release(struct frame_encoder *encoder);

/* Make one frame of the pieces: compressed at level 1..19, or at level 0 stored, which is written
 * without the compressor. *frame stays the encoder's, valid until its next call. 0 or -1. */
int frame_encode(struct frame_encoder *encoder, int level, const struct frame_piece *pieces,
    int count, const uint8_t **frame, size_t *size);

struct frame_decoder;
struct frame_decoder *frame_decoder_new(void); /* NULL: out of memory */
void frame_decoder_release(struct frame_decoder *decoder);

/* Forget what was fed; the next byte is a frame's first. */
void frame_decoder_reset(struct frame_decoder *decoder);

/* Decode from source into target: *taken of available bytes were used, *given of room were made.
 * 1 when the frame ended and its checksum was right, 0 when there is more to come, -1 with
 * ERROR_INPUT (or ERROR_SYSTEM for memory). */
int frame_decode(struct frame_decoder *decoder, const uint8_t *source, size_t available,
    size_t *taken, uint8_t *target, size_t room, size_t *given);

const char *frame_library(void); /* "zstd 1.5.4", for --version */

#endif
