/* stages - the stages "contrast" and "classify" from pictures and examples: they learn 32 pictures
 * by heart, compute the same bytes at any thread count, and say what they cannot do.
 */
#include "differences.h"
#include "base/message.h"
#include "base/threads.h"
#include "train/adamw.h"
#include "train/contrast_stage.h"

enum { COUNT = 32, SIDE = 56, PATCH = 14, CLASSES = 10, KINDS = 6 };

struct data {
	struct example examples[COUNT];
	char names[COUNT][32], captions[COUNT][EXAMPLE_LANGUAGES][32];
	int32_t kinds[COUNT][KINDS], patches[COUNT][SIDE / PATCH * SIDE / PATCH];
};

/* A picture whose patches have a colour of their class each. */
static void write_picture(const char *name, size_t side, const int32_t *classes)
{
	FILE *file = fopen(name, "wb");
	if (!file)
		exit(2);
	fprintf(file, "P6 %zu %zu 255\n", side, side);
	for (size_t y = 0; y < side; y++)
		for (size_t x = 0; x < side; x++) {
			int32_t class = classes[y / PATCH * (side / PATCH) + x / PATCH];
			fputc(class * 25, file);
			fputc((class * 77 + (int)x % PATCH) % 256, file);
			fputc(255 - class * 25, file);
		}
	if (fclose(file) != 0)
		exit(2);
}

static void make_data(struct data *data, size_t side)
{
	uint64_t state = side;
	size_t patches = side / PATCH * (side / PATCH);
	memset(data, 0, sizeof *data);
	for (size_t i = 0; i < COUNT; i++) {
		struct example *example = &data->examples[i];
		for (size_t p = 0; p < patches; p++)
			data->patches[i][p] = (int32_t)((differences_random(&state) + 1) / 2 * CLASSES);
		snprintf(data->names[i], sizeof data->names[i], "%zu-%zu.ppm", side, i);
		write_picture(data->names[i], side, data->patches[i]);
		data->patches[i][i % patches] = -1;
		for (int language = 0; language < EXAMPLE_LANGUAGES; language++) {
			snprintf(data->captions[i][language], 32, "%c %c%s", 'a' + (int)i % 8, 'm' + (int)i / 8,
			    i % 2 ? " the" : "");
			example->caption[language] = data->captions[i][language];
		}
		for (int k = 0; k < KINDS; k++)
			data->kinds[i][k] = k == (int)i % KINDS ? -1 : data->patches[i][(size_t)k % patches];
		example->key = data->names[i];
		example->patches = data->patches[i];
		example->patch_count = patches;
		example->kinds = data->kinds[i];
		example->kind_count = KINDS;
		example->kind = (int32_t)(i % CLASSES);
	}
}

struct trial {
	const struct stage_kind *kind;
	struct stage *stage;
	struct weights *parts[STAGE_PARTS_MOST];
	size_t count;
	struct adamw adamw;
};

static struct stage_options options_of(const struct stage_kind *kind)
{
	return (struct stage_options){ .model = "toy",
		.batch = COUNT,
		.seed = 7,
		.train = kind == &stage_contrast ? "vit,ln-vision,queries,qformer,text,heads" : NULL,
		.classes = CLASSES,
		.kinds = true,
		.itc_weight = 1,
		.itm_weight = 1,
		.itg_weight = 1,
		.match_share = 1,
		.encode = true };
}

static bool trial_open(
    struct trial *trial, const struct stage_kind *kind, const struct stage_options *options)
{
	*trial = (struct trial){ .kind = kind };
	trial->adamw =
	    (struct adamw){ .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .decay = 0.01, .clip = 1 };
	trial->stage = kind->begin(options, trial->parts, &trial->count);
	if (TAP_OK(trial->stage && adamw_begin(&trial->adamw, trial->parts, trial->count) == 0,
	        "%s begins", kind->name))
		return true;
	printf("#   %s\n", error_text());
	return false;
}

static bool trial_step(
    struct trial *trial, const struct data *data, uint64_t step, struct stage_report *report)
{
	*report = (struct stage_report){ 0 };
	for (size_t part = 0; part < trial->count; part++)
		weights_zero_gradients(trial->parts[part]);
	return trial->kind->step(trial->stage, data->examples, COUNT, step, 1, report) == 0;
}

static double measure(const struct stage_report *report, const char *name)
{
	for (size_t i = 0; i < report->count; i++)
		if (strcmp(report->losses[i].name, name) == 0)
			return report->losses[i].sum / report->losses[i].count;
	return NAN;
}

static void print_report(const struct stage_report *report)
{
	printf("#  ");
	for (size_t i = 0; i < report->count; i++)
		printf(" %s %.4g", report->losses[i].name, report->losses[i].sum / report->losses[i].count);
	printf("\n");
}

