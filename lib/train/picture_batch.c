/* picture_batch.c - the pictures of a micro-batch (see picture_batch.h). */
#include "train/picture_batch.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "train/sides.h"
#include "train/weights.h"

#include <string.h>

/* Streams of random numbers of a run (random.h) that are the pictures'. */
enum { STREAM_VIEWS = 0x56, STREAM_WINDOWS = 0x57 };

int picture_batch_open(struct picture_batch *batch, const struct stage_options *options,
    struct weights *vit, size_t width)
{
	*batch = (struct picture_batch){ .files = options->features,
		.source = options->pictures,
		.recompute = options->recompute,
		.seed = options->seed,
		.width = width };
	if (!vit) {
		batch->tokens = batch->files ? feature_files_tokens(batch->files) : 0;
		return batch->files ? 0 : error_system("neither features nor pictures are given");
	}
	batch->vit = vit_network_open(vit);
	if (!batch->vit)
		return -1;
	if (!batch->source.mean)
		batch->source.mean = vit_network_mean(batch->vit);
	if (!batch->source.std)
		batch->source.std = vit_network_std(batch->vit);
	struct parameter *parameter;
	for (size_t i = 0; (parameter = weights_at(vit, i)); i++)
		batch->trained |= parameter->stored && parameter->value;
	batch->width = vit_network_width(batch->vit);
	return 0;
}

void picture_batch_close(struct picture_batch *batch)
{
	vit_network_close(batch->vit);
	memory_release(batch->example);
	memory_release(batch->features);
	memory_release(batch->pixels);
	*batch = (struct picture_batch){ 0 };
}

/* A number that selects view or augmentation of picture i. */
static uint64_t draw_of(const struct picture_batch *batch, uint64_t micro_step, size_t i)
{
	struct random random = random_begin(batch->seed, (uint64_t)STREAM_VIEWS << 56 | micro_step);
	random.position = 2 * i;
	return (uint64_t)(random_unit(&random) * 0x1p53);
}

static int read_features(struct picture_batch *batch, const struct example *examples, size_t count,
    uint64_t micro_step, bool varied)
{
	size_t size = batch->tokens * batch->width;
	if (memory_grow(
	        (void **)&batch->features, &batch->feature_capacity, count * size, sizeof(float)) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		uint64_t draw = varied ? draw_of(batch, micro_step, i) : 0;
		float *values = batch->features + batch->count * size;
		if (feature_files_read(batch->files, examples[i].key, draw, values) == 0)
			batch->example[batch->count++] = i;
		else if (error_kind() == ERROR_INPUT)
			example_left_out(&examples[i], "%s", error_text());
		else
			return -1;
	}
	return 0;
}

/* The side that the pictures of this batch have: the source's, or that of the first. 0: none can
 * be read. -1 recorded. */
static int find_side(
    struct picture_batch *batch, const struct example *examples, size_t count, size_t *side)
{
	size_t patch = vit_network_patch(batch->vit), most = vit_network_side(batch->vit);
	*side = batch->source.side;
	for (size_t i = 0; i < count && *side == 0; i++)
		if (picture_side(&batch->source, examples[i].key, side) < 0) {
			if (error_kind() != ERROR_INPUT)
				return -1;
			*side = 0; /* the reader will say what is wrong with it */
		}
	if (*side % patch != 0 || *side > most)
		return error_system("pictures of %zu pixels do not fit this encoder: at most %zu, in steps "
		                    "of %zu",
		    *side, most, patch);
	return 0;
}

/* Pictures smaller than the model's look at the world through a window of its position grid: the
 * same one for the whole batch. */
static void place_window(struct picture_batch *batch, uint64_t micro_step, bool varied)
{
	struct vit_pictures *pictures = &batch->pictures;
	size_t patch = vit_network_patch(batch->vit);
	size_t places = (vit_network_side(batch->vit) - pictures->side) / patch + 1;
	struct random random = random_begin(batch->seed, (uint64_t)STREAM_WINDOWS << 56 | micro_step);
	pictures->row = varied ? (size_t)(random_unit(&random) * (double)places) : places / 2;
	pictures->column = varied ? (size_t)(random_unit(&random) * (double)places) : places / 2;
}

