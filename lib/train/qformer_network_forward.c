/* qformer_network_forward.c - a layer of the Q-Former under training (see
 * qformer_network_layers.h; spec 3.4). Backward, in qformer_network_backward.c, pops what is pushed
 * here in reverse:
 *     query key value context self-sum [cross-key cross-value cross-query cross-context cross-sum]
 *     [hidden mlp-sum (queries)] [hidden mlp-sum (text)]
 * A sum is the input of a norm: residual and output of a sub-layer.
 */
#include "train/qformer_network_layers.h"
#include "num/gradient.h"
#include "train/network.h"
#include "train/saves.h"

/* sum = x + dropout(output(context)) */
static int add_output(const struct qformer_pass *pass, const struct dense *output, uint32_t place,
    const float *context, const float *x, size_t rows, float *sum)
{
	size_t count = rows * output->out;
	if (dense_forward(output, context, rows, sum, LINEAR_STORE, NULL, NULL) < 0)
		return -1;
	qformer_network_drop(pass, place, sum, count);
	rows_add(sum, x, count);
	return 0;
}

static int attend_self(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_layer *layer, const float *x, size_t rows, struct saves *kept,
    float *y)
{
	const struct qformer_network_attention *self = &layer->self;
	size_t count = rows * network->width;
	float *q = saves_push(kept, "query", count);
	float *k = q ? saves_push(kept, "key", count) : NULL;
	float *v = k ? saves_push(kept, "value", count) : NULL;
	float *context = v ? saves_push(kept, "context", count) : NULL;
	float *sum = context ? saves_push(kept, "self-sum", count) : NULL;
	if (!sum || dense_forward(&self->query, x, rows, q, LINEAR_STORE, NULL, NULL) < 0 ||
	    dense_forward(&self->key, x, rows, k, LINEAR_STORE, NULL, NULL) < 0 ||
	    dense_forward(&self->value, x, rows, v, LINEAR_STORE, NULL, NULL) < 0)
		return -1;
	struct attention_batch attention = qformer_network_heads(network, pass, q, k, v);
	attention.items = network->inside->self;
	attention.count = network->inside->self_count;
	attention.place = layer->place + PLACE_SELF_WEIGHTS;
	if (attention_batch_forward(&attention, context) < 0 ||
	    add_output(pass, &self->output, layer->place + PLACE_SELF, context, x, rows, sum) < 0)
		return -1;
	return trained_norm_forward(&self->norm, sum, rows, y);
}

/* All query rows look at their pictures; y may be x. */
static int attend_pictures(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_layer *layer, const float *x, const struct qformer_rows *rows,
    struct saves *kept, float *y)
{
	const struct qformer_network_attention *cross = &layer->cross;
	size_t count = rows->query_rows * rows->width, key_count = rows->picture_rows * rows->width;
	float *k = saves_push(kept, "cross-key", key_count);
	float *v = k ? saves_push(kept, "cross-value", key_count) : NULL;
	float *q = v ? saves_push(kept, "cross-query", count) : NULL;
	float *context = q ? saves_push(kept, "cross-context", count) : NULL;
	float *sum = context ? saves_push(kept, "cross-sum", count) : NULL;
	if (!sum ||
	    dense_forward(
	        &cross->key, pass->features, rows->picture_rows, k, LINEAR_STORE, NULL, NULL) < 0 ||
	    dense_forward(
	        &cross->value, pass->features, rows->picture_rows, v, LINEAR_STORE, NULL, NULL) < 0 ||
	    dense_forward(&cross->query, x, rows->query_rows, q, LINEAR_STORE, NULL, NULL) < 0)
		return -1;
	struct attention_batch attention = qformer_network_heads(network, pass, q, k, v);
	attention.items = network->inside->cross;
	attention.count = network->inside->cross_count;
	attention.place = layer->place + PLACE_CROSS_WEIGHTS;
	if (attention_batch_forward(&attention, context) < 0 ||
	    add_output(pass, &cross->output, layer->place + PLACE_CROSS, context, x, rows->query_rows,
	        sum) < 0)
		return -1;
	return trained_norm_forward(&cross->norm, sum, rows->query_rows, y);
}

