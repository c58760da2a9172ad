/* zv-encode.c - pictures to patch features: names in, `vit` records out (zv-encode(1)).
 * Threads decode ahead (model/picture_queue.h) while this one runs the model over whatever is
 * ready, up to --batch pictures at a time.
 */
#include "base/error.h"
#include "base/interrupt.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/names.h"
#include "base/program.h"
#include "base/progress.h"
#include "base/threads.h"
#include "base/version.h"
#include "model/encode_maker.h"
#include "model/picture_file.h"
#include "model/picture_queue.h"
#include "model/vit.h"
#include "num/product.h"
#include "stream/cache.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCH_MOST = 256 };

static struct {
	const char *append, *key, *background;
	int64_t size, batch, pixels_most, scans_most, memory_most;
	int dtype, filter; /* positions in the tables above */
	struct option_list reuse;
	bool no_orient, partial, fast_decode, wait, verify, by_name;
} option = {
	.key = "-", .batch = 8, .pixels_most = 1 << 26, .scans_most = 500, .memory_most = 512 << 20
};

static const struct option_entry options[] = {
	{ 0, "append", "FILE", OPTION_TEXT, &option.append, 0, 0, NULL,
	    "write to the end of FILE and its index what they do not hold yet\n"
	    "(same name, bytes, model and preparation); may be interrupted" },
	{ 0, "reuse", "OLD", OPTION_LIST, &option.reuse, 0, 0, NULL,
	    "copy from OLD what it holds instead of computing it; may be given\nseveral times" },
	{ 0, "by-name", NULL, OPTION_FLAG, &option.by_name, 0, 0, NULL,
	    "with --append and --reuse: a picture whose name is held counts as\n"
	    "unchanged, its file is not read" },
	{ 0, "verify", NULL, OPTION_FLAG, &option.verify, 0, 0, NULL,
	    "with --append: read all that FILE holds first, and compute again\nwhat is damaged" },
	{ 0, "wait", NULL, OPTION_FLAG, &option.wait, 0, 0, NULL,
	    "with --append: wait while another process appends to FILE" },
	{ 0, "key", "KEY", OPTION_TEXT, &option.key, 0, 0, NULL,
	    "key of the picture on standard input (default \"-\")" },
	{ 0, "size", "N", OPTION_WHOLE, &option.size, 1, 8192, NULL,
	    "resize pictures to N x N pixels, a multiple of the patch size;\n"
	    "the position table is interpolated (default: the model's size)" },
	{ 0, "filter", "NAME", OPTION_CHOICE, &option.filter, 0, 0, encode_filter_names,
	    "resize with bicubic (default), bilinear, lanczos or box" },
	{ 0, "fast-decode", NULL, OPTION_FLAG, &option.fast_decode, 0, 0, NULL,
	    "decode JPEGs at 1/2, 1/4 or 1/8 where twice the model's size is left;\n"
	    "features differ a little, and are marked as such" },
	{ 0, "no-orient", NULL, OPTION_FLAG, &option.no_orient, 0, 0, NULL,
	    "do not turn pictures upright by their EXIF orientation" },
	{ 0, "background", "#RRGGBB", OPTION_TEXT, &option.background, 0, 0, NULL,
	    "blend transparent pixels with this colour (default: drop alpha)" },
	{ 0, "partial", NULL, OPTION_FLAG, &option.partial, 0, 0, NULL,
	    "take truncated JPEGs; what is missing is grey (default: they fail)" },
	{ 0, "dtype", "TYPE", OPTION_CHOICE, &option.dtype, 0, 0, rows_types,
	    "store features as f32 (default), bf16, f16, or int8 with a scale\nfor each row" },
	{ 'b', "batch", "N", OPTION_WHOLE, &option.batch, 1, BATCH_MOST, NULL,
	    "encode up to N pictures at a time if so many are ready (default 8)" },
	{ 0, "max-pixels", "N", OPTION_SIZE, &option.pixels_most, 1, 0x1p32, NULL,
	    "refuse larger pictures (default 64M)" },
	{ 0, "max-scans", "N", OPTION_WHOLE, &option.scans_most, 1, 100000, NULL,
	    "refuse progressive JPEGs of more scans (default 500)" },
	{ 0, "max-memory", "SIZE", OPTION_SIZE, &option.memory_most, 1 << 20, 0x1p40, NULL,
	    "bytes a decoder may take besides the pixels (default 512M)" },
	{ 0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL },
};

