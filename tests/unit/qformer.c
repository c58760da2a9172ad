/* qformer - all uses of the Q-Former against the reference data. */
#include "reference.h"
#include "base/threads.h"
#include "model/qformer.h"

enum { TEXT_MOST = 64 };
static const double tolerance = 1e-5;

static struct qformer *open_model(const char *model)
{
	struct qformer *qformer = model ? qformer_open(model) : NULL;
	if (model && !TAP_OK(qformer != NULL, "%s: qformer.zv opens", model))
		printf("#   %s\n", error_text());
	return qformer;
}

/* The features of picture i, from the reference: [tokens][width] at offset i of the tensor. */
static struct qformer_image *open_image(
    struct qformer *qformer, const struct checkpoint *expected, const char *name, int i, int of)
{
	size_t count;
	float *features = reference_values(expected, name, &count);
	if (!features)
		exit(2);
	size_t tokens = count / (size_t)of / qformer_encoder_width(qformer);
	struct qformer_image *image = qformer_image_new(
	    qformer, features + (size_t)i * tokens * qformer_encoder_width(qformer), tokens);
	memory_release(features);
	return image;
}

static void check_features(void)
{
	struct qformer *qformer = open_model(reference_model("zoo/A/hf-blip2", "blip2"));
	if (!qformer)
		return;
	struct reference reference = reference_open("zoo/A/hf-blip2/");
	TAP_OK(!qformer_reads_text(qformer) && qformer_contrast_width(qformer) == 0 &&
	           !qformer_can_match(qformer) && !qformer_can_caption(qformer),
	    "a model without text and heads says so");
	TAP_OK(!qformer_image_new(qformer, NULL, 0) && error_kind() == ERROR_INPUT,
	    "a picture without features is refused");
	size_t queries = qformer_queries(qformer), llm = qformer_llm_width(qformer);
	float *output = memory_allocate(queries * qformer_width(qformer), sizeof *output);
	float *prompt = memory_allocate(queries * llm, sizeof *prompt);
	for (int i = 0; i < 3; i++) {
		char name[80];
		snprintf(name, sizeof name, "image%d.image_embeds", i);
		struct qformer_image *image = open_image(qformer, reference.tensors, name, 0, 1);
		TAP_OK(qformer_forward(qformer, image, NULL, 0, output, NULL) == 0, "picture %d runs", i);
		snprintf(name, sizeof name, "image%d.query_output", i);
		reference_compare(
		    reference.tensors, name, output, queries * qformer_width(qformer), tolerance);
		qformer_project(qformer, output, prompt);
		snprintf(name, sizeof name, "image%d.soft_prompt", i);
		reference_compare(reference.tensors, name, prompt, queries * llm, tolerance);
		int32_t id = 1;
		TAP_OK(qformer_forward(qformer, image, &id, 1, output, NULL) < 0, "it takes no text");
		qformer_image_release(image);
	}
	memory_release(output);
	memory_release(prompt);
	qformer_close(qformer);
	reference_close(&reference);
}

static void check_instruction(void)
{
	struct qformer *qformer = open_model(reference_model("zoo/A/hf-instruct", "instruct"));
	if (!qformer)
		return;
	struct reference reference = reference_open("zoo/A/hf-instruct/");
	size_t width = qformer_width(qformer), queries = qformer_queries(qformer);
	float *output = memory_allocate(queries * width, sizeof *output);
	float *text = memory_allocate(TEXT_MOST * width, sizeof *text);
	float *prompt = memory_allocate(queries * qformer_llm_width(qformer), sizeof *prompt);
	const struct json *cases = json_member(reference.json, "cases");
	for (size_t i = 0; i < json_count(cases); i++) {
		char name[80];
		int32_t ids[TEXT_MOST];
		int64_t picture = 0, number = 0;
		const struct json *one = json_item(cases, i);
		json_whole(json_member(one, "image"), 0, 9, &picture);
		json_whole(json_member(one, "case"), 0, 9, &number);
		size_t count = reference_ids(json_member(one, "qformer_ids"), ids, TEXT_MOST);
		snprintf(name, sizeof name, "image%d.image_embeds", (int)picture);
		struct qformer_image *image = open_image(qformer, reference.tensors, name, 0, 1);
		TAP_OK(qformer_forward(qformer, image, ids, count, output, text) == 0, "case %zu runs", i);
		qformer_project(qformer, output, prompt);
		int length = snprintf(name, sizeof name, "image%d.case%d.", (int)picture, (int)number);
		snprintf(name + length, sizeof name - (size_t)length, "query_output");
		reference_compare(reference.tensors, name, output, queries * width, tolerance);
		snprintf(name + length, sizeof name - (size_t)length, "text_output");
		reference_compare(reference.tensors, name, text, count * width, tolerance);
		snprintf(name + length, sizeof name - (size_t)length, "soft_prompt");
		reference_compare(
		    reference.tensors, name, prompt, queries * qformer_llm_width(qformer), tolerance);
		qformer_image_release(image);
	}
	memory_release(output);
	memory_release(text);
	memory_release(prompt);
	qformer_close(qformer);
	reference_close(&reference);
}

