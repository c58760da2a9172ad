/* stack.h - many records of one shape as one matrix with a row for each, and back.
 * A stack is a sample: the matrix [N, ...] under the records' name, then "keys" (their keys, each
 * ended by a newline) and, where any record has one, "sources" (16 bytes each).
 */
#ifndef ZV_STREAM_STACK_H
#define ZV_STREAM_STACK_H

#include "stream/sample.h"

struct stack;

struct stack *stack_new(void); /* NULL: out of memory */
void stack_release(struct stack *stack);

/* Add the one tensor of a sample as a row. 0, or -1: ERROR_INPUT when the sample has several
 * parts or does not fit the rows before it (name, dtype, shape, or maker unless
 * common.any_maker), or when the matrix would be larger than common.max_record. */
int stack_add(struct stack *stack, const struct sample *sample);

/* Write the stack under this key, if any row was added. 0 or -1. */
int stack_write(struct stack *stack, const char *key, struct writer *writer);

/* Write the rows of a stacked sample as records of their own. 0, or -1 with ERROR_INPUT (nothing
 * was written) when it is no stack. */
int stack_undo(struct sample *sample, struct writer *writer);

#endif
