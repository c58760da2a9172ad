/* template_builtin.c - the templates that every program knows without a file: the same bytes as
 * examples/templates/NAME.template, which a test compares.
 */
#include "text/template.h"

static const struct {
	const char *name, *text;
} builtins[] = {
	{ "ziya", "# Ziya-Visual and Ziya-LLaMA: no <s>; the added tokens eat the white space "
	          "beside them.\n"
	          "bos no\n"
	          "added strip\n"
	          "prefix legacy\n"
	          "trim yes\n"
	          "image front\n"
	          "turn <human>:{question}\\n<bot>:{answer}\n"
	          "between \\n\n" },
	{ "vicuna", "# InstructBLIP with Vicuna: the bare question behind the picture.\n"
	            "bos yes\n"
	            "prefix legacy\n"
	            "image front\n"
	            "turn {question}{answer}\n"
	            "between \\n\n" },
	{ "minigpt4", "# MiniGPT-4 with Vicuna v0: the picture stands inside the first turn.\n"
	              "bos yes\n"
	              "prefix legacy\n"
	              "image inside\n"
	              "system Give the following image: <Img>ImageContent</Img>. You will be able "
	              "to see the image once I provide it to you. Please answer my questions.\n"
	              "picture <Img>{image}</Img>\\s\n"
	              "turn ###Human: {image}{question}###Assistant: {answer}\n"
	              "stop ###\n" },
	{ "plain", "# The question alone; what is written as a question is what the model "
	           "reads.\n"
	           "bos yes\n"
	           "image front\n"
	           "turn {question}{answer}\n" },
};

const char *template_builtin(size_t i, const char **text)
{
	if (i >= sizeof builtins / sizeof builtins[0])
		return NULL;
	*text = builtins[i].text;
	return builtins[i].name;
}
