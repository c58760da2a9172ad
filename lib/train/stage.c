/* stage.c - which parameters a stage trains, and reports of what it computed (see stage.h). */
#include "train/stage.h"
#include "base/error.h"
#include "train/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A parameter belongs to every group that has a pattern for it: '*' stands for anything, "!" in
 * front takes away again. */
static const struct group {
	const char *name, *part;
	const char *patterns[8];
} groups[] = {
	{ "vit", "vit", { "*", "!post_layernorm.*" } },
	{ "ln-vision", "vit", { "post_layernorm.*" } },
	{ "queries", "qformer", { "query_tokens" } },
	{ "qformer", "qformer",
	    { "encoder.layer.*", "layernorm.*", "!encoder.layer.*.intermediate.*",
	        "!encoder.layer.*.output.*", "encoder.layer.*.attention.output.*",
	        "encoder.layer.*.crossattention.output.*" } },
	{ "text", "qformer",
	    { "embeddings.*", "encoder.layer.*.intermediate.*", "encoder.layer.*.output.*",
	        "!encoder.layer.*.attention.output.*", "!encoder.layer.*.crossattention.output.*" } },
	{ "heads", "qformer",
	    { "vision_projection.*", "text_projection.*", "temp", "itm_head.*", "cls.*" } },
	{ "contrast-heads", "qformer", { "vision_projection.*", "text_projection.*", "temp" } },
	{ "match-head", "qformer", { "itm_head.*" } },
	{ "caption-head", "qformer", { "cls.*" } },
	{ "projection", "qformer", { "language_projection.*" } },
	{ "tokens", "llm", { "model.embed_tokens.weight" } },
	{ "llm", "llm", { "*", "!*.lora_A", "!*.lora_B", "!*.scale" } },
	{ "lora", "llm", { "*.lora_A", "*.lora_B" } },
};
enum { GROUP_COUNT = sizeof groups / sizeof groups[0] };

static bool matches(const char *pattern, const char *name)
{
	for (; *pattern; pattern++, name++) {
		if (*pattern == '*') {
			for (; *name; name++)
				if (matches(pattern + 1, name))
					return true;
			return pattern[1] == '\0';
		}
		if (*pattern != *name)
			return false;
	}
	return *name == '\0';
}

static bool belongs(const struct group *group, const char *name)
{
	bool inside = false;
	for (int i = 0; i < 8 && group->patterns[i]; i++) {
		const char *pattern = group->patterns[i];
		bool away = *pattern == '!';
		if (matches(pattern + away, name))
			inside = !away;
	}
	return inside;
}

static const struct group *find_group(const char *name, size_t size)
{
	for (int i = 0; i < GROUP_COUNT; i++)
		if (strlen(groups[i].name) == size && memcmp(groups[i].name, name, size) == 0)
			return &groups[i];
	error_system("no group of parameters is called '%.*s'; there are vit, ln-vision, queries, "
	             "qformer, text, heads, contrast-heads, match-head, caption-head, projection, "
	             "tokens, llm, lora",
	    (int)size, name);
	return NULL;
}

/* Train the parameters of a group, or only set the rate of those that are trained. */
static int train_group(const struct stage_options *options, const struct group *group,
    struct weights *const *parts, size_t count, size_t *found, double rate, bool only_rate)
{
	for (size_t part = 0; part < count; part++) {
		if (strcmp(weights_part(parts[part]), group->part) != 0)
			continue;
		struct parameter *parameter;
		for (size_t i = 0; (parameter = weights_at(parts[part], i)); i++) {
			bool made = !parameter->stored && !parameter->saved; /* a throw-away head */
			bool fixed = options->fix_temperature && strcmp(parameter->name, "temp") == 0;
			if (made || fixed || !belongs(group, parameter->name))
				continue;
			if (only_rate && !parameter->value)
				continue;
			*found += 1;
			if (only_rate || parameter->value)
				parameter->rate = (float)rate;
			else if (parameter_train(parameter, (float)rate) < 0)
				return -1;
		}
	}
	return 0;
}

size_t stage_next_name(const char **at, const char **name)
{
	*name = *at;
	size_t size = strcspn(*at, ",");
	*at += size + ((*at)[size] == ',');
	return size;
}

static int set_rates(
    const struct stage_options *options, struct weights *const *parts, size_t count)
{
	const char *at = options->rates, *item;
	while (at && *at) {
		size_t size = stage_next_name(&at, &item), found = 0;
		const char *equals = memchr(item, '=', size);
		if (!equals)
			return error_system("'%.*s' is no rate; write GROUP=FACTOR", (int)size, item);
		const struct group *group = find_group(item, (size_t)(equals - item));
		if (!group)
			return -1;
		char *end;
		double rate = strtod(equals + 1, &end);
		if (end != item + size || end == equals + 1 || !(rate >= 0 && rate <= 1e6))
			return error_system("'%.*s': a factor is a number from 0 on", (int)size, item);
		if (train_group(options, group, parts, count, &found, rate, true) < 0)
			return -1;
		if (found == 0)
			return error_system(
			    "a rate is given for '%s', but nothing of it is trained", group->name);
	}
	return 0;
}

/* Nothing of a group that was asked for is there. Always -1. */
static int refuse_group(const struct group *group, struct weights *const *parts, size_t count)
{
	const char *hint = "";
	for (size_t i = 0; i < count; i++)
		if (strcmp(group->name, "lora") == 0 && strcmp(weights_part(parts[i]), group->part) == 0)
			hint = ": give --lora RANK, or --adapter FILE to go on with one";
	return error_system("this stage with this model has no parameters '%s'%s", group->name, hint);
}

int stage_groups(const struct stage_options *options, const char *own, struct weights *const *parts,
    size_t count)
{
	const char *at = options->train ? options->train : own, *name;
	while (*at) {
		size_t size = stage_next_name(&at, &name), found = 0;
		const struct group *group = find_group(name, size);
		if (!group || train_group(options, group, parts, count, &found, 1, false) < 0)
			return -1;
		if (found == 0 && options->train)
			return refuse_group(group, parts, count);
	}
	return set_rates(options, parts, count);
}

const char *stage_group(const char *part, const struct parameter *parameter)
{
	for (int i = 0; i < GROUP_COUNT; i++)
		if (strcmp(groups[i].part, part) == 0 && belongs(&groups[i], parameter->name))
			return groups[i].name;
	return "other";
}

void stage_report_add(struct stage_report *report, const char *name, double sum, double count)
{
	size_t i = 0;
	while (i < report->count && strcmp(report->losses[i].name, name) != 0)
		i++;
	if (i == STAGE_LOSSES_MOST)
		return; /* there are not so many names */
	if (i == report->count) {
		struct stage_loss *loss = &report->losses[report->count++];
		*loss = (struct stage_loss){ .sum = 0 };
		snprintf(loss->name, sizeof loss->name, "%s", name);
	}
	report->losses[i].sum += sum;
	report->losses[i].count += count;
}
