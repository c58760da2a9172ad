/* adamw.h - AdamW as torch.optim.AdamW computes it (spec 7.8), clipping by the global norm, moving
 * averages of the parameters, and learning rates over time (spec 7.1, 7.7; LAVIS optims.py).
 */
#ifndef ZV_TRAIN_ADAMW_H
#define ZV_TRAIN_ADAMW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weights;

struct adamw {
	double beta1, beta2, eps, decay;
	double clip;    /* largest global norm of the gradient; 0: no clipping */
	double average; /* decay of the moving average; 0: none */
	uint64_t step;  /* steps done */
};

/* Memory for the moments of all trained parameters of the parts, where they have none yet; averages
 * begin at the present values. 0 or -1. */
int adamw_begin(struct adamw *adamw, struct weights *const *parts, size_t count);

/* Global norm of all gradients in double, a fixed order. */
double adamw_norm(struct weights *const *parts, size_t count);

/* One step at the learning rate (times each parameter's own rate): clip with factor min(1,
 * clip / (norm + 1e-6)), then w -= rate decay w; m, v; w -= rate m^ / (sqrt(v^) + eps). Over the
 * pool. Gradients are left as they are. norm: what adamw_norm() gave. */
void adamw_step(
    struct adamw *adamw, struct weights *const *parts, size_t count, double rate, double norm);

enum schedule_kind {
	SCHEDULE_COSINE,    /* per step, from peak to least behind the warm-up */
	SCHEDULE_STAIRCASE, /* the reference's: warm-up by step in epoch 0 only, then cosine by epoch */
	SCHEDULE_LINEAR,    /* Fengshenbang: warm-up, then linear to least */
	SCHEDULE_CONSTANT,
};
struct schedule {
	enum schedule_kind kind;
	double peak, least, warm_from; /* learning rates */
	uint64_t warm_steps, steps;    /* of all */
	uint64_t epoch_steps, epochs;  /* staircase */
};
/* "cosine", "staircase", "linear", "constant". false if unknown. */
bool schedule_parse(const char *name, enum schedule_kind *kind);
/* The rate of step 0, 1, ... */
double schedule_rate(const struct schedule *schedule, uint64_t step);

#endif
