/* SPDX-License-Identifier: Apache-2.0 */
/* A NIC and its vhost-user peer: how they find each other, lose each other, and go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "tests/lib/capture.h"
#include "tests/lib/fake_peer.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/vu_rig.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

static struct vu_rig rig;
static struct fake_peer peer;
static char dir[32], path[64];
static unsigned fds_before;

static const struct net_common common = {.nic = "net0", .mac = {2, 0, 0, 0, 0, 1}};

static int setup(void **state)
{
	*state = &rig;
	fds_before = count_fds();
	strcpy(dir, "/tmp/doorbell-vu-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", dir);
	fake_peer_create(&peer, path);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	vu_rig_destroy(&rig);
	fake_peer_destroy(&peer);
	rmdir(dir);
	return count_fds() == fds_before ? 0 : -1;
}

static int create_with(const char *more, const struct net_common *c)
{
	char keys[128];

	snprintf(keys, sizeof(keys), "socket=%s%s", path, more);
	return vu_rig_create(&rig, keys, c);
}

/* A running driver whose frames come back. */
static void start(void)
{
	fake_peer_listen(&peer);
	assert_int_equal(create_with("", &common), 0);
	assert_int_equal(vu_rig_prepare(&rig), 0);
	vu_rig_up(&rig, 0);
	vu_rig_traffic(&rig, 100);
}

/* The peer is lost, and the next one serves. */
static void goes_on(void)
{
	vu_rig_until_link(&rig, false);
	vu_rig_until_link(&rig, true);
	vu_rig_traffic(&rig, 50);
}

