/* vit - the image encoder against the reference data, at any thread count and batch. */
#include "reference.h"
#include "base/threads.h"
#include "model/position_grid.h"
#include "model/vit.h"
#include "num/norm.h"
#include "stream/model_file.h"

static void check_positions(void)
{
	const char *path = tap_shared("zoo/A/resample/posembed.safetensors");
	static const struct {
		const char *name;
		size_t from, to, width;
	} cases[] = { { "4to7", 4, 7, 6 }, { "4to3", 4, 3, 6 }, { "16to26", 16, 26, 3 },
		{ "16to32", 16, 32, 2 }, { "5to5", 5, 5, 4 } };
	if (!path) {
		tap_skip("position embeddings resized as torch does", "no reference data");
		return;
	}
	struct checkpoint *expected = checkpoint_open(path);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char name[40];
		size_t count, to = cases[i].to;
		static float resized[4096];
		snprintf(name, sizeof name, "%s.in", cases[i].name);
		float *table = reference_values(expected, name, &count);
		if (!table)
			continue;
		position_grid_resize(table, cases[i].from, resized, to, cases[i].width);
		snprintf(name, sizeof name, "%s.out", cases[i].name);
		reference_compare(expected, name, resized, (1 + to * to) * cases[i].width, 1e-6);
		memory_release(table);
	}
	checkpoint_close(expected);
}

/* Every picture alone against the reference, then all in one batch, which must give the same
 * bytes. pixels [pictures][3][side][side], expected [pictures][tokens][width]. */
static void check_pictures(
    struct vit *vit, const char *name, size_t pictures, const float *pixels, const float *expected)
{
	size_t picture = 3 * (size_t)vit_side(vit) * (size_t)vit_side(vit);
	size_t feature = vit_tokens(vit) * vit_width(vit);
	float *alone = memory_allocate(pictures * feature, sizeof *alone);
	float *batch = memory_allocate(pictures * feature, sizeof *batch);
	for (size_t i = 0; i < pictures; i++) {
		float *features = alone + i * feature;
		TAP_OK(vit_forward(vit, pixels + i * picture, 1, features) == 0, "%s runs", name);
		double error = reference_error(features, expected + i * feature, feature);
		TAP_OK(error <= 1e-5, "picture %zu of %s (%.1e of its maximum)", i, name, error);
	}
	TAP_OK(vit_forward(vit, pixels, pictures, batch) == 0 &&
	           memcmp(alone, batch, pictures * feature * sizeof *batch) == 0,
	    "%s: a batch gives the same bytes as its pictures alone", name);
	memory_release(alone);
	memory_release(batch);
}

/* Pixels and features from one file, all pictures in one tensor. */
static void check_stacked(const char *model, const char *file, const char *pixels_name)
{
	const char *path = tap_shared(file);
	struct checkpoint *expected = path ? checkpoint_open(path) : NULL;
	struct vit *vit = vit_open(model, 0);
	size_t pixel_count, feature_count;
	if (!TAP_OK(vit && expected, "%s opens", model))
		return;
	float *pixels = reference_values(expected, pixels_name, &pixel_count);
	float *features = reference_values(expected, "image_embeds", &feature_count);
	size_t pictures = feature_count / (vit_tokens(vit) * vit_width(vit));
	check_pictures(vit, file, pictures, pixels, features);
	memory_release(pixels);
	memory_release(features);
	vit_close(vit);
	checkpoint_close(expected);
}

/* Pixels and features from one file, a tensor each for every picture. */
static void check_single(const char *model, const char *file, int pictures)
{
	const char *path = tap_shared(file);
	struct checkpoint *expected = path ? checkpoint_open(path) : NULL;
	struct vit *vit = vit_open(model, 0);
	if (!TAP_OK(vit && expected, "%s opens", model))
		return;
	for (int i = 0; i < pictures; i++) {
		char name[80];
		size_t count;
		snprintf(name, sizeof name, "image%d.pixel_values", i);
		float *pixels = reference_values(expected, name, &count);
		snprintf(name, sizeof name, "image%d.image_embeds", i);
		float *features = reference_values(expected, name, &count);
		check_pictures(vit, file, 1, pixels, features);
		memory_release(pixels);
		memory_release(features);
	}
	vit_close(vit);
	checkpoint_close(expected);
}