static const struct program program = {
	.name = "zv-encode",
	.purpose = "encode pictures to patch features",
	.operands = "[FILE...]",
	.common =
	    COMMON_OUTPUT | COMMON_NAMES | COMMON_MODEL | COMMON_THREADS | COMMON_LEVEL | COMMON_STRICT,
	.options = options,
	.input = "JPEG, PNG, WebP and PNM files; none or \"-\": one picture on standard input",
	.output = "a zvt stream: for each file a record \"vit\", tokens x width, key = its name",
	.examples = { "zv-encode -m ziya photo.jpg | zv-qformer -m ziya | zv-generate -m ziya",
	    "zv-encode -m ziya -T list --append photos.zv", NULL },
	.see_also = "zv-qformer(1), zv-cat(1), zvt(5)",
};

static struct {
	struct vit *vit;
	struct names *names;
	struct maker maker;
	struct cache *cache;
	const char *path;          /* of the output; NULL: standard output */
	struct stat replaced;      /* the file at path, if there is one (st_nlink > 0) */
	float *pixels, *features;  /* of a batch */
	struct rows_stored stored; /* features of one picture in --dtype */
	uint64_t encoded, failed, skipped;
} state;

static const char *key_name(const char *name)
{
	return strcmp(name, "-") == 0 ? option.key : name;
}

/* For the queue. */
static int next_name(void *context, const char **name)
{
	(void)context;
	int found = names_next(state.names, name);
	if (found > 0 && strcmp(*name, "-") == 0 && common.files_from &&
	    strcmp(common.files_from, "-") == 0)
		return error_system("standard input cannot be a picture, it holds the list of names");
	struct stat status;
	if (found > 0 && state.replaced.st_nlink > 0 && stat(*name, &status) == 0 &&
	    status.st_dev == state.replaced.st_dev && status.st_ino == state.replaced.st_ino)
		return error_system("\"%s\" is a picture to read and the output to replace", *name);
	return found;
}

/* The features of a picture, as a cache knows them. */
static struct holding_wanted wanted(const char *key, const struct digest *source)
{
	return (struct holding_wanted){ key, "vit", &state.maker.digest, source, NULL };
}

/* For the queue. */
static bool is_known(void *context, const char *name, const struct digest *source)
{
	(void)context;
	struct holding_wanted item = wanted(key_name(name), source);
	return cache_has(state.cache, &item);
}

static void parse_background(struct picture_options *picture)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";
	const char *text = option.background;
	bool right = strlen(text) == 7 && text[0] == '#';
	for (int i = 0; right && i < 6; i++) {
		const char *digit = strchr(digits, text[1 + i]);
		right = digit != NULL;
		if (right)
			picture->background[i / 2] =
			    (uint8_t)(picture->background[i / 2] * 16 + (digit - digits) % 16);
	}
	if (!right)
		program_usage("--background: \"%s\" is no colour #RRGGBB", text);
	picture->blend = true;
}

static struct picture_options picture_settings(void)
{
	struct picture_options picture = picture_defaults();
	picture.pixels_most = (uint64_t)option.pixels_most;
	picture.scans_most = (int)option.scans_most;
	picture.memory_most = (uint64_t)option.memory_most;
	picture.orient = !option.no_orient;
	picture.strict = common.strict;
	picture.partial = option.partial;
	if (option.background)
		parse_background(&picture);
	return picture;
}

/* The end record; the file is in place after it. */
static void finish_output(void)
{
	struct cache *cache = state.cache;
	state.cache = NULL;
	if (cache && cache_finish(cache) < 0)
		program_fail(state.path);
}

static void count_pictures(void)
{
	message_note(NULL, "%llu pictures encoded, %llu failed, %llu already there",
	    (unsigned long long)state.encoded, (unsigned long long)state.failed,
	    (unsigned long long)state.skipped);
}

/* Before the work ends early: under --append what was encoded so far is not lost. */
static void keep_what_is_done(void)
{
	progress_clear();
	if (option.append)
		finish_output();
}

