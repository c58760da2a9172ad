/* weights.h - the parameters of one part of a model (vit, qformer, llm) while it is trained: f32
 * master values with gradients for what is trained; what is frozen stays in the mapped file, in
 * its own dtype, and costs nothing more.
 */
#ifndef ZV_TRAIN_WEIGHTS_H
#define ZV_TRAIN_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "stream/record.h"

struct model_file;

struct parameter {
	const char *name; /* as in the model file; owned by the weights */
	int dimensions;
	uint64_t shape[RECORD_DIMENSIONS];
	size_t count;       /* elements */
	char dtype;         /* of stored: e, E or f, or packed (base/packed.h) */
	const void *stored; /* in the mapped file; NULL: made by training (LoRA, throw-away heads) */
	float *value;       /* f32 master [count]; NULL: frozen, read stored */
	float *gradient;    /* [count], accumulates; NULL: frozen */
	bool decays;        /* weight decay: not 1-D, not ".bias" (LAVIS get_optimizer_params) */
	bool saved;         /* goes into the written model or adapter (a throw-away head does not) */
	float rate;         /* factor of the learning rate */
	float *first_moment, *second_moment,
	    *average; /* of the optimiser (adamw.h); NULL until it starts */
};

/* One part. Parameters keep their address while it is open. */
struct weights;

/* Open PART.zv of the model; all frozen. The payloads are verified. NULL recorded. */
struct weights *weights_open(const char *model, const char *part);
void weights_close(struct weights *weights); /* NULL is fine */
const struct model_file *weights_file(const struct weights *weights);
const char *weights_part(const struct weights *weights);

/* NULL (nothing recorded) if there is none. */
struct parameter *weights_find(const struct weights *weights, const char *name);
/* i = 0.. until NULL: first those of the file in its order, then the added ones. */
struct parameter *weights_at(const struct weights *weights, size_t i);

/* Add a parameter [rows][columns] (rows 0: of one dimension) that the file has not, trained, value
 * zero. NULL recorded. */
struct parameter *weights_add(
    struct weights *weights, const char *name, size_t rows, size_t columns, bool saved);

/* Bytes of what is stored. */
size_t parameter_bytes(const struct parameter *parameter);
/* Make a parameter trained (copy to f32, gradient zero). 0, or -1: memory, or it is packed. */
int parameter_train(struct parameter *parameter, float rate);
/* Its values as f32 whatever it is: value, or stored if that is f32; NULL otherwise. */
const float *parameter_values(const struct parameter *parameter);
void weights_zero_gradients(struct weights *weights);

/* Write the part as a model file at path (atomically), all values in dtype ('f', 'E', 'e', or
 * 0: as the file has them; what is packed becomes that, too) by the rule of zv-model(5) (1-D
 * tensors, positions and queries stay f32), all words of the config record and byte files kept,
 * except that word=value lines given replace those of the same word. Added parameters that are
 * saved and not LoRA go in too. 0 or -1. */
int weights_write(const struct weights *weights, const char *path, char dtype, const char *words);

#endif
