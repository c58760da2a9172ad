/* number.c - fuzz target: strict numbers hold their range and agree with themselves. */
#include "base/number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[256], again[64];
	if (size >= sizeof text)
		size = sizeof text - 1;
	memcpy(text, data, size);
	text[size] = '\0';
	int64_t whole, parsed, bytes;
	double real;
	if (number_whole(text, -1000000, INT64_MAX, &whole) == 0) {
		snprintf(again, sizeof again, "%" PRId64, whole);
		if (whole < -1000000 || number_whole(again, INT64_MIN, INT64_MAX, &parsed) < 0 ||
		    parsed != whole)
			abort();
		if (number_size(text, INT64_MIN, INT64_MAX, &bytes) < 0 || bytes != whole)
			abort();
	}
	if (number_size(text, 0, 1 << 20, &bytes) == 0 && (bytes < 0 || bytes > 1 << 20))
		abort();
	if (number_real(text, -1e6, 1e6, &real) == 0 && (!isfinite(real) || fabs(real) > 1e6))
		abort();
	return 0;
}