static bool needs_reset(void)
{
	return fake_status(&rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* ---- finding each other */

static void frames_go_through_the_peer_and_back(void **state)
{
	(void)state;
	start();
	assert_true(virtio_net_link(rig.n));
	assert_string_equal(rig.b->peer, "connected");
	assert_int_equal(virtio_net_stats(rig.n)->tx_frames, 0); /* none through us */
	vu_rig_traffic(&rig, 1000);
	assert_int_equal(rig.received, rig.last); /* none was lost */
	assert_true(rig.interrupts > 0);
}

static void a_peer_may_come_after_us(void **state)
{
	(void)state;
	assert_int_equal(create_with(",server=on", &common), 0);
	fake_peer_connect(&peer);
	assert_int_equal(vu_rig_prepare(&rig), 0);
	vu_rig_up(&rig, 0);
	vu_rig_traffic(&rig, 100);
}

static void the_oldest_protocol_is_enough(void **state)
{
	(void)state;
	peer.features = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	start();
	assert_int_equal(fake_peer_seen(&peer, VU_GET_PROTOCOL_FEATURES), 0);
	assert_int_equal(fake_peer_seen(&peer, VU_SET_VRING_ENABLE), 0);
	assert_int_equal(rig.features & (NET_HOST_OFFLOADS | NET_GUEST_OFFLOADS), 0);
}

static void what_the_peer_lacks_is_not_offered(void **state)
{
	const uint64_t gone = FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_RING_F_EVENT_IDX);

	(void)state;
	peer.features &= ~gone;
	start();
	assert_int_equal(rig.features & gone, 0);
	assert_true(rig.features & FEATURE(VIRTIO_NET_F_HOST_TSO6));
	assert_int_equal(rig.features & FEATURE(VIRTIO_NET_F_CTRL_RX), 0);
	assert_int_equal(fake_peer_wide(&peer, &peer.accepted) & ~peer.features, 0);
}

static void the_mtu_is_told_to_the_peer(void **state)
{
	struct net_common c = common;

	(void)state;
	c.mtu = 9000;
	fake_peer_listen(&peer);
	assert_int_equal(create_with("", &c), 0);
	assert_int_equal(vu_rig_prepare(&rig), 0);
	assert_int_equal(fake_peer_seen(&peer, VU_NET_SET_MTU), 1);
	assert_int_equal(fake_peer_wide(&peer, &peer.mtu), 9000);
}

static void waiting_for_a_peer_ends_at_the_deadline(void **state)
{
	struct net_common c = common;

	(void)state;
	c.deadline_ns = loop_now_ns() + 20000000;
	assert_int_equal(create_with("", &c), 0);
	assert_int_equal(vu_rig_prepare(&rig), -ETIMEDOUT);
	assert_non_null(strstr(rig.why, "--timeout"));
}

static void bad_sockets_are_refused_in_one_line(void **state)
{
	struct capture cap;
	FILE *f = fopen(path, "w");

	(void)state;
	assert_non_null(f);
	fclose(f);
	capture_begin(&cap);
	assert_int_equal(create_with("", &common), -EEXIST);
	capture_end(&cap);
	assert_one_line(&cap, "something else of that name");
	assert_one_line(&cap, path);
	vu_rig_destroy(&rig);
	capture_begin(&cap);
	assert_int_equal(create_with(",server=on", &common), -EEXIST);
	capture_end(&cap);
	assert_one_line(&cap, "something else of that name");
	vu_rig_destroy(&rig);
	capture_begin(&cap);
	assert_int_equal(vu_rig_create(&rig, "server=off", &common), -EINVAL);
	capture_end(&cap);
	assert_one_line(&cap, "needs socket=PATH");
	unlink(path);
}

static void memory_that_cannot_be_shared_is_refused(void **state)
{
	(void)state;
	assert_int_equal(create_with("", &common), 0);
	fake_mem_destroy(&rig.m);
	fake_mem_create(&rig.m, MIB(1));
	assert_int_equal(vu_rig_prepare(&rig), -EINVAL);
}

/* ---- losing each other */

static void a_peer_that_dies_takes_the_link_down_and_the_next_goes_on(void **state)
{
	(void)state;
	start();
	for (unsigned i = 1; i <= 20; i++) {
		vu_rig_send(&rig, 20);
		fake_peer_die(&peer);
		vu_rig_until_link(&rig, false);
		assert_string_equal(rig.b->peer, "waiting");
		vu_rig_send(&rig, 20);
		fake_peer_listen(&peer);
		vu_rig_until_link(&rig, true);
		vu_rig_traffic(&rig, 100);
		assert_int_equal(rig.b->stats.reconnects, i);
		assert_true(rig.n->announce); /* the next peer does not know where we are */
	}
	assert_false(needs_reset());
}

static void a_server_takes_the_next_peer(void **state)
{
	(void)state;
	assert_int_equal(create_with(",server=on", &common), 0);
	fake_peer_connect(&peer);
	assert_int_equal(vu_rig_prepare(&rig), 0);
	vu_rig_up(&rig, 0);
	for (unsigned i = 0; i < 5; i++) {
		vu_rig_traffic(&rig, 50);
		fake_peer_die(&peer);
		vu_rig_until_link(&rig, false);
		fake_peer_connect(&peer);
		vu_rig_until_link(&rig, true);
	}
	vu_rig_traffic(&rig, 50);
}

static void the_next_peer_is_found_when_descriptors_were_used_up_meanwhile(void **state)
{
	struct rlimit was, none;

	(void)state;
	start();
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = (struct rlimit){0, was.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	fake_peer_die(&peer);
	vu_rig_until_link(&rig, false);
	vu_rig_turn(&rig, 150);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	fake_peer_listen(&peer);
	vu_rig_until_link(&rig, true);
	vu_rig_traffic(&rig, 50);
}

static bool all_tx_is_back(void *arg)
{
	(void)arg;
	vu_rig_reap(&rig);
	return rig.nr_tx_free == VU_RIG_QUEUE;
}

static void frames_are_dropped_while_nobody_is_there(void **state)
{
	(void)state;
	peer.protocol &= ~FEATURE(VU_PROTOCOL_INFLIGHT);
	start();
	fake_peer_die(&peer);
	vu_rig_until_link(&rig, false);
	for (unsigned i = 0; i < 5; i++) {
		vu_rig_send(&rig, VU_RIG_QUEUE);
		vu_rig_until(&rig, all_tx_is_back, NULL, "the driver does not get its frames back");
	}
	assert_true(virtio_net_stats(rig.n)->tx_dropped >= 4 * VU_RIG_QUEUE);
}

static void what_the_peer_has_begun_waits_for_the_next_one(void **state)
{
	uint32_t used;

	(void)state;
	start();
	assert_int_equal(fake_peer_seen(&peer, VU_GET_INFLIGHT_FD), 1);
	fake_peer_die(&peer);
	assert_int_equal(peer.inflight.nr_rings, 2);
	assert_int_equal(peer.inflight.ring_size, VU_RIG_QUEUE);
	vu_rig_until_link(&rig, false);
	vu_rig_reap(&rig);
	used = rig.vq[NET_TX].used->idx;
	vu_rig_send(&rig, 5);
	vu_rig_turn(&rig, 20);
	assert_int_equal(rig.vq[NET_TX].used->idx, used); /* not ours */
	fake_peer_listen(&peer);
	vu_rig_until_link(&rig, true);
	vu_rig_traffic(&rig, 50);
	assert_int_equal(fake_peer_number(&peer, &peer.first_base[NET_TX]), used);
	assert_int_equal(fake_peer_seen(&peer, VU_GET_INFLIGHT_FD), 1); /* the same notes */
	assert_int_equal(fake_peer_seen(&peer, VU_SET_INFLIGHT_FD), 2);
	assert_int_equal(rig.received, rig.last);
}

static bool all_came(void *arg)
{
	struct vu_rig *r = arg;

	vu_rig_reap(r);
	return r->received == r->sent;
}

static void a_kick_that_died_with_its_peer_is_made_good(void **state)
{
	unsigned interrupts;

	(void)state;
	start();
	vu_rig_until(&rig, all_came, &rig, "frames were lost");
	fake_peer_die(&peer);
	vu_rig_until_link(&rig, false);
	vu_rig_send(&rig, 5);
	for (unsigned i = NET_RX; i <= NET_TX; i++)
		fd_event_take(rig.n->vq[i].kick_fd);
	interrupts = rig.interrupts;
	peer.lazy = true;
	fake_peer_listen(&peer);
	vu_rig_until_link(&rig, true);
	vu_rig_until(&rig, all_came, &rig, "the next peer was not kicked");
	assert_true(rig.interrupts > interrupts);
}

/* As only who shares it can: to a write() it is full from now on, and waits for room. */
static void fill(int fd)
{
	const uint64_t full = UINT64_MAX - 1;

	fd_event_take(fd);
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

static void eventfds_that_a_peer_has_filled_block_nobody(void **state)
{
	const struct virtio_queue *q;

	(void)state;
	peer.protocol &= ~FEATURE(VU_PROTOCOL_INFLIGHT);
	start();
	q = rig.n->vq;
	alarm(RIG_PATIENCE_S); /* else it would block for ever */
	fake_peer_die(&peer);
	fill(q[NET_RX].kick_fd);
	fill(q[NET_TX].kick_fd);
	fill(rig.call.fd);
	vu_rig_until_link(&rig, false); /* frames: our own kicks */
	fill(q[NET_RX].kick_fd);
	fill(q[NET_TX].kick_fd);
	virtio_kick(rig.dev.core, NET_TX); /* as a vCPU does */
	net_pairs_link(rig.n);
	vu_rig_until(&rig, all_tx_is_back, NULL, "the driver does not get its frames back");
	fill(q[NET_RX].kick_fd);
	fill(q[NET_TX].kick_fd);
	fake_peer_listen(&peer);
	vu_rig_until_link(&rig, true);
	vu_rig_traffic(&rig, 50);
	alarm(0);
}

static void notes_of_a_peer_before_the_last_are_given_to_nobody(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 2; i++) {
		fake_peer_die(&peer);
		vu_rig_until_link(&rig, false);
		peer.protocol ^= FEATURE(VU_PROTOCOL_INFLIGHT);
		fake_peer_listen(&peer);
		vu_rig_until_link(&rig, true);
		vu_rig_traffic(&rig, 50);
	}
	assert_int_equal(fake_peer_seen(&peer, VU_GET_INFLIGHT_FD), 2);
}

static void a_reset_while_nobody_is_there_starts_anew(void **state)
{
	(void)state;
	start();
	fake_peer_die(&peer);
	vu_rig_until_link(&rig, false);
	vu_rig_up(&rig, 0);
	vu_rig_send(&rig, 5);
	fake_peer_listen(&peer);
	vu_rig_until_link(&rig, true);
	vu_rig_traffic(&rig, 50);
	assert_int_equal(fake_peer_seen(&peer, VU_GET_INFLIGHT_FD), 2);
}

static void a_reset_takes_the_rings_from_the_peer(void **state)
{
	(void)state;
	start();
	for (unsigned i = 1; i <= 10; i++) {
		vu_rig_send(&rig, 30);
		virtio_set_status(rig.dev.core, 0);
		assert_int_equal(fake_peer_seen(&peer, VU_GET_VRING_BASE), 2 * i);
		vu_rig_up(&rig, i & 1 ? FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0);
		vu_rig_traffic(&rig, 100);
		assert_int_equal(rig.received, rig.last);
	}
	assert_int_equal(rig.b->stats.reconnects, 0);
}

static void a_guest_that_reboots_finds_the_same_device(void **state)
{
	uint64_t offered;

	(void)state;
	start();
	offered = rig.features;
	for (unsigned i = 0; i < 3; i++) {
		vu_rig_drop_device(&rig);
		if (i == 1) { /* nobody is there: it does not wait */
			fake_peer_die(&peer);
			peer.features &= ~FEATURE(VIRTIO_NET_F_HOST_UFO);
		}
		assert_int_equal(vu_rig_prepare(&rig), 0);
		assert_int_equal(rig.features, offered);
		assert_false(virtio_net_link(rig.n));
		vu_rig_up(&rig, FEATURE(VIRTIO_NET_F_HOST_UFO));
		if (i == 1)
			fake_peer_listen(&peer);
		vu_rig_until_link(&rig, true);
		vu_rig_traffic(&rig, 50);
	}
}

static void the_link_can_be_taken_down_by_hand(void **state)
{
	(void)state;
	start();
	virtio_net_set_link(rig.n, false);
	assert_int_equal(fake_peer_seen(&peer, VU_GET_VRING_BASE), 2);
	vu_rig_send(&rig, 10);
	vu_rig_until(&rig, all_tx_is_back, NULL, "the driver does not get its frames back");
	virtio_net_set_link(rig.n, true);
	vu_rig_traffic(&rig, 50);
}

static void a_link_taken_down_while_the_peer_is_away_stays_down(void **state)
{
	(void)state;
	start();
	fake_peer_die(&peer);
	vu_rig_until_link(&rig, false);
	virtio_net_set_link(rig.n, false);
	fake_peer_listen(&peer);
	while (strcmp(rig.b->peer, "connected") != 0)
		vu_rig_turn(&rig, 5);
	assert_false(virtio_net_link(rig.n));
	vu_rig_send(&rig, 10);
	vu_rig_until(&rig, all_tx_is_back, NULL, "the driver does not get its frames back");
	virtio_net_set_link(rig.n, true);
	vu_rig_traffic(&rig, 50);
}

static void a_peer_with_fewer_features_is_refused_once_and_tried_again(void **state)
{
	const uint64_t all = peer.features;
	struct capture cap;

	(void)state;
	start();
	fake_peer_die(&peer);
	vu_rig_until_link(&rig, false);
	peer.features &= ~FEATURE(VIRTIO_RING_F_EVENT_IDX);
	log_set_level(LOG_WARN);
	capture_begin(&cap);
	fake_peer_listen(&peer);
	while (fake_peer_seen(&peer, VU_GET_FEATURES) < 4) /* two of them of this one */
		vu_rig_turn(&rig, 10);
	vu_rig_turn(&rig, 10);
	capture_end(&cap);
	log_set_level(LOG_ERROR);
	assert_one_line(&cap, "it lacks features 0x20000000");
	assert_false(virtio_net_link(rig.n));
	fake_peer_die(&peer);
	peer.features = all;
	fake_peer_listen(&peer);
	vu_rig_until_link(&rig, true);
	vu_rig_traffic(&rig, 50);
}

/* ---- what the peer asks for */

static void the_peer_can_take_the_link_down(void **state)
{
	const struct vu_header news = {VU_BACK_CONFIG_CHANGED, VU_VERSION | VU_NEED_REPLY, 0};
	struct vu_header h;
	uint64_t number = 1;

	(void)state;
	start();
	fake_peer_set_link(&peer, false);
	assert_true(fake_peer_ask(&peer, &news, sizeof(news)));
	vu_rig_until_link(&rig, false);
	assert_true(fake_peer_answer(&peer, &h, &number));
	assert_int_equal(h.request, VU_BACK_CONFIG_CHANGED);
	assert_int_equal(number, 0);
	assert_string_equal(rig.b->peer, "connected");
	fake_peer_set_link(&peer, true);
	assert_true(fake_peer_ask(&peer, &news, sizeof(news)));
	vu_rig_until_link(&rig, true);
	vu_rig_traffic(&rig, 50);
}

static void a_request_that_was_not_negotiated_is_refused(void **state)
{
	const struct vu_header odd = {7, VU_VERSION | VU_NEED_REPLY, 0};
	struct vu_header h;
	uint64_t number = 0;

	(void)state;
	start();
	assert_true(fake_peer_ask(&peer, &odd, sizeof(odd)));
	vu_rig_turn(&rig, 10);
	assert_true(fake_peer_answer(&peer, &h, &number));
	assert_int_equal(number, 1);
	vu_rig_traffic(&rig, 50);
}

static void a_flood_of_requests_changes_nothing(void **state)
{
	const struct vu_header news = {VU_BACK_CONFIG_CHANGED, VU_VERSION, 0};
	unsigned asked;

	(void)state;
	start();
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(fake_peer_ask(&peer, &news, sizeof(news)));
		if (i % 50 == 0)
			vu_rig_turn(&rig, 1);
	}
	vu_rig_traffic(&rig, 500);
	asked = fake_peer_seen(&peer, VU_GET_CONFIG);
	assert_true(asked >= 2 && asked < 1000);
}

static void bad_requests_end_the_connection(void **state)
{
	static const struct vu_header bad[] = {
		{VU_BACK_CONFIG_CHANGED, 2, 0},
		{VU_BACK_CONFIG_CHANGED, VU_VERSION | VU_REPLY, 0},
		{VU_BACK_CONFIG_CHANGED, VU_VERSION, UINT32_MAX},
	};

	(void)state;
	start();
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(fake_peer_ask(&peer, &bad[i], sizeof(bad[i])));
		goes_on();
	}
}

