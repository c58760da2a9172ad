/* pickle_call.c - the few things a pickle may call (see pickle_machine.h): a storage by its
 * persistent id, a tensor or parameter, an empty OrderedDict, and values nobody looks at. Each is
 * a description in the pickle's tables; nothing is executed.
 */
#include "base/error.h"
#include "base/memory.h"
#include "stream/pickle_machine.h"
#include "stream/pickle_names.h"

#include <inttypes.h>
#include <string.h>

/* The items of a tuple into items; 0, or -1 when it is none or their number is not in range. */
static int tuple_items(const struct machine *machine, uint32_t tuple, uint32_t least, uint32_t most,
    struct pickle_value **items)
{
	const struct pickle_value *value = machine_value_at(machine, tuple);
	if (value->kind != PICKLE_TUPLE || value->count < least || value->count > most)
		return error_input("a tuple of %" PRIu32 " to %" PRIu32 " items is wanted", least, most);
	uint32_t cell = value->cells.first;
	for (uint32_t i = 0; i < value->count; i++, cell = machine->pickle->cells[cell].next)
		items[i] = machine_value_at(machine, machine->pickle->cells[cell].value);
	return 0;
}

/* ("storage", torch.FloatStorage, key, location, elements), and None behind it in legacy files. */
int machine_persistent_id(struct machine *machine)
{
	struct pickle_value *items[6];
	struct pickle *pickle = machine->pickle;
	if (machine_need(machine, 1) < 0)
		return -1;
	uint32_t id = machine->stack[machine->depth - 1];
	if (tuple_items(machine, id, 5, 6, items) < 0)
		return error_context("persistent id");
	char dtype = items[1]->kind == PICKLE_GLOBAL ? pickle_name_storage(items[1]->global) : 0;
	if (!pickle_is_text(pickle, (uint32_t)(items[0] - pickle->values), "storage") || !dtype ||
	    items[2]->kind != PICKLE_TEXT || items[3]->kind != PICKLE_TEXT ||
	    items[4]->kind != PICKLE_WHOLE || items[4]->whole < 0)
		return error_input("persistent id: not (\"storage\", type, key, location, elements)");
	if (machine_value_at(machine, id)->count == 6 && items[5]->kind != PICKLE_NONE)
		return error_input("persistent id: views of storages are not read");
	void *storages = pickle->storages;
	if (memory_grow(&storages, &pickle->storage_capacity, pickle->storage_count + 1,
	        sizeof *pickle->storages) < 0)
		return -1;
	pickle->storages = storages;
	pickle->storages[pickle->storage_count] = (struct pickle_storage){ items[2]->text.offset,
		items[2]->text.size, (uint64_t)items[4]->whole, dtype };
	machine->depth--;
	struct pickle_value value = { .kind = PICKLE_STORAGE };
	value.index = (uint32_t)pickle->storage_count++;
	return machine_push_new(machine, value);
}

/* Up to 8 whole numbers, none negative. */
static int tuple_numbers(
    const struct machine *machine, const struct pickle_value *tuple, uint64_t *numbers)
{
	uint32_t cell = tuple->cells.first;
	for (uint32_t i = 0; i < tuple->count; i++, cell = machine->pickle->cells[cell].next) {
		const struct pickle_value *item =
		    machine_value_at(machine, machine->pickle->cells[cell].value);
		if (item->kind != PICKLE_WHOLE || item->whole < 0)
			return error_input("a size or stride is no number, or negative");
		numbers[i] = (uint64_t)item->whole;
	}
	return 0;
}

