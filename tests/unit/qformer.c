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

static void check_features(const char *model, const char *prefix)
{
	struct qformer *qformer = open_model(model);
	if (!qformer)
		return;
	struct reference reference = reference_open(prefix);
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
		qformer_project(qformer, output, 1, prompt);
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

/* Every layer by itself: the output of a model cut behind it. (The embeddings in front of the
 * first layer are seen only through it: there is no model without a layer.) */
static void check_layers(const char *model)
{
	struct reference reference = reference_open("zoo/A/hf-blip2/");
	for (int layer = 0; model && layer < 4; layer++) {
		char name[80];
		snprintf(name, sizeof name, "%s-%d", model, layer + 1);
		struct qformer *qformer =
		    reference_cut(model, "qformer", layer + 1, name) ? open_model(name) : NULL;
		if (!qformer)
			continue;
		size_t count = qformer_queries(qformer) * qformer_width(qformer);
		float *output = memory_allocate(count, sizeof *output);
		for (int i = 0; i < 3; i++) {
			snprintf(name, sizeof name, "image%d.image_embeds", i);
			struct qformer_image *image = open_image(qformer, reference.tensors, name, 0, 1);
			TAP_OK(qformer_forward(qformer, image, NULL, 0, output, NULL) == 0, "picture %d", i);
			snprintf(name, sizeof name, "image%d.qformer.layer%d", i, layer);
			reference_compare(reference.tensors, name, output, count, tolerance);
			qformer_image_release(image);
		}
		memory_release(output);
		qformer_close(qformer);
	}
	reference_close(&reference);
}

/* Queries and text behind one layer [queries + count][width] against layer's part of a tensor of
 * all four layers. */
static void check_joint_layer(struct qformer *qformer, const struct qformer_image *image,
    const int32_t *ids, size_t count, const struct checkpoint *expected, const char *name,
    size_t layer)
{
	size_t wanted_count, width = qformer_width(qformer), queries = qformer_queries(qformer);
	size_t size = (queries + count) * width;
	float *wanted = reference_values(expected, name, &wanted_count);
	float *output = memory_allocate(size, sizeof *output);
	if (TAP_OK(wanted && wanted_count == 4 * size, "%s has four layers", name)) {
		TAP_OK(qformer_forward(qformer, image, ids, count, output, output + queries * width) == 0,
		    "layer %zu runs", layer);
		double error = reference_error(output, wanted + layer * size, size);
		TAP_OK(error <= tolerance, "%s: layer %zu (%.1e of its maximum)", name, layer, error);
	}
	memory_release(output);
	memory_release(wanted);
}

/* Queries and an instruction, layer by layer. */
static void check_instructed_layers(const char *model, const struct reference *reference)
{
	const struct json *cases = json_member(reference->json, "cases");
	for (int layer = 0; layer < 4; layer++) {
		char name[80];
		int32_t ids[TEXT_MOST];
		snprintf(name, sizeof name, "%s-%d", model, layer + 1);
		struct qformer *qformer =
		    reference_cut(model, "qformer", layer + 1, name) ? open_model(name) : NULL;
		for (size_t i = 0; qformer && i < json_count(cases); i++) {
			int64_t picture = 0, number = 0;
			const struct json *one = json_item(cases, i);
			json_whole(json_member(one, "image"), 0, 9, &picture);
			json_whole(json_member(one, "case"), 0, 9, &number);
			size_t count = reference_ids(json_member(one, "qformer_ids"), ids, TEXT_MOST);
			snprintf(name, sizeof name, "image%d.image_embeds", (int)picture);
			struct qformer_image *image = open_image(qformer, reference->tensors, name, 0, 1);
			snprintf(name, sizeof name, "image%d.case%d.qformer.layers", (int)picture, (int)number);
			check_joint_layer(qformer, image, ids, count, reference->tensors, name, (size_t)layer);
			qformer_image_release(image);
		}
		qformer_close(qformer);
	}
}

static void check_instruction(void)
{
	const char *model = reference_model("zoo/A/hf-instruct", "instruct");
	struct qformer *qformer = open_model(model);
	if (!qformer)
		return;
	struct reference reference = reference_open("zoo/A/hf-instruct/");
	size_t width = qformer_width(qformer), queries = qformer_queries(qformer);
	float *output = memory_allocate(queries * width, sizeof *output);
	float *text = memory_allocate(TEXT_MOST * width, sizeof *text);
	float *prompt = memory_allocate(queries * qformer_llm_width(qformer), sizeof *prompt);
	const struct json *cases = json_member(reference.json, "cases");
	TAP_OK(json_count(cases) == 6, "there are six cases");
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
		qformer_project(qformer, output, 1, prompt);
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
	check_instructed_layers(model, &reference);
	memory_release(output);
	memory_release(text);
	memory_release(prompt);
	qformer_close(qformer);
	reference_close(&reference);
}

enum { PICTURES = 4, TEXTS = 8 };

/* What a retrieval model makes of four pictures and eight texts. */
struct retrieval {
	size_t width, queries, contrast;
	float *output;   /* [PICTURES][queries][width] */
	float *cls;      /* [TEXTS][width] */
	float *joint;    /* [PICTURES][TEXTS][queries][width] */
	float *pictures; /* [PICTURES][queries][contrast] */
	float *texts;    /* [TEXTS][contrast] */
	float matches[PICTURES][TEXTS][2];
	int32_t ids[TEXTS][TEXT_MOST];
	size_t counts[TEXTS];
};

static void run_texts(
    struct qformer *qformer, const struct reference *reference, struct retrieval *retrieval)
{
	size_t width = retrieval->width;
	float *text = memory_allocate(TEXT_MOST * width, sizeof *text);
	for (size_t t = 0; t < TEXTS; t++) {
		retrieval->counts[t] = reference_ids(
		    json_item(json_member(reference->json, "ids"), t), retrieval->ids[t], TEXT_MOST);
		TAP_OK(qformer_text(qformer, retrieval->ids[t], retrieval->counts[t], text) == 0,
		    "text %zu runs", t);
		memcpy(retrieval->cls + t * width, text, width * sizeof *text);
		qformer_contrast_text(qformer, text, retrieval->texts + t * retrieval->contrast);
	}
	int32_t unknown = 1 << 20;
	TAP_OK(qformer_text(qformer, &unknown, 1, text) < 0 && error_kind() == ERROR_INPUT,
	    "an id outside the vocabulary is refused");
	memory_release(text);
}

static void run_pictures(
    struct qformer *qformer, const struct reference *reference, struct retrieval *retrieval)
{
	size_t rows = retrieval->queries * retrieval->width;
	for (int i = 0; i < PICTURES; i++) {
		struct qformer_image *image =
		    open_image(qformer, reference->tensors, "image_embeds", i, PICTURES);
		float *output = retrieval->output + (size_t)i * rows;
		TAP_OK(qformer_forward(qformer, image, NULL, 0, output, NULL) == 0, "picture %d runs", i);
		qformer_contrast(qformer, output,
		    retrieval->pictures + (size_t)i * retrieval->queries * retrieval->contrast);
		for (size_t t = 0; t < TEXTS; t++) {
			float *joint = retrieval->joint + ((size_t)i * TEXTS + t) * rows;
			qformer_forward(qformer, image, retrieval->ids[t], retrieval->counts[t], joint, NULL);
			qformer_match(qformer, joint, retrieval->matches[i][t]);
		}
		qformer_image_release(image);
	}
}

/* The greatest cosine of a text with the queries of a picture, and which query has it. */
static void check_similarity(const struct checkpoint *expected, const struct retrieval *retrieval)
{
	float similarity[PICTURES * TEXTS];
	size_t count, right = 0, contrast = retrieval->contrast;
	float *wanted = reference_values(expected, "sim_argmax_query", &count);
	for (size_t pair = 0; pair < PICTURES * TEXTS; pair++) {
		const float *text = retrieval->texts + pair % TEXTS * contrast;
		size_t best = 0;
		for (size_t query = 0; query < retrieval->queries; query++) {
			size_t row = pair / TEXTS * retrieval->queries + query;
			double sum = 0;
			for (size_t i = 0; i < contrast; i++)
				sum += (double)retrieval->pictures[row * contrast + i] * (double)text[i];
			if (query == 0 || sum > (double)similarity[pair]) {
				similarity[pair] = (float)sum;
				best = query;
			}
		}
		right += wanted && count == PICTURES * TEXTS && (double)best == (double)wanted[pair];
	}
	reference_compare(expected, "sim", similarity, PICTURES * TEXTS, tolerance);
	TAP_OK(right == PICTURES * TEXTS, "sim_argmax_query: %zu of 32", right);
	memory_release(wanted);
}

/* The joint layers of the first picture with the first text. */
static void check_retrieval_layers(
    const char *model, const struct reference *reference, const struct retrieval *retrieval)
{
	for (int layer = 0; layer < 4; layer++) {
		char name[80];
		snprintf(name, sizeof name, "%s-%d", model, layer + 1);
		struct qformer *qformer =
		    reference_cut(model, "qformer", layer + 1, name) ? open_model(name) : NULL;
		if (!qformer)
			continue;
		struct qformer_image *image =
		    open_image(qformer, reference->tensors, "image_embeds", 0, PICTURES);
		check_joint_layer(qformer, image, retrieval->ids[0], retrieval->counts[0],
		    reference->tensors, "joint_layers_image0_text0", (size_t)layer);
		qformer_image_release(image);
		qformer_close(qformer);
	}
}

/* Contrast and matching of every picture with every text. */
static void check_retrieval(const char *model, const char *prefix)
{
	struct qformer *qformer = open_model(model);
	if (!qformer)
		return;
	struct reference reference = reference_open(prefix);
	struct reference texts_of = reference_open("zoo/A/hf-itm/");
	static struct retrieval retrieval;
	size_t width = qformer_width(qformer), queries = qformer_queries(qformer);
	size_t contrast = qformer_contrast_width(qformer), rows = queries * width;
	retrieval.width = width;
	retrieval.queries = queries;
	retrieval.contrast = contrast;
	retrieval.output = memory_allocate(PICTURES * rows, sizeof(float));
	retrieval.cls = memory_allocate(TEXTS * width, sizeof(float));
	retrieval.joint = memory_allocate(PICTURES * TEXTS * rows, sizeof(float));
	retrieval.pictures = memory_allocate(PICTURES * queries * contrast, sizeof(float));
	retrieval.texts = memory_allocate(TEXTS * contrast, sizeof(float));
	run_texts(qformer, &texts_of, &retrieval);
	run_pictures(qformer, &reference, &retrieval);
	const struct {
		const char *name;
		const float *values;
		size_t count;
	} results[] = { { "query_output", retrieval.output, PICTURES * rows },
		{ "image_feats", retrieval.pictures, PICTURES * queries * contrast },
		{ "text_cls", retrieval.cls, TEXTS * width },
		{ "text_feats", retrieval.texts, TEXTS * contrast },
		{ "joint_query_output", retrieval.joint, PICTURES * TEXTS * rows },
		{ "itm_logits", retrieval.matches[0][0], PICTURES * TEXTS * 2 } };
	for (size_t i = 0; i < sizeof results / sizeof results[0]; i++)
		reference_compare(
		    reference.tensors, results[i].name, results[i].values, results[i].count, tolerance);
	check_similarity(reference.tensors, &retrieval);
	check_retrieval_layers(model, &reference, &retrieval);
	memory_release(retrieval.output);
	memory_release(retrieval.cls);
	memory_release(retrieval.joint);
	memory_release(retrieval.pictures);
	memory_release(retrieval.texts);
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
	enum { BATCH = 2, IDS = 10, QUERIES = 6, WIDTH = 24 };
	struct checkpoint *expected = checkpoint_open(path);
	size_t width = qformer_width(qformer), queries = qformer_queries(qformer);
	size_t id_count, text_count, joint_count;
	float output[BATCH][QUERIES * WIDTH], features[BATCH][QUERIES * 16], text[BATCH][16];
	float logits[BATCH][2];
	float *ids_of = reference_values(expected, "text_ids", &id_count);
	float *texts = reference_values(expected, "text_output", &text_count);
	float *joints = reference_values(expected, "multimodal_output", &joint_count);
	if (!TAP_OK(width == WIDTH && queries == QUERIES && id_count == BATCH * IDS &&
	                text_count == BATCH * IDS * WIDTH &&
	                joint_count == BATCH * (QUERIES + IDS) * WIDTH,
	        "sizes of the toy model"))
		return;
	for (int i = 0; i < BATCH; i++) {
		int32_t ids[IDS];
		size_t count = 0;
		for (; count < IDS && ids_of[i * IDS + (int)count] != 0; count++)
			ids[count] = (int32_t)ids_of[i * IDS + (int)count];
		struct qformer_image *image = open_image(qformer, expected, "image_embeds", i, BATCH);
		qformer_forward(qformer, image, NULL, 0, output[i], NULL);
		qformer_contrast(qformer, output[i], features[i]);
		/* Rows of padding have values there and none here. */
		float rows[IDS * WIDTH], joint[(QUERIES + IDS) * WIDTH];
		qformer_text(qformer, ids, count, rows);
		double error = reference_error(rows, texts + i * IDS * WIDTH, count * WIDTH);
		TAP_OK(error <= tolerance, "text_output of sample %d (%.1e)", i, error);
		qformer_contrast_text(qformer, rows, text[i]);
		qformer_forward(qformer, image, ids, count, joint, joint + QUERIES * WIDTH);
		error =
		    reference_error(joint, joints + i * (QUERIES + IDS) * WIDTH, (QUERIES + count) * WIDTH);
		TAP_OK(error <= tolerance, "multimodal_output of sample %d (%.1e)", i, error);
		qformer_match(qformer, joint, logits[i]);
		qformer_image_release(image);
	}
	reference_compare(expected, "query_output", output[0], BATCH * QUERIES * WIDTH, tolerance);
	reference_compare(expected, "image_feats", features[0], BATCH * QUERIES * 16, tolerance);
	reference_compare(expected, "text_feat", text[0], BATCH * 16, tolerance);
	reference_compare(expected, "itm_logits", logits[0], BATCH * 2, tolerance);
	memory_release(texts);
	memory_release(joints);
	memory_release(ids_of);
	checkpoint_close(expected);
	qformer_close(qformer);
}

int main(void)
{
	threads_start(3);
	const char *model = reference_model("zoo/A/hf-blip2", "blip2");
	check_features(model, "zoo/A/hf-blip2/");
	check_layers(model);
	model = reference_lavis("blip2_stage2.pth", "eva_vit_toy.stage2.f32.pth", "stage2");
	check_features(model, "zoo/A/lavis/stage2.");
	check_instruction();
	model = reference_model("zoo/A/hf-itm", "itm");
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
