/* contrast - the stage "contrast" against the reference data: losses, every gradient, and the
 * parameters after steps of AdamW; its texts, its negatives and its measure of retrieval.
 */
#include "reference.h"
#include "import/import_names.h"
#include "train/adamw.h"
#include "train/contrast_stage.h"
#include "train/saves.h"
#include "train/weights.h"

enum { TEXTS_MOST = 8, SIDE = 56 };
/* Of gradients, relative to the larger of the tensor's maximum and 1e-4 of the greatest of all. The
 * reference's own f32 and f64 differ by 1.6e-5 (zoo) and 7.4e-5 (tiny-blip2). */
static const double gradient_tolerance = 2e-4;
/* Of losses, at the start and behind steps of AdamW, where rounding noise in a gradient near zero
 * moves single parameters by up to the learning rate, in the reference as well. */
static const double loss_tolerance = 2e-6, later_tolerance = 2e-4;

struct trial {
	struct stage *stage;
	struct contrast *contrast;
	struct weights *parts[STAGE_PARTS_MOST];
	size_t part_count;
};

static bool trial_open(struct trial *trial, const char *model, const char *train)
{
	struct stage_options options = { .model = model,
		.batch = 4,
		.smoothing = 0.1f,
		.train = train,
		.itc_weight = 1,
		.itm_weight = 1,
		.itg_weight = 1,
		.match_share = 1,
		.text_most = 16,
		.encode = true };
	*trial = (struct trial){ 0 };
	trial->stage = stage_contrast.begin(&options, trial->parts, &trial->part_count);
	if (!TAP_OK(trial->stage != NULL, "the stage begins")) {
		printf("#   %s\n", error_text());
		return false;
	}
	trial->contrast = contrast_of(trial->stage);
	return true;
}

/* --- data ----------------------------------------------------------------------------------------*/

/* A micro-batch of the reference data. */
struct micro {
	struct contrast_batch batch;
	size_t picture[TEXTS_MOST], image[TEXTS_MOST], text[TEXTS_MOST];
	uint64_t id[TEXTS_MOST];
	const float *pixels;
};

static int64_t *read_whole(const struct checkpoint *checkpoint, const char *name)
{
	const struct checkpoint_tensor *tensor = checkpoint_find(checkpoint, name);
	int64_t *values = tensor ? memory_allocate((size_t)tensor->elements, sizeof *values) : NULL;
	if (!values || checkpoint_read(checkpoint, tensor, 0, tensor->elements, values) < 0)
		exit(2);
	return values;
}

/* count texts of room ids each, zeros behind them, and the negatives. */
static void micro_make(
    struct micro *micro, const int64_t *ids, size_t count, size_t room, const float *pixels)
{
	*micro = (struct micro){ .pixels = pixels };
	for (size_t b = 0; b < count; b++) {
		for (size_t i = 0; i < room && ids[b * room + i] > 0; i++)
			if (ids_add(&micro->batch.texts.ids, (int32_t)ids[b * room + i]) < 0)
				exit(2);
		if (text_list_end(&micro->batch.texts) < 0)
			exit(2);
		micro->picture[b] = b;
		micro->id[b] = b + 1;
		micro->image[b] = micro->text[b] = (b + 1) % count;
	}
	micro->batch.count = count;
	micro->batch.picture = micro->picture;
	micro->batch.picture_id = micro->batch.text_id = micro->id;
	micro->batch.image_for_text = micro->image;
	micro->batch.text_for_image = micro->text;
}

static bool run(struct trial *trial, struct micro *micro, float scale, struct stage_report *report)
{
	struct contrast *contrast = trial->contrast;
	*report = (struct stage_report){ 0 };
	contrast->pictures.count = micro->batch.count;
	contrast->pictures.pictures =
	    (struct vit_pictures){ .pixels = micro->pixels, .count = micro->batch.count, .side = SIDE };
	bool done = picture_batch_forward(&contrast->pictures, contrast->saves) == 0 &&
	            contrast_train(contrast, &micro->batch, 0, scale, report) == 0;
	if (!TAP_OK(done && saves_mark(contrast->saves) == 0, "a micro-batch runs"))
		printf("#   %s\n", error_text());
	saves_reset(contrast->workspace, 0);
	return done;
}

static double loss_of(const struct stage_report *report, const char *name)
{
	for (size_t i = 0; i < report->count; i++)
		if (strcmp(report->losses[i].name, name) == 0)
			return report->losses[i].sum / report->losses[i].count;
	return NAN;
}

