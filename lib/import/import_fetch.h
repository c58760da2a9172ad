/* import_fetch.h - the values of one of our tensors, piece by piece, with all that is done to them
 * on the way: the base of a delta added, adapters merged, converted to the dtype wanted.
 */
#ifndef ZV_IMPORT_IMPORT_FETCH_H
#define ZV_IMPORT_IMPORT_FETCH_H

#include "import/import_pass.h"

enum { IMPORT_PIECE = 1 << 20 }; /* elements */

struct import_fetch {
	const struct checkpoint *checkpoint;
	const struct checkpoint_tensor *tensor;
	const struct checkpoint *base; /* NULL: nothing to add */
	const struct checkpoint_tensor *base_tensor;
	struct import_factors *factors; /* of each adapter that changes the tensor */
	int factor_count;
	const char *file; /* for messages */
	char stored;      /* dtype as it comes, f64 counted as f32, a sum as f16 */
	bool odd;         /* what import_fetch_run() gave held NaN or infinity */
};

/* Where the tensor named key comes from; marks its origins as taken. False: there is none. */
bool import_fetch_find(
    struct import *import, enum import_part part, const char *key, struct import_fetch *fetch);

/* Check base and adapters against the tensor: dtypes and shapes. 0 or -1. */
int import_fetch_check(
    struct import *import, enum import_part part, const char *key, struct import_fetch *fetch);

/* All elements in order, converted to dtype, to take(); at most IMPORT_PIECE at a time. */
int import_fetch_run(struct import *import, enum import_part part, const char *key,
    struct import_fetch *fetch, char dtype,
    int (*take)(void *context, const void *values, size_t bytes), void *context);

#endif
