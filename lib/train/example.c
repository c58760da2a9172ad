/* example.c - one line of training data: its JSON object to an example (see examples.h, spec 1.4).
 * A member that is there must have its type; members that nobody knows are left alone.
 */
#include "train/example_line.h"
#include "train/examples.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "stream/json.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The text of a member to a copy; *copy stays NULL where the member is absent or null. 0 or -1. */
static int take_text(const struct json *object, const char *name, char **copy)
{
	const struct json *value = json_member(object, name);
	size_t size;
	if (json_kind(value) <= JSON_KIND_NULL)
		return 0;
	const char *text = json_text(value, &size);
	if (!text)
		return error_input("\"%s\" is %s, not a text", name, json_kind_name(json_kind(value)));
	*copy = memory_text(text, size);
	return *copy ? 0 : -1;
}

/* An identity: a text, or a whole number written as one. */
static int take_identity(const struct json *object, const char *name, char **copy)
{
	const struct json *value = json_member(object, name);
	int64_t number;
	if (json_kind(value) != JSON_KIND_WHOLE)
		return take_text(object, name, copy);
	if (json_whole(value, INT64_MIN, INT64_MAX, &number) < 0)
		return -1;
	char text[24];
	int size = snprintf(text, sizeof text, "%lld", (long long)number);
	*copy = memory_text(text, (size_t)size);
	return *copy ? 0 : -1;
}

static int take_class(const struct json *value, int32_t *label)
{
	int64_t number;
	if (json_whole(value, -1, EXAMPLE_CLASS_MOST, &number) < 0)
		return -1;
	*label = (int32_t)number;
	return 0;
}

static int take_classes(
    const struct json *object, const char *name, int32_t **labels, size_t *count)
{
	const struct json *list = json_member(object, name);
	size_t items = json_count(list);
	if (json_kind(list) <= JSON_KIND_NULL)
		return 0;
	if (json_kind(list) != JSON_KIND_ARRAY || items > EXAMPLE_LABELS_MOST)
		return error_input(
		    "\"%s\" is no list of at most %d classes", name, (int)EXAMPLE_LABELS_MOST);
	*labels = memory_allocate(items, sizeof **labels);
	if (!*labels)
		return -1;
	*count = items;
	for (size_t i = 0; i < items; i++)
		if (take_class(json_item(list, i), &(*labels)[i]) < 0)
			return error_context("\"%s\"", name);
	return 0;
}

static int take_list(const struct json *object, const char *name, char ***texts, size_t *count)
{
	const struct json *list = json_member(object, name);
	size_t items = json_count(list);
	if (json_kind(list) <= JSON_KIND_NULL)
		return 0;
	if (json_kind(list) != JSON_KIND_ARRAY || items > EXAMPLE_WRONG_MOST)
		return error_input("\"%s\" is no list of at most %d texts", name, (int)EXAMPLE_WRONG_MOST);
	*texts = memory_allocate_zero(items, sizeof **texts);
	if (!*texts)
		return -1;
	for (; *count < items; ++*count) {
		size_t size;
		const char *text = json_text(json_item(list, *count), &size);
		if (!text)
			return error_input("\"%s\" holds something that is no text", name);
		(*texts)[*count] = memory_text(text, size);
		if (!(*texts)[*count])
			return -1;
	}
	return 0;
}

/* Take LLaVA's "<image>" out of a question, with the line break that parts it from the rest: the
 * template says where the picture stands. */
static void strip_marks(char *question)
{
	static const char mark[] = "<image>";
	char *to = question;
	for (const char *from = question; *from;) {
		if (strncmp(from, mark, sizeof mark - 1) != 0) {
			*to++ = *from++;
			continue;
		}
		from += sizeof mark - 1;
		if (to == question || to[-1] == '\n')
			from += strspn(from, " \n");
		while (*from == '\0' && to > question && (to[-1] == ' ' || to[-1] == '\n'))
			to--;
	}
	*to = '\0';
}

