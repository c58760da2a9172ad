/* llama_network_backward.c - the gradient of the language model's forward pass (see
 * llama_network.h): weight gradients for what is trained alone, and no work below the lowest trained
 * layer when the gradient of the rows is not wanted.
 */
#include "base/error.h"
#include "num/gradient.h"
#include "num/rotary.h"
#include "train/llama_parts.h"
#include "train/saves.h"
#include "train/weights.h"

#include <string.h>

static bool norm_is_trained(const struct trained_norm *norm)
{
	return norm->weight->gradient != NULL;
}

static bool attention_is_trained(const struct network_layer *layer)
{
	return norm_is_trained(&layer->input_norm) || dense_is_trained(&layer->q) ||
	       dense_is_trained(&layer->k) || dense_is_trained(&layer->v) ||
	       dense_is_trained(&layer->o);
}

static bool layer_is_trained(const struct network_layer *layer)
{
	return attention_is_trained(layer) || norm_is_trained(&layer->post_norm) ||
	       dense_is_trained(&layer->gate) || dense_is_trained(&layer->up) ||
	       dense_is_trained(&layer->down);
}

/* A temporary of rows x width. */
static float *temporary(const struct llama_work *work, size_t width)
{
	return saves_push(work->network->workspace, "llama gradient", work->rows * width);
}

/* dense_backward() with the pass' settings; x may be NULL where nothing is trained. */
static int back(const struct llama_work *work, const struct dense *dense, const float *x,
    const float *dy, float *dx, bool add, struct saves *saves)
{
	return dense_backward(
	    dense, x, work->rows, dy, dx, add, work->dropout, saves, work->network->workspace);
}

/* The normalised input of layers that need it for their weights' gradients; *normal NULL: none. */
static int normalise(const struct llama_work *work, const struct trained_norm *norm, const float *x,
    bool needed, float **normal)
{
	*normal = NULL;
	if (!needed)
		return 0;
	*normal = temporary(work, work->network->width);
	return *normal ? trained_norm_forward(norm, x, work->rows, *normal) : -1;
}

/* From g, the gradient behind the MLP, to that in front of it, in place. below: that one is
 * wanted; else only weights get theirs. */
static int mlp_backward(const struct llama_work *work, const struct network_layer *layer,
    const struct layer_kept *kept, float *g, bool below, struct saves *saves)
{
	size_t mlp = work->network->mlp_width, count = work->rows * mlp;
	bool down = dense_is_trained(&layer->down);
	bool inner = dense_is_trained(&layer->gate) || dense_is_trained(&layer->up);
	bool want = below || norm_is_trained(&layer->post_norm);
	float *dup = temporary(work, mlp), *dgate = temporary(work, mlp), *normal, *dnormal;
	if (!dup || !dgate)
		return -1;
	if (down) /* dgate is free yet */
		silu_forward(kept->gate, kept->up, count, dgate);
	if (back(work, &layer->down, down ? dgate : NULL, g, dup, false, saves) < 0)
		return -1;
	silu_backward(kept->gate, kept->up, count, dup, dgate, dup);
	dnormal = want ? temporary(work, work->network->width) : NULL;
	if ((want && !dnormal) ||
	    normalise(work, &layer->post_norm, kept->middle, inner, &normal) < 0 ||
	    back(work, &layer->up, normal, dup, dnormal, false, saves) < 0 ||
	    back(work, &layer->gate, normal, dgate, dnormal, true, saves) < 0)
		return -1;
	if (!want)
		return 0;
	return trained_norm_backward(&layer->post_norm, kept->middle, work->rows, dnormal, g, true);
}

/* Gradients of q, k and v from that of the context, before the rotation. */
static int heads_backward(const struct llama_work *work, const struct layer_kept *kept,
    const float *dcontext, float *dq, float *dk, float *dv)
{
	const struct llama_network *network = work->network;
	size_t width = network->head_width, kv = network->kv_heads * width;
	memset(dq, 0, work->rows * network->width * sizeof *dq);
	memset(dk, 0, work->rows * kv * sizeof *dk);
	memset(dv, 0, work->rows * kv * sizeof *dv);
	struct attention_batch batch = llama_network_attention(work, kept->q, kept->k, kept->v);
	if (attention_batch_backward(&batch, dcontext, dq, dk, dv) < 0)
		return -1;
	rotary_rows(dq, work->rows, network->heads, width, network->turns, network->position, true);
	rotary_rows(dk, work->rows, network->kv_heads, width, network->turns, network->position, true);
	return 0;
}

