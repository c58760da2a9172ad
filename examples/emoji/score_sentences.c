/* score_sentences.c - BLEU-4 of a corpus and CIDEr-D, as pycocoevalcap computes them: its constants
 * against division by zero, the closest reference length, idf over the pictures' references, counts
 * clipped, sigma 6, ten times the mean of n = 1..4.
 * Tokens are interned as numbers; an n-gram is four of them, zeros behind the last.
 */
#include "score.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/utf8.h"

enum { GRAM = 4, SIGMA = 6 };

struct gram {
	uint32_t tokens[GRAM];
	uint32_t count; /* in its sentence; in the corpus: of pictures */
};

struct sentence {
	size_t item, first, size, arrival; /* tokens in the pool */
	bool reference;
	struct gram *grams; /* sorted, each once */
	size_t gram_count;
	double norm[GRAM];
};

struct sentences {
	enum score_language language;
	char **names; /* of tokens; token i + 1 */
	size_t name_count, name_room;
	uint32_t *slots; /* hash table of tokens, 0: free */
	size_t slot_count;
	uint32_t *pool;
	size_t pool_count, pool_room;
	struct sentence *items;
	size_t count, room, items_most;
	struct gram *frequency;
	size_t frequency_count, frequency_room;
};

struct sentences *sentences_open(enum score_language language)
{
	struct sentences *sentences = memory_allocate_zero(1, sizeof *sentences);
	if (sentences)
		sentences->language = language;
	return sentences;
}

void sentences_close(struct sentences *sentences)
{
	if (!sentences)
		return;
	for (size_t i = 0; i < sentences->name_count; i++)
		memory_release(sentences->names[i]);
	for (size_t i = 0; i < sentences->count; i++)
		memory_release(sentences->items[i].grams);
	memory_release(sentences->names);
	memory_release(sentences->slots);
	memory_release(sentences->pool);
	memory_release(sentences->items);
	memory_release(sentences->frequency);
	memory_release(sentences);
}

/* --- tokens ---------------------------------------------------------------------------------- */

static uint64_t hash(const char *text, size_t size)
{
	uint64_t value = 14695981039346656037u; /* FNV-1a */
	for (size_t i = 0; i < size; i++)
		value = (value ^ (unsigned char)text[i]) * 1099511628211u;
	return value;
}

/* The slot of a token, free or taken. */
static size_t slot_of(const struct sentences *sentences, const char *text, size_t size)
{
	size_t slot = hash(text, size) & (sentences->slot_count - 1);
	for (uint32_t token; (token = sentences->slots[slot]) != 0;
	     slot = (slot + 1) & (sentences->slot_count - 1))
		if (strncmp(sentences->names[token - 1], text, size) == 0 &&
		    sentences->names[token - 1][size] == 0)
			break;
	return slot;
}

static int widen(struct sentences *sentences)
{
	size_t count = sentences->slot_count ? 2 * sentences->slot_count : 1024;
	uint32_t *slots = memory_allocate_zero(count, sizeof *slots);
	if (!slots)
		return -1;
	memory_release(sentences->slots);
	sentences->slots = slots;
	sentences->slot_count = count;
	for (size_t i = 0; i < sentences->name_count; i++)
		slots[slot_of(sentences, sentences->names[i], strlen(sentences->names[i]))] =
		    (uint32_t)i + 1;
	return 0;
}

static int add_token(struct sentences *sentences, const char *text, size_t size)
{
	if (2 * sentences->name_count >= sentences->slot_count && widen(sentences) != 0)
		return -1;
	size_t slot = slot_of(sentences, text, size);
	if (sentences->slots[slot] == 0) {
		if (memory_grow((void **)&sentences->names, &sentences->name_room,
		        sentences->name_count + 1, sizeof *sentences->names) != 0)
			return -1;
		char *name = memory_text(text, size);
		if (!name)
			return -1;
		sentences->names[sentences->name_count++] = name;
		sentences->slots[slot] = (uint32_t)sentences->name_count;
	}
	if (memory_grow((void **)&sentences->pool, &sentences->pool_room, sentences->pool_count + 1,
	        sizeof *sentences->pool) != 0)
		return -1;
	sentences->pool[sentences->pool_count++] = sentences->slots[slot];
	return 0;
}