static void learn(struct trial *trial, const struct data *data, uint64_t steps, double rate,
    struct stage_report *report)
{
	bool done = true;
	for (uint64_t step = 0; step < steps && done; step++) {
		double now = rate * fmin(1, (double)(step + 1) / 20) * (1 - (double)step / (double)steps);
		done = trial_step(trial, data, step, report);
		adamw_step(
		    &trial->adamw, trial->parts, trial->count, now, adamw_norm(trial->parts, trial->count));
	}
	if (!TAP_OK(done, "%s runs", trial->kind->name))
		printf("#   %s\n", error_text());
	print_report(report);
}

static void validate(
    const struct trial *trial, const struct data *data, struct stage_report *report)
{
	*report = (struct stage_report){ 0 };
	bool done = trial->kind->validate(trial->stage, data->examples, COUNT / 2, report) == 0 &&
	            trial->kind->validate(
	                trial->stage, data->examples + COUNT / 2, COUNT - COUNT / 2, report) == 0 &&
	            trial->kind->validate(trial->stage, NULL, 0, report) == 0;
	if (!TAP_OK(
	        done && report->count <= STAGE_LOSSES_MOST, "%s measures itself", trial->kind->name))
		printf("#   %s\n", error_text());
	print_report(report);
}

static void check_contrast(const struct data *data)
{
	struct trial trial;
	struct stage_report report;
	struct stage_options options = options_of(&stage_contrast);
	if (!trial_open(&trial, &stage_contrast, &options))
		return;
	learn(&trial, data, 240, 4e-3, &report);
	TAP_OK(measure(&report, "itc") < 0.05 && measure(&report, "itg") < 0.05 &&
	           measure(&report, "itm") < 0.1,
	    "contrast learns 32 pairs by heart");
	TAP_OK(measure(&report, "itc-right") == 1 && measure(&report, "itg-right") == 1, "all right");
	validate(&trial, data, &report);
	TAP_OK(measure(&report, stage_contrast.metric) > 0.98, "and finds every one of them");
	TAP_OK(measure(&report, "en-i2t@10") == 1 && measure(&report, "zh-t2i@10") == 1,
	    "in both languages and directions");
	float *temperature = contrast_of(trial.stage)->network->temperature->value;
	temperature[0] = -1;
	TAP_OK(trial_step(&trial, data, 0, &report) && temperature[0] >= 0.02f,
	    "the temperature is put back");
	stage_contrast.end(trial.stage);
}

static void check_classify(const struct data *data, const char *what)
{
	struct trial trial;
	struct stage_report report;
	struct stage_options options = options_of(&stage_classify);
	if (!trial_open(&trial, &stage_classify, &options))
		return;
	learn(&trial, data, 120, 4e-3, &report);
	TAP_OK(measure(&report, "patches") < 0.1 && measure(&report, "kind") < 0.1 &&
	           measure(&report, "kinds") < 0.1,
	    "classify learns 32 %s by heart", what);
	validate(&trial, data, &report);
	TAP_OK(measure(&report, stage_classify.metric) == measure(&report, "kinds-right"),
	    "the metric is that of the queries");
	stage_classify.end(trial.stage);
}

/* All gradients behind three steps with dropout, at one, two and three threads, and recomputed. */
static void check_bytes(const struct stage_kind *kind, const struct data *data)
{
	struct stage_options options = options_of(kind);
	options.dropout = 0.1f;
	float *first[2] = { NULL, NULL };
	for (int threads = 1; threads <= 4; threads++) {
		struct trial trial;
		struct stage_report report;
		size_t count[2] = { 0 };
		bool same = true;
		options.recompute = threads == 4;
		threads_stop();
		if (threads_start(threads == 4 ? 2 : threads) < 0 || !trial_open(&trial, kind, &options))
			return;
		learn(&trial, data, 3, 1e-3, &report);
		for (size_t part = 0; part < trial.count; part++) {
			float *all = differences_gradients(trial.parts[part], &count[part]);
			if (first[part])
				same &= memcmp(first[part], all, count[part] * sizeof *all) == 0;
			if (!first[part])
				first[part] = all;
			else
				memory_release(all);
		}
		TAP_OK(same, "%s: %s: the same bytes", kind->name,
		    threads == 4 ? "computing anew" : "any number of threads");
		kind->end(trial.stage);
	}
	memory_release(first[0]);
	memory_release(first[1]);
}

static void refuse(const struct stage_kind *kind, const struct stage_options *options,
    const char *part_of_text, const char *what)
{
	struct weights *parts[STAGE_PARTS_MOST];
	size_t count;
	struct stage *stage = kind->begin(options, parts, &count);
	if (!TAP_OK(!stage && strstr(error_text(), part_of_text), "%s", what))
		printf("#   %s\n", error_text());
	kind->end(stage);
}

