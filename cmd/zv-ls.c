/* zv-ls - list and check the records of tensor streams. */
#include "base/dtype.h"
#include "base/error.h"
#include "base/message.h"
#include "base/names.h"
#include "base/packed.h"
#include "base/program.h"
#include "base/textout.h"
#include "base/version.h"
#include "stream/frame.h"
#include "stream/index.h"
#include "stream/packed_record.h"
#include "stream/read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	bool all_columns, meta, keys, check;
} option;

static const struct option_entry options[] = {
	{ 'l', "long", NULL, OPTION_FLAG, &option.all_columns, 0, 0, NULL,
	    "show maker and source too, 32 hexadecimal digits each" },
	{ 0, "meta", NULL, OPTION_FLAG, &option.meta, 0, 0, NULL,
	    "show each record's meta, indented by a tab" },
	{ 0, "keys", NULL, OPTION_FLAG, &option.keys, 0, 0, NULL,
	    "show keys only, one for each sample" },
	{ 0, "check", NULL, OPTION_FLAG, &option.check, 0, 0, NULL,
	    "verify all checksums, that floats are finite, and the index if there\n"
	    "is one; show problems and a summary" },
	{ 0 },
};

static const struct program program = {
	.name = "zv-ls",
	.purpose = "list and check the records of tensor streams",
	.operands = "[FILE...]",
	.common = COMMON_NAMES | COMMON_JSON | COMMON_RECORDS,
	.options = options,
	.input = "tensor streams or model files (zvt(5)); standard input without FILE",
	.output = "lines: key TAB name TAB dtype TAB shape TAB bytes",
	.examples = { "zv-ls photos.zv", "zv-ls --check photos.zv",
	    "zv-encode -m ziya *.jpg | zv-ls --long", NULL },
	.see_also = "zv-cat(1), zv-cmp(1), zv-index(1), zvt(5)",
};

/* What is shown of a tensor: a packed matrix as the matrix that it is. */
struct shown {
	const char *dtype, *layout; /* NULL: not packed */
	struct record shape;        /* its shape alone */
	double bits;                /* of each weight */
};

/* 0, or -1 with the reason why a packed matrix is none. */
static int describe(const struct record *record, struct shown *shown)
{
	char type;
	uint64_t shape[2];
	int packed = packed_record_parse(record, &type, shape);
	*shown = (struct shown){ .dtype = dtype_name(record->dtype) };
	shown->shape.dimensions = record->dimensions;
	memcpy(shown->shape.shape, record->shape, sizeof record->shape);
	if (packed <= 0)
		return packed;
	shown->dtype = packed_name(type);
	shown->layout = packed_layout(type);
	memcpy(shown->shape.shape, shape, sizeof shape);
	shown->bits = 8 * (double)record->payload_size / ((double)shape[0] * (double)shape[1]);
	return 0;
}

/* Values that are infinite or NaN in a payload of a floating-point dtype, or scales of a packed
 * matrix. */
static uint64_t count_not_finite(const struct record *record, const void *payload)
{
	char type;
	uint64_t shape[2];
	if (packed_record_parse(record, &type, shape) > 0)
		return packed_not_finite(type, payload, (size_t)record->shape[0], (size_t)shape[1]);
	enum { CHUNK = 4096 };
	float values[CHUNK];
	size_t size = dtype_size(record->dtype), total = (size_t)record->payload_size / size;
	uint64_t count = 0;
	if (record->dtype == 'd') {
		for (size_t i = 0; i < total; i++)
			count += !isfinite(dtype_element('d', payload, i));
		return count;
	}
	for (size_t done = 0; done < total; done += CHUNK) {
		size_t step = total - done < CHUNK ? total - done : CHUNK;
		dtype_to_f32(record->dtype, (const char *)payload + done * size, values, step);
		for (size_t i = 0; i < step; i++)
			count += !isfinite(values[i]);
	}
	return count;
}

