/* new_model.c - a model directory from nothing (see new_model.h). */
#include "train/new_model.h"
#include "base/error.h"
#include "base/hash.h"
#include "import/import_directory.h"
#include "stream/write.h"
#include "train/new_config.h"
#include "train/new_parts.h"

#include <stdio.h>
#include <string.h>

/* "fan-in": 1 / sqrt(inputs); a number; 0.02. */
static int read_spread(struct new_part *part)
{
	const char *setting = new_part_setting(part, "spread");
	const char *text = new_config_text(part->config, setting);
	part->spread = 0.02;
	if (text && strcmp(text, "fan-in") == 0)
		part->spread = 0;
	else if (text && new_config_real(part->config, setting, 1e-9, 100, &part->spread) < 0)
		return -1;
	return 0;
}

static int write_part(struct new_part *part, const char *name,
    int (*write)(struct new_part *, struct new_model_sizes *), struct new_model_sizes *sizes,
    struct digest *fingerprint)
{
	char file[32];
	part->name = name;
	part->failed = 0;
	part->words[0] = '\0';
	snprintf(file, sizeof file, "%s.zv", name);
	if (!new_config_has(part->config, name))
		return 0;
	if (read_spread(part) < 0)
		return -1;
	const char *path = import_directory_file(file);
	part->writer = path ? writer_open(path, WRITER_BARE) : NULL;
	if (!part->writer)
		return -1;
	new_part_word(part, "stage=%s\n", name);
	if (write(part, sizes) < 0 || part->failed) {
		writer_abandon(part->writer);
		return -1;
	}
	*fingerprint = writer_fingerprint(part->writer);
	return writer_finish(part->writer);
}

static int write_parts(struct new_part *part)
{
	struct new_model_sizes sizes = { 0 };
	struct digest qformer;
	if (write_part(part, "vit", new_vit_write, &sizes, &sizes.vit_weights) < 0 ||
	    write_part(part, "llm", new_llm_write, &sizes, &sizes.llm_weights) < 0 ||
	    write_part(part, "qformer", new_qformer_write, &sizes, &qformer) < 0)
		return -1;
	return new_config_check(part->config);
}

int new_model_write(
    struct new_config *config, const char *directory, bool force, char dtype, uint64_t seed)
{
	static const char *const names[] = { "vit.zv", "llm.zv", "qformer.zv", NULL };
	struct new_part part = { .config = config, .dtype = dtype, .seed = seed };
	if (!new_config_has(config, "vit") && !new_config_has(config, "qformer") &&
	    !new_config_has(config, "llm"))
		return error_system("no setting of vit, qformer or llm is given");
	if (import_directory_begin(directory, force, names) < 0)
		return error_context("%s", directory);
	if (write_parts(&part) < 0) {
		import_directory_abandon();
		return error_as(ERROR_SYSTEM); /* wrong settings are a mistake of the command line */
	}
	return import_directory_commit() < 0 ? error_context("%s", directory) : 0;
}
