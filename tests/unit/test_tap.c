/* SPDX-License-Identifier: Apache-2.0 */
/* TAPs in a network namespace of our own: nothing here touches the host's network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "devices/net_features.h"
#include "net/csum.h"
#include "net/tun_info.h"
#include "tests/lib/capture.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"

#define PROTO 0x88b5 /* for local experiments */

static const char *why_not; /* set in main(): why none of this can run here */

#define NEEDS_TAP()             \
	do {                    \
		if (why_not)    \
			skip(); \
	} while (0)

/* ---- the host's side */

static bool exists(const char *name)
{
	return if_nametoindex(name) != 0;
}

static void ip(const char *args)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "ip %s", args);
	assert_int_equal(system(cmd), 0);
}

/* A queue of @name as a manager would hand it in; @flags beside IFF_TAP. */
static int open_queue(const char *name, int flags, int hdr_len)
{
	struct ifreq ifr = {0};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	ifr.ifr_flags = (short)flags;
	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	if (hdr_len)
		assert_int_equal(ioctl(fd, TUNSETVNETHDRSZ, &hdr_len), 0);
	return fd;
}

/* Everything about an interface that somebody could have changed. */
struct snapshot {
	char mac[6];
	int mtu;
	short flags;
};

static struct snapshot look(const char *name)
{
	struct snapshot s = {0};
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(ifr.ifr_name, name, IFNAMSIZ - 1);
	assert_int_equal(ioctl(fd, SIOCGIFHWADDR, &ifr), 0);
	memcpy(s.mac, ifr.ifr_hwaddr.sa_data, 6);
	assert_int_equal(ioctl(fd, SIOCGIFMTU, &ifr), 0);
	s.mtu = ifr.ifr_mtu;
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
	/* A carrier comes and goes with the reader: that is what a TAP is for. */
	s.flags = (short)(ifr.ifr_flags & ~(IFF_RUNNING | 0x10000));
	close(fd);
	return s;
}

static void assert_unchanged(const char *name, const struct snapshot *before)
{
	struct snapshot now = look(name);

	assert_memory_equal(now.mac, before->mac, 6);
	assert_int_equal(now.mtu, before->mtu);
	assert_int_equal(now.flags, before->flags);
}

static int packet_socket_of(const char *name, uint16_t proto)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_protocol = htons(proto)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	ll.sll_ifindex = (int)if_nametoindex(name);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&ll, sizeof(ll)), 0);
	return fd;
}

static int packet_socket(const char *name)
{
	return packet_socket_of(name, PROTO);
}

static size_t make_frame(uint8_t *f, size_t len, unsigned seed)
{
	memset(f, 0xff, 6);
	memset(f + 6, 2, 6);
	f[12] = PROTO >> 8;
	f[13] = PROTO & 0xff;
	for (size_t i = 14; i < len; i++)
		f[i] = (uint8_t)(seed + i * 5);
	return len;
}

static bool is_ours(const uint8_t *f, size_t len, void *arg)
{
	return len > 14 && pkt_be16(f + 12) == PROTO && f[14] == (uint8_t)(*(unsigned *)arg + 70);
}

/* Frames both ways through a started backend on @name. */
static void exchange(struct rig *r, const char *name)
{
	int s = packet_socket(name);
	struct pollfd p = {.fd = s, .events = POLLIN};
	uint8_t f[1514], got[2048];
	unsigned seed = 9;
	const struct rig_frame *g;

	assert_int_equal(rig_start(r, 0), 0);
	make_frame(f, sizeof(f), seed);
	assert_int_equal(rig_send(r, NULL, f, sizeof(f)), sizeof(f) + NET_HDR_LEN);
	assert_int_equal(poll(&p, 1, RIG_PATIENCE_S * 1000), 1);
	assert_int_equal(recv(s, got, sizeof(got), 0), sizeof(f));
	assert_memory_equal(got, f, sizeof(f));
	assert_int_equal(send(s, f, sizeof(f), 0), sizeof(f));
	g = rig_find(r, is_ours, &seed);
	assert_non_null(g);
	assert_int_equal(g->len, sizeof(f) + NET_HDR_LEN);
	assert_memory_equal(g->data + NET_HDR_LEN, f, sizeof(f));
	close(s);
}

