/* pickle_names.h - the only names that the pickle machine knows, and what each is good for. Private
 * to pickle.c and its tests.
 */
#ifndef ZV_STREAM_PICKLE_NAMES_H
#define ZV_STREAM_PICKLE_NAMES_H

#include <stddef.h>
#include <stdint.h>

enum pickle_role {
	PICKLE_ROLE_ORDERED_DICT, /* called without arguments: an empty dictionary */
	PICKLE_ROLE_TENSOR,       /* called: a tensor */
	PICKLE_ROLE_PARAMETER,    /* called with a tensor: that tensor */
	PICKLE_ROLE_STORAGE,      /* names an element type in a persistent id */
	PICKLE_ROLE_INERT_CALL,   /* called: a value that is not used */
	PICKLE_ROLE_DTYPE,        /* a value that is not used */
};

/* The number of a name, or -1. */
int pickle_name_find(const char *module, size_t module_size, const char *name, size_t name_size);

enum pickle_role pickle_name_role(uint8_t number);
char pickle_name_storage(uint8_t number);       /* dtype letter of a storage type, else 0 */
const char *pickle_name_text(uint8_t number);   /* "FloatStorage": for messages */
const char *pickle_opcode_name(uint8_t opcode); /* of an opcode that is refused */

#endif
