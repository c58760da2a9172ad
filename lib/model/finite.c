/* finite.c - see finite.h. */
#include "model/finite.h"
#include "base/error.h"

#include <stdint.h>
#include <string.h>

int finite_check(const float *values, size_t count, const char *what)
{
	const uint32_t exponent = 0x7f800000; /* all ones: infinity or NaN */
	uint32_t found = 0;
	for (size_t i = 0; i < count; i++) { /* no branch: one pass at the speed of memory */
		uint32_t bits;
		memcpy(&bits, &values[i], sizeof bits);
		found |= (bits & exponent) == exponent;
	}
	return found ? error_input("%s NaN or infinity", what) : 0;
}
