/* zv-qformer.c - patch features to soft prompts, to features for search, to matching scores; texts
 * to features for search.
 */
#define _GNU_SOURCE
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/names.h"
#include "base/output.h"
#include "base/program.h"
#include "base/progress.h"
#include "base/textout.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "base/version.h"
#include "model/features.h"
#include "model/itg.h"
#include "model/qformer.h"
#include "model/vocabulary.h"
#include "num/product.h"
#include "stream/maker.h"
#include "stream/sample.h"
#include "text/cleanup.h"
#include "text/keyed.h"
#include "text/lines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAGE_VERSION = 1, INSTRUCTION_MOST = 128 };

enum use { USE_PROMPT, USE_QUERY, USE_CONTRAST, USE_MATCH, USE_CAPTION, USE_TEXT };

static struct {
	bool query, contrast, match, caption, text, keyed, no_clean;
	const char *prompt, *questions, *pairs;
	int64_t most, least_length, most_length;
	int dtype;
} option = { .most = 35, .most_length = 30 };

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
	{ 0, "no-clean", NULL, OPTION_FLAG, &option.no_clean, 0, 0, NULL,
	  "with --text and --match: take the texts as they are\n"
	  "(default: clean them as BLIP-2 does with captions)" },
	{ 0, "most", "N", OPTION_WHOLE, &option.most, 2, 4096, NULL,
	  "with --text and --match: cut texts at N ids (default 35)" },
	{ 0, "dtype", "TYPE", OPTION_CHOICE, &option.dtype, 0, 0, dtype_stored,
	  "store results as f32 (default), bf16 or f16" },
	{ 0 },
};

static const struct program program = {
	.name = "zv-qformer",
	.purpose = "patch features to soft prompts, to features for search, to matching scores",
	.operands = "[FILE...]",
	.common = COMMON_OUTPUT | COMMON_NAMES | COMMON_MODEL | COMMON_THREADS | COMMON_LEVEL |
	          COMMON_STRICT | COMMON_RECORDS | COMMON_MAKER,
	.options = options,
	.input = "a zvt stream of \"vit\" records from zv-encode; texts with --text",
	.output = "a zvt stream: \"prompt\" (queries x LLM width), or \"qformer\", \"itc\", \"itm\";\n"
	          "      lines \"key TAB caption\" with --caption",
	.examples = { "zv-encode -m ziya photo.jpg | zv-qformer -m ziya | zv-generate -m ziya -p 'What "
	              "is this?'",
	    "zv-qformer -m ziya --contrast photos.zv -o feats.zv",
	    "echo 'a dog on the beach' | zv-qformer -m ziya --text | zv-ls", NULL },
	.see_also = "zv-encode(1), zv-generate(1), zv-tokenize(1), zvt(5)",
};
/* clang-format on */

static struct {
	enum use use;
	struct qformer *qformer;
	struct wordpiece *wordpiece; /* NULL: the model reads no text */
	bool instruction;            /* the question goes into the Q-Former */
	bool remarked;               /* that there is none */
	bool damaged;                /* an input could not be read to its end */
	struct digest fingerprint, vit_weights;
	char llm_weights[DIGEST_TEXT_SIZE];
	struct keyed *keyed; /* --questions or --pairs */
	struct itg_rules itg;
	struct writer *writer; /* NULL with --caption, */
	struct output *output; /* which writes text */
	float *rows, *result;  /* query outputs; what a head makes of them */
	void *stored;          /* result in --dtype */
	struct ids ids;
	uint64_t read, written, failed;
} work;

static size_t largest(size_t a, size_t b)
{
	return a > b ? a : b;
}

static void check_options(void)
{
	int uses = option.query + option.contrast + option.match + option.caption + option.text;
	if (!common.model)
		program_usage("a model (-m) is needed");
	if (uses > 1)
		program_usage("--query, --contrast, --match, --caption and --text exclude each other");
	work.use = option.query      ? USE_QUERY
	           : option.contrast ? USE_CONTRAST
	           : option.match    ? USE_MATCH
	           : option.caption  ? USE_CAPTION
	           : option.text     ? USE_TEXT
	                             : USE_PROMPT;
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
	if (option.keyed && !option.text)
		program_usage("--keyed needs --text");
	if (option.prompt &&
	    utf8_valid_prefix(option.prompt, strlen(option.prompt)) != strlen(option.prompt))
		program_usage("--prompt: not UTF-8");
}