/* ---- a peer that breaks rules */

static void misbehave(uint32_t request, enum peer_fault fault)
{
	fake_peer_misbehave(&peer, request, fault, 1);
}

static void again(void)
{
	vu_rig_destroy(&rig);
	fake_peer_destroy(&peer);
	fake_peer_create(&peer, path);
}

static const enum peer_fault bad_answers[] = {
	PEER_OTHER_VERSION, PEER_OTHER_REQUEST, PEER_NO_REPLY_BIT, PEER_SHORT,
	PEER_LONG,          PEER_HUGE,          PEER_EXTRA_FD,     PEER_MANY_FDS,
};

static int prepare_with_mtu(void)
{
	struct net_common c = common;

	c.mtu = 9000;
	fake_peer_listen(&peer);
	assert_int_equal(create_with("", &c), 0);
	return vu_rig_prepare(&rig);
}

static void a_bad_answer_at_the_start_is_an_error(void **state)
{
	static const uint32_t requests[] = {
		VU_GET_FEATURES,       VU_GET_PROTOCOL_FEATURES, VU_GET_CONFIG,
		VU_SET_BACKEND_REQ_FD, VU_NET_SET_MTU,           VU_SET_MEM_TABLE,
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		for (unsigned k = 0; k < ARRAY_SIZE(bad_answers); k++) {
			misbehave(requests[i], bad_answers[k]);
			assert_int_equal(prepare_with_mtu(), -EPROTO);
			assert_non_null(strstr(rig.why, path));
			again();
		}
	}
	assert_int_equal(create_with("", &common), 0); /* for teardown() */
}

