/* template.c - reading prompt templates and rendering dialogues with them (see template.h and
 * zv-template(5)).
 */
#include "text/template.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "base/utf8.h"
#include "text/blank.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { TEMPLATE_BYTES_MOST = 1 << 20, STOPS_MOST = 16, PATH_BYTES = 4096 };

/* The lines that hold a text, kept as written: escapes and placeholders are read on rendering. */
enum part { PART_SYSTEM, PART_FIRST, PART_TURN, PART_BETWEEN, PART_PICTURE, PART_COUNT };

struct template
{
	char *parts[PART_COUNT]; /* NULL: not given */
	char *stops[STOPS_MOST]; /* without escapes */
	size_t stop_count;
	bool bos, no_eos, trim, inside;
	int added;  /* enum bpe_added, or -1: as the caller says */
	int prefix; /* 1 modern, 0 legacy, -1: as the caller says */
};

enum token { TOKEN_END, TOKEN_BYTE, TOKEN_IMAGE, TOKEN_QUESTION, TOKEN_ANSWER, TOKEN_BAD };

/* The next byte or placeholder of a part's text. */
static enum token next_token(const char **at, char *byte)
{
	static const char letters[] = "ntrs\\{", values[] = "\n\t\r \\{";
	static const char *const names[] = { "{image}", "{question}", "{answer}" };
	if (**at == '\0')
		return TOKEN_END;
	if (**at == '\\') {
		const char *letter = (*at)[1] ? strchr(letters, (*at)[1]) : NULL;
		if (!letter)
			return TOKEN_BAD;
		*byte = values[letter - letters];
		*at += 2;
		return TOKEN_BYTE;
	}
	if (**at == '{') {
		for (int i = 0; i < 3; i++) {
			if (strncmp(*at, names[i], strlen(names[i])) == 0) {
				*at += strlen(names[i]);
				return (enum token)(TOKEN_IMAGE + i);
			}
		}
		return TOKEN_BAD;
	}
	*byte = *(*at)++;
	return TOKEN_BYTE;
}

/* How often each placeholder stands in a text. */
struct uses {
	int images, questions, answers;
	bool answer_last; /* no question behind the answer */
};

static int count_uses(const char *text, struct uses *uses)
{
	*uses = (struct uses){ .answer_last = true };
	char byte;
	for (const char *at = text;;) {
		const char *here = at;
		switch (next_token(&at, &byte)) {
		case TOKEN_END:
			return 0;
		case TOKEN_BYTE:
			break;
		case TOKEN_IMAGE:
			uses->images++;
			break;
		case TOKEN_QUESTION:
			uses->questions++;
			uses->answer_last = uses->answers == 0;
			break;
		case TOKEN_ANSWER:
			uses->answers++;
			break;
		case TOKEN_BAD:
			return error_input(
			    "\"%.12s\" is no escape (\\n \\t \\r \\s \\\\ \\{) and no placeholder "
			    "({image} {question} {answer})",
			    here);
		}
	}
}

/* The position of word in choices, or -1 (recorded). */
static int choose(const char *directive, const char *word, const char *const *choices)
{
	for (int i = 0; choices[i]; i++)
		if (strcmp(word, choices[i]) == 0)
			return i;
	return error_input("%s is one of %s, %s%s%s; not \"%s\"", directive, choices[0], choices[1],
	    choices[2] ? ", " : "", choices[2] ? choices[2] : "", word);
}

static int add_stop(struct template *template, const char *text)
{
	if (template->stop_count == STOPS_MOST)
		return error_input("more than %d stop lines", STOPS_MOST);
	char *stop = memory_allocate(strlen(text) + 1, 1);
	if (!stop)
		return -1;
	template->stops[template->stop_count++] = stop;
	char byte;
	enum token token;
	while ((token = next_token(&text, &byte)) == TOKEN_BYTE)
		*stop++ = byte;
	*stop = '\0';
	if (token != TOKEN_END || template->stops[template->stop_count - 1][0] == '\0')
		return error_input("a stop text is not empty and has no placeholder");
	return 0;
}

