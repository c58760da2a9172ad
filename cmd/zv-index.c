/* zv-index - write FILE.zvi, which tells where each key of a stream file lies. */
#include "base/message.h"
#include "base/names.h"
#include "base/program.h"
#include "base/version.h"
#include "stream/frame.h"
#include "stream/index.h"

static const struct option_entry options[] = { { 0 } };

static const struct program program = {
	.name = "zv-index",
	.purpose = "index tensor streams by key",
	.operands = "FILE...",
	.common = COMMON_NAMES | COMMON_STRICT,
	.options = options,
	.input = "whole stream files (zvt(5)), which are verified",
	.output = "FILE.zvi beside each FILE: sorted text (zvi(5))",
	.examples = { "zv-index photos.zv", "zv-cat -k cat.jpg photos.zv | zv-ls", NULL },
	.see_also = "zv-cat(1), zv-ls(1), zvi(5), zvt(5)",
};

int main(int argc, char **argv)
{
	version_add(frame_library());
	int first = program_begin(&program, argc, argv);
	if (first == argc && !common.files_from)
		program_usage("no FILE is given");
	struct names *names = names_open(argv + first, argc - first, false);
	const char *name;
	int found;
	unsigned long long indexed = 0, failed = 0;
	if (!names)
		program_fail(NULL);
	while ((found = names_next(names, &name)) > 0) {
		if (index_make(name) == 0) {
			indexed++;
			continue;
		}
		failed++;
		message_error(name);
		if (common.strict)
			break;
	}
	if (found < 0)
		message_error(NULL);
	names_close(names);
	if (common.verbose)
		message_note(NULL, "%llu files indexed, %llu failed", indexed, failed);
	return program_end();
}
