/* qformer_network_backward.c - gradients of a layer of the Q-Former: each function follows its
 * forward in qformer_network_forward.c from the end to the start. A gradient d is changed in place
 * from that of a sub-layer's result to that of its input.
 */
#include "train/qformer_network_layers.h"
#include "num/gradient.h"
#include "train/network.h"
#include "train/saves.h"

/* What an attention sub-layer and an MLP kept. */
struct kept_attention {
	const float *q, *k, *v, *context, *sum;
};
struct kept_mlp {
	const float *hidden, *sum;
};
struct kept {
	struct kept_attention self, cross;
	struct kept_mlp queries, text;
};

static int pop_mlp(
    struct saves *saves, const struct qformer_network_mlp *mlp, size_t rows, struct kept_mlp *kept)
{
	kept->sum = saves_pop(saves, "mlp-sum", rows * mlp->output.out);
	kept->hidden = kept->sum ? saves_pop(saves, "hidden", rows * mlp->intermediate.out) : NULL;
	return kept->hidden ? 0 : -1;
}

static int pop_cross(
    struct saves *saves, const struct qformer_rows *rows, struct kept_attention *kept)
{
	size_t count = rows->query_rows * rows->width, key_count = rows->picture_rows * rows->width;
	kept->sum = saves_pop(saves, "cross-sum", count);
	kept->context = kept->sum ? saves_pop(saves, "cross-context", count) : NULL;
	kept->q = kept->context ? saves_pop(saves, "cross-query", count) : NULL;
	kept->v = kept->q ? saves_pop(saves, "cross-value", key_count) : NULL;
	kept->k = kept->v ? saves_pop(saves, "cross-key", key_count) : NULL;
	return kept->k ? 0 : -1;
}

static int pop_self(struct saves *saves, size_t count, struct kept_attention *kept)
{
	kept->sum = saves_pop(saves, "self-sum", count);
	kept->context = kept->sum ? saves_pop(saves, "context", count) : NULL;
	kept->v = kept->context ? saves_pop(saves, "value", count) : NULL;
	kept->k = kept->v ? saves_pop(saves, "key", count) : NULL;
	kept->q = kept->k ? saves_pop(saves, "query", count) : NULL;
	return kept->q ? 0 : -1;
}

static int pop_kept(struct saves *saves, const struct qformer_network_layer *layer,
    const struct qformer_rows *rows, struct kept *kept)
{
	if (rows->text_rows > 0 && pop_mlp(saves, &layer->text, rows->text_rows, &kept->text) < 0)
		return -1;
	if (rows->query_rows > 0) {
		if (pop_mlp(saves, &layer->queries, rows->query_rows, &kept->queries) < 0)
			return -1;
		if (layer->crosses && pop_cross(saves, rows, &kept->cross) < 0)
			return -1;
	}
	return pop_self(saves, rows->rows * rows->width, &kept->self);
}

/* sum = x + dropout(output(context)), then the norm: d becomes that of sum, and so of the residual
 * x; the gradient of context is stored. */
static int output_backward(struct qformer_network *network, const struct qformer_pass *pass,
    const struct dense *output, const struct trained_norm *norm, uint32_t place, const float *sum,
    const float *context, size_t rows, float *d, float *dcontext)
{
	struct saves *workspace = network->inside->workspace;
	size_t mark = saves_mark(workspace), count = rows * output->out;
	const float *doutput = d;
	if (trained_norm_backward(norm, sum, rows, d, d, false) < 0)
		return -1;
	if (pass->dropout.rate > 0) {
		float *dropped = saves_push(workspace, "dropped", count);
		if (!dropped)
			return -1;
		network_copy(dropped, d, count);
		qformer_network_drop(pass, place, dropped, count);
		doutput = dropped;
	}
	int result =
	    dense_backward(output, context, rows, doutput, dcontext, false, NULL, NULL, workspace);
	saves_reset(workspace, mark);
	return result;
}

