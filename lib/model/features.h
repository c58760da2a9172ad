/* features.h - what zv-encode hands to the Q-Former, taken out of a sample. */
#ifndef ZV_MODEL_FEATURES_H
#define ZV_MODEL_FEATURES_H

#include <stddef.h>

#include "base/hash.h"
#include "stream/sample.h"

/* Patch features [*tokens][width] of a sample as f32, to be released, and the part that they are;
 * made with these weights (zero: any). NULL with a recorded error: there are none, of another shape
 * or type, of another maker. */
float *features_read(struct sample *sample, size_t width, const struct digest *weights,
    const struct sample_part **part, size_t *tokens);

/* The part "question" of a sample as text to be released, NULL if there is none. 0, or -1: it is
 * not UTF-8 text, or memory. */
int features_question(struct sample *sample, char **question);

#endif
