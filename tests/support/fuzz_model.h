/* fuzz_model.h - a part of a model that a fuzz target writes, in a folder that goes with the process.
 * The includer defines _GNU_SOURCE first.
 */
#ifndef ZV_TESTS_FUZZ_MODEL_H
#define ZV_TESTS_FUZZ_MODEL_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/hash.h"
#include "stream/model_file.h"
#include "train/weights.h"

static char fuzz_folder[] = P_tmpdir "/zv-fuzz-XXXXXX";
static char fuzz_part[sizeof fuzz_folder + 40];

static inline void fuzz_clean_up(void)
{
	unlink(fuzz_part);
	rmdir(fuzz_folder);
}

/* A folder for the one PART.zv of the model, which goes with the process. */
static inline const char *fuzz_model(const char *part)
{
	if (!mkdtemp(fuzz_folder) || atexit(fuzz_clean_up) != 0)
		abort();
	snprintf(fuzz_part, sizeof fuzz_part, "%s/%s.zv", fuzz_folder, part);
	return fuzz_folder;
}

/* Open the part; digest: its fingerprint as text. */
static inline struct weights *fuzz_weights(const char *part, char digest[DIGEST_TEXT_SIZE])
{
	struct weights *weights = weights_open(fuzz_folder, part);
	if (!weights)
		abort();
	struct digest fingerprint = model_file_fingerprint(weights_file(weights));
	digest_text(&fingerprint, digest);
	return weights;
}

#endif
