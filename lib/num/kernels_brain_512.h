/* kernels_brain_512.h - the vectors of 16 elements that both AVX-512 kernels of bf16 use (see
 * kernels_brain_vector.h).
 */
#ifndef ZV_NUM_KERNELS_BRAIN_512_H
#define ZV_NUM_KERNELS_BRAIN_512_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 16, TILE_ROWS = 6, VECTORS = 4 };
typedef float vector __attribute__((vector_size(64)));
typedef int32_t whole __attribute__((vector_size(64)));

#endif
