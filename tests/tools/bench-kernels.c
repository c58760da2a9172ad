/* bench-kernels.c - what the loops of training reach: linear layers forward and backward against
 * bare BLIS products of the same shapes, interleaved; attention of a batch; softmax; AdamW.
 *
 *     bench-kernels [--threads N] [--seconds S]
 *
 * Times are the least of many. One thread is timed by the CPU time it takes.
 */
#include "../support/bench.h"
#include "base/number.h"
#include "num/attention_batch.h"
#include "num/gradient.h"
#include "num/kernels.h"
#include "num/optimiser.h"

#include <getopt.h>

static double seconds = 0.3;

_Noreturn static void fail(void)
{
	bench_fail("bench-kernels");
}

/* --- linear layers -------------------------------------------------------------------------------*/

enum { FORWARD, INPUT, WEIGHT, WAYS };
static const char *const way_names[WAYS] = { "forward", "input gradient", "weight gradient" };

struct shape {
	size_t rows, in, out;
};

struct layer {
	struct shape shape;
	float *x, *w, *y, *dw;
};

static void run_ours(const struct layer *layer, int way)
{
	size_t rows = layer->shape.rows, in = layer->shape.in, out = layer->shape.out;
	struct linear linear = { layer->w, 'f', out, in, NULL };
	int status = way == FORWARD ? linear_rows(&linear, layer->x, rows, layer->y, LINEAR_STORE)
	             : way == INPUT
	                 ? linear_backward_input(&linear, layer->y, rows, layer->x, false)
	                 : linear_backward_weight(layer->x, layer->y, rows, out, in, layer->dw, NULL);
	if (status < 0)
		fail();
}

static void run_blis(const struct layer *layer, int way)
{
	size_t rows = layer->shape.rows, in = layer->shape.in, out = layer->shape.out;
	struct product forward = { rows, out, in, layer->x, layer->w, layer->y, in, in, out, false,
		true, false };
	struct product input = { rows, in, out, layer->y, layer->w, layer->x, out, in, in, false, false,
		false };
	struct product weight = { out, in, rows, layer->y, layer->x, layer->dw, out, in, in, true,
		false, true };
	product_run_threads(way == FORWARD ? &forward
	                    : way == INPUT ? &input
	                                   : &weight,
	    threads_count());
}

/* How often a product is run in one of the times taken: clocks are coarse. */
static int repeats(const struct layer *layer)
{
	const struct shape *shape = &layer->shape;
	return 1 + (int)(4e8 / (2.0 * (double)(shape->rows * shape->in) * (double)shape->out));
}

/* The least seconds of so many, by turns. Numbers in the layer do not grow; gradients do, slowly. */
static void time_layer(const struct layer *layer, int way, double *ours, double *blis)
{
	*ours = *blis = 1e9;
	int runs = 0, times = repeats(layer);
	for (double end = bench_now() + seconds; bench_now() < end || runs < 5; runs++) {
		double start = bench_now();
		for (int i = 0; i < times; i++)
			run_blis(layer, way);
		double middle = bench_now();
		for (int i = 0; i < times; i++)
			run_ours(layer, way);
		double after = bench_now();
		*blis = middle - start < *blis ? middle - start : *blis;
		*ours = after - middle < *ours ? after - middle : *ours;
	}
}

static void bench_layer(struct shape shape)
{
	double work = 2e-9 * (double)(shape.rows * shape.in * shape.out);
	for (int way = 0; way < WAYS; way++) {
		struct layer layer = { shape, bench_values(shape.rows * shape.in),
			bench_values(shape.in * shape.out), bench_values(shape.rows * shape.out),
			bench_values(shape.in * shape.out) };
		double ours, blis;
		time_layer(&layer, way, &ours, &blis);
		ours /= repeats(&layer);
		blis /= repeats(&layer);
		printf("%5zux%zu->%zu %-15s  ours %6.1f GFLOP/s  BLIS %6.1f  ratio %.2f\n", shape.rows,
		    shape.in, shape.out, way_names[way], work / ours, work / blis, blis / ours);
		memory_release(layer.x);
		memory_release(layer.w);
		memory_release(layer.y);
		memory_release(layer.dw);
	}
}

/* --- the rest ------------------------------------------------------------------------------------*/

