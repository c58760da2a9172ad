/* finite.h - results are numbers: NaN and infinity never leave a stage. */
#ifndef ZV_MODEL_FINITE_H
#define ZV_MODEL_FINITE_H

#include <stddef.h>

/* Are all of these finite? 0, or -1 with ERROR_INPUT: "WHAT NaN or infinity", as in "the result
 * holds". */
int finite_check(const float *values, size_t count, const char *what);

#endif
