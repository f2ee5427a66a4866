/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device behind a vhost-user socket on its own thread, its driver on another one under full load, and a front end that
 * meanwhile changes memory and rings under both: no request, no kick and no interrupt may get lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/fake_front.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/pattern.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/le.h"

#define V1       FEATURE(VIRTIO_F_VERSION_1)
#define FRAME    200u
#define RX_BYTES (NET_HDR_LEN + 1518u)
#define CHANGES  300u
#define EACH     16u /* frames that the driver gets back between two changes, at least */

enum { RX, TX };

static struct front front;

/* The driver; its thread has all of it but what is atomic. */
struct driver {
	struct fake_buf rx_of[FRONT_NUM], tx_of[FRONT_NUM], tx_free[FRONT_NUM];
	unsigned nr_tx_free;
	uint32_t sent, received, last;
	unsigned since; /* frames since it last said so */
	int progress;   /* eventfd */
	_Atomic bool stop;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "driver: %s\n", what);
	abort();
}

static void post(struct driver *d, struct fake_buf b)
{
	int head = fake_vq_add(&front.vq[RX], &b, 1);

	must(head >= 0, "no room for a buffer");
	d->rx_of[head] = b;
}

static void send_all(struct driver *d)
{
	while (d->nr_tx_free > 0) {
		struct fake_buf b = d->tx_free[--d->nr_tx_free];
		uint8_t *frame = (uint8_t *)fake_at(&front.mem, b.addr, b.len) + NET_HDR_LEN;
		int head = fake_vq_add(&front.vq[TX], &b, 1);

		must(head >= 0, "no room for a frame");
		d->tx_of[head] = b;
		d->sent++;
		pattern_fill(frame, FRAME, d->sent);
		memcpy(frame, front.cfg.mac, 6);
		memcpy(frame + 6, front.cfg.mac, 6);
		put_le16(frame + 12, 0xb588); /* 0x88b5: for experiments */
		put_le32(frame + 14, d->sent);
	}
}

static void check(struct driver *d, const uint8_t *frame, uint32_t len)
{
	uint8_t want[FRAME];
	uint32_t number;

	must(len == NET_HDR_LEN + FRAME, "a frame of another length");
	number = get_le32(frame + 14);
	pattern_fill(want, sizeof(want), number);
	must(memcmp(frame + 18, want + 18, FRAME - 18) == 0, "a frame was changed");
	must(number > d->last && number <= d->sent, "a frame came twice, or in disorder");
	d->last = number;
	d->received++;
}

static void reap(struct driver *d)
{
	unsigned head;
	uint32_t len;

	while (fake_vq_reap(&front.vq[TX], &head, &len)) {
		d->tx_free[d->nr_tx_free++] = d->tx_of[head];
		d->since++;
	}
	while (fake_vq_reap(&front.vq[RX], &head, &len)) {
		const struct fake_buf b = d->rx_of[head];

		check(d, (uint8_t *)fake_at(&front.mem, b.addr, RX_BYTES) + NET_HDR_LEN, len);
		post(d, b);
	}
}

static void kick(unsigned i)
{
	fake_vq_publish(&front.vq[i]);
	if (fake_vq_wants_kick(&front.vq[i]))
		fd_event_set(front.kick[i]);
}

static void wait_irq(void)
{
	struct pollfd p[] = {{front.call[RX], POLLIN, 0}, {front.call[TX], POLLIN, 0}};

	must(poll(p, 2, RIG_PATIENCE_S * 1000) > 0, "an interrupt or a kick was lost");
	fd_event_take(front.call[RX]);
	fd_event_take(front.call[TX]);
}

static void *drive(void *arg)
{
	struct driver *d = arg;

	for (;;) {
		bool more;

		reap(d);
		if (d->since >= EACH) {
			fd_event_set(d->progress);
			d->since = 0;
		}
		if (!atomic_load(&d->stop))
			send_all(d);
		else if (d->nr_tx_free == FRONT_NUM)
			return NULL;
		kick(RX);
		kick(TX);
		more = fake_vq_irq_on(&front.vq[RX]);
		more |= fake_vq_irq_on(&front.vq[TX]);
		if (!more)
			wait_irq();
	}
}

