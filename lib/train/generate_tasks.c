/* generate_tasks.c - what the stages "generate" and "instruct" ask about a picture: for its caption
 * in a language, or the questions of a talk (see generate_stage.h).
 */
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "train/generate_stage.h"

#include <string.h>

enum {
	STREAM_TASKS = 0x47, /* of random numbers: what is asked of an example */
	DRAWS = 8,           /* words of the stream that an example has */
	QUESTION_MOST = 128, /* ids of a question inside the Q-Former, as zv-qformer has it */
};

/* One picture of the batch. */
struct asking {
	struct generate *generate;
	const struct example *example;
	size_t picture;
	struct random random;
	enum example_language turn; /* whose turn it is among the languages */
	bool training;
};

/* Validation takes the first of everything. */
static double draw(struct asking *asking)
{
	return asking->training ? random_unit(&asking->random) : 0;
}

static int add_question(struct generate *generate, const char *question)
{
	struct generate_batch *batch = &generate->batch;
	size_t positions = generate->network->positions;
	if (!generate->inside)
		return 0;
	if (wordpiece_encode_framed(generate->wordpiece, question, strlen(question),
	        positions < QUESTION_MOST ? positions : QUESTION_MOST, 1, &batch->questions.ids) < 0)
		return -1;
	return text_list_end(&batch->questions);
}

/* Ask about the picture: turns as in language_batch_talk(); question: for the Q-Former. Where no
 * room is left for an answer, nothing is asked, which a message tells. */
static int ask(struct asking *asking, const struct template_turn *turns, size_t count, size_t only,
    const char *question)
{
	struct generate *generate = asking->generate;
	struct generate_batch *batch = &generate->batch;
	if (memory_grow((void **)&batch->picture, &batch->capacity, batch->count + 1,
	        sizeof *batch->picture) < 0)
		return -1;
	size_t sequences = batch->sequences.count;
	if (language_batch_talk(&generate->language, &batch->sequences, turns, count, only,
	        batch->count, generate->network->queries) < 0)
		return -1;
	if (batch->sequences.count == sequences) {
		example_left_out(asking->example,
		    "what stands before the answer leaves no room in %zu rows",
		    language_batch_most(&generate->language, generate->network->queries));
		return 0;
	}
	if (add_question(generate, question) < 0)
		return -1;
	batch->picture[batch->count++] = asking->picture;
	return 0;
}

static int ask_caption(struct asking *asking, enum example_language language)
{
	const char *prompt = caption_prompt(&asking->generate->prompts, language, draw(asking));
	struct template_turn turn = { prompt, asking->example->caption[language] };
	return ask(asking, &turn, 1, SIZE_MAX, prompt);
}

/* Which languages captions are wanted in. */
static bool is_wanted(const struct generate *generate, enum example_language language)
{
	const char *which = generate->options.language;
	return !which || strcmp(which, "both") == 0 ||
	       strcmp(which, language == EXAMPLE_CHINESE ? "zh" : "en") == 0;
}

static bool has_caption(const struct asking *asking, enum example_language language)
{
	return asking->example->caption[language] && is_wanted(asking->generate, language);
}

/* For training in the language whose turn it is, if the example has it; else in each. */
static int ask_captions(struct asking *asking)
{
	enum example_language turn = asking->turn;
	if (asking->training && !has_caption(asking, turn))
		turn = turn == EXAMPLE_ENGLISH ? EXAMPLE_CHINESE : EXAMPLE_ENGLISH;
	for (int i = 0; i < EXAMPLE_LANGUAGES; i++) {
		enum example_language language = (enum example_language)i;
		bool asked = has_caption(asking, language) && (!asking->training || language == turn);
		if (asked && ask_caption(asking, language) < 0)
			return -1;
	}
	return 0;
}

/* The turns of the example, where an empty question asks for a caption. */
static size_t fill_turns(struct asking *asking, struct template_turn turns[EXAMPLE_TURNS_MOST])
{
	const struct example *example = asking->example;
	size_t count = 0;
	for (; count < example->turn_count && count < EXAMPLE_TURNS_MOST; count++) {
		const char *question = example->turns[count].question;
		const char *answer = example->turns[count].answer;
		if (question[0] == '\0')
			question =
			    caption_prompt(&asking->generate->prompts, caption_language(answer), draw(asking));
		turns[count] = (struct template_turn){ question, answer };
	}
	return count;
}

/* All turns at once, where the Q-Former reads no question; else one of them, with what was said
 * before it: its question is what the Q-Former reads. */
static int ask_turns(struct asking *asking)
{
	struct template_turn turns[EXAMPLE_TURNS_MOST];
	size_t count = fill_turns(asking, turns);
	if (!asking->generate->inside)
		return ask(asking, turns, count, SIZE_MAX, NULL);
	size_t one = (size_t)(draw(asking) * (double)count);
	for (size_t i = 0; i < count; i++)
		if ((!asking->training || i == one) && ask(asking, turns, count, i, turns[i].question) < 0)
			return -1;
	return 0;
}

static int ask_example(struct asking *asking)
{
	const struct example *example = asking->example;
	bool caption = has_caption(asking, EXAMPLE_ENGLISH) || has_caption(asking, EXAMPLE_CHINESE);
	bool turns = example->turn_count > 0;
	if (!caption && !turns) {
		if (example->caption[EXAMPLE_ENGLISH] || example->caption[EXAMPLE_CHINESE])
			example_left_out(example, "has no caption in the language asked for (--language %s)",
			    asking->generate->options.language);
		else
			example_left_out(example, "has neither caption nor question");
		return 0;
	}
	/* with both, "instruct" takes either, for training by chance; "generate" has captions */
	bool talks = turns && (!caption || asking->generate->talks);
	bool captions = caption && (!talks || !asking->training || draw(asking) < 0.5);
	if (captions && ask_captions(asking) < 0)
		return -1;
	return talks && (!captions || !asking->training) ? ask_turns(asking) : 0;
}

int generate_tasks(
    struct generate *generate, const struct example *examples, uint64_t micro_step, bool training)
{
	const struct picture_batch *pictures = &generate->pictures;
	generate_batch_clear(&generate->batch);
	for (size_t i = 0; i < pictures->count; i++) {
		struct asking asking = { .generate = generate,
			.example = &examples[pictures->example[i]],
			.picture = i,
			.random =
			    random_begin(generate->options.seed, (uint64_t)STREAM_TASKS << 56 | micro_step),
			.turn = micro_step % 2 == 0 ? EXAMPLE_ENGLISH : EXAMPLE_CHINESE,
			.training = training };
		asking.random.position = (uint64_t)pictures->example[i] * DRAWS * EXAMPLE_TURNS_MOST;
		if (ask_example(&asking) < 0)
			return error_kind() == ERROR_INPUT ? error_context("%s", asking.example->key) : -1;
	}
	return 0;
}
