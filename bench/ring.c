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

#include "devices/vq.h"
#include "vmm/core/compiler.h"

#define NUM   256u
#define BURST 32u
#define TURNS 100000u
#define LEN   64u

#define MEM_BASE MIB(1)
#define RINGS_AT MEM_BASE
#define BUFS_AT  (MEM_BASE + KIB(64))

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "ring: %s\n", what);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
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
	struct driver d = {.desc = gmem_ptr(m, a.desc, 16 * NUM),
	                   .avail = gmem_ptr(m, a.avail, 6 + 2 * NUM),
	                   .used = gmem_ptr(m, a.used, 6 + 8 * NUM)};
	struct vq q;
	uint64_t from;

	if (vq_start(&q, m, &a, (struct vq_features){.event_idx = true}) < 0)
		die("the ring does not start");
	for (unsigned i = 0; i < NUM; i++)
		d.desc[i].addr = BUFS_AT + i * LEN;
	from = now_ns();
	for (unsigned i = 0; i < TURNS; i++)
		split_burst(&d, &q, pieces);
	printf("%s %.2f\n", name, (double)(now_ns() - from) / (TURNS * BURST));
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
	gmem_destroy(&m);
	return 0;
}