static void check_losses(const struct stage_report *report, const double wanted[3], bool first)
{
	static const char *const names[3] = { "itc", "itm", "itg" };
	for (int i = 0; i < 3; i++) {
		double got = loss_of(report, names[i]);
		TAP_OK(fabs(got - wanted[i]) <=
		           (first ? loss_tolerance : later_tolerance) * fmax(1, wanted[i]),
		    "loss %s: %.7f, %.7f", names[i], got, wanted[i]);
	}
}

/* --- parameters ----------------------------------------------------------------------------------*/

static struct parameter *find(const struct trial *trial, const struct import_name *name)
{
	for (size_t part = 0; part < trial->part_count; part++)
		if (strcmp(weights_part(trial->parts[part]), import_part_names[name->part]) == 0)
			return weights_find(trial->parts[part], name->key);
	return NULL;
}

/* The parameter, or the part of it, that the reference calls so; NULL: none of ours. The biases of
 * the reference's queries and values are the first and last third of one tensor here. */
static struct parameter *find_theirs(
    const struct trial *trial, const char *theirs, size_t *first, size_t *count)
{
	struct import_name name;
	import_name_map(theirs, 1u << IMPORT_VIT | 1u << IMPORT_QFORMER, &name);
	if (name.kind != IMPORT_PARAMETER)
		return NULL;
	char *third = strstr(name.key, "q_bias");
	bool query = third != NULL;
	third = third ? third : strstr(name.key, "v_bias");
	if (third)
		memcpy(third, "qkv.bias", sizeof "qkv.bias");
	struct parameter *parameter = find(trial, &name);
	if (!parameter)
		return NULL;
	*count = third ? parameter->count / 3 : parameter->count;
	*first = third && !query ? 2 * *count : 0;
	return parameter;
}

static double largest(const float *values, size_t count)
{
	double most = 0;
	for (size_t i = 0; i < count; i++)
		most = fmax(most, fabs((double)values[i]));
	return most;
}

static bool is_listed(const struct json *list, const char *name)
{
	for (size_t i = 0; list && i < json_count(list); i++) {
		const char *text = json_text(json_item(list, i), NULL);
		if (text && strcmp(text, name) == 0)
			return true;
	}
	return false;
}

/* zero: names of gradients that are zero but for rounding: noise relative to the greatest. */
static void compare_gradients(
    const struct trial *trial, const char *path, const struct json *zero, const char *what)
{
	struct checkpoint *expected = checkpoint_open(path);
	size_t compared = 0, absent = 0, count, first, n;
	double most = 0, worst = 0;
	char worst_at[200] = "";
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < checkpoint_count(expected); i++) {
			const char *name = checkpoint_at(expected, i)->name;
			struct parameter *parameter = find_theirs(trial, name, &first, &n);
			float *wanted = reference_values(expected, name, &count);
			if (pass == 0) {
				most = fmax(most, largest(wanted, count));
			} else if (!parameter || !parameter->gradient || n != count) {
				printf("#   %s: %s has no gradient here\n", what, name);
				absent++;
			} else {
				double least = is_listed(zero, name) ? most : 1e-4 * most;
				double scale = fmax(largest(wanted, count), least), error = 0;
				for (size_t e = 0; e < count; e++)
					error = fmax(
					    error, fabs((double)parameter->gradient[first + e] - (double)wanted[e]));
				if (!(error / scale <= worst)) {
					worst = error / scale;
					snprintf(worst_at, sizeof worst_at, "%s", name);
				}
				compared++;
			}
			memory_release(wanted);
		}
	TAP_OK(compared > 100 && absent == 0, "%s: %zu gradients compared", what, compared);
	TAP_OK(worst <= gradient_tolerance, "%s: gradients (worst %.1e: %s)", what, worst, worst_at);
	checkpoint_close(expected);
}

/* A tensor that the reference does not list has no gradient. */
static void check_rest_zero(const struct trial *trial, const char *path, const char *what)
{
	struct checkpoint *expected = checkpoint_open(path);
	size_t first, n, listed = 0, zero = 0, trained = 0;
	struct parameter *parameter;
	for (size_t i = 0; i < checkpoint_count(expected); i++)
		listed += find_theirs(trial, checkpoint_at(expected, i)->name, &first, &n) != NULL;
	for (size_t part = 0; part < trial->part_count; part++)
		for (size_t i = 0; (parameter = weights_at(trial->parts[part], i)); i++)
			if (parameter->gradient) {
				trained++;
				zero += largest(parameter->gradient, parameter->count) == 0;
			}
	TAP_OK(trained - listed <= zero, "%s: %zu of %zu have none", what, zero, trained);
	checkpoint_close(expected);
}

