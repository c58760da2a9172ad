/* gather.h - writing a bank as stacks (zvt(5)) of some MB each, bare: what a scan reads at the speed of
 * memory, and checks by all threads.
 */
#ifndef ZV_SEARCH_GATHER_H
#define ZV_SEARCH_GATHER_H

#include "search/bank.h"
#include "stream/write.h"

/* Write all items that are wanted, in their order; dtype: f, E, e or b to store the rows in, 0: as
 * they are. 0, or -1 with a recorded error: ERROR_INPUT about an input, ERROR_SYSTEM else. */
int gather_write(struct bank *bank, struct writer *writer, char dtype);

#endif