/* Append a turn; both texts become the example's, also when it fails. */
static int add_turn(struct example *example, char *question, char *answer)
{
	size_t room = example->turn_count;
	if (!question)
		question = memory_text("", 0);
	if (question)
		strip_marks(question);
	if (question && answer && room < EXAMPLE_TURNS_MOST &&
	    memory_grow((void **)&example->turns, &room, room + 1, sizeof *example->turns) == 0) {
		example->turns[example->turn_count++] = (struct example_turn){ question, answer };
		return 0;
	}
	int result = !question ? -1
	             : !answer ? error_input("a question without answer")
	             : room >= EXAMPLE_TURNS_MOST
	                 ? error_input("more than %d turns", (int)EXAMPLE_TURNS_MOST)
	                 : -1;
	memory_release(question);
	memory_release(answer);
	return result;
}

/* null is as if the member were not there. */
static bool is_there(const struct json *object, const char *name)
{
	return json_kind(json_member(object, name)) > JSON_KIND_NULL;
}

/* {"question": ..., "answer": ...} of object. */
static int take_question(struct example *example, const struct json *object)
{
	char *question = NULL, *answer = NULL;
	if (!is_there(object, "question") && !is_there(object, "answer"))
		return 0;
	if (take_text(object, "question", &question) < 0 || take_text(object, "answer", &answer) < 0) {
		memory_release(question);
		return -1;
	}
	return add_turn(example, question, answer);
}

/* "instruction" with "inputs" behind it on a line of its own, answered by "outputs". */
static int take_instruction(struct example *example, const struct json *object)
{
	char *instruction = NULL, *inputs = NULL, *outputs = NULL, *question = NULL;
	int result = -1;
	if (!is_there(object, "instruction") && !is_there(object, "outputs"))
		return 0;
	if (take_text(object, "instruction", &instruction) < 0 ||
	    take_text(object, "inputs", &inputs) < 0 || take_text(object, "outputs", &outputs) < 0)
		goto done;
	size_t size = (instruction ? strlen(instruction) : 0) + (inputs ? strlen(inputs) : 0) + 2;
	question = memory_allocate(size, 1);
	if (!question)
		goto done;
	snprintf(question, size, "%s%s%s", instruction ? instruction : "",
	    instruction && inputs && *instruction && *inputs ? "\n" : "", inputs ? inputs : "");
	result = add_turn(example, question, outputs);
	question = outputs = NULL;
done:
	memory_release(instruction);
	memory_release(inputs);
	memory_release(outputs);
	memory_release(question);
	return result;
}

/* A list of turns: objects with question and answer; or LLaVA's, {"from": "human"|"gpt", "value"}
 * by turns. */
static int take_turns(struct example *example, const struct json *list)
{
	for (size_t i = 0; i < json_count(list); i++) {
		const struct json *item = json_item(list, i);
		if (json_kind(item) != JSON_KIND_OBJECT)
			return error_input("a turn is %s, not an object", json_kind_name(json_kind(item)));
		if (!json_member(item, "from")) {
			if (!is_there(item, "question") && !is_there(item, "answer"))
				return error_input("a turn has neither \"question\" and \"answer\" nor \"from\"");
			if (take_question(example, item) < 0)
				return -1;
			continue;
		}
		const struct json *reply = json_item(list, ++i);
		const char *who = json_text(json_member(item, "from"), NULL);
		const char *then = json_text(json_member(reply, "from"), NULL);
		if (!who || !then || strcmp(who, "human") != 0 || strcmp(then, "human") == 0)
			return error_input("turns are not by turns of \"human\" and another");
		char *question = NULL, *answer = NULL;
		if (take_text(item, "value", &question) < 0 || take_text(reply, "value", &answer) < 0) {
			memory_release(question);
			return -1;
		}
		if (add_turn(example, question, answer) < 0)
			return -1;
	}
	return 0;
}

static int take_conversations(struct example *example, const struct json *object)
{
	const struct json *list = json_member(object, "conversations");
	enum json_kind kind = json_kind(list);
	if (kind > JSON_KIND_NULL && kind != JSON_KIND_ARRAY)
		return error_input("\"conversations\" is %s, not a list of turns", json_kind_name(kind));
	return take_turns(example, list);
}