/* Parameters after some steps: at most 0.1 % of the elements off by more than 2e-5, none by more
 * than 1e-2. zero: names to skip. */
static void compare_values(
    const struct trial *trial, const char *path, const struct json *zero, const char *what)
{
	struct checkpoint *expected = checkpoint_open(path);
	size_t elements = 0, off = 0, count, first, n;
	double worst = 0;
	for (size_t i = 0; i < checkpoint_count(expected); i++) {
		const char *name = checkpoint_at(expected, i)->name;
		struct parameter *parameter = find_theirs(trial, name, &first, &n);
		if (!parameter || !parameter->value || is_listed(zero, name))
			continue;
		float *wanted = reference_values(expected, name, &count);
		for (size_t e = 0; e < count && n == count; e++) {
			double error = fabs((double)parameter->value[first + e] - (double)wanted[e]);
			off += error > 2e-5;
			if (!(error <= worst))
				worst = error;
		}
		elements += count;
		memory_release(wanted);
	}
	TAP_OK(elements > 50000, "%s: %zu values compared", what, elements);
	TAP_OK(off * 1000 <= elements && worst <= 1e-2, "%s: %zu off by more than 2e-5, worst %.1e",
	    what, off, worst);
	checkpoint_close(expected);
}

static void zero_gradients(const struct trial *trial)
{
	for (size_t part = 0; part < trial->part_count; part++)
		weights_zero_gradients(trial->parts[part]);
}

/* --- zoo/A/train/stage1 --------------------------------------------------------------------------*/

struct zoo {
	struct json *json;
	struct checkpoint *data;
	float *pixels;
	int64_t *ids;
	struct micro micro[2];
};

static void read_negatives(const struct zoo *zoo, int m, const char *name, size_t *target)
{
	const struct json *one = json_item(json_member(zoo->json, "negatives"), (size_t)m);
	for (size_t b = 0; b < 4; b++) {
		int64_t number = -1;
		json_whole(json_item(json_member(one, name), b), 0, 3, &number);
		target[b] = (size_t)number;
	}
}

static void zoo_open(struct zoo *zoo)
{
	size_t count, picture = 4 * 3 * SIDE * SIDE;
	zoo->json = json_open(reference_path("zoo/A/train/stage1/expected.json"));
	zoo->data = checkpoint_open(reference_path("zoo/A/train/stage1/batch.safetensors"));
	zoo->pixels = reference_values(zoo->data, "pixel_values", &count);
	zoo->ids = read_whole(zoo->data, "text_ids");
	for (int m = 0; m < 2; m++) {
		struct micro *micro = &zoo->micro[m];
		micro_make(micro, zoo->ids + m * 4 * 16, 4, 16, zoo->pixels + (size_t)m * picture);
		read_negatives(zoo, m, "image_for_text", micro->image);
		read_negatives(zoo, m, "text_for_image", micro->text);
	}
}

static void zoo_losses(
    const struct zoo *zoo, const char *variant, int step, int m, double losses[3])
{
	const struct json *one = json_item(json_member(zoo->json, variant), (size_t)step);
	const struct json *list = json_item(json_member(one, "losses"), (size_t)m);
	for (size_t i = 0; i < 3; i++)
		if (json_number(json_item(list, i), &losses[i]) < 0)
			exit(2);
}

/* Gradients of the sum and of each loss by itself. */
static void check_zoo_gradients(struct zoo *zoo, const char *model)
{
	static const char *const names[] = { "total", "itc", "itm", "lm" };
	struct trial trial;
	if (!trial_open(&trial, model, NULL))
		return;
	for (int i = 0; i < 4; i++) {
		char path[100];
		struct stage_report report;
		struct stage_options *options = &trial.contrast->options;
		options->itc_weight = i == 0 || i == 1;
		options->itm_weight = i == 0 || i == 2;
		options->itg_weight = i == 0 || i == 3;
		zero_gradients(&trial);
		run(&trial, &zoo->micro[0], 1, &report);
		snprintf(path, sizeof path, "zoo/A/train/stage1/grads.%s.safetensors", names[i]);
		compare_gradients(&trial, reference_path(path),
		    json_member(zoo->json, "grad_zero_in_exact_arithmetic"), names[i]);
		check_rest_zero(&trial, reference_path(path), names[i]);
	}
	stage_contrast.end(trial.stage);
}

