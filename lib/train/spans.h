/* spans.h - work on every element of the trained parameters, over the pool: cut into spans at fixed
 * places, so that what is summed up does not depend on the number of threads.
 */
#ifndef ZV_TRAIN_SPANS_H
#define ZV_TRAIN_SPANS_H

#include <stddef.h>

struct parameter;
struct weights;

struct span {
	struct parameter *parameter;
	size_t first, count; /* elements */
};

/* Call work for every span of the parameters that have a value and a gradient, part after part.
 * Returns the sum of its results, in the order of the spans. */
double spans_run(struct weights *const *parts, size_t count,
    double (*work)(void *context, const struct span *span), void *context);

#endif
