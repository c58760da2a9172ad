/* zv-search.c - the most similar items of feature files for each query, near-duplicates among them,
 * and feature files made ready for being searched.
 */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/memory.h"
#include "base/message.h"
#include "base/names.h"
#include "base/output.h"
#include "base/program.h"
#include "base/progress.h"
#include "base/textout.h"
#include "base/threads.h"
#include "base/version.h"
#include "num/product.h"
#include "search/find.h"
#include "search/gather.h"
#include "search/groups.h"
#include "search/queries.h"
#include "search/rerank.h"
#include "stream/rows.h"
#include "stream/sample_queue.h"

#include <float.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *const pictures_choices[] = { "aligned", "max", NULL };

static struct {
	const char *queries, *keys_from, *name, *texts;
	struct option_list only, rerank;
	int64_t best, rerank_most, ids, batch, memory;
	double threshold;
	bool unique, unique_source, cosine, no_clean, dedupe, gather;
	int pictures, dtype;
} option = { .best = 10, .rerank_most = 128, .ids = 35, .batch = 1024, .threshold = 0.95 };

/* clang-format off */
static const struct option_entry options[] = {
	{ 'Q', "queries", "FILE", OPTION_TEXT, &option.queries, 0, 0, NULL,
	  "the queries (default: standard input)" },
	{ 'k', "best", "N", OPTION_WHOLE, &option.best, 1, 1 << 30, NULL,
	  "the N best of each query (default 10; with --threshold all)" },
	{ 0, "threshold", "X", OPTION_REAL, &option.threshold, -FLT_MAX, FLT_MAX, NULL,
	  "only what has a similarity of X or more (with --dedupe\ndefault 0.95)" },
	{ 0, "unique", NULL, OPTION_FLAG, &option.unique, 0, 0, NULL,
	  "of items with one key only the best" },
	{ 0, "unique-source", NULL, OPTION_FLAG, &option.unique_source, 0, 0, NULL,
	  "of items made from equal files only the best" },
	{ 0, "only", "PATTERN", OPTION_LIST, &option.only, 0, 0, NULL,
	  "keys that match this pattern of the shell; may be given\nseveral times" },
	{ 'K', "keys-from", "LIST", OPTION_TEXT, &option.keys_from, 0, 0, NULL,
	  "only the keys in LIST, one a line" },
	{ 'n', "name", "NAME", OPTION_TEXT, &option.name, 0, 0, NULL,
	  "compare the tensors called NAME (default: the first of each\n"
	  "sample that is f32, bf16, f16 or rows of int8)" },
	{ 0, "pictures", "HOW", OPTION_CHOICE, &option.pictures, 0, 0, pictures_choices,
	  "how two pictures are compared: aligned (default), the mean of\n"
	  "the products of vectors of the same number, or max, the\n"
	  "largest of all" },
	{ 0, "cosine", NULL, OPTION_FLAG, &option.cosine, 0, 0, NULL,
	  "divide each vector by its length (those of zv-qformer are)" },
	{ 0, "rerank", "FILE", OPTION_LIST, &option.rerank, 0, 0, NULL,
	  "match the best with the query, by the model -m; FILE: patch\n"
	  "features (zv-encode) with their index; may be given several\ntimes" },
	{ 0, "rerank-most", "N", OPTION_WHOLE, &option.rerank_most, 1, 1 << 20, NULL,
	  "match the N best (default 128)" },
	{ 0, "texts", "FILE", OPTION_TEXT, &option.texts, 0, 0, NULL,
	  "with --rerank: lines \"key TAB text\" (default: the keys of\ntexts are the texts)" },
	{ 0, "no-clean", NULL, OPTION_FLAG, &option.no_clean, 0, 0, NULL,
	  "with --rerank: take the texts as they are" },
	{ 0, "most", "N", OPTION_WHOLE, &option.ids, 2, 4096, NULL,
	  "with --rerank: cut texts at N ids (default 35)" },
	{ 0, "dedupe", NULL, OPTION_FLAG, &option.dedupe, 0, 0, NULL,
	  "no queries: the groups of near-duplicates" },
	{ 0, "gather", NULL, OPTION_FLAG, &option.gather, 0, 0, NULL,
	  "no queries: write all vectors as stacks, to be searched at the\nspeed of memory" },
	{ 0, "dtype", "TYPE", OPTION_CHOICE, &option.dtype, 0, 0, rows_types,
	  "with --gather: store them as f32, bf16, f16 or int8 (default:\nas they are)" },
	{ 'b', "batch", "N", OPTION_WHOLE, &option.batch, 1, 1 << 20, NULL,
	  "look for up to N queries in one pass if they are there\n(default 1024)" },
	{ 0, "memory", "SIZE", OPTION_SIZE, &option.memory, 0, 0x1p53, NULL,
	  "keep up to SIZE of what cannot be mapped from one pass to the\n"
	  "next (default: half of the memory)" },
	{ 0 },
};

