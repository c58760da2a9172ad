/* import.c - the course of an import: open, look what is there, measure, check, write (see
 * import.h).
 */
#include "import/import.h"
#include "base/error.h"
#include "base/memory.h"
#include "import/import_directory.h"
#include "import/import_pass.h"
#include "stream/model_file.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static int (*const measures[IMPORT_PARTS])(
    struct import *) = { import_llm_measure, import_vit_measure, import_qformer_measure };
static int (*const passes[IMPORT_PARTS])(
    struct import_pass *) = { import_llm_tensors, import_vit_tensors, import_qformer_tensors };

static int open_sources(struct import *import)
{
	const struct import_request *request = import->request;
	for (int i = 0; i < request->source_count; i++)
		if (import_sources_add(&import->sources, request->sources[i], IMPORT_ALL_PARTS, false) < 0)
			return -1;
	const struct {
		const char *path;
		enum import_part part;
	} roles[] = {
		{ request->vit, IMPORT_VIT },
		{ request->qformer, IMPORT_QFORMER },
		{ request->llm, IMPORT_LLM },
		{ request->delta, IMPORT_LLM },
	};
	for (size_t i = 0; i < sizeof roles / sizeof roles[0]; i++)
		if (roles[i].path &&
		    import_sources_add(&import->sources, roles[i].path, 1U << roles[i].part, true) < 0)
			return -1;
	if (request->base &&
	    import_sources_add(&import->base, request->base, 1U << IMPORT_LLM, true) < 0)
		return -1;
	if (import_sources_sort(&import->sources) < 0 || import_sources_sort(&import->base) < 0)
		return -1;
	if (request->config && !(import->config = import_config_open(request->config)))
		return error_context("%s", request->config);
	return 0;
}

/* The last component of a path or of OWNER/NAME, and its length. */
static const char *last_name(const char *path, size_t *length)
{
	size_t end = strlen(path);
	while (end > 0 && path[end - 1] == '/')
		end--;
	size_t begin = end;
	while (begin > 0 && path[begin - 1] != '/')
		begin--;
	*length = end - begin;
	return path + begin;
}

/* "lora/chinese/" is kept as chinese.zv. */
static int name_adapter(struct import_adapter *adapter)
{
	const char *path = adapter->path;
	size_t stem;
	const char *last = last_name(path, &stem);
	char *name = adapter->file;
	int length = snprintf(name, sizeof adapter->file, "%.*s.zv", (int)stem, last);
	for (int part = 0; part < IMPORT_PARTS; part++)
		if (stem == strlen(import_part_names[part]) &&
		    strncmp(name, import_part_names[part], stem) == 0)
			return error_system("%s: an adapter cannot be called %s", path, name);
	return length < 4 || (size_t)length >= sizeof adapter->file || name[0] == '.'
	           ? error_system("%s: the adapter's directory has no name to call it by", path)
	           : 0;
}

enum { ADAPTERS_MOST = 16 };

static int name_adapters(struct import *import)
{
	if (import->adapter_count > ADAPTERS_MOST)
		return error_system("more than %d adapters", ADAPTERS_MOST);
	for (int i = 0; i < import->adapter_count; i++) {
		if (import_adapter_keepable(&import->adapters[i]) < 0 ||
		    name_adapter(&import->adapters[i]) < 0)
			return -1;
		for (int j = 0; j < i; j++)
			if (strcmp(import->adapters[i].file, import->adapters[j].file) == 0)
				return error_system("two adapters are called %s", import->adapters[i].file);
	}
	return 0;
}

static bool same_name(const char *a, const char *b)
{
	size_t a_length, b_length;
	a = last_name(a, &a_length);
	b = b ? last_name(b, &b_length) : "";
	return b && *b && a_length == b_length && strncasecmp(a, b, a_length) == 0;
}

static int open_adapters(struct import *import)
{
	const struct import_request *request = import->request;
	if (request->adapter_count == 0)
		return 0;
	import->adapters =
	    memory_allocate_zero((size_t)request->adapter_count, sizeof *import->adapters);
	if (!import->adapters)
		return -1;
	for (int i = 0; i < request->adapter_count; i++, import->adapter_count++)
		if (import_adapter_open(&import->adapters[i], request->adapters[i]) < 0) {
			import_adapter_close(&import->adapters[i]);
			return -1;
		}
	return request->keep_adapters ? name_adapters(import) : 0;
}

/* An adapter file of PEFT does not tell the model that it changes, but it may name it. */
static void note_names(struct import *import)
{
	const struct import_source *llm = import->sources.owners[IMPORT_LLM];
	const char *called = json_text(json_member(llm->config, "_name_or_path"), NULL);
	const char *part =
	    json_text(json_member(json_member(llm->config, "text_config"), "_name_or_path"), NULL);
	for (int i = 0; i < import->adapter_count; i++) {
		const char *name = import->adapters[i].made_for;
		if (name && !same_name(name, llm->path) && !same_name(name, called) &&
		    !same_name(name, part))
			import_note(import, "%s: was made for \"%s\", it says; is that the model in %s?",
			    import->adapters[i].path, name, llm->path);
	}
}

