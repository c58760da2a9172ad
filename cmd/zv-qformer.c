/* zv-qformer.c - patch features to soft prompts, to features for search, to matching scores; texts
 * to features for search. What has come is computed together, up to --batch results at a time; a
 * list of entries holds what is to be written, in the order of the input.
 */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/names.h"
#include "base/output.h"
#include "base/program.h"
#include "base/progress.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "base/version.h"
#include "model/features.h"
#include "model/outlet.h"
#include "model/qformer_stage.h"
#include "model/result_output.h"
#include "num/product.h"
#include "stream/sample_queue.h"
#include "text/keyed.h"
#include "text/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
	bool query, contrast, match, caption, text, keyed, no_clean, text_only;
	bool wait, verify;
	struct option_list reuse;
	const char *prompt, *questions, *pairs, *append;
	int64_t most, least_length, most_length, batch;
	int dtype;
} option = { .most = 35, .most_length = 30, .batch = 8 };

enum { BATCH_MOST = 256 };

/* clang-format off */
static const struct option_entry options[] = {
	{ 'p', "prompt", "TEXT", OPTION_TEXT, &option.prompt, 0, 0, NULL,
	  "the question that goes with every picture; with --match\nthe text to match" },
	{ 0, "questions", "FILE", OPTION_TEXT, &option.questions, 0, 0, NULL,
	  "questions from lines \"key TAB question\": a sample for each,\n"
	  "pictures without one are left out" },
	{ 0, "query", NULL, OPTION_FLAG, &option.query, 0, 0, NULL,
	  "write the query outputs, not projected to the LLM" },
	{ 0, "contrast", NULL, OPTION_FLAG, &option.contrast, 0, 0, NULL,
	  "write the pictures' features for search" },
	{ 0, "text", NULL, OPTION_FLAG, &option.text, 0, 0, NULL,
	  "read texts, one a line, and write their features for search" },
	{ 0, "keyed", NULL, OPTION_FLAG, &option.keyed, 0, 0, NULL,
	  "with --text: lines are \"key TAB text\" (default: the text\nis its own key)" },
	{ 0, "match", NULL, OPTION_FLAG, &option.match, 0, 0, NULL,
	  "write how well pictures and texts match: two logits each" },
	{ 0, "pairs", "FILE", OPTION_TEXT, &option.pairs, 0, 0, NULL,
	  "with --match: lines \"key TAB text\", any number per picture" },
	{ 0, "caption", NULL, OPTION_FLAG, &option.caption, 0, 0, NULL,
	  "write captions by the Q-Former's own language head" },
	{ 0, "min-length", "N", OPTION_WHOLE, &option.least_length, 0, 512, NULL,
	  "with --caption: at least N tokens (default 0)" },
	{ 0, "max-length", "N", OPTION_WHOLE, &option.most_length, 1, 512, NULL,
	  "with --caption: at most N tokens (default 30)" },
	{ 0, "text-only", NULL, OPTION_FLAG, &option.text_only, 0, 0, NULL,
	  "with --caption: write the captions alone, without key and escapes" },
	{ 0, "no-clean", NULL, OPTION_FLAG, &option.no_clean, 0, 0, NULL,
	  "with --text and --match: take the texts as they are\n"
	  "(default: clean them as BLIP-2 does with captions)" },
	{ 0, "most", "N", OPTION_WHOLE, &option.most, 2, 4096, NULL,
	  "with --text and --match: cut texts at N ids (default 35)" },
	{ 'b', "batch", "N", OPTION_WHOLE, &option.batch, 1, BATCH_MOST, NULL,
	  "compute up to N results together if their pictures are there\n(default 8)" },
	{ 0, "dtype", "TYPE", OPTION_CHOICE, &option.dtype, 0, 0, rows_types,
	  "store results as f32 (default), bf16, f16, or int8 with a scale\nfor each row" },
	{ 0, "append", "FILE", OPTION_TEXT, &option.append, 0, 0, NULL,
	  "write to the end of FILE and its index what they do not hold yet\n"
	  "(same name, features, text, model); may be interrupted" },
	{ 0, "reuse", "OLD", OPTION_LIST, &option.reuse, 0, 0, NULL,
	  "copy from OLD what it holds instead of computing it; may be\ngiven several times" },
	{ 0, "verify", NULL, OPTION_FLAG, &option.verify, 0, 0, NULL,
	  "with --append: read all that FILE holds first, and compute\nagain what is damaged" },
	{ 0, "wait", NULL, OPTION_FLAG, &option.wait, 0, 0, NULL,
	  "with --append: wait while another process appends to FILE" },
	{ 0 },
};

