/* import_pack.c - see import_pack.h. */
#include "import/import_pack.h"
#include "base/ending.h"
#include "base/memory.h"

#include <string.h>

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

int import_packer_begin(struct import_packer *packer, struct writer *writer, char type,
    const char *key, uint64_t rows, uint64_t columns)
{
	struct record record;
	*packer = (struct import_packer){ .writer = writer, .type = type, .columns = (size_t)columns };
	if (packed_record_make(&record, type, rows, columns, packer->meta) < 0 ||
	    record_set_key(&record, key) < 0)
		return -1;
	packer->values = memory_allocate(packer->columns, PACKED_ROWS * sizeof(float));
	packer->block = packer->values ? memory_allocate(packed_block(type, packer->columns), 1) : NULL;
	return packer->block ? writer_begin_large(writer, &record) : -1;
}

/* Write the rows that are held as a block. */
static int put_block(struct import_packer *packer)
{
	size_t rows = packer->held / packer->columns;
	packer->held = 0;
	if (packed_put(packer->type, packer->values, rows, packer->columns, packer->block) < 0)
		return -1;
	return writer_add_large(
	    packer->writer, packer->block, packed_block(packer->type, packer->columns));
}

int import_packer_add(struct import_packer *packer, const float *values, size_t count)
{
	size_t full = PACKED_ROWS * packer->columns;
	while (count > 0) {
		size_t room = full - packer->held, taken = count < room ? count : room;
		memcpy(packer->values + packer->held, values, taken * sizeof *values);
		packer->held += taken;
		values += taken;
		count -= taken;
		if (packer->held == full && put_block(packer) < 0)
			return -1;
	}
	return 0;
}

int import_packer_end(struct import_packer *packer, int result)
{
	if (result == 0 && packer->held > 0)
		result = put_block(packer);
	memory_release(packer->values);
	memory_release(packer->block);
	return result < 0 ? -1 : writer_end_large(packer->writer);
}