static void check_zoo_steps(struct zoo *zoo, const char *model, const char *variant)
{
	struct trial trial;
	struct adamw adamw = { .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .decay = 0.05 };
	bool both = strcmp(variant, "accum2") == 0;
	adamw.clip = strcmp(variant, "clip1") == 0 ? 1 : 0;
	if (!trial_open(&trial, model, NULL) ||
	    !TAP_OK(adamw_begin(&adamw, trial.parts, trial.part_count) == 0, "%s", variant))
		return;
	for (int step = 0; step < 5; step++) {
		zero_gradients(&trial);
		for (int m = 0; m < (both ? 2 : 1); m++) {
			struct stage_report report;
			double losses[3];
			zoo_losses(zoo, variant, step, m, losses);
			run(&trial, &zoo->micro[both ? m : step % 2], both ? 0.5f : 1, &report);
			check_losses(&report, losses, step == 0);
		}
		double wanted = 0, norm = adamw_norm(trial.parts, trial.part_count);
		const struct json *one = json_item(json_member(zoo->json, variant), (size_t)step);
		json_number(json_member(one, "grad_norm"), &wanted);
		TAP_OK(fabs(norm - wanted) <= 1e-4 * wanted, "%s: norm %.6f, %.6f", variant, norm, wanted);
		adamw_step(&adamw, trial.parts, trial.part_count, 1e-3, norm);
	}
	char path[100];
	snprintf(path, sizeof path, "zoo/A/train/stage1/after5.%s.safetensors", variant);
	compare_values(&trial, reference_path(path),
	    json_member(zoo->json, "grad_zero_in_exact_arithmetic"), variant);
	stage_contrast.end(trial.stage);
}

/* The captions of the reference become its ids. */
static void check_texts(struct zoo *zoo, const char *model)
{
	struct trial trial;
	struct example examples[7] = { 0 };
	size_t example[7], usable = 0;
	if (!trial_open(&trial, model, NULL))
		return;
	struct contrast *contrast = trial.contrast;
	const struct json *captions = json_member(zoo->json, "captions");
	for (size_t i = 0; i < 7; i++) { /* the eighth has a comma, which cleaning takes away */
		example[i] = i;
		examples[i].key = (char *)"key";
		examples[i].caption[i == 3 ? EXAMPLE_CHINESE : EXAMPLE_ENGLISH] =
		    (char *)json_text(json_item(captions, i), NULL);
	}
	contrast->pictures.example = example;
	contrast->pictures.count = 7;
	bool done = contrast_choose(contrast, examples, 7, EXAMPLE_ENGLISH, &usable) == 0 &&
	            contrast_tokenize(contrast, EXAMPLE_ENGLISH, false, 0) == 0;
	TAP_OK(done && usable == 7 && contrast->batch.count == 7, "seven captions are read");
	for (size_t b = 0; b < contrast->batch.count; b++) {
		const struct text_list *texts = &contrast->batch.texts, *wanted;
		wanted = &zoo->micro[b / 4].batch.texts;
		size_t length = text_list_length(texts, b);
		TAP_OK(length == text_list_length(wanted, b % 4) &&
		           memcmp(texts->ids.at + texts->start[b], wanted->ids.at + wanted->start[b % 4],
		               length * sizeof(int32_t)) == 0,
		    "caption %zu has the reference's ids", b);
	}
	done = contrast_tokenize(contrast, EXAMPLE_ENGLISH, true, 0) == 0;
	TAP_OK(done && contrast->batch.count == 6, "the Chinese one is not taken where it must not");
	contrast->pictures.example = NULL;
	stage_contrast.end(trial.stage);
}

/* Draws follow softmax(similarity / temperature) without positives. */
static void check_draws(const char *model)
{
	enum { DRAWS = 20000, COUNT = 4 };
	static const float similarity[COUNT] = { 0.9f, 0.5f, 0.45f, 0.9f };
	uint64_t picture_id[COUNT] = { 1, 2, 3, 4 }, text_id[COUNT] = { 1, 2, 3, 1 };
	struct contrast_batch batch = { .count = COUNT, .picture_id = picture_id, .text_id = text_id };
	struct trial trial;
	if (!trial_open(&trial, model, NULL))
		return;
	struct contrast_pass pass = { .contrast = trial.contrast, .batch = &batch };
	double temperature = (double)contrast_temperature(trial.contrast);
	size_t drawn[COUNT] = { 0 };
	for (uint64_t step = 0; step < DRAWS; step++) {
		pass.micro_step = step;
		drawn[match_draw(&pass, 0, similarity, 1, 0)]++;
	}
	double share = 1 / (1 + exp(-0.05 / temperature)); /* of the second */
	double error = fabs((double)drawn[1] / DRAWS - share);
	TAP_OK(
	    drawn[0] == 0 && drawn[3] == 0, "positives are never drawn: %zu %zu", drawn[0], drawn[3]);
	TAP_OK(error < 0.015, "the others by their similarity (%.4f from %.4f)", error, share);
	text_id[1] = text_id[2] = 1;
	TAP_OK(match_draw(&pass, 0, similarity, 1, 0) == SIZE_MAX, "nothing but positives: none");
	stage_contrast.end(trial.stage);
}