/* English: runs of letters, digits, apostrophes, hyphens and what is not ASCII, in lower case. */
static size_t english_token(char *text)
{
	size_t size = 0;
	for (;; size++) {
		char c = text[size];
		if (c >= 'A' && c <= 'Z')
			text[size] = (char)(c - 'A' + 'a');
		else if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '\'' || c == '-' ||
		             (c & 0x80)))
			return size;
	}
}

/* Chinese: a character. */
static size_t chinese_token(const char *text)
{
	uint32_t code;
	if (*text == ' ' || *text == '\t' || *text == '\n' || *text == '\r')
		return 0;
	int size = utf8_decode((const uint8_t *)text, strlen(text), &code);
	return size > 0 ? (size_t)size : 1;
}

static int add_tokens(struct sentences *sentences, char *text)
{
	while (*text) {
		size_t size =
		    sentences->language == SCORE_ENGLISH ? english_token(text) : chinese_token(text);
		if (size > 0 && add_token(sentences, text, size) != 0)
			return -1;
		text += size > 0 ? size : 1;
	}
	return 0;
}

int sentences_add(struct sentences *sentences, size_t item, bool reference, const char *text)
{
	if (memory_grow((void **)&sentences->items, &sentences->room, sentences->count + 1,
	        sizeof(struct sentence)) != 0)
		return -1;
	struct sentence *sentence = &sentences->items[sentences->count];
	*sentence = (struct sentence){ .item = item,
		.reference = reference,
		.first = sentences->pool_count,
		.arrival = sentences->count };
	char *copy = memory_text(text, strlen(text));
	int status = copy ? add_tokens(sentences, copy) : -1;
	memory_release(copy);
	sentence->size = sentences->pool_count - sentence->first;
	sentences->count++;
	if (item + 1 > sentences->items_most)
		sentences->items_most = item + 1;
	return status;
}

/* --- n-grams --------------------------------------------------------------------------------- */

static int compare_grams(const void *a, const void *b)
{
	const struct gram *one = a, *other = b;
	for (int i = 0; i < GRAM; i++)
		if (one->tokens[i] != other->tokens[i])
			return one->tokens[i] < other->tokens[i] ? -1 : 1;
	return 0;
}

static int gram_length(const struct gram *gram)
{
	int length = 1;
	while (length < GRAM && gram->tokens[length] != 0)
		length++;
	return length;
}

/* Sort and keep each once; sum: counts add up, else they stay 1. The number left. */
static size_t unite(struct gram *grams, size_t count, bool sum)
{
	size_t kept = 0;
	if (count > 0)
		qsort(grams, count, sizeof *grams, compare_grams);
	for (size_t i = 0; i < count; i++)
		if (kept > 0 && compare_grams(&grams[kept - 1], &grams[i]) == 0)
			grams[kept - 1].count += sum ? grams[i].count : 0;
		else
			grams[kept++] = grams[i];
	return kept;
}

static int count_grams(struct sentences *sentences, struct sentence *sentence)
{
	const uint32_t *tokens = sentences->pool + sentence->first;
	if (!(sentence->grams = memory_allocate_zero(sentence->size, GRAM * sizeof(struct gram))))
		return -1;
	size_t count = 0;
	for (size_t n = 1; n <= GRAM; n++)
		for (size_t i = 0; i + n <= sentence->size; i++) {
			struct gram *gram = &sentence->grams[count++];
			gram->count = 1;
			memcpy(gram->tokens, tokens + i, n * sizeof *tokens);
		}
	sentence->gram_count = unite(sentence->grams, count, true);
	return 0;
}

static const struct gram *find_gram(
    const struct gram *grams, size_t count, const struct gram *wanted)
{
	return count > 0 ? bsearch(wanted, grams, count, sizeof *grams, compare_grams) : NULL;
}

