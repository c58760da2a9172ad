/* generate_work.c - see generate_work.h. */
#include "generate_work.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/output.h"
#include "base/progress.h"
#include "generate_options.h"
#include "model/llama.h"

struct generate_work work;

bool work_has_file(void)
{
	return common.output != NULL && strcmp(common.output, "-") != 0;
}

static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void work_begin(void)
{
	if (work.since > 0)
		return;
	work.since = now();
	interrupt_hold();
}

void work_flush(void)
{
	if (!work_has_file() && output_flush(work.outlet.output) != 0)
		program_fail("standard output");
}

void work_end(void)
{
	work_flush();
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

_Noreturn void work_stop(void)
{
	output_abandon(work.outlet.output);
	program_exit();
}

void work_report(const char *key)
{
	if (error_kind() == ERROR_SYSTEM)
		program_fail(NULL);
	char reason[1024];
	snprintf(reason, sizeof reason, "%s", error_text());
	message_error(key);
	candidates_meet(&work.candidates, key);
	if (common.strict)
		work_stop();
	if (outlet_failure(&work.outlet, key, reason) != 0)
		program_fail(NULL);
}

/* An input (NULL: the list of them) could not be read to its end: no FILE will appear. */
static void report_damage(const char *name)
{
	if (error_kind() == ERROR_SYSTEM)
		program_fail(name != NULL ? name : option.prompts);
	message_error(name);
	work.damaged = true;
	if (common.strict)
		work_stop();
}

void work_tell(const struct batch_failure *failure)
{
	bool told = failure->reason != NULL && (failure->key != NULL || failure->damage);
	if (!told || failure->error == ERROR_SYSTEM)
		error_system("%s", told ? failure->reason : "out of memory");
	else
		error_input("%s", failure->reason);
	if (failure->damage)
		report_damage(failure->key);
	else
		work_report(failure->key);
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
	settings->lookup = option.lookup;
	if (option.lookup && settings->beams > 1)
		program_usage("--lookup does not go with beams (--beams 1 leaves those of the model out)");
}

static void open_candidates(void)
{
	const struct language *language = &work.language;
	struct bpe_options how = prompt_answer_options(&language->rules);
	bool ends = language->template == NULL || template_answer_eos(language->template);
	if (candidates_open(&work.candidates, option.score, language->bpe, &how,
	        ends ? work.settings.eos : -1) != 0)
		program_fail(option.score);
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

void work_open(void)
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
	llama_keep_as(language->llama, (enum kept_type)option.cache);
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

void work_close(void)
{
	batch_release(work.batch);
	generator_release(work.generator);
	candidates_clear(&work.candidates);
	memory_release(work.stops);
	memory_release(option.stops.texts);
	memory_release(option.adapters.texts);
	language_close(&work.language);
}