static void check_zoo(void)
{
	const char *source = reference_path("zoo/A/train/stage1/weights.safetensors");
	struct import_request request = { .sources = &source,
		.source_count = 1,
		.config = reference_path("zoo/A/lavis/config.json"),
		.vocabulary = reference_path("zoo/A/hf-itm/vocab.txt") };
	const char *model = reference_import(&request, "stage1");
	struct zoo zoo;
	if (!model)
		return;
	zoo_open(&zoo);
	check_zoo_gradients(&zoo, model);
	check_zoo_steps(&zoo, model, "plain");
	check_zoo_steps(&zoo, model, "accum2");
	check_zoo_steps(&zoo, model, "clip1");
	check_texts(&zoo, model);
	check_draws(model);
	for (int m = 0; m < 2; m++)
		text_list_release(&zoo.micro[m].batch.texts);
	memory_release(zoo.pixels);
	memory_release(zoo.ids);
	checkpoint_close(zoo.data);
	json_release(zoo.json);
}

/* --- oracles/tiny-blip2 --------------------------------------------------------------------------*/

static void tiny_losses(const struct json *json, size_t step, double losses[3])
{
	static const char *const names[3] = { "loss_itc", "loss_itm", "loss_lm" };
	const struct json *one = json_item(json_member(json, "losses"), step);
	for (int i = 0; i < 3; i++)
		if (json_number(json_member(one, names[i]), &losses[i]) < 0)
			exit(2);
}

/* LAVIS' own forward(), the image encoder trained as well. */
static void check_tiny(void)
{
	const char *model = reference_tiny("stage1.weights.safetensors", "tiny");
	struct trial trial;
	struct adamw adamw = { .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .decay = 0.05 };
	if (!model || !trial_open(&trial, model, "vit,ln-vision,queries,qformer,text,heads"))
		return;
	struct checkpoint *data =
	    checkpoint_open(reference_path("oracles/tiny-blip2/stage1.activations.safetensors"));
	struct json *json = json_open(reference_path("oracles/tiny-blip2/stage1.losses.json"));
	size_t count;
	float *pixels = reference_values(data, "image", &count);
	int64_t *ids = read_whole(data, "text_ids");
	struct micro micro;
	micro_make(&micro, ids, 2, 10, pixels);
	/* It ran without a process group, whose gathering is what detaches the other side; and its
	 * optimiser spares the temperature, which the published code does not. */
	trial.contrast->options.two_sided = true;
	trial.contrast->network->temperature->decays = false;
	TAP_OK(adamw_begin(&adamw, trial.parts, trial.part_count) == 0, "tiny-blip2: three steps");
	for (size_t step = 0; step < 3; step++) {
		struct stage_report report;
		double losses[3];
		zero_gradients(&trial);
		tiny_losses(json, step, losses);
		run(&trial, &micro, 1, &report);
		check_losses(&report, losses, step == 0);
		if (step == 0)
			compare_gradients(&trial, reference_path("oracles/tiny-blip2/stage1.grads.safetensors"),
			    json_member(json, "params_with_mathematically_zero_grad"), "tiny-blip2");
		adamw_step(
		    &adamw, trial.parts, trial.part_count, 1e-3, adamw_norm(trial.parts, trial.part_count));
	}
	compare_values(&trial, reference_path("oracles/tiny-blip2/stage1.after3adamw.safetensors"),
	    json_member(json, "params_with_mathematically_zero_grad"), "tiny-blip2");
	text_list_release(&micro.batch.texts);
	memory_release(pixels);
	memory_release(ids);
	json_release(json);
	checkpoint_close(data);
	stage_contrast.end(trial.stage);
}

int main(void)
{
	check_zoo();
	check_tiny();
	return tap_finish();
}
