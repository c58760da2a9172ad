/* pickle.c - the restricted pickle machine (see pickle.h): a stack, a memo that is filled in order,
 * and the opcodes that torch's pickler uses for protocols 2 to 5.
 */
#include "stream/pickle.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/pickle_machine.h"
#include "stream/pickle_names.h"

#include <inttypes.h>
#include <string.h>

enum { STACK_MOST = 1 << 20 };

int machine_push(struct machine *machine, uint32_t value)
{
	void *stack = machine->stack;
	if (machine->depth >= STACK_MOST)
		return error_input("more than %d values on the stack", STACK_MOST);
	if (memory_grow(&stack, &machine->stack_capacity, machine->depth + 1, sizeof value) < 0)
		return -1;
	machine->stack = stack;
	machine->stack[machine->depth++] = value;
	return 0;
}

int machine_need(const struct machine *machine, size_t count)
{
	size_t floor = machine->mark_count > 0 ? machine->marks[machine->mark_count - 1] : 0;
	if (machine->depth - floor < count)
		return error_input("the stack holds too few values");
	return 0;
}

int machine_push_new(struct machine *machine, struct pickle_value value)
{
	struct pickle *pickle = machine->pickle;
	void *values = pickle->values;
	if (memory_grow(&values, &pickle->value_capacity, pickle->value_count + 1, sizeof value) < 0)
		return -1;
	pickle->values = values;
	pickle->values[pickle->value_count] = value;
	return machine_push(machine, (uint32_t)pickle->value_count++);
}

int machine_push_kind(struct machine *machine, enum pickle_kind kind)
{
	struct pickle_value value = { .kind = (uint8_t)kind, .cells = { PICKLE_END, PICKLE_END } };
	return machine_push_new(machine, value);
}

static int push_whole(struct machine *machine, enum pickle_kind kind, int64_t whole)
{
	return machine_push_new(
	    machine, (struct pickle_value){ .kind = (uint8_t)kind, .whole = whole });
}

/* The next count bytes of the input, or NULL. */
static const uint8_t *take(struct machine *machine, uint64_t count)
{
	if (count > machine->size - machine->place) {
		error_input("the pickle is cut off");
		return NULL;
	}
	const uint8_t *bytes = machine->bytes + machine->place;
	machine->place += (size_t)count;
	return bytes;
}

/* A little-endian number of 1 to 8 bytes. */
static int take_number(struct machine *machine, int width, uint64_t *number)
{
	const uint8_t *bytes = take(machine, (uint64_t)width);
	if (!bytes)
		return -1;
	*number = 0;
	for (int i = width; i-- > 0;)
		*number = *number << 8 | bytes[i];
	return 0;
}

static int append_cell(struct machine *machine, uint32_t container, uint32_t value)
{
	struct pickle *pickle = machine->pickle;
	void *cells = pickle->cells;
	if (memory_grow(&cells, &pickle->cell_capacity, pickle->cell_count + 1, sizeof *pickle->cells) <
	    0)
		return -1;
	pickle->cells = cells;
	uint32_t cell = (uint32_t)pickle->cell_count++;
	pickle->cells[cell] = (struct pickle_cell){ value, PICKLE_END };
	struct pickle_value *owner = machine_value_at(machine, container);
	if (owner->cells.first == PICKLE_END)
		owner->cells.first = cell;
	else
		pickle->cells[owner->cells.last].next = cell;
	owner->cells.last = cell;
	owner->count++;
	return 0;
}

static int op_text(struct machine *machine, int width, enum pickle_kind kind)
{
	uint64_t size;
	if (take_number(machine, width, &size) < 0)
		return -1;
	const uint8_t *bytes = take(machine, size);
	if (!bytes)
		return -1;
	struct pickle_value value = { .kind = (uint8_t)kind };
	value.text.offset = (uint32_t)(bytes - machine->bytes);
	value.text.size = (uint32_t)size;
	return machine_push_new(machine, value);
}