static void a_refusal_at_the_start_is_an_error(void **state)
{
	static const uint32_t requests[] = {VU_GET_CONFIG, VU_SET_BACKEND_REQ_FD, VU_NET_SET_MTU,
	                                    VU_SET_MEM_TABLE};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(requests); i++) {
		misbehave(requests[i], PEER_WRONG_VALUE);
		assert_int_equal(prepare_with_mtu(), -EPROTO);
		again();
	}
	peer.features &= ~FEATURE(VIRTIO_F_VERSION_1);
	assert_int_equal(prepare_with_mtu(), -EPROTO);
	assert_non_null(strstr(rig.why, "lacks features 0x100000000"));
}

static void a_peer_that_leaves_at_the_start_is_waited_for(void **state)
{
	(void)state;
	misbehave(VU_GET_PROTOCOL_FEATURES, PEER_CLOSES);
	assert_int_equal(prepare_with_mtu(), 0);
	assert_int_equal(fake_peer_number(&peer, &peer.nr_connections), 2);
}

static void a_bad_answer_about_rings_takes_the_link_down(void **state)
{
	static const struct {
		uint32_t request;
		enum peer_fault fault;
	} cases[] = {
		{VU_SET_FEATURES, PEER_WRONG_VALUE},    {VU_GET_STATUS, PEER_LONG},
		{VU_GET_INFLIGHT_FD, PEER_NO_FD},       {VU_GET_INFLIGHT_FD, PEER_WRONG_VALUE},
		{VU_GET_INFLIGHT_FD, PEER_EXTRA_FD},    {VU_SET_INFLIGHT_FD, PEER_WRONG_VALUE},
		{VU_SET_VRING_NUM, PEER_OTHER_REQUEST}, {VU_SET_VRING_ADDR, PEER_WRONG_VALUE},
		{VU_SET_VRING_KICK, PEER_HUGE},         {VU_SET_VRING_CALL, PEER_CLOSES},
		{VU_SET_VRING_ENABLE, PEER_TWICE},
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		misbehave(cases[i].request, cases[i].fault);
		fake_peer_listen(&peer);
		assert_int_equal(create_with("", &common), 0);
		assert_int_equal(vu_rig_prepare(&rig), 0);
		vu_rig_up(&rig, 0);
		goes_on();
		assert_int_equal(fake_peer_number(&peer, &peer.nr_connections), 2);
		again();
	}
	assert_int_equal(create_with("", &common), 0); /* for teardown() */
}

