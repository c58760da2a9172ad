/* import_tokens.c - tokenizer.model, vocab.txt and the lists of added tokens beside them, as Hugging
 * Face keeps them in three JSON files that overlap (spec 2.6): added_tokens.json {"TEXT": ID},
 * special_tokens_map.json and tokenizer_config.json. Becomes the lines of zv-model(5),
 * "ID TAB strip|keep TAB TEXT".
 */
#include "base/error.h"
#include "base/memory.h"
#include "import/import_pass.h"
#include "text/bpe.h"
#include "text/wordpiece.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MOST = 64 << 20, TOKENS_MOST = 1 << 16 };

struct token {
	int32_t id;
	bool strip;
	const char *text; /* owned by one of the documents */
	size_t size;
};

struct tokens {
	struct json *added, *special, *config;
	struct token *list;
	size_t count, capacity;
};

static int join(char *path, size_t size, const char *directory, const char *name)
{
	int length = snprintf(path, size, "%s/%s", directory, name);
	return length < 0 || (size_t)length >= size ? error_system("%s: name is too long", directory)
	                                            : 0;
}

static int open_json(const char *directory, const char *name, struct json **root)
{
	char path[PATH_MAX];
	struct stat status;
	if (join(path, sizeof path, directory, name) < 0)
		return -1;
	if (stat(path, &status) < 0)
		return 0;
	*root = import_config_open(path);
	return *root ? 0 : error_context("%s", path);
}

static void tokens_close(struct tokens *tokens)
{
	json_release(tokens->added);
	json_release(tokens->special);
	json_release(tokens->config);
	memory_release(tokens->list);
}

/* The one declaration of text among bos_token, additional_special_tokens, ... of an object: the
 * text itself, or an object with that content. NULL: none. */
static const struct json *find_declaration(const struct json *root, const char *text)
{
	for (struct json_walk walk = json_walk_start(root); json_walk_next(&walk);) {
		size_t count = json_kind(walk.value) == JSON_KIND_ARRAY ? json_count(walk.value) : 1;
		for (size_t i = 0; i < count; i++) {
			const struct json *one =
			    json_kind(walk.value) == JSON_KIND_ARRAY ? json_item(walk.value, i) : walk.value;
			const char *found = json_text(one, NULL);
			if (!found)
				found = json_text(json_member(one, "content"), NULL);
			if (found && strcmp(found, text) == 0)
				return one;
		}
	}
	return NULL;
}

static bool says_strip(const struct json *declaration)
{
	bool left = false, right = false;
	if (json_text(declaration, NULL))
		return true;
	if (json_bool(json_member(declaration, "lstrip"), &left) < 0)
		left = false;
	if (json_bool(json_member(declaration, "rstrip"), &right) < 0)
		right = false;
	error_clear();
	return left && right;
}

static int add_token(struct tokens *tokens, int64_t id, bool strip, const char *text, size_t size)
{
	for (size_t i = 0; i < tokens->count; i++)
		if (tokens->list[i].id == id)
			return 0;
	if (tokens->count == TOKENS_MOST)
		return error_input("more than %d added tokens", TOKENS_MOST);
	void *grown = tokens->list;
	if (memory_grow(&grown, &tokens->capacity, tokens->count + 1, sizeof *tokens->list) < 0)
		return -1;
	tokens->list = grown;
	tokens->list[tokens->count++] = (struct token){ (int32_t)id, strip, text, size };
	return 0;
}

/* How the special tokens' own declarations treat text: strip unless an object says otherwise. */
static bool strips(const struct tokens *tokens, const char *text)
{
	const struct json *declaration = find_declaration(tokens->special, text);
	if (!declaration)
		declaration = find_declaration(tokens->config, text);
	return !declaration || says_strip(declaration);
}

