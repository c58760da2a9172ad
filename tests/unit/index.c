/* index.c - look-up by key: many keys, duplicates, samples, stale and hostile indexes. */
#include "base/error.h"
#include "base/memory.h"
#include "stream/index.h"
#include "stream/index_text.h"
#include "stream/write.h"
#include "tap.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEYS = 500 };

static int put(struct writer *writer, const char *key, const char *name, float value)
{
	struct record record;
	uint64_t one = 1;
	record_tensor(&record, name, 'f', 1, &one);
	record.more = strcmp(name, "a") == 0;
	return record_set_key(&record, key) < 0 ? -1 : writer_put(writer, &record, &value);
}

/* Keys "0".."499" in a scattered order, each twice: value i, then i + 1000. */
static int write_many(const char *path)
{
	char key[16];
	struct writer *writer = writer_open(path, WRITER_COMPRESSED);
	for (int round = 0; round < 2; round++)
		for (int n = 0; n < KEYS; n++) {
			int i = n * 7 % KEYS;
			snprintf(key, sizeof key, "%d", i);
			if (put(writer, key, "x", (float)(i + 1000 * round)) < 0)
				return -1;
		}
	if (put(writer, "parts", "a", 1) < 0 || put(writer, "parts", "b", 2) < 0 ||
	    writer_fail(writer, "failed", "why", NULL) < 0)
		return -1;
	return writer_finish(writer);
}

/* How many records of this key there are; the last of them in *last, if any. */
static int places_of(struct index *index, const char *key, struct reader_place *last)
{
	struct reader_place *places = NULL;
	size_t count = 0, capacity = 0;
	int status = index_places(index, key, &places, &count, &capacity);
	for (size_t i = 0; i < count; i++)
		if (i == 0 || places[i].offset >= last->offset)
			*last = places[i];
	memory_release(places);
	return status < 0 ? -1 : (int)count;
}

static void test_find(void)
{
	struct sample sample;
	struct reader_place place;
	bool all = true;
	TAP_OK(write_many("many.zv") == 0 && index_make("many.zv") == 0, "an index is made");
	struct index *index = index_open("many.zv");
	TAP_OK(index != NULL, "and opened");
	for (int i = 0; i < KEYS; i++) {
		char key[16];
		float value = -1;
		snprintf(key, sizeof key, "%d", i);
		if (places_of(index, key, &place) == 2 && index_read(index, &place, key, &sample) == 0) {
			memcpy(&value, sample.parts[0].payload, sizeof value);
			sample_clear(&sample);
		}
		all &= value == (float)(i + 1000);
	}
	TAP_OK(all, "every key is found, with both its records");
	TAP_OK(places_of(index, "500", &place) == 0, "a key that is not there");
	TAP_OK(places_of(index, "", &place) == 0, "an empty key");
	TAP_OK(places_of(index, "\xff", &place) == 0, "a key behind all");
	TAP_OK(places_of(index, "parts", &place) == 1, "a sample of two parts");
	TAP_OK(index_read(index, &place, "parts", &sample) == 0 && sample.count == 2 &&
	           strcmp(sample.parts[1].record.name, "b") == 0 &&
	           sample.parts[1].record.shape[0] == 1,
	    "is read whole");
	sample_clear(&sample);
	TAP_OK(index_read(index, &place, "4", &sample) == -1 && sample.count == 0 &&
	           strstr(error_text(), "leads to \"parts\""),
	    "a place that holds another key is refused: %s", error_text());
	place.offset++;
	TAP_OK(index_read(index, &place, NULL, &sample) == -1,
	    "a place where no record begins is refused");
	TAP_OK(places_of(index, "failed", &place) == 1 &&
	           index_read(index, &place, "failed", &sample) == 0 &&
	           sample.parts[0].record.kind == RECORD_FAILED,
	    "a failed item is found, and is no tensor");
	sample_clear(&sample);
	index_close(index);
}

