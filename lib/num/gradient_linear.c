/* gradient_linear.c - linear layers over a whole batch of rows, and their gradients (see gradient.h).
 * The matrices of training are some hundred elements wide, where packing operands, as BLIS does at
 * every call, is a good part of the work. So the products are those of kernels.h, which take both as
 * they lie; W is turned (and widened) once for all rows, by all threads. The portable level has BLIS.
 */
#include "num/gradient.h"
#include "base/cpu.h"
#include "num/gradient_brain.h"
#include "num/kernels.h"
#include "num/product.h"
#include "num/scratch.h"
#include "base/packed.h"
#include "base/threads.h"

enum {
	ELEMENTS = 1 << 17,  /* of A in one chunk at most: they fit the second cache ... */
	ROWS = 384,          /* ... and rows of it */
	ROWS_UNIT = 6,       /* rows of a tile of kernels.h */
	COLUMNS = 512,       /* at most, of one chunk */
	COLUMNS_UNIT = 64,   /* columns of a tile with AVX-512, also of a strip of turned W */
	ROWS_MANY = 256,     /* from so many on, rows are cut ... */
	COLUMNS_MANY = 1024, /* ... and with fewer, columns from so many on */
	VECTOR = 16,         /* elements: where narrow columns may be cut */
	PANEL = 1 << 22,     /* elements of W that are prepared at once */
	LARGE = 1 << 21,     /* elements of W: turning that many pays with more rows only */
	TURNED = 32,         /* rows of W in one chunk of its preparation: half a strip */
};

static enum arithmetic used = ARITHMETIC_F32;

void gradient_use(enum arithmetic arithmetic)
{
	used = arithmetic;
}

/* total in `count` pieces of `step`, the last one shorter. */
struct cut {
	size_t step, count;
};

/* An even number of pieces, as many of them as their limit asks for, of whole units. */
static struct cut cut_even(size_t total, size_t most, size_t unit)
{
	size_t count = (total + 2 * most - 1) / (2 * most) * 2;
	size_t step = (total + count - 1) / count;
	step = (step + unit - 1) / unit * unit;
	return (struct cut){ step, (total + step - 1) / step };
}

static struct cut cut_none(size_t total)
{
	return (struct cut){ total, 1 };
}

static size_t piece(const struct cut *cut, size_t index, size_t total)
{
	size_t left = total - index * cut->step;
	return left < cut->step ? left : cut->step;
}

/* C = A B on this thread. */
static void multiply(const struct product *product)
{
	if (cpu_level() == CPU_REF) {
		product_run(product);
		return;
	}
	bool turned = product->a_transposed;
	kernels_get()->matrix(&(struct matrix_product){ .m = product->m,
	    .n = product->n,
	    .k = product->k,
	    .a = product->a,
	    .a_row = turned ? 1 : product->a_row,
	    .a_column = turned ? product->a_row : 1,
	    .b = product->b,
	    .b_row = product->b_row,
	    .c = product->c,
	    .c_row = product->c_row,
	    .add = product->add });
}

/* A range of W's rows, made ready in worker 0's scratch: turned, in strips [in][COLUMNS_UNIT] one
 * behind the other, so that rows of a strip are neighbours whatever W's size; or [rows][in]. */
struct panel {
	const struct linear *linear;
	const struct kernels *kernels;
	size_t first, rows;
	bool turned;
	float *ready; /* what shares the scratch of a worker lies behind it */
	size_t size;
};

static void panel_chunk(void *context, size_t chunk, int worker)
{
	const struct panel *panel = context;
	const struct linear *linear = panel->linear;
	size_t at = chunk * TURNED, in = linear->in;
	size_t rows = panel->rows - at < TURNED ? panel->rows - at : TURNED;
	const float *from;
	if (linear->dtype == 'f') {
		from = (const float *)linear->weight + (panel->first + at) * in;
	} else {
		float *to = panel->turned ? scratch_of(worker) + panel->size : panel->ready + at * in;
		linear_weight(linear, panel->first + at, rows, to);
		from = to;
	}
	if (panel->turned)
		panel->kernels->transpose(from, in, rows, in,
		    panel->ready + at / COLUMNS_UNIT * COLUMNS_UNIT * in + at % COLUMNS_UNIT, COLUMNS_UNIT);
}

