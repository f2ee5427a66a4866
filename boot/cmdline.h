/* SPDX-License-Identifier: Apache-2.0 */
/* boot/cmdline.h - the guest's command line, built with a limit */
#ifndef DOORBELL_CMDLINE_H
#define DOORBELL_CMDLINE_H

#include <stddef.h>

#include "boot/machine_map.h"

/*
 * Bytes, NUL included. Twice what Linux takes on x86-64 and arm64 (COMMAND_LINE_SIZE 2048), so that
 * cmdline_check() can say by how much a line is too long.
 */
#define CMDLINE_MAX 4096u

struct cmdline {
	char text[CMDLINE_MAX]; /* always ended by NUL */
	size_t len;             /* without the NUL */
};

void cmdline_init(struct cmdline *c);
/* Append @word behind a blank (none at the start; "" adds nothing). 0; -E2BIG: nothing was appended. */
int cmdline_add(struct cmdline *c, const char *word);
/*
 * virtio_mmio.device=SIZE@BASE:GSI for each device of @map (kernel: drivers/virtio/virtio_mmio.c). They
 * go to the front, in order: behind a "--" of the user's they would be words for init.
 * 0; -E2BIG: nothing was added.
 */
int cmdline_add_virtio(struct cmdline *c, const struct machine_map *map);
/*
 * For a kernel that takes @limit bytes without the NUL: 0; or -E2BIG after one log_error() that says
 * how long it is and how long it may be.
 */
int cmdline_check(const struct cmdline *c, size_t limit);

#endif
