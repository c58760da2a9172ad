/* result.c - writing what a run has made (see result.h). */
#define _GNU_SOURCE
#include "train/result.h"
#include "base/ending.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/message.h"
#include "import/import_directory.h"
#include "stream/model_file.h"
#include "train/adapter.h"
#include "train/llama_network.h"
#include "train/weights.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MOST = 24, COPY_BYTES = 1 << 20 };

static bool is_adapter(const struct parameter *parameter)
{
	return ending_is(parameter->name, ".lora_A") || ending_is(parameter->name, ".lora_B") ||
	       ending_is(parameter->name, ".scale");
}

static bool has_adapters(const struct weights *weights)
{
	const struct parameter *parameter;
	for (size_t i = 0; (parameter = weights_at(weights, i)); i++)
		if (!parameter->stored && is_adapter(parameter))
			return true;
	return false;
}

/* Has training changed what the part's file holds? */
static bool is_trained(const struct weights *weights)
{
	const struct parameter *parameter;
	for (size_t i = 0; (parameter = weights_at(weights, i)); i++)
		if (parameter->value && parameter->saved && (parameter->stored || !is_adapter(parameter)))
			return true;
	return false;
}

static bool is_adapter_file(const struct result *result)
{
	return ending_is(result->output, ".zv");
}

static struct weights *find_part(const struct result *result, const char *name)
{
	for (size_t i = 0; i < result->count; i++)
		if (strcmp(weights_part(result->parts[i]), name) == 0)
			return result->parts[i];
	return NULL;
}

/* Does the Q-Former as it is say that it reads the question? */
static bool says_instruction(const struct weights *qformer)
{
	char text[8];
	return qformer && model_file_text(weights_file(qformer), "instruction", text, sizeof text) &&
	       strcmp(text, "1") == 0;
}

static int check_adapter_file(const struct result *result)
{
	const struct weights *llm = find_part(result, "llm");
	if (result->merge)
		return error_system("%s: a merged model is a directory, no file", result->output);
	if (result->instruction && !says_instruction(find_part(result, "qformer")))
		return error_system(
		    "%s: that the Q-Former reads the question is kept in qformer.zv, not in "
		    "an adapter file; give a name that does not end in .zv",
		    result->output);
	if (!llm || !has_adapters(llm))
		return error_system(
		    "%s: nothing is trained that goes into an adapter file; give --lora, or "
		    "a name that does not end in .zv for a model directory",
		    result->output);
	for (size_t i = 0; i < result->count; i++)
		if (result->parts[i] != llm && is_trained(result->parts[i]))
			return error_system(
			    "%s: parameters of %s.zv are trained too, which do not go into an "
			    "adapter file; give a name that does not end in .zv, or --train lora",
			    result->output, weights_part(result->parts[i]));
	struct stat status;
	if (lstat(result->output, &status) != 0)
		return 0;
	if (!S_ISREG(status.st_mode))
		return error_system("%s: exists and is no regular file", result->output);
	return result->force ? 0
	                     : error_system("%s: exists; give --force to replace it", result->output);
}

int result_check(const struct result *result)
{
	struct stat status;
	const struct weights *llm = find_part(result, "llm");
	if (is_adapter_file(result))
		return check_adapter_file(result);
	if (result->merge && (!llm || !has_adapters(llm)))
		return error_system("there is no adapter to merge; give --lora or --adapter");
	if (result->merge && llama_network_check_merge(result->language) < 0)
		return -1;
	if (lstat(result->output, &status) != 0)
		return 0;
	if (stat(result->output, &status) != 0 || !S_ISDIR(status.st_mode))
		return error_system("%s: exists and is no directory", result->output);
	return result->force ? 0
	                     : error_system("%s: exists; give --force to replace it", result->output);
}

/* --- the directory ------------------------------------------------------------------------------*/

/* Names of the model's files that go along: its parts and templates. */
struct names {
	char texts[FILES_MOST][NAME_MAX + 1];
	const char *list[FILES_MOST + 1];
	size_t count;
};

