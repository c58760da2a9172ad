/* read.c - the stream reader (see read.h and "Reader rules" in zvt(5)): the records that
 * content.c finds in items, checked one by one and against the end record.
 */
#include "stream/read.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/program.h"
#include "stream/bytes.h"
#include "stream/content.h"
#include "stream/read_internal.h"
#include "stream/source.h"

#include <stdio.h>
#include <string.h>

enum {
	FIRST_PAYLOAD = 1 << 18, /* what a payload's buffer begins with, whatever the header says */
	SCRATCH_SIZE = 1 << 16,
};

enum payload_state {
	PAYLOAD_NONE,    /* before the first record, or all of the present one is behind us */
	PAYLOAD_WAITING, /* the input is at the first byte of the payload */
	PAYLOAD_READ,    /* verified and in payload */
};

struct reader {
	struct content content;
	bool salvage, trusting, single;
	bool again;  /* reader_next() shows the present record once more */
	bool failed; /* an error was returned; the input is in no known state */
	bool whole;  /* false: salvage passed over something */
	bool end_differs, tail_damaged, item_shown; /* for salvage: see find_next_item() */

	/* The present record. */
	uint64_t record_skip, item_length; /* see reader_place() */
	uint8_t *header;                   /* RECORD_HEADER_MOST bytes */
	struct record record;
	enum payload_state state;
	uint8_t *buffer; /* the payload, unless it is mapped */
	size_t capacity, largest;
	const uint8_t *payload; /* in state PAYLOAD_READ */

	/* What the end record must say, since the last one; and in all. */
	struct stream_totals part, all;
	struct checksummer *chain, *checksummer;
	bool ended;     /* the last record was an end record */
	bool has_key;   /* a tensor or failure was seen: last_key */
	bool last_more; /* and it promised another part */
	char last_key[RECORD_KEY_MOST + 1];
	uint64_t lost, closed; /* bytes passed over; where the last end record ended */
};

static struct reader *reader_new(struct source *source)
{
	if (!source)
		return NULL;
	struct reader *reader = memory_allocate_zero(1, sizeof *reader);
	if (!reader) {
		source_close(source);
		return NULL;
	}
	reader->content.source = source;
	reader->whole = true;
	reader->header = memory_allocate(RECORD_HEADER_MOST, 1);
	reader->chain = reader->header ? checksummer_new() : NULL;
	reader->checksummer = reader->chain ? checksummer_new() : NULL;
	if (!reader->checksummer) {
		reader_close(reader);
		return NULL;
	}
	return reader;
}

struct reader *reader_open(const char *path)
{
	return reader_new(source_open(path));
}

struct reader *reader_open_memory(const void *bytes, size_t size)
{
	return reader_new(source_open_memory(bytes, size));
}

struct reader *reader_open_range(int descriptor, uint64_t offset, uint64_t length)
{
	struct reader *reader = reader_new(source_open_range(descriptor, offset, length));
	if (reader)
		reader->single = true;
	return reader;
}

struct reader *reader_open_part(int descriptor, uint64_t offset, uint64_t length)
{
	return reader_new(source_open_range(descriptor, offset, length));
}

struct stream_totals reader_open_totals(const struct reader *reader)
{
	struct stream_totals totals = reader->part;
	totals.chain = checksummer_value(reader->chain);
	return totals;
}

uint64_t reader_closed(const struct reader *reader)
{
	return reader->closed;
}

void reader_close(struct reader *reader)
{
	if (!reader)
		return;
	content_release(&reader->content);
	checksummer_release(reader->chain);
	checksummer_release(reader->checksummer);
	memory_release(reader->header);
	memory_release(reader->buffer);
	memory_release(reader);
}

void reader_salvage(struct reader *reader)
{
	reader->salvage = true;
}

void reader_again(struct reader *reader)
{
	reader->again = true;
}

void reader_trust(struct reader *reader)
{
	reader->trusting = true;
}

