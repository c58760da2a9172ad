/* zv-import.c - make a model directory from other people's checkpoints, an adapter file from a
 * PEFT adapter, or a stream from loose tensors (see import.h and import_records.h).
 */
#include "base/dtype.h"
#include "base/error.h"
#include "base/message.h"
#include "base/output.h"
#include "base/packed.h"
#include "base/program.h"
#include "base/progress.h"
#include "base/textout.h"
#include "base/threads.h"
#include "import/import.h"
#include "import/import_convert.h"
#include "import/import_records.h"

#include <stdio.h>
#include <string.h>

static struct {
	const char *vit, *qformer, *llm, *base, *delta;
	const char *config, *tokenizer, *vocabulary;
	const char *dtype, *template;
	struct option_list adapters;
	bool keep, force;
	bool tensor, group, texts;
	const char *shape, *key, *name, *keys, *collection, *column;
} option;

static const struct option_entry options[] = {
	{ 0, "vit", "FILE", OPTION_TEXT, &option.vit, 0, 0, NULL,
	    "take the image encoder from FILE (eva_vit_g.pth, or any\n"
	    "checkpoint that has one)" },
	{ 0, "qformer", "FILE", OPTION_TEXT, &option.qformer, 0, 0, NULL,
	    "take the Q-Former from FILE" },
	{ 0, "llm", "DIR", OPTION_TEXT, &option.llm, 0, 0, NULL, "take the language model from DIR" },
	{ 0, "base", "DIR", OPTION_TEXT, &option.base, 0, 0, NULL,
	    "the LLaMA that --delta is to be added to" },
	{ 0, "delta", "DIR", OPTION_TEXT, &option.delta, 0, 0, NULL,
	    "take the language model as the sum of --base and DIR" },
	{ 0, "adapter", "DIR", OPTION_LIST, &option.adapters, 0, 0, NULL,
	    "merge the PEFT LoRA adapter in DIR; may be given again\n"
	    "(without a source: write it to the adapter file -o FILE;\n"
	    "with -m MODEL: noting that it is for this model)" },
	{ 0, "keep", NULL, OPTION_FLAG, &option.keep, 0, 0, NULL,
	    "keep adapters as files in the model instead of merging" },
	{ 0, "config", "FILE", OPTION_TEXT, &option.config, 0, 0, NULL,
	    "config.json for checkpoints that have none (LAVIS)" },
	{ 0, "tokenizer", "FILE", OPTION_TEXT, &option.tokenizer, 0, 0, NULL,
	    "tokenizer.model of the language model" },
	{ 0, "vocab", "FILE", OPTION_TEXT, &option.vocabulary, 0, 0, NULL,
	    "vocab.txt of the Q-Former's text branch" },
	{ 0, "dtype", "LIST", OPTION_TEXT, &option.dtype, 0, 0, NULL,
	    "store matrices as f32, bf16, f16, int8 or int4; or by part,\n"
	    "such as vit=bf16,llm=int4 (default: as they come)" },
	{ 0, "template", "NAME", OPTION_TEXT, &option.template, 0, 0, NULL,
	    "prompt template the model is meant for: ziya, vicuna,\n"
	    "minigpt4, plain, ... (default: guessed)" },
	{ 0, "force", NULL, OPTION_FLAG, &option.force, 0, 0, NULL, "replace DIR if it exists" },
	{ 0, "tensor", NULL, OPTION_FLAG, &option.tensor, 0, 0, NULL,
	    "make a stream of the tensors in the files SOURCE instead:\n"
	    ".npy, .safetensors, .json (lines of zv-export --json),\n"
	    "SQLite (collections of llm), directories of clip-retrieval,\n"
	    "or raw bytes" },
	{ 0, "shape", "SHAPE", OPTION_TEXT, &option.shape, 0, 0, NULL,
	    "with --tensor: shape of raw bytes, such as 3x224x224; their\n"
	    "type is --dtype (also f64, i8 ... u64, bool)" },
	{ 0, "key", "KEY", OPTION_TEXT, &option.key, 0, 0, NULL,
	    "with --tensor: key of a .npy or raw file (default: its\n"
	    "name, without .npy)" },
	{ 0, "name", "NAME", OPTION_TEXT, &option.name, 0, 0, NULL,
	    "with --tensor: name of the records (default values);\n"
	    "taken off the ends of the names in .safetensors files" },
	{ 0, "keys", "FILE", OPTION_TEXT, &option.keys, 0, 0, NULL,
	    "with --tensor: cut a .npy file along its first dimension\n"
	    "into records with the keys in FILE, one a line" },
	{ 0, "group", NULL, OPTION_FLAG, &option.group, 0, 0, NULL,
	    "with --tensor: make one record of neighbouring rows that\n"
	    "have one key" },
	{ 0, "texts", NULL, OPTION_FLAG, &option.texts, 0, 0, NULL,
	    "with --tensor: of clip-retrieval's directory the features of\n"
	    "texts, not of pictures" },
	{ 0, "column", "NAME", OPTION_TEXT, &option.column, 0, 0, NULL,
	    "with --tensor: the column of its metadata that has the keys\n"
	    "(default image_path, or with --texts caption)" },
	{ 0, "collection", "NAME", OPTION_TEXT, &option.collection, 0, 0, NULL,
	    "with --tensor: take this collection of a database (default:\n"
	    "the only one)" },
	{ 0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL },
};