/* "added_tokens_decoder" {"ID": {"content": ...}}, which newer versions write and prefer. */
static int add_decoder(struct tokens *tokens, int64_t first)
{
	const struct json *decoder = json_member(tokens->config, "added_tokens_decoder");
	for (struct json_walk walk = json_walk_start(decoder); json_walk_next(&walk);) {
		char *end;
		long id = strtol(walk.key, &end, 10);
		size_t size;
		const char *text = json_text(json_member(walk.value, "content"), &size);
		if (*end || end == walk.key || id < 0 || id > INT32_MAX || !text)
			return error_input(
			    "tokenizer_config.json: added_tokens_decoder: \"%.40s\" is no token", walk.key);
		/* What the vocabulary holds already needs a line only if it strips. */
		bool strip = says_strip(walk.value);
		if ((id >= first || strip) && add_token(tokens, id, strip, text, size) < 0)
			return -1;
	}
	return 0;
}

static int add_added(struct tokens *tokens)
{
	for (struct json_walk walk = json_walk_start(tokens->added); json_walk_next(&walk);) {
		int64_t id;
		if (json_whole(walk.value, 0, INT32_MAX, &id) < 0)
			return error_context("added_tokens.json: \"%.40s\"", walk.key);
		if (add_token(tokens, id, strips(tokens, walk.key), walk.key, walk.key_size) < 0)
			return -1;
	}
	return 0;
}

static int compare_tokens(const void *left, const void *right)
{
	const struct token *a = left, *b = right;
	return a->id < b->id ? -1 : a->id > b->id;
}

/* The tokens as lines. */
static int write_lines(const struct tokens *tokens, struct import_bytes *lines)
{
	size_t size = 0, used = 0;
	for (size_t i = 0; i < tokens->count; i++)
		size += 32 + 2 * tokens->list[i].size;
	if (tokens->count == 0)
		return 0;
	lines->bytes = memory_allocate(size, 1);
	if (!lines->bytes)
		return -1;
	for (size_t i = 0; i < tokens->count; i++) {
		const struct token *token = &tokens->list[i];
		used += (size_t)snprintf(lines->bytes + used, size - used, "%ld\t%s\t", (long)token->id,
		    token->strip ? "strip" : "keep");
		for (size_t at = 0; at < token->size; at++) {
			static const char special[] = "\t\n\r\\", letters[] = "tnr\\";
			const char *found = memchr(special, token->text[at], 4);
			if (found)
				lines->bytes[used++] = '\\';
			lines->bytes[used++] = found ? letters[found - special] : token->text[at];
		}
		lines->bytes[used++] = '\n';
	}
	lines->size = used;
	return 0;
}

/* All JSON files beside a vocabulary whose own tokens are 0..first-1. */
static int read_tokens(const char *directory, int64_t first, struct tokens *tokens)
{
	if (open_json(directory, "added_tokens.json", &tokens->added) < 0 ||
	    open_json(directory, "special_tokens_map.json", &tokens->special) < 0 ||
	    open_json(directory, "tokenizer_config.json", &tokens->config) < 0)
		return -1;
	if (add_decoder(tokens, first) < 0 || add_added(tokens) < 0)
		return error_context("%s", directory);
	return 0;
}

/* The directory part of a file's path into directory (PATH_MAX bytes). */
static void parent(const char *path, char *directory)
{
	const char *slash = strrchr(path, '/');
	snprintf(directory, PATH_MAX, "%.*s", slash ? (int)(slash - path) + (slash == path) : 1,
	    slash ? path : ".");
}

/* Find a file given by an option, or below the directory of the part's source, or of any other:
 * its bytes, and its path (PATH_MAX bytes). 1, 0, -1. */
