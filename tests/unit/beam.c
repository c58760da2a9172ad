/* beam.c - beam search over a table of probabilities against brute force over all sequences, and
 * the rules that transformers' scorer has beside that.
 */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "model/beam.h"
#include "model/logits.h"
#include "tap.h"

enum { VOCABULARY = 5, EOS = 1, MOST = 4 };

/* The table model: log-probabilities after a sequence depend on all of it. */
static void table_scores(const int32_t *ids, size_t count, float *scores)
{
	uint64_t state = 1;
	for (size_t i = 0; i < count; i++)
		state = state * 31 + (uint64_t)ids[i] + 1;
	struct random random = random_begin(99, state);
	for (int i = 0; i < VOCABULARY; i++)
		scores[i] = (float)(random_unit(&random) * 3);
	logits_log_softmax(scores, VOCABULARY);
}

struct found {
	double score;
	size_t count;
	int32_t ids[MOST];
};

/* All sequences that end in eos or are MOST long; the best score. */
static void brute_force(
    struct found *best, int32_t *ids, size_t count, double sum, double length_penalty)
{
	bool ended = count > 0 && ids[count - 1] == EOS;
	if (ended || count == MOST) {
		double score = sum / pow((double)count, length_penalty);
		if (score > best->score) {
			best->score = score;
			best->count = count;
			memcpy(best->ids, ids, count * sizeof *ids);
		}
		return;
	}
	float scores[VOCABULARY];
	table_scores(ids, count, scores);
	for (int32_t id = 0; id < VOCABULARY; id++) {
		ids[count] = id;
		brute_force(best, ids, count + 1, sum + scores[id], length_penalty);
	}
}

static struct beam_search *run(const struct beam_rules *rules)
{
	static float rows[1000 * VOCABULARY];
	struct beam_search *search = beam_new(rules);
	while (search != NULL && !beam_done(search)) {
		for (size_t i = 0; i < beam_live(search); i++) {
			size_t count;
			const int32_t *ids = beam_ids(search, i, &count);
			table_scores(ids, count, rows + i * VOCABULARY);
		}
		if (beam_step(search, rows, VOCABULARY) != 0)
			break;
	}
	beam_finish(search);
	return search;
}

/* With more beams than there are sequences nothing is lost. */
static void test_brute_force(double length_penalty)
{
	struct found best = { .score = -INFINITY };
	int32_t ids[MOST];
	brute_force(&best, ids, 0, 0, length_penalty);
	struct beam_rules rules = { .beams = 700, .most = MOST, .eos = EOS };
	rules.length_penalty = length_penalty;
	struct beam_search *search = run(&rules);
	struct beam_hypothesis hypothesis = beam_result(search, 0);
	TAP_OK(fabs(hypothesis.score - best.score) < 1e-6 && hypothesis.count == best.count &&
	           memcmp(hypothesis.ids, best.ids, best.count * sizeof *best.ids) == 0,
	    "the best of all sequences, length penalty %g", length_penalty);
	bool ordered = true;
	for (size_t i = 1; i < beam_results(search); i++)
		ordered = ordered && beam_result(search, i - 1).score >= beam_result(search, i).score;
	TAP_OK(ordered, "hypotheses come best first");
	beam_release(search);
}

static void test_one_beam(void)
{
	struct beam_rules rules = { .beams = 1, .most = MOST, .length_penalty = 1, .eos = -1 };
	struct beam_search *search = run(&rules);
	struct beam_hypothesis hypothesis = beam_result(search, 0);
	bool greedy = hypothesis.count == MOST && !hypothesis.ended;
	for (size_t i = 0; i < hypothesis.count; i++) {
		float scores[VOCABULARY];
		table_scores(hypothesis.ids, i, scores);
		greedy = greedy && logits_best(scores, VOCABULARY) == hypothesis.ids[i];
	}
	TAP_OK(greedy, "one beam without eos is greedy");
	beam_release(search);
}

