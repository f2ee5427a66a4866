/* SPDX-License-Identifier: Apache-2.0 */
/* bench/ring.c - what the queue core costs per request; prints "LAYOUT-KIND NANOSECONDS". See bench/ring.sh.
 *
 * One thread is driver and device in turns, a burst each: no cache line moves between CPUs, nobody
 * waits for anybody, and what differs between two builds is their instructions. The driver does no more than a
 * driver must.
 */
#include <errno.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "bench/rings.h"
#include "devices/vq.h"
#include "vmm/core/compiler.h"

#define NUM   256u
#define BURST 32u
#define TURNS 100000u
#define LEN   64u

#define MEM_BASE MIB(1)
#define RINGS_AT MEM_BASE
#define BUFS_AT  (MEM_BASE + KIB(64))

/* Of this thread alone: others may use the machine. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- the device's side of a burst */

static void serve(struct vq *q)
{
	struct iovec iov[4];
	struct vq_chain c = {.iov = iov, .room = ARRAY_SIZE(iov)};
	int rc;

	vq_kicks_off(q);
	while ((rc = vq_pop(q, &c)) == 1)
		vq_push(q, c.head, c.in_len);
	if (rc < 0)
		die(q->why);
	vq_publish(q);
	vq_want_interrupt(q);
	vq_kicks_on(q);
}

/* ---- the driver's: requests of @pieces buffers, in descriptors that are used round robin */

struct driver {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t next_desc, next_avail, next_used;
};

static void split_burst(struct driver *d, struct vq *q, unsigned pieces)
{
	uint16_t *used_idx = &d->used->idx;

	for (unsigned i = 0; i < BURST; i++) {
		d->avail->ring[d->next_avail++ % NUM] = d->next_desc;
		for (unsigned k = 1; k <= pieces; k++) {
			struct vring_desc *at = &d->desc[d->next_desc];

			d->next_desc = (uint16_t)((d->next_desc + 1) % NUM);
			at->len = LEN;
			at->flags = k < pieces ? VRING_DESC_F_NEXT : 0;
			at->next = d->next_desc;
		}
	}
	__atomic_store_n(&d->avail->idx, d->next_avail, __ATOMIC_RELEASE);
	serve(q);
	while (d->next_used != __atomic_load_n(used_idx, __ATOMIC_ACQUIRE))
		if (d->used->ring[d->next_used++ % NUM].id >= NUM)
			die("an id that was not given");
}

static void split(const struct gmem *m, const char *name, unsigned pieces)
{
	const struct vq_addr a = {NUM, RINGS_AT, RINGS_AT + KIB(8), RINGS_AT + KIB(16)};
	struct driver d = {.desc = at(m, a.desc), .avail = at(m, a.avail), .used = at(m, a.used)};
	struct vq q;
	uint64_t from;

	memset(at(m, RINGS_AT), 0, KIB(32));
	if (vq_start(&q, m, &a, (struct vq_features){.event_idx = true}) < 0)
		die("the ring does not start");
	for (unsigned i = 0; i < NUM; i++)
		d.desc[i].addr = BUFS_AT + (gpa_t)i * LEN;
	from = cpu_ns();
	for (unsigned i = 0; i < TURNS; i++)
		split_burst(&d, &q, pieces);
	printf("%s %.2f\n", name, (double)(cpu_ns() - from) / (TURNS * BURST));
	vq_stop(&q);
}

/* ---- the same with a packed ring */

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)

struct packed_driver {
	struct vring_packed_desc *desc;
	uint16_t at, used_at, flags, used_flags; /* of this lap */
};

static void packed_burst(struct packed_driver *d, struct vq *q, unsigned pieces)
{
	const uint16_t first = d->at, first_flags = d->flags | (pieces > 1 ? VRING_DESC_F_NEXT : 0);

	for (unsigned i = 0; i < BURST * pieces; i++) {
		struct vring_packed_desc *at = &d->desc[d->at];
		const unsigned next = i % pieces + 1 < pieces ? VRING_DESC_F_NEXT : 0;

		at->addr = BUFS_AT + (gpa_t)d->at * LEN;
		at->len = LEN;
		at->id = d->at;
		if (i > 0)
			__atomic_store_n(&at->flags, (uint16_t)(d->flags | next), __ATOMIC_RELAXED);
		if (++d->at == NUM) {
			d->at = 0;
			d->flags ^= AVAIL | USED;
		}
	}
	__atomic_store_n(&d->desc[first].flags, first_flags, __ATOMIC_RELEASE);
	serve(q);
	for (unsigned i = 0; i < BURST; i++) {
		const struct vring_packed_desc *at = &d->desc[d->used_at];

		if ((__atomic_load_n(&at->flags, __ATOMIC_ACQUIRE) & (AVAIL | USED)) !=
		    d->used_flags)
			die("a request that does not come back");
		d->used_at = (uint16_t)(d->used_at + pieces);
		if (d->used_at >= NUM) {
			d->used_at = (uint16_t)(d->used_at - NUM);
			d->used_flags ^= AVAIL | USED;
		}
	}
}

static void packed(const struct gmem *m, const char *name, unsigned pieces)
{
	const struct vq_addr a = {NUM, RINGS_AT, RINGS_AT + KIB(8), RINGS_AT + KIB(16)};
	struct packed_driver d = {
		.desc = at(m, a.desc), .flags = AVAIL, .used_flags = AVAIL | USED};
	struct vq q;
	uint64_t from;

	memset(at(m, RINGS_AT), 0, KIB(32));
	if (vq_start(&q, m, &a, (struct vq_features){.event_idx = true, .packed = true}) < 0)
		die("the ring does not start");
	from = cpu_ns();
	for (unsigned i = 0; i < TURNS; i++)
		packed_burst(&d, &q, pieces);
	printf("%s %.2f\n", name, (double)(cpu_ns() - from) / (TURNS * BURST));
	vq_stop(&q);
}

int main(void)
{
	const struct gmem_range range = {.base = MEM_BASE, .size = MIB(2)};
	struct gmem m;

	if (gmem_create(&m, &range, 1, false) < 0)
		die("no memory");
	split(&m, "split-one", 1);
	split(&m, "split-three", 3);
	packed(&m, "packed-one", 1);
	packed(&m, "packed-three", 3);
	gmem_destroy(&m);
	return 0;
}
