/* bench-holdings - what is missing among N names (default 1000000) in a file of as many records, and
 * how long one more record takes, in seconds of the CPU: bench-holdings FILE [N]. FILE is made, and
 * stays.
 */
#include "base/error.h"
#include "base/program.h"
#include "stream/append.h"
#include "stream/holdings.h"
#include "stream/write.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const struct digest maker = { { 1, 2, 3 } };

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

_Noreturn static void fail(void)
{
	fprintf(stderr, "bench-holdings: %s\n", error_text());
	exit(2);
}

/* Tell how long it was since the last call. */
static void lap(const char *what)
{
	static double before;
	double time = now();
	if (what)
		printf("%-44s %8.3f s\n", what, time - before);
	before = now();
}

static void name(char key[64], struct digest *source, unsigned long i)
{
	int size = snprintf(key, 64, "folder%03lu/picture-%07lu.jpg", i % 997, i);
	*source = digest_of(key, (size_t)size);
}

static void make_record(struct record *record, unsigned long i)
{
	char key[64];
	record_tensor(record, "itc", 'f', 1, (const uint64_t[]){ 4 });
	name(key, &record->source, i);
	record->maker = maker;
	record_set_key(record, key);
}

static void write_file(const char *path, unsigned long count)
{
	static const float values[4] = { 1, 2, 3, 4 };
	struct record record;
	struct writer *writer = writer_open(path, WRITER_COMPRESSED);
	for (unsigned long i = 0; writer && i < count; i++) {
		make_record(&record, i * 2); /* every second name */
		if (writer_put(writer, &record, values) < 0)
			fail();
	}
	if (!writer || writer_finish(writer) < 0)
		fail();
}

static unsigned long count_missing(const struct holdings *holdings, unsigned long count)
{
	unsigned long missing = 0;
	for (unsigned long i = 0; i < count; i++) {
		char key[64];
		struct digest source;
		name(key, &source, i);
		struct holding_wanted wanted = { key, "itc", &maker, &source, NULL };
		missing += holdings_find(holdings, &wanted) == HOLDING_NONE;
	}
	return missing;
}

static void append_one(const char *path, unsigned long i)
{
	static const float values[4];
	struct record record;
	struct append *append = append_open(path, false, false);
	make_record(&record, i);
	if (!append || append_put(append, &record, values) < 0 || append_finish(append) < 0)
		fail();
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000;
	if (argc < 2)
		return 2;
	common.level = 0;
	common.max_record = 1 << 30;
	lap(NULL);
	write_file(argv[1], count);
	lap("write the records");
	if (index_make(argv[1]) < 0)
		fail();
	lap("index them: a pass over the data");
	struct index *index = index_open(argv[1]);
	struct holdings *holdings = index ? holdings_read(index) : NULL;
	if (!holdings)
		fail();
	lap("open the index, know what is held");
	unsigned long missing = count_missing(holdings, count);
	lap("look for as many names");
	printf("%lu of %lu are missing\n", missing, count);
	holdings_release(holdings);
	index_close(index);
	lap(NULL);
	append_one(argv[1], 1);
	lap("append one record, index and all");
	return missing == count / 2 ? 0 : 1;
}
