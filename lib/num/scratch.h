/* scratch.h - scratch memory of the workers of threads_run(): reserved before the work starts, so
 * that no worker has to allocate.
 */
#ifndef ZV_NUM_SCRATCH_H
#define ZV_NUM_SCRATCH_H

#include <stddef.h>

/* Let every worker have at least count floats. What was there is lost. 0 or -1 (memory). */
int scratch_reserve(size_t count);

/* The memory of one worker, 64-byte aligned; valid until the next scratch_reserve(). */
float *scratch_of(int worker);

#endif
