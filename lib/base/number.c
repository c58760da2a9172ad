/* number.c - strict number parsing (see number.h). */
#include "base/number.h"
#include "base/error.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Digits with an optional minus sign; *end is left behind them. */
static bool parse_digits(const char *text, int64_t *number, const char **end)
{
	const char *at = text[0] == '-' ? text + 1 : text;
	if (!isdigit((unsigned char)*at))
		return false;
	int64_t value = 0;
	for (; isdigit((unsigned char)*at); at++) {
		int digit = text[0] == '-' ? '0' - *at : *at - '0';
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return false;
	}
	*number = value;
	*end = at;
	return true;
}

static int out_of_range(const char *text, int64_t least, int64_t most)
{
	return error_input(
	    "\"%s\" is not a whole number from %lld to %lld", text, (long long)least, (long long)most);
}

int number_whole(const char *text, int64_t least, int64_t most, int64_t *number)
{
	const char *end;
	int64_t value;
	if (!parse_digits(text, &value, &end) || *end || value < least || value > most)
		return out_of_range(text, least, most);
	*number = value;
	return 0;
}

int number_size(const char *text, int64_t least, int64_t most, int64_t *number)
{
	static const char suffixes[] = "KMGT";
	const char *end;
	int64_t value;
	if (!parse_digits(text, &value, &end))
		return out_of_range(text, least, most);
	const char *suffix = *end ? strchr(suffixes, toupper((unsigned char)*end)) : NULL;
	if (suffix) {
		for (const char *step = suffixes; step <= suffix; step++)
			if (__builtin_mul_overflow(value, 1024, &value))
				return out_of_range(text, least, most);
		end++;
	}
	if (*end || value < least || value > most)
		return out_of_range(text, least, most);
	*number = value;
	return 0;
}

int number_real(const char *text, double least, double most, double *number)
{
	/* strtod alone would take blanks, hexadecimal, "inf" and "nan". */
	char *end = NULL;
	double value = 0;
	bool plain = text[0] && strspn(text, "0123456789+-.eE") == strlen(text);
	if (plain)
		value = strtod(text, &end);
	if (!plain || *end || !isfinite(value) || value < least || value > most)
		return error_input("\"%s\" is not a number from %g to %g", text, least, most);
	*number = value;
	return 0;
}
