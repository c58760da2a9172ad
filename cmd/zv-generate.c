/* zv-generate.c - soft prompts and questions in, text out: answers, scores, talks. Its options are in
 * generate_options.c, what its parts share in generate_work.c, talks in generate_talk.c.
 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/names.h"
#include "base/output.h"
#include "base/progress.h"
#include "base/threads.h"
#include "base/version.h"
#include "generate_options.h"
#include "generate_work.h"
#include "model/inlet.h"
#include "model/llama.h"
#include "num/product.h"
#include "text/lines.h"

static void write_replies(void)
{
	struct batch_failure failure;
	int found;
	while ((found = batch_write(work.batch, &failure)) > 0) {
		work_flush(); /* the report may be the end */
		work_tell(&failure);
	}
	if (found < 0)
		program_fail(NULL);
	work_flush();
	work.records = batch_figures(work.batch).records;
	progress_update(work.records);
}

/* Begin the answer to what came. False: only later. */
static bool take(const struct inquiry *inquiry)
{
	work_begin();
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
			work_end();
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
	if (option.score != NULL)
		score_all(inlet);
	while (option.score == NULL && (take_more(inlet) || batch_running(work.batch) > 0))
		step();
	work_end();
	inlet_finish(inlet);
	lines_close(&lines);
	if (plan.names != NULL)
		names_close(plan.names);
}

static void tell_guesses(void)
{
	struct generator_lookup found = generator_lookup(work.generator);
	double share = found.guessed > 0 ? 100 * (double)found.right / (double)found.guessed : 0;
	double tokens = (double)(found.passes + found.right);
	message_note(NULL,
	    "--lookup: %llu tokens guessed, %llu of them right (%.0f %%); %.2f tokens a pass",
	    (unsigned long long)found.guessed, (unsigned long long)found.right, share,
	    found.passes > 0 ? tokens / (double)found.passes : 0.0);
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
	static const char *const kept[] = { "f32", "f16", "int8" };
	message_note(NULL, "keys and values in %s, %zu bytes a token",
	    kept[llama_kept_as(work.language.llama)], llama_cache_row(work.language.llama));
	if (option.lookup)
		tell_guesses();
	if (option.chat)
		message_note(NULL, "%llu prompt rows, %llu of them kept from the turn before",
		    (unsigned long long)work.rows, (unsigned long long)work.kept);
}

int main(int argc, char **argv)
{
	version_add_later(product_version);
	int first = program_begin(&generate_program, argc, argv);
	char **operands = argv + first;
	int count = argc - first;
	options_check(count);
	if (threads_start((int)common.threads) != 0)
		program_fail(NULL);
	work_open();
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
	if (work.damaged && work_has_file())
		work_stop();
	if (work.language.unnamed)
		message_note(NULL, "soft prompts do not say which language model they are for");
	if (output_commit(work.outlet.output) != 0)
		program_fail(common.output);
	work_close();
	return program_end();
}
