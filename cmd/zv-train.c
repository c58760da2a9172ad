/* zv-train.c - make a model from nothing, or train one: options to a request (see lib/train). */
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/number.h"
#include "base/output.h"
#include "base/program.h"
#include "base/textout.h"
#include "base/threads.h"
#include "base/version.h"
#include "image/picture.h"
#include "import/import_directory.h"
#include "num/gradient.h"
#include "num/product.h"
#include "train/loop.h"
#include "train/new_config.h"
#include "train/new_model.h"

#include <string.h>

enum { KEEP_LAST, KEEP_BEST, LANGUAGE_BOTH };
static const char *const keep_choices[] = { "last", "best", NULL };
static const char *const language_choices[] = { "both", "en", "zh", NULL };
static const char *const math_choices[] = { "f32", "bf16", NULL };
static const char *const schedule_choices[] = { "cosine", "staircase", "linear", "constant", NULL };

static const struct stage_kind *const kinds[] = { &stage_classify, &stage_contrast, &stage_generate,
	&stage_instruct, &stage_text };
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static struct {
	const char *config, *valid, *pictures;
	struct option_list data, features;
	int64_t side;
	bool crop, flip;
	int64_t batch, accumulate, steps;
	double epochs, rate, least, warm_from;
	const char *warm_up;
	int schedule;
	double beta1, beta2, eps, decay, clip, average;
	const char *train, *rates;
	double dropout, smoothing;
	const char *losses;
	double match_share, wrong_share;
	bool two_sided, fix_temperature, places;
	int64_t classes;
	int language;
	bool question_inside, answers;
	const char *prompts, *template;
	int64_t text_most;
	int64_t lora_rank;
	double lora_alpha, lora_dropout;
	const char *lora_targets;
	bool rslora;
	const char *adapter;
	bool merge;
	int dtype, math, keep;
	bool in_order;
	int64_t seed, valid_every, save_every, log_every;
	const char *checkpoint, *log;
	bool resume, other_settings, recompute, dry_run, force;
} option = { .side = -1,
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

static const struct program program = {
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

/* --- settings that a resumed run must share ------------------------------------------------------*/

/* They change nothing of what is computed. */
static bool is_free(const char *name)
{
	static const char *const names[] = { "force", "resume", "other-settings", "save-every",
		"checkpoint", "log", "log-every", "dry-run", "dtype", "merge", "recompute", "config" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void put_text(FILE *stream, const char *name, const char *text)
{
	fputs(name, stream);
	fputs("=", stream);
	textout_field(stream, text, strlen(text));
	fputs("\n", stream);
}

static void put_option(FILE *stream, const struct option_entry *entry)
{
	const struct option_list *list = entry->to;
	switch (entry->kind) {
	case OPTION_FLAG:
		fprintf(stream, "%s=%d\n", entry->name, *(bool *)entry->to);
		break;
	case OPTION_WHOLE:
	case OPTION_SIZE:
		fprintf(stream, "%s=%lld\n", entry->name, (long long)*(int64_t *)entry->to);
		break;
	case OPTION_REAL:
		fprintf(stream, "%s=%.17g\n", entry->name, *(double *)entry->to);
		break;
	case OPTION_CHOICE:
		put_text(stream, entry->name, entry->choices[*(int *)entry->to]);
		break;
	case OPTION_TEXT:
		put_text(stream, entry->name, *(const char **)entry->to ? *(const char **)entry->to : "");
		break;
	case OPTION_LIST:
		for (int i = 0; i < list->count; i++)
			put_text(stream, entry->name, list->texts[i]);
		break;
	}
}

static char *settings_text(const char *stage)
{
	char *text;
	size_t size;
	FILE *stream = textout_open(&text, &size);
	if (!stream)
		program_fail(NULL);
	put_text(stream, "stage", stage);
	for (const struct option_entry *entry = options; entry->name; entry++)
		if (!is_free(entry->name))
			put_option(stream, entry);
	if (textout_close(stream) < 0)
		program_fail(NULL);
	return text;
}

/* --- options to a request -----------------------------------------------------------------------*/

/* "N" or "N%". */
static void read_warm_up(struct train_request *request)
{
	char number[64];
	size_t size = strlen(option.warm_up);
	int64_t steps = 0;
	bool share = size > 1 && size < sizeof number && option.warm_up[size - 1] == '%';
	if (share) {
		memcpy(number, option.warm_up, size - 1);
		number[size - 1] = '\0';
	}
	if (share ? number_real(number, 0, 100, &request->warm_share) < 0
	          : number_whole(option.warm_up, 0, (int64_t)1 << 40, &steps) < 0)
		program_usage("--warm-up: %s", error_text());
	if (share)
		request->warm_share /= 100;
	else
		request->warm_share = -1;
	request->schedule.warm_steps = (uint64_t)steps;
}

static void read_losses(struct stage_options *stage)
{
	double *const weights[] = { &stage->itc_weight, &stage->itm_weight, &stage->itg_weight };
	static const char *const names[] = { "itc=", "itm=", "itg=" };
	stage->itc_weight = stage->itm_weight = stage->itg_weight = 1;
	for (const char *at = option.losses; at && *at;) {
		char number[64];
		size_t size = strcspn(at, ","), i = 0;
		while (i < 3 && strncmp(at, names[i], 4) != 0)
			i++;
		if (i == 3 || size < 5 || size - 4 >= sizeof number)
			program_usage("--losses: \"%.*s\" is none of itc=X, itm=X, itg=X", (int)size, at);
		memcpy(number, at + 4, size - 4);
		number[size - 4] = '\0';
		if (number_real(number, 0, 1e6, weights[i]) < 0)
			program_usage("--losses: %s", error_text());
		at += size + (at[size] == ',');
	}
}

/* Ends of names between commas, or one regular expression. */
static void read_targets(struct lora_settings *lora)
{
	enum { TARGETS_MOST = 64 };
	static const char *targets[TARGETS_MOST];
	size_t size = strlen(option.lora_targets);
	char *text = memory_text(option.lora_targets, size);
	if (!text)
		program_fail(NULL);
	lora->targets = targets;
	lora->pattern = strpbrk(text, "\\()[]{}*+?|^$") != NULL;
	targets[lora->target_count++] = text;
	for (char *at = text; !lora->pattern && (at = strchr(at, ','));) {
		*at++ = '\0';
		if (lora->target_count == TARGETS_MOST)
			program_usage("--lora-targets: more than %d names", TARGETS_MOST);
		targets[lora->target_count++] = at;
	}
	for (size_t i = 0; i < lora->target_count; i++)
		if (targets[i][0] == '\0')
			program_usage("--lora-targets: a name is empty");
}

static void fill_stage(struct stage_options *stage)
{
	*stage = (struct stage_options){ .model = common.model,
		.batch = (size_t)option.batch,
		.dropout = (float)option.dropout,
		.smoothing = (float)option.smoothing,
		.recompute = option.recompute,
		.seed = (uint64_t)option.seed,
		.train = option.train,
		.rates = option.rates,
		.language = language_choices[option.language],
		.classes = (size_t)option.classes,
		.match_share = option.match_share,
		.wrong_share = option.wrong_share,
		.two_sided = option.two_sided,
		.places = option.places,
		.fix_temperature = option.fix_temperature,
		.question_inside = option.question_inside,
		.answers = option.answers,
		.prompts = option.prompts,
		.template = option.template,
		.text_most = (size_t)option.text_most,
		.adapter = option.adapter,
		.lora = { .rank = (size_t)option.lora_rank,
		    .alpha = option.lora_alpha,
		    .rank_stabilised = option.rslora,
		    .dropout = (float)option.lora_dropout,
		    .seed = (uint64_t)option.seed },
		.pictures = { .folder = option.pictures,
		    .side = option.side > 0 ? (size_t)option.side : 0,
		    .augmentation = { .crop = option.crop, .flip = option.flip } } };
	read_losses(stage);
	read_targets(&stage->lora);
}

static struct train_request make_request(const struct stage_kind *kind)
{
	struct train_request request = { .kind = kind,
		.data = option.data.texts,
		.data_count = (size_t)option.data.count,
		.in_order = option.in_order,
		.valid = option.valid,
		.features = option.features.texts,
		.feature_count = (size_t)option.features.count,
		.own_side = option.side < 0,
		.accumulate = (uint64_t)option.accumulate,
		.steps = (uint64_t)option.steps,
		.epochs = option.epochs,
		.schedule = { .peak = option.rate,
		    .least = option.least < 0 ? option.rate / 10 : option.least,
		    .warm_from = option.warm_from },
		.adamw = { option.beta1, option.beta2, option.eps, option.decay, option.clip,
		    option.average, 0 },
		.valid_every = (uint64_t)option.valid_every,
		.save_every = (uint64_t)option.save_every,
		.log_every = (uint64_t)option.log_every,
		.log = option.log,
		.checkpoint = option.checkpoint,
		.resume = option.resume,
		.any_settings = option.other_settings,
		.dry_run = option.dry_run,
		.keep_best = option.keep == KEEP_BEST,
		.output = common.output,
		.force = option.force,
		.merge = option.merge,
		.dtype = option.dtype < 0 ? 0 : dtype_from_name(dtype_stored[option.dtype]) };
	schedule_parse(schedule_choices[option.schedule], &request.schedule.kind);
	read_warm_up(&request);
	fill_stage(&request.stage);
	return request;
}

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
static void check_stage_options(const char *stage)
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

static void check_options(void)
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
	refuse(option.keep == KEEP_BEST && !option.valid, "--keep best needs --valid");
	refuse(option.valid_every > 0 && !option.valid, "--valid-every is about --valid");
}

static void train(const struct stage_kind *kind, char **files, int count)
{
	int64_t given = option.data.count;
	const char **data = memory_allocate((size_t)given + (size_t)count, sizeof *data);
	if (!data)
		program_fail(NULL);
	for (int64_t i = 0; i < given + count; i++)
		data[i] = i < given ? option.data.texts[i] : files[i - given];
	memory_release(option.data.texts);
	option.data = (struct option_list){ data, (int)(given + count) };
	check_options();
	if (option.valid && !program_given("keep"))
		option.keep = KEEP_BEST;
	struct train_request request = make_request(kind);
	char *settings = settings_text(kind->name);
	request.settings = settings;
	if (threads_start((int)common.threads) < 0 || product_start() < 0)
		program_fail(NULL);
	gradient_use(option.math == 0 ? ARITHMETIC_F32 : ARITHMETIC_BF16);
	if (train_run(&request) < 0)
		program_fail(NULL);
	memory_release(settings);
	memory_release((char *)request.stage.lora.targets[0]);
	memory_release(option.data.texts);
	memory_release(option.features.texts);
}

static void make_new(char **settings, int count)
{
	struct new_config *config = new_config_new();
	if (!config)
		program_fail(NULL);
	if (option.config && new_config_read(config, option.config) < 0)
		program_fail(option.config);
	for (int i = 0; i < count; i++)
		if (new_config_set(config, settings[i]) < 0)
			program_usage("%s", error_text());
	char dtype = option.dtype < 0 ? 'f' : dtype_from_name(dtype_stored[option.dtype]);
	if (new_model_write(config, common.output, option.force, dtype, (uint64_t)option.seed) < 0)
		program_fail(NULL);
	new_config_release(config);
}

static const struct stage_kind *find_stage(const char *name)
{
	for (size_t i = 0; i < KINDS; i++)
		if (strcmp(kinds[i]->name, name) == 0)
			return kinds[i];
	return NULL;
}

int main(int argc, char **argv)
{
	for (int i = 0; picture_library(i); i++)
		version_add(picture_library(i));
	version_add_later(product_version);
	int first = program_begin(&program, argc, argv);
	output_clean_up_also(import_directory_abandon);
	if (first == argc)
		program_usage("which stage? new, text, classify, contrast, generate or instruct");
	const char *stage = argv[first++];
	const struct stage_kind *kind = find_stage(stage);
	bool new = strcmp(stage, "new") == 0;
	if (!kind && !new)
		program_usage(
		    "\"%s\" is no stage: new, text, classify, contrast, generate, instruct", stage);
	check_stage_options(stage);
	if (!common.output)
		program_usage("-o OUT says where the result is to go");
	if (new)
		make_new(argv + first, argc - first);
	else
		train(kind, argv + first, argc - first);
	return program_end();
}
