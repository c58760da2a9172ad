/* zv-train.c - make a model from nothing, or train one: options to a request (see lib/train). */
#include "train_options.h"

#include <string.h>

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

static const struct stage_kind *const kinds[] = { &stage_classify, &stage_contrast, &stage_generate,
	&stage_instruct, &stage_text };
enum { KINDS = sizeof kinds / sizeof kinds[0] };

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
	for (const struct option_entry *entry = train_program.options; entry->name; entry++)
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
		.question_outside = option.question_outside,
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
	options_check();
	if (option.valid && !program_given("keep"))
		option.keep = KEEP_BEST;
	struct train_request request = make_request(kind);
	char *settings = settings_text(kind->name);
	request.settings = settings;
	if (threads_start((int)common.threads) < 0 || product_start() < 0)
		program_fail(NULL);
	gradient_use(option.math == MULTIPLY_F32 ? ARITHMETIC_F32 : ARITHMETIC_BF16);
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
	int first = program_begin(&train_program, argc, argv);
	output_clean_up_also(import_directory_abandon);
	if (first == argc)
		program_usage("which stage? new, text, classify, contrast, generate or instruct");
	const char *stage = argv[first++];
	const struct stage_kind *kind = find_stage(stage);
	bool new = strcmp(stage, "new") == 0;
	if (!kind && !new)
		program_usage(
		    "\"%s\" is no stage: new, text, classify, contrast, generate, instruct", stage);
	options_check_stage(stage);
	if (!common.output)
		program_usage("-o OUT says where the result is to go");
	if (new)
		make_new(argv + first, argc - first);
	else
		train(kind, argv + first, argc - first);
	return program_end();
}
