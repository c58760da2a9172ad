/* qformer_network_rows.c - where the rows of a pass lie and who attends to whom (see
 * qformer_network_layers.h).
 */
#include "train/qformer_network_layers.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "num/gradient.h"

#include <math.h>
#include <string.h>

enum { ITEMS = 4 }; /* in one chunk of moving */

struct qformer_rows qformer_network_rows(
    const struct qformer_network *network, const struct qformer_pass *pass)
{
	struct qformer_rows rows = { .items = pass->count,
		.queries = pass->queries ? network->queries : 0,
		.text_start = pass->ids ? pass->text_start : NULL,
		.width = network->width };
	rows.query_rows = rows.items * rows.queries;
	rows.text_rows = rows.text_start ? qformer_network_text_at(&rows, rows.items) : 0;
	rows.rows = rows.query_rows + rows.text_rows;
	rows.picture_rows = pass->queries ? pass->pictures * pass->tokens : 0;
	return rows;
}

size_t qformer_network_text_at(const struct qformer_rows *rows, size_t item)
{
	return rows->text_start ? rows->text_start[item] - rows->text_start[0] : 0;
}

size_t qformer_network_text_count(const struct qformer_rows *rows, size_t item)
{
	return rows->text_start ? rows->text_start[item + 1] - rows->text_start[item] : 0;
}

bool qformer_network_mixed(const struct qformer_rows *rows)
{
	return rows->query_rows > 0 && rows->text_rows > 0;
}

struct moving {
	const struct qformer_rows *rows;
	float *joint, *queries, *text;
	bool join;
};

static void move_rows(const struct moving *moving, float *joint, float *other, size_t count)
{
	if (moving->join)
		memcpy(joint, other, count * sizeof *joint);
	else
		memcpy(other, joint, count * sizeof *joint);
}

static void move_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct moving *moving = context;
	const struct qformer_rows *rows = moving->rows;
	size_t width = rows->width, per_item = rows->queries * width;
	size_t end = (chunk + 1) * ITEMS < rows->items ? (chunk + 1) * ITEMS : rows->items;
	for (size_t i = chunk * ITEMS; i < end; i++) {
		size_t text = qformer_network_text_at(rows, i) * width;
		float *joint = moving->joint + i * per_item + text;
		if (moving->queries)
			move_rows(moving, joint, moving->queries + i * per_item, per_item);
		if (moving->text)
			move_rows(moving, joint + per_item, moving->text + text,
			    qformer_network_text_count(rows, i) * width);
	}
}

void qformer_network_part(
    const struct qformer_rows *rows, const float *joint, float *queries, float *text)
{
	struct moving moving = { rows, (float *)joint, queries, text, false };
	threads_run((rows->items + ITEMS - 1) / ITEMS, move_chunk, &moving);
}

void qformer_network_join(
    const struct qformer_rows *rows, const float *queries, const float *text, float *joint)
{
	struct moving moving = { rows, joint, (float *)queries, (float *)text, true };
	threads_run((rows->items + ITEMS - 1) / ITEMS, move_chunk, &moving);
}

static int plan_self(struct qformer_network_layers *inside, const struct qformer_pass *pass,
    const struct qformer_rows *rows)
{
	if (memory_grow((void **)&inside->self, &inside->self_room, pass->count, sizeof *inside->self) <
	    0)
		return -1;
	inside->self_count = 0;
	for (size_t i = 0; i < pass->count; i++) {
		size_t start = i * rows->queries + qformer_network_text_at(rows, i);
		size_t count = rows->queries + qformer_network_text_count(rows, i);
		struct attention_item item = {
			.q_start = start, .queries = count, .kv_start = start, .keys = count, .open = count
		};
		if (pass->sight == QFORMER_SEES_CAUSAL) {
			item.open = rows->queries;
			item.see = 1;
		}
		if (count > 0)
			inside->self[inside->self_count++] = item;
	}
	return 0;
}

/* Items that look at one picture follow each other: they share its keys and values. */
static int plan_cross(struct qformer_network_layers *inside, const struct qformer_pass *pass,
    const struct qformer_rows *rows)
{
	if (memory_grow(
	        (void **)&inside->cross, &inside->cross_room, pass->count, sizeof *inside->cross) < 0 ||
	    memory_grow((void **)&inside->order, &inside->order_room, pass->pictures + 1,
	        sizeof *inside->order) < 0)
		return -1;
	size_t *next = inside->order; /* where the next item of a picture goes */
	memset(next, 0, (pass->pictures + 1) * sizeof *next);
	for (size_t i = 0; i < pass->count; i++) {
		if (pass->picture[i] >= pass->pictures)
			return error_system(
			    "item %zu looks at picture %zu of %zu", i, pass->picture[i], pass->pictures);
		next[pass->picture[i] + 1]++;
	}
	for (size_t i = 0; i < pass->pictures; i++)
		next[i + 1] += next[i];
	for (size_t i = 0; i < pass->count; i++)
		inside->cross[next[pass->picture[i]]++] =
		    (struct attention_item){ .q_start = i * rows->queries,
			    .queries = rows->queries,
			    .kv_start = pass->picture[i] * pass->tokens,
			    .keys = pass->tokens,
			    .open = pass->tokens };
	inside->cross_count = pass->count;
	return 0;
}

int qformer_network_plan(struct qformer_network *network, const struct qformer_pass *pass)
{
	struct qformer_rows rows = qformer_network_rows(network, pass);
	if (plan_self(network->inside, pass, &rows) < 0)
		return -1;
	return pass->queries ? plan_cross(network->inside, pass, &rows) : 0;
}

struct attention_batch qformer_network_heads(const struct qformer_network *network,
    const struct qformer_pass *pass, const float *q, const float *k, const float *v)
{
	size_t width = network->width, head_width = width / network->heads;
	return (struct attention_batch){ .heads = network->heads,
		.kv_heads = network->heads,
		.head_width = head_width,
		.scale = 1.0f / sqrtf((float)head_width),
		.q = q,
		.k = k,
		.v = v,
		.q_row = width,
		.kv_row = width,
		.y_row = width,
		.dropout = pass->dropout.rate,
		.seed = pass->dropout.seed,
		.step = pass->dropout.step };
}

void qformer_network_drop(const struct qformer_pass *pass, uint32_t place, float *x, size_t count)
{
	const struct dropout_place *dropout = &pass->dropout;
	if (dropout->rate > 0)
		dropout_rows(x, count, dropout->rate, dropout->seed, dropout->step, place);
}
