/* content.h - the items of a stream (frames, bare records) and the bytes of records in them: a
 * frame's decoded content, or the bytes of a bare record themselves.
 */
#ifndef ZV_STREAM_CONTENT_H
#define ZV_STREAM_CONTENT_H

#include "stream/frame.h"
#include "stream/record.h"
#include "stream/source.h"

/* All zero but for source, to begin with. */
struct content {
	struct source *source;
	struct frame_decoder *decoder; /* made when the first frame comes */
	bool in_frame, frame_ended;
	bool decoder_full;            /* it may hold bytes that had no room */
	uint64_t offset;              /* of the present item in the input */
	uint64_t decoded;             /* bytes of its content that were given out */
	uint8_t ahead[RECORD_PREFIX]; /* decoded, but not given out */
	size_t ahead_size;
};

/* Go to the next item that holds records: 1, 0 at the end of the input, -1. */
int content_next_item(struct content *content);

/* Up to size bytes of the present item; *got < size only where it ends. 0 or -1. */
int content_read(struct content *content, uint8_t *target, size_t size, size_t *got);

/* All of size bytes, or -1 with ERROR_INPUT: "WHAT is cut off". */
int content_need(struct content *content, uint8_t *target, size_t size, const char *what);

/* Behind a record of a frame: find out whether the frame ends here. 0 or -1. */
int content_look_ahead(struct content *content);

/* Leave the present item and go to the next bytes that could begin one (or to the end), from the
 * byte behind its first if rewind is wanted and possible, else from where the input is. 0 or -1. */
int content_search(struct content *content, bool rewind);

void content_release(struct content *content);

#endif
