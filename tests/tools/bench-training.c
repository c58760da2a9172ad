/* bench-training.c - steps of a training stage on made-up data, timed one by one: the losses and
 * gradients of a micro-batch and a step of AdamW, through lib/train as zv-train takes them. Data
 * are ids and numbers in memory: reading examples and pictures is not in the time.
 *
 *     bench-training [--threads N] [--batch N] MODEL STAGE SOURCE
 *
 * STAGE: text, contrast, generate, instruct. SOURCE: features (cached), pictures (the frozen image
 * encoder runs at each step), vit (contrast: it is trained as well), none (text). Prints how many
 * numbers are trained; then, for each line on standard input, takes a step and prints its seconds,
 * its loss and the peak memory in MiB. tests/bench/training.py has the other side of it.
 */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/threads.h"
#include "train/adamw.h"
#include "train/generate_stage.h"
#include "train/saves.h"
#include "train/weights.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum source { SOURCE_FEATURES, SOURCE_PICTURES, SOURCE_VIT, SOURCE_NONE, SOURCES };
static const char *const source_names[SOURCES] = { "features", "pictures", "vit", "none" };

/* Texts in tokens: as many as these and up to the second number less one more, by turns. */
static const size_t caption_size[2] = { 8, 13 };  /* with [CLS] and [SEP] */
static const size_t question_size[2] = { 6, 7 };  /* with [CLS] and [SEP]; the same to the LLaMA */
static const size_t answer_size[2] = { 10, 11 };  /* counted */
static const size_t passage_size[2] = { 48, 33 }; /* of the stage "text" */
enum { TURN = 5, IDS_FIRST = 10 };

static struct {
	int64_t threads, batch;
	const char *model;
	const struct stage_kind *kind;
	enum source source;
} option = { .threads = 1, .batch = 8 };

/* What is timed. */
struct bench {
	struct stage *stage;             /* NULL: the language model alone, */
	struct language_part language;   /* which is this one */
	struct language_batch sequences; /* of the stage text */
	struct contrast_batch batch;     /* of contrast */
	struct weights *parts[STAGE_PARTS_MOST];
	size_t count;
	struct picture_batch *pictures;
	struct adamw adamw;
	float *pixels;
	uint32_t random;
};

_Noreturn static void fail(const char *what)
{
	fprintf(stderr, "bench-training: %s: %s\n", what, error_text());
	exit(2);
}

static void check(int status, const char *what)
{
	if (status < 0)
		fail(what);
}

static void *allocate(size_t count, size_t size)
{
	void *memory = memory_allocate_zero(count, size);
	if (!memory)
		fail("memory");
	return memory;
}

static uint32_t next_random(struct bench *bench)
{
	bench->random = bench->random * 1664525u + 1013904223u;
	return bench->random >> 8;
}

/* Uniform, of variance 1. */
static void fill(struct bench *bench, float *values, size_t count)
{
	for (size_t i = 0; i < count; i++)
		values[i] = ((float)next_random(bench) * 0x1p-24f - 0.5f) * 3.46f;
}

static size_t text_size(const size_t size[2], size_t i)
{
	return size[0] + i * TURN % size[1];
}

static int32_t next_id(struct bench *bench, size_t vocabulary)
{
	return (int32_t)(IDS_FIRST + next_random(bench) % (vocabulary - IDS_FIRST));
}

/* --- data ----------------------------------------------------------------------------------------*/

static void add_text(struct bench *bench, struct text_list *texts, size_t count, size_t vocabulary)
{
	for (size_t i = 0; i < count; i++)
		check(ids_add(&texts->ids, next_id(bench, vocabulary)), "texts");
	check(text_list_end(texts), "texts");
}

/* A run of ids of a sequence. */
static void add_ids(struct bench *bench, struct language_batch *sequences, size_t count,
    size_t vocabulary, bool counts)
{
	int32_t *ids = allocate(count, sizeof *ids);
	for (size_t i = 0; i < count; i++)
		ids[i] = next_id(bench, vocabulary);
	check(language_batch_add(sequences, ids, count, counts), "sequences");
	memory_release(ids);
}

/* [soft prompt] question answer */
static void add_talk(struct bench *bench, struct generate *generate, size_t i)
{
	struct language_batch *sequences = &generate->batch.sequences;
	size_t vocabulary = llama_network_vocabulary(generate->language.network);
	check(language_batch_begin(sequences, i), "sequences");
	for (size_t r = 0; r < generate->network->queries; r++)
		check(language_batch_add(sequences, &(int32_t){ -1 - (int32_t)r }, 1, false), "sequences");
	add_ids(bench, sequences, text_size(question_size, i), vocabulary, false);
	add_ids(bench, sequences, text_size(answer_size, i), vocabulary, true);
	check(language_batch_end(sequences), "sequences");
}

