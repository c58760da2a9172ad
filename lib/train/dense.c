/* dense.c - linear layers and norms under training (see dense.h). A frozen weight is read where it
 * is stored, in its own dtype; a trained one from its f32 master.
 *
 * LoRA keeps low = scale A dropout(x), [rows][rank]; what dropout left of x is made anew in the
 * backward pass, for the mask is a pure function. Then, d being "gradient of":
 *     y += low B^T     dB += dy^T low     dlow = scale dy B     dA += dlow^T dropout(x)
 *     dx += dropout'(dlow A)
 */
#include "train/dense.h"
#include "base/error.h"
#include "base/memory.h"
#include "model/parameters.h"
#include "num/gradient.h"
#include "num/norm.h"
#include "stream/model_file.h"
#include "train/saves.h"
#include "train/weights.h"

#include <stdio.h>
#include <string.h>

/* "NAME.END" [rows][columns] (rows 0: [columns]); NULL without an error if it may be absent. */
static int find(struct weights *weights, const char *name, const char *end, size_t rows,
    size_t columns, bool optional, struct parameter **found)
{
	char key[PARAMETERS_NAME];
	struct weight weight;
	int length = snprintf(key, sizeof key, "%s.%s", name, end);
	*found = NULL;
	if (length < 0 || (size_t)length >= sizeof key)
		return error_system("\"%.60s...\": the name is too long", name);
	struct parameter *parameter = weights_find(weights, key);
	uint64_t shape[2] = { rows ? rows : columns, columns };
	int dimensions = rows ? 2 : 1;
	/* The file's own words for a tensor that is missing or has another shape. */
	if (!parameter)
		return optional ? 0
		                : model_file_need(weights_file(weights), key, dimensions, shape, &weight);
	if (parameter->dimensions != dimensions || parameter->shape[0] != shape[0] ||
	    (rows && parameter->shape[1] != columns))
		return model_file_need(weights_file(weights), key, dimensions, shape, &weight) < 0
		           ? -1
		           : error_system("\"%s\" was added with another shape", key);
	if (!rows && parameter->dtype != 'f')
		return error_system(
		    "%s: tensor \"%s\" must be f32", model_file_path(weights_file(weights)), key);
	*found = parameter;
	return 0;
}

int dense_open(
    struct dense *dense, struct weights *weights, const char *name, size_t out, size_t in)
{
	*dense = (struct dense){ .out = out, .in = in };
	return find(weights, name, "weight", out, in, false, &dense->weight) < 0 ||
	               find(weights, name, "bias", 0, out, true, &dense->bias) < 0
	           ? -1
	           : 0;
}

/* A parameter as a linear layer's matrix, wherever its values are. */
static struct linear linear_of(
    const struct parameter *weight, const struct parameter *bias, size_t out, size_t in)
{
	return (struct linear){ .weight = weight->value ? weight->value : weight->stored,
		.dtype = weight->value ? 'f' : weight->dtype,
		.out = out,
		.in = in,
		.bias = bias ? parameter_values(bias) : NULL };
}

struct linear dense_matrix(const struct parameter *weight)
{
	return linear_of(weight, NULL, (size_t)weight->shape[0], (size_t)weight->shape[1]);
}

static void multiply(float *x, float factor, size_t count)
{
	for (size_t i = 0; i < count; i++)
		x[i] *= factor;
}

static float dropout_rate(const struct dense *dense, const struct dropout_place *dropout)
{
	return dropout ? dense->lora_dropout : 0;
}

/* target = dropout(x) of the adapter. */
static void drop(const struct dense *dense, const float *x, size_t count, float *target,
    const struct dropout_place *dropout)
{
	memcpy(target, x, count * sizeof *target);
	dropout_rows(target, count, dense->lora_dropout, dropout->seed, dropout->step, dense->place);
}

/* y += scale B A x by way of low [rows][rank]. */
static int adapt(const struct dense *dense, const float *x, size_t rows, float *low, float *y)
{
	struct linear a = linear_of(dense->lora_a, NULL, dense->rank, dense->in);
	struct linear b = linear_of(dense->lora_b, NULL, dense->out, dense->rank);
	if (linear_rows(&a, x, rows, low, LINEAR_STORE) < 0)
		return -1;
	multiply(low, dense->lora_scale, rows * dense->rank);
	return linear_rows(&b, low, rows, y, LINEAR_ADD);
}

/* The adapter's part of a pass that has a backward pass: low stays on the stack. */
static int adapt_saved(const struct dense *dense, const float *x, size_t rows, float *y,
    const struct dropout_place *dropout, struct saves *saves)
{
	float *low = saves_push(saves, "lora low", rows * dense->rank);
	if (!low)
		return -1;
	if (dropout_rate(dense, dropout) <= 0)
		return adapt(dense, x, rows, low, y);
	size_t mark = saves_mark(saves), count = rows * dense->in;
	float *dropped = saves_push(saves, "lora dropped", count);
	if (!dropped)
		return -1;
	drop(dense, x, count, dropped, dropout);
	int result = adapt(dense, dropped, rows, low, y);
	saves_reset(saves, mark);
	return result;
}

