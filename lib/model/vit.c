/* vit.c - the image encoder (see vit.h; spec 3.2). One picture is one item of every operation, so
 * that its numbers do not depend on its batch.
 */
#include "model/vit.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/memory.h"
#include "image/picture.h"
#include "model/finite.h"
#include "model/parameters.h"
#include "model/position_grid.h"
#include "num/attention.h"
#include "num/brain.h"
#include "num/product.h"
#include "stream/model_file.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum {
	BATCH = 8, /* pictures that go through the blocks together: bounds the buffers */
	SIDE_MOST = 4096,
	GRID_MOST = 128, /* 16384 patches: attention is quadratic in them */
	CHANNELS = 3,
};

struct vit_block {
	struct norm norm1, norm2;
	struct linear qkv, projection, fc1, fc2;
};

struct vit {
	struct model_file *file;
	size_t width, layers, heads, mlp_width, patch, side, grid, tokens;
	float mean[CHANNELS], std[CHANNELS];
	const float *class_embedding;
	const float *positions; /* [tokens][width] */
	float *resized;         /* positions, if they had to be resized */
	struct linear patch_embedding;
	struct vit_block *blocks;
	struct norm post_norm;
	enum arithmetic arithmetic; /* of the blocks */
	void *packed;               /* their weights, if they had to be packed for it */
	/* Buffers of room pictures: [room][tokens][...] */
	size_t room;
	float *normal;  /* [width] */
	float *qkv;     /* [3 * width] */
	float *hidden;  /* [mlp_width]; at the start the unfolded patches */
	float *context; /* [width] */
};

static int read_block(struct vit *vit, size_t layer, float eps, struct vit_block *block)
{
	const struct model_file *file = vit->file;
	size_t width = vit->width;
	char name[PARAMETERS_NAME];
	int length = snprintf(name, sizeof name, "encoder.layers.%zu.", layer);
	char *rest = name + length;
	size_t size = sizeof name - (size_t)length;
	snprintf(rest, size, "layer_norm1");
	if (parameters_norm(file, name, width, eps, true, &block->norm1) < 0)
		return -1;
	snprintf(rest, size, "layer_norm2");
	if (parameters_norm(file, name, width, eps, true, &block->norm2) < 0)
		return -1;
	snprintf(rest, size, "self_attn.qkv");
	if (parameters_linear(file, name, 3 * width, width, true, &block->qkv) < 0)
		return -1;
	snprintf(rest, size, "self_attn.projection");
	if (parameters_linear(file, name, width, width, true, &block->projection) < 0)
		return -1;
	snprintf(rest, size, "mlp.fc1");
	if (parameters_linear(file, name, vit->mlp_width, width, true, &block->fc1) < 0)
		return -1;
	snprintf(rest, size, "mlp.fc2");
	return parameters_linear(file, name, width, vit->mlp_width, true, &block->fc2);
}

static int read_sizes(struct vit *vit, int side)
{
	const struct model_file *file = vit->file;
	size_t own_side;
	if (parameters_begin(file, "vit") < 0 ||
	    parameters_size(file, "width", PARAMETERS_WIDTH_MOST, &vit->width) < 0 ||
	    parameters_size(file, "layers", PARAMETERS_LAYERS_MOST, &vit->layers) < 0 ||
	    parameters_size(file, "heads", PARAMETERS_WIDTH_MOST, &vit->heads) < 0 ||
	    parameters_size(file, "mlp_width", PARAMETERS_WIDTH_MOST, &vit->mlp_width) < 0 ||
	    parameters_size(file, "patch", SIDE_MOST, &vit->patch) < 0 ||
	    parameters_size(file, "side", SIDE_MOST, &own_side) < 0)
		return -1;
	vit->side = side > 0 ? (size_t)side : own_side;
	if (vit->side > SIDE_MOST || vit->side % vit->patch != 0)
		return error_system("side %zu is not a multiple of the patch size %zu up to %d", vit->side,
		    vit->patch, SIDE_MOST);
	if (vit->width % vit->heads != 0)
		return parameters_error(
		    file, "width %zu is not a multiple of %zu heads", vit->width, vit->heads);
	vit->grid = vit->side / vit->patch;
	if (vit->grid > GRID_MOST)
		return error_system("a side of %zu has %zu x %zu patches of %zu, at most %d x %d can be "
		                    "encoded",
		    vit->side, vit->grid, vit->grid, vit->patch, GRID_MOST, GRID_MOST);
	vit->tokens = 1 + vit->grid * vit->grid;
	return 0;
}

