/* zv-generate.c - soft prompts and questions in, text out: answers, scores, talks. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/names.h"
#include "base/output.h"
#include "base/program.h"
#include "base/progress.h"
#include "base/threads.h"
#include "base/utf8.h"
#include "base/version.h"
#include "model/candidates.h"
#include "model/dialogue.h"
#include "model/features.h"
#include "model/language.h"
#include "model/llama.h"
#include "model/outlet.h"
#include "model/score.h"
#include "num/product.h"
#include "stream/sample.h"
#include "text/lines.h"

enum { RANK_NONE, RANK_SUM, RANK_MEAN }; /* as in rank_choices */

static struct {
	const char *prompt, *prompts, *template, *score;
	bool keyed, no_image, raw, bos, no_bos, modern, legacy;
	bool all_ids, text_only, ids, logprobs, hypotheses, stream, chat;
	int added, rank;
	struct generation_wishes wishes;
	struct option_list stops, adapters;
} option = { .wishes = GENERATION_NO_WISHES };

static const char *const added_choices[] = { "model", "strip", "keep", NULL };
static const char *const rank_choices[] = { "none", "sum", "mean", NULL };

/* clang-format off */
static const struct option_entry options[] = {
	{ 'p', "prompt", "TEXT", OPTION_TEXT, &option.prompt, 0, 0, NULL,
	  "the question, for all records (default: the record's own, or none)" },
	{ 'P', "prompts", "FILE", OPTION_TEXT, &option.prompts, 0, 0, NULL,
	  "questions without pictures, one a line (-: standard input)" },
	{ 0, "keyed", NULL, OPTION_FLAG, &option.keyed, 0, 0, NULL,
	  "lines of --prompts are \"key TAB question\" (default key: line number)" },
	{ 0, "no-image", NULL, OPTION_FLAG, &option.no_image, 0, 0, NULL,
	  "no picture: -p alone, or --chat about nothing" },
	{ 0, "template", "NAME", OPTION_TEXT, &option.template, 0, 0, NULL,
	  "prompt template: ziya, vicuna, minigpt4, plain, or a file\n(default: the model's)" },
	{ 0, "raw", NULL, OPTION_FLAG, &option.raw, 0, 0, NULL,
	  "no template: the picture, then the text as it is" },
	{ 0, "bos", NULL, OPTION_FLAG, &option.bos, 0, 0, NULL,
	  "put <s> in front of the text (default: as the template says)" },
	{ 0, "no-bos", NULL, OPTION_FLAG, &option.no_bos, 0, 0, NULL, "leave it out" },
	{ 0, "added", "HOW", OPTION_CHOICE, &option.added, 0, 0, added_choices,
	  "white space round added tokens such as <bot>: strip, keep,\n"
	  "or as the template and the model say (default model)" },
	{ 0, "modern", NULL, OPTION_FLAG, &option.modern, 0, 0, NULL,
	  "no blank is put in front of text behind an added token" },
	{ 0, "legacy", NULL, OPTION_FLAG, &option.legacy, 0, 0, NULL,
	  "one is put there (default: as the template and the model say)" },
	{ 0, "max-new", "N", OPTION_WHOLE, &option.wishes.max_new, 1, 1 << 20, NULL,
	  "tokens of an answer at most (default: the model's, or 128)" },
	{ 0, "min-new", "N", OPTION_WHOLE, &option.wishes.min_new, 0, 1 << 20, NULL,
	  "tokens before the answer may end (default 0)" },
	{ 0, "stop", "TEXT", OPTION_LIST, &option.stops, 0, 0, NULL,
	  "end the answer in front of TEXT; may be given several times" },
	{ 0, "greedy", NULL, OPTION_FLAG, &option.wishes.greedy, 0, 0, NULL,
	  "always the best token, whatever the model's settings say" },
	{ 0, "sample", NULL, OPTION_FLAG, &option.wishes.sample, 0, 0, NULL,
	  "draw tokens at random (default: as the model's settings say)" },
	{ 0, "temperature", "X", OPTION_REAL, &option.wishes.temperature, 0, 100, NULL,
	  "sampling: divide the scores by X (default: the model's, or 1)" },
	{ 0, "top-k", "N", OPTION_WHOLE, &option.wishes.top_k, 0, 1 << 20, NULL,
	  "sampling: from the N best, 0: all (default: the model's, or 50)" },
	{ 0, "top-p", "P", OPTION_REAL, &option.wishes.top_p, 0, 1, NULL,
	  "sampling: from the fewest best that reach probability P\n(default: the model's, or 1)" },
	{ 0, "seed", "N", OPTION_WHOLE, &option.wishes.seed, 0, 0x1p53, NULL,
	  "sampling: another N, other answers (default 0)" },
	{ 0, "beams", "N", OPTION_WHOLE, &option.wishes.beams, 1, 64, NULL,
	  "beam search with N beams (default: the model's, or 1)" },
	{ 0, "length-penalty", "X", OPTION_REAL, &option.wishes.length_penalty, -100, 100, NULL,
	  "beams: score is log-probability / length^X (default: the\nmodel's, or 1)" },
	{ 0, "early-stopping", NULL, OPTION_FLAG, &option.wishes.early_stopping, 0, 0, NULL,
	  "beams: stop as soon as N answers are complete" },
	{ 0, "repetition-penalty", "X", OPTION_REAL, &option.wishes.repetition_penalty, 0.01, 100, NULL,
	  "make tokens that the answer holds already less likely, X > 1\n"
	  "(default: the model's, or 1)" },
	{ 0, "count-bos", NULL, OPTION_FLAG, &option.wishes.count_bos, 0, 0, NULL,
	  "count a <s> in front of each answer, as transformers 4.33 did" },
	{ 0, "ignore-eos", NULL, OPTION_FLAG, &option.wishes.ignore_eos, 0, 0, NULL,
	  "</s> is a token like others" },
	{ 0, "all-ids", NULL, OPTION_FLAG, &option.all_ids, 0, 0, NULL,
	  "allow rows of the model that belong to no token" },
	{ 0, "adapter", "FILE", OPTION_LIST, &option.adapters, 0, 0, NULL,
	  "LoRA adapter made by zv-import; may be given several times" },
	{ 0, "score", "FILE", OPTION_TEXT, &option.score, 0, 0, NULL,
	  "generate nothing: the log-likelihood of each answer in FILE,\n"
	  "lines \"answer\" or \"key TAB answer\"" },
	{ 0, "rank", "BY", OPTION_CHOICE, &option.rank, 0, 0, rank_choices,
	  "--score: best first by sum or mean, or in order (default none)" },
	{ 0, "chat", NULL, OPTION_FLAG, &option.chat, 0, 0, NULL,
	  "talk about one picture: turns from standard input, one a line" },
	{ 0, "stream", NULL, OPTION_FLAG, &option.stream, 0, 0, NULL,
	  "write each answer while it grows (default on a terminal)" },
	{ 0, "text-only", NULL, OPTION_FLAG, &option.text_only, 0, 0, NULL,
	  "write the answer alone, without key and escapes" },
	{ 0, "ids", NULL, OPTION_FLAG, &option.ids, 0, 0, NULL,
	  "write token ids (in JSON: besides the text)" },
	{ 0, "logprobs", NULL, OPTION_FLAG, &option.logprobs, 0, 0, NULL,
	  "write the log-probability of each token too" },
	{ 0, "hypotheses", NULL, OPTION_FLAG, &option.hypotheses, 0, 0, NULL,
	  "with --json and --beams: all hypotheses, best first" },
	{ 0 },
};

