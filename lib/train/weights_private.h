/* weights_private.h - what weights.c and weights_write.c share. */
#ifndef ZV_TRAIN_WEIGHTS_PRIVATE_H
#define ZV_TRAIN_WEIGHTS_PRIVATE_H

#include "train/weights.h"

struct weights {
	char *part;
	struct model_file *file;
	struct parameter *own; /* those of the file, in its order */
	size_t own_count;
	struct parameter **added;
	size_t added_count, added_room;
};

#endif