static void print_digest(const struct digest *digest)
{
	char text[DIGEST_TEXT_SIZE];
	digest_text(digest, text);
	printf("\t%s", digest_is_zero(digest) ? "-" : text);
}

static void print_line(
    const struct record *record, const struct shown *shown, const char *reason, size_t reason_size)
{
	char shape[200];
	textout_field(stdout, record->key, strlen(record->key));
	if (reason) {
		printf("\t%s\tfailed\t-\t", record->name);
		textout_field(stdout, reason, reason_size);
	} else {
		printf("\t%s\t%s\t%s\t%llu", record->name, shown->dtype,
		    record_shape_text(&shown->shape, shape), (unsigned long long)record->payload_size);
	}
	if (option.all_columns) {
		print_digest(&record->maker);
		print_digest(&record->source);
	}
	if (shown->layout)
		printf("\t%s, %.2f bits", shown->layout, shown->bits);
	putchar('\n');
	if (!option.meta)
		return;
	for (size_t i = 0; i < record->meta_size; i++) {
		if (i == 0 || record->meta[i - 1] == '\n')
			putchar('\t');
		textout_field(stdout, record->meta + i, record->meta[i] != '\n');
		if (record->meta[i] == '\n')
			putchar('\n');
	}
}

static void print_json(const char *file, const struct record *record, const struct shown *shown,
    const char *reason, size_t reason_size)
{
	char maker[DIGEST_TEXT_SIZE], source[DIGEST_TEXT_SIZE];
	digest_text(&record->maker, maker);
	digest_text(&record->source, source);
	printf("{\"file\":");
	textout_json(stdout, file, strlen(file));
	printf(",\"key\":");
	textout_json(stdout, record->key, strlen(record->key));
	printf(",\"name\":");
	textout_json(stdout, record->name, strlen(record->name));
	if (reason) {
		printf(",\"failed\":");
		textout_json(stdout, reason, reason_size);
	} else {
		printf(",\"dtype\":\"%s\",\"shape\":[", shown->dtype);
		for (int i = 0; i < record->dimensions; i++)
			printf(i ? ",%llu" : "%llu", (unsigned long long)shown->shape.shape[i]);
		printf("],\"bytes\":%llu,\"more\":%s", (unsigned long long)record->payload_size,
		    record->more ? "true" : "false");
		if (shown->layout)
			printf(",\"layout\":\"%s\",\"bits\":%.4f", shown->layout, shown->bits);
	}
	printf(",\"maker\":\"%s\",\"source\":\"%s\",\"meta\":", maker, source);
	textout_json(stdout, record->meta, record->meta_size);
	printf("}\n");
}

/* Show one record; false when its payload was wanted and is damaged, or it is not what it says. */
static bool show_record(struct reader *reader, const struct record *record, bool continued)
{
	const char *payload = NULL;
	struct shown shown;
	bool failed = record->kind == RECORD_FAILED;
	if (describe(record, &shown) < 0)
		return false;
	bool floats = dtype_is_float(record->dtype) || shown.layout;
	if (failed || (option.check && floats)) {
		payload = reader_payload(reader);
		if (!payload)
			return false;
	} else if (option.check && reader_skip(reader) < 0) {
		return false;
	}
	size_t size = (size_t)record->payload_size;
	if (failed)
		message_raise(EXIT_ITEM);
	if (option.check) {
		uint64_t count = floats ? count_not_finite(record, payload) : 0;
		if (count > 0)
			message_failure(EXIT_ITEM, reader_name(reader), "\"%s\" %s: %llu values are not finite",
			    record->key, record->name, (unsigned long long)count);
		if (failed)
			message_failure(EXIT_ITEM, reader_name(reader), "\"%s\" failed: %.*s", record->key,
			    (int)(size < 500 ? size : 500), payload);
	} else if (option.keys) {
		if (!continued && !failed)
			textout_field(stdout, record->key, strlen(record->key)), putchar('\n');
	} else if (common.json) {
		print_json(reader_name(reader), record, &shown, failed ? payload : NULL, size);
	} else {
		print_line(record, &shown, failed ? payload : NULL, size);
	}
	return true;
}

