/* SPDX-License-Identifier: Apache-2.0 */
/* Texts and files in which the kernel counts: KVM's statistics, histograms, /proc. The first byte chooses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audit/hist.h"
#include "vmm/core/compiler.h"
#include "vmm/core/tasks.h"
#include "vmm/interface.h"
#include "vmm/kvm_stats.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(void *arg, const struct hist_row *row)
{
	unsigned *rows = arg;

	++*rows;
	if (row->nr_keys == 0 || row->nr_keys > HIST_KEYS ||
	    !memchr(row->symbol, '\0', sizeof(row->symbol)))
		abort();
}

static void texts(uint8_t which, const char *text)
{
	struct interface_stats s;
	struct task t = {0};
	unsigned rows = 0;

	switch (which % 4) {
	case 0:
		hist_parse(text, look, &rows);
		break;
	case 1:
		interface_parse(text, "tap0", &s);
		break;
	case 2:
		if (task_parse_status(text, &t) && !memchr(t.name, '\0', sizeof(t.name)))
			abort();
		break;
	default:
		task_parse_schedstat(text, &t);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kvm_stat stat[] = {{.name = "exits"}, {.name = "e"}};
	char *text;

	if (size == 0)
		return 0;
	if (data[0] == 4) {
		kvm_stats_parse(data + 1, size - 1, stat, ARRAY_SIZE(stat));
		return 0;
	}
	text = malloc(size);
	if (!text)
		return 0;
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	texts(data[0], text);
	free(text);
	return 0;
}
