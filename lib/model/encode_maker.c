/* encode_maker.c - what identifies the records of zv-encode (see encode_maker.h). */
#include "model/encode_maker.h"
#include "stream/rows.h"

#include <stdio.h>
#include <string.h>

enum { STAGE_VERSION = 1 }; /* raised when the numbers of the features change */

const char *const encode_filter_names[] = { "bicubic", "bilinear", "lanczos", "box", NULL };

void encode_maker(struct maker *maker, const struct vit *vit, enum picture_filter filter,
    const struct picture_options *picture, char dtype)
{
	const float *mean = vit_mean(vit), *std = vit_std(vit);
	struct digest weights = vit_fingerprint(vit);
	char norm[128] = "clip-norm", background[32] = "";
	if (memcmp(mean, picture_clip_mean, sizeof picture_clip_mean) != 0 ||
	    memcmp(std, picture_clip_std, sizeof picture_clip_std) != 0)
		snprintf(norm, sizeof norm, "norm=%.9g,%.9g,%.9g/%.9g,%.9g,%.9g", (double)mean[0],
		    (double)mean[1], (double)mean[2], (double)std[0], (double)std[1], (double)std[2]);
	if (picture->blend)
		snprintf(background, sizeof background, " background=#%02x%02x%02x", picture->background[0],
		    picture->background[1], picture->background[2]);
	maker_begin(maker, "encode", STAGE_VERSION);
	maker_add_digest(maker, "weights", &weights);
	maker_add(maker, "prep", "rgb %dx%d %s %s%s%s%s", vit_side(vit), vit_side(vit),
	    encode_filter_names[filter], norm, picture->orient ? "" : " no-orient", background,
	    picture->side_wanted > 0 ? " fast-decode" : "");
	maker_add(maker, "math", "f32");
	if (dtype != 'f')
		maker_add(maker, "dtype", "%s", rows_type_name(dtype));
}
