/* import_pack.h - which tensors are packed (base/packed.h), and packing values as they come.
 */
#ifndef ZV_IMPORT_IMPORT_PACK_H
#define ZV_IMPORT_IMPORT_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "base/packed.h"
#include "stream/packed_record.h"
#include "stream/write.h"

/* What matrix `key` of so many rows is stored as when `wanted` is asked for (a dtype or a packed
 * type): a table of words, whose rows are also taken one by one, at least int8; what is too small
 * to be worth it (fewer rows than a block) and the first layer of the image encoder f32. */
char import_pack_choice(char wanted, const char *key, uint64_t rows);

/* A matrix on its way into a model file: values come in any pieces, leave in blocks. */
struct import_packer {
	struct writer *writer;
	char type, meta[PACKED_META];
	size_t columns, held; /* values that wait for their block */
	float *values;        /* [PACKED_ROWS][columns] */
	uint8_t *block;
};

/* Begin the record of a matrix called key. 0 or -1; import_packer_end() in both cases. */
int import_packer_begin(struct import_packer *packer, struct writer *writer, char type,
    const char *key, uint64_t rows, uint64_t columns);
int import_packer_add(struct import_packer *packer, const float *values, size_t count);
/* result: what came of the adding; the record is ended if that is 0. 0 or -1. */
int import_packer_end(struct import_packer *packer, int result);

#endif