static const struct program program = {
	.name = "zv-qformer",
	.purpose = "patch features to soft prompts, to features for search, to matching scores",
	.operands = "[FILE...]",
	.common = COMMON_OUTPUT | COMMON_NAMES | COMMON_MODEL | COMMON_THREADS | COMMON_LEVEL |
	          COMMON_STRICT | COMMON_JSON | COMMON_RECORDS | COMMON_MAKER,
	.options = options,
	.input = "a zvt stream of \"vit\" records from zv-encode; texts with --text",
	.output = "a zvt stream: \"prompt\" (queries x LLM width), or \"qformer\", \"itc\", \"itm\";\n"
	          "      with --caption lines \"key TAB caption\", or JSON, or just the text; with\n"
	          "      -0 each ends with a zero byte and carries no escapes",
	.examples = { "zv-encode -m ziya photo.jpg | zv-qformer -m ziya | zv-generate -m ziya -p 'What "
	              "is this?'",
	    "zv-qformer -m ziya --contrast photos.zv --append feats.zv",
	    "echo 'a dog on the beach' | zv-qformer -m ziya --text | zv-ls", NULL },
	.see_also = "zv-encode(1), zv-generate(1), zv-tokenize(1), zvt(5)",
};
/* clang-format on */

/* What is to be written: a result, or a failure, from here or from upstream. */
struct entry {
	char *key;
	struct result_identity identity; /* with the text that goes with the result */
	char *own;                       /* that text, when it came with the picture */
	bool held;                       /* there is nothing to compute */
	size_t result;                   /* else its number in the stage */
	char *failure;                   /* the reason, or NULL */
	struct sample *upstream;
};

static struct {
	enum qformer_use use;
	struct qformer_stage *stage;
	bool remarked;             /* that there is no question */
	bool damaged;              /* an input could not be read to its end */
	struct keyed *keyed;       /* --questions or --pairs */
	struct cache *cache;       /* NULL with --caption, */
	struct outlet outlet;      /* which writes text */
	struct rows_stored stored; /* a result */
	struct entry *entries;
	size_t entry_count, entry_capacity;
	uint64_t read, written, failed, held;
} work;

static void check_options(void)
{
	int uses = option.query + option.contrast + option.match + option.caption + option.text;
	if (!common.model)
		program_usage("a model (-m) is needed");
	if (uses > 1)
		program_usage("--query, --contrast, --match, --caption and --text exclude each other");
	work.use = option.query      ? QFORMER_QUERY
	           : option.contrast ? QFORMER_CONTRAST
	           : option.match    ? QFORMER_MATCH
	           : option.caption  ? QFORMER_CAPTION
	           : option.text     ? QFORMER_TEXT
	                             : QFORMER_PROMPT;
	if (option.prompt && (option.questions || option.pairs))
		program_usage("--prompt and a file of texts exclude each other");
	if ((option.prompt || option.questions) && (option.contrast || option.caption || option.text))
		program_usage("questions are for soft prompts and --query");
	if (option.questions && option.match)
		program_usage("--match takes --pairs, not --questions");
	if (option.pairs && !option.match)
		program_usage("--pairs needs --match");
	if (option.match && !option.pairs && !option.prompt)
		program_usage("--match needs --pairs FILE or --prompt TEXT");
	if (option.match && option.prompt && option.prompt[0] == '\0')
		program_usage("--prompt: the text to match is empty");
	if ((common.json || option.text_only) && !option.caption)
		program_usage("--json and --text-only are about the lines of --caption");
	if (common.json && (option.text_only || (common.null && !common.files_from)))
		program_usage("--json does not go with --text-only or --null");
	if ((option.append || option.reuse.count) && option.caption)
		program_usage("--append and --reuse are about tensors, not about --caption");
	if (option.append && common.output)
		program_usage("--append and --output exclude each other");
	if (!option.append && (option.verify || option.wait))
		program_usage("--verify and --wait are about --append");
	if (option.keyed && !option.text)
		program_usage("--keyed needs --text");
	if (option.prompt &&
	    utf8_valid_prefix(option.prompt, strlen(option.prompt)) != strlen(option.prompt))
		program_usage("--prompt: not UTF-8");
}