static int op_long(struct machine *machine)
{
	if (op_text(machine, 1, PICKLE_LONG) < 0)
		return -1;
	struct pickle_value *value = machine_top(machine);
	uint32_t offset = value->text.offset, size = value->text.size;
	if (size > 8)
		return 0;
	uint64_t number = size > 0 && machine->bytes[offset + size - 1] & 0x80 ? UINT64_MAX : 0;
	for (uint32_t i = size; i-- > 0;)
		number = number << 8 | machine->bytes[offset + i];
	value->kind = PICKLE_WHOLE;
	value->whole = (int64_t)number;
	return 0;
}

static int op_whole(struct machine *machine, int width)
{
	uint64_t number;
	if (take_number(machine, width, &number) < 0)
		return -1;
	return push_whole(
	    machine, PICKLE_WHOLE, width == 4 ? (int64_t)(int32_t)(uint32_t)number : (int64_t)number);
}

static int op_mark(struct machine *machine)
{
	if (machine->mark_count >= MARKS_MOST)
		return error_input("more than %d marks are open", MARKS_MOST);
	machine->marks[machine->mark_count++] = machine->depth;
	return 0;
}

static int close_mark(struct machine *machine, size_t *depth)
{
	if (machine->mark_count == 0)
		return error_input("there is no mark");
	*depth = machine->marks[--machine->mark_count];
	return 0;
}

/* The values from stack depth `from` on become a tuple. */
static int make_tuple(struct machine *machine, size_t from)
{
	if (machine_push_kind(machine, PICKLE_TUPLE) < 0)
		return -1;
	uint32_t tuple = machine->stack[machine->depth - 1];
	for (size_t i = from; i + 1 < machine->depth; i++)
		if (append_cell(machine, tuple, machine->stack[i]) < 0)
			return -1;
	machine->stack[from] = tuple;
	machine->depth = from + 1;
	return 0;
}

static int op_tuple(struct machine *machine)
{
	size_t from = 0;
	return close_mark(machine, &from) < 0 ? -1 : make_tuple(machine, from);
}

static int op_short_tuple(struct machine *machine, size_t count)
{
	return machine_need(machine, count) < 0 ? -1 : make_tuple(machine, machine->depth - count);
}

/* The values from stack depth `from` on go into the list or dictionary below them. */
static int op_fill(struct machine *machine, size_t from, enum pickle_kind kind)
{
	size_t end = machine->depth;
	machine->depth = from; /* the items stay readable above it */
	if (machine_need(machine, 1) < 0 || machine_top(machine)->kind != kind)
		return error_input(
		    "no %s is there to be filled", kind == PICKLE_LIST ? "list" : "dictionary");
	if (kind == PICKLE_DICT && (end - from) % 2 != 0)
		return error_input("a key has no value");
	uint32_t container = machine->stack[from - 1];
	for (size_t i = from; i < end; i++) {
		uint8_t item = machine_value_at(machine, machine->stack[i])->kind;
		if (kind == PICKLE_DICT && (i - from) % 2 == 0 && item != PICKLE_TEXT &&
		    item != PICKLE_WHOLE)
			return error_input("a key of a dictionary is neither text nor a whole number");
		if (append_cell(machine, container, machine->stack[i]) < 0)
			return -1;
	}
	return 0;
}

static int op_fill_marked(struct machine *machine, enum pickle_kind kind)
{
	size_t from = 0;
	return close_mark(machine, &from) < 0 ? -1 : op_fill(machine, from, kind);
}

static int op_fill_one(struct machine *machine, enum pickle_kind kind)
{
	size_t count = kind == PICKLE_LIST ? 1 : 2;
	return machine_need(machine, count) < 0 ? -1 : op_fill(machine, machine->depth - count, kind);
}