/* Read and check the next record's header: 1, 0 at the end of the input, -1. */
static int next_header(struct reader *reader)
{
	size_t got = 0;
	while (got == 0) {
		if (!reader->content.in_frame) {
			reader->item_shown = false;
			int found = content_next_item(&reader->content);
			if (found <= 0)
				return found;
		}
		reader->record_skip = reader->content.in_frame ? reader->content.decoded : 0;
		if (content_read(&reader->content, reader->header, RECORD_PREFIX, &got) < 0)
			return -1;
		if (got == 0)
			reader->content.in_frame = false; /* the frame ended between records */
	}
	if (got < RECORD_PREFIX)
		return error_input("header is cut off");
	size_t size = record_header_size(reader->header);
	if (size == 0 || content_need(&reader->content, reader->header + RECORD_PREFIX,
	                     size - RECORD_PREFIX, "header") < 0)
		return -1;
	if (record_parse(reader->header, size, &reader->record) < 0)
		return -1;
	reader->state = PAYLOAD_WAITING;
	return 1;
}

static size_t padding_after(uint64_t payload_size)
{
	return (size_t)(-payload_size % RECORD_ALIGNMENT);
}

/* Behind the payload: padding, and in a frame the question whether it ends here. */
static int finish_record(struct reader *reader)
{
	uint8_t padding[RECORD_ALIGNMENT];
	size_t size = padding_after(reader->record.payload_size);
	if (content_need(&reader->content, padding, size, "padding") < 0)
		return -1;
	for (size_t i = 0; i < size; i++)
		if (padding[i])
			return error_input("padding of the payload is not zero");
	if (!reader->single && content_look_ahead(&reader->content) < 0)
		return -1;
	reader->item_length = source_position(reader->content.source) - reader->content.offset;
	return 0;
}

/* Read the payload into the buffer, which grows as the bytes arrive. */
static int fill_buffer(struct reader *reader, size_t size)
{
	size_t have = 0;
	while (have < size) {
		/* What is in the file for sure, or as much as came before, may be believed. */
		size_t target = have ? have + have / 2 : FIRST_PAYLOAD;
		if (target < reader->largest)
			target = reader->largest;
		if (!reader->content.in_frame && target < source_certain(reader->content.source))
			target = (size_t)source_certain(reader->content.source);
		if (target > size)
			target = size;
		if (target > reader->capacity &&
		    memory_grow((void **)&reader->buffer, &reader->capacity, target, 1) < 0)
			return -1;
		if (target < reader->capacity)
			target = reader->capacity < size ? reader->capacity : size;
		if (content_need(&reader->content, reader->buffer + have, target - have, "payload") < 0)
			return -1;
		have = target;
	}
	if (!reader->buffer && !(reader->buffer = memory_allocate(1, 1)))
		return -1;
	return 0;
}

static int load_payload(struct reader *reader)
{
	size_t size;
	if (!checked_size(reader->record.payload_size, &size))
		return error_memory(SIZE_MAX);
	reader->payload = reader->content.in_frame ? NULL : source_map(reader->content.source, size);
	if (!reader->payload) {
		if (fill_buffer(reader, size) < 0)
			return -1;
		reader->payload = reader->buffer;
	}
	if (checksum_of(reader->payload, size) != reader->record.payload_checksum)
		return error_input("checksum of the payload is wrong");
	reader->state = PAYLOAD_READ;
	if (size > reader->largest)
		reader->largest = size;
	if (finish_record(reader) == 0)
		return 0;
	/* The record is whole, whatever the end of its frame is; salvage goes on after it. */
	reader->tail_damaged = reader->salvage && error_kind() == ERROR_INPUT;
	return reader->tail_damaged ? 0 : -1;
}

