/* template.c - prompt templates: parsing, rendering, and the built-in copies. */
#include "base/error.h"
#include "tap.h"
#include "text/template.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* A rendered prompt as one line: segments in [], the picture as <image>, "^" for <s>. */
static const char *rendered(
    const char *name, const struct template_turn *turns, size_t count, bool image)
{
	static char line[4096];
	struct template *template = template_open(name, NULL);
	struct template_prompt prompt = { 0 };
	line[0] = '\0';
	if (!template || template_render(template, turns, count, image, &prompt))
		return error_text();
	for (size_t i = 0; i < prompt.count; i++) {
		const struct template_segment *segment = &prompt.segments[i];
		if (segment->size != strlen(segment->text))
			return "wrong size";
		snprintf(line + strlen(line), sizeof line - strlen(line), "[%s%s]", segment->bos ? "^" : "",
		    segment->image ? "<image>" : segment->text);
	}
	template_prompt_clear(&prompt);
	template_close(template);
	return line;
}

static void is(const char *name, const char *got, const char *wanted)
{
	if (!TAP_OK(strcmp(got, wanted) == 0, "%s", name))
		printf("# got    %s\n# wanted %s\n", got, wanted);
}

static void check_rendering(void)
{
	static const struct template_turn one[] = { { "What is it?", NULL } },
	                                  two[] = { { " Who? ", "A cat.\n" }, { "Where?", NULL } };
	is("ziya, one turn", rendered("ziya", one, 1, true), "[<image>][<human>:What is it?\n<bot>:]");
	is("ziya, two turns, trimmed", rendered("ziya", two, 2, true),
	    "[<image>][<human>:Who?\n<bot>:A cat.\n<human>:Where?\n<bot>:]");
	is("ziya, no picture", rendered("ziya", one, 1, false), "[<human>:What is it?\n<bot>:]");
	is("vicuna", rendered("vicuna", one, 1, true), "[<image>][^What is it?]");
	is("minigpt4", rendered("minigpt4", one, 1, true),
	    "[^Give the following image: <Img>ImageContent</Img>. You will be able to see the image "
	    "once "
	    "I provide it to you. Please answer my questions.###Human: <Img>][<image>][</Img> What is "
	    "it?###Assistant:]");
	is("minigpt4, two turns without a picture", rendered("minigpt4", two, 2, false),
	    "[^Give the following image: <Img>ImageContent</Img>. You will be able to see the image "
	    "once "
	    "I provide it to you. Please answer my questions.###Human:  Who? ###Assistant: A cat.\n"
	    "###Human: Where?###Assistant:]");
	is("plain", rendered("plain", one, 1, true), "[<image>][^What is it?]");
	is("plain, nothing to say",
	    rendered("plain", (struct template_turn[]){ { "", NULL } }, 1, true), "[<image>][^]");
}

static void check_options(void)
{
	struct template *ziya = template_open("ziya", NULL), *plain = template_open("plain", NULL),
	                *minigpt4 = template_open("minigpt4", NULL);
	struct template_segment segment = { .bos = true };
	struct bpe_options options = template_options(ziya, &segment, BPE_ADDED_KEEP, true);
	TAP_OK(options.bos && options.added == BPE_ADDED_STRIP && !options.modern,
	    "what the template says counts");
	options = template_options(plain, &segment, BPE_ADDED_KEEP, true);
	TAP_OK(options.added == BPE_ADDED_KEEP && options.modern, "else what the caller says");
	TAP_OK(!template_stop(ziya, 0) && strcmp(template_stop(minigpt4, 0), "###") == 0 &&
	           !template_stop(minigpt4, 1),
	    "stop texts");
	TAP_OK(template_answer_eos(ziya), "answers end with </s>");
	template_close(ziya);
	template_close(plain);
	template_close(minigpt4);
}

