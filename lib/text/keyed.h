/* keyed.h - texts by key, from a file of lines "key TAB text": the questions about pictures, the
 * texts to match them with. A key may have several texts; they stay in the order of the file.
 */
#ifndef ZV_TEXT_KEYED_H
#define ZV_TEXT_KEYED_H

#include <stddef.h>

struct keyed;

/* Read all lines of the file ("-": standard input). NULL with a recorded error that names the
 * line. */
struct keyed *keyed_read(const char *path);
void keyed_close(struct keyed *keyed); /* NULL is fine */

/* How many texts key has, and which they are: keyed_text(keyed, *first + 0..). */
size_t keyed_find(struct keyed *keyed, const char *key, size_t *first);
const char *keyed_text(const struct keyed *keyed, size_t i);

/* How many texts no keyed_find() has led to, and the key of the first of them in the file. */
size_t keyed_unused(const struct keyed *keyed, const char **key);

#endif