static void open_stage(void)
{
	struct qformer_rules rules = { .use = work.use,
		.clean = !option.no_clean,
		.most = (size_t)option.most,
		.caption_least = (size_t)option.least_length,
		.caption_most = (size_t)option.most_length,
		.dtype = rows_type(rows_types[option.dtype]),
		.batch = (size_t)option.batch };
	work.stage = qformer_stage_open(common.model, &rules);
	if (!work.stage)
		program_fail(common.model);
}

static void open_files(void)
{
	const char *path = option.questions ? option.questions : option.pairs;
	if (path && !(work.keyed = keyed_read(path))) {
		error_as(ERROR_SYSTEM);
		program_fail(path);
	}
	const struct cache_plan plan = { option.append, common.output, option.reuse.texts,
		option.reuse.count, option.wait, option.verify };
	if (work.use == QFORMER_CAPTION)
		work.outlet.output = output_open(common.output);
	else
		work.cache = cache_open(&plan);
	if (!work.outlet.output && !work.cache)
		program_fail(work.use == QFORMER_CAPTION ? common.output : NULL);
	work.outlet.form = (struct reply_form){
		.json = common.json, .text_only = option.text_only, .null = common.null
	};
}

/* Where results go, for messages. */
static const char *place(void)
{
	return option.append ? option.append : common.output;
}

static void finish(void)
{
	struct cache *cache = work.cache;
	work.cache = NULL;
	if (cache ? cache_finish(cache) : output_commit(work.outlet.output))
		program_fail(place());
}

/* Under --strict, or when input is missing: no end record, no file. Only --append keeps what is
 * done. */
_Noreturn static void stop(void)
{
	if (option.append)
		finish();
	cache_abandon(work.cache);
	output_abandon(work.outlet.output);
	program_exit();
}

/* Item key failed: say so and pass the failure on in its place. */
static void put_failure(const char *key, const char *reason, const struct digest *source)
{
	message_failure(EXIT_ITEM, key, "%s", reason);
	work.failed++;
	if (common.strict)
		stop();
	if (work.cache ? cache_fail(work.cache, key, reason, source)
	               : outlet_failure(&work.outlet, key, reason))
		program_fail(place());
}

/* The same for the recorded reason. */
static void fail_item(const char *key, const struct digest *source)
{
	char reason[1024];
	if (error_kind() == ERROR_SYSTEM)
		program_fail(key);
	snprintf(reason, sizeof reason, "%s", error_text());
	put_failure(key, reason, source);
}

/* Write a result as a sample, with its text beside it. 0 or -1: only it has failed. */
static int put_sample(const struct result_identity *identity, size_t result)
{
	struct record record;
	char dtype = rows_type(rows_types[option.dtype]);
	const char *text_name = work.use == QFORMER_MATCH ? "text" : "question";
	const float *numbers = qformer_stage_record(work.stage, result, &record);
	if (!numbers ||
	    result_put(work.cache, identity, &record, numbers, dtype, text_name, &work.stored))
		return -1;
	work.written++;
	return 0;
}

static int put_caption(const char *key, size_t result)
{
	char *text = NULL;
	size_t size;
	if (qformer_stage_caption(work.stage, result, &text, &size))
		return -1;
	int status = outlet_text(&work.outlet, key, text, size);
	work.written++;
	memory_release(text);
	return status;
}

/* A failure from upstream goes on downstream. */
static void put_upstream(const struct sample *sample)
{
	const struct record *record = &sample->parts[0].record;
	size_t size = record->payload_size < 1000 ? (size_t)record->payload_size : 1000;
	char *reason = memory_text(sample->parts[0].payload, size);
	message_raise(EXIT_ITEM);
	work.failed++;
	if (common.strict) {
		message_failure(EXIT_ITEM, record->key, "failed upstream");
		stop();
	}
	if (!reason || (work.cache ? cache_fail(work.cache, record->key, reason, &record->source)
	                           : outlet_failure(&work.outlet, record->key, reason)))
		program_fail(place());
	memory_release(reason);
}

static void put_result(const struct entry *entry)
{
	int status = entry->held                   ? result_keep(work.cache, &entry->identity)
	             : work.use == QFORMER_CAPTION ? put_caption(entry->key, entry->result)
	                                           : put_sample(&entry->identity, entry->result);
	work.held += entry->held && status == 0;
	if (status) {
		if (work.keyed)
			error_context("\"%.200s\"", entry->identity.text);
		fail_item(entry->key, &entry->identity.source);
	}
}