/* ---- an interface of our own */

static void missing_interface_is_created_and_leaves_with_us(unused void **state)
{
	struct rig r;

	NEEDS_TAP();
	rig_init(&r);
	assert_false(exists("own0"));
	assert_int_equal(rig_open(&r, "tap", "ifname=own0", 0), 0);
	assert_string_equal(r.b->label, "own0");
	assert_string_equal(r.b->kind, "tap");
	assert_true(look("own0").flags & IFF_UP);
	assert_int_equal(look("own0").mtu, 1500);
	rig_run(&r);
	exchange(&r, "own0");
	rig_close(&r);
	assert_false(exists("own0"));
}

static void kernel_picks_a_name_when_none_is_given(unused void **state)
{
	struct rig a, b;

	NEEDS_TAP();
	rig_init(&a);
	rig_init(&b);
	assert_int_equal(rig_open(&a, "tap", "", 9000), 0);
	assert_int_equal(rig_open(&b, "tap", "", 0), 0);
	assert_string_not_equal(a.b->label, b.b->label);
	assert_true(exists(a.b->label));
	assert_int_equal(look(a.b->label).mtu, 9000);
	rig_run(&a);
	exchange(&a, a.b->label);
	rig_close(&a);
	rig_close(&b);
	assert_false(exists("tap0"));
}