static int add_name(struct names *names, const char *name)
{
	if (names->count == FILES_MOST)
		return error_system("the model has more than %d files", FILES_MOST);
	snprintf(names->texts[names->count], NAME_MAX + 1, "%s", name);
	names->list[names->count] = names->texts[names->count];
	names->list[++names->count] = NULL;
	return 0;
}

static int list_names(const char *folder, struct names *names)
{
	DIR *directory = opendir(folder);
	if (!directory)
		return error_system("%s: cannot open:", folder);
	int status = 0;
	for (struct dirent *entry; status == 0 && (entry = readdir(directory));)
		if (ending_is(entry->d_name, ".template"))
			status = add_name(names, entry->d_name);
	closedir(directory);
	return status;
}

static int copy_bytes(int from, int to)
{
	static char buffer[COPY_BYTES];
	ssize_t got;
	while ((got = read(from, buffer, sizeof buffer)) > 0)
		for (ssize_t done = 0, put; done < got; done += put)
			if ((put = write(to, buffer + done, (size_t)(got - done))) < 0)
				return -1;
	return got < 0 || fsync(to) < 0 ? -1 : 0;
}

static int copy_file(const char *from, const char *to)
{
	int source = open(from, O_RDONLY | O_CLOEXEC);
	if (source < 0)
		return error_system("%s: cannot open:", from);
	int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	int status = target < 0 ? -1 : copy_bytes(source, target);
	if (status < 0)
		error_system("%s: cannot copy:", from);
	if (target >= 0)
		close(target);
	close(source);
	return status;
}

/* A file of the model in the new directory: the same file if the file system can, else a copy. */
static int link_file(const char *folder, const char *name)
{
	char from[PATH_MAX];
	int length = snprintf(from, sizeof from, "%s/%s", folder, name);
	if (length < 0 || (size_t)length >= sizeof from)
		return error_system("%s: the name is too long", name);
	if (access(from, F_OK) != 0)
		return errno == ENOENT ? 0 : error_system("%s: cannot read:", from);
	const char *to = import_directory_file(name);
	if (!to)
		return -1;
	/* a link of a symbolic link would be relative to another folder: follow it */
	return linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW) == 0 ? 0 : copy_file(from, to);
}

/* Write a part with the words; *fingerprint of what was written. */
static int write_part(const struct result *result, const struct weights *weights, const char *words,
    struct digest *fingerprint)
{
	char name[64];
	snprintf(name, sizeof name, "%s.zv", weights_part(weights));
	const char *path = import_directory_file(name);
	if (!path || weights_write(weights, path, result->dtype, words) < 0)
		return -1;
	struct model_file *file = model_file_open_path(path);
	if (!file)
		return -1;
	*fingerprint = model_file_fingerprint(file);
	model_file_close(file);
	return 0;
}

/* A part that no stage has opened, in the dtype that was asked for. */
static int convert_part(
    const struct result *result, const char *folder, const char *part, struct digest *fingerprint)
{
	struct weights *weights = weights_open(folder, part);
	int status = weights ? write_part(result, weights, NULL, fingerprint) : -1;
	weights_close(weights);
	return status;
}

/* The part as it was trained, or as it is in the model. *changed: written anew. */
static int take_part(const struct result *result, const char *folder, const char *part,
    struct digest *fingerprint, bool *changed)
{
	char name[64];
	const struct weights *weights = find_part(result, part);
	char path[PATH_MAX];
	snprintf(name, sizeof name, "%s.zv", part);
	int length = snprintf(path, sizeof path, "%s/%s", folder, name);
	if (length < 0 || (size_t)length >= sizeof path)
		return error_system("%s: the name is too long", folder);
	*changed = (weights && is_trained(weights)) || (result->dtype && access(path, F_OK) == 0);
	if (!*changed)
		return link_file(folder, name);
	return weights ? write_part(result, weights, NULL, fingerprint)
	               : convert_part(result, folder, part, fingerprint);
}

static void add_word(char *words, size_t size, const char *word, const struct digest *fingerprint)
{
	char digest[DIGEST_TEXT_SIZE];
	size_t used = strlen(words);
	digest_text(fingerprint, digest);
	snprintf(words + used, size - used, "%s=%s\n", word, digest);
}

