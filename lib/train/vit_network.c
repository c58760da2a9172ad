/* vit_network.c - the image encoder under training: opening and forward (see vit_network.h;
 * spec 3.2). Backward is in vit_network_backward.c.
 */
#include "train/vit_network_blocks.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "image/picture.h"
#include "model/parameters.h"
#include "num/gradient.h"
#include "num/kernels.h"
#include "num/product.h"
#include "stream/model_file.h"
#include "train/network.h"
#include "train/saves.h"
#include "train/weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SIDE_MOST = 4096 };

static int open_block(
    struct vit_network *network, size_t layer, float eps, struct vit_network_block *block)
{
	struct weights *weights = network->weights;
	size_t width = network->width, mlp_width = network->mlp_width;
	char name[PARAMETERS_NAME];
	const struct {
		const char *word;
		struct dense *dense;
		size_t out, in;
	} linears[] = { { "self_attn.qkv", &block->qkv, 3 * width, width },
		{ "self_attn.projection", &block->projection, width, width },
		{ "mlp.fc1", &block->fc1, mlp_width, width },
		{ "mlp.fc2", &block->fc2, width, mlp_width } };
	for (size_t i = 0; i < sizeof linears / sizeof linears[0]; i++) {
		snprintf(name, sizeof name, "encoder.layers.%zu.%s", layer, linears[i].word);
		if (dense_open(linears[i].dense, weights, name, linears[i].out, linears[i].in) < 0)
			return -1;
	}
	snprintf(name, sizeof name, "encoder.layers.%zu.layer_norm1", layer);
	if (trained_norm_open(&block->norm1, weights, name, width, eps, true) < 0)
		return -1;
	snprintf(name, sizeof name, "encoder.layers.%zu.layer_norm2", layer);
	return trained_norm_open(&block->norm2, weights, name, width, eps, true);
}

static int open_sizes(struct vit_network *network)
{
	const struct model_file *file = weights_file(network->weights);
	if (parameters_begin(file, "vit") < 0 ||
	    parameters_size(file, "width", PARAMETERS_WIDTH_MOST, &network->width) < 0 ||
	    parameters_size(file, "layers", PARAMETERS_LAYERS_MOST, &network->layers) < 0 ||
	    parameters_size(file, "heads", PARAMETERS_WIDTH_MOST, &network->heads) < 0 ||
	    parameters_size(file, "mlp_width", PARAMETERS_WIDTH_MOST, &network->mlp_width) < 0 ||
	    parameters_size(file, "patch", SIDE_MOST, &network->patch) < 0 ||
	    parameters_size(file, "side", SIDE_MOST, &network->side) < 0 ||
	    parameters_layers(file, "encoder.layers.", network->layers) < 0)
		return -1;
	if (network->side % network->patch != 0)
		return parameters_error(file, "side %zu is not a multiple of the patch size %zu",
		    network->side, network->patch);
	if (network->width % network->heads != 0)
		return parameters_error(
		    file, "width %zu is not a multiple of %zu heads", network->width, network->heads);
	network->grid = network->side / network->patch;
	return 0;
}

/* CLIP's means and deviations unless the file has its own. */
static int open_colours(struct vit_network *network)
{
	const struct model_file *file = weights_file(network->weights);
	for (int i = 0; i < VIT_CHANNELS; i++) {
		char word[8], text[64];
		double mean = (double)picture_clip_mean[i];
		network->std[i] = picture_clip_std[i];
		snprintf(word, sizeof word, "mean_%d", i);
		if (model_file_text(file, word, text, sizeof text) &&
		    model_file_real(file, word, &mean) < 0)
			return -1;
		network->mean[i] = (float)mean;
		snprintf(word, sizeof word, "std_%d", i);
		if (model_file_text(file, word, text, sizeof text) &&
		    parameters_real(file, word, &network->std[i]) < 0)
			return -1;
	}
	return 0;
}