static int take_key(struct example *example, const struct json *object)
{
	static const char *const names[] = { "key", "image", "img", "img_path", "npy_path" };
	for (size_t i = 0; i < sizeof names / sizeof *names && !example->key; i++)
		if (take_text(object, names[i], &example->key) < 0)
			return -1;
	if (!example->key && is_there(object, "image_base64_str"))
		return error_input(
		    "the picture stands in the line itself (\"image_base64_str\"), where it is "
		    "not read: write it into a file, and its name as \"image\"");
	if (take_identity(object, "image_id", &example->image_id) < 0)
		return -1;
	if (!example->image_id && example->key) {
		example->image_id = memory_text(example->key, strlen(example->key));
		return example->image_id ? 0 : -1;
	}
	return 0;
}

static int take_texts(struct example *example, const struct json *object)
{
	const struct json *text = json_member(object, "text");
	if (json_kind(text) == JSON_KIND_ARRAY ? take_turns(example, text) < 0
	                                       : take_text(object, "text", &example->text) < 0)
		return -1;
	if (take_text(object, "caption", &example->caption[EXAMPLE_ENGLISH]) < 0 ||
	    take_text(object, "caption_zh", &example->caption[EXAMPLE_CHINESE]) < 0 ||
	    take_list(object, "wrong", &example->wrong[EXAMPLE_ENGLISH],
	        &example->wrong_count[EXAMPLE_ENGLISH]) < 0 ||
	    take_list(object, "wrong_zh", &example->wrong[EXAMPLE_CHINESE],
	        &example->wrong_count[EXAMPLE_CHINESE]) < 0)
		return -1;
	if (take_question(example, object) < 0 || take_instruction(example, object) < 0)
		return -1;
	return take_conversations(example, object);
}

static int take_labels(struct example *example, const struct json *object)
{
	const struct json *kind = json_member(object, "kind");
	example->kind = -1;
	if (json_kind(kind) > JSON_KIND_NULL && take_class(kind, &example->kind) < 0)
		return error_context("\"kind\"");
	if (take_classes(object, "kinds", &example->kinds, &example->kind_count) < 0)
		return -1;
	return take_classes(object, "patches", &example->patches, &example->patch_count);
}

int example_parse(const char *line, size_t size, struct example *example)
{
	*example = (struct example){ .kind = -1 };
	struct json *object = json_parse(line, size);
	if (!object)
		return -1;
	int result = 0;
	if (json_kind(object) != JSON_KIND_OBJECT)
		result = error_input("%s where an object is wanted", json_kind_name(json_kind(object)));
	else if (take_key(example, object) < 0 || take_texts(example, object) < 0 ||
	         take_labels(example, object) < 0)
		result = -1;
	json_release(object);
	if (result < 0)
		example_clear(example);
	return result;
}

void example_clear(struct example *example)
{
	memory_release(example->key);
	memory_release(example->image_id);
	memory_release(example->text);
	for (int language = 0; language < EXAMPLE_LANGUAGES; language++) {
		memory_release(example->caption[language]);
		for (size_t i = 0; i < example->wrong_count[language]; i++)
			memory_release(example->wrong[language][i]);
		memory_release(example->wrong[language]);
	}
	for (size_t i = 0; i < example->turn_count; i++) {
		memory_release(example->turns[i].question);
		memory_release(example->turns[i].answer);
	}
	memory_release(example->turns);
	memory_release(example->kinds);
	memory_release(example->patches);
	*example = (struct example){ .kind = -1 };
}

void example_name(const struct example *example, char *text, size_t size)
{
	size_t used = 0;
	text[0] = '\0';
	if (example->file) {
		int length = snprintf(text, size, "%s:%lu%s", example->file, (unsigned long)example->line,
		    example->key ? ": " : "");
		used = length < 0 ? 0 : (size_t)length;
	}
	if (example->key && used < size)
		snprintf(text + used, size - used, "%s", example->key);
}

void example_left_out(const struct example *example, const char *format, ...)
{
	char name[PATH_MAX + 64], why[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(why, sizeof why, format, arguments);
	va_end(arguments);
	example_name(example, name, sizeof name);
	message_failure(EXIT_ITEM, name[0] ? name : NULL, "%s; left out", why);
}