static const struct program program = {
	.name = "zv-search",
	.purpose = "the most similar pictures or texts in feature files",
	.operands = "[FILE...]",
	.common = COMMON_OUTPUT | COMMON_NAMES | COMMON_MODEL | COMMON_THREADS | COMMON_JSON |
	          COMMON_RECORDS | COMMON_MAKER,
	.options = options,
	.input = "queries: a zvt stream from zv-qformer --text or --contrast, or any vectors;\n"
	         "      FILE: zvt streams of vectors to be searched",
	.output = "lines \"query TAB rank TAB score TAB key\", or JSON; with --dedupe\n"
	          "      \"group TAB number TAB score TAB key\"; with --gather a zvt stream",
	.examples = { "echo 'a dog on the beach' | zv-qformer -m ziya --text | zv-search feats.zv",
	    "zv-qformer -m ziya --contrast photos.zv | zv-search -k 3 feats.zv",
	    "zv-search --dedupe --threshold 0.98 feats.zv",
	    "zv-search --gather --dtype bf16 -o bank.zv feats.zv", NULL },
	.see_also = "zv-qformer(1), zv-encode(1), zv-index(1), zvt(5)",
};
/* clang-format on */

static struct {
	char **files; /* to be searched */
	size_t file_count, file_capacity;
	bool standard; /* one of them is standard input */
	struct key_set *keys;
	struct bank *bank;
	struct find *find;
	struct rerank *rerank;
	struct queries queries;
	struct output *output;
	FILE *text; /* of one write */
	char *text_bytes;
	size_t text_size;
	uint64_t asked, results;
	bool damaged; /* not all of the files could be read */
	bool told;    /* that items failed */
} work;

static void check_options(void)
{
	if (option.dedupe && option.gather)
		program_usage("--dedupe and --gather exclude each other");
	bool other = option.dedupe || option.gather;
	if (other && (option.queries || option.rerank.count > 0))
		program_usage("--dedupe and --gather take no queries");
	if (option.unique && option.unique_source)
		program_usage("--unique and --unique-source exclude each other");
	if (other && (option.unique || option.unique_source || program_given("best")))
		program_usage("-k, --unique and --unique-source are about results of queries");
	if (option.gather && (program_given("threshold") || option.cosine || common.json))
		program_usage("--gather compares nothing and writes a stream");
	if (program_given("dtype") && !option.gather)
		program_usage("--dtype needs --gather");
	if (option.rerank.count > 0 && !common.model)
		program_usage("--rerank needs a model (-m)");
	if (common.model && option.rerank.count == 0)
		program_usage("-m %s: a model is for --rerank", common.model);
	if (option.rerank.count == 0 &&
	    (option.texts || option.no_clean || program_given("most") || program_given("rerank-most")))
		program_usage("--texts, --no-clean, --most and --rerank-most need --rerank");
}