/* qformer.zv names the weights it works with: those of vit.zv and llm.zv as they are now. */
static int take_qformer(const struct result *result, const char *folder, const char *words)
{
	struct digest fingerprint;
	struct weights *weights = find_part(result, "qformer");
	bool changed = (weights && is_trained(weights)) || result->dtype;
	if (!changed && words[0] == '\0')
		return link_file(folder, "qformer.zv");
	char path[PATH_MAX];
	int length = snprintf(path, sizeof path, "%s/qformer.zv", folder);
	if (length < 0 || (size_t)length >= sizeof path || (!weights && access(path, F_OK) != 0))
		return 0; /* the model has no Q-Former */
	struct weights *opened = weights ? NULL : weights_open(folder, "qformer");
	if (!weights && !opened)
		return -1;
	int status = write_part(result, weights ? weights : opened, words, &fingerprint);
	weights_close(opened);
	return status;
}

/* The adapters that were trained; else those of the model, which fit if its language model stays.
 * llm: fingerprint of a language model that was written anew, or NULL. */
static int take_adapter(const struct result *result, const char *folder, const struct digest *llm)
{
	const struct weights *weights = find_part(result, "llm");
	if (result->merge || !result->language || !weights || !has_adapters(weights))
		return llm ? 0 : link_file(folder, "adapter.zv");
	const char *path = import_directory_file("adapter.zv");
	return path ? adapter_write(path, result->language, llm) : -1;
}

static int fill_directory(const struct result *result, const char *folder, struct names *names)
{
	char words[256] = "";
	struct digest fingerprint;
	bool changed;
	if (take_part(result, folder, "vit", &fingerprint, &changed) < 0)
		return -1;
	if (changed)
		add_word(words, sizeof words, "vit_weights", &fingerprint);
	if (take_part(result, folder, "llm", &fingerprint, &changed) < 0)
		return -1;
	const struct weights *llm = find_part(result, "llm");
	if (!changed && llm)
		fingerprint = model_file_fingerprint(weights_file(llm));
	if (changed || (llm && find_part(result, "qformer")))
		add_word(words, sizeof words, "llm_weights", &fingerprint);
	if (result->instruction)
		strcat(words, "instruction=1\n");
	if (take_qformer(result, folder, words) < 0 ||
	    take_adapter(result, folder, changed ? &fingerprint : NULL) < 0)
		return -1;
	for (size_t i = 0; i < names->count; i++)
		if (ending_is(names->texts[i], ".template") && link_file(folder, names->texts[i]) < 0)
			return -1;
	return 0;
}

static int write_directory(const struct result *result)
{
	static const char *const own[] = { "vit.zv", "qformer.zv", "llm.zv", "adapter.zv" };
	struct names names = { .count = 0 };
	char folder[PATH_MAX];
	if (model_find(result->model, folder, sizeof folder) < 0)
		return -1;
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (add_name(&names, own[i]) < 0)
			return -1;
	if (list_names(folder, &names) < 0)
		return -1;
	if (import_directory_begin(result->output, result->force, names.list) < 0)
		return error_context("%s", result->output);
	if (fill_directory(result, folder, &names) < 0) {
		import_directory_abandon();
		return error_context("%s", result->output);
	}
	return import_directory_commit() < 0 ? error_context("%s", result->output) : 0;
}

/* Adapters beside a model work only where they are asked for. */
static void tell_adapter(const struct result *result)
{
	const struct weights *llm = find_part(result, "llm");
	if (!result->merge && result->language && llm && has_adapters(llm))
		message_note(result->output,
		    "its adapters are in adapter.zv: give --adapter %s/adapter.zv "
		    "to the programs that use it (--merge adds them to the weights)",
		    result->output);
}

int result_write(const struct result *result)
{
	if (is_adapter_file(result))
		return adapter_write(result->output, result->language, NULL) < 0
		           ? error_context("%s", result->output)
		           : 0;
	if (result->merge && llama_network_merge(result->language) < 0)
		return -1;
	if (write_directory(result) < 0)
		return -1;
	tell_adapter(result);
	return 0;
}