/* _rebuild_tensor_v2(storage, offset, size, stride, requires_grad, hooks[, metadata]) */
static int rebuild_tensor(struct machine *machine, uint32_t arguments)
{
	struct pickle_value *items[7];
	if (tuple_items(machine, arguments, 6, 7, items) < 0)
		return -1;
	if (items[0]->kind != PICKLE_STORAGE || items[1]->kind != PICKLE_WHOLE || items[1]->whole < 0 ||
	    items[2]->kind != PICKLE_TUPLE || items[3]->kind != PICKLE_TUPLE ||
	    items[4]->kind != PICKLE_BOOL || items[5]->kind != PICKLE_DICT || items[5]->count != 0)
		return error_input("the arguments are not those of a tensor");
	if (items[2]->count != items[3]->count || items[2]->count > PICKLE_DIMENSIONS)
		return error_input("%" PRIu32 " sizes and %" PRIu32 " strides (%d are allowed)",
		    items[2]->count, items[3]->count, PICKLE_DIMENSIONS);
	struct pickle *pickle = machine->pickle;
	struct pickle_tensor tensor = { .storage = items[0]->index,
		.dimensions = (int)items[2]->count,
		.offset = (uint64_t)items[1]->whole };
	void *tensors = pickle->tensors;
	if (tuple_numbers(machine, items[2], tensor.shape) < 0 ||
	    tuple_numbers(machine, items[3], tensor.strides) < 0 ||
	    memory_grow(&tensors, &pickle->tensor_capacity, pickle->tensor_count + 1, sizeof tensor) <
	        0)
		return -1;
	pickle->tensors = tensors;
	pickle->tensors[pickle->tensor_count] = tensor;
	struct pickle_value value = { .kind = PICKLE_TENSOR };
	value.index = (uint32_t)pickle->tensor_count++;
	return machine_push_new(machine, value);
}

/* _rebuild_parameter(tensor, requires_grad, hooks): the tensor. */
static int rebuild_parameter(struct machine *machine, uint32_t arguments)
{
	struct pickle_value *items[3];
	if (tuple_items(machine, arguments, 3, 3, items) < 0)
		return -1;
	if (items[0]->kind != PICKLE_TENSOR || items[1]->kind != PICKLE_BOOL ||
	    items[2]->kind != PICKLE_DICT || items[2]->count != 0)
		return error_input("the arguments are not those of a parameter");
	return machine_push(machine, (uint32_t)(items[0] - machine->pickle->values));
}

/* torch.Size((2, 3)), torch.device("cuda", 0): values that nothing here uses. */
static int call_inert(struct machine *machine, uint32_t arguments)
{
	struct pickle_value *items[2];
	if (tuple_items(machine, arguments, 1, 2, items) < 0)
		return -1;
	return machine_push_kind(machine, PICKLE_INERT);
}

static int call(struct machine *machine, uint8_t global, uint32_t arguments)
{
	switch (pickle_name_role(global)) {
	case PICKLE_ROLE_ORDERED_DICT:
		if (machine_value_at(machine, arguments)->kind != PICKLE_TUPLE ||
		    machine_value_at(machine, arguments)->count != 0)
			return error_input("arguments are not expected");
		if (machine_push_kind(machine, PICKLE_DICT) < 0)
			return -1;
		machine_top(machine)->global = 1;
		return 0;
	case PICKLE_ROLE_TENSOR:
		return rebuild_tensor(machine, arguments);
	case PICKLE_ROLE_PARAMETER:
		return rebuild_parameter(machine, arguments);
	case PICKLE_ROLE_INERT_CALL:
		return call_inert(machine, arguments);
	case PICKLE_ROLE_STORAGE:
	case PICKLE_ROLE_DTYPE:
		break;
	}
	return error_input("it is not called in a plain checkpoint");
}

int machine_reduce(struct machine *machine)
{
	if (machine_need(machine, 2) < 0)
		return -1;
	uint32_t arguments = machine->stack[machine->depth - 1];
	const struct pickle_value *called =
	    machine_value_at(machine, machine->stack[machine->depth - 2]);
	if (called->kind != PICKLE_GLOBAL)
		return error_input("REDUCE of a value that is no known name");
	machine->depth -= 2;
	uint8_t global = called->global; /* values may move */
	if (call(machine, global, arguments) < 0)
		return error_context("call of %s", pickle_name_text(global));
	return 0;
}

/* Attributes of an OrderedDict (_metadata of a state dictionary): dropped. */
int machine_build(struct machine *machine)
{
	if (machine_need(machine, 2) < 0)
		return -1;
	const struct pickle_value *state = machine_top(machine);
	const struct pickle_value *target =
	    machine_value_at(machine, machine->stack[machine->depth - 2]);
	if (target->kind != PICKLE_DICT || !target->global || state->kind != PICKLE_DICT)
		return error_input("BUILD of something else than an OrderedDict");
	machine->depth--;
	return 0;
}