/* Does the model have what this use needs? */
static void check_model(void)
{
	const struct qformer *qformer = work.qformer;
	const char *missing = NULL;
	if (work.use == USE_PROMPT && qformer_llm_width(qformer) == 0)
		missing =
		    "projection to a language model; --query, --contrast or --match may be what it is for";
	else if (work.use == USE_CONTRAST && qformer_contrast_width(qformer) == 0)
		missing = "heads for search (--contrast)";
	else if (work.use == USE_TEXT &&
	         (qformer_contrast_width(qformer) == 0 || !qformer_reads_text(qformer)))
		missing = "text branch with a head for search (--text)";
	else if (work.use == USE_MATCH && (!qformer_can_match(qformer) || !qformer_reads_text(qformer)))
		missing = "text branch with a matching head (--match)";
	else if (work.use == USE_CAPTION && !qformer_can_caption(qformer))
		missing = "language head (--caption)";
	if (missing) {
		error_system("the Q-Former has no %s", missing);
		program_fail(common.model);
	}
}

static void open_text(const struct model_file *file)
{
	char word[8];
	work.instruction =
	    qformer_reads_text(work.qformer) && (work.use == USE_PROMPT || work.use == USE_QUERY) &&
	    model_file_text(file, "instruction", word, sizeof word) && strcmp(word, "1") == 0;
	if (!work.instruction && work.use < USE_MATCH)
		return;
	work.wordpiece = vocabulary_wordpiece(file);
	if (!work.wordpiece)
		program_fail(model_file_path(file));
	work.itg = (struct itg_rules){ .start = wordpiece_find(work.wordpiece, "[DEC]"),
		.end = wordpiece_find(work.wordpiece, "[SEP]"),
		.least = (size_t)option.least_length,
		.most = (size_t)option.most_length };
	if (work.use == USE_CAPTION && (work.itg.start < 0 || work.itg.end < 0)) {
		error_system("the vocabulary has no [DEC] or [SEP], so it cannot caption");
		program_fail(model_file_path(file));
	}
}

static void open_model(void)
{
	char weights[DIGEST_TEXT_SIZE];
	work.qformer = qformer_open(common.model);
	if (!work.qformer)
		program_fail(common.model);
	check_model();
	const struct model_file *file = qformer_file(work.qformer);
	work.fingerprint = model_file_fingerprint(file);
	if (model_file_text(file, "vit_weights", weights, sizeof weights) &&
	    digest_parse(weights, &work.vit_weights)) {
		error_system("vit_weights is no fingerprint");
		program_fail(model_file_path(file));
	}
	if (!model_file_text(file, "llm_weights", work.llm_weights, sizeof work.llm_weights))
		work.llm_weights[0] = '\0';
	open_text(file);
	size_t queries = qformer_queries(work.qformer), width = qformer_width(work.qformer);
	size_t most = largest(
	    width, largest(qformer_llm_width(work.qformer), qformer_contrast_width(work.qformer)));
	size_t rows = largest(queries, qformer_text_most(work.qformer));
	work.rows = memory_allocate(rows * width, sizeof *work.rows);
	work.result = memory_allocate(queries * most, sizeof *work.result);
	work.stored = memory_allocate(queries * most, sizeof *work.result);
	if (!work.rows || !work.result || !work.stored)
		program_fail(NULL);
}

static void open_files(void)
{
	const char *path = option.questions ? option.questions : option.pairs;
	if (path && !(work.keyed = keyed_read(path))) {
		error_as(ERROR_SYSTEM);
		program_fail(path);
	}
	if (work.use == USE_CAPTION)
		work.output = output_open(common.output);
	else
		work.writer = writer_open(common.output, WRITER_COMPRESSED);
	if (!work.output && !work.writer)
		program_fail(common.output);
}

