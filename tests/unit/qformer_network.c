/* qformer_network - the Q-Former under training: forward as qformer.h computes it item by item,
 * gradients as differences give them (with dropout, whose masks stay the same), the same bytes with
 * recomputation and at any thread count.
 */
#include "differences.h"
#include "base/threads.h"
#include "model/qformer.h"
#include "num/gradient.h"
#include "train/qformer_network.h"
#include "train/saves.h"

enum { ITEMS = 5, PICTURES = 3, TOKENS = 7, IDS = 24 };

/* Pictures that are shared and out of order; texts of different lengths. */
static const size_t picture_of[ITEMS] = { 2, 0, 2, 1, 0 };
static const size_t text_start[ITEMS + 1] = { 2, 7, 8, 17, 20, 26 };
static const size_t text_most = 9;

struct use {
	const char *name;
	bool queries, text, caption;
	enum qformer_sight sight;
	float dropout;
};
static const struct use uses[] = {
	{ "queries alone", true, false, false, QFORMER_SEES_ALL, 0 },
	{ "text alone", false, true, false, QFORMER_SEES_ALL, 0 },
	{ "matching", true, true, false, QFORMER_SEES_ALL, 0 },
	{ "captioning", true, true, true, QFORMER_SEES_CAUSAL, 0 },
	{ "captioning with dropout", true, true, true, QFORMER_SEES_CAUSAL, 0.25f },
};
enum { USES = sizeof uses / sizeof uses[0] };

/* A network at work on one use. */
struct trial {
	const struct use *use;
	struct weights *weights;
	struct qformer_network *network;
	struct saves *saves;
	struct qformer_pass pass;
	size_t query_count, text_rows, text_count, logit_count, feature_count;
	int32_t ids[2 + IDS];
	float *features, *dfeatures;
	float *query, *text, *logits;          /* outputs */
	float *query_by, *text_by, *logits_by; /* the loss is the sum of outputs times these */
	float *dquery, *dtext, *dlogits, *dcaption;
};

static float *room(size_t count)
{
	float *values = memory_allocate_zero(count, sizeof *values);
	if (!values)
		exit(2);
	return values;
}

static void trial_room(struct trial *trial)
{
	struct qformer_network *network = trial->network;
	trial->query_count = trial->use->queries ? ITEMS * network->queries * network->width : 0;
	trial->text_rows = trial->use->text ? IDS : 0;
	trial->text_count = trial->text_rows * network->width;
	trial->logit_count = trial->use->caption ? trial->text_rows * network->vocabulary : 0;
	trial->feature_count = PICTURES * TOKENS * network->encoder_width;
	trial->features = differences_values(trial->feature_count, 1);
	trial->dfeatures = room(trial->feature_count);
	trial->query = room(trial->query_count);
	trial->text = room(trial->text_count);
	trial->logits = room(trial->logit_count);
	trial->query_by = differences_values(trial->query_count, 2);
	trial->text_by = differences_values(trial->text_count, 3);
	trial->logits_by = differences_values(trial->logit_count, 4);
	trial->dquery = room(trial->query_count);
	trial->dtext = room(trial->text_count);
	trial->dlogits = room(trial->logit_count);
	trial->dcaption = room(trial->text_count);
}

static void trial_open(struct trial *trial, const struct use *use, bool train)
{
	*trial = (struct trial){
		.use = use, .weights = weights_open("toy", "qformer"), .saves = saves_new()
	};
	trial->network = trial->weights ? qformer_network_open(trial->weights) : NULL;
	if (!TAP_OK(trial->network && trial->saves && (!train || differences_train(trial->weights, "")),
	        "the network opens")) {
		printf("#   %s\n", error_text());
		exit(2);
	}
	trial_room(trial);
	for (int i = 0; i < 2 + IDS; i++)
		trial->ids[i] = i < 2 ? -1 : (i * i * 7) % 60 + 2;
	trial->pass = (struct qformer_pass){ .count = ITEMS,
		.queries = use->queries,
		.picture = picture_of,
		.pictures = PICTURES,
		.tokens = TOKENS,
		.features = trial->features,
		.ids = use->text ? trial->ids : NULL,
		.text_start = text_start,
		.sight = use->sight,
		.dropout = { .rate = use->dropout, .seed = 5, .step = 6 } };
}

static void trial_close(struct trial *trial)
{
	float *values[] = { trial->features, trial->dfeatures, trial->query, trial->text, trial->logits,
		trial->query_by, trial->text_by, trial->logits_by, trial->dquery, trial->dtext,
		trial->dlogits, trial->dcaption };
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
		memory_release(values[i]);
	qformer_network_close(trial->network);
	saves_release(trial->saves);
	weights_close(trial->weights);
}