/* Rows of W in one panel. */
static size_t panel_rows(const struct linear *linear)
{
	size_t rows = PANEL / (linear->in > 0 ? linear->in : 1) / COLUMNS_UNIT * COLUMNS_UNIT;
	rows = rows > COLUMNS_UNIT ? rows : COLUMNS_UNIT;
	return rows < linear->out ? rows : linear->out;
}

static int panel_begin(struct panel *panel, const struct linear *linear, bool turned)
{
	*panel = (struct panel){ .linear = linear, .kernels = kernels_get(), .turned = turned };
	panel->size =
	    (panel_rows(linear) + COLUMNS_UNIT - 1) / COLUMNS_UNIT * COLUMNS_UNIT * linear->in;
	if (scratch_reserve(panel->size + TURNED * linear->in) < 0)
		return -1;
	panel->ready = scratch_of(0);
	return 0;
}

static void panel_make(struct panel *panel, size_t first, size_t rows)
{
	panel->first = first;
	panel->rows = rows;
	threads_run((rows + TURNED - 1) / TURNED, panel_chunk, panel);
}

/* C [rows][columns] = A [rows][k] B [k][columns] over the pool; B may be in strips, as above. */
struct batch {
	const struct kernels *kernels;
	const float *a, *b;
	float *c;
	size_t rows, columns, k;
	size_t a_row, b_row, c_row;
	bool strips, add, gelu;
	const float *bias; /* [columns] or NULL */
	struct cut row_cut, column_cut;
};

static void batch_finish(
    const struct batch *batch, float *c, size_t rows, size_t column, size_t columns)
{
	const float *bias = batch->bias ? batch->bias + column : NULL;
	for (size_t row = 0; row < rows; row++, c += batch->c_row)
		if (batch->gelu)
			batch->kernels->gelu(c, bias, columns);
		else if (bias)
			batch->kernels->add(c, bias, columns);
}

static void batch_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct batch *batch = context;
	size_t row_piece = chunk / batch->column_cut.count;
	size_t column_piece = chunk % batch->column_cut.count;
	size_t row = row_piece * batch->row_cut.step, column = column_piece * batch->column_cut.step;
	size_t rows = piece(&batch->row_cut, row_piece, batch->rows);
	size_t columns = piece(&batch->column_cut, column_piece, batch->columns);
	size_t end = column + columns, step = batch->strips ? COLUMNS_UNIT : columns;
	for (size_t at = column; at < end; at += step)
		multiply(&(struct product){ .m = rows,
		    .n = end - at < step ? end - at : step,
		    .k = batch->k,
		    .a = batch->a + row * batch->a_row,
		    .a_row = batch->a_row,
		    .b = batch->b + at * (batch->strips ? batch->k : 1),
		    .b_row = batch->b_row,
		    .c = batch->c + row * batch->c_row + at,
		    .c_row = batch->c_row,
		    .add = batch->add });
	batch_finish(batch, batch->c + row * batch->c_row + column, rows, column, columns);
}

static void batch_run(struct batch *batch)
{
	/* strips are taken one after the other, all of A for each; else the kernel takes A by parts */
	size_t most = batch->strips ? ELEMENTS / (batch->k + 1) : ROWS;
	most = most > ROWS ? ROWS : most < COLUMNS_UNIT ? COLUMNS_UNIT : most;
	bool by_rows = batch->rows >= ROWS_MANY || batch->columns < COLUMNS_MANY;
	bool by_columns = batch->columns >= COLUMNS_MANY;
	batch->row_cut = by_rows ? cut_even(batch->rows, most, ROWS_UNIT) : cut_none(batch->rows);
	batch->column_cut =
	    by_columns ? cut_even(batch->columns, COLUMNS, COLUMNS_UNIT) : cut_none(batch->columns);
	threads_run(batch->row_cut.count * batch->column_cut.count, batch_chunk, batch);
}

int linear_rows(
    const struct linear *linear, const float *x, size_t rows, float *y, enum linear_then then)
{
	size_t few = kernels_get()->few_rows;
	if (rows == 0 || linear->out == 0)
		return 0;
	if (used == ARITHMETIC_BF16)
		return brain_rows(linear, x, rows, y, then);
	/* With packed weights that would round x, which the backward pass knows nothing of. */
	if (rows <= (linear->in * linear->out < LARGE ? few / 4 : few) && !packed_is(linear->dtype))
		return linear_decode(linear, x, rows, y, then);
	return linear_turned(linear, x, rows, y, then);
}

