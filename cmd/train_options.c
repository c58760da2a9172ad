/* train_options.c - see train_options.h: the table of options, and which do not go together. */
#include "train_options.h"

#include <string.h>

#include "base/dtype.h"

static const char *const keep_choices[] = { "last", "best", NULL };
static const char *const math_choices[] = { "f32", "bf16", NULL };
const char *const language_choices[] = { "both", "en", "zh", NULL };
const char *const schedule_choices[] = { "cosine", "staircase", "linear", "constant", NULL };

struct train_options option = { .side = -1,
	.batch = 32,
	.accumulate = 1,
	.rate = 1e-4,
	.least = -1,
	.warm_up = "5%",
	.beta1 = 0.9,
	.beta2 = 0.98,
	.eps = 1e-8,
	.decay = 0.05,
	.dropout = 0.1,
	.smoothing = 0.1,
	.match_share = 1,
	.lora_alpha = 32,
	.lora_dropout = 0.05,
	.lora_targets = "q_proj,k_proj,v_proj",
	.dtype = -1,
	.save_every = 500,
	.log_every = 10 };

/* clang-format off */
static const struct option_entry options[] = {
	{ 0, "config", "FILE", OPTION_TEXT, &option.config, 0, 0, NULL,
	  "new: settings PART.WORD=VALUE, one a line" },
	{ 0, "data", "FILE", OPTION_LIST, &option.data, 0, 0, NULL,
	  "examples as JSON lines, as operands are; FILE=WEIGHT: how often\n"
	  "beside other files (default: the root of its lines)" },
	{ 0, "valid", "FILE", OPTION_TEXT, &option.valid, 0, 0, NULL,
	  "held-out examples to measure the model with" },
	{ 0, "valid-every", "N", OPTION_WHOLE, &option.valid_every, 1, 1e9, NULL,
	  "do so every N steps (default: ten times, and at the end)" },
	{ 0, "keep", "WHICH", OPTION_CHOICE, &option.keep, 0, 0, keep_choices,
	  "the result: the state at the end (last), or the best on the\n"
	  "held-out examples (best) (default: best if there are any)" },
	{ 0, "features", "FILE", OPTION_LIST, &option.features, 0, 0, NULL,
	  "features of the pictures, made by zv-encode; may be given\n"
	  "several times (default: the pictures are read)" },
	{ 0, "pictures", "DIR", OPTION_TEXT, &option.pictures, 0, 0, NULL,
	  "folder of the pictures that examples name (default: this one)" },
	{ 0, "side", "N", OPTION_WHOLE, &option.side, 0, 4096, NULL,
	  "bring pictures to N x N pixels; 0: they are square, and stay\n"
	  "as they are (default: the model's side)" },
	{ 0, "crop", NULL, OPTION_FLAG, &option.crop, 0, 0, NULL,
	  "cut a random part of half the area or more out of each picture" },
	{ 0, "flip", NULL, OPTION_FLAG, &option.flip, 0, 0, NULL,
	  "mirror every other picture: where no text speaks of sides" },
	{ 'b', "batch", "N", OPTION_WHOLE, &option.batch, 1, 65536, NULL,
	  "examples that are computed at a time (default 32)" },
	{ 0, "accumulate", "N", OPTION_WHOLE, &option.accumulate, 1, 65536, NULL,
	  "batches in a step (default 1)" },
	{ 0, "steps", "N", OPTION_WHOLE, &option.steps, 1, 1e12, NULL, "steps of the run" },
	{ 0, "epochs", "X", OPTION_REAL, &option.epochs, 0, 1e9, NULL,
	  "steps as many as see each example X times" },
	{ 0, "rate", "X", OPTION_REAL, &option.rate, 0, 100, NULL,
	  "learning rate at its peak (default 1e-4)" },
	{ 0, "least-rate", "X", OPTION_REAL, &option.least, 0, 100, NULL,
	  "learning rate at the end (default: a tenth of the peak)" },
	{ 0, "warm-up", "N", OPTION_TEXT, &option.warm_up, 0, 0, NULL,
	  "steps in which the rate rises to its peak, or as N% of all\n(default 5%)" },
	{ 0, "warm-from", "X", OPTION_REAL, &option.warm_from, 0, 100, NULL,
	  "the rate that it rises from (default 0)" },
	{ 0, "schedule", "KIND", OPTION_CHOICE, &option.schedule, 0, 0, schedule_choices,
	  "how the rate falls: cosine, staircase (cosine by epoch),\n"
	  "linear, constant (default cosine)" },
	{ 0, "beta1", "X", OPTION_REAL, &option.beta1, 0, 0.999999, NULL,
	  "AdamW: memory of the gradient (default 0.9)" },
	{ 0, "beta2", "X", OPTION_REAL, &option.beta2, 0, 0.999999, NULL,
	  "AdamW: memory of its square (default 0.98)" },
	{ 0, "eps", "X", OPTION_REAL, &option.eps, 0, 1, NULL,
	  "AdamW: added to the root of the square (default 1e-8)" },
	{ 0, "decay", "X", OPTION_REAL, &option.decay, 0, 100, NULL,
	  "AdamW: decay of matrices (default 0.05)" },
	{ 0, "clip", "X", OPTION_REAL, &option.clip, 0, 1e9, NULL,
	  "longest gradient; 0: any (default 0)" },
	{ 0, "average", "X", OPTION_REAL, &option.average, 0, 0.999999999, NULL,
	  "the result is the average of all steps, with weights that fall\n"
	  "by X a step (default 0: no average)" },
	{ 0, "train", "LIST", OPTION_TEXT, &option.train, 0, 0, NULL,
	  "what is trained, separated by commas: vit, ln-vision, queries,\n"
	  "qformer, text, heads, contrast-heads, match-head, caption-head,\n"
	  "projection, llm, lora (default: what the stage usually trains)" },
	{ 0, "rates", "LIST", OPTION_TEXT, &option.rates, 0, 0, NULL,
	  "GROUP=FACTOR,...: learning rates of single groups" },
	{ 0, "dropout", "X", OPTION_REAL, &option.dropout, 0, 0.9, NULL,
	  "of rows and attention in the Q-Former (default 0.1)" },
	{ 0, "smoothing", "X", OPTION_REAL, &option.smoothing, 0, 0.9, NULL,
	  "contrast: of labels of ITC and ITG (default 0.1)" },
	{ 0, "losses", "LIST", OPTION_TEXT, &option.losses, 0, 0, NULL,
	  "contrast: weights such as itc=1,itm=0.5,itg=1 (default: all 1)" },
	{ 0, "match-share", "X", OPTION_REAL, &option.match_share, 0, 1, NULL,
	  "contrast: share of a batch that ITM takes (default 1)" },
	{ 0, "wrong-share", "X", OPTION_REAL, &option.wrong_share, 0, 1, NULL,
	  "contrast: share of ITM's wrong texts that come from the\n"
	  "examples' own \"wrong\" (default 0)" },
	{ 0, "two-sided", NULL, OPTION_FLAG, &option.two_sided, 0, 0, NULL,
	  "contrast: ITC's gradient into both sides of each pair" },
	{ 0, "fix-temperature", NULL, OPTION_FLAG, &option.fix_temperature, 0, 0, NULL,
	  "contrast: the temperature stays as it is" },
	{ 0, "classes", "N", OPTION_WHOLE, &option.classes, 1, 1 << 20, NULL,
	  "classify: how many classes there are (default: the largest\n"
	  "in the examples, and 1)" },
	{ 0, "places", NULL, OPTION_FLAG, &option.places, 0, 0, NULL,
	  "classify: features of the encoder also tell where they are" },
	{ 0, "language", "WHICH", OPTION_CHOICE, &option.language, 0, 0, language_choices,
	  "of captions: en, zh, or both by turns (default both)" },
	{ 0, "answers", NULL, OPTION_FLAG, &option.answers, 0, 0, NULL,
	  "text: of talks only the answers count (default: all tokens)" },
	{ 0, "question-inside", NULL, OPTION_FLAG, &option.question_inside, 0, 0, NULL,
	  "generate, instruct: the Q-Former reads the question as well\n"
	  "(default: as the model says)" },
	{ 0, "question-outside", NULL, OPTION_FLAG, &option.question_outside, 0, 0, NULL,
	  "generate, instruct: it does not, so that all answers of a\n"
	  "talk count at once; the model stays as it is" },
	{ 0, "prompts", "FILE", OPTION_TEXT, &option.prompts, 0, 0, NULL,
	  "questions that ask for a caption, lines \"en TAB text\" or\n"
	  "\"zh TAB text\" (default: 13 English and 6 Chinese ones)" },
	{ 0, "template", "NAME", OPTION_TEXT, &option.template, 0, 0, NULL,
	  "prompt template (default: the model's)" },
	{ 0, "text-most", "N", OPTION_WHOLE, &option.text_most, 1, 1 << 20, NULL,
	  "cut texts to N tokens (default: contrast 32, others 256)" },
	{ 0, "lora", "RANK", OPTION_WHOLE, &option.lora_rank, 1, 65536, NULL,
	  "train adapters of this rank in the language model" },
	{ 0, "lora-alpha", "X", OPTION_REAL, &option.lora_alpha, 0, 1e6, NULL,
	  "their scale, times their rank (default 32)" },
	{ 0, "lora-dropout", "X", OPTION_REAL, &option.lora_dropout, 0, 0.9, NULL,
	  "of what goes into them (default 0.05)" },
	{ 0, "lora-targets", "LIST", OPTION_TEXT, &option.lora_targets, 0, 0, NULL,
	  "layers that get one: ends of names, separated by commas, or a\n"
	  "regular expression (default q_proj,k_proj,v_proj)" },
	{ 0, "rslora", NULL, OPTION_FLAG, &option.rslora, 0, 0, NULL,
	  "scale alpha / sqrt(rank) in place of alpha / rank" },
	{ 0, "adapter", "FILE", OPTION_TEXT, &option.adapter, 0, 0, NULL,
	  "go on with the adapters in FILE" },
	{ 0, "merge", NULL, OPTION_FLAG, &option.merge, 0, 0, NULL,
	  "add the adapters to the weights in the result" },
	{ 0, "dtype", "TYPE", OPTION_CHOICE, &option.dtype, 0, 0, dtype_stored,
	  "store matrices as f32, bf16 or f16 (default: as they\n"
	  "were; new: f32)" },
	{ 0, "math", "TYPE", OPTION_CHOICE, &option.math, 0, 0, math_choices,
	  "multiply in f32 or bf16; weights and sums stay f32 (default f32)" },
	{ 0, "in-order", NULL, OPTION_FLAG, &option.in_order, 0, 0, NULL,
	  "take examples in the order of the files" },
	{ 0, "seed", "N", OPTION_WHOLE, &option.seed, 0, 0x1p53, NULL,
	  "another N, other random numbers (default 0)" },
	{ 0, "save-every", "N", OPTION_WHOLE, &option.save_every, 0, 1e12, NULL,
	  "write a checkpoint every N steps; 0: at a signal alone\n(default 500)" },
	{ 0, "checkpoint", "FILE", OPTION_TEXT, &option.checkpoint, 0, 0, NULL,
	  "where to (default OUT.checkpoint)" },
	{ 0, "resume", NULL, OPTION_FLAG, &option.resume, 0, 0, NULL,
	  "go on from the checkpoint, if there is one" },
	{ 0, "other-settings", NULL, OPTION_FLAG, &option.other_settings, 0, 0, NULL,
	  "--resume with other settings, examples or features than those\n"
	  "the run was begun with" },
	{ 0, "log", "FILE", OPTION_TEXT, &option.log, 0, 0, NULL, "write figures as JSON lines" },
	{ 0, "log-every", "N", OPTION_WHOLE, &option.log_every, 1, 1e9, NULL,
	  "one every N steps (default 10)" },
	{ 0, "recompute", NULL, OPTION_FLAG, &option.recompute, 0, 0, NULL,
	  "less memory for more time: layers are computed twice" },
	{ 0, "dry-run", NULL, OPTION_FLAG, &option.dry_run, 0, 0, NULL,
	  "print what would be trained, and stop" },
	{ 0, "force", NULL, OPTION_FLAG, &option.force, 0, 0, NULL, "replace OUT if it exists" },
	{ 0 },
};