static const struct program program = {
	.name = "zv-import",
	.purpose = "make a model directory from other checkpoints",
	.operands = "[-o DIR] SOURCE...",
	.common = COMMON_OUTPUT | COMMON_MODEL | COMMON_THREADS | COMMON_LEVEL | COMMON_RECORDS,
	.options = options,
	.input = "checkpoints: directories of Hugging Face (safetensors or torch, sharded\n"
	         "      or not), LAVIS .pth files; or a model directory, to be converted to another\n"
	         "      --dtype; with --tensor files of tensors",
	.output = "DIR with llm.zv, vit.zv and qformer.zv, as far as the sources go; a table\n"
	          "      of what went where on standard output; with --tensor a zv stream",
	.examples = { "zv-import -o ziya Ziya-BLIP2-14B-Visual-v1 --base LLaMA-13B \\\n"
	              "            --delta Ziya-LLaMA-13B-v1",
	    "zv-import -o small --dtype llm=int4 ziya",
	    "zv-import -o itm blip2_pretrained.pth --vit eva_vit_g.pth --vocab vocab.txt",
	    "zv-import --tensor --keys feats.txt --name itc feats.npy -o feats.zv" },
	.see_also = "zv-export(1), zv-ls(1), zv-model(5)",
};

static char parse_dtype(const char *text, size_t length)
{
	for (size_t i = 0; dtype_stored[i]; i++)
		if (strlen(dtype_stored[i]) == length && strncmp(dtype_stored[i], text, length) == 0)
			return dtype_from_name(dtype_stored[i]);
	const char packed[] = { PACKED_INT8, PACKED_INT4 };
	for (size_t i = 0; i < sizeof packed; i++)
		if (strlen(packed_name(packed[i])) == length &&
		    strncmp(packed_name(packed[i]), text, length) == 0)
			return packed[i];
	program_usage("--dtype: \"%.*s\" is none of f32, bf16, f16, int8, int4", (int)length, text);
}

/* "bf16", or "vit=bf16,llm=f16". */
static void parse_dtypes(const char *list, char dtypes[IMPORT_PARTS])
{
	for (const char *at = list;; at++) {
		size_t length = strcspn(at, ",");
		const char *equals = memchr(at, '=', length);
		size_t name = equals ? (size_t)(equals - at) : 0;
		bool found = false;
		for (int part = 0; part < IMPORT_PARTS; part++) {
			if (equals && (strlen(import_part_names[part]) != name ||
			                  strncmp(import_part_names[part], at, name) != 0))
				continue;
			found = true;
			dtypes[part] =
			    equals ? parse_dtype(equals + 1, length - name - 1) : parse_dtype(at, length);
		}
		if (!found)
			program_usage("--dtype: \"%.*s\" is none of llm, vit, qformer", (int)name, at);
		at += length;
		if (!*at)
			break;
	}
}

static size_t count_ignored(const struct import *import)
{
	const char *file;
	size_t count = 0;
	while (import_ignored(import, count, &file))
		count++;
	return count;
}

