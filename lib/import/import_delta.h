/* import_delta.h - the sum that makes Ziya-LLaMA from LLaMA and a public delta (spec 2.4). */
#ifndef ZV_IMPORT_IMPORT_DELTA_H
#define ZV_IMPORT_IMPORT_DELTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Is the tensor of this name taken from the delta as it is, instead of added? */
bool import_delta_replaces(const char *name);

/* sum = base + delta in f16, rounded to nearest even; sum may be either operand. */
void import_delta_add(const uint16_t *base, const uint16_t *delta, uint16_t *sum, size_t n);

#endif
