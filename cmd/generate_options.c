/* generate_options.c - see generate_options.h: the table of options, and which do not go together. */
#include "generate_options.h"

#include <string.h>

#include "base/utf8.h"
#include "model/batch.h"
#include "model/score_batch.h"

struct generate_options option = { .wishes = GENERATION_NO_WISHES };

static const char *const added_choices[] = { "model", "strip", "keep", NULL };
static const char *const cache_choices[] = { "f32", "f16", "int8", NULL };
static const char *const rank_choices[] = { "none", "sum", "mean", NULL };

/* clang-format off */
static const struct option_entry options[] = {
	{ 'p', "prompt", "TEXT", OPTION_TEXT, &option.prompt, 0, 0, NULL,
	  "the question, for all records (default: the record's own, or none)" },
	{ 'P', "prompts", "FILE", OPTION_TEXT, &option.prompts, 0, 0, NULL,
	  "questions without pictures, one a line (-: standard input)" },
	{ 0, "keyed", NULL, OPTION_FLAG, &option.keyed, 0, 0, NULL,
	  "lines of --prompts are \"key TAB question\" (default key: line number)" },
	{ 0, "no-image", NULL, OPTION_FLAG, &option.no_image, 0, 0, NULL,
	  "no picture: -p alone, or --chat about nothing" },
	{ 0, "template", "NAME", OPTION_TEXT, &option.template, 0, 0, NULL,
	  "prompt template: ziya, vicuna, minigpt4, plain, or a file\n(default: the model's)" },
	{ 0, "raw", NULL, OPTION_FLAG, &option.raw, 0, 0, NULL,
	  "no template: the picture, then the text as it is" },
	{ 0, "bos", NULL, OPTION_FLAG, &option.bos, 0, 0, NULL,
	  "put <s> in front of the text (default: as the template says)" },
	{ 0, "no-bos", NULL, OPTION_FLAG, &option.no_bos, 0, 0, NULL, "leave it out" },
	{ 0, "added", "HOW", OPTION_CHOICE, &option.added, 0, 0, added_choices,
	  "white space round added tokens such as <bot>: strip, keep,\n"
	  "or as the template and the model say (default model)" },
	{ 0, "modern", NULL, OPTION_FLAG, &option.modern, 0, 0, NULL,
	  "no blank is put in front of text behind an added token" },
	{ 0, "legacy", NULL, OPTION_FLAG, &option.legacy, 0, 0, NULL,
	  "one is put there (default: as the template and the model say)" },
	{ 'b', "batch", "N", OPTION_WHOLE, &option.batch, 1, BATCH_MOST, NULL,
	  "answer up to N records at once; answers do not depend on it\n"
	  "(default: what memory allows, 16 at most)" },
	{ 0, "cache", "TYPE", OPTION_CHOICE, &option.cache, 0, 0, cache_choices,
	  "keep keys and values as f32, f16 or int8 (default f32)" },
	{ 0, "lookup", NULL, OPTION_FLAG, &option.lookup, 0, 0, NULL,
	  "guess tokens from prompt and answer, verify several at once:\n"
	  "the same answers, sooner where they repeat something" },
	{ 0, "max-new", "N", OPTION_WHOLE, &option.wishes.max_new, 1, 1 << 20, NULL,
	  "tokens of an answer at most (default: the model's, or 128)" },
	{ 0, "min-new", "N", OPTION_WHOLE, &option.wishes.min_new, 0, 1 << 20, NULL,
	  "tokens before the answer may end (default 0)" },
	{ 0, "stop", "TEXT", OPTION_LIST, &option.stops, 0, 0, NULL,
	  "end the answer in front of TEXT; may be given several times" },
	{ 0, "greedy", NULL, OPTION_FLAG, &option.wishes.greedy, 0, 0, NULL,
	  "always the best token, whatever the model's settings say" },
	{ 0, "sample", NULL, OPTION_FLAG, &option.wishes.sample, 0, 0, NULL,
	  "draw tokens at random (default: as the model's settings say)" },
	{ 0, "temperature", "X", OPTION_REAL, &option.wishes.temperature, 0, 100, NULL,
	  "sampling: divide the scores by X (default: the model's, or 1)" },
	{ 0, "top-k", "N", OPTION_WHOLE, &option.wishes.top_k, 0, 1 << 20, NULL,
	  "sampling: from the N best, 0: all (default: the model's, or 50)" },
	{ 0, "top-p", "P", OPTION_REAL, &option.wishes.top_p, 0, 1, NULL,
	  "sampling: from the fewest best that reach probability P\n(default: the model's, or 1)" },
	{ 0, "seed", "N", OPTION_WHOLE, &option.wishes.seed, 0, 0x1p53, NULL,
	  "sampling: another N, other answers (default 0)" },
	{ 0, "beams", "N", OPTION_WHOLE, &option.wishes.beams, 1, 64, NULL,
	  "beam search with N beams (default: the model's, or 1)" },
	{ 0, "length-penalty", "X", OPTION_REAL, &option.wishes.length_penalty, -100, 100, NULL,
	  "beams: score is log-probability / length^X (default: the\nmodel's, or 1)" },
	{ 0, "early-stopping", NULL, OPTION_FLAG, &option.wishes.early_stopping, 0, 0, NULL,
	  "beams: stop as soon as N answers are complete" },
	{ 0, "repetition-penalty", "X", OPTION_REAL, &option.wishes.repetition_penalty, 0.01, 100, NULL,
	  "make tokens that the answer holds already less likely, X > 1\n"
	  "(default: the model's, or 1)" },
	{ 0, "count-bos", NULL, OPTION_FLAG, &option.wishes.count_bos, 0, 0, NULL,
	  "count a <s> in front of each answer, as transformers 4.33 did" },
	{ 0, "ignore-eos", NULL, OPTION_FLAG, &option.wishes.ignore_eos, 0, 0, NULL,
	  "</s> is a token like others" },
	{ 0, "all-ids", NULL, OPTION_FLAG, &option.all_ids, 0, 0, NULL,
	  "allow rows of the model that belong to no token" },
	{ 0, "adapter", "FILE", OPTION_LIST, &option.adapters, 0, 0, NULL,
	  "LoRA adapter made by zv-import; may be given several times" },
	{ 0, "score", "FILE", OPTION_TEXT, &option.score, 0, 0, NULL,
	  "generate nothing: the log-likelihood of each answer in FILE,\n"
	  "lines \"answer\" or \"key TAB answer\"" },
	{ 0, "rank", "BY", OPTION_CHOICE, &option.rank, 0, 0, rank_choices,
	  "--score: best first by sum or mean, or in order (default none)" },
	{ 0, "chat", NULL, OPTION_FLAG, &option.chat, 0, 0, NULL,
	  "talk about one picture: turns from standard input, one a line" },
	{ 0, "stream", NULL, OPTION_FLAG, &option.stream, 0, 0, NULL,
	  "write each answer while it grows (default on a terminal)" },
	{ 0, "text-only", NULL, OPTION_FLAG, &option.text_only, 0, 0, NULL,
	  "write the answer alone, without key and escapes" },
	{ 0, "ids", NULL, OPTION_FLAG, &option.ids, 0, 0, NULL,
	  "write token ids (in JSON: besides the text)" },
	{ 0, "logprobs", NULL, OPTION_FLAG, &option.logprobs, 0, 0, NULL,
	  "write the log-probability of each token too" },
	{ 0, "hypotheses", NULL, OPTION_FLAG, &option.hypotheses, 0, 0, NULL,
	  "with --json and --beams: all hypotheses, best first" },
	{ 0 },
};

