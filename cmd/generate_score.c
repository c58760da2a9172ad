/* generate_score.c - zv-generate --score: log-likelihoods of given answers, record by record. */
#include "base/interrupt.h"
#include "base/progress.h"
#include "generate_options.h"
#include "generate_work.h"
#include "model/inlet.h"
#include "model/score_batch.h"

/* Take what is there, and wait for the first. False: nothing more will come. */
static bool take_some(struct score_batch *batch, struct inlet *inlet)
{
	while (score_batch_has_room(batch)) {
		bool idle = score_batch_count(batch) == 0;
		if (idle)
			work_end();
		const struct inquiry *inquiry = *interrupt_flag() ? NULL : inlet_next(inlet, idle);
		if (inquiry == NULL)
			break;
		if (inquiry->kind == INQUIRY_END)
			return false;
		work_begin();
		if (score_batch_add(batch, inquiry) != 0)
			program_fail(NULL);
		work.records += inquiry->kind == INQUIRY_QUESTION;
		inlet_pass(inlet);
	}
	return true;
}

void score_all(struct inlet *inlet)
{
	struct score_batch *batch = score_batch_new(
	    &(struct score_plan){ work.language.llama, &work.language.rules, &work.outlet,
	        &work.candidates, work.settings.id_limit, work.most, (enum score_rank)option.rank });
	if (batch == NULL)
		program_fail(NULL);
	for (bool more = true; more;) {
		struct batch_failure failure;
		int found;
		more = take_some(batch, inlet);
		if (score_batch_run(batch) != 0)
			program_fail(NULL);
		while ((found = score_batch_write(batch, &failure)) > 0) {
			work_flush(); /* the report may be the end */
			work_tell(&failure);
		}
		if (found < 0)
			program_fail(NULL);
		work_flush();
		progress_update(work.records);
	}
	score_batch_release(batch);
}