/* Close the gaps that failed pictures left. */
static void keep_good(
    struct picture_batch *batch, const struct example *examples, size_t count, char **failed)
{
	size_t size = 3 * batch->pictures.side * batch->pictures.side;
	for (size_t i = 0; i < count; i++) {
		if (failed[i]) {
			example_left_out(&examples[i], "%s", failed[i]);
			memory_release(failed[i]);
			continue;
		}
		if (batch->count != i)
			memmove(batch->pixels + batch->count * size, batch->pixels + i * size,
			    size * sizeof(float));
		batch->example[batch->count++] = i;
	}
}

static int read_list(struct picture_batch *batch, const struct example *examples, size_t count,
    uint64_t micro_step, bool varied)
{
	struct picture_source source = batch->source;
	if (!varied)
		source.augmentation = (struct augmentation){ false, false };
	const char **names = memory_allocate(count, sizeof *names);
	uint64_t *draws = memory_allocate(count, sizeof *draws);
	bool *upright = memory_allocate(count, sizeof *upright);
	char **failed = memory_allocate_zero(count, sizeof *failed);
	int result = names && draws && upright && failed ? 0 : -1;
	for (size_t i = 0; result == 0 && i < count; i++) {
		names[i] = examples[i].key;
		upright[i] = sides_spoken(&examples[i]);
		draws[i] = varied ? draw_of(batch, micro_step, i) : 0;
	}
	if (result == 0)
		result = pictures_read(
		    &source, names, count, draws, upright, batch->pictures.side, batch->pixels, failed);
	if (result == 0)
		keep_good(batch, examples, count, failed);
	memory_release(names);
	memory_release(draws);
	memory_release(upright);
	memory_release(failed);
	return result;
}

static int read_pictures(struct picture_batch *batch, const struct example *examples, size_t count,
    uint64_t micro_step, bool varied)
{
	size_t side;
	if (find_side(batch, examples, count, &side) < 0)
		return -1;
	if (side == 0) /* not one can be read; reading at any size tells why */
		side = vit_network_patch(batch->vit);
	batch->pictures = (struct vit_pictures){ .side = side };
	place_window(batch, micro_step, varied);
	if (memory_grow((void **)&batch->pixels, &batch->pixel_capacity, count * 3 * side * side,
	        sizeof(float)) < 0 ||
	    read_list(batch, examples, count, micro_step, varied) < 0)
		return -1;
	batch->pictures.pixels = batch->pixels;
	batch->pictures.count = batch->count;
	return 0;
}

int picture_batch_read(struct picture_batch *batch, const struct example *examples, size_t count,
    uint64_t micro_step, bool varied)
{
	batch->count = 0;
	if (memory_grow(
	        (void **)&batch->example, &batch->example_capacity, count, sizeof *batch->example) < 0)
		return -1;
	if (count == 0)
		return 0;
	return batch->vit ? read_pictures(batch, examples, count, micro_step, varied)
	                  : read_features(batch, examples, count, micro_step, varied);
}

int picture_batch_forward(struct picture_batch *batch, struct saves *saves)
{
	if (!batch->vit || batch->count == 0)
		return 0;
	size_t grid = batch->pictures.side / vit_network_patch(batch->vit);
	batch->tokens = 1 + grid * grid;
	size_t size = batch->count * batch->tokens * batch->width;
	if (memory_grow((void **)&batch->features, &batch->feature_capacity, size, sizeof(float)) < 0)
		return -1;
	return vit_network_forward(batch->vit, &batch->pictures, batch->recompute,
	    batch->trained ? saves : NULL, batch->features);
}

bool picture_batch_trained(const struct picture_batch *batch)
{
	return batch->vit && batch->trained;
}

int picture_batch_backward(struct picture_batch *batch, struct saves *saves, float *gradient)
{
	if (!picture_batch_trained(batch))
		return 0;
	return vit_network_backward(batch->vit, &batch->pictures, batch->recompute, saves, gradient);
}
