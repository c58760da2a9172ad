/* position_grid.c - see position_grid.h. */
#include "model/position_grid.h"

#include <math.h>
#include <string.h>

struct taps {
	size_t at[4]; /* rows of the source, clamped to its border */
	double weight[4];
};

/* Keys' cubic convolution with A = -0.75, at distance x from a sample. */
static double cubic(double x)
{
	const double a = -0.75;
	x = fabs(x);
	if (x <= 1)
		return ((a + 2) * x - (a + 3)) * x * x + 1;
	return x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

static struct taps taps_for(size_t i, size_t from, size_t to)
{
	struct taps taps;
	double source = ((double)i + 0.5) * (double)from / (double)to - 0.5;
	double base = floor(source), off = source - base;
	for (int tap = 0; tap < 4; tap++) {
		double at = base + tap - 1, last = (double)from - 1;
		taps.at[tap] = (size_t)(at < 0 ? 0 : at > last ? last : at);
		taps.weight[tap] = cubic(off + 1 - tap);
	}
	return taps;
}

void position_grid_resize(const float *table, size_t from, float *resized, size_t to, size_t width)
{
	memcpy(resized, table, width * sizeof *resized);
	table += width;
	resized += width;
	for (size_t y = 0; y < to; y++) {
		struct taps down = taps_for(y, from, to);
		for (size_t x = 0; x < to; x++, resized += width) {
			struct taps across = taps_for(x, from, to);
			for (size_t d = 0; d < width; d++) {
				double sum = 0;
				for (int j = 0; j < 4; j++)
					for (int i = 0; i < 4; i++)
						sum += down.weight[j] * across.weight[i] *
						       (double)table[(down.at[j] * from + across.at[i]) * width + d];
				resized[d] = (float)sum;
			}
		}
	}
}
