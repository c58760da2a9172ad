/* import_pattern.h - the keys of PEFT's rank_pattern and alpha_pattern: regular expressions for
 * the end of a module's name. A small matcher of our own, because the texts come from a file: it
 * knows literals, '.', classes, groups with '|', the repeats * + ? {m,n}, \d \w \s \. and takes
 * bounded time.
 */
#ifndef ZV_IMPORT_IMPORT_PATTERN_H
#define ZV_IMPORT_IMPORT_PATTERN_H

/* Does name, or its part behind some '.', match pattern as a whole? 1 or 0; -1 with ERROR_INPUT
 * when the pattern uses what is not known here or takes too long. */
int import_pattern_match(const char *pattern, const char *name);

/* The same for the name as a whole, as PEFT takes target_modules that is one text. */
int import_pattern_match_whole(const char *pattern, const char *name);

#endif