static const struct program program = {
	.name = "zv-generate",
	.purpose = "write answers about pictures from soft prompts",
	.operands = "[FILE...]",
	.common = COMMON_MODEL | COMMON_OUTPUT | COMMON_NAMES | COMMON_THREADS | COMMON_JSON |
	          COMMON_STRICT | COMMON_RECORDS | COMMON_MAKER,
	.options = options,
	.input = "soft prompts from zv-qformer (with their questions), or --prompts",
	.output = "a line \"key TAB answer\" per record, or JSON, or just the text; with -0\n"
	          "      each ends with a zero byte in place of a newline and carries no escapes",
	.examples = { "zv-qformer -m ziya photos.zv | zv-generate -m ziya -p 'What is this?'",
	              "zv-generate -m ziya -p 'Tell a joke.' --no-image --sample", NULL },
	.see_also = "zv-qformer(1), zv-ask(1), zv-tokenize(1), zv-template(5)",
};
/* clang-format on */

static struct {
	struct language language;
	struct generation_settings settings;
	struct generator *generator;
	struct generation *generation; /* one record at a time */
	struct scorer *scorer;
	struct candidates candidates;
	const char **stops;
	size_t stop_count;
	struct outlet outlet;
	bool damaged; /* an input could not be read to its end */
	uint64_t records;
	uint64_t rows, kept; /* of the prompts of a talk, and how many the cache still held */
} work;

