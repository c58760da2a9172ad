/* import_vit.c - the image encoder's part of an import: vit.zv (spec 3.2, 4.1, 4.4). */
#include "base/error.h"
#include "image/picture.h"
#include "import/import_pass.h"

#include <math.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char patch_key[] = "embeddings.patch_embedding.weight";

/* The preprocessor_config.json beside the encoder, else beside any other source. */
static int read_picture(struct import *import)
{
	struct import_vit_sizes *sizes = &import->vit;
	const struct import_origin *origin = import_find(&import->sources, IMPORT_VIT, patch_key);
	import_config_picture(NULL, &sizes->picture);
	for (int i = -1; i < import->sources.count; i++) {
		const struct import_source *source = i < 0 ? origin->source : &import->sources.list[i];
		char path[PATH_MAX];
		struct stat status;
		if (!source->directory)
			continue;
		int length = snprintf(path, sizeof path, "%s/preprocessor_config.json", source->directory);
		if (length < 0 || (size_t)length >= sizeof path || stat(path, &status) < 0)
			continue;
		struct json *root = import_config_open(path);
		int result = root ? import_config_picture(root, &sizes->picture) : -1;
		json_release(root);
		return result < 0 ? error_context("%s", path) : 0;
	}
	return 0;
}

/* Head count and epsilons, which shapes do not tell. LAVIS fixes them in its code: 1e-6 in the
 * blocks, torch's 1e-5 in ln_vision. */
static int read_settings(struct import *import)
{
	struct import_vit_sizes *sizes = &import->vit;
	struct import_vision_config config;
	const struct import_origin *patch = import_find(&import->sources, IMPORT_VIT, patch_key);
	const struct import_origin *post =
	    import_find(&import->sources, IMPORT_VIT, "post_layernorm.weight");
	if (import_config_vision(
	        import_config_of(import, IMPORT_VIT, patch_key, "vision_config"), &config) < 0)
		return import_config_error(import, IMPORT_VIT, patch_key, "vision_config");
	if (!config.found && sizes->width != 1408)
		return error_input("%s does not say how many heads the image encoder has: give "
		                   "--config with a config.json",
		    patch->source->path);
	uint64_t stored = sizes->layers, wanted = config.found ? (uint64_t)config.layers : 39;
	/* EVA's own file holds a block more than is used; a Hugging Face file holds what it uses. */
	if (stored < wanted || (stored > wanted && !patch->lavis))
		return error_input("%s: there are %llu blocks in the image encoder, but the "
		                   "configuration says %llu",
		    patch->source->path, (unsigned long long)stored, (unsigned long long)wanted);
	sizes->layers = wanted;
	sizes->heads = (uint64_t)config.heads;
	sizes->norm_eps = config.norm_eps;
	sizes->post_norm_eps = config.norm_eps;
	if (post && post->lavis)
		sizes->post_norm_eps = config.post_norm_eps > 0 ? config.post_norm_eps : 1e-5;
	sizes->side = sizes->picture.side ? (uint64_t)sizes->picture.side : (uint64_t)config.side;
	return 0;
}

/* The side of a patch: [width, 3, patch, patch], or flat as in zv-model(5). */
static bool measure_patch(int dimensions, const uint64_t *shape, uint64_t *side)
{
	if (dimensions == 4) {
		*side = shape[2];
		return shape[1] == 3 && shape[2] == shape[3] && shape[2] > 0;
	}
	*side = dimensions == 2 ? (uint64_t)llround(sqrt((double)shape[1] / 3)) : 0;
	return *side > 0 && 3 * *side * *side == shape[1];
}

int import_vit_measure(struct import *import)
{
	struct import_vit_sizes *sizes = &import->vit;
	int dimensions;
	uint64_t shape[CHECKPOINT_DIMENSIONS], patch[CHECKPOINT_DIMENSIONS];
	if (!import_shape(import, IMPORT_VIT, patch_key, &dimensions, patch) ||
	    !measure_patch(dimensions, patch, &sizes->patch))
		return error_input("the patch embedding is not [width, 3, patch, patch]");
	sizes->width = patch[0];
	if (!import_shape(import, IMPORT_VIT, "embeddings.position_embedding", &dimensions, shape) ||
	    dimensions != 2)
		return error_input("the image encoder has no table of positions [tokens, width]");
	sizes->tokens = shape[0];
	uint64_t grid = (uint64_t)llround(sqrt((double)(sizes->tokens - 1)));
	if (sizes->tokens < 2 || grid * grid + 1 != sizes->tokens)
		return error_input("the image encoder's table of positions has %llu rows, which is no "
		                   "square and one",
		    (unsigned long long)sizes->tokens);
	if (!import_shape(import, IMPORT_VIT, "encoder.layers.0.mlp.fc1.weight", &dimensions, shape))
		return error_input("the image encoder has no blocks");
	sizes->mlp_width = shape[0];
	sizes->layers = (uint64_t)import_layers(&import->sources, IMPORT_VIT, "encoder.layers.");
	if (read_picture(import) < 0 || read_settings(import) < 0)
		return -1;
	if (sizes->side == 0)
		sizes->side = grid * sizes->patch;
	if (sizes->side % sizes->patch)
		return error_input("pictures of %llu pixels cannot be cut into patches of %llu",
		    (unsigned long long)sizes->side, (unsigned long long)sizes->patch);
	if (sizes->width % sizes->heads)
		return error_input("the image encoder's width %llu is no multiple of its %llu heads",
		    (unsigned long long)sizes->width, (unsigned long long)sizes->heads);
	if (!import_has(import, IMPORT_VIT, "post_layernorm.weight"))
		return error_input("no source has the norm behind the image encoder (ln_vision or "
		                   "post_layernorm), which LAVIS keeps with the Q-Former: give --qformer");
	return 0;
}

