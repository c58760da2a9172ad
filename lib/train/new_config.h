/* new_config.h - what a model from nothing is to be like: lines PART.WORD=VALUE of a file and of
 * the command line. Whoever reads a word marks it; one that nobody read is a mistake.
 */
#ifndef ZV_TRAIN_NEW_CONFIG_H
#define ZV_TRAIN_NEW_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct new_config;

struct new_config *new_config_new(void); /* NULL: memory */
void new_config_release(struct new_config *config);

/* Lines of a file; '#' begins a comment, empty lines are passed over. Names of files in it are
 * relative to its folder. 0, or -1 ERROR_SYSTEM naming the line. */
int new_config_read(struct new_config *config, const char *path);
/* One setting "PART.WORD=VALUE", which goes before earlier ones of the word. 0 or -1. */
int new_config_set(struct new_config *config, const char *line);

/* The value, or NULL if the word is not there. */
const char *new_config_text(struct new_config *config, const char *word);
/* *value keeps what it holds if the word is not there, which is an error if that is negative.
 * 0, or -1 ERROR_INPUT that names the word. */
int new_config_whole(
    struct new_config *config, const char *word, int64_t least, int64_t most, int64_t *value);
int new_config_real(
    struct new_config *config, const char *word, double least, double most, double *value);
/* The file that the word names, as bytes to be released. 1, 0 if the word is not there, -1. */
int new_config_file(struct new_config *config, const char *word, char **bytes, size_t *size);

/* Is there any word of the part? */
bool new_config_has(const struct new_config *config, const char *part);
/* 0, or -1 ERROR_INPUT that names a word that nobody read. */
int new_config_check(const struct new_config *config);

#endif
