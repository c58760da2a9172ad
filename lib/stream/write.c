/* write.c - the stream writer (see write.h): one record, one frame, one write. */
#include "stream/write.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/output.h"
#include "base/program.h"
#include "stream/bytes.h"
#include "stream/frame.h"

#include <stdio.h>
#include <string.h>

struct writer {
	struct output *output;
	enum writer_form form;
	bool named; /* a file of ours, not standard output */
	struct frame_encoder *encoder;
	uint8_t *header; /* RECORD_HEADER_MOST bytes */
	uint8_t *gathered;
	size_t gathered_capacity;
	uint64_t written;
	struct stream_totals totals;
	struct checksummer *chain;
	struct hasher *fingerprint; /* NULL once writer_fingerprint() has ended it */
	struct digest fingerprint_digest;

	/* Between writer_begin_large() and writer_end_large(). */
	bool in_large;
	struct record large;
	char *large_meta; /* the caller's may be gone when the header is patched */
	uint64_t large_offset, large_left;
	struct checksummer *large_checksum;
};

static void writer_release(struct writer *writer)
{
	frame_encoder_release(writer->encoder);
	checksummer_release(writer->chain);
	checksummer_release(writer->large_checksum);
	if (writer->fingerprint)
		hasher_end(writer->fingerprint);
	memory_release(writer->large_meta);
	memory_release(writer->header);
	memory_release(writer->gathered);
	memory_release(writer);
}

static int prepare(struct writer *writer)
{
	if (!(writer->header = memory_allocate(RECORD_HEADER_MOST, 1)) ||
	    !(writer->chain = checksummer_new()) || !(writer->fingerprint = hasher_new()) ||
	    !(writer->encoder = frame_encoder_new()))
		return -1;
	return 0;
}

static struct writer *writer_new(enum writer_form form)
{
	struct writer *writer = memory_allocate_zero(1, sizeof *writer);
	if (!writer)
		return NULL;
	writer->form = form;
	if (prepare(writer) == 0)
		return writer;
	writer_release(writer);
	return NULL;
}

struct writer *writer_open(const char *path, enum writer_form form)
{
	struct writer *writer = writer_new(form);
	if (!writer)
		return NULL;
	writer->named = path && strcmp(path, "-") != 0;
	writer->output = output_open(path);
	if (!writer->output) {
		writer_release(writer);
		return NULL;
	}
	if (output_is_terminal(writer->output)) {
		error_system("%s is a terminal; tensors go to a file (-o FILE) or a pipe",
		    output_name(writer->output));
		writer_abandon(writer);
		return NULL;
	}
	return writer;
}

struct writer *writer_open_end(const char *path, int descriptor)
{
	struct writer *writer = writer_new(WRITER_COMPRESSED);
	if (!writer)
		return NULL;
	writer->output = output_open_end(path, descriptor);
	if (writer->output)
		return writer;
	writer_release(writer);
	return NULL;
}

/* Add a record to what the end record tells, once its header is final. */
static void account(struct writer *writer, const struct record *record, size_t header_size)
{
	uint8_t checksum[8];
	bytes_store(checksum, sizeof checksum, record->header_checksum);
	checksummer_add(writer->chain, checksum, sizeof checksum);
	writer->totals.tensors += record->kind == RECORD_TENSOR;
	writer->totals.failures += record->kind == RECORD_FAILED;
	writer->totals.payload_bytes += record->payload_size;
	if (record->kind == RECORD_TENSOR && writer->fingerprint)
		hasher_add(writer->fingerprint, writer->header, header_size);
}