static int set_part(struct template *template, enum part part, const char *text)
{
	struct uses uses;
	if (template->parts[part])
		return error_input("the line is there twice");
	if (count_uses(text, &uses))
		return -1;
	template->parts[part] = memory_text(text, strlen(text));
	return template->parts[part] ? 0 : -1;
}

static int take_line(struct template *template, const char *directive, const char *value)
{
	static const char *const yes_no[] = { "no", "yes", NULL };
	static const char *const modes[] = { "model", "strip", "keep", NULL };
	static const char *const prefixes[] = { "legacy", "modern", NULL };
	static const char *const places[] = { "front", "inside", NULL };
	static const char *const parts[] = { "system", "first", "turn", "between", "picture" };
	for (int i = 0; i < PART_COUNT; i++)
		if (strcmp(directive, parts[i]) == 0)
			return set_part(template, (enum part)i, value);
	if (strcmp(directive, "stop") == 0)
		return add_stop(template, value);
	int choice = 0;
	if (strcmp(directive, "bos") == 0)
		template->bos = (choice = choose(directive, value, yes_no)) > 0;
	else if (strcmp(directive, "eos") == 0)
		template->no_eos = (choice = choose(directive, value, yes_no)) == 0;
	else if (strcmp(directive, "trim") == 0)
		template->trim = (choice = choose(directive, value, yes_no)) > 0;
	else if (strcmp(directive, "added") == 0)
		template->added = choice = choose(directive, value, modes);
	else if (strcmp(directive, "prefix") == 0)
		template->prefix = choice = choose(directive, value, prefixes);
	else if (strcmp(directive, "image") == 0)
		template->inside = (choice = choose(directive, value, places)) > 0;
	else
		return error_input("\"%s\" is no word of a template", directive);
	return choice < 0 ? -1 : 0;
}

/* The placeholders must be where rendering expects them. */
static int check(const struct template *template)
{
	struct uses uses[PART_COUNT] = { 0 };
	for (int i = 0; i < PART_COUNT; i++)
		if (template->parts[i])
			count_uses(template->parts[i], &uses[i]);
	if (!template->parts[PART_TURN])
		return error_input("there is no turn line");
	for (int i = PART_FIRST; i <= PART_TURN; i++)
		if (template->parts[i] &&
		    (uses[i].questions != 1 || uses[i].answers > 1 || !uses[i].answer_last))
			return error_input("a turn has {question} once and at most one {answer}, behind it");
	static const enum part others[] = { PART_SYSTEM, PART_BETWEEN, PART_PICTURE };
	for (int i = 0; i < 3; i++)
		if (uses[others[i]].questions + uses[others[i]].answers > 0)
			return error_input("{question} and {answer} belong into a turn");
	int images = uses[template->parts[PART_FIRST] ? PART_FIRST : PART_TURN].images +
	             uses[PART_SYSTEM].images;
	if (uses[PART_BETWEEN].images > 0 || images != (template->inside ? 1 : 0))
		return error_input(
		    "{image} stands once in the first turn or the system text, when the line "
		    "\"image inside\" is there, else nowhere");
	if (template->parts[PART_PICTURE] && (!template->inside || uses[PART_PICTURE].images != 1))
		return error_input("a picture line has {image} once and needs \"image inside\"");
	return 0;
}

/* One line, which may be changed. */
static int parse_line(struct template *template, char *line)
{
	size_t size = strlen(line);
	while (size > 0 && (line[size - 1] == ' ' || line[size - 1] == '\t' || line[size - 1] == '\r'))
		line[--size] = '\0';
	if (size == 0 || line[0] == '#')
		return 0;
	char *value = strchr(line, ' ');
	if (!value)
		return error_input("\"%s\" has nothing behind it", line);
	*value++ = '\0';
	return take_line(template, line, value);
}

