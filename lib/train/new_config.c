/* new_config.c - settings of a model from nothing (see new_config.h). */
#include "train/new_config.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "text/lines.h"

#include <stdio.h>
#include <string.h>

enum { SETTINGS_MOST = 1000, FILE_BYTES_MOST = 1 << 28, PATH_BYTES = 4096 };

struct setting {
	char *word, *value;
	char *folder; /* folder of the file that it comes from; NULL: names are as they are */
	bool read;
};

struct new_config {
	struct setting *settings;
	size_t count, capacity;
};

struct new_config *new_config_new(void)
{
	return memory_allocate_zero(1, sizeof(struct new_config));
}

void new_config_release(struct new_config *config)
{
	if (!config)
		return;
	for (size_t i = 0; i < config->count; i++) {
		memory_release(config->settings[i].word);
		memory_release(config->settings[i].value);
		memory_release(config->settings[i].folder);
	}
	memory_release(config->settings);
	memory_release(config);
}

/* The part of text without blanks at its ends. */
static const char *trim(const char *text, size_t *size)
{
	while (*size > 0 && (*text == ' ' || *text == '\t'))
		text++, (*size)--;
	while (*size > 0 && strchr(" \t\r", text[*size - 1]))
		(*size)--;
	return text;
}

static bool is_word(const char *text, size_t size)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_0123456789";
	const char *dot = memchr(text, '.', size);
	if (!dot)
		return false;
	size_t part = (size_t)(dot - text), rest = size - part - 1;
	return part > 0 && rest > 0 && strspn(text, letters) == part &&
	       strspn(dot + 1, letters) >= rest;
}

static int add_setting(struct new_config *config, const char *line, const char *path)
{
	const char *equals = strchr(line, '=');
	if (!equals)
		return error_input("\"%.60s\" is no PART.WORD=VALUE", line);
	size_t word_size = (size_t)(equals - line), value_size = strlen(equals + 1);
	const char *word = trim(line, &word_size), *value = trim(equals + 1, &value_size);
	if (!is_word(word, word_size))
		return error_input("\"%.*s\" is no PART.WORD", word_size < 60 ? (int)word_size : 60, word);
	if (config->count >= SETTINGS_MOST)
		return error_input("more than %d settings", SETTINGS_MOST);
	if (memory_grow((void **)&config->settings, &config->capacity, config->count + 1,
	        sizeof *config->settings) < 0)
		return -1;
	struct setting *setting = &config->settings[config->count];
	*setting = (struct setting){ .word = memory_text(word, word_size),
		.value = memory_text(value, value_size) };
	const char *slash = path ? strrchr(path, '/') : NULL;
	if (slash)
		setting->folder = memory_text(path, (size_t)(slash + 1 - path));
	config->count++; /* what could not be allocated is released with the rest */
	return setting->word && setting->value && (!slash || setting->folder) ? 0 : -1;
}

int new_config_set(struct new_config *config, const char *line)
{
	return add_setting(config, line, NULL);
}

int new_config_read(struct new_config *config, const char *path)
{
	struct lines lines;
	if (lines_open(&lines, path, LINES_RAW) < 0)
		return -1;
	int status;
	while ((status = lines_next(&lines)) > 0) {
		size_t size = strlen(lines.text);
		const char *text = trim(lines.text, &size);
		if (size == 0 || *text == '#')
			continue;
		if (add_setting(config, lines.text, path) < 0) {
			status = error_context("line %zu", lines.number);
			break;
		}
	}
	lines_close(&lines);
	return status < 0 ? error_as(ERROR_SYSTEM) : 0;
}

static struct setting *find(struct new_config *config, const char *word)
{
	struct setting *found = NULL;
	for (size_t i = 0; i < config->count; i++)
		if (strcmp(config->settings[i].word, word) == 0) {
			found = &config->settings[i];
			found->read = true;
		}
	return found;
}

const char *new_config_text(struct new_config *config, const char *word)
{
	const struct setting *setting = find(config, word);
	return setting ? setting->value : NULL;
}

int new_config_whole(
    struct new_config *config, const char *word, int64_t least, int64_t most, int64_t *value)
{
	const char *text = new_config_text(config, word);
	if (text)
		return number_whole(text, least, most, value) < 0 ? error_context("%s", word) : 0;
	return *value < 0 ? error_input("the setting %s is missing", word) : 0;
}

int new_config_real(
    struct new_config *config, const char *word, double least, double most, double *value)
{
	const char *text = new_config_text(config, word);
	if (text)
		return number_real(text, least, most, value) < 0 ? error_context("%s", word) : 0;
	return *value < 0 ? error_input("the setting %s is missing", word) : 0;
}

int new_config_file(struct new_config *config, const char *word, char **bytes, size_t *size)
{
	const struct setting *setting = find(config, word);
	char path[PATH_BYTES];
	if (!setting)
		return 0;
	bool relative = setting->folder && setting->value[0] != '/';
	int length =
	    snprintf(path, sizeof path, "%s%s", relative ? setting->folder : "", setting->value);
	if (length < 0 || (size_t)length >= sizeof path)
		return error_input("%s: the name is too long", word);
	return file_read_regular(path, FILE_BYTES_MOST, bytes, size) < 0
	           ? error_context("%s: %s", word, path)
	           : 1;
}

bool new_config_has(const struct new_config *config, const char *part)
{
	size_t size = strlen(part);
	for (size_t i = 0; i < config->count; i++)
		if (strncmp(config->settings[i].word, part, size) == 0 &&
		    config->settings[i].word[size] == '.')
			return true;
	return false;
}

int new_config_check(const struct new_config *config)
{
	for (size_t i = 0; i < config->count; i++)
		if (!config->settings[i].read)
			return error_input("there is no setting %s", config->settings[i].word);
	return 0;
}