static int run_mlp_backward(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_mlp *mlp, uint32_t place, const struct kept_mlp *kept,
    const float *x, size_t rows, float *d)
{
	struct saves *workspace = network->inside->workspace;
	size_t count = rows * mlp->intermediate.out;
	float *active = saves_push(workspace, "active", count);
	float *dhidden = active ? saves_push(workspace, "dhidden", count) : NULL;
	if (!dhidden)
		return -1;
	if (network_trains_dense(&mlp->output))
		gelu_forward(kept->hidden, count, active);
	if (output_backward(network, pass, &mlp->output, &mlp->norm, place, kept->sum, active, rows, d,
	        dhidden) < 0)
		return -1;
	gelu_backward(kept->hidden, count, dhidden);
	return dense_backward(&mlp->intermediate, x, rows, dhidden, d, true, NULL, NULL, workspace);
}

static int mlp_backward(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_mlp *mlp, uint32_t place, const struct kept_mlp *kept,
    const float *x, size_t rows, float *d)
{
	size_t mark = saves_mark(network->inside->workspace);
	int result = run_mlp_backward(network, pass, mlp, place, kept, x, rows, d);
	saves_reset(network->inside->workspace, mark);
	return result;
}

/* Gradients of one attention sub-layer's inputs of attention. */
struct inputs {
	float *dq, *dk, *dv;
};

/* d from the sub-layer's result to its residual; inputs are pushed onto the workspace. */
static int attention_backward(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_attention *part, struct attention_batch *attention, uint32_t place,
    const struct kept_attention *kept, size_t rows, size_t key_rows, float *d,
    struct inputs *inputs)
{
	struct saves *workspace = network->inside->workspace;
	size_t count = rows * network->width, key_count = key_rows * network->width;
	inputs->dq = saves_push(workspace, "dq", count);
	inputs->dk = inputs->dq ? saves_push(workspace, "dk", key_count) : NULL;
	inputs->dv = inputs->dk ? saves_push(workspace, "dv", key_count) : NULL;
	float *dcontext = inputs->dv ? saves_push(workspace, "dcontext", count) : NULL;
	if (!dcontext || output_backward(network, pass, &part->output, &part->norm, place, kept->sum,
	                     kept->context, rows, d, dcontext) < 0)
		return -1;
	network_zero(inputs->dq, count);
	network_zero(inputs->dk, key_count);
	network_zero(inputs->dv, key_count);
	return attention_batch_backward(attention, dcontext, inputs->dq, inputs->dk, inputs->dv);
}

static int cross_backward(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_layer *layer, const struct kept_attention *kept, const float *x,
    const struct qformer_rows *rows, float *d, float *dfeatures)
{
	struct saves *workspace = network->inside->workspace;
	const struct qformer_network_attention *cross = &layer->cross;
	size_t mark = saves_mark(workspace);
	struct inputs inputs;
	struct attention_batch attention =
	    qformer_network_heads(network, pass, kept->q, kept->k, kept->v);
	attention.items = network->inside->cross;
	attention.count = network->inside->cross_count;
	attention.place = layer->place + PLACE_CROSS_WEIGHTS;
	if (attention_backward(network, pass, cross, &attention, layer->place + PLACE_CROSS, kept,
	        rows->query_rows, rows->picture_rows, d, &inputs) < 0 ||
	    dense_backward(
	        &cross->query, x, rows->query_rows, inputs.dq, d, true, NULL, NULL, workspace) < 0 ||
	    dense_backward(&cross->key, pass->features, rows->picture_rows, inputs.dk, dfeatures, true,
	        NULL, NULL, workspace) < 0 ||
	    dense_backward(&cross->value, pass->features, rows->picture_rows, inputs.dv, dfeatures,
	        true, NULL, NULL, workspace) < 0)
		return -1;
	saves_reset(workspace, mark);
	return 0;
}

static int self_backward(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_layer *layer, const struct kept_attention *kept, const float *x,
    size_t rows, float *d)
{
	struct saves *workspace = network->inside->workspace;
	const struct qformer_network_attention *self = &layer->self;
	size_t mark = saves_mark(workspace);
	struct inputs inputs;
	struct attention_batch attention =
	    qformer_network_heads(network, pass, kept->q, kept->k, kept->v);
	attention.items = network->inside->self;
	attention.count = network->inside->self_count;
	attention.place = layer->place + PLACE_SELF_WEIGHTS;
	if (attention_backward(network, pass, self, &attention, layer->place + PLACE_SELF, kept, rows,
	        rows, d, &inputs) < 0 ||
	    dense_backward(&self->query, x, rows, inputs.dq, d, true, NULL, NULL, workspace) < 0 ||
	    dense_backward(&self->key, x, rows, inputs.dk, d, true, NULL, NULL, workspace) < 0 ||
	    dense_backward(&self->value, x, rows, inputs.dv, d, true, NULL, NULL, workspace) < 0)
		return -1;
	saves_reset(workspace, mark);
	return 0;
}

