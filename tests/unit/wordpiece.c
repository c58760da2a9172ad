/* wordpiece.c - BERT's tokenizer: a small vocabulary made here, and the reference data. */
#include "base/error.h"
#include "base/memory.h"
#include "tap.h"
#include "text/wordpiece.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*                            0      1      2      3      4  5   6      7   8    9    10      11 */
#define LIST "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\n##a\n##bb\n,\n\u4f60\nabba\nab\n"
/* 12: final sigma, 13: sigma, 14: alpha, 15: its continuation by the final form, 16: i */
#define GREEK "\u03c2\n\u03c3\n\u03b1\n##\u03c2\ni\n"

static const char *encoded(const struct wordpiece *wordpiece, const char *text)
{
	static char line[4096];
	struct ids ids = { 0 };
	size_t used = 0;
	line[0] = '\0';
	if (wordpiece_encode(wordpiece, text, strlen(text), &ids))
		return "failed";
	for (size_t i = 0; i < ids.count && used < sizeof line - 16; i++)
		used +=
		    (size_t)snprintf(line + used, sizeof line - used, "%s%d", i ? " " : "", (int)ids.at[i]);
	ids_clear(&ids);
	return line;
}

#define IS(text, wanted, name) TAP_OK(strcmp(encoded(wordpiece, text), wanted) == 0, name)

static void check_small(void)
{
	struct wordpiece *wordpiece = wordpiece_open(LIST GREEK, strlen(LIST GREEK), NULL, 0);
	TAP_OK(wordpiece && wordpiece_size(wordpiece) == 17, "a small vocabulary opens");
	IS("abba", "10", "the longest piece wins");
	IS("abbaa", "10 6", "continuation");
	IS("abbb", "11 7", "longest first, then ##");
	IS("aab", "1", "a word with an unmatched rest is one [UNK]");
	IS("A  \t\nB", "4 5", "lower case, any white space");
	IS("a,b", "4 8 5", "punctuation stands alone");
	IS("a\u4f60b", "4 9 5", "an ideograph stands alone");
	IS("\u00c1", "4", "accents are dropped");
	IS("a\u0301", "4", "combining accents, too");
	IS("a\u200bb", "11", "format characters vanish");
	IS("a\u2028b", "4 5", "a line separator is white space");
	IS("a\u3000b", "4 5", "so is the ideographic blank");
	IS("\u0391\u03a3", "14 15", "a final sigma");
	IS("\u03a3", "13", "a sigma alone is not final");
	IS("\u0130", "16", "the dotted capital I");
	IS("[SEP]", "1 1 1", "special tokens in a text are text");
	IS("", "", "no text, no ids");
	IS("a\xc3", "failed", "bad UTF-8 fails");
	char longest[102];
	memset(longest, 'a', sizeof longest);
	longest[100] = '\0';
	struct ids ids = { 0 };
	TAP_OK(wordpiece_encode(wordpiece, longest, 100, &ids) == 0 && ids.count == 100,
	    "a word of 100 characters has pieces");
	longest[100] = 'a';
	longest[101] = '\0';
	IS(longest, "1", "a word of 101 is unknown");
	ids_clear(&ids);
	wordpiece_close(wordpiece);
}

static void check_framing(void)
{
	static const char added[] = "12\tkeep\t[DEC]\n";
	struct wordpiece *wordpiece = wordpiece_open(LIST, strlen(LIST), added, sizeof added - 1);
	TAP_OK(wordpiece_find(wordpiece, "[DEC]") == 12 && wordpiece_size(wordpiece) == 13,
	    "added tokens follow");
	struct ids ids = { 0 };
	TAP_OK(wordpiece_encode_framed(wordpiece, "a b ,", 5, 4, 0, &ids) == 0 && ids.count == 4 &&
	           ids.at[0] == 2 && ids.at[1] == 4 && ids.at[2] == 5 && ids.at[3] == 3,
	    "framed, the end is cut");
	ids.count = 0;
	TAP_OK(wordpiece_encode_framed(wordpiece, "a b ,", 5, 4, 1, &ids) == 0 && ids.count == 4 &&
	           ids.at[1] == 5 && ids.at[2] == 8,
	    "framed, the beginning is cut");
	ids.count = 0;
	TAP_OK(wordpiece_encode_framed(wordpiece, "a", 1, 1, 0, &ids) == -1, "no room for the frame");
	TAP_OK(wordpiece_encode_framed(wordpiece, "", 0, 2, 0, &ids) == 0 && ids.count == 2,
	    "an empty text is the frame alone");
	ids_clear(&ids);
	char *text;
	size_t size;
	static const int32_t word[] = { 2, 12, 11, 7, 8, 3 };
	TAP_OK(wordpiece_decode(wordpiece, word, 6, 1, &text, &size) == 0 &&
	           strcmp(text, "abbb ,") == 0 && size == 6,
	    "decoding glues the pieces");
	memory_release(text);
	TAP_OK(wordpiece_decode(wordpiece, word, 6, 0, &text, &size) == 0 &&
	           strcmp(text, "[CLS] [DEC] abbb , [SEP]") == 0,
	    "special tokens are shown when asked");
	memory_release(text);
	TAP_OK(wordpiece_decode(wordpiece, (int32_t[]){ 99 }, 1, 0, &text, &size) == -1,
	    "an id that does not exist is refused");
	wordpiece_close(wordpiece);
	TAP_OK(!wordpiece_open("a\nb\n", 4, NULL, 0) && strstr(error_text(), "[UNK]"),
	    "a list without [UNK] is no vocabulary");
}