/* Python's pickler numbers the memo from 0 on without gaps; an entry is never changed. */
static int op_put(struct machine *machine, int width)
{
	uint64_t number = machine->memo_count;
	if (width > 0 && take_number(machine, width, &number) < 0)
		return -1;
	if (number != machine->memo_count)
		return error_input("memo %" PRIu64 " is filled out of order", number);
	void *memo = machine->memo;
	if (machine_need(machine, 1) < 0 || memory_grow(&memo, &machine->memo_capacity,
	                                        machine->memo_count + 1, sizeof *machine->memo) < 0)
		return -1;
	machine->memo = memo;
	machine->memo[machine->memo_count++] = machine->stack[machine->depth - 1];
	return 0;
}

static int op_get(struct machine *machine, int width)
{
	uint64_t number;
	if (take_number(machine, width, &number) < 0)
		return -1;
	if (number >= machine->memo_count)
		return error_input("memo %" PRIu64 " is empty", number);
	return machine_push(machine, machine->memo[number]);
}

static int push_name(struct machine *machine, const char *module, size_t module_size,
    const char *name, size_t name_size)
{
	int global = pickle_name_find(module, module_size, name, name_size);
	if (global < 0)
		return error_input(
		    "the pickle names %.*s %.*s, which no plain checkpoint needs; it is refused",
		    (int)module_size, module, (int)name_size, name);
	return machine_push_new(machine,
	    (struct pickle_value){ .kind = PICKLE_GLOBAL, .global = (uint8_t)global, .whole = 0 });
}

/* A line of the GLOBAL opcode, without its newline. */
static int take_line(struct machine *machine, const char **line, size_t *size)
{
	const uint8_t *start = machine->bytes + machine->place;
	size_t left = machine->size - machine->place;
	const uint8_t *newline = memchr(start, '\n', left < 256 ? left : 256);
	if (!newline)
		return error_input("a name is cut off or too long");
	*line = (const char *)start;
	*size = (size_t)(newline - start);
	machine->place += *size + 1;
	return 0;
}

static int op_global(struct machine *machine)
{
	const char *module, *name;
	size_t module_size, name_size;
	if (take_line(machine, &module, &module_size) < 0 || take_line(machine, &name, &name_size) < 0)
		return -1;
	return push_name(machine, module, module_size, name, name_size);
}

static int op_stack_global(struct machine *machine)
{
	if (machine_need(machine, 2) < 0)
		return -1;
	const struct pickle_value *name = machine_top(machine);
	const struct pickle_value *module =
	    machine_value_at(machine, machine->stack[machine->depth - 2]);
	if (module->kind != PICKLE_TEXT || name->kind != PICKLE_TEXT || module->text.size > 256 ||
	    name->text.size > 256)
		return error_input("STACK_GLOBAL of values that are no short texts");
	machine->depth -= 2;
	return push_name(machine, (const char *)machine->bytes + module->text.offset, module->text.size,
	    (const char *)machine->bytes + name->text.offset, name->text.size);
}

static int op_frame(struct machine *machine)
{
	uint64_t size;
	if (take_number(machine, 8, &size) < 0)
		return -1;
	if (size > machine->size - machine->place)
		return error_input("a frame is cut off");
	return 0;
}

static int op_real(struct machine *machine)
{
	return take(machine, 8) ? machine_push_kind(machine, PICKLE_REAL) : -1;
}

static int step_value(struct machine *machine, uint8_t opcode)
{
	switch (opcode) {
	case 'N':
		return machine_push_kind(machine, PICKLE_NONE);
	case 0x88: /* NEWTRUE */
		return push_whole(machine, PICKLE_BOOL, 1);
	case 0x89: /* NEWFALSE */
		return push_whole(machine, PICKLE_BOOL, 0);
	case 'J': /* BININT */
		return op_whole(machine, 4);
	case 'K': /* BININT1 */
		return op_whole(machine, 1);
	case 'M': /* BININT2 */
		return op_whole(machine, 2);
	case 0x8a: /* LONG1 */
		return op_long(machine);
	case 'G': /* BINFLOAT */
		return op_real(machine);
	case 'X': /* BINUNICODE */
		return op_text(machine, 4, PICKLE_TEXT);
	case 0x8c: /* SHORT_BINUNICODE */
		return op_text(machine, 1, PICKLE_TEXT);
	case 0x8d: /* BINUNICODE8 */
		return op_text(machine, 8, PICKLE_TEXT);
	case '}': /* EMPTY_DICT */
		return machine_push_kind(machine, PICKLE_DICT);
	case ']': /* EMPTY_LIST */
		return machine_push_kind(machine, PICKLE_LIST);
	case ')': /* EMPTY_TUPLE */
		return machine_push_kind(machine, PICKLE_TUPLE);
	case 'c': /* GLOBAL */
		return op_global(machine);
	case 0x93: /* STACK_GLOBAL */
		return op_stack_global(machine);
	default:
		return error_input("opcode %s (0x%02x) is not one that torch writes; it is refused",
		    pickle_opcode_name(opcode), opcode);
	}
}

