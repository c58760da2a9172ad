/* model_file.c - model files: written, with a tensor too large for memory too, mapped, searched;
 * and all the ways in which they can be refused.
 */
#include "base/error.h"
#include "base/memory.h"
#include "stream/model_file.h"
#include "stream/read.h"
#include "stream/write.h"
#include "tap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS = 300, COLUMNS = 200 };

static struct digest written_fingerprint;

static int put_large(struct writer *writer)
{
	struct record record;
	const uint64_t shape[2] = { ROWS, COLUMNS };
	float row[COLUMNS];
	record_tensor(&record, "values", 'f', 2, shape);
	record_set_key(&record, "large.weight");
	if (writer_begin_large(writer, &record) < 0)
		return -1;
	for (int i = 0; i < ROWS; i++) {
		for (int k = 0; k < COLUMNS; k++)
			row[k] = (float)(i * COLUMNS + k);
		if (writer_add_large(writer, row, 100) < 0 ||
		    writer_add_large(writer, (char *)row + 100, sizeof row - 100) < 0)
			return -1;
	}
	return writer_end_large(writer);
}

static int put(struct writer *writer, const char *key, const char *name, char dtype,
    uint64_t elements, const char *meta, const void *payload)
{
	struct record record;
	record_tensor(&record, name, dtype, 1, &elements);
	record_set_key(&record, key);
	record.meta = meta;
	record.meta_size = meta ? strlen(meta) : 0;
	return writer_put(writer, &record, payload);
}

/* Write a model file; twice: one key comes again; headless: without the config. */
static int write_model(const char *path, bool twice, bool headless)
{
	struct writer *writer = writer_open(path, WRITER_BARE);
	const float bias[3] = { 1, 2, 3 };
	int result = headless ? 0
	                      : put(writer, "config", "vit", 'B', 0,
	                            "stage=vit\nwidth=768\nnorm_eps=1e-6\nbad=12x\n", NULL);
	if (result < 0 || put_large(writer) < 0 ||
	    put(writer, "a.bias", "values", 'f', 3, NULL, bias) < 0 ||
	    put(writer, "vocab.txt", "bytes", 'B', 5, NULL, "words") < 0 ||
	    (twice && put(writer, "a.bias", "values", 'f', 3, NULL, bias) < 0))
		return -1;
	written_fingerprint = writer_fingerprint(writer);
	return writer_finish(writer);
}

static void test_open(void)
{
	struct weight weight;
	TAP_OK(write_model("model/vit.zv", false, false) == 0, "a model file is written");
	struct model_file *file = model_file_open("model", "vit");
	if (!TAP_OK(file != NULL, "and opened (%s)", error_text()))
		return;
	const uint64_t shape[2] = { ROWS, COLUMNS }, other[2] = { COLUMNS, ROWS };
	TAP_OK(model_file_need(file, "large.weight", 2, shape, &weight) == 0, "a tensor is found");
	TAP_OK((uintptr_t)weight.data % 64 == 0, "aligned to 64");
	const float *values = weight.data;
	TAP_OK(values[0] == 0 && values[ROWS * COLUMNS - 1] == ROWS * COLUMNS - 1, "with its values");
	TAP_OK(model_file_need(file, "large.weight", 2, other, &weight) == -1 &&
	           strstr(error_text(), "300x200 where 200x300"),
	    "another shape is refused (%s)", error_text());
	TAP_OK(model_file_need(file, "none", 2, shape, &weight) == -1 && error_kind() == ERROR_SYSTEM &&
	           strstr(error_text(), "\"none\""),
	    "so is a missing tensor");
	const uint64_t five = 5;
	TAP_OK(model_file_need(file, "vocab.txt", 1, &five, &weight) == -1, "and one of bytes");
	TAP_OK(
	    model_file_find(file, "vocab.txt", &weight) && weight.bytes == 5, "which is found as such");
	TAP_OK(
	    !model_file_find(file, "vocab", &weight) && !model_file_find(file, "vocab.txt2", &weight),
	    "names are compared as a whole");
	int count = 0;
	const char *key;
	size_t key_size;
	while (model_file_at(file, (size_t)count, &key, &key_size, &weight))
		count++;
	TAP_OK(count == 3, "all tensors in order");
	struct digest fingerprint = model_file_fingerprint(file);
	TAP_OK(digest_equal(&fingerprint, &written_fingerprint), "the fingerprint is the writer's");
	model_file_close(file);
}

