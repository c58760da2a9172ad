/* rerank.h - image-text matching of the best results: score = similarity + logit of "they match"
 * (spec 3.6, LAVIS compute_sim_matrix). The Q-Former looks at the patch features of each picture
 * together with each text.
 */
#ifndef ZV_SEARCH_RERANK_H
#define ZV_SEARCH_RERANK_H

#include "search/best.h"

struct rerank_rules {
	const char *model;
	const char *const *features; /* files of "vit" records, with their indexes */
	size_t feature_count;
	const char *texts; /* lines "key TAB text", or NULL: keys are the texts */
	bool clean;        /* texts, as BLIP-2 cleans captions */
	size_t ids;        /* of a text, at most */
	size_t batch;      /* pairs that are computed together */
	/* A pair that cannot be matched, which is no result then: the recorded error. */
	void (*report)(const char *key);
};

struct rerank;

struct rerank *rerank_open(const struct rerank_rules *rules); /* NULL with a recorded error */
void rerank_close(struct rerank *rerank);                     /* NULL is fine */

/* Match a query, a picture or a text, with all its results, which are of the other kind, and put them
 * into their new order. 0, or -1 with a recorded error. */
int rerank_run(struct rerank *rerank, const char *query, bool picture, struct best *best);

#endif
