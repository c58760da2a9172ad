/* import_pack.h - matrices on their way into a model file: which type each is stored as, and their
 * rows brought into it (base/packed.h, base/dtype.h) by all threads of the pool, a band at a time.
 */
#ifndef ZV_IMPORT_IMPORT_PACK_H
#define ZV_IMPORT_IMPORT_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/packed.h"
#include "stream/packed_record.h"
#include "stream/write.h"

/* What matrix `key` of so many rows is stored as when `wanted` is asked for (a dtype or a packed
 * type): a table of words, whose rows are also taken one by one, at least int8; what is too small
 * to be worth it (fewer rows than a block) and the first layer of the image encoder f32. */
char import_pack_choice(char wanted, const char *key, uint64_t rows);

enum { IMPORT_BAND_BLOCKS = 64 }; /* of 16 rows; fewer of wide ones */

/* A band of a matrix. Every block of 16 rows is computed by itself, by whichever thread: the bytes
 * do not depend on them. */
struct import_packer {
	struct writer *writer;
	char type, meta[PACKED_META];
	size_t columns;
	size_t most;   /* rows of a band */
	size_t held;   /* values that wait for their band to be full */
	float *values; /* [most][columns] */
	uint8_t *stored;
	bool failed[IMPORT_BAND_BLOCKS];
};

/* Begin the record of a matrix called key, of a packed type or e, E or f. 0 or -1;
 * import_packer_end() in both cases. */
int import_packer_begin(struct import_packer *packer, struct writer *writer, char type,
    const char *key, uint64_t rows, uint64_t columns);

/* The next values, in pieces of any size ... */
int import_packer_add(struct import_packer *packer, const float *values, size_t count);

/* ... or the next rows, at most `most`, which get() fetches block by block, in any order and from
 * several threads: rows first.. of what is being stored as f32 [count][columns]. */
int import_packer_take(struct import_packer *packer, size_t first, size_t rows,
    void (*get)(const void *source, size_t first, size_t count, float *values), const void *source);

/* result: what came of the adding; the record is ended if that is 0. 0 or -1. */
int import_packer_end(struct import_packer *packer, int result);

#endif
