/* zv-cmp - compare two tensor streams within a tolerance. */
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/program.h"
#include "base/textout.h"
#include "base/version.h"
#include "stream/compare.h"
#include "stream/frame.h"
#include "stream/packed_record.h"
#include "stream/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELD_MOST = 4096 };

/* Below zero: not given. */
static struct tolerance tolerance = { .absolute = -1, .relative = -1, .scale = -1 };

static const struct option_entry options[] = {
	{ 0, "atol", "X", OPTION_REAL, &tolerance.absolute, 0, 1e300, NULL,
	    "allow a difference of X; 0 compares values\n(default: bit for bit)" },
	{ 0, "rtol", "X", OPTION_REAL, &tolerance.relative, 0, 1e300, NULL,
	    "and of X times the reference's value" },
	{ 0, "rel-max", "X", OPTION_REAL, &tolerance.scale, 0, 1e300, NULL,
	    "and of X times the largest magnitude in the\nreference's tensor" },
	{ 0 },
};

static const struct program program = {
	.name = "zv-cmp",
	.purpose = "compare tensor streams",
	.operands = "FILE REFERENCE",
	.common = COMMON_JSON | COMMON_RECORDS,
	.options = options,
	.input = "two tensor streams (zvt(5)); one may be -, standard input",
	.output = "a line for each record that differs (-v: for each record; -q: nothing)",
	.examples = { "zv-cmp new.zv photos.zv", "zv-cmp --rel-max 1e-5 -v new.zv photos.zv", NULL },
	.see_also = "zv-ls(1), zv-cat(1), zvt(5)",
	.exits = "0 equal within the tolerance, 1 they differ, 2 trouble or damaged input",
};

/* A record that waits for its partner in the other file. */
struct held {
	struct held *next;
	struct record record;
	void *payload;
};

/* One of the files, and its records without a partner so far, oldest first. */
struct side {
	struct reader *reader;
	struct held *first, **last;
	uint64_t count, bytes;
	bool ended;
};

static struct {
	uint64_t compared, different;
	struct comparison worst;
} total;

_Noreturn static void stop(const char *file)
{
	error_as(ERROR_SYSTEM); /* 1 is for files that differ */
	program_fail(file);
}

static void open_side(struct side *side, const char *path)
{
	side->reader = reader_open(path);
	if (!side->reader)
		stop(path);
	side->last = &side->first;
}

/* A packed matrix, like rows of int8, is compared by the values that it stands for, also with one
 * that is not. */
static int unpack(struct held *held)
{
	void *values;
	if (packed_record_unpack(&held->record, held->payload, &values) < 0)
		return -1;
	if (values) {
		memory_release(held->payload);
		held->payload = values;
	}
	return 0;
}

/* Read the next record of a side; NULL at its end. */
static struct held *read_record(struct side *side)
{
	struct record record;
	if (side->ended)
		return NULL;
	int found = reader_next(side->reader, &record);
	if (found < 0)
		stop(reader_name(side->reader));
	if (found == 0) {
		side->ended = true;
		return NULL;
	}
	struct held *held = memory_allocate_zero(1, sizeof *held);
	if (held && rows_join(side->reader, &record, &held->payload) == 0) {
		held->record = record;
		if (!held->payload)
			held->payload = reader_take_payload(side->reader);
	}
	if (!held || !held->payload || unpack(held) < 0)
		stop(reader_name(side->reader));
	return held;
}

static void release(struct held *held)
{
	memory_release(held->payload);
	memory_release(held);
}

/* Records of one key and name pair up in the order they come; failed items have no name. */
static struct held *take_partner(struct side *side, const struct record *record)
{
	for (struct held **at = &side->first; *at; at = &(*at)->next) {
		struct held *held = *at;
		if (strcmp(held->record.key, record->key) != 0 ||
		    strcmp(held->record.name, record->name) != 0)
			continue;
		*at = held->next;
		if (!*at)
			side->last = at;
		side->count--;
		side->bytes -= held->record.payload_size;
		held->next = NULL;
		return held;
	}
	return NULL;
}

static void print_names(const struct record *record)
{
	if (common.json) {
		printf("{\"key\":");
		textout_json(stdout, record->key, strlen(record->key));
		printf(",\"name\":");
		textout_json(stdout, record->name, strlen(record->name));
		return;
	}
	textout_field(stdout, record->key, strlen(record->key));
	printf("\t%s", record->name);
}

/* A record that differs without numbers: missing, or not to be compared. */
static void report_reason(const struct record *record, const char *reason)
{
	total.different++;
	message_raise(EXIT_ITEM);
	if (common.quiet)
		return;
	print_names(record);
	if (common.json) {
		printf(",\"same\":false,\"reason\":");
		textout_json(stdout, reason, strlen(reason));
		printf("}\n");
		return;
	}
	putchar('\t');
	textout_field(stdout, reason, strlen(reason));
	putchar('\n');
}

/* A tolerance of zero is one, too: values are compared, not bits. */
static void settle_tolerance(void)
{
	tolerance.given = tolerance.absolute >= 0 || tolerance.relative >= 0 || tolerance.scale >= 0;
	tolerance.absolute = fmax(tolerance.absolute, 0);
	tolerance.relative = fmax(tolerance.relative, 0);
	tolerance.scale = fmax(tolerance.scale, 0);
}