static void die_if_interrupted(void)
{
	if (!*interrupt_flag())
		return;
	keep_what_is_done();
	if (common.verbose)
		count_pictures();
	interrupt_die();
}

/* Report a failed picture and note it in the output. */
static void put_failure(const struct prepared_picture *prepared, const char *key)
{
	message_failure(EXIT_ITEM, prepared->name, "%s", prepared->text);
	state.failed++;
	if (common.strict) {
		keep_what_is_done();
		cache_abandon(state.cache);
		program_exit();
	}
	if (cache_fail(state.cache, key, prepared->text,
	        digest_is_zero(&prepared->source) ? NULL : &prepared->source) < 0)
		program_fail(state.path);
}

static void put_features(
    const struct prepared_picture *prepared, const char *key, const float *features)
{
	char dtype = rows_type(rows_types[option.dtype]);
	uint64_t shape[2] = { vit_tokens(state.vit), vit_width(state.vit) };
	struct record record;
	record_tensor(&record, "vit", 'f', 2, shape);
	record.source = prepared->source;
	maker_stamp(&state.maker, &record);
	struct holding_wanted item = wanted(key, &prepared->source);
	cache_begin(state.cache, &item);
	if (record_set_key(&record, key) < 0 ||
	    rows_store(&state.stored, dtype, &record, features) < 0 ||
	    cache_put_rows(state.cache, &state.stored) < 0)
		program_fail(state.path);
	state.encoded++;
}

/* A picture that is held already. */
static void keep_picture(const struct prepared_picture *prepared, const char *key)
{
	bool read = !digest_is_zero(&prepared->source);
	struct holding_wanted item = wanted(key, read ? &prepared->source : NULL);
	if (cache_keep(state.cache, &item) < 0)
		program_fail(state.path);
	state.skipped++;
}

/* A finished picture, whatever became of it. features: of this one, when it is ready. */
static void put(struct prepared_picture *prepared, const float *features)
{
	char key[RECORD_KEY_MOST + 1];
	bool ready = prepared->outcome == PICTURE_READY;
	if ((picture_file_key(key_name(prepared->name), key) < 0 ||
	        (ready && vit_check(state.vit, features) < 0)) &&
	    prepared->outcome != PICTURE_FAILED) {
		prepared->outcome = PICTURE_FAILED;
		snprintf(prepared->text, sizeof prepared->text, "%s", error_text());
	} else if (prepared->outcome != PICTURE_FAILED && prepared->text[0]) {
		message_note(prepared->name, "%s", prepared->text);
	}
	if (prepared->outcome == PICTURE_FAILED) {
		put_failure(prepared, key);
		return;
	}
	if (prepared->outcome == PICTURE_KNOWN)
		keep_picture(prepared, key);
	else
		put_features(prepared, key, features);
}

/* Take what is ready: at least one picture, unless the end is reached. */
static size_t gather(struct picture_queue *queue, struct prepared_picture *batch)
{
	size_t count = 0;
	while (count < (size_t)option.batch) {
		int found = picture_queue_take(queue, count == 0, &batch[count]);
		if (found < 0) {
			keep_what_is_done();
			program_fail(NULL);
		}
		if (found == 0)
			break;
		if (batch[count].outcome == PICTURE_FAILED && batch[count].kind == ERROR_SYSTEM) {
			keep_what_is_done();
			message_failure(EXIT_TROUBLE, batch[count].name, "%s", batch[count].text);
			program_exit();
		}
		count++;
	}
	return count;
}

static void encode_batch(struct prepared_picture *batch, size_t count)
{
	size_t side = (size_t)vit_side(state.vit), ready = 0;
	size_t picture_size = 3 * side * side;
	size_t feature_size = vit_tokens(state.vit) * vit_width(state.vit);
	for (size_t i = 0; i < count; i++)
		if (batch[i].outcome == PICTURE_READY)
			picture_normalise(&batch[i].picture, vit_mean(state.vit), vit_std(state.vit),
			    state.pixels + picture_size * ready++);
	if (ready && vit_forward(state.vit, state.pixels, ready, state.features) < 0) {
		keep_what_is_done();
		program_fail(NULL);
	}
	const float *features = state.features;
	for (size_t i = 0; i < count; i++) {
		bool has_features = batch[i].outcome == PICTURE_READY;
		put(&batch[i], features);
		features += has_features ? feature_size : 0;
		prepared_clear(&batch[i]);
	}
	if (cache_flush(state.cache) < 0)
		program_fail(state.path);
}

