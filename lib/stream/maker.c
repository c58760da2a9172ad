/* maker.c - the text that says what produced a payload, and its fingerprint (see maker.h). */
#include "stream/maker.h"
#include "base/error.h"
#include "base/program.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

__attribute__((format(printf, 3, 0))) static void add_line(
    struct maker *maker, const char *word, const char *format, va_list arguments)
{
	size_t room = sizeof maker->text - maker->size;
	int head = snprintf(maker->text + maker->size, room, "%s=", word);
	if (head < 0 || (size_t)head >= room)
		return;
	int value = vsnprintf(maker->text + maker->size + head, room - (size_t)head, format, arguments);
	if (value < 0 || (size_t)head + (size_t)value + 1 >= room)
		return;
	maker->size += (size_t)head + (size_t)value;
	maker->text[maker->size++] = '\n';
	maker->text[maker->size] = '\0';
	maker->digest = digest_of(maker->text, maker->size);
}

void maker_add(struct maker *maker, const char *word, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	add_line(maker, word, format, arguments);
	va_end(arguments);
}

void maker_begin(struct maker *maker, const char *stage, int version)
{
	memset(maker, 0, sizeof *maker);
	maker_add(maker, "zv", "1");
	maker_add(maker, "stage", "%s %d", stage, version);
}

void maker_add_digest(struct maker *maker, const char *word, const struct digest *digest)
{
	char text[DIGEST_TEXT_SIZE];
	digest_text(digest, text);
	maker_add(maker, word, "%s", text);
}

void maker_stamp(const struct maker *maker, struct record *record)
{
	record->maker = maker->digest;
	record->meta = maker->text;
	record->meta_size = maker->size;
}

bool maker_is_honest(const struct record *record)
{
	if (record->meta_size == 0 || digest_is_zero(&record->maker))
		return false;
	struct digest digest = digest_of(record->meta, record->meta_size);
	return digest_equal(&digest, &record->maker);
}

/* What a word of a maker's text is about, for a person. */
static const struct {
	const char *word, *by, *other, *again;
} words[] = {
	{ "weights", "which image encoder made it", "encoded with another model's image encoder",
	    "encode it again with this model" },
	{ "llm", "which language model it is for", "made for another language model",
	    "make it again with this model" },
};

int maker_expect(const struct record *record, const char *word, const struct digest *wanted)
{
	char wanted_text[DIGEST_TEXT_SIZE], found[DIGEST_TEXT_SIZE];
	if (digest_is_zero(wanted) || common.any_maker)
		return 0;
	size_t i = 0;
	while (i + 1 < sizeof words / sizeof words[0] && strcmp(words[i].word, word) != 0)
		i++;
	digest_text(wanted, wanted_text);
	if (digest_is_zero(&record->maker))
		return error_input("does not say %s: it has no maker; --any-maker takes it", words[i].by);
	if (!maker_is_honest(record))
		return error_input("does not say reliably %s: its maker's fingerprint is not that of its "
		                   "text; --any-maker takes it",
		    words[i].by);
	if (!record_meta(record, word, found, sizeof found))
		return error_input("does not say %s; --any-maker takes it", words[i].by);
	if (strcmp(found, wanted_text) != 0)
		return error_input("%s (%.8s...); %s, or --any-maker takes it as it is", words[i].other,
		    found, words[i].again);
	return 0;
}
