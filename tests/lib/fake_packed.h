/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/fake_packed.h - a packed virtqueue as a driver fills it: for fake_driver.c, whose calls these are */
#ifndef DOORBELL_TESTS_FAKE_PACKED_H
#define DOORBELL_TESTS_FAKE_PACKED_H

#include "tests/lib/fake_driver.h"

#define FAKE_AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define FAKE_USED  (1u << VRING_PACKED_DESC_F_USED)

_Noreturn void fake_die(const char *what); /* fake_driver.c */

void fake_packed_init(struct fake_vq *v, struct fake_mem *m);
void fake_packed_clear(struct fake_vq *v);
/* In a list of plain descriptors, or all of them in one table. */
int fake_packed_add(struct fake_vq *v, const struct fake_buf *b, unsigned n, bool table);
void fake_packed_publish(struct fake_vq *v);
bool fake_packed_wants_kick(struct fake_vq *v);
bool fake_packed_reap(struct fake_vq *v, unsigned *id, uint32_t *len);
unsigned fake_packed_nr_used(const struct fake_vq *v);
void fake_packed_irq(struct fake_vq *v, bool on);
void fake_packed_raw_offer(struct fake_vq *v, bool broken);

#endif