static void a_reset_gets_along_with_every_bad_answer(void **state)
{
	static const enum peer_fault faults[] = {PEER_WRONG_VALUE, PEER_SHORT, PEER_CLOSES,
	                                         PEER_MANY_FDS, PEER_IS_SILENT};
	struct capture cap;

	(void)state;
	peer.protocol &= ~FEATURE(VU_PROTOCOL_INFLIGHT);
	start();
	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		fake_peer_misbehave(&peer, VU_GET_VRING_BASE, faults[i],
		                    faults[i] == PEER_IS_SILENT ? 2 : 1);
		capture_begin(&cap);
		virtio_set_status(rig.dev.core, 0);
		capture_end(&cap);
		if (faults[i] != PEER_CLOSES) /* it is still there, whatever it says */
			assert_one_line(&cap, "may still write to the guest's memory");
		vu_rig_up(&rig, 0);
		vu_rig_until_link(&rig, false);
		assert_false(needs_reset());
		vu_rig_until_link(&rig, true);
		vu_rig_traffic(&rig, 50);
	}
}

static void a_peer_that_does_not_answer_is_given_up(void **state)
{
	(void)state;
	misbehave(VU_GET_FEATURES, PEER_IS_SILENT);
	assert_int_equal(prepare_with_mtu(), -EPROTO);
	assert_non_null(strstr(rig.why, "does not answer GET_FEATURES"));
}