static int find_file(struct import *import, enum import_part part, const char *given,
    const char *const *names, struct import_bytes *file, char *path)
{
	const struct import_source *owner = import->sources.owners[part];
	if (given) {
		snprintf(path, PATH_MAX, "%s", given);
		int found = import_file_read(given, FILE_MOST, file);
		return found == 0 ? error_system("%s: cannot open: No such file or directory", given)
		                  : found;
	}
	for (int i = -1; i < import->sources.count; i++) {
		const struct import_source *source = i < 0 ? owner : &import->sources.list[i];
		for (int n = 0; names[n] && source->directory; n++) {
			if (join(path, PATH_MAX, source->directory, names[n]) < 0)
				return -1;
			int found = import_file_find(path, FILE_MOST, file);
			if (found > 0 && source != owner)
				import_note(import, "%s has no %s: took %s", owner->path, names[n], path);
			if (found != 0)
				return found;
		}
	}
	return 0;
}

/* <s>, </s> and <unk> are in the vocabulary; a line says so when they strip (old files only). */
static int add_control(struct tokens *tokens, const struct bpe *bpe)
{
	static const char *const texts[] = { "<unk>", "<s>", "</s>" };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		const struct json *declaration = find_declaration(tokens->special, texts[i]);
		int32_t id = bpe_find(bpe, texts[i]);
		if (id >= 0 && json_text(declaration, NULL) &&
		    add_token(tokens, id, true, texts[i], strlen(texts[i])) < 0)
			return -1;
	}
	return 0;
}

/* One directory may hold both vocabularies and one list of added tokens. What cannot be meant for
 * this one: an id of a piece with another text (bpe), or at or above most (bpe NULL). */
static void drop_foreign(struct tokens *tokens, const struct bpe *bpe, int64_t most)
{
	size_t kept = 0;
	for (size_t i = 0; i < tokens->count; i++) {
		const struct token *token = &tokens->list[i];
		const char *piece = bpe ? bpe_piece(bpe, token->id) : NULL;
		bool foreign = bpe ? piece && strcmp(piece, token->text) != 0 : token->id >= most;
		if (!foreign)
			tokens->list[kept++] = *token;
	}
	tokens->count = kept;
	error_clear();
}

static bool has_token(const struct tokens *tokens, const char *text)
{
	for (size_t i = 0; i < tokens->count; i++)
		if (strcmp(tokens->list[i].text, text) == 0)
			return true;
	return false;
}

/* The prompt template this model was most likely trained with. */
static const char *guess_template(const struct import *import, const struct tokens *tokens)
{
	if (import->request->template)
		return import->request->template;
	if (has_token(tokens, "<human>") && has_token(tokens, "<bot>"))
		return "ziya";
	const struct json *root =
	    import_config_of(import, IMPORT_QFORMER, "query_tokens", "qformer_config");
	struct import_qformer_config config;
	bool instruct = import_config_qformer(root, &config) == 0 && config.instruction;
	const struct import_origin *projection =
	    import_find(&import->sources, IMPORT_QFORMER, "language_projection.weight");
	if (instruct)
		return "vicuna";
	return projection && strstr(projection->tensor->name, "llama_proj") ? "minigpt4" : "plain";
}

static int take_llm_tokens(struct import *import, const char *path, struct tokens *tokens)
{
	char directory[PATH_MAX];
	struct bpe *bpe = bpe_open(import->tokenizer.bytes, import->tokenizer.size, NULL, 0);
	if (!bpe)
		return error_context("%s: is not a tokenizer.model", path);
	parent(path, directory);
	int result = read_tokens(directory, bpe_size(bpe), tokens);
	if (result == 0) {
		drop_foreign(tokens, bpe, 0);
		result = add_control(tokens, bpe);
	}
	if (result == 0 && tokens->count)
		qsort(tokens->list, tokens->count, sizeof *tokens->list, compare_tokens);
	uint64_t rows = import->llm.vocabulary, most = (uint64_t)bpe_size(bpe);
	for (size_t i = 0; i < tokens->count; i++)
		if ((uint64_t)tokens->list[i].id >= most)
			most = (uint64_t)tokens->list[i].id + 1;
	bpe_close(bpe);
	if (result == 0 && most > rows)
		result = error_input("%s: the tokenizer has ids up to %llu, the embedding table %llu rows",
		    path, (unsigned long long)most - 1, (unsigned long long)rows);
	if (result < 0)
		return -1;
	bool legacy = true;
	const struct json *flag = json_member(tokens->config, "legacy");
	if (json_kind(flag) == JSON_KIND_BOOL && json_bool(flag, &legacy) == 0)
		import->llm.modern = !legacy;
	import->template = guess_template(import, tokens);
	return write_lines(tokens, &import->llm_added);
}

