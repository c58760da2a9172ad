/* import_pattern.c - match regular expressions by backtracking with a budget (see
 * import_pattern.h). The matcher walks the pattern text itself; what is still to be matched behind
 * a group is kept as a chain of continuations on the stack.
 */
#include "import/import_pattern.h"
#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

/* The walk is as deep as the name is long plus DEPTH_MOST: bounded stack, bounded time. */
enum { STEPS_MOST = 200000, DEPTH_MOST = 2000, PATTERN_MOST = 1024, NAME_MOST = 512 };

struct match {
	int steps, depth;
	const char *problem; /* why it cannot be matched; NULL: so far so good */
};

/* What follows once the current piece of pattern is through. */
struct follow {
	const char *at, *end;      /* this piece of pattern ... */
	const struct follow *next; /* ... and then that */
	/* For the repeat of an atom: try the atom again while below most. */
	const char *atom, *atom_end;
	int count, least, most;
	const char *begun; /* where in the text this round began: an empty round is the last */
};

static bool match_here(struct match *match, const char *pattern, const char *end, const char *text,
    const struct follow *follow);

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool class_has(char letter, char c)
{
	switch (letter) {
	case 'd':
		return c >= '0' && c <= '9';
	case 'D':
		return !(c >= '0' && c <= '9');
	case 'w':
		return is_word(c);
	case 'W':
		return !is_word(c);
	case 's':
		return c == ' ' || (c >= '\t' && c <= '\r');
	case 'S':
		return !(c == ' ' || (c >= '\t' && c <= '\r'));
	default:
		return letter == c;
	}
}

/* The end of the atom at pattern: one character, an escape, [...] or (...). */
static const char *atom_end(struct match *match, const char *pattern, const char *end)
{
	if (*pattern == '\\') {
		if (pattern + 1 == end || (is_word(pattern[1]) && !strchr("dDwWsS", pattern[1])))
			match->problem = "an escape that is not known";
		return pattern + 1 == end ? end : pattern + 2;
	}
	if (*pattern == '[') {
		const char *at = pattern + 1;
		at += at < end && *at == '^';
		at += at < end && *at == ']';
		for (; at < end && *at != ']'; at++)
			at += *at == '\\' && at + 1 < end;
		if (at < end)
			return at + 1;
		match->problem = "[ without ]";
		return end;
	}
	if (*pattern != '(') {
		if (strchr("*+?{)^$", *pattern))
			match->problem = "a sign out of place";
		return pattern + 1;
	}
	int depth = 0;
	for (const char *at = pattern; at < end;) {
		if (*at == '(') {
			depth++;
			at++;
		} else if (*at == ')') {
			at++;
			if (--depth == 0)
				return at;
		} else {
			at = *at == '\\' || *at == '[' ? atom_end(match, at, end) : at + 1;
		}
	}
	match->problem = "( without )";
	return end;
}

static bool match_class(const char *at, const char *end, char c)
{
	bool inverted = *at == '^', found = false;
	at += inverted;
	for (bool first = true; at < end && (first || *at != ']'); first = false) {
		if (*at == '\\' && at + 1 < end) {
			found |= class_has(at[1], c);
			at += 2;
		} else if (at + 2 < end && at[1] == '-' && at[2] != ']') {
			found |= c >= at[0] && c <= at[2];
			at += 3;
		} else {
			found |= *at++ == c;
		}
	}
	return found != inverted;
}

static bool match_follow(struct match *match, const char *text, const struct follow *follow);

/* The atom once, then what follows. */
static bool match_atom(struct match *match, const char *atom, const char *end, const char *text,
    const struct follow *follow)
{
	if (*atom == '(') {
		const char *inside = atom + 1, *last = end - 1;
		if (inside + 1 < last && inside[0] == '?') {
			if (inside[1] != ':') {
				match->problem = "a kind of group that is not known";
				return false;
			}
			inside += 2;
		}
		return match_here(match, inside, last, text, follow);
	}
	if (!*text)
		return false;
	bool same = *atom == '.'    ? *text != '\n'
	            : *atom == '['  ? match_class(atom + 1, end, *text)
	            : *atom == '\\' ? class_has(atom[1], *text)
	                            : *atom == *text;
	return same && match_follow(match, text + 1, follow);
}

