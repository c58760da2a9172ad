/* llama_network_forward.c - the forward pass of the language model under training (see
 * llama_network.h; spec 3.8). All sequences run as one matrix of rows; only attention and the
 * rotary positions know where one ends.
 */
#include "base/error.h"
#include "base/memory.h"
#include "num/gradient.h"
#include "num/rotary.h"
#include "train/llama_parts.h"
#include "train/saves.h"

#include <math.h>
#include <string.h>

/* Rotary angles of positions below wanted. */
static int make_turns(struct llama_network *network, size_t wanted)
{
	size_t width = network->head_width;
	void *turns = network->turns;
	size_t room = network->turned;
	if (wanted <= network->turned)
		return 0;
	if (memory_grow(&turns, &room, wanted, width * sizeof *network->turns) < 0)
		return -1;
	network->turns = turns;
	for (size_t i = network->turned; i < room; i++)
		rotary_angles(network->rope_theta, i, width, network->turns + i * width);
	network->turned = room;
	return 0;
}

static int make_room(struct llama_network *network, size_t rows, size_t sequences)
{
	void *position = network->position, *items = network->items;
	int result = memory_grow(&position, &network->position_room, rows, sizeof *network->position);
	network->position = position;
	if (result < 0)
		return -1;
	result = memory_grow(&items, &network->item_room, sequences, sizeof *network->items);
	network->items = items;
	return result;
}

int llama_network_prepare(struct llama_network *network, const struct llama_pass *pass, bool keep,
    struct llama_work *work)
{
	size_t rows = pass->start[pass->count], longest = 0;
	if (make_room(network, rows, pass->count) < 0)
		return -1;
	for (size_t i = 0; i < pass->count; i++) {
		size_t first = pass->start[i], count = pass->start[i + 1] - first;
		if (count > network->positions)
			return error_input("sequence of %zu rows is longer than the language model takes, %zu",
			    count, network->positions);
		for (size_t row = 0; row < count; row++)
			network->position[first + row] = (uint32_t)row;
		network->items[i] = (struct attention_item){ first, count, first, count, 0, 1 };
		longest = count > longest ? count : longest;
	}
	if (keep)
		network->dropout = pass->dropout;
	*work = (struct llama_work){ network, keep ? &network->dropout : NULL, pass->recompute, rows,
		pass->count };
	return make_turns(network, longest);
}

struct attention_batch llama_network_attention(
    const struct llama_work *work, const float *q, const float *k, const float *v)
{
	const struct llama_network *network = work->network;
	return (struct attention_batch){ .heads = network->heads,
		.kv_heads = network->kv_heads,
		.head_width = network->head_width,
		.scale = 1.0f / sqrtf((float)network->head_width),
		.q = q,
		.k = k,
		.v = v,
		.q_row = network->width,
		.kv_row = network->kv_heads * network->head_width,
		.y_row = network->width,
		.items = network->items,
		.count = work->sequences };
}

/* What a block keeps, in the order of the stack. */
enum { KEPT = 8 };
struct kept_part {
	const char *tag;
	size_t offset; /* in struct layer_kept */
	size_t width;
	bool backward_only;
};
static void kept_parts(const struct llama_network *network, struct kept_part parts[KEPT])
{
	size_t kv = network->kv_heads * network->head_width;
	const struct kept_part all[KEPT] = {
		{ "llama x", offsetof(struct layer_kept, x), network->width, true },
		{ "llama q", offsetof(struct layer_kept, q), network->width, false },
		{ "llama k", offsetof(struct layer_kept, k), kv, false },
		{ "llama v", offsetof(struct layer_kept, v), kv, false },
		{ "llama context", offsetof(struct layer_kept, context), network->width, false },
		{ "llama middle", offsetof(struct layer_kept, middle), network->width, true },
		{ "llama gate", offsetof(struct layer_kept, gate), network->mlp_width, false },
		{ "llama up", offsetof(struct layer_kept, up), network->mlp_width, false },
	};
	memcpy(parts, all, sizeof all);
}

static int push_kept(
    const struct llama_work *work, struct saves *stack, bool backward, struct layer_kept *kept)
{
	struct kept_part parts[KEPT];
	kept_parts(work->network, parts);
	*kept = (struct layer_kept){ 0 };
	for (size_t i = 0; i < KEPT; i++) {
		if (parts[i].backward_only && !backward)
			continue;
		float *values = saves_push(stack, parts[i].tag, work->rows * parts[i].width);
		if (!values)
			return -1;
		memcpy((char *)kept + parts[i].offset, &values, sizeof values);
	}
	return 0;
}

int llama_layer_pop(const struct llama_work *work, struct saves *saves)
{
	struct kept_part parts[KEPT];
	kept_parts(work->network, parts);
	for (size_t i = KEPT; i-- > 0;)
		if (!saves_pop(saves, parts[i].tag, work->rows * parts[i].width))
			return -1;
	return 0;
}

