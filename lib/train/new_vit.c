/* new_vit.c - an image encoder from nothing (see new_parts.h). */
#include "base/error.h"
#include "model/parameters.h"
#include "train/new_parts.h"

#include <math.h>
#include <stdio.h>

struct sizes {
	int64_t width, layers, heads, mlp_width, patch, side;
};

static int read_sizes(struct new_part *part, struct sizes *sizes)
{
	if (new_part_whole(part, "width", 1, PARAMETERS_WIDTH_MOST, &sizes->width) < 0 ||
	    new_part_whole(part, "layers", 1, PARAMETERS_LAYERS_MOST, &sizes->layers) < 0 ||
	    new_part_whole(part, "heads", 1, sizes->width, &sizes->heads) < 0)
		return -1;
	sizes->mlp_width = 4 * sizes->width;
	if (new_part_whole(part, "mlp_width", 1, PARAMETERS_WIDTH_MOST, &sizes->mlp_width) < 0 ||
	    new_part_whole(part, "patch", 1, 1024, &sizes->patch) < 0 ||
	    new_part_whole(part, "side", 1, 4096, &sizes->side) < 0 ||
	    new_part_real(part, "norm_eps", 0, 1, "1e-06") < 0 ||
	    new_part_real(part, "post_norm_eps", 0, 1, "1e-06") < 0)
		return -1;
	for (int i = 0; i < 3; i++) {
		char word[16];
		snprintf(word, sizeof word, "mean_%d", i);
		if (new_part_real(part, word, -10, 10, NULL) < 0)
			return -1;
		snprintf(word, sizeof word, "std_%d", i);
		if (new_part_real(part, word, 1e-6, 100, NULL) < 0)
			return -1;
	}
	if (sizes->width % sizes->heads != 0)
		return error_input("vit.width must be a multiple of vit.heads");
	if (sizes->side % sizes->patch != 0)
		return error_input("vit.side must be a multiple of vit.patch");
	return 0;
}

static void put_block(struct new_part *part, const struct sizes *sizes, size_t n)
{
	size_t width = (size_t)sizes->width, mlp_width = (size_t)sizes->mlp_width;
	double branch = 1 / sqrt(2 * (double)sizes->layers);
	new_part_norm(part, width, true, "encoder.layers.%zu.layer_norm1", n);
	new_part_linear(part, 3 * width, width, NEW_NORMAL, 1, "encoder.layers.%zu.self_attn.qkv", n);
	new_part_linear(
	    part, width, width, NEW_NORMAL, branch, "encoder.layers.%zu.self_attn.projection", n);
	new_part_norm(part, width, true, "encoder.layers.%zu.layer_norm2", n);
	new_part_linear(part, mlp_width, width, NEW_NORMAL, 1, "encoder.layers.%zu.mlp.fc1", n);
	new_part_linear(part, width, mlp_width, NEW_NORMAL, branch, "encoder.layers.%zu.mlp.fc2", n);
}

int new_vit_write(struct new_part *part, struct new_model_sizes *all)
{
	struct sizes sizes = { -1, -1, -1, -1, -1, -1 };
	if (read_sizes(part, &sizes) < 0)
		return -1;
	size_t width = (size_t)sizes.width, patch = (size_t)sizes.patch;
	size_t grid = (size_t)sizes.side / patch;
	double spread = part->spread > 0 ? part->spread : 0.02; /* of what is no product's factor */
	all->vit_width = width;
	new_part_config(part);
	new_part_table(part, 0, width, spread, "embeddings.class_embedding");
	new_part_table(part, 1 + grid * grid, width, spread, "embeddings.position_embedding");
	new_part_linear(part, width, 3 * patch * patch, NEW_NORMAL, 1, "embeddings.patch_embedding");
	for (size_t n = 0; n < (size_t)sizes.layers; n++)
		put_block(part, &sizes, n);
	new_part_norm(part, width, true, "post_layernorm");
	return 0;
}