static void test_words(void)
{
	struct model_file *file = model_file_open_path("model/vit.zv");
	int64_t whole;
	double real;
	char text[4];
	TAP_OK(model_file_whole(file, "width", 1, 4096, &whole) == 0 && whole == 768, "a whole number");
	TAP_OK(model_file_whole(file, "width", 1, 512, &whole) == -1 && error_kind() == ERROR_SYSTEM,
	    "out of range (%s)", error_text());
	TAP_OK(model_file_whole(file, "bad", 1, 512, &whole) == -1, "no number");
	TAP_OK(model_file_whole(file, "none", 1, 512, &whole) == -1, "no such word");
	TAP_OK(model_file_real(file, "norm_eps", &real) == 0 && real == 1e-6, "a real number");
	TAP_OK(model_file_text(file, "stage", text, sizeof text) && strcmp(text, "vit") == 0, "a text");
	TAP_OK(!model_file_text(file, "none", text, sizeof text), "no text");
	model_file_close(file);
}

static void test_find(void)
{
	char path[4096], here[2048], models[4096];
	unsetenv("ZV_MODELS");
	TAP_OK(
	    model_find("model", path, sizeof path) == 0 && strcmp(path, "model") == 0, "a directory");
	TAP_OK(model_find("none", path, sizeof path) == -1 && strstr(error_text(), "zv-import"),
	    "no such model (%s)", error_text());
	if (!getcwd(here, sizeof here) || chdir("/") < 0)
		return;
	snprintf(models, sizeof models, "/nowhere::%s", here);
	setenv("ZV_MODELS", models, 1);
	struct model_file *file = model_file_open("model", "vit");
	TAP_OK(file != NULL, "through ZV_MODELS");
	model_file_close(file);
	TAP_OK(!model_file_open("model", "llm") && strstr(error_text(), "llm.zv"),
	    "a missing stage (%s)", error_text());
	TAP_OK(!model_file_open("none", "vit") && strstr(error_text(), "ZV_MODELS="),
	    "not in ZV_MODELS either (%s)", error_text());
	if (chdir(here) < 0)
		return;
	TAP_OK(!model_file_open(NULL, "vit") && strstr(error_text(), "-m MODEL"), "no model given");
}

static void test_refused(void)
{
	bool refused = true, safe = true;
	write_model("small.zv", false, false);
	FILE *file = fopen("small.zv", "rb");
	static uint8_t bytes[ROWS * COLUMNS * 4 + 4096];
	size_t size = fread(bytes, 1, sizeof bytes, file);
	fclose(file);
	/* Every cut that is near a header, and some within the large payload. */
	for (size_t cut = 0; cut<size; cut += cut> 512 && cut + 1024 < size ? 4093 : 1) {
		file = fopen("cut.zv", "wb");
		fwrite(bytes, 1, cut, file);
		fclose(file);
		refused &= !model_file_open_path("cut.zv") && error_kind() == ERROR_SYSTEM;
	}
	TAP_OK(refused, "every prefix is refused");
	for (size_t at = 0; at < size; at += at >= 511 && at + 1024 < size ? 4096 : 1) {
		bytes[at] ^= 0x10;
		file = fopen("cut.zv", "wb");
		fwrite(bytes, 1, size, file);
		fclose(file);
		bytes[at] ^= 0x10;
		struct model_file *model = model_file_open_path("cut.zv");
		const uint64_t shape[2] = { ROWS, COLUMNS };
		struct weight weight;
		if (model)
			safe &= model_file_need(model, "large.weight", 2, shape, &weight) == 0;
		model_file_close(model);
	}
	TAP_OK(safe, "a flipped bit of a header is refused");
	write_model("twice.zv", true, false);
	TAP_OK(!model_file_open_path("twice.zv") && strstr(error_text(), "\"a.bias\" twice"),
	    "a tensor that comes twice");
	write_model("headless.zv", false, true);
	TAP_OK(!model_file_open_path("headless.zv") && strstr(error_text(), "config"), "no config");
	rename("small.zv", "model/llm.zv");
	TAP_OK(!model_file_open("model", "llm") && strstr(error_text(), "\"vit\" where \"llm\""),
	    "a file of another stage");
	TAP_OK(!model_file_open_path("model"), "a directory");
}

