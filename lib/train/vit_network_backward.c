/* vit_network_backward.c - gradients of the image encoder (see vit_network.h): each function
 * follows its forward in vit_network.c from the end to the start.
 */
#include "train/vit_network_blocks.h"
#include "base/threads.h"
#include "num/gradient.h"
#include "num/kernels.h"
#include "train/network.h"
#include "train/saves.h"
#include "train/weights.h"

#include <string.h>

/* What a block's forward kept. */
struct kept {
	const float *qkv, *context, *middle;
	float *hidden;
};

static int pop_kept(const struct vit_network *network, const struct vit_shape *shape,
    struct saves *saves, struct kept *kept)
{
	size_t rows = shape->rows, width = network->width;
	kept->hidden = saves_pop(saves, "hidden", rows * network->mlp_width);
	kept->middle = kept->hidden ? saves_pop(saves, "middle", rows * width) : NULL;
	kept->context = kept->middle ? saves_pop(saves, "context", rows * width) : NULL;
	kept->qkv = kept->context ? saves_pop(saves, "qkv", rows * 3 * width) : NULL;
	return kept->qkv ? 0 : -1;
}

/* y = middle + fc2(gelu(fc1(norm2(middle)))): d from dy to dmiddle, in place. */
static int mlp_backward(struct vit_network *network, const struct vit_network_block *block,
    size_t rows, const struct kept *kept, float *normal, float *d)
{
	size_t count = rows * network->mlp_width;
	struct saves *workspace = network->workspace;
	float *active = saves_push(workspace, "active", count);
	float *dhidden = active ? saves_push(workspace, "dhidden", count) : NULL;
	float *dnormal = dhidden ? saves_push(workspace, "dnormal", rows * network->width) : NULL;
	if (!dnormal)
		return -1;
	if (network_trains_dense(&block->fc2))
		gelu_forward(kept->hidden, count, active);
	if (dense_backward(&block->fc2, active, rows, d, dhidden, false, NULL, NULL, workspace) < 0)
		return -1;
	gelu_backward(kept->hidden, count, dhidden);
	if (network_trains_dense(&block->fc1) &&
	    trained_norm_forward(&block->norm2, kept->middle, rows, normal) < 0)
		return -1;
	if (dense_backward(&block->fc1, normal, rows, dhidden, dnormal, false, NULL, NULL, workspace) <
	    0)
		return -1;
	return trained_norm_backward(&block->norm2, kept->middle, rows, dnormal, d, true);
}

/* middle = x + projection(attention(norm1(x))): d from dmiddle to dx, in place. */
static int attention_backward(struct vit_network *network, const struct vit_network_block *block,
    const struct vit_shape *shape, const struct kept *kept, const float *x, float *normal, float *d)
{
	size_t rows = shape->rows, width = network->width;
	struct saves *workspace = network->workspace;
	float *dqkv = saves_push(workspace, "dqkv", rows * 3 * width);
	float *dcontext = dqkv ? saves_push(workspace, "dcontext", rows * width) : NULL;
	if (!dcontext || dense_backward(&block->projection, kept->context, rows, d, dcontext, false,
	                     NULL, NULL, workspace) < 0)
		return -1;
	struct attention_batch attention = vit_network_attention(network, shape, kept->qkv);
	network_zero(dqkv, rows * 3 * width);
	if (attention_batch_backward(&attention, dcontext, dqkv, dqkv + width, dqkv + 2 * width) < 0)
		return -1;
	if (network_trains_dense(&block->qkv) &&
	    trained_norm_forward(&block->norm1, x, rows, normal) < 0)
		return -1;
	float *dnormal = dcontext; /* done with */
	if (dense_backward(&block->qkv, normal, rows, dqkv, dnormal, false, NULL, NULL, workspace) < 0)
		return -1;
	return trained_norm_backward(&block->norm1, x, rows, dnormal, d, true);
}

/* d from the gradient of a block's result to that of its input x; x NULL: it is on the stack
 * below what the block kept. */
static int block_backward(struct vit_network *network, const struct vit_network_block *block,
    const struct vit_shape *shape, const float *x, struct saves *saves, float *d)
{
	struct kept kept;
	size_t rows = shape->rows, mark = saves_mark(network->workspace);
	float *normal = saves_push(network->workspace, "normal", rows * network->width);
	if (!normal || pop_kept(network, shape, saves, &kept) < 0)
		return -1;
	if (!x)
		x = saves_pop(saves, "rows", rows * network->width);
	if (!x)
		return -1;
	size_t inner = saves_mark(network->workspace);
	if (mlp_backward(network, block, rows, &kept, normal, d) < 0)
		return -1;
	saves_reset(network->workspace, inner);
	if (attention_backward(network, block, shape, &kept, x, normal, d) < 0)
		return -1;
	saves_reset(network->workspace, mark);
	return 0;
}

