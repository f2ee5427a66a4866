// SPDX-License-Identifier: Apache-2.0
/* A TAP with several queues, in a network namespace of our own. No loop runs: the operations are called from here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/lib/capture.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/pkt.h"
#include "vmm/core/compiler.h"
#include "vmm/core/loop.h"

#define PAIRS 4u
#define FLOWS 64u

static const char *why_not; /* set in main(): why none of this can run here */

#define NEEDS_TAP()             \
	do {                    \
		if (why_not)    \
			skip(); \
	} while (0)

static struct rig rig;
static struct loop *loops[PAIRS - 1];
static unsigned fds;

static int setup(unused void **state)
{
	rig_init(&rig);
	for (unsigned i = 0; i + 1 < PAIRS; i++)
		loop_create(&loops[i]);
	rig.more_pairs = PAIRS - 1;
	rig.more_loops = loops;
	fds = count_fds();
	return 0;
}

static int teardown(unused void **state)
{
	if (rig.b)
		net_destroy(rig.b);
	rig.b = NULL;
	assert_int_equal(count_fds(), fds);
	for (unsigned i = 0; i + 1 < PAIRS; i++)
		loop_destroy(loops[i]);
	rig_close(&rig);
	return 0;
}

static void ip(const char *args)
{
	char cmd[256];

	snprintf(cmd, sizeof(cmd), "ip %s", args);
	assert_int_equal(system(cmd), 0);
}

static struct net_backend *pair(unsigned i)
{
	struct net_backend *b = rig.b;

	while (b && i--)
		b = b->next;
	return b;
}

static void nothing(unused void *arg)
{
}

static void gone(unused void *arg, unused int err)
{
}

static void start(unsigned pairs)
{
	const struct net_sink sink = {.can_recv = nothing, .can_send = nothing, .gone = gone};

	assert_int_equal(rig.b->set_pairs(rig.b, pairs), 0);
	for (unsigned i = 0; i < pairs; i++)
		assert_int_equal(pair(i)->frame->start(pair(i), 0, &sink), 0);
}

static void stop(unsigned pairs)
{
	for (unsigned i = 0; i < pairs; i++)
		pair(i)->frame->stop(pair(i));
}

/* ---- flows: UDP from one port of the host each */

static uint8_t frame[PKT_MAX];

static size_t make(unsigned flow, bool to_guest)
{
	struct pkt_ends e = {.src = 0xc0a80001, .dst = 0xc0a80002, .sport = 9, .dport = 9};

	memset(e.src_mac, 2, 6);
	memset(e.dst_mac, 0xff, 6);
	if (to_guest) {
		e.sport = u16_of(10000 + flow);
	} else {
		e.src = 0xc0a80002;
		e.dst = 0xc0a80001;
		e.dport = u16_of(10000 + flow);
	}
	return pkt_udp(frame, &e, "flow", 4);
}

static void outside_sends(const char *name, unsigned flow)
{
	struct sockaddr_ll ll = {.sll_family = AF_PACKET, .sll_halen = 6};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	size_t len = make(flow, true);

	ll.sll_ifindex = (int)if_nametoindex(name);
	ll.sll_protocol = htons(0x0800);
	assert_true(fd >= 0);
	assert_int_equal(sendto(fd, frame, len, 0, (const struct sockaddr *)&ll, sizeof(ll)), len);
	close(fd);
}

static void guest_sends(unsigned on, unsigned flow)
{
	uint8_t hdr[NET_HDR_LEN] = {0};
	const struct iovec iov[2] = {{hdr, sizeof(hdr)}, {frame, make(flow, false)}};

	assert_true(pair(on)->frame->send(pair(on), iov, 2) > 0);
}

/* Frames of our flows that wait at pair @i; bit by bit in @flows. */
static unsigned take(unsigned i, uint64_t *flows)
{
	static uint8_t buf[NET_RECV_MAX];
	const struct iovec iov = {buf, sizeof(buf)};
	uint32_t src, dst;
	unsigned n = 0;
	ssize_t len;

	while ((len = pair(i)->frame->recv(pair(i), &iov, 1)) > 0) {
		const uint8_t *f = buf + NET_HDR_LEN;
		size_t at = pkt_ipv4(f, (size_t)len - NET_HDR_LEN, IPPROTO_UDP, &src, &dst);
		unsigned port = at ? pkt_be16(f + at) : 0;

		if (port < 10000 ||
		    port >= 10000 + FLOWS) /* the host's own: neighbours and the like */
			continue;
		*flows |= UINT64_C(1) << (port - 10000);
		n++;
	}
	return n;
}

/* ---- cases */

/* dev.mq.within-pairs */
static void frames_go_to_the_pairs_in_use_only(unused void **state)
{
	static const unsigned numbers[] = {1, 2, 4, 3, 1};

	NEEDS_TAP();
	assert_int_equal(rig_open(&rig, "tap", "ifname=q0", 0), 0);
	assert_true(rig.b->can & FEATURE(VIRTIO_NET_F_MQ));
	assert_non_null(pair(PAIRS - 1));
	assert_null(pair(PAIRS));
	for (size_t k = 0; k < ARRAY_SIZE(numbers); k++) {
		uint64_t all = 0;
		unsigned n = 0, used = 0;

		start(numbers[k]);
		for (unsigned i = 0; i < FLOWS; i++)
			outside_sends("q0", i);
		for (unsigned i = 0; i < numbers[k]; i++) {
			unsigned here = take(i, &all);

			n += here;
			used += here > 0;
		}
		assert_int_equal(n, FLOWS); /* none went to a pair that is not in use */
		assert_int_equal(all, UINT64_MAX);
		assert_true(used > 1 || numbers[k] == 1);
		stop(numbers[k]);
	}
}

