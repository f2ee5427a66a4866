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
#include <sys/stat.h>
#include <unistd.h>

#include "devices/virtio.h"
#include "tests/lib/capture.h"
#include "tests/lib/net_rig.h"
#include "tests/lib/vu_case.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

static struct vu_case vu;

static int setup(void **state)
{
	*state = &vu;
	return vu_case_setup(&vu);
}

static int teardown(void **state)
{
	(void)state;
	return vu_case_teardown(&vu);
}

static bool needs_reset(void)
{
	return fake_status(&vu.rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET;
}

/* ---- finding each other */

static void frames_go_through_the_peer_and_back(void **state)
{
	(void)state;
	vu_case_start(&vu);
	assert_true(virtio_net_link(vu.rig.n));
	assert_int_equal(fake_peer_seen(&vu.peer, VU_GET_QUEUE_NUM), 0);
	assert_string_equal(vu.rig.b->peer, "connected");
	assert_int_equal(virtio_net_stats(vu.rig.n)->tx_frames, 0); /* none through us */
	vu_rig_traffic(&vu.rig, 1000);
	assert_int_equal(vu.rig.lane[0].received, vu.rig.lane[0].last); /* none was lost */
	assert_true(vu.rig.interrupts > 0);
}

static void what_the_peer_cannot_be_told_of_is_not_offered(void **state)
{
	(void)state;
	vu_case_start(&vu);
	assert_false(vu.rig.dev.core->offered & FEATURE(VIRTIO_NET_F_HASH_REPORT));
	assert_false(vu.rig.dev.core->offered & FEATURE(VIRTIO_NET_F_CTRL_VLAN));
}

static void a_peer_may_come_after_us(void **state)
{
	(void)state;
	assert_int_equal(vu_case_create(&vu, ",server=on", &vu_case_common), 0);
	fake_peer_connect(&vu.peer);
	assert_int_equal(vu_rig_prepare(&vu.rig), 0);
	vu_rig_up(&vu.rig, 0);
	vu_rig_traffic(&vu.rig, 100);
}

static void the_oldest_protocol_is_enough(void **state)
{
	(void)state;
	vu.peer.features = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MRG_RXBUF);
	vu_case_start(&vu);
	assert_int_equal(fake_peer_seen(&vu.peer, VU_GET_PROTOCOL_FEATURES), 0);
	assert_int_equal(fake_peer_seen(&vu.peer, VU_SET_VRING_ENABLE), 0);
	assert_int_equal(vu.rig.features & (NET_HOST_OFFLOADS | NET_GUEST_OFFLOADS), 0);
}

static void what_the_peer_lacks_is_not_offered(void **state)
{
	const uint64_t gone = FEATURE(VIRTIO_NET_F_HOST_TSO4) | FEATURE(VIRTIO_RING_F_EVENT_IDX);

	(void)state;
	vu.peer.features &= ~gone;
	vu_case_start(&vu);
	assert_int_equal(vu.rig.features & gone, 0);
	assert_true(vu.rig.features & FEATURE(VIRTIO_NET_F_HOST_TSO6));
	assert_int_equal(vu.rig.features & FEATURE(VIRTIO_NET_F_CTRL_RX), 0);
	assert_int_equal(fake_peer_wide(&vu.peer, &vu.peer.accepted) & ~vu.peer.features, 0);
}

static void the_mtu_is_told_to_the_peer(void **state)
{
	struct net_common c = vu_case_common;

	(void)state;
	c.mtu = 9000;
	fake_peer_listen(&vu.peer);
	assert_int_equal(vu_case_create(&vu, "", &c), 0);
	assert_int_equal(vu_rig_prepare(&vu.rig), 0);
	assert_int_equal(fake_peer_seen(&vu.peer, VU_NET_SET_MTU), 1);
	assert_int_equal(fake_peer_wide(&vu.peer, &vu.peer.mtu), 9000);
}