/* CLIP's means and deviations unless the file has its own. */
static int read_colours(struct vit *vit)
{
	for (int i = 0; i < CHANNELS; i++) {
		char word[8], text[64];
		double value;
		vit->mean[i] = picture_clip_mean[i];
		vit->std[i] = picture_clip_std[i];
		snprintf(word, sizeof word, "mean_%d", i);
		if (model_file_text(vit->file, word, text, sizeof text)) {
			if (model_file_real(vit->file, word, &value) < 0)
				return -1;
			vit->mean[i] = (float)value;
		}
		snprintf(word, sizeof word, "std_%d", i);
		if (model_file_text(vit->file, word, text, sizeof text) &&
		    parameters_real(vit->file, word, &vit->std[i]) < 0)
			return -1;
	}
	return 0;
}

/* The position embeddings [tokens][width], resized if the file's grid is another, which it may be
 * only where the caller wants another side than the file's own. */
static int read_positions(struct vit *vit, bool own_side)
{
	static const char key[] = "embeddings.position_embedding";
	struct weight weight;
	if (!model_file_find(vit->file, key, &weight) || weight.dimensions != 2)
		return parameters_error(vit->file, "tensor %s: missing, or not of two dimensions", key);
	size_t rows;
	if (!checked_size(weight.shape[0], &rows) || rows < 2 || rows > PARAMETERS_ROWS_MOST)
		return parameters_error(vit->file, "tensor %s: impossible number of rows", key);
	size_t grid = (size_t)(sqrt((double)(rows - 1)) + 0.5);
	if (grid * grid != rows - 1)
		return parameters_error(vit->file, "tensor %s: %zu rows are not 1 + a square", key, rows);
	if (parameters_values(vit->file, key, rows, vit->width, &vit->positions) < 0)
		return -1;
	if (grid == vit->grid)
		return 0;
	if (own_side)
		return parameters_error(vit->file,
		    "config word \"side\" is %zu, which has %zu x %zu patches; its position embeddings "
		    "are for %zu x %zu",
		    vit->side, vit->grid, vit->grid, grid, grid);
	vit->resized = memory_allocate(vit->tokens * vit->width, sizeof(float));
	if (!vit->resized)
		return -1;
	position_grid_resize(vit->positions, grid, vit->resized, vit->grid, vit->width);
	vit->positions = vit->resized;
	return 0;
}

static int read_parameters(struct vit *vit, int side)
{
	float eps, post_eps;
	if (read_sizes(vit, side) < 0 || parameters_real(vit->file, "norm_eps", &eps) < 0 ||
	    parameters_real(vit->file, "post_norm_eps", &post_eps) < 0 || read_colours(vit) < 0 ||
	    parameters_values(
	        vit->file, "embeddings.class_embedding", 0, vit->width, &vit->class_embedding) < 0 ||
	    parameters_linear(vit->file, "embeddings.patch_embedding", vit->width,
	        CHANNELS * vit->patch * vit->patch, true, &vit->patch_embedding) < 0 ||
	    parameters_norm(vit->file, "post_layernorm", vit->width, post_eps, true, &vit->post_norm) <
	        0)
		return -1;
	if (parameters_layers(vit->file, "encoder.layers.", vit->layers) < 0)
		return -1;
	vit->blocks = memory_allocate(vit->layers, sizeof *vit->blocks);
	if (!vit->blocks)
		return -1;
	for (size_t layer = 0; layer < vit->layers; layer++)
		if (read_block(vit, layer, eps, &vit->blocks[layer]) < 0)
			return -1;
	return read_positions(vit, side <= 0);
}