static void test_text(void)
{
	static const struct {
		const char *what, *text;
		bool good;
	} heads[] = {
		{ "as it should be", "#zvi 2 10 2 00000000000000ff\n", true },
		{ "another version", "#zvi 1 10 2 00000000000000ff\n", false },
		{ "no end", "#zvi 2 10 2 00000000000000ff", false },
		{ "a number is missing", "#zvi 2 10 2\n", false },
		{ "no hexadecimal number", "#zvi 2 10 2 g\n", false },
		{ "a number above 2^64", "#zvi 2 18446744073709551616 2 0\n", false },
		{ "a negative number", "#zvi 2 -1 2 0\n", false },
		{ "two blanks", "#zvi 2  10 2 0\n", false },
		{ "a blank at the end", "#zvi 2 10 2 0 \n", false },
		{ "nothing", "", false },
	};
	struct index_head head;
	struct index_line line;
	for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++)
		TAP_OK((index_text_head(heads[i].text, strlen(heads[i].text), &head) == 0) == heads[i].good,
		    "first line: %s", heads[i].what);
	static const struct {
		const char *what, *text;
		bool good;
	} lines[] = {
		{ "as it should be", "k\tx\t1\t2\t3\tf\t2x3\t0\t-\t-\n", true },
		{ "no name", "k\t\t1\t2\t3\tB\t9\t0\t-\t-\n", true },
		{ "no key", "\tx\t1\t2\t3\tf\t2x3\t0\t-\t-\n", false },
		{ "nine fields", "k\tx\t1\t2\t3\tf\t2x3\t0\t-\n", false },
		{ "eleven fields", "k\tx\t1\t2\t3\tf\t2x3\t0\t-\t-\t\n", false },
		{ "an empty number", "k\tx\t\t2\t3\tf\t2x3\t0\t-\t-\n", false },
		{ "part 16", "k\tx\t1\t2\t3\tf\t2x3\t16\t-\t-\n", false },
		{ "no fingerprint", "k\tx\t1\t2\t3\tf\t2x3\t0\t-\t12\n", false },
		{ "a fingerprint", "k\tx\t1\t2\t3\tf\t2x3\t0\t-\t0123456789abcdef0123456789abcdef\n",
		    true },
		{ "no end", "k\tx\t1\t2\t3\tf\t2x3\t0\t-\t-", false },
	};
	size_t next;
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		TAP_OK((index_text_line(lines[i].text, strlen(lines[i].text), 0, &line, &next) == 0) ==
		           lines[i].good,
		    "entry: %s", lines[i].what);
}

/* An index whose lines are all there, of a file of the same size with other records. */
static void test_rewritten(void)
{
	for (int key = 'a'; key <= 'b'; key++) {
		char text[2] = { (char)key, '\0' };
		struct writer *writer = writer_open("same.zv", WRITER_BARE);
		TAP_OK(put(writer, text, "x", 1) == 0 && writer_finish(writer) == 0, "%c is written", key);
		if (key == 'a')
			TAP_OK(index_make("same.zv") == 0, "and indexed");
	}
	TAP_OK(!index_open("same.zv") && strstr(error_text(), "stale; run zv-index"),
	    "a file rewritten in the same size (%s)", error_text());
}

static void test_check(void)
{
	static const struct {
		const char *what, *text;
		bool good;
	} all[] = {
		{ "in order", "#zvi 2 10 2 0\na\tx\t1\t2\t3\tf\t2\t0\t-\t-\na\ty\t3\t2\t0\tf\t2\t0\t-\t-\n",
		    true },
		{ "none", "#zvi 2 10 0 0\n", true },
		{ "out of order",
		    "#zvi 2 10 2 0\nb\tx\t1\t2\t3\tf\t2\t0\t-\t-\na\ty\t3\t2\t0\tf\t2\t0\t-\t-\n", false },
		{ "doubled", "#zvi 2 10 2 0\na\tx\t1\t2\t3\tf\t2\t0\t-\t-\na\tx\t1\t2\t3\tf\t2\t0\t-\t-\n",
		    false },
		{ "too few", "#zvi 2 10 2 0\na\tx\t1\t2\t3\tf\t2\t0\t-\t-\n", false },
		{ "too many", "#zvi 2 10 0 0\na\tx\t1\t2\t3\tf\t2\t0\t-\t-\n", false },
		{ "outside", "#zvi 2 10 1 0\na\tx\t9\t2\t3\tf\t2\t0\t-\t-\n", false },
	};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct index_head head;
		struct index_line last;
		size_t size = strlen(all[i].text);
		TAP_OK(index_text_head(all[i].text, size, &head) == 0 &&
		           (index_text_check(all[i].text, size, &head, &last) == 0) == all[i].good,
		    "entries: %s", all[i].what);
	}
}

static void test_stale(void)
{
	FILE *file = fopen("many.zv", "ab");
	fputs("more", file);
	fclose(file);
	TAP_OK(!index_open("many.zv") && strstr(error_text(), "stale; run zv-index"),
	    "a file that grew (%s)", error_text());
	TAP_OK(index_make("many.zv") == -1, "a damaged file gets no index");
	unlink("many.zv.zvi");
	TAP_OK(!index_open("many.zv") && strstr(error_text(), "run zv-index"), "no index");
}

int main(void)
{
	test_find();
	test_text();
	test_check();
	test_rewritten();
	test_stale();
	return tap_finish();
}
