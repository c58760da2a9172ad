/* peft_write.h - an adapter file (zv-model(5)) as a directory that PEFT loads, and zv-import too.
 */
#ifndef ZV_IMPORT_PEFT_WRITE_H
#define ZV_IMPORT_PEFT_WRITE_H

struct peft_request {
	const char *adapter;   /* the file */
	const char *directory; /* made if it is not there */
	const char *base;      /* base_model_name_or_path, or NULL */
};

/* Write adapter_model.safetensors, then adapter_config.json; each appears whole or not at all. 0, or
 * -1: ERROR_INPUT for a file that is damaged or no adapter, ERROR_SYSTEM for what was not written. */
int peft_write(const struct peft_request *request);

#endif
