/* parameters.c - see parameters.h. */
#include "model/parameters.h"
#include "base/error.h"
#include "stream/model_file.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

int parameters_error(const struct model_file *file, const char *format, ...)
{
	char text[512];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	return error_system("%s: %s", model_file_path(file), text);
}

/* All words of zv-model(5). */
static const char *const words[] = { "stage", "width", "layers", "heads", "kv_heads", "mlp_width",
	"patch", "side", "norm_eps", "post_norm_eps", "mean_0", "mean_1", "mean_2", "std_0", "std_1",
	"std_2", "cross_frequency", "encoder_width", "queries", "text", "instruction", "vocabulary",
	"positions", "llm_width", "contrast_width", "vit_weights", "llm_weights", "rope_theta", "bos",
	"eos", "pad", "tied", "template", "legacy", "do_sample", "temperature", "top_k", "top_p",
	"repetition_penalty", "max_new_tokens", "num_beams", "length_penalty" };

int parameters_begin(const struct model_file *file, const char *stage)
{
	char text[RECORD_META_MOST + 1];
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (model_file_text(file, words[i], text, sizeof text) && strlen(text) > 63)
			return parameters_error(file, "config word \"%s\": longer than 63 bytes", words[i]);
	if (model_file_text(file, "stage", text, sizeof text) && strcmp(text, stage) != 0)
		return parameters_error(
		    file, "config word \"stage\": \"%s\" where \"%s\" is wanted", text, stage);
	return 0;
}

/* The number that text begins with, up to a dot; SIZE_MAX: none, or too many digits. */
static size_t leading_number(const char *text, size_t size)
{
	size_t number = 0, i = 0;
	for (; i < size && i < 9 && text[i] >= '0' && text[i] <= '9'; i++)
		number = 10 * number + (size_t)(text[i] - '0');
	return i > 0 && i < size && text[i] == '.' ? number : SIZE_MAX;
}

int parameters_layers(const struct model_file *file, const char *prefix, size_t layers)
{
	const char *key;
	size_t key_size, prefix_size = strlen(prefix);
	struct weight weight;
	for (size_t i = 0; model_file_at(file, i, &key, &key_size, &weight); i++)
		if (key_size > prefix_size && memcmp(key, prefix, prefix_size) == 0 &&
		    leading_number(key + prefix_size, key_size - prefix_size) >= layers)
			return parameters_error(file,
			    "config word \"layers\" is %zu, but there is a tensor \"%.*s\"", layers,
			    (int)(key_size < 200 ? key_size : 200), key);
	return 0;
}

int parameters_flag(const struct model_file *file, const char *word, bool *flag)
{
	char text[64];
	int64_t value = 0;
	if (model_file_text(file, word, text, sizeof text) &&
	    model_file_whole(file, word, 0, 1, &value) < 0)
		return -1;
	*flag = value == 1;
	return 0;
}

int parameters_token(const struct model_file *file, const char *word, size_t vocabulary)
{
	char text[64];
	int64_t value;
	if (!model_file_text(file, word, text, sizeof text))
		return 0;
	return model_file_whole(file, word, -1, (int64_t)vocabulary - 1, &value);
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
	struct weight weight;
	snprintf(name, sizeof name, "%s.weight", prefix);
	if (model_file_need_matrix(file, name, out, in, &weight) < 0)
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
