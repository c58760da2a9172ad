/* llama_golden - training of the language model against the reference data: LAVIS' loss and gradients
 * of every tensor, and LoRA on a frozen model through five AdamW steps.
 */
#include "reference.h"
#include "model/qformer.h"
#include "model/vit.h"
#include "num/gradient.h"
#include "train/adamw.h"
#include "train/adapter.h"
#include "train/llama_network.h"
#include "train/saves.h"
#include "train/weights.h"

enum { SAMPLES_MOST = 4, ROWS_MOST = 64 * SAMPLES_MOST, STEPS = 5 };

/* Sequences without padding. Row i predicts target[i], the token behind it; -1: not scored. */
struct batch {
	size_t count, rows;
	size_t start[SAMPLES_MOST + 1];
	int32_t ids[ROWS_MOST]; /* -1: a row of the soft prompt */
	int32_t target[ROWS_MOST];
	float *input; /* [rows][width] */
};

struct training {
	struct weights *weights;
	struct llama_network *network;
	struct saves *saves;
};

static bool begin(struct training *training, const char *model)
{
	*training = (struct training){ .weights = weights_open(model, "llm"), .saves = saves_new() };
	training->network = training->weights ? llama_network_open(training->weights) : NULL;
	if (TAP_OK(training->network && training->saves, "%s opens", model))
		return true;
	printf("#   %s\n", error_text());
	return false;
}

static void end(struct training *training)
{
	llama_network_close(training->network);
	weights_close(training->weights);
	saves_release(training->saves);
}

/* The scored rows' loss, mean over them, and gradients scaled by share; drows [rows][width]. */
static double run(
    const struct training *training, const struct batch *batch, float share, float *drows)
{
	struct llama_network *network = training->network;
	size_t width = llama_network_width(network), words = llama_network_vocabulary(network);
	struct llama_pass pass = { .count = batch->count, .start = batch->start };
	float *hidden = memory_allocate(batch->rows * width, sizeof *hidden);
	float *gradient = memory_allocate_zero(batch->rows * width, sizeof *gradient);
	float *chosen = memory_allocate(batch->rows * width, sizeof *chosen);
	float *logits = memory_allocate(batch->rows * words, sizeof *logits);
	int32_t targets[ROWS_MOST];
	size_t row[ROWS_MOST], n = 0;
	if (llama_network_forward(network, &pass, batch->input, training->saves, hidden) < 0)
		exit(2);
	for (size_t i = 0; i < batch->rows; i++) {
		if (batch->target[i] < 0)
			continue;
		memcpy(chosen + n * width, hidden + i * width, width * sizeof *chosen);
		targets[n] = batch->target[i];
		row[n++] = i;
	}
	struct entropy entropy;
	if (llama_network_head(network, chosen, n, training->saves, logits) < 0 ||
	    cross_entropy(logits, n, words, targets, 0, share / (float)n, &entropy) < 0 ||
	    llama_network_head_backward(network, chosen, n, logits, training->saves, hidden) < 0)
		exit(2);
	for (size_t i = 0; i < n; i++)
		memcpy(gradient + row[i] * width, hidden + i * width, width * sizeof *gradient);
	if (llama_network_backward(network, &pass, training->saves, gradient, drows) < 0)
		exit(2);
	memory_release(hidden);
	memory_release(gradient);
	memory_release(chosen);
	memory_release(logits);
	return entropy.loss / (double)entropy.counted;
}

/* One more row; its label (NULL or negative: none) is what the row before predicts. */
static void add_row(struct batch *batch, int32_t id, const float *label)
{
	size_t i = batch->rows++;
	batch->ids[i] = id;
	batch->target[i] = -1;
	if (i > batch->start[batch->count] && label && *label >= 0)
		batch->target[i - 1] = (int32_t)*label;
}

static void end_sample(struct batch *batch)
{
	batch->start[++batch->count] = batch->rows;
}

/* --- LAVIS' LLaMA between a prefix and a suffix ------------------------------------------------- */

enum { PREFIX = 2, QUERIES = 6, SUFFIX = 7, TINY_ROWS = PREFIX + QUERIES + SUFFIX, TINY = 2 };