static void waiting_for_a_peer_ends_at_the_deadline(void **state)
{
	struct net_common c = vu_case_common;

	(void)state;
	c.deadline_ns = loop_now_ns() + 20000000;
	assert_int_equal(vu_case_create(&vu, "", &c), 0);
	assert_int_equal(vu_rig_prepare(&vu.rig), -ETIMEDOUT);
	assert_non_null(strstr(vu.rig.why, "--timeout"));
}

static void bad_sockets_are_refused_in_one_line(void **state)
{
	struct capture cap;
	FILE *f = fopen(vu.path, "w");

	(void)state;
	assert_non_null(f);
	fclose(f);
	capture_begin(&cap);
	assert_int_equal(vu_case_create(&vu, "", &vu_case_common), -EEXIST);
	capture_end(&cap);
	assert_one_line(&cap, "something else of that name");
	assert_one_line(&cap, vu.path);
	vu_rig_destroy(&vu.rig);
	capture_begin(&cap);
	assert_int_equal(vu_case_create(&vu, ",server=on", &vu_case_common), -EEXIST);
	capture_end(&cap);
	assert_one_line(&cap, "something else of that name");
	vu_rig_destroy(&vu.rig);
	capture_begin(&cap);
	assert_int_equal(vu_rig_create(&vu.rig, "server=off", &vu_case_common), -EINVAL);
	capture_end(&cap);
	assert_one_line(&cap, "needs socket=PATH");
	unlink(vu.path);
}

static void memory_that_cannot_be_shared_is_refused(void **state)
{
	(void)state;
	assert_int_equal(vu_case_create(&vu, "", &vu_case_common), 0);
	fake_mem_destroy(&vu.rig.m);
	fake_mem_create(&vu.rig.m, MIB(1));
	assert_int_equal(vu_rig_prepare(&vu.rig), -EINVAL);
}

/* ---- losing each other */

static void a_peer_that_dies_takes_the_link_down_and_the_next_goes_on(void **state)
{
	(void)state;
	vu_case_start(&vu);
	for (unsigned i = 1; i <= 20; i++) {
		vu_rig_send(&vu.rig, 20);
		fake_peer_die(&vu.peer);
		vu_rig_until_link(&vu.rig, false);
		assert_string_equal(vu.rig.b->peer, "waiting");
		vu_rig_send(&vu.rig, 20);
		fake_peer_listen(&vu.peer);
		vu_rig_until_link(&vu.rig, true);
		vu_rig_traffic(&vu.rig, 100);
		assert_int_equal(vu.rig.b->stats.reconnects, i);
		assert_true(vu.rig.n->announce); /* the next peer does not know where we are */
	}
	assert_false(needs_reset());
}

static void a_server_takes_the_next_peer(void **state)
{
	(void)state;
	assert_int_equal(vu_case_create(&vu, ",server=on", &vu_case_common), 0);
	fake_peer_connect(&vu.peer);
	assert_int_equal(vu_rig_prepare(&vu.rig), 0);
	vu_rig_up(&vu.rig, 0);
	for (unsigned i = 0; i < 5; i++) {
		vu_rig_traffic(&vu.rig, 50);
		fake_peer_die(&vu.peer);
		vu_rig_until_link(&vu.rig, false);
		fake_peer_connect(&vu.peer);
		vu_rig_until_link(&vu.rig, true);
	}
	vu_rig_traffic(&vu.rig, 50);
}

static void the_next_peer_is_found_when_descriptors_were_used_up_meanwhile(void **state)
{
	rlim_t was;

	(void)state;
	vu_case_start(&vu);
	was = limit_fds(0);
	fake_peer_die(&vu.peer);
	vu_rig_until_link(&vu.rig, false);
	vu_rig_turn(&vu.rig, 150);
	limit_fds(was);
	fake_peer_listen(&vu.peer);
	vu_rig_until_link(&vu.rig, true);
	vu_rig_traffic(&vu.rig, 50);
}

