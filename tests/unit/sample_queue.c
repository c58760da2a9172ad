/* sample_queue - samples read ahead: order over several inputs, a damaged one between whole ones,
 * and that nothing is waited for when the caller does not want to wait.
 */
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/names.h"
#include "base/program.h"
#include "stream/sample_queue.h"

enum { SAMPLES = 5 };

/* A stream of samples "NAME 0", "NAME 1", ...; the last one of two parts. */
static void write_stream(const char *path)
{
	struct writer *writer = writer_open(path, WRITER_COMPRESSED);
	for (int i = 0; writer && i < SAMPLES; i++)
		for (int part = 0; part < (i == SAMPLES - 1 ? 2 : 1); part++) {
			struct record record;
			const uint64_t shape = 3;
			const float values[3] = { (float)i, 1, 2 };
			char key[32];
			snprintf(key, sizeof key, "%.20s %d", path, i);
			record_tensor(&record, part ? "more" : "vit", 'f', 1, &shape);
			record.more = i == SAMPLES - 1 && part == 0;
			if (record_set_key(&record, key) < 0 || writer_put(writer, &record, values) < 0)
				exit(2);
		}
	if (!writer || writer_finish(writer) < 0)
		exit(2);
}

static void cut_short(const char *path)
{
	struct stat status;
	if (stat(path, &status) < 0 || truncate(path, status.st_size - 5) < 0)
		exit(2);
}

/* Take all that comes: "KEY/PARTS", and "!NAME" where an input ended early. */
static void take_all(char **files, int count, size_t depth, char *taken, size_t size)
{
	static struct sample sample;
	const char *name;
	struct names *names = names_open(files, count, false);
	struct sample_queue *queue = names ? sample_queue_start(names, depth) : NULL;
	int found;
	taken[0] = '\0';
	if (!queue)
		exit(2);
	while ((found = sample_queue_take(queue, true, &sample, &name)) != 0) {
		size_t length = strlen(taken);
		if (found < 0) {
			snprintf(taken + length, size - length, "!%s ", name ? name : "list");
			continue;
		}
		snprintf(taken + length, size - length, "%s/%d ", sample.parts[0].record.key, sample.count);
		sample_clear(&sample);
	}
	sample_queue_finish(queue);
	names_close(names);
}

static void test_order(void)
{
	static char taken[1024], again[1024];
	char *files[] = { (char *)"a.zv", (char *)"cut.zv", (char *)"absent.zv", (char *)"b.zv" };
	take_all(files, 4, 3, taken, sizeof taken);
	TAP_OK(strcmp(taken, "a.zv 0/1 a.zv 1/1 a.zv 2/1 a.zv 3/1 a.zv 4/2 cut.zv 0/1 cut.zv 1/1 "
	                     "cut.zv 2/1 cut.zv 3/1 cut.zv 4/2 !cut.zv !absent.zv b.zv 0/1 b.zv 1/1 "
	                     "b.zv 2/1 b.zv 3/1 b.zv 4/2 ") == 0,
	    "samples in order, damage in its place: %s", taken);
	take_all(files, 4, 1, again, sizeof again);
	TAP_OK(strcmp(taken, again) == 0, "the same one at a time");
}

/* Damage is told only to who waits. */
static void test_damage(void)
{
	static struct sample sample;
	const char *name = NULL;
	char *files[] = { (char *)"absent.zv" };
	struct names *names = names_open(files, 1, false);
	struct sample_queue *queue = sample_queue_start(names, 4);
	if (!names || !queue)
		exit(2);
	nanosleep(&(struct timespec){ .tv_nsec = 100000000 }, NULL);
	TAP_OK(sample_queue_take(queue, false, &sample, &name) == 0, "without waiting: nothing yet");
	TAP_OK(sample_queue_take(queue, true, &sample, &name) < 0 && strcmp(name, "absent.zv") == 0 &&
	           strstr(error_text(), "No such file"),
	    "waiting: %s: %s", name, error_text());
	TAP_OK(sample_queue_take(queue, true, &sample, &name) == 0, "then the end");
	sample_queue_finish(queue);
	names_close(names);
}

int main(void)
{
	common.level = 1;
	common.shard = common.shards = 1;
	common.max_record = 1 << 20;
	write_stream("a.zv");
	write_stream("b.zv");
	write_stream("cut.zv");
	cut_short("cut.zv");
	test_order();
	test_damage();
	return tap_finish();
}
