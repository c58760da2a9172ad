/* toy_llama.h - a language model of toy size with random weights, written by the test itself, and
 * ragged rows for it.
 */
#ifndef ZV_TESTS_TOY_LLAMA_H
#define ZV_TESTS_TOY_LLAMA_H

#include "tap.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "stream/write.h"
#include "train/llama_network.h"
#include "train/saves.h"
#include "train/weights.h"

struct toy_llama {
	size_t width, layers, heads, kv_heads, mlp_width, vocabulary;
	bool tied;
	char dtype; /* of matrices */
};

static struct random toy_random = { .seed = 3 };

/* Uniform in +-most. */
static inline float toy_number(double most)
{
	return (float)(most * (2 * random_unit(&toy_random) - 1));
}

static inline float *toy_numbers(size_t count, double most)
{
	float *values = memory_allocate(count, sizeof *values);
	if (!values)
		exit(2);
	for (size_t i = 0; i < count; i++)
		values[i] = toy_number(most);
	return values;
}

/* rows 0: a norm's weight, about 1. */
static inline void toy_tensor(
    struct writer *writer, const char *key, char dtype, size_t rows, size_t columns, double most)
{
	size_t count = (rows ? rows : 1) * columns;
	float *values = toy_numbers(count, most);
	void *stored = memory_allocate(count, 4);
	for (size_t i = 0; i < count && !rows; i++)
		values[i] += 1;
	struct record record;
	record_tensor(&record, "values", rows ? dtype : 'f', rows ? 2 : 1,
	    rows ? (const uint64_t[]){ rows, columns } : (const uint64_t[]){ columns });
	dtype_from_f32(record.dtype, values, stored, count);
	if (record_set_key(&record, key) < 0 || writer_put(writer, &record, stored) < 0)
		exit(2);
	memory_release(values);
	memory_release(stored);
}

static inline void toy_layer(struct writer *writer, const struct toy_llama *toy, size_t n)
{
	size_t width = toy->width, kv = width / toy->heads * toy->kv_heads, mlp = toy->mlp_width;
	const struct {
		const char *name;
		size_t rows, columns;
	} tensors[] = {
		{ "input_layernorm", 0, width },
		{ "self_attn.q_proj", width, width },
		{ "self_attn.k_proj", kv, width },
		{ "self_attn.v_proj", kv, width },
		{ "self_attn.o_proj", width, width },
		{ "post_attention_layernorm", 0, width },
		{ "mlp.gate_proj", mlp, width },
		{ "mlp.up_proj", mlp, width },
		{ "mlp.down_proj", width, mlp },
	};
	for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++) {
		char key[100];
		snprintf(key, sizeof key, "model.layers.%zu.%s.weight", n, tensors[i].name);
		toy_tensor(writer, key, toy->dtype, tensors[i].rows, tensors[i].columns, 0.3);
	}
}

/* Write DIRECTORY/llm.zv. */
static inline void toy_write(const struct toy_llama *toy, const char *directory)
{
	char path[200], words[400];
	mkdir(directory, 0777);
	snprintf(path, sizeof path, "%s/llm.zv", directory);
	struct writer *writer = writer_open(path, WRITER_BARE);
	snprintf(words, sizeof words,
	    "stage=llm\nwidth=%zu\nlayers=%zu\nheads=%zu\nkv_heads=%zu\nmlp_width=%zu\n"
	    "vocabulary=%zu\npositions=64\nnorm_eps=1e-05\nrope_theta=10000\n%s",
	    toy->width, toy->layers, toy->heads, toy->kv_heads, toy->mlp_width, toy->vocabulary,
	    toy->tied ? "tied=1\n" : "");
	struct record record;
	record_tensor(&record, "llm", 'B', 1, (const uint64_t[]){ 0 });
	record.meta = words;
	record.meta_size = strlen(words);
	if (!writer || record_set_key(&record, "config") < 0 || writer_put(writer, &record, NULL) < 0)
		exit(2);
	toy_tensor(writer, "model.embed_tokens.weight", toy->dtype, toy->vocabulary, toy->width, 1);
	for (size_t n = 0; n < toy->layers; n++)
		toy_layer(writer, toy, n);
	toy_tensor(writer, "model.norm.weight", 'f', 0, toy->width, 0.3);
	if (!toy->tied)
		toy_tensor(writer, "lm_head.weight", toy->dtype, toy->vocabulary, toy->width, 0.3);
	if (writer_finish(writer) < 0)
		exit(2);
}

/* Train the parameters whose name holds part ("": all of the file). */
static inline void toy_train(struct weights *weights, const char *part)
{
	struct parameter *parameter;
	for (size_t i = 0; (parameter = weights_at(weights, i)); i++)
		if (strstr(parameter->name, part) && parameter_train(parameter, 1) < 0)
			exit(2);
}

/* The network over rows, the head on all of them, and back from the gradient of the logits. */
struct toy_pass {
	struct llama_pass pass;
	size_t rows;
	const float *input;   /* [rows][width] */
	const float *dlogits; /* [rows][vocabulary] */
	float *logits;        /* [rows][vocabulary] */
	float *drows;         /* [rows][width], or NULL: not wanted */
};
static inline int toy_run(
    struct llama_network *network, const struct toy_pass *toy, struct saves *saves)
{
	size_t width = llama_network_width(network);
	float *hidden = memory_allocate(toy->rows * width, sizeof *hidden);
	float *gradient = memory_allocate(toy->rows * width, sizeof *gradient);
	int result = llama_network_forward(network, &toy->pass, toy->input, saves, hidden);
	if (result == 0)
		result = llama_network_head(network, hidden, toy->rows, saves, toy->logits);
	if (result == 0 && saves)
		result =
		    llama_network_head_backward(network, hidden, toy->rows, toy->dlogits, saves, gradient);
	if (result == 0 && saves)
		result = llama_network_backward(network, &toy->pass, saves, gradient, toy->drows);
	memory_release(hidden);
	memory_release(gradient);
	return result;
}

#endif