static void frames_are_dropped_while_nobody_is_there(void **state)
{
	(void)state;
	vu.peer.protocol &= ~FEATURE(VU_PROTOCOL_INFLIGHT);
	vu_case_start(&vu);
	fake_peer_die(&vu.peer);
	vu_rig_until_link(&vu.rig, false);
	for (unsigned i = 0; i < 5; i++) {
		vu_rig_send(&vu.rig, VU_RIG_QUEUE);
		vu_rig_until(&vu.rig, vu_case_tx_back, &vu,
		             "the driver does not get its frames back");
	}
	assert_true(virtio_net_stats(vu.rig.n)->tx_dropped >= 4 * VU_RIG_QUEUE);
}

static void what_the_peer_has_begun_waits_for_the_next_one(void **state)
{
	uint32_t used;

	(void)state;
	vu_case_start(&vu);
	assert_int_equal(fake_peer_seen(&vu.peer, VU_GET_INFLIGHT_FD), 1);
	fake_peer_die(&vu.peer);
	assert_int_equal(vu.peer.inflight.nr_rings, 2);
	assert_int_equal(vu.peer.inflight.ring_size, VU_RIG_QUEUE);
	vu_rig_until_link(&vu.rig, false);
	vu_rig_reap(&vu.rig);
	used = vu.rig.lane[0].vq[NET_TX].used->idx;
	vu_rig_send(&vu.rig, 5);
	vu_rig_turn(&vu.rig, 20);
	assert_int_equal(vu.rig.lane[0].vq[NET_TX].used->idx, used); /* not ours */
	fake_peer_listen(&vu.peer);
	vu_rig_until_link(&vu.rig, true);
	vu_rig_traffic(&vu.rig, 50);
	assert_int_equal(fake_peer_number(&vu.peer, &vu.peer.first_base[NET_TX]), used);
	assert_int_equal(fake_peer_seen(&vu.peer, VU_GET_INFLIGHT_FD), 1); /* the same notes */
	assert_int_equal(fake_peer_seen(&vu.peer, VU_SET_INFLIGHT_FD), 2);
	assert_int_equal(vu.rig.lane[0].received, vu.rig.lane[0].last);
}

static bool interrupted(void *arg)
{
	return vu.rig.interrupts > *(const unsigned *)arg;
}

static void a_kick_that_died_with_its_peer_is_made_good(void **state)
{
	unsigned interrupts;

	(void)state;
	vu_case_start(&vu);
	vu_case_settles(&vu);
	fake_peer_die(&vu.peer);
	vu_rig_until_link(&vu.rig, false);
	vu_rig_send(&vu.rig, 5);
	assert_int_equal(vu.rig.lane[0].nr_tx_free, VU_RIG_QUEUE - 5);
	for (unsigned i = NET_RX; i <= NET_TX; i++)
		fd_event_take(vu.rig.n->vq[i].kick_fd);
	interrupts = vu.rig.interrupts;
	vu.peer.lazy = true;
	fake_peer_listen(&vu.peer);
	vu_rig_until_link(&vu.rig, true);
	vu_rig_until(&vu.rig, vu_case_all_came, &vu, "the next peer was not kicked");
	/* It may have been so fast that the loop has not had its turn since. */
	vu_rig_until(&vu.rig, interrupted, &interrupts, "the driver was not interrupted");
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
	vu.peer.protocol &= ~FEATURE(VU_PROTOCOL_INFLIGHT);
	vu_case_start(&vu);
	q = vu.rig.n->vq;
	alarm(RIG_PATIENCE_S); /* else it would block for ever */
	fake_peer_die(&vu.peer);
	fill(q[NET_RX].kick_fd);
	fill(q[NET_TX].kick_fd);
	fill(vu.rig.call.fd);
	vu_rig_until_link(&vu.rig, false); /* frames: our own kicks */
	fill(q[NET_RX].kick_fd);
	fill(q[NET_TX].kick_fd);
	virtio_kick(vu.rig.dev.core, NET_TX); /* as a vCPU does */
	net_pairs_link(vu.rig.n);
	vu_rig_until(&vu.rig, vu_case_tx_back, &vu, "the driver does not get its frames back");
	fill(q[NET_RX].kick_fd);
	fill(q[NET_TX].kick_fd);
	fake_peer_listen(&vu.peer);
	vu_rig_until_link(&vu.rig, true);
	vu_rig_traffic(&vu.rig, 50);
	alarm(0);
}

