/* network.c - see network.h. */
#include "train/network.h"
#include "base/error.h"
#include "base/threads.h"
#include "model/parameters.h"
#include "train/dense.h"
#include "train/weights.h"

#include <string.h>

enum { PIECE = 1 << 16 }; /* floats in one chunk of work */

struct parameter *network_tensor(
    struct weights *weights, const char *name, size_t rows, size_t columns, bool plain)
{
	struct parameter *parameter = weights_find(weights, name);
	const struct model_file *file = weights_file(weights);
	if (!parameter) {
		parameters_error(file, "tensor %s: missing", name);
		return NULL;
	}
	bool fits = rows == 0 ? parameter->dimensions == 1 && parameter->shape[0] == columns
	                      : parameter->dimensions == 2 && parameter->shape[0] == rows &&
	                            parameter->shape[1] == columns;
	if (!fits) {
		parameters_error(
		    file, "tensor %s: %zu x %zu is wanted", name, rows > 0 ? rows : 1, columns);
		return NULL;
	}
	if (plain && !parameter_values(parameter)) {
		parameters_error(file, "tensor %s: f32 is wanted", name);
		return NULL;
	}
	return parameter;
}

bool network_trains(const struct parameter *parameter)
{
	return parameter && parameter->gradient;
}

bool network_trains_dense(const struct dense *dense)
{
	return network_trains(dense->weight) || network_trains(dense->bias) ||
	       network_trains(dense->lora_a);
}

bool network_trains_norm(const struct trained_norm *norm)
{
	return network_trains(norm->weight) || network_trains(norm->bias);
}

struct move {
	float *y;
	const float *x; /* NULL: zeros */
	size_t count;
};

static void move_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct move *move = context;
	size_t at = chunk * PIECE;
	size_t count = move->count - at < PIECE ? move->count - at : PIECE;
	if (move->x)
		memcpy(move->y + at, move->x + at, count * sizeof *move->y);
	else
		memset(move->y + at, 0, count * sizeof *move->y);
}

void network_copy(float *y, const float *x, size_t count)
{
	struct move move = { y, x, count };
	threads_run((count + PIECE - 1) / PIECE, move_chunk, &move);
}

void network_zero(float *y, size_t count)
{
	struct move move = { y, NULL, count };
	threads_run((count + PIECE - 1) / PIECE, move_chunk, &move);
}
