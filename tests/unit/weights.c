/* weights.c - the parameters of a part under training: opened, found, added, trained, written as a
 * model file and read again.
 */
#include "tap.h"
#include "toy_weights.h"
#include "train/weights.h"

#include <math.h>

#include "stream/model_file.h"

static const struct toy_tensor tensors[] = {
	{ "query_tokens", 'f', 4, 8 },
	{ "embeddings.position_embeddings.weight", 'f', 6, 8 },
	{ "embeddings.class_embedding", 'f', 0, 8 },
	{ "encoder.layer.0.dense.weight", 'E', 300, 300 },
	{ "encoder.layer.0.dense.bias", 'f', 0, 300 },
	{ "encoder.layer.0.LayerNorm.weight", 'f', 0, 8 },
	{ "encoder.layer.1.dense.weight", 'E', 8, 8 },
	{ "vocab.txt", 'B', 0, 100 },
	{ "temp", 'f', 0, 1 },
	{ "cls.predictions.bias", 'f', 0, 9 },
};
enum { TENSORS = sizeof tensors / sizeof tensors[0] };

static const char words[] = "stage=qformer\nwidth=8\nqueries=4\nvit_weights=0123\n";

static struct weights *open_toy(void)
{
	toy_write("toy", "qformer", words, tensors, TENSORS, 5);
	struct weights *weights = weights_open("toy", "qformer");
	if (!weights) {
		printf("# %s\n", error_text());
		exit(2);
	}
	return weights;
}

static void test_open(struct weights *weights)
{
	size_t count = 0;
	bool frozen = true;
	struct parameter *parameter;
	for (; (parameter = weights_at(weights, count)); count++)
		frozen = frozen && !parameter->value && !parameter->gradient && parameter->stored;
	TAP_OK(count == TENSORS - 1 && frozen, "all tensors but the byte file, frozen");
	TAP_OK(strcmp(weights_at(weights, 0)->name, "query_tokens") == 0, "in the file's order");
	parameter = weights_find(weights, "encoder.layer.0.dense.weight");
	TAP_OK(parameter && parameter->count == 90000 && parameter->dtype == 'E' &&
	           parameter->shape[1] == 300 && !parameter_values(parameter),
	    "a matrix is found as it is stored");
	TAP_OK(!weights_find(weights, "vocab.txt") && !weights_find(weights, "x"), "others are not");
	TAP_OK(strcmp(weights_part(weights), "qformer") == 0, "the part has its name");
	TAP_OK(!weights_open("toy", "vit") && !weights_open("none", "vit"), "what is missing is told");
}

static void test_decay(const struct weights *weights)
{
	static const char *const decaying[] = { "query_tokens", "embeddings.position_embeddings.weight",
		"embeddings.class_embedding", "encoder.layer.0.dense.weight", "temp" };
	static const char *const spared[] = { "encoder.layer.0.dense.bias",
		"encoder.layer.0.LayerNorm.weight", "cls.predictions.bias" };
	for (size_t i = 0; i < sizeof decaying / sizeof decaying[0]; i++)
		TAP_OK(weights_find(weights, decaying[i])->decays, "%s decays", decaying[i]);
	for (size_t i = 0; i < sizeof spared / sizeof spared[0]; i++)
		TAP_OK(!weights_find(weights, spared[i])->decays, "%s does not decay", spared[i]);
}

static void test_train(struct weights *weights)
{
	struct parameter *matrix = weights_find(weights, "encoder.layer.0.dense.weight");
	bool same = parameter_train(matrix, 0.5f) == 0 && matrix->rate == 0.5f;
	const float *value = parameter_values(matrix);
	for (size_t i = 0; same && i < matrix->count; i++) {
		same = value[i] == f32_from_bf16(((const uint16_t *)matrix->stored)[i]) &&
		       matrix->gradient[i] == 0;
		matrix->gradient[i] = (float)i;
	}
	TAP_OK(same, "a trained matrix begins with what is stored, its gradient with zero");
	TAP_OK(parameter_train(matrix, 2) == 0 && matrix->value == value && matrix->rate == 2,
	    "marked twice, it stays");
	struct parameter *added = weights_add(weights, "head.weight", 3, 5, true);
	TAP_OK(added && added->count == 15 && added->dimensions == 2 && added->gradient &&
	           added->value[14] == 0 && weights_find(weights, "head.weight") == added &&
	           weights_at(weights, TENSORS - 1) == added,
	    "one that is added is found behind the others");
	TAP_OK(!weights_add(weights, "head.weight", 3, 5, true), "a name that is there is refused");
	TAP_OK(!weights_add(weights, "huge", SIZE_MAX / 2, 5, true), "a size that no memory has, too");
	if (!added || !matrix->gradient)
		exit(2);
	added->gradient[3] = 1;
	weights_zero_gradients(weights);
	same = added->gradient[3] == 0;
	for (size_t i = 0; same && i < matrix->count; i++)
		same = matrix->gradient[i] == 0;
	TAP_OK(same, "gradients are set to zero");
}

