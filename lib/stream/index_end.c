/* index_end.c - from the last indexed record to the end of its file (see index_end.h). Payloads of
 * bare records are passed over; those of a frame have to be decoded.
 */
#include "stream/index_end.h"
#include "base/error.h"
#include "base/hash.h"
#include "stream/bytes.h"
#include "stream/content.h"

enum { SCRATCH_SIZE = 1 << 16, END_SIZE = 32 };

/* Where the walk is, and what it has seen. */
struct tail {
	struct content content;
	struct record record;
	uint64_t skip; /* bytes of the item before the record */
	bool ended;    /* the record was an end record */
	uint8_t header[RECORD_HEADER_MOST];
};

/* The next record's header: 1, 0 at the end of the file, -1. */
static int next_header(struct tail *tail)
{
	struct content *content = &tail->content;
	size_t got = 0;
	while (got == 0) {
		if (!content->in_frame) {
			int found = content_next_item(content);
			if (found <= 0)
				return found;
		}
		tail->skip = content->in_frame ? content->decoded : 0;
		if (content_read(content, tail->header, RECORD_PREFIX, &got) < 0)
			return -1;
		if (got == 0)
			content->in_frame = false; /* the frame ended between records */
	}
	size_t size = got == RECORD_PREFIX ? record_header_size(tail->header) : 0;
	if (size == 0 ||
	    content_need(content, tail->header + RECORD_PREFIX, size - RECORD_PREFIX, "header") < 0)
		return error_input("no record begins there");
	return record_parse(tail->header, size, &tail->record) < 0 ? -1 : 1;
}

/* Go past the payload, of which nothing is kept. */
static int pass_payload(struct tail *tail)
{
	uint8_t scratch[SCRATCH_SIZE];
	uint64_t left = tail->record.payload_size, passed;
	left += -left % RECORD_ALIGNMENT;
	if (!tail->content.in_frame) {
		if (source_pass(tail->content.source, left, &passed) < 0)
			return -1;
		return passed < left ? error_input("payload is cut off") : 0;
	}
	for (size_t step; left > 0; left -= step) {
		step = left < sizeof scratch ? (size_t)left : sizeof scratch;
		if (content_need(&tail->content, scratch, step, "payload") < 0)
			return -1;
	}
	return 0;
}

static int take_end(struct tail *tail, struct stream_totals *totals)
{
	uint8_t numbers[(END_SIZE + RECORD_ALIGNMENT - 1) / RECORD_ALIGNMENT * RECORD_ALIGNMENT];
	if (tail->record.payload_size != END_SIZE ||
	    content_need(&tail->content, numbers, sizeof numbers, "end record") < 0)
		return error_input("end record is damaged");
	if (checksum_of(numbers, END_SIZE) != tail->record.payload_checksum)
		return error_input("checksum of the end record is wrong");
	*totals = (struct stream_totals){ bytes_load(numbers, 8), bytes_load(numbers + 8, 8),
		bytes_load(numbers + 16, 8), bytes_load(numbers + 24, 8) };
	return 0;
}

static int walk(struct tail *tail, const struct index_line *last, struct stream_totals *totals)
{
	int found;
	while ((found = next_header(tail)) > 0) {
		char kind = tail->record.kind;
		tail->ended = kind == RECORD_END;
		if (tail->ended) {
			if (take_end(tail, totals) < 0)
				return -1;
			continue;
		}
		bool indexed =
		    last->key && tail->content.offset == last->offset && tail->skip <= last->skip;
		if ((kind == RECORD_TENSOR || kind == RECORD_FAILED) && !indexed)
			return error_input("\"%.200s\" lies behind the last entry", tail->record.key);
		if (pass_payload(tail) < 0)
			return -1;
	}
	if (found == 0 && !tail->ended)
		return error_input("the file does not end with an end record");
	return found;
}

int index_end_read(
    int descriptor, uint64_t size, const struct index_line *last, struct stream_totals *totals)
{
	struct tail tail = { .content.source =
		                     source_open_range(descriptor, last->offset, size - last->offset) };
	if (!tail.content.source)
		return -1;
	int result = walk(&tail, last, totals);
	content_release(&tail.content);
	return result;
}
