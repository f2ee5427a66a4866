/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing is allocated per packet: the Makefile has the linker lead malloc() and its like here, where they are
 * counted, while frames pass device and backend both ways.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/vnet_rig.h"
#include "vmm/core/fd.h"

#define PROTO       0x88b5 /* for local experiments */
#define LEN         (NET_HDR_LEN + 600u)
#define BURST       32u
#define ROUNDS      200u
#define WARM_UP     5u
#define PATIENCE_MS 30000

/* ---- the count */

static atomic_uint allocations;

/* NOLINTBEGIN(bugprone-reserved-identifier): the names are the linker's. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_mmap(void *p, size_t len, int prot, int flags, int fd, off_t off);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_mmap(void *p, size_t len, int prot, int flags, int fd, off_t off);

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	allocations++;
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	allocations++;
	return __real_realloc(p, size);
}

void *__wrap_mmap(void *p, size_t len, int prot, int flags, int fd, off_t off)
{
	allocations++;
	return __real_mmap(p, len, prot, flags, fd, off);
}

/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- a device on a real backend, whose outside gives back every frame */

static const uint64_t layouts[] = {0, FEATURE(VIRTIO_F_IN_ORDER), FEATURE(VIRTIO_F_RING_PACKED),
                                   VRIG_LAYOUTS};
static const char *no_tap; /* set in main(): why there can be none */

static struct side {
	struct rig back;
	struct fake_mem m;
	struct virtio_net *n;
	struct fake_dev dev;
	struct fake_vq vq[NET_PAIR_QUEUES];
	struct fake_buf tx, rx[VQ_NUM_MAX]; /* rx: by head */
	int irq_fd, outside;                /* outside -1: the backend itself gives frames back */
} side;

static void interrupt(unused void *transport)
{
	fd_event_set(side.irq_fd);
}

static const struct virtio_transport_ops tops = {.interrupt = interrupt};

static void post_rx(struct fake_buf b)
{
	int head = fake_vq_add(&side.vq[NET_RX], &b, 1);

	assert_true(head >= 0);
	side.rx[head] = b;
}

static void kick_if_wanted(unsigned i)
{
	fake_vq_publish(&side.vq[i]);
	if (fake_vq_wants_kick(&side.vq[i]))
		fake_kick(&side.dev, i);
}

static void open_side(const char *kind, const char *keys, uint64_t layout)
{
	struct virtio_net_params p = {.name = "net0", .queue_size = 256};
	struct fake_vq *vqs[NET_QUEUES_MAX] = {&side.vq[NET_RX], &side.vq[NET_TX]};
	uint8_t bytes[LEN] = {0};
	uint64_t accept;

	side.outside = -1;
	rig_init(&side.back);
	assert_int_equal(rig_open(&side.back, kind, keys, 0), 0);
	fake_mem_create(&side.m, MIB(4));
	memcpy(p.mac, vrig_mac, sizeof(p.mac));
	p.features = virtio_net_can(side.back.b->can, false);
	assert_int_equal(virtio_net_create(&p, side.back.b, &side.m.gmem, side.back.loop, &side.n),
	                 0);
	side.dev = (struct fake_dev){.core = virtio_net_dev(side.n)};
	side.dev.core->tops = &tops;
	side.irq_fd = fd_eventfd();
	accept = side.dev.core->offered &
	         (VRIG_F(MRG_RXBUF) | VRIG_F(CSUM) | FEATURE(VIRTIO_RING_F_EVENT_IDX) |
	          FEATURE(VIRTIO_RING_F_INDIRECT_DESC));
	accept |= layout | FEATURE(VIRTIO_F_VERSION_1);
	for (unsigned i = 0; i < NET_PAIR_QUEUES; i++)
		fake_vq_init(vqs[i], &side.m, 256, accept);
	assert_int_equal(fake_probe(&side.dev, accept, vqs, side.dev.core->nr_queues), 0);
	rig_run(&side.back);
	vrig_frame(bytes + NET_HDR_LEN, LEN - NET_HDR_LEN,
	           (const uint8_t[6]){255, 255, 255, 255, 255, 255}, 1);
	bytes[NET_HDR_LEN + 12] = PROTO >> 8;
	bytes[NET_HDR_LEN + 13] = PROTO & 0xff;
	side.tx = fake_out(&side.m, bytes, LEN);
	for (unsigned i = 0; i < 256; i++)
		post_rx(fake_in(&side.m, 2048));
	kick_if_wanted(NET_RX);
}

