/* clip_folder.h - vectors in the folders that clip-retrieval keeps: DIR/img_emb/img_emb_N.npy, one
 * row for each picture, and DIR/metadata/metadata_N.parquet with their names in the same order; of
 * texts DIR/text_emb/text_emb_N.npy, and the texts.
 */
#ifndef ZV_STREAM_CLIP_FOLDER_H
#define ZV_STREAM_CLIP_FOLDER_H

#include <stdbool.h>

#include "stream/export.h"
#include "stream/vectors.h"

struct clip_folder;

/* Begin part N (a text of digits), which replaces one of that number. NULL with a recorded error. */
struct clip_folder *clip_folder_open(
    const char *directory, const char *part, bool texts, enum export_dtype dtype);

/* 0, or -1: ERROR_INPUT when the vector is not like the others, or ERROR_SYSTEM. */
int clip_folder_add(struct clip_folder *folder, const struct vectors *vector);

/* Make both files visible. 0 or -1. Releases folder in both cases. */
int clip_folder_finish(struct clip_folder *folder);

#endif