static void killed_process_leaves_no_interface(unused void **state)
{
	int ready[2], status;
	char byte;
	pid_t pid;

	NEEDS_TAP();
	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		struct rig r;

		rig_init(&r);
		if (rig_open(&r, "tap", "ifname=killed0", 0) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_true(exists("killed0"));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(exists("killed0"));
	close(ready[0]);
	close(ready[1]);
}

/* ---- an interface that is there already */

static void existing_interface_is_used_and_not_changed(unused void **state)
{
	struct snapshot before;
	struct rig r;
	int fd, len = 0;

	NEEDS_TAP();
	ip("tuntap add mode tap name there0");
	ip("link set there0 mtu 1400 address 02:00:00:00:07:07 up");
	before = look("there0");
	rig_init(&r);
	assert_int_equal(rig_open(&r, "tap", "ifname=there0", 1400), 0);
	assert_unchanged("there0", &before);
	rig_run(&r);
	rig_forget(&r);
	assert_int_equal(rig_start(&r, r.b->can & FEATURE(VIRTIO_NET_F_GUEST_CSUM)), 0);
	rig_stop(&r);
	assert_unchanged("there0", &before);
	rig_close(&r);
	assert_unchanged("there0", &before);
	/* The header size that the next one finds is that of a fresh TAP. */
	fd = open_queue("there0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, 0);
	assert_int_equal(ioctl(fd, TUNGETVNETHDRSZ, &len), 0);
	assert_int_equal(len, 10);
	close(fd);
	ip("link del there0");
}

static void interface_that_is_down_is_named_and_drops(unused void **state)
{
	struct capture c;
	struct rig r;
	uint8_t f[64];
	int ret;

	NEEDS_TAP();
	ip("tuntap add mode tap name down0");
	rig_init(&r);
	CAPTURED(&c, &ret, rig_open(&r, "tap", "ifname=down0", 0));
	assert_int_equal(ret, 0);
	assert_one_line(&c, "down0 is down");
	rig_run(&r);
	assert_int_equal(rig_start(&r, 0), 0);
	for (unsigned i = 1; i < 10; i++) {
		assert_int_equal(rig_send(&r, NULL, f, make_frame(f, sizeof(f), i)), -EIO);
		assert_int_equal(r.b->stats.send_errors, i);
	}
	rig_settle(&r);
	assert_int_equal(r.nr_gone, 0);
	rig_stop(&r);
	/* It goes on as soon as somebody brings it up. */
	ip("link set down0 up");
	exchange(&r, "down0");
	rig_close(&r);
	ip("link del down0");
}

static void different_mtu_is_worth_a_line(unused void **state)
{
	struct capture c;
	struct rig r;
	int ret;

	NEEDS_TAP();
	ip("tuntap add mode tap name mtu0");
	ip("link set mtu0 up");
	rig_init(&r);
	CAPTURED(&c, &ret, rig_open(&r, "tap", "ifname=mtu0", 9000));
	assert_int_equal(ret, 0);
	assert_one_line(&c, "mtu=9000");
	assert_one_line(&c, "mtu0 has 1500");
	rig_close(&r);
	ip("link del mtu0");
	/* The largest that a guest can be told is larger than a TAP's. */
	rig_init(&r);
	CAPTURED(&c, &ret, rig_open(&r, "tap", "ifname=mtu0", 65535));
	assert_int_equal(ret, -EINVAL);
	assert_one_line(&c, "mtu=65535 for mtu0");
	assert_one_line(&c, "68 to 65521");
	assert_null(r.b);
	assert_false(exists("mtu0"));
	rig_close(&r);
}

/* ---- a descriptor that was handed in */

/* @offloads: what its owner had asked for. */
static void handed_in(int hdr_len, unsigned offloads)
{
	struct snapshot before;
	struct rig r;
	int fd, status, len = 0;
	char keys[32];
	struct ifreq ifr = {0}, after = {0};

	fd = open_queue("given0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, hdr_len);
	status = fcntl(fd, F_GETFL) & ~O_NONBLOCK;
	assert_int_equal(fcntl(fd, F_SETFL, status), 0); /* its owner waits in read() */
	ip("link set given0 mtu 1600 up");
	assert_int_equal(ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads), 0);
	before = look("given0");
	assert_int_equal(tun_offloads(fd, "given0"), offloads);
	assert_int_equal(ioctl(fd, TUNGETIFF, &ifr), 0);
	snprintf(keys, sizeof(keys), "fd=%d", fd);
	/* Twice: what was handed in is still good after the first machine has ended. */
	for (unsigned i = 0; i < 2; i++) {
		rig_init(&r);
		assert_int_equal(rig_open(&r, "tap", keys, 0), 0);
		assert_string_equal(r.b->label, "given0");
		rig_run(&r);
		r.pieces = i * 5;
		exchange(&r, "given0");
		rig_stop(&r);
		assert_unchanged("given0", &before);
		rig_close(&r);
		assert_unchanged("given0", &before);
		assert_int_equal(ioctl(fd, TUNGETIFF, &after), 0);
		assert_int_equal(after.ifr_flags, ifr.ifr_flags);
		assert_int_equal(ioctl(fd, TUNGETVNETHDRSZ, &len), 0);
		assert_int_equal(len, hdr_len);
		assert_int_equal(fcntl(fd, F_GETFL), status);
		assert_int_equal(tun_offloads(fd, "given0"), offloads);
	}
	close(fd);
	assert_false(exists("given0"));
}

static void handed_in_queue_is_used_and_not_modified(unused void **state)
{
	NEEDS_TAP();
	handed_in(12, 0);
}

static void handed_in_queue_gets_its_offloads_back(unused void **state)
{
	static const unsigned sets[] = {
		TUN_F_CSUM,
		TUN_F_CSUM | TUN_F_TSO4,
		TUN_F_CSUM | TUN_F_TSO6,
		TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN,
	};

	NEEDS_TAP();
	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		handed_in(12, sets[i]);
}

/* A name means another interface there, or none. */
static void offloads_in_another_network_are_not_guessed(unused void **state)
{
	const unsigned offloads = TUN_F_CSUM | TUN_F_TSO4;
	int fd, other;

	NEEDS_TAP();
	fd = open_queue("given0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, 0);
	assert_int_equal(ioctl(fd, TUNSETOFFLOAD, (unsigned long)offloads), 0);
	assert_int_equal(tun_offloads(fd, "given0"), offloads);
	assert_int_equal(tun_offloads(fd, "nowhere0"), 0);
	other = open_queue("given1", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, 0);
	assert_int_equal(tun_offloads(other, "given0"), 0);
	close(other);
	close(fd);
}

static void handed_in_queue_with_old_headers_stays_so(unused void **state)
{
	NEEDS_TAP();
	handed_in(10, 0);
}

/* ---- offloads */

static void segments_and_checksums_pass_whole(unused void **state)
{
	const uint64_t guest = FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) |
	                       FEATURE(VIRTIO_NET_F_GUEST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_ECN);
	const uint64_t host = FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) |
	                      FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_HOST_ECN);
	struct virtio_net_hdr_v1 hdr = pkt_tcp_hdr(1448);
	uint8_t *f = malloc(PKT_MAX), *data = calloc(1, 32768);
	struct pkt_tcp seg = {.partial = true, .window = 1};
	struct pkt_ends e = {.src = 0x0a000002, .dst = 0x0a000001, .sport = 1, .dport = 2};
	struct rig r;

	NEEDS_TAP();
	memset(e.dst_mac, 0xff, 6);
	memset(e.src_mac, 2, 6);
	rig_init(&r);
	assert_int_equal(rig_open(&r, "tap", "ifname=seg0", 0), 0);
	assert_int_equal(r.b->can & guest, guest);
	assert_int_equal(r.b->can & host, host);
	rig_run(&r);
	assert_int_equal(rig_start(&r, guest), 0);
	/* 32 KiB in one write: the kernel takes it, and refuses what cannot be right. */
	assert_true(rig_send(&r, &hdr, f, pkt_tcp(f, &e, &seg, data, 32768)) > 32768);
	hdr.csum_start = 65000;
	assert_true(rig_send(&r, &hdr, f, pkt_tcp(f, &e, &seg, data, 100)) < 0);
	assert_int_equal(r.b->stats.sends, 1);
	assert_int_equal(r.b->stats.send_errors, 1);
	rig_close(&r);
	free(data);
	free(f);
}