static void put_entry(struct entry *entry)
{
	if (entry->upstream) {
		put_upstream(entry->upstream);
		sample_clear(entry->upstream);
	} else if (entry->failure) {
		put_failure(entry->key, entry->failure, &entry->identity.source);
	} else {
		put_result(entry);
	}
	memory_release(entry->key);
	memory_release(entry->own);
	memory_release(entry->failure);
	memory_release(entry->upstream);
}

/* Compute what was asked for and write all that waits. */
static void flush(void)
{
	if (qformer_stage_run(work.stage))
		program_fail(NULL);
	for (size_t i = 0; i < work.entry_count; i++)
		put_entry(&work.entries[i]);
	work.entry_count = 0;
	qformer_stage_clear(work.stage);
	if (work.cache && cache_flush(work.cache))
		program_fail(place());
}

static char *copy(const char *text)
{
	char *made = memory_text(text, strlen(text));
	if (!made)
		program_fail(NULL);
	return made;
}

/* Something to be written in this place. */
static struct entry *add_entry(const char *key, const struct digest *source)
{
	if (memory_grow((void **)&work.entries, &work.entry_capacity, work.entry_count + 1,
	        sizeof *work.entries))
		program_fail(NULL);
	struct entry *entry = &work.entries[work.entry_count++];
	*entry = (struct entry){ .key = copy(key) };
	entry->identity = (struct result_identity){ .key = entry->key, .source = *source };
	return entry;
}

/* An item failed for the recorded reason. */
static void add_failure(const char *key, const struct digest *source)
{
	if (error_kind() == ERROR_SYSTEM)
		program_fail(key);
	char *reason = copy(error_text());
	add_entry(key, source)->failure = reason;
}

static void add_upstream(struct sample *sample)
{
	struct entry *entry = add_entry(sample->parts[0].record.key, &sample->parts[0].record.source);
	entry->upstream = memory_allocate(1, sizeof *sample);
	if (!entry->upstream)
		program_fail(NULL);
	*entry->upstream = *sample;
	sample->count = 0;
}

/* The sample at hand. Its features are taken when the first result has to be computed. */
struct picture {
	struct sample *sample;
	bool taken;
};

/* Ask for a result about the picture: 0 or -1. */
static int ask(struct picture *picture, const char *text, size_t *result)
{
	if (!picture->taken && qformer_stage_picture(work.stage, picture->sample))
		return -1;
	picture->taken = true;
	if (qformer_stage_full(work.stage))
		flush();
	return qformer_stage_ask(work.stage, text, result);
}

/* The result for the picture and a text (NULL: none), held or to be computed. The entry, or NULL
 * with a recorded error. */
static struct entry *add_result(struct picture *picture, const char *text)
{
	struct sample_part *part = sample_find(picture->sample, "vit");
	const struct record *record = part ? &part->record : &picture->sample->parts[0].record;
	struct result_identity identity = {
		.key = record->key, .text = text, .source = record->source
	};
	size_t result = 0;
	if (qformer_stage_wants_question(work.stage) && !text && !work.remarked) {
		message_note(NULL, "this model's Q-Former wants to know the question, see --prompt");
		work.remarked = true;
	}
	identity.name = qformer_stage_identity(work.stage, record, &identity.maker);
	bool held = work.cache && result_held(work.cache, &identity);
	if (!held && ask(picture, text, &result))
		return NULL;
	struct entry *entry = add_entry(record->key, &record->source);
	identity.key = entry->key;
	entry->identity = identity;
	entry->result = result;
	entry->held = held;
	return entry;
}

/* All texts that belong to the picture; one that fails does not take the others with it. */
static int add_keyed(struct picture *picture)
{
	const struct record *record = &picture->sample->parts[0].record;
	size_t first, count = keyed_find(work.keyed, record->key, &first);
	for (size_t i = first; i < first + count; i++) {
		const char *text = keyed_text(work.keyed, i);
		if (add_result(picture, text))
			continue;
		if (!picture->taken)
			return -1;
		error_context("\"%.200s\"", text);
		add_failure(record->key, &record->source);
	}
	return 0;
}

static int take_picture(struct sample *sample)
{
	struct picture picture = { sample, false };
	char *own = NULL; /* the question that came with it */
	bool asked = option.prompt || (work.use != QFORMER_PROMPT && work.use != QFORMER_QUERY);
	if (work.keyed)
		return add_keyed(&picture);
	if (!asked && features_question(sample, &own))
		return -1;
	struct entry *entry = add_result(&picture, own ? own : option.prompt);
	if (entry)
		entry->own = own;
	else
		memory_release(own);
	return entry ? 0 : -1;
}

