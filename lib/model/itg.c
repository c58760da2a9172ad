/* itg.c - captions by the Q-Former's own LM head (see itg.h). */
#include "model/itg.h"
#include "base/error.h"
#include "base/memory.h"
#include "stream/model_file.h"

#include <math.h>

/* The id with the largest logit; without: an id that may not be chosen, or -1. */
static int32_t best(const float *logits, size_t count, int32_t without)
{
	int32_t chosen = -1;
	for (size_t i = 0; i < count; i++)
		if ((int32_t)i != without && (chosen < 0 || logits[i] > logits[chosen]))
			chosen = (int32_t)i;
	return chosen;
}

int itg_caption(struct qformer *qformer, const struct qformer_image *image,
    const struct itg_rules *rules, struct ids *ids)
{
	int64_t vocabulary;
	if (model_file_whole(qformer_file(qformer), "vocabulary", 1, INT32_MAX, &vocabulary))
		return -1;
	struct ids text = { 0 };
	float *logits = memory_allocate((size_t)vocabulary, sizeof *logits);
	int status = logits ? ids_add(&text, rules->start) : -1;
	for (size_t length = 0; status == 0 && length < rules->most; length++) {
		if (text.count > qformer_text_most(qformer))
			break;
		status = qformer_caption_logits(qformer, image, text.at, text.count, logits);
		if (status)
			break;
		int32_t id = best(logits, (size_t)vocabulary, length < rules->least ? rules->end : -1);
		if (!isfinite(logits[id]))
			status = error_input("the scores of the next token are not finite");
		else if (ids_add(&text, id) || ids_add(ids, id))
			status = -1;
		else if (id == rules->end)
			break;
	}
	ids_clear(&text);
	memory_release(logits);
	return status;
}
