/* llama_network.c - the language model under training: its file, embedding and head (see
 * llama_network.h).
 */
#include "train/llama_network.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/parameters.h"
#include "num/gradient.h"
#include "num/kernels.h"
#include "num/product.h"
#include "stream/model_file.h"
#include "train/llama_parts.h"
#include "train/saves.h"
#include "train/weights.h"

#include <stdio.h>
#include <string.h>

enum { LAYER_PARTS = 7, PLACE = 1 << 16 /* of the first dropout mask of this network */ };

static const struct {
	const char *name;
	size_t offset; /* in struct network_layer */
} layer_parts[LAYER_PARTS] = {
	{ "self_attn.q_proj", offsetof(struct network_layer, q) },
	{ "self_attn.k_proj", offsetof(struct network_layer, k) },
	{ "self_attn.v_proj", offsetof(struct network_layer, v) },
	{ "self_attn.o_proj", offsetof(struct network_layer, o) },
	{ "mlp.gate_proj", offsetof(struct network_layer, gate) },
	{ "mlp.up_proj", offsetof(struct network_layer, up) },
	{ "mlp.down_proj", offsetof(struct network_layer, down) },
};

struct dense *llama_network_dense(
    const struct llama_network *network, size_t i, char name[LLAMA_NAME])
{
	size_t n = i / LAYER_PARTS, part = i % LAYER_PARTS;
	if (i > network->layers * LAYER_PARTS)
		return NULL;
	if (n == network->layers) {
		if (name)
			snprintf(name, LLAMA_NAME, "lm_head");
		return (struct dense *)&network->head;
	}
	if (name)
		snprintf(name, LLAMA_NAME, "model.layers.%zu.%s", n, layer_parts[part].name);
	return (struct dense *)((char *)&network->layer[n] + layer_parts[part].offset);
}

struct dense *llama_network_find(const struct llama_network *network, const char *name)
{
	char own[LLAMA_NAME];
	struct dense *dense;
	for (size_t i = 0; (dense = llama_network_dense(network, i, own)); i++)
		if (strcmp(own, name) == 0)
			return dense;
	return NULL;
}

bool dense_is_trained(const struct dense *dense)
{
	return dense->weight->gradient || (dense->bias && dense->bias->gradient) || dense->lora_a;
}

static int read_sizes(struct llama_network *network)
{
	const struct model_file *file = weights_file(network->weights);
	if (parameters_begin(file, "llm") < 0 ||
	    parameters_size(file, "width", PARAMETERS_WIDTH_MOST, &network->width) < 0 ||
	    parameters_size(file, "layers", PARAMETERS_LAYERS_MOST, &network->layers) < 0 ||
	    parameters_size(file, "heads", PARAMETERS_WIDTH_MOST, &network->heads) < 0 ||
	    parameters_size(file, "kv_heads", PARAMETERS_WIDTH_MOST, &network->kv_heads) < 0 ||
	    parameters_size(file, "mlp_width", PARAMETERS_WIDTH_MOST, &network->mlp_width) < 0 ||
	    parameters_size(file, "vocabulary", PARAMETERS_ROWS_MOST, &network->vocabulary) < 0 ||
	    parameters_size(file, "positions", PARAMETERS_ROWS_MOST, &network->positions) < 0 ||
	    model_file_real(file, "rope_theta", &network->rope_theta) < 0)
		return -1;
	if (!(network->rope_theta > 0))
		return parameters_error(file, "rope_theta is not positive");
	if (network->width % network->heads != 0 || network->width / network->heads % 2 != 0)
		return parameters_error(
		    file, "width %zu is not an even multiple of %zu heads", network->width, network->heads);
	if (network->heads % network->kv_heads != 0)
		return parameters_error(file, "%zu heads are not a multiple of %zu kv_heads",
		    network->heads, network->kv_heads);
	network->head_width = network->width / network->heads;
	return parameters_layers(file, "model.layers.", network->layers);
}

