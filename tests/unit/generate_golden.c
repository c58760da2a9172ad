/* generate_golden - the stages "generate" and "instruct" as a whole against the reference data: from
 * picture files and questions to losses, gradients and five AdamW steps, without and with LoRA
 * (zoo/A/train, folders stage2 and lora).
 */
#include "reference.h"
#include "train/adamw.h"
#include "train/stage.h"
#include "train/weights.h"

enum { BATCHES = 2, SAMPLES = 4, STEPS = 5, TEXT = 200 };

/* The examples of both micro-batches; their texts belong to the JSON documents. */
struct data {
	struct json *pictures, *talks;
	struct example examples[BATCHES][SAMPLES];
	struct example_turn turns[BATCHES][SAMPLES];
};

struct trial {
	struct stage *stage;
	struct weights *parts[STAGE_PARTS_MOST];
	size_t count;
};

/* One of the reference's runs. */
struct variant {
	const char *folder, *run, *prefix; /* "stage2", "plain", "" or "full." */
	const char *adapter;
	const struct json *expected; /* its steps */
};

static char *text_of(const struct json *value)
{
	const char *text = json_text(value, NULL);
	return (char *)(text ? text : "");
}

static bool read_data(struct data *data)
{
	const char *pictures = reference_path("zoo/A/train/stage1/expected.json");
	const char *talks = reference_path("zoo/A/train/stage2/expected.json");
	memset(data, 0, sizeof *data);
	data->pictures = pictures ? json_open(pictures) : NULL;
	data->talks = talks ? json_open(talks) : NULL;
	const struct json *names = json_member(data->pictures, "images");
	const struct json *batches = json_member(data->talks, "qa");
	for (size_t b = 0; b < BATCHES; b++)
		for (size_t i = 0; i < SAMPLES; i++) {
			const struct json *pair = json_item(json_item(batches, b), i);
			struct example *example = &data->examples[b][i];
			data->turns[b][i] =
			    (struct example_turn){ text_of(json_item(pair, 0)), text_of(json_item(pair, 1)) };
			*example = (struct example){ .key = text_of(json_item(names, b * SAMPLES + i)),
				.turns = &data->turns[b][i],
				.turn_count = 1,
				.kind = -1 };
		}
	return json_count(names) == BATCHES * SAMPLES && json_count(batches) == BATCHES;
}

static bool begin(struct trial *trial, const char *model, const char *adapter)
{
	struct stage_options options = { .model = model,
		.batch = SAMPLES,
		.train = "ln-vision,queries,qformer,projection",
		.template = "ziya",
		.text_most = 100,
		.adapter = adapter,
		.pictures = { .folder = reference_path("zoo/A/train/stage1/images"), .side = 56 },
		.encode = true };
	*trial = (struct trial){ 0 };
	trial->stage = stage_instruct.begin(&options, trial->parts, &trial->count);
	if (!TAP_OK(trial->stage && trial->count == 3, "the stage begins"))
		printf("#   %s\n", error_text());
	return trial->stage != NULL;
}

static double run(struct trial *trial, struct example *examples, uint64_t micro_step, float scale)
{
	struct stage_report report = { 0 };
	if (stage_instruct.step(trial->stage, examples, SAMPLES, micro_step, scale, &report) < 0) {
		printf("# %s\n", error_text());
		exit(2);
	}
	return report.examples == SAMPLES ? report.total : NAN;
}

/* The reference's name of a parameter. */
static void name_of(const char *part, const char *name, char text[TEXT])
{
	bool plain =
	    strcmp(name, "query_tokens") == 0 || strncmp(name, "language_projection.", 20) == 0;
	if (strcmp(part, "vit") == 0)
		snprintf(text, TEXT, "vision_model.%s", name);
	else if (strcmp(part, "qformer") == 0)
		snprintf(text, TEXT, "%s%s", plain ? "" : "qformer.", name);
	else
		snprintf(text, TEXT, "base_model.model.language_model.%s.weight", name);
}

static void check_gradients(const struct trial *trial, const struct variant *variant)
{
	char path[TEXT], name[TEXT];
	const struct parameter *parameter;
	size_t found = 0;
	double worst = 0;
	snprintf(
	    path, sizeof path, "zoo/A/train/%s/%sgrads.safetensors", variant->folder, variant->prefix);
	struct checkpoint *gradients = checkpoint_open(tap_shared(path));
	double global = reference_maximum(gradients);
	for (size_t part = 0; part < trial->count; part++)
		for (size_t i = 0; (parameter = weights_at(trial->parts[part], i)); i++) {
			size_t count;
			if (!parameter->gradient)
				continue;
			name_of(weights_part(trial->parts[part]), parameter->name, name);
			float *wanted = reference_values(gradients, name, &count);
			double error = count == parameter->count ? reference_gradient_error(parameter->gradient,
			                                               wanted, count, global)
			                                         : INFINITY;
			worst = error <= worst ? worst : error;
			memory_release(wanted);
			found++;
		}
	TAP_OK(worst <= 5e-4 && found == checkpoint_count(gradients),
	    "%s: %zu gradients of %zu, the worst off by %.1e", variant->folder, found,
	    checkpoint_count(gradients), worst);
	checkpoint_close(gradients);
}

