/* rotary.h - rotary positions in Hugging Face's half-split layout (spec 3.8): the pair (j,
 * j + width/2) of a head turns by position * theta^(-2j/width).
 */
#ifndef ZV_NUM_ROTARY_H
#define ZV_NUM_ROTARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Cosines and sines of one position for a head of width elements: turn [width], the width/2
 * cosines first. */
void rotary_angles(double theta, size_t position, size_t width, float *turn);

/* Turn every head of one row, heads * width elements. */
void rotary_turn(float *row, size_t heads, size_t width, const float *turn);

/* The same for rows [count][heads * width] over the pool: row i by the angles of its position,
 * turns [.][width]. back: by the negative angles, which is also the gradient of turning. */
void rotary_rows(float *rows, size_t count, size_t heads, size_t width, const float *turns,
    const uint32_t *position, bool back);

#endif
