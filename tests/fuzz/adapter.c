/* adapter.c - fuzz target: an adapter file, made of lines (support/fuzz_file.h) or as it is, put on a
 * language model of one layer; what is taken has adapters that fit, and can be merged.
 */
#define _GNU_SOURCE
#include "fuzz_file.h"
#include "fuzz_model.h"
#include "toy_llama.h"
#include "train/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WIDTH = 4 };

static void check(struct llama_network *network)
{
	float row[WIDTH] = { 1, 2, 3, 4 }, hidden[WIDTH];
	const size_t start[] = { 0, 1 };
	struct llama_pass pass = { .count = 1, .start = start };
	if (llama_network_forward(network, &pass, row, NULL, hidden) < 0 ||
	    llama_network_merge(network) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct toy_llama toy = { WIDTH, 1, 2, 1, 3, 5, false, 'f' };
	static char digest[DIGEST_TEXT_SIZE];
	if (!digest[0])
		toy_write(&toy, fuzz_model("llm"));
	/* Reading adds parameters, so each input has a model of its own. */
	struct weights *weights = fuzz_weights("llm", digest);
	struct llama_network *network = llama_network_open(weights);
	if (!network)
		abort();
	const char *path = fuzz_stream_file(data, size, "adapter", digest);
	if (adapter_read(network, path, 0.1f) == 0)
		check(network);
	llama_network_close(network);
	weights_close(weights);
	error_clear();
	return 0;
}
