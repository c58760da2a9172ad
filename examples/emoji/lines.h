/* lines.h - scenes as JSON lines, for zv-train and for people. */
#ifndef EMOJI_LINES_H
#define EMOJI_LINES_H

#include "base/output.h"
#include "compose.h"
#include "wording.h"

/* A line under way. */
struct line {
	char *bytes;
	size_t length, room;
	int failed;
};
void line_clear(struct line *line);
/* Append the line's end, write it, begin anew. 0 or -1 recorded. */
int line_write(struct line *line, struct output *output);

struct window_text {
	bool article, coloured;
	int wording[LANGUAGES];
};
void line_window(struct line *line, const struct kinds *kinds, const struct scene *scene,
    const char *image, const int *patches, int patch_count, const struct window_text *text);

struct scene_text {
	struct statement statement;
	int wording[LANGUAGES];
	struct question questions[QUESTIONS_MOST];
	int question_count;
};
/* Statement, wording and questions of a scene. */
void scene_text_draw(const struct kinds *kinds, const struct scene *scene, struct random *random,
    struct scene_text *text);
void line_scene(struct line *line, const struct kinds *kinds, const struct scene *scene,
    const char *image, const int *patches, int patch_count, const struct scene_text *text,
    struct random *random);

/* All captions that fit as well: "references" and "references_zh", for BLEU and CIDEr. */
void line_references(
    struct line *line, const struct kinds *kinds, const struct statement *statement);

/* {"image","question","answer","type","language"}; image NULL: text alone. */
void line_question(struct line *line, const char *image, const struct question *question);
/* {"image","conversations":[{"from":"human","value":...},{"from":"gpt","value":...},...]} */
void line_dialogue(struct line *line, const char *image, const struct question *turns, int count);
/* {"text":...,"language":...} */
void line_text(struct line *line, const char *text, enum language language);

/* Table of all classes: number, group, English, Chinese, plural, code point. 0 or -1 recorded. */
int classes_write(const struct kinds *kinds, struct output *output);

#endif
