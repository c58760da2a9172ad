/* run_state.c - checkpoints of training (see run_state.h). The file has the form of a model file, so
 * that it can be mapped, verified and searched, and listed with zv-ls:
 *     config                          name "run", words: stage=run, PART_weights=<fingerprint>
 *     numbers                         Q [5]: step, validated, best_step, steps of the optimiser,
 *                                     examples since the last line of the log
 *     best                            d [2]: best, seconds
 *     settings                        B: the run's settings as text
 *     since                           B: losses since the last line of the log, "name sum count"
 *     value/PART/NAME and first/, second/, average/   f32: of each trained parameter
 */
#include "train/run_state.h"
#include "base/error.h"
#include "base/number.h"
#include "model/finite.h"
#include "stream/model_file.h"
#include "stream/write.h"
#include "train/adamw.h"
#include "train/weights.h"

#include <errno.h>
#include <float.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NUMBERS = 5, BESTS = 2, TENSORS = 4, TENSORS_BEFORE = 4, SINCE_BYTES = 4096 };

static const char *const tensor_names[TENSORS] = { "value", "first", "second", "average" };

/* Where a parameter keeps the tensor of this name; NULL if it has none. */
static float *tensor_of(const struct parameter *parameter, int tensor)
{
	float *const tensors[TENSORS] = { parameter->value, parameter->first_moment,
		parameter->second_moment, parameter->average };
	return tensors[tensor];
}

static int tensor_key(
    const struct weights *part, const struct parameter *parameter, int tensor, char *key)
{
	int length = snprintf(key, RECORD_KEY_MOST + 1, "%s/%s/%s", tensor_names[tensor],
	    weights_part(part), parameter->name);
	return length < 0 || length > RECORD_KEY_MOST
	           ? error_system("the name of \"%.100s...\" is too long", parameter->name)
	           : 0;
}

static int put(struct writer *writer, const char *key, const char *name, char dtype,
    uint64_t elements, const void *payload)
{
	struct record record;
	record_tensor(&record, name, dtype, 1, &elements);
	return record_set_key(&record, key) < 0 ? -1 : writer_put(writer, &record, payload);
}

static int put_config(struct writer *writer, struct weights *const *parts, size_t count)
{
	char words[1024] = "stage=run\n", digest[DIGEST_TEXT_SIZE];
	for (size_t part = 0; part < count; part++) {
		size_t used = strlen(words), left = sizeof words - used;
		struct digest fingerprint = model_file_fingerprint(weights_file(parts[part]));
		digest_text(&fingerprint, digest);
		int length =
		    snprintf(words + used, left, "%s_weights=%s\n", weights_part(parts[part]), digest);
		if (length < 0 || (size_t)length >= left)
			return error_system("the run has too many parts");
	}
	struct record record;
	uint64_t none = 0;
	record_tensor(&record, "run", 'B', 1, &none);
	record.meta = words;
	record.meta_size = strlen(words);
	return record_set_key(&record, "config") < 0 ? -1 : writer_put(writer, &record, "");
}

static int put_parameter(
    struct writer *writer, const struct weights *part, const struct parameter *parameter)
{
	char key[RECORD_KEY_MOST + 1];
	for (int tensor = 0; tensor < TENSORS; tensor++) {
		const float *values = tensor_of(parameter, tensor);
		if (values && (tensor_key(part, parameter, tensor, key) < 0 ||
		                  put(writer, key, "values", 'f', parameter->count, values) < 0))
			return -1;
	}
	return 0;
}

/* One line for each loss, with digits enough to come back as it was. */
static void format_since(const struct stage_report *since, char text[SINCE_BYTES])
{
	size_t used = 0;
	text[0] = '\0';
	for (size_t i = 0; i < since->count; i++)
		used += (size_t)snprintf(text + used, SINCE_BYTES - used, "%s %.17g %.17g\n",
		    since->losses[i].name, since->losses[i].sum, since->losses[i].count);
}