static void print_head(void)
{
	printf("%-8s %8s %14s %14s  %s\n", "part", "tensors", "parameters", "bytes", "from");
}

static void print_row(const char *part, uint64_t tensors, uint64_t parameters, uint64_t bytes)
{
	printf("%-8s %8llu %14llu ", part, (unsigned long long)tensors, (unsigned long long)parameters);
	if (bytes)
		printf("%14llu  ", (unsigned long long)bytes);
	else
		printf("%14s  ", "-");
}

static void print_parts(const struct import *import)
{
	print_head();
	for (int part = 0; part < IMPORT_PARTS; part++) {
		struct import_count count = import_count(import, (enum import_part)part);
		if (!count.present)
			continue;
		print_row(import_part_names[part], count.tensors, count.parameters, count.bytes);
		if (count.base) {
			textout_field(stdout, count.base, strlen(count.base));
			printf(" + ");
		}
		textout_field(stdout, count.source, strlen(count.source));
		printf("\n");
	}
	struct import_adapter_count adapter;
	for (int i = 0; import_adapter_at(import, i, &adapter); i++) {
		print_row("adapter", adapter.tensors, adapter.parameters, adapter.bytes);
		textout_field(stdout, adapter.source, strlen(adapter.source));
		printf(adapter.file ? ", kept as " : ", merged");
		if (adapter.file)
			textout_field(stdout, adapter.file, strlen(adapter.file));
		printf("\n");
	}
}

static void print_table(const struct import *import)
{
	enum { SHOWN = 4 };
	print_parts(import);
	size_t ignored = count_ignored(import);
	if (ignored == 0)
		return;
	printf("%-8s %8zu", "ignored", ignored);
	for (size_t i = 0; i < ignored; i++) {
		const char *file, *name = import_ignored(import, i, &file);
		if (i == SHOWN && !common.verbose) {
			printf(", ... (-v lists them all)");
			break;
		}
		printf("%s", common.verbose ? "\n  " : i ? ", " : " ");
		textout_field(stdout, name, strlen(name));
		if (common.verbose)
			printf("\t%s", file);
	}
	printf("\n");
}

/* Print the remarks from number i on. How many there are. */
static size_t say_remarks(const struct import *import, size_t i)
{
	const char *remark;
	for (; (remark = import_remark(import, i)); i++)
		message_note(NULL, "%s", remark);
	return i;
}

static void import_model(char **sources, int count)
{
	struct import_request request = {
		.sources = (const char *const *)sources,
		.source_count = count,
		.vit = option.vit,
		.qformer = option.qformer,
		.llm = option.llm,
		.base = option.base,
		.delta = option.delta,
		.config = option.config,
		.tokenizer = option.tokenizer,
		.vocabulary = option.vocabulary,
		.adapters = option.adapters.texts,
		.adapter_count = option.adapters.count,
		.keep_adapters = option.keep,
		.template = option.template,
	};
	if (option.dtype)
		parse_dtypes(option.dtype, request.dtypes);
	struct import *import = import_open(&request);
	if (!import)
		program_fail(NULL);
	/* What is odd is said before the time is spent. */
	size_t said = say_remarks(import, 0);
	uint64_t bytes = 0;
	for (int part = 0; part < IMPORT_PARTS; part++)
		bytes += import_count(import, (enum import_part)part).bytes;
	progress_begin("bytes", bytes);
	int result = import_write(import, common.output, option.force);
	progress_clear();
	if (result < 0)
		program_fail(common.output);
	say_remarks(import, said); /* what came up on the way */
	print_table(import);
	import_close(import);
}

static void tell_left_out(const char *name)
{
	message_note(NULL, "%s: is no part of the model and no adapter, left out", name);
}

