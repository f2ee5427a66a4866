/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/lib/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/fake_packed.h"
#include "vmm/core/compiler.h"

#define MEM_BYTES KIB(512)

void ring_start(struct ring *r, uint32_t num, uint64_t features)
{
	const struct vq_features f = vq_features_of(features | r->layout);

	fake_vq_init(&r->drv, &r->m, num, features | r->layout);
	assert_int_equal(vq_start(&r->q, &r->m.gmem, &r->drv.addr, f), 0);
	r->c = (struct vq_chain){.iov = r->iov, .room = ARRAY_SIZE(r->iov)};
}

static int setup(void **state, uint64_t layout)
{
	struct ring *r = calloc(1, sizeof(*r));
	uint8_t bytes[64];

	if (!r)
		return -1;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = u8_of(i);
	r->layout = layout;
	fake_mem_create(&r->m, MEM_BYTES);
	r->out = fake_out(&r->m, bytes, sizeof(bytes));
	r->in = fake_in(&r->m, sizeof(bytes));
	ring_start(r, 8, FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	*state = r;
	return 0;
}

int ring_setup(void **state)
{
	return setup(state, 0);
}

int ring_setup_in_order(void **state)
{
	return setup(state, FEATURE(VIRTIO_F_IN_ORDER));
}

int ring_setup_packed(void **state)
{
	return setup(state, FEATURE(VIRTIO_F_RING_PACKED));
}

int ring_setup_packed_in_order(void **state)
{
	return setup(state, FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_F_IN_ORDER));
}

int ring_teardown(void **state)
{
	struct ring *r = *state;

	fake_mem_destroy(&r->m);
	free(r->copy);
	free(r);
	return 0;
}

void ring_remember(struct ring *r)
{
	r->copy = malloc(MEM_BYTES);
	assert_non_null(r->copy);
	memcpy(r->copy, fake_at(&r->m, FAKE_MEM_BASE, MEM_BYTES), MEM_BYTES);
}

void ring_is_as_remembered(struct ring *r)
{
	assert_memory_equal(r->copy, fake_at(&r->m, FAKE_MEM_BASE, MEM_BYTES), MEM_BYTES);
}

void ring_turn_over(struct ring *r, unsigned n)
{
	unsigned head;
	uint32_t len;

	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(vq_pop(&r->q, &r->c), 1);
		vq_push(&r->q, r->c.head, 0);
	}
	vq_publish(&r->q);
	for (unsigned i = 0; i < n; i++)
		assert_true(fake_vq_reap(&r->drv, &head, &len));
}

void ring_offer(struct ring *r)
{
	if (r->drv.packed) {
		r->drv.packed_desc[0].flags |= htole16(FAKE_AVAIL);
	} else {
		fake_vq_raw_head(&r->drv, 0);
		fake_vq_publish(&r->drv);
	}
}

void ring_refuses(struct ring *r, const char *why)
{
	const uint16_t before = r->q.next_avail;

	ring_offer(r);
	assert_int_equal(vq_pop(&r->q, &r->c), -EPROTO);
	assert_string_equal(r->q.why, why);
	assert_int_equal(r->q.next_avail, before);
	assert_int_equal(fake_vq_nr_used(&r->drv), 0);
}

void ring_desc(struct ring *r, unsigned i, struct fake_buf b, unsigned flags, unsigned next)
{
	if (r->drv.packed && i > 0)
		flags |= FAKE_AVAIL;
	fake_vq_raw_desc(&r->drv, i,
	                 (struct vring_desc){.addr = b.addr,
	                                     .len = b.len,
	                                     .flags = u16_of(flags),
	                                     .next = u16_of(next)});
}

struct fake_buf ring_table(struct ring *r, unsigned n, uint64_t align)
{
	struct fake_buf t = {.addr = fake_alloc(&r->m, 16 * (n + 1), 16) + align, .len = 16 * n};
	struct vring_desc d = {.addr = htole64(r->out.addr), .len = htole32(r->out.len)};

	for (unsigned i = 0; i < n; i++) {
		const uint16_t flags = htole16(i + 1 < n ? VRING_DESC_F_NEXT : 0);
		const uint16_t next = htole16(u16_of(i + 1));

		/* The packed layout has them the other way round, and next is an id. */
		d.flags = r->drv.packed ? next : flags;
		d.next = r->drv.packed ? flags : next;
		assert_int_equal(gmem_write(&r->m.gmem, t.addr + 16 * i, &d, sizeof(d)), 0);
	}
	return t;
}
