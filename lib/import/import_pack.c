/* import_pack.c - see import_pack.h. */
#include "import/import_pack.h"
#include "base/dtype.h"
#include "base/ending.h"
#include "base/memory.h"
#include "base/threads.h"

#include <string.h>

enum { BAND_VALUES = 1 << 23 }; /* of a band, about: 32 MiB as f32 */

char import_pack_choice(char wanted, const char *key, uint64_t rows)
{
	if (!packed_is(wanted))
		return wanted;
	if (rows < PACKED_ROWS || strcmp(key, "embeddings.patch_embedding.weight") == 0)
		return 'f';
	return ending_is(key, "embed_tokens.weight") || ending_is(key, "word_embeddings.weight")
	           ? PACKED_INT8
	           : wanted;
}

/* Bytes of 16 rows as stored. */
static size_t block_bytes(const struct import_packer *packer)
{
	return packed_is(packer->type) ? packed_block(packer->type, packer->columns)
	                               : PACKED_ROWS * packer->columns * dtype_size(packer->type);
}

int import_packer_begin(struct import_packer *packer, struct writer *writer, char type,
    const char *key, uint64_t rows, uint64_t columns)
{
	struct record record;
	*packer = (struct import_packer){ .writer = writer, .type = type, .columns = (size_t)columns };
	record_tensor(&record, "values", type, 2, (const uint64_t[]){ rows, columns });
	if ((packed_is(type) && packed_record_make(&record, type, rows, columns, packer->meta) < 0) ||
	    record_set_key(&record, key) < 0)
		return -1;
	uint64_t whole = (rows + PACKED_ROWS - 1) / PACKED_ROWS;
	size_t blocks = BAND_VALUES / PACKED_ROWS / (packer->columns + 1);
	blocks = blocks < 1 ? 1 : blocks > IMPORT_BAND_BLOCKS ? IMPORT_BAND_BLOCKS : blocks;
	blocks = whole < blocks ? (size_t)whole : blocks;
	packer->most = blocks * PACKED_ROWS;
	packer->values = memory_allocate(packer->columns, packer->most * sizeof(float));
	packer->stored = packer->values ? memory_allocate(blocks, block_bytes(packer)) : NULL;
	return packer->stored ? writer_begin_large(writer, &record) : -1;
}

struct band {
	struct import_packer *packer;
	size_t first, rows;
	void (*get)(const void *source, size_t first, size_t count, float *values);
	const void *source;
};

static int store_block(struct import_packer *packer, size_t block, size_t rows)
{
	const float *values = packer->values + block * PACKED_ROWS * packer->columns;
	uint8_t *stored = packer->stored + block * block_bytes(packer);
	if (packed_is(packer->type))
		return packed_put(packer->type, values, rows, packer->columns, stored);
	dtype_from_f32(packer->type, values, stored, rows * packer->columns);
	return 0;
}

static size_t block_rows(const struct band *band, size_t block)
{
	size_t left = band->rows - block * PACKED_ROWS;
	return left < PACKED_ROWS ? left : PACKED_ROWS;
}

static void run_block(void *context, size_t block, int worker)
{
	const struct band *band = context;
	struct import_packer *packer = band->packer;
	size_t rows = block_rows(band, block), row = block * PACKED_ROWS;
	(void)worker;
	if (band->get)
		band->get(band->source, band->first + row, rows, packer->values + row * packer->columns);
	packer->failed[block] = store_block(packer, block, rows) < 0;
}

static int run_band(struct band *band)
{
	struct import_packer *packer = band->packer;
	size_t blocks = (band->rows + PACKED_ROWS - 1) / PACKED_ROWS;
	threads_run(blocks, run_block, band);
	/* What went wrong was recorded by the thread that met it: again on this one. */
	for (size_t block = 0; block < blocks; block++)
		if (packer->failed[block] && store_block(packer, block, block_rows(band, block)) < 0)
			return -1;
	size_t bytes = packed_is(packer->type)
	                   ? blocks * block_bytes(packer)
	                   : band->rows * packer->columns * dtype_size(packer->type);
	return writer_add_large(packer->writer, packer->stored, bytes);
}

int import_packer_take(struct import_packer *packer, size_t first, size_t rows,
    void (*get)(const void *source, size_t first, size_t count, float *values), const void *source)
{
	struct band band = { packer, first, rows, get, source };
	return run_band(&band);
}

/* Write the rows that are held. */
static int put_held(struct import_packer *packer)
{
	struct band band = { .packer = packer, .rows = packer->held / packer->columns };
	packer->held = 0;
	return run_band(&band);
}

int import_packer_add(struct import_packer *packer, const float *values, size_t count)
{
	size_t full = packer->most * packer->columns;
	while (count > 0) {
		size_t room = full - packer->held, taken = count < room ? count : room;
		memcpy(packer->values + packer->held, values, taken * sizeof *values);
		packer->held += taken;
		values += taken;
		count -= taken;
		if (packer->held == full && put_held(packer) < 0)
			return -1;
	}
	return 0;
}

int import_packer_end(struct import_packer *packer, int result)
{
	if (result == 0 && packer->held > 0)
		result = put_held(packer);
	memory_release(packer->values);
	memory_release(packer->stored);
	return result < 0 ? -1 : writer_end_large(packer->writer);
}