static int open_parameters(struct vit_network *network)
{
	struct weights *weights = network->weights;
	float eps, post_eps;
	if (open_sizes(network) < 0 || open_colours(network) < 0 ||
	    parameters_real(weights_file(weights), "norm_eps", &eps) < 0 ||
	    parameters_real(weights_file(weights), "post_norm_eps", &post_eps) < 0)
		return -1;
	size_t width = network->width, patch = network->patch;
	network->class_embedding =
	    network_tensor(weights, "embeddings.class_embedding", 0, width, true);
	network->positions = network_tensor(
	    weights, "embeddings.position_embedding", 1 + network->grid * network->grid, width, true);
	if (!network->class_embedding || !network->positions ||
	    dense_open(&network->patch_embedding, weights, "embeddings.patch_embedding", width,
	        VIT_CHANNELS * patch * patch) < 0 ||
	    trained_norm_open(&network->post_norm, weights, "post_layernorm", width, post_eps, true) <
	        0)
		return -1;
	network->blocks = memory_allocate_zero(network->layers, sizeof *network->blocks);
	network->workspace = saves_new();
	network->again = saves_new();
	if (!network->blocks || !network->workspace || !network->again)
		return -1;
	for (size_t layer = 0; layer < network->layers; layer++)
		if (open_block(network, layer, eps, &network->blocks[layer]) < 0)
			return -1;
	return 0;
}

struct vit_network *vit_network_open(struct weights *weights)
{
	struct vit_network *network =
	    product_start() < 0 ? NULL : memory_allocate_zero(1, sizeof *network);
	if (!network)
		return NULL;
	network->weights = weights;
	if (open_parameters(network) == 0)
		return network;
	vit_network_close(network);
	return NULL;
}

void vit_network_close(struct vit_network *network)
{
	if (!network)
		return;
	saves_release(network->workspace);
	saves_release(network->again);
	memory_release(network->blocks);
	memory_release(network->items);
	memory_release(network);
}

size_t vit_network_width(const struct vit_network *network)
{
	return network->width;
}

size_t vit_network_side(const struct vit_network *network)
{
	return network->side;
}

size_t vit_network_patch(const struct vit_network *network)
{
	return network->patch;
}

const float *vit_network_mean(const struct vit_network *network)
{
	return network->mean;
}

const float *vit_network_std(const struct vit_network *network)
{
	return network->std;
}

struct vit_shape vit_network_shape(
    const struct vit_network *network, const struct vit_pictures *pictures)
{
	struct vit_shape shape = { .pictures = pictures->count,
		.grid = pictures->side / network->patch };
	shape.tokens = 1 + shape.grid * shape.grid;
	shape.rows = shape.pictures * shape.tokens;
	return shape;
}

size_t vit_network_position(
    const struct vit_network *network, const struct vit_pictures *pictures, size_t row)
{
	if (row == 0)
		return 0;
	size_t grid = pictures->side / network->patch;
	size_t y = pictures->row + (row - 1) / grid, x = pictures->column + (row - 1) % grid;
	return 1 + y * network->grid + x;
}

static bool trains_block(const struct vit_network_block *block)
{
	return network_trains_norm(&block->norm1) || network_trains_norm(&block->norm2) ||
	       network_trains_dense(&block->qkv) || network_trains_dense(&block->projection) ||
	       network_trains_dense(&block->fc1) || network_trains_dense(&block->fc2);
}

size_t vit_network_lowest(const struct vit_network *network)
{
	if (network_trains(network->class_embedding) || network_trains(network->positions) ||
	    network_trains_dense(&network->patch_embedding))
		return 0;
	for (size_t layer = 0; layer < network->layers; layer++)
		if (trains_block(&network->blocks[layer]))
			return 1 + layer;
	return network_trains_norm(&network->post_norm) ? 1 + network->layers : 2 + network->layers;
}

static int check_pictures(const struct vit_network *network, const struct vit_pictures *pictures)
{
	size_t grid = pictures->side / network->patch;
	if (pictures->side == 0 || pictures->side % network->patch != 0)
		return error_input("pictures of side %zu, which is not a multiple of the patch size %zu",
		    pictures->side, network->patch);
	if (grid > network->grid || pictures->row > network->grid - grid ||
	    pictures->column > network->grid - grid)
		return error_input("pictures of %zu x %zu patches at row %zu and column %zu do not fit "
		                   "into the model's %zu x %zu",
		    grid, grid, pictures->row, pictures->column, network->grid, network->grid);
	return 0;
}