static void check_parsing(void)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{ "", "no turn" },
		{ "turn {answer}", "{question} once" },
		{ "turn {question}{question}", "{question} once" },
		{ "turn {answer}{question}", "behind it" },
		{ "turn {question}\nturn {question}", "line 2: the line is there twice" },
		{ "turn {question}{pucture}", "line 1: \"{pucture}\" is no" },
		{ "turn {question}\\x", "line 1: \"\\x\" is no" },
		{ "turn {question}\nbos maybe", "line 2: bos is one of no, yes; not \"maybe\"" },
		{ "turn {question}\nadded x", "added is one of model, strip, keep" },
		{ "turn {question}\ncolour red", "\"colour\" is no word" },
		{ "turn {question}\nbos", "nothing behind" },
		{ "turn {question}{image}", "{image} stands once" },
		{ "turn {question}\nimage inside", "{image} stands once" },
		{ "image inside\nsystem {image}\nturn {image}{question}", "{image} stands once" },
		{ "turn {question}\nbetween {question}", "belong into a turn" },
		{ "turn {question}\npicture {image}", "needs \"image inside\"" },
		{ "turn {question}\nstop {image}", "a stop text" },
		{ "turn {question}\xff", "UTF-8" },
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct template *template = template_parse(bad[i].text, strlen(bad[i].text));
		TAP_OK(!template && strstr(error_text(), bad[i].why), "refused: %s", error_text());
		template_close(template);
	}
	static const char good[] = "# all of it\r\n\r\nbos yes\neos no\nadded keep\nprefix modern\n"
	                           "image inside\nsystem S\\{\\s\nfirst {image}F {question}>{answer}.\n"
	                           "turn {image}T {question}>{answer}.   \nbetween |\n"
	                           "picture ({image})\nstop \\n\\n\nstop ###\ntrim yes\n";
	struct template *template = template_parse(good, sizeof good - 1);
	TAP_OK(template && !template_answer_eos(template), "every word is known: %s", error_text());
	FILE *file = fopen("own.template", "w");
	if (file) {
		fputs(good, file);
		fclose(file);
	}
	static const struct template_turn turns[] = { { "a", "b" }, { "c", NULL } };
	is("a template of one's own", rendered("./own.template", turns, 2, true),
	    "[^S{ (][<image>][)F a>b.|T c>]");
	is("an answered last turn stays", rendered("own.template", turns, 1, false), "[^S{ F a>b.]");
	template_close(template);
	template = template_open("own", ".");
	TAP_OK(template != NULL && strcmp(template_stop(template, 0), "\n\n") == 0,
	    "templates in the model directory are found");
	template_close(template);
	TAP_OK(!template_open("nonsense", ".") && strstr(error_text(), "ziya vicuna minigpt4 plain"),
	    "an unknown name lists the known ones");
	mkfifo("fifo.template", 0600);
	TAP_OK(!template_open("fifo.template", NULL) && strstr(error_text(), "is no regular file"),
	    "a FIFO is not waited for: %s", error_text());
	TAP_OK(!template_open("/dev/zero", NULL) && error_kind() == ERROR_SYSTEM, "nor a device read");
	TAP_OK(!template_open("absent.template", NULL) && error_kind() == ERROR_SYSTEM,
	    "a missing file is the environment's fault");
}

/* The built-in copies are the files that users read and copy. */
static void check_copies(void)
{
	const char *root = getenv("ZV_ROOT"), *name, *text;
	if (!root) {
		tap_skip("built-in copies", "ZV_ROOT is not set");
		return;
	}
	for (size_t i = 0; (name = template_builtin(i, &text)); i++) {
		char path[4096], bytes[4096];
		snprintf(path, sizeof path, "%s/examples/templates/%s.template", root, name);
		FILE *file = fopen(path, "rb");
		size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
		if (file)
			fclose(file);
		TAP_OK(size == strlen(text) && memcmp(bytes, text, size) == 0, "%s.template is built in",
		    name);
	}
}

int main(void)
{
	check_rendering();
	check_options();
	check_parsing();
	check_copies();
	return tap_finish();
}