int linear_turned(
    const struct linear *linear, const float *x, size_t rows, float *y, enum linear_then then)
{
	size_t in = linear->in, out = linear->out;
	struct panel panel;
	if (panel_begin(&panel, linear, true) < 0)
		return -1;
	size_t step = panel_rows(linear);
	for (size_t first = 0; first < out; first += step) {
		size_t columns = out - first < step ? out - first : step;
		panel_make(&panel, first, columns);
		batch_run(&(struct batch){ .kernels = kernels_get(),
		    .a = x,
		    .a_row = in,
		    .b = panel.ready,
		    .b_row = COLUMNS_UNIT,
		    .strips = true,
		    .c = y + first,
		    .c_row = out,
		    .rows = rows,
		    .columns = columns,
		    .k = in,
		    .add = then == LINEAR_ADD,
		    .gelu = then == LINEAR_GELU,
		    .bias = linear->bias ? linear->bias + first : NULL });
	}
	return 0;
}

/* Weights that are not f32 come a panel of W's rows at a time, whose products are added up in order. */
int linear_backward_input(
    const struct linear *linear, const float *dy, size_t rows, float *dx, bool add)
{
	size_t in = linear->in, out = linear->out;
	bool ready = linear->dtype == 'f';
	struct panel panel;
	if (rows == 0 || in == 0)
		return 0;
	if (used == ARITHMETIC_BF16 && out > 0)
		return brain_backward_input(linear, dy, rows, dx, add);
	if (!ready && panel_begin(&panel, linear, false) < 0)
		return -1;
	size_t step = ready ? out : panel_rows(linear);
	size_t first = 0;
	do {
		size_t outs = out - first < step ? out - first : step;
		if (!ready)
			panel_make(&panel, first, outs);
		batch_run(&(struct batch){ .kernels = kernels_get(),
		    .a = dy + first,
		    .a_row = out,
		    .b = ready ? linear->weight : panel.ready,
		    .b_row = in,
		    .c = dx,
		    .c_row = in,
		    .rows = rows,
		    .columns = in,
		    .k = outs,
		    .add = add || first > 0 });
		first += step;
	} while (first < out);
	return 0;
}

/* The gradient of W is cut, its sums over rows are not. */
struct weight_gradient {
	const float *x, *dy;
	size_t rows, out, in;
	float *dweight, *dbias;
	struct cut out_cut, in_cut;
};

static void weight_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct weight_gradient *gradient = context;
	size_t in = gradient->in, out = gradient->out;
	size_t out_piece = chunk / gradient->in_cut.count, in_piece = chunk % gradient->in_cut.count;
	size_t first = out_piece * gradient->out_cut.step, column = in_piece * gradient->in_cut.step;
	size_t outs = piece(&gradient->out_cut, out_piece, out);
	const float one = 1;
	if (gradient->dbias && in_piece == 0)
		kernels_get()->matrix(&(struct matrix_product){ .m = 1,
		    .n = outs,
		    .k = gradient->rows,
		    .a = &one, /* for every row */
		    .b = gradient->dy + first,
		    .b_row = out,
		    .c = gradient->dbias + first,
		    .c_row = out,
		    .add = true });
	if (gradient->dweight)
		multiply(&(struct product){ .m = outs,
		    .n = piece(&gradient->in_cut, in_piece, in),
		    .k = gradient->rows,
		    .a = gradient->dy + first,
		    .a_row = out,
		    .a_transposed = true,
		    .b = gradient->x + column,
		    .b_row = in,
		    .c = gradient->dweight + first * in + column,
		    .c_row = in,
		    .add = true });
}

int linear_backward_weight(const float *x, const float *dy, size_t rows, size_t out, size_t in,
    float *dweight, float *dbias)
{
	if (rows == 0 || out == 0 || in == 0)
		return 0;
	if (used == ARITHMETIC_BF16 && dweight) {
		if (brain_backward_weight(x, dy, rows, out, in, dweight) < 0)
			return -1;
		dweight = NULL;
	}
	struct weight_gradient gradient = { x, dy, rows, out, in, dweight, dbias,
		cut_even(out, ROWS, ROWS_UNIT), cut_none(in) };
	if (out <= 2 * ROWS_UNIT) {
		gradient.out_cut = cut_none(out);
		gradient.in_cut = cut_even(in, COLUMNS, VECTOR);
	}
	threads_run(gradient.out_cut.count * gradient.in_cut.count, weight_chunk, &gradient);
	return 0;
}