/* Go past a payload that nobody wants, verifying it all the same. */
static int pass_payload(struct reader *reader)
{
	uint8_t scratch[SCRATCH_SIZE];
	uint64_t left = reader->record.payload_size;
	if (reader->state != PAYLOAD_WAITING)
		return 0;
	if (reader->trusting && !reader->content.in_frame && source_size(reader->content.source) > 0) {
		uint64_t passed;
		if (source_pass(reader->content.source, left, &passed) < 0)
			return -1;
		if (passed < left)
			return error_input("payload is cut off");
	} else {
		checksummer_reset(reader->checksummer);
		while (left > 0) {
			size_t step = left < sizeof scratch ? (size_t)left : sizeof scratch;
			if (content_need(&reader->content, scratch, step, "payload") < 0)
				return -1;
			checksummer_add(reader->checksummer, scratch, step);
			left -= step;
		}
		if (checksummer_value(reader->checksummer) != reader->record.payload_checksum)
			return error_input("checksum of the payload is wrong");
	}
	reader->state = PAYLOAD_NONE;
	return finish_record(reader);
}

/* Put the place in front of the recorded error; remember that nothing more can be read. */
static int damage(struct reader *reader)
{
	if (!reader->salvage)
		reader->failed = true;
	if (error_kind() != ERROR_INPUT)
		return -1;
	if (reader->has_key)
		return error_context("byte %llu, after \"%.200s\"",
		    (unsigned long long)reader->content.offset, reader->last_key);
	return error_context("byte %llu", (unsigned long long)reader->content.offset);
}

/* Count the present record for the end record to come. */
static void account(struct reader *reader)
{
	uint8_t checksum[8];
	struct stream_totals *const totals[] = { &reader->part, &reader->all };
	for (int i = 0; i < 2; i++) {
		totals[i]->tensors += reader->record.kind == RECORD_TENSOR;
		totals[i]->failures += reader->record.kind == RECORD_FAILED;
		totals[i]->payload_bytes += reader->record.payload_size;
	}
	bytes_store(checksum, sizeof checksum, reader->record.header_checksum);
	checksummer_add(reader->chain, checksum, sizeof checksum);
	reader->ended = false;
}

static void account_key(struct reader *reader)
{
	account(reader);
	reader->has_key = true;
	reader->last_more = reader->record.more;
	memcpy(reader->last_key, reader->record.key, sizeof reader->last_key);
}

/* Read an end record's payload and compare it with what came. */
static int take_end(struct reader *reader)
{
	if (load_payload(reader) < 0)
		return -1;
	uint64_t numbers[4];
	for (int i = 0; i < 4; i++)
		numbers[i] = bytes_load(reader->payload + 8 * i, 8);
	reader->state = PAYLOAD_NONE;
	struct stream_totals part = reader->part;
	part.chain = checksummer_value(reader->chain);
	memset(&reader->part, 0, sizeof reader->part);
	checksummer_reset(reader->chain);
	bool more = reader->last_more;
	reader->last_more = false;
	reader->ended = true;
	reader->all.chain = numbers[3];
	reader->end_differs = more || numbers[0] != part.tensors || numbers[1] != part.failures ||
	                      numbers[2] != part.payload_bytes || numbers[3] != part.chain;
	if (more)
		return error_input("the last sample lacks its other parts");
	if (numbers[0] != part.tensors || numbers[1] != part.failures)
		return error_input("%llu tensors and %llu failures where the end record says %llu and %llu",
		    (unsigned long long)part.tensors, (unsigned long long)part.failures,
		    (unsigned long long)numbers[0], (unsigned long long)numbers[1]);
	if (reader->end_differs)
		return error_input("records are not those that the end record vouches for");
	reader->closed = reader->content.offset + reader->item_length;
	return 0;
}

/* The end of the input: 0 if it may be, or -1. */
static int take_end_of_input(struct reader *reader)
{
	if (reader->ended || reader->single)
		return 0;
	if (reader->salvage) {
		reader->whole = false;
		return 0;
	}
	reader->failed = true;
	if (reader->has_key)
		return error_input("truncated stream (no end record after \"%.200s\")", reader->last_key);
	return error_input("truncated stream (no end record)");
}

/* Salvage: from what was damaged to the next thing that looks like an item. The search begins
 * right behind the damaged item's first byte where the input can be rewound; not so when records
 * of it were shown already, since a stored frame holds them as bare records. */
