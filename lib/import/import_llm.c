/* import_llm.c - the language model's part of an import: llm.zv (spec 3.8, 4.6). */
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "import/import_pass.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char table_key[] = "model.embed_tokens.weight";

/* Say what zv-generate will not do as the file asks. */
static void note_generation(struct import *import, const struct json *root, const char *path)
{
	char list[160];
	size_t at = 0, used = 0;
	const char *key;
	while ((key = import_config_unused(root, &at)) && used < sizeof list)
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", key);
	if (used >= sizeof list)
		memcpy(list + sizeof list - 4, "...", 4);
	if (used)
		import_note(import, "%s: not used: %s", path, list);
	size_t ends = json_count(json_member(root, "eos_token_id"));
	if (ends > 1)
		import_note(import, "%s: eos_token_id names %zu ids; only the first, %lld, ends an answer",
		    path, ends, (long long)import->llm.config.eos);
}

static int read_generation(struct import *import)
{
	const struct import_origin *origin = import_find(&import->sources, IMPORT_LLM, table_key);
	char path[PATH_MAX];
	struct stat status;
	if (!origin->source->directory)
		return 0;
	int length =
	    snprintf(path, sizeof path, "%s/generation_config.json", origin->source->directory);
	if (length < 0 || (size_t)length >= sizeof path || stat(path, &status) < 0)
		return 0;
	struct json *root = import_config_open(path);
	int result =
	    root ? import_config_generation(root, &import->llm.config, &import->llm.generation) : -1;
	if (result == 0)
		note_generation(import, root, path);
	json_release(root);
	return result < 0 ? error_context("%s", path) : 0;
}

static int read_settings(struct import *import)
{
	struct import_llm_sizes *sizes = &import->llm;
	const struct import_origin *origin = import_find(&import->sources, IMPORT_LLM, table_key);
	const struct json *root = import_config_of(import, IMPORT_LLM, table_key, "text_config");
	if (import_config_llm(root, &sizes->config) < 0)
		return import_config_error(import, IMPORT_LLM, table_key, "text_config");
	if (!sizes->config.found)
		return error_input("%s does not say how many heads the language model has: give "
		                   "--config with a config.json",
		    origin->source->path);
	if (sizes->config.layers && (uint64_t)sizes->config.layers != sizes->layers)
		return error_input("%s: there are %llu layers in the language model, but the "
		                   "configuration says %lld",
		    origin->source->path, (unsigned long long)sizes->layers,
		    (long long)sizes->config.layers);
	sizes->heads = (uint64_t)sizes->config.heads;
	sizes->kv_heads = (uint64_t)sizes->config.kv_heads;
	if (sizes->width % sizes->heads || sizes->width / sizes->heads % 2)
		return error_input("the language model's width %llu cannot be cut into %llu heads of even "
		                   "width",
		    (unsigned long long)sizes->width, (unsigned long long)sizes->heads);
	if (sizes->heads % sizes->kv_heads)
		return error_input("%llu heads of keys do not divide %llu heads",
		    (unsigned long long)sizes->kv_heads, (unsigned long long)sizes->heads);
	/* A table that is its own head may still be stored as one; the class uses the table. */
	sizes->tied = sizes->config.tied;
	return read_generation(import);
}

int import_llm_measure(struct import *import)
{
	struct import_llm_sizes *sizes = &import->llm;
	uint64_t shape[CHECKPOINT_DIMENSIONS];
	int dimensions;
	if (!import_shape(import, IMPORT_LLM, table_key, &dimensions, shape) || dimensions != 2)
		return error_input("the language model has no embedding table [vocabulary, width]");
	sizes->vocabulary = shape[0];
	sizes->width = shape[1];
	if (!import_shape(
	        import, IMPORT_LLM, "model.layers.0.mlp.gate_proj.weight", &dimensions, shape))
		return error_input("the language model has no layers");
	sizes->mlp_width = shape[0];
	sizes->layers = (uint64_t)import_layers(&import->sources, IMPORT_LLM, "model.layers.");
	return read_settings(import);
}

static int put_settings(struct import_pass *pass)
{
	const struct import_llm_sizes *sizes = &pass->import->llm;
	const struct import_llm_config *config = &sizes->config;
	struct import_words words = { .size = 0 };
	import_word_text(&words, "stage", "llm");
	import_word_whole(&words, "width", (int64_t)sizes->width);
	import_word_whole(&words, "layers", (int64_t)sizes->layers);
	import_word_whole(&words, "heads", (int64_t)sizes->heads);
	import_word_whole(&words, "kv_heads", (int64_t)sizes->kv_heads);
	import_word_whole(&words, "mlp_width", (int64_t)sizes->mlp_width);
	import_word_whole(&words, "vocabulary", (int64_t)sizes->vocabulary);
	import_word_whole(&words, "positions", config->positions);
	import_word_real(&words, "norm_eps", config->norm_eps);
	import_word_real(&words, "rope_theta", config->rope_theta);
	if (config->bos >= 0)
		import_word_whole(&words, "bos", config->bos);
	if (config->eos >= 0)
		import_word_whole(&words, "eos", config->eos);
	if (config->pad >= 0)
		import_word_whole(&words, "pad", config->pad);
	if (sizes->tied)
		import_word_whole(&words, "tied", 1);
	if (sizes->modern)
		import_word_whole(&words, "legacy", 0);
	import_word_text(&words, "template", pass->import->template);
	if (words.size + sizes->generation.size < sizeof words.text) {
		memcpy(words.text + words.size, sizes->generation.text, sizes->generation.size);
		words.size += sizes->generation.size;
	}
	return import_settings(pass, &words);
}

