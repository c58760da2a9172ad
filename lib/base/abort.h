/* abort.h - a foreign library that calls abort() or exit() when it gets no memory (BLIS, libgomp)
 * ends the program as every failed allocation does: temporaries removed, a message, status 2.
 */
#ifndef ZV_BASE_ABORT_H
#define ZV_BASE_ABORT_H

#include <stdbool.h>

/* Between true and false, an abort() or exit() of this thread means that memory ran out. Any
 * other abort() is a fault of the program: temporaries are removed, and it dies by SIGABRT. */
void abort_means_memory(bool inside);

/* For program.c. */
void abort_prepare(void);

#endif
