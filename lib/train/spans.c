/* spans.c - the trained parameters in pieces, over the pool (see spans.h). */
#include "train/spans.h"
#include "base/threads.h"
#include "train/weights.h"

enum {
	SPAN = 1 << 13, /* elements: with gradient and moments 128 KiB, which a second cache holds */
	SPANS = 1024,   /* that are handed out at once */
};

struct spans {
	struct span list[SPANS];
	double results[SPANS];
	size_t count;
	double (*work)(void *context, const struct span *span);
	void *context;
	double sum;
};

static void run_span(void *context, size_t i, int worker)
{
	(void)worker;
	struct spans *spans = context;
	spans->results[i] = spans->work(spans->context, &spans->list[i]);
}

static void run_all(struct spans *spans)
{
	threads_run(spans->count, run_span, spans);
	for (size_t i = 0; i < spans->count; i++)
		spans->sum += spans->results[i];
	spans->count = 0;
}

static void add_parameter(struct spans *spans, struct parameter *parameter)
{
	for (size_t first = 0; first < parameter->count; first += SPAN) {
		size_t left = parameter->count - first;
		if (spans->count == SPANS)
			run_all(spans);
		spans->list[spans->count++] = (struct span){ parameter, first, left < SPAN ? left : SPAN };
	}
}

double spans_run(struct weights *const *parts, size_t count,
    double (*work)(void *context, const struct span *span), void *context)
{
	struct spans spans = { .work = work, .context = context };
	struct parameter *parameter;
	for (size_t part = 0; part < count; part++)
		for (size_t i = 0; (parameter = weights_at(parts[part], i)); i++)
			if (parameter->value && parameter->gradient)
				add_parameter(&spans, parameter);
	run_all(&spans);
	return spans.sum;
}