/* h += o(attention(q, k, v of RMSNorm(h))) */
static int run_attention(const struct llama_work *work, const struct network_layer *layer, float *h,
    float *normal, const struct layer_kept *kept, struct saves *saves)
{
	const struct llama_network *network = work->network;
	size_t rows = work->rows, width = network->head_width;
	if (trained_norm_forward(&layer->input_norm, h, rows, normal) < 0 ||
	    dense_forward(&layer->q, normal, rows, kept->q, LINEAR_STORE, work->dropout, saves) < 0 ||
	    dense_forward(&layer->k, normal, rows, kept->k, LINEAR_STORE, work->dropout, saves) < 0 ||
	    dense_forward(&layer->v, normal, rows, kept->v, LINEAR_STORE, work->dropout, saves) < 0)
		return -1;
	rotary_rows(kept->q, rows, network->heads, width, network->turns, network->position, false);
	rotary_rows(kept->k, rows, network->kv_heads, width, network->turns, network->position, false);
	struct attention_batch batch = llama_network_attention(work, kept->q, kept->k, kept->v);
	if (attention_batch_forward(&batch, kept->context) < 0)
		return -1;
	return dense_forward(&layer->o, kept->context, rows, h, LINEAR_ADD, work->dropout, saves);
}

/* h += down(silu(gate(n)) up(n)), n = RMSNorm(h) */
static int run_mlp(const struct llama_work *work, const struct network_layer *layer, float *h,
    float *normal, const struct layer_kept *kept, struct saves *saves, bool again)
{
	size_t rows = work->rows, count = rows * work->network->mlp_width;
	if (trained_norm_forward(&layer->post_norm, h, rows, normal) < 0 ||
	    dense_forward(&layer->gate, normal, rows, kept->gate, LINEAR_STORE, work->dropout, saves) <
	        0 ||
	    dense_forward(&layer->up, normal, rows, kept->up, LINEAR_STORE, work->dropout, saves) < 0)
		return -1;
	if (again && !layer->down.lora_a)
		return 0;
	float *gated = saves_push(work->network->workspace, "llama gated", count);
	if (!gated)
		return -1;
	silu_forward(kept->gate, kept->up, count, gated);
	return dense_forward(&layer->down, gated, rows, h, LINEAR_ADD, work->dropout, saves);
}

/* Where the tensors of a block are: backward reads them while what its adapters keep is still above
 * them on the stack. */
static int push_places(struct saves *saves, const struct layer_kept *kept)
{
	float *places = saves_push(saves, "llama places", sizeof *kept / sizeof *places);
	if (!places)
		return -1;
	memcpy(places, kept, sizeof *kept);
	return 0;
}

int llama_layer_forward(
    const struct llama_work *work, size_t n, float *h, struct saves *saves, bool again)
{
	const struct network_layer *layer = &work->network->layer[n];
	struct saves *workspace = work->network->workspace;
	size_t mark = saves_mark(workspace), bytes = work->rows * work->network->width * sizeof *h;
	struct layer_kept kept;
	/* With dropout but nothing kept (recompute), adapters leave theirs where it is thrown away. */
	struct saves *low = saves || !work->dropout ? saves : workspace;
	int result = push_kept(work, saves ? saves : workspace, saves, &kept);
	float *normal = result < 0 ? NULL : saves_push(workspace, "llama normal", bytes / sizeof *h);
	result = normal ? 0 : -1;
	if (result == 0 && saves)
		memcpy(kept.x, h, bytes);
	if (result == 0)
		result = run_attention(work, layer, h, normal, &kept, low);
	if (result == 0 && saves)
		memcpy(kept.middle, h, bytes);
	if (result == 0)
		result = run_mlp(work, layer, h, normal, &kept, low, again);
	if (result == 0 && saves)
		result = push_places(saves, &kept);
	saves_reset(workspace, mark);
	return result;
}

/* All blocks over hidden in place. */
static int run_layers(const struct llama_work *work, struct saves *saves, float *hidden)
{
	size_t count = work->rows * work->network->width;
	for (size_t n = 0; n < work->network->layers; n++) {
		bool input_only = saves && work->recompute;
		if (input_only) {
			float *x = saves_push(saves, "llama input", count);
			if (!x)
				return -1;
			memcpy(x, hidden, count * sizeof *x);
		}
		if (llama_layer_forward(work, n, hidden, input_only ? NULL : saves, false) < 0)
			return -1;
	}
	return 0;
}

int llama_network_forward(struct llama_network *network, const struct llama_pass *pass,
    const float *rows, struct saves *saves, float *hidden)
{
	struct llama_work work;
	if (llama_network_prepare(network, pass, saves, &work) < 0)
		return -1;
	size_t count = work.rows * network->width, mark = saves ? saves_mark(saves) : 0;
	if (hidden != rows)
		memcpy(hidden, rows, count * sizeof *hidden);
	if (run_layers(&work, saves, hidden) < 0)
		return -1;
	if (saves) {
		float *last = saves_push(saves, "llama last", count);
		float *begin = last ? saves_push(saves, "llama begin", sizeof mark / sizeof *begin) : NULL;
		if (!begin)
			return -1;
		memcpy(last, hidden, count * sizeof *last);
		memcpy(begin, &mark, sizeof mark);
	}
	return trained_norm_forward(&network->norm, hidden, work.rows, hidden);
}
