/* vit_network - the image encoder under training: forward as vit.h computes it, gradients as
 * differences give them, the same bytes with recomputation and at any thread count.
 */
#include "differences.h"
#include "base/threads.h"
#include "model/vit.h"
#include "train/saves.h"
#include "train/vit_network.h"

enum { PICTURES = 3 };

/* A network at work on some pictures. */
struct trial {
	struct weights *weights;
	struct vit_network *network;
	struct saves *saves;
	struct vit_pictures pictures;
	float *pixels, *features, *direction, *gradient;
	size_t count; /* features of all pictures */
};

static bool trial_open(struct trial *trial, size_t patches, size_t row, size_t column)
{
	*trial = (struct trial){ .weights = weights_open("toy", "vit"), .saves = saves_new() };
	trial->network = trial->weights ? vit_network_open(trial->weights) : NULL;
	if (!TAP_OK(trial->network && trial->saves, "the network opens")) {
		printf("#   %s\n", error_text());
		return false;
	}
	size_t side = patches * vit_network_patch(trial->network);
	trial->pixels = differences_values(PICTURES * 3 * side * side, 1);
	trial->pictures = (struct vit_pictures){
		.pixels = trial->pixels, .count = PICTURES, .side = side, .row = row, .column = column
	};
	trial->count = PICTURES * (1 + patches * patches) * vit_network_width(trial->network);
	trial->features = memory_allocate(trial->count, sizeof(float));
	trial->direction = differences_values(trial->count, 2);
	trial->gradient = memory_allocate(trial->count, sizeof(float));
	return trial->features && trial->gradient;
}

static void trial_close(struct trial *trial)
{
	memory_release(trial->pixels);
	memory_release(trial->features);
	memory_release(trial->direction);
	memory_release(trial->gradient);
	vit_network_close(trial->network);
	saves_release(trial->saves);
	weights_close(trial->weights);
}

static double trial_loss(void *context)
{
	struct trial *trial = context;
	if (vit_network_forward(trial->network, &trial->pictures, false, NULL, trial->features) < 0)
		return NAN;
	return differences_sum(trial->features, trial->direction, trial->count);
}

/* Forward and backward: all gradients of the weights, *count of them. */
static float *trial_gradients(struct trial *trial, bool recompute, size_t *count)
{
	weights_zero_gradients(trial->weights);
	memcpy(trial->gradient, trial->direction, trial->count * sizeof(float));
	bool done = vit_network_forward(trial->network, &trial->pictures, recompute, trial->saves,
	                trial->features) == 0 &&
	            vit_network_backward(trial->network, &trial->pictures, recompute, trial->saves,
	                trial->gradient) == 0;
	if (!TAP_OK(done && saves_mark(trial->saves) == 0, "there and back%s",
	        recompute ? ", computing anew" : ""))
		printf("#   %s\n", error_text());
	return differences_gradients(trial->weights, count);
}

static void check_forward(void)
{
	struct trial trial;
	struct vit *vit = vit_open("toy", 0);
	if (!TAP_OK(vit != NULL, "vit.zv opens") || !trial_open(&trial, 4, 0, 0))
		return;
	float *wanted = memory_allocate(trial.count, sizeof *wanted);
	TAP_OK(vit_network_side(trial.network) == 56 && vit_network_patch(trial.network) == 14 &&
	           vit_network_mean(trial.network)[1] == vit_mean(vit)[1] &&
	           vit_network_std(trial.network)[2] == vit_std(vit)[2],
	    "sizes and colours");
	TAP_OK(vit_forward(vit, trial.pixels, PICTURES, wanted) == 0 && isfinite(trial_loss(&trial)),
	    "both run");
	double error = differences_error(trial.features, wanted, trial.count);
	TAP_OK(error <= 1e-5, "features as the encoder's (%.1e of their maximum)", error);
	differences_train(trial.weights, "");
	TAP_OK(vit_network_forward(
	           trial.network, &trial.pictures, false, trial.saves, trial.features) == 0 &&
	           differences_error(trial.features, wanted, trial.count) <= 1e-5,
	    "the same when all is kept");
	memory_release(wanted);
	vit_close(vit);
	trial_close(&trial);
}

