/* import_fetch.c - read, sum, merge and convert one tensor (see import_fetch.h). */
#include "import/import_fetch.h"
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/threads.h"
#include "import/import_delta.h"

#include <string.h>

bool import_fetch_find(
    struct import *import, enum import_part part, const char *key, struct import_fetch *fetch)
{
	*fetch = (struct import_fetch){ 0 };
	/* The adapter given last that replaces the tensor has the last word. */
	for (int i = import->adapter_count - 1; i >= 0; i--) {
		struct import_change *change = import_adapter_find(&import->adapters[i], part, key);
		if (!change || !change->whole)
			continue;
		change->used = true;
		if (import->request->keep_adapters)
			continue;
		fetch->checkpoint = import->adapters[i].checkpoint;
		fetch->tensor = change->whole;
		break;
	}
	struct import_origin *origin = import_find(&import->sources, part, key);
	if (origin)
		origin->taken = true;
	if (!fetch->tensor && origin) {
		fetch->checkpoint = origin->source->checkpoint;
		fetch->tensor = origin->tensor;
		struct import_origin *base = import_find(&import->base, part, key);
		if (base)
			base->taken = true;
		if (base && !import_delta_replaces(origin->tensor->name)) {
			fetch->base = base->source->checkpoint;
			fetch->base_tensor = base->tensor;
		}
	}
	if (!fetch->tensor)
		return false;
	fetch->file = checkpoint_file(fetch->checkpoint, fetch->tensor);
	fetch->stored = fetch->base ? 'e' : fetch->tensor->dtype == 'd' ? 'f' : fetch->tensor->dtype;
	return true;
}

static bool same_shape(const struct checkpoint_tensor *a, const struct checkpoint_tensor *b)
{
	return a->dimensions == b->dimensions &&
	       memcmp(a->shape, b->shape, (size_t)a->dimensions * sizeof a->shape[0]) == 0;
}

static int check_changes(
    struct import *import, enum import_part part, const char *key, const struct import_fetch *fetch)
{
	const struct checkpoint_tensor *tensor = fetch->tensor;
	for (int i = 0; i < import->adapter_count; i++) {
		struct import_change *change = import_adapter_find(&import->adapters[i], part, key);
		if (!change)
			continue;
		change->used = true;
		if (change->whole && import->request->keep_adapters && !same_shape(change->whole, tensor))
			return error_input("%s: tensor \"%s\" has another shape than %s of the model",
			    import->adapters[i].path, change->whole->name, key);
		if (change->whole)
			continue;
		if (tensor->dimensions != 2 || change->b->shape[0] != tensor->shape[0] ||
		    change->a->shape[1] != tensor->shape[1])
			return error_input("%s: its lora_A and lora_B for %s make %llu x %llu, the model's "
			                   "tensor has another shape",
			    import->adapters[i].path, key, (unsigned long long)change->b->shape[0],
			    (unsigned long long)change->a->shape[1]);
	}
	return 0;
}

int import_fetch_check(
    struct import *import, enum import_part part, const char *key, struct import_fetch *fetch)
{
	const struct checkpoint_tensor *tensor = fetch->tensor;
	if (!dtype_is_float(tensor->dtype))
		return error_input("%s: tensor \"%s\" is of type %s, which holds no weights", fetch->file,
		    tensor->name, dtype_name(tensor->dtype));
	if (import->request->delta && part == IMPORT_LLM && !fetch->base &&
	    !import_delta_replaces(tensor->name))
		return error_input("%s: tensor \"%s\" is not in the base", fetch->file, tensor->name);
	if (fetch->base && !dtype_is_float(fetch->base_tensor->dtype))
		return error_input("%s: tensor \"%s\" of the base is of type %s", import->request->base,
		    fetch->base_tensor->name, dtype_name(fetch->base_tensor->dtype));
	if (fetch->base && !same_shape(fetch->base_tensor, tensor))
		return error_input(
		    "%s: tensor \"%s\" has another shape than in the base", fetch->file, tensor->name);
	return check_changes(import, part, key, fetch);
}

enum {
	SLICE = 1 << 15,
	SLICES = IMPORT_PIECE / SLICE
}; /* elements that a thread takes at a time */

struct pieces {
	char *raw;       /* as stored */
	char *base;      /* of the base, as stored */
	float *values;   /* where there is something to compute */
	double *scratch; /* for adapters */
	char *target;
};

/* One piece on its way through the threads. */
struct piece {
	const struct import_fetch *fetch;
	const struct pieces *pieces;
	char dtype; /* wanted */
	bool copy;  /* the bytes that were read are those that are wanted */
	uint64_t first;
	size_t count;
	bool odd[SLICES];
};

/* Elements first.. of the tensor, and of its base, as they are stored. */
static int read_piece(
    const struct import_fetch *fetch, uint64_t first, size_t count, const struct pieces *pieces)
{
	if (checkpoint_read(fetch->checkpoint, fetch->tensor, first, count, pieces->raw) < 0)
		return -1;
	return fetch->base
	           ? checkpoint_read(fetch->base, fetch->base_tensor, first, count, pieces->base)
	           : 0;
}

/* Values of any float type become f16 in their place. */
static void make_half(char dtype, void *raw, float *values, size_t count)
{
	if (dtype == 'e')
		return;
	dtype_to_f32(dtype, raw, values, count);
	dtype_from_f32('e', values, raw, count);
}

