/* SPDX-License-Identifier: Apache-2.0 */
/* boot/flat.h - flat binaries: a file that is the guest's memory, with nothing in it that says where it goes */
#ifndef DOORBELL_FLAT_H
#define DOORBELL_FLAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/image.h"
#include "vmm/core/gmem.h"

/* Where it goes: from the user, who alone knows. */
struct flat_place {
	bool given; /* false: the file says for itself what it is */
	gpa_t load; /* its first byte */
	gpa_t entry;
};

/*
 * "ADDRESS" or "ADDRESS,entry=ADDRESS", decimal or 0x; the entry is the first byte unless it is given. 0; or -EINVAL with
 * what is allowed in @why.
 */
int flat_parse(struct flat_place *p, const char *text, char *why, size_t why_size);

/*
 * The whole file to p->load; *end is the first byte behind it. @m as gmem_create() left it: what is behind the file is zero.
 * 0; or -errno after one log_error(): the file is of a kind that says itself where it goes; it is not all RAM, or below
 * @min (where our tables are); the entry is not in the file, or at or above 4 GiB, where nothing is mapped.
 */
int flat_load(const struct image_file *f, const struct flat_place *p, const struct gmem *m,
              gpa_t min, gpa_t *end);

#endif
