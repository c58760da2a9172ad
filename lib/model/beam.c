/* beam.c - beam search over an abstract scorer, see beam.h; transformers 4.33 and 4.41,
 * generation/beam_search.py (BeamSearchScorer.process, finalize, BeamHypotheses).
 */
#include "model/beam.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"

struct line {
	int32_t *ids; /* rules.most of them */
	size_t count, parent;
	double sum, score;
	bool ended;
};

/* A possible continuation. */
struct choice {
	double sum;
	size_t parent;
	int32_t id;
};

struct beam_search {
	struct beam_rules rules;
	struct line *lines;       /* all of them: */
	struct line *live, *next; /* beams each, changing places with every step */
	struct line *closed;      /* beams + 1, best first */
	struct choice *choices;   /* 2 * beams */
	int32_t *ids;             /* memory of all lines */
	size_t live_count, closed_count, steps;
	bool settled; /* nothing that is open can get better than what is closed */
};

struct beam_search *beam_new(const struct beam_rules *rules)
{
	struct beam_search *search = memory_allocate_zero(1, sizeof *search);
	if (search == NULL)
		return NULL;
	search->rules = *rules;
	size_t lines = 3 * rules->beams + 1;
	search->lines = memory_allocate_zero(lines, sizeof *search->lines);
	search->choices = memory_allocate(2 * rules->beams, sizeof *search->choices);
	search->ids = memory_allocate(lines * (rules->most + 1), sizeof *search->ids);
	if (search->lines == NULL || search->choices == NULL || search->ids == NULL) {
		beam_release(search);
		return NULL;
	}
	for (size_t i = 0; i < lines; i++)
		search->lines[i].ids = search->ids + i * (rules->most + 1);
	search->live = search->lines;
	search->next = search->live + rules->beams;
	search->closed = search->next + rules->beams;
	search->live_count = 1;
	return search;
}

void beam_release(struct beam_search *search)
{
	if (search == NULL)
		return;
	memory_release(search->lines);
	memory_release(search->choices);
	memory_release(search->ids);
	memory_release(search);
}

size_t beam_live(const struct beam_search *search)
{
	return search->live_count;
}

const int32_t *beam_ids(const struct beam_search *search, size_t i, size_t *count)
{
	*count = search->live[i].count;
	return search->live[i].ids;
}

size_t beam_parent(const struct beam_search *search, size_t i)
{
	return search->live[i].parent;
}

static void line_set(struct line *line, const struct line *from, double sum)
{
	memcpy(line->ids, from->ids, from->count * sizeof *line->ids);
	line->count = from->count;
	line->sum = sum;
	line->ended = false;
}

static double score_of(const struct beam_search *search, double sum, size_t length)
{
	return sum / pow((double)length, search->rules.length_penalty);
}

/* Keep the hypothesis in the first free line of closed if it is among the best; it was put into
 * closed[closed_count] by the caller, whose room is one more than beams. */
static void keep_closed(struct beam_search *search)
{
	struct line fresh = search->closed[search->closed_count];
	size_t place = search->closed_count;
	while (place > 0 && search->closed[place - 1].score < fresh.score) {
		search->closed[place] = search->closed[place - 1];
		place--;
	}
	search->closed[place] = fresh;
	if (search->closed_count < search->rules.beams)
		search->closed_count++;
}

static void close_line(struct beam_search *search, const struct line *from, double sum, bool ended)
{
	struct line *line = &search->closed[search->closed_count];
	line_set(line, from, sum);
	size_t length = from->count;
	if (ended) {
		line->ids[line->count++] = search->rules.eos;
		line->ended = true;
		length++;
	} else if (search->rules.count_bos)
		length++;
	line->score = score_of(search, sum, length);
	keep_closed(search);
}

/* The best 2 * beams continuations over all rows, best first; of equal ones the earlier row, then
 * the lower id. Returns their number, or -1. */
static int best_choices(struct beam_search *search, const float *rows, size_t vocabulary)
{
	size_t most = 2 * search->rules.beams, count = 0;
	struct choice *choices = search->choices;
	for (size_t row = 0; row < search->live_count; row++) {
		double sum = search->live[row].sum;
		const float *scores = rows + row * vocabulary;
		for (size_t id = 0; id < vocabulary; id++) {
			if (isnan(scores[id]))
				return error_input("the model's scores are not numbers");
			double total = sum + scores[id];
			if (total == -INFINITY || (count == most && total <= choices[count - 1].sum))
				continue;
			size_t place = count < most ? count++ : most - 1;
			for (; place > 0 && choices[place - 1].sum < total; place--)
				choices[place] = choices[place - 1];
			choices[place] = (struct choice){ total, row, (int32_t)id };
		}
	}
	return (int)count;
}

int beam_step(struct beam_search *search, const float *rows, size_t vocabulary)
{
	const struct beam_rules *rules = &search->rules;
	int count = best_choices(search, rows, vocabulary);
	if (count < 0)
		return -1;
	size_t live = 0;
	for (size_t rank = 0; rank < (size_t)count && live < rules->beams; rank++) {
		const struct choice *choice = &search->choices[rank];
		const struct line *parent = &search->live[choice->parent];
		if (choice->id == rules->eos) {
			if (rank < rules->beams)
				close_line(search, parent, choice->sum, true);
			continue;
		}
		struct line *line = &search->next[live++];
		line_set(line, parent, choice->sum);
		line->ids[line->count++] = choice->id;
		line->parent = choice->parent;
	}
	struct line *kept = search->live;
	search->live = search->next;
	search->next = kept;
	search->live_count = live;
	search->steps++;
	if (search->closed_count == rules->beams && count > 0) {
		size_t length = search->steps + (rules->count_bos ? 1 : 0);
		double worst = search->closed[rules->beams - 1].score;
		search->settled = rules->early || worst >= score_of(search, search->choices[0].sum, length);
	}
	return 0;
}

bool beam_done(const struct beam_search *search)
{
	return search->settled || search->live_count == 0 || search->steps >= search->rules.most;
}

void beam_finish(struct beam_search *search)
{
	for (size_t i = 0; !search->settled && i < search->live_count; i++)
		if (search->live[i].count > 0)
			close_line(search, &search->live[i], search->live[i].sum, false);
	search->live_count = 0;
}

size_t beam_results(const struct beam_search *search)
{
	return search->closed_count;
}

struct beam_hypothesis beam_result(const struct beam_search *search, size_t i)
{
	const struct line *line = &search->closed[i];
	return (struct beam_hypothesis){ line->ids, line->count, line->sum, line->score, line->ended };
}
