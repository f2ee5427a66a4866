/* SPDX-License-Identifier: Apache-2.0 */
/* A ring whose every byte belongs to an enemy, and a device that uses it as the contract says. */
#include <errno.h>
#include <linux/virtio_config.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "devices/vq.h"
#include "tests/fuzz/guarded.h"
#include "tests/fuzz/input.h"
#include "tests/lib/fake_driver.h"
#include "vmm/core/compiler.h"

#ifndef PACKED /* fuzz_vq_packed.c */
#define PACKED false
#endif

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Two regions that touch and one far away. The rings are in the first, indirect tables at the start
 * of the second.
 */
static struct fake_mem mem = {
	.gmem = {.region = {{.base = FAKE_MEM_BASE, .size = KIB(8), .fd = -1},
                            {.base = FAKE_MEM_BASE + KIB(8), .size = KIB(4), .fd = -1},
                            {.base = GIB(4) - KIB(4), .size = KIB(8), .fd = -1}},
                 .nr = 3},
};

#define ROOM_MAX 80u

struct run {
	struct input in;
	struct fake_vq drv;
	struct vq q;
	struct vq_features features;
	struct iovec iov[ROOM_MAX];
	unsigned room;
	uint16_t fly[VQ_NUM_MAX]; /* popped and not pushed, oldest first */
	unsigned nr_fly;
	unsigned newest; /* of these may be given back: all that were popped since are among them */
};

int LLVMFuzzerInitialize(int *argc unused, char ***argv unused)
{
	guarded_create(&mem.gmem);
	return 0;
}

static bool in_guest_memory(const struct iovec *v)
{
	for (unsigned i = 0; i < mem.gmem.nr; i++) {
		const struct gmem_region *g = &mem.gmem.region[i];
		const uintptr_t off = (uintptr_t)v->iov_base - (uintptr_t)g->host;

		if (off < g->size && v->iov_len <= g->size - off)
			return true;
	}
	return false;
}

static void check_chain(const struct run *r, const struct vq_chain *c)
{
	uint64_t out = 0, in = 0;

	REQUIRE(c->nr_out + c->nr_in >= 1 && c->nr_out + c->nr_in <= r->room);
	REQUIRE(PACKED || c->head < r->drv.num);
	REQUIRE(c->entries >= 1 && c->entries <= r->drv.num);
	for (unsigned i = 0; i < c->nr_out + c->nr_in; i++) {
		REQUIRE(c->iov[i].iov_len > 0 && in_guest_memory(&c->iov[i]));
		*(i < c->nr_out ? &out : &in) += c->iov[i].iov_len;
	}
	REQUIRE(out == c->out_len && in == c->in_len);
}

static void restart(struct run *r)
{
	vq_stop(&r->q);
	r->nr_fly = r->newest = 0;
	REQUIRE(vq_start(&r->q, &mem.gmem, &r->drv.addr, r->features) == 0);
}

/* Where somebody else says that he left it. */
static void resume(struct run *r)
{
	restart(r);
	if (vq_resume(&r->q, u32_of(take(&r->in, 4))) == 0)
		return;
	REQUIRE(r->q.why != NULL);
	restart(r);
}

static void pop(struct run *r)
{
	struct vq_chain c = {.iov = r->iov, .room = r->room};
	int rc = vq_pop(&r->q, &c);

	switch (rc) {
	case 1:
		check_chain(r, &c);
		REQUIRE(r->nr_fly < r->drv.num);
		r->fly[r->nr_fly++] = c.head;
		r->newest++;
		break;
	case 0:
		break;
	case -ENOBUFS:
		REQUIRE(c.nr_out + c.nr_in > r->room);
		REQUIRE(c.nr_out + c.nr_in <= VQ_NUM_MAX * mem.gmem.nr);
		break;
	case -EPROTO:
		REQUIRE(r->q.why != NULL);
		restart(r);
		break;
	default:
		REQUIRE(false); /* not a documented result */
	}
}

static void push(struct run *r)
{
	unsigned i;

	if (r->nr_fly == 0)
		return;
	i = PACKED && !r->features.in_order ? (unsigned)take(&r->in, 1) % r->nr_fly : 0;
	vq_push(&r->q, r->fly[i], u32_of(take(&r->in, 4)));
	r->nr_fly--;
	r->newest = min_u32(r->newest, r->nr_fly - i);
	memmove(r->fly + i, r->fly + i + 1, (r->nr_fly - i) * sizeof(r->fly[0]));
}

static void unpop(struct run *r)
{
	const unsigned n = (unsigned)take(&r->in, 1) % (r->newest + 1);

	vq_unpop(&r->q, n);
	r->nr_fly -= n;
	r->newest -= n;
}

/* Addresses around all edges that there are. */
static gpa_t an_address(struct input *in)
{
	static const gpa_t near[] = {FAKE_MEM_BASE,
	                             FAKE_MEM_BASE + KIB(8) - 8,
	                             FAKE_MEM_BASE + KIB(8), /* the tables */
	                             FAKE_MEM_BASE + KIB(12) - 8,
	                             GIB(4) - 8,
	                             GIB(4) + KIB(4) - 8,
	                             UINT64_MAX - 7,
	                             0};
	const unsigned which = (unsigned)take(in, 1);

	return which == 255 ? take(in, 8) : near[which % ARRAY_SIZE(near)] + take(in, 1);
}

