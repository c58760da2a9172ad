/* feature_files.c - features as training reads them: by key, views of one key and NAME#1.., from
 * several files; what is missing, damaged, of another encoder or not finite is refused.
 */
#include "tap.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/program.h"
#include "stream/index.h"
#include "stream/maker.h"
#include "stream/write.h"
#include "train/pictures.h"

enum { TOKENS = 3, WIDTH = 4, COUNT = TOKENS * WIDTH };

static struct digest encoder = { { 1, 2, 3 } }, another = { { 9 } };

/* A record of key whose values are first, first + 1, ... */
static void put(struct writer *writer, const char *key, char dtype, float first, size_t rows,
    const struct digest *weights)
{
	float values[2 * COUNT], stored[2 * COUNT];
	struct record record;
	struct maker maker;
	record_tensor(&record, "vit", dtype, 2, (const uint64_t[]){ rows, WIDTH });
	for (size_t i = 0; i < rows * WIDTH; i++)
		values[i] = first + (float)i;
	dtype_from_f32(dtype, values, stored, rows * WIDTH);
	maker_begin(&maker, "encode", 1);
	maker_add_digest(&maker, "weights", weights);
	maker_stamp(&maker, &record);
	if (record_set_key(&record, key) < 0 || writer_put(writer, &record, stored) < 0)
		exit(2);
}

static struct writer *begin(const char *path)
{
	struct writer *writer = writer_open(path, WRITER_COMPRESSED);
	if (!writer)
		exit(2);
	return writer;
}

static void finish(struct writer *writer)
{
	if (writer_finish(writer) < 0)
		exit(2);
}

static void write_files(void)
{
	struct writer *writer = begin("one.zv");
	put(writer, "a", 'f', 0, TOKENS, &encoder);
	put(writer, "b", 'E', 16, TOKENS, &encoder);
	put(writer, "b", 'e', 32, TOKENS, &encoder);
	put(writer, "a#2", 'f', 200, TOKENS, &encoder);
	put(writer, "a#1", 'f', 100, TOKENS, &encoder);
	put(writer, "a#4", 'f', 400, TOKENS, &encoder);
	put(writer, "long", 'f', 0, TOKENS + 1, &encoder);
	put(writer, "other", 'f', 0, TOKENS, &another);
	put(writer, "infinite", 'f', INFINITY, TOKENS, &encoder);
	put(writer, "nan", 'E', NAN, TOKENS, &encoder);
	if (writer_fail(writer, "failed", "no picture", NULL) < 0)
		exit(2);
	finish(writer);
	writer = begin("two.zv");
	put(writer, "c#1", 'f', 1000, TOKENS, &encoder);
	put(writer, "a", 'f', 50, TOKENS, &encoder);
	finish(writer);
}

static struct feature_files *open_files(size_t count)
{
	static const char *const paths[] = { "one.zv", "two.zv" };
	struct feature_files *files = feature_files_open(paths, count, WIDTH, &encoder);
	if (!files)
		printf("# %s\n", error_text());
	return files;
}

/* The first values of the views that the draws 0, 1, ... 5 give. */
static void views(struct feature_files *files, const char *key, const char *wanted)
{
	char text[200] = "";
	float values[COUNT];
	for (uint64_t draw = 0; draw < 6; draw++) {
		bool read = feature_files_read(files, key, draw, values) == 0;
		for (int i = 0; read && i < COUNT; i++)
			read = values[i] == values[0] + (float)i;
		snprintf(text + strlen(text), sizeof text - strlen(text), "%g ", read ? values[0] : -1.0);
	}
	TAP_OK(strcmp(text, wanted) == 0, "views of %s: %s", key, text);
}

static void test_views(void)
{
	struct feature_files *files = open_files(1);
	TAP_OK(files && feature_files_tokens(files) == TOKENS, "rows of a record");
	TAP_OK(access("one.zv.zvi", R_OK) == 0, "an index was made");
	views(files, "a", "0 100 200 0 100 200 ");
	views(files, "b", "16 32 16 32 16 32 ");
	views(files, "a#4", "400 400 400 400 400 400 ");
	feature_files_close(files);
	files = open_files(2);
	views(files, "a", "0 50 100 200 0 50 ");
	views(files, "c", "1000 1000 1000 1000 1000 1000 ");
	float values[COUNT];
	TAP_OK(feature_files_read(files, "a", UINT64_MAX, values) == 0, "any draw will do");
	feature_files_close(files);
}

