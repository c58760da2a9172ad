/* new_config.c - fuzz target: any bytes as a file of settings of a model from nothing, and its first
 * line as one of the command line; all that a model asks for is asked.
 */
#define _GNU_SOURCE
#include "fuzz_file.h"
#include "train/new_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask(struct new_config *config)
{
	static const char *const words[] = { "vit.width", "qformer.layers", "llm.rope_theta", "a.b" };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		int64_t whole = (int64_t)i - 1;
		double real = (double)i - 1;
		const char *text = new_config_text(config, words[i]);
		if (new_config_whole(config, words[i], 1, 4096, &whole) == 0 && text &&
		    (whole < 1 || whole > 4096))
			abort();
		if (new_config_real(config, words[i], 0, 1e6, &real) == 0 && text &&
		    !(real >= 0 && real <= 1e6))
			abort();
		if (text && strlen(text) > 0 && strchr(" \t", text[0]))
			abort();
	}
	if (new_config_has(config, "vit") && !new_config_text(config, "vit.width") &&
	    new_config_check(config) == 0)
		abort(); /* nobody read its other words */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct new_config *config = new_config_new(), *line = new_config_new();
	if (!config || !line)
		abort();
	if (new_config_read(config, fuzz_file(data, size)) == 0)
		ask(config);
	char *text = malloc(size + 1);
	if (!text)
		abort();
	size_t length = size;
	for (size_t i = 0; i < length; i++)
		if (data[i] == '\0' || data[i] == '\n')
			length = i;
	memcpy(text, data, length);
	text[length] = '\0';
	if (new_config_set(line, text) == 0)
		ask(line);
	free(text);
	new_config_release(config);
	new_config_release(line);
	error_clear();
	return 0;
}