/* One line "key TAB text". 0 or -1. */
static int write_caption(const char *key, const char *text, size_t size)
{
	char *bytes = NULL;
	size_t length = 0;
	FILE *line = open_memstream(&bytes, &length);
	if (!line)
		return error_memory(size);
	textout_field(line, key, strlen(key));
	putc('\t', line);
	textout_field(line, text, size);
	putc('\n', line);
	int status =
	    fclose(line) == 0 ? output_write(work.output, bytes, length) : error_memory(length);
	free(bytes);
	return status;
}

/* Under --strict, or when input is missing: no end record, no file. */
_Noreturn static void stop(void)
{
	writer_abandon(work.writer);
	output_abandon(work.output);
	program_exit();
}

/* Item key failed for the recorded reason: say so and pass the failure on in its place. */
static void fail_item(const char *key, const struct digest *source)
{
	char reason[1024];
	if (error_kind() == ERROR_SYSTEM)
		program_fail(key);
	snprintf(reason, sizeof reason, "%s", error_text());
	message_error(key);
	work.failed++;
	if (common.strict)
		stop();
	if (work.writer ? writer_fail(work.writer, key, reason, source) : write_caption(key, "", 0))
		program_fail(common.output);
}

/* The maker of what this run makes from a record (NULL: from a text). */
static void describe(struct maker *maker, const struct record *input)
{
	maker_begin(maker, "qformer", STAGE_VERSION);
	maker_add_digest(maker, "weights", &work.fingerprint);
	if (input)
		maker_add_digest(maker, "input", &input->maker);
	if (work.use == USE_PROMPT && work.llm_weights[0])
		maker_add(maker, "llm", "%s", work.llm_weights);
	if (work.use == USE_TEXT || work.use == USE_MATCH)
		maker_add(
		    maker, "text", "%s %d", option.no_clean ? "as it is" : "caption", (int)option.most);
	if (option.dtype)
		maker_add(maker, "dtype", "%s", dtype_stored[option.dtype]);
}

/* What a sample is about: its key, what it was made from, by what. */
struct about {
	const char *key;
	struct digest source;
	struct maker maker;
};

/* Write work.result as a sample, with a text beside it (NULL: none). 0 or -1. */
static int write_sample(const struct about *about, const char *name, int dimensions,
    const uint64_t *shape, const char *text_name, const char *text)
{
	struct record record, beside;
	char dtype = dtype_from_name(dtype_stored[option.dtype]);
	record_tensor(&record, name, dtype, dimensions, shape);
	if (record_set_key(&record, about->key))
		return -1;
	record.source = about->source;
	record.more = text != NULL;
	maker_stamp(&about->maker, &record);
	dtype_from_f32(dtype, work.result, work.stored, record.payload_size / dtype_size(dtype));
	if (writer_put(work.writer, &record, work.stored))
		return -1;
	work.written++;
	if (!text)
		return 0;
	uint64_t size = strlen(text);
	record_tensor(&beside, text_name, 'B', 1, &size);
	return record_set_key(&beside, about->key) || writer_put(work.writer, &beside, text) ? -1 : 0;
}

/* The ids of a text to search with or to match, into work.ids. 0 or -1. */
static int text_ids(const char *text)
{
	size_t size, most = (size_t)option.most, positions = qformer_text_most(work.qformer);
	char *clean;
	work.ids.count = 0;
	if (cleanup_text(option.no_clean ? CLEANUP_NONE : CLEANUP_CAPTION, text, strlen(text), NULL,
	        &clean, &size))
		return -1;
	int status = wordpiece_encode_framed(
	    work.wordpiece, clean, size, most < positions ? most : positions, 0, &work.ids);
	memory_release(clean);
	return status;
}