static int parse(struct template *template, char *text)
{
	size_t number = 0;
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		number++;
		if (parse_line(template, line))
			return error_context("line %zu", number);
	}
	return check(template);
}

struct template *template_parse(const char *text, size_t size)
{
	size_t valid = utf8_valid_prefix(text, size);
	if (valid != size || memchr(text, '\0', size)) {
		error_input("the template is not UTF-8 text");
		return NULL;
	}
	struct template *template = memory_allocate_zero(1, sizeof *template);
	char *copy = memory_text(text, size);
	if (template)
		template->added = template->prefix = -1;
	if (!template || !copy || parse(template, copy)) {
		template_close(template);
		template = NULL;
	}
	memory_release(copy);
	return template;
}

static struct template *read_path(const char *path)
{
	char *text;
	size_t size;
	struct template *template = NULL;
	if (file_read_regular(path, TEMPLATE_BYTES_MOST, &text, &size) == 0)
		template = template_parse(text, size);
	if (!template) {
		error_context("template \"%s\"", path);
		error_as(ERROR_SYSTEM); /* without it the program cannot begin */
	}
	memory_release(text);
	return template;
}

struct template *template_open(const char *name, const char *model_directory)
{
	static const char suffix[] = ".template";
	size_t length = strlen(name);
	if (strchr(name, '/') ||
	    (length > sizeof suffix - 1 && strcmp(name + length - (sizeof suffix - 1), suffix) == 0))
		return read_path(name);
	if (model_directory) {
		char path[PATH_BYTES];
		int size = snprintf(path, sizeof path, "%s/%s%s", model_directory, name, suffix);
		if (size > 0 && (size_t)size < sizeof path && access(path, R_OK) == 0)
			return read_path(path);
	}
	const char *text, *builtin;
	for (size_t i = 0; (builtin = template_builtin(i, &text)); i++)
		if (strcmp(builtin, name) == 0)
			return template_parse(text, strlen(text));
	char known[256] = "";
	for (size_t i = 0; (builtin = template_builtin(i, &text)); i++)
		snprintf(known + strlen(known), sizeof known - strlen(known), " %s", builtin);
	error_system("there is no template \"%s\": give a path, or one of%s", name, known);
	return NULL;
}

void template_close(struct template *template)
{
	if (!template)
		return;
	for (int i = 0; i < PART_COUNT; i++)
		memory_release(template->parts[i]);
	for (size_t i = 0; i < template->stop_count; i++)
		memory_release(template->stops[i]);
	memory_release(template);
}

struct rendering {
	const struct template *template;
	struct template_prompt *prompt;
	bool image, bos_given; /* image: there is a picture */
	char *text;            /* of the segment that is being written */
	size_t size, capacity;
};

static int append(struct rendering *rendering, const char *text, size_t size)
{
	void *bytes = rendering->text;
	int status = memory_grow(&bytes, &rendering->capacity, rendering->size + size, 1);
	rendering->text = bytes;
	if (status)
		return -1;
	memcpy(rendering->text + rendering->size, text, size);
	rendering->size += size;
	return 0;
}

static int add_segment(struct rendering *rendering, bool image)
{
	struct template_prompt *prompt = rendering->prompt;
	void *segments = prompt->segments;
	int status =
	    memory_grow(&segments, &prompt->capacity, prompt->count + 1, sizeof *prompt->segments);
	prompt->segments = segments;
	if (status)
		return -1;
	struct template_segment *segment = &prompt->segments[prompt->count];
	*segment = (struct template_segment){ .image = image };
	segment->size = image ? 0 : rendering->size;
	segment->text = memory_text(segment->size ? rendering->text : "", segment->size);
	if (!segment->text)
		return -1;
	prompt->count++;
	if (image)
		return 0;
	segment->bos = rendering->template->bos && !rendering->bos_given;
	rendering->bos_given = true;
	rendering->size = 0;
	return 0;
}

static int add_image(struct rendering *rendering)
{
	if (rendering->size > 0 && add_segment(rendering, false))
		return -1;
	return add_segment(rendering, true);
}