/* Is there a FILE, which appears whole or not at all? */
static bool has_file(void)
{
	return common.output != NULL && strcmp(common.output, "-") != 0;
}

/* The end of the work on one record: SIGINT during it ends the program here. Results for a file
 * that is standard output are gathered; whoever interrupts has paid for them. */
static void end_record(void)
{
	if (!has_file() && output_flush(work.outlet.output) != 0)
		program_fail("standard output");
	if (*interrupt_flag()) {
		progress_clear();
		interrupt_die();
	}
	interrupt_release();
}

_Noreturn static void stop(void)
{
	output_abandon(work.outlet.output);
	program_exit();
}

/* An item failed for the recorded reason: say so, keep the results in line with the input. */
static void report_failure(const char *key)
{
	if (error_kind() == ERROR_SYSTEM)
		program_fail(NULL);
	char reason[1024];
	snprintf(reason, sizeof reason, "%s", error_text());
	message_error(key);
	candidates_meet(&work.candidates, key);
	if (common.strict)
		stop();
	if (outlet_failure(&work.outlet, key, reason) != 0)
		program_fail(NULL);
}

static void refuse(bool wrong, const char *text)
{
	if (wrong)
		program_usage("%s", text);
}

static void check_options(int operands)
{
	bool prompts = option.prompts != NULL, score = option.score != NULL;
	option.no_image = option.no_image || prompts;
	refuse(common.model == NULL, "which model? give -m MODEL");
	refuse(option.bos && option.no_bos, "--bos and --no-bos do not go together");
	refuse(option.modern && option.legacy, "--modern and --legacy do not go together");
	refuse(option.raw && option.template, "--raw and --template do not go together");
	refuse(option.raw && option.chat, "--chat needs a template, not --raw");
	refuse(option.prompt && (prompts || option.chat), "-p does not go with --prompts or --chat");
	refuse(option.keyed && !prompts, "--keyed is about the lines of --prompts");
	refuse(option.chat && (score || prompts), "--chat does not go with --score or --prompts");
	refuse(option.no_image && (operands > 0 || common.files_from || common.shards > 1),
	    "without pictures no FILE is read");
	refuse(option.no_image && !option.chat && !option.prompt && !prompts,
	    "--no-image needs -p TEXT, --prompts FILE or --chat");
	refuse(option.rank != RANK_NONE && !score, "--rank is about --score");
	refuse(option.hypotheses && !common.json, "--hypotheses needs --json");
	refuse(common.json && (option.text_only || (common.null && !common.files_from)),
	    "--json does not go with --text-only or --null");
	refuse(
	    option.stream && (common.json || option.ids || option.logprobs || option.wishes.beams > 1),
	    "--stream shows text alone: no --json, --ids, --logprobs or --beams");
	refuse(option.chat && !option.no_image && operands != 1,
	    "--chat is about one picture: name one FILE, or give --no-image");
	size_t size = option.prompt != NULL ? strlen(option.prompt) : 0;
	refuse(size > 0 && utf8_valid_prefix(option.prompt, size) < size, "-p: the text is not UTF-8");
	for (int i = 0; i < option.stops.count; i++)
		refuse(option.stops.texts[i][0] == '\0', "--stop: the text is empty");
}

static void settle_generation(void)
{
	struct generation_settings *settings = &work.settings;
	const struct bpe *bpe = work.language.bpe;
	if (generation_settings_read(work.language.file, settings) != 0)
		program_fail(common.model);
	if (settings->bos < 0)
		settings->bos = bpe_bos(bpe);
	if (settings->eos < 0)
		settings->eos = bpe_eos(bpe);
	settings->logprobs = common.json || option.logprobs;
	settings->id_limit = option.all_ids ? 0 : (size_t)bpe_size(bpe);
	if (generation_settings_apply(settings, &option.wishes) != 0)
		program_usage("%s", error_text());
	if (option.logprobs && settings->beams > 1)
		program_usage("--logprobs does not go with beams");
}