static void a_peer_that_falls_silent_keeps_the_rings_from_us(void **state)
{
	const struct vu_header news = {VU_BACK_CONFIG_CHANGED, VU_VERSION, 0};
	uint32_t used;

	(void)state;
	peer.protocol &= ~FEATURE(VU_PROTOCOL_INFLIGHT);
	assert_int_equal(create_with(",server=on", &common), 0);
	fake_peer_connect(&peer);
	assert_int_equal(vu_rig_prepare(&rig), 0);
	vu_rig_up(&rig, 0);
	vu_rig_traffic(&rig, 100);
	misbehave(VU_GET_CONFIG, PEER_IS_SILENT);
	assert_true(fake_peer_ask(&peer, &news, sizeof(news)));
	vu_rig_until_link(&rig, false);
	vu_rig_turn(&rig, 20);
	used = rig.vq[NET_TX].used->idx;
	vu_rig_send(&rig, 5);
	vu_rig_turn(&rig, 20);
	assert_int_equal(rig.vq[NET_TX].used->idx, used); /* it may be at them */
	fake_peer_connect(&peer);
	vu_rig_until_link(&rig, true);
	vu_rig_until(&rig, all_came, &rig, "frames were lost");
	assert_int_equal(fake_peer_number(&peer, &peer.first_base[NET_TX]), used);
}

