/* zv-cat - join, select, split, stack and repack tensor streams. */
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/names.h"
#include "base/program.h"
#include "base/progress.h"
#include "base/version.h"
#include "stream/frame.h"
#include "stream/holdings.h"
#include "stream/key_set.h"
#include "stream/rows.h"
#include "stream/sample.h"
#include "stream/stack.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct {
	struct option_list keys, names;
	const char *key_file, *stack_key;
	int64_t limit, skip, split;
	bool stack, unstack, bare, salvage, no_failed, newest;
} option = { .limit = INT64_MAX, .stack_key = "stack" };

static const struct option_entry options[] = {
	{ 'k', "key", "KEY", OPTION_LIST, &option.keys, 0, 0, NULL,
	    "take the samples of KEY only; may be given several times" },
	{ 'K', "keys-from", "LIST", OPTION_TEXT, &option.key_file, 0, 0, NULL,
	    "take the samples of the keys in LIST, one a line" },
	{ 'n', "name", "NAME", OPTION_LIST, &option.names, 0, 0, NULL,
	    "take the tensors called NAME only; may be given several times" },
	{ 0, "skip", "N", OPTION_WHOLE, &option.skip, 0, 0x1p53, NULL,
	    "pass over the first N samples of the selection" },
	{ 0, "limit", "N", OPTION_WHOLE, &option.limit, 0, 0x1p53, NULL, "take at most N samples" },
	{ 0, "newest", NULL, OPTION_FLAG, &option.newest, 0, 0, NULL,
	    "leave out what later records of a file supersede" },
	{ 0, "no-failed", NULL, OPTION_FLAG, &option.no_failed, 0, 0, NULL, "leave failed items out" },
	{ 0, "salvage", NULL, OPTION_FLAG, &option.salvage, 0, 0, NULL,
	    "take what is whole in damaged files, say what is lost" },
	{ 0, "bare", NULL, OPTION_FLAG, &option.bare, 0, 0, NULL,
	    "write bare records without compression, fit for mapping" },
	{ 0, "split", "N", OPTION_WHOLE, &option.split, 1, 0x1p53, NULL,
	    "write files FILE-00001.zv, ... of N samples each (FILE of -o)" },
	{ 0, "stack", NULL, OPTION_FLAG, &option.stack, 0, 0, NULL,
	    "write all records as one matrix with a row for each" },
	{ 0, "stack-key", "KEY", OPTION_TEXT, &option.stack_key, 0, 0, NULL,
	    "key of the matrix (default stack)" },
	{ 0, "unstack", NULL, OPTION_FLAG, &option.unstack, 0, 0, NULL,
	    "write the rows of stacked matrices as records again" },
	{ 0 },
};

static const struct program program = {
	.name = "zv-cat",
	.purpose = "join, select, split, stack and repack tensor streams",
	.operands = "[FILE...]",
	.common =
	    COMMON_OUTPUT | COMMON_NAMES | COMMON_LEVEL | COMMON_STRICT | COMMON_MAKER | COMMON_RECORDS,
	.options = options,
	.input = "tensor streams (zvt(5)); standard input without FILE",
	.output = "one tensor stream, with one end record",
	.examples = { "zv-cat shard1.zv shard2.zv -o all.zv",
	    "zv-cat -k cat.jpg photos.zv | zv-qformer -m ziya | zv-generate -m ziya",
	    "zv-cat --newest photos.zv -o tidy.zv", "zv-cat --stack feats.zv -o matrix.zv", NULL },
	.see_also = "zv-ls(1), zv-index(1), zv-export(1), zvt(5)",
};

static struct {
	struct writer *writer;
	const char *path;     /* of the output or its part; NULL: standard output */
	struct key_set *keys; /* NULL: all */
	struct stack *stack;
	int64_t selected, written_in_part, parts;
	bool damaged; /* an input could not be read to its end */
} state;

static enum writer_form form(void)
{
	return option.bare ? WRITER_BARE : WRITER_COMPRESSED;
}