/* Which parts are there; what is missing that the others need. */
static int find_parts(struct import *import)
{
	bool present[IMPORT_PARTS], any = false;
	for (int part = 0; part < IMPORT_PARTS; part++) {
		present[part] = import->sources.owners[part] != NULL;
		import->counts[part].present = present[part];
		any |= present[part];
	}
	const char *first = import->sources.count ? import->sources.list[0].path : "";
	if (!any)
		return error_input("%s: holds no part of a model that is known", first);
	const struct {
		const char *given, *option;
		enum import_part part;
	} wanted[] = {
		{ import->request->vit, "--vit", IMPORT_VIT },
		{ import->request->qformer, "--qformer", IMPORT_QFORMER },
		{ import->request->llm, "--llm", IMPORT_LLM },
		{ import->request->delta, "--delta", IMPORT_LLM },
	};
	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		if (wanted[i].given && !present[wanted[i].part])
			return error_input("%s: given with %s, but lacks %s", wanted[i].given, wanted[i].option,
			    import_signs[wanted[i].part]);
	if (present[IMPORT_QFORMER] && !present[IMPORT_VIT])
		return error_input("%s: this checkpoint has no image encoder (LAVIS pretrained files do "
		                   "not): give --vit eva_vit_g.pth",
		    import->sources.owners[IMPORT_QFORMER]->path);
	if (import->adapter_count && !present[IMPORT_LLM])
		return error_input("%s: no source has the language model that this adapter is for",
		    import->adapters[0].path);
	if (present[IMPORT_VIT] && !present[IMPORT_QFORMER])
		import_note(import, "no source has a Q-Former: only zv-encode can use this model");
	return 0;
}

/* A tensor in one of our layers that we do not know would change what the layer computes. */
static int check_strange(const struct import *import)
{
	const uint64_t layers[IMPORT_PARTS] = { import->llm.layers, import->vit.layers,
		import->qformer.layers };
	for (size_t i = 0; i < import->sources.rest_count; i++) {
		const struct import_rest *rest = &import->sources.rest[i];
		if (rest->kind != IMPORT_STRANGE || (uint64_t)rest->layer >= layers[rest->part])
			continue;
		if (import->sources.owners[rest->part] == rest->source)
			return error_input("%s: tensor \"%s\" is in a layer of the %s, but no layer that is "
			                   "known has such a tensor",
			    rest->source->path, rest->tensor->name, import_part_names[rest->part]);
	}
	return 0;
}

static int check_adapters(const struct import *import)
{
	for (int i = 0; i < import->adapter_count; i++)
		for (size_t j = 0; j < import->adapters[i].count; j++) {
			const struct import_change *change = &import->adapters[i].changes[j];
			if (!change->used)
				return error_input("%s: changes %s, which this model does not have",
				    import->adapters[i].path, change->key);
		}
	return 0;
}

static int check_all(struct import *import)
{
	for (int part = 0; part < IMPORT_PARTS; part++)
		if (import->counts[part].present && measures[part](import) < 0)
			return -1;
	if (import->counts[IMPORT_LLM].present && import_llm_tokens(import) < 0)
		return -1;
	if (import->qformer.vocabulary && import_qformer_tokens(import) < 0)
		return -1;
	if (check_strange(import) < 0)
		return -1;
	for (int part = 0; part < IMPORT_PARTS; part++) {
		struct import_pass pass = { .import = import, .part = (enum import_part)part };
		if (import->counts[part].present && passes[part](&pass) < 0)
			return -1;
	}
	if (import->counts[IMPORT_LLM].present && import_llm_remarks(import) < 0)
		return -1;
	if (import->qformer.llm_width && !import->counts[IMPORT_LLM].present)
		import_note(import,
		    "no source has the language model (width %llu): without it "
		    "zv-generate cannot use this model",
		    (unsigned long long)import->qformer.llm_width);
	if (import->adapter_count)
		note_names(import);
	return check_adapters(import);
}

/* What is left over when every part has taken its tensors. */
static int list_ignored(struct import *import)
{
	const struct import_sources *sources = &import->sources;
	import->ignored =
	    memory_allocate(sources->origin_count + sources->rest_count, sizeof *import->ignored);
	if (!import->ignored)
		return -1;
	for (size_t i = 0; i < sources->origin_count; i++) {
		const struct import_origin *origin = &sources->origins[i];
		if (!origin->taken)
			import->ignored[import->ignored_count++] =
			    (struct import_rest){ .tensor = origin->tensor, .source = origin->source };
	}
	for (size_t i = 0; i < sources->rest_count; i++)
		import->ignored[import->ignored_count++] = sources->rest[i];
	return 0;
}

