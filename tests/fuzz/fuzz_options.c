/* SPDX-License-Identifier: Apache-2.0 */
/* The words of a command line: NUL-separated, any number of them. Nothing is opened. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/config.h"
#include "vmm/core/log.h"

#define WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), *argv[WORDS_MAX];
	struct vm_config cfg;
	int argc = 0;

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t at = 0; at < size && argc < WORDS_MAX; at += strlen(text + at) + 1)
		argv[argc++] = text + at;
	log_set_level((enum log_level) - 1); /* a million messages help nobody */
	if (config_parse(&cfg, argc, argv) == 0) {
		if (cfg.nr_nics > VM_MAX_NICS || cfg.ram_bytes % 4096 != 0)
			abort();
	}
	config_free(&cfg);
	free(text);
	return 0;
}