static int step(struct machine *machine, uint8_t opcode)
{
	switch (opcode) {
	case '(':
		return op_mark(machine);
	case 't': /* TUPLE */
		return op_tuple(machine);
	case 0x85: /* TUPLE1 */
	case 0x86:
	case 0x87:
		return op_short_tuple(machine, opcode - 0x84u);
	case 'a': /* APPEND */
		return op_fill_one(machine, PICKLE_LIST);
	case 'e': /* APPENDS */
		return op_fill_marked(machine, PICKLE_LIST);
	case 's': /* SETITEM */
		return op_fill_one(machine, PICKLE_DICT);
	case 'u': /* SETITEMS */
		return op_fill_marked(machine, PICKLE_DICT);
	case 'q': /* BINPUT */
		return op_put(machine, 1);
	case 'r': /* LONG_BINPUT */
		return op_put(machine, 4);
	case 0x94: /* MEMOIZE */
		return op_put(machine, 0);
	case 'h': /* BINGET */
		return op_get(machine, 1);
	case 'j': /* LONG_BINGET */
		return op_get(machine, 4);
	case 'Q': /* BINPERSID */
		return machine_persistent_id(machine);
	case 'R': /* REDUCE */
		return machine_reduce(machine);
	case 'b': /* BUILD */
		return machine_build(machine);
	case 0x95: /* FRAME */
		return op_frame(machine);
	default:
		return step_value(machine, opcode);
	}
}

static int run(struct machine *machine)
{
	const uint8_t *start = take(machine, 2);
	if (!start || start[0] != 0x80 || start[1] < 2 || start[1] > 5)
		return error_input("no pickle of protocol 2 to 5 begins here");
	for (;;) {
		size_t place = machine->place;
		const uint8_t *opcode = take(machine, 1);
		if (opcode && *opcode == '.')
			break;
		if (!opcode || step(machine, *opcode) < 0)
			return error_context("pickle byte %zu", place);
	}
	if (machine->depth != 1 || machine->mark_count != 0)
		return error_input("pickle byte %zu: STOP with %zu values on the stack", machine->place - 1,
		    machine->depth);
	machine->pickle->root = machine->stack[0];
	machine->pickle->used = machine->place;
	return 0;
}

int pickle_run(const uint8_t *bytes, size_t size, struct pickle *pickle)
{
	*pickle = (struct pickle){ .bytes = bytes };
	/* A container may hold several pickles and more; what is beyond the limit is not looked at. */
	struct machine machine = {
		.pickle = pickle, .bytes = bytes, .size = size < PICKLE_SIZE_MOST ? size : PICKLE_SIZE_MOST
	};
	int status = run(&machine);
	memory_release(machine.stack);
	memory_release(machine.memo);
	return status;
}

void pickle_release(struct pickle *pickle)
{
	memory_release(pickle->values);
	memory_release(pickle->cells);
	memory_release(pickle->storages);
	memory_release(pickle->tensors);
	*pickle = (struct pickle){ 0 };
}

bool pickle_is_text(const struct pickle *pickle, uint32_t i, const char *text)
{
	const struct pickle_value *value = &pickle->values[i];
	size_t size = strlen(text);
	return value->kind == PICKLE_TEXT && value->text.size == size &&
	       memcmp(pickle->bytes + value->text.offset, text, size) == 0;
}
