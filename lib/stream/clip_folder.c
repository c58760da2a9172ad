/* clip_folder.c - a part of clip-retrieval's folders (see clip_folder.h). */
#include "stream/clip_folder.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/parquet.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct clip_folder {
	struct output *matrix, *table;
	struct export *export;
	struct parquet_writer *names;
};

static int make_directory(const char *path)
{
	return mkdir(path, 0777) < 0 && errno != EEXIST
	           ? error_system("%s: cannot make this directory:", path)
	           : 0;
}

/* DIRECTORY/FOLDER/FOLDER_PART.END, with what it lies in. NULL with a recorded error. */
static struct output *open_file(
    const char *directory, const char *folder, const char *part, const char *end)
{
	char path[PATH_MAX];
	int length =
	    snprintf(path, sizeof path, "%s/%s/%s_%s.%s", directory, folder, folder, part, end);
	if (length < 0 || (size_t)length >= sizeof path) {
		error_system("the name of the directory is too long");
		return NULL;
	}
	char *slash = strrchr(path, '/');
	*slash = '\0';
	if (make_directory(directory) < 0 || make_directory(path) < 0)
		return NULL;
	*slash = '/';
	struct output *output = output_open(path);
	if (!output)
		error_context("%s", path);
	return output;
}

/* What was written goes, or is what it was before. */
static int release(struct clip_folder *folder)
{
	output_abandon(folder->matrix);
	output_abandon(folder->table);
	memory_release(folder);
	return -1;
}

struct clip_folder *clip_folder_open(
    const char *directory, const char *part, bool texts, enum export_dtype dtype)
{
	struct clip_folder *folder = memory_allocate_zero(1, sizeof *folder);
	if (!folder)
		return NULL;
	folder->matrix = open_file(directory, texts ? "text_emb" : "img_emb", part, "npy");
	folder->table = folder->matrix ? open_file(directory, "metadata", part, "parquet") : NULL;
	if (!folder->table ||
	    !(folder->export = export_open(folder->matrix, EXPORT_STACK, dtype, NULL))) {
		release(folder);
		return NULL;
	}
	folder->names = parquet_open(folder->table, texts ? "caption" : "image_path");
	if (!folder->names) {
		export_finish(folder->export);
		release(folder);
		return NULL;
	}
	return folder;
}

int clip_folder_add(struct clip_folder *folder, const struct vectors *vector)
{
	const char *key = vector->record.key;
	return export_record(folder->export, &vector->record, vector->payload) < 0
	           ? -1
	           : parquet_add(folder->names, key, strlen(key));
}

int clip_folder_finish(struct clip_folder *folder)
{
	int result = export_finish(folder->export);
	if (parquet_finish(folder->names) < 0)
		result = -1;
	if (result < 0)
		return release(folder);
	/* The names last: a matrix without them is no part. */
	struct output *matrix = folder->matrix;
	folder->matrix = NULL;
	if (output_commit(matrix) < 0)
		return release(folder);
	struct output *table = folder->table;
	memory_release(folder);
	return output_commit(table);
}