/* Rows as they were inside the layer, computed from the sums once more, and the gradients of query
 * rows and text rows. */
struct inner_rows {
	float *joint;            /* behind self-attention */
	float *queries, *text;   /* the same parted, or joint itself */
	float *crossed;          /* query rows behind cross-attention, or queries */
	float *dqueries, *dtext; /* parted gradient, or the joint one */
};

static int make_inner_rows(struct qformer_network *network,
    const struct qformer_network_layer *layer, const struct qformer_rows *rows,
    const struct kept *kept, float *d, struct inner_rows *inner)
{
	struct saves *workspace = network->inside->workspace;
	size_t query_count = rows->query_rows * rows->width, text_count = rows->text_rows * rows->width;
	inner->joint = saves_push(workspace, "joint", rows->rows * rows->width);
	if (!inner->joint ||
	    trained_norm_forward(&layer->self.norm, kept->self.sum, rows->rows, inner->joint) < 0)
		return -1;
	inner->queries = inner->text = inner->joint;
	inner->dqueries = inner->dtext = d;
	if (qformer_network_mixed(rows)) {
		inner->queries = saves_push(workspace, "queries", query_count);
		inner->text = saves_push(workspace, "text", text_count);
		inner->dqueries = saves_push(workspace, "dqueries", query_count);
		inner->dtext = saves_push(workspace, "dtext", text_count);
		if (!inner->queries || !inner->text || !inner->dqueries || !inner->dtext)
			return -1;
		qformer_network_part(rows, inner->joint, inner->queries, inner->text);
		qformer_network_part(rows, d, inner->dqueries, inner->dtext);
	}
	inner->crossed = inner->queries;
	if (!layer->crosses || rows->query_rows == 0)
		return 0;
	inner->crossed = saves_push(workspace, "crossed", query_count);
	if (!inner->crossed)
		return -1;
	return trained_norm_forward(
	    &layer->cross.norm, kept->cross.sum, rows->query_rows, inner->crossed);
}

static int run_backward(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_layer *layer, const float *x, struct saves *saves, float *d,
    float *dfeatures)
{
	struct qformer_rows rows = qformer_network_rows(network, pass);
	struct inner_rows inner;
	struct kept kept;
	if (pop_kept(saves, layer, &rows, &kept) < 0)
		return -1;
	if (!x)
		x = saves_pop(saves, "rows", rows.rows * rows.width);
	if (!x || make_inner_rows(network, layer, &rows, &kept, d, &inner) < 0)
		return -1;
	if (rows.text_rows > 0 && mlp_backward(network, pass, &layer->text, layer->place + PLACE_TEXT,
	                              &kept.text, inner.text, rows.text_rows, inner.dtext) < 0)
		return -1;
	if (rows.query_rows > 0) {
		if (mlp_backward(network, pass, &layer->queries, layer->place + PLACE_QUERIES,
		        &kept.queries, inner.crossed, rows.query_rows, inner.dqueries) < 0)
			return -1;
		if (layer->crosses && cross_backward(network, pass, layer, &kept.cross, inner.queries,
		                          &rows, inner.dqueries, dfeatures) < 0)
			return -1;
	}
	if (qformer_network_mixed(&rows))
		qformer_network_join(&rows, inner.dqueries, inner.dtext, d);
	return self_backward(network, pass, layer, &kept.self, x, rows.rows, d);
}

int qformer_network_layer_backward(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_layer *layer, const float *x, struct saves *saves, float *d,
    float *dfeatures)
{
	size_t mark = saves_mark(network->inside->workspace);
	int result = run_backward(network, pass, layer, x, saves, d, dfeatures);
	saves_reset(network->inside->workspace, mark);
	return result;
}
