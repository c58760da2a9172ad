/* saves.h - what a forward pass keeps for its backward pass: a stack. Forward pushes every tensor
 * that backward needs, backward pops them in exactly the reverse order by the same tag. The same
 * type serves as workspace for temporaries (mark and release).
 */
#ifndef ZV_TRAIN_SAVES_H
#define ZV_TRAIN_SAVES_H

#include <stddef.h>

struct saves;

struct saves *saves_new(void); /* NULL: memory */
void saves_release(struct saves *saves);

/* count floats (64-byte aligned, not initialised) on top. The tag is a constant text. NULL: memory.
 * Memory is kept for the next step when it is popped. */
float *saves_push(struct saves *saves, const char *tag, size_t count);

/* The tensor on top, which must have this tag and count (a wrong one is a mistake of the program:
 * ERROR_SYSTEM and NULL). It stays readable and writable until the next push. */
float *saves_pop(struct saves *saves, const char *tag, size_t count);

/* Where the stack is now; everything pushed later is forgotten by saves_reset(). */
size_t saves_mark(const struct saves *saves);
void saves_reset(struct saves *saves, size_t mark);

size_t saves_most(const struct saves *saves); /* bytes, the most that was in use at once */

#endif