/* The same where only the block's input was kept: forward once more, without its last product. */
static int block_again(struct vit_network *network, const struct vit_network_block *block,
    const struct vit_shape *shape, struct saves *saves, float *d)
{
	size_t mark = saves_mark(network->again);
	const float *x = saves_pop(saves, "rows", shape->rows * network->width);
	if (!x || vit_network_block_forward(network, block, shape, x, network->again, NULL, NULL) < 0 ||
	    block_backward(network, block, shape, x, network->again, d) < 0)
		return -1;
	saves_reset(network->again, mark);
	return 0;
}

struct embedding_run {
	const struct vit_network *network;
	const struct vit_pictures *pictures;
	struct vit_shape shape;
	const float *d;
	float *patches;
};

/* Position and class gradients of one row of all pictures: sums over pictures in order. */
static void position_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct embedding_run *run = context;
	const struct vit_network *network = run->network;
	const struct kernels *kernels = kernels_get();
	size_t width = network->width;
	size_t position = vit_network_position(network, run->pictures, chunk);
	for (size_t i = 0; i < run->shape.pictures; i++) {
		const float *d = run->d + (i * run->shape.tokens + chunk) * width;
		if (network_trains(network->positions))
			kernels->add(network->positions->gradient + position * width, d, width);
		if (chunk == 0 && network_trains(network->class_embedding))
			kernels->add(network->class_embedding->gradient, d, width);
	}
}

/* The rows of one picture without the class row. */
static void gather_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct embedding_run *run = context;
	size_t width = run->network->width, tokens = run->shape.tokens;
	memcpy(run->patches + chunk * (tokens - 1) * width, run->d + (chunk * tokens + 1) * width,
	    (tokens - 1) * width * sizeof *run->patches);
}

static int embed_backward(struct vit_network *network, const struct vit_pictures *pictures,
    const struct vit_shape *shape, const float *d)
{
	struct embedding_run run = { network, pictures, *shape, d, NULL };
	threads_run(shape->tokens, position_chunk, &run);
	if (!network_trains_dense(&network->patch_embedding))
		return 0;
	struct saves *workspace = network->workspace;
	size_t patches = shape->pictures * (shape->tokens - 1);
	float *unfolded = saves_push(workspace, "unfolded", patches * network->patch_embedding.in);
	run.patches = unfolded ? saves_push(workspace, "dpatches", patches * network->width) : NULL;
	if (!run.patches)
		return -1;
	threads_run(shape->pictures, gather_chunk, &run);
	vit_network_unfold(network, pictures, unfolded);
	return dense_backward(&network->patch_embedding, unfolded, patches, run.patches, NULL, false,
	    NULL, NULL, workspace);
}

static int run_backward(struct vit_network *network, const struct vit_pictures *pictures,
    bool recompute, struct saves *saves, float *d)
{
	struct vit_shape shape = vit_network_shape(network, pictures);
	size_t lowest = vit_network_lowest(network);
	if (lowest > 1 + network->layers)
		return 0;
	const float *x = saves_pop(saves, "rows", shape.rows * network->width);
	if (!x || trained_norm_backward(&network->post_norm, x, shape.rows, d, d, false) < 0)
		return -1;
	for (size_t layer = network->layers; layer > 0 && layer >= lowest; layer--) {
		const struct vit_network_block *block = &network->blocks[layer - 1];
		if ((recompute ? block_again(network, block, &shape, saves, d)
		               : block_backward(network, block, &shape, NULL, saves, d)) < 0)
			return -1;
	}
	return lowest == 0 ? embed_backward(network, pictures, &shape, d) : 0;
}

int vit_network_backward(struct vit_network *network, const struct vit_pictures *pictures,
    bool recompute, struct saves *saves, float *gradient)
{
	size_t again = saves_mark(network->again), workspace = saves_mark(network->workspace);
	int result = run_backward(network, pictures, recompute, saves, gradient);
	saves_reset(network->again, again);
	saves_reset(network->workspace, workspace);
	return result;
}
