/* retrieval.c - what validation of "contrast" measures: for each language, is the right text among
 * the k most similar of all held-out texts, and the right picture among all pictures? Without
 * matching; of equal similarities the lower index goes first; a positive (equal image ids or texts)
 * counts as right.
 */
#include "train/contrast_stage.h"
#include "base/memory.h"
#include "num/linear.h"
#include "num/gradient.h"
#include "train/saves.h"

#include <string.h>

enum { DIRECTIONS = 2, DEPTHS = 3, PIECE = 64 /* pictures compared at once */ };
static const size_t depths[DEPTHS] = { 1, 5, 10 };
static const char *const names[EXAMPLE_LANGUAGES][DIRECTIONS][DEPTHS] = {
	{ { "en-i2t@1", "en-i2t@5", "en-i2t@10" }, { "en-t2i@1", "en-t2i@5", "en-t2i@10" } },
	{ { "zh-i2t@1", "zh-i2t@5", "zh-i2t@10" }, { "zh-t2i@1", "zh-t2i@5", "zh-t2i@10" } },
};

int gallery_add(struct gallery *gallery, const struct contrast_pass *pass)
{
	const struct qformer_network *network = pass->contrast->network;
	const struct contrast_batch *batch = pass->batch;
	size_t text = network->contrast_width, image = network->queries * text;
	size_t old = gallery->count, count = old + batch->count;
	if (memory_grow((void **)&gallery->image, &gallery->image_capacity, count * image,
	        sizeof *gallery->image) < 0 ||
	    memory_grow((void **)&gallery->text, &gallery->text_capacity, count * text,
	        sizeof *gallery->text) < 0 ||
	    memory_grow((void **)&gallery->picture_id, &gallery->picture_id_capacity, count,
	        sizeof *gallery->picture_id) < 0 ||
	    memory_grow((void **)&gallery->text_id, &gallery->text_id_capacity, count,
	        sizeof *gallery->text_id) < 0)
		return -1;
	memcpy(gallery->image + old * image, pass->image, batch->count * image * sizeof(float));
	memcpy(gallery->text + old * text, pass->text, batch->count * text * sizeof(float));
	memcpy(gallery->picture_id + old, batch->picture_id, batch->count * sizeof(uint64_t));
	memcpy(gallery->text_id + old, batch->text_id, batch->count * sizeof(uint64_t));
	gallery->count = count;
	return 0;
}

void gallery_release(struct gallery *gallery)
{
	memory_release(gallery->image);
	memory_release(gallery->text);
	memory_release(gallery->picture_id);
	memory_release(gallery->text_id);
	*gallery = (struct gallery){ 0 };
}

/* similarity [pictures][texts] of all: the largest over the queries. */
static int compare(
    const struct contrast *contrast, const struct gallery *gallery, float *all, float *similarity)
{
	size_t n = gallery->count, queries = contrast->network->queries;
	size_t width = contrast->network->contrast_width;
	struct linear texts = { gallery->text, 'f', n, width, NULL };
	for (size_t i = 0; i < n; i += PIECE) {
		size_t count = n - i < PIECE ? n - i : PIECE;
		if (linear_rows(&texts, gallery->image + i * queries * width, count * queries, all,
		        LINEAR_STORE) < 0)
			return -1;
		for (size_t r = 0; r < count * queries; r++) {
			float *row = similarity + (i + r / queries) * n;
			for (size_t g = 0; g < n; g++)
				if (r % queries == 0 || all[r * n + g] > row[g])
					row[g] = all[r * n + g];
		}
	}
	return 0;
}

/* How many of the others stand in front of the best positive of b. */
static size_t rank_of(const struct gallery *gallery, size_t b, const float *similarity, size_t step)
{
	size_t best = b, rank = 0;
	for (size_t g = 0; g < gallery->count; g++) {
		bool positive = gallery->picture_id[g] == gallery->picture_id[b] ||
		                gallery->text_id[g] == gallery->text_id[b];
		if (positive && (similarity[g * step] > similarity[best * step] ||
		                    (similarity[g * step] == similarity[best * step] && g < best)))
			best = g;
	}
	for (size_t g = 0; g < gallery->count; g++)
		rank += similarity[g * step] > similarity[best * step] ||
		        (similarity[g * step] == similarity[best * step] && g < best);
	return rank;
}

static int report_language(
    struct contrast *contrast, enum example_language language, struct stage_report *report)
{
	const struct gallery *gallery = &contrast->gallery[language];
	size_t n = gallery->count, mark = saves_mark(contrast->workspace);
	float *all = saves_push(contrast->workspace, "cosines", PIECE * contrast->network->queries * n);
	float *similarity = saves_push(contrast->workspace, "similarity", n * n);
	if (!all || !similarity || compare(contrast, gallery, all, similarity) < 0)
		return -1;
	for (int direction = 0; direction < DIRECTIONS; direction++) {
		size_t right[DEPTHS] = { 0 };
		for (size_t b = 0; b < n; b++) {
			size_t rank = direction == 0 ? rank_of(gallery, b, similarity + b * n, 1)
			                             : rank_of(gallery, b, similarity + b, n);
			for (int i = 0; i < DEPTHS; i++)
				right[i] += rank < depths[i];
		}
		for (int i = 0; i < DEPTHS; i++)
			stage_report_add(report, names[language][direction][i], (double)right[i], (double)n);
		stage_report_add(report, "recall@1", (double)right[0] / (double)n, 1);
	}
	saves_reset(contrast->workspace, mark);
	return 0;
}

int gallery_report(struct contrast *contrast, struct stage_report *report)
{
	for (int language = 0; language < EXAMPLE_LANGUAGES; language++) {
		if (contrast->gallery[language].count > 0 &&
		    report_language(contrast, (enum example_language)language, report) < 0)
			return -1;
		gallery_release(&contrast->gallery[language]);
	}
	return 0;
}
