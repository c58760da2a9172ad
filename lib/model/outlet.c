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

void outlet_begin(const struct outlet *outlet, struct outlet_reply *reply)
{
	*reply = (struct outlet_reply){ 0 };
	answer_begin(&reply->answer, outlet->stops, outlet->stop_count);
}

void outlet_end(struct outlet_reply *reply)
{
	answer_clear(&reply->answer);
	free(reply->bytes);
	*reply = (struct outlet_reply){ 0 };
}

int outlet_show(struct outlet *outlet, struct outlet_reply *reply, const char *key)
{
	size_t settled = answer_settled(&reply->answer);
	struct draft draft;
	if (!outlet->growing || (reply->open && settled <= reply->shown))
		return 0;
	if (draft_begin(&draft) != 0)
		return -1;
	if (!reply->open)
		reply_write_key(draft.stream, &outlet->form, key);
	if (settled > reply->shown) {
		reply_write_text(
		    draft.stream, &outlet->form, reply->answer.text + reply->shown, settled - reply->shown);
		reply->shown = settled;
	}
	reply->open = outlet->line_open = true;
	return draft_send(&draft, outlet);
}

int outlet_send(struct outlet *outlet, struct outlet_reply *reply)
{
	outlet->line_open = false;
	if (reply->size == 0)
		return 0;
	if (output_write(outlet->output, reply->bytes, reply->size) != 0)
		return error_context("%s", output_name(outlet->output));
	return 0;
}

/* Add the tokens that are new; the last time (all) also what the decoder holds back. */
static int feed(const struct outlet *outlet, const struct generation *generation, bool all,
    struct outlet_reply *reply)
{
	if (generation_results(generation) == 0)
		return 0;
	struct generation_result result = generation_result(generation, 0);
	for (; reply->fed < result.count && !reply->answer.stopped; reply->fed++)
		if (answer_add_token(&reply->answer, outlet->bpe, result.ids[reply->fed]) != 0)
			return -1;
	return all ? answer_add_token(&reply->answer, outlet->bpe, -1) : 0;
}

/* The whole reply, or what of it is not shown yet. */
static int format(struct outlet *outlet, struct outlet_reply *reply,
    const struct generation *generation, const char *key, size_t turn)
{
	struct draft draft;
	int status = 0;
	if (draft_begin(&draft) != 0)
		return -1;
	if (reply->open) {
		reply_write_text(draft.stream, &outlet->form, reply->answer.text + reply->shown,
		    reply->answer.size - reply->shown);
		reply_write_end(draft.stream, &outlet->form);
	} else {
		status = reply_write(
		    draft.stream, &outlet->form, key, turn, generation, &reply->answer, outlet->bpe);
	}
	if (status != 0) {
		draft_drop(&draft);
		return -1;
	}
	status = textout_close(draft.stream);
	reply->bytes = draft.bytes;
	reply->size = draft.size;
	return status;
}

/* Would the answer have ended at the stop text, were its tokens chosen one by one? */
static bool is_early(const struct generation *generation, const struct outlet_reply *reply)
{
	return !generation_done(generation) || generation_finish(generation) == GENERATION_FAILED ||
	       reply->fed < generation_result(generation, 0).count;
}

int outlet_follow(struct outlet *outlet, struct outlet_reply *reply, struct generation *generation,
    const char *key, size_t turn)
{
	/* with beams the text is known only in the end */
	if (!generation_has_beams(generation) && feed(outlet, generation, false, reply) != 0)
		return -1;
	if (reply->answer.stopped && is_early(generation, reply))
		generation_cut(generation, reply->fed);
	else if (!generation_done(generation) && outlet->interrupted != NULL && *outlet->interrupted)
		generation_stop(generation, GENERATION_INTERRUPTED);
	if (!generation_done(generation))
		return 0;
	if (generation_finish(generation) == GENERATION_FAILED)
		return generation_failure(generation);
	if (feed(outlet, generation, true, reply) != 0)
		return -1;
	if (generation_results(generation) > 0)
		outlet->tokens += generation_result(generation, 0).count;
	return format(outlet, reply, generation, key, turn);
}

int outlet_answer(struct outlet *outlet, struct generator *generator, struct generation *generation,
    const char *key, size_t turn, struct answer *answer)
{
	struct outlet_reply reply;
	outlet_begin(outlet, &reply);
	int status = 0;
	for (;;) {
		status = outlet_follow(outlet, &reply, generation, key, turn);
		if (status != 0 || generation_done(generation))
			break;
		status = outlet_show(outlet, &reply, key);
		if (status == 0)
			status = generator_step(generator, &generation, 1);
		if (status != 0)
			break;
	}
	if (status == 0)
		status = outlet_send(outlet, &reply);
	*answer = reply.answer;
	reply.answer = (struct answer){ 0 };
	outlet_end(&reply);
	return status;
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
