/* llama_open.c - the language model's file: sizes, tensors, their names (see llama_layers.h). */
#include "model/llama.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/llama_layers.h"
#include "model/parameters.h"
#include "num/product.h"
#include "stream/model_file.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The linear layers of a block with their names and shapes. */
struct layer_part {
	const char *name;
	size_t offset; /* in struct llama_layer */
	size_t out, in;
};
enum { LAYER_PARTS = 7 };

static void layer_parts(const struct llama *llama, struct layer_part parts[LAYER_PARTS])
{
	size_t width = llama->width, mlp = llama->mlp_width;
	size_t q = llama->heads * llama->head_width, kv = llama->kv_heads * llama->head_width;
	const struct layer_part all[LAYER_PARTS] = {
		{ "self_attn.q_proj", offsetof(struct llama_layer, q), q, width },
		{ "self_attn.k_proj", offsetof(struct llama_layer, k), kv, width },
		{ "self_attn.v_proj", offsetof(struct llama_layer, v), kv, width },
		{ "self_attn.o_proj", offsetof(struct llama_layer, o), width, q },
		{ "mlp.gate_proj", offsetof(struct llama_layer, gate), mlp, width },
		{ "mlp.up_proj", offsetof(struct llama_layer, up), mlp, width },
		{ "mlp.down_proj", offsetof(struct llama_layer, down), width, mlp },
	};
	memcpy(parts, all, sizeof all);
}

static struct projection *part_of(struct llama_layer *layer, const struct layer_part *part)
{
	return (struct projection *)((char *)layer + part->offset);
}

static bool is_name(const char *name, size_t length, const char *wanted)
{
	return length == strlen(wanted) && memcmp(name, wanted, length) == 0;
}

struct projection *llama_projection(struct llama *llama, const char *name, size_t length)
{
	struct layer_part parts[LAYER_PARTS];
	char wanted[PARAMETERS_NAME];
	if (is_name(name, length, "lm_head"))
		return &llama->head;
	layer_parts(llama, parts);
	for (size_t n = 0; n < llama->layers; n++)
		for (size_t i = 0; i < LAYER_PARTS; i++) {
			snprintf(wanted, sizeof wanted, "model.layers.%zu.%s", n, parts[i].name);
			if (is_name(name, length, wanted))
				return part_of(&llama->layer[n], &parts[i]);
		}
	return NULL;
}

struct norm *llama_norm(struct llama *llama, const char *name, size_t length)
{
	char wanted[PARAMETERS_NAME];
	if (is_name(name, length, "model.norm"))
		return &llama->norm;
	for (size_t n = 0; n < llama->layers; n++) {
		snprintf(wanted, sizeof wanted, "model.layers.%zu.input_layernorm", n);
		if (is_name(name, length, wanted))
			return &llama->layer[n].input_norm;
		snprintf(wanted, sizeof wanted, "model.layers.%zu.post_attention_layernorm", n);
		if (is_name(name, length, wanted))
			return &llama->layer[n].post_norm;
	}
	return NULL;
}

static int read_sizes(struct llama *llama)
{
	const struct model_file *file = llama->file;
	float theta;
	if (parameters_begin(file, "llm") < 0 ||
	    parameters_size(file, "width", PARAMETERS_WIDTH_MOST, &llama->width) < 0 ||
	    parameters_size(file, "layers", PARAMETERS_LAYERS_MOST, &llama->layers) < 0 ||
	    parameters_size(file, "heads", PARAMETERS_WIDTH_MOST, &llama->heads) < 0 ||
	    parameters_size(file, "kv_heads", PARAMETERS_WIDTH_MOST, &llama->kv_heads) < 0 ||
	    parameters_size(file, "mlp_width", PARAMETERS_WIDTH_MOST, &llama->mlp_width) < 0 ||
	    parameters_size(file, "vocabulary", PARAMETERS_ROWS_MOST, &llama->vocabulary) < 0 ||
	    parameters_size(file, "positions", PARAMETERS_ROWS_MOST, &llama->positions) < 0 ||
	    parameters_real(file, "rope_theta", &theta) < 0 ||
	    model_file_real(file, "rope_theta", &llama->rope_theta) < 0)
		return -1;
	if (llama->width % llama->heads != 0 || llama->width / llama->heads % 2 != 0)
		return parameters_error(
		    file, "width %zu is not an even multiple of %zu heads", llama->width, llama->heads);
	if (llama->heads % llama->kv_heads != 0)
		return parameters_error(
		    file, "%zu heads are not a multiple of %zu kv_heads", llama->heads, llama->kv_heads);
	llama->head_width = llama->width / llama->heads;
	return 0;
}

