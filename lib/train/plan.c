/* plan.c - the table before a run (see plan.h). */
#define _DEFAULT_SOURCE
#include "train/plan.h"
#include "base/dtype.h"
#include "train/stage.h"
#include "train/weights.h"

#include <string.h>
#include <sys/resource.h>

enum { ROWS_MOST = 64 };

struct row {
	const char *part, *group;
	unsigned long long trained, frozen;
	float least, most; /* factors of the learning rate */
};

struct table {
	struct row rows[ROWS_MOST];
	size_t count;
	double mapped, values; /* bytes of frozen and trained parameters */
};

static struct row *row_of(struct table *table, const char *part, const char *group)
{
	size_t i = 0;
	while (i < table->count &&
	       (strcmp(table->rows[i].part, part) != 0 || strcmp(table->rows[i].group, group) != 0))
		i++;
	if (i == ROWS_MOST)
		return &table->rows[ROWS_MOST - 1]; /* there are not so many groups */
	if (i == table->count)
		table->rows[table->count++] = (struct row){ .part = part, .group = group };
	return &table->rows[i];
}

static void add_parameter(struct table *table, const char *part, const struct parameter *parameter)
{
	const char *group =
	    !parameter->stored && !parameter->saved ? "classes" : stage_group(part, parameter);
	struct row *row = row_of(table, part, group);
	if (!parameter->value) {
		row->frozen += parameter->count;
		table->mapped += (double)parameter_bytes(parameter);
		return;
	}
	if (row->trained == 0)
		row->least = row->most = parameter->rate;
	row->least = parameter->rate < row->least ? parameter->rate : row->least;
	row->most = parameter->rate > row->most ? parameter->rate : row->most;
	row->trained += parameter->count;
	table->values += (double)parameter->count * sizeof(float);
}

static void print_row(const struct row *row, double rate, FILE *stream)
{
	char line[200], rates[64] = "-";
	if (row->trained > 0 && row->least < row->most)
		snprintf(rates, sizeof rates, "%.3g-%.3g", row->least * rate, row->most * rate);
	else if (row->trained > 0)
		snprintf(rates, sizeof rates, "%.3g", row->most * rate);
	for (int trained = 1; trained >= 0; trained--) {
		unsigned long long count = trained ? row->trained : row->frozen;
		if (count == 0)
			continue;
		snprintf(line, sizeof line, "%-8s %-15s %14llu  %-7s  %s\n", row->part, row->group, count,
		    trained ? "trained" : "frozen", trained ? rates : "-");
		fputs(line, stream);
	}
}

const char *plan_bytes(double bytes, char text[32])
{
	const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	int unit = 0;
	for (; bytes >= 999.5 && unit < 4; unit++)
		bytes /= 1000;
	snprintf(text, 32, bytes < 9.95 && unit > 0 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
	return text;
}

double plan_memory(void)
{
	struct rusage usage;
	return getrusage(RUSAGE_SELF, &usage) == 0 ? 1024.0 * (double)usage.ru_maxrss : 0;
}

void plan_print(const struct plan *plan, FILE *stream)
{
	struct table table = { 0 };
	char line[300], frozen[32], values[32], gradients[32], moments[32];
	for (size_t i = 0; i < plan->count; i++) {
		const struct parameter *parameter;
		for (size_t n = 0; (parameter = weights_at(plan->parts[i], n)); n++)
			add_parameter(&table, weights_part(plan->parts[i]), parameter);
	}
	snprintf(line, sizeof line, "%-8s %-15s %14s  %-7s  %s\n", "part", "group", "parameters", "",
	    "rate");
	fputs(line, stream);
	for (size_t i = 0; i < table.count; i++)
		print_row(&table.rows[i], plan->rate, stream);
	snprintf(line, sizeof line,
	    "memory: %s of frozen weights in their file; %s trained weights, %s gradients, %s "
	    "moments%s\n",
	    plan_bytes(table.mapped, frozen), plan_bytes(table.values, values),
	    plan_bytes(table.values, gradients),
	    plan_bytes((plan->average ? 3 : 2) * table.values, moments),
	    plan->average ? " and averages" : "");
	fputs(line, stream);
}