struct vit *vit_open(const char *model, int side)
{
	if (product_start() < 0)
		return NULL;
	struct vit *vit = memory_allocate_zero(1, sizeof *vit);
	if (!vit)
		return NULL;
	vit->file = model_file_open(model, "vit");
	if (!vit->file) {
		memory_release(vit);
		return NULL;
	}
	if (model_file_verify(vit->file, NULL) < 0 || read_parameters(vit, side) < 0 ||
	    vit_use(vit, ARITHMETIC_ANY) < 0) {
		vit_close(vit);
		return NULL;
	}
	return vit;
}

int vit_use(struct vit *vit, enum arithmetic arithmetic)
{
	enum { EACH = 4 };
	void *packed;
	struct linear **layers = memory_allocate(vit->layers, EACH * sizeof *layers);
	if (!layers)
		return -1;
	for (size_t i = 0; i < vit->layers; i++) {
		struct vit_block *block = &vit->blocks[i];
		struct linear *own[EACH] = { &block->qkv, &block->projection, &block->fc1, &block->fc2 };
		memcpy(layers + EACH * i, own, sizeof own);
	}
	int result =
	    arithmetic_choose(layers, EACH * vit->layers, arithmetic, &vit->arithmetic, &packed);
	memory_release(layers);
	if (result < 0)
		return error_context("%s", model_file_path(vit->file));
	if (packed)
		vit->packed = packed;
	return 0;
}

enum arithmetic vit_arithmetic(const struct vit *vit)
{
	return vit->arithmetic;
}

static void release_buffers(struct vit *vit)
{
	memory_release(vit->normal);
	memory_release(vit->qkv);
	memory_release(vit->hidden);
	memory_release(vit->context);
	vit->normal = vit->qkv = vit->hidden = vit->context = NULL;
	vit->room = 0;
}

void vit_close(struct vit *vit)
{
	if (!vit)
		return;
	release_buffers(vit);
	memory_release(vit->resized);
	memory_release(vit->blocks);
	memory_release(vit->packed);
	model_file_close(vit->file);
	memory_release(vit);
}

int vit_side(const struct vit *vit)
{
	return (int)vit->side;
}

size_t vit_tokens(const struct vit *vit)
{
	return vit->tokens;
}

size_t vit_width(const struct vit *vit)
{
	return vit->width;
}

const float *vit_mean(const struct vit *vit)
{
	return vit->mean;
}

const float *vit_std(const struct vit *vit)
{
	return vit->std;
}

struct digest vit_fingerprint(const struct vit *vit)
{
	return model_file_fingerprint(vit->file);
}

/* Let the buffers hold count pictures. */
static int make_room(struct vit *vit, size_t count)
{
	if (count <= vit->room)
		return 0;
	release_buffers(vit);
	size_t rows = count * vit->tokens, unfolded = vit->patch_embedding.in;
	size_t hidden = vit->mlp_width > unfolded ? vit->mlp_width : unfolded;
	vit->normal = memory_allocate(rows, vit->width * sizeof(float));
	vit->qkv = memory_allocate(rows, 3 * vit->width * sizeof(float));
	vit->hidden = memory_allocate(rows, hidden * sizeof(float));
	vit->context = memory_allocate(rows, vit->width * sizeof(float));
	if (!vit->normal || !vit->qkv || !vit->hidden || !vit->context) {
		release_buffers(vit);
		return -1;
	}
	vit->room = count;
	return 0;
}

/* One picture [3][side][side] -> rows of patches [grid * grid][3 * patch * patch], the order of
 * the convolution's weights. */