static bool is_udp_7(const uint8_t *f, size_t len, unused void *arg)
{
	uint32_t src, dst;
	size_t off = pkt_ipv4(f, len, IPPROTO_UDP, &src, &dst);

	return off && len >= off + 8 && pkt_be16(f + off + 2) == 7;
}

#define UDP_LEN 8192 /* payload of the segments below, more than five frames */

static struct virtio_net_hdr_v1 udp_hdr(uint8_t gso_type)
{
	return (struct virtio_net_hdr_v1){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = gso_type,
		.gso_size = 1400,
		.hdr_len = ETH_HLEN + 20 + 8,
		.csum_start = ETH_HLEN + 20,
		.csum_offset = 6,
	};
}

static size_t udp_segment(uint8_t *f)
{
	struct pkt_ends e = {.src = 0x0a000002, .dst = 0x0a000001, .sport = 1, .dport = 7};
	uint8_t data[UDP_LEN] = {0};

	memset(e.dst_mac, 0xff, 6);
	memset(e.src_mac, 2, 6);
	return pkt_udp(f, &e, data, sizeof(data));
}

static bool is_whole_udp_7(const uint8_t *f, size_t len, void *arg)
{
	return len >= UDP_LEN && is_udp_7(f, len, arg);
}

/* A segment of @gso_type goes through the TAP of @r; @s, on the host's side, gets it in one piece. */
static void segment_arrives_whole(struct rig *r, int s, uint8_t gso_type)
{
	const struct virtio_net_hdr_v1 hdr = udp_hdr(gso_type);
	struct pollfd p = {.fd = s, .events = POLLIN};
	uint8_t *f = malloc(PKT_MAX), *got = malloc(PKT_MAX);
	size_t len = udp_segment(f);
	ssize_t n;

	assert_int_equal(rig_send(r, &hdr, f, len), len + NET_HDR_LEN);
	do {
		assert_int_equal(poll(&p, 1, RIG_PATIENCE_S * 1000), 1);
		n = recv(s, got, PKT_MAX, 0);
		assert_true(n > 0);
	} while (!is_udp_7(got, (size_t)n, NULL));
	assert_int_equal(n, len);
	free(got);
	free(f);
}

