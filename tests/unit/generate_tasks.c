/* generate_tasks - what "instruct" asks about a picture that a talk of three turns belongs to: which
 * turn's question the Q-Former reads, which answer counts, and what stands before it.
 */
#include "differences.h"
#include "text/bpe.h"
#include "train/generate_stage.h"

enum { TURNS = 3, SIDE = 56, DRAWS = 300, TEXT = 400 };

static char texts[TURNS][2][16] = { { "What colour?", "blue" }, { "Where?", "above" },
	{ "Why?", "no idea" } };
static struct example_turn turns[TURNS] = { { texts[0][0], texts[0][1] },
	{ texts[1][0], texts[1][1] }, { texts[2][0], texts[2][1] } };

/* What the language model has read when answer i begins, as zv-generate would have it, and with it. */
static const char *const before[TURNS] = { "<human>:What colour?\n<bot>:",
	"<human>:What colour?\n<bot>:blue\n\n<human>:Where?\n<bot>:",
	"<human>:What colour?\n<bot>:blue\n\n<human>:Where?\n<bot>:above\n\n<human>:Why?\n<bot>:" };
static const char *const question[TURNS] = { "what colour ?", "where ?", "why ?" };

static void write_picture(const char *name)
{
	FILE *file = fopen(name, "wb");
	if (!file)
		exit(2);
	fprintf(file, "P6 %d %d 255\n", SIDE, SIDE);
	for (int i = 0; i < 3 * SIDE * SIDE; i++)
		fputc(i % 251, file);
	if (fclose(file) != 0)
		exit(2);
}

/* The text without blanks and line breaks, which the tokenizers put where they like. */
static void tighten(char *text)
{
	char *to = text;
	for (const char *from = text; *from; from++)
		if (*from != ' ' && *from != '\n')
			*to++ = *from;
	*to = '\0';
}

static bool same_text(char *text, const char *wanted)
{
	char tight[TEXT];
	snprintf(tight, sizeof tight, "%s", wanted);
	tighten(tight);
	tighten(text);
	if (strcmp(text, tight) == 0)
		return true;
	printf("# got \"%s\", wanted \"%s\"\n", text, tight);
	return false;
}

/* Ids of sequence s as text: those that count or, up to its first that does, what stands before. */
static void sequence_text(const struct generate *generate, size_t s, bool answers, char text[TEXT])
{
	const struct language_batch *batch = &generate->batch.sequences;
	int32_t ids[TEXT];
	size_t count = 0, size;
	bool begun = false;
	char *decoded;
	for (size_t i = batch->start[s]; i < batch->start[s + 1] && count < TEXT; i++) {
		/* the target of the row before: the first answer begins here */
		bool counts = i > batch->start[s] && batch->targets.at[i - 1] >= 0;
		begun |= counts;
		if (batch->ids.at[i] >= 0 && (answers ? counts : !begun))
			ids[count++] = batch->ids.at[i];
	}
	if (bpe_decode(generate->language.bpe, ids, count, answers, &decoded, &size) < 0)
		exit(2);
	snprintf(text, TEXT, "%s", decoded);
	memory_release(decoded);
}

static void question_text(const struct generate *generate, size_t i, char text[TEXT])
{
	const struct text_list *list = &generate->batch.questions;
	size_t size;
	char *decoded;
	if (wordpiece_decode(generate->wordpiece, list->ids.at + list->start[i],
	        text_list_length(list, i), true, &decoded, &size) < 0)
		exit(2);
	snprintf(text, TEXT, "%s", decoded);
	memory_release(decoded);
}

/* Is sequence s about the answer of this turn and no other? */
static bool says_turn(const struct generate *generate, size_t s, size_t turn)
{
	char read[TEXT], said[TEXT];
	sequence_text(generate, s, false, read);
	sequence_text(generate, s, true, said);
	return same_text(read, before[turn]) && same_text(said, turns[turn].answer);
}

