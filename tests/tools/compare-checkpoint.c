/* compare-checkpoint.c - does a model file hold the tensors of a checkpoint? For tests:
 *     compare-checkpoint [-p PREFIX] [-a] [-t TOLERANCE] MODEL-FILE CHECKPOINT
 * Every tensor of MODEL-FILE named NAME is compared with PREFIX + NAME of CHECKPOINT, value by
 * value as f32; with -a, tensors that CHECKPOINT lacks are passed over (the others must be there).
 * Prints "N compared, M absent, largest difference D"; status 0 if D <= TOLERANCE (default 0) and
 * N > 0, NaN being equal to NaN.
 */
#include "base/dtype.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/checkpoint.h"
#include "stream/model_file.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double largest;

static int compare(const struct checkpoint *checkpoint, const struct checkpoint_tensor *tensor,
    const struct weight *weight)
{
	size_t count = (size_t)tensor->elements;
	if (count != weight->bytes / dtype_size(weight->dtype))
		return error_input("another number of elements");
	void *raw = memory_allocate(count, dtype_size(tensor->dtype));
	float *theirs = memory_allocate(count, sizeof *theirs);
	float *ours = memory_allocate(count, sizeof *ours);
	int result = raw && theirs && ours ? 0 : -1;
	if (result == 0)
		result = checkpoint_read(checkpoint, tensor, 0, count, raw);
	if (result == 0) {
		dtype_to_f32(tensor->dtype, raw, theirs, count);
		dtype_to_f32(weight->dtype, weight->data, ours, count);
	}
	for (size_t i = 0; i < count && result == 0; i++) {
		bool equal = ours[i] == theirs[i] || (isnan(ours[i]) && isnan(theirs[i]));
		double difference = equal ? 0 : fabs((double)ours[i] - theirs[i]);
		if (!(difference <= largest))
			largest = difference;
	}
	memory_release(raw);
	memory_release(theirs);
	memory_release(ours);
	return result;
}

static int run(const char *model, const char *path, const char *prefix, bool absent_is_fine)
{
	struct model_file *file = model_file_open_path(model);
	struct checkpoint *checkpoint = file ? checkpoint_open(path) : NULL;
	if (!checkpoint)
		return -1;
	const char *key;
	size_t key_size, compared = 0, absent = 0;
	struct weight weight;
	for (size_t i = 0; model_file_at(file, i, &key, &key_size, &weight); i++) {
		char name[2048];
		if (!dtype_is_float(weight.dtype))
			continue;
		snprintf(name, sizeof name, "%s%.*s", prefix, (int)key_size, key);
		const struct checkpoint_tensor *tensor = checkpoint_find(checkpoint, name);
		if (!tensor && absent_is_fine) {
			absent++;
			continue;
		}
		if (!tensor)
			return error_input("no tensor \"%s\" in the checkpoint", name);
		if (compare(checkpoint, tensor, &weight) < 0)
			return error_context("%s", name);
		compared++;
	}
	printf("%zu compared, %zu absent, largest difference %.3g\n", compared, absent, largest);
	checkpoint_close(checkpoint);
	model_file_close(file);
	return compared > 0 ? 0 : error_input("nothing was compared");
}

int main(int argc, char **argv)
{
	const char *prefix = "";
	bool absent = false;
	double tolerance = 0;
	for (int letter; (letter = getopt(argc, argv, "p:at:")) != -1;) {
		if (letter == 'p')
			prefix = optarg;
		else if (letter == 'a')
			absent = true;
		else if (letter == 't')
			tolerance = strtod(optarg, NULL);
		else
			return 2;
	}
	if (argc - optind != 2 || run(argv[optind], argv[optind + 1], prefix, absent) < 0) {
		fprintf(stderr, "compare-checkpoint: %s\n", error_text());
		return 2;
	}
	return largest <= tolerance ? 0 : 1;
}
