/* import_config.c - one JSON text as every configuration file that an import reads. */
#include "base/error.h"
#include "import/import_config.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct json *root = json_parse(data, size);
	struct import_vision_config vision;
	struct import_qformer_config qformer;
	struct import_llm_config llm;
	struct import_picture_config picture;
	struct import_words words = { .size = 0 };
	import_config_vision(root, &vision);
	import_config_qformer(root, &qformer);
	if (import_config_llm(root, &llm) == 0)
		import_config_generation(root, &llm, &words);
	import_config_picture(root, &picture);
	json_release(root);
	error_clear();
	return 0;
}
