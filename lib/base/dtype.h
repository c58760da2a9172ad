/* dtype.h - element types and their conversion to and from f32.
 * A dtype is one letter of Python's struct module, plus 'E' for bf16 (see zvt(5)):
 * e f16, E bf16, f f32, d f64, b B h H i I q Q integers, ? bool.
 */
#ifndef ZV_BASE_DTYPE_H
#define ZV_BASE_DTYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of one element; 0 if the letter names no dtype. */
size_t dtype_size(char dtype);

/* "f32", "bf16", "u8", ...; "?" for an unknown letter. The second gives the letter back, or 0. */
const char *dtype_name(char dtype);
char dtype_from_name(const char *name);

/* The dtypes that results and weights can be stored in, for an option: f32, bf16, f16, NULL. */
extern const char *const dtype_stored[];

bool dtype_is_float(char dtype);

/* n elements at source (no alignment asked) to f32. Integers and f64 are rounded to nearest.
 * dtype must be valid. */
void dtype_to_f32(char dtype, const void *source, float *target, size_t n);

/* n f32 to one of e, E, f; rounds to nearest even, keeps NaN a NaN, overflows to infinity. */
void dtype_from_f32(char dtype, const float *source, void *target, size_t n);

/* One element as a double (exact for all but large 64-bit integers). */
double dtype_element(char dtype, const void *source, size_t index);

float f32_from_f16(uint16_t half);
uint16_t f16_from_f32(float value);
float f32_from_bf16(uint16_t brain);
uint16_t bf16_from_f32(float value);

#endif