static void udp_segments_pass_whole_both_ways_where_the_kernel_has_them(unused void **state)
{
	const struct virtio_net_hdr_v1 hdr = udp_hdr(VIRTIO_NET_HDR_GSO_UDP_L4);
	uint64_t uso = FEATURE(VIRTIO_NET_F_GUEST_USO4) | FEATURE(VIRTIO_NET_F_GUEST_USO6);
	const struct rig_frame *g;
	int s, one = 1;
	struct rig r;
	uint8_t *f;
	size_t len;

	NEEDS_TAP();
	f = malloc(PKT_MAX);
	rig_init(&r);
	assert_int_equal(rig_open(&r, "tap", "ifname=uso0", 0), 0);
	s = packet_socket_of("uso0", ETH_P_IP);
	rig_run(&r);
	uso &= r.b->can;
	assert_int_equal(rig_start(&r, uso ? uso | FEATURE(VIRTIO_NET_F_GUEST_CSUM) : 0), 0);
	if (r.b->can & FEATURE(VIRTIO_NET_F_HOST_UFO))
		segment_arrives_whole(&r, s, VIRTIO_NET_HDR_GSO_UDP);
	if (r.b->can & FEATURE(VIRTIO_NET_F_HOST_USO))
		segment_arrives_whole(&r, s, VIRTIO_NET_HDR_GSO_UDP_L4);
	if (uso) {
		/* The socket's header is the short one. */
		assert_int_equal(setsockopt(s, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)), 0);
		memcpy(f, &hdr, sizeof(struct virtio_net_hdr));
		len = udp_segment(f + sizeof(struct virtio_net_hdr));
		assert_true(send(s, f, len + sizeof(struct virtio_net_hdr), 0) > 0);
		g = rig_find(&r, is_whole_udp_7, NULL);
		assert_non_null(g);
		assert_int_equal(g->len, len + NET_HDR_LEN);
		assert_int_equal(g->data[1], VIRTIO_NET_HDR_GSO_UDP_L4);
	}
	close(s);
	rig_close(&r);
	free(f);
}