static int trial_forward(struct trial *trial, struct saves *saves)
{
	if (qformer_network_forward(trial->network, &trial->pass, saves, trial->query, trial->text) < 0)
		return -1;
	return trial->use->caption ? qformer_network_caption(trial->network, trial->text,
	                                 trial->text_rows, saves, trial->logits)
	                           : 0;
}

static double trial_loss(void *context)
{
	struct trial *trial = context;
	if (trial_forward(trial, NULL) < 0)
		return NAN;
	return differences_sum(trial->query, trial->query_by, trial->query_count) +
	       differences_sum(trial->text, trial->text_by, trial->text_count) +
	       differences_sum(trial->logits, trial->logits_by, trial->logit_count);
}

static int trial_backward(struct trial *trial)
{
	memcpy(trial->dquery, trial->query_by, trial->query_count * sizeof(float));
	memcpy(trial->dtext, trial->text_by, trial->text_count * sizeof(float));
	memcpy(trial->dlogits, trial->logits_by, trial->logit_count * sizeof(float));
	memset(trial->dfeatures, 0, trial->feature_count * sizeof(float));
	if (trial->use->caption) {
		if (qformer_network_caption_backward(trial->network, trial->text_rows, trial->dlogits,
		        trial->saves, trial->dcaption) < 0)
			return -1;
		rows_add(trial->dtext, trial->dcaption, trial->text_count);
	}
	return qformer_network_backward(trial->network, &trial->pass, trial->saves, trial->dquery,
	    trial->dtext, trial->use->queries ? trial->dfeatures : NULL);
}

/* All gradients of the weights, *count of them. */
static float *trial_gradients(struct trial *trial, bool recompute, size_t *count)
{
	trial->pass.recompute = recompute;
	weights_zero_gradients(trial->weights);
	bool done = trial_forward(trial, trial->saves) == 0 && trial_backward(trial) == 0;
	if (!TAP_OK(done && saves_mark(trial->saves) == 0, "%s: there and back%s", trial->use->name,
	        recompute ? ", computing anew" : ""))
		printf("#   %s\n", error_text());
	return differences_gradients(trial->weights, count);
}

/* What the encoder computes for one item alone. */
static int item_alone(struct qformer *qformer, const struct trial *trial, size_t item, float *query,
    float *text, float *logits)
{
	const float *features =
	    trial->features + picture_of[item] * TOKENS * trial->network->encoder_width;
	const int32_t *ids = trial->ids + text_start[item];
	size_t count = trial->use->text ? text_start[item + 1] - text_start[item] : 0;
	if (!trial->use->queries)
		return qformer_text(qformer, ids, count, text);
	struct qformer_image *image = qformer_image_new(qformer, features, TOKENS);
	int result = -1;
	if (image && trial->use->caption)
		result = qformer_caption_logits(qformer, image, ids, count, logits) < 0
		             ? -1
		             : qformer_forward(qformer, image, NULL, 0, query, NULL);
	else if (image)
		result = qformer_forward(qformer, image, ids, count, query, text);
	qformer_image_release(image);
	return result;
}

static void check_forward(const struct use *use)
{
	struct trial trial;
	struct qformer *qformer = qformer_open("toy");
	trial_open(&trial, use, false);
	size_t width = trial.network->width, vocabulary = trial.network->vocabulary;
	size_t query_count = trial.network->queries * width;
	float *query = room(query_count), *text = room(text_most * width), *logits = room(vocabulary);
	double worst = trial_forward(&trial, NULL) == 0 && qformer ? 0 : INFINITY;
	for (size_t item = 0; worst <= 1e-5 && item < ITEMS; item++) {
		size_t start = text_start[item] - text_start[0], end = text_start[item + 1] - text_start[0];
		if (item_alone(qformer, &trial, item, query, text, logits) < 0)
			worst = INFINITY;
		if (use->queries)
			worst = fmax(
			    worst, differences_error(trial.query + item * query_count, query, query_count));
		if (use->caption)
			worst = fmax(worst,
			    differences_error(trial.logits + (end - 1) * vocabulary, logits, vocabulary));
		else if (use->text)
			worst = fmax(
			    worst, differences_error(trial.text + start * width, text, (end - start) * width));
	}
	TAP_OK(worst <= 1e-5, "%s: each item as the encoder has it (%.1e)", use->name, worst);
	memory_release(query);
	memory_release(text);
	memory_release(logits);
	qformer_close(qformer);
	trial_close(&trial);
}