static void notes_of_a_peer_before_the_last_are_given_to_nobody(void **state)
{
	(void)state;
	vu_case_start(&vu);
	for (unsigned i = 0; i < 2; i++) {
		fake_peer_die(&vu.peer);
		vu_rig_until_link(&vu.rig, false);
		vu.peer.protocol ^= FEATURE(VU_PROTOCOL_INFLIGHT);
		fake_peer_listen(&vu.peer);
		vu_rig_until_link(&vu.rig, true);
		vu_rig_traffic(&vu.rig, 50);
	}
	assert_int_equal(fake_peer_seen(&vu.peer, VU_GET_INFLIGHT_FD), 2);
}

static void a_reset_while_nobody_is_there_starts_anew(void **state)
{
	(void)state;
	vu_case_start(&vu);
	fake_peer_die(&vu.peer);
	vu_rig_until_link(&vu.rig, false);
	vu_rig_up(&vu.rig, 0);
	vu_rig_send(&vu.rig, 5);
	fake_peer_listen(&vu.peer);
	vu_rig_until_link(&vu.rig, true);
	vu_rig_traffic(&vu.rig, 50);
	assert_int_equal(fake_peer_seen(&vu.peer, VU_GET_INFLIGHT_FD), 2);
}

static void a_reset_takes_the_rings_from_the_peer(void **state)
{
	(void)state;
	vu_case_start(&vu);
	for (unsigned i = 1; i <= 10; i++) {
		vu_rig_send(&vu.rig, 30);
		virtio_set_status(vu.rig.dev.core, 0);
		assert_int_equal(fake_peer_seen(&vu.peer, VU_GET_VRING_BASE), 2 * i);
		vu_rig_up(&vu.rig, i & 1 ? FEATURE(VIRTIO_RING_F_EVENT_IDX) : 0);
		vu_rig_traffic(&vu.rig, 100);
		assert_int_equal(vu.rig.lane[0].received, vu.rig.lane[0].last);
	}
	assert_int_equal(vu.rig.b->stats.reconnects, 0);
}

static void a_guest_that_reboots_finds_the_same_device(void **state)
{
	uint64_t offered;

	(void)state;
	vu_case_start(&vu);
	offered = vu.rig.features;
	for (unsigned i = 0; i < 3; i++) {
		vu_rig_drop_device(&vu.rig);
		if (i == 1) { /* nobody is there: it does not wait */
			fake_peer_die(&vu.peer);
			vu.peer.features &= ~FEATURE(VIRTIO_NET_F_HOST_UFO);
		}
		assert_int_equal(vu_rig_prepare(&vu.rig), 0);
		assert_int_equal(vu.rig.features, offered);
		assert_false(virtio_net_link(vu.rig.n));
		vu_rig_up(&vu.rig, FEATURE(VIRTIO_NET_F_HOST_UFO));
		if (i == 1)
			fake_peer_listen(&vu.peer);
		vu_rig_until_link(&vu.rig, true);
		vu_rig_traffic(&vu.rig, 50);
	}
}

static void the_link_can_be_taken_down_by_hand(void **state)
{
	(void)state;
	vu_case_start(&vu);
	virtio_net_set_link(vu.rig.n, false);
	assert_int_equal(fake_peer_seen(&vu.peer, VU_GET_VRING_BASE), 2);
	vu_rig_send(&vu.rig, 10);
	vu_rig_until(&vu.rig, vu_case_tx_back, &vu, "the driver does not get its frames back");
	virtio_net_set_link(vu.rig.n, true);
	vu_rig_traffic(&vu.rig, 50);
}

static void a_link_taken_down_while_the_peer_is_away_stays_down(void **state)
{
	(void)state;
	vu_case_start(&vu);
	fake_peer_die(&vu.peer);
	vu_rig_until_link(&vu.rig, false);
	virtio_net_set_link(vu.rig.n, false);
	fake_peer_listen(&vu.peer);
	while (strcmp(vu.rig.b->peer, "connected") != 0)
		vu_rig_turn(&vu.rig, 5);
	assert_false(virtio_net_link(vu.rig.n));
	vu_rig_send(&vu.rig, 10);
	vu_rig_until(&vu.rig, vu_case_tx_back, &vu, "the driver does not get its frames back");
	virtio_net_set_link(vu.rig.n, true);
	vu_rig_traffic(&vu.rig, 50);
}