/* Give up: what was written so far stays without its end record, files do not appear. */
_Noreturn static void give_up(const char *file)
{
	message_error(file);
	writer_abandon(state.writer);
	program_exit();
}

/* An input (NULL: the list of them) could not be read to its end. The others are copied all the
 * same, but there will be no end record, so that those downstream see it too. Parts would only be
 * counted wrongly behind what is missing. */
static void report_damage(const char *file)
{
	if (error_kind() == ERROR_SYSTEM || common.strict || option.split)
		give_up(file);
	message_error(file);
	state.damaged = true;
}

static void open_output(void)
{
	static char part[PATH_MAX];
	state.path = common.output;
	if (option.split) {
		int length =
		    snprintf(part, sizeof part, "%s-%05lld.zv", common.output, (long long)++state.parts);
		if (length < 0 || (size_t)length >= sizeof part)
			program_usage("-o: the name is too long");
		state.path = part;
	}
	state.writer = writer_open(state.path, form());
	if (!state.writer)
		program_fail(state.path);
	state.written_in_part = 0;
}

static void finish_output(void)
{
	struct writer *writer = state.writer;
	state.writer = NULL;
	if (writer_finish(writer) < 0)
		program_fail(state.path);
}

static bool name_is_wanted(const char *name)
{
	for (int i = 0; i < option.names.count; i++)
		if (strcmp(option.names.texts[i], name) == 0)
			return true;
	return option.names.count == 0;
}

/* Drop the parts whose name is not wanted, but not the scales of one that is; false if none is
 * left. */
static bool select_parts(struct sample *sample)
{
	int kept = 0;
	for (int i = 0; i < sample->count; i++) {
		struct sample_part *part = &sample->parts[i];
		bool scales = kept > 0 && rows_are_scales(&sample->parts[kept - 1].record, &part->record);
		if (scales || name_is_wanted(part->record.name)) {
			struct sample_part other = sample->parts[kept];
			sample->parts[kept++] = *part;
			*part = other;
		}
	}
	for (int i = kept; i < sample->count; i++) {
		memory_release((void *)sample->parts[i].record.meta);
		memory_release(sample->parts[i].payload);
	}
	sample->count = kept;
	return kept > 0;
}

static bool is_failed(const struct sample *sample)
{
	return sample->parts[0].record.kind == RECORD_FAILED;
}

/* A sample that cannot be stacked or taken apart: a failed item. */
static void fail_sample(struct sample *sample, const char *file)
{
	const struct record *record = &sample->parts[0].record;
	if (error_kind() != ERROR_INPUT || common.strict)
		give_up(file);
	message_error(file);
	if (writer_fail(state.writer, record->key, error_text(), &record->source) < 0)
		give_up(state.path);
}

static void write_sample(struct sample *sample, const char *file)
{
	if (option.split && state.written_in_part == option.split) {
		finish_output();
		open_output();
	}
	state.written_in_part++;
	if (is_failed(sample)) {
		message_raise(EXIT_ITEM);
		if (sample_write(state.writer, sample) < 0)
			give_up(state.path);
	} else if (option.stack) {
		if (stack_add(state.stack, sample) < 0)
			fail_sample(sample, file);
	} else if (option.unstack) {
		if (stack_undo(sample, state.writer) < 0)
			fail_sample(sample, file);
	} else if (sample_write(state.writer, sample) < 0) {
		give_up(state.path);
	}
}

/* Take a sample if it is wanted; false when the limit is reached. Clears it. */
static bool take_sample(struct sample *sample, const char *file)
{
	bool wanted = !state.keys || key_set_has(state.keys, sample->parts[0].record.key);
	if (wanted && is_failed(sample))
		wanted = !option.no_failed;
	else if (wanted)
		wanted = select_parts(sample);
	if (wanted && state.selected++ >= option.skip)
		write_sample(sample, file);
	sample_clear(sample);
	return state.selected - option.skip < option.limit;
}