/* The pieces as they are: one write, so that a reader of a pipe gets whole records. */
static int write_bare(struct writer *writer, const struct frame_piece *pieces, int count)
{
	size_t total = 0;
	if (output_is_regular(writer->output)) {
		for (int i = 0; i < count; i++) {
			if (pieces[i].size > 0 &&
			    output_write(writer->output, pieces[i].bytes, pieces[i].size) < 0)
				return -1;
			writer->written += pieces[i].size;
		}
		return 0;
	}
	for (int i = 0; i < count; i++)
		if (!checked_add(total, pieces[i].size, &total))
			return error_memory(SIZE_MAX);
	if (memory_grow((void **)&writer->gathered, &writer->gathered_capacity, total, 1) < 0)
		return -1;
	uint8_t *at = writer->gathered;
	for (int i = 0; i < count; i++) {
		if (pieces[i].size > 0)
			memcpy(at, pieces[i].bytes, pieces[i].size);
		at += pieces[i].size;
	}
	writer->written += total;
	return output_write(writer->output, writer->gathered, total);
}

static int write_record(
    struct writer *writer, struct record *record, const void *payload, size_t *header_size)
{
	static const uint8_t zeros[RECORD_ALIGNMENT];
	size_t payload_size = (size_t)record->payload_size;
	*header_size = record_format(record, writer->header);
	if (*header_size == 0)
		return -1;
	struct frame_piece pieces[3] = {
		{ writer->header, *header_size },
		{ payload, payload_size },
		{ zeros, -payload_size % RECORD_ALIGNMENT },
	};
	if (writer->form == WRITER_BARE)
		return write_bare(writer, pieces, 3);
	const uint8_t *frame;
	size_t frame_size;
	if (frame_encode(writer->encoder, (int)common.level, pieces, 3, &frame, &frame_size) < 0)
		return -1;
	writer->written += frame_size;
	return output_write(writer->output, frame, frame_size);
}

int writer_put(struct writer *writer, struct record *record, const void *payload)
{
	size_t header_size;
	if (writer->in_large)
		return error_system("a large record is not finished");
	/* A record that breaks the rules may tell a size that its payload does not have: the rules
	 * come before the checksum. */
	if (record->kind == RECORD_END)
		return error_input("the end record is the writer's");
	if (record_format(record, writer->header) == 0)
		return -1;
	record->payload_checksum = checksum_of(payload, (size_t)record->payload_size);
	if (write_record(writer, record, payload, &header_size) < 0)
		return -1;
	account(writer, record, header_size);
	return 0;
}

/* A key that may stand in a record for any name: other bytes as \xNN, cut where it gets too long. */
static void set_any_key(struct record *record, const char *key)
{
	if (record_set_key(record, key) == 0)
		return;
	size_t used = 0;
	for (const unsigned char *byte = (const unsigned char *)key;
	     *byte && used + 4 <= RECORD_KEY_MOST; byte++) {
		if (*byte >= 0x20 && *byte < 0x7f)
			record->key[used++] = (char)*byte;
		else
			used += (size_t)snprintf(record->key + used, 5, "\\x%02X", *byte);
	}
	if (used == 0)
		record->key[used++] = '?';
	record->key[used] = '\0';
}

void writer_failed_item(
    struct record *record, const char *key, const char *reason, const struct digest *source)
{
	uint64_t size = strlen(reason);
	record_tensor(record, "", 'B', 1, &size);
	record->kind = RECORD_FAILED;
	set_any_key(record, key);
	if (source)
		record->source = *source;
}

int writer_fail(
    struct writer *writer, const char *key, const char *reason, const struct digest *source)
{
	struct record record;
	writer_failed_item(&record, key, reason, source);
	return writer_put(writer, &record, reason);
}

int writer_begin_large(struct writer *writer, struct record *record)
{
	if (writer->form != WRITER_BARE || !writer->named || !output_is_regular(writer->output))
		return error_system("large records are written to named regular files only");
	if (writer->in_large)
		return error_system("a large record is not finished");
	if (record->kind != RECORD_TENSOR)
		return error_input("only a tensor may be large");
	if (!writer->large_checksum && !(writer->large_checksum = checksummer_new()))
		return -1;
	checksummer_reset(writer->large_checksum);
	record->payload_checksum = 0;
	size_t size = record_format(record, writer->header);
	if (size == 0)
		return -1;
	memory_release(writer->large_meta);
	writer->large_meta = memory_text(record->meta_size ? record->meta : "", record->meta_size);
	if (!writer->large_meta || output_write(writer->output, writer->header, size) < 0)
		return -1;
	writer->large = *record;
	writer->large.meta = writer->large_meta;
	writer->large_offset = writer->written;
	writer->large_left = record->payload_size;
	writer->written += size;
	writer->in_large = true;
	return 0;
}