static bool match_follow(struct match *match, const char *text, const struct follow *follow)
{
	if (!follow)
		return *text == '\0';
	if (!follow->atom)
		return match_here(match, follow->at, follow->end, text, follow->next);
	bool empty = follow->begun == text && follow->count > follow->least;
	if (follow->count < follow->most && !empty) {
		struct follow again = *follow;
		again.count++;
		again.begun = text;
		if (++match->steps > STEPS_MOST)
			match->problem = "it takes too long";
		if (!match->problem && match_atom(match, follow->atom, follow->atom_end, text, &again))
			return true;
	}
	return !match->problem && follow->count >= follow->least &&
	       match_here(match, follow->at, follow->end, text, follow->next);
}

static int read_number(const char **at, const char *end)
{
	int number = 0;
	while (*at < end && **at >= '0' && **at <= '9' && number < 1000)
		number = number * 10 + (*(*at)++ - '0');
	return number;
}

/* The repeat behind an atom: least and most; returns where the pattern goes on. */
static const char *read_repeat(
    struct match *match, const char *at, const char *end, int *least, int *most)
{
	*least = *most = 1;
	if (at == end || !strchr("*+?{", *at))
		return at;
	if (*at == '{') {
		at++;
		*least = *most = read_number(&at, end);
		if (at < end && *at == ',') {
			at++;
			*most = at < end && *at == '}' ? STEPS_MOST : read_number(&at, end);
		}
		if (at == end || *at != '}')
			match->problem = "{ without }";
	} else {
		*least = *at == '+';
		*most = *at == '?' ? 1 : STEPS_MOST;
	}
	at += at < end;
	/* A lazy repeat matches the same whole texts as a greedy one. */
	return at < end && *at == '?' ? at + 1 : at;
}

/* The first '|' of pattern outside of groups and classes, or end. */
static const char *find_bar(struct match *match, const char *pattern, const char *end)
{
	while (pattern < end && *pattern != '|' && !match->problem)
		pattern = strchr("\\[(", *pattern) ? atom_end(match, pattern, end) : pattern + 1;
	return pattern;
}

/* One alternative: a sequence of atoms with repeats. */
static bool match_sequence(struct match *match, const char *pattern, const char *end,
    const char *text, const struct follow *follow)
{
	while (pattern < end && (*pattern == '^' || *pattern == '$')) {
		if (*pattern == '$' && *text)
			return false;
		if (*pattern == '^') {
			match->problem = "^ inside";
			return false;
		}
		pattern++;
	}
	if (pattern == end)
		return match_follow(match, text, follow);
	struct follow rest = { .next = follow, .end = end };
	rest.atom = pattern;
	rest.atom_end = atom_end(match, pattern, end);
	rest.at = read_repeat(match, rest.atom_end, end, &rest.least, &rest.most);
	return !match->problem && match_follow(match, text, &rest);
}

static bool match_here(struct match *match, const char *pattern, const char *end, const char *text,
    const struct follow *follow)
{
	if (++match->steps > STEPS_MOST || match->depth >= DEPTH_MOST)
		match->problem = "it takes too long";
	if (match->problem)
		return false;
	match->depth++;
	bool found = false;
	for (;;) {
		const char *bar = find_bar(match, pattern, end);
		found = !match->problem && match_sequence(match, pattern, bar, text, follow);
		if (found || match->problem || bar == end)
			break;
		pattern = bar + 1;
	}
	match->depth--;
	return found;
}

static int match_parts(const char *pattern, const char *name, bool whole)
{
	size_t size = strlen(pattern);
	if (size > PATTERN_MOST || strlen(name) > NAME_MOST)
		return error_input("pattern \"%.40s...\" or the name it is for is too long", pattern);
	const char *end = pattern + size;
	pattern += *pattern == '^';
	struct match match = { 0 };
	for (const char *at = name; at;) {
		bool found = match_here(&match, pattern, end, at, NULL);
		if (match.problem)
			return error_input("pattern \"%.100s\": %s", pattern, match.problem);
		if (found)
			return 1;
		at = whole ? NULL : strchr(at, '.');
		if (at)
			at++;
	}
	return 0;
}

int import_pattern_match(const char *pattern, const char *name)
{
	return match_parts(pattern, name, false);
}

int import_pattern_match_whole(const char *pattern, const char *name)
{
	return match_parts(pattern, name, true);
}
