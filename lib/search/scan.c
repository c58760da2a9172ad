/* scan.c - queries against blocks (see scan.h). Blocks are cut into pieces, neighbouring pieces make
 * a task of some hundred KB. Within a task, rows are taken in parts that stay in the first caches:
 * made f32 once, if need be, and multiplied with all queries. A single query streams the rows as they
 * are.
 */
#include "search/scan.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "num/kernels.h"
#include "num/scratch.h"
#include "num/similarity.h"

#include <math.h>
#include <stdatomic.h>

enum {
	TASK_BYTES = 256 << 10,
	PART_FLOATS = 8 << 10, /* of rows that meet many queries: beside them in the first cache */
	STREAM_ROWS = 512,     /* of a part that is streamed */
	QUERY_VECTORS = 96,    /* that meet a part at once, about */
};

/* Items of one block. */
struct piece {
	const struct bank_block *block;
	size_t first, count;
};

struct scan {
	const struct scan_rules *rules;
	const struct scan_queries *queries;
	const struct scan_sink *sink;
	const struct similarity *kernels;
	struct piece *pieces;
	size_t *tasks; /* first piece of each, and the end */
	size_t piece_count, piece_capacity, task_count, task_capacity;
	size_t part_floats, score_floats; /* scratch of a worker */
	atomic_bool failed;
};

/* How the items of a block meet the queries. */
struct meeting {
	size_t row;           /* numbers of a row */
	size_t rows, vectors; /* of an item, of a query */
	float scale;
	bool streams;
	size_t items;   /* of a part */
	size_t queries; /* that meet it at once */
};

static size_t at_least_one(size_t n)
{
	return n > 0 ? n : 1;
}

static struct meeting meet(const struct scan *scan, const struct bank_block *block)
{
	const struct scan_queries *queries = scan->queries;
	struct meeting meeting = { block->width, block->vectors, queries->vectors, 1, false, 0, 0 };
	if (block->vectors == queries->vectors && !scan->rules->all_pairs) {
		meeting.row = block->width * block->vectors;
		meeting.scale = 1 / (float)block->vectors;
		meeting.rows = meeting.vectors = 1;
	}
	meeting.streams = !scan->rules->cosine && block->dtype != 'b' &&
	                  queries->count * meeting.vectors < scan->kernels->widen_from;
	meeting.items = at_least_one(
	    meeting.streams ? STREAM_ROWS / meeting.rows : PART_FLOATS / (meeting.rows * meeting.row));
	meeting.queries = at_least_one(QUERY_VECTORS / meeting.vectors);
	if (meeting.queries > queries->count)
		meeting.queries = queries->count;
	return meeting;
}

void scan_normalise(float *values, size_t vectors, size_t width)
{
	for (size_t v = 0; v < vectors; v++, values += width) {
		double squares = 0;
		for (size_t i = 0; i < width; i++)
			squares += (double)values[i] * (double)values[i];
		if (!(squares > 0))
			continue;
		double length = sqrt(squares);
		for (size_t i = 0; i < width; i++)
			values[i] = (float)((double)values[i] / length);
	}
}

/* The rows of a part as the kernel is to have them. */
static const void *part_rows(const struct scan *scan, const struct meeting *meeting,
    const struct bank_block *block, size_t first, size_t count, float *wide, char *dtype)
{
	size_t item = block->vectors * block->width;
	const char *rows = (const char *)block->rows + first * item * dtype_size(block->dtype);
	*dtype = block->dtype;
	if (meeting->streams || (block->dtype == 'f' && !scan->rules->cosine))
		return rows;
	if (block->dtype == 'b')
		scan->kernels->widen((const int8_t *)rows,
		    (const char *)block->scales + first * block->vectors * sizeof(float),
		    count * block->vectors, block->width, wide);
	else
		kernels_get()->widen(block->dtype, rows, wide, count * item);
	if (scan->rules->cosine)
		scan_normalise(wide, count * block->vectors, block->width);
	*dtype = 'f';
	return wide;
}

/* From the products of a query's vectors with the rows of items to a score for each item. */
static void reduce(const struct scan *scan, const struct meeting *meeting, const float *products,
    size_t stride, size_t items, float *scores)
{
	for (size_t i = 0; i < items; i++) {
		float top = -INFINITY;
		if (meeting->rows == 1 && meeting->vectors == 1)
			top = products[i];
		for (size_t v = 0; v < meeting->vectors && meeting->rows * meeting->vectors > 1; v++) {
			float one =
			    scan->kernels->most(products + v * stride + i * meeting->rows, meeting->rows);
			top = one > top ? one : top;
		}
		scores[i] = top * meeting->scale;
	}
}

static int take_scores(const struct scan *scan, size_t query, const struct bank_block *block,
    size_t first, const float *scores, size_t items, int worker)
{
	const struct scan_sink *sink = scan->sink;
	float least = sink->least(sink->context, query, worker);
	for (size_t i = 0; (i += scan->kernels->reach(scores + i, items - i, least)) < items; i++) {
		if (block->wanted && !block->wanted[first + i])
			continue;
		if (sink->take(sink->context, query, block, first + i, scores[i], worker))
			return -1;
		least = sink->least(sink->context, query, worker);
	}
	return 0;
}

