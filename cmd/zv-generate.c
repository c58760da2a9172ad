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
#include "num/product.h"
#include "text/lines.h"

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
		work_stop();
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
		work_report(failure->key);
}

static void write_replies(void)
{
	struct batch_failure failure;
	int found;
	while ((found = batch_write(work.batch, &failure)) > 0) {
		work_flush(); /* the report may be the end */
		report(&failure);
	}
	if (found < 0)
		program_fail(NULL);
	work_flush();
	if (option.score == NULL)
		work.records = batch_figures(work.batch).records;
	progress_update(work.records);
}

/* Begin the answer to what came, or give the scores it is to get. False: only later. */
static bool take(const struct inquiry *inquiry)
{
	work_begin();
	if (option.score != NULL && inquiry->kind == INQUIRY_QUESTION) {
		if (score(inquiry) != 0)
			work_report(inquiry->key);
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
	while (take_more(inlet) || batch_running(work.batch) > 0)
		step();
	work_end();
	inlet_finish(inlet);
	lines_close(&lines);
	if (plan.names != NULL)
		names_close(plan.names);
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
