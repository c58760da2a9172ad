/* import_convert.h - a model directory as another one whose matrices have other types: settings,
 * files and adapters go along, and fingerprints by which its parts know each other become those of
 * the new parts.
 */
#ifndef ZV_IMPORT_IMPORT_CONVERT_H
#define ZV_IMPORT_IMPORT_CONVERT_H

#include "import/import.h"

/* Is path a directory with a part of a model in it? */
bool import_is_model(const char *path);

struct import_conversion {
	const char *source;
	char dtypes[IMPORT_PARTS];                /* as in import_request; also packed types */
	struct import_count counts[IMPORT_PARTS]; /* set */
	int adapters;                             /* set: adapter files that went along */
	void (*left_out)(const char *name);       /* told of each file that did not */
};

/* Write the model to directory, as import_write() does. 0, or -1 recorded. */
int import_convert(struct import_conversion *conversion, const char *directory, bool force);

#endif