static void test_words(const struct model_file *file)
{
	char text[64];
	TAP_OK(model_file_text(file, "width", text, sizeof text) && strcmp(text, "8") == 0 &&
	           model_file_text(file, "stage", text, sizeof text) && strcmp(text, "qformer") == 0,
	    "words are kept");
	TAP_OK(model_file_text(file, "vit_weights", text, sizeof text) && strcmp(text, "4567") == 0 &&
	           model_file_text(file, "trained", text, sizeof text) && strcmp(text, "1") == 0,
	    "replaced, and added");
}

/* Everything of the old file is in the new one at the same place. */
static void test_records(const struct model_file *old, const struct model_file *new, char dtype)
{
	const char *key, *new_key;
	size_t size, new_size;
	struct weight weight, new_weight;
	bool same = true;
	for (size_t i = 0; model_file_at(old, i, &key, &size, &weight); i++) {
		same = same && model_file_at(new, i, &new_key, &new_size, &new_weight) &&
		       size == new_size && memcmp(key, new_key, size) == 0 &&
		       weight.dimensions == new_weight.dimensions &&
		       memcmp(weight.shape, new_weight.shape, sizeof weight.shape) == 0;
		bool trained = size == 28 && memcmp(key, "encoder.layer.0.dense.weight", size) == 0;
		bool stays = weight.dtype == 'B' || weight.dimensions == 1 ||
		             (size == 12 && memcmp(key, "query_tokens", size) == 0) ||
		             (size > 19 && memcmp(key, "embeddings.position", 19) == 0);
		same = same && new_weight.dtype == (!stays && dtype ? dtype : weight.dtype);
		if (!trained && weight.dtype == new_weight.dtype)
			same = same && memcmp(weight.data, new_weight.data, weight.bytes) == 0;
	}
	TAP_OK(same, "all records are there in their order");
}

static void test_write(const struct weights *weights, const char *path, char dtype)
{
	const char *new_words = "vit_weights=4567\ntrained=1";
	if (!TAP_OK(weights_write(weights, path, dtype, new_words) == 0, "%s is written", path)) {
		printf("# %s\n", error_text());
		return;
	}
	struct model_file *file = model_file_open_path(path);
	if (!TAP_OK(file && model_file_verify(file, NULL) == 0, "and is a model file"))
		return;
	test_words(file);
	test_records(weights_file(weights), file, dtype);
	const struct parameter *matrix = weights_find(weights, "encoder.layer.0.dense.weight");
	struct weight weight;
	bool same = model_file_find(file, matrix->name, &weight);
	for (size_t i = 0; same && i < matrix->count; i++) {
		float wanted = matrix->value[i];
		wanted = weight.dtype == 'E'   ? f32_from_bf16(bf16_from_f32(wanted))
		         : weight.dtype == 'e' ? f32_from_f16(f16_from_f32(wanted))
		                               : wanted;
		same = dtype_element(weight.dtype, weight.data, i) == (double)wanted;
	}
	TAP_OK(same, "trained values are there, rounded");
	TAP_OK(model_file_find(file, "head.weight", &weight) && weight.dtype == (dtype ? dtype : 'f'),
	    "what was added is there");
	TAP_OK(!model_file_find(file, "thrown.weight", &weight) &&
	           !model_file_find(file, "encoder.layer.0.dense.lora_A", &weight) &&
	           !model_file_find(file, "encoder.layer.0.dense.scale", &weight),
	    "throw-away heads and adapters are not");
	model_file_close(file);
}

int main(void)
{
	uint32_t state = 3;
	struct weights *weights = open_toy();
	test_open(weights);
	test_decay(weights);
	test_train(weights);
	struct parameter *matrix = weights_find(weights, "encoder.layer.0.dense.weight");
	for (size_t i = 0; i < matrix->count; i++)
		matrix->value[i] = toy_random(&state);
	if (!weights_add(weights, "thrown.weight", 2, 2, false) ||
	    !weights_add(weights, "encoder.layer.0.dense.lora_A", 2, 8, true) ||
	    !weights_add(weights, "encoder.layer.0.dense.lora_B", 8, 2, true) ||
	    !weights_add(weights, "encoder.layer.0.dense.scale", 0, 1, true))
		return 2;
	test_write(weights, "same.zv", 0);
	test_write(weights, "f32.zv", 'f');
	test_write(weights, "f16.zv", 'e');
	test_write(weights, "toy/qformer.zv", 'E');
	TAP_OK(weights_write(weights, "no/such/place.zv", 0, NULL) < 0 && error_kind() == ERROR_SYSTEM,
	    "a place that cannot be written is told");
	weights_close(weights);
	weights_close(NULL);
	return tap_finish();
}