static void make_talks(struct bench *bench, struct generate *generate)
{
	size_t count = (size_t)option.batch;
	struct generate_batch *batch = &generate->batch;
	batch->picture = allocate(count, sizeof *batch->picture);
	batch->count = batch->capacity = count;
	for (size_t i = 0; i < count; i++) {
		batch->picture[i] = i;
		if (generate->inside)
			add_text(bench, &batch->questions, text_size(question_size, i),
			    generate->network->vocabulary);
		add_talk(bench, generate, i);
	}
}

static void make_captions(struct bench *bench, const struct contrast *contrast)
{
	size_t count = (size_t)option.batch;
	struct contrast_batch *batch = &bench->batch;
	batch->picture = allocate(count, sizeof *batch->picture);
	batch->picture_id = allocate(count, sizeof *batch->picture_id);
	batch->text_id = batch->picture_id;
	batch->count = count;
	for (size_t i = 0; i < count; i++) {
		batch->picture[i] = i;
		batch->picture_id[i] = i + 1;
		add_text(bench, &batch->texts, text_size(caption_size, i), contrast->network->vocabulary);
	}
}

/* Pixels, or what the encoder would have made of them. */
static void make_pictures(struct bench *bench)
{
	struct picture_batch *pictures = bench->pictures;
	size_t side = vit_network_side(pictures->vit), grid = side / vit_network_patch(pictures->vit);
	pictures->count = (size_t)option.batch;
	if (option.source == SOURCE_FEATURES) {
		pictures->tokens = 1 + grid * grid;
		size_t size = pictures->count * pictures->tokens * pictures->width;
		pictures->features = allocate(size, sizeof *pictures->features);
		pictures->feature_capacity = size;
		fill(bench, pictures->features, size);
		return;
	}
	size_t size = pictures->count * 3 * side * side;
	bench->pixels = allocate(size, sizeof *bench->pixels);
	fill(bench, bench->pixels, size);
	pictures->pictures =
	    (struct vit_pictures){ .pixels = bench->pixels, .count = pictures->count, .side = side };
}

/* --- beginning -----------------------------------------------------------------------------------*/

static void begin_text(struct bench *bench, const struct stage_options *options)
{
	check(language_part_open(&bench->language, options), option.model);
	bench->parts[bench->count++] = bench->language.weights;
	check(stage_groups(options, "llm", bench->parts, bench->count), option.model);
	language_part_settle(&bench->language);
	for (size_t i = 0; i < (size_t)option.batch; i++) {
		check(language_batch_begin(&bench->sequences, 0), "sequences");
		add_ids(bench, &bench->sequences, text_size(passage_size, i),
		    llama_network_vocabulary(bench->language.network), true);
		check(language_batch_end(&bench->sequences), "sequences");
	}
}

/* Only with pictures is anything of the encoder trained: its last norm (contrast), or all. */
static const char *trained_groups(void)
{
	if (option.kind == &stage_contrast && option.source == SOURCE_FEATURES)
		return "queries,qformer,text,contrast-heads,match-head,caption-head";
	return option.source == SOURCE_VIT ? "vit,ln-vision,queries,qformer,text,heads" : NULL;
}

static void begin(struct bench *bench)
{
	static const char *const targets[] = { "q_proj", "k_proj", "v_proj" };
	struct stage_options options = { .model = option.model,
		.batch = (size_t)option.batch,
		.dropout = 0.1f,
		.smoothing = 0.1f,
		.train = trained_groups(),
		.itc_weight = 1,
		.itm_weight = 1,
		.itg_weight = 1,
		.match_share = 1,
		.text_most = 256,
		.encode = true };
	if (option.kind == &stage_instruct)
		options.lora = (struct lora_settings){
			.rank = 8, .alpha = 32, .dropout = 0.05f, .targets = targets, .target_count = 3
		};
	*bench = (struct bench){ .adamw = { .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .decay = 0.05 },
		.random = 1 };
	if (option.kind == &stage_text) {
		begin_text(bench, &options);
	} else {
		bench->stage = option.kind->begin(&options, bench->parts, &bench->count);
		if (!bench->stage)
			fail(option.model);
		if (option.kind == &stage_contrast) {
			bench->pictures = &contrast_of(bench->stage)->pictures;
			make_captions(bench, contrast_of(bench->stage));
		} else {
			bench->pictures = &generate_of(bench->stage)->pictures;
			make_talks(bench, generate_of(bench->stage));
		}
		make_pictures(bench);
	}
	check(adamw_begin(&bench->adamw, bench->parts, bench->count), "adamw");
}

/* --- steps ---------------------------------------------------------------------------------------*/

static int run_text(struct bench *bench, struct saves *saves, struct saves *workspace,
    uint64_t step, struct stage_report *report)
{
	struct language_pass pass = {
		.batch = &bench->sequences, .micro_step = step, .scale = 1, .training = true
	};
	return language_part_run(&bench->language, &pass, saves, workspace, report);
}