static void check_refusals(void)
{
	struct stage_options options = options_of(&stage_contrast);
	options.train = "queries,eyes";
	refuse(&stage_contrast, &options, "'eyes'", "a group that there is not is refused");
	options.train = "queries,llm";
	refuse(&stage_contrast, &options, "'llm'", "a group without parameters is refused");
	options.train = "queries,ln-vision";
	options.encode = false;
	refuse(&stage_contrast, &options, "give pictures", "the last norm needs pictures");
	options = options_of(&stage_contrast);
	options.train = "queries";
	options.rates = "queries=0.5,heads=2";
	refuse(&stage_contrast, &options, "'heads'", "a rate for what is frozen is refused");
	options = options_of(&stage_classify);
	options.classes = 0;
	refuse(&stage_classify, &options, "no classes", "classify needs classes");
}

/* A picture that cannot be read and one without a caption are left out, with a message. */
static void check_left_out(struct data *data)
{
	struct trial trial;
	struct stage_report report;
	struct stage_options options = options_of(&stage_contrast);
	struct data other = *data;
	other.examples[3].key = (char *)"absent.ppm";
	other.examples[5].caption[EXAMPLE_ENGLISH] = other.examples[5].caption[EXAMPLE_CHINESE] = NULL;
	other.examples[6].caption[EXAMPLE_ENGLISH] = NULL;
	if (!trial_open(&trial, &stage_contrast, &options))
		return;
	bool done = trial_step(&trial, &other, 0, &report);
	TAP_OK(done && report.examples == COUNT - 2, "%zu of %d examples take part", report.examples,
	    (int)COUNT);
	TAP_OK(message_status() == EXIT_ITEM, "and the status tells");
	stage_contrast.end(trial.stage);
}

/* Texts made wrong stand in for the drawn ones, and a share of the pairs is matched. */
static void check_wrong(struct data *data)
{
	static char *wrong[] = { (char *)"wrong", (char *)"very wrong" };
	struct trial trial;
	struct stage_report report;
	struct stage_options options = options_of(&stage_contrast);
	options.wrong_share = 1;
	options.match_share = 0.25;
	for (size_t i = 0; i < COUNT / 2; i++) {
		data->examples[2 * i].wrong[EXAMPLE_ENGLISH] = wrong;
		data->examples[2 * i].wrong_count[EXAMPLE_ENGLISH] = 2;
	}
	if (!trial_open(&trial, &stage_contrast, &options))
		return;
	TAP_OK(trial_step(&trial, data, 0, &report), "texts made wrong");
	double items = 0, made = 0;
	for (size_t i = 0; i < report.count; i++) {
		items = strcmp(report.losses[i].name, "itm") == 0 ? report.losses[i].count : items;
		made = strcmp(report.losses[i].name, "wrong-right") == 0 ? report.losses[i].count : made;
	}
	TAP_OK(items == 3 * COUNT / 4 && made == COUNT / 8, "%g items of matching, %g made wrong",
	    items, made);
	TAP_OK(trial_step(&trial, data, 1, &report) && isnan(measure(&report, "wrong-right")),
	    "in the other language there are none");
	stage_contrast.end(trial.stage);
}

static void check_groups(void)
{
	struct trial trial;
	struct stage_options options = options_of(&stage_contrast);
	options.train = NULL;
	options.itm_weight = 0;
	options.fix_temperature = true;
	options.rates = "queries=0.5";
	if (!trial_open(&trial, &stage_contrast, &options))
		return;
	struct weights *vit = trial.parts[0], *qformer = trial.parts[1];
	TAP_OK(!weights_find(vit, "encoder.layers.0.mlp.fc1.weight")->value &&
	           weights_find(vit, "post_layernorm.weight")->value,
	    "of the image encoder the last norm is trained");
	TAP_OK(!weights_find(qformer, "itm_head.weight")->value &&
	           weights_find(qformer, "text_projection.weight")->value,
	    "a head without a loss is frozen");
	TAP_OK(!weights_find(qformer, "temp")->value, "so is the temperature, if asked");
	TAP_OK(weights_find(qformer, "query_tokens")->rate == 0.5f &&
	           weights_find(qformer, "layernorm.weight")->rate == 1,
	    "groups have their rates");
	stage_contrast.end(trial.stage);
}

int main(void)
{
	static struct data whole, windows;
	if (!differences_model("vit", "toy") || !differences_model("qformer", "toy"))
		return tap_finish();
	make_data(&whole, SIDE);
	make_data(&windows, SIDE / 2);
	check_refusals();
	check_groups();
	check_bytes(&stage_contrast, &whole);
	check_bytes(&stage_classify, &windows);
	check_contrast(&whole);
	check_classify(&whole, "pictures");
	check_left_out(&whole);
	check_wrong(&whole);
	threads_stop();
	return tap_finish();
}