static void unfold(const struct vit *vit, const float *pixels, float *rows)
{
	size_t side = vit->side, patch = vit->patch;
	for (size_t y = 0; y < vit->grid; y++)
		for (size_t x = 0; x < vit->grid; x++)
			for (size_t line = 0; line < CHANNELS * patch; line++, rows += patch) {
				size_t channel = line / patch, down = y * patch + line % patch;
				memcpy(rows, pixels + (channel * side + down) * side + x * patch,
				    patch * sizeof *rows);
			}
}

/* Pixels to tokens: CLS and patches plus their positions, into x [count][tokens][width]. */
static int embed(struct vit *vit, const float *pixels, size_t count, float *x)
{
	size_t patches = vit->tokens - 1, width = vit->width;
	size_t picture = CHANNELS * vit->side * vit->side;
	for (size_t i = 0; i < count; i++)
		unfold(vit, pixels + i * picture, vit->hidden + i * patches * vit->patch_embedding.in);
	if (linear_forward(
	        &vit->patch_embedding, vit->hidden, count, patches, vit->context, LINEAR_STORE) < 0)
		return -1;
	for (size_t i = 0; i < count; i++, x += vit->tokens * width) {
		const float *patch = vit->context + i * patches * width;
		for (size_t d = 0; d < width; d++)
			x[d] = vit->class_embedding[d] + vit->positions[d];
		for (size_t d = 0; d < patches * width; d++)
			x[width + d] = patch[d] + vit->positions[width + d];
	}
	return 0;
}

/* x = x + proj(attn(LN1(x))); x = x + fc2(gelu(fc1(LN2(x)))), x [count][tokens][width]. */
static int vit_block_forward(struct vit *vit, const struct vit_block *block, size_t count, float *x)
{
	size_t width = vit->width, tokens = vit->tokens;
	struct attention attention = { .heads = vit->heads,
		.kv_heads = vit->heads,
		.head_width = width / vit->heads,
		.scale = 1.0f / sqrtf((float)(width / vit->heads)),
		.q = vit->qkv,
		.k = vit->qkv + width,
		.v = vit->qkv + 2 * width,
		.y = vit->context,
		.q_row = 3 * width,
		.kv_row = 3 * width,
		.y_row = width,
		.queries = tokens,
		.keys = tokens,
		.items = count,
		.q_item = 3 * width * tokens,
		.kv_item = 3 * width * tokens,
		.y_item = width * tokens,
		.open = tokens };
	norm_rows(&block->norm1, x, count * tokens, vit->normal);
	if (linear_forward(&block->qkv, vit->normal, count, tokens, vit->qkv, LINEAR_STORE) < 0 ||
	    attention_forward(&attention) < 0 ||
	    linear_forward(&block->projection, vit->context, count, tokens, x, LINEAR_ADD) < 0)
		return -1;
	norm_rows(&block->norm2, x, count * tokens, vit->normal);
	if (vit->arithmetic == ARITHMETIC_BF16)
		return brain_pair(&block->fc1, &block->fc2, vit->normal, count * tokens, x, LINEAR_ADD);
	if (linear_forward(&block->fc1, vit->normal, count, tokens, vit->hidden, LINEAR_GELU) < 0)
		return -1;
	return linear_forward(&block->fc2, vit->hidden, count, tokens, x, LINEAR_ADD);
}

int vit_forward(struct vit *vit, const float *pixels, size_t count, float *features)
{
	size_t picture = CHANNELS * vit->side * vit->side, feature = vit->tokens * vit->width;
	for (size_t done = 0; done < count; done += BATCH) {
		size_t batch = count - done < BATCH ? count - done : BATCH;
		float *x = features + done * feature;
		if (make_room(vit, batch) < 0 || embed(vit, pixels + done * picture, batch, x) < 0)
			return -1;
		for (size_t layer = 0; layer < vit->layers; layer++)
			if (vit_block_forward(vit, &vit->blocks[layer], batch, x) < 0)
				return -1;
		norm_rows(&vit->post_norm, x, batch * vit->tokens, x);
	}
	return 0;
}

int vit_check(const struct vit *vit, const float *features)
{
	return finite_check(features, vit->tokens * vit->width, "the result holds");
}
