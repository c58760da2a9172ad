/* generate_talk.c - zv-generate --chat: questions from standard input about one picture. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "generate_options.h"
#include "generate_work.h"
#include "model/dialogue.h"
#include "model/inlet.h"
#include "text/lines.h"

static int answer_turn(struct dialogue *dialogue, const char *key, const char *question)
{
	struct answer answer = { 0 };
	work_begin();
	int status = dialogue_ask(dialogue, question);
	if (status == 0)
		status = outlet_answer(&work.outlet, work.generator, dialogue_generation(dialogue), key,
		    dialogue_turns(dialogue) + 1, &answer);
	if (status == 0)
		status = dialogue_answer(dialogue, answer.text != NULL ? answer.text : "", answer.size);
	answer_clear(&answer);
	work_end();
	work.records++;
	work.rows += dialogue_rows(dialogue);
	work.kept += dialogue_reused(dialogue);
	return status;
}

void talk(const char *name)
{
	char key[RECORD_KEY_MOST + 1] = "";
	size_t rows = 0;
	float *picture = NULL;
	if (strcmp(name, "-") == 0)
		program_usage("--chat reads the turns from standard input; name a FILE with the picture");
	if (option.no_image)
		memcpy(key, "talk", sizeof "talk");
	else if ((picture = inlet_first(&work.language, name, &rows, key)) == NULL)
		program_fail(name);
	struct dialogue *dialogue =
	    dialogue_new(work.language.llama, work.generator, &work.language.rules, picture, rows);
	if (dialogue == NULL)
		program_fail(NULL);
	bool ask = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
	struct lines lines;
	int found;
	lines_open(&lines, "-", LINES_RAW);
	for (;;) {
		if (ask)
			fputs("> ", stderr);
		found = lines_next(&lines);
		if (found == 0 || (found > 0 && strcmp(lines.text, "/quit") == 0))
			break;
		if (found > 0 && strcmp(lines.text, "/reset") == 0)
			dialogue_reset(dialogue);
		else if (found < 0 ||
		         (lines.text[0] != '\0' && answer_turn(dialogue, key, lines.text) != 0))
			work_report(key);
	}
	lines_close(&lines);
	dialogue_release(dialogue);
	memory_release(picture);
}
