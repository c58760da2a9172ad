/* zv-index - write FILE.zvi, which tells where each key of a stream file lies; or show the indexes of
 * many files as one.
 */
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/names.h"
#include "base/output.h"
#include "base/program.h"
#include "base/version.h"
#include "stream/frame.h"
#include "stream/index.h"

#include <stdlib.h>
#include <string.h>

static bool view;

static const struct option_entry options[] = {
	{ 0, "view", NULL, OPTION_FLAG, &view, 0, 0, NULL,
	    "write the lines of all indexes as one sorted table, with the name\n"
	    "of the file as the last field; what has no index that fits gets one" },
	{ 0 },
};

static const struct program program = {
	.name = "zv-index",
	.purpose = "index tensor streams by key",
	.operands = "FILE...",
	.common = COMMON_OUTPUT | COMMON_NAMES | COMMON_STRICT,
	.options = options,
	.input = "whole stream files (zvt(5)), which are verified",
	.output = "FILE.zvi beside each FILE: sorted text (zvi(5)); with --view lines",
	.examples = { "zv-index photos.zv", "zv-cat -k cat.jpg photos.zv | zv-ls",
	    "zv-index --view shard1.zv shard2.zv | cut -f 1,11", NULL },
	.see_also = "zv-cat(1), zv-ls(1), zvi(5), zvt(5)",
};

/* A file of the view, whose index stays open. */
struct view_file {
	char *name;
	struct index *index;
	struct view_file *next;
};

/* A line of the view: text of the index without its end, and the file. */
struct view_line {
	const char *text;
	size_t size;
	const struct view_file *file;
};

static struct {
	struct view_file *files;
	struct view_line *lines;
	size_t count, capacity;
} table;

static int compare_lines(const void *a, const void *b)
{
	const struct view_line *left = a, *right = b;
	size_t shorter = left->size < right->size ? left->size : right->size;
	int order = memcmp(left->text, right->text, shorter);
	if (order == 0)
		order = (left->size > right->size) - (left->size < right->size);
	return order ? order : strcmp(left->file->name, right->file->name);
}

/* Add the lines of a file. 0 or -1. */
static int add_file(const char *name)
{
	struct index *index = index_open(name);
	struct index_line line;
	size_t at = 0;
	if (!index && (index_make(name) < 0 || !(index = index_open(name))))
		return -1;
	struct view_file *file = memory_allocate(1, sizeof *file);
	if (!file || !(file->name = memory_text(name, strlen(name))))
		program_fail(NULL);
	file->index = index;
	file->next = table.files;
	table.files = file;
	while (index_next(index, &at, &line) > 0) {
		if (memory_grow(
		        (void **)&table.lines, &table.capacity, table.count + 1, sizeof *table.lines) < 0)
			program_fail(NULL);
		table.lines[table.count++] = (struct view_line){ line.key, line.size, file };
	}
	return 0;
}

static void release_table(void)
{
	for (struct view_file *file = table.files, *next; file; file = next) {
		next = file->next;
		index_close(file->index);
		memory_release(file->name);
		memory_release(file);
	}
	memory_release(table.lines);
}

static void write_view(void)
{
	struct output *output = output_open(common.output);
	int result = output ? 0 : -1;
	if (table.count > 1)
		qsort(table.lines, table.count, sizeof *table.lines, compare_lines);
	for (size_t i = 0; result == 0 && i < table.count; i++) {
		const struct view_line *line = &table.lines[i];
		if (output_write(output, line->text, line->size) < 0 || output_write(output, "\t", 1) < 0 ||
		    output_write(output, line->file->name, strlen(line->file->name)) < 0 ||
		    output_write(output, "\n", 1) < 0)
			result = -1;
	}
	if (result < 0 || output_commit(output) < 0)
		program_fail(common.output);
}

int main(int argc, char **argv)
{
	version_add(frame_library());
	int first = program_begin(&program, argc, argv);
	if (first == argc && !common.files_from)
		program_usage("no FILE is given");
	if (common.output && !view)
		program_usage("--output is about --view; an index is written beside its FILE");
	struct names *names = names_open(argv + first, argc - first, false);
	const char *name;
	int found;
	unsigned long long indexed = 0, failed = 0;
	if (!names)
		program_fail(NULL);
	while ((found = names_next(names, &name)) > 0) {
		if ((view ? add_file(name) : index_make(name)) == 0) {
			indexed++;
			continue;
		}
		failed++;
		message_error(name);
		if (common.strict)
			program_exit();
	}
	if (found < 0) {
		message_error(NULL);
		failed++;
	}
	names_close(names);
	if (view && failed > 0 && common.output) /* a part does not pass for the whole */
		program_exit();
	if (view)
		write_view();
	release_table();
	if (common.verbose)
		message_note(NULL, "%llu files indexed, %llu failed", indexed, failed);
	return program_end();
}
