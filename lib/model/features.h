/* features.h - what zv-encode hands to the Q-Former, taken out of a sample. */
#ifndef ZV_MODEL_FEATURES_H
#define ZV_MODEL_FEATURES_H

#include <stddef.h>

#include "base/hash.h"
#include "stream/sample.h"

/* Patch features [tokens][width] of a part as f32, to be released; made with these weights (zero:
 * any). NULL with a recorded error: another shape or type, another maker. */
float *features_read(const struct sample_part *part, size_t width, const struct digest *weights);

/* The part "question" of a sample as text to be released, NULL if there is none. 0, or -1: it is
 * not UTF-8 text, or memory. */
int features_question(struct sample *sample, char **question);

#endif