/* To the encoder, which computes in f32? */
static bool is_same(const double values[3], const float wanted[3])
{
	for (int i = 0; i < 3; i++)
		if ((float)values[i] != wanted[i])
			return false;
	return true;
}

static int put_settings(struct import_pass *pass)
{
	const struct import_vit_sizes *sizes = &pass->import->vit;
	struct import_words words = { .size = 0 };
	import_word_text(&words, "stage", "vit");
	import_word_whole(&words, "width", (int64_t)sizes->width);
	import_word_whole(&words, "layers", (int64_t)sizes->layers);
	import_word_whole(&words, "heads", (int64_t)sizes->heads);
	import_word_whole(&words, "mlp_width", (int64_t)sizes->mlp_width);
	import_word_whole(&words, "patch", (int64_t)sizes->patch);
	import_word_whole(&words, "side", (int64_t)sizes->side);
	import_word_real(&words, "norm_eps", sizes->norm_eps);
	import_word_real(&words, "post_norm_eps", sizes->post_norm_eps);
	const double *mean = sizes->picture.mean, *std = sizes->picture.std;
	char word[24];
	bool own_mean = !is_same(mean, picture_clip_mean);
	bool own_std = !is_same(std, picture_clip_std);
	for (int i = 0; i < 3 && own_mean; i++) {
		snprintf(word, sizeof word, "mean_%d", i);
		import_word_real(&words, word, mean[i]);
	}
	for (int i = 0; i < 3 && own_std; i++) {
		snprintf(word, sizeof word, "std_%d", i);
		import_word_real(&words, word, std[i]);
	}
	return import_settings(pass, &words);
}

static int put_block(struct import_pass *pass, unsigned layer)
{
	const struct import_vit_sizes *sizes = &pass->import->vit;
	uint64_t width = sizes->width;
	char base[64], name[IMPORT_KEY_SIZE];
	snprintf(base, sizeof base, "encoder.layers.%u", layer);
	snprintf(name, sizeof name, "%s.layer_norm1", base);
	if (import_pair(pass, name, width, 0) < 0)
		return -1;
	snprintf(name, sizeof name, "%s.self_attn.qkv.weight", base);
	if (import_tensor(pass, IMPORT_MATRIX, name, 2, (const uint64_t[]){ 3 * width, width }) < 0 ||
	    import_qkv_bias(pass, base, width) < 0)
		return -1;
	snprintf(name, sizeof name, "%s.self_attn.projection", base);
	if (import_pair(pass, name, width, width) < 0)
		return -1;
	snprintf(name, sizeof name, "%s.layer_norm2", base);
	if (import_pair(pass, name, width, 0) < 0)
		return -1;
	snprintf(name, sizeof name, "%s.mlp.fc1", base);
	if (import_pair(pass, name, sizes->mlp_width, width) < 0)
		return -1;
	snprintf(name, sizeof name, "%s.mlp.fc2", base);
	return import_pair(pass, name, width, sizes->mlp_width);
}

int import_vit_tensors(struct import_pass *pass)
{
	const struct import_vit_sizes *sizes = &pass->import->vit;
	uint64_t width = sizes->width;
	if (put_settings(pass) < 0 ||
	    import_tensor(pass, IMPORT_VECTOR, "embeddings.class_embedding", 1, &width) < 0 ||
	    import_tensor(pass, IMPORT_VECTOR, "embeddings.position_embedding", 2,
	        (const uint64_t[]){ sizes->tokens, width }) < 0 ||
	    import_pair(pass, "embeddings.patch_embedding", width, 3 * sizes->patch * sizes->patch) < 0)
		return -1;
	for (uint64_t layer = 0; layer < sizes->layers; layer++)
		if (put_block(pass, (unsigned)layer) < 0)
			return -1;
	return import_pair(pass, "post_layernorm", width, 0);
}