static void refused(struct feature_files *files, const char *key, const char *words)
{
	float values[COUNT];
	int result = feature_files_read(files, key, 0, values);
	TAP_OK(result < 0 && error_kind() == ERROR_INPUT && strstr(error_text(), words),
	    "%s is refused: %s", key ? key : "a line without picture",
	    result < 0 ? error_text() : "was read");
}

static void test_refusals(void)
{
	struct feature_files *files = open_files(2);
	refused(files, "nothing", "no features of this picture");
	refused(files, "", "no features of this picture");
	refused(files, NULL, "names no picture");
	refused(files, "long", "4x4 where 3 x 4 are wanted");
	refused(files, "failed", "encoding it failed");
	refused(files, "infinite", "not finite");
	refused(files, "nan", "not finite");
	refused(files, "other", "");
	common.any_maker = true;
	float values[COUNT];
	TAP_OK(feature_files_read(files, "other", 0, values) == 0, "--any-maker takes it");
	common.any_maker = false;
	views(files, "b", "16 32 16 32 16 32 "); /* still there behind all that */
	char name[RECORD_KEY_MOST + 2];
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	refused(files, name, "no features");
	feature_files_close(files);
	const struct digest any = { { 0 } };
	files = feature_files_open((const char *[]){ "one.zv" }, 1, WIDTH, &any);
	TAP_OK(files && feature_files_read(files, "other", 0, values) == 0, "no encoder is asked for");
	feature_files_close(files);
}

static void cannot_open(const char *path, size_t width, const char *words)
{
	const char *const paths[] = { "two.zv", path };
	struct feature_files *files = feature_files_open(paths, 2, width, &encoder);
	TAP_OK(!files && error_kind() == ERROR_SYSTEM && strstr(error_text(), words) &&
	           strstr(error_text(), ".zv"),
	    "%s: %s", path, files ? "was opened" : error_text());
	feature_files_close(files);
}

static void test_files(void)
{
	struct writer *writer = begin("rows.zv");
	put(writer, "a", 'f', 0, TOKENS - 1, &encoder);
	finish(writer);
	writer = begin("empty.zv");
	finish(writer);
	writer = begin("fails.zv");
	if (writer_fail(writer, "x", "why", NULL) < 0)
		exit(2);
	finish(writer);
	cannot_open("none.zv", WIDTH, "none.zv");
	cannot_open("rows.zv", WIDTH, "2 rows, those of two.zv 3");
	cannot_open("empty.zv", WIDTH, "no features in it");
	cannot_open("fails.zv", WIDTH, "no features in it");
	cannot_open("one.zv", WIDTH + 1, "where features tokens x 5 are wanted");
}

/* Flip a bit behind the first record, with its index made before. */
static void test_damage(void)
{
	struct writer *writer = begin("damaged.zv");
	for (int i = 0; i < 20; i++) {
		char key[8];
		snprintf(key, sizeof key, "%d", i);
		put(writer, key, 'f', (float)i, TOKENS, &encoder);
	}
	finish(writer);
	if (index_make("damaged.zv") < 0)
		exit(2);
	FILE *file = fopen("damaged.zv", "r+b");
	int refusals = 0, wrong = 0;
	if (!file || fseek(file, 0, SEEK_END) != 0)
		exit(2);
	long size = ftell(file), at = size / 2;
	fseek(file, at, SEEK_SET);
	int byte = fgetc(file);
	fseek(file, at, SEEK_SET);
	fputc(byte ^ 8, file);
	fclose(file);
	struct feature_files *files =
	    feature_files_open((const char *[]){ "damaged.zv" }, 1, WIDTH, &encoder);
	for (int i = 0; files && i < 20; i++) {
		char key[8];
		float values[COUNT];
		snprintf(key, sizeof key, "%d", i);
		if (feature_files_read(files, key, 0, values) < 0)
			refusals++;
		else
			wrong += values[0] != (float)i || values[COUNT - 1] != (float)(i + COUNT - 1);
	}
	TAP_OK(files && refusals == 1 && wrong == 0,
	    "a damaged record is refused (%d), the others are read", refusals);
	feature_files_close(files);
}

int main(void)
{
	message_quiet(1);
	write_files();
	test_views();
	test_refusals();
	test_files();
	test_damage();
	return tap_finish();
}
