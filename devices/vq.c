/* SPDX-License-Identifier: Apache-2.0 */
/* What a queue does seldom; vq_pop() and the like are in the file of its layout. */
#include "devices/vq.h"

#include <linux/virtio_config.h>
#include <stddef.h>
#include <string.h>

#include "devices/vq_ring.h"

struct vq_features vq_features_of(uint64_t accepted)
{
	return (struct vq_features){
		.event_idx = accepted & FEATURE(VIRTIO_RING_F_EVENT_IDX),
		.indirect = accepted & FEATURE(VIRTIO_RING_F_INDIRECT_DESC),
		.packed = accepted & FEATURE(VIRTIO_F_RING_PACKED),
		.in_order = accepted & FEATURE(VIRTIO_F_IN_ORDER),
	};
}

int vq_check(const struct gmem *m, const struct vq_addr *a, bool packed)
{
	return packed ? vq_packed_check(m, a) : vq_split_check(m, a);
}

int vq_start(struct vq *q, const struct gmem *m, const struct vq_addr *a, struct vq_features f)
{
	int rc = vq_check(m, a, f.packed);

	if (rc)
		return rc;
	vq_stop(q);
	q->mem = m;
	q->last = &m->region[0];
	q->num = u16_of(a->num);
	q->packed = f.packed;
	q->event_idx = f.event_idx;
	q->indirect = f.indirect;
	q->in_order = f.in_order;
	if (f.packed)
		vq_packed_start(q, a);
	else
		vq_split_start(q, a);
	return 0;
}

void vq_stop(struct vq *q)
{
	/* The pages of flight[] are for rings that need it. */
	memset(q, 0, offsetof(struct vq, flight));
}

bool vq_running(const struct vq *q)
{
	return q->num != 0;
}

uint32_t vq_position(const struct vq *q)
{
	return q->packed ? vq_packed_position(q) : vq_split_position(q);
}

int vq_resume(struct vq *q, uint32_t position)
{
	if (q->num == 0)
		return 0;
	return q->packed ? vq_packed_resume(q, position) : vq_split_resume(q, position);
}

int vq_second(const struct vq *q, uint32_t head)
{
	return q->packed ? -ENOENT : vq_split_second(q, head);
}

unsigned vq_free_ids(const struct vq *q, uint16_t *ids)
{
	struct vq_ids s = {.nr = 0};
	unsigned nr = 0;

	if (q->packed ? !vq_packed_ids(q, &s) : !vq_split_ids(q, &s))
		return 0;
	for (unsigned id = 0; id < q->num; id++)
		if (s.state[id] == VQ_ID_UNKNOWN)
			ids[nr++] = u16_of(id);
	for (unsigned i = s.nr; i > 0; i--)
		if (s.state[s.id[i - 1]] == VQ_ID_SEEN)
			ids[nr++] = s.id[i - 1];
	return nr;
}

const char *vq_add_pieces(const struct vq *q, struct vq_chain *c, gpa_t addr, uint32_t len,
                          bool write)
{
	const unsigned at = c->nr_out + c->nr_in;
	struct iovec piece[GMEM_MAX_REGIONS];
	int n = gmem_iov(q->mem, addr, len, piece, ARRAY_SIZE(piece));

	if (n < 0)
		return len ? "descriptor outside guest memory" : "descriptor of length zero";
	for (unsigned i = 0; i < (unsigned)n && at + i < c->room; i++)
		c->iov[at + i] = piece[i];
	*(write ? &c->nr_in : &c->nr_out) += (unsigned)n;
	*(write ? &c->in_len : &c->out_len) += len;
	return NULL;
}
