/* pictures.h - where training gets its pictures from: features that zv-encode wrote once (found by
 * key through the index, mapped), or picture files, augmented as the reference does it.
 */
#ifndef ZV_TRAIN_PICTURES_H
#define ZV_TRAIN_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"

/* --- features ------------------------------------------------------------------------------- */
struct feature_files;
/* Open streams of vit records with their index (made beside them if there is none). Several records
 * of one key, or keys "NAME#1", "NAME#2" beside "NAME", are views of one picture. width: of a row;
 * weights: fingerprint of the vit that must have made them (zero: any). NULL recorded. */
struct feature_files *feature_files_open(
    const char *const *paths, size_t count, size_t width, const struct digest *weights);
void feature_files_close(struct feature_files *files);
size_t feature_files_tokens(const struct feature_files *files);     /* rows of every record */
uint64_t feature_files_checksum(const struct feature_files *files); /* of all records' checksums */
/* Features of a picture, view chosen by draw modulo the views there are, to values
 * [tokens][width]. 0, or -1 ERROR_INPUT: no such key, damaged, other shape, not finite. */
int feature_files_read(struct feature_files *files, const char *key, uint64_t draw, float *values);

/* --- picture files --------------------------------------------------------------------------- */
struct augmentation {
	bool crop; /* random resized crop: area 50-100 %, ratio 3/4..4/3 (LAVIS blip_processors) */
	bool flip; /* mirror with probability 1/2, unless its text speaks of sides */
};
struct picture_source {
	const char *folder; /* names are relative to it; NULL: the working directory */
	size_t side;        /* 0: pictures must be square, of one size within a batch */
	const float *mean, *std;
	struct augmentation augmentation;
	uint64_t seed;
};
/* Decode names[count] over the pool to pixels [count][3][side][side]; draw[i] selects the
 * augmentation of picture i, which is never mirrored if upright[i] (NULL: none). failed[i]: why, as
 * text for a message (memory_release), or NULL. 0 or -1 (memory). */
int pictures_read(const struct picture_source *source, const char *const *names, size_t count,
    const uint64_t *draw, const bool *upright, size_t side, float *pixels, char **failed);
/* Side of a picture file in pixels after orientation if it is square, for sources without a side.
 * 0 or -1. */
int picture_side(const struct picture_source *source, const char *name, size_t *side);

#endif