/* Contrast and matching of every picture with every text. */
static void check_retrieval(const char *model, const char *prefix)
{
	struct qformer *qformer = open_model(model);
	if (!qformer)
		return;
	enum { PICTURES = 4, TEXTS = 8 };
	struct reference reference = reference_open(prefix);
	struct reference texts_of = reference_open("zoo/A/hf-itm/");
	size_t width = qformer_width(qformer), queries = qformer_queries(qformer);
	size_t contrast = qformer_contrast_width(qformer);
	float *output = memory_allocate(queries * width, sizeof *output);
	float *text = memory_allocate(TEXT_MOST * width, sizeof *text);
	float *images = memory_allocate(PICTURES * queries * contrast, sizeof *images);
	float *texts = memory_allocate(TEXTS * contrast, sizeof *texts);
	float matches[PICTURES][TEXTS][2];
	int32_t ids[TEXTS][TEXT_MOST];
	size_t counts[TEXTS];
	for (size_t t = 0; t < TEXTS; t++) {
		counts[t] =
		    reference_ids(json_item(json_member(texts_of.json, "ids"), t), ids[t], TEXT_MOST);
		TAP_OK(qformer_text(qformer, ids[t], counts[t], text) == 0, "text %zu runs", t);
		qformer_contrast_text(qformer, text, texts + t * contrast);
	}
	reference_compare(reference.tensors, "text_feats", texts, TEXTS * contrast, tolerance);
	for (int i = 0; i < PICTURES; i++) {
		struct qformer_image *image =
		    open_image(qformer, reference.tensors, "image_embeds", i, PICTURES);
		TAP_OK(qformer_forward(qformer, image, NULL, 0, output, NULL) == 0, "picture %d runs", i);
		qformer_contrast(qformer, output, images + (size_t)i * queries * contrast);
		for (size_t t = 0; t < TEXTS; t++) {
			qformer_forward(qformer, image, ids[t], counts[t], output, NULL);
			qformer_match(qformer, output, matches[i][t]);
		}
		qformer_image_release(image);
	}
	reference_compare(
	    reference.tensors, "image_feats", images, PICTURES * queries * contrast, tolerance);
	reference_compare(
	    reference.tensors, "itm_logits", matches[0][0], PICTURES * TEXTS * 2, tolerance);
	int32_t unknown = 1 << 20;
	TAP_OK(qformer_text(qformer, &unknown, 1, text) < 0 && error_kind() == ERROR_INPUT,
	    "an id outside the vocabulary is refused");
	memory_release(output);
	memory_release(text);
	memory_release(images);
	memory_release(texts);
	qformer_close(qformer);
	reference_close(&reference);
	reference_close(&texts_of);
}

/* The caption that the Q-Former's own LM head gives, greedily: does it equal ids, and their
 * log-probabilities? least: tokens before the end token may come. */
static bool caption_is_right(struct qformer *qformer, const struct qformer_image *image,
    const struct json *wanted, int32_t start, int32_t end, size_t least)
{
	static float logits[4096];
	int32_t text[TEXT_MOST] = { start }, ids[TEXT_MOST];
	size_t count = reference_ids(json_member(wanted, "ids"), ids, TEXT_MOST - 1);
	size_t vocabulary = 422;
	for (size_t step = 0; step < count; step++) {
		if (qformer_caption_logits(qformer, image, text, step + 1, logits) < 0)
			return false;
		double sum = 0, logprob;
		size_t best = 0;
		if (step + 1 < least)
			logits[end] = -1e30f;
		for (size_t i = 0; i < vocabulary; i++) {
			sum += exp((double)logits[i]);
			best = logits[i] > logits[best] ? i : best;
		}
		json_number(json_item(json_member(wanted, "logprob"), step), &logprob);
		if (best != (size_t)ids[step] || fabs((double)logits[best] - log(sum) - logprob) > 2e-5)
			return false;
		text[step + 1] = (int32_t)best;
	}
	return count > 0;
}