/* The cosine, or - where there is none; text holds at least 30 bytes. */
static const char *cosine_text(double cosine, char *text)
{
	if (isnan(cosine))
		return "-";
	snprintf(text, 30, "%.9g", cosine);
	return text;
}

/* JSON has no infinity. */
static void print_json_number(const char *word, double value)
{
	if (isfinite(value))
		printf(",\"%s\":%.9g", word, value);
	else
		printf(",\"%s\":null", word);
}

static void report_numbers(const struct record *record, const struct comparison *comparison)
{
	char absolute_at[200], relative_at[200], cosine[30];
	if (common.quiet || (comparison->same && !common.verbose && !common.json))
		return;
	compare_place(record, comparison->absolute_at, absolute_at);
	compare_place(record, comparison->relative_at, relative_at);
	print_names(record);
	if (common.json) {
		printf(",\"same\":%s,\"elements\":%llu,\"outside\":%llu",
		    comparison->same ? "true" : "false", (unsigned long long)comparison->elements,
		    (unsigned long long)comparison->outside);
		print_json_number("max_abs", comparison->absolute);
		printf(",\"max_abs_at\":[%s]", absolute_at);
		print_json_number("max_rel", comparison->relative);
		printf(",\"max_rel_at\":[%s]", relative_at);
		print_json_number("rel_max", comparison->scale);
		print_json_number("cosine", comparison->cosine);
		printf("}\n");
		return;
	}
	printf("\t%s\t%llu of %llu outside\tabs %.3g at %s\trel %.3g at %s\trel-max %.3g\tcosine %s\n",
	    comparison->same ? "same" : "differs", (unsigned long long)comparison->outside,
	    (unsigned long long)comparison->elements, comparison->absolute, absolute_at,
	    comparison->relative, relative_at, comparison->scale,
	    cosine_text(comparison->cosine, cosine));
}

static void keep_worst(const struct comparison *comparison)
{
	if (comparison->absolute > total.worst.absolute)
		total.worst.absolute = comparison->absolute;
	if (comparison->relative > total.worst.relative)
		total.worst.relative = comparison->relative;
	if (comparison->scale > total.worst.scale)
		total.worst.scale = comparison->scale;
	/* None at all is the worst, and stays. */
	if (isnan(comparison->cosine) || comparison->cosine < total.worst.cosine)
		total.worst.cosine = comparison->cosine;
}

static void compare_pair(const struct held *a, const struct held *b)
{
	struct comparison comparison;
	total.compared++;
	if (a->record.kind != b->record.kind) {
		report_reason(&a->record, a->record.kind == RECORD_FAILED ? "failed in the first only"
		                                                          : "failed in the reference only");
		return;
	}
	if (compare_tensors(&a->record, a->payload, &b->record, b->payload, &tolerance, &comparison) <
	    0) {
		report_reason(&a->record, error_text());
		return;
	}
	keep_worst(&comparison);
	if (!comparison.same) {
		total.different++;
		message_raise(EXIT_ITEM);
	}
	report_numbers(&a->record, &comparison);
}

static void report_missing(struct side *side, const char *reason)
{
	struct held *held = side->first;
	side->first = held->next;
	if (!side->first)
		side->last = &side->first;
	side->count--;
	side->bytes -= held->record.payload_size;
	report_reason(&held->record, reason);
	release(held);
}

/* Pair a record up with one of the other side, or hold it. */
static void match(
    struct side *own, struct side *other, struct held *held, bool is_first, const char *reason)
{
	struct held *partner = take_partner(other, &held->record);
	if (partner) {
		compare_pair(is_first ? held : partner, is_first ? partner : held);
		release(partner);
		release(held);
		return;
	}
	*own->last = held;
	own->last = &held->next;
	own->count++;
	own->bytes += held->record.payload_size;
	while (own->count > HELD_MOST || own->bytes > (uint64_t)common.max_record)
		report_missing(own, reason);
}

static void compare_files(struct side *a, struct side *b)
{
	static const char only_first[] = "only in the first",
	                  only_reference[] = "only in the reference";
	while (!a->ended || !b->ended) {
		struct held *held = read_record(a);
		if (held)
			match(a, b, held, true, only_first);
		held = read_record(b);
		if (held)
			match(b, a, held, false, only_reference);
	}
	while (a->first)
		report_missing(a, only_first);
	while (b->first)
		report_missing(b, only_reference);
}

int main(int argc, char **argv)
{
	static struct side a, b;
	char cosine[30];
	version_add(frame_library());
	int first = program_begin(&program, argc, argv);
	if (argc - first != 2)
		program_usage("two files are compared, not %d", argc - first);
	if (strcmp(argv[first], "-") == 0 && strcmp(argv[first + 1], "-") == 0)
		program_usage("only one of the files can be standard input");
	settle_tolerance();
	total.worst.cosine = 1;
	open_side(&a, argv[first]);
	open_side(&b, argv[first + 1]);
	compare_files(&a, &b);
	if (common.verbose)
		message_note(NULL,
		    "%llu records compared, %llu differ; at most abs %.3g, rel %.3g, rel-max %.3g; "
		    "least cosine %s",
		    (unsigned long long)total.compared, (unsigned long long)total.different,
		    total.worst.absolute, total.worst.relative, total.worst.scale,
		    cosine_text(total.worst.cosine, cosine));
	reader_close(a.reader);
	reader_close(b.reader);
	return program_end();
}