/* Items of rows queries and keys each, everything seeing everything. */
static void bench_attention(size_t count, size_t heads, size_t rows, size_t head_width)
{
	size_t width = heads * head_width, size = count * rows * width;
	float *values[8];
	struct attention_item *items = memory_allocate_zero(count, sizeof *items);
	for (int i = 0; i < 8; i++)
		values[i] = bench_values(size);
	if (!items)
		fail();
	for (size_t i = 0; i < count; i++)
		items[i] = (struct attention_item){ i * rows, rows, i * rows, rows, rows, 1 };
	struct attention_batch batch = { .heads = heads,
		.kv_heads = heads,
		.head_width = head_width,
		.scale = 0.1f,
		.q = values[0],
		.k = values[1],
		.v = values[2],
		.q_row = width,
		.kv_row = width,
		.y_row = width,
		.items = items,
		.count = count };
	double best[2] = { 1e9, 1e9 };
	for (double end = bench_now() + seconds; bench_now() < end;) {
		double start = bench_now();
		if (attention_batch_forward(&batch, values[3]) < 0)
			fail();
		double middle = bench_now();
		if (attention_batch_backward(&batch, values[4], values[5], values[6], values[7]) < 0)
			fail();
		double after = bench_now();
		best[0] = middle - start < best[0] ? middle - start : best[0];
		best[1] = after - middle < best[1] ? after - middle : best[1];
	}
	/* products: two forward; five backward, where the weights are computed again */
	double product = 2e-9 * (double)(size * rows);
	printf("attention, %zu items x %zu heads x %zux%zux%zu: forward %.0f GFLOP/s, backward %.0f\n",
	    count, heads, rows, rows, head_width, 2 * product / best[0], 5 * product / best[1]);
	for (int i = 0; i < 8; i++)
		memory_release(values[i]);
	memory_release(items);
}

static void bench_softmax(size_t rows)
{
	float *values = bench_values(rows * rows);
	double best = 1e9;
	for (double end = bench_now() + seconds; bench_now() < end;) {
		double start = bench_now();
		for (int turn = 0; turn < 100; turn++)
			for (size_t i = 0; i < rows; i++)
				kernels_get()->softmax(values + i * rows, 1, rows);
		double after = bench_now();
		best = after - start < best ? after - start : best;
	}
	printf("softmax of %zux%zu: %.2f us\n", rows, rows, 1e4 * best);
	memory_release(values);
}

struct step {
	float *values[4];
	size_t count, piece;
};

static void step_piece(void *context, size_t chunk, int worker)
{
	static const struct adamw_factors factors = { 1, 0.9f, 0.1f, 0.98f, 0.02f, 0.999f, 1e-4f, 1,
		1e-8f };
	const struct step *step = context;
	size_t first = chunk * step->piece;
	(void)worker;
	optimiser_get()->adamw(&factors, step->values[0] + first, step->values[1] + first,
	    step->values[2] + first, step->values[3] + first, step->piece);
}

static void bench_adamw(size_t millions)
{
	struct step step = { .count = millions << 20, .piece = 1 << 14 };
	double best = 1e9;
	for (int i = 0; i < 4; i++)
		step.values[i] = bench_values(step.count);
	for (size_t i = 0; i < step.count; i++)
		step.values[3][i] += 0.5f;
	for (double end = bench_now() + seconds; bench_now() < end;) {
		double start = bench_now();
		threads_run(step.count / step.piece, step_piece, &step);
		double after = bench_now();
		best = after - start < best ? after - start : best;
	}
	printf("AdamW of %zu M parameters: %.1f ms, %.1f GB/s\n", millions, 1e3 * best,
	    1e-9 * 7 * sizeof(float) * (double)step.count / best);
	for (int i = 0; i < 4; i++)
		memory_release(step.values[i]);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "threads", required_argument, NULL, 't' },
		{ "seconds", required_argument, NULL, 's' }, { 0 } };
	static const struct shape shapes[] = { { 4160, 192, 768 }, { 4160, 768, 192 }, { 65, 192, 192 },
		{ 30, 192, 192 }, { 1576, 768, 3072 }, { 48, 768, 768 } };
	int64_t threads = 1;
	for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;)
		if ((letter == 't' && number_whole(optarg, 1, THREADS_MOST, &threads) < 0) ||
		    (letter == 's' && number_real(optarg, 0.001, 60, &seconds) < 0) || letter == '?') {
			fprintf(stderr, "usage: bench-kernels [--threads N] [--seconds S]\n");
			return 2;
		}
	if (product_start() < 0 || threads_start((int)threads) < 0)
		fail();
	printf("%s, %d threads\n", product_version(), threads_count());
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		bench_layer(shapes[i]);
	bench_attention(64, 6, 65, 32);
	bench_attention(8, 12, 197, 64);
	bench_softmax(65);
	bench_adamw(11);
	threads_stop();
	return 0;
}
