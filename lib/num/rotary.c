/* rotary.c - see rotary.h. */
#include "num/rotary.h"
#include "base/threads.h"

#include <math.h>
#include <string.h>

enum { ROWS = 32, LANES = 4 }; /* rows in one chunk; floats that turn together */
typedef float lanes __attribute__((vector_size(LANES * sizeof(float))));

void rotary_angles(double theta, size_t position, size_t width, float *turn)
{
	size_t half = width / 2;
	for (size_t j = 0; j < half; j++) {
		double angle = (double)position * pow(theta, -2.0 * (double)j / (double)width);
		turn[j] = (float)cos(angle);
		turn[half + j] = (float)sin(angle);
	}
}

/* sign 1, or -1 for the negative angles: their sines. */
static void turn_head(float *a, float *b, size_t half, const float *turn, float sign)
{
	size_t j = 0;
	for (; j + LANES <= half; j += LANES) {
		lanes x, y, cosine, sine;
		memcpy(&x, a + j, sizeof x);
		memcpy(&y, b + j, sizeof y);
		memcpy(&cosine, turn + j, sizeof cosine);
		memcpy(&sine, turn + half + j, sizeof sine);
		sine *= sign;
		lanes turned = x * cosine - y * sine;
		y = y * cosine + x * sine;
		memcpy(a + j, &turned, sizeof turned);
		memcpy(b + j, &y, sizeof y);
	}
	for (; j < half; j++) {
		float x = a[j], y = b[j], cosine = turn[j], sine = sign * turn[half + j];
		a[j] = x * cosine - y * sine;
		b[j] = y * cosine + x * sine;
	}
}

void rotary_turn(float *row, size_t heads, size_t width, const float *turn)
{
	for (size_t head = 0; head < heads; head++)
		turn_head(row + head * width, row + head * width + width / 2, width / 2, turn, 1.0f);
}

struct rotation {
	float *rows;
	size_t count, heads, width;
	const float *turns;
	const uint32_t *position;
	float sign;
};

static void turn_chunk(void *context, size_t chunk, int worker)
{
	(void)worker;
	const struct rotation *rotation = context;
	size_t width = rotation->width, first = chunk * ROWS;
	size_t end = first + ROWS < rotation->count ? first + ROWS : rotation->count;
	for (size_t i = first; i < end; i++) {
		const float *turn = rotation->turns + rotation->position[i] * width;
		float *row = rotation->rows + i * rotation->heads * width;
		for (size_t head = 0; head < rotation->heads; head++, row += width)
			turn_head(row, row + width / 2, width / 2, turn, rotation->sign);
	}
}

void rotary_rows(float *rows, size_t count, size_t heads, size_t width, const float *turns,
    const uint32_t *position, bool back)
{
	struct rotation rotation = { rows, count, heads, width, turns, position, back ? -1.0f : 1.0f };
	threads_run((count + ROWS - 1) / ROWS, turn_chunk, &rotation);
}