static void a_peer_with_fewer_features_is_refused_once_and_tried_again(void **state)
{
	const uint64_t all = vu.peer.features;
	struct capture cap;

	(void)state;
	vu_case_start(&vu);
	fake_peer_die(&vu.peer);
	vu_rig_until_link(&vu.rig, false);
	vu.peer.features &= ~FEATURE(VIRTIO_RING_F_EVENT_IDX);
	log_set_level(LOG_WARN);
	capture_begin(&cap);
	fake_peer_listen(&vu.peer);
	while (fake_peer_seen(&vu.peer, VU_GET_FEATURES) < 4) /* two of them of this one */
		vu_rig_turn(&vu.rig, 10);
	vu_rig_turn(&vu.rig, 10);
	capture_end(&cap);
	log_set_level(LOG_ERROR);
	assert_one_line(&cap, "it lacks features 0x20000000");
	assert_false(virtio_net_link(vu.rig.n));
	fake_peer_die(&vu.peer);
	vu.peer.features = all;
	fake_peer_listen(&vu.peer);
	vu_rig_until_link(&vu.rig, true);
	vu_rig_traffic(&vu.rig, 50);
}

/* ---- what the peer asks for */

static void the_peer_can_take_the_link_down(void **state)
{
	const struct vu_header news = {VU_BACK_CONFIG_CHANGED, VU_VERSION | VU_NEED_REPLY, 0};
	struct vu_header h;
	uint64_t number = 1;

	(void)state;
	vu_case_start(&vu);
	fake_peer_set_link(&vu.peer, false);
	assert_true(fake_peer_ask(&vu.peer, &news, sizeof(news)));
	vu_rig_until_link(&vu.rig, false);
	assert_true(fake_peer_answer(&vu.peer, &h, &number));
	assert_int_equal(h.request, VU_BACK_CONFIG_CHANGED);
	assert_int_equal(number, 0);
	assert_string_equal(vu.rig.b->peer, "connected");
	fake_peer_set_link(&vu.peer, true);
	assert_true(fake_peer_ask(&vu.peer, &news, sizeof(news)));
	vu_rig_until_link(&vu.rig, true);
	vu_rig_traffic(&vu.rig, 50);
}

static void a_request_that_was_not_negotiated_is_refused(void **state)
{
	const struct vu_header odd = {7, VU_VERSION | VU_NEED_REPLY, 0};
	struct vu_header h;
	uint64_t number = 0;

	(void)state;
	vu_case_start(&vu);
	assert_true(fake_peer_ask(&vu.peer, &odd, sizeof(odd)));
	vu_rig_turn(&vu.rig, 10);
	assert_true(fake_peer_answer(&vu.peer, &h, &number));
	assert_int_equal(number, 1);
	vu_rig_traffic(&vu.rig, 50);
}

static void a_flood_of_requests_changes_nothing(void **state)
{
	const struct vu_header news = {VU_BACK_CONFIG_CHANGED, VU_VERSION, 0};
	unsigned asked;

	(void)state;
	vu_case_start(&vu);
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(fake_peer_ask(&vu.peer, &news, sizeof(news)));
		if (i % 50 == 0)
			vu_rig_turn(&vu.rig, 1);
	}
	vu_rig_traffic(&vu.rig, 500);
	asked = fake_peer_seen(&vu.peer, VU_GET_CONFIG);
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
	vu_case_start(&vu);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(fake_peer_ask(&vu.peer, &bad[i], sizeof(bad[i])));
		vu_case_goes_on(&vu);
	}
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(frames_go_through_the_peer_and_back),
		CASE(what_the_peer_cannot_be_told_of_is_not_offered),
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
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("vhost_user", tests, NULL, NULL);
}
