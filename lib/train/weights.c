/* weights.c - the parameters of a part under training: found, added, marked as trained (see
 * weights.h). weights_write.c writes them.
 *
 * Which of them decay is the rule of LAVIS' get_optimizer_params (spec 7.1): those of one dimension
 * and those called ".bias" do not. It counts dimensions as the reference has them, where two tensors
 * have others than in our files: the class embedding is [1, 1, width] there, and decays; the
 * temperature has none, and decays.
 */
#include "train/weights_private.h"
#include "base/checked.h"
#include "base/dtype.h"
#include "base/ending.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/packed.h"
#include "stream/model_file.h"
#include "train/spans.h"

#include <string.h>

static bool does_decay(const struct parameter *parameter)
{
	if (ending_is(parameter->name, ".bias"))
		return false;
	return parameter->dimensions != 1 ||
	       strcmp(parameter->name, "embeddings.class_embedding") == 0 ||
	       strcmp(parameter->name, "temp") == 0;
}

/* Enter a tensor of the file; byte files are none of ours. */
static int enter(
    struct weights *weights, const char *key, size_t key_size, const struct weight *weight)
{
	bool packed = packed_is(weight->dtype);
	if (weight->dtype != 'e' && weight->dtype != 'E' && weight->dtype != 'f' && !packed)
		return 0;
	char *name = memory_text(key, key_size);
	if (!name)
		return -1;
	struct parameter *parameter = &weights->own[weights->own_count++];
	*parameter = (struct parameter){ .name = name,
		.dimensions = weight->dimensions,
		.count = packed ? (size_t)(weight->shape[0] * weight->shape[1])
		                : weight->bytes / dtype_size(weight->dtype),
		.dtype = weight->dtype,
		.stored = weight->data,
		.saved = true,
		.rate = 1 };
	memcpy(parameter->shape, weight->shape, sizeof parameter->shape);
	parameter->decays = does_decay(parameter);
	return 0;
}

static int enter_all(struct weights *weights)
{
	const char *key;
	size_t key_size, count = 0;
	struct weight weight;
	while (model_file_at(weights->file, count, &key, &key_size, &weight))
		count++;
	weights->own = memory_allocate_zero(count, sizeof *weights->own);
	if (!weights->own)
		return -1;
	for (size_t i = 0; model_file_at(weights->file, i, &key, &key_size, &weight); i++)
		if (enter(weights, key, key_size, &weight) < 0)
			return -1;
	return 0;
}

struct weights *weights_open(const char *model, const char *part)
{
	struct weights *weights = memory_allocate_zero(1, sizeof *weights);
	if (!weights)
		return NULL;
	if (!(weights->part = memory_text(part, strlen(part))) ||
	    !(weights->file = model_file_open(model, part)) ||
	    model_file_verify(weights->file, NULL) < 0 || enter_all(weights) < 0) {
		weights_close(weights);
		return NULL;
	}
	return weights;
}

static void release_parameter(struct parameter *parameter)
{
	memory_release((char *)parameter->name);
	memory_release(parameter->value);
	memory_release(parameter->gradient);
	memory_release(parameter->first_moment);
	memory_release(parameter->second_moment);
	memory_release(parameter->average);
}

void weights_close(struct weights *weights)
{
	if (!weights)
		return;
	for (size_t i = 0; i < weights->own_count; i++)
		release_parameter(&weights->own[i]);
	for (size_t i = 0; i < weights->added_count; i++) {
		release_parameter(weights->added[i]);
		memory_release(weights->added[i]);
	}
	memory_release(weights->own);
	memory_release(weights->added);
	memory_release(weights->part);
	model_file_close(weights->file);
	memory_release(weights);
}

const struct model_file *weights_file(const struct weights *weights)
{
	return weights->file;
}

const char *weights_part(const struct weights *weights)
{
	return weights->part;
}

struct parameter *weights_at(const struct weights *weights, size_t i)
{
	if (i < weights->own_count)
		return &weights->own[i];
	i -= weights->own_count;
	return i < weights->added_count ? weights->added[i] : NULL;
}

struct parameter *weights_find(const struct weights *weights, const char *name)
{
	struct parameter *parameter;
	for (size_t i = 0; (parameter = weights_at(weights, i)); i++)
		if (strcmp(parameter->name, name) == 0)
			return parameter;
	return NULL;
}

/* A parameter without a place in the file. */
static struct parameter *make_parameter(const char *name, size_t rows, size_t columns, bool saved)
{
	struct parameter *parameter = memory_allocate_zero(1, sizeof *parameter);
	if (!parameter)
		return NULL;
	parameter->dimensions = rows ? 2 : 1;
	parameter->shape[0] = rows ? rows : columns;
	parameter->shape[1] = rows ? columns : 0;
	parameter->dtype = 'f';
	parameter->saved = saved;
	if (!checked_multiply(rows ? rows : 1, columns, &parameter->count)) {
		error_memory(SIZE_MAX);
	} else if ((parameter->name = memory_text(name, strlen(name))) &&
	           parameter_train(parameter, 1) == 0) {
		parameter->decays = does_decay(parameter);
		return parameter;
	}
	release_parameter(parameter);
	memory_release(parameter);
	return NULL;
}

struct parameter *weights_add(
    struct weights *weights, const char *name, size_t rows, size_t columns, bool saved)
{
	if (weights_find(weights, name)) {
		error_system("%s: \"%s\" is there already", model_file_path(weights->file), name);
		return NULL;
	}
	if (memory_grow((void **)&weights->added, &weights->added_room, weights->added_count + 1,
	        sizeof *weights->added) < 0)
		return NULL;
	struct parameter *parameter = make_parameter(name, rows, columns, saved);
	if (parameter)
		weights->added[weights->added_count++] = parameter;
	return parameter;
}

size_t parameter_bytes(const struct parameter *parameter)
{
	if (!packed_is(parameter->dtype))
		return parameter->count * dtype_size(parameter->dtype);
	size_t rows = (size_t)parameter->shape[0], columns = (size_t)parameter->shape[1];
	return (rows + PACKED_ROWS - 1) / PACKED_ROWS * packed_block(parameter->dtype, columns);
}

int parameter_train(struct parameter *parameter, float rate)
{
	if (packed_is(parameter->dtype) && !parameter->value)
		return error_system("\"%s\" is %s, which cannot be trained: freeze it and train an adapter "
		                    "(--lora), or make a model of f32 or bf16 with zv-import --dtype",
		    parameter->name, packed_name(parameter->dtype));
	if (!parameter->value) {
		float *value = memory_allocate_zero(parameter->count, sizeof *value);
		float *gradient = memory_allocate_zero(parameter->count, sizeof *gradient);
		if (!value || !gradient) {
			memory_release(value);
			memory_release(gradient);
			return -1;
		}
		if (parameter->stored)
			dtype_to_f32(parameter->dtype, parameter->stored, value, parameter->count);
		parameter->value = value;
		parameter->gradient = gradient;
	}
	parameter->rate = rate;
	return 0;
}

const float *parameter_values(const struct parameter *parameter)
{
	if (parameter->value)
		return parameter->value;
	return parameter->dtype == 'f' ? parameter->stored : NULL;
}

static double zero_span(void *context, const struct span *span)
{
	(void)context;
	memset(span->parameter->gradient + span->first, 0, span->count * sizeof(float));
	return 0;
}

void weights_zero_gradients(struct weights *weights)
{
	spans_run(&weights, 1, zero_span, NULL);
}
