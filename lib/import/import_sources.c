/* import_sources.c - open checkpoints and sort their tensors (see import_sources.h). */
#include "import/import_sources.h"
#include "base/error.h"
#include "base/memory.h"
#include "import/import_config.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int open_config(struct import_source *source)
{
	char path[PATH_MAX];
	struct stat status;
	int length = snprintf(path, sizeof path, "%s/config.json", source->directory);
	if (length < 0 || (size_t)length >= sizeof path)
		return error_system("%s: name is too long", source->path);
	if (stat(path, &status) < 0)
		return 0;
	source->config = import_config_open(path);
	return source->config ? 0 : error_context("%s", path);
}

int import_sources_add(struct import_sources *sources, const char *path, unsigned parts, bool role)
{
	if (sources->count == IMPORT_SOURCES_MOST)
		return error_system("more than %d sources", IMPORT_SOURCES_MOST);
	struct import_source *source = &sources->list[sources->count++];
	*source = (struct import_source){ .parts = parts, .role = role };
	source->path = memory_text(path, strlen(path));
	if (!source->path)
		return -1;
	struct stat status;
	if (stat(path, &status) == 0 && S_ISDIR(status.st_mode)) {
		source->directory = memory_text(path, strlen(path));
		if (!source->directory || open_config(source) < 0)
			return -1;
	}
	source->checkpoint = checkpoint_open(path);
	return source->checkpoint ? 0 : -1;
}

void import_sources_close(struct import_sources *sources)
{
	for (int i = 0; i < sources->count; i++) {
		struct import_source *source = &sources->list[i];
		checkpoint_close(source->checkpoint);
		json_release(source->config);
		memory_release(source->directory);
		memory_release(source->path);
	}
	memory_release(sources->origins);
	memory_release(sources->rest);
	*sources = (struct import_sources){ 0 };
}

const char *const import_signs[IMPORT_PARTS] = { "model.embed_tokens.weight",
	"embeddings.patch_embedding.weight", "query_tokens" };

static bool begins(const char *text, const char *begin)
{
	return strncmp(text, begin, strlen(begin)) == 0;
}

/* Does the source hold layers of a LLaMA? A lone lm_head or norm is that of something else. */
static bool holds_llm(const struct import_source *source)
{
	struct import_name name;
	for (size_t i = 0; i < checkpoint_count(source->checkpoint); i++) {
		import_name_map(checkpoint_at(source->checkpoint, i)->name, 1U << IMPORT_LLM, &name);
		if (name.kind == IMPORT_PARAMETER && begins(name.key, "model.layers."))
			return true;
	}
	return false;
}

static int add_rest(struct import_sources *sources, const struct import_source *source,
    const struct checkpoint_tensor *tensor, const struct import_name *name)
{
	void *grown = sources->rest;
	if (memory_grow(
	        &grown, &sources->rest_capacity, sources->rest_count + 1, sizeof *sources->rest) < 0)
		return -1;
	sources->rest = grown;
	sources->rest[sources->rest_count++] =
	    (struct import_rest){ tensor, source, name->kind, name->part, name->layer };
	return 0;
}

static bool is_norm(const char *key)
{
	return begins(key, "post_layernorm.");
}

static bool is_projection(const char *key)
{
	return begins(key, "language_projection.");
}

/* May this source give this tensor, going by the options? roles: bits of the parts they are for. */
static bool may_give(
    const struct import_source *source, const struct import_name *name, unsigned roles)
{
	if (source->role)
		return source->parts & 1U << name->part ||
		       (is_norm(name->key) && source->parts & 1U << IMPORT_QFORMER);
	return is_norm(name->key) || is_projection(name->key) || !(roles & 1U << name->part);
}

static int add_source(struct import_sources *sources, struct import_source *source, unsigned roles)
{
	unsigned parts = IMPORT_ALL_PARTS;
	if (!holds_llm(source))
		parts &= ~(1U << IMPORT_LLM);
	for (size_t i = 0; i < checkpoint_count(source->checkpoint); i++) {
		const struct checkpoint_tensor *tensor = checkpoint_at(source->checkpoint, i);
		struct import_name name;
		import_name_map(tensor->name, parts, &name);
		if (name.kind == IMPORT_PARAMETER && strcmp(name.key, import_signs[IMPORT_QFORMER]) == 0)
			source->has_queries = true;
		if (name.kind == IMPORT_PARAMETER && !may_give(source, &name, roles))
			name.kind = IMPORT_OTHER;
		/* A strange tensor matters only in a source that gives the part. */
		if (name.kind == IMPORT_STRANGE &&
		    (source->role ? !(source->parts & 1U << name.part) : roles & 1U << name.part))
			name.kind = IMPORT_OTHER;
		if (name.kind != IMPORT_PARAMETER) {
			if (add_rest(sources, source, tensor, &name) < 0)
				return -1;
			continue;
		}
		void *grown = sources->origins;
		if (memory_grow(&grown, &sources->origin_capacity, sources->origin_count + 1,
		        sizeof *sources->origins) < 0)
			return -1;
		sources->origins = grown;
		struct import_origin *origin = &sources->origins[sources->origin_count++];
		*origin = (struct import_origin){
			.part = name.part, .lavis = name.lavis, .source = source, .tensor = tensor
		};
		memcpy(origin->key, name.key, sizeof origin->key);
	}
	return 0;
}

