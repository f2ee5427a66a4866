/* SPDX-License-Identifier: Apache-2.0 */
/* bench/tap.c - the pure path over a TAP against a bare loop on the same TAP; prints "ROW NANOSECONDS". See bench/tap.sh.
 *
 * One thread is driver, device and bare loop in turns, a batch each, in a network namespace of its own; its CPU time is
 * what is measured, so others may use the machine. tx: into the host's stack, which throws the frames away.
 * rx: the frames are put into the TAP's queue before the clock starts.
 */
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "bench/nic.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

#define BATCH   200u /* frames: the TAP's queue has room for 500 and more, a turn does 256 */
#define BATCHES 500u /* in a sample */

#define HOST 0x0a010101u /* 10.1.1.1 */

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- the interface */

struct tap {
	int fd, packet; /* @packet sends to it from the host's side */
	struct sockaddr_ll at;
	uint8_t mac[6]; /* the host's */
};

static void tap_open(struct tap *t)
{
	struct ifreq r = {.ifr_name = "bench0", .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	const int hdr = BENCH_HDR;

	int ipv6, ip;

	if (unshare(CLONE_NEWNET) < 0)
		bench_die("no network namespace: this takes root");
	/* It would look for routers through the TAP. */
	ipv6 = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
	if (ipv6 >= 0) {
		if (write(ipv6, "1", 1) != 1)
			bench_die("IPv6 stays on");
		close(ipv6);
	}
	t->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	t->packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	ip = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (t->fd < 0 || t->packet < 0 || ioctl(t->fd, TUNSETIFF, &r) < 0 ||
	    ioctl(t->fd, TUNSETVNETHDRSZ, &hdr) < 0)
		bench_die("no TAP");
	memcpy(&r.ifr_addr,
	       &(struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(HOST)},
	       sizeof(struct sockaddr_in));
	if (ioctl(ip, SIOCSIFADDR, &r) < 0)
		bench_die("the TAP gets no address");
	close(ip);
	r.ifr_flags = IFF_UP;
	if (ioctl(t->packet, SIOCSIFFLAGS, &r) < 0 || ioctl(t->packet, SIOCGIFHWADDR, &r) < 0)
		bench_die("the TAP does not come up");
	memcpy(t->mac, r.ifr_hwaddr.sa_data, sizeof(t->mac));
	t->at = (struct sockaddr_ll){.sll_family = AF_PACKET,
	                             .sll_ifindex = (int)if_nametoindex("bench0"),
	                             .sll_halen = 6};
}

/* UDP from a guest to somewhere that the host does not forward to: its stack looks for a route, and drops it. */
static void make_udp(uint8_t *frame)
{
	struct iphdr h = {.version = 4,
	                  .ihl = 5,
	                  .tot_len = htons(BENCH_LEN - 14),
	                  .ttl = 64,
	                  .protocol = IPPROTO_UDP,
	                  .saddr = htonl(HOST + 1),
	                  .daddr = htonl(0xc6336401)}; /* 198.51.100.1 */
	static const uint8_t type[2] = {0x08, 0x00};
	uint16_t half[10];
	uint32_t sum = 0;

	memcpy(half, &h, sizeof(h));
	for (unsigned i = 0; i < 10; i++)
		sum += half[i];
	sum = (sum & 0xffff) + (sum >> 16);
	h.check = (uint16_t) ~(sum + (sum >> 16));
	memcpy(frame + 12, type, sizeof(type));
	memcpy(frame + 14, &h, sizeof(h));
}

static void put(const struct tap *t, const uint8_t *frame, unsigned nr)
{
	for (; nr; nr--)
		if (sendto(t->packet, frame, BENCH_LEN, 0, (const void *)&t->at, sizeof(t->at)) < 0)
			bench_die("a frame does not get into the TAP");
}

/* ---- a batch each */

/* The bare loop uses the same buffers in the same order: what a cache does not hold costs both the same. */
static uint64_t bare_tx(const struct tap *t, struct bench_nic *b)
{
	const uint64_t from = cpu_ns();
	static unsigned at;

	for (unsigned i = 0; i < BATCH; i++) {
		uint8_t *p = bench_nic_buffer(b, BENCH_TX, at++ % BENCH_NUM);
		const struct iovec iov[2] = {{p, BENCH_HDR}, {p + BENCH_HDR, BENCH_LEN}};

		if (writev(t->fd, iov, 2) < 0)
			bench_die("writev");
	}
	return cpu_ns() - from;
}

static uint64_t bare_rx(const struct tap *t, struct bench_nic *b)
{
	const uint64_t from = cpu_ns();
	static unsigned at;
	unsigned n = 0;

	for (;;) {
		uint8_t hdr[BENCH_HDR], *p = bench_nic_buffer(b, BENCH_RX, at++ % BENCH_NUM);
		const struct iovec iov[2] = {{hdr, sizeof(hdr)},
		                             {p + BENCH_HDR, BENCH_SLOT - BENCH_HDR}};

		if (readv(t->fd, iov, 2) <= 0)
			break;
		n++;
	}
	if (n != BATCH)
		bench_die("not all frames came");
	return cpu_ns() - from;
}

static unsigned reap(struct bench_nic *b, unsigned ring)
{
	unsigned n = 0, head;
	uint32_t len;

	for (; fake_vq_reap(&b->vq[ring], &head, &len); n++)
		if (ring == BENCH_RX)
			bench_nic_add(b, BENCH_RX);
	return n;
}

/* What the device does about it: the driver's part is the guest's. */
static uint64_t turn(struct bench_nic *b)
{
	const uint64_t from = cpu_ns();

	while (loop_turn(b->nic.loop, 0) > 0)
		;
	return cpu_ns() - from;
}

static uint64_t ours_tx(struct bench_nic *b)
{
	uint64_t ns;

	for (unsigned i = 0; i < BATCH; i++)
		bench_nic_add(b, BENCH_TX);
	bench_nic_publish(b, BENCH_TX);
	ns = turn(b);
	if (reap(b, BENCH_TX) != BATCH)
		bench_die("not all frames were sent");
	return ns;
}

static uint64_t ours_rx(struct bench_nic *b)
{
	const uint64_t ns = turn(b);

	if (reap(b, BENCH_RX) != BATCH)
		bench_die("not all frames were received");
	bench_nic_publish(b, BENCH_RX);
	return ns;
}

int main(void)
{
	static struct bench_nic b;
	static uint8_t to_host[BENCH_LEN], to_guest[BENCH_LEN];
	uint64_t ns[4] = {0};
	struct tap t;
	char net[32];

	tap_open(&t);
	snprintf(net, sizeof(net), "tap,fd=%d,poll=off,kick-usecs=0",
	         fcntl(t.fd, F_DUPFD_CLOEXEC, 3));
	bench_nic_create(&b, net);
	bench_frame(to_host, t.mac, b.cfg.mac);
	make_udp(to_host);
	bench_frame(to_guest, b.cfg.mac, t.mac);
	for (unsigned i = 0; i < BENCH_NUM; i++)
		memcpy(bench_nic_buffer(&b, BENCH_TX, i) + BENCH_HDR, to_host, BENCH_LEN);
	while (loop_turn(b.nic.loop, 0) > 0)
		;
	for (unsigned i = 0; i < BATCHES; i++) {
		ns[0] += bare_tx(&t, &b);
		ns[1] += ours_tx(&b);
		put(&t, to_guest, BATCH);
		ns[2] += bare_rx(&t, &b);
		put(&t, to_guest, BATCH);
		ns[3] += ours_rx(&b);
	}
	for (unsigned i = 0; i < 4; i++)
		printf("%s-%s %.1f\n", i < 2 ? "tx" : "rx", i % 2 ? "ours" : "bare",
		       (double)ns[i] / (BATCH * BATCHES));
	bench_nic_destroy(&b);
	close(t.packet);
	close(t.fd);
	return 0;
}