/* The ids of a question for the Q-Former, into work.ids; none if it wants none. 0 or -1. */
static int question_ids(const char *question)
{
	size_t positions = qformer_text_most(work.qformer);
	work.ids.count = 0;
	if (work.instruction && !question && !work.remarked) {
		message_note(NULL, "this model's Q-Former wants to know the question, see --prompt");
		work.remarked = true;
	}
	if (!work.instruction || !question)
		return 0;
	return wordpiece_encode_framed(work.wordpiece, question, strlen(question),
	    positions < INSTRUCTION_MOST ? positions : INSTRUCTION_MOST, 1, &work.ids);
}

/* Query outputs for a picture and work.ids, and the head of this use on them. 0 or -1. */
static int compute(const struct qformer_image *image)
{
	size_t count = work.ids.count;
	bool raw = work.use == USE_QUERY;
	if (qformer_forward(work.qformer, image, count ? work.ids.at : NULL, count,
	        raw ? work.result : work.rows, NULL))
		return -1;
	if (work.use == USE_PROMPT)
		qformer_project(work.qformer, work.rows, work.result);
	else if (work.use == USE_CONTRAST)
		qformer_contrast(work.qformer, work.rows, work.result);
	else if (work.use == USE_MATCH)
		qformer_match(work.qformer, work.rows, work.result);
	return 0;
}

/* One sample of a picture and a question (NULL: none); again: the result is still there. */
static int put_rows(
    const struct about *about, const struct qformer_image *image, const char *question, bool again)
{
	static const char *const names[] = {
		[USE_PROMPT] = "prompt", [USE_QUERY] = "qformer", [USE_CONTRAST] = "itc"
	};
	size_t width = work.use == USE_PROMPT  ? qformer_llm_width(work.qformer)
	               : work.use == USE_QUERY ? qformer_width(work.qformer)
	                                       : qformer_contrast_width(work.qformer);
	uint64_t shape[] = { qformer_queries(work.qformer), width };
	if (!again && (question_ids(question) || compute(image)))
		return -1;
	return write_sample(about, names[work.use], 2, shape, "question", question);
}

static int put_match(const struct about *about, const struct qformer_image *image, const char *text)
{
	uint64_t shape = 2;
	if (text_ids(text) || compute(image))
		return -1;
	return write_sample(about, "itm", 1, &shape, "text", text);
}

static int put_caption(const struct about *about, const struct qformer_image *image)
{
	char *text = NULL;
	size_t size;
	work.ids.count = 0;
	if (itg_caption(work.qformer, image, &work.itg, &work.ids) ||
	    wordpiece_decode(work.wordpiece, work.ids.at, work.ids.count, 1, &text, &size))
		return -1;
	int status = write_caption(about->key, text, size);
	work.written++;
	memory_release(text);
	return status;
}

/* All that is asked about one picture. own: the question that came with it, or NULL. 0 or -1. */
static int put_all(const struct about *about, const struct qformer_image *image, const char *own)
{
	size_t first = 0, count = 1;
	if (work.use == USE_CAPTION)
		return put_caption(about, image);
	if (work.keyed)
		count = keyed_find(work.keyed, about->key, &first);
	for (size_t i = 0; i < count; i++) {
		const char *text = work.keyed ? keyed_text(work.keyed, first + i) : option.prompt;
		int status = work.use == USE_MATCH
		                 ? put_match(about, image, text)
		                 : put_rows(about, image, text ? text : own, i > 0 && !work.instruction);
		if (status)
			return -1;
	}
	return 0;
}

static int take_picture(struct sample *sample)
{
	struct sample_part *part = sample_find(sample, "vit");
	struct about about;
	char *question = NULL;
	bool asked = work.keyed || option.prompt || (work.use != USE_PROMPT && work.use != USE_QUERY);
	if (!part)
		return error_input("holds no patch features but \"%s\": zv-encode makes them",
		    sample->parts[0].record.name);
	if (!asked && features_question(sample, &question))
		return -1;
	about.key = part->record.key;
	about.source = part->record.source;
	describe(&about.maker, &part->record);
	float *features = features_read(part, qformer_encoder_width(work.qformer), &work.vit_weights);
	struct qformer_image *image =
	    features ? qformer_image_new(work.qformer, features, (size_t)part->record.shape[0]) : NULL;
	memory_release(features);
	int status = image ? put_all(&about, image, question) : -1;
	qformer_image_release(image);
	memory_release(question);
	return status;
}