const struct program train_program = {
	.name = "zv-train",
	.purpose = "train a model, or make one from nothing",
	.operands = "STAGE -m MODEL -o OUT [FILE...]",
	.common = COMMON_OUTPUT | COMMON_MODEL | COMMON_THREADS | COMMON_MAKER,
	.options = options,
	.input = "STAGE is new, text, classify, contrast, generate or instruct;\n"
	         "      FILE: examples as JSON lines; new: settings PART.WORD=VALUE",
	.output = "OUT: a model directory, or adapters if it ends in .zv; what is trained as a\n"
	          "      table on standard output",
	.examples = { "zv-encode -m ziya -T list -o photos.zv",
	              "zv-train contrast -m ziya --features photos.zv pairs.jsonl \\\n"
	              "    --epochs 5 -o better",
	              "zv-train instruct -m ziya --features photos.zv talks.jsonl \\\n"
	              "    --lora 8 --train lora --steps 500 -o style.zv",
	              "zv-train new --config small.conf -o small", NULL },
	.see_also = "zv-encode(1), zv-generate(1), zv-export(1), zv-model(5)",
};
/* clang-format on */

/* Options of some stages only. What is harmless elsewhere (a dropout of 0) may stand with all. */
static const struct {
	const char *name, *stages;
} limits[] = {
	{ "config", "new" },
	{ "smoothing", "contrast" },
	{ "losses", "contrast" },
	{ "match-share", "contrast" },
	{ "wrong-share", "contrast" },
	{ "two-sided", "contrast" },
	{ "fix-temperature", "contrast" },
	{ "classes", "classify" },
	{ "places", "classify" },
	{ "language", "contrast generate instruct" },
	{ "answers", "text" },
	{ "question-inside", "generate instruct" },
	{ "question-outside", "generate instruct" },
	{ "prompts", "generate instruct" },
	{ "template", "text generate instruct" },
	{ "text-most", "text contrast generate instruct" },
	{ "features", "classify contrast generate instruct" },
	{ "pictures", "classify contrast generate instruct" },
	{ "side", "classify contrast generate instruct" },
	{ "crop", "classify contrast generate instruct" },
	{ "flip", "classify contrast generate instruct" },
	{ "lora", "text generate instruct" },
	{ "lora-alpha", "text generate instruct" },
	{ "lora-dropout", "text generate instruct" },
	{ "lora-targets", "text generate instruct" },
	{ "rslora", "text generate instruct" },
	{ "adapter", "text generate instruct" },
	{ "merge", "text generate instruct" },
};

