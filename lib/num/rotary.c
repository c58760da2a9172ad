/* rotary.c - see rotary.h. */
#include "num/rotary.h"

#include <math.h>

void rotary_angles(double theta, size_t position, size_t width, float *turn)
{
	size_t half = width / 2;
	for (size_t j = 0; j < half; j++) {
		double angle = (double)position * pow(theta, -2.0 * (double)j / (double)width);
		turn[j] = (float)cos(angle);
		turn[half + j] = (float)sin(angle);
	}
}

void rotary_turn(float *row, size_t heads, size_t width, const float *turn)
{
	size_t half = width / 2;
	for (size_t head = 0; head < heads; head++, row += width)
		for (size_t j = 0; j < half; j++) {
			float a = row[j], b = row[half + j];
			row[j] = a * turn[j] - b * turn[half + j];
			row[half + j] = b * turn[j] + a * turn[half + j];
		}
}