static int compare_places(const void *a, const void *b)
{
	const struct reader_place *left = a, *right = b;
	if (left->offset != right->offset)
		return left->offset < right->offset ? -1 : 1;
	return (left->skip > right->skip) - (left->skip < right->skip);
}

/* Has this failed item been made good by a later record of its key? */
static bool is_made_good(struct index *index, const struct record *record, uint64_t offset)
{
	struct reader_place *places = NULL;
	size_t count = 0, capacity = 0;
	bool found = false;
	if (index_places(index, record->key, &places, &count, &capacity) < 0)
		give_up(NULL);
	for (size_t i = 0; i < count; i++)
		found |= places[i].offset > offset;
	memory_release(places);
	return found;
}

/* Copy the samples at places, in the order of the file. False: the limit is reached. */
static bool copy_places(
    struct index *index, const struct reader_place *places, size_t count, const char *name)
{
	progress_begin("samples", count);
	for (size_t i = 0; i < count; i++) {
		struct sample sample;
		if (index_read(index, &places[i], NULL, &sample) < 0) {
			report_damage(name);
			break;
		}
		const struct record *record = &sample.parts[0].record;
		/* The index is believed only as far as the records bear it out. */
		if (state.keys && !key_set_has(state.keys, record->key)) {
			error_input("index leads to \"%.200s\"; run zv-index", record->key);
			sample_clear(&sample);
			report_damage(name);
			break;
		}
		if (option.newest && is_failed(&sample) && is_made_good(index, record, places[i].offset))
			sample_clear(&sample);
		else if (!take_sample(&sample, name))
			return false;
		progress_update(i + 1);
	}
	progress_clear();
	return true;
}

/* Places of samples, in the order of the file. */
struct places {
	struct reader_place *at;
	size_t count, capacity;
};

static void add_place(struct places *places, struct reader_place place)
{
	if (memory_grow(
	        (void **)&places->at, &places->capacity, places->count + 1, sizeof *places->at) < 0)
		give_up(NULL);
	places->at[places->count++] = place;
}

static void sort_places(struct places *places)
{
	if (places->count > 1)
		qsort(places->at, places->count, sizeof *places->at, compare_places);
}

/* All samples that no later one supersedes, and the failed items. */
static struct places newest_places(struct index *index)
{
	struct places places = { 0 };
	struct reader_place place;
	struct holdings *holdings = holdings_read(index);
	if (!holdings)
		give_up(NULL);
	for (uint32_t i = 1; i < holdings_count(holdings); i++)
		if (holdings_newest_of(holdings, i) == i)
			add_place(&places, holdings_place(holdings, i));
	for (size_t i = 0; holdings_failure(holdings, i, &place); i++)
		add_place(&places, place);
	holdings_release(holdings);
	sort_places(&places);
	return places;
}

static struct places places_of_keys(struct index *index, const char *name)
{
	struct places places = { 0 };
	bool found;
	const char *key;
	for (size_t i = 0; (key = key_set_at(state.keys, i, &found)); i++)
		if (index_places(index, key, &places.at, &places.count, &places.capacity) < 0)
			give_up(name);
	sort_places(&places);
	return places;
}

/* Those of a that are in b as well. */
static void keep_common(struct places *a, const struct places *b)
{
	size_t kept = 0;
	for (size_t i = 0; i < a->count; i++)
		if (b->count > 0 && bsearch(&a->at[i], b->at, b->count, sizeof *b->at, compare_places))
			a->at[kept++] = a->at[i];
	a->count = kept;
}

/* Copy the wanted keys, or with --newest what is not superseded, through the index: *go_on as
 * cat_file() gives it back. False: there is no index that fits, read the file itself. */
static bool cat_indexed(const char *name, bool *go_on)
{
	struct index *index = index_open(name);
	if (!index && option.newest) {
		error_input("--newest wants an index: %s", error_text());
		report_damage(name);
	}
	if (!index)
		return option.newest;
	struct places newest = { 0 }, places = { 0 };
	if (option.newest)
		newest = newest_places(index);
	if (state.keys)
		places = places_of_keys(index, name);
	if (state.keys && option.newest)
		keep_common(&places, &newest);
	const struct places *chosen = state.keys ? &places : &newest;
	*go_on = copy_places(index, chosen->at, chosen->count, name);
	memory_release(newest.at);
	memory_release(places.at);
	index_close(index);
	return true;
}

