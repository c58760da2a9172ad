/* encode_maker.h - what identifies the records of zv-encode. */
#ifndef ZV_MODEL_ENCODE_MAKER_H
#define ZV_MODEL_ENCODE_MAKER_H

#include "image/picture.h"
#include "model/vit.h"
#include "stream/maker.h"

/* "bicubic", ..., NULL, in the order of enum picture_filter. */
extern const char *const encode_filter_names[];

/* The maker of what this encoder makes of pictures that were prepared so, stored in dtype:
 * everything that changes the numbers shows in it. */
void encode_maker(struct maker *maker, const struct vit *vit, enum picture_filter filter,
    const struct picture_options *picture, char dtype);

#endif