/* A failure from upstream goes on downstream. */
static void pass_failure(struct sample *sample)
{
	message_raise(EXIT_ITEM);
	work.failed++;
	if (common.strict) {
		message_failure(EXIT_ITEM, sample->parts[0].record.key, "failed upstream");
		stop();
	}
	if (work.writer ? sample_write(work.writer, sample)
	                : write_caption(sample->parts[0].record.key, "", 0))
		program_fail(common.output);
}

static void take_sample(struct sample *sample)
{
	struct record *record = &sample->parts[0].record;
	if (record->kind == RECORD_FAILED)
		pass_failure(sample);
	else if (take_picture(sample))
		fail_item(record->key, &record->source);
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

static void read_stream(const char *name)
{
	static struct sample sample;
	struct reader *reader = reader_open(name);
	int found = reader ? 0 : -1;
	while (reader && (found = sample_read(reader, &sample)) > 0)
		take_sample(&sample);
	if (found < 0)
		report_damage(reader ? reader_name(reader) : name);
	reader_close(reader);
}

/* A key for a text without one: the text itself, cut to what a key may be; control bytes become
 * blanks. */
static void key_of_text(const char *text, char key[RECORD_KEY_MOST + 1])
{
	size_t size = strlen(text);
	if (size > RECORD_KEY_MOST)
		size = utf8_valid_prefix(text, RECORD_KEY_MOST);
	for (size_t i = 0; i < size; i++)
		key[i] = (uint8_t)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
	key[size] = '\0';
}

static int take_text(const char *key, const char *text)
{
	uint64_t shape = qformer_contrast_width(work.qformer);
	struct about about = { .key = key, .source = digest_of(text, strlen(text)) };
	if (text[0] == '\0')
		return error_input("the text is empty");
	describe(&about.maker, NULL);
	if (text_ids(text) || qformer_text(work.qformer, work.ids.at, work.ids.count, work.rows))
		return -1;
	qformer_contrast_text(work.qformer, work.rows, work.result);
	return write_sample(&about, "itc", 1, &shape, NULL, NULL);
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
			key_of_text(lines.text, key);
		if (key[0] == '\0')
			snprintf(key, sizeof key, "line %zu", lines.number);
		const char *used = found > 0 && lines.key ? lines.key : key;
		if (found < 0 || take_text(used, lines.text))
			fail_item(used, NULL);
		progress_update(++work.read);
	}
	lines_close(&lines);
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

static void close_all(void)
{
	keyed_close(work.keyed);
	wordpiece_close(work.wordpiece);
	qformer_close(work.qformer);
	memory_release(work.rows);
	memory_release(work.result);
	memory_release(work.stored);
	ids_clear(&work.ids);
}

int main(int argc, char **argv)
{
	version_add_later(product_version);
	int first = program_begin(&program, argc, argv), found;
	const char *name;
	check_options();
	if (threads_start((int)common.threads))
		program_fail(NULL);
	open_model();
	open_files();
	struct names *names = names_open(argv + first, argc - first, true);
	if (!names)
		program_fail(NULL);
	progress_begin(work.use == USE_TEXT ? "texts" : "pictures", 0);
	while ((found = names_next(names, &name)) > 0)
		work.use == USE_TEXT ? read_texts(name) : read_stream(name);
	progress_clear();
	if (found < 0)
		report_damage(NULL);
	names_close(names);
	if (work.damaged)
		stop();
	report_unused();
	if (work.writer ? writer_finish(work.writer) : output_commit(work.output))
		program_fail(common.output);
	if (common.verbose)
		message_note(NULL, "%llu read, %llu written, %llu failed", (unsigned long long)work.read,
		    (unsigned long long)work.written, (unsigned long long)work.failed);
	close_all();
	return program_end();
}