static void open_candidates(void)
{
	struct lines lines;
	if (lines_open(&lines, option.score, LINES_OPTIONAL) != 0)
		program_fail(option.score);
	struct bpe_options how = prompt_answer_options(&work.language.rules);
	if (candidates_read(&work.candidates, &lines, work.language.bpe, &how) != 0) {
		error_as(ERROR_SYSTEM);
		program_fail(option.score);
	}
	lines_close(&lines);
	struct template *template = work.language.template;
	bool eos = work.settings.eos >= 0 && (template == NULL || template_answer_eos(template));
	for (size_t i = 0; eos && i < work.candidates.count; i++)
		if (ids_add(&work.candidates.at[i].ids, work.settings.eos) != 0)
			program_fail(NULL);
	work.scorer = scorer_new(work.language.llama, work.settings.id_limit);
	if (work.scorer == NULL)
		program_fail(NULL);
}

static void open_outlet(void)
{
	struct outlet *outlet = &work.outlet;
	outlet->output = output_open(common.output);
	if (outlet->output == NULL)
		program_fail(common.output);
	outlet->form = (struct reply_form){ .json = common.json,
		.text_only = option.text_only,
		.null = common.null,
		.ids = option.ids,
		.logprobs = option.logprobs,
		.hypotheses = option.hypotheses };
	bool shown = !common.json && !option.ids && !option.logprobs && work.settings.beams == 1;
	outlet->growing = shown && (option.stream || output_is_terminal(outlet->output));
	outlet->interrupted = interrupt_flag();
	outlet->bpe = work.language.bpe;
	outlet->stops = work.stops;
	outlet->stop_count = work.stop_count;
}

static void open_work(void)
{
	struct language *language = &work.language;
	if (language_open(language, common.model, option.template, option.raw) != 0)
		program_fail(NULL);
	for (int i = 0; i < option.adapters.count; i++)
		if (llama_adapt(language->llama, option.adapters.texts[i]) != 0) {
			const char *path = option.adapters.texts[i];
			error_as(ERROR_SYSTEM);
			program_fail(strstr(error_text(), path) != NULL ? NULL : path);
		}
	language->rules.bos = option.bos      ? PROMPT_BOS_YES
	                      : option.no_bos ? PROMPT_BOS_NO
	                                      : PROMPT_BOS_TEMPLATE;
	language->rules.added = (enum bpe_added)option.added;
	if (option.modern || option.legacy) {
		language->rules.modern = option.modern;
		language->rules.modern_is_settled = true;
	}
	settle_generation();
	work.stops =
	    language_stops(language, option.stops.texts, (size_t)option.stops.count, &work.stop_count);
	if (work.stops == NULL)
		program_fail(NULL);
	if (option.score != NULL)
		open_candidates();
	work.generator = generator_new(language->llama, &work.settings);
	if (work.generator == NULL)
		program_fail(NULL);
	open_outlet();
}

static void close_work(void)
{
	generation_release(work.generation);
	generator_release(work.generator);
	scorer_release(work.scorer);
	candidates_clear(&work.candidates);
	memory_release(work.stops);
	memory_release(option.stops.texts);
	memory_release(option.adapters.texts);
	language_close(&work.language);
}

static int generate(const char *key, const float *rows, size_t count)
{
	if (work.generation == NULL && (work.generation = generation_new(work.generator)) == NULL)
		return -1;
	/* the numbers drawn depend on the seed and the key, not on a record's place in the input */
	uint64_t stream = checksum_of(key, strlen(key));
	struct answer answer = { 0 };
	int status = generation_begin(work.generation, 0, rows, count, stream);
	if (status == 0)
		status = outlet_answer(&work.outlet, work.generator, work.generation, key, 0, &answer);
	answer_clear(&answer);
	return status;
}