static int put_all(struct writer *writer, const struct run_state *state, const struct adamw *adamw,
    struct weights *const *parts, size_t count)
{
	const uint64_t numbers[NUMBERS] = { state->step, state->validated, state->best_step,
		adamw->step, state->since.examples };
	const double best[BESTS] = { state->best, state->seconds };
	const char *settings = state->settings ? state->settings : "";
	const struct parameter *parameter;
	char since[SINCE_BYTES];
	format_since(&state->since, since);
	if (put_config(writer, parts, count) < 0 ||
	    put(writer, "numbers", "values", 'Q', NUMBERS, numbers) < 0 ||
	    put(writer, "best", "values", 'd', BESTS, best) < 0 ||
	    put(writer, "settings", "bytes", 'B', strlen(settings), settings) < 0 ||
	    put(writer, "since", "bytes", 'B', strlen(since), since) < 0)
		return -1;
	for (size_t part = 0; part < count; part++)
		for (size_t i = 0; (parameter = weights_at(parts[part], i)); i++)
			if (parameter->value && put_parameter(writer, parts[part], parameter) < 0)
				return -1;
	return 0;
}

int run_state_write(const char *path, const struct run_state *state, const struct adamw *adamw,
    struct weights *const *parts, size_t count)
{
	struct writer *writer = writer_open(path, WRITER_BARE);
	if (!writer)
		return -1;
	if (put_all(writer, state, adamw, parts, count) == 0)
		return writer_finish(writer);
	writer_abandon(writer);
	return error_as(ERROR_SYSTEM);
}

static int damaged(const char *what)
{
	return error_system(
	    "the checkpoint is damaged (%s): remove it to begin anew, or put an earlier "
	    "one in its place",
	    what);
}

/* A tensor of this dtype and number of elements, or NULL. */
static const void *find(
    const struct model_file *file, const char *key, char dtype, uint64_t elements)
{
	struct weight weight;
	return model_file_find(file, key, &weight) && weight.dtype == dtype && weight.dimensions == 1 &&
	               weight.shape[0] == elements
	           ? weight.data
	           : NULL;
}

static int check_parts(const struct model_file *file, struct weights *const *parts, size_t count)
{
	char word[64], wanted[DIGEST_TEXT_SIZE], digest[DIGEST_TEXT_SIZE];
	if (!model_file_text(file, "stage", word, sizeof word) || strcmp(word, "run") != 0)
		return error_system("is no checkpoint of training");
	for (size_t part = 0; part < count; part++) {
		const char *name = weights_part(parts[part]);
		struct digest fingerprint = model_file_fingerprint(weights_file(parts[part]));
		digest_text(&fingerprint, digest);
		snprintf(word, sizeof word, "%s_weights", name);
		if (!model_file_text(file, word, wanted, sizeof wanted))
			return error_system("is the checkpoint of a run without %s.zv", name);
		if (strcmp(wanted, digest) != 0)
			return error_system(
			    "is the checkpoint of a run that began with another %s.zv (%.8s..., "
			    "now %.8s...): give the model that it began with",
			    name, wanted, digest);
	}
	return 0;
}

/* The length of the line at text, without its '\n'. */
static size_t line_length(const char *text, const char *end)
{
	const char *newline = memchr(text, '\n', (size_t)(end - text));
	return (size_t)((newline ? newline : end) - text);
}

/* Settings are equal, or the first line that is not is named. */
static int check_settings(const struct model_file *file, const char *settings)
{
	struct weight weight;
	if (!model_file_find(file, "settings", &weight) || weight.dtype != 'B')
		return damaged("it has no settings");
	const char *was = weight.data, *was_end = was + weight.bytes;
	const char *now = settings, *now_end = now + strlen(now);
	while (was < was_end || now < now_end) {
		size_t was_length = line_length(was, was_end), now_length = line_length(now, now_end);
		if (was_length != now_length || memcmp(was, now, was_length) != 0)
			return error_system(
			    "the run was started with \"%.*s\", now it is \"%.*s\": go on with the "
			    "same settings, or begin anew",
			    (int)(was_length < 200 ? was_length : 200), was,
			    (int)(now_length < 200 ? now_length : 200), now);
		was += was_length + (was + was_length < was_end);
		now += now_length + (now + now_length < now_end);
	}
	return 0;
}

/* The word at *at, up to a blank or the end of the line, into text. 0, or -1: none, or too long. */
static int next_word(const char **at, const char *end, char *text, size_t size)
{
	size_t length = 0;
	while (*at + length < end && (*at)[length] != ' ' && (*at)[length] != '\n')
		length++;
	if (length == 0 || length >= size)
		return -1;
	memcpy(text, *at, length);
	text[length] = '\0';
	*at += length + (*at + length < end);
	return 0;
}

