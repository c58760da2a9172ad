/* zv-train.c - make a model from nothing, or train one (see lib/train). */
#include "base/dtype.h"
#include "base/error.h"
#include "base/message.h"
#include "base/output.h"
#include "base/program.h"
#include "import/import_directory.h"
#include "train/new_config.h"
#include "train/new_model.h"

#include <string.h>

static struct {
	const char *config;
	bool force;
	int dtype;
	int64_t seed;
} option = { .dtype = 0 };

/* clang-format off */
static const struct option_entry options[] = {
	{ 0, "config", "FILE", OPTION_TEXT, &option.config, 0, 0, NULL,
	  "new: settings PART.WORD=VALUE, one a line" },
	{ 0, "dtype", "TYPE", OPTION_CHOICE, &option.dtype, 0, 0, dtype_stored,
	  "store matrices as f32, bf16 or f16 (default f32)" },
	{ 0, "seed", "N", OPTION_WHOLE, &option.seed, 0, 0x1p53, NULL,
	  "another N, other random numbers (default 0)" },
	{ 0, "force", NULL, OPTION_FLAG, &option.force, 0, 0, NULL, "replace OUT if it exists" },
	{ 0 },
};

static const struct program program = {
	.name = "zv-train",
	.purpose = "make a model from nothing",
	.operands = "new -o OUT [PART.WORD=VALUE...]",
	.common = COMMON_OUTPUT,
	.options = options,
	.examples = { "zv-train new --config small.conf -o small", NULL },
	.see_also = "zv-model(5)",
};
/* clang-format on */

static void make_new(char **settings, int count)
{
	struct new_config *config = new_config_new();
	if (!config)
		program_fail(NULL);
	if (option.config && new_config_read(config, option.config) < 0)
		program_fail(option.config);
	for (int i = 0; i < count; i++)
		if (new_config_set(config, settings[i]) < 0)
			program_usage("%s", error_text());
	char dtype = dtype_from_name(dtype_stored[option.dtype]);
	if (new_model_write(config, common.output, option.force, dtype, (uint64_t)option.seed) < 0)
		program_fail(NULL);
	new_config_release(config);
}

int main(int argc, char **argv)
{
	int first = program_begin(&program, argc, argv);
	output_clean_up_also(import_directory_abandon);
	if (first == argc || strcmp(argv[first], "new") != 0)
		program_usage("which stage?");
	if (!common.output)
		program_usage("-o OUT says where the model is to go");
	make_new(argv + first + 1, argc - first - 1);
	return program_end();
}