int writer_add_large(struct writer *writer, const void *bytes, size_t size)
{
	if (!writer->in_large || size > writer->large_left)
		return error_system("more bytes than the large record has");
	checksummer_add(writer->large_checksum, bytes, size);
	if (size > 0 && output_write(writer->output, bytes, size) < 0)
		return -1;
	writer->large_left -= size;
	writer->written += size;
	return 0;
}

int writer_end_large(struct writer *writer)
{
	static const uint8_t zeros[RECORD_ALIGNMENT];
	if (!writer->in_large || writer->large_left > 0)
		return error_system("large record lacks bytes");
	size_t padding = (size_t)(-writer->large.payload_size % RECORD_ALIGNMENT);
	if (padding > 0 && output_write(writer->output, zeros, padding) < 0)
		return -1;
	writer->written += padding;
	writer->large.payload_checksum = checksummer_value(writer->large_checksum);
	writer->in_large = false;
	size_t size = record_format(&writer->large, writer->header);
	if (size == 0 || output_patch(writer->output, writer->large_offset, writer->header, size) < 0)
		return -1;
	account(writer, &writer->large, size);
	return 0;
}

struct stream_totals writer_totals(const struct writer *writer)
{
	struct stream_totals totals = writer->totals;
	totals.chain = checksummer_value(writer->chain);
	return totals;
}

struct digest writer_fingerprint(struct writer *writer)
{
	if (writer->fingerprint) {
		writer->fingerprint_digest = hasher_end(writer->fingerprint);
		writer->fingerprint = NULL;
	}
	return writer->fingerprint_digest;
}

static int write_end(struct writer *writer, const struct stream_totals *totals)
{
	uint64_t numbers[4] = { totals->tensors, totals->failures, totals->payload_bytes,
		totals->chain };
	uint8_t payload[sizeof numbers];
	struct record record;
	size_t header_size;
	uint64_t count = 4;
	for (int i = 0; i < 4; i++)
		bytes_store(payload + 8 * i, 8, numbers[i]);
	record_tensor(&record, "", 'Q', 1, &count);
	record.kind = RECORD_END;
	record.payload_checksum = checksum_of(payload, sizeof payload);
	return write_record(writer, &record, payload, &header_size);
}

int writer_end(struct writer *writer, const struct stream_totals *totals)
{
	struct stream_totals own = writer_totals(writer);
	if (write_end(writer, totals ? totals : &own) < 0)
		return -1;
	writer->totals = (struct stream_totals){ 0 };
	checksummer_reset(writer->chain);
	return 0;
}

int writer_flush(struct writer *writer)
{
	return output_flush(writer->output);
}

int writer_sync(struct writer *writer)
{
	return output_sync(writer->output);
}

uint64_t writer_written(const struct writer *writer)
{
	return writer->written;
}

int writer_leave(struct writer *writer)
{
	int result = output_commit(writer->output);
	writer_release(writer);
	return result;
}

int writer_finish(struct writer *writer)
{
	int result = writer->in_large ? error_system("a large record is not finished")
	                              : writer_end(writer, NULL);
	if (result == 0)
		result = output_commit(writer->output);
	else
		output_abandon(writer->output);
	writer_release(writer);
	return result < 0 ? error_as(ERROR_SYSTEM) : 0;
}

void writer_abandon(struct writer *writer)
{
	if (!writer)
		return;
	output_abandon(writer->output);
	writer_release(writer);
}
