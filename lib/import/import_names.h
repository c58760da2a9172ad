/* import_names.h - what the tensors of other people's checkpoints are called here: the names of
 * Hugging Face (spec 4.1-4.3, 4.6) and of LAVIS (spec 4.4), behind whatever prefixes.
 */
#ifndef ZV_IMPORT_IMPORT_NAMES_H
#define ZV_IMPORT_IMPORT_NAMES_H

#include <stdbool.h>
#include <stddef.h>

enum import_part { IMPORT_LLM, IMPORT_VIT, IMPORT_QFORMER, IMPORT_PARTS };
enum { IMPORT_KEY_SIZE = 96 };

/* The name of a part in files and messages: "llm", "vit", "qformer". */
extern const char *const import_part_names[IMPORT_PARTS];

enum import_kind {
	IMPORT_PARAMETER, /* part and key say where it goes */
	IMPORT_BUFFER,    /* holds nothing a model needs: position ids, rotary tables, counters */
	IMPORT_OTHER,     /* belongs to something else: a head, another language model */
	IMPORT_STRANGE,   /* inside a layer of ours, but nothing our layers have */
};

struct import_name {
	enum import_kind kind;
	enum import_part part;
	char key[IMPORT_KEY_SIZE]; /* our name */
	bool lavis;                /* it came under LAVIS' name */
	long layer;                /* IMPORT_STRANGE: of which layer */
};

/* Find what name means, looking only among the parts whose bits (1 << part) are set. */
void import_name_map(const char *name, unsigned parts, struct import_name *result);

#endif
