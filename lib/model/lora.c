/* lora.c - adapters on the language model (see llama.h, llama_layers.h; spec 5). */
#include "model/llama.h"
#include "base/ending.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/program.h"
#include "model/llama_layers.h"
#include "model/adapter_tensors.h"
#include "model/parameters.h"
#include "num/kernels.h"
#include "stream/model_file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void lora_release(struct projection *projection)
{
	while (projection->lora) {
		struct lora *next = projection->lora->next;
		memory_release(projection->lora);
		projection->lora = next;
	}
}

static int make_room(struct llama *llama, size_t rows)
{
	size_t wanted = rows * llama->rank_most;
	if (wanted <= llama->low_room)
		return 0;
	memory_release(llama->low);
	llama->low_room = 0;
	llama->low = memory_allocate(wanted, sizeof *llama->low);
	if (!llama->low)
		return -1;
	llama->low_room = wanted;
	return 0;
}

static int run(const struct linear *linear, const float *x, size_t rows, bool several, float *y,
    enum linear_then then)
{
	if (!several)
		return linear_forward(linear, x, 1, rows, y, then);
	return linear_decode(linear, x, rows, y, then);
}

int lora_forward(struct llama *llama, const struct projection *projection, const float *x,
    size_t rows, bool several, float *y, enum linear_then then)
{
	if (run(&projection->linear, x, rows, several, y, then) < 0)
		return -1;
	for (const struct lora *lora = projection->lora; lora; lora = lora->next) {
		size_t count = rows * lora->a.out;
		if (make_room(llama, rows) < 0 ||
		    run(&lora->a, x, rows, several, llama->low, LINEAR_STORE) < 0)
			return -1;
		for (size_t i = 0; i < count; i++)
			llama->low[i] *= lora->scale;
		if (run(&lora->b, llama->low, rows, several, y, LINEAR_ADD) < 0)
			return -1;
	}
	return 0;
}

/* Put the pair NAME.lora_A, NAME.lora_B on its layer, behind those that are there. */
static int add_pair(
    struct llama *llama, const struct model_file *file, const char *name, const struct weight *a)
{
	struct projection *projection = llama_projection(llama, name, strlen(name));
	if (!projection)
		return parameters_error(file, "%s: the model has no such linear layer", name);
	char key[PARAMETERS_NAME];
	const struct linear *linear = &projection->linear;
	const float *scale;
	struct weight b;
	uint64_t rank = a->dimensions == 2 ? a->shape[0] : 0;
	if (rank == 0 || rank > PARAMETERS_WIDTH_MOST || a->shape[1] != linear->in)
		return parameters_error(
		    file, "%s.lora_A: does not fit a layer of %zu inputs", name, linear->in);
	if (a->dtype != 'f' && a->dtype != 'E' && a->dtype != 'e')
		return parameters_error(file, "%s.lora_A: is none of f32, bf16 and f16", name);
	snprintf(key, sizeof key, "%s.scale", name);
	if (parameters_values(file, key, 0, 1, &scale) < 0)
		return -1;
	snprintf(key, sizeof key, "%s.lora_B", name);
	uint64_t shape[2] = { linear->out, rank };
	if (model_file_need(file, key, 2, shape, &b) < 0)
		return -1;
	struct lora *lora = memory_allocate(1, sizeof *lora), **end = &projection->lora;
	if (!lora)
		return -1;
	lora->next = NULL;
	lora->a = (struct linear){ a->data, a->dtype, (size_t)rank, linear->in, NULL };
	lora->b = (struct linear){ b.data, b.dtype, linear->out, (size_t)rank, NULL };
	lora->scale = *scale;
	while (*end)
		end = &(*end)->next;
	*end = lora;
	if (rank > llama->rank_most)
		llama->rank_most = (size_t)rank;
	return 0;
}

/* A whole tensor in place of the model's (PEFT's modules_to_save). */
static int replace(struct llama *llama, const struct model_file *file, const char *key)
{
	size_t length;
	if (!ending_stem(key, strlen(key), ".weight", &length))
		return parameters_error(file, "tensor %s: unknown to the language model", key);
	struct projection *projection = llama_projection(llama, key, length);
	struct norm *norm = llama_norm(llama, key, length);
	bool table =
	    length == strlen("model.embed_tokens") && memcmp(key, "model.embed_tokens", length) == 0;
	if (norm)
		return parameters_values(file, key, 0, norm->n, &norm->weight);
	if (!projection && !table)
		return parameters_error(file, "tensor %s: unknown to the language model", key);
	struct linear *linear = table ? &llama->embedding : &projection->linear;
	uint64_t shape[2] = { linear->out, linear->in };
	struct weight weight;
	if (model_file_need(file, key, 2, shape, &weight) < 0)
		return -1;
	linear->weight = weight.data;
	linear->dtype = weight.dtype;
	return 0;
}

static int apply(struct llama *llama, const struct model_file *file)
{
	struct adapter_tensor tensor;
	size_t at = 0;
	int found;
	while ((found = adapter_tensors_next(file, &at, &tensor)) > 0)
		if ((tensor.pair ? add_pair(llama, file, tensor.name, &tensor.weight)
		                 : replace(llama, file, tensor.name)) < 0)
			return -1;
	return found;
}

static bool is_there(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

/* Where the adapter called name is: at this path, or else beside llm.zv, with or without ".zv". */
static void find_adapter(const struct llama *llama, const char *name, char path[PATH_MAX])
{
	static const char *const ends[] = { "", ".zv" };
	const char *model = model_file_path(llama->file), *slash = strrchr(model, '/');
	int directory = slash ? (int)(slash - model) + 1 : 0;
	if (!strchr(name, '/') && !is_there(name))
		for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
			int length = snprintf(path, PATH_MAX, "%.*s%s%s", directory, model, name, ends[i]);
			if (length > 0 && length < PATH_MAX && is_there(path))
				return;
		}
	snprintf(path, PATH_MAX, "%s", name);
}

/* An adapter that was imported with a model says which one. */
static int check_model(const struct llama *llama, const struct model_file *file)
{
	char wanted[DIGEST_TEXT_SIZE], text[DIGEST_TEXT_SIZE];
	struct digest digest = model_file_fingerprint(llama->file);
	digest_text(&digest, text);
	if (common.any_maker || !model_file_text(file, "llm_weights", wanted, sizeof wanted) ||
	    strcmp(wanted, text) == 0)
		return 0;
	return parameters_error(file,
	    "made for another language model (%.8s...); import it with this one, or --any-maker takes "
	    "it as it is",
	    wanted);
}

int llama_adapt(struct llama *llama, const char *path)
{
	if (memory_grow((void **)&llama->adapters, &llama->adapter_room, llama->adapter_count + 1,
	        sizeof *llama->adapters) < 0)
		return -1;
	char found[PATH_MAX];
	find_adapter(llama, path, found);
	struct model_file *file = model_file_open_path(found);
	if (!file)
		return -1;
	llama->adapters[llama->adapter_count++] = file;
	return check_model(llama, file) < 0 || model_file_verify(file, NULL) < 0 ? -1
	                                                                         : apply(llama, file);
}
