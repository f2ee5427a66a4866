/* SPDX-License-Identifier: Apache-2.0 */
/* A NIC with several queue pairs and its vhost-user peer: one socket for all of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/vu_case.h"
#include "vmm/core/compiler.h"
#include "vmm/core/log.h"

#define PAIRS 3u

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

static int prepare(void)
{
	struct net_common c = vu_case_common;

	c.more_pairs = PAIRS - 1;
	fake_peer_listen(&vu.peer);
	assert_int_equal(vu_case_create(&vu, "", &c), 0);
	return vu_rig_prepare(&vu.rig);
}

static void start(unsigned nr)
{
	assert_int_equal(prepare(), 0);
	vu_rig_up(&vu.rig, 0);
	vu_rig_use_pairs(&vu.rig, nr);
	vu_rig_traffic(&vu.rig, 100);
}

/* Are the rings of the first pairs in use switched on, and no others? */
static bool enabled_as_used(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < 2 * PAIRS; i++)
		if ((fake_peer_number(&vu.peer, &vu.peer.ring[i].was_enabled) != 0) !=
		    (i < 2 * vu.rig.nr_lanes))
			return false;
	return true;
}

static void serves_what_is_used(void)
{
	vu_rig_traffic(&vu.rig, 100);
	vu_rig_until(&vu.rig, enabled_as_used, NULL, "other rings are enabled than are used");
}

static void the_pairs_that_the_driver_asks_for_are_served(void **state)
{
	static const unsigned steps[] = {PAIRS, 1, 2, PAIRS, 2};

	(void)state;
	start(1);
	assert_int_equal(fake_peer_seen(&vu.peer, VU_GET_QUEUE_NUM), 1);
	assert_int_equal(fake_peer_seen(&vu.peer, VU_SET_VRING_NUM), 2);
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++) {
		vu_rig_use_pairs(&vu.rig, steps[i]);
		serves_what_is_used();
	}
	vu_rig_until(&vu.rig, vu_case_all_came, &vu, "frames were lost");
	assert_int_equal(virtio_net_stats(vu.rig.n)->tx_frames, 0); /* none through us */
	assert_int_equal(vu.rig.b->stats.reconnects, 0);
}

static void a_driver_that_knows_of_one_pair_gets_one(void **state)
{
	(void)state;
	assert_int_equal(prepare(), 0);
	vu_rig_up(&vu.rig, FEATURE(VIRTIO_NET_F_MQ));
	vu_rig_traffic(&vu.rig, 100);
	assert_int_equal(fake_peer_seen(&vu.peer, VU_SET_VRING_NUM), 2);
	/* And the next one has them all. */
	vu_rig_up(&vu.rig, 0);
	vu_rig_use_pairs(&vu.rig, PAIRS);
	vu_rig_traffic(&vu.rig, 100);
}

static void the_next_peer_goes_on_with_all_pairs(void **state)
{
	(void)state;
	start(PAIRS);
	for (unsigned i = 1; i <= 5; i++) {
		vu_rig_send(&vu.rig, 20);
		fake_peer_die(&vu.peer);
		assert_int_equal(vu.peer.inflight.nr_rings, 2 * PAIRS);
		assert_int_equal(vu.peer.inflight.ring_size, VU_RIG_QUEUE);
		vu_rig_until_link(&vu.rig, false);
		vu_rig_send(&vu.rig, 20);
		fake_peer_listen(&vu.peer);
		vu_rig_until_link(&vu.rig, true);
		vu_rig_traffic(&vu.rig, 100);
		assert_int_equal(vu.rig.b->stats.reconnects, i);
	}
	assert_int_equal(fake_peer_seen(&vu.peer, VU_GET_INFLIGHT_FD), 2); /* one pair, then all */
}

static void the_driver_may_ask_for_pairs_while_nobody_is_there(void **state)
{
	(void)state;
	vu.peer.protocol &= ~FEATURE(VU_PROTOCOL_INFLIGHT);
	start(1);
	fake_peer_die(&vu.peer);
	vu_rig_until_link(&vu.rig, false);
	vu_rig_use_pairs(&vu.rig, 2);
	vu_rig_send(&vu.rig, VU_RIG_QUEUE);
	vu_rig_until(&vu.rig, vu_case_tx_back, &vu, "the driver does not get its frames back");
	fake_peer_listen(&vu.peer);
	vu_rig_until_link(&vu.rig, true);
	serves_what_is_used();
}

/* Only a peer can finish what it has begun (INFLIGHT): the old number stays, for the next one. */
static void a_peer_that_keeps_the_rings_keeps_the_number_of_pairs(void **state)
{
	(void)state;
	start(2);
	fake_peer_misbehave(&vu.peer, VU_GET_VRING_BASE, PEER_IS_SILENT, 1);
	assert_false(vu_rig_ask_pairs(&vu.rig, PAIRS)); /* it hangs */
	vu_rig_until_link(&vu.rig, false);
	assert_false(vu_rig_ask_pairs(&vu.rig, PAIRS)); /* it is gone */
	assert_false(fake_status(&vu.rig.dev) & VIRTIO_CONFIG_S_NEEDS_RESET);
	vu_rig_until_link(&vu.rig, true);
	serves_what_is_used();
	vu_rig_use_pairs(&vu.rig, PAIRS);
	serves_what_is_used();
}

static void a_reset_returns_to_one_pair(void **state)
{
	(void)state;
	start(PAIRS);
	vu_rig_up(&vu.rig, 0);
	serves_what_is_used();
	vu_rig_use_pairs(&vu.rig, 2);
	serves_what_is_used();
}

static void refused_for(const char *why)
{
	assert_int_equal(prepare(), -EPROTO);
	assert_non_null(strstr(vu.rig.why, why));
}

static void a_peer_for_fewer_pairs_is_refused(void **state)
{
	(void)state;
	vu.peer.pairs = PAIRS - 1;
	refused_for("it serves 2 queue pairs, 3 are asked for");
}

static void a_peer_that_cannot_say_how_many_is_refused(void **state)
{
	(void)state;
	vu.peer.protocol &= ~FEATURE(VU_PROTOCOL_MQ);
	refused_for("it serves 1 queue pairs, 3 are asked for");
}

static void a_peer_of_the_oldest_protocol_is_refused(void **state)
{
	(void)state;
	vu.peer.features = FEATURE(VIRTIO_F_VERSION_1) | FEATURE(VIRTIO_NET_F_MQ);
	refused_for("it serves 1 queue pairs, 3 are asked for");
}

static void a_peer_without_the_feature_is_refused(void **state)
{
	(void)state;
	vu.peer.features &= ~FEATURE(VIRTIO_NET_F_MQ);
	refused_for("it lacks features 0x400000");
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_pairs_that_the_driver_asks_for_are_served),
		CASE(a_driver_that_knows_of_one_pair_gets_one),
		CASE(the_next_peer_goes_on_with_all_pairs),
		CASE(the_driver_may_ask_for_pairs_while_nobody_is_there),
		CASE(a_peer_that_keeps_the_rings_keeps_the_number_of_pairs),
		CASE(a_reset_returns_to_one_pair),
		CASE(a_peer_for_fewer_pairs_is_refused),
		CASE(a_peer_that_cannot_say_how_many_is_refused),
		CASE(a_peer_of_the_oldest_protocol_is_refused),
		CASE(a_peer_without_the_feature_is_refused),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests_name("vhost_user_pairs", tests, NULL, NULL);
}