static struct batch tiny_batch(const struct checkpoint *io, size_t width)
{
	size_t count;
	struct batch batch = { 0 };
	float *prefix = reference_values(io, "prefix_ids", &count);
	float *suffix = reference_values(io, "suffix_ids", &count);
	float *mask = reference_values(io, "attention_mask", &count);
	float *labels = reference_values(io, "labels", &count);
	float *rows = reference_values(io, "inputs_embeds", &count);
	batch.input = memory_allocate(TINY * TINY_ROWS * width, sizeof *batch.input);
	for (size_t sample = 0; sample < TINY; sample++) {
		for (size_t i = 0; i < TINY_ROWS; i++) {
			size_t at = sample * TINY_ROWS + i;
			if (mask[at] == 0)
				continue;
			memcpy(batch.input + batch.rows * width, rows + at * width, width * sizeof *rows);
			float id = i < PREFIX             ? prefix[sample * PREFIX + i]
			           : i < PREFIX + QUERIES ? -1
			                                  : suffix[sample * SUFFIX + i - PREFIX - QUERIES];
			add_row(&batch, (int32_t)id, &labels[at]);
		}
		end_sample(&batch);
	}
	float *all[] = { prefix, suffix, mask, labels, rows };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		memory_release(all[i]);
	return batch;
}

/* Rows that are tokens give their gradient to the table. */
static void embed_backward(const struct training *training, const struct batch *batch, float *drows)
{
	size_t width = llama_network_width(training->network);
	for (size_t i = 0; i < batch->rows; i++)
		if (batch->ids[i] >= 0 && llama_network_embed_backward(
		                              training->network, &batch->ids[i], 1, drows + i * width) < 0)
			exit(2);
}

/* Error relative to the larger of the tensor's maximum and 1e-4 of the largest of all. */
static double gradient_error(
    const float *got, const struct checkpoint *wanted, const char *name, double global)
{
	size_t count;
	float *values = reference_values(wanted, name, &count);
	if (!values)
		return INFINITY;
	double error = reference_gradient_error(got, values, count, global);
	memory_release(values);
	return error;
}

/* The projection in front: its gradients from those of the soft prompt's rows. */
static void check_projection(const struct checkpoint *io, const struct checkpoint *gradients,
    const struct batch *batch, const float *drows, size_t width, double global)
{
	size_t count;
	float *queries = reference_values(io, "query_output", &count);
	size_t in = count / (TINY * QUERIES), n = 0;
	float *dy = memory_allocate(TINY * QUERIES * width, sizeof *dy);
	float *dweight = memory_allocate_zero(width * in, sizeof *dweight);
	float *dbias = memory_allocate_zero(width, sizeof *dbias);
	for (size_t i = 0; i < batch->rows; i++)
		if (batch->ids[i] < 0)
			memcpy(dy + n++ * width, drows + i * width, width * sizeof *dy);
	linear_backward_weight(queries, dy, n, width, in, dweight, dbias);
	double weight = gradient_error(dweight, gradients, "llama_proj.weight", global);
	double bias = gradient_error(dbias, gradients, "llama_proj.bias", global);
	TAP_OK(n == TINY * QUERIES && weight <= 1e-4, "LAVIS: llama_proj.weight (%.1e)", weight);
	TAP_OK(bias <= 1e-4, "LAVIS: llama_proj.bias (%.1e)", bias);
	memory_release(queries);
	memory_release(dy);
	memory_release(dweight);
	memory_release(dbias);
}

static double tiny_loss(void)
{
	double loss = NAN;
	struct json *json = json_open(tap_shared("oracles/tiny-blip2/stage2.losses.json"));
	json_number(json_member(json, "loss"), &loss);
	json_release(json);
	return loss;
}

static void check_tiny(void)
{
	const char *model = reference_tiny("stage2.weights.safetensors", "tiny");
	struct training training;
	if (!model || !begin(&training, model))
		return;
	const char *path = "oracles/tiny-blip2/stage2.io.safetensors";
	struct checkpoint *io = checkpoint_open(tap_shared(path));
	struct checkpoint *gradients =
	    checkpoint_open(tap_shared("oracles/tiny-blip2/stage2.grads.safetensors"));
	struct parameter *parameter;
	size_t width = llama_network_width(training.network);
	for (size_t i = 0; (parameter = weights_at(training.weights, i)); i++)
		parameter_train(parameter, 1);
	struct batch batch = tiny_batch(io, width);
	float *drows = memory_allocate(batch.rows * width, sizeof *drows);
	double loss = run(&training, &batch, 1, drows), wanted = tiny_loss();
	TAP_OK(fabs(loss - wanted) <= 1e-6 * wanted, "LAVIS' loss: %.8f, wanted %.8f", loss, wanted);
	embed_backward(&training, &batch, drows);
	double global = reference_maximum(gradients);
	size_t count = 0;
	for (size_t i = 0; (parameter = weights_at(training.weights, i)); i++) {
		char name[200];
		snprintf(name, sizeof name, "llama_model.%s", parameter->name);
		double error = gradient_error(parameter->gradient, gradients, name, global);
		TAP_OK(error <= 1e-4, "LAVIS: %s (%.1e)", name, error);
		count++;
	}
	TAP_OK(count + 2 == checkpoint_count(gradients), "all gradients but the projection's");
	check_projection(io, gradients, &batch, drows, width, global);
	memory_release(drows);
	memory_release(batch.input);
	checkpoint_close(io);
	checkpoint_close(gradients);
	end(&training);
}