/* The kernel leaves the checksum to a guest that said it can; to another one it comes done. */
static void checksum_is_left_to_a_guest_that_wants_it(unused void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
	const struct rig_frame *g;
	struct rig r;
	int s, one = 1;

	NEEDS_TAP();
	rig_init(&r);
	assert_int_equal(rig_open(&r, "tap", "ifname=csum0", 0), 0);
	ip("addr add 192.0.2.1/24 dev csum0");
	rig_run(&r);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(s, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	to.sin_addr.s_addr = htonl(0xc00002ff);
	for (unsigned i = 0; i < 4; i++) {
		uint64_t want = i % 2 ? FEATURE(VIRTIO_NET_F_GUEST_CSUM) : 0;

		assert_int_equal(rig_start(&r, want), 0);
		assert_int_equal(sendto(s, "hi", 2, 0, (struct sockaddr *)&to, sizeof(to)), 2);
		g = rig_find(&r, is_udp_7, NULL);
		assert_non_null(g);
		assert_int_equal(g->data[0], want ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0);
		rig_stop(&r);
		rig_forget(&r);
	}
	close(s);
	rig_close(&r);
}

/* Header and frame as rig_find() gives them: a datagram whose checksum is right. */
static bool is_complete(const struct rig_frame *g)
{
	const uint8_t *f = g->data + NET_HDR_LEN;
	uint32_t src, dst;
	size_t off = pkt_ipv4(f, g->len - NET_HDR_LEN, IPPROTO_UDP, &src, &dst);
	uint8_t pseudo[12] = {[9] = IPPROTO_UDP};
	uint32_t sum;

	memcpy(pseudo, f + 26, 8); /* both addresses */
	memcpy(pseudo + 10, f + off + 4, 2);
	sum = (uint32_t)csum_sum(f + off, pkt_be16(f + off + 4));
	sum += csum_sum(pseudo, sizeof(pseudo));
	return g->data[0] == 0 && sum % 0xffff == 0;
}

/* As when the driver switches guest offloads off: those in the queue were left to it. */
static void frames_that_wait_when_checksums_are_switched_off_come_complete(unused void **state)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(7)};
	const struct rig_frame *g;
	char text[] = "odd";
	struct rig r;
	int s, one = 1;

	NEEDS_TAP();
	rig_init(&r);
	assert_int_equal(rig_open(&r, "tap", "ifname=csum1", 0), 0);
	ip("addr add 192.0.2.1/24 dev csum1");
	rig_run(&r);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setsockopt(s, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one));
	to.sin_addr.s_addr = htonl(0xc00002ff);
	for (unsigned i = 0; i < 4; i++) {
		r.pieces = i * 3; /* odd ones among them */
		assert_int_equal(rig_start(&r, FEATURE(VIRTIO_NET_F_GUEST_CSUM)), 0);
		rig_want_recv(&r, false);
		assert_int_equal(sendto(s, text, 3, 0, (struct sockaddr *)&to, sizeof(to)), 3);
		assert_int_equal(rig_set_offloads(&r, 0), 0);
		rig_want_recv(&r, true);
		g = rig_find(&r, is_udp_7, NULL);
		assert_non_null(g);
		assert_true(is_complete(g));
		rig_stop(&r);
		rig_forget(&r);
	}
	close(s);
	rig_close(&r);
}

/* ---- bad input: one line each, nothing left */

static void refuse(const char *keys, const char *part, const char *other)
{
	struct capture c;
	struct rig r;
	unsigned fds = count_fds();
	int ret;

	rig_init(&r);
	CAPTURED(&c, &ret, rig_open(&r, "tap", keys, 0));
	assert_true(ret < 0);
	assert_null(r.b);
	assert_one_line(&c, part);
	assert_one_line(&c, other);
	rig_close(&r);
	assert_int_equal(count_fds(), fds);
}

static void bad_names_are_refused(unused void **state)
{
	refuse("ifname=", "ifname=", "1 to 15");
	refuse("ifname=sixteencharacter", "sixteencharacter", "1 to 15");
	refuse("ifname=a/b", "a/b", "1 to 15");
	refuse("ifname=..", "ifname=..", "1 to 15");
	refuse("ifname=tap%d", "tap%d", "1 to 15");
	refuse("ifname=a b", "a b", "1 to 15");
	refuse("ifname=tap0,fd=0", "ifname=tap0", "fd=0");
	refuse("fd=-1", "-1", "2147483647");
	refuse("name=tap0", "name", "ifname, fd");
}