static void run(const struct picture_options *picture)
{
	struct picture_plan plan = {
		.side = vit_side(state.vit),
		.filter = (enum picture_filter)option.filter,
		.picture = *picture,
		.threads = (int)common.threads,
		.depth = (size_t)option.batch + (size_t)common.threads,
		.next = next_name,
		.known = option.append || option.reuse.count ? is_known : NULL,
		.by_name = option.by_name,
		.stop = option.append ? interrupt_flag() : NULL,
	};
	struct prepared_picture batch[BATCH_MOST];
	/* from the start of the queue on, the names belong to a thread of it */
	progress_begin("pictures", names_count(state.names));
	if (option.append)
		interrupt_hold_all();
	struct picture_queue *queue = picture_queue_start(&plan);
	if (!queue)
		program_fail(NULL);
	for (size_t count; (count = gather(queue, batch)) > 0;) {
		encode_batch(batch, count);
		progress_update(state.encoded + state.failed + state.skipped);
	}
	die_if_interrupted(); /* not after picture_queue_finish(), a thread may wait for a name */
	progress_clear();
	picture_queue_finish(queue);
}

static void allocate(void)
{
	size_t side = (size_t)vit_side(state.vit), batch = (size_t)option.batch;
	size_t feature_size = vit_tokens(state.vit) * vit_width(state.vit);
	state.pixels = memory_allocate(3 * side * side * batch, sizeof *state.pixels);
	state.features = memory_allocate(feature_size * batch, sizeof *state.features);
	if (!state.pixels || !state.features)
		program_fail(NULL);
}

static void check_usage(int operands)
{
	if (option.append && common.output)
		program_usage("--append and --output exclude each other");
	if (!option.append && (option.verify || option.wait))
		program_usage("--verify and --wait are about --append");
	if (!option.append && option.reuse.count == 0 && option.by_name)
		program_usage("--by-name is about --append and --reuse");
	if (operands == 0 && !common.files_from && isatty(STDIN_FILENO))
		program_usage("no pictures: give FILE... or -T LIST, or a picture on standard input");
}

static void clean_up(void)
{
	vit_close(state.vit);
	names_close(state.names);
	memory_release(state.pixels);
	memory_release(state.features);
	rows_clear(&state.stored);
	threads_stop();
}

static void open_cache(void)
{
	const struct cache_plan plan = { .append = option.append,
		.output = common.output,
		.reuse = option.reuse.texts,
		.reuse_count = option.reuse.count,
		.wait = option.wait,
		.verify = option.verify };
	state.cache = cache_open(&plan);
	if (!state.cache)
		program_fail(NULL);
}

int main(int argc, char **argv)
{
	for (int i = 0; picture_library(i); i++)
		version_add(picture_library(i));
	version_add_later(product_version);
	int first = program_begin(&program, argc, argv);
	check_usage(argc - first);
	struct picture_options picture = picture_settings();
	state.path = option.append ? option.append : common.output;
	if (!state.path || stat(state.path, &state.replaced) < 0 || !S_ISREG(state.replaced.st_mode))
		state.replaced.st_nlink = 0;
	if (!option.append)
		open_cache(); /* what cannot be written shows before a model is opened */
	if (threads_start((int)common.threads) < 0)
		program_fail(NULL);
	state.vit = vit_open(common.model, (int)option.size);
	if (!state.vit)
		program_fail(common.model);
	if (option.fast_decode)
		picture.side_wanted = (uint32_t)vit_side(state.vit);
	encode_maker(&state.maker, state.vit, (enum picture_filter)option.filter, &picture,
	    rows_type(rows_types[option.dtype]));
	if (option.append)
		open_cache();
	allocate();
	state.names = names_open(argv + first, argc - first, true);
	if (!state.names)
		program_fail(NULL);
	run(&picture);
	finish_output();
	die_if_interrupted();
	if (common.verbose)
		count_pictures();
	clean_up();
	return program_end();
}