/* *place becomes source, unless it is another one already: then say how to choose. */
static int choose(const struct import_source **place, const struct import_source *source,
    const char *what, const char *option)
{
	if (*place && *place != source)
		return error_input("%s and %s both hold %s: say with %s which one to take", (*place)->path,
		    source->path, what, option);
	*place = source;
	return 0;
}

/* Who gives what, of all that was found. */
struct givers {
	const struct import_source *norm, *projection;
};

static int choose_givers(struct import_sources *sources, struct givers *givers)
{
	static const struct {
		const char *what, *option;
	} parts[IMPORT_PARTS] = {
		{ "a language model", "--llm" },
		{ "an image encoder", "--vit" },
		{ "a Q-Former", "--qformer" },
	};
	const struct import_source **owners = sources->owners;
	for (size_t i = 0; i < sources->origin_count; i++) {
		const struct import_origin *origin = &sources->origins[i];
		if (strcmp(origin->key, import_signs[origin->part]) == 0 &&
		    choose(&owners[origin->part], origin->source, parts[origin->part].what,
		        parts[origin->part].option) < 0)
			return -1;
	}
	*givers = (struct givers){ owners[IMPORT_VIT], NULL };
	for (size_t i = 0; i < sources->origin_count; i++) {
		const struct import_origin *origin = &sources->origins[i];
		if (is_norm(origin->key) && origin->source == owners[IMPORT_QFORMER])
			givers->norm = origin->source;
		if (is_projection(origin->key) && !origin->source->has_queries &&
		    choose(&givers->projection, origin->source, "a projection alone",
		        "the sources you name") < 0)
			return -1;
	}
	if (!givers->projection)
		givers->projection = owners[IMPORT_QFORMER];
	return 0;
}

/* Leave to each tensor of ours the one origin that counts. */
static int drop_others(struct import_sources *sources, const struct givers *givers)
{
	static const struct import_name other = { .kind = IMPORT_OTHER };
	size_t kept = 0;
	for (size_t i = 0; i < sources->origin_count; i++) {
		const struct import_origin *origin = &sources->origins[i];
		const struct import_source *giver = is_norm(origin->key) ? givers->norm
		                                    : is_projection(origin->key)
		                                        ? givers->projection
		                                        : sources->owners[origin->part];
		if (!giver || giver == origin->source)
			sources->origins[kept++] = *origin;
		else if (add_rest(sources, origin->source, origin->tensor, &other) < 0)
			return -1;
	}
	sources->origin_count = kept;
	return 0;
}

static int compare_places(const struct import_origin *a, const struct import_origin *b)
{
	if (a->part != b->part)
		return a->part < b->part ? -1 : 1;
	return strcmp(a->key, b->key);
}

static int compare_origins(const void *left, const void *right)
{
	const struct import_origin *a = left, *b = right;
	int order = compare_places(a, b);
	return order != 0 ? order : a->tensor < b->tensor ? -1 : a->tensor > b->tensor;
}

int import_sources_sort(struct import_sources *sources)
{
	unsigned roles = 0;
	struct givers givers;
	for (int i = 0; i < sources->count; i++)
		if (sources->list[i].role)
			roles |= sources->list[i].parts;
	for (int i = 0; i < sources->count; i++)
		if (add_source(sources, &sources->list[i], roles) < 0)
			return -1;
	if (choose_givers(sources, &givers) < 0 || drop_others(sources, &givers) < 0)
		return -1;
	if (sources->origin_count == 0)
		return 0;
	qsort(sources->origins, sources->origin_count, sizeof *sources->origins, compare_origins);
	for (size_t i = 1; i < sources->origin_count; i++) {
		const struct import_origin *a = &sources->origins[i - 1], *b = a + 1;
		if (a->source == b->source && compare_places(a, b) == 0)
			return error_input("%s: \"%s\" and \"%s\" are both %s", a->source->path,
			    a->tensor->name, b->tensor->name, a->key);
	}
	return 0;
}

struct import_origin *import_find(
    const struct import_sources *sources, enum import_part part, const char *key)
{
	size_t low = 0, high = sources->origin_count;
	struct import_origin wanted = { .part = part };
	snprintf(wanted.key, sizeof wanted.key, "%s", key);
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (compare_places(&sources->origins[middle], &wanted) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == sources->origin_count || compare_places(&sources->origins[low], &wanted) != 0)
		return NULL;
	return &sources->origins[low];
}

long import_layers(const struct import_sources *sources, enum import_part part, const char *begin)
{
	long layers = 0;
	for (size_t i = 0; i < sources->origin_count; i++) {
		const struct import_origin *origin = &sources->origins[i];
		if (origin->part != part || !begins(origin->key, begin))
			continue;
		long layer = strtol(origin->key + strlen(begin), NULL, 10);
		if (layer >= layers)
			layers = layer + 1;
	}
	return layers;
}