static int compare_sentences(const void *a, const void *b)
{
	const struct sentence *one = a, *other = b;
	if (one->item != other->item)
		return one->item < other->item ? -1 : 1;
	if (one->reference != other->reference)
		return one->reference ? 1 : -1; /* the one to judge goes before its references */
	return one->arrival < other->arrival ? -1 : 1;
}

/* The sentence to judge at i, and how many references follow it; -1 recorded. */
static int item_at(const struct sentences *sentences, size_t i, size_t *references)
{
	const struct sentence *first = &sentences->items[i];
	size_t end = i + 1;
	while (end < sentences->count && sentences->items[end].item == first->item &&
	       sentences->items[end].reference)
		end++;
	*references = end - i - 1;
	if (first->reference || *references == 0)
		return error_input("item %zu has no %s", first->item + 1,
		    first->reference ? "sentence to judge" : "reference");
	return 0;
}

/* --- BLEU -------------------------------------------------------------------------------------- */

struct totals {
	double guessed[GRAM], correct[GRAM], size, reference_size;
};

static void count_item(const struct sentence *judged, size_t references, struct totals *totals)
{
	size_t closest = judged[1].size;
	for (size_t r = 2; r <= references; r++) {
		size_t size = judged[r].size;
		size_t far = size > judged->size ? size - judged->size : judged->size - size;
		size_t best = closest > judged->size ? closest - judged->size : judged->size - closest;
		if (far < best || (far == best && size < closest))
			closest = size;
	}
	totals->size += (double)judged->size;
	totals->reference_size += (double)closest;
	for (size_t n = 0; n < GRAM; n++)
		totals->guessed[n] += judged->size > n ? (double)(judged->size - n) : 0;
	for (size_t i = 0; i < judged->gram_count; i++) {
		const struct gram *gram = &judged->grams[i];
		uint32_t most = 0;
		for (size_t r = 1; r <= references; r++) {
			const struct gram *same = find_gram(judged[r].grams, judged[r].gram_count, gram);
			if (same && same->count > most)
				most = same->count;
		}
		totals->correct[gram_length(gram) - 1] += most < gram->count ? most : gram->count;
	}
}

static double bleu_of(const struct totals *totals)
{
	const double small = 1e-9, tiny = 1e-15;
	double product = 1, ratio = (totals->size + tiny) / (totals->reference_size + small);
	for (int n = 0; n < GRAM; n++)
		product *= (totals->correct[n] + tiny) / (totals->guessed[n] + small);
	double bleu = pow(product, 1.0 / GRAM);
	return ratio < 1 ? bleu * exp(1 - 1 / ratio) : bleu;
}

/* --- CIDEr-D ----------------------------------------------------------------------------------- */

/* In how many pictures' references each n-gram is. */
static int count_pictures(struct sentences *sentences)
{
	size_t start = 0;
	for (size_t i = 0; i < sentences->count; i++) {
		const struct sentence *sentence = &sentences->items[i];
		if (sentence->reference) {
			size_t count = sentences->frequency_count, added = sentence->gram_count;
			if (memory_grow((void **)&sentences->frequency, &sentences->frequency_room,
			        count + added, sizeof(struct gram)) != 0)
				return -1;
			for (size_t j = 0; j < added; j++) {
				sentences->frequency[count + j] = sentence->grams[j];
				sentences->frequency[count + j].count = 1;
			}
			sentences->frequency_count += added;
		}
		if (i + 1 == sentences->count || sentences->items[i + 1].item != sentence->item) {
			size_t count = sentences->frequency_count - start;
			start += count > 0 ? unite(sentences->frequency + start, count, false) : 0;
			sentences->frequency_count = start;
		}
	}
	sentences->frequency_count = unite(sentences->frequency, sentences->frequency_count, true);
	return 0;
}

/* Term frequency times log(pictures / pictures with it). */
static double weight(
    const struct sentences *sentences, const struct gram *gram, double log_pictures)
{
	const struct gram *found = find_gram(sentences->frequency, sentences->frequency_count, gram);
	return gram->count * (log_pictures - (found ? log((double)found->count) : 0));
}

