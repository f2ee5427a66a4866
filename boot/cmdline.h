/* SPDX-License-Identifier: Apache-2.0 */
/* boot/cmdline.h - the guest's command line, built with a limit */
#ifndef DOORBELL_CMDLINE_H
#define DOORBELL_CMDLINE_H

#include <stddef.h>

#include "boot/machine_map.h"

#define CMDLINE_MAX \
	4096u /* bytes, NUL included: what every Linux takes at least on 64 bit is 2048 */

struct cmdline {
	char text[CMDLINE_MAX];
	size_t len; /* without the NUL */
};

void cmdline_init(struct cmdline *c);
/* Append @word behind a blank (none at the start). 0; -E2BIG: nothing was appended. */
int cmdline_add(struct cmdline *c, const char *word);
/* virtio_mmio.device=SIZE@BASE:GSI for each device of @map (kernel: drivers/virtio/virtio_mmio.c). 0 or -E2BIG. */
int cmdline_add_virtio(struct cmdline *c, const struct machine_map *map);
/*
 * For a kernel that takes @limit bytes without the NUL: 0; or -E2BIG after one log_error() that says
 * how long it is and how long it may be.
 */
int cmdline_check(const struct cmdline *c, size_t limit);

#endif