/* dev.mq.auto-steer, dev.mq.same-queue */
static void a_flow_comes_back_on_the_pair_that_it_was_sent_on(unused void **state)
{
	NEEDS_TAP();
	assert_int_equal(rig_open(&rig, "tap", "ifname=q0", 0), 0);
	start(PAIRS);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned flow = 0; flow < FLOWS; flow++) {
			/* The kernel learns from what comes back, so it has to have seen the flow. */
			guest_sends((flow + round) % PAIRS, flow);
			outside_sends("q0", flow);
		}
		for (unsigned i = 0; i < PAIRS; i++) {
			uint64_t flows = 0;

			assert_int_equal(take(i, &flows), FLOWS / PAIRS);
			for (unsigned flow = 0; flow < FLOWS; flow++)
				assert_int_equal(flows >> flow & 1, (flow + round) % PAIRS == i);
		}
	}
	stop(PAIRS);
}

static void what_we_made_leaves_with_us(unused void **state)
{
	NEEDS_TAP();
	assert_int_equal(rig_open(&rig, "tap", "ifname=q0", 0), 0);
	assert_true(if_nametoindex("q0"));
	net_destroy(rig.b);
	rig.b = NULL;
	assert_false(if_nametoindex("q0"));
}

static void other_pairs_of_a_deleted_interface_are_no_error(unused void **state)
{
	static const unsigned numbers[] = {1, PAIRS, 2, 1};

	NEEDS_TAP();
	assert_int_equal(rig_open(&rig, "tap", "ifname=q0", 0), 0);
	start(PAIRS);
	stop(PAIRS);
	ip("link del q0");
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct capture c;
		int ret;

		CAPTURED(&c, &ret, rig.b->set_pairs(rig.b, numbers[i]));
		assert_int_equal(ret, 0);
		assert_string_equal(c.text, "");
	}
}

static void an_interface_with_several_queues_is_used_and_stays(unused void **state)
{
	NEEDS_TAP();
	ip("tuntap add mode tap multi_queue name q1");
	ip("link set q1 up");
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(rig_open(&rig, "tap", "ifname=q1", 0), 0);
		start(2);
		stop(2);
		net_destroy(rig.b);
		rig.b = NULL;
		assert_true(if_nametoindex("q1"));
	}
	ip("link del q1");
}

static void refuse(const char *keys, const char *part, const char *other)
{
	struct capture c;
	int ret;

	CAPTURED(&c, &ret, rig_open(&rig, "tap", keys, 0));
	assert_true(ret < 0);
	assert_null(rig.b);
	assert_non_null(strstr(c.text, part));
	assert_non_null(strstr(c.text, other));
	assert_int_equal(count_fds(), fds);
}

static void what_has_one_queue_is_refused_by_name(unused void **state)
{
	struct ifreq ifr = {.ifr_name = "q3"};
	int fd, len;

	NEEDS_TAP();
	ip("tuntap add mode tap name q2");
	refuse("ifname=q2", "q2", "made with multi_queue");
	ip("link del q2");
	refuse("fd=0", "fd=0 is one queue", "queues=4");
	refuse("ifname=lo", "lo", "another kind");
	/* Somebody else's, with queues of his own in use. */
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE;
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	fds++;
	refuse("ifname=q3", "q3", "in use already");
	assert_int_equal(ioctl(fd, TUNGETVNETHDRSZ, &len), 0);
	assert_int_equal(len, 10); /* as he has it */
	/* The same on one that stays, whether he receives or not. */
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	refuse("ifname=q3", "q3", "in use already");
	ifr.ifr_flags = IFF_DETACH_QUEUE;
	assert_int_equal(ioctl(fd, TUNSETQUEUE, &ifr), 0);
	refuse("ifname=q3", "q3", "in use already");
	close(fd);
	fds--;
	assert_int_equal(rig_open(&rig, "tap", "ifname=q3", 0), 0);
	net_destroy(rig.b);
	rig.b = NULL;
	ip("link del q3");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(frames_go_to_the_pairs_in_use_only),
		CASE(a_flow_comes_back_on_the_pair_that_it_was_sent_on),
		CASE(what_we_made_leaves_with_us),
		CASE(other_pairs_of_a_deleted_interface_are_no_error),
		CASE(an_interface_with_several_queues_is_used_and_stays),
		CASE(what_has_one_queue_is_refused_by_name),
	};

	if (enter_own_network(&why_not) && access("/dev/net/tun", R_OK | W_OK) < 0)
		why_not = "no /dev/net/tun for us";
	if (why_not)
		print_message("# cases with a TAP are skipped: %s\n", why_not);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