static uint32_t a_length(struct input *in)
{
	const unsigned which = (unsigned)take(in, 1);

	switch (which % 4) {
	case 0:
		return 16 * u32_of(take(in, 1)); /* tables */
	case 1:
		return u32_of(take(in, 2));
	case 2:
		return UINT32_MAX - u32_of(take(in, 1));
	default:
		return which;
	}
}

static struct vring_desc a_descriptor(struct input *in)
{
	struct vring_desc d;

	d.addr = an_address(in);
	d.len = a_length(in);
	d.flags = u16_of(take(in, 1));
	/* Whose it is takes two bits more, in the upper half. */
	d.flags =
		u16_of((d.flags & 7u) | (PACKED ? (d.flags & 0x80u) | (d.flags & 0x40u) << 9 : 0u));
	d.next = u16_of(take(in, 1));
	return d;
}

static void scribble(struct input *in)
{
	const gpa_t at = an_address(in);
	const uint64_t v = take(in, 8);

	(void)!gmem_write(&mem.gmem, at, &v, sizeof(v));
}

static void driver_step(struct run *r, unsigned op)
{
	struct vring_desc d;

	switch (op) {
	case 0:
		d = a_descriptor(&r->in);
		fake_vq_raw_desc(&r->drv, (unsigned)take(&r->in, 1), d);
		break;
	case 1:
		d = a_descriptor(&r->in);
		(void)!gmem_write(&mem.gmem, FAKE_MEM_BASE + KIB(8) + 16 * take(&r->in, 1), &d,
		                  sizeof(d));
		break;
	case 2:
		fake_vq_raw_head(&r->drv, u16_of(take(&r->in, 1)) % r->drv.num);
		fake_vq_publish(&r->drv);
		break;
	case 3:
		fake_vq_raw_head(&r->drv, u16_of(take(&r->in, 2)));
		break;
	case 4:
		fake_vq_raw_avail_idx(&r->drv, u16_of(take(&r->in, 2)));
		break;
	case 5:
		fake_vq_raw_used_event(&r->drv, u16_of(take(&r->in, 2)));
		if (PACKED)
			((uint8_t *)r->drv.driver_event)[2] = u8_of(take(&r->in, 1));
		break;
	default:
		scribble(&r->in);
		break;
	}
}

/* Entries from @from up to @to. */
static unsigned between(const struct run *r, unsigned from, unsigned to)
{
	return PACKED ? (to + 2u * r->drv.num - from) % (2u * r->drv.num) : (to - from) & 0xffff;
}

static void device_step(struct run *r, unsigned op)
{
	switch (op) {
	case 0:
	case 1:
		pop(r);
		break;
	case 2:
		push(r);
		break;
	case 3:
		unpop(r);
		break;
	case 4:
		vq_publish(&r->q);
		vq_want_interrupt(&r->q);
		break;
	case 5:
		vq_kicks_off(&r->q);
		break;
	case 6:
		vq_kicks_on(&r->q);
		break;
	case 7:
		r->room = (unsigned)take(&r->in, 1) % (ROOM_MAX + 1);
		break;
	default:
		if (PACKED)
			resume(r);
		else
			restart(r);
		break;
	}
	REQUIRE(r->nr_fly <= r->drv.num);
	if (PACKED) {
		REQUIRE(r->q.nr_flight == r->nr_fly);
		REQUIRE(between(r, r->q.next_used, r->q.next_avail) >= r->nr_fly);
		/* The last used descriptor stands in what is not published. */
		REQUIRE(r->q.next_used == r->q.published ||
		        between(r, r->q.published, r->q.last_used) <
		                between(r, r->q.published, r->q.next_used));
	} else {
		REQUIRE(between(r, r->q.next_used, r->q.next_avail) == r->nr_fly);
	}
	REQUIRE(between(r, r->q.published, r->q.next_avail) <= r->drv.num);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run r = {.in = {.p = data, .left = size}, .room = ROOM_MAX};
	const unsigned head = (unsigned)take(&r.in, 1);

	for (unsigned i = 0; i < mem.gmem.nr; i++)
		memset(mem.gmem.region[i].host, 0, mem.gmem.region[i].size);
	mem.next = FAKE_MEM_BASE;
	mem.end = FAKE_MEM_BASE + KIB(8);
	r.features = (struct vq_features){.event_idx = head & 8, .indirect = head & 16};
	r.features.packed = PACKED;
	/* A bit that does not decide about the size, in most of the inputs. */
	r.features.in_order = PACKED ? head >> 5 && head & 1 : head & 32;
	if (PACKED)
		fake_vq_init(&r.drv, &mem, head >> 5 ? head >> 5 : 1 + (head & 7) * 9,
		             FEATURE(VIRTIO_F_RING_PACKED));
	else
		fake_vq_init(&r.drv, &mem, 1u << (head & 7) % 7, 0);
	restart(&r);
	while (r.in.left > 0) {
		const unsigned op = (unsigned)take(&r.in, 1);

		if (op & 0x80)
			device_step(&r, op % 0x80 % 9);
		else
			driver_step(&r, op % 7);
	}
	return 0;
}