static int score(const char *key, const float *rows, size_t count)
{
	if (scorer_prompt(work.scorer, rows, count) != 0)
		return -1;
	struct given_score *scores = NULL;
	size_t found;
	int status = candidates_score(&work.candidates, work.scorer, key, &scores, &found);
	if (status == 0 && option.rank != RANK_NONE)
		candidates_rank(scores, found, option.rank == RANK_MEAN);
	for (size_t i = 0; status == 0 && i < found; i++) {
		const struct given_answer *given = scores[i].answer;
		status = outlet_score(&work.outlet, key, given->text, given->ids.count, scores[i].sum);
	}
	memory_release(scores);
	return status;
}

/* Answer one question about one picture (NULL: none), or score the given answers to it. */
static int answer_question(
    const char *key, const char *question, const float *picture, size_t picture_rows)
{
	struct template_turn turn = { question, NULL };
	size_t count;
	interrupt_hold();
	float *rows = prompt_rows(
	    &work.language.rules, work.language.llama, &turn, 1, picture, picture_rows, &count);
	int status = -1;
	if (rows != NULL)
		status = option.score != NULL ? score(key, rows, count) : generate(key, rows, count);
	memory_release(rows);
	end_record();
	progress_update(++work.records);
	return status;
}

/* The soft prompt of a sample; NULL with a recorded error. */
static float *picture_of(struct sample *sample, size_t *rows)
{
	struct sample_part *part = sample_find(sample, "prompt");
	if (part != NULL)
		return language_soft_prompt(&work.language, &part->record, part->payload, rows);
	error_input(
	    "holds no soft prompt but \"%s\": zv-qformer makes them", sample->parts[0].record.name);
	return NULL;
}

/* The question: -p, else the sample's own, else none. NULL with a recorded error. */
static char *question_of(struct sample *sample)
{
	char *question = NULL;
	if (option.prompt != NULL)
		return memory_text(option.prompt, strlen(option.prompt));
	if (features_question(sample, &question) != 0 || question != NULL)
		return question;
	return memory_text("", 0);
}

/* A sample as it came; 0 or -1 with the reason why it failed. */
static int take_sample(struct sample *sample)
{
	const struct record *first = &sample->parts[0].record;
	if (first->kind == RECORD_FAILED)
		return error_input("%.*s", (int)(first->payload_size < 900 ? first->payload_size : 900),
		    (const char *)sample->parts[0].payload);
	size_t rows;
	float *picture = picture_of(sample, &rows);
	char *question = picture != NULL ? question_of(sample) : NULL;
	int status = question != NULL ? answer_question(first->key, question, picture, rows) : -1;
	memory_release(question);
	memory_release(picture);
	return status;
}

/* An input (NULL: the list of them) could not be read to its end: no FILE will appear. */
static void report_damage(const char *name)
{
	language_explain_input();
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
	int found = reader == NULL ? -1 : sample_read(reader, &sample);
	while (found > 0) {
		char key[RECORD_KEY_MOST + 1];
		memcpy(key, sample.parts[0].record.key, sizeof key);
		int status = take_sample(&sample);
		sample_clear(&sample);
		if (status != 0)
			report_failure(key);
		found = sample_read(reader, &sample);
	}
	if (found < 0)
		report_damage(reader != NULL ? reader_name(reader) : name);
	reader_close(reader);
}

static void read_streams(char **operands, int count)
{
	const char *name;
	int found;
	struct names *names = names_open(operands, count, true);
	if (names == NULL)
		program_fail(NULL);
	while ((found = names_next(names, &name)) > 0)
		read_stream(name);
	if (found < 0)
		report_damage(NULL);
	names_close(names);
}

static void read_prompts(void)
{
	struct lines lines;
	if (lines_open(&lines, option.prompts, option.keyed ? LINES_KEYED : LINES_PLAIN) != 0)
		program_fail(option.prompts);
	int found;
	while ((found = lines_next(&lines)) != 0) {
		char number[24];
		snprintf(number, sizeof number, "%zu", lines.number);
		const char *key = found > 0 && lines.key != NULL ? lines.key : number;
		if (found < 0 && error_kind() == ERROR_SYSTEM)
			program_fail(option.prompts);
		if (found < 0 || answer_question(key, lines.text, NULL, 0) != 0)
			report_failure(key);
	}
	lines_close(&lines);
}