static int adapt_unsaved(const struct dense *dense, const float *x, size_t rows, float *y)
{
	float *low = memory_allocate(rows, dense->rank * sizeof *low);
	int result = low ? adapt(dense, x, rows, low, y) : -1;
	memory_release(low);
	return result;
}

int dense_forward(const struct dense *dense, const float *x, size_t rows, float *y,
    enum linear_then then, const struct dropout_place *dropout, struct saves *saves)
{
	struct linear linear = linear_of(dense->weight, dense->bias, dense->out, dense->in);
	if (linear_rows(&linear, x, rows, y, then) < 0)
		return -1;
	if (!dense->lora_a)
		return 0;
	return saves ? adapt_saved(dense, x, rows, y, dropout, saves)
	             : adapt_unsaved(dense, x, rows, y);
}

/* Gradients of A and dropout(x), dlow given; room [rows][in] is needed with dropout only. */
static int adapt_backward_low(const struct dense *dense, const float *x, size_t rows,
    const float *dlow, float *dx, const struct dropout_place *dropout, float *room)
{
	struct linear a = linear_of(dense->lora_a, NULL, dense->rank, dense->in);
	size_t count = rows * dense->in;
	if (dense->lora_a->gradient) {
		if (room)
			drop(dense, x, count, room, dropout);
		if (linear_backward_weight(room ? room : x, dlow, rows, dense->rank, dense->in,
		        dense->lora_a->gradient, NULL) < 0)
			return -1;
	}
	if (!dx)
		return 0;
	if (!room)
		return linear_backward_input(&a, dlow, rows, dx, true);
	if (linear_backward_input(&a, dlow, rows, room, false) < 0)
		return -1;
	dropout_rows(room, count, dense->lora_dropout, dropout->seed, dropout->step, dense->place);
	rows_add(dx, room, count);
	return 0;
}

/* Everything of the adapter; dx already has the frozen weight's part. */
static int adapt_backward(const struct dense *dense, const float *x, size_t rows, const float *dy,
    float *dx, const struct dropout_place *dropout, const float *low, struct saves *workspace)
{
	if (dense->lora_b->gradient && linear_backward_weight(low, dy, rows, dense->out, dense->rank,
	                                   dense->lora_b->gradient, NULL) < 0)
		return -1;
	struct linear b = linear_of(dense->lora_b, NULL, dense->out, dense->rank);
	size_t count = rows * dense->rank;
	bool drops = dropout_rate(dense, dropout) > 0;
	float *dlow = saves_push(workspace, "lora dlow", count);
	float *room = dlow && drops ? saves_push(workspace, "lora x", rows * dense->in) : NULL;
	if (!dlow || (drops && !room) || linear_backward_input(&b, dy, rows, dlow, false) < 0)
		return -1;
	multiply(dlow, dense->lora_scale, count);
	return adapt_backward_low(dense, x, rows, dlow, dx, dropout, room);
}

int dense_backward(const struct dense *dense, const float *x, size_t rows, const float *dy,
    float *dx, bool add, const struct dropout_place *dropout, struct saves *saves,
    struct saves *workspace)
{
	struct linear linear = linear_of(dense->weight, dense->bias, dense->out, dense->in);
	float *dweight = dense->weight->gradient;
	float *dbias = dense->bias ? dense->bias->gradient : NULL;
	if ((dweight || dbias) &&
	    linear_backward_weight(x, dy, rows, dense->out, dense->in, dweight, dbias) < 0)
		return -1;
	if (dx && linear_backward_input(&linear, dy, rows, dx, add) < 0)
		return -1;
	if (!dense->lora_a)
		return 0;
	/* What is popped stays readable until the next push, of which low sees none. */
	const float *low = saves_pop(saves, "lora low", rows * dense->rank);
	if (!low)
		return -1;
	size_t mark = saves_mark(workspace);
	int result = adapt_backward(dense, x, rows, dy, dx, dropout, low, workspace);
	saves_reset(workspace, mark);
	return result;
}

int trained_norm_open(struct trained_norm *norm, struct weights *weights, const char *name,
    size_t n, float eps, bool biased)
{
	*norm = (struct trained_norm){ .n = n, .eps = eps };
	if (find(weights, name, "weight", 0, n, false, &norm->weight) < 0)
		return -1;
	return biased ? find(weights, name, "bias", 0, n, false, &norm->bias) : 0;
}

static struct norm norm_of(const struct trained_norm *norm)
{
	return (struct norm){ .weight = parameter_values(norm->weight),
		.bias = norm->bias ? parameter_values(norm->bias) : NULL,
		.eps = norm->eps,
		.n = norm->n };
}

int trained_norm_forward(const struct trained_norm *norm, const float *x, size_t rows, float *y)
{
	struct norm plain = norm_of(norm);
	norm_rows(&plain, x, rows, y);
	return 0;
}

int trained_norm_backward(const struct trained_norm *norm, const float *x, size_t rows,
    const float *dy, float *dx, bool add)
{
	struct norm plain = norm_of(norm);
	return norm_backward(&plain, x, rows, dy, dx, add, norm->weight->gradient,
	    norm->bias ? norm->bias->gradient : NULL);
}
