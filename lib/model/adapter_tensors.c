/* adapter_tensors.c - the tensors of an adapter file (see adapter_tensors.h). */
#include "model/adapter_tensors.h"
#include "base/ending.h"

#include <string.h>

int adapter_tensors_next(const struct model_file *file, size_t *at, struct adapter_tensor *tensor)
{
	const char *key;
	size_t size, stem;
	for (; model_file_at(file, *at, &key, &size, &tensor->weight); ++*at) {
		if (tensor->weight.dtype == 'B')
			continue;
		if (size >= sizeof tensor->name)
			return parameters_error(file, "tensor %zu: its name is too long", *at);
		memcpy(tensor->name, key, size);
		tensor->name[size] = '\0';
		/* The projection into the model belongs to the Q-Former. */
		if (ending_stem(key, size, ".lora_B", &stem) || ending_stem(key, size, ".scale", &stem) ||
		    strncmp(tensor->name, "language_projection.", 20) == 0)
			continue;
		tensor->pair = ending_stem(key, size, ".lora_A", &stem);
		if (tensor->pair)
			tensor->name[stem] = '\0';
		++*at;
		return 1;
	}
	return 0;
}
