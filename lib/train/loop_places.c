/* loop_places.c - the files of a run: where its checkpoints lie, that no output is one of its inputs,
 * what its inputs hold, and what killed runs have left (see loop_parts.h).
 */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/textout.h"
#include "model/parameters.h"
#include "stream/model_file.h"
#include "train/loop_parts.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const size_t file_most = (size_t)1 << 30;

/* --- names --------------------------------------------------------------------------------------*/

static int name_checkpoints(struct loop *loop)
{
	const char *output = loop->request->output, *given = loop->request->checkpoint;
	size_t size = strlen(output);
	while (size > 1 && output[size - 1] == '/')
		size--;
	int length = given ? snprintf(loop->checkpoint, PATH_MAX, "%s", given)
	                   : snprintf(loop->checkpoint, PATH_MAX, "%.*s.checkpoint", (int)size, output);
	int best = snprintf(loop->best, PATH_MAX, "%s.best", loop->checkpoint);
	return length < 0 || best < 0 || best >= PATH_MAX
	           ? error_system("%s: the name is too long", output)
	           : 0;
}

/* The folder that path lies in. 0 or -1. */
static int folder_of(const char *path, char folder[PATH_MAX])
{
	size_t size = strlen(path);
	while (size > 1 && path[size - 1] == '/')
		size--;
	while (size > 0 && path[size - 1] != '/')
		size--;
	int length = size > 0 ? snprintf(folder, PATH_MAX, "%.*s", (int)size, path)
	                      : snprintf(folder, PATH_MAX, ".");
	return length < 0 || length >= PATH_MAX ? error_system("%s: the name is too long", path) : 0;
}

/* What takes hours to make must have a place. */
static int check_folder(const char *path)
{
	char folder[PATH_MAX];
	if (folder_of(path, folder) < 0)
		return -1;
	return access(folder, W_OK | X_OK) < 0 ? error_system("%s: cannot be written there:", path) : 0;
}

/* --- outputs are no inputs ----------------------------------------------------------------------*/

static bool is_same(const struct stat *file, const char *path)
{
	struct stat other;
	return path && stat(path, &other) == 0 && other.st_dev == file->st_dev &&
	       other.st_ino == file->st_ino;
}

/* The name of a file of examples without its "=WEIGHT", if it is there. */
static bool is_same_data(const struct stat *file, const char *text)
{
	char path[PATH_MAX];
	const char *equals = strrchr(text, '=');
	if (is_same(file, text) || !equals)
		return is_same(file, text);
	snprintf(path, sizeof path, "%.*s", (int)(equals - text), text);
	return is_same(file, path);
}

static bool is_part(const struct stat *file, const char *model)
{
	static const char *const names[] = { "vit.zv", "qformer.zv", "llm.zv", "adapter.zv" };
	char folder[PATH_MAX / 2], path[PATH_MAX];
	if (model_find(model, folder, sizeof folder) != 0)
		return false;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		if (is_same(file, path))
			return true;
	}
	return false;
}

static bool is_input(const struct train_request *request, const struct stat *file)
{
	const struct stage_options *stage = &request->stage;
	bool found = is_same(file, request->valid) || is_same(file, stage->prompts) ||
	             is_same(file, stage->adapter) || is_part(file, stage->model);
	for (size_t i = 0; i < request->data_count; i++)
		found |= is_same_data(file, request->data[i]);
	for (size_t i = 0; i < request->feature_count; i++)
		found |= is_same(file, request->features[i]);
	return found;
}

/* Does the file hold nothing, or begin as a log does? */
static bool is_log(const char *path)
{
	static const char start[] = "{\"step\":";
	char head[sizeof start] = "";
	FILE *file = fopen(path, "rb");
	size_t got = file ? fread(head, 1, sizeof head - 1, file) : 0;
	if (file)
		fclose(file);
	return !file || got == 0 || strcmp(head, start) == 0;
}

