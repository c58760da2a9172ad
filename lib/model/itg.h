/* itg.h - captions by the Q-Former's own LM head (image-grounded text generation, spec 3.4). */
#ifndef ZV_MODEL_ITG_H
#define ZV_MODEL_ITG_H

#include <stddef.h>
#include <stdint.h>

#include "model/qformer.h"
#include "text/ids.h"

/* Which ids a caption begins and ends with, and its length in ids without these. */
struct itg_rules {
	int32_t start, end; /* [DEC], [SEP] */
	size_t least, most;
};

/* Append the caption's ids, greedily chosen, the best of equal ones being the lowest; with end if
 * it came, without start. 0 or -1. */
int itg_caption(struct qformer *qformer, const struct qformer_image *image,
    const struct itg_rules *rules, struct ids *ids);

#endif
