/* parameters.c - see parameters.h. */
#include "model/parameters.h"
#include "base/error.h"
#include "stream/model_file.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

int parameters_error(const struct model_file *file, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	return error_system("%s: %s", model_file_path(file), text);
}

int parameters_size(const struct model_file *file, const char *word, size_t most, size_t *size)
{
	int64_t value;
	if (model_file_whole(file, word, 1, (int64_t)most, &value) < 0)
		return -1;
	*size = (size_t)value;
	return 0;
}

int parameters_real(const struct model_file *file, const char *word, float *value)
{
	double real;
	if (model_file_real(file, word, &real) < 0)
		return -1;
	if (!(real > 0) || !isfinite(real))
		return parameters_error(file, "config word \"%s\": must be greater than 0", word);
	*value = (float)real;
	return 0;
}

int parameters_values(const struct model_file *file, const char *key, size_t rows, size_t columns,
    const float **values)
{
	uint64_t shape[2] = { rows, columns };
	struct weight weight;
	if (model_file_need(file, key, rows ? 2 : 1, rows ? shape : shape + 1, &weight) < 0)
		return -1;
	if (weight.dtype != 'f')
		return parameters_error(file, "tensor \"%s\": must be stored as f32", key);
	*values = weight.data;
	return 0;
}

int parameters_linear(const struct model_file *file, const char *prefix, size_t out, size_t in,
    int biased, struct linear *linear)
{
	char name[PARAMETERS_NAME];
	uint64_t shape[2] = { out, in };
	struct weight weight;
	snprintf(name, sizeof name, "%s.weight", prefix);
	if (model_file_need(file, name, 2, shape, &weight) < 0)
		return -1;
	*linear = (struct linear){ weight.data, weight.dtype, out, in, NULL };
	snprintf(name, sizeof name, "%s.bias", prefix);
	return biased ? parameters_values(file, name, 0, out, &linear->bias) : 0;
}

int parameters_norm(const struct model_file *file, const char *prefix, size_t n, float eps,
    int biased, struct norm *norm)
{
	char name[PARAMETERS_NAME];
	*norm = (struct norm){ NULL, NULL, eps, n };
	snprintf(name, sizeof name, "%s.weight", prefix);
	if (parameters_values(file, name, 0, n, &norm->weight) < 0)
		return -1;
	snprintf(name, sizeof name, "%s.bias", prefix);
	return biased ? parameters_values(file, name, 0, n, &norm->bias) : 0;
}