/* --- LoRA alone --------------------------------------------------------------------------------- */

enum { BATCHES = 2, SAMPLES = 4, WORDS = 31, PROMPT = 8, SIDE = 56 };
static const char folder[] = "zoo/A/train/lora/";

/* Soft prompts [count][PROMPT][width] of the pictures: all that is in front is frozen. */
static float *soft_prompts(const char *model, const float *pixels, size_t count)
{
	struct vit *vit = vit_open(model, SIDE);
	struct qformer *qformer = vit ? qformer_open(model) : NULL;
	if (!TAP_OK(qformer && qformer_queries(qformer) == PROMPT, "what is in front of it opens"))
		exit(2);
	size_t one = vit_tokens(vit) * vit_width(vit), width = qformer_llm_width(qformer);
	float *features = memory_allocate(count * one, sizeof *features);
	float *queries = memory_allocate(PROMPT * qformer_width(qformer), sizeof *queries);
	float *prompts = memory_allocate(count * PROMPT * width, sizeof *prompts);
	if (vit_forward(vit, pixels, count, features) < 0)
		exit(2);
	for (size_t i = 0; i < count; i++) {
		struct qformer_image *image =
		    qformer_image_new(qformer, features + i * one, vit_tokens(vit));
		if (!image || qformer_forward(qformer, image, NULL, 0, queries, NULL) < 0 ||
		    qformer_project(qformer, queries, 1, prompts + i * PROMPT * width) < 0)
			exit(2);
		qformer_image_release(image);
	}
	memory_release(features);
	memory_release(queries);
	qformer_close(qformer);
	vit_close(vit);
	return prompts;
}

static void read_batches(const char *model, struct llama_network *network, struct batch *batches)
{
	struct checkpoint *file = checkpoint_open(tap_shared("zoo/A/train/stage2/batch.safetensors"));
	size_t count, width = llama_network_width(network);
	float *pixels = reference_values(file, "pixel_values", &count);
	float *ids = reference_values(file, "input_ids", &count);
	float *mask = reference_values(file, "attention_mask", &count);
	float *labels = reference_values(file, "labels", &count);
	float *prompts = soft_prompts(model, pixels, BATCHES * SAMPLES);
	for (size_t sample = 0; sample < BATCHES * SAMPLES; sample++) {
		struct batch *batch = &batches[sample / SAMPLES];
		if (!batch->input)
			batch->input = memory_allocate(SAMPLES * (PROMPT + WORDS) * width, sizeof(float));
		memcpy(batch->input + batch->rows * width, prompts + sample * PROMPT * width,
		    PROMPT * width * sizeof *prompts);
		for (size_t i = 0; i < PROMPT; i++)
			add_row(batch, -1, NULL);
		for (size_t i = sample * WORDS; i < (sample + 1) * WORDS; i++) {
			int32_t id = (int32_t)ids[i];
			if (mask[i] == 0)
				continue;
			if (llama_network_embed(network, &id, 1, batch->input + batch->rows * width) < 0)
				exit(2);
			add_row(batch, id, &labels[i]);
		}
		end_sample(batch);
	}
	struct checkpoint *activations =
	    checkpoint_open(tap_shared("zoo/A/train/stage2/activations.safetensors"));
	reference_compare(activations, "soft_prompt", prompts, SAMPLES * PROMPT * width, 1e-5);
	checkpoint_close(activations);
	checkpoint_close(file);
	float *all[] = { pixels, ids, mask, labels, prompts };
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		memory_release(all[i]);
}

/* "model...lora_A" to the reference's name. */
static void reference_name(const struct parameter *parameter, char name[300])
{
	snprintf(name, 300, "base_model.model.language_model.%s.weight", parameter->name);
}