struct import *import_open(const struct import_request *request)
{
	struct import *import = memory_allocate_zero(1, sizeof *import);
	if (!import)
		return NULL;
	import->request = request;
	if (open_sources(import) == 0 && open_adapters(import) == 0 && find_parts(import) == 0 &&
	    check_all(import) == 0 && list_ignored(import) == 0)
		return import;
	import_close(import);
	return NULL;
}

void import_close(struct import *import)
{
	if (!import)
		return;
	for (int i = 0; i < import->adapter_count; i++)
		import_adapter_close(&import->adapters[i]);
	memory_release(import->adapters);
	import_sources_close(&import->sources);
	import_sources_close(&import->base);
	json_release(import->config);
	memory_release(import->ignored);
	memory_release(import->tokenizer.bytes);
	memory_release(import->llm_added.bytes);
	memory_release(import->vocabulary.bytes);
	memory_release(import->qformer_added.bytes);
	memory_release(import);
}

struct import_count import_count(const struct import *import, enum import_part part)
{
	struct import_count count = import->counts[part];
	const struct import_source *owner = import->sources.owners[part];
	count.source = owner ? owner->path : NULL;
	count.base = part == IMPORT_LLM ? import->request->base : NULL;
	return count;
}

static struct import_adapter_count count_adapter(const struct import_adapter *adapter)
{
	struct import_adapter_size size = import_adapter_size(adapter);
	bool kept = adapter->file[0] != '\0';
	return (struct import_adapter_count){ .tensors = kept ? size.tensors : size.changed,
		.parameters = size.parameters,
		.bytes = kept ? size.bytes : 0,
		.source = adapter->path,
		.file = kept ? adapter->file : NULL };
}

bool import_adapter_at(const struct import *import, int i, struct import_adapter_count *count)
{
	if (i >= import->adapter_count)
		return false;
	*count = count_adapter(&import->adapters[i]);
	return true;
}

const char *import_ignored(const struct import *import, size_t i, const char **file)
{
	if (i >= import->ignored_count)
		return NULL;
	const struct import_rest *rest = &import->ignored[i];
	*file = checkpoint_file(rest->source->checkpoint, rest->tensor);
	return rest->tensor->name;
}

const char *import_remark(const struct import *import, size_t i)
{
	return i < (size_t)import->remark_count ? import->remarks[i] : NULL;
}

static int write_part(struct import *import, enum import_part part)
{
	char name[32];
	snprintf(name, sizeof name, "%s.zv", import_part_names[part]);
	const char *path = import_directory_file(name);
	struct import_pass pass = { .import = import, .part = part };
	pass.writer = path ? writer_open(path, WRITER_BARE) : NULL;
	if (!pass.writer)
		return -1;
	if (passes[part](&pass) < 0) {
		writer_abandon(pass.writer);
		return error_context("%s", name);
	}
	import->fingerprints[part] = writer_fingerprint(pass.writer);
	return writer_finish(pass.writer) < 0 ? error_context("%s", name) : 0;
}

int import_write(struct import *import, const char *directory, bool force)
{
	const char *names[IMPORT_PARTS + ADAPTERS_MOST + 1] = { "llm.zv", "vit.zv", "qformer.zv" };
	int kept = import->request->keep_adapters ? import->adapter_count : 0;
	for (int i = 0; i < kept; i++)
		names[IMPORT_PARTS + i] = import->adapters[i].file;
	if (import_directory_begin(directory, force, names) < 0)
		return -1;
	int result = 0;
	for (int part = 0; part < IMPORT_PARTS && result == 0; part++)
		if (import->counts[part].present)
			result = write_part(import, (enum import_part)part);
	for (int i = 0; i < kept && result == 0; i++) {
		const char *path = import_directory_file(import->adapters[i].file);
		result = path ? import_adapter_write(
		                    &import->adapters[i], path, &import->fingerprints[IMPORT_LLM])
		              : -1;
	}
	if (result == 0)
		return import_directory_commit();
	import_directory_abandon();
	return -1;
}

void import_clean_up(void)
{
	import_directory_abandon();
}

/* What the adapter notes of the model. 0 or -1. */
static int read_fingerprint(const char *model, struct digest *llm)
{
	struct model_file *file = model_file_open(model, "llm");
	if (!file)
		return -1;
	*llm = model_file_fingerprint(file);
	model_file_close(file);
	return 0;
}

int import_keep_adapter(
    const char *path, const char *output, const char *model, struct import_adapter_count *count)
{
	struct import_adapter adapter;
	struct digest llm;
	if (model && read_fingerprint(model, &llm) < 0)
		return -1;
	int result = import_adapter_open(&adapter, path);
	if (result == 0)
		result = import_adapter_write(&adapter, output, model ? &llm : NULL);
	if (result == 0) {
		struct import_adapter_size size = import_adapter_size(&adapter);
		*count =
		    (struct import_adapter_count){ size.tensors, size.parameters, size.bytes, path, NULL };
	}
	import_adapter_close(&adapter);
	return result;
}
