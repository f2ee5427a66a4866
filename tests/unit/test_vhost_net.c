/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's vhost-net between a TAP in a network namespace of our own and the rings of the fake
 * driver: no guest, so what takes minutes with one takes seconds here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "devices/net_features.h"
#include "devices/virtio.h"
#include "devices/virtio_mmio.h"
#include "devices/virtio_net.h"
#include "net/net_backend.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/pkt.h"
#include "vmm/core/fd.h"
#include "vmm/core/le.h"
#include "vmm/core/loop.h"
#include "vmm/core/opt.h"

#define PROTO      0x88b6u /* local experiments */
#define ENTRIES    64u
#define FRAME      200u
#define BUFFER     512u
#define PATIENCE_S 30u

enum { RX, TX, CTRL, QUEUES };

#define NEEDS_VHOST()                                                        \
	do {                                                                 \
		if (no_network || access("/dev/vhost-net", R_OK | W_OK) < 0) \
			skip();                                              \
	} while (0)

static const char *no_network;

static struct machine {
	struct fake_mem m;
	struct loop *loop;
	struct net_backend *b;
	struct virtio_net *n;
	struct virtio_mmio mmio;
	struct fake_dev dev;
	struct fake_vq vq[QUEUES];
	int socket;
	struct fake_buf buf[2][ENTRIES]; /* by slot; free ones first */
	unsigned nr_free[2];
	struct fake_buf by_head[2][ENTRIES];
	uint32_t tx_posted,
		tx_seen; /* numbered frames of the driver: posted, and seen on the TAP */
	uint32_t rx_sent, rx_seen;
} k;

static void open_tap(const char *keys)
{
	const struct net_kind *tap = net_kind_find("tap");
	const struct net_common common = {.nic = "net0", .mac = {2, 0, 0, 0, 0, 1}};
	_Alignas(16) uint8_t config[NET_CONFIG_MAX] = {0};
	const struct opt_group group = {.defs = tap->keys, .target = config};

	tap->config_init(config);
	assert_int_equal(opt_parse_keys(&group, 1, "--net tap", keys), 0);
	assert_int_equal(tap->create(config, &common, k.loop, &k.b), 0);
	opt_keys_free(tap->keys, config);
}

static void open_socket(void)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(PROTO)};

	ll.sll_ifindex = (int)if_nametoindex("v0");
	k.socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(k.socket >= 0);
	assert_int_equal(bind(k.socket, (const struct sockaddr *)&ll, sizeof(ll)), 0);
}

static void up(const char *keys, uint64_t without)
{
	struct virtio_net_params p = {
		.name = "net0", .mac = {2, 0, 0, 0, 0, 1}, .queue_size = ENTRIES};
	struct fake_vq *vqs[QUEUES] = {&k.vq[RX], &k.vq[TX], &k.vq[CTRL]};
	char why[256] = "";

	memset(&k, 0, sizeof(k));
	fake_mem_create(&k.m, MIB(4));
	assert_int_equal(loop_create(&k.loop), 0);
	open_tap(keys);
	assert_int_equal(k.b->ring->prepare(k.b, &k.m.gmem, why, sizeof(why)), 0);
	p.features =
		net_features_close(virtio_net_can(k.b->can, false) & ~k.b->ring_cannot & ~without);
	p.rings = k.b->ring_first;
	assert_int_equal(virtio_net_create(&p, k.b, &k.m.gmem, k.loop, &k.n), 0);
	k.dev = (struct fake_dev){.core = virtio_net_dev(k.n), .mmio = &k.mmio};
	k.dev.core->call_fd = fd_eventfd();
	virtio_mmio_init(&k.mmio, k.dev.core, (struct irq_line){0});
	assert_int_equal(loop_thread_start(k.loop, "net0"), 0);
	for (unsigned i = 0; i < QUEUES; i++)
		fake_vq_init(&k.vq[i], &k.m, ENTRIES, p.features);
	assert_int_equal(fake_probe(&k.dev, p.features, vqs, QUEUES), 0);
	for (unsigned i = 0; i < ENTRIES; i++) {
		static const uint8_t zero[NET_HDR_LEN + FRAME];

		k.buf[RX][i] = fake_in(&k.m, BUFFER);
		k.buf[TX][i] = fake_out(&k.m, zero, sizeof(zero));
	}
	k.nr_free[RX] = k.nr_free[TX] = ENTRIES;
	open_socket();
}

static void down(void)
{
	int call_fd;

	if (!k.n)
		return;
	call_fd = k.dev.core->call_fd;
	fake_set_status(&k.dev, 0);
	loop_thread_stop(k.loop);
	virtio_net_destroy(k.n);
	net_destroy(k.b);
	loop_destroy(k.loop);
	fake_mem_destroy(&k.m);
	fd_close(&call_fd);
	close(k.socket);
	k.n = NULL;
}

