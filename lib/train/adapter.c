/* adapter.c - adapter files written and read by training (see adapter.h). */
#include "train/adapter.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/program.h"
#include "import/import_peft.h"
#include "model/adapter_tensors.h"
#include "model/parameters.h"
#include "stream/model_file.h"
#include "stream/write.h"
#include "train/llama_parts.h"
#include "train/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One matrix that the file changes, or a parameter that it replaces. */
struct change {
	char key[LLAMA_NAME + 8];          /* "KEY.weight": files are sorted by it */
	const struct dense *dense;         /* with an adapter */
	const struct parameter *parameter; /* replaced */
};

static int compare_changes(const void *left, const void *right)
{
	const struct change *a = left, *b = right;
	return strcmp(a->key, b->key);
}

/* The layers with an adapter and, if asked for, the parameters that training has changed; *count of
 * them. NULL recorded. */
static struct change *collect(const struct llama_network *network, bool replacements, size_t *count)
{
	const struct parameter *parameter;
	const struct dense *dense;
	size_t room = 0;
	char name[LLAMA_NAME];
	while (llama_network_dense(network, room, NULL))
		room++;
	for (size_t i = 0; weights_at(network->weights, i); i++)
		room++;
	struct change *changes = memory_allocate_zero(room, sizeof *changes);
	if (!changes)
		return NULL;
	*count = 0;
	for (size_t i = 0; (dense = llama_network_dense(network, i, name)); i++) {
		if (!dense->lora_a)
			continue;
		struct change *change = &changes[(*count)++];
		change->dense = dense;
		snprintf(change->key, sizeof change->key, "%s.weight", name);
	}
	if (*count == 0)
		error_system("no layer of the language model has an adapter");
	for (size_t i = 0; *count > 0 && (parameter = weights_at(network->weights, i)); i++) {
		if (!replacements || !parameter->stored || !parameter->value)
			continue;
		struct change *change = &changes[(*count)++];
		change->parameter = parameter;
		snprintf(change->key, sizeof change->key, "%s", parameter->name);
	}
	if (*count == 0) {
		memory_release(changes);
		return NULL;
	}
	qsort(changes, *count, sizeof *changes, compare_changes);
	return changes;
}

static int put_values(struct writer *writer, const char *key, int dimensions, const uint64_t *shape,
    const float *values)
{
	struct record record;
	record_tensor(&record, "values", 'f', dimensions, shape);
	return record_set_key(&record, key) < 0 ? -1 : writer_put(writer, &record, values);
}

static int put_change(struct writer *writer, const struct change *change)
{
	const struct dense *dense = change->dense;
	char key[sizeof change->key + 8];
	if (!dense)
		return put_values(writer, change->key, change->parameter->dimensions,
		    change->parameter->shape, change->parameter->value);
	int stem = (int)(strlen(change->key) - strlen(".weight"));
	snprintf(key, sizeof key, "%.*s.lora_A", stem, change->key);
	if (put_values(writer, key, 2, dense->lora_a->shape, dense->lora_a->value) < 0)
		return -1;
	snprintf(key, sizeof key, "%.*s.lora_B", stem, change->key);
	if (put_values(writer, key, 2, dense->lora_b->shape, dense->lora_b->value) < 0)
		return -1;
	snprintf(key, sizeof key, "%.*s.scale", stem, change->key);
	return put_values(writer, key, 1, (const uint64_t[]){ 1 }, &dense->lora_scale);
}

int adapter_write(const char *path, const struct llama_network *network, const struct digest *llm)
{
	size_t count;
	struct change *changes = collect(network, !llm, &count);
	struct writer *writer = changes ? writer_open(path, WRITER_BARE) : NULL;
	if (!writer) {
		memory_release(changes);
		return -1;
	}
	struct digest opened = model_file_fingerprint(weights_file(network->weights));
	int result = import_adapter_begin(writer, llm ? llm : &opened);
	for (size_t i = 0; i < count && result == 0; i++)
		result = put_change(writer, &changes[i]);
	memory_release(changes);
	if (result == 0)
		return writer_finish(writer);
	writer_abandon(writer);
	return -1;
}

