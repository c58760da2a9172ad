/* rows.c - unit tests of lib/stream/rows.c: int8 rows to the nearest step, what does not fit is
 * refused, and what is written is read again by rows_join() and rows_find().
 */
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "stream/rows.h"

enum { ROWS = 3, WIDTH = 5, COUNT = ROWS * WIDTH };

static const float values[COUNT] = { 1, -2, 0.5f, 127, -127, 0, 0, 0, 0, 0, 1e-3f, -2e-3f, 3e-3f,
	1e-9f, -1e-3f };

static void like(struct record *record, const char *key, bool more)
{
	record_tensor(record, "vit", 'f', 2, (const uint64_t[]){ ROWS, WIDTH });
	record->more = more;
	record->maker.bytes[3] = 3;
	record->source.bytes[4] = 4;
	record_set_key(record, key);
}

/* One row as int8; its scale. */
static float quantise(const float *row, size_t width, int8_t *stored)
{
	struct rows_stored rows = { 0 };
	struct record record;
	float scale = NAN;
	record_tensor(&record, "x", 'f', 1, (const uint64_t[]){ width });
	record_set_key(&record, "row");
	if (rows_store(&rows, 'b', &record, row) == 0 && rows.records[1].dimensions == 0) {
		memcpy(stored, rows.payloads[0], width);
		memcpy(&scale, rows.payloads[1], sizeof scale);
	}
	rows_clear(&rows);
	return scale;
}

static void test_quantise(void)
{
	int8_t stored[WIDTH];
	float scale = quantise(values, WIDTH, stored);
	TAP_OK(scale == 1 && stored[0] == 1 && stored[1] == -2 && stored[2] == 0 && stored[3] == 127 &&
	           stored[4] == -127,
	    "a row whose largest value is 127 keeps its whole numbers; halves go to the even one");
	TAP_OK(quantise(values + WIDTH, WIDTH, stored) == 0 && stored[0] == 0, "a row of zeros");
	static const float tiny[2] = { 1e-45f, -1e-45f };
	TAP_OK(quantise(tiny, 2, stored) == 0 && stored[0] == 0 && stored[1] == 0,
	    "a row too small for a scale is zeros");
	static const float large[2] = { 3e38f, -3.4e38f };
	TAP_OK(isfinite(quantise(large, 2, stored)) && stored[1] == -127, "the largest numbers");
}

static void test_store(char dtype)
{
	struct rows_stored stored = { 0 };
	struct record record;
	struct rows rows;
	float back[COUNT], worst = 0;
	like(&record, "a", false);
	int status = rows_store(&stored, dtype, &record, values);
	bool wide = dtype != 'b';
	status |= rows_open(&rows, &stored.records[0], stored.payloads[0],
	    wide ? NULL : &stored.records[1], stored.payloads[1]);
	TAP_OK(status == 0 && stored.count == (wide ? 1 : 2) && rows.count == ROWS &&
	           rows.width == WIDTH && stored.records[0].more == !wide,
	    "%s is stored: %s", rows_type_name(dtype), status < 0 ? error_text() : "");
	if (status == 0)
		rows_get(&rows, 0, ROWS, back);
	for (int i = 0; status == 0 && i < COUNT; i++) {
		float largest = i < WIDTH ? 127 : i < 2 * WIDTH ? 1 : 3e-3f;
		worst = fmaxf(worst, fabsf(back[i] - values[i]) / largest);
	}
	float most = dtype == 'f' ? 0 : dtype == 'b' ? 0.501f / 127 : 0x1p-8f;
	TAP_OK(status == 0 && worst <= most, "%s: apart by %g of a row's largest value",
	    rows_type_name(dtype), (double)worst);
	if (status == 0)
		rows_get(&rows, 2, 1, back);
	TAP_OK(
	    status == 0 && fabsf(back[2] - 3e-3f) < 2e-5f, "%s: one row alone", rows_type_name(dtype));
	rows_clear(&stored);
}

/* One damage to a good pair of records. */
enum damage { SCALE_DTYPE, SCALE_SHAPE, SCALE_NAN, SCALE_NEGATIVE, SCALE_NAME, NO_SCALE, NO_MORE };

static void test_refused(enum damage damage, const char *wanted)
{
	struct rows_stored stored = { 0 };
	struct record record;
	struct rows rows;
	like(&record, "a", false);
	if (rows_store(&stored, 'b', &record, values) < 0)
		exit(2);
	struct record *scale = &stored.records[1];
	float *scales = stored.payloads[1];
	switch (damage) {
	case SCALE_DTYPE:
		scale->dtype = 'i';
		break;
	case SCALE_SHAPE:
		scale->shape[0]--;
		break;
	case SCALE_NAN:
		scales[1] = NAN;
		break;
	case SCALE_NEGATIVE:
		scales[2] = -1;
		break;
	case SCALE_NAME:
		strcpy(scale->name, "vit.scales");
		break;
	case NO_MORE:
		stored.records[0].more = false;
		break;
	case NO_SCALE:
		scale = NULL;
	}
	int status = rows_open(&rows, &stored.records[0], stored.payloads[0], scale, scales);
	TAP_OK(status < 0 && error_kind() == ERROR_INPUT && strstr(error_text(), wanted), "refused: %s",
	    status < 0 ? error_text() : "nothing");
	rows_clear(&stored);
}