static void report_losses(const struct reader *reader)
{
	if (reader_is_whole(reader))
		return;
	uint64_t lost = reader_lost_bytes(reader);
	if (lost > 0)
		message_failure(EXIT_ITEM, reader_name(reader), "%llu damaged bytes were passed over",
		    (unsigned long long)lost);
	else
		message_failure(
		    EXIT_ITEM, reader_name(reader), "its end record is missing or does not fit");
}

/* Copy one input; false when the limit is reached. */
static bool cat_file(const char *name)
{
	struct sample sample;
	bool go_on = true;
	int found;
	bool through_index = (state.keys && strcmp(name, "-") != 0) || option.newest;
	if (through_index && !option.salvage && cat_indexed(name, &go_on))
		return go_on;
	struct reader *reader = reader_open(name);
	if (!reader) {
		report_damage(name);
		return true;
	}
	if (option.salvage)
		reader_salvage(reader);
	progress_begin("bytes", reader_size(reader));
	while (go_on && (found = sample_read(reader, &sample)) != 0) {
		if (found > 0) {
			go_on = take_sample(&sample, reader_name(reader));
		} else if (option.salvage && error_kind() == ERROR_INPUT) {
			message_error(reader_name(reader));
		} else {
			progress_clear();
			report_damage(reader_name(reader));
			break;
		}
		progress_update(reader_position(reader));
	}
	progress_clear();
	report_losses(reader);
	reader_close(reader);
	return go_on;
}

static void collect_keys(void)
{
	if (option.keys.count == 0 && !option.key_file)
		return;
	state.keys = key_set_new();
	if (!state.keys)
		program_fail(NULL);
	for (int i = 0; i < option.keys.count; i++)
		if (key_set_add(state.keys, option.keys.texts[i], strlen(option.keys.texts[i])) < 0)
			program_usage("-k: %s", error_text());
	if (option.key_file && key_set_add_file(state.keys, option.key_file, common.null) < 0) {
		error_as(ERROR_SYSTEM);
		program_fail(option.key_file);
	}
}

static void report_missing_keys(void)
{
	const char *key;
	bool found;
	for (size_t i = 0; state.keys && (key = key_set_at(state.keys, i, &found)); i++)
		if (!found)
			message_failure(EXIT_ITEM, NULL, "no record has the key \"%s\"", key);
}

static void check_usage(void)
{
	if (option.stack && option.unstack)
		program_usage("--stack and --unstack exclude each other");
	if (option.newest && option.salvage)
		program_usage("--newest and --salvage exclude each other");
	if (option.split && !common.output)
		program_usage("--split needs -o FILE, the beginning of the files' names");
	if (option.split && option.stack)
		program_usage("--split and --stack exclude each other");
}

int main(int argc, char **argv)
{
	version_add(frame_library());
	int first = program_begin(&program, argc, argv);
	check_usage();
	collect_keys();
	struct names *names = names_open(argv + first, argc - first, true);
	state.stack = stack_new();
	if (!names || !state.stack)
		program_fail(NULL);
	open_output();
	const char *name;
	int found = 0;
	bool go_on = option.limit > 0;
	while (go_on && (found = names_next(names, &name)) > 0)
		go_on = cat_file(name);
	if (found < 0)
		report_damage(NULL);
	if (state.damaged) { /* no end record, no file */
		writer_abandon(state.writer);
		program_exit();
	}
	if (option.stack && stack_write(state.stack, option.stack_key, state.writer) < 0)
		give_up(state.path);
	if (go_on)
		report_missing_keys();
	if (common.verbose)
		message_note(NULL, "%lld samples", (long long)state.selected);
	finish_output();
	stack_release(state.stack);
	key_set_release(state.keys);
	names_close(names);
	return program_end();
}
