/* pickle_machine.h - the state of the restricted pickle machine. Private to pickle.c (opcodes) and
 * pickle_call.c (what calls of the known names give).
 */
#ifndef ZV_STREAM_PICKLE_MACHINE_H
#define ZV_STREAM_PICKLE_MACHINE_H

#include "stream/pickle.h"

enum { MARKS_MOST = 256 };

struct machine {
	struct pickle *pickle;
	const uint8_t *bytes;
	size_t size, place;
	uint32_t *stack; /* values */
	size_t depth, stack_capacity;
	uint32_t *memo; /* values */
	size_t memo_count, memo_capacity;
	size_t marks[MARKS_MOST]; /* stack depths */
	size_t mark_count;
};

static inline struct pickle_value *machine_value_at(const struct machine *machine, uint32_t i)
{
	return &machine->pickle->values[i];
}

/* The value on top; the stack is not empty. */
static inline struct pickle_value *machine_top(const struct machine *machine)
{
	return machine_value_at(machine, machine->stack[machine->depth - 1]);
}

/* 0 if count values are on the stack above the last mark, else -1 with ERROR_INPUT. */
int machine_need(const struct machine *machine, size_t count);

/* Push a value that exists, a new one, a new empty one of a kind. 0 or -1. Pointers to
 * values are void after a new one was made. */
int machine_push(struct machine *machine, uint32_t value);
int machine_push_new(struct machine *machine, struct pickle_value value);
int machine_push_kind(struct machine *machine, enum pickle_kind kind);

/* BINPERSID, REDUCE and BUILD. 0 or -1. */
int machine_persistent_id(struct machine *machine);
int machine_reduce(struct machine *machine);
int machine_build(struct machine *machine);

#endif