static int find_next_item(struct reader *reader)
{
	uint64_t began = reader->content.offset;
	reader->whole = reader->tail_damaged = false;
	reader->state = PAYLOAD_NONE;
	if (content_search(&reader->content, !reader->item_shown) < 0)
		return -1;
	reader->lost += source_position(reader->content.source) - began;
	return 0;
}

/* One record forward: 1 for 'T' and 'F', 2 for others (which are done with), 0 at the end, -1. */
static int step_forward(struct reader *reader)
{
	if (pass_payload(reader) < 0)
		return -1;
	reader->state = PAYLOAD_NONE;
	if (reader->tail_damaged)
		return error_input("end of the frame is damaged");
	int found = next_header(reader);
	if (found <= 0)
		return found;
	char kind = reader->record.kind;
	if (kind == RECORD_END)
		return take_end(reader) < 0 ? -1 : 2;
	if (kind != RECORD_TENSOR && kind != RECORD_FAILED) {
		if (pass_payload(reader) < 0)
			return -1;
		account(reader);
		return 2;
	}
	/* In salvage mode nothing is shown before all of it was seen. */
	if (reader->salvage && reader->record.payload_size <= (uint64_t)common.max_record &&
	    load_payload(reader) < 0)
		return -1;
	account_key(reader);
	reader->item_shown = true;
	return 1;
}

int reader_next(struct reader *reader, struct record *record)
{
	if (reader->failed)
		return error_input("nothing can be read behind the damage");
	for (;;) {
		int found = reader->again ? 1 : step_forward(reader);
		reader->again = false;
		if (found == 1) {
			*record = reader->record;
			return 1;
		}
		if (found == 0)
			return take_end_of_input(reader);
		if (found == 2)
			continue;
		if (!reader->salvage || error_kind() != ERROR_INPUT)
			return damage(reader);
		if (reader->end_differs) /* all of the end record was read: the input goes on */
			reader->whole = reader->end_differs = false;
		else if (find_next_item(reader) < 0)
			return damage(reader);
	}
}

const void *reader_payload(struct reader *reader)
{
	if (reader->state == PAYLOAD_READ)
		return reader->payload;
	if (reader->failed || reader->state == PAYLOAD_NONE) {
		error_input("no payload is left to read");
		return NULL;
	}
	if (reader->record.payload_size > (uint64_t)common.max_record) {
		error_input("\"%.200s\" has a payload of %llu bytes; --max-record allows %lld",
		    reader->record.key, (unsigned long long)reader->record.payload_size,
		    (long long)common.max_record);
		return NULL;
	}
	if (load_payload(reader) < 0) {
		damage(reader);
		return NULL;
	}
	return reader->payload;
}

int reader_skip(struct reader *reader)
{
	if (reader->failed)
		return error_input("nothing can be read behind the damage");
	return pass_payload(reader) < 0 ? damage(reader) : 0;
}

void *reader_take_payload(struct reader *reader)
{
	const void *payload = reader_payload(reader);
	if (!payload)
		return NULL;
	if (payload == reader->buffer) {
		void *taken = reader->buffer;
		reader->buffer = NULL;
		reader->capacity = 0;
		return taken;
	}
	void *copy = memory_allocate((size_t)reader->record.payload_size, 1);
	if (copy)
		memcpy(copy, payload, (size_t)reader->record.payload_size);
	return copy;
}

struct reader_place reader_place(const struct reader *reader)
{
	return (
	    struct reader_place){ reader->content.offset, reader->item_length, reader->record_skip };
}

uint64_t reader_position(const struct reader *reader)
{
	return source_position(reader->content.source);
}

uint64_t reader_size(const struct reader *reader)
{
	return source_size(reader->content.source);
}

uint64_t reader_lost_bytes(const struct reader *reader)
{
	return reader->lost;
}

bool reader_is_whole(const struct reader *reader)
{
	return reader->whole;
}

struct stream_totals reader_totals(const struct reader *reader)
{
	return reader->all;
}

const char *reader_name(const struct reader *reader)
{
	return source_name(reader->content.source);
}
