/* SPDX-License-Identifier: Apache-2.0 */
/* What a queue does seldom; vq_pop() and the like are in the file of its layout. */
#include "devices/vq.h"

#include <linux/virtio_ring.h>

#include "vmm/core/compiler.h"

struct vq_features vq_features_of(uint64_t accepted)
{
	return (struct vq_features){
		.event_idx = accepted & FEATURE(VIRTIO_RING_F_EVENT_IDX),
		.indirect = accepted & FEATURE(VIRTIO_RING_F_INDIRECT_DESC),
	};
}

int vq_check(const struct gmem *m, const struct vq_addr *a)
{
	return vq_split_check(m, a);
}

int vq_start(struct vq *q, const struct gmem *m, const struct vq_addr *a, struct vq_features f)
{
	int rc = vq_check(m, a);

	if (rc)
		return rc;
	*q = (struct vq){
		.mem = m,
		.num = u16_of(a->num),
		.event_idx = f.event_idx,
		.indirect = f.indirect,
	};
	vq_split_start(q, a);
	return 0;
}

void vq_stop(struct vq *q)
{
	*q = (struct vq){0};
}

bool vq_running(const struct vq *q)
{
	return q->num != 0;
}

uint32_t vq_position(const struct vq *q)
{
	return vq_split_position(q);
}

int vq_resume(struct vq *q, uint32_t position)
{
	return q->num ? vq_split_resume(q, position) : 0;
}