static void take_sample(struct sample *sample)
{
	struct record *record = &sample->parts[0].record;
	if (record->kind == RECORD_FAILED)
		add_upstream(sample);
	else if (take_picture(sample))
		add_failure(record->key, &record->source);
	sample_clear(sample);
	progress_update(++work.read);
}

/* An input (NULL: the list of them) could not be read to its end. What was read so far counts, but
 * there will be no end record, so that those downstream see it too. */
static void report_damage(const char *name)
{
	if (error_kind() == ERROR_SYSTEM)
		program_fail(name);
	message_error(name);
	work.damaged = true;
	if (common.strict)
		stop();
}

/* Take samples as they come. Whenever there is none, what has come is computed, so that nothing
 * waits for what may come late. */
static void read_samples(struct names *names)
{
	static struct sample sample;
	const char *name;
	int found;
	struct sample_queue *queue = sample_queue_start(names, (size_t)option.batch);
	if (!queue)
		program_fail(NULL);
	for (;;) {
		found = sample_queue_take(queue, false, &sample, &name);
		if (found == 0) {
			flush();
			found = sample_queue_take(queue, true, &sample, &name);
		}
		if (found == 0)
			break;
		if (found < 0)
			report_damage(name);
		else
			take_sample(&sample);
	}
	sample_queue_finish(queue);
}

/* The result for a text alone, held or computed. 0 or -1. */
static int take_text(const char *key, const char *text)
{
	struct result_identity identity = { .key = key, .source = digest_of(text, strlen(text)) };
	identity.name = qformer_stage_identity(work.stage, NULL, &identity.maker);
	if (result_held(work.cache, &identity)) {
		work.held++;
		return result_keep(work.cache, &identity);
	}
	return qformer_stage_text(work.stage, text) || put_sample(&identity, 0) ? -1 : 0;
}

static void read_texts(const char *name)
{
	struct lines lines;
	if (lines_open(&lines, name, option.keyed ? LINES_KEYED : LINES_PLAIN)) {
		error_as(ERROR_INPUT);
		report_damage(name);
		return;
	}
	int found;
	while ((found = lines_next(&lines)) != 0) {
		char key[RECORD_KEY_MOST + 1] = "";
		if (found < 0 && error_kind() == ERROR_SYSTEM)
			program_fail(name);
		if (found > 0 && !lines.key)
			result_text_key(lines.text, key);
		if (key[0] == '\0')
			snprintf(key, sizeof key, "line %zu", lines.number);
		const char *used = found > 0 && lines.key ? lines.key : key;
		if (found < 0 || take_text(used, lines.text))
			fail_item(used, NULL);
		progress_update(++work.read);
	}
	lines_close(&lines);
}

static void read_all_texts(struct names *names)
{
	const char *name;
	int found;
	while ((found = names_next(names, &name)) > 0)
		read_texts(name);
	if (found < 0)
		report_damage(NULL);
}

static void report_unused(void)
{
	const char *key, *path = option.questions ? option.questions : option.pairs;
	size_t count = work.keyed ? keyed_unused(work.keyed, &key) : 0;
	if (count > 0)
		message_failure(EXIT_ITEM, path,
		    "%zu lines are about pictures that did not come, the first "
		    "about \"%s\"",
		    count, key);
}

int main(int argc, char **argv)
{
	version_add_later(product_version);
	int first = program_begin(&program, argc, argv);
	check_options();
	if (threads_start((int)common.threads))
		program_fail(NULL);
	open_stage();
	open_files();
	struct names *names = names_open(argv + first, argc - first, true);
	if (!names)
		program_fail(NULL);
	progress_begin(work.use == QFORMER_TEXT ? "texts" : "pictures", 0);
	if (work.use == QFORMER_TEXT)
		read_all_texts(names);
	else
		read_samples(names);
	progress_clear();
	names_close(names);
	if (work.damaged)
		stop();
	report_unused();
	finish();
	if (common.verbose)
		message_note(NULL, "%llu read, %llu written, %llu failed, %llu already there",
		    (unsigned long long)work.read, (unsigned long long)work.written,
		    (unsigned long long)work.failed, (unsigned long long)work.held);
	memory_release(work.entries);
	rows_clear(&work.stored);
	keyed_close(work.keyed);
	qformer_stage_close(work.stage);
	return program_end();
}