static bool has_word(const char *words, const char *word)
{
	size_t size = strlen(word);
	for (const char *at = words; *at; at += strcspn(at, " "), at += *at == ' ')
		if (strcspn(at, " ") == size && memcmp(at, word, size) == 0)
			return true;
	return false;
}

/* An option that says nothing to the stage was meant for another one. */
void options_check_stage(const char *stage)
{
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		if (program_given(limits[i].name) && !has_word(limits[i].stages, stage))
			program_usage(
			    "--%s is not for %s, but for: %s", limits[i].name, stage, limits[i].stages);
	if (strcmp(stage, "new") != 0)
		return;
	for (const struct option_entry *entry = options; entry->name; entry++)
		if (program_given(entry->name) && !has_word("config seed dtype force", entry->name))
			program_usage("--%s is about training, and new only makes a model", entry->name);
}

static void refuse(bool wrong, const char *text)
{
	if (wrong)
		program_usage("%s", text);
}

void options_check(void)
{
	bool adapters = option.lora_rank > 0 || option.adapter;
	bool pictures = option.pictures || option.side >= 0 || option.crop || option.flip;
	refuse(!common.model, "which model? give -m MODEL");
	refuse(option.data.count == 0, "no file of examples is given");
	refuse(option.steps == 0 && option.epochs == 0, "how long? give --steps or --epochs");
	refuse(option.steps > 0 && option.epochs > 0, "--steps and --epochs do not go together");
	refuse(option.lora_rank > 0 && option.adapter, "--lora and --adapter do not go together");
	refuse(option.features.count > 0 && pictures,
	    "--features are of pictures as they were encoded: no --pictures, --side, --crop, --flip");
	refuse(option.other_settings && !option.resume, "--other-settings is about --resume");
	refuse(option.lora_rank == 0 && (program_given("lora-alpha") || program_given("lora-targets") ||
	                                    program_given("rslora")),
	    "--lora-alpha, --lora-targets and --rslora are about --lora: give it a rank");
	refuse(
	    !adapters && program_given("lora-dropout"), "--lora-dropout is about --lora and --adapter");
	refuse(option.merge && !adapters, "--merge is about --lora or --adapter");
	refuse(option.question_inside && option.question_outside,
	    "--question-inside and --question-outside do not go together");
	refuse(option.keep == KEEP_BEST && !option.valid, "--keep best needs --valid");
	refuse(option.valid_every > 0 && !option.valid, "--valid-every is about --valid");
}
