/* SPDX-License-Identifier: Apache-2.0 */
#include "boot/cmdline.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm/core/log.h"

void cmdline_init(struct cmdline *c)
{
	c->text[0] = '\0';
	c->len = 0;
}

int cmdline_add(struct cmdline *c, const char *word)
{
	const size_t len = strlen(word);
	const size_t blank = c->len > 0 ? 1 : 0;

	if (len == 0)
		return 0;
	if (len >= CMDLINE_MAX - c->len - blank)
		return -E2BIG;
	if (blank)
		c->text[c->len++] = ' ';
	memcpy(c->text + c->len, word, len + 1);
	c->len += len;
	return 0;
}

int cmdline_add_virtio(struct cmdline *c, const struct machine_map *map)
{
	struct cmdline front;
	int ret = 0;

	cmdline_init(&front);
	for (unsigned i = 0; i < map->nr_virtio && ret == 0; i++) {
		const struct machine_virtio *v = &map->virtio[i];
		char word[80]; /* 20 characters of text, two numbers of at most 18, one of 10 */

		(void)snprintf(word, sizeof(word),
		               "virtio_mmio.device=%#" PRIx64 "@%#" PRIx64 ":%u", v->size, v->base,
		               v->gsi);
		ret = cmdline_add(&front, word);
	}
	if (ret == 0)
		ret = cmdline_add(&front, c->text);
	if (ret == 0)
		*c = front;
	return ret;
}

int cmdline_check(const struct cmdline *c, size_t limit)
{
	if (c->len <= limit)
		return 0;
	log_error("the kernel command line has %zu bytes, this kernel takes %zu", c->len, limit);
	return -E2BIG;
}