/* Also of a case that failed. */
static int teardown(unused void **state)
{
	down();
	return 0;
}

static void number(uint8_t *f, uint32_t nr)
{
	memset(f, 0xff, 6);
	memset(f + 6, 2, 6);
	f[12] = PROTO >> 8;
	f[13] = PROTO & 0xff;
	put_le32(f + 14, nr);
	for (unsigned i = 18; i < FRAME; i++)
		f[i] = (uint8_t)(nr * 7 + i);
}

static void check_number(const uint8_t *f, uint32_t nr)
{
	uint8_t want[FRAME];

	number(want, nr);
	assert_int_equal(get_le32(f + 14), nr); /* lost, doubled or reordered? */
	assert_memory_equal(f, want, FRAME);
}

static void go(unsigned i)
{
	fake_vq_publish(&k.vq[i]);
	if (fake_vq_wants_kick(&k.vq[i]))
		fake_kick(&k.dev, i);
}

static void post(unsigned i, unsigned n)
{
	for (; n && k.nr_free[i]; n--) {
		struct fake_buf b = k.buf[i][--k.nr_free[i]];
		int head = fake_vq_add(&k.vq[i], &b, 1);

		assert_true(head >= 0);
		k.by_head[i][head] = b;
		if (i == TX)
			number((uint8_t *)fake_at(&k.m, b.addr, b.len) + NET_HDR_LEN,
			       k.tx_posted++);
	}
	go(i);
}

/* Send into the TAP, never more than its queue holds. */
static void send_in(unsigned n)
{
	uint8_t f[FRAME];

	for (; n && k.rx_sent - k.rx_seen < 200; n--) {
		number(f, k.rx_sent++);
		assert_int_equal(send(k.socket, f, sizeof(f), 0), sizeof(f));
	}
}

static void collect(void)
{
	uint8_t f[2048];
	unsigned head;
	uint32_t len;

	while (fake_vq_reap(&k.vq[TX], &head, &len))
		k.buf[TX][k.nr_free[TX]++] = k.by_head[TX][head];
	while (fake_vq_reap(&k.vq[RX], &head, &len)) {
		struct fake_buf b = k.by_head[RX][head];
		const uint8_t *p = fake_at(&k.m, b.addr, b.len);

		/* What else is on a network, IPv6 for one, is not ours. */
		if (len >= NET_HDR_LEN + 14 && pkt_be16(p + NET_HDR_LEN + 12) == PROTO) {
			assert_int_equal(len, NET_HDR_LEN + FRAME);
			check_number(p + NET_HDR_LEN, k.rx_seen++);
		}
		k.buf[RX][k.nr_free[RX]++] = b;
	}
	for (;;) {
		struct sockaddr_ll from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t got = recvfrom(k.socket, f, sizeof(f), MSG_DONTWAIT,
		                       (struct sockaddr *)&from, &from_len);

		if (got < 0)
			break;
		if (from.sll_pkttype == PACKET_OUTGOING)
			continue;
		assert_int_equal(got, FRAME);
		check_number(f, k.tx_seen++);
	}
}

/* All that is on its way arrives. */
static void drain(void)
{
	const uint64_t end = loop_now_ns() + PATIENCE_S * UINT64_C(1000000000);

	while (k.rx_seen != k.rx_sent || k.tx_seen != k.tx_posted) {
		post(RX, ENTRIES);
		collect();
		if (loop_now_ns() > end)
			fail_msg("rx %u of %u, tx %u of %u", k.rx_seen, k.rx_sent, k.tx_seen,
			         k.tx_posted);
	}
}

struct wish {
	bool rings;
	int ret;
	struct virtio_net_switch s;
};

static void do_switch(void *arg)
{
	struct wish *w = arg;

	w->ret = virtio_net_set_path(k.n, w->rings, &w->s);
}

static uint64_t set_path(bool rings)
{
	struct wish w = {.rings = rings};

	loop_call(k.loop, do_switch, &w);
	if (w.ret < 0)
		fail_msg("%s", w.s.why);
	return w.s.pause_ns;
}

