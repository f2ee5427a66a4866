/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vhost-user peer says, on both of its sockets: the input says it, and when doorbell starts and
 * stops the rings meanwhile. Each step is a byte, then what the step takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/vhost_user_peer.h"
#include "tests/fuzz/input.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

#define STEPS_MAX 200u
#define RING      64u
#define DESC      UINT64_C(0)
#define AVAIL     UINT64_C(4096)
#define USED      UINT64_C(8192)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct host {
	bool made;
	struct loop *loop;
	struct gmem mem;
	int eventfd;
} host;

/* The other side: it only listens, and keeps what it needs in order to talk. */
static struct outside {
	struct vu_chan main;
	int back; /* -1: not given (yet) */
} out;

static struct vu_peer peer;
static struct vu_rings rings;

static void changed(unused void *arg)
{
}

static void make_host(void)
{
	const struct gmem_range range = {0, KIB(64)};

	if (host.made)
		return;
	log_set_level((enum log_level) - 1);
	REQUIRE(loop_create(&host.loop) == 0);
	REQUIRE(gmem_create(&host.mem, &range, 1, true) == 0);
	host.eventfd = fd_eventfd();
	host.made = true;
}

static void on_message(unused void *arg, unused uint32_t revents)
{
	char why[160];
	int ret = vu_chan_read(&out.main, why, sizeof(why));

	REQUIRE(ret != -EPROTO);
	if (ret < 0) {
		vu_chan_close(&out.main);
	} else if (ret == 1 && out.main.in.h.request == VU_SET_BACKEND_REQ_FD) {
		fd_close(&out.back);
		out.back = out.main.in.fd[0];
		out.main.in.fd[0] = -1;
	}
}

static void turn(void)
{
	for (unsigned i = 0; i < 64 && loop_turn(host.loop, 0) > 0; i++)
		;
}

static void hang_up(void)
{
	vu_chan_close(&out.main);
	fd_close(&out.back);
}

static void connect_again(void)
{
	int fds[2];

	vu_peer_close(&peer);
	hang_up();
	REQUIRE(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	REQUIRE(vu_chan_open(&out.main, host.loop, fds[1], on_message, NULL) == 0);
	vu_peer_open(&peer, fds[0]);
	turn();
}

static void say(int fd, const void *bytes, size_t len)
{
	if (fd >= 0 && send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		return; /* full, or nobody is there any more */
}

/* An answer to what is due, wrong where the input says so. */
static void answer(struct input *in, bool right)
{
	const struct vu_sent *to = &peer.sent[peer.sent_head];
	struct vu_msg m = {.h = {to->request, VU_REPLY, sizeof(uint64_t)}};

	if (peer.nr_sent == 0 || !out.main.watch.loop)
		return;
	if (to->request == VU_GET_CONFIG) {
		m.h.size = VU_CONFIG_HEADER + to->size;
		m.p.config.size = to->size;
		m.p.config.bytes[6] = (uint8_t)take(in, 1);
	} else if (to->request == VU_GET_INFLIGHT_FD) {
		m.h.size = sizeof(m.p.inflight);
		m.p.inflight.size = 1 + take(in, 2);
		m.fd[m.nr_fds++] = host.eventfd;
	} else if (to->request == VU_GET_VRING_BASE) {
		m.p.ring = (struct vhost_vring_state){to->index, (uint32_t)take(in, 2)};
	} else if (vu_is_question(to->request)) {
		m.p.number = take(in, 8);
	}
	if (!right) {
		m.h.request ^= (uint32_t)take(in, 1);
		m.h.flags ^= (uint32_t)take(in, 1);
		m.h.size = (uint32_t)take(in, 1) % (sizeof(m.p) + 1);
		m.p.number ^= take(in, 8);
		while ((take(in, 1) & 1) && m.nr_fds < VU_FDS_MAX)
			m.fd[m.nr_fds++] = host.eventfd;
	}
	vu_chan_send(&out.main, &m);
}

static void say_raw(struct input *in, int fd)
{
	uint8_t bytes[64];
	const size_t len = take(in, 1) % sizeof(bytes);

	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)take(in, 1);
	say(fd, bytes, len);
}

static void ask(struct input *in)
{
	const struct vu_header h = {(uint32_t)take(in, 1), (uint32_t)take(in, 1), 0};

	say(out.back, &h, sizeof(h));
}

static void start_rings(struct input *in)
{
	if (!peer.ready || rings.nr > 0)
		return;
	for (unsigned i = 0; i < 2 * peer.pairs; i++)
		rings.ring[i] = (struct net_ring){.num = RING,
		                                  .desc = DESC,
		                                  .avail = AVAIL,
		                                  .used = USED,
		                                  .kick_fd = host.eventfd,
		                                  .call_fd = host.eventfd};
	rings.nr = 2 * peer.pairs;
	rings.accepted = take(in, 8);
	vu_peer_start(&peer);
}

/* All that it will say is there before it is waited for, and then the end. */
static void stop_rings(struct input *in)
{
	const unsigned nr = rings.nr;
	bool stopped;

	if (out.main.watch.loop) {
		for (unsigned i = 0; i < VU_SENT_MAX; i++)
			answer(in, take(in, 1) & 1);
		shutdown(out.main.watch.fd, SHUT_WR);
	}
	stopped = vu_peer_stop(&peer);
	REQUIRE(!stopped || !peer.lost);
	for (unsigned i = 0; i < nr && stopped; i++)
		REQUIRE(rings.ring[i].next_avail <= UINT16_MAX ||
		        (rings.accepted & FEATURE(VIRTIO_F_RING_PACKED)));
	rings.nr = 0;
	fd_close(&rings.inflight_fd);
}

static void step(struct input *in)
{
	switch (take(in, 1) % 8) {
	case 0:
	case 1:
		answer(in, true);
		break;
	case 2:
		answer(in, false);
		break;
	case 3:
		say_raw(in, out.main.watch.fd);
		break;
	case 4:
		say_raw(in, out.back);
		break;
	case 5:
		ask(in);
		break;
	case 6:
		start_rings(in);
		break;
	default:
		stop_rings(in);
		break;
	}
	turn();
	REQUIRE(peer.nr_sent <= VU_SENT_MAX);
	REQUIRE(!peer.lost || !vu_peer_is_open(&peer));
	if (!peer.lost && vu_peer_is_open(&peer))
		return;
	connect_again();
	if (rings.nr > 0)
		peer.needs = rings.accepted & vu_peer_features();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	int before, after;

	make_host();
	before = dup(host.eventfd);
	close(before);
	out.back = -1;
	vu_chan_init(&out.main);
	REQUIRE(vu_peer_init(&peer, host.loop) == 0);
	rings = (struct vu_rings){.inflight_fd = -1};
	peer.mem = &host.mem;
	peer.rings = &rings;
	peer.mtu = (uint16_t)take(&in, 2);
	/* Several pairs belong to numbers that are no MTU. */
	peer.pairs = peer.mtu >= 0xff00 ? 1 + peer.mtu % VU_PAIRS_MAX : 1;
	peer.changed = changed;
	connect_again();
	for (unsigned i = 0; in.left > 0 && i < STEPS_MAX; i++)
		step(&in);
	vu_peer_free(&peer);
	hang_up();
	fd_close(&rings.inflight_fd);
	/* Whatever was sent along was closed: the next free number is the same. */
	after = dup(host.eventfd);
	close(after);
	REQUIRE(after == before);
	return 0;
}
