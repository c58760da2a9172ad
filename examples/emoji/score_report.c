/* score_report.c - results as a table for people or lines for programs. */
#include "score.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"

static int add(
    struct report *report, const char *measure, const char *column, const struct report_row *row)
{
	if (report->count == REPORT_ROWS_MOST)
		return error_input("more than %d measures", REPORT_ROWS_MOST);
	struct report_row *place = &report->rows[report->count++];
	*place = *row;
	snprintf(place->measure, sizeof place->measure, "%s", measure);
	snprintf(place->column, sizeof place->column, "%s", column);
	return 0;
}

int report_number(struct report *report, const char *measure, const char *column, double value)
{
	struct report_row row = { .value = value, .chance = -1 };
	return add(report, measure, column, &row);
}

int report_share(struct report *report, const char *measure, const char *column, size_t right,
    size_t count, double chance)
{
	struct report_row row = { .share = true, .chance = chance, .count = count };
	row.value = count > 0 ? (double)right / (double)count : 0;
	return add(report, measure, column, &row);
}

static void write_lines(const struct report *report)
{
	for (int i = 0; i < report->count; i++) {
		const struct report_row *row = &report->rows[i];
		printf("%s\t%s\t%s\t", report->title, row->column, row->measure);
		if (row->share && row->count == 0)
			printf("-\t");
		else
			printf("%.6f\t", row->value);
		if (row->chance < 0)
			printf("-\t%zu\n", row->count);
		else
			printf("%.6f\t%zu\n", row->chance, row->count);
	}
}

/* Shares in per cent; what is no share as it is. */
static void write_cell(const struct report_row *row)
{
	if (row && !row->share)
		printf("  %7.3f %7s %6s", row->value, "", "");
	else if (row && row->count > 0 && row->chance < 0)
		printf("  %7.1f %7s %6zu", 100 * row->value, "-", row->count);
	else if (row && row->count > 0)
		printf("  %7.1f %7.1f %6zu", 100 * row->value, 100 * row->chance, row->count);
	else
		printf("  %7s %7s %6s", "-", "-", "-");
}

static const struct report_row *find(
    const struct report *report, const char *measure, const char *column)
{
	for (int i = 0; i < report->count; i++)
		if (strcmp(report->rows[i].measure, measure) == 0 &&
		    strcmp(report->rows[i].column, column) == 0)
			return &report->rows[i];
	return NULL;
}

/* Is row i the first with this measure or, by_column, this column? */
static bool is_first(const struct report *report, int i, bool by_column)
{
	for (int j = 0; j < i; j++) {
		const struct report_row *one = &report->rows[i], *other = &report->rows[j];
		if (strcmp(by_column ? one->column : one->measure,
		        by_column ? other->column : other->measure) == 0)
			return false;
	}
	return true;
}

void report_write(const struct report *report, bool tsv)
{
	if (tsv) {
		write_lines(report);
		return;
	}
	printf("%-16s", report->title);
	for (int i = 0; i < report->count; i++)
		if (is_first(report, i, true))
			printf("  %5s %% %7s %6s", report->rows[i].column, "chance", "of");
	printf("\n");
	for (int i = 0; i < report->count; i++) {
		if (!is_first(report, i, false))
			continue;
		printf("%-16s", report->rows[i].measure);
		for (int j = 0; j < report->count; j++)
			if (is_first(report, j, true))
				write_cell(find(report, report->rows[i].measure, report->rows[j].column));
		printf("\n");
	}
}