static char *slurp(const char *path, size_t *size)
{
	FILE *file = path ? fopen(path, "rb") : NULL;
	if (!file)
		return NULL;
	char *bytes = malloc(1 << 22);
	*size = bytes ? fread(bytes, 1, (1 << 22) - 1, file) : 0;
	if (bytes)
		bytes[*size] = '\0';
	fclose(file);
	return bytes;
}

static void check_lines(const char *kind)
{
	char path[256];
	size_t size, lines_size, ids_size, count = 0, different = 0;
	snprintf(path, sizeof path, "oracles/bert-wordpiece/bert-base-%s-vocab.txt", kind);
	char *list = slurp(tap_shared(path), &size);
	if (!list) {
		tap_skip(kind, "no reference data");
		return;
	}
	struct wordpiece *wordpiece = wordpiece_open(list, size, NULL, 0);
	wordpiece_limit_words(wordpiece, 200); /* as the original, which made the lines */
	char *lines = slurp(tap_shared("oracles/bert-wordpiece/lines.txt"), &lines_size);
	snprintf(path, sizeof path, "oracles/bert-wordpiece/lines.%s.ids", kind);
	char *wanted = slurp(tap_shared(path), &ids_size), *at = wanted;
	for (char *line = lines; line < lines + lines_size; count++) {
		char *end = memchr(line, '\n', (size_t)(lines + lines_size - line));
		struct ids ids = { 0 };
		bool same = wordpiece_encode(wordpiece, line, (size_t)(end - line), &ids) == 0;
		for (size_t i = 0; i < ids.count; i++) {
			char *behind;
			same = strtol(at, &behind, 10) == ids.at[i] && behind > at && same;
			at = behind;
		}
		same = same && (*at == '\n' || *at == '\0');
		if (!same)
			printf("# line %zu\n", count + 1);
		different += !same;
		at += strcspn(at, "\n");
		at += *at == '\n';
		ids_clear(&ids);
		line = end + 1;
	}
	TAP_OK(different == 0 && count == 1560, "%s: %zu of %zu lines differ", kind, different, count);
	free(list);
	free(lines);
	free(wanted);
	wordpiece_close(wordpiece);
}

/* The cases of llama.cpp's vocabulary tests, several lines each. */
static void check_cases(void)
{
	static const char separator[] = "\n__ggml_vocab_test__\n";
	size_t size, list_size, cases = 0, different = 0;
	char *list =
	    slurp(tap_shared("oracles/bert-wordpiece/bert-base-uncased-vocab.txt"), &list_size);
	char *input = slurp(tap_shared("oracles/bert-wordpiece/ggml-vocab-bert-bge.gguf.inp"), &size);
	char *output = slurp(tap_shared("oracles/bert-wordpiece/ggml-vocab-bert-bge.gguf.out"), &size);
	if (!list || !input || !output) {
		tap_skip("llama.cpp's cases", "no reference data");
		return;
	}
	struct wordpiece *wordpiece = wordpiece_open(list, list_size, NULL, 0);
	char *at = output;
	for (char *text = input; *at; cases++) {
		char *end = strstr(text, separator);
		struct ids ids = { 0 };
		wordpiece_encode(wordpiece, text, end ? (size_t)(end - text) : strlen(text), &ids);
		bool same = true;
		for (size_t i = 0; i < ids.count; i++)
			same = strtol(at, &at, 10) == ids.at[i] && same;
		different += !same || at[strspn(at, " ")] != '\n';
		at += strcspn(at, "\n") + 1;
		ids_clear(&ids);
		if (!end)
			break;
		text = end + strlen(separator);
	}
	TAP_OK(different == 0 && cases > 40, "llama.cpp's %zu cases: %zu differ", cases, different);
	free(list);
	free(input);
	free(output);
	wordpiece_close(wordpiece);
}

int main(void)
{
	check_small();
	check_framing();
	check_lines("uncased");
	check_lines("chinese");
	check_cases();
	return tap_finish();
}
