/* generation_settings.c - the settings that a model asks for, see generation.h. */
#include "model/generation.h"

#include <math.h>

#include "base/error.h"
#include "stream/model_file.h"

enum { MOST_BEAMS = 64, MOST_TOKENS = 1 << 20 };

static int read_whole(
    const struct model_file *file, const char *word, int64_t least, int64_t most, int64_t *value)
{
	char text[64];
	if (!model_file_text(file, word, text, sizeof text))
		return 0;
	return model_file_whole(file, word, least, most, value);
}

static int read_real(
    const struct model_file *file, const char *word, double least, double most, double *value)
{
	char text[64];
	if (!model_file_text(file, word, text, sizeof text))
		return 0;
	double found;
	if (model_file_real(file, word, &found) != 0)
		return -1;
	if (!(found >= least && found <= most))
		return error_system("%s=%s: must be from %g to %g", word, text, least, most);
	*value = found;
	return 0;
}

static int read_sampling(const struct model_file *file, struct generation_settings *settings)
{
	int64_t sample = 0;
	struct sampling *sampling = &settings->sampling;
	if (read_whole(file, "do_sample", 0, 1, &sample) != 0 ||
	    read_real(file, "temperature", 0, 1000, &sampling->temperature) != 0 ||
	    read_whole(file, "top_k", 0, MOST_TOKENS, &sampling->top_k) != 0 ||
	    read_real(file, "top_p", 0, 1, &sampling->top_p) != 0)
		return -1;
	settings->sample = sample != 0;
	return 0;
}

int generation_settings_read(const struct model_file *file, struct generation_settings *settings)
{
	*settings = (struct generation_settings){
		.sampling = { .temperature = 1, .top_k = 50, .top_p = 1 },
		.length_penalty = 1,
		.repetition_penalty = 1,
	};
	int64_t beams = 1, max_new = 128, bos = -1, eos = -1;
	if (read_sampling(file, settings) != 0 ||
	    read_real(file, "repetition_penalty", 0.01, 100, &settings->repetition_penalty) != 0 ||
	    read_real(file, "length_penalty", -100, 100, &settings->length_penalty) != 0 ||
	    read_whole(file, "num_beams", 1, MOST_BEAMS, &beams) != 0 ||
	    read_whole(file, "max_new_tokens", 1, MOST_TOKENS, &max_new) != 0 ||
	    read_whole(file, "bos", -1, INT32_MAX, &bos) != 0 ||
	    read_whole(file, "eos", -1, INT32_MAX, &eos) != 0)
		return error_context("%s", model_file_path(file));
	settings->beams = (size_t)beams;
	settings->max_new = (size_t)max_new;
	settings->bos = (int32_t)bos;
	settings->eos = (int32_t)eos;
	return 0;
}

/* How tokens are chosen: -1 when the wishes contradict each other or the settings. */
static int apply_method(
    struct generation_settings *settings, const struct generation_wishes *wishes)
{
	if (wishes->sample && wishes->greedy)
		return error_system("--sample and --greedy do not go together");
	if (wishes->sample && wishes->beams > 1)
		return error_system("--sample and --beams do not go together");
	if (wishes->beams > 0 || wishes->sample)
		settings->beams = wishes->beams > 1 ? (size_t)wishes->beams : 1;
	settings->sample = wishes->sample || (settings->sample && !wishes->greedy);
	if (settings->beams > 1) /* a model that asks for both gets its beams */
		settings->sample = false;
	bool drawing = !isnan(wishes->temperature) || !isnan(wishes->top_p) || wishes->top_k >= 0;
	if (drawing && !settings->sample)
		return error_system("--temperature, --top-k and --top-p need --sample");
	bool beams = !isnan(wishes->length_penalty) || wishes->early_stopping;
	if (beams && settings->beams == 1)
		return error_system("--length-penalty and --early-stopping need --beams");
	return 0;
}

int generation_settings_apply(
    struct generation_settings *settings, const struct generation_wishes *wishes)
{
	struct sampling *sampling = &settings->sampling;
	if (apply_method(settings, wishes) != 0)
		return -1;
	if (!isnan(wishes->temperature))
		sampling->temperature = wishes->temperature;
	if (sampling->temperature == 0)
		settings->sample = false;
	if (wishes->top_k >= 0)
		sampling->top_k = wishes->top_k;
	if (!isnan(wishes->top_p))
		sampling->top_p = wishes->top_p;
	if (!isnan(wishes->length_penalty))
		settings->length_penalty = wishes->length_penalty;
	if (!isnan(wishes->repetition_penalty))
		settings->repetition_penalty = wishes->repetition_penalty;
	if (wishes->max_new > 0)
		settings->max_new = (size_t)wishes->max_new;
	settings->min_new = (size_t)wishes->min_new;
	if (settings->min_new > settings->max_new)
		return error_system("--min-new %zu is more than --max-new, which is %zu", settings->min_new,
		    settings->max_new);
	settings->seed = (uint64_t)wishes->seed;
	settings->early_stopping = wishes->early_stopping;
	settings->count_bos = wishes->count_bos;
	if (wishes->ignore_eos)
		settings->eos = -1;
	return 0;
}