/* The sum in front of the MLP's norm, or NULL. active: room for the activations. */
static float *run_mlp(const struct qformer_pass *pass, const struct qformer_network_mlp *mlp,
    uint32_t place, const float *x, size_t rows, struct saves *kept, float *active)
{
	size_t hidden_count = rows * mlp->intermediate.out;
	float *hidden = saves_push(kept, "hidden", hidden_count);
	float *sum = hidden ? saves_push(kept, "mlp-sum", rows * mlp->output.out) : NULL;
	if (!sum || dense_forward(&mlp->intermediate, x, rows, hidden, LINEAR_STORE, NULL, NULL) < 0)
		return NULL;
	gelu_forward(hidden, hidden_count, active);
	return add_output(pass, &mlp->output, place, active, x, rows, sum) < 0 ? NULL : sum;
}

/* Room that a layer works in. */
struct work {
	float *joint;          /* joint rows behind self-attention */
	float *queries, *text; /* the same parted, or joint itself */
	float *active;
};

static int make_work(
    struct qformer_network *network, const struct qformer_rows *rows, struct work *work)
{
	struct saves *workspace = network->inside->workspace;
	size_t most = rows->query_rows > rows->text_rows ? rows->query_rows : rows->text_rows;
	work->joint = saves_push(workspace, "joint", rows->rows * rows->width);
	work->active = saves_push(workspace, "active", most * network->mlp_width);
	work->queries = work->text = work->joint;
	if (qformer_network_mixed(rows)) {
		work->queries = saves_push(workspace, "queries", rows->query_rows * rows->width);
		work->text = saves_push(workspace, "text", rows->text_rows * rows->width);
	}
	return work->joint && work->active && work->queries && work->text ? 0 : -1;
}

/* Norms of the sums in front of them, to joint rows y. */
static int close_mlps(const struct qformer_network_layer *layer, const struct qformer_rows *rows,
    const struct work *work, const float *query_sum, const float *text_sum, float *y)
{
	bool mixed = qformer_network_mixed(rows);
	float *queries = mixed ? work->queries : y, *text = mixed ? work->text : y;
	if (query_sum &&
	    trained_norm_forward(&layer->queries.norm, query_sum, rows->query_rows, queries) < 0)
		return -1;
	if (text_sum && trained_norm_forward(&layer->text.norm, text_sum, rows->text_rows, text) < 0)
		return -1;
	if (mixed)
		qformer_network_join(rows, queries, text, y);
	return 0;
}

static int run_layer(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_layer *layer, const float *x, struct saves *kept,
    struct saves *results, float **y)
{
	struct qformer_rows rows = qformer_network_rows(network, pass);
	struct work work;
	const float *query_sum = NULL, *text_sum = NULL;
	if (make_work(network, &rows, &work) < 0 ||
	    attend_self(network, pass, layer, x, rows.rows, kept, work.joint) < 0)
		return -1;
	if (qformer_network_mixed(&rows))
		qformer_network_part(&rows, work.joint, work.queries, work.text);
	if (layer->crosses && rows.query_rows > 0 &&
	    attend_pictures(network, pass, layer, work.queries, &rows, kept, work.queries) < 0)
		return -1;
	if (rows.query_rows > 0) {
		query_sum = run_mlp(pass, &layer->queries, layer->place + PLACE_QUERIES, work.queries,
		    rows.query_rows, kept, work.active);
		if (!query_sum)
			return -1;
	}
	if (rows.text_rows > 0) {
		text_sum = run_mlp(pass, &layer->text, layer->place + PLACE_TEXT, work.text, rows.text_rows,
		    kept, work.active);
		if (!text_sum)
			return -1;
	}
	if (!y)
		return 0;
	*y = saves_push(results, "rows", rows.rows * rows.width);
	return *y ? close_mlps(layer, &rows, &work, query_sum, text_sum, *y) : -1;
}

int qformer_network_layer_forward(struct qformer_network *network, const struct qformer_pass *pass,
    const struct qformer_network_layer *layer, const float *x, struct saves *kept,
    struct saves *results, float **y)
{
	size_t mark = saves_mark(network->inside->workspace);
	int result = run_layer(network, pass, layer, x, kept, results, y);
	saves_reset(network->inside->workspace, mark);
	return result;
}
