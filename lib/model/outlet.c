/* outlet.c - answers on their way out, see outlet.h. */
#include "model/outlet.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/output.h"
#include "base/textout.h"

/* Text is formatted into memory and leaves in one write. */
struct draft {
	char *bytes;
	size_t size;
	FILE *stream;
};

static int draft_begin(struct draft *draft)
{
	*draft = (struct draft){ 0 };
	draft->stream = textout_open(&draft->bytes, &draft->size);
	return draft->stream == NULL ? -1 : 0;
}

static int draft_send(struct draft *draft, struct outlet *outlet)
{
	int status = textout_close(draft->stream);
	if (status == 0 && draft->size > 0) {
		status = output_write(outlet->output, draft->bytes, draft->size);
		if (status != 0)
			error_context("%s", output_name(outlet->output));
	}
	free(draft->bytes); /* from open_memstream() */
	return status;
}

static void draft_drop(struct draft *draft)
{
	fclose(draft->stream);
	free(draft->bytes);
}

/* Send what of the answer is settled, or all of it, and not shown yet. */
static int show(struct outlet *outlet, const struct answer *answer, bool all, size_t *shown)
{
	size_t settled = all ? answer->size : answer_settled(answer);
	struct draft draft;
	if (settled <= *shown)
		return 0;
	if (draft_begin(&draft) != 0)
		return -1;
	reply_write_text(draft.stream, &outlet->form, answer->text + *shown, settled - *shown);
	*shown = settled;
	return draft_send(&draft, outlet);
}

/* Add the tokens that are new since *fed; the last time (all) also what the decoder holds back. */
static int feed(struct outlet *outlet, const struct generation *generation, bool all, size_t *fed,
    struct answer *answer)
{
	if (generation_results(generation) == 0)
		return 0;
	struct generation_result result = generation_result(generation, 0);
	for (; *fed < result.count; ++*fed)
		if (answer_add_token(answer, outlet->bpe, result.ids[*fed]) != 0)
			return -1;
	return all ? answer_add_token(answer, outlet->bpe, -1) : 0;
}

/* All tokens of a generation to answer. With beams the text is known only in the end. */
static int run(struct outlet *outlet, struct generator *generator, struct generation *generation,
    struct answer *answer)
{
	size_t fed = 0, shown = 0;
	bool beams = generation_has_beams(generation);
	for (;;) {
		if (!beams && feed(outlet, generation, false, &fed, answer) != 0)
			return -1;
		if (outlet->growing && show(outlet, answer, false, &shown) != 0)
			return -1;
		if (generation_done(generation))
			break;
		if (answer->stopped)
			generation_stop(generation, GENERATION_STOP);
		else if (outlet->interrupted != NULL && *outlet->interrupted)
			generation_stop(generation, GENERATION_INTERRUPTED);
		else if (generator_step(generator, &generation, 1) != 0)
			return -1;
	}
	if (feed(outlet, generation, true, &fed, answer) != 0)
		return -1;
	if (generation_results(generation) > 0)
		outlet->tokens += generation_result(generation, 0).count;
	return outlet->growing ? show(outlet, answer, true, &shown) : 0;
}

int outlet_answer(struct outlet *outlet, struct generator *generator, struct generation *generation,
    const char *key, size_t turn, struct answer *answer)
{
	struct draft draft;
	answer_begin(answer, outlet->stops, outlet->stop_count);
	if (outlet->growing) {
		if (draft_begin(&draft) != 0)
			return -1;
		reply_write_key(draft.stream, &outlet->form, key);
		outlet->line_open = true;
		if (draft_send(&draft, outlet) != 0)
			return -1;
	}
	if (run(outlet, generator, generation, answer) != 0 || draft_begin(&draft) != 0)
		return -1;
	int status = 0;
	if (outlet->growing)
		reply_write_end(draft.stream, &outlet->form);
	else
		status =
		    reply_write(draft.stream, &outlet->form, key, turn, generation, answer, outlet->bpe);
	if (status != 0) {
		draft_drop(&draft);
		return -1;
	}
	outlet->line_open = false;
	return draft_send(&draft, outlet);
}

int outlet_failure(struct outlet *outlet, const char *key, const char *reason)
{
	struct draft draft;
	if (draft_begin(&draft) != 0)
		return -1;
	if (outlet->line_open)
		reply_write_end(draft.stream, &outlet->form);
	else
		reply_write_failure(draft.stream, &outlet->form, key, reason);
	outlet->line_open = false;
	return draft_send(&draft, outlet);
}

int outlet_text(struct outlet *outlet, const char *key, const char *text, size_t size)
{
	struct draft draft;
	if (draft_begin(&draft) != 0)
		return -1;
	reply_write_plain(draft.stream, &outlet->form, key, text, size);
	return draft_send(&draft, outlet);
}

int outlet_score(
    struct outlet *outlet, const char *key, const char *text, size_t tokens, double sum)
{
	struct draft draft;
	if (draft_begin(&draft) != 0)
		return -1;
	reply_write_score(draft.stream, &outlet->form, key, text, tokens, sum);
	return draft_send(&draft, outlet);
}