static void bad_descriptors_are_refused(unused void **state)
{
	char keys[32];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), fd;

	snprintf(keys, sizeof(keys), "fd=%d", null);
	refuse(keys, keys, "is not a TAP");
	close(null);
	refuse("fd=999", "fd=999", "is not open");
	NEEDS_TAP();
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	snprintf(keys, sizeof(keys), "fd=%d", fd);
	refuse(keys, keys, "not attached");
	close(fd);
	fd = open_queue("bad0", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR, 0);
	snprintf(keys, sizeof(keys), "fd=%d", fd);
	refuse(keys, keys, "is a TUN");
	close(fd);
	fd = open_queue("bad0", IFF_TAP | IFF_NO_PI, 0);
	snprintf(keys, sizeof(keys), "fd=%d", fd);
	refuse(keys, keys, "without IFF_VNET_HDR");
	close(fd);
	fd = open_queue("bad0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, 20);
	snprintf(keys, sizeof(keys), "fd=%d", fd);
	refuse(keys, keys, "header size");
	close(fd);
	assert_false(exists("bad0"));
}

static void interface_in_use_or_of_another_kind_is_named(unused void **state)
{
	int fd;

	NEEDS_TAP();
	fd = open_queue("busy0", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, 0);
	refuse("ifname=busy0", "busy0", "in use");
	close(fd);
	ip("tuntap add mode tun name tun0");
	refuse("ifname=tun0", "tun0", "is a TUN");
	ip("link del tun0");
	ip("tuntap add mode tap multi_queue name mq0");
	refuse("ifname=mq0", "mq0", "multi-queue");
	ip("link del mq0");
	refuse("ifname=lo", "lo", "another kind");
	assert_false(exists("busy0"));
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {0};

	assert_int_equal(syscall(SYS_capset, &head, none), 0);
}

/* In a child without CAP_NET_ADMIN; its failed assertion is our failed wait. */
static void unprivileged(const char *keys, const char *part, const char *other)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		struct capture c;
		struct rig r;
		int ret;

		drop_capabilities();
		rig_init(&r);
		CAPTURED(&c, &ret, rig_open(&r, "tap", keys, 0));
		_exit(ret == -EPERM && strstr(c.text, part) && strstr(c.text, other) &&
		                      strchr(c.text, '\n') == c.text + strlen(c.text) - 1
		              ? 0
		              : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void missing_rights_are_named_with_the_remedy(unused void **state)
{
	NEEDS_TAP();
	unprivileged("ifname=nope0", "nope0 does not exist", "name nope0");
	unprivileged("", "CAP_NET_ADMIN", "ip tuntap add");
	assert_false(exists("nope0"));
	ip("tuntap add mode tap user 54321 name other0");
	unprivileged("ifname=other0", "other0 belongs to somebody else", "owner");
	ip("link del other0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_interface_is_created_and_leaves_with_us),
		cmocka_unit_test(kernel_picks_a_name_when_none_is_given),
		cmocka_unit_test(killed_process_leaves_no_interface),
		cmocka_unit_test(existing_interface_is_used_and_not_changed),
		cmocka_unit_test(interface_that_is_down_is_named_and_drops),
		cmocka_unit_test(different_mtu_is_worth_a_line),
		cmocka_unit_test(handed_in_queue_is_used_and_not_modified),
		cmocka_unit_test(handed_in_queue_gets_its_offloads_back),
		cmocka_unit_test(offloads_in_another_network_are_not_guessed),
		cmocka_unit_test(handed_in_queue_with_old_headers_stays_so),
		cmocka_unit_test(segments_and_checksums_pass_whole),
		cmocka_unit_test(udp_segments_pass_whole_both_ways_where_the_kernel_has_them),
		cmocka_unit_test(checksum_is_left_to_a_guest_that_wants_it),
		cmocka_unit_test(frames_that_wait_when_checksums_are_switched_off_come_complete),
		cmocka_unit_test(bad_names_are_refused),
		cmocka_unit_test(bad_descriptors_are_refused),
		cmocka_unit_test(interface_in_use_or_of_another_kind_is_named),
		cmocka_unit_test(missing_rights_are_named_with_the_remedy),
	};

	if (enter_own_network(&why_not) && access("/dev/net/tun", R_OK | W_OK) < 0)
		why_not = "no /dev/net/tun for us";
	if (why_not)
		print_message("# cases with a TAP are skipped: %s\n", why_not);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