/* An adapter that says which language model it is for is for no other. */
static int check_model(const struct model_file *file, const struct llama_network *network)
{
	char wanted[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE];
	struct digest digest = model_file_fingerprint(weights_file(network->weights));
	if (parameters_begin(file, "adapter") < 0)
		return -1;
	digest_text(&digest, text);
	if (common.any_maker || !model_file_text(file, "llm_weights", wanted, sizeof wanted) ||
	    strcmp(wanted, text) == 0)
		return 0;
	return parameters_error(
	    file, "made for another language model (%.8s...); --any-maker takes it as it is", wanted);
}

static void copy_values(const struct weight *weight, struct parameter *parameter)
{
	dtype_to_f32(weight->dtype, weight->data, parameter->value, parameter->count);
}

/* Put the pair NAME.lora_A, NAME.lora_B on its layer. */
static int read_pair(struct llama_network *network, const struct model_file *file, const char *name,
    const struct weight *a, float dropout)
{
	struct dense *dense = llama_network_find(network, name);
	char key[LLAMA_NAME + 8];
	const float *scale;
	struct weight b;
	if (!dense)
		return parameters_error(file, "%s: the model has no such linear layer", name);
	uint64_t rank = a->dimensions == 2 ? a->shape[0] : 0;
	if (rank == 0 || rank > PARAMETERS_WIDTH_MOST || a->shape[1] != dense->in)
		return parameters_error(
		    file, "%s.lora_A: does not fit a layer of %zu inputs", name, dense->in);
	if (a->dtype != 'f' && a->dtype != 'E' && a->dtype != 'e')
		return parameters_error(file, "%s.lora_A: is none of f32, bf16 and f16", name);
	snprintf(key, sizeof key, "%s.scale", name);
	if (parameters_values(file, key, 0, 1, &scale) < 0)
		return -1;
	snprintf(key, sizeof key, "%s.lora_B", name);
	uint64_t shape[2] = { dense->out, rank };
	if (model_file_need(file, key, 2, shape, &b) < 0 ||
	    llama_network_add_lora(network, dense, name, (size_t)rank, *scale) < 0)
		return -1;
	dense->lora_dropout = dropout;
	copy_values(a, dense->lora_a);
	copy_values(&b, dense->lora_b);
	return 0;
}

/* A whole tensor in place of the model's, trained on as it was. */
static int read_replacement(
    struct llama_network *network, const struct model_file *file, const char *key)
{
	struct parameter *parameter = weights_find(network->weights, key);
	struct weight weight;
	if (!parameter)
		return parameters_error(file, "tensor %s: unknown to the language model", key);
	if (model_file_need(file, key, parameter->dimensions, parameter->shape, &weight) < 0 ||
	    parameter_train(parameter, 1) < 0)
		return -1;
	copy_values(&weight, parameter);
	return 0;
}

static int read_all(struct llama_network *network, const struct model_file *file, float dropout)
{
	struct adapter_tensor tensor;
	size_t at = 0, adapters = 0;
	int found;
	for (; (found = adapter_tensors_next(file, &at, &tensor)) > 0; adapters += tensor.pair)
		if ((tensor.pair ? read_pair(network, file, tensor.name, &tensor.weight, dropout)
		                 : read_replacement(network, file, tensor.name)) < 0)
			return -1;
	if (found < 0)
		return -1;
	return adapters > 0 ? 0 : parameters_error(file, "holds no adapter");
}

int adapter_read(struct llama_network *network, const char *path, float dropout)
{
	struct model_file *file = model_file_open_path(path);
	if (!file)
		return error_context("%s", path);
	int result = check_model(file, network);
	if (result == 0)
		result = model_file_verify(file, NULL);
	if (result == 0)
		result = read_all(network, file, dropout);
	model_file_close(file);
	return result;
}