/* Is one of the stored values NaN or infinite: an exponent of ones? */
static bool is_odd(char dtype, const void *values, size_t count)
{
	const uint16_t *halves = values;
	const uint32_t *words = values;
	const uint16_t mask = dtype == 'e' ? 0x7c00 : 0x7f80;
	unsigned odd = 0;
	if (dtype == 'f')
		for (size_t i = 0; i < count; i++)
			odd |= (words[i] & 0x7f800000U) == 0x7f800000U;
	else
		for (size_t i = 0; i < count; i++)
			odd |= (halves[i] & mask) == mask;
	return odd;
}

/* Every slice keeps to its own part of each buffer. */
static void run_slice(void *context, size_t slice, int worker)
{
	struct piece *piece = context;
	const struct import_fetch *fetch = piece->fetch;
	const struct pieces *pieces = piece->pieces;
	size_t from = slice * SLICE, left = piece->count - from, n = left < SLICE ? left : SLICE;
	char dtype = fetch->tensor->dtype, *raw = pieces->raw + from * dtype_size(dtype);
	char *target = pieces->target + from * dtype_size(piece->dtype);
	float *values = pieces->values + from;
	(void)worker;
	if (fetch->base) {
		char *base = pieces->base + from * dtype_size(fetch->base_tensor->dtype);
		make_half(dtype, raw, values, n);
		make_half(fetch->base_tensor->dtype, base, values, n);
		import_delta_add(
		    (uint16_t *)(void *)base, (uint16_t *)(void *)raw, (uint16_t *)(void *)raw, n);
		dtype = 'e';
	}
	if (!piece->copy && dtype == piece->dtype && fetch->factor_count == 0) {
		memcpy(target, raw, n * dtype_size(dtype));
	} else if (!piece->copy) {
		dtype_to_f32(dtype, raw, values, n);
		for (int i = 0; i < fetch->factor_count; i++)
			import_factors_add(
			    &fetch->factors[i], piece->first + from, n, values, pieces->scratch + from);
		dtype_from_f32(piece->dtype, values, target, n);
	}
	piece->odd[slice] = is_odd(piece->dtype, piece->copy ? raw : target, n);
}

static int run_pieces(struct import_fetch *fetch, char dtype, const struct pieces *pieces,
    int (*take)(void *context, const void *values, size_t bytes), void *context)
{
	uint64_t total = fetch->tensor->elements;
	struct piece piece = { .fetch = fetch, .pieces = pieces, .dtype = dtype };
	piece.copy = !fetch->base && fetch->tensor->dtype == dtype && fetch->factor_count == 0;
	for (uint64_t left; piece.first < total; piece.first += piece.count) {
		left = total - piece.first;
		piece.count = left < IMPORT_PIECE ? (size_t)left : IMPORT_PIECE;
		if (read_piece(fetch, piece.first, piece.count, pieces) < 0)
			return error_context("%s", fetch->file);
		size_t slices = (piece.count + SLICE - 1) / SLICE;
		threads_run(slices, run_slice, &piece);
		for (size_t i = 0; i < slices; i++)
			fetch->odd |= piece.odd[i];
		if (take(context, piece.copy ? pieces->raw : pieces->target,
		        piece.count * dtype_size(dtype)) < 0)
			return -1;
	}
	checkpoint_forget(fetch->checkpoint, fetch->tensor);
	if (fetch->base)
		checkpoint_forget(fetch->base, fetch->base_tensor);
	return 0;
}

static int read_factors(
    struct import *import, enum import_part part, const char *key, struct import_fetch *fetch)
{
	if (import->adapter_count == 0 || import->request->keep_adapters)
		return 0;
	fetch->factors = memory_allocate((size_t)import->adapter_count, sizeof *fetch->factors);
	if (!fetch->factors)
		return -1;
	for (int i = 0; i < import->adapter_count; i++) {
		struct import_change *change = import_adapter_find(&import->adapters[i], part, key);
		if (change && !change->whole &&
		    import_factors_read(
		        &fetch->factors[fetch->factor_count++], &import->adapters[i], change) < 0)
			return -1;
	}
	return 0;
}

static int allocate_pieces(const struct import_fetch *fetch, struct pieces *pieces)
{
	uint64_t total = fetch->tensor->elements;
	size_t count = total < IMPORT_PIECE ? (size_t)total : IMPORT_PIECE;
	pieces->raw = memory_allocate(count, sizeof(double));
	pieces->base = fetch->base ? memory_allocate(count, sizeof(double)) : NULL;
	pieces->values = memory_allocate(count, sizeof(float));
	pieces->scratch = memory_allocate(count, sizeof(double));
	pieces->target = memory_allocate(count, sizeof(float));
	return pieces->raw && pieces->values && pieces->scratch && pieces->target &&
	               (pieces->base || !fetch->base)
	           ? 0
	           : -1;
}

int import_fetch_run(struct import *import, enum import_part part, const char *key,
    struct import_fetch *fetch, char dtype,
    int (*take)(void *context, const void *values, size_t bytes), void *context)
{
	struct pieces pieces = { 0 };
	int result = read_factors(import, part, key, fetch);
	if (result == 0)
		result = allocate_pieces(fetch, &pieces);
	if (result == 0)
		result = run_pieces(fetch, dtype, &pieces, take, context);
	if (fetch->odd && import->odd_tensors++ == 0)
		import_note(import, "%s: tensor \"%.100s\" holds values that are not finite as %s",
		    fetch->file, fetch->tensor->name, dtype_name(dtype));
	memory_release(pieces.raw);
	memory_release(pieces.base);
	memory_release(pieces.values);
	memory_release(pieces.scratch);
	memory_release(pieces.target);
	for (int i = 0; i < fetch->factor_count; i++)
		import_factors_release(&fetch->factors[i]);
	memory_release(fetch->factors);
	fetch->factors = NULL;
	fetch->factor_count = 0;
	return result;
}