static bool needs_reset(void)
{
	return fake_status(&k.dev) & 0x40;
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void vhost_moves_the_frames(unused void **state)
{
	NEEDS_VHOST();
	up("ifname=v0,path=vhost", 0);
	while (k.rx_sent < 2000 || k.tx_posted < 2000) {
		post(RX, 30);
		post(TX, 30);
		send_in(30);
		collect();
	}
	drain();
	assert_int_equal(virtio_net_stats(k.n)->rx_frames + virtio_net_stats(k.n)->tx_frames, 0);
	down();
}

static void an_interrupt_comes_by_the_eventfd(unused void **state)
{
	struct pollfd p;

	NEEDS_VHOST();
	up("ifname=v0,path=vhost,busyloop=50", 0);
	p = (struct pollfd){.fd = k.dev.core->call_fd, .events = POLLIN};
	fd_event_take(p.fd);
	fake_vq_irq_on(&k.vq[RX]);
	post(RX, 10);
	send_in(1);
	assert_int_equal(poll(&p, 1, PATIENCE_S * 1000), 1);
	assert_int_equal(virtio_isr(k.dev.core), VIRTIO_ISR_USED);
	drain();
	down();
}

static void switch_often(const char *keys, uint64_t without, unsigned times)
{
	uint64_t *pause = calloc(times, sizeof(*pause));
	bool rings;

	up(keys, without);
	rings = k.b->ring_first;
	for (unsigned i = 0; i < times; i++) {
		post(RX, (unsigned)random() % 40);
		post(TX, (unsigned)random() % 40);
		send_in((unsigned)random() % 40);
		if (random() % 4)
			collect();
		rings = !rings;
		pause[i] = set_path(rings);
	}
	drain();
	assert_int_equal(virtio_net_stats(k.n)->switches, times);
	qsort(pause, times, sizeof(*pause), compare);
	print_message(
		"%u switches, %u frames in, %u out; pause us: min %lu median %lu p99 %lu max %lu\n",
		times, k.rx_seen, k.tx_seen, pause[0] / 1000, pause[times / 2] / 1000,
		pause[times * 99 / 100] / 1000, pause[times - 1] / 1000);
	down();
	free(pause);
}

static void switches_lose_double_and_reorder_nothing(unused void **state)
{
	NEEDS_VHOST();
	switch_often("ifname=v0,path=vhost", 0, 2000);
	switch_often("ifname=v0,path=pure", FEATURE(VIRTIO_RING_F_EVENT_IDX), 1000);
	switch_often("ifname=v0,path=pure", FEATURE(VIRTIO_NET_F_MRG_RXBUF), 1000);
}

static void a_driver_may_come_and_go(unused void **state)
{
	NEEDS_VHOST();
	for (unsigned i = 0; i < 10; i++) {
		up("ifname=v0,path=vhost", 0);
		post(TX, 20);
		post(RX, 20);
		send_in(20);
		if (i % 2)
			drain();
		down();
	}
}

static void a_ring_that_vhost_finds_broken_stops_the_device(unused void **state)
{
	const uint64_t end = loop_now_ns() + PATIENCE_S * UINT64_C(1000000000);

	NEEDS_VHOST();
	up("ifname=v0,path=vhost", 0);
	fake_vq_raw_head(&k.vq[TX], ENTRIES + 1);
	go(TX);
	while (!needs_reset() && loop_now_ns() < end)
		poll(NULL, 0, 1);
	assert_true(needs_reset());
	down();
}

static void an_interface_that_vanishes_takes_the_link_down(unused void **state)
{
	const uint64_t end = loop_now_ns() + PATIENCE_S * UINT64_C(1000000000);
	bool gone = false;

	NEEDS_VHOST();
	up("ifname=v0,path=vhost", 0);
	assert_int_equal(system("ip link del v0"), 0);
	while (!gone && loop_now_ns() < end) {
		poll(NULL, 0, 10);
		gone = !(fake_readl(&k.dev, 0x100 + 4) >> 16 & VIRTIO_NET_S_LINK_UP);
	}
	assert_true(gone);
	down();
}

static void a_host_without_vhost_says_what_would_help(unused void **state)
{
	char why[256] = "";

	if (no_network || access("/dev/vhost-net", F_OK) == 0)
		skip();
	memset(&k, 0, sizeof(k));
	fake_mem_create(&k.m, MIB(1));
	assert_int_equal(loop_create(&k.loop), 0);
	open_tap("path=vhost");
	assert_true(k.b->ring_first);
	assert_int_equal(k.b->ring->prepare(k.b, &k.m.gmem, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "modprobe vhost_net"));
	net_destroy(k.b);
	loop_destroy(k.loop);
	fake_mem_destroy(&k.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(vhost_moves_the_frames, teardown),
		cmocka_unit_test_teardown(an_interrupt_comes_by_the_eventfd, teardown),
		cmocka_unit_test_teardown(switches_lose_double_and_reorder_nothing, teardown),
		cmocka_unit_test_teardown(a_driver_may_come_and_go, teardown),
		cmocka_unit_test_teardown(a_ring_that_vhost_finds_broken_stops_the_device,
	                                  teardown),
		cmocka_unit_test_teardown(an_interface_that_vanishes_takes_the_link_down, teardown),
		cmocka_unit_test_teardown(a_host_without_vhost_says_what_would_help, teardown),
	};

	if (enter_own_network(&no_network) && access("/dev/net/tun", R_OK | W_OK) < 0)
		no_network = "no /dev/net/tun for us";
	if (no_network)
		print_message("# cases with a TAP are skipped: %s\n", no_network);
	else if (access("/dev/vhost-net", R_OK | W_OK) < 0)
		print_message("# cases with vhost are skipped: no /dev/vhost-net for us\n");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
