/* picture_batch.h - the pictures of one micro-batch as features for the Q-Former: read from the
 * records of zv-encode, or decoded and run through the image encoder under training.
 */
#ifndef ZV_TRAIN_PICTURE_BATCH_H
#define ZV_TRAIN_PICTURE_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "train/stage.h"
#include "train/vit_network.h"

struct saves;
struct weights;

struct picture_batch {
	struct feature_files *files;  /* without an encoder */
	struct picture_source source; /* with one */
	struct vit_network *vit;      /* NULL: features are read */
	bool trained;                 /* the encoder has trained parameters */
	bool recompute;
	uint64_t seed;
	size_t width;

	/* Of the micro-batch: what was given and could be read, in the order given. */
	size_t count, tokens;
	size_t *example;              /* [count]: which of the examples */
	float *features;              /* [count][tokens][width] */
	struct vit_pictures pictures; /* with an encoder */

	/* Memory, growing only. */
	size_t example_capacity, feature_capacity, pixel_capacity;
	float *pixels;
};

/* vit: the part's weights, already marked as trained; NULL: features of options->features, of
 * width elements a row. 0 or -1. picture_batch_close() is fine in either case, and on zeros. */
int picture_batch_open(struct picture_batch *batch, const struct stage_options *options,
    struct weights *vit, size_t width);
void picture_batch_close(struct picture_batch *batch);

/* Read what the examples show. What cannot be read is left out with a message. varied: views,
 * augmentation and windows of the position grid by micro_step; otherwise the plain picture, as for
 * validation. 0 or -1. */
int picture_batch_read(struct picture_batch *batch, const struct example *examples, size_t count,
    uint64_t micro_step, bool varied);

/* Make the features, if they were not read. saves NULL: no backward pass. 0 or -1. */
int picture_batch_forward(struct picture_batch *batch, struct saves *saves);

/* Does anything want the gradient of the features? */
bool picture_batch_trained(const struct picture_batch *batch);
/* gradient [count][tokens][width] (overwritten), after forward with saves. 0 or -1. */
int picture_batch_backward(struct picture_batch *batch, struct saves *saves, float *gradient);

#endif
