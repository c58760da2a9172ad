/* example_line.h - between examples.c (files of lines) and example.c (one line). */
#ifndef ZV_TRAIN_EXAMPLE_LINE_H
#define ZV_TRAIN_EXAMPLE_LINE_H

#include <stddef.h>

struct example;

enum { EXAMPLE_CLASS_MOST = (1 << 20) - 1 };

/* Parse one line. 0 with an example to be cleared; -1 with ERROR_INPUT (or memory) and nothing to
 * clear. */
int example_parse(const char *line, size_t size, struct example *example);

#endif