static void set_norms(
    const struct sentences *sentences, struct sentence *sentence, double log_pictures)
{
	for (size_t i = 0; i < sentence->gram_count; i++) {
		double value = weight(sentences, &sentence->grams[i], log_pictures);
		sentence->norm[gram_length(&sentence->grams[i]) - 1] += value * value;
	}
	for (int n = 0; n < GRAM; n++)
		sentence->norm[n] = sqrt(sentence->norm[n]);
}

static double similarity(const struct sentences *sentences, const struct sentence *judged,
    const struct sentence *reference, double log_pictures)
{
	double sums[GRAM] = { 0 }, sum = 0;
	/* lengths are counted in bigrams there */
	double size = judged->size > 1 ? (double)judged->size - 1 : 0;
	double delta = size - (reference->size > 1 ? (double)reference->size - 1 : 0);
	for (size_t i = 0; i < judged->gram_count; i++) {
		const struct gram *gram = &judged->grams[i],
		                  *same = find_gram(reference->grams, reference->gram_count, gram);
		if (!same)
			continue;
		double one = weight(sentences, gram, log_pictures);
		double other = weight(sentences, same, log_pictures);
		sums[gram_length(gram) - 1] += (one < other ? one : other) * other;
	}
	for (int n = 0; n < GRAM; n++) {
		if (judged->norm[n] > 0 && reference->norm[n] > 0)
			sums[n] /= judged->norm[n] * reference->norm[n];
		sum += sums[n] * exp(-delta * delta / (2.0 * SIGMA * SIGMA));
	}
	return 10 * sum / GRAM;
}

int sentences_score(struct sentences *sentences, double *bleu, double *cider)
{
	struct totals totals = { 0 };
	double sum = 0, log_pictures;
	size_t pictures = 0, references;
	if (sentences->count == 0)
		return error_input("no sentences");
	qsort(sentences->items, sentences->count, sizeof(struct sentence), compare_sentences);
	for (size_t i = 0; i < sentences->count; i++)
		if (count_grams(sentences, &sentences->items[i]) != 0)
			return -1;
	for (size_t i = 0; i < sentences->count; i += references + 1, pictures++) {
		if (item_at(sentences, i, &references) != 0)
			return -1;
		count_item(&sentences->items[i], references, &totals);
	}
	if (count_pictures(sentences) != 0)
		return -1;
	log_pictures = log((double)pictures);
	for (size_t i = 0; i < sentences->count; i++)
		set_norms(sentences, &sentences->items[i], log_pictures);
	for (size_t i = 0; i < sentences->count; i += references + 1) {
		double own = 0;
		if (item_at(sentences, i, &references) != 0)
			return -1;
		for (size_t r = 1; r <= references; r++)
			own +=
			    similarity(sentences, &sentences->items[i], &sentences->items[i + r], log_pictures);
		sum += own / (double)references;
	}
	*bleu = bleu_of(&totals);
	*cider = sum / (double)pictures;
	return 0;
}

int score_sentences(const struct answers *references, const struct answers *answers,
    enum score_language language, struct report *report)
{
	double bleu, cider;
	size_t count, items = 0;
	int status = 0;
	struct sentences *sentences = sentences_open(language);
	if (!sentences)
		return -1;
	for (size_t i = 0; i < references->count && status == 0; i += count, items++) {
		const struct answer *first = answers_find(references, references->items[i].key, &count);
		size_t judged;
		const struct answer *answer = answers_find(answers, first->key, &judged);
		status = sentences_add(sentences, items, false, judged > 0 ? answer->text : "");
		for (size_t r = 0; r < count && status == 0; r++)
			status = sentences_add(sentences, items, true, first[r].text);
	}
	if (status == 0)
		status = sentences_score(sentences, &bleu, &cider);
	sentences_close(sentences);
	if (status != 0)
		return -1;
	report->title = "sentences";
	const char *column = score_languages[language];
	return report_number(report, "BLEU-4", column, bleu) |
	       report_number(report, "CIDEr", column, cider);
}