/* The names of the files to be searched; then -T and --shard are done with. */
static void collect_files(char **operands, int count)
{
	bool other = option.dedupe || option.gather;
	bool asks_standard = !other && (!option.queries || strcmp(option.queries, "-") == 0);
	if (count == 0 && !common.files_from && asks_standard)
		program_usage("a file to be searched is needed, or -Q");
	struct names *names = names_open(operands, count, !asks_standard);
	const char *name;
	int found;
	if (!names)
		program_fail(NULL);
	while ((found = names_next(names, &name)) > 0) {
		char *copy = memory_text(name, strlen(name));
		if (!copy || memory_grow((void **)&work.files, &work.file_capacity, work.file_count + 1,
		                 sizeof *work.files))
			program_fail(NULL);
		work.files[work.file_count++] = copy;
		work.standard |= strcmp(name, "-") == 0;
	}
	if (found < 0)
		program_fail(NULL);
	names_close(names);
	common.files_from = NULL;
	common.shard = common.shards = 1;
	if (work.standard && asks_standard)
		program_usage("queries and vectors cannot both come from standard input");
}

static uint64_t default_memory(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	return pages > 0 && size > 0 ? (uint64_t)pages / 2 * (uint64_t)size : (uint64_t)1 << 30;
}

/* A file that is to be searched, or an item of it, is not what it should be. */
static void report(const char *file)
{
	message_error(file);
	work.damaged = true;
}

static void open_bank(void)
{
	struct bank_rules rules = { .files = (const char *const *)work.files,
		.file_count = work.file_count,
		.name = option.name,
		.only = option.only.texts,
		.only_count = (size_t)option.only.count,
		.keys = work.keys,
		.kind = work.queries.kind,
		.memory = program_given("memory") ? (uint64_t)option.memory : default_memory(),
		.report = report };
	if (option.keys_from && !work.keys) {
		work.keys = rules.keys = key_set_new();
		if (!work.keys || key_set_add_file(work.keys, option.keys_from, common.null)) {
			error_as(ERROR_SYSTEM);
			program_fail(option.keys_from);
		}
	}
	work.bank = bank_open(&rules);
	if (!work.bank)
		program_fail(NULL);
}

/* What is to be said when all files were read once. */
static void tell_of_bank(void)
{
	uint64_t failed = bank_failures(work.bank);
	const char *key;
	bool found;
	if (work.told)
		return;
	work.told = true;
	if (failed > 0)
		message_failure(EXIT_ITEM, NULL, "%llu items failed upstream and are not searched",
		    (unsigned long long)failed);
	for (size_t i = 0; work.keys && (key = key_set_at(work.keys, i, &found)); i++)
		if (!found)
			message_failure(EXIT_ITEM, NULL, "no record has the key \"%s\"", key);
}

/* --- output --------------------------------------------------------------------------------------*/

static void begin_text(void)
{
	work.text = textout_open(&work.text_bytes, &work.text_size);
	if (!work.text)
		program_fail(NULL);
}

static void end_text(void)
{
	if (textout_close(work.text))
		program_fail(NULL);
	if (work.text_size > 0 && output_write(work.output, work.text_bytes, work.text_size))
		program_fail(common.output);
	memory_release(work.text_bytes);
	work.text_bytes = NULL;
}

/* One line: the query or the number of the group, a rank, a score, a key. */
static void put_line(
    const char *query, uint64_t group, uint64_t rank, double score, const char *key)
{
	FILE *text = work.text;
	if (common.json) {
		fputs(query ? "{\"query\":" : "{\"group\":", text);
		if (query)
			textout_json(text, query, strlen(query));
		else
			fprintf(text, "%llu", (unsigned long long)group);
		fprintf(text, ",\"%s\":%llu,\"score\":%.9g,\"key\":", query ? "rank" : "number",
		    (unsigned long long)rank, score);
		textout_json(text, key, strlen(key));
		fputs("}\n", text);
		return;
	}
	if (query)
		textout_field(text, query, strlen(query));
	else
		fprintf(text, "%llu", (unsigned long long)group);
	fprintf(text, "\t%llu\t%.6f\t", (unsigned long long)rank, score);
	textout_field(text, key, strlen(key));
	putc('\n', text);
}

