/* zv-export.c - records in the formats of other programs: npy, safetensors, raw bytes, text, JSON.
 */
#include "base/message.h"
#include "base/error.h"
#include "base/names.h"
#include "base/program.h"
#include "base/progress.h"
#include "base/version.h"
#include "stream/export.h"
#include "stream/frame.h"
#include "stream/read.h"

#include <string.h>

static struct {
	bool npy, stack, safetensors, raw, text;
	int to; /* enum export_dtype */
	const char *keys_file;
	struct option_list keys, names;
} option;

static const char *const dtypes[] = { "same", "f32", "f16", "bf16", "bits", NULL };

static const struct option_entry options[] = {
	{ 0, "npy", NULL, OPTION_FLAG, &option.npy, 0, 0, NULL, "one record as a NumPy file" },
	{ 0, "stack", NULL, OPTION_FLAG, &option.stack, 0, 0, NULL,
	    "all records, which have one shape, as one NumPy file" },
	{ 0, "safetensors", NULL, OPTION_FLAG, &option.safetensors, 0, 0, NULL,
	    "all records as a safetensors file; tensors are called KEY,\n"
	    "or KEY.NAME when the name is not \"values\"" },
	{ 0, "raw", NULL, OPTION_FLAG, &option.raw, 0, 0, NULL,
	    "the payloads, little-endian, one after the other" },
	{ 0, "text", NULL, OPTION_FLAG, &option.text, 0, 0, NULL,
	    "a line for each row: key, TAB, numbers with blanks between" },
	{ 'k', "key", "KEY", OPTION_LIST, &option.keys, 0, 0, NULL,
	    "only records with this key; may be given several times" },
	{ 'n', "name", "NAME", OPTION_LIST, &option.names, 0, 0, NULL,
	    "only records with this name; may be given several times" },
	{ 0, "to", "DTYPE", OPTION_CHOICE, &option.to, 0, 0, dtypes,
	    "same, f32, f16, bf16, or bits (bf16 as u16) (default same,\n"
	    "but f32 for bf16 in NumPy files)" },
	{ 0, "keys", "FILE", OPTION_TEXT, &option.keys_file, 0, 0, NULL,
	    "write the key of each record to FILE, one a line" },
	{ 0, NULL, NULL, OPTION_FLAG, NULL, 0, 0, NULL, NULL },
};

static const struct program program = {
	.name = "zv-export",
	.purpose = "write records in the formats of other programs",
	.operands = "[FILE...]",
	.common = COMMON_OUTPUT | COMMON_NAMES | COMMON_JSON | COMMON_STRICT | COMMON_RECORDS,
	.options = options,
	.input = "zv streams or model files (none or -: standard input)",
	.output = "exactly one of --npy, --stack, --safetensors, --raw, --text, --json",
	.examples = { "zv-export --stack --keys feats.txt -o feats.npy feats.zv",
	    "zv-export --text -k photo.jpg photos.zv | head -n 3",
	    "zv-export --safetensors -o vit.safetensors ziya/vit.zv", NULL },
	.see_also = "zv-import(1), zv-cat(1), zv-ls(1), zvt(5)",
};

/* Which of the keys asked for were found. */
static bool *found_keys;

static uint64_t exported; /* records */
static bool damaged;      /* an input could not be read to its end */

static bool in_list(const struct option_list *list, const char *text, bool *found)
{
	bool is_in = list->count == 0;
	for (int i = 0; i < list->count; i++)
		if (strcmp(list->texts[i], text) == 0) {
			is_in = true;
			if (found)
				found[i] = true;
		}
	return is_in;
}

static enum export_form chosen_form(void)
{
	int count = option.npy + option.safetensors + option.raw + option.text + common.json;
	if (option.stack && !option.npy) /* --stack alone is --npy --stack */
		count++;
	if (count != 1)
		program_usage("give exactly one of --npy, --stack, --safetensors, --raw, --text, --json");
	return option.stack         ? EXPORT_STACK
	       : option.npy         ? EXPORT_NPY
	       : option.safetensors ? EXPORT_SAFETENSORS
	       : option.raw         ? EXPORT_RAW
	       : option.text        ? EXPORT_TEXT
	                            : EXPORT_JSON;
}