static int read_layer(struct llama *llama, size_t n, float eps)
{
	struct layer_part parts[LAYER_PARTS];
	struct llama_layer *layer = &llama->layer[n];
	char name[PARAMETERS_NAME];
	layer_parts(llama, parts);
	for (size_t i = 0; i < LAYER_PARTS; i++) {
		snprintf(name, sizeof name, "model.layers.%zu.%s", n, parts[i].name);
		if (parameters_linear(llama->file, name, parts[i].out, parts[i].in, false,
		        &part_of(layer, &parts[i])->linear) < 0)
			return -1;
	}
	snprintf(name, sizeof name, "model.layers.%zu.input_layernorm", n);
	if (parameters_norm(llama->file, name, llama->width, eps, false, &layer->input_norm) < 0)
		return -1;
	snprintf(name, sizeof name, "model.layers.%zu.post_attention_layernorm", n);
	return parameters_norm(llama->file, name, llama->width, eps, false, &layer->post_norm);
}

static int read_parameters(struct llama *llama)
{
	const struct model_file *file = llama->file;
	bool tied, legacy;
	float eps;
	if (read_sizes(llama) < 0 || parameters_flag(file, "tied", &tied) < 0 ||
	    parameters_flag(file, "legacy", &legacy) < 0 ||
	    parameters_token(file, "bos", llama->vocabulary) < 0 ||
	    parameters_token(file, "eos", llama->vocabulary) < 0 ||
	    parameters_token(file, "pad", INT32_MAX) < 0 || /* nothing reads it */
	    parameters_layers(file, "model.layers.", llama->layers) < 0 ||
	    parameters_real(file, "norm_eps", &eps) < 0 ||
	    parameters_linear(file, "model.embed_tokens", llama->vocabulary, llama->width, false,
	        &llama->embedding) < 0 ||
	    parameters_norm(file, "model.norm", llama->width, eps, false, &llama->norm) < 0)
		return -1;
	if (tied)
		llama->head.linear = llama->embedding;
	else if (parameters_linear(
	             file, "lm_head", llama->vocabulary, llama->width, false, &llama->head.linear) < 0)
		return -1;
	llama->layer = memory_allocate_zero(llama->layers, sizeof *llama->layer);
	if (!llama->layer)
		return -1;
	for (size_t n = 0; n < llama->layers; n++)
		if (read_layer(llama, n, eps) < 0)
			return -1;
	llama->kept = (struct kept){ KEPT_F32, llama->kv_heads, llama->head_width };
	return 0;
}

int llama_verify_layer(struct llama *llama, size_t n)
{
	char prefix[PARAMETERS_NAME];
	if (n < llama->sound) /* blocks are run in order */
		return 0;
	snprintf(prefix, sizeof prefix, "model.layers.%zu.", n);
	if (model_file_verify_part(llama->file, prefix) < 0)
		return -1;
	llama->sound = n + 1;
	return 0;
}

int llama_verify_head(struct llama *llama)
{
	if (!llama->head_sound && model_file_verify(llama->file, "lm_head.weight") < 0)
		return -1;
	llama->head_sound = true;
	return 0;
}

/* What is needed whatever is asked; the tokenizer is verified by who opens it. */
static int verify_first(const struct llama *llama)
{
	if (model_file_verify(llama->file, "model.embed_tokens.weight") < 0)
		return -1;
	return model_file_verify(llama->file, "model.norm.weight");
}

struct llama *llama_open(const char *model)
{
	if (product_start() < 0)
		return NULL;
	struct llama *llama = memory_allocate_zero(1, sizeof *llama);
	if (!llama)
		return NULL;
	llama->file = model_file_open(model, "llm");
	if (!llama->file) {
		memory_release(llama);
		return NULL;
	}
	if (verify_first(llama) < 0 || read_parameters(llama) < 0) {
		llama_close(llama);
		return NULL;
	}
	return llama;
}

static void release_layers(struct llama *llama)
{
	struct layer_part parts[LAYER_PARTS];
	layer_parts(llama, parts);
	for (size_t n = 0; llama->layer && n < llama->layers; n++)
		for (size_t i = 0; i < LAYER_PARTS; i++)
			lora_release(part_of(&llama->layer[n], &parts[i]));
	lora_release(&llama->head);
	memory_release(llama->layer);
}

void llama_close(struct llama *llama)
{
	if (!llama)
		return;
	float *buffers[] = { llama->x, llama->normal, llama->context, llama->q, llama->k, llama->v,
		llama->gate, llama->up, llama->turn, llama->low, llama->wide_k, llama->wide_v };
	for (size_t i = 0; i < sizeof buffers / sizeof buffers[0]; i++)
		memory_release(buffers[i]);
	release_layers(llama);
	for (size_t i = 0; i < llama->adapter_count; i++)
		model_file_close(llama->adapters[i]);
	memory_release(llama->keys);
	memory_release(llama->adapters);
	model_file_close(llama->file);
	memory_release(llama);
}

const struct model_file *llama_file(const struct llama *llama)
{
	return llama->file;
}

size_t llama_width(const struct llama *llama)
{
	return llama->width;
}

size_t llama_vocabulary(const struct llama *llama)
{
	return llama->vocabulary;
}

size_t llama_positions(const struct llama *llama)
{
	return llama->positions;
}
