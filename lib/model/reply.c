/* reply.c - answers as lines or JSON, see reply.h. */
#include "model/reply.h"

#include <math.h>
#include <string.h>

#include "base/textout.h"

static void write_number(FILE *stream, double number)
{
	char digits[32] = "null"; /* JSON has no infinities */
	if (isfinite(number))
		snprintf(digits, sizeof digits, "%.9g", number);
	fputs(digits, stream);
}

static void write_whole(FILE *stream, long long number)
{
	char digits[24];
	snprintf(digits, sizeof digits, "%lld", number);
	fputs(digits, stream);
}

void reply_write_key(FILE *stream, const struct reply_form *form, const char *key)
{
	if (form->text_only)
		return;
	if (form->null)
		fputs(key, stream);
	else
		textout_field(stream, key, strlen(key));
	putc('\t', stream);
}

void reply_write_text(FILE *stream, const struct reply_form *form, const char *text, size_t size)
{
	if (!form->text_only && !form->null)
		textout_field(stream, text, size);
	else if (form->null)
		fwrite(text, 1, size, stream);
	else
		textout_shown(stream, text, size, "\n\t");
}

void reply_write_end(FILE *stream, const struct reply_form *form)
{
	putc(form->null ? '\0' : '\n', stream);
}

static void write_ids(FILE *stream, const int32_t *ids, size_t count, char between)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			putc(between, stream);
		write_whole(stream, ids[i]);
	}
}

static void write_logprobs(FILE *stream, const float *logprobs, size_t count, char between)
{
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			putc(between, stream);
		write_number(stream, (double)logprobs[i]);
	}
}

static int write_hypotheses(FILE *stream, const struct generation *generation,
    const struct answer *answer, const struct bpe *bpe)
{
	fputs(",\"hypotheses\":[", stream);
	for (size_t i = 0; i < generation_results(generation); i++) {
		struct generation_result result = generation_result(generation, i);
		fputs(i > 0 ? ",{\"score\":" : "{\"score\":", stream);
		write_number(stream, result.score);
		fputs(",\"ids\":[", stream);
		write_ids(stream, result.ids, result.count, ',');
		fputs("],\"text\":", stream);
		struct answer other;
		answer_begin(&other, answer->stops, answer->stop_count);
		int status = 0;
		for (size_t k = 0; k <= result.count && status == 0; k++)
			status = answer_add_token(&other, bpe, k < result.count ? result.ids[k] : -1);
		textout_json(stream, other.text != NULL ? other.text : "", other.size);
		answer_clear(&other);
		putc('}', stream);
		if (status != 0)
			return -1;
	}
	putc(']', stream);
	return 0;
}

static int write_object(FILE *stream, const struct reply_form *form, const char *key, size_t turn,
    const struct generation *generation, const struct answer *answer, const struct bpe *bpe)
{
	struct generation_result result = { 0 };
	if (generation_results(generation) > 0)
		result = generation_result(generation, 0);
	fputs("{\"key\":", stream);
	textout_json(stream, key, strlen(key));
	if (turn > 0) {
		fputs(",\"turn\":", stream);
		write_whole(stream, (long long)turn);
	}
	fputs(",\"text\":", stream);
	textout_json(stream, answer->text != NULL ? answer->text : "", answer->size);
	fputs(",\"finish\":\"", stream);
	fputs(generation_finish_name(generation_finish(generation)), stream);
	fputs("\",\"tokens\":", stream);
	write_whole(stream, (long long)result.count);
	fputs(",\"score\":", stream);
	write_number(stream, result.score);
	if (form->ids) {
		fputs(",\"ids\":[", stream);
		write_ids(stream, result.ids, result.count, ',');
		putc(']', stream);
	}
	if (form->logprobs) {
		fputs(",\"logprobs\":[", stream);
		write_logprobs(stream, result.logprobs, result.count, ',');
		putc(']', stream);
	}
	int status = form->hypotheses ? write_hypotheses(stream, generation, answer, bpe) : 0;
	fputs("}\n", stream);
	return status;
}

int reply_write(FILE *stream, const struct reply_form *form, const char *key, size_t turn,
    const struct generation *generation, const struct answer *answer, const struct bpe *bpe)
{
	if (form->json)
		return write_object(stream, form, key, turn, generation, answer, bpe);
	struct generation_result result = { 0 };
	if (generation_results(generation) > 0)
		result = generation_result(generation, 0);
	reply_write_key(stream, form, key);
	if (form->ids)
		write_ids(stream, result.ids, result.count, ' ');
	else
		reply_write_text(stream, form, answer->text != NULL ? answer->text : "", answer->size);
	if (form->logprobs) {
		putc('\t', stream);
		write_logprobs(stream, result.logprobs, result.count, ' ');
	}
	reply_write_end(stream, form);
	return 0;
}

void reply_write_plain(
    FILE *stream, const struct reply_form *form, const char *key, const char *text, size_t size)
{
	if (form->json) {
		fputs("{\"key\":", stream);
		textout_json(stream, key, strlen(key));
		fputs(",\"text\":", stream);
		textout_json(stream, text, size);
		fputs("}\n", stream);
		return;
	}
	reply_write_key(stream, form, key);
	reply_write_text(stream, form, text, size);
	reply_write_end(stream, form);
}

void reply_write_failure(
    FILE *stream, const struct reply_form *form, const char *key, const char *reason)
{
	if (form->json) {
		fputs("{\"key\":", stream);
		textout_json(stream, key, strlen(key));
		fputs(",\"error\":", stream);
		textout_json(stream, reason, strlen(reason));
		fputs("}\n", stream);
		return;
	}
	reply_write_key(stream, form, key);
	reply_write_end(stream, form);
}

void reply_write_score(FILE *stream, const struct reply_form *form, const char *key,
    const char *text, size_t tokens, double sum)
{
	double mean = tokens > 0 ? sum / (double)tokens : 0;
	if (form->json) {
		fputs("{\"key\":", stream);
		textout_json(stream, key, strlen(key));
		fputs(",\"text\":", stream);
		textout_json(stream, text, strlen(text));
		fputs(",\"tokens\":", stream);
		write_whole(stream, (long long)tokens);
		fputs(",\"sum\":", stream);
		write_number(stream, sum);
		fputs(",\"mean\":", stream);
		write_number(stream, mean);
		fputs("}\n", stream);
		return;
	}
	reply_write_key(stream, form, key);
	reply_write_text(stream, form, text, strlen(text));
	char numbers[64];
	snprintf(numbers, sizeof numbers, "\t%.9g\t%.9g", sum, mean);
	fputs(numbers, stream);
	reply_write_end(stream, form);
}