const struct program generate_program = {
	.name = "zv-generate",
	.purpose = "write answers about pictures from soft prompts",
	.operands = "[FILE...]",
	.common = COMMON_MODEL | COMMON_OUTPUT | COMMON_NAMES | COMMON_THREADS | COMMON_JSON |
	          COMMON_STRICT | COMMON_RECORDS | COMMON_MAKER,
	.options = options,
	.input = "soft prompts from zv-qformer (with their questions), or --prompts",
	.output = "a line \"key TAB answer\" per record, or JSON, or just the text; with -0\n"
	          "      each ends with a zero byte in place of a newline and carries no escapes",
	.examples = { "zv-qformer -m ziya photos.zv | zv-generate -m ziya -p 'What is this?'",
	              "zv-generate -m ziya -p 'Tell a joke.' --no-image --sample", NULL },
	.see_also = "zv-qformer(1), zv-ask(1), zv-tokenize(1), zv-template(5)",
};
/* clang-format on */

static void refuse(bool wrong, const char *text)
{
	if (wrong)
		program_usage("%s", text);
}

void options_check(int operands)
{
	bool prompts = option.prompts != NULL, score = option.score != NULL;
	option.no_image = option.no_image || prompts;
	refuse(common.model == NULL, "which model? give -m MODEL");
	refuse(option.bos && option.no_bos, "--bos and --no-bos do not go together");
	refuse(option.modern && option.legacy, "--modern and --legacy do not go together");
	refuse(option.raw && option.template, "--raw and --template do not go together");
	refuse(option.raw && option.chat, "--chat needs a template, not --raw");
	refuse(option.prompt && (prompts || option.chat), "-p does not go with --prompts or --chat");
	refuse(option.keyed && !prompts, "--keyed is about the lines of --prompts");
	refuse(option.chat && (score || prompts), "--chat does not go with --score or --prompts");
	refuse(option.no_image && (operands > 0 || common.files_from || common.shards > 1),
	    "without pictures no FILE is read");
	refuse(option.no_image && !option.chat && !option.prompt && !prompts,
	    "--no-image needs -p TEXT, --prompts FILE or --chat");
	refuse(option.lookup && score, "--lookup is about answers, not about --score");
	refuse(option.rank != SCORE_IN_ORDER && !score, "--rank is about --score");
	refuse(option.hypotheses && !common.json, "--hypotheses needs --json");
	refuse(common.json && (option.text_only || (common.null && !common.files_from)),
	    "--json does not go with --text-only or --null");
	refuse(
	    option.stream && (common.json || option.ids || option.logprobs || option.wishes.beams > 1),
	    "--stream shows text alone: no --json, --ids, --logprobs or --beams");
	refuse(option.chat && !option.no_image && operands != 1,
	    "--chat is about one picture: name one FILE, or give --no-image");
	size_t size = option.prompt != NULL ? strlen(option.prompt) : 0;
	refuse(size > 0 && utf8_valid_prefix(option.prompt, size) < size, "-p: the text is not UTF-8");
	for (int i = 0; i < option.stops.count; i++)
		refuse(option.stops.texts[i][0] == '\0', "--stop: the text is empty");
}
