/* import_sources.h - the checkpoints that an import draws on, and where in them each of our
 * tensors comes from. A part is taken from one source: that given for it by an option (--vit,
 * --qformer, --llm, --delta), or the only one that holds it. Two things may come from another, as
 * LAVIS and MiniGPT-4 keep them: the norm behind the image encoder, which is trained and saved with
 * the Q-Former, and the projection into the language model, which may be a file of its own.
 */
#ifndef ZV_IMPORT_IMPORT_SOURCES_H
#define ZV_IMPORT_IMPORT_SOURCES_H

#include "import/import_names.h"
#include "stream/checkpoint.h"
#include "stream/json.h"

enum { IMPORT_SOURCES_MOST = 64, IMPORT_ALL_PARTS = (1 << IMPORT_PARTS) - 1 };

struct import_source {
	char *path;
	char *directory; /* holds config.json, tokenizer.model and the like; NULL: none known */
	struct checkpoint *checkpoint;
	struct json *config; /* config.json of the directory; NULL: none */
	unsigned parts;      /* bits of what may be taken from it */
	bool role;           /* given for its part */
	bool has_queries;    /* holds a Q-Former, be it one that is not taken */
};

struct import_origin {
	enum import_part part;
	char key[IMPORT_KEY_SIZE];
	bool lavis;
	bool taken; /* it becomes part of the model */
	const struct import_source *source;
	const struct checkpoint_tensor *tensor;
};

/* A tensor that no part of the model takes, and why, for the report. */
struct import_rest {
	const struct checkpoint_tensor *tensor;
	const struct import_source *source;
	enum import_kind kind;
	enum import_part part; /* IMPORT_STRANGE: of whose layer */
	long layer;
};

struct import_sources {
	struct import_source list[IMPORT_SOURCES_MOST];
	int count;
	const struct import_source *owners[IMPORT_PARTS]; /* who gives the part; NULL: none has it */
	struct import_origin *origins;                    /* sorted by part and key */
	size_t origin_count, origin_capacity;
	struct import_rest *rest;
	size_t rest_count, rest_capacity;
};

/* Open a checkpoint at path and the config.json in it (if it is a directory). parts: bits of what
 * may be taken. 0, or -1 with a recorded error that names the file. */
int import_sources_add(struct import_sources *sources, const char *path, unsigned parts, bool role);

/* A tensor that every checkpoint with the part has. */
extern const char *const import_signs[IMPORT_PARTS];

/* Name and sort the tensors of all sources and choose who gives what. 0, or -1: two tensors of one
 * source mean the same, or two sources hold a part and no option says which counts. */
int import_sources_sort(struct import_sources *sources);

void import_sources_close(struct import_sources *sources);

/* The tensor that becomes key, or NULL. */
struct import_origin *import_find(
    const struct import_sources *sources, enum import_part part, const char *key);

/* One more than the highest layer number in keys that begin with begin ("model.layers."). */
long import_layers(const struct import_sources *sources, enum import_part part, const char *begin);

#endif