/* The picture of a talk: the first sample of FILE, with its key. */
static float *talk_picture(const char *name, size_t *rows, char key[RECORD_KEY_MOST + 1])
{
	static struct sample sample;
	if (strcmp(name, "-") == 0)
		program_usage("--chat reads the turns from standard input; name a FILE with the picture");
	struct reader *reader = reader_open(name);
	int found = reader == NULL ? -1 : sample_read(reader, &sample);
	if (found == 0)
		error_input("holds no picture");
	if (found > 0 && sample.parts[0].record.kind == RECORD_FAILED)
		error_input("the picture failed: %.*s", (int)sample.parts[0].record.payload_size,
		    (const char *)sample.parts[0].payload);
	else if (found > 0)
		memcpy(key, sample.parts[0].record.key, RECORD_KEY_MOST + 1);
	float *picture = found > 0 && key[0] != '\0' ? picture_of(&sample, rows) : NULL;
	sample_clear(&sample);
	reader_close(reader);
	if (picture == NULL) {
		language_explain_input();
		program_fail(name);
	}
	return picture;
}

static int answer_turn(struct dialogue *dialogue, const char *key, const char *question)
{
	struct answer answer = { 0 };
	interrupt_hold();
	int status = dialogue_ask(dialogue, question);
	if (status == 0)
		status = outlet_answer(&work.outlet, work.generator, dialogue_generation(dialogue), key,
		    dialogue_turns(dialogue) + 1, &answer);
	if (status == 0)
		status = dialogue_answer(dialogue, answer.text != NULL ? answer.text : "", answer.size);
	answer_clear(&answer);
	end_record();
	work.records++;
	work.rows += dialogue_rows(dialogue);
	work.kept += dialogue_reused(dialogue);
	return status;
}

static void talk(const char *name)
{
	char key[RECORD_KEY_MOST + 1] = "";
	size_t rows = 0;
	float *picture = NULL;
	if (!option.no_image)
		picture = talk_picture(name, &rows, key);
	else
		memcpy(key, "talk", sizeof "talk");
	struct dialogue *dialogue =
	    dialogue_new(work.language.llama, work.generator, &work.language.rules, picture, rows);
	if (dialogue == NULL)
		program_fail(NULL);
	bool ask = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	struct lines lines;
	int found;
	lines_open(&lines, "-", LINES_RAW);
	for (;;) {
		if (ask)
			fputs("> ", stderr);
		found = lines_next(&lines);
		if (found == 0 || (found > 0 && strcmp(lines.text, "/quit") == 0))
			break;
		if (found > 0 && strcmp(lines.text, "/reset") == 0)
			dialogue_reset(dialogue);
		else if (found < 0 ||
		         (lines.text[0] != '\0' && answer_turn(dialogue, key, lines.text) != 0))
			report_failure(key);
	}
	lines_close(&lines);
	dialogue_release(dialogue);
	memory_release(picture);
}

int main(int argc, char **argv)
{
	version_add_later(product_version);
	int first = program_begin(&program, argc, argv);
	char **operands = argv + first;
	int count = argc - first;
	check_options(count);
	if (threads_start((int)common.threads) != 0)
		program_fail(NULL);
	open_work();
	if (!output_is_terminal(work.outlet.output))
		progress_begin("records", 0);
	if (option.chat)
		talk(operands[0]);
	else if (option.prompts != NULL)
		read_prompts();
	else if (option.no_image && answer_question("1", option.prompt, NULL, 0) != 0)
		report_failure("1");
	else if (!option.no_image)
		read_streams(operands, count);
	progress_clear();
	if (candidates_all_met(&work.candidates) != 0)
		message_error(option.score);
	if (common.verbose)
		message_note(NULL, "%llu records, %llu tokens", (unsigned long long)work.records,
		    (unsigned long long)work.outlet.tokens);
	if (common.verbose && option.chat)
		message_note(NULL, "%llu prompt rows, %llu of them kept from the turn before",
		    (unsigned long long)work.rows, (unsigned long long)work.kept);
	if (work.damaged && has_file())
		stop();
	if (work.language.unnamed)
		message_note(NULL, "soft prompts do not say which language model they are for");
	if (output_commit(work.outlet.output) != 0)
		program_fail(common.output);
	close_work();
	return program_end();
}
