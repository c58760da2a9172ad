/* llama_network_lora.c - adapters on the language model under training: putting them on its linear
 * layers, and merging them into the weights (spec 5; PEFT tuners/lora/layer.py).
 */
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/packed.h"
#include "base/random.h"
#include "base/threads.h"
#include "import/import_pattern.h"
#include "model/parameters.h"
#include "train/adapter.h"
#include "train/llama_parts.h"
#include "train/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Is name target, or does it end in ".target"? */
static bool ends_in(const char *name, const char *target)
{
	size_t length = strlen(name), tail = strlen(target);
	if (tail > length || strcmp(name + length - tail, target) != 0)
		return false;
	return tail == length || name[length - tail - 1] == '.';
}

/* Does any target mean the layer called name? used: all that do are noted. 0, or -1: a bad pattern. */
static int find_target(
    const struct lora_settings *settings, const char *name, bool *used, bool *found)
{
	*found = false;
	for (size_t i = 0; i < settings->target_count; i++) {
		int match = settings->pattern ? import_pattern_match_whole(settings->targets[i], name)
		                              : ends_in(name, settings->targets[i]);
		if (match < 0)
			return -1;
		if (match)
			used[i] = *found = true;
	}
	return 0;
}

int llama_network_add_lora(
    struct llama_network *network, struct dense *dense, const char *name, size_t rank, double scale)
{
	char key[LLAMA_NAME + 8];
	if (dense->lora_a)
		return error_system("%s has an adapter already", name);
	if (rank == 0 || rank > PARAMETERS_WIDTH_MOST)
		return error_system(
		    "rank %zu of an adapter is not from 1 to %d", rank, PARAMETERS_WIDTH_MOST);
	snprintf(key, sizeof key, "%s.lora_A", name);
	struct parameter *a = weights_add(network->weights, key, rank, dense->in, true);
	snprintf(key, sizeof key, "%s.lora_B", name);
	struct parameter *b = a ? weights_add(network->weights, key, dense->out, rank, true) : NULL;
	if (!b)
		return -1;
	dense->lora_a = a;
	dense->lora_b = b;
	dense->rank = rank;
	dense->lora_scale = (float)scale;
	return 0;
}

/* A is uniform in +-1/sqrt(in), its numbers a function of the seed and the layer's name; B stays
 * zero, so that the model is at first what it was. */
static void start_lora(struct dense *dense, const char *name, uint64_t seed)
{
	struct random random = random_begin(seed, checksum_of(name, strlen(name)));
	double bound = 1.0 / sqrt((double)dense->in);
	for (size_t i = 0; i < dense->lora_a->count; i++)
		dense->lora_a->value[i] = (float)(bound * (2.0 * random_unit(&random) - 1.0));
}

int llama_network_adapt(struct llama_network *network, const struct lora_settings *settings)
{
	double rank = (double)settings->rank;
	double scale = settings->alpha / (settings->rank_stabilised ? sqrt(rank) : rank);
	bool *used = memory_allocate_zero(settings->target_count, sizeof *used);
	char name[LLAMA_NAME];
	struct dense *dense;
	bool found;
	int result = used ? 0 : -1;
	for (size_t i = 0; result == 0 && (dense = llama_network_dense(network, i, name)); i++) {
		result = find_target(settings, name, used, &found);
		if (result < 0 || !found)
			continue;
		result = llama_network_add_lora(network, dense, name, settings->rank, scale);
		if (result < 0)
			continue;
		dense->lora_dropout = settings->dropout;
		start_lora(dense, name, settings->seed);
	}
	for (size_t i = 0; result == 0 && i < settings->target_count; i++)
		if (!used[i])
			result = error_system("the language model has no linear layer \"%.100s\"; there are "
			                      "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj "
			                      "and lm_head",
			    settings->targets[i]);
	memory_release(used);
	return result;
}

struct merge {
	const struct dense *dense;
	double *scratch; /* [workers][in] */
};

/* Row by row: W += scale B A, the sum over the rank in double. */
static void merge_row(void *context, size_t row, int worker)
{
	const struct merge *merge = context;
	const struct dense *dense = merge->dense;
	const float *a = dense->lora_a->value, *b = dense->lora_b->value + row * dense->rank;
	float *w = dense->weight->value + row * dense->in;
	double *sum = merge->scratch + (size_t)worker * dense->in;
	memset(sum, 0, dense->in * sizeof *sum);
	for (size_t r = 0; r < dense->rank; r++)
		for (size_t i = 0; i < dense->in; i++)
			sum[i] += (double)b[r] * a[r * dense->in + i];
	for (size_t i = 0; i < dense->in; i++)
		w[i] = (float)(w[i] + (double)dense->lora_scale * sum[i]);
}

static int merge_one(struct dense *dense)
{
	if (!dense->weight->value && parameter_train(dense->weight, 1.0f) < 0)
		return -1;
	struct merge merge = { dense,
		memory_allocate((size_t)threads_count(), dense->in * sizeof *merge.scratch) };
	if (!merge.scratch)
		return -1;
	threads_run(dense->out, merge_row, &merge);
	memory_release(merge.scratch);
	/* They are no part of the model any more. */
	dense->lora_a->saved = dense->lora_b->saved = false;
	dense->lora_a = dense->lora_b = NULL;
	return 0;
}

int llama_network_check_merge(struct llama_network *network)
{
	struct dense *dense;
	char name[LLAMA_NAME];
	if (network->head.lora_a && network->head.weight == network->embedding)
		return error_system("lm_head has its weights in common with the embeddings: an adapter on "
		                    "it cannot be merged");
	for (size_t i = 0; (dense = llama_network_dense(network, i, name)); i++)
		if (dense->lora_a && packed_is(dense->weight->dtype))
			return error_system("%s is %s, into which no adapter can be merged: keep it beside the "
			                    "model, without --merge",
			    name, packed_name(dense->weight->dtype));
	return 0;
}

int llama_network_merge(struct llama_network *network)
{
	struct dense *dense;
	if (llama_network_check_merge(network) < 0)
		return -1;
	for (size_t i = 0; (dense = llama_network_dense(network, i, NULL)); i++)
		if (dense->lora_a && merge_one(dense) < 0)
			return -1;
	return 0;
}
