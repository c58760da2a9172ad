/* sides.h - does an example speak of left and right? Then its picture must not be mirrored. */
#ifndef ZV_TRAIN_SIDES_H
#define ZV_TRAIN_SIDES_H

#include <stdbool.h>

struct example;

/* Whether a caption, question or answer of it holds "left" or "right", as words, or 左 or 右. */
bool sides_spoken(const struct example *example);

#endif