static int plan_items(struct vit_network *network, const struct vit_shape *shape)
{
	if (memory_grow((void **)&network->items, &network->item_room, shape->pictures,
	        sizeof *network->items) < 0)
		return -1;
	for (size_t i = 0; i < shape->pictures; i++)
		network->items[i] = (struct attention_item){ .q_start = i * shape->tokens,
			.queries = shape->tokens,
			.kv_start = i * shape->tokens,
			.keys = shape->tokens,
			.open = shape->tokens };
	return 0;
}

struct patches {
	const struct vit_network *network;
	const struct vit_pictures *pictures;
	struct vit_shape shape;
	const float *in;
	float *out;
};

/* One picture [3][side][side] -> rows of patches. */
static void unfold_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct patches *run = context;
	size_t side = run->pictures->side, patch = run->network->patch, grid = run->shape.grid;
	const float *pixels = run->pictures->pixels + chunk * VIT_CHANNELS * side * side;
	float *rows = run->out + chunk * VIT_CHANNELS * side * side;
	for (size_t y = 0; y < grid; y++)
		for (size_t x = 0; x < grid; x++)
			for (size_t line = 0; line < VIT_CHANNELS * patch; line++, rows += patch) {
				size_t channel = line / patch, down = y * patch + line % patch;
				memcpy(rows, pixels + (channel * side + down) * side + x * patch,
				    patch * sizeof *rows);
			}
}

void vit_network_unfold(
    const struct vit_network *network, const struct vit_pictures *pictures, float *rows)
{
	struct patches run = { .network = network,
		.pictures = pictures,
		.shape = vit_network_shape(network, pictures),
		.out = rows };
	threads_run(pictures->count, unfold_chunk, &run);
}

/* One picture's embedded patches, with the class row in front, plus positions. */
static void place_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct patches *run = context;
	const struct vit_network *network = run->network;
	const struct kernels *kernels = kernels_get();
	size_t width = network->width, patches = run->shape.tokens - 1;
	float *x = run->out + chunk * run->shape.tokens * width;
	memcpy(x, parameter_values(network->class_embedding), width * sizeof *x);
	memcpy(x + width, run->in + chunk * patches * width, patches * width * sizeof *x);
	for (size_t row = 0; row < run->shape.tokens; row++) {
		size_t position = vit_network_position(network, run->pictures, row);
		kernels->add(
		    x + row * width, parameter_values(network->positions) + position * width, width);
	}
}

static int embed(struct vit_network *network, const struct vit_pictures *pictures,
    const struct vit_shape *shape, float *x)
{
	size_t patches = shape->pictures * (shape->tokens - 1), mark = saves_mark(network->workspace);
	float *unfolded =
	    saves_push(network->workspace, "unfolded", patches * network->patch_embedding.in);
	float *embedded =
	    unfolded ? saves_push(network->workspace, "embedded", patches * network->width) : NULL;
	int result = -1;
	if (embedded) {
		vit_network_unfold(network, pictures, unfolded);
		result = dense_forward(
		    &network->patch_embedding, unfolded, patches, embedded, LINEAR_STORE, NULL, NULL);
	}
	if (result == 0) {
		struct patches run = {
			.network = network, .pictures = pictures, .shape = *shape, .in = embedded, .out = x
		};
		threads_run(shape->pictures, place_chunk, &run);
	}
	saves_reset(network->workspace, mark);
	return result;
}

struct attention_batch vit_network_attention(
    const struct vit_network *network, const struct vit_shape *shape, const float *qkv)
{
	size_t width = network->width, head_width = width / network->heads;
	return (struct attention_batch){ .heads = network->heads,
		.kv_heads = network->heads,
		.head_width = head_width,
		.scale = 1.0f / sqrtf((float)head_width),
		.q = qkv,
		.k = qkv + width,
		.v = qkv + 2 * width,
		.q_row = 3 * width,
		.kv_row = 3 * width,
		.y_row = width,
		.items = network->items,
		.count = shape->pictures };
}

/* middle = x + projection(attention(norm1(x))) */
static float *attend(struct vit_network *network, const struct vit_network_block *block,
    const struct vit_shape *shape, const float *x, float *normal, struct saves *kept)
{
	size_t rows = shape->rows, width = network->width;
	float *qkv = saves_push(kept, "qkv", rows * 3 * width);
	float *context = qkv ? saves_push(kept, "context", rows * width) : NULL;
	float *middle = context ? saves_push(kept, "middle", rows * width) : NULL;
	if (!middle)
		return NULL;
	struct attention_batch attention = vit_network_attention(network, shape, qkv);
	network_copy(middle, x, rows * width);
	if (trained_norm_forward(&block->norm1, x, rows, normal) < 0 ||
	    dense_forward(&block->qkv, normal, rows, qkv, LINEAR_STORE, NULL, NULL) < 0 ||
	    attention_batch_forward(&attention, context) < 0 ||
	    dense_forward(&block->projection, context, rows, middle, LINEAR_ADD, NULL, NULL) < 0)
		return NULL;
	return middle;
}

