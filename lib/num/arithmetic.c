/* arithmetic.c - see arithmetic.h. */
#include "num/arithmetic.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/packed.h"
#include "base/threads.h"
#include "num/brain.h"
#include "num/scratch.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

const char *const arithmetic_names[] = { "f32", "bf16", "int8", NULL };

/* What a layer is computed with. */
static enum arithmetic arithmetic_of(const struct linear *linear)
{
	if (!packed_is(linear->dtype))
		return ARITHMETIC_F32;
	return linear->dtype == PACKED_BF16 ? ARITHMETIC_BF16 : ARITHMETIC_INT8;
}

/* The arithmetic of the layers whose weights are packed, which is the only one for these: used is
 * that, or what is wanted. */
static int settle(
    struct linear *const *layers, size_t count, enum arithmetic wanted, enum arithmetic *used)
{
	*used = wanted;
	for (size_t i = 0; i < count; i++) {
		enum arithmetic own = arithmetic_of(layers[i]);
		if (!packed_is(layers[i]->dtype))
			continue;
		if (*used == ARITHMETIC_ANY)
			*used = own;
		if (own != *used)
			return error_system("its matrices are packed %s, which is multiplied in %s, not in %s",
			    packed_name(layers[i]->dtype), arithmetic_names[own], arithmetic_names[*used]);
	}
	*used = *used == ARITHMETIC_ANY ? ARITHMETIC_F32 : *used;
	return 0;
}

/* Bytes of a layer's weight in blocks of a type; a matrix in memory has such sizes. */
static size_t packed_bytes(char type, const struct linear *linear)
{
	size_t blocks, block;
	return packed_size(type, linear->out, linear->in, &blocks, &block) ? blocks * block : SIZE_MAX;
}

struct packing {
	const struct linear *linear;
	uint8_t *to;
	atomic_bool refused;
};

static void pack_int8(void *context, size_t block, int worker)
{
	struct packing *packing = context;
	const struct linear *linear = packing->linear;
	size_t first = block * PACKED_ROWS, left = linear->out - first;
	size_t rows = left < PACKED_ROWS ? left : PACKED_ROWS;
	float *values = scratch_of(worker);
	linear_weight(linear, first, rows, values);
	if (packed_put(PACKED_INT8, values, rows, linear->in,
	        packing->to + block * packed_block(PACKED_INT8, linear->in)) < 0)
		atomic_store(&packing->refused, true);
}

static int pack(const struct linear *linear, char type, uint8_t *to)
{
	struct packing packing = { .linear = linear, .to = to };
	if (type == PACKED_BF16)
		return brain_pack(linear, to);
	if (scratch_reserve(PACKED_ROWS * linear->in) < 0)
		return -1;
	threads_run((linear->out + PACKED_ROWS - 1) / PACKED_ROWS, pack_int8, &packing);
	if (atomic_load(&packing.refused))
		return error_input("a weight is not finite, which int8 cannot hold");
	return 0;
}

int arithmetic_choose(struct linear *const *layers, size_t count, enum arithmetic wanted,
    enum arithmetic *used, void **memory)
{
	*memory = NULL;
	if (settle(layers, count, wanted, used) < 0)
		return -1;
	if (*used == ARITHMETIC_F32)
		return 0;
	char type = *used == ARITHMETIC_BF16 ? PACKED_BF16 : PACKED_INT8;
	size_t total = 0;
	for (size_t i = 0; i < count; i++)
		if (!packed_is(layers[i]->dtype) &&
		    !checked_add(total, packed_bytes(type, layers[i]), &total))
			return error_memory(SIZE_MAX);
	if (total == 0)
		return 0;
	uint8_t *at = *memory = memory_allocate(total, 1);
	if (!at)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (packed_is(layers[i]->dtype))
			continue;
		size_t bytes = packed_bytes(type, layers[i]);
		if (pack(layers[i], type, at) < 0) {
			memory_release(*memory);
			*memory = NULL;
			return -1;
		}
		layers[i]->weight = at;
		layers[i]->dtype = type;
		at += bytes;
	}
	return 0;
}
