/* plan.h - what a run trains and what it takes, as a table for people. */
#ifndef ZV_TRAIN_PLAN_H
#define ZV_TRAIN_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct weights;

struct plan {
	struct weights *const *parts;
	size_t count;
	double rate;  /* peak, of parameters whose factor is 1 */
	bool average; /* averages are kept */
};

/* A line for each group of parameters: part, group, how many, trained or frozen, learning rate; then
 * the memory of weights and optimiser. */
void plan_print(const struct plan *plan, FILE *stream);

/* Bytes for people: "35 MB". Returns text. */
const char *plan_bytes(double bytes, char text[32]);

/* Most memory that the process has had, in bytes. */
double plan_memory(void);

#endif