/* Is item i of the batch about this turn and no other? */
static bool is_turn(const struct generate *generate, size_t i, size_t turn)
{
	char asked[TEXT];
	question_text(generate, i, asked);
	return generate->batch.sequences.prompt[i] == i && same_text(asked, question[turn]) &&
	       says_turn(generate, i, turn);
}

static struct stage *begin(bool inside, const struct example *example)
{
	struct stage_options options = { .model = "toy",
		.batch = 1,
		.question_inside = inside,
		.template = "ziya",
		.text_most = 200,
		.pictures = { .side = SIDE },
		.encode = true };
	struct weights *parts[STAGE_PARTS_MOST];
	size_t count;
	struct stage *stage = stage_instruct.begin(&options, parts, &count);
	if (!stage)
		printf("# %s\n", error_text());
	if (!TAP_OK(stage &&
	                picture_batch_read(&generate_of(stage)->pictures, example, 1, 0, false) == 0 &&
	                generate_of(stage)->pictures.count == 1,
	        "the stage begins%s", inside ? " with the question inside" : ""))
		exit(tap_finish());
	return stage;
}

static void test_inside(const struct example *example)
{
	struct stage *stage = begin(true, example);
	struct generate *generate = generate_of(stage);
	int drawn[TURNS] = { 0 };
	TAP_OK(generate_tasks(generate, example, 0, false) == 0 && generate->batch.count == TURNS &&
	           generate->batch.questions.count == TURNS && generate->batch.sequences.count == TURNS,
	    "measuring asks every turn");
	for (size_t i = 0; i < TURNS && generate->batch.count == TURNS; i++)
		TAP_OK(
		    is_turn(generate, i, i), "turn %zu: its question inside, its answer, what was said", i);
	bool one = true, right = true;
	for (uint64_t step = 0; step < DRAWS; step++) {
		one &= generate_tasks(generate, example, step, true) == 0 && generate->batch.count == 1 &&
		       generate->batch.sequences.count == 1;
		char asked[TEXT];
		question_text(generate, 0, asked);
		size_t turn = strstr(asked, "colour") ? 0 : strstr(asked, "where") ? 1 : 2;
		drawn[turn]++;
		right &= is_turn(generate, 0, turn);
	}
	TAP_OK(one, "training asks one turn each time");
	TAP_OK(right, "its question inside, its answer, what was said before");
	for (int turn = 0; turn < TURNS; turn++)
		TAP_OK(abs(drawn[turn] - DRAWS / TURNS) < 35, "turn %d is drawn %d times of %d", turn,
		    drawn[turn], DRAWS);
	stage_instruct.end(stage);
}

static void test_outside(const struct example *example)
{
	struct stage *stage = begin(false, example);
	struct generate *generate = generate_of(stage);
	const struct language_batch *sequences = &generate->batch.sequences;
	TAP_OK(generate_tasks(generate, example, 1, true) == 0 && generate->batch.count == 1 &&
	           generate->batch.questions.count == 0,
	    "a Q-Former that reads no question is asked once");
	/* what ends an answer does not stand behind it later: the sequences are three */
	TAP_OK(sequences->count == TURNS && sequences->answers == TURNS, "all answers count");
	for (size_t i = 0; i < TURNS && sequences->count == TURNS; i++)
		TAP_OK(sequences->prompt[i] == 0 && says_turn(generate, i, i),
		    "answer %zu behind the one soft prompt and what was said", i);
	stage_instruct.end(stage);
}

int main(void)
{
	char name[] = "picture.ppm";
	struct example example = { .key = name, .turns = turns, .turn_count = TURNS, .kind = -1 };
	write_picture(example.key);
	if (!differences_model("vit", "toy") || !differences_model("qformer", "toy") ||
	    !differences_model("llm", "toy"))
		return tap_finish();
	test_inside(&example);
	test_outside(&example);
	return tap_finish();
}