static void stop_if_strict(void)
{
	if (common.strict)
		program_exit();
}

/* Hand one record on; false if it is damaged. Nothing can follow a failed write; an unsuitable
 * record is left out. */
static bool take_record(struct export *export, struct reader *reader, const struct record *record)
{
	size_t size = (size_t)record->payload_size;
	if (!in_list(&option.keys, record->key, found_keys) ||
	    (record->kind == RECORD_TENSOR && !in_list(&option.names, record->name, NULL)))
		return true;
	const void *payload = reader_payload(reader);
	if (!payload)
		return false;
	if (record->kind == RECORD_FAILED) {
		message_failure(EXIT_ITEM, reader_name(reader), "\"%s\" failed: %.*s", record->key,
		    (int)(size < 500 ? size : 500), (const char *)payload);
		if (export_failure(export, record->key, payload, size) < 0)
			program_fail(common.output);
		stop_if_strict();
	} else if (export_record(export, record, payload) < 0) {
		if (error_kind() == ERROR_SYSTEM)
			program_fail(common.output);
		error_context("\"%s\" %s", record->key, record->name);
		progress_clear();
		message_error(reader_name(reader));
		stop_if_strict();
	} else {
		exported++;
	}
	return true;
}

static void take_file(struct export *export, const char *name)
{
	struct record record;
	struct reader *reader = reader_open(name);
	if (!reader) {
		message_error(name);
		damaged = true;
		stop_if_strict();
		return;
	}
	int found;
	progress_begin("bytes", reader_size(reader));
	while ((found = reader_next(reader, &record)) > 0) {
		if (!take_record(export, reader, &record)) {
			found = -1;
			break;
		}
		progress_update(reader_position(reader));
	}
	progress_clear();
	if (found < 0) {
		damaged = true;
		message_error(reader_name(reader));
		stop_if_strict();
	}
	reader_close(reader);
}

/* Refuse a binary format on a terminal. */
static struct output *open_output(enum export_form form)
{
	struct output *output = output_open(common.output);
	if (!output)
		program_fail(common.output);
	if (form != EXPORT_TEXT && form != EXPORT_JSON && output_is_terminal(output)) {
		error_system("is a terminal; give -o FILE, or take --text or --json");
		program_fail(output_name(output));
	}
	return output;
}

int main(int argc, char **argv)
{
	version_add(frame_library());
	int first = program_begin(&program, argc, argv);
	enum export_form form = chosen_form();
	bool found[4096] = { false };
	if (option.keys.count > 4096)
		program_usage("--key may be given 4096 times at most");
	found_keys = found;
	struct names *names = names_open(argv + first, argc - first, true);
	if (!names)
		program_fail(NULL);
	struct output *output = open_output(form), *keys = NULL;
	if (option.keys_file && !(keys = output_open(option.keys_file)))
		program_fail(option.keys_file);
	struct export *export = export_open(output, form, (enum export_dtype)option.to, keys);
	if (!export)
		program_fail(common.output);
	const char *name;
	int status;
	while ((status = names_next(names, &name)) > 0)
		take_file(export, name);
	if (status < 0)
		message_error(NULL);
	names_close(names);
	for (int i = 0; i < option.keys.count; i++)
		if (!found[i])
			message_failure(EXIT_ITEM, NULL, "no record has the key \"%s\"", option.keys.texts[i]);
	/* Formats without an end record would look whole. */
	if (damaged && form != EXPORT_RAW && form != EXPORT_TEXT && form != EXPORT_JSON)
		program_exit();
	if (export_finish(export) < 0 || output_commit(output) < 0)
		program_fail(common.output);
	if (keys && output_commit(keys) < 0)
		program_fail(option.keys_file);
	if (common.verbose)
		message_note(NULL, "%llu records written", (unsigned long long)exported);
	return program_end();
}
