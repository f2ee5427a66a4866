/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/check_rig.h - a checker, and the driver that it judges, step by step: two pairs and a control queue, split rings
 *
 * Queues have CRIG_NUM entries. What a test does not do otherwise is done right.
 */
#ifndef DOORBELL_TESTS_CHECK_RIG_H
#define DOORBELL_TESTS_CHECK_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "check/check.h"
#include "devices/net_features.h"
#include "vmm/core/gmem.h"

#define CRIG_NUM    8u
#define CRIG_QUEUES 5u
#define CRIG_MTU    1500u
#define CRIG_KEY    40u
#define CRIG_TABLE  128u
#define CRIG_TYPES  0x3fu

#define CRIG_F(name) FEATURE(VIRTIO_NET_F_##name)
#define CRIG_V1      FEATURE(VIRTIO_F_VERSION_1)

struct check_rig {
	struct gmem mem;
	struct check *c;
	uint8_t status;
	uint64_t accept;
	struct vq_watch *watch[CRIG_QUEUES];
	uint16_t avail[CRIG_QUEUES], used[CRIG_QUEUES];
};

extern const uint8_t crig_mac[6]; /* in the config space */

void crig_begin(struct check_rig *r, uint64_t offered);
void crig_end(struct check_rig *r);

/* A checker of @dev, called net0, with @bytes of memory from 0: for who has a rig of its own. */
void crig_make(struct check_device dev, uint64_t bytes, struct gmem *mem, struct check **c);
void crig_unmake(struct gmem *mem, struct check *c);
/* Which of rules[] is @id, which is checked; and what became of it. */
size_t crig_rule(const char *id);
const struct check_result *crig_result(const struct check *c, const char *id);

/* Accesses: registers of 4 bytes, @off as VIRTIO_MMIO_*; config space, @off from its begin. */
void crig_write(struct check_rig *r, uint32_t off, uint64_t val);
void crig_read(struct check_rig *r, uint32_t off, uint64_t val);
void crig_config(struct check_rig *r, uint32_t off, unsigned size, uint64_t val);

/* Reset, up to FEATURES_OK and the look at it. */
void crig_negotiate(struct check_rig *r, uint64_t accept);
void crig_ready(struct check_rig *r, unsigned queue);
void crig_go(struct check_rig *r); /* DRIVER_OK: the device serves what is ready */
/* All of it, with the queues that a driver with these features has. */
void crig_up(struct check_rig *r, uint64_t accept);

/* A chain of one piece: @len bytes of @data to read, or (NULL) room for them. The device has not looked. */
void crig_offer(struct check_rig *r, unsigned queue, const void *data, size_t len);
void crig_look(struct check_rig *r, unsigned queue); /* the device does */
void crig_use(struct check_rig *r, unsigned queue);  /* and uses all that it has seen */
/* offer(), look(), use(). */
void crig_send(struct check_rig *r, unsigned queue, const void *data, size_t len);

/* A command, class first, that the device answers with @ack. */
void crig_command(struct check_rig *r, const void *data, size_t len, uint8_t ack);
void crig_ticks(struct check_rig *r, unsigned nr);

/* What right drivers have kept, and wrong ones broken. */
struct check_tally {
	bool kept[512], broken[512];
};

void crig_expect_broken(const struct check_rig *r, const char *id, struct check_tally *t);
/* Nothing is broken; what was kept counts. */
void crig_expect_clean(const struct check_rig *r, const char *what, struct check_tally *t);

/* Rules that have their drivers, right and wrong, in test_check_net.c and test_check_ctrl.c; ended by NULL. */
extern const char *const check_net_ids[], *const check_ctrl_ids[];
extern const char *const check_slot_ids[]; /* likewise, in test_provoke_slots.c */
bool crig_covers(const char *id);          /* is it one of them? */
void crig_expect_both(const struct check_tally *t, const char *const *ids);

#endif