static int run_block(struct vit_network *network, const struct vit_network_block *block,
    const struct vit_shape *shape, const float *x, struct saves *kept, struct saves *results,
    float **y)
{
	size_t rows = shape->rows, width = network->width, mlp_width = network->mlp_width;
	float *normal = saves_push(network->workspace, "normal", rows * width);
	float *active = normal && y ? saves_push(network->workspace, "active", rows * mlp_width) : NULL;
	const float *middle = normal ? attend(network, block, shape, x, normal, kept) : NULL;
	float *hidden = middle ? saves_push(kept, "hidden", rows * mlp_width) : NULL;
	if (!hidden || trained_norm_forward(&block->norm2, middle, rows, normal) < 0 ||
	    dense_forward(&block->fc1, normal, rows, hidden, LINEAR_STORE, NULL, NULL) < 0)
		return -1;
	if (!y)
		return 0;
	*y = active ? saves_push(results, "rows", rows * width) : NULL;
	if (!*y)
		return -1;
	gelu_forward(hidden, rows * mlp_width, active);
	network_copy(*y, middle, rows * width);
	return dense_forward(&block->fc2, active, rows, *y, LINEAR_ADD, NULL, NULL);
}

int vit_network_block_forward(struct vit_network *network, const struct vit_network_block *block,
    const struct vit_shape *shape, const float *x, struct saves *kept, struct saves *results,
    float **y)
{
	size_t mark = saves_mark(network->workspace);
	int result = run_block(network, block, shape, x, kept, results, y);
	saves_reset(network->workspace, mark);
	return result;
}

/* Blocks from..to-1 on x, which is on top of the stack `again`, in place: nothing is kept. */
static int run_unkept(
    struct vit_network *network, const struct vit_shape *shape, size_t from, size_t to, float *x)
{
	size_t mark = saves_mark(network->again);
	for (size_t layer = from; layer < to; layer++) {
		float *y;
		if (vit_network_block_forward(network, &network->blocks[layer], shape, x,
		        network->workspace, network->again, &y) < 0)
			return -1;
		network_copy(x, y, shape->rows * network->width);
		saves_reset(network->again, mark);
	}
	return 0;
}

static int run(struct vit_network *network, const struct vit_pictures *pictures, bool recompute,
    struct saves *saves, float *features)
{
	struct vit_shape shape = vit_network_shape(network, pictures);
	size_t lowest = saves ? vit_network_lowest(network) : 2 + network->layers;
	size_t first = lowest > 0 ? lowest - 1 : 0; /* the first block that backward enters */
	size_t unkept = first < network->layers ? first : network->layers;
	size_t count = shape.rows * network->width;
	float *x = saves_push(network->again, "rows", count);
	if (!x || embed(network, pictures, &shape, x) < 0 ||
	    run_unkept(network, &shape, 0, unkept, x) < 0)
		return -1;
	if (first <= network->layers) {
		float *kept = saves_push(saves, "rows", count);
		if (!kept)
			return -1;
		network_copy(kept, x, count);
		x = kept;
	}
	for (size_t layer = unkept; layer < network->layers; layer++)
		if (vit_network_block_forward(network, &network->blocks[layer], &shape, x,
		        recompute ? network->workspace : saves, saves, &x) < 0)
			return -1;
	return trained_norm_forward(&network->post_norm, x, shape.rows, features);
}

int vit_network_forward(struct vit_network *network, const struct vit_pictures *pictures,
    bool recompute, struct saves *saves, float *features)
{
	struct vit_shape shape = vit_network_shape(network, pictures);
	if (check_pictures(network, pictures) < 0 || plan_items(network, &shape) < 0)
		return -1;
	size_t mark = saves_mark(network->again);
	int result = run(network, pictures, recompute, saves, features);
	saves_reset(network->again, mark);
	return result;
}