static void check_gradients(const struct use *use, size_t samples)
{
	struct trial trial;
	size_t count;
	trial_open(&trial, use, true);
	memory_release(trial_gradients(&trial, false, &count));
	double outputs = (double)(trial.query_count + trial.text_count + 4 * trial.logit_count);
	struct differences check = { trial_loss, &trial, 1.5e-6 * sqrt(outputs) };
	differences_parameters(&check, trial.weights, samples);
	if (use->queries)
		differences_check(
		    &check, "features", trial.features, trial.dfeatures, trial.feature_count, 12);
	trial_close(&trial);
}

/* First of one thread and everything kept, then of others. */
static void check_bytes(const struct use *use)
{
	float *first = NULL, *first_features = NULL;
	for (int threads = 1; threads <= 3; threads++) {
		struct trial trial;
		size_t count;
		threads_stop();
		if (threads_start(threads) < 0)
			exit(2);
		trial_open(&trial, use, true);
		for (int recompute = 0; recompute < 2; recompute++) {
			float *gradients = trial_gradients(&trial, recompute, &count);
			TAP_OK(!first || (memcmp(first, gradients, count * sizeof *first) == 0 &&
			                     memcmp(first_features, trial.dfeatures,
			                         trial.feature_count * sizeof *first) == 0),
			    "%d threads%s: the same bytes", threads, recompute ? ", computing anew" : "");
			if (first) {
				memory_release(gradients);
				continue;
			}
			first = gradients;
			first_features = room(trial.feature_count);
			memcpy(first_features, trial.dfeatures, trial.feature_count * sizeof *first);
		}
		trial_close(&trial);
	}
	memory_release(first);
	memory_release(first_features);
}

/* Outputs without a gradient count as zeros; gradients add up. */
static void check_missing(void)
{
	struct trial trial;
	size_t count;
	trial_open(&trial, &uses[2], true);
	memset(trial.text_by, 0, trial.text_count * sizeof(float));
	float *zeros = trial_gradients(&trial, false, &count);
	weights_zero_gradients(trial.weights);
	memcpy(trial.dquery, trial.query_by, trial.query_count * sizeof(float));
	TAP_OK(trial_forward(&trial, trial.saves) == 0 &&
	           qformer_network_backward(
	               trial.network, &trial.pass, trial.saves, trial.dquery, NULL, NULL) == 0,
	    "a backward pass without gradients of the text");
	float *missing = differences_gradients(trial.weights, &count);
	TAP_OK(memcmp(zeros, missing, count * sizeof *zeros) == 0, "is one with zeros");
	TAP_OK(trial_forward(&trial, trial.saves) == 0 && trial_backward(&trial) == 0, "once more");
	float *twice = differences_gradients(trial.weights, &count);
	for (size_t i = 0; i < count; i++)
		missing[i] += zeros[i];
	TAP_OK(differences_error(twice, missing, count) < 1e-5, "adds the same gradients");
	memory_release(zeros);
	memory_release(missing);
	memory_release(twice);
	trial_close(&trial);
}

/* Dropout changes what comes out, each step in its own way. */
static void check_dropout(void)
{
	struct trial trial;
	trial_open(&trial, &uses[4], false);
	double first = trial_loss(&trial), again = trial_loss(&trial);
	trial.pass.dropout.step++;
	double next = trial_loss(&trial);
	trial.pass.dropout.rate = 0;
	double none = trial_loss(&trial);
	TAP_OK(first == again && first != next && first != none && next != none,
	    "masks are those of the step");
	trial_close(&trial);
}

static void check_refusals(void)
{
	static const size_t long_start[] = { 0, 65 };
	static int32_t long_ids[65];
	struct trial trial;
	trial_open(&trial, &uses[2], false);
	trial.ids[10] = (int32_t)trial.network->vocabulary;
	TAP_OK(isnan(trial_loss(&trial)) && error_kind() == ERROR_INPUT, "an id that is too large");
	trial.ids[10] = -1;
	TAP_OK(isnan(trial_loss(&trial)) && error_kind() == ERROR_INPUT, "a negative id");
	trial.pass.count = 1;
	trial.pass.ids = long_ids;
	trial.pass.text_start = long_start;
	TAP_OK(isnan(trial_loss(&trial)) && error_kind() == ERROR_INPUT, "a text that is too long");
	trial_close(&trial);
}

int main(void)
{
	threads_start(1);
	if (differences_model("qformer", "toy")) {
		for (size_t i = 0; i < USES; i++) {
			if (uses[i].dropout <= 0)
				check_forward(&uses[i]);
			if (i != 3) /* its gradients are the last one's */
				check_gradients(&uses[i], i < 2 ? 1 : 2);
		}
		check_missing();
		check_dropout();
		check_refusals();
		check_bytes(&uses[1]);
		check_bytes(&uses[4]);
	}
	threads_stop();
	return tap_finish();
}