static int read_since(const struct model_file *file, struct stage_report *since)
{
	struct weight weight;
	if (!model_file_find(file, "since", &weight) || weight.dtype != 'B')
		return damaged("it has no losses");
	const char *at = weight.data, *end = at + weight.bytes;
	while (at < end) {
		char name[STAGE_NAME_BYTES], sum[40], count[40];
		double numbers[2];
		if (next_word(&at, end, name, sizeof name) < 0 ||
		    next_word(&at, end, sum, sizeof sum) < 0 ||
		    next_word(&at, end, count, sizeof count) < 0 ||
		    number_real(sum, -DBL_MAX, DBL_MAX, &numbers[0]) < 0 ||
		    number_real(count, 0, DBL_MAX, &numbers[1]) < 0)
			return damaged("its losses are no numbers");
		stage_report_add(since, name, numbers[0], numbers[1]);
	}
	return 0;
}

/* Take every tensor of a parameter, or (take false) only see that it is there. */
static int read_parameter(const struct model_file *file, const struct weights *part,
    const struct parameter *parameter, bool take, size_t *seen)
{
	char key[RECORD_KEY_MOST + 1];
	for (int tensor = 0; tensor < TENSORS; tensor++) {
		float *values = tensor_of(parameter, tensor);
		if (!values)
			continue;
		if (tensor_key(part, parameter, tensor, key) < 0)
			return -1;
		const void *stored = find(file, key, 'f', parameter->count);
		if (!stored)
			return error_system("the checkpoint has no %s of %s (%zu numbers): it is of a run that "
			                    "trained other parameters",
			    tensor_names[tensor], parameter->name, parameter->count);
		if (!take && finite_check(stored, parameter->count, "") < 0)
			return damaged("a number in it is not finite");
		if (take)
			memcpy(values, stored, parameter->count * sizeof *values);
		*seen += 1;
	}
	return 0;
}

static int read_parameters(
    const struct model_file *file, struct weights *const *parts, size_t count, bool take)
{
	const struct parameter *parameter;
	const char *key;
	size_t seen = TENSORS_BEFORE, key_size;
	struct weight weight;
	for (size_t part = 0; part < count; part++)
		for (size_t i = 0; (parameter = weights_at(parts[part], i)); i++)
			if (parameter->value && read_parameter(file, parts[part], parameter, take, &seen) < 0)
				return -1;
	if (model_file_at(file, seen, &key, &key_size, &weight))
		return error_system("the checkpoint is of a run that trained more parameters");
	return 0;
}

static int read_all(const struct model_file *file, struct run_state *state, struct adamw *adamw,
    struct weights *const *parts, size_t count)
{
	if (check_parts(file, parts, count) < 0)
		return -1;
	if (model_file_verify(file, NULL) < 0)
		return damaged("a checksum is wrong");
	uint64_t numbers[NUMBERS];
	double bests[BESTS];
	struct stage_report since = { .examples = 0 };
	const void *stored = find(file, "numbers", 'Q', NUMBERS);
	const void *best = find(file, "best", 'd', BESTS);
	if (!stored || !best)
		return damaged("it has no numbers");
	if ((!state->any_settings &&
	        check_settings(file, state->settings ? state->settings : "") < 0) ||
	    read_since(file, &since) < 0 || read_parameters(file, parts, count, false) < 0 ||
	    read_parameters(file, parts, count, true) < 0)
		return -1;
	memcpy(numbers, stored, sizeof numbers);
	memcpy(bests, best, sizeof bests);
	state->step = numbers[0];
	state->validated = numbers[1];
	state->best_step = numbers[2];
	adamw->step = numbers[3];
	since.examples = numbers[4];
	state->since = since;
	state->best = bests[0];
	state->seconds = bests[1];
	return 1;
}

int run_state_read(const char *path, struct run_state *state, struct adamw *adamw,
    struct weights *const *parts, size_t count)
{
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	struct model_file *file = model_file_open_path(path);
	if (!file)
		return error_context(
		    "the checkpoint cannot be read; if it is damaged, remove it to begin anew, or put an "
		    "earlier one in its place");
	int result = read_all(file, state, adamw, parts, count);
	model_file_close(file);
	return result;
}