static void a_peer_that_breaks_a_rule_keeps_the_rings_from_us(void **state)
{
	const struct vu_msg unasked = {.h = {VU_GET_FEATURES, VU_VERSION | VU_REPLY, 8}};
	uint32_t used;

	(void)state;
	peer.protocol &= ~FEATURE(VU_PROTOCOL_INFLIGHT);
	assert_int_equal(create_with(",server=on", &common), 0);
	fake_peer_connect(&peer);
	assert_int_equal(vu_rig_prepare(&rig), 0);
	vu_rig_up(&rig, 0);
	vu_rig_traffic(&rig, 100);
	vu_rig_until(&rig, all_came, &rig, "frames were lost");
	assert_true(fake_peer_say(&peer, &unasked, sizeof(unasked.h) + 8));
	vu_rig_until_link(&rig, false);
	used = rig.vq[NET_TX].used->idx;
	vu_rig_send(&rig, 5);
	vu_rig_turn(&rig, 20);
	assert_int_equal(rig.vq[NET_TX].used->idx, used); /* who knows whether it has stopped */
	fake_peer_connect(&peer);
	vu_rig_until_link(&rig, true);
	vu_rig_until(&rig, all_came, &rig, "frames were lost");
	assert_int_equal(fake_peer_number(&peer, &peer.first_base[NET_TX]), used);
}

static void a_reset_takes_the_rings_from_a_peer_that_was_given_up(void **state)
{
	const struct vu_msg unasked = {.h = {VU_GET_FEATURES, VU_VERSION | VU_REPLY, 8}};
	struct capture cap;

	(void)state;
	peer.protocol &= ~FEATURE(VU_PROTOCOL_INFLIGHT);
	start();
	fake_peer_say(&peer, &unasked, sizeof(unasked.h) + 8);
	vu_rig_until_link(&rig, false);
	capture_begin(&cap);
	virtio_set_status(rig.dev.core, 0);
	capture_end(&cap);
	assert_one_line(&cap, "may still write to the guest's memory");
	vu_rig_up(&rig, 0);
	vu_rig_until_link(&rig, true);
	vu_rig_traffic(&rig, 50);
	capture_begin(&cap);
	virtio_set_status(rig.dev.core, 0); /* this one has let go of them */
	capture_end(&cap);
	assert_string_equal(cap.text, "");
}

static void peers_that_do_not_stay_are_looked_for_ever_more_seldom(void **state)
{
	const unsigned visits = 3;
	uint64_t from;

	(void)state;
	start();
	fake_peer_die(&peer);
	vu_rig_until_link(&rig, false);
	fake_peer_misbehave(&peer, VU_GET_FEATURES, PEER_CLOSES, visits);
	from = loop_now_ns();
	fake_peer_listen(&peer);
	vu_rig_until_link(&rig, true);
	/* After each of them twice as long as before: 0.2 + 0.4 + 0.8 s. */
	assert_true(loop_now_ns() - from > UINT64_C(1400000000));
	assert_int_equal(fake_peer_number(&peer, &peer.nr_connections), 1 + visits + 1);
	vu_rig_traffic(&rig, 50);
}