static void check_gradients(const struct training *training)
{
	char path[200], name[300];
	const struct parameter *parameter;
	snprintf(path, sizeof path, "%sloraonly.grads.safetensors", folder);
	struct checkpoint *gradients = checkpoint_open(tap_shared(path));
	double global = reference_maximum(gradients);
	size_t count = 0;
	for (size_t i = 0; (parameter = weights_at(training->weights, i)); i++) {
		if (!parameter->gradient)
			continue;
		reference_name(parameter, name);
		double error = gradient_error(parameter->gradient, gradients, name, global);
		TAP_OK(error <= 3e-5, "LoRA: %s (%.1e)", parameter->name, error);
		count++;
	}
	TAP_OK(count == checkpoint_count(gradients), "LoRA: %zu gradients and no others", count);
	checkpoint_close(gradients);
}

/* At most 0.1 % of the elements off by more than 2e-5, none by more than 1e-2 (its README). */
static void check_after(const struct training *training, const char *variant)
{
	char path[200], name[300];
	const struct parameter *parameter;
	size_t all = 0, off = 0;
	double worst = 0;
	snprintf(path, sizeof path, "%sloraonly.after5.%s.safetensors", folder, variant);
	struct checkpoint *after = checkpoint_open(tap_shared(path));
	for (size_t i = 0; (parameter = weights_at(training->weights, i)); i++) {
		if (!parameter->value)
			continue;
		size_t count;
		reference_name(parameter, name);
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
	    "%s: after five steps %zu of %zu elements are off, the worst by %.1e", variant, off, all,
	    worst);
	checkpoint_close(after);
}

static void check_step(const char *variant, size_t step, const struct json *wanted,
    const double *losses, size_t count, double norm)
{
	const struct json *wanted_losses = json_member(wanted, "losses");
	double loss = NAN, wanted_norm = NAN, worst = 0;
	for (size_t i = 0; i < count; i++) {
		json_number(json_item(json_item(wanted_losses, i), 0), &loss);
		worst = fmax(worst, fabs(losses[i] - loss) / loss);
	}
	json_number(json_member(wanted, "grad_norm"), &wanted_norm);
	TAP_OK(json_count(wanted_losses) == count && worst <= 1e-5 &&
	           fabs(norm - wanted_norm) <= 1e-4 * wanted_norm,
	    "%s: step %zu, losses within %.1e, norm %.6f of %.6f", variant, step, worst, norm,
	    wanted_norm);
}

static void check_variant(const char *model, const char *variant, const struct json *expected)
{
	struct training training;
	struct batch batches[BATCHES] = { { 0 } };
	struct adamw adamw = { .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .decay = 0.05 };
	bool both = strcmp(variant, "accum2") == 0;
	adamw.clip = strcmp(variant, "clip1") == 0 ? 1 : 0;
	if (!begin(&training, model) ||
	    !TAP_OK(adapter_read(training.network, "lora.zv", 0) == 0, "the adapter is read"))
		return;
	read_batches(model, training.network, batches);
	adamw_begin(&adamw, &training.weights, 1);
	for (size_t step = 0; step < STEPS; step++) {
		double losses[BATCHES];
		size_t count = 0;
		weights_zero_gradients(training.weights);
		for (size_t i = 0; i < BATCHES; i++)
			if (both || i == step % BATCHES)
				losses[count++] = run(&training, &batches[i], both ? 0.5f : 1, NULL);
		if (step == 0 && !both)
			check_gradients(&training);
		double norm = adamw_norm(&training.weights, 1);
		const struct json *steps = json_member(json_member(expected, "loraonly"), variant);
		check_step(variant, step, json_item(steps, step), losses, count, norm);
		adamw_step(&adamw, &training.weights, 1, 1e-3, norm);
	}
	check_after(&training, variant);
	memory_release(batches[0].input);
	memory_release(batches[1].input);
	end(&training);
}

static void check_lora(void)
{
	static const char *const variants[] = { "plain", "accum2", "clip1" };
	const char *model = reference_model("zoo/A/hf-blip2", "blip2");
	const char *adapter = tap_shared("zoo/A/train/lora");
	struct import_adapter_count count;
	if (!model || !adapter)
		return;
	if (!TAP_OK(
	        import_keep_adapter(adapter, "lora.zv", NULL, &count) == 0, "the adapter is imported"))
		return;
	struct json *expected = json_open(tap_shared("zoo/A/train/lora/expected.json"));
	for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++)
		check_variant(model, variants[i], expected);
	json_release(expected);
}

int main(void)
{
	check_tiny();
	check_lora();
	return tap_finish();
}