static void prepare(struct driver *d)
{
	static const uint8_t zero[NET_HDR_LEN + FRAME];

	*d = (struct driver){.progress = fd_eventfd()};
	assert_true(d->progress >= 0);
	for (unsigned i = 0; i < FRONT_NUM; i++) {
		post(d, fake_in(&front.mem, RX_BYTES));
		d->tx_free[d->nr_tx_free++] = fake_out(&front.mem, zero, sizeof(zero));
	}
}

/* ---- what changes under it */

static void replace_memory(void)
{
	front_do(&front, VU_SET_MEM_TABLE, 0, 0);
}

/* As DPDK does. */
static void replace_memory_of_rings_that_rest(void)
{
	for (unsigned i = RX; i <= TX; i++)
		front_do(&front, VU_SET_VRING_ENABLE, i, 0);
	replace_memory();
	for (unsigned i = RX; i <= TX; i++)
		front_do(&front, VU_SET_VRING_ENABLE, i, 1);
}

/* The device has nothing in its hands when it says where it stands. */
static void stop_and_go_on(unsigned ring)
{
	const struct fake_vq *v = &front.vq[ring];
	const uint64_t base = front_do(&front, VU_GET_VRING_BASE, ring, 0);

	if (!v->packed)
		assert_int_equal(base, __atomic_load_n(&v->used->idx, __ATOMIC_ACQUIRE));
	front_do(&front, VU_SET_VRING_BASE, ring, base);
	front_do(&front, VU_SET_VRING_KICK, ring, 0);
}

static void new_call_descriptors(void)
{
	for (unsigned i = RX; i <= TX; i++)
		front_do(&front, VU_SET_VRING_CALL, i, 0);
}

static void change(unsigned i)
{
	switch (i % 5) {
	case 0:
		replace_memory();
		break;
	case 1:
		replace_memory_of_rings_that_rest();
		break;
	case 2:
	case 3:
		stop_and_go_on(i % 5 == 2 ? TX : RX);
		break;
	default:
		new_call_descriptors();
		break;
	}
}

static void run(const char *net, uint64_t features)
{
	static struct driver d;
	pthread_t thread;

	front_create_running(&front, net);
	front_up(&front, features, 2);
	prepare(&d);
	assert_int_equal(pthread_create(&thread, NULL, drive, &d), 0);
	for (unsigned i = 0; i < CHANGES; i++) {
		struct pollfd p = {d.progress, POLLIN, 0};

		assert_int_equal(poll(&p, 1, RIG_PATIENCE_S * 1000), 1);
		fd_event_take(d.progress);
		change(i);
	}
	atomic_store(&d.stop, true);
	/* A driver that sleeps hears of it by an interrupt that is none. */
	fd_event_set(front.call[TX]);
	pthread_join(thread, NULL);
	assert_false(front_closed(&front));
	assert_true(d.sent >= CHANGES * EACH);
	assert_true(d.received > 0);
	fd_close(&d.progress);
	front_destroy(&front);
}

static void memory_and_rings_change_under_load(void **state)
{
	(void)state;
	run("echo", V1);
}

static void they_change_with_event_idx(void **state)
{
	(void)state;
	run("echo", V1 | FEATURE(VIRTIO_RING_F_EVENT_IDX));
}

static void they_change_with_packed_rings(void **state)
{
	(void)state;
	run("echo,features=default+packed",
	    V1 | FEATURE(VIRTIO_F_RING_PACKED) | FEATURE(VIRTIO_RING_F_EVENT_IDX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_and_rings_change_under_load),
		cmocka_unit_test(they_change_with_event_idx),
		cmocka_unit_test(they_change_with_packed_rings),
	};

	return cmocka_run_group_tests_name("vhost_server_threads", tests, NULL, NULL);
}