static void test_large_rules(void)
{
	struct record record;
	const uint64_t four = 4;
	struct writer *writer = writer_open("large.zv", WRITER_BARE);
	record_tensor(&record, "x", 'B', 1, &four);
	record_set_key(&record, "k");
	TAP_OK(writer_begin_large(writer, &record) == 0, "large: begun");
	TAP_OK(writer_put(writer, &record, "four") == -1, "large: nothing may come between");
	TAP_OK(writer_add_large(writer, "fives", 5) == -1, "large: too many bytes");
	TAP_OK(writer_end_large(writer) == -1, "large: too few bytes");
	TAP_OK(writer_finish(writer) == -1 && access("large.zv", F_OK) < 0, "large: no file then");
	writer = writer_open("large.zv", WRITER_COMPRESSED);
	TAP_OK(writer_begin_large(writer, &record) == -1, "large: bare records only");
	writer_abandon(writer);
	struct reader *reader = reader_open("model/vit.zv");
	int count = 0;
	while (reader_next(reader, &record) > 0 && reader_payload(reader))
		count++;
	TAP_OK(count == 4 && reader_next(reader, &record) == 0, "large: the reader takes it");
	reader_close(reader);
}

static int put_byte(const char *path, long offset, int value)
{
	FILE *stream = fopen(path, "r+b");
	int old = -1;
	if (stream && fseek(stream, offset, SEEK_SET) == 0 && (old = getc(stream)) >= 0 &&
	    fseek(stream, offset, SEEK_SET) == 0)
		putc(value < 0 ? old ^ 1 : value, stream);
	if (stream)
		fclose(stream);
	return old;
}

/* One bit of a weight is another: opening does not look, verifying does. */
static void test_damage(void)
{
	const long inside_large = 100000;
	struct model_file *file = model_file_open("model", "vit");
	TAP_OK(file && model_file_verify(file, NULL) == 0, "verify: all is well");
	TAP_OK(file && model_file_verify(file, "absent") == 0, "verify: what is absent is not damaged");
	model_file_close(file);
	int old = put_byte("model/vit.zv", inside_large, -1);
	file = model_file_open("model", "vit");
	TAP_OK(file && model_file_verify(file, "a.bias") == 0, "verify: another tensor is well");
	TAP_OK(file && model_file_verify(file, "large.weight") < 0 && error_kind() == ERROR_SYSTEM,
	    "verify: the damaged one is not: %s", error_text());
	error_clear();
	TAP_OK(file && model_file_verify(file, NULL) < 0 && strstr(error_text(), "large.weight"),
	    "verify: found among all: %s", error_text());
	model_file_close(file);
	put_byte("model/vit.zv", inside_large, old);
	file = model_file_open("model", "vit");
	TAP_OK(file && model_file_verify(file, NULL) == 0, "verify: mended");
	model_file_close(file);
}

int main(void)
{
	mkdir("model", 0777);
	test_open();
	test_damage();
	test_words();
	test_find();
	test_refused();
	test_large_rules();
	return tap_finish();
}
