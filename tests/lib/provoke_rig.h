/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/provoke_rig.h - a provoked network device between the fake driver, which goes by registers, and the fake backend
 *
 * As vnet_rig.h, where nothing runs by itself.
 */
#ifndef DOORBELL_TESTS_PROVOKE_RIG_H
#define DOORBELL_TESTS_PROVOKE_RIG_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "check/provoke_priv.h"
#include "devices/virtio_mmio.h"
#include "tests/lib/vnet_rig.h"

#define PRIG_LEN 60u /* bytes of each frame */

struct prig {
	struct vrig v;
	struct virtio_mmio mmio;
	struct provoke *p;
	unsigned pulses; /* of the interrupt's line */
};

/* A device with the provocations @set at boot, and @seed. Nothing is up. */
void prig_begin_seeded(struct prig *r, provoke_set set, uint64_t seed);
void prig_begin(struct prig *r, provoke_set set);
void prig_begin_pairs(struct prig *r, provoke_set set, unsigned pairs);
void prig_end(struct prig *r);
/* With a driver that accepts @features; then a round of @id. */
void prig_up(struct prig *r, enum provoke_id id, uint64_t features);

uint64_t prig_times(const struct prig *r, enum provoke_id id);
uint32_t prig_reg(struct prig *r, uint32_t off);
void prig_set_reg(struct prig *r, uint32_t off, uint32_t val);
uint8_t prig_config8(const struct prig *r, uint32_t off);

int prig_post_tx(struct prig *r, unsigned i); /* frame @i, not yet published; its head */
/* @nr frames in one batch, of which nothing is shown yet when the device has taken them. Their heads, or NULL. */
void prig_send(struct prig *r, unsigned nr, unsigned *heads);
/* @nr buffers of @room bytes, and as many frames for them; the device runs. */
void prig_receive(struct prig *r, unsigned nr, uint32_t room);
/* Likewise, with so many buffers for each frame. */
void prig_receive_long(struct prig *r, unsigned nr, unsigned parts, uint32_t room);
uint16_t prig_shown(const struct prig *r, unsigned queue); /* the used index */
struct vring_used_elem prig_used(const struct prig *r, unsigned queue, unsigned i);

#endif