/* "3 tensors, 0 failed, 1.2 MB, whole" */
static void print_summary(struct reader *reader, bool whole, bool several)
{
	char text[200];
	struct stream_totals totals = reader_totals(reader);
	double size = (double)totals.payload_bytes;
	int unit = 0;
	static const char *const units[] = { "bytes", "kB", "MB", "GB", "TB" };
	while (size >= 999.5 && unit < 4) {
		size /= 1000;
		unit++;
	}
	snprintf(text, sizeof text, "%llu tensors, %llu failed, %.*f %s, %s",
	    (unsigned long long)totals.tensors, (unsigned long long)totals.failures, unit ? 1 : 0, size,
	    units[unit], whole ? "whole" : "damaged");
	if (!option.check) {
		message_note(reader_name(reader), "%s", text);
		return;
	}
	if (several)
		printf("%s: ", reader_name(reader));
	puts(text);
}

/* The file is damaged. Its index, if that fits, leads to what lies behind: name all that is not
 * whole. */
static void name_damaged(const char *name)
{
	struct index *index = index_open_damaged(name);
	struct index_line line;
	size_t at = 0, damaged = 0, count = 0;
	while (index && index_next(index, &at, &line) > 0) {
		struct sample sample;
		struct reader_place place = { line.offset, line.length, line.skip };
		if (line.part > 0)
			continue;
		count++;
		if (index_read(index, &place, NULL, &sample) == 0) {
			sample_clear(&sample);
			continue;
		}
		damaged++;
		message_failure(EXIT_ITEM, name, "\"%.*s\" %.*s is damaged", (int)line.key_size, line.key,
		    (int)line.name_size, line.name);
	}
	if (damaged > 0)
		message_note(name,
		    "%zu of %zu samples are damaged; the command that wrote it computes them again with "
		    "--append and --verify",
		    damaged, count);
	index_close(index);
}

/* What was read to the end against the index, if there is one. */
static void check_index(const char *name, const struct reader *reader, struct index_list *list)
{
	if (index_list_compare(list, name, reader_size(reader), reader_totals(reader).chain) < 0)
		message_error(name);
}

static void list_file(const char *name, bool several)
{
	struct record record;
	bool indexed = option.check && strcmp(name, "-") != 0;
	struct index_list *list = indexed ? index_list_new() : NULL;
	struct reader *reader = reader_open(name);
	if (!reader || (indexed && !list)) {
		message_error(name);
		reader_close(reader);
		index_list_release(list);
		return;
	}
	if (!option.check)
		reader_trust(reader);
	struct stat status;
	bool flowing = fstat(STDOUT_FILENO, &status) == 0 && !S_ISREG(status.st_mode);
	bool continued = false;
	int found;
	for (;;) {
		/* The next record may be long in coming. */
		if (flowing)
			fflush(stdout);
		found = reader_next(reader, &record);
		if (found > 0 && !show_record(reader, &record, continued))
			found = -1;
		if (found > 0 && list && index_list_take(list, reader, &record) < 0)
			found = -1;
		if (found <= 0)
			break;
		continued = record.more;
	}
	if (found < 0)
		message_error(reader_name(reader));
	if (list && found == 0)
		check_index(name, reader, list);
	else if (list)
		name_damaged(name);
	index_list_release(list);
	if (option.check || common.verbose)
		print_summary(reader, found == 0, several);
	reader_close(reader);
}

int main(int argc, char **argv)
{
	version_add(frame_library());
	int first = program_begin(&program, argc, argv);
	struct names *names = names_open(argv + first, argc - first, true);
	const char *name;
	int found;
	if (!names)
		program_fail(NULL);
	if (option.check + option.keys + common.json > 1)
		program_usage("--check, --keys and --json exclude each other");
	bool several = names_total(names) != 1;
	while ((found = names_next(names, &name)) > 0)
		list_file(name, several);
	if (found < 0)
		message_error(NULL);
	names_close(names);
	return program_end();
}
