/* random.h - reproducible random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers:
 * as easy as 1, 2, 3", 2011). A number is a pure function of seed, stream and position, so results
 * are the same on every machine, and one stream does not depend on how much another has drawn.
 */
#ifndef ZV_BASE_RANDOM_H
#define ZV_BASE_RANDOM_H

#include <stdint.h>

/* One block: 128 random bits from a 128-bit counter and a 64-bit key. Pure. */
void random_block(const uint32_t counter[4], const uint32_t key[2], uint32_t block[4]);

/* Numbers one after another. */
struct random {
	uint64_t seed, stream; /* which sequence */
	uint64_t position;     /* 32-bit words drawn so far; may be set to go anywhere */
};

struct random random_begin(uint64_t seed, uint64_t stream);

/* Uniform in [0, 1) with 53 bits. */
double random_unit(struct random *random);

#endif