static int open_layer(struct llama_network *network, size_t n, float eps)
{
	struct network_layer *layer = &network->layer[n];
	size_t width = network->width, kv = network->kv_heads * network->head_width;
	size_t mlp = network->mlp_width;
	const size_t out[LAYER_PARTS] = { width, kv, kv, width, mlp, mlp, width };
	const size_t in[LAYER_PARTS] = { width, width, width, width, width, width, mlp };
	char name[LLAMA_NAME];
	for (size_t part = 0; part < LAYER_PARTS; part++) {
		size_t i = n * LAYER_PARTS + part;
		struct dense *dense = llama_network_dense(network, i, name);
		if (dense_open(dense, network->weights, name, out[part], in[part]) < 0)
			return -1;
		dense->place = PLACE + (uint32_t)i;
	}
	snprintf(name, sizeof name, "model.layers.%zu.input_layernorm", n);
	if (trained_norm_open(&layer->input_norm, network->weights, name, width, eps, false) < 0)
		return -1;
	snprintf(name, sizeof name, "model.layers.%zu.post_attention_layernorm", n);
	return trained_norm_open(&layer->post_norm, network->weights, name, width, eps, false);
}

static int open_parts(struct llama_network *network)
{
	const struct model_file *file = weights_file(network->weights);
	struct weights *weights = network->weights;
	struct dense table;
	bool tied;
	float eps;
	if (read_sizes(network) < 0 || parameters_flag(file, "tied", &tied) < 0 ||
	    parameters_real(file, "norm_eps", &eps) < 0 ||
	    dense_open(&table, weights, "model.embed_tokens", network->vocabulary, network->width) <
	        0 ||
	    trained_norm_open(&network->norm, weights, "model.norm", network->width, eps, false) < 0)
		return -1;
	network->embedding = table.weight;
	network->head = table;
	if (!tied &&
	    dense_open(&network->head, weights, "lm_head", network->vocabulary, network->width) < 0)
		return -1;
	network->layer = memory_allocate_zero(network->layers, sizeof *network->layer);
	network->workspace = saves_new();
	if (!network->layer || !network->workspace)
		return -1;
	network->head.place = PLACE + (uint32_t)(network->layers * LAYER_PARTS);
	for (size_t n = 0; n < network->layers; n++)
		if (open_layer(network, n, eps) < 0)
			return -1;
	return 0;
}

struct llama_network *llama_network_open(struct weights *weights)
{
	struct llama_network *network = memory_allocate_zero(1, sizeof *network);
	if (!network)
		return NULL;
	network->weights = weights;
	if (product_start() < 0 || open_parts(network) < 0) {
		llama_network_close(network);
		return NULL;
	}
	return network;
}

void llama_network_close(struct llama_network *network)
{
	if (!network)
		return;
	if (network->workspace)
		saves_release(network->workspace);
	memory_release(network->layer);
	memory_release(network->turns);
	memory_release(network->position);
	memory_release(network->items);
	memory_release(network);
}

size_t llama_network_width(const struct llama_network *network)
{
	return network->width;
}

size_t llama_network_vocabulary(const struct llama_network *network)
{
	return network->vocabulary;
}

size_t llama_network_positions(const struct llama_network *network)
{
	return network->positions;
}

static int check_ids(const struct llama_network *network, const int32_t *ids, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ids[i] < 0 || (size_t)ids[i] >= network->vocabulary)
			return error_input("token %d is not one of the %zu of the language model", (int)ids[i],
			    network->vocabulary);
	return 0;
}

int llama_network_embed(
    struct llama_network *network, const int32_t *ids, size_t count, float *rows)
{
	struct linear table = dense_matrix(network->embedding);
	if (check_ids(network, ids, count) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		linear_weight(&table, (size_t)ids[i], 1, rows + i * network->width);
	return 0;
}

int llama_network_embed_backward(
    struct llama_network *network, const int32_t *ids, size_t count, const float *drows)
{
	if (!network->embedding->gradient)
		return 0;
	if (check_ids(network, ids, count) < 0)
		return -1;
	return embedding_backward(ids, count, drows, network->width, network->embedding->gradient);
}

int llama_network_head(struct llama_network *network, const float *hidden, size_t n,
    struct saves *saves, float *logits)
{
	return dense_forward(
	    &network->head, hidden, n, logits, LINEAR_STORE, saves ? &network->dropout : NULL, saves);
}

int llama_network_head_backward(struct llama_network *network, const float *hidden, size_t n,
    const float *dlogits, struct saves *saves, float *drows)
{
	return dense_backward(&network->head, hidden, n, dlogits, drows, false, &network->dropout,
	    saves, network->workspace);
}
