/* sampling.h - drawing the next token: temperature, top-k, top-p, then one draw (spec 3.9).
 */
#ifndef ZV_MODEL_SAMPLING_H
#define ZV_MODEL_SAMPLING_H

#include <stddef.h>
#include <stdint.h>

#include "base/random.h"

struct sampling {
	double temperature; /* > 0; scores are divided by it */
	int64_t top_k;      /* keep the k best (and those equal to the k-th); 0: all */
	double top_p; /* keep the fewest best whose probability reaches p (at least one); 1: all */
};

/* One candidate that is left: probabilities sum to 1 over the candidates. */
struct candidate {
	double probability;
	float score;
	int32_t id;
};

/* The candidates that temperature, top-k and top-p leave: best first (equal scores: lower id
 * first), or by id when nothing was cut off. candidates has room for count. Returns how many, at
 * least 1; 0 if nothing is possible or a score is not a number. */
size_t sampling_candidates(const struct sampling *sampling, const float *scores, size_t count,
    struct candidate *candidates);

/* Draw one of them. */
int32_t sampling_draw(const struct candidate *candidates, size_t count, struct random *random);

#endif
