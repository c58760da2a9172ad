/* feature_files.c - the records of zv-encode as training reads them: by key, through the index
 * (see pictures.h).
 */
#include "train/pictures.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "stream/index.h"
#include "stream/maker.h"
#include "stream/rows.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { VIEWS_MOST = 1000 }; /* "NAME#1" ... of one picture */

/* One record of a picture. */
struct view {
	struct index *index;
	struct reader_place place;
};

struct feature_files {
	struct index **indexes;
	size_t count, tokens, width;
	struct digest weights;
	/* Of the picture being looked for. */
	struct view *views;
	struct reader_place *places;
	size_t view_count, view_room, place_room;
};

/* Is it the record of features, as far as can be seen? 0 or -1. */
static int check_first(const struct record *record, size_t width, const struct digest *weights)
{
	char shape[256];
	if (record->dtype == 'B' && strcmp(record->key, "config") == 0)
		return error_input(
		    "this is a part of a model, not a stream of features; zv-encode makes one");
	if (record->dimensions != 2 || record->shape[0] == 0 || record->shape[1] != width ||
	    !rows_are_numbers(record))
		return error_input("records are %s where features tokens x %zu are wanted",
		    record_shape_text(record, shape), width);
	return maker_expect(record, "weights", weights);
}

/* Rows of the first record of features; most mistakes show in it. */
static int first_shape(const char *path, size_t width, const struct digest *weights, size_t *tokens)
{
	struct record record;
	struct reader *reader = reader_open(path);
	int found = -1;
	if (!reader)
		return -1;
	while ((found = reader_next(reader, &record)) > 0 && record.kind != 'T')
		continue;
	if (found == 0)
		error_input("no features in it");
	else if (found > 0 && check_first(&record, width, weights) < 0)
		found = -1;
	if (found > 0)
		*tokens = (size_t)record.shape[0];
	reader_close(reader);
	return found > 0 ? 0 : -1;
}

/* Open the index; a missing or stale one is made. */
static struct index *open_index(const char *path)
{
	struct index *index = index_open(path);
	if (index)
		return index;
	message_note(path, "there is no index of it as it is now: one is made");
	return index_make(path) < 0 ? NULL : index_open(path);
}

struct feature_files *feature_files_open(
    const char *const *paths, size_t count, size_t width, const struct digest *weights)
{
	struct feature_files *files = memory_allocate_zero(1, sizeof *files);
	if (!files)
		return NULL;
	files->width = width;
	files->weights = *weights;
	files->indexes = memory_allocate_zero(count, sizeof *files->indexes);
	for (; files->indexes && files->count < count; files->count++) {
		size_t tokens = 0, i = files->count;
		if (first_shape(paths[i], width, weights, &tokens) == 0 && i > 0 && tokens != files->tokens)
			error_input("records have %zu rows, those of %s %zu", tokens, paths[0], files->tokens);
		else if (tokens > 0) {
			files->tokens = tokens;
			files->indexes[i] = open_index(paths[i]);
		}
		if (!files->indexes[i]) {
			error_context("%s", paths[i]);
			error_as(ERROR_SYSTEM);
			break;
		}
	}
	if (files->indexes && files->count == count)
		return files;
	feature_files_close(files);
	return NULL;
}

void feature_files_close(struct feature_files *files)
{
	if (!files)
		return;
	for (size_t i = 0; i < files->count; i++)
		index_close(files->indexes[i]);
	memory_release(files->indexes);
	memory_release(files->places);
	memory_release(files->views);
	memory_release(files);
}

size_t feature_files_tokens(const struct feature_files *files)
{
	return files->tokens;
}

/* Append the records of exactly this key in all files to the views. 0 or -1. */
static int look_up(struct feature_files *files, const char *key)
{
	for (size_t i = 0; i < files->count; i++) {
		size_t found = 0;
		if (index_places(files->indexes[i], key, &files->places, &found, &files->place_room) < 0 ||
		    memory_grow((void **)&files->views, &files->view_room, files->view_count + found,
		        sizeof *files->views) < 0)
			return -1;
		for (size_t k = 0; k < found; k++)
			files->views[files->view_count++] =
			    (struct view){ files->indexes[i], files->places[k] };
	}
	return 0;
}

/* The views of a picture: records of its name, then those of NAME#1, NAME#2, ... */
static int find_views(struct feature_files *files, const char *key, char *name, size_t size)
{
	files->view_count = 0;
	if (look_up(files, key) < 0)
		return -1;
	for (int view = 1; view <= VIEWS_MOST; view++) {
		size_t before = files->view_count;
		if ((size_t)snprintf(name, size, "%s#%d", key, view) >= size)
			break;
		if (look_up(files, name) < 0)
			return -1;
		if (files->view_count == before)
			break;
	}
	return 0;
}

/* The features in a sample. 0 or -1. */
static int take_features(const struct feature_files *files, struct sample *sample, float *values)
{
	struct rows rows;
	const struct sample_part *part;
	const struct record *record = &sample->parts[0].record;
	if (record->kind != RECORD_TENSOR)
		return error_input("encoding it failed");
	if (rows_find(sample, record->name, &rows, &part) < 0)
		return -1;
	if (record->dimensions != 2 || rows.count != files->tokens || rows.width != files->width) {
		char shape[256];
		return error_input("features are %s where %zu x %zu are wanted",
		    record_shape_text(record, shape), files->tokens, files->width);
	}
	if (maker_expect(record, "weights", &files->weights) < 0)
		return -1;
	rows_get(&rows, 0, rows.count, values);
	for (size_t i = 0; i < files->tokens * files->width; i++)
		if (!isfinite(values[i]))
			return error_input("features are not finite");
	return 0;
}

int feature_files_read(struct feature_files *files, const char *key, uint64_t draw, float *values)
{
	char name[RECORD_KEY_MOST + 1];
	struct sample sample;
	if (!key)
		return error_input("the line names no picture");
	if (find_views(files, key, name, sizeof name) < 0)
		return -1;
	if (files->view_count == 0)
		return error_input("no features of this picture");
	const struct view *view = &files->views[draw % files->view_count];
	if (index_read(view->index, &view->place, NULL, &sample) < 0)
		return -1;
	int result = take_features(files, &sample, values);
	sample_clear(&sample);
	return result;
}

uint64_t feature_files_checksum(const struct feature_files *files)
{
	uint64_t sums[2] = { 0 };
	for (size_t i = 0; i < files->count; i++) {
		sums[1] = index_checksum(files->indexes[i]);
		sums[0] = checksum_of(sums, sizeof sums);
	}
	return sums[0];
}