/* The same through the attention. */
static int attention_backward(const struct llama_work *work, const struct network_layer *layer,
    const struct layer_kept *kept, float *g, bool below, struct saves *saves)
{
	const struct llama_network *network = work->network;
	size_t width = network->width, kv = network->kv_heads * network->head_width;
	bool inner =
	    dense_is_trained(&layer->q) || dense_is_trained(&layer->k) || dense_is_trained(&layer->v);
	bool want = below || norm_is_trained(&layer->input_norm);
	float *dcontext = temporary(work, width), *normal;
	if (!dcontext || back(work, &layer->o, kept->context, g, dcontext, false, saves) < 0)
		return -1;
	float *dq = temporary(work, width), *dk = temporary(work, kv), *dv = temporary(work, kv);
	if (!dq || !dk || !dv || heads_backward(work, kept, dcontext, dq, dk, dv) < 0)
		return -1;
	float *dnormal = want ? dcontext : NULL;
	if (normalise(work, &layer->input_norm, kept->x, inner, &normal) < 0 ||
	    back(work, &layer->v, normal, dv, dnormal, false, saves) < 0 ||
	    back(work, &layer->k, normal, dk, dnormal, true, saves) < 0 ||
	    back(work, &layer->q, normal, dq, dnormal, true, saves) < 0)
		return -1;
	if (!want)
		return 0;
	return trained_norm_backward(&layer->input_norm, kept->x, work->rows, dnormal, g, true);
}

/* Compute again what a block keeps, from its input. */
static int forward_again(const struct llama_work *work, size_t n, struct saves *saves)
{
	size_t count = work->rows * work->network->width;
	struct saves *workspace = work->network->workspace;
	const float *x = saves_pop(saves, "llama input", count);
	size_t mark = saves_mark(workspace);
	float *h = x ? saves_push(workspace, "llama again", count) : NULL;
	if (!h)
		return -1;
	memcpy(h, x, count * sizeof *h);
	int result = llama_layer_forward(work, n, h, saves, true);
	saves_reset(workspace, mark);
	return result;
}

/* Block n. below: the gradient of its input is wanted. */
static int layer_backward(
    const struct llama_work *work, size_t n, float *g, bool below, struct saves *saves)
{
	const struct network_layer *layer = &work->network->layer[n];
	struct saves *workspace = work->network->workspace;
	size_t mark = saves_mark(workspace);
	struct layer_kept kept;
	if (work->recompute && forward_again(work, n, saves) < 0)
		return -1;
	const float *places = saves_pop(saves, "llama places", sizeof kept / sizeof *places);
	if (!places)
		return -1;
	memcpy(&kept, places, sizeof kept);
	bool attention = below || attention_is_trained(layer);
	int result = mlp_backward(work, layer, &kept, g, attention, saves);
	saves_reset(workspace, mark);
	if (result == 0 && attention) {
		result = attention_backward(work, layer, &kept, g, below, saves);
		saves_reset(workspace, mark);
		result = result < 0 ? -1 : llama_layer_pop(work, saves);
	}
	return result;
}

int llama_network_backward(struct llama_network *network, const struct llama_pass *pass,
    struct saves *saves, float *gradient, float *drows)
{
	struct llama_work work;
	size_t mark, lowest = 0;
	if (llama_network_prepare(network, pass, true, &work) < 0)
		return -1;
	size_t count = work.rows * network->width;
	const float *begin = saves_pop(saves, "llama begin", sizeof mark / sizeof *begin);
	if (!begin)
		return -1;
	memcpy(&mark, begin, sizeof mark);
	const float *last = saves_pop(saves, "llama last", count);
	if (!last ||
	    trained_norm_backward(&network->norm, last, work.rows, gradient, gradient, false) < 0)
		return -1;
	while (!drows && lowest < network->layers && !layer_is_trained(&network->layer[lowest]))
		lowest++;
	for (size_t n = network->layers; n-- > lowest;)
		if (layer_backward(&work, n, gradient, drows || n > lowest, saves) < 0)
			return -1;
	saves_reset(saves, mark);
	if (drows && drows != gradient)
		memcpy(drows, gradient, count * sizeof *drows);
	return 0;
}