static struct beam_search *two_beams(double length_penalty, bool early, bool count_bos)
{
	struct beam_rules rules = { .beams = 2,
		.most = 3,
		.length_penalty = length_penalty,
		.eos = EOS,
		.early = early,
		.count_bos = count_bos };
	return beam_new(&rules);
}

/* The rule about eos: it closes a hypothesis only among the first `beams` candidates. */
static void test_eos_rank(void)
{
	struct beam_search *search = two_beams(1, false, false);
	float low[VOCABULARY] = { -1, -3, -2, -4, -5 };
	TAP_OK(beam_step(search, low, VOCABULARY) == 0 && beam_results(search) == 0 &&
	           beam_live(search) == 2,
	    "an eos of lower rank is dropped");
	beam_release(search);
	search = two_beams(1, false, false);
	float high[VOCABULARY] = { -1, -1.5f, -2, -4, -5 };
	beam_step(search, high, VOCABULARY);
	TAP_OK(beam_results(search) == 1 && beam_result(search, 0).ended &&
	           beam_result(search, 0).count == 1 && beam_result(search, 0).score == -1.5,
	    "an eos among the first closes a hypothesis");
	size_t count;
	TAP_OK(beam_live(search) == 2 && beam_ids(search, 0, &count)[0] == 0 &&
	           beam_ids(search, 1, &count)[0] == 2,
	    "and the open ones are filled up from the rest");
	beam_release(search);
}

static void test_stopping(void)
{
	/* both beams end at step 2 with a sum near -0.3; what goes on is far worse */
	float first[VOCABULARY] = { -0.1f, -9, -0.2f, -9, -9 };
	float second[2 * VOCABULARY] = { -5, -0.1f, -6, -9, -9, -5, -0.1f, -6, -9, -9 };
	for (int early = 0; early < 2; early++) {
		struct beam_search *search = two_beams(0, early, false);
		beam_step(search, first, VOCABULARY);
		TAP_OK(!beam_done(search), "open beams: not done");
		beam_step(search, second, VOCABULARY);
		TAP_OK(beam_done(search) == (early == 1),
		    "the worst closed (-0.3) is below the best candidate (-0.2): %s",
		    early ? "done, when told to stop early" : "goes on");
		beam_step(search, second, VOCABULARY);
		TAP_OK(beam_done(search), "then nothing can get better");
		beam_finish(search);
		TAP_OK(beam_results(search) == 2 && beam_result(search, 0).ended &&
		           beam_result(search, 1).ended,
		    "and what is open is not added");
		beam_release(search);
	}
}

static void test_lengths(void)
{
	float row[2 * VOCABULARY] = { -1, -9, -2, -9, -9, -1, -9, -2, -9, -9 };
	for (int count_bos = 0; count_bos < 2; count_bos++) {
		struct beam_search *search = two_beams(1, false, count_bos);
		while (!beam_done(search))
			beam_step(search, row, VOCABULARY);
		beam_finish(search);
		struct beam_hypothesis best = beam_result(search, 0);
		TAP_OK(best.count == 3 && best.sum == -3 && best.score == -3.0 / (3 + count_bos),
		    "an open hypothesis of 3 tokens counts %d", 3 + count_bos);
		beam_release(search);
	}
	float bad[VOCABULARY] = { -1, NAN, -1, -1, -1 };
	struct beam_search *search = two_beams(1, false, false);
	TAP_OK(beam_step(search, bad, VOCABULARY) == -1, "scores that are not numbers are refused");
	beam_release(search);
	float none[VOCABULARY] = { -INFINITY, -INFINITY, -INFINITY, -INFINITY, -INFINITY };
	search = two_beams(1, false, false);
	TAP_OK(beam_step(search, none, VOCABULARY) == 0 && beam_done(search),
	    "nothing possible ends the search");
	beam_finish(search);
	TAP_OK(beam_results(search) == 0, "without a hypothesis");
	beam_release(search);
}

int main(void)
{
	test_brute_force(1);
	test_brute_force(0);
	test_brute_force(-1);
	test_one_beam();
	test_eos_rank();
	test_stopping();
	test_lengths();
	return tap_finish();
}
