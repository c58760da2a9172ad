/* answer.c - stop texts that span pieces, and UTF-8 that is never split, while an answer grows. */
#include <string.h>

#include "base/utf8.h"
#include "model/answer.h"
#include "tap.h"

static const char *const stops[] = { "###", "\n<human>", "停止" };

/* Feed text in pieces of step bytes; what was settled along the way must never be taken back. */
static bool grows_well(const char *text, size_t step, const char *wanted, bool stopped)
{
	struct answer answer;
	answer_begin(&answer, stops, 3);
	size_t size = strlen(text), shown = 0;
	char seen[256] = "";
	bool good = true;
	for (size_t at = 0; at < size; at += step) {
		size_t piece = size - at < step ? size - at : step;
		good = good && answer_add(&answer, text + at, piece) == 0;
		size_t settled = answer_settled(&answer);
		good = good && settled >= shown && settled <= answer.size &&
		       utf8_valid_prefix(answer.text, settled) == settled;
		memcpy(seen + shown, answer.text + shown, settled - shown);
		shown = settled;
	}
	good = good && strcmp(answer.text, wanted) == 0 && answer.stopped == stopped &&
	       memcmp(seen, wanted, shown) == 0;
	answer_clear(&answer);
	return good;
}

int main(void)
{
	static const struct {
		const char *text, *wanted, *name;
		bool stopped;
	} cases[] = {
		{ "a dog on the beach", "a dog on the beach", "nothing to stop at", false },
		{ "a dog###Human: more", "a dog", "a stop text", true },
		{ "a # dog ## on", "a # dog ## on", "beginnings of a stop text", false },
		{ "a ####", "a ", "a stop text inside a longer run", true },
		{ "一只狗。\n<human>:再见", "一只狗。", "a stop text behind Chinese", true },
		{ "一只停狗停止了", "一只停狗", "a Chinese stop text", true },
		{ "a \n<hum", "a \n<hum", "ends inside a possible stop text", false },
		{ "###", "", "nothing but a stop text", true },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t step = 1; step <= 7; step += 2)
			TAP_OK(grows_well(cases[i].text, step, cases[i].wanted, cases[i].stopped),
			    "%s, in pieces of %d bytes", cases[i].name, (int)step);
	struct answer answer;
	answer_begin(&answer, stops, 3);
	TAP_OK(answer_settled(&answer) == 0, "nothing yet: nothing settled");
	answer_add(&answer, "x\xe4\xb8", 3);
	TAP_OK(answer_settled(&answer) == 1, "half a character waits");
	answer_add(&answer, "\x80", 1);
	TAP_OK(answer_settled(&answer) == 4, "and leaves whole");
	answer_add(&answer, "y##", 3);
	TAP_OK(answer_settled(&answer) == 5, "the beginning of a stop text waits");
	answer_add(&answer, "#zzz", 4);
	answer_add(&answer, "never", 5);
	TAP_OK(answer.size == 5 && answer.stopped, "what follows a stop text is dropped");
	answer_clear(&answer);
	return tap_finish();
}