/* All queries with some items of a block. */
static int scan_part(const struct scan *scan, const struct meeting *meeting,
    const struct bank_block *block, size_t first, size_t count, int worker)
{
	const struct scan_queries *queries = scan->queries;
	float *wide = scratch_of(worker), *products = wide + scan->part_floats;
	float *scores = products + scan->score_floats;
	struct similarity_product product = { .row_count = count * meeting->rows,
		.width = meeting->row,
		.y = products,
		.y_row = count * meeting->rows };
	product.rows = part_rows(scan, meeting, block, first, count, wide, &product.dtype);
	for (size_t q = 0; q < queries->count; q += meeting->queries) {
		size_t left = queries->count - q, some = left < meeting->queries ? left : meeting->queries;
		product.queries = queries->values + q * queries->vectors * queries->width;
		product.query_count = some * meeting->vectors;
		scan->kernels->products(&product);
		for (size_t i = 0; i < some; i++) {
			const float *own = products + i * meeting->vectors * product.y_row;
			if (meeting->rows * meeting->vectors > 1 || meeting->scale != 1) {
				reduce(scan, meeting, own, product.y_row, count, scores);
				own = scores;
			}
			if (take_scores(scan, q + i, block, first, own, count, worker))
				return -1;
		}
	}
	return 0;
}

static void scan_task(void *context, size_t chunk, int worker)
{
	struct scan *scan = context;
	for (size_t p = scan->tasks[chunk]; p < scan->tasks[chunk + 1]; p++) {
		const struct piece *piece = &scan->pieces[p];
		struct meeting meeting = meet(scan, piece->block);
		for (size_t i = 0; i < piece->count; i += meeting.items) {
			size_t left = piece->count - i, items = left < meeting.items ? left : meeting.items;
			if (scan_part(scan, &meeting, piece->block, piece->first + i, items, worker))
				atomic_store(&scan->failed, true);
		}
	}
}

static int add_task(struct scan *scan, size_t piece)
{
	if (memory_grow(
	        (void **)&scan->tasks, &scan->task_capacity, scan->task_count + 1, sizeof *scan->tasks))
		return -1;
	scan->tasks[scan->task_count++] = piece;
	return 0;
}

/* Cut a block; filled: bytes of the last task. */
static int cut_block(struct scan *scan, const struct bank_block *block, size_t *filled)
{
	size_t item = block->vectors * block->width * dtype_size(block->dtype);
	size_t most = at_least_one(TASK_BYTES / item);
	for (size_t first = 0; first < block->count; first += most) {
		size_t left = block->count - first, count = left < most ? left : most;
		if (memory_grow((void **)&scan->pieces, &scan->piece_capacity, scan->piece_count + 1,
		        sizeof *scan->pieces))
			return -1;
		if (scan->task_count == 0 || *filled + count * item > TASK_BYTES) {
			*filled = 0;
			if (add_task(scan, scan->piece_count))
				return -1;
		}
		scan->pieces[scan->piece_count++] = (struct piece){ block, first, count };
		*filled += count * item;
	}
	return 0;
}

/* Memory that a worker needs for this block. */
static void measure(struct scan *scan, const struct bank_block *block)
{
	struct meeting meeting = meet(scan, block);
	size_t part = meeting.streams ? 0 : meeting.items * meeting.rows * meeting.row;
	size_t products = meeting.queries * meeting.vectors * meeting.items * meeting.rows;
	part = (part + 15) / 16 * 16;
	products = (products + 15) / 16 * 16;
	if (part > scan->part_floats)
		scan->part_floats = part;
	if (products > scan->score_floats)
		scan->score_floats = products;
}

int scan_blocks(const struct scan_rules *rules, const struct scan_queries *queries,
    const struct bank_block *blocks, size_t count, uint64_t from, const struct scan_sink *sink)
{
	struct scan scan = {
		.rules = rules, .queries = queries, .sink = sink, .kernels = similarity_get()
	};
	size_t filled = 0;
	int status = 0;
	for (size_t i = 0; i < count && status == 0; i++) {
		bool alike = (blocks[i].vectors > 1) == (queries->vectors > 1);
		if (blocks[i].first + blocks[i].count <= from || (alike && rules->others))
			continue;
		measure(&scan, &blocks[i]);
		status = cut_block(&scan, &blocks[i], &filled);
	}
	/* Scores of a part's items: at most as many as streamed rows, or floats of a part. */
	if (status == 0)
		status = scratch_reserve(scan.part_floats + scan.score_floats + PART_FLOATS);
	if (status == 0 && scan.task_count > 0) {
		status = add_task(&scan, scan.piece_count);
		if (status == 0)
			threads_run(scan.task_count - 1, scan_task, &scan);
		if (atomic_load(&scan.failed))
			status = error_system("out of memory for results");
	}
	memory_release(scan.pieces);
	memory_release(scan.tasks);
	return status;
}
