/* stream.c - the writer and the reader against each other: joined streams, every prefix of a
 * stream, every flipped bit of it, salvage, hostile headers. */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/memory.h"
#include "base/program.h"
#include "stream/frame.h"
#include "stream/maker.h"
#include "stream/read.h"
#include "stream/sample.h"
#include "stream/write.h"
#include "tap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct bytes {
	uint8_t *at;
	size_t size;
};

static struct bytes load(const char *path)
{
	struct bytes bytes = { NULL, 0 };
	FILE *file = fopen(path, "rb");
	if (!file)
		return bytes;
	fseek(file, 0, SEEK_END);
	bytes.size = (size_t)ftell(file);
	rewind(file);
	bytes.at = memory_allocate(bytes.size, 1);
	if (fread(bytes.at, 1, bytes.size, file) != bytes.size)
		bytes.size = 0;
	fclose(file);
	return bytes;
}

static struct bytes join(struct bytes a, struct bytes b)
{
	struct bytes both = { memory_allocate(a.size + b.size, 1), a.size + b.size };
	memcpy(both.at, a.at, a.size);
	memcpy(both.at + a.size, b.at, b.size);
	return both;
}

/* Three tensors (the last two one sample, one of no elements) and a failure. */
static int write_small(const char *path, enum writer_form form, int level)
{
	static const float values[6] = { 1, 2, 3, 4, 5, 6 };
	uint64_t shape[2] = { 2, 3 }, empty[2] = { 0, 7 };
	struct record record;
	struct maker maker;
	common.level = level;
	maker_begin(&maker, "test", 1);
	struct writer *writer = writer_open(path, form);
	if (!writer)
		return -1;
	record_tensor(&record, "vit", 'f', 2, shape);
	record_set_key(&record, "cats/1.jpg");
	maker_stamp(&maker, &record);
	if (writer_put(writer, &record, values) < 0)
		return -1;
	if (writer_fail(writer, "cats/2.jpg", "is no picture", NULL) < 0)
		return -1;
	record_tensor(&record, "prompt", 'E', 0, NULL);
	record_set_key(&record, "cats/3.jpg");
	record.more = true;
	if (writer_put(writer, &record, "ab") < 0)
		return -1;
	record_tensor(&record, "ids", 'i', 2, empty);
	record_set_key(&record, "cats/3.jpg");
	if (writer_put(writer, &record, NULL) < 0)
		return -1;
	return writer_finish(writer);
}

/* Read all, folding what is seen into *digest; the number of records, or -1. Half of the
 * payloads are only skipped when skipping. */
static int read_all(struct reader *reader, bool skipping, struct digest *digest)
{
	struct record record;
	uint8_t header[RECORD_HEADER_MOST];
	int count = 0, found;
	struct hasher *hasher = hasher_new();
	while ((found = reader_next(reader, &record)) > 0) {
		size_t size = record_format(&record, header);
		hasher_add(hasher, header, size);
		if (!skipping || count % 2) {
			const void *payload = reader_payload(reader);
			if (!payload) {
				found = -1;
				break;
			}
			if (!skipping)
				hasher_add(hasher, payload, (size_t)record.payload_size);
		}
		count++;
	}
	*digest = hasher_end(hasher);
	return found < 0 ? -1 : count;
}

static int read_memory(struct bytes bytes, bool skipping, struct digest *digest)
{
	struct reader *reader = reader_open_memory(bytes.at, bytes.size);
	int count = read_all(reader, skipping, digest);
	reader_close(reader);
	return count;
}

static void test_round_trip(const char *name, struct bytes bytes, const struct digest *wanted)
{
	struct digest digest;
	TAP_OK(read_memory(bytes, false, &digest) == 4, "%s: four records come back", name);
	TAP_OK(digest_equal(&digest, wanted), "%s: they are the same in every form", name);
	TAP_OK(read_memory(bytes, true, &digest) == 4, "%s: payloads may be passed over", name);
	struct bytes two = join(bytes, bytes), three = join(two, bytes);
	TAP_OK(read_memory(three, false, &digest) == 12, "%s: three joined streams", name);
	memory_release(two.at);
	memory_release(three.at);
}

