/* base_dtype.c - element types: all 65536 values of both half types, rounding, names. */
#include "base/dtype.h"
#include "tap.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	return bits;
}

static float float_of(uint32_t bits)
{
	float value;
	memcpy(&value, &bits, sizeof value);
	return value;
}

/* The value of a half by its definition, in double. */
static double half_value(uint16_t half)
{
	int exponent = half >> 10 & 0x1f, fraction = half & 0x3ff;
	double sign = half & 0x8000 ? -1 : 1;
	if (exponent == 0)
		return sign * ldexp(fraction, -24);
	return sign * ldexp(1024 + fraction, exponent - 25);
}

static void test_f16(void)
{
	size_t wrong = 0, back = 0, lost_nans = 0;
	for (uint32_t i = 0; i < 0x10000; i++) {
		uint16_t half = (uint16_t)i;
		float value = f32_from_f16(half);
		bool special = (half >> 10 & 0x1f) == 0x1f, nan = special && (half & 0x3ff);
		if (nan) {
			lost_nans += !isnan(value) || (f16_from_f32(value) & 0x7c00) != 0x7c00 ||
			             !(f16_from_f32(value) & 0x3ff);
			continue;
		}
		wrong += special ? !isinf(value) : (double)value != half_value(half);
		wrong += !!signbit(value) != (half >> 15);
		back += f16_from_f32(value) != half;
	}
	TAP_OK(wrong == 0, "all f16 have their defined value (%zu wrong)", wrong);
	TAP_OK(back == 0, "all f16 come back (%zu wrong)", back);
	TAP_OK(lost_nans == 0, "f16 NaNs stay NaNs");
}

/* Between each pair of neighbours the middle goes to the even one, anything beside it to the
 * nearer one. */
static void test_f16_rounding(void)
{
	size_t wrong = 0;
	for (uint16_t half = 0; half < 0x7c00; half++) {
		uint16_t above = (uint16_t)(half + 1);
		float low = f32_from_f16(half);
		float high = above == 0x7c00 ? 65536.0f : f32_from_f16(above);
		float middle = (low + high) / 2; /* exact: one bit more than a half */
		uint16_t even = half & 1 ? above : half;
		wrong += f16_from_f32(middle) != even;
		wrong += f16_from_f32(nextafterf(middle, 0)) != half;
		wrong += f16_from_f32(nextafterf(middle, 1e9f)) != above;
		wrong += f16_from_f32(-middle) != (even | 0x8000);
	}
	TAP_OK(wrong == 0, "f16 rounds to nearest even everywhere (%zu wrong)", wrong);
	TAP_OK(f16_from_f32(65519.996f) == 0x7bff && f16_from_f32(65520.0f) == 0x7c00, "f16 overflow");
	TAP_OK(f16_from_f32(1e-10f) == 0 && f16_from_f32(-1e-10f) == 0x8000, "f16 underflow");
	TAP_OK(f16_from_f32(-INFINITY) == 0xfc00, "f16 infinity");
}

static void test_bf16(void)
{
	size_t back = 0, wrong = 0, lost_nans = 0;
	for (uint32_t i = 0; i < 0x10000; i++) {
		uint16_t brain = (uint16_t)i;
		float value = f32_from_bf16(brain);
		if (isnan(value)) {
			lost_nans += !isnan(f32_from_bf16(bf16_from_f32(value)));
			continue;
		}
		back += bf16_from_f32(value) != brain;
		if (isinf(value) || brain & 0x8000)
			continue;
		uint16_t above = (uint16_t)(brain + 1), even = brain & 1 ? above : brain;
		uint32_t middle = i << 16 | 0x8000;
		wrong += bf16_from_f32(float_of(middle)) != even;
		wrong += bf16_from_f32(float_of(middle - 1)) != brain;
		wrong += bf16_from_f32(float_of(middle + 1)) != above;
	}
	TAP_OK(back == 0, "all bf16 come back (%zu wrong)", back);
	TAP_OK(wrong == 0, "bf16 rounds to nearest even everywhere (%zu wrong)", wrong);
	TAP_OK(lost_nans == 0, "bf16 NaNs stay NaNs");
	TAP_OK(isnan(f32_from_bf16(bf16_from_f32(float_of(0x7f800001)))),
	    "a NaN whose high bits are those of infinity stays a NaN");
}

static void test_names(void)
{
	static const char letters[] = "eEfdbBhHiIqQ?";
	static const size_t sizes[] = { 2, 2, 4, 8, 1, 1, 2, 2, 4, 4, 8, 8, 1 };
	size_t wrong = 0;
	for (size_t i = 0; letters[i]; i++)
		wrong += dtype_size(letters[i]) != sizes[i] ||
		         dtype_from_name(dtype_name(letters[i])) != letters[i];
	TAP_OK(wrong == 0, "sizes and names of all 13 types");
	TAP_OK(dtype_size('x') == 0 && dtype_size(0) == 0, "an unknown letter has no size");
	TAP_OK(dtype_from_name("f33") == 0 && strcmp(dtype_name('z'), "?") == 0, "unknown names");
	TAP_OK(dtype_is_float('E') && !dtype_is_float('i'), "what is a float");
}

/* Elements at odd addresses, to f32 and as doubles. */
static void test_conversion(void)
{
	unsigned char bytes[1 + 8 * 3];
	float out[3];
	int64_t q[3] = { -5, 1 << 24, INT64_C(1) << 62 };
	memcpy(bytes + 1, q, sizeof q);
	dtype_to_f32('q', bytes + 1, out, 3);
	TAP_OK(out[0] == -5 && out[1] == 0x1p24f && out[2] == 0x1p62f, "i64 at an odd address");
	TAP_OK(dtype_element('q', bytes + 1, 2) == 0x1p62, "an element as a double");
	double d[2] = { 0.1, -1e300 };
	dtype_to_f32('d', d, out, 2);
	TAP_OK(out[0] == 0.1f && isinf(out[1]), "f64 rounds, and overflows to infinity");
	uint8_t small[3] = { 0, 1, 255 };
	dtype_to_f32('b', small, out, 3);
	TAP_OK(out[2] == -1, "i8 is signed");
	dtype_to_f32('B', small, out, 3);
	TAP_OK(out[2] == 255, "u8 is not");
	dtype_to_f32('?', small, out, 3);
	TAP_OK(out[0] == 0 && out[1] == 1 && out[2] == 1, "bool is 0 or 1");
	float in[3] = { 1.0f, -0.0f, 3.0e38f };
	dtype_from_f32('e', in, bytes + 1, 3);
	dtype_to_f32('e', bytes + 1, out, 3);
	TAP_OK(out[0] == 1 && bits_of(out[1]) == 0x80000000 && isinf(out[2]), "f32 to f16 and back");
	dtype_from_f32('E', in, bytes + 1, 3);
	dtype_to_f32('E', bytes + 1, out, 3);
	TAP_OK(out[0] == 1 && fabsf(out[2] / 3.0e38f - 1) < 0x1p-8f, "f32 to bf16 and back");
	dtype_from_f32('f', in, bytes + 1, 3);
	TAP_OK(memcmp(in, bytes + 1, sizeof in) == 0, "f32 to f32 is a copy");
}

int main(void)
{
	test_f16();
	test_f16_rounding();
	test_bf16();
	test_names();
	test_conversion();
	return tap_finish();
}
