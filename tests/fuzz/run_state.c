/* run_state.c - fuzz target: a checkpoint, made of lines (support/fuzz_file.h) or as it is, read
 * into a part with a matrix that is trained and a bias that is not. What is refused changes nothing.
 */
#define _GNU_SOURCE
#include "fuzz_file.h"
#include "fuzz_model.h"
#include "toy_weights.h"
#include "train/adamw.h"
#include "train/run_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COUNT = 6 };

static struct parameter *begin(struct weights **part, struct adamw *adamw, char *digest)
{
	static const struct toy_tensor tensors[] = { { "a.weight", 'E', 3, 2 }, { "b", 'f', 0, 3 } };
	toy_write(fuzz_model("vit"), "vit", "stage=vit\n", tensors, 2, 1);
	*part = fuzz_weights("vit", digest);
	struct parameter *parameter = weights_find(*part, "a.weight");
	if (!parameter || parameter_train(parameter, 1) < 0 || adamw_begin(adamw, part, 1) < 0)
		abort();
	return parameter;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weights *part;
	static struct adamw adamw = { .beta1 = 0.9, .beta2 = 0.98 };
	static struct parameter *parameter;
	static char digest[DIGEST_TEXT_SIZE];
	struct run_state state = { .settings = "rate=1" };
	float before[3][COUNT];
	if (!part)
		parameter = begin(&part, &adamw, digest);
	float *const values[3] = { parameter->value, parameter->first_moment,
		parameter->second_moment };
	for (int i = 0; i < 3; i++)
		memcpy(before[i], values[i], sizeof before[i]);
	uint64_t step = adamw.step;
	int result =
	    run_state_read(fuzz_stream_file(data, size, "run", digest), &state, &adamw, &part, 1);
	if (result == 0 || (result < 0 && (adamw.step != step || state.step != 0)))
		abort();
	for (int i = 0; result < 0 && i < 3; i++)
		if (memcmp(before[i], values[i], sizeof before[i]) != 0)
			abort();
	error_clear();
	return 0;
}