/* A model directory as another one with other dtypes. */
static void convert_model(const char *source)
{
	struct import_conversion conversion = { .source = source, .left_out = tell_left_out };
	if (option.config || option.tokenizer || option.vocabulary || option.template ||
	    option.adapters.count)
		program_usage("%s is a model directory, which is converted as it is: only --dtype and "
		              "--force go with it",
		    source);
	if (option.dtype)
		parse_dtypes(option.dtype, conversion.dtypes);
	progress_begin("parameters", 0);
	int result = import_convert(&conversion, common.output, option.force);
	progress_clear();
	if (result < 0)
		program_fail(common.output);
	print_head();
	for (int part = 0; part < IMPORT_PARTS; part++) {
		const struct import_count *count = &conversion.counts[part];
		if (!count->present)
			continue;
		print_row(import_part_names[part], count->tensors, count->parameters, count->bytes);
		textout_field(stdout, source, strlen(source));
		printf("\n");
	}
	if (conversion.adapters)
		printf("%-8s %8d\n", "adapters", conversion.adapters);
}

static void import_tensors(char **files, int count)
{
	struct import_records records = { .key = option.key,
		.name = option.name,
		.keys = option.keys,
		.group = option.group,
		.collection = option.collection,
		.texts = option.texts,
		.column = option.column,
		.dimensions = -1,
		.most = (size_t)common.max_record };
	if (option.shape && import_parse_shape(option.shape, &records.dimensions, records.shape) < 0)
		program_usage("--shape: %s", error_text());
	if (option.dtype && !(records.dtype = dtype_from_name(option.dtype)))
		program_usage("--dtype: \"%s\" is no type", option.dtype);
	if (option.key && count > 1)
		program_usage("--key names one tensor, but there are %d files", count);
	struct writer *writer = writer_open(common.output, WRITER_COMPRESSED);
	if (!writer)
		program_fail(common.output);
	for (int i = 0; i < count; i++) {
		uint64_t failed = 0;
		if (import_records_read(&records, files[i], writer, &failed) < 0) {
			/* A file is whole in the stream or the stream is not: no end record. */
			error_context("%s", files[i]);
			message_error(NULL);
			writer_abandon(writer);
			program_exit();
		}
		if (failed)
			message_raise(EXIT_ITEM);
	}
	uint64_t tensors = writer_totals(writer).tensors;
	if (writer_finish(writer) < 0)
		program_fail(common.output);
	if (common.verbose)
		message_note(NULL, "%llu tensors", (unsigned long long)tensors);
}

static void keep_adapter(void)
{
	struct import_adapter_count count;
	if (option.adapters.count != 1)
		program_usage("an adapter file holds one adapter, but --adapter was given %d times",
		    option.adapters.count);
	if (import_keep_adapter(option.adapters.texts[0], common.output, common.model, &count) < 0)
		program_fail(NULL);
	print_head();
	print_row("adapter", count.tensors, count.parameters, count.bytes);
	textout_field(stdout, count.source, strlen(count.source));
	printf("\n");
}

int main(int argc, char **argv)
{
	int first = program_begin(&program, argc, argv);
	/* The directory being built must go too when the program is interrupted. */
	output_clean_up_also(import_clean_up);
	bool role = option.vit || option.qformer || option.llm || option.delta;
	if (common.model && (option.tensor || role || first < argc || option.adapters.count == 0))
		program_usage("-m MODEL is about an --adapter that is written to a file");
	if (option.tensor) {
		if (first == argc)
			program_usage("no file with a tensor is given");
		import_tensors(argv + first, argc - first);
		return program_end();
	}
	if (option.shape || option.key || option.name || option.keys || option.group ||
	    option.collection || option.texts || option.column)
		program_usage("--shape, --key, --keys, --name, --group, --collection, --texts and --column "
		              "are about --tensor");
	if (!common.output)
		program_usage("-o DIR says where the model is to go");
	if (!option.base != !option.delta)
		program_usage("--base and --delta belong together");
	if (option.llm && option.delta)
		program_usage("--llm and --delta both give the language model");
	if (option.template && (!option.template[0] || strpbrk(option.template, "\n\r\t ")))
		program_usage("--template: \"%s\" is no name", option.template);
	if (option.keep && option.adapters.count == 0)
		program_usage("--keep is about an --adapter");
	if (first == argc && !role && option.adapters.count == 0)
		program_usage("no source is given");
	if (threads_start((int)common.threads) < 0)
		program_fail(NULL);
	if (first == argc && !role)
		keep_adapter();
	else if (argc - first == 1 && !role && import_is_model(argv[first]))
		convert_model(argv[first]);
	else
		import_model(argv + first, argc - first);
	return program_end();
}
