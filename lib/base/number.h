/* number.h - strict numbers from options and files: the whole text, in range, or refused. */
#ifndef ZV_BASE_NUMBER_H
#define ZV_BASE_NUMBER_H

#include <stddef.h>
#include <stdint.h>

/* A whole decimal number, nothing around it, least <= n <= most. 0, or -1 with a recorded
 * ERROR_INPUT that names the range. */
int number_whole(const char *text, int64_t least, int64_t most, int64_t *number);

/* The same with an optional suffix K, M, G or T (powers of 1024): sizes in bytes. */
int number_size(const char *text, int64_t least, int64_t most, int64_t *number);

/* A finite real number in [least, most], with '.' whatever the locale. */
int number_real(const char *text, double least, double most, double *number);

#endif