static void close_side(void)
{
	loop_thread_stop(side.back.loop);
	virtio_net_destroy(side.n);
	rig_close(&side.back);
	fake_mem_destroy(&side.m);
	fd_close(&side.irq_fd);
	fd_close(&side.outside);
}

static void readable(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
}

/* What came out goes back in. */
static void turn_round(unsigned nr)
{
	uint8_t f[2048];
	ssize_t n;

	for (unsigned i = 0; i < nr; i++) {
		readable(side.outside);
		n = recv(side.outside, f, sizeof(f), 0);
		assert_true(n > 0);
		assert_int_equal(send(side.outside, f, (size_t)n, 0), n);
	}
}

/* Frames of ours among those that have come; their buffers are posted again. */
static unsigned reap_rx(void)
{
	unsigned head, nr = 0;
	uint32_t len;

	while (fake_vq_reap(&side.vq[NET_RX], &head, &len)) {
		const uint8_t *f = fake_at(&side.m, side.rx[head].addr, LEN);

		nr += len == LEN && f[NET_HDR_LEN + 12] == PROTO >> 8 &&
		      f[NET_HDR_LEN + 13] == (PROTO & 0xff);
		post_rx(side.rx[head]);
	}
	kick_if_wanted(NET_RX);
	return nr;
}

static void one_round(void)
{
	struct fake_vq *tx = &side.vq[NET_TX];
	unsigned came = 0, done = 0, head;
	uint32_t len;

	for (unsigned i = 0; i < BURST; i++)
		assert_true(fake_vq_add(tx, &side.tx, 1) >= 0);
	kick_if_wanted(NET_TX);
	if (side.outside >= 0)
		turn_round(BURST);
	for (;;) {
		came += reap_rx();
		while (fake_vq_reap(tx, &head, &len))
			done++;
		if (came == BURST && done == BURST)
			return;
		if (fake_vq_irq_on(&side.vq[NET_RX]) || fake_vq_irq_on(tx))
			continue;
		readable(side.irq_fd);
		fd_event_take(side.irq_fd);
	}
}

static void nothing_is_allocated(void)
{
	unsigned before;

	assert_true(allocations > 0); /* they are counted */
	for (unsigned i = 0; i < WARM_UP; i++)
		one_round();
	before = allocations;
	for (unsigned i = 0; i < ROUNDS; i++)
		one_round();
	assert_int_equal(allocations, before);
	close_side();
}

static void frames_through_echo_allocate_nothing(unused void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
		open_side("echo", "", layouts[i]);
		nothing_is_allocated();
	}
}

static void frames_through_a_pipe_allocate_nothing(unused void **state)
{
	char keys[32];
	int pair[2];

	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
		snprintf(keys, sizeof(keys), "fd=%d", pair[0]);
		open_side("pipe", keys, layouts[i]);
		side.outside = pair[1];
		nothing_is_allocated();
		close(pair[0]);
	}
}

static void frames_through_a_tap_allocate_nothing(unused void **state)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(PROTO)};

	if (no_tap)
		skip();
	for (unsigned i = 0; i < ARRAY_SIZE(layouts); i++) {
		open_side("tap", "ifname=alloc0", layouts[i]);
		side.outside = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
		ll.sll_ifindex = (int)if_nametoindex("alloc0");
		assert_int_equal(bind(side.outside, (struct sockaddr *)&ll, sizeof(ll)), 0);
		nothing_is_allocated();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_through_echo_allocate_nothing),
		cmocka_unit_test(frames_through_a_pipe_allocate_nothing),
		cmocka_unit_test(frames_through_a_tap_allocate_nothing),
	};

	if (enter_own_network(&no_tap) && access("/dev/net/tun", R_OK | W_OK) < 0)
		no_tap = "no /dev/net/tun for us";
	if (no_tap)
		print_message("# the case with a TAP is skipped: %s\n", no_tap);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
