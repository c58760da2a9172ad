/* pickle.c - fuzz target: what an accepted pickle describes is consistent, and small beside it. */
#include "stream/pickle.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_value(const struct pickle *pickle, const struct pickle_value *value, size_t size)
{
	switch (value->kind) {
	case PICKLE_LONG:
	case PICKLE_TEXT:
		if (value->text.offset > size || value->text.size > size - value->text.offset)
			abort();
		break;
	case PICKLE_TUPLE:
	case PICKLE_LIST:
	case PICKLE_DICT: {
		uint32_t count = 0;
		for (uint32_t cell = value->cells.first; cell != PICKLE_END; count++) {
			if (cell >= pickle->cell_count || pickle->cells[cell].value >= pickle->value_count)
				abort();
			cell = pickle->cells[cell].next;
		}
		if (count != value->count || (value->kind == PICKLE_DICT && count % 2 != 0))
			abort();
		break;
	}
	case PICKLE_STORAGE:
		if (value->index >= pickle->storage_count)
			abort();
		break;
	case PICKLE_TENSOR:
		if (value->index >= pickle->tensor_count ||
		    pickle->tensors[value->index].storage >= pickle->storage_count)
			abort();
		break;
	default:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pickle pickle;
	if (pickle_run(data, size, &pickle) == 0) {
		if (pickle.root >= pickle.value_count || pickle.used > size)
			abort();
		for (size_t i = 0; i < pickle.value_count; i++)
			check_value(&pickle, &pickle.values[i], size);
	}
	if (pickle.value_count > size || pickle.cell_count > 2 * size || pickle.tensor_count > size)
		abort();
	pickle_release(&pickle);
	return 0;
}