/* Their gradient is zero in exact arithmetic: Adam makes steps of the rounding noise. */
static bool is_noise(const char *name)
{
	const char *end = ".attention.key.bias";
	size_t size = strlen(name), tail = strlen(end);
	return size > tail && strcmp(name + size - tail, end) == 0;
}

/* At most 0.1 % of the elements off by more than 2e-5, none by more than 1e-2 (its README). */
static void check_after(const struct trial *trial, const struct variant *variant)
{
	char path[TEXT], name[TEXT];
	const struct parameter *parameter;
	size_t all = 0, off = 0;
	double worst = 0;
	snprintf(path, sizeof path, "zoo/A/train/%s/%safter5.%s.safetensors", variant->folder,
	    variant->prefix, variant->run);
	struct checkpoint *after = checkpoint_open(tap_shared(path));
	for (size_t part = 0; part < trial->count; part++)
		for (size_t i = 0; (parameter = weights_at(trial->parts[part], i)); i++) {
			size_t count;
			if (!parameter->value || is_noise(parameter->name))
				continue;
			name_of(weights_part(trial->parts[part]), parameter->name, name);
			float *wanted = reference_values(after, name, &count);
			for (size_t j = 0; j < count; j++) {
				double error = fabs((double)wanted[j] - (double)parameter->value[j]);
				worst = error <= worst ? worst : error;
				off += !(error <= 2e-5);
			}
			all += count;
			memory_release(wanted);
		}
	TAP_OK(all > 0 && (double)off <= 0.001 * (double)all && worst <= 1e-2,
	    "%s %s: after five steps %zu of %zu elements are off, the worst by %.1e", variant->folder,
	    variant->run, off, all, worst);
	checkpoint_close(after);
}

static void check_step(
    const struct variant *variant, size_t step, const double *losses, size_t count, double norm)
{
	const struct json *wanted = json_item(variant->expected, step);
	double loss = NAN, wanted_norm = NAN, worst = 0;
	for (size_t i = 0; i < count; i++) {
		json_number(json_item(json_item(json_member(wanted, "losses"), i), 0), &loss);
		double error = fabs(losses[i] - loss) / loss;
		worst = error <= worst ? worst : error;
	}
	json_number(json_member(wanted, "grad_norm"), &wanted_norm);
	TAP_OK(worst <= 2e-5 && fabs(norm - wanted_norm) <= 2e-4 * wanted_norm,
	    "%s %s: step %zu, losses within %.1e, norm %.6f of %.6f", variant->folder, variant->run,
	    step, worst, norm, wanted_norm);
}

static void check_variant(const char *model, const struct variant *variant, struct data *data)
{
	struct trial trial;
	struct adamw adamw = { .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .decay = 0.05 };
	bool both = strcmp(variant->run, "accum2") == 0;
	adamw.clip = strcmp(variant->run, "clip1") == 0 ? 1 : 0;
	if (!begin(&trial, model, variant->adapter))
		return;
	adamw_begin(&adamw, trial.parts, trial.count);
	for (size_t step = 0; step < STEPS; step++) {
		double losses[BATCHES];
		size_t count = 0;
		for (size_t part = 0; part < trial.count; part++)
			weights_zero_gradients(trial.parts[part]);
		for (size_t i = 0; i < BATCHES; i++)
			if (both || i == step % BATCHES)
				losses[count++] = run(&trial, data->examples[i], step, both ? 0.5f : 1);
		if (step == 0 && !both)
			check_gradients(&trial, variant);
		double norm = adamw_norm(trial.parts, trial.count);
		check_step(variant, step, losses, count, norm);
		adamw_step(&adamw, trial.parts, trial.count, 1e-3, norm);
	}
	check_after(&trial, variant);
	stage_instruct.end(trial.stage);
}

static void check_stage(const char *model, struct data *data)
{
	static const char *const runs[] = { "plain", "accum2", "clip1" };
	for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
		struct variant variant = { "stage2", runs[i], "", NULL, json_member(data->talks, runs[i]) };
		check_variant(model, &variant, data);
	}
}

static void check_lora(const char *model, struct data *data)
{
	struct import_adapter_count count;
	const char *source = reference_path("zoo/A/train/lora");
	if (!TAP_OK(source && import_keep_adapter(source, "lora.zv", NULL, &count) == 0,
	        "the adapter is imported"))
		return;
	struct json *expected = json_open(tap_shared("zoo/A/train/lora/expected.json"));
	struct variant variant = { "lora", "plain", "full.", "lora.zv",
		json_member(json_member(expected, "full"), "plain") };
	check_variant(model, &variant, data);
	json_release(expected);
}

int main(void)
{
	struct data data;
	const char *model = reference_model("zoo/A/hf-blip2", "blip2");
	if (!model)
		return tap_finish();
	if (TAP_OK(read_data(&data), "pictures and talks are there")) {
		check_stage(model, &data);
		check_lora(model, &data);
	}
	json_release(data.pictures);
	json_release(data.talks);
	return tap_finish();
}