/* A block of the grid takes its rows of the position table. */
static void check_block(void)
{
	struct trial trial;
	if (!trial_open(&trial, 2, 1, 2) || !differences_train(trial.weights, "embeddings."))
		return;
	size_t width = vit_network_width(trial.network), count;
	struct parameter *table = weights_find(trial.weights, "embeddings.position_embedding");
	float *block = memory_allocate(trial.count, sizeof *block);
	trial_loss(&trial);
	memcpy(block, trial.features, trial.count * sizeof *block);
	float *gradients = trial_gradients(&trial, false, &count);
	bool right = true;
	for (size_t row = 0; row < 17; row++) {
		size_t y = row > 0 ? (row - 1) / 4 : 0, x = row > 0 ? (row - 1) % 4 : 0;
		bool seen = row == 0 || ((y == 1 || y == 2) && x >= 2);
		for (size_t i = 0; i < width; i++)
			right &= (table->gradient[row * width + i] != 0) == seen;
	}
	TAP_OK(right, "gradients go to the positions of the block");
	for (size_t y = 0; y < 2; y++)
		memcpy(table->value + (1 + y * 4) * width, table->value + (1 + (y + 1) * 4 + 2) * width,
		    2 * width * sizeof *block);
	trial.pictures.row = trial.pictures.column = 0;
	trial_loss(&trial);
	TAP_OK(memcmp(block, trial.features, trial.count * sizeof *block) == 0,
	    "a block at row 1, column 2");
	trial.pictures.row = 3;
	TAP_OK(isnan(trial_loss(&trial)) && error_kind() == ERROR_INPUT, "a block outside is refused");
	trial.pictures.row = 0;
	trial.pictures.side = 15;
	TAP_OK(isnan(trial_loss(&trial)) && error_kind() == ERROR_INPUT, "half patches are refused");
	memory_release(gradients);
	memory_release(block);
	trial_close(&trial);
}

static void check_gradients(void)
{
	struct trial trial;
	size_t count;
	if (!trial_open(&trial, 2, 1, 2) || !differences_train(trial.weights, ""))
		return;
	memory_release(trial_gradients(&trial, false, &count));
	struct differences check = { trial_loss, &trial, 1.5e-6 * sqrt((double)trial.count) };
	differences_parameters(&check, trial.weights, 4);
	trial_close(&trial);
}

/* The gradients that all give are those that a part gives alone, and nothing else is touched. */
static void check_partly(const char *prefix, const float *all, size_t all_count)
{
	struct trial trial;
	size_t count;
	if (!trial_open(&trial, 4, 0, 0) || !differences_train(trial.weights, prefix))
		return;
	float *part = trial_gradients(&trial, false, &count);
	const float *at = NULL;
	for (size_t i = 0; !at && i + count <= all_count; i++)
		if (memcmp(all + i, part, count * sizeof *all) == 0)
			at = all + i;
	TAP_OK(count > 0 && at, "only %s trained: the same %zu gradients", prefix, count);
	memory_release(part);
	trial_close(&trial);
}

static void check_bytes(void)
{
	float *first = NULL;
	size_t count = 0;
	for (int threads = 1; threads <= 3; threads++) {
		struct trial trial;
		threads_stop();
		if (threads_start(threads) < 0 || !trial_open(&trial, 4, 0, 0) ||
		    !differences_train(trial.weights, ""))
			exit(2);
		for (int recompute = 0; recompute < 2; recompute++) {
			float *gradients = trial_gradients(&trial, recompute, &count);
			TAP_OK(!first || memcmp(first, gradients, count * sizeof *first) == 0,
			    "%d threads%s: the same bytes", threads, recompute ? ", computing anew" : "");
			if (first)
				memory_release(gradients);
			else
				first = gradients;
		}
		trial_close(&trial);
	}
	check_partly("post_layernorm", first, count);
	check_partly("encoder.layers.3.mlp.fc1.weight", first, count);
	check_partly("encoder.layers.2", first, count);
	check_partly("embeddings.patch_embedding", first, count);
	memory_release(first);
}

int main(void)
{
	threads_start(1);
	if (differences_model("vit", "toy")) {
		check_forward();
		check_block();
		check_gradients();
		check_bytes();
	}
	threads_stop();
	return tap_finish();
}