static int run_pictures(struct bench *bench, struct saves *saves)
{
	return option.source == SOURCE_FEATURES ? 0 : picture_batch_forward(bench->pictures, saves);
}

static int run_stage(struct bench *bench, uint64_t step, struct stage_report *report)
{
	if (option.kind == &stage_contrast) {
		struct contrast *contrast = contrast_of(bench->stage);
		int status = run_pictures(bench, contrast->saves);
		if (status == 0)
			status = contrast_train(contrast, &bench->batch, step, 1, report);
		saves_reset(contrast->saves, 0);
		saves_reset(contrast->workspace, 0);
		return status;
	}
	struct generate *generate = generate_of(bench->stage);
	int status = run_pictures(bench, generate->saves);
	if (status == 0)
		status = generate_run(generate, step, true, 1, report);
	saves_reset(generate->saves, 0);
	saves_reset(generate->workspace, 0);
	return status;
}

/* One thread is timed by the CPU time it takes, which others on the machine disturb little. */
static double now(void)
{
	struct timespec time;
	clock_gettime(threads_count() > 1 ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Most memory that this program has had, in MiB; a parent's is in what getrusage() tells. */
static long peak_memory(void)
{
	char line[200];
	long peak = 0;
	FILE *stream = fopen("/proc/self/status", "r");
	while (stream && fgets(line, sizeof line, stream))
		if (strncmp(line, "VmHWM:", 6) == 0)
			peak = strtol(line + 6, NULL, 10) >> 10;
	if (stream)
		fclose(stream);
	return peak;
}

static void take_step(
    struct bench *bench, struct saves *saves, struct saves *workspace, uint64_t step)
{
	struct stage_report report = { 0 };
	double start = now();
	for (size_t i = 0; i < bench->count; i++)
		weights_zero_gradients(bench->parts[i]);
	check(bench->stage ? run_stage(bench, step, &report)
	                   : run_text(bench, saves, workspace, step, &report),
	    "step");
	double norm = adamw_norm(bench->parts, bench->count);
	adamw_step(&bench->adamw, bench->parts, bench->count, 1e-5, norm);
	double seconds = now() - start;
	printf("%.6f %.4f %ld\n", seconds, report.total, peak_memory());
	fflush(stdout);
}

static size_t count_trained(const struct bench *bench)
{
	const struct parameter *parameter;
	size_t count = 0;
	for (size_t part = 0; part < bench->count; part++)
		for (size_t i = 0; (parameter = weights_at(bench->parts[part], i)); i++)
			count += parameter->value && parameter->gradient ? parameter->count : 0;
	return count;
}

static void run(void)
{
	struct bench bench;
	struct saves *saves = saves_new(), *workspace = saves_new();
	char line[16];
	if (!saves || !workspace)
		fail("memory");
	begin(&bench);
	printf("%zu\n", count_trained(&bench));
	fflush(stdout);
	for (uint64_t step = 0; fgets(line, sizeof line, stdin); step++) {
		take_step(&bench, saves, workspace, step);
		saves_reset(saves, 0);
		saves_reset(workspace, 0);
	}
	if (bench.stage)
		option.kind->end(bench.stage);
	language_part_close(&bench.language);
	language_batch_release(&bench.sequences);
	memory_release(bench.batch.picture);
	memory_release(bench.batch.picture_id);
	text_list_release(&bench.batch.texts);
	memory_release(bench.pixels);
	saves_release(saves);
	saves_release(workspace);
}

_Noreturn static void usage(void)
{
	fprintf(stderr, "usage: bench-training [--threads N] [--batch N] MODEL "
	                "text|contrast|generate|instruct features|pictures|vit|none\n");
	exit(2);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = { { "threads", required_argument, NULL, 't' },
		{ "batch", required_argument, NULL, 'b' }, { 0 } };
	static const struct stage_kind *const kinds[] = { &stage_text, &stage_contrast, &stage_generate,
		&stage_instruct };
	for (int letter; (letter = getopt_long(argc, argv, "", options, NULL)) != -1;) {
		int64_t *to = letter == 't' ? &option.threads : &option.batch;
		if (letter == '?' || number_whole(optarg, 1, 1 << 16, to) < 0)
			usage();
	}
	if (argc - optind != 3)
		usage();
	option.model = argv[optind];
	for (int i = 0; i < 4; i++)
		if (strcmp(kinds[i]->name, argv[optind + 1]) == 0)
			option.kind = kinds[i];
	while (option.source < SOURCES && strcmp(source_names[option.source], argv[optind + 2]) != 0)
		option.source++;
	if (!option.kind || option.source == SOURCES ||
	    (option.kind == &stage_text) != (option.source == SOURCE_NONE) ||
	    (option.kind != &stage_contrast && option.source == SOURCE_VIT))
		usage();
}

int main(int argc, char **argv)
{
	parse(argc, argv);
	if (threads_start((int)option.threads) < 0)
		fail("threads");
	run();
	threads_stop();
	return 0;
}