int import_llm_tokens(struct import *import)
{
	static const char *const names[] = { "tokenizer.model", NULL };
	char path[PATH_MAX];
	struct tokens tokens = { 0 };
	int found =
	    find_file(import, IMPORT_LLM, import->request->tokenizer, names, &import->tokenizer, path);
	if (found == 0)
		return error_input("no source has a tokenizer.model for the language model: give "
		                   "--tokenizer tokenizer.model");
	int result = found < 0 ? -1 : take_llm_tokens(import, path, &tokens);
	tokens_close(&tokens);
	return result;
}

/* Is it a list of word pieces at all? */
static int check_vocabulary(const struct import_bytes *file, const char *path)
{
	struct wordpiece *wordpiece = wordpiece_open(file->bytes, file->size, NULL, 0);
	wordpiece_close(wordpiece);
	return wordpiece ? 0 : error_context("%s: is not a vocab.txt", path);
}

static int64_t count_lines(const struct import_bytes *file)
{
	int64_t lines = 0;
	for (size_t i = 0; i < file->size; i++)
		lines += file->bytes[i] == '\n';
	return lines + (file->size && file->bytes[file->size - 1] != '\n');
}

static int take_qformer_tokens(struct import *import, const char *path, struct tokens *tokens)
{
	char directory[PATH_MAX];
	if (check_vocabulary(&import->vocabulary, path) < 0)
		return -1;
	parent(path, directory);
	int64_t lines = count_lines(&import->vocabulary);
	int64_t rows = (int64_t)import->qformer.vocabulary;
	if (read_tokens(directory, lines, tokens) < 0)
		return -1;
	char neighbour[PATH_MAX];
	struct stat status;
	if (join(neighbour, sizeof neighbour, directory, "tokenizer.model") == 0 &&
	    stat(neighbour, &status) == 0)
		drop_foreign(tokens, NULL, rows);
	/* LAVIS adds one token to BERT's vocabulary in its code, and saves no list of it. */
	if (lines == rows - 1 && tokens->count == 0 && add_token(tokens, lines, true, "[DEC]", 5) < 0)
		return -1;
	if (tokens->count)
		qsort(tokens->list, tokens->count, sizeof *tokens->list, compare_tokens);
	int64_t most = lines;
	for (size_t i = 0; i < tokens->count; i++)
		if (tokens->list[i].id >= most)
			most = (int64_t)tokens->list[i].id + 1;
	if (most > rows)
		return error_input("%s: with the added tokens beside it there are ids up to %lld, but the "
		                   "Q-Former's word table has %lld rows",
		    path, (long long)most - 1, (long long)rows);
	if (most < rows)
		import_note(import, "%s: %lld tokens for the %lld rows of the Q-Former's word table", path,
		    (long long)most, (long long)rows);
	return write_lines(tokens, &import->qformer_added);
}

int import_qformer_tokens(struct import *import)
{
	static const char *const names[] = { "qformer_tokenizer/vocab.txt", "vocab.txt", NULL };
	char path[PATH_MAX];
	struct tokens tokens = { 0 };
	int found = find_file(
	    import, IMPORT_QFORMER, import->request->vocabulary, names, &import->vocabulary, path);
	if (found == 0)
		return error_input("no source has a vocab.txt for the text branch of the Q-Former: give "
		                   "--vocab vocab.txt (of bert-base-uncased, unless told otherwise)");
	int result = found < 0 ? -1 : take_qformer_tokens(import, path, &tokens);
	tokens_close(&tokens);
	return result;
}
