/* sampling.c - random numbers, score processors and sampling against known values. */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "model/logits.h"
#include "model/sampling.h"
#include "tap.h"

/* The known-answer vectors of Philox4x32-10 that the paper's authors publish with Random123. */
static void test_philox(void)
{
	static const struct {
		uint32_t counter[4], key[2], block[4];
	} known[] = {
		{ { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
		{ { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, { 0xffffffff, 0xffffffff },
		    { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
		{ { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 },
		    { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
	};
	for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
		uint32_t block[4];
		random_block(known[i].counter, known[i].key, block);
		TAP_OK(memcmp(block, known[i].block, sizeof block) == 0, "philox vector %d", (int)i);
	}
}

static void test_random(void)
{
	struct random one = random_begin(7, 3), two = random_begin(7, 3), other = random_begin(7, 4);
	bool equal = true, differs = false, inside = true;
	double mean = 0, least = 1, most = 0;
	for (int i = 0; i < 100000; i++) {
		double a = random_unit(&one), b = random_unit(&two), c = random_unit(&other);
		equal = equal && a == b;
		differs = differs || a != c;
		inside = inside && a >= 0 && a < 1;
		mean += a / 100000;
		least = a < least ? a : least;
		most = a > most ? a : most;
	}
	TAP_OK(equal, "the same seed and stream give the same numbers");
	TAP_OK(differs, "another stream gives others");
	TAP_OK(inside && least < 1e-3 && most > 1 - 1e-3, "numbers fill [0, 1)");
	TAP_OK(fabs(mean - 0.5) < 0.005, "their mean is a half (%.4f)", mean);
	struct random later = random_begin(7, 3);
	later.position = one.position - 2;
	struct random again = random_begin(7, 3);
	double wanted = 0;
	for (int i = 0; i < 100000; i++)
		wanted = random_unit(&again);
	TAP_OK(random_unit(&later) == wanted, "a position can be gone to directly");
}

static void test_processors(void)
{
	float scores[5] = { 2, -1, 0.5f, 0, 3 };
	int32_t seen[] = { 0, 1, 0, 3, 99, -4 };
	bool marks[5] = { false };
	logits_penalise(scores, 5, 1.5, seen, 6, marks);
	TAP_OK(!memchr(marks, true, sizeof marks), "the penalty leaves no marks");
	TAP_OK(fabsf(scores[0] - 2 / 1.5f) < 1e-6f, "a positive score is divided, once");
	TAP_OK(scores[1] == -1.5f, "a negative score is multiplied");
	TAP_OK(scores[2] == 0.5f && scores[3] == 0 && scores[4] == 3, "others stay");
	logits_limit(scores, 5, 4);
	TAP_OK(scores[4] == -INFINITY && scores[3] == 0, "rows past the tokenizer become impossible");
	TAP_OK(logits_best(scores, 5) == 0, "the best of what is left");
	logits_forbid(scores, 5, 0);
	TAP_OK(logits_best(scores, 5) == 2, "a forbidden id is not chosen");
	float equal[4] = { 1, 5, 5, 2 };
	TAP_OK(logits_best(equal, 4) == 1, "of equal scores the lower id");
	float strange[3] = { 1, NAN, 2 }, nothing[2] = { -INFINITY, -INFINITY };
	TAP_OK(logits_best(strange, 3) == -1, "not a number: nothing is chosen");
	TAP_OK(logits_best(nothing, 2) == -1, "nothing possible: nothing is chosen");
	float large[3] = { 1000, 1001, 999 };
	logits_log_softmax(large, 3);
	double sum = exp(large[0]) + exp(large[1]) + exp(large[2]);
	TAP_OK(fabs(sum - 1) < 1e-6 && fabs(large[1] - large[0] - 1) < 1e-6,
	    "log-softmax does not overflow and sums to 1");
}

/* Probabilities of ids 0..count-1 as scores. */
static void scores_of(const double *probabilities, size_t count, float *scores)
{
	for (size_t i = 0; i < count; i++)
		scores[i] = (float)log(probabilities[i]);
}

static void test_cuts(void)
{
	static const double p[6] = { 0.1, 0.4, 0.05, 0.25, 0.15, 0.05 };
	float scores[6];
	struct candidate c[6];
	scores_of(p, 6, scores);
	struct sampling plain = { 1, 0, 1 };
	TAP_OK(sampling_candidates(&plain, scores, 6, c) == 6, "nothing is cut off");
	double worst = 0;
	for (int i = 0; i < 6; i++)
		worst = fmax(worst, fabs(c[i].probability - p[c[i].id]));
	TAP_OK(worst < 1e-6, "probabilities are the softmax");
	struct sampling three = { 1, 3, 1 };
	TAP_OK(sampling_candidates(&three, scores, 6, c) == 3 && c[0].id == 1 && c[1].id == 3 &&
	           c[2].id == 4 && fabs(c[0].probability - 0.5) < 1e-6,
	    "top-k 3: the three best, normalised");
	struct sampling tied = { 1, 5, 1 };
	TAP_OK(sampling_candidates(&tied, scores, 6, c) == 6, "those equal to the k-th are kept too");
	struct sampling most = { 1, 0, 0.7 };
	TAP_OK(sampling_candidates(&most, scores, 6, c) == 3 && c[2].id == 4,
	    "top-p 0.7: 0.4 + 0.25 is not enough, a third is");
	struct sampling exact = { 1, 0, 0.6 };
	TAP_OK(sampling_candidates(&exact, scores, 6, c) == 2, "top-p 0.6: two are enough");
	struct sampling least = { 1, 0, 0 };
	TAP_OK(sampling_candidates(&least, scores, 6, c) == 1 && c[0].id == 1 && c[0].probability == 1,
	    "top-p keeps at least one");
	struct sampling both = { 1, 3, 0.75 };
	TAP_OK(sampling_candidates(&both, scores, 6, c) == 2 && c[0].id == 1 && c[1].id == 3,
	    "top-p counts what top-k left");
	struct sampling cold = { 0.5, 0, 1 };
	double sum = 0;
	for (int i = 0; i < 6; i++)
		sum += p[i] * p[i];
	sampling_candidates(&cold, scores, 6, c);
	for (int i = 0; i < 6; i++)
		if (c[i].id == 1)
			TAP_OK(fabs(c[i].probability - 0.16 / sum) < 1e-6, "temperature 0.5 squares");
	struct sampling frozen = { 1e-3, 0, 1 };
	sampling_candidates(&frozen, scores, 6, c);
	struct random random = random_begin(1, 1);
	bool same = true;
	for (int i = 0; i < 1000; i++)
		same = same && sampling_draw(c, 6, &random) == 1;
	TAP_OK(same, "near temperature 0 the best is always drawn");
	scores[2] = NAN;
	TAP_OK(sampling_candidates(&plain, scores, 6, c) == 0, "not a number: no candidates");
}

/* A large vocabulary: top-k from the heap equals a plain search for the best, k times. */
static void test_heap(void)
{
	enum { COUNT = 5000, KEPT = 200 };
	static float scores[COUNT], rest[COUNT];
	static struct candidate c[COUNT];
	struct random random = random_begin(5, 5);
	for (int i = 0; i < COUNT; i++)
		rest[i] = scores[i] = (float)(random_unit(&random) * 20 + (i % 7 == 0 ? -INFINITY : 0));
	struct sampling sampling = { 1, KEPT, 1 };
	size_t count = sampling_candidates(&sampling, scores, COUNT, c);
	bool same = count >= KEPT;
	for (size_t i = 0; i < count; i++) {
		int32_t best = logits_best(rest, COUNT);
		same = same && best == c[i].id;
		rest[best] = -INFINITY;
	}
	TAP_OK(same, "the heap takes the best in order");
}

static void test_distribution(void)
{
	static const double p[4] = { 0.5, 0.2, 0.2, 0.1 };
	float scores[4];
	struct candidate c[4];
	scores_of(p, 4, scores);
	struct sampling plain = { 1, 0, 1 };
	size_t count = sampling_candidates(&plain, scores, 4, c);
	enum { DRAWS = 40000 };
	int seen[4] = { 0 };
	struct random one = random_begin(42, 0), two = random_begin(42, 0);
	bool same = true;
	for (int i = 0; i < DRAWS; i++) {
		int32_t id = sampling_draw(c, count, &one);
		same = same && id == sampling_draw(c, count, &two);
		seen[id]++;
	}
	double chi = 0;
	for (int i = 0; i < 4; i++)
		chi += (seen[i] - p[i] * DRAWS) * (seen[i] - p[i] * DRAWS) / (p[i] * DRAWS);
	TAP_OK(chi < 16.3, "draws follow the distribution (chi square %.2f, 3 degrees)", chi);
	TAP_OK(same, "the same seed draws the same");
}

int main(void)
{
	test_philox();
	test_random();
	test_processors();
	test_cuts();
	test_heap();
	test_distribution();
	return tap_finish();
}
