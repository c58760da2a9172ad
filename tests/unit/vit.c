/* vit - the image encoder against the reference data, at any thread count and batch. */
#include "support/reference.h"
#include "base/threads.h"
#include "model/position_grid.h"
#include "model/vit.h"

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

/* Every picture of a folder alone, then all in one batch, which must give the same bytes. */
static void check_pictures(const char *model, const char *folder, int pictures, const char *format)
{
	struct reference reference = reference_open(folder);
	struct vit *vit = vit_open(model, 0);
	if (!TAP_OK(vit != NULL, "%s: vit.zv opens", folder)) {
		printf("#   %s\n", error_text());
		return;
	}
	size_t picture = 3 * (size_t)vit_side(vit) * (size_t)vit_side(vit);
	size_t feature = vit_tokens(vit) * vit_width(vit);
	float *pixels = memory_allocate((size_t)pictures * picture, sizeof *pixels);
	float *alone = memory_allocate((size_t)pictures * feature, sizeof *alone);
	float *batch = memory_allocate((size_t)pictures * feature, sizeof *batch);
	for (int i = 0; i < pictures; i++) {
		char name[80];
		size_t count;
		snprintf(name, sizeof name, format, i, "pixel_values");
		float *values = reference_values(reference.tensors, name, &count);
		if (!values || count != picture)
			exit(2);
		memcpy(pixels + (size_t)i * picture, values, picture * sizeof *pixels);
		memory_release(values);
		TAP_OK(vit_forward(vit, pixels + (size_t)i * picture, 1, alone + (size_t)i * feature) == 0,
		    "picture %d of %s runs", i, folder);
		snprintf(name, sizeof name, format, i, "image_embeds");
		reference_compare(reference.tensors, name, alone + (size_t)i * feature, feature, 1e-5);
	}
	TAP_OK(vit_forward(vit, pixels, (size_t)pictures, batch) == 0 &&
	           memcmp(alone, batch, (size_t)pictures * feature * sizeof *batch) == 0,
	    "%s: a batch gives the same bytes as its pictures alone", folder);
	memory_release(pixels);
	memory_release(alone);
	memory_release(batch);
	vit_close(vit);
	reference_close(&reference);
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
	const char *model = reference_model("hf-blip2");
	if (model) {
		check_pictures(model, "zoo/A/hf-blip2", 3, "image%d.%s");
		check_side(model);
	}
	model = reference_model("hf-instruct");
	if (model)
		check_pictures(model, "zoo/A/hf-instruct", 2, "image%d.%s");
	threads_stop();
	return tap_finish();
}