static void put_failure(const struct query *query)
{
	message_failure(EXIT_ITEM, query->key, "%s", query->failure);
	if (!common.json)
		return;
	fputs("{\"query\":", work.text);
	textout_json(work.text, query->key, strlen(query->key));
	fputs(",\"error\":", work.text);
	textout_json(work.text, query->failure, strlen(query->failure));
	fputs("}\n", work.text);
}

/* --- queries -------------------------------------------------------------------------------------*/

static void open_search(void)
{
	size_t most =
	    program_given("threshold") && !program_given("best") ? SIZE_MAX : (size_t)option.best;
	struct find_rules rules = { .scan = { .all_pairs = option.pictures == 1,
		                            .others = option.rerank.count > 0,
		                            .cosine = option.cosine },
		.most = option.rerank.count > 0 ? (size_t)option.rerank_most : most,
		.same = option.unique          ? BEST_KEY
		        : option.unique_source ? BEST_SOURCE
		                               : BEST_ALL,
		.threshold = program_given("threshold") ? (float)option.threshold : -FLT_MAX };
	struct rerank_rules rerank = { .model = common.model,
		.features = option.rerank.texts,
		.feature_count = (size_t)option.rerank.count,
		.texts = option.texts,
		.clean = !option.no_clean,
		.ids = (size_t)option.ids,
		.batch = 8,
		.report = message_error };
	work.queries = (struct queries){
		.name = option.name, .cosine = option.cosine, .most = (size_t)option.batch
	};
	work.find = find_new(&rules);
	if (!work.find)
		program_fail(NULL);
	if (option.rerank.count > 0 && !(work.rerank = rerank_open(&rerank)))
		program_fail(NULL);
}

static void put_results(const struct query *query)
{
	struct best *best = find_result(work.find, query->number);
	bool picture = work.queries.vectors.vectors > 1;
	size_t most =
	    program_given("threshold") && !program_given("best") ? SIZE_MAX : (size_t)option.best;
	if (work.rerank && rerank_run(work.rerank, query->key, picture, best)) {
		if (error_kind() != ERROR_INPUT)
			program_fail(query->key);
		struct query failed = { .key = query->key, .failure = (char *)error_text() };
		put_failure(&failed);
		return;
	}
	for (size_t i = 0; i < best->count && i < most; i++) {
		put_line(query->key, 0, i + 1, (double)best->entries[i].score, best->entries[i].key);
		work.results++;
	}
}

/* Look for all queries of the batch and write what was found, in their order. */
static void flush(void)
{
	if (work.queries.count == 0)
		return;
	if (work.queries.vectors.count > 0) {
		if (!work.bank)
			open_bank();
		else if (!bank_again(work.bank)) {
			error_system("more queries than one pass over standard input can take; write the "
			             "vectors to a file");
			program_fail(NULL);
		}
		if (find_run(work.find, work.bank, &work.queries.vectors))
			program_fail(NULL);
		progress_clear();
		tell_of_bank();
	}
	for (size_t i = 0; i < work.queries.count; i++) {
		const struct query *query = &work.queries.all[i];
		begin_text();
		if (query->failure)
			put_failure(query);
		else
			put_results(query);
		end_text();
	}
	work.asked += work.queries.count;
	queries_clear(&work.queries);
	progress_update(work.asked);
}

static void take_sample(struct sample *sample)
{
	enum queries_state state;
	size_t row = 0;
	while ((state = queries_take(&work.queries, sample, &row)) == QUERIES_FULL)
		flush();
	if (state == QUERIES_TROUBLE)
		program_fail(NULL);
	sample_clear(sample);
	if (queries_full(&work.queries) && !work.standard)
		flush();
}