static int put_layer(struct import_pass *pass, unsigned layer)
{
	const struct import_llm_sizes *sizes = &pass->import->llm;
	uint64_t width = sizes->width, kv = width / sizes->heads * sizes->kv_heads;
	const struct {
		const char *name;
		uint64_t rows, columns; /* columns 0: a norm */
	} tensors[] = {
		{ "input_layernorm", width, 0 },
		{ "self_attn.q_proj", width, width },
		{ "self_attn.k_proj", kv, width },
		{ "self_attn.v_proj", kv, width },
		{ "self_attn.o_proj", width, width },
		{ "post_attention_layernorm", width, 0 },
		{ "mlp.gate_proj", sizes->mlp_width, width },
		{ "mlp.up_proj", sizes->mlp_width, width },
		{ "mlp.down_proj", width, sizes->mlp_width },
	};
	for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
		char key[IMPORT_KEY_SIZE];
		const uint64_t shape[2] = { tensors[i].rows, tensors[i].columns };
		snprintf(key, sizeof key, "model.layers.%u.%s.weight", layer, tensors[i].name);
		enum import_form form = shape[1] ? IMPORT_MATRIX : IMPORT_VECTOR;
		if (import_tensor(pass, form, key, shape[1] ? 2 : 1, shape) < 0)
			return -1;
	}
	return 0;
}

int import_llm_tensors(struct import_pass *pass)
{
	struct import *import = pass->import;
	const struct import_llm_sizes *sizes = &import->llm;
	const uint64_t table[2] = { sizes->vocabulary, sizes->width };
	if (put_settings(pass) < 0 || import_file(pass, "tokenizer.model", &import->tokenizer) < 0 ||
	    import_file(pass, "added_tokens", &import->llm_added) < 0 ||
	    import_tensor(pass, IMPORT_MATRIX, table_key, 2, table) < 0)
		return -1;
	for (uint64_t layer = 0; layer < sizes->layers; layer++)
		if (put_layer(pass, (unsigned)layer) < 0)
			return -1;
	if (import_tensor(pass, IMPORT_VECTOR, "model.norm.weight", 1, &sizes->width) < 0)
		return -1;
	return sizes->tied ? 0 : import_tensor(pass, IMPORT_MATRIX, "lm_head.weight", 2, table);
}

/* Add the mean of |w| of a norm to *sum. What is not there counts as nothing. */
static int add_level(const struct import_sources *sources, const char *key, double *sum)
{
	const struct import_origin *origin = import_find(sources, IMPORT_LLM, key);
	size_t count = origin ? (size_t)origin->tensor->elements : 0;
	if (count == 0)
		return 0;
	char dtype = origin->tensor->dtype;
	void *raw = memory_allocate(count, dtype_size(dtype));
	float *values = raw ? memory_allocate(count, sizeof *values) : NULL;
	int result = -1;
	double total = 0;
	if (values) {
		result = checkpoint_read(origin->source->checkpoint, origin->tensor, 0, count, raw);
		if (result == 0)
			dtype_to_f32(dtype, raw, values, count);
		for (size_t i = 0; i < count && result == 0; i++)
			total += fabs((double)values[i]);
		*sum += total / (double)count;
	}
	memory_release(raw);
	memory_release(values);
	return result < 0 ? error_context("%s", origin->source->path) : 0;
}

/* The scales of RMSNorm begin at 1 in training and end at some tenths (LLaMA 0.3 on average); in
 * the difference of two models they are nearly 0. */
static int looks_like_delta(
    const struct import *import, const struct import_sources *sources, bool *yes)
{
	static const char *const names[] = { "input_layernorm", "post_attention_layernorm" };
	double sum = 0;
	if (add_level(sources, "model.norm.weight", &sum) < 0)
		return -1;
	for (unsigned layer = 0; layer < import->llm.layers; layer++)
		for (size_t i = 0; i < 2; i++) {
			char key[IMPORT_KEY_SIZE];
			snprintf(key, sizeof key, "model.layers.%u.%s.weight", layer, names[i]);
			if (add_level(sources, key, &sum) < 0)
				return -1;
		}
	*yes = sum / (double)(2 * import->llm.layers + 1) < 0.1;
	return 0;
}

int import_llm_remarks(struct import *import)
{
	const char *path = import->sources.owners[IMPORT_LLM]->path;
	bool delta, base_delta = false;
	if (looks_like_delta(import, &import->sources, &delta) < 0 ||
	    (import->request->base && looks_like_delta(import, &import->base, &base_delta) < 0))
		return -1;
	if (delta && !import->request->delta)
		import_note(import,
		    "%s: looks like a delta, not like a model (its norms are nearly 0): give it with "
		    "--delta, and with --base what it is to be added to",
		    path);
	if (!delta && import->request->delta)
		import_note(import, "%s: does not look like a delta (its norms are not near 0)", path);
	if (base_delta)
		import_note(
		    import, "%s: looks like a delta, not like the base of one", import->request->base);
	return 0;
}
