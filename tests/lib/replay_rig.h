/* SPDX-License-Identifier: Apache-2.0 */
/* tests/lib/replay_rig.h - a device that is recorded, as vnet_rig.h, and the recording of it replayed */
#ifndef DOORBELL_TESTS_REPLAY_RIG_H
#define DOORBELL_TESTS_REPLAY_RIG_H

#include "check/provoke_priv.h"
#include "check/record.h"
#include "devices/virtio_mmio.h"
#include "tests/lib/replay.h"
#include "tests/lib/vnet_rig.h"

struct replay_rig {
	struct vrig r;
	struct virtio_mmio mmio;
	struct record *record;
	struct provoke *provoke; /* NULL: nobody */
	struct virtio_provoke
		*real; /* the hooks of the recorder, for who stands in front of them */
	char path[32];
};

/* A recording begins. */
void replay_rig_file(struct replay_rig *g);
/* A device, the @index-th of the recording that was begun; provoked by g->provoke. */
void replay_rig_nic(struct replay_rig *g, unsigned index, struct vrig_options o);
/* Both, of a zeroed rig: one that is not provoked. */
void replay_rig_begin(struct replay_rig *g);
void replay_rig_end(struct replay_rig *g);
/* Behind that: it is replayed, without a difference, and removed. */
struct replay_outcome replay_rig_same(struct replay_rig *g);

#endif