/* What the reference has behind a block, as the model cut behind that block gives it: through the
 * last norm. block [pictures][tokens][width] is changed. */
static void apply_last_norm(const char *model, float *block, size_t rows, size_t width)
{
	struct model_file *file = model_file_open(model, "vit");
	struct weight weight, bias;
	double eps = 0;
	if (file && model_file_find(file, "post_layernorm.weight", &weight) &&
	    model_file_find(file, "post_layernorm.bias", &bias) &&
	    model_file_real(file, "post_norm_eps", &eps) == 0) {
		struct norm norm = { weight.data, bias.data, (float)eps, width };
		norm_rows(&norm, block, rows, block);
	} else {
		TAP_OK(false, "%s has a last norm", model);
	}
	model_file_close(file);
}

/* Every block by itself. prefix: of the pixels' and blocks' names. (The embeddings in front of the
 * first block are seen only through it: there is no model without a block.) */
static void check_blocks(
    const char *model, const char *file, int blocks, const char *pixels_name, const char *prefix)
{
	struct checkpoint *expected = checkpoint_open(reference_path(file));
	size_t count;
	float *pixels = reference_values(expected, pixels_name, &count);
	for (int block = 0; pixels && block < blocks; block++) {
		char name[80], cut[40];
		snprintf(cut, sizeof cut, "%s-%d", model, block + 1);
		struct vit *vit = reference_cut(model, "vit", block + 1, cut) ? vit_open(cut, 0) : NULL;
		snprintf(name, sizeof name, "%s%d", prefix, block);
		float *wanted = reference_values(expected, name, &count);
		if (!TAP_OK(vit && wanted, "%s opens", cut))
			continue;
		float *features = memory_allocate(count, sizeof *features);
		apply_last_norm(model, wanted, count / vit_width(vit), vit_width(vit));
		TAP_OK(vit_forward(vit, pixels, count / vit_tokens(vit) / vit_width(vit), features) == 0,
		    "%s runs", cut);
		double error = reference_error(features, wanted, count);
		TAP_OK(error <= 1e-5, "%s of %s (%.1e of its maximum)", name, file, error);
		memory_release(features);
		memory_release(wanted);
		vit_close(vit);
	}
	memory_release(pixels);
	checkpoint_close(expected);
}

static void check_side(const char *model)
{
	struct vit *vit = vit_open(model, 98);
	TAP_OK(vit && vit_tokens(vit) == 50 && vit_side(vit) == 98, "another side has other tokens");
	vit_close(vit);
	TAP_OK(!vit_open(model, 99), "a side that is no multiple of the patch is refused");
	TAP_OK(!vit_open("/nonexistent", 0) && error_kind() == ERROR_SYSTEM, "no model is an error");
}

int main(void)
{
	threads_start(3);
	check_positions();
	const char *model = reference_model("zoo/A/hf-blip2", "blip2");
	if (model) {
		static const char file[] = "zoo/A/hf-blip2/expected.safetensors";
		check_single(model, file, 3);
		check_blocks(model, file, 4, "image0.pixel_values", "image0.vit.block");
		check_blocks(model, file, 4, "image1.pixel_values", "image1.vit.block");
		check_blocks(model, file, 4, "image2.pixel_values", "image2.vit.block");
		check_side(model);
	}
	model = reference_model("zoo/A/hf-instruct", "instruct");
	if (model)
		check_single(model, "zoo/A/hf-instruct/expected.safetensors", 2);
	model = reference_model("zoo/A/hf-itm", "itm");
	if (model)
		check_stacked(model, "zoo/A/hf-itm/expected.safetensors", "pixel_values");
	model = reference_lavis("blip2_stage1.pth", "eva_vit_toy.pth", "stage1");
	if (model)
		check_stacked(model, "zoo/A/lavis/stage1.expected.safetensors", "pixel_values");
	model = reference_lavis("blip2_stage2.pth", "eva_vit_toy.stage2.f32.pth", "stage2");
	if (model)
		check_single(model, "zoo/A/lavis/stage2.expected.safetensors", 3);
	model = reference_tiny("stage1.weights.safetensors", "tiny");
	if (model) {
		static const char file[] = "oracles/tiny-blip2/stage1.activations.safetensors";
		check_stacked(model, file, "image");
		check_blocks(model, file, 3, "image", "vit.block");
	}
	threads_stop();
	return tap_finish();
}
