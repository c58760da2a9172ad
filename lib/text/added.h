/* added.h - the list of tokens added to a vocabulary: lines "ID TAB strip|keep TAB TEXT" with
 * \t \n \r \\ escaped in TEXT (zv-model(5)).
 */
#ifndef ZV_TEXT_ADDED_H
#define ZV_TEXT_ADDED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ADDED_MOST = 1 << 16 };

struct added_token {
	int32_t id;
	bool strip; /* white space next to it is lost */
	char *text; /* size bytes and a zero byte */
	size_t size;
};

/* Call take for each line in order. take returns 0 or -1 (recorded); it may not keep the text.
 * 0, or -1 with an ERROR_INPUT that names the line. */
int added_read(const char *lines, size_t size,
    int (*take)(void *context, const struct added_token *token), void *context);

#endif
