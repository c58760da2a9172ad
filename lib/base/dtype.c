/* dtype.c - element types and their conversion (see dtype.h). */
#include "base/dtype.h"

#include <string.h>

static const struct {
	char letter;
	unsigned char size;
	const char *name;
} dtypes[] = {
	{ 'e', 2, "f16" },
	{ 'E', 2, "bf16" },
	{ 'f', 4, "f32" },
	{ 'd', 8, "f64" },
	{ 'b', 1, "i8" },
	{ 'B', 1, "u8" },
	{ 'h', 2, "i16" },
	{ 'H', 2, "u16" },
	{ 'i', 4, "i32" },
	{ 'I', 4, "u32" },
	{ 'q', 8, "i64" },
	{ 'Q', 8, "u64" },
	{ '?', 1, "bool" },
};
enum { DTYPE_COUNT = sizeof dtypes / sizeof dtypes[0] };

const char *const dtype_stored[] = { "f32", "bf16", "f16", NULL };

size_t dtype_size(char dtype)
{
	for (int i = 0; i < DTYPE_COUNT; i++)
		if (dtypes[i].letter == dtype)
			return dtypes[i].size;
	return 0;
}

const char *dtype_name(char dtype)
{
	for (int i = 0; i < DTYPE_COUNT; i++)
		if (dtypes[i].letter == dtype)
			return dtypes[i].name;
	return "?";
}

char dtype_from_name(const char *name)
{
	for (int i = 0; i < DTYPE_COUNT; i++)
		if (strcmp(dtypes[i].name, name) == 0)
			return dtypes[i].letter;
	return 0;
}

bool dtype_is_float(char dtype)
{
	return dtype == 'e' || dtype == 'E' || dtype == 'f' || dtype == 'd';
}

static float float_of_bits(uint32_t bits)
{
	float value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

static uint32_t bits_of_float(float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	return bits;
}

float f32_from_f16(uint16_t half)
{
	uint32_t sign = (uint32_t)(half & 0x8000) << 16;
	uint32_t exponent = (half >> 10) & 0x1f;
	uint32_t fraction = half & 0x3ff;
	if (exponent == 0x1f)
		return float_of_bits(sign | 0x7f800000 | fraction << 13);
	if (exponent > 0)
		return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
	/* Zero and subnormals: fraction * 2^-24 is exact in f32. */
	float magnitude = (float)fraction * 0x1p-24f;
	return float_of_bits(sign | bits_of_float(magnitude));
}

uint16_t f16_from_f32(float value)
{
	uint32_t bits = bits_of_float(value);
	uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
	uint32_t magnitude = bits & 0x7fffffff;
	if (magnitude > 0x7f800000)
		return (uint16_t)(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
	if (magnitude >= 0x477ff000) /* 65520 and above round to infinity */
		return sign | 0x7c00;
	if (magnitude < 0x38800000) { /* below the least normal: count units of 2^-24 */
		/* Adding 0.5 puts a unit of 2^-24 into the last bit; the addition rounds to even. */
		uint32_t shifted = bits_of_float(float_of_bits(magnitude) + 0.5f);
		return (uint16_t)(sign | (shifted - 0x3f000000));
	}
	uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
	return (uint16_t)(sign | ((rounded - 0x38000000) >> 13));
}

float f32_from_bf16(uint16_t brain)
{
	return float_of_bits((uint32_t)brain << 16);
}

uint16_t bf16_from_f32(float value)
{
	uint32_t bits = bits_of_float(value);
	if ((bits & 0x7fffffff) > 0x7f800000)
		return (uint16_t)(bits >> 16 | 0x40);
	return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

double dtype_element(char dtype, const void *source, size_t index)
{
	size_t size = dtype_size(dtype);
	const unsigned char *at = (const unsigned char *)source + index * size;
	union {
		float f;
		double d;
		int8_t b;
		uint8_t B;
		int16_t h;
		uint16_t H;
		int32_t i;
		uint32_t I;
		int64_t q;
		uint64_t Q;
	} value;
	memset(&value, 0, sizeof value);
	memcpy(&value, at, size);
	switch (dtype) {
	case 'e':
		return (double)f32_from_f16(value.H);
	case 'E':
		return (double)f32_from_bf16(value.H);
	case 'f':
		return (double)value.f;
	case 'd':
		return value.d;
	case 'b':
		return value.b;
	case 'B':
		return value.B;
	case 'h':
		return value.h;
	case 'H':
		return value.H;
	case 'i':
		return value.i;
	case 'I':
		return value.I;
	case 'q':
		return (double)value.q;
	case 'Q':
		return (double)value.Q;
	default:
		return value.B != 0;
	}
}

void dtype_to_f32(char dtype, const void *source, float *target, size_t n)
{
	if (dtype == 'f') {
		memcpy(target, source, n * sizeof *target);
		return;
	}
	if (dtype == 'e' || dtype == 'E') {
		const unsigned char *at = source;
		for (size_t i = 0; i < n; i++) {
			uint16_t bits;
			memcpy(&bits, at + 2 * i, sizeof bits);
			target[i] = dtype == 'e' ? f32_from_f16(bits) : f32_from_bf16(bits);
		}
		return;
	}
	for (size_t i = 0; i < n; i++)
		target[i] = (float)dtype_element(dtype, source, i);
}

void dtype_from_f32(char dtype, const float *source, void *target, size_t n)
{
	if (dtype == 'f') {
		memcpy(target, source, n * sizeof *source);
		return;
	}
	unsigned char *at = target;
	for (size_t i = 0; i < n; i++) {
		uint16_t bits = dtype == 'e' ? f16_from_f32(source[i]) : bf16_from_f32(source[i]);
		memcpy(at + 2 * i, &bits, sizeof bits);
	}
}
