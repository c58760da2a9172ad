/* zv-generate.c - soft prompts and questions in, text out: answers, scores, talks. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
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
#include "model/batch.h"
#include "model/candidates.h"
#include "model/dialogue.h"
#include "model/inlet.h"
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
	int64_t batch;
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
	{ 'b', "batch", "N", OPTION_WHOLE, &option.batch, 1, BATCH_MOST, NULL,
	  "answer up to N records at once; answers do not depend on it\n"
	  "(default: what memory allows, 16 at most)" },
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
	struct batch *batch;
	struct scorer *scorer;
	struct candidates candidates;
	const char **stops;
	size_t stop_count;
	struct outlet outlet;
	bool damaged;          /* an input could not be read to its end */
	double since, seconds; /* when the work at hand began, or 0; what took work so far */
	size_t most;           /* records answered at once; as many are read ahead */
	uint64_t records;
	uint64_t rows, kept; /* of prompts, and how many of them a cache held already */
} work;

/* Is there a FILE, which appears whole or not at all? */
static bool has_file(void)
{
	return common.output != NULL && strcmp(common.output, "-") != 0;
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* From here on SIGINT ends answers, not the program. */
static void begin_work(void)
{
	if (work.since > 0)
		return;
	work.since = now();
	interrupt_hold();
}

/* Results for a file that is standard output are gathered; whoever interrupts has paid for them. */
static void flush(void)
{
	if (!has_file() && output_flush(work.outlet.output) != 0)
		program_fail("standard output");
}

/* Nothing is being answered, the program is going to wait: SIGINT while it worked ends it here. */
static void end_work(void)
{
	flush();
	if (work.since > 0) {
		interrupt_release();
		work.seconds += now() - work.since;
		work.since = 0;
	}
	if (*interrupt_flag()) {
		progress_clear();
		interrupt_die();
	}
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
	const struct language *language = &work.language;
	struct bpe_options how = prompt_answer_options(&language->rules);
	bool ends = language->template == NULL || template_answer_eos(language->template);
	if (candidates_open(&work.candidates, option.score, language->bpe, &how,
	        ends ? work.settings.eos : -1) != 0)
		program_fail(option.score);
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
	if (language_adapt(language, option.adapters.texts, option.adapters.count) != 0)
		program_fail(NULL);
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
	work.most =
	    option.batch > 0 ? (size_t)option.batch : batch_default(language->llama, &work.settings);
	work.batch = batch_new(&(struct batch_plan){
	    language->llama, work.generator, &language->rules, &work.outlet, work.most });
	if (work.batch == NULL)
		program_fail(NULL);
}

static void close_work(void)
{
	batch_release(work.batch);
	generator_release(work.generator);
	scorer_release(work.scorer);
	candidates_clear(&work.candidates);
	memory_release(work.stops);
	memory_release(option.stops.texts);
	memory_release(option.adapters.texts);
	language_close(&work.language);
}

static int score(const struct inquiry *inquiry)
{
	struct template_turn turn = { inquiry->question, NULL };
	const struct language *language = &work.language;
	size_t count;
	float *rows = prompt_rows(
	    &language->rules, language->llama, &turn, 1, inquiry->picture, inquiry->rows, &count);
	int ready = rows == NULL ? -1 : scorer_prompt(work.scorer, rows, count);
	memory_release(rows);
	if (ready != 0)
		return -1;
	struct given_score *scores = NULL;
	size_t found;
	int status = candidates_score(&work.candidates, work.scorer, inquiry->key, &scores, &found);
	if (status == 0 && option.rank != RANK_NONE)
		candidates_rank(scores, found, option.rank == RANK_MEAN);
	for (size_t i = 0; status == 0 && i < found; i++) {
		const struct given_answer *given = scores[i].answer;
		status =
		    outlet_score(&work.outlet, inquiry->key, given->text, given->ids.count, scores[i].sum);
	}
	memory_release(scores);
	return status;
}

/* An input (NULL: the list of them) could not be read to its end: no FILE will appear. */
static void report_damage(const char *name)
{
	if (error_kind() == ERROR_SYSTEM)
		program_fail(name != NULL ? name : option.prompts);
	message_error(name);
	work.damaged = true;
	if (common.strict)
		stop();
}

/* Tell a failure in its turn, as if it had happened only now. */
static void report(const struct batch_failure *failure)
{
	bool told = failure->reason != NULL && (failure->key != NULL || failure->damage);
	if (!told || failure->error == ERROR_SYSTEM)
		error_system("%s", told ? failure->reason : "out of memory");
	else
		error_input("%s", failure->reason);
	if (failure->damage)
		report_damage(failure->key);
	else
		report_failure(failure->key);
}

static void write_replies(void)
{
	struct batch_failure failure;
	int found;
	while ((found = batch_write(work.batch, &failure)) > 0) {
		flush(); /* the report may be the end */
		report(&failure);
	}
	if (found < 0)
		program_fail(NULL);
	flush();
	if (option.score == NULL)
		work.records = batch_figures(work.batch).records;
	progress_update(work.records);
}

/* Begin the answer to what came, or give the scores it is to get. False: only later. */
static bool take(const struct inquiry *inquiry)
{
	begin_work();
	if (option.score != NULL && inquiry->kind == INQUIRY_QUESTION) {
		if (score(inquiry) != 0)
			report_failure(inquiry->key);
		progress_update(++work.records);
		return true;
	}
	int taken = batch_add(work.batch, inquiry);
	if (taken < 0)
		program_fail(NULL);
	if (taken > 0)
		write_replies();
	return taken > 0;
}

/* Take what comes as long as there is room; wait for it when there is nothing else to do. False:
 * nothing more will come. */
static bool take_more(struct inlet *inlet)
{
	while (batch_has_room(work.batch)) {
		bool idle = batch_running(work.batch) == 0;
		if (idle)
			end_work();
		const struct inquiry *inquiry = *interrupt_flag() ? NULL : inlet_next(inlet, idle);
		if (inquiry == NULL)
			break;
		if (inquiry->kind == INQUIRY_END)
			return false;
		if (!take(inquiry))
			break;
		inlet_pass(inlet);
	}
	return true;
}

/* One token more for each answer. */
static void step(void)
{
	if (batch_step(work.batch) != 0)
		program_fail(NULL);
	write_replies();
}

static void answer_all(char **operands, int count)
{
	struct lines lines = { 0 };
	struct inlet_plan plan = {
		.language = &work.language, .question = option.prompt, .depth = work.most
	};
	if (option.prompts != NULL) {
		plan.lines = &lines;
		if (lines_open(&lines, option.prompts, option.keyed ? LINES_KEYED : LINES_PLAIN) != 0)
			program_fail(option.prompts);
	} else if (!option.no_image && (plan.names = names_open(operands, count, true)) == NULL) {
		program_fail(NULL);
	}
	struct inlet *inlet = inlet_start(&plan);
	if (inlet == NULL)
		program_fail(NULL);
	while (take_more(inlet) || batch_running(work.batch) > 0)
		step();
	end_work();
	inlet_finish(inlet);
	lines_close(&lines);
	if (plan.names != NULL)
		names_close(plan.names);
}

static int answer_turn(struct dialogue *dialogue, const char *key, const char *question)
{
	struct answer answer = { 0 };
	begin_work();
	int status = dialogue_ask(dialogue, question);
	if (status == 0)
		status = outlet_answer(&work.outlet, work.generator, dialogue_generation(dialogue), key,
		    dialogue_turns(dialogue) + 1, &answer);
	if (status == 0)
		status = dialogue_answer(dialogue, answer.text != NULL ? answer.text : "", answer.size);
	answer_clear(&answer);
	end_work();
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
	if (strcmp(name, "-") == 0)
		program_usage("--chat reads the turns from standard input; name a FILE with the picture");
	if (option.no_image)
		memcpy(key, "talk", sizeof "talk");
	else if ((picture = inlet_first(&work.language, name, &rows, key)) == NULL)
		program_fail(name);
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

static void tell_figures(void)
{
	struct batch_figures figures = batch_figures(work.batch);
	char more[200] = "";
	double average = figures.steps > 0 ? (double)figures.together / (double)figures.steps : 0;
	if (!option.chat && option.score == NULL)
		snprintf(more, sizeof more,
		    "; at once %.1f on average, %zu at most (-b %zu); %llu prompt rows, %llu of them "
		    "shared",
		    average, figures.most, work.most, (unsigned long long)figures.rows,
		    (unsigned long long)figures.shared);
	message_note(NULL, "%llu records, %llu tokens, %.1f tokens/s%s",
	    (unsigned long long)work.records, (unsigned long long)work.outlet.tokens,
	    work.seconds > 0 ? (double)work.outlet.tokens / work.seconds : 0.0, more);
	if (option.chat)
		message_note(NULL, "%llu prompt rows, %llu of them kept from the turn before",
		    (unsigned long long)work.rows, (unsigned long long)work.kept);
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
		talk(option.no_image ? "" : operands[0]);
	else
		answer_all(operands, count);
	progress_clear();
	if (candidates_all_met(&work.candidates) != 0)
		message_error(option.score);
	if (common.verbose)
		tell_figures();
	if (work.damaged && has_file())
		stop();
	if (work.language.unnamed)
		message_note(NULL, "soft prompts do not say which language model they are for");
	if (output_commit(work.outlet.output) != 0)
		program_fail(common.output);
	close_work();
	return program_end();
}