/* A file that the run will write or remove: none that it reads, and none of another kind. */
static int check_output(const struct loop *loop, const char *path, bool log)
{
	struct stat status;
	if (!path || stat(path, &status) != 0)
		return 0;
	if (is_input(loop->request, &status))
		return error_system("%s: is read by this run, so it cannot be written as well", path);
	if (log && S_ISREG(status.st_mode) && !loop->request->force && !is_log(path))
		return error_system(
		    "%s: exists and is no log of training; give --force to replace it", path);
	/* A checkpoint is removed in the end: no device may be lost so. */
	return log || S_ISREG(status.st_mode) ? 0 : error_system("%s: is no regular file", path);
}

/* --- what killed runs have left ------------------------------------------------------------------*/

/* The process of ".NAME.PID-N.part", an unfinished output of that name; 0: it is none. */
static long process_of(const char *entry, const char *name)
{
	size_t size = strlen(name);
	char *end;
	if (entry[0] != '.' || strncmp(entry + 1, name, size) != 0 || entry[size + 1] != '.')
		return 0;
	long process = strtol(entry + size + 2, &end, 10);
	if (*end != '-')
		return 0;
	strtol(end + 1, &end, 10);
	return process > 0 && strcmp(end, ".part") == 0 ? process : 0;
}

/* A kill leaves the unfinished copy of a checkpoint behind, as large as that. */
static void sweep(const char *checkpoint)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(checkpoint, '/');
	if (folder_of(checkpoint, folder) < 0)
		return;
	DIR *directory = opendir(folder);
	for (struct dirent *entry; directory && (entry = readdir(directory));) {
		long process = process_of(entry->d_name, slash ? slash + 1 : checkpoint);
		if (process > 0 && kill((pid_t)process, 0) < 0 && errno == ESRCH)
			unlinkat(dirfd(directory), entry->d_name, 0);
	}
	if (directory)
		closedir(directory);
}

int loop_find_places(struct loop *loop)
{
	const struct train_request *request = loop->request;
	if (name_checkpoints(loop) < 0 || check_folder(request->output) < 0 ||
	    check_folder(loop->checkpoint) < 0 || check_output(loop, loop->checkpoint, false) < 0 ||
	    check_output(loop, request->log, true) < 0)
		return -1;
	if (request->keep_best && check_output(loop, loop->best, false) < 0)
		return -1;
	sweep(loop->checkpoint);
	sweep(loop->best);
	return 0;
}

/* --- what the inputs hold -----------------------------------------------------------------------*/

/* Add "contents of WHAT=CHECKSUM" of a file, if one is given. 0 or -1. */
static int put_file(FILE *stream, const char *what, const char *path)
{
	char *bytes;
	size_t size;
	if (!path)
		return 0;
	if (file_read_regular(path, file_most, &bytes, &size) < 0)
		return error_context("%s", path);
	fprintf(stream, "contents of %s=%016llx\n", what, (unsigned long long)checksum_of(bytes, size));
	memory_release(bytes);
	return 0;
}

static int put_adapter(FILE *stream, const char *path)
{
	char text[DIGEST_TEXT_SIZE];
	struct model_file *file = path ? model_file_open_path(path) : NULL;
	if (!file)
		return path ? error_context("%s", path) : 0;
	struct digest digest = model_file_fingerprint(file);
	digest_text(&digest, text);
	fprintf(stream, "contents of adapter=%s\n", text);
	model_file_close(file);
	return 0;
}

int loop_settle(struct loop *loop)
{
	const struct train_request *request = loop->request;
	size_t size;
	FILE *stream = textout_open(&loop->settings, &size);
	if (!stream)
		return -1;
	fputs(request->settings ? request->settings : "", stream);
	fprintf(stream, "contents of examples=%016llx\n",
	    (unsigned long long)examples_checksum(loop->data));
	if (loop->valid)
		fprintf(stream, "contents of valid=%016llx\n",
		    (unsigned long long)examples_checksum(loop->valid));
	if (loop->options.features)
		fprintf(stream, "contents of features=%016llx\n",
		    (unsigned long long)feature_files_checksum(loop->options.features));
	int status = put_file(stream, "prompts", request->stage.prompts);
	if (status == 0)
		status = put_adapter(stream, request->stage.adapter);
	return textout_close(stream) < 0 ? -1 : status;
}