static void half_an_answer_takes_the_link_down(void **state)
{
	(void)state;
	misbehave(VU_SET_VRING_ADDR, PEER_HALF);
	fake_peer_listen(&peer);
	assert_int_equal(create_with("", &common), 0);
	assert_int_equal(vu_rig_prepare(&rig), 0);
	vu_rig_up(&rig, 0);
	goes_on();
}

static void words_that_nobody_asked_for_end_the_connection(void **state)
{
	const struct vu_msg m = {.h = {VU_GET_FEATURES, VU_VERSION | VU_REPLY, 8}};

	(void)state;
	start();
	assert_true(fake_peer_say(&peer, &m, sizeof(m.h) + 8));
	goes_on();
}

static void a_peer_that_does_nothing_does_not_hold_the_driver(void **state)
{
	(void)state;
	start();
	fake_peer_die(&peer);
	vu_rig_until_link(&rig, false);
	peer.idle = true;
	fake_peer_listen(&peer);
	vu_rig_until_link(&rig, true);
	vu_rig_send(&rig, VU_RIG_QUEUE);
	vu_rig_turn(&rig, 10);
	virtio_set_status(rig.dev.core, 0);
	vu_rig_up(&rig, 0);
	assert_false(needs_reset());
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(frames_go_through_the_peer_and_back),
		CASE(a_peer_may_come_after_us),
		CASE(the_oldest_protocol_is_enough),
		CASE(what_the_peer_lacks_is_not_offered),
		CASE(the_mtu_is_told_to_the_peer),
		CASE(waiting_for_a_peer_ends_at_the_deadline),
		CASE(bad_sockets_are_refused_in_one_line),
		CASE(memory_that_cannot_be_shared_is_refused),
		CASE(a_peer_that_dies_takes_the_link_down_and_the_next_goes_on),
		CASE(a_server_takes_the_next_peer),
		CASE(the_next_peer_is_found_when_descriptors_were_used_up_meanwhile),
		CASE(frames_are_dropped_while_nobody_is_there),
		CASE(what_the_peer_has_begun_waits_for_the_next_one),
		CASE(a_kick_that_died_with_its_peer_is_made_good),
		CASE(eventfds_that_a_peer_has_filled_block_nobody),
		CASE(notes_of_a_peer_before_the_last_are_given_to_nobody),
		CASE(a_reset_while_nobody_is_there_starts_anew),
		CASE(a_reset_takes_the_rings_from_the_peer),
		CASE(a_guest_that_reboots_finds_the_same_device),
		CASE(the_link_can_be_taken_down_by_hand),
		CASE(a_link_taken_down_while_the_peer_is_away_stays_down),
		CASE(a_peer_with_fewer_features_is_refused_once_and_tried_again),
		CASE(the_peer_can_take_the_link_down),
		CASE(a_request_that_was_not_negotiated_is_refused),
		CASE(a_flood_of_requests_changes_nothing),
		CASE(bad_requests_end_the_connection),
		CASE(a_bad_answer_at_the_start_is_an_error),
		CASE(a_refusal_at_the_start_is_an_error),
		CASE(a_peer_that_leaves_at_the_start_is_waited_for),
		CASE(a_bad_answer_about_rings_takes_the_link_down),
		CASE(a_reset_gets_along_with_every_bad_answer),
		CASE(a_peer_that_does_not_answer_is_given_up),
		CASE(a_peer_that_falls_silent_keeps_the_rings_from_us),
		CASE(a_peer_that_breaks_a_rule_keeps_the_rings_from_us),
		CASE(a_reset_takes_the_rings_from_a_peer_that_was_given_up),
		CASE(peers_that_do_not_stay_are_looked_for_ever_more_seldom),
		CASE(half_an_answer_takes_the_link_down),
		CASE(words_that_nobody_asked_for_end_the_connection),
		CASE(a_peer_that_does_nothing_does_not_hold_the_driver),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("vhost_user", tests, NULL, NULL);
}
