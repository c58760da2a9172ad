/* cleanup.c - BLIP-2's clean-up of captions and questions. What the reference code makes of the
 * reference strings is in tests/golden/tokenizers.t. */
#include "base/error.h"
#include "base/memory.h"
#include "tap.h"
#include "text/cleanup.h"

#include <string.h>

static void check(enum cleanup_kind kind, const char *text, const char *prompt, const char *wanted)
{
	char *clean = NULL;
	size_t size = 0;
	int status = cleanup_text(kind, text, strlen(text), prompt, &clean, &size);
	TAP_OK(status == 0 && strcmp(clean, wanted) == 0 && size == strlen(wanted), "%s: \"%s\"",
	    kind == CLEANUP_CAPTION ? "caption" : "question", clean ? wanted : error_text());
	memory_release(clean);
}

int main(void)
{
	check(CLEANUP_CAPTION, "  A dog; (brown)...  ", NULL, "a dog brown");
	check(CLEANUP_CAPTION, "", NULL, "");
	check(CLEANUP_CAPTION, "...", "a photo of ", "a photo of ");
	check(CLEANUP_CAPTION, "Dog", "a photo of ", "a photo of dog");
	check(CLEANUP_CAPTION, "one\ttab, two\t\ttabs", NULL, "one\ttab, two tabs");
	check(CLEANUP_CAPTION, "end\n", NULL, "end");
	check(CLEANUP_CAPTION, "wide\u3000\u3000blank", NULL, "wide blank");
	check(CLEANUP_QUESTION, "Is it (a) Dog?  ", NULL, "is it a dog?");
	check(CLEANUP_QUESTION, " two  blanks", NULL, " two  blanks");
	check(CLEANUP_NONE, " As; is. ", NULL, " As; is. ");
	/* a letter whose lower case has more bytes: U+023A (2) to U+2C65 (3) */
	check(CLEANUP_CAPTION, "\u023a", NULL, "\u2c65");
	char words[256] = "", fifty[128];
	for (int i = 0; i < 60; i++)
		strcat(words, "w ");
	memcpy(fifty, words, 99);
	fifty[99] = '\0';
	check(CLEANUP_CAPTION, words, NULL, fifty);
	check(CLEANUP_QUESTION, words, NULL, fifty);
	char *clean;
	size_t size;
	TAP_OK(cleanup_text(CLEANUP_CAPTION, "ab\xff", 3, NULL, &clean, &size) == -1 &&
	           strstr(error_text(), "byte 2"),
	    "bad UTF-8 is named by its byte");
	return tap_finish();
}