static int write_rows(const struct rows_stored *stored, struct writer *writer)
{
	int status = 0;
	for (int i = 0; i < stored->count && status == 0; i++) {
		struct record record = stored->records[i];
		status = writer_put(writer, &record, stored->payloads[i]);
	}
	return status;
}

/* a: int8 alone; b: int8 and a text; c: i8 without scales, two parts; d: floats */
static void write_file(const char *path)
{
	struct rows_stored stored = { 0 };
	struct record record;
	struct writer *writer = writer_open(path, WRITER_COMPRESSED);
	int status = writer ? 0 : -1;
	for (const char *key = "abcd"; *key && status == 0; key++) {
		like(&record, (const char[]){ *key, '\0' }, *key == 'b' || *key == 'c');
		if (*key == 'c') {
			int8_t plain[COUNT] = { 1, 2, 3 };
			record.dtype = 'b';
			record.payload_size = COUNT;
			status = writer_put(writer, &record, plain);
		} else {
			status = rows_store(&stored, *key == 'd' ? 'e' : 'b', &record, values) |
			         write_rows(&stored, writer);
		}
		record_tensor(&record, "question", 'B', 1, (const uint64_t[]){ 3 });
		record_set_key(&record, (const char[]){ *key, '\0' });
		if (status == 0 && (*key == 'b' || *key == 'c'))
			status = writer_put(writer, &record, "why");
	}
	rows_clear(&stored);
	if (status < 0 || writer_finish(writer) < 0)
		exit(2);
}

static void test_join(void)
{
	struct reader *reader = reader_open("rows.zv");
	struct record record;
	char text[400] = "";
	int found = reader ? 1 : -1;
	while (found > 0 && (found = reader_next(reader, &record)) > 0) {
		void *joined;
		if (rows_join(reader, &record, &joined) < 0)
			found = -1;
		else
			snprintf(text + strlen(text), sizeof text - strlen(text), "%.9s %.9s %c%d%s%s, ",
			    record.key, record.name, record.dtype, record.source.bytes[4],
			    record.more ? "+" : "", joined ? " new" : "");
		if (found > 0 && *record.key == 'a' &&
		    !(joined && fabsf(((float *)joined)[12] - 3e-3f) < 2e-5f))
			found = -1;
		memory_release(joined);
	}
	reader_close(reader);
	TAP_OK(found == 0 && strcmp(text, "a vit f4 new, b vit f4+ new, b question B0, c vit b4+ new, "
	                                  "c question B0, d vit e4, ") == 0,
	    "records joined: %s %s", text, found < 0 ? error_text() : "");
}

static void test_find(void)
{
	struct reader *reader = reader_open("rows.zv");
	struct sample sample;
	struct rows rows;
	const struct sample_part *part;
	char text[400] = "";
	while (reader && sample_read(reader, &sample) > 0) {
		int found = rows_find(&sample, "vit", &rows, &part);
		snprintf(text + strlen(text), sizeof text - strlen(text), "%.9s %d %d, ",
		    sample.parts[0].record.key, found, rows_find(&sample, "prompt", &rows, &part));
		sample_clear(&sample);
	}
	reader_close(reader);
	TAP_OK(strcmp(text, "a 1 0, b 1 0, c -1 0, d 1 0, ") == 0, "found in samples: %s", text);
}

int main(void)
{
	test_quantise();
	for (const char *dtype = "fEeb"; *dtype; dtype++) {
		TAP_OK(rows_type(rows_type_name(*dtype)) == *dtype, "%s by name", rows_type_name(*dtype));
		test_store(*dtype);
	}
	test_refused(SCALE_DTYPE, "scales of 3 i32 do not fit int8 rows of 3x5");
	test_refused(SCALE_SHAPE, "scales of 2 f32 do not fit");
	test_refused(SCALE_NAN, "the scale of row 2 is nan");
	test_refused(SCALE_NEGATIVE, "the scale of row 3 is -1");
	test_refused(SCALE_NAME, "3x5 i8 where rows of floats");
	test_refused(NO_SCALE, "3x5 i8 where rows of floats");
	test_refused(NO_MORE, "3x5 i8 where rows of floats");
	struct rows_stored stored = { 0 };
	struct record scalar;
	record_tensor(&scalar, "temp", 'f', 0, NULL);
	TAP_OK(rows_store(&stored, 'b', &scalar, values) < 0, "a scalar has no rows: %s", error_text());
	rows_clear(&stored);
	write_file("rows.zv");
	test_join();
	test_find();
	return tap_finish();
}