/* Whatever is cut off, the reader says so; and salvage never makes up a record. */
static void test_prefixes(const char *name, struct bytes bytes)
{
	bool refused = true, salvaged = true;
	struct digest digest;
	for (size_t size = 0; size < bytes.size; size++) {
		/* A copy of that size lets the address sanitizer see reads past the end. */
		struct bytes prefix = { memory_allocate(size + !size, 1), size };
		memcpy(prefix.at, bytes.at, size);
		refused &= read_memory(prefix, false, &digest) == -1;
		refused &= read_memory(prefix, true, &digest) == -1;
		struct reader *reader = reader_open_memory(prefix.at, size);
		reader_salvage(reader);
		int count = read_all(reader, false, &digest);
		salvaged &= count >= 0 && count <= 4 && !reader_is_whole(reader);
		reader_close(reader);
		memory_release(prefix.at);
	}
	TAP_OK(refused, "%s: every prefix is refused", name);
	TAP_OK(salvaged, "%s: every prefix is salvaged and known to be not whole", name);
}

static void test_flipped_bits(const char *name, struct bytes bytes, const struct digest *wanted)
{
	size_t accepted = 0, wrong = 0, failed_salvage = 0;
	for (size_t bit = 0; bit < 8 * bytes.size; bit++) {
		struct digest digest;
		bytes.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (read_memory(bytes, false, &digest) >= 0) {
			accepted++;
			wrong += !digest_equal(&digest, wanted);
		}
		struct reader *reader = reader_open_memory(bytes.at, bytes.size);
		reader_salvage(reader);
		failed_salvage += read_all(reader, false, &digest) < 0;
		reader_close(reader);
		bytes.at[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	TAP_OK(wrong == 0, "%s: no flipped bit gives a wrong tensor (%zu of %zu are harmless)", name,
	    accepted, 8 * bytes.size);
	TAP_OK(failed_salvage == 0, "%s: salvage gets past every flipped bit", name);
}

static void test_joined_with_skippable(struct bytes bytes)
{
	static const uint8_t skippable[] = { 0x5a, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'Z', 'V', 'T' };
	struct bytes middle = { (uint8_t *)skippable, sizeof skippable };
	struct bytes front = join(middle, bytes), whole = join(front, middle);
	struct digest digest;
	TAP_OK(read_memory(whole, false, &digest) == 4, "skippable frames before and behind");
	struct bytes cut = { whole.at, whole.size - 1 };
	TAP_OK(read_memory(cut, false, &digest) == -1, "a skippable frame that is cut off");
	memory_release(front.at);
	memory_release(whole.at);
}

static void test_dropped_and_doubled(struct bytes bytes)
{
	/* The first item of a bare stream: header 192 (its maker's text), payload 64. */
	struct digest digest;
	struct reader *reader = reader_open_memory(bytes.at, bytes.size);
	struct record record;
	reader_next(reader, &record);
	reader_skip(reader);
	size_t first = (size_t)reader_place(reader).length;
	reader_close(reader);
	struct bytes rest = { bytes.at + first, bytes.size - first };
	TAP_OK(first > 0 && first % 64 == 0, "a bare record takes a multiple of 64 bytes");
	TAP_OK(read_memory(rest, false, &digest) == -1, "a dropped record is noticed");
	struct bytes head = { bytes.at, first }, doubled = join(head, bytes);
	TAP_OK(read_memory(doubled, false, &digest) == -1, "a doubled record is noticed");
	memory_release(doubled.at);
}

static void test_pipe(struct bytes bytes, const struct digest *wanted)
{
	int ends[2];
	struct digest digest;
	if (pipe(ends) < 0)
		return;
	pid_t child = fork();
	if (child == 0) {
		close(ends[0]);
		for (size_t i = 0; i < bytes.size; i++) /* one byte at a time */
			if (write(ends[1], bytes.at + i, 1) != 1)
				_exit(1);
		_exit(0);
	}
	close(ends[1]);
	int before = dup(STDIN_FILENO);
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	struct reader *reader = reader_open("-");
	int count = reader ? read_all(reader, false, &digest) : -1;
	reader_close(reader);
	dup2(before, STDIN_FILENO);
	close(before);
	waitpid(child, NULL, 0);
	TAP_OK(count == 4 && digest_equal(&digest, wanted), "from a pipe, byte by byte");
}

static void test_salvage(struct bytes bytes)
{
	struct digest digest;
	struct bytes garbage = { (uint8_t *)"some text", 9 };
	struct bytes front = join(garbage, bytes), whole = join(front, garbage);
	struct reader *reader = reader_open_memory(whole.at, whole.size);
	reader_salvage(reader);
	TAP_OK(read_all(reader, false, &digest) == 4, "salvage: all records between garbage");
	TAP_OK(reader_lost_bytes(reader) == 18, "salvage: the garbage is counted");
	TAP_OK(!reader_is_whole(reader), "salvage: the stream is not whole");
	reader_close(reader);
	memory_release(front.at);
	memory_release(whole.at);
}

static void test_limits(struct bytes bytes)
{
	struct record record;
	int64_t before = common.max_record;
	common.max_record = 8;
	struct reader *reader = reader_open_memory(bytes.at, bytes.size);
	TAP_OK(reader_next(reader, &record) == 1, "a header is shown whatever the payload's size");
	TAP_OK(!reader_payload(reader), "a payload above --max-record is refused");
	TAP_OK(strstr(error_text(), "--max-record") != NULL, "and the option named");
	TAP_OK(reader_next(reader, &record) == 1, "and can be passed over");
	reader_close(reader);
	common.max_record = before;
}

static void test_sample(struct bytes bytes)
{
	struct sample sample;
	struct reader *reader = reader_open_memory(bytes.at, bytes.size);
	TAP_OK(sample_read(reader, &sample) == 1 && sample.count == 1, "a sample of one part");
	sample_clear(&sample);
	TAP_OK(sample_read(reader, &sample) == 1 && sample.parts[0].record.kind == RECORD_FAILED,
	    "a failed item is a sample");
	TAP_OK(memcmp(sample.parts[0].payload, "is no picture", 13) == 0, "with its reason");
	sample_clear(&sample);
	TAP_OK(sample_read(reader, &sample) == 1 && sample.count == 2, "a sample of two parts");
	TAP_OK(sample_find(&sample, "ids") == &sample.parts[1], "found by name");
	sample_clear(&sample);
	TAP_OK(sample_read(reader, &sample) == 0, "then the end");
	reader_close(reader);
}

static void test_stored_frame(void)
{
	static uint8_t content[300000];
	const struct frame_piece pieces[] = { { content, 100000 }, { content + 100000, 200000 } };
	for (size_t i = 0; i < sizeof content; i++)
		content[i] = (uint8_t)(i * i >> 7);
	struct frame_encoder *encoder = frame_encoder_new();
	struct frame_decoder *decoder = frame_decoder_new();
	for (int level = 0; level <= 19; level += 19) {
		const uint8_t *frame;
		uint8_t *back = memory_allocate(sizeof content, 1);
		size_t size, taken, given, used = 0, made = 0;
		frame_encode(encoder, level, pieces, 2, &frame, &size);
		int step = 0;
		frame_decoder_reset(decoder);
		for (int i = 0; step == 0 && i < 100; i++) {
			step = frame_decode(decoder, frame + used, size - used, &taken, back + made,
			    sizeof content - made, &given);
			used += taken;
			made += given;
		}
		TAP_OK(
		    step == 1 && used == size && made == sizeof content && memcmp(back, content, made) == 0,
		    "a frame of three blocks at level %d", level);
		memory_release(back);
	}
	frame_encoder_release(encoder);
	frame_decoder_release(decoder);
}

static void test_writer_refuses(void)
{
	struct record record;
	uint64_t huge[3] = { (uint64_t)1 << 40, (uint64_t)1 << 40, 2 };
	struct writer *writer = writer_open("refused.zv", WRITER_COMPRESSED);
	record_tensor(&record, "vit", 'f', 3, huge);
	record_set_key(&record, "x");
	TAP_OK(writer_put(writer, &record, "") == -1, "writer: a shape that overflows");
	record_tensor(&record, "no/slash", 'f', 0, NULL);
	record_set_key(&record, "x");
	TAP_OK(writer_put(writer, &record, "1234") == -1, "writer: a name with a slash");
	record_tensor(&record, "ok", 'f', 0, NULL);
	TAP_OK(writer_put(writer, &record, "1234") == -1, "writer: no key");
	TAP_OK(writer_fail(writer, "bad\n\xff", "why", NULL) == 0, "writer: any name can fail");
	writer_abandon(writer);
	TAP_OK(access("refused.zv", F_OK) < 0, "writer: abandoned, no file");
}

/* Appending: the old file's bytes come first, its end record stays in the middle. */
static void test_append(void)
{
	struct digest digest;
	struct bytes old, grown;
	write_small("old.zv", WRITER_COMPRESSED, 1);
	old = load("old.zv");
	int descriptor = open("old.zv", O_RDWR | O_APPEND | O_CLOEXEC);
	struct writer *writer = writer_open_end("old.zv", descriptor);
	TAP_OK(writer && writer_fail(writer, "x", "why", NULL) == 0, "append: a record more");
	TAP_OK(writer_totals(writer).failures == 1, "append: only what is new is counted");
	TAP_OK(writer_end(writer, NULL) == 0 && writer_leave(writer) == 0, "append: and an end record");
	close(descriptor);
	grown = load("old.zv");
	TAP_OK(grown.size > old.size && memcmp(grown.at, old.at, old.size) == 0,
	    "append: the old bytes are the same");
	TAP_OK(read_memory(grown, false, &digest) == 5, "append: all records come back");
	memory_release(old.at);
	memory_release(grown.at);
	TAP_OK(!writer_open("absent/new.zv", WRITER_BARE) && error_kind() == ERROR_SYSTEM,
	    "a writer into a directory that is absent");
	TAP_OK(!reader_open("absent.zv") && error_kind() == ERROR_INPUT, "a reader of an absent file");
	TAP_OK(!reader_open(".") && strstr(error_text(), "directory"), "a reader of a directory");
}

/* All records of a pipe come while it is still open: no read goes beyond what is needed. */
static void test_open_pipe(struct bytes bytes)
{
	int ends[2];
	struct record record;
	if (pipe(ends) < 0)
		return;
	int before = dup(STDIN_FILENO);
	dup2(ends[0], STDIN_FILENO);
	close(ends[0]);
	struct reader *reader = reader_open(NULL);
	TAP_OK(write(ends[1], bytes.at, bytes.size) == (ssize_t)bytes.size, "a pipe takes the stream");
	int count = 0;
	while (count < 4 && reader_next(reader, &record) > 0)
		count++;
	reader_skip(reader);
	TAP_OK(count == 4 && reader_size(reader) == 0, "its records are read without waiting");
	close(ends[1]);
	TAP_OK(reader_next(reader, &record) == 0, "so is its end");
	TAP_OK(
	    reader_position(reader) == bytes.size && strcmp(reader_name(reader), "standard input") == 0,
	    "its position is known");
	reader_close(reader);
	dup2(before, STDIN_FILENO);
	close(before);
}

int main(void)
{
	static const struct {
		const char *name;
		enum writer_form form;
		int level;
	} forms[] = {
		{ "bare", WRITER_BARE, 0 },
		{ "stored", WRITER_COMPRESSED, 0 },
		{ "compressed", WRITER_COMPRESSED, 1 },
		{ "level 19", WRITER_COMPRESSED, 19 },
	};
	struct digest wanted;
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		TAP_OK(write_small("small.zv", forms[i].form, forms[i].level) == 0, "%s: written",
		    forms[i].name);
		struct bytes bytes = load("small.zv");
		if (i == 0)
			read_memory(bytes, false, &wanted);
		test_round_trip(forms[i].name, bytes, &wanted);
		test_prefixes(forms[i].name, bytes);
		test_flipped_bits(forms[i].name, bytes, &wanted);
		test_joined_with_skippable(bytes);
		test_pipe(bytes, &wanted);
		test_salvage(bytes);
		if (i == 0)
			test_dropped_and_doubled(bytes);
		test_limits(bytes);
		test_sample(bytes);
		test_open_pipe(bytes);
		memory_release(bytes.at);
	}
	test_stored_frame();
	test_writer_refuses();
	test_append();
	return tap_finish();
}