static void check_captions(const char *model)
{
	struct qformer *qformer = open_model(model);
	const char *path = tap_shared("zoo/A/lavis/stage1.itg.json");
	struct json *json = path ? json_open(path) : NULL;
	struct reference reference = reference_open("zoo/A/lavis/stage1.");
	int64_t start = 0, end = 0;
	json_whole(json_member(json, "start_id"), 0, 1000, &start);
	json_whole(json_member(json, "eos_id"), 0, 1000, &end);
	TAP_OK(qformer_can_caption(qformer), "the LM head is there");
	for (int i = 0; i < 4; i++) {
		struct qformer_image *image = open_image(qformer, reference.tensors, "image_embeds", i, 4);
		TAP_OK(caption_is_right(qformer, image, json_item(json_member(json, "greedy"), (size_t)i),
		           (int32_t)start, (int32_t)end, 0),
		    "caption of picture %d", i);
		TAP_OK(
		    caption_is_right(qformer, image, json_item(json_member(json, "greedy_min9"), (size_t)i),
		        (int32_t)start, (int32_t)end, 10),
		    "caption of picture %d, at least 9 tokens", i);
		qformer_image_release(image);
	}
	json_release(json);
	reference_close(&reference);
	qformer_close(qformer);
}

/* LAVIS' own modules: both pictures of the batch, with their texts. */
static void check_tiny(void)
{
	struct qformer *qformer = open_model(reference_tiny("stage1.weights.safetensors", "tiny"));
	const char *path = tap_shared("oracles/tiny-blip2/stage1.activations.safetensors");
	if (!qformer || !path)
		return;
	enum { PICTURES = 2 };
	struct checkpoint *expected = checkpoint_open(path);
	size_t width = qformer_width(qformer), queries = qformer_queries(qformer), id_count;
	float output[PICTURES][6 * 24], features[PICTURES][6 * 16], cls[10 * 24], text[PICTURES][16];
	float logits[PICTURES][2];
	float *ids_of = reference_values(expected, "text_ids", &id_count);
	if (!TAP_OK(width == 24 && queries == 6 && id_count == 20, "sizes of the toy model"))
		return;
	for (int i = 0; i < PICTURES; i++) {
		int32_t ids[10];
		size_t count = 0;
		for (; count < 10 && ids_of[i * 10 + (int)count] != 0; count++)
			ids[count] = (int32_t)ids_of[i * 10 + (int)count];
		struct qformer_image *image = open_image(qformer, expected, "image_embeds", i, PICTURES);
		qformer_forward(qformer, image, NULL, 0, output[i], NULL);
		qformer_contrast(qformer, output[i], features[i]);
		qformer_text(qformer, ids, count, cls);
		qformer_contrast_text(qformer, cls, text[i]);
		float joint[6 * 24];
		qformer_forward(qformer, image, ids, count, joint, NULL);
		qformer_match(qformer, joint, logits[i]);
		qformer_image_release(image);
	}
	reference_compare(expected, "query_output", output[0], PICTURES * 6 * 24, tolerance);
	reference_compare(expected, "image_feats", features[0], PICTURES * 6 * 16, tolerance);
	reference_compare(expected, "text_feat", text[0], PICTURES * 16, tolerance);
	reference_compare(expected, "itm_logits", logits[0], PICTURES * 2, tolerance);
	memory_release(ids_of);
	checkpoint_close(expected);
	qformer_close(qformer);
}

int main(void)
{
	threads_start(3);
	check_features();
	check_instruction();
	const char *model = reference_model("zoo/A/hf-itm", "itm");
	if (model)
		check_retrieval(model, "zoo/A/hf-itm/");
	model = reference_lavis("blip2_stage1.pth", "eva_vit_toy.pth", "stage1");
	if (model) {
		check_retrieval(model, "zoo/A/lavis/stage1.");
		check_captions(model);
	}
	check_tiny();
	threads_stop();
	return tap_finish();
}
