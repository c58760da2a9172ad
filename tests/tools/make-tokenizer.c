/* make-tokenizer.c - a small tokenizer of our own, for tests. usage: make-tokenizer DIRECTORY
 * Writes tokenizer.model (BPE with byte fallback, a few merges, a few Chinese pieces appended with
 * score 0, as vocabularies are extended), added_tokens (<human>, <bot>: strip) and vocab.txt.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *open_in(const char *directory, const char *name)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen(path, "wb");
	if (!file) {
		perror(path);
		exit(2);
	}
	return file;
}

static void close_file(FILE *file)
{
	if (fclose(file) != 0) {
		perror("make-tokenizer");
		exit(2);
	}
}

enum { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, BYTE = 6 };

/* ModelProto.pieces: { 1: text, 2: score, 3: type }; texts are shorter than 100 bytes. */
static void put_piece(FILE *file, const char *text, float score, int type)
{
	unsigned char bits[4];
	memcpy(bits, &score, 4);
	fprintf(file, "\n%c\n%c%s\x15", (int)strlen(text) + 9, (int)strlen(text), text);
	fwrite(bits, 1, 4, file);
	putc(0x18, file);
	putc(type, file);
}

/* Pieces grow by merges, so that each is made of two before it; earlier ones have better scores. */
static const char *const merged[] = { "\u2581t", "in", "he", "\u2581a", "\u2581the", "is",
	"\u2581is", "at", "ic", "tu", "re", "\u2581p", "\u2581pic", "ture", "\u2581picture", "\u2581in",
	"wh", "\u2581what", "an", "\u2581c", "\u2581cat", "hu", "hum", "\u4e00\u4e2a" };
static const char *const single[] = { "\u2581", "t", "i", "n", "h", "e", "a", "s", "c", "u", "r",
	"p", "w", "m", "o", "d", "g", "?", ".", ":", "\u4f60", "\u597d", "\u4e00", "\u4e2a" };
static const char *const appended[] = { "\u4f60\u597d", "\u56fe\u7247", "\u8fd9\u5f20",
	"\u8fd9\u5f20\u56fe\u7247" };

#define COUNT(list) (sizeof(list) / sizeof(list)[0])

static int put_model(const char *directory)
{
	FILE *file = open_in(directory, "tokenizer.model");
	int id = 259;
	put_piece(file, "<unk>", 0, UNKNOWN);
	put_piece(file, "<s>", 0, CONTROL);
	put_piece(file, "</s>", 0, CONTROL);
	for (int byte = 0; byte < 256; byte++) {
		char text[8];
		snprintf(text, sizeof text, "<0x%02X>", byte);
		put_piece(file, text, 0, BYTE);
	}
	for (size_t i = 0; i < COUNT(merged); i++, id++)
		put_piece(file, merged[i], -(float)i, NORMAL);
	for (size_t i = 0; i < COUNT(single); i++, id++)
		put_piece(file, single[i], -(float)(COUNT(merged) + i), NORMAL);
	for (size_t i = 0; i < COUNT(appended); i++, id++)
		put_piece(file, appended[i], 0, NORMAL);
	/* trainer: BPE, byte fallback; normaliser: identity, dummy prefix, blanks kept */
	static const char trailer[] = "\x12\x05\x18\x02\x98\x02\x01\x1a\x0e\n\x08identity\x18\x01\x20";
	fwrite(trailer, 1, sizeof trailer, file); /* the last value, 0, is the text's end */
	close_file(file);
	return id;
}

static void put_vocabulary(const char *directory)
{
	static const char *const special[] = { "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]" };
	static const char *const words[] = { "the", "cat", "dog", "picture", "what", "is", "in", "##s",
		"##ing", "\u4e00", "\u4f60", "\u597d" };
	FILE *file = open_in(directory, "vocab.txt");
	for (size_t i = 0; i < COUNT(special); i++)
		fprintf(file, "%s\n", special[i]);
	for (int c = '!'; c <= '~'; c++)
		if (c < 'A' || c > 'Z')
			fprintf(file, "%c\n", c);
	for (int c = 'a'; c <= 'z'; c++)
		fprintf(file, "##%c\n", c);
	for (size_t i = 0; i < COUNT(words); i++)
		fprintf(file, "%s\n", words[i]);
	close_file(file);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: make-tokenizer DIRECTORY\n", stderr);
		return 2;
	}
	int id = put_model(argv[1]);
	FILE *added = open_in(argv[1], "added_tokens");
	fprintf(added, "%d\tstrip\t<human>\n%d\tstrip\t<bot>\n", id, id + 1);
	close_file(added);
	put_vocabulary(argv[1]);
	return 0;
}