/* Take queries as they come; those that are there together share a pass. */
static void search(void)
{
	static struct sample sample;
	const char *file = option.queries ? option.queries : "-", *name;
	char *operand = (char *)file;
	struct names *names = names_open(&operand, 1, false);
	struct sample_queue *queue = names ? sample_queue_start(names, 64) : NULL;
	int found;
	if (!queue)
		program_fail(NULL);
	open_search();
	if (work.standard)
		work.queries.most = SIZE_MAX;
	progress_begin("queries", 0);
	for (;;) {
		found = sample_queue_take(queue, work.standard, &sample, &name);
		if (found == 0 && !work.standard) {
			flush();
			found = sample_queue_take(queue, true, &sample, &name);
		}
		if (found == 0)
			break;
		if (found > 0)
			take_sample(&sample);
		else if (error_kind() == ERROR_SYSTEM)
			program_fail(name);
		else
			message_error(name);
	}
	flush();
	progress_clear();
	sample_queue_finish(queue);
	names_close(names);
	if (common.verbose)
		message_note(NULL, "%llu queries, %llu results", (unsigned long long)work.asked,
		    (unsigned long long)work.results);
}

/* --- without queries -----------------------------------------------------------------------------*/

static void dedupe(void)
{
	struct groups_rules rules = { .scan = { .all_pairs = option.pictures == 1,
		                              .cosine = option.cosine },
		.threshold = (float)option.threshold,
		.batch = (size_t)option.batch };
	struct groups *groups = groups_new(&rules);
	size_t count, first = 0;
	open_bank();
	if (!groups || groups_run(groups, work.bank))
		program_fail(NULL);
	tell_of_bank();
	const struct groups_member *members = groups_members(groups, &count);
	for (size_t i = 0; i < count; i++) {
		if (i == 0 || members[i].group != members[i - 1].group) {
			first = i;
			begin_text();
		}
		put_line(NULL, members[i].group, i - first + 1, (double)members[i].score, members[i].key);
		if (i + 1 == count || members[i].group != members[i + 1].group)
			end_text();
	}
	if (common.verbose)
		message_note(NULL, "%llu items, %llu in %llu groups",
		    (unsigned long long)bank_items(work.bank), (unsigned long long)count,
		    (unsigned long long)(count > 0 ? members[count - 1].group : 0));
	groups_release(groups);
}

static void gather(void)
{
	char dtype = program_given("dtype") ? rows_type(rows_types[option.dtype]) : 0;
	struct writer *writer = writer_open(common.output, WRITER_BARE);
	if (!writer)
		program_fail(common.output);
	open_bank();
	if (gather_write(work.bank, writer, dtype))
		program_fail(common.output);
	tell_of_bank();
	if (common.verbose)
		message_note(NULL, "%llu items", (unsigned long long)bank_items(work.bank));
	if (work.damaged) { /* something is missing: no end record, no file */
		writer_abandon(writer);
		program_exit();
	}
	if (writer_finish(writer))
		program_fail(common.output);
}

int main(int argc, char **argv)
{
	version_add_later(product_version);
	int first = program_begin(&program, argc, argv);
	check_options();
	collect_files(argv + first, argc - first);
	if (product_start() || threads_start((int)common.threads))
		program_fail(NULL);
	if (!option.gather && !(work.output = output_open(common.output)))
		program_fail(common.output);
	if (option.gather)
		gather();
	else if (option.dedupe)
		dedupe();
	else
		search();
	if (work.output && output_commit(work.output))
		program_fail(common.output);
	rerank_close(work.rerank);
	find_release(work.find);
	queries_release(&work.queries);
	bank_close(work.bank);
	key_set_release(work.keys);
	for (size_t i = 0; i < work.file_count; i++)
		memory_release(work.files[i]);
	memory_release(work.files);
	return program_end();
}
