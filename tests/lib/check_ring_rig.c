/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/check_ring_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/uio.h>

#include "check/borne.h"
#include "vmm/core/le.h"

void *rrig_at(const struct ring_rig *r, gpa_t where)
{
	return gmem_ptr(&r->mem, where, 1);
}

void rrig_reg(struct ring_rig *r, uint32_t off, bool write, uint64_t val)
{
	struct virtio_watch *w = check_watch(r->c);
	const struct virtio_access a = {off, 4, write, val, r->status};

	w->access(w, &a);
	if (write && off == VIRTIO_MMIO_STATUS)
		r->status = val ? (uint8_t)(r->status | val) : 0;
}

void rrig_create(struct ring_rig *r, uint64_t accept, unsigned queue, unsigned num)
{
	const struct check_device dev = {.offered = accept, .num_max = {256, 256}, .nr_queues = 2};

	*r = (struct ring_rig){.queue = queue, .packed = accept & PACKED};
	r->addr = (struct vq_addr){num, RING, DRIVER, DEVICE};
	crig_make(dev, MEMORY, &r->mem, &r->c);
	W(STATUS, 0);
	W(STATUS, 1);
	W(STATUS, 3);
	for (unsigned page = 0; page < 2; page++) {
		W(DRIVER_FEATURES_SEL, page);
		W(DRIVER_FEATURES, (accept >> 32 * page) & UINT32_MAX);
	}
	W(STATUS, 11);
}

void rrig_ready(struct ring_rig *r)
{
	W(QUEUE_SEL, r->queue);
	W(QUEUE_NUM, r->addr.num);
	W(QUEUE_DESC_LOW, r->addr.desc);
	W(QUEUE_AVAIL_LOW, r->addr.avail);
	W(QUEUE_USED_LOW, r->addr.used);
	W(QUEUE_READY, 1);
}

void rrig_live(struct ring_rig *r, uint64_t accept)
{
	struct virtio_watch *w = check_watch(r->c);

	W(STATUS, 15);
	assert_int_equal(vq_start(&r->vq, &r->mem, &r->addr, vq_features_of(accept)), 0);
	r->vq.watch = w->queue(w, r->queue, &r->addr);
}

void rrig_begin(struct ring_rig *r, uint64_t accept, unsigned queue, unsigned num)
{
	rrig_create(r, accept, queue, num);
	rrig_ready(r);
	rrig_live(r, accept);
}

void rrig_end(struct ring_rig *r, struct check_tally *t)
{
	for (size_t i = 0; t && i < nr_rules; i++)
		t->kept[i] |= check_result(r->c, i)->kept > 0;
	crig_unmake(&r->mem, r->c);
}

void rrig_expect_broken(const struct ring_rig *r, struct check_tally *t, const char *id)
{
	const size_t i = crig_rule(id);

	if (check_result(r->c, i)->broken == 0)
		fail_msg("%s was not found", id);
	assert_true(check_result(r->c, i)->why[0]);
	t->broken[i] = true;
}

/* Of rules about rings: the set-up of these drivers is short, and so are their frames. */
void rrig_expect_clean(const struct ring_rig *r, const char *what)
{
	static const char *const parts[] = {"split", "packed", "indirect", "event_idx", "in-order"};

	for (size_t i = 0; i < nr_rules; i++)
		for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
			if (check_result(r->c, i)->broken && strcmp(rules[i].part, parts[k]) == 0)
				fail_msg("%s: %s: %s", what, rules[i].id,
				         check_result(r->c, i)->why);
}

/* ---- the driver */

void rrig_put_at(const struct ring_rig *r, gpa_t where, const struct rrig_piece *p, uint32_t marks)
{
	const uint16_t flags = (uint16_t)(p->flags | (p->flags & RAW ? 0 : marks));
	uint8_t *d = rrig_at(r, where);

	put_le64(d, p->addr);
	put_le32(d + 8, p->len);
	put_le16(d + 12, r->packed ? p->link : flags);
	put_le16(d + 14, r->packed ? flags : p->link);
}

void rrig_put_table(const struct ring_rig *r, const struct rrig_piece *p, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		rrig_put_at(r, TABLE + 16 * i, &p[i], 0);
}

void rrig_put(struct ring_rig *r, const struct rrig_piece *p, unsigned nr)
{
	const unsigned num = r->addr.num;

	for (unsigned i = 0; i < nr; i++, r->place = (r->place + 1) % (2 * num))
		rrig_put_at(r, RING + 16 * (r->place % num), &p[i],
		            r->place < num ? AVAIL_BIT : USED_BIT);
}

void rrig_offer(struct ring_rig *r, uint16_t head)
{
	put_le16(rrig_at(r, DRIVER + 4 + 2 * (r->avail % r->addr.num)), head);
	put_le16(rrig_at(r, DRIVER + 2), ++r->avail);
}

void rrig_offer_one(struct ring_rig *r, uint16_t id)
{
	const struct rrig_piece p = {BUF + 0x100u * id, 100, r->packed ? id : 0,
	                             r->queue == RX ? D : 0};

	if (r->packed) {
		rrig_put(r, &p, 1);
	} else {
		rrig_put_at(r, RING + 16u * id, &p, 0);
		rrig_offer(r, id);
	}
}

void rrig_kick(struct ring_rig *r)
{
	W(QUEUE_NOTIFY, r->queue);
}

/* ---- the device */

int rrig_take(struct ring_rig *r)
{
	struct iovec iov[128];
	struct vq_chain c = {.iov = iov, .room = ARRAY_SIZE(iov)};
	int rc;

	while ((rc = vq_pop(&r->vq, &c)) == 1)
		r->head[r->popped++] = c.head;
	return rc;
}

void rrig_use(struct ring_rig *r, unsigned i)
{
	vq_push(&r->vq, r->head[i], 0);
	r->popped--;
	memmove(&r->head[i], &r->head[i + 1], (r->popped - i) * sizeof(r->head[0]));
}

void rrig_use_all(struct ring_rig *r)
{
	while (r->popped > 0)
		rrig_use(r, 0);
	vq_publish(&r->vq);
}

void rrig_look_often(struct ring_rig *r)
{
	for (unsigned i = 0; i < 12; i++)
		check_tick(r->c);
}

void rrig_expect_both(const struct check_tally *t, bool (*mine)(const char *id))
{
	assert_true(nr_rules <= ARRAY_SIZE(t->kept));
	for (size_t i = 0; i < nr_rules; i++) {
		if (!rules[i].advice || !mine(rules[i].id) || borne_only(&rules[i]))
			continue;
		if (!t->broken[i])
			fail_msg("no driver breaks %s", rules[i].id);
		if (!t->kept[i])
			fail_msg("no driver keeps %s", rules[i].id);
	}
}