static int add_value(struct rendering *rendering, const char *value)
{
	size_t size = strlen(value);
	if (rendering->template->trim) {
		size_t blanks = blank_at_start(value, size);
		value += blanks;
		size = blank_trim_end(value, size - blanks);
	}
	return append(rendering, value, size);
}

static int add_part(
    struct rendering *rendering, const char *text, const struct template_turn *turn, bool image);

/* What {image} stands for: nothing without a picture, else the picture with its frame. */
static int add_picture(struct rendering *rendering, bool image, bool framed)
{
	const char *frame = rendering->template->parts[PART_PICTURE];
	if (!image)
		return 0;
	return framed && frame ? add_part(rendering, frame, NULL, true) : add_image(rendering);
}

/* Append a part's text with the turn's question and answer (turn NULL: the frame of a picture, or
 * text between turns). Where the answer is still to be written the text ends, without blanks. */
static int add_part(
    struct rendering *rendering, const char *text, const struct template_turn *turn, bool image)
{
	bool framed = text != rendering->template->parts[PART_PICTURE], answered = false;
	int status = 0;
	char byte;
	enum token token;
	while (status == 0 && (token = next_token(&text, &byte)) != TOKEN_END) {
		if (token == TOKEN_BYTE) {
			status = append(rendering, &byte, 1);
		} else if (token == TOKEN_IMAGE) {
			status = add_picture(rendering, image, framed);
		} else if (token == TOKEN_QUESTION) {
			status = add_value(rendering, turn->question);
		} else if (turn->answer) {
			status = add_value(rendering, turn->answer);
			answered = true;
		} else {
			while (rendering->size > 0 && rendering->text[rendering->size - 1] == ' ')
				rendering->size--;
			return 0;
		}
	}
	if (status == 0 && turn && turn->answer && !answered)
		status = add_value(rendering, turn->answer);
	return status;
}

static int render(struct rendering *rendering, const struct template_turn *turns, size_t count)
{
	const struct template *template = rendering->template;
	char *const *parts = template->parts;
	if (rendering->image && !template->inside && add_image(rendering))
		return -1;
	if (parts[PART_SYSTEM] && add_part(rendering, parts[PART_SYSTEM], NULL, rendering->image))
		return -1;
	for (size_t i = 0; i < count; i++) {
		const char *text = i == 0 && parts[PART_FIRST] ? parts[PART_FIRST] : parts[PART_TURN];
		if (i > 0 && parts[PART_BETWEEN] && add_part(rendering, parts[PART_BETWEEN], NULL, false))
			return -1;
		if (add_part(rendering, text, &turns[i], rendering->image && i == 0))
			return -1;
	}
	if (rendering->size > 0 || (template->bos && !rendering->bos_given))
		return add_segment(rendering, false);
	return 0;
}

int template_render(const struct template *template, const struct template_turn *turns,
    size_t count, bool image, struct template_prompt *prompt)
{
	struct rendering rendering = { .template = template, .prompt = prompt, .image = image };
	int status = render(&rendering, turns, count);
	memory_release(rendering.text);
	return status;
}

void template_prompt_clear(struct template_prompt *prompt)
{
	for (size_t i = 0; i < prompt->count; i++)
		memory_release(prompt->segments[i].text);
	memory_release(prompt->segments);
	*prompt = (struct template_prompt){ 0 };
}

struct bpe_options template_options(const struct template *template,
    const struct template_segment *segment, enum bpe_added added, bool modern)
{
	return (struct bpe_options){
		.bos = segment->bos,
		.added = template->added >= 0 ? (enum bpe_added) template->added : added,
		.modern = template->prefix >= 0 ? template->prefix == 1 : modern,
	};
}

const char *template_stop(const struct template *template, size_t i)
{
	return i < template->stop_count ? template->stops[i] : NULL;
}

bool template_answer_eos(const struct template *template)
{
	return !template->no_eos;
}
