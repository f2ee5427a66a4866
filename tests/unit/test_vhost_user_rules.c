/* SPDX-License-Identifier: Apache-2.0 */
/* A NIC and a vhost-user peer that breaks rules: refused with its reason, and nothing is lost but the peer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/capture.h"
#include "tests/lib/vu_case.h"
#include "vmm/core/compiler.h"
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

static void misbehave(uint32_t request, enum peer_fault fault)
{
	fake_peer_misbehave(&vu.peer, request, fault, 1);
}

static void again(void)
{
	vu_rig_destroy(&vu.rig);
	fake_peer_destroy(&vu.peer);
	fake_peer_create(&vu.peer, vu.path);
}

static const enum peer_fault bad_answers[] = {
	PEER_OTHER_VERSION, PEER_OTHER_REQUEST, PEER_NO_REPLY_BIT, PEER_SHORT,
	PEER_LONG,          PEER_HUGE,          PEER_EXTRA_FD,     PEER_MANY_FDS,
};

static int prepare_with_mtu(void)
{
	struct net_common c = vu_case_common;

	c.mtu = 9000;
	fake_peer_listen(&vu.peer);
	assert_int_equal(vu_case_create(&vu, "", &c), 0);
	return vu_rig_prepare(&vu.rig);
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
			assert_non_null(strstr(vu.rig.why, vu.path));
			again();
		}
	}
	assert_int_equal(vu_case_create(&vu, "", &vu_case_common), 0); /* for teardown() */
}

static void a_file_that_may_wait_for_its_server_is_not_even_closed(void **state)
{
	(void)state;
	misbehave(VU_GET_FEATURES, PEER_OTHER_FILE);
	assert_int_equal(prepare_with_mtu(), -EPROTO);
	assert_non_null(strstr(vu.rig.why, "neither in memory nor on a disk of this machine"));
	again();
	vu.fds_before++;                                               /* counted by teardown() */
	assert_int_equal(vu_case_create(&vu, "", &vu_case_common), 0); /* for teardown() */
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
	vu.peer.features &= ~FEATURE(VIRTIO_F_VERSION_1);
	assert_int_equal(prepare_with_mtu(), -EPROTO);
	assert_non_null(strstr(vu.rig.why, "lacks features 0x100000000"));
}

static void a_peer_that_leaves_at_the_start_is_waited_for(void **state)
{
	(void)state;
	misbehave(VU_GET_PROTOCOL_FEATURES, PEER_CLOSES);
	assert_int_equal(prepare_with_mtu(), 0);
	assert_int_equal(fake_peer_number(&vu.peer, &vu.peer.nr_connections), 2);
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
		fake_peer_listen(&vu.peer);
		assert_int_equal(vu_case_create(&vu, "", &vu_case_common), 0);
		assert_int_equal(vu_rig_prepare(&vu.rig), 0);
		vu_rig_up(&vu.rig, 0);
		vu_case_goes_on(&vu);
		assert_int_equal(fake_peer_number(&vu.peer, &vu.peer.nr_connections), 2);
		again();
	}
	assert_int_equal(vu_case_create(&vu, "", &vu_case_common), 0); /* for teardown() */
}

static void a_reset_gets_along_with_every_bad_answer(void **state)
{
	static const enum peer_fault faults[] = {PEER_WRONG_VALUE, PEER_SHORT, PEER_CLOSES,
	                                         PEER_MANY_FDS, PEER_IS_SILENT};
	struct capture cap;

	(void)state;
	vu.peer.protocol &= ~FEATURE(VU_PROTOCOL_INFLIGHT);
	vu_case_start(&vu);
	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		fake_peer_misbehave(&vu.peer, VU_GET_VRING_BASE, faults[i],
		                    faults[i] == PEER_IS_SILENT ? 2 : 1);
		capture_begin(&cap);
		virtio_set_status(vu.rig.dev.core, 0);
		capture_end(&cap);
		if (faults[i] != PEER_CLOSES) /* it is still there, whatever it says */
			assert_one_line(&cap, "may still write to the guest's memory");
		vu_rig_up(&vu.rig, 0);
		vu_rig_until_link(&vu.rig, false);
		assert_false(needs_reset());
		vu_rig_until_link(&vu.rig, true);
		vu_rig_traffic(&vu.rig, 50);
	}
}

static void a_link_that_goes_down_gets_along_with_every_bad_answer(void **state)
{
	static const enum peer_fault faults[] = {PEER_WRONG_VALUE, PEER_CLOSES, PEER_IS_SILENT};
	struct capture cap;

	(void)state;
	vu_case_start(&vu);
	for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
		misbehave(VU_GET_VRING_BASE, faults[i]);
		capture_begin(&cap);
		virtio_net_set_link(vu.rig.n, false);
		capture_end(&cap);
		assert_string_equal(cap.text, ""); /* no error: the peer's loss is told by itself */
		assert_false(needs_reset());
		virtio_net_set_link(vu.rig.n, true);
		vu_rig_until_link(&vu.rig, false);
		vu_rig_until_link(&vu.rig, true);
		vu_rig_traffic(&vu.rig, 50);
	}
}

static void a_peer_that_takes_the_link_down_and_falls_silent_is_lost_only(void **state)
{
	const struct vu_header news = {VU_BACK_CONFIG_CHANGED, VU_VERSION, 0};

	(void)state;
	vu_case_start(&vu);
	misbehave(VU_GET_VRING_BASE, PEER_IS_SILENT);
	fake_peer_set_link(&vu.peer, false);
	assert_true(fake_peer_ask(&vu.peer, &news, sizeof(news)));
	vu_rig_until_link(&vu.rig, false);
	assert_false(needs_reset());
	fake_peer_set_link(&vu.peer, true);
	vu_rig_until_link(&vu.rig, true);
	vu_rig_traffic(&vu.rig, 50);
}

static bool rings_were_asked_back(void *c)
{
	struct vu_case *v = c;

	return fake_peer_seen(&v->peer, VU_GET_VRING_BASE) == NET_PAIR_QUEUES;
}

static void a_next_peer_whose_link_is_down_does_not_keep_the_rings(void **state)
{
	const struct vu_header news = {VU_BACK_CONFIG_CHANGED, VU_VERSION, 0};
	uint64_t frames;

	(void)state;
	vu_case_start(&vu);
	fake_peer_set_link(&vu.peer, false);
	fake_peer_die(&vu.peer);
	vu_rig_until_link(&vu.rig, false);
	fake_peer_listen(&vu.peer);
	vu_rig_until(&vu.rig, rings_were_asked_back, &vu, "the peer keeps the rings");
	assert_false(virtio_net_link(vu.rig.n));
	frames = fake_peer_wide(&vu.peer, &vu.peer.frames);
	vu_rig_send(&vu.rig, 10);
	vu_rig_until(&vu.rig, vu_case_tx_back, &vu, "the driver does not get its frames back");
	assert_int_equal(fake_peer_wide(&vu.peer, &vu.peer.frames), frames);
	fake_peer_set_link(&vu.peer, true);
	assert_true(fake_peer_ask(&vu.peer, &news, sizeof(news)));
	vu_rig_until_link(&vu.rig, true);
	vu_rig_traffic(&vu.rig, 50);
}

static void a_peer_that_does_not_answer_is_given_up(void **state)
{
	(void)state;
	misbehave(VU_GET_FEATURES, PEER_IS_SILENT);
	assert_int_equal(prepare_with_mtu(), -EPROTO);
	assert_non_null(strstr(vu.rig.why, "does not answer GET_FEATURES"));
}

/* We listen, and a peer that cannot say what it had begun is there. */
static void start_without_inflight(void)
{
	vu.peer.protocol &= ~FEATURE(VU_PROTOCOL_INFLIGHT);
	assert_int_equal(vu_case_create(&vu, ",server=on", &vu_case_common), 0);
	fake_peer_connect(&vu.peer);
	assert_int_equal(vu_rig_prepare(&vu.rig), 0);
	vu_rig_up(&vu.rig, 0);
	vu_rig_traffic(&vu.rig, 100);
	vu_case_settles(&vu);
}

/* Nobody touches them, and the next peer goes on where the last one stood. */
static void rings_wait_for_the_next_peer(void)
{
	uint32_t used;

	/* Until then the last one may serve them, as it does not know yet that it was given up. */
	fake_peer_until_alone(&vu.peer);
	used = vu.rig.lane[0].vq[NET_TX].used->idx;
	vu_rig_send(&vu.rig, 5);
	/* Else nothing is waited for below. */
	assert_int_equal(vu.rig.lane[0].nr_tx_free, VU_RIG_QUEUE - 5);
	vu_rig_turn(&vu.rig, 20);
	assert_int_equal(vu.rig.lane[0].vq[NET_TX].used->idx, used);
	fake_peer_connect(&vu.peer);
	vu_rig_until_link(&vu.rig, true);
	vu_rig_until(&vu.rig, vu_case_all_came, &vu, "frames were lost");
	assert_int_equal(fake_peer_number(&vu.peer, &vu.peer.first_base[NET_TX]), used);
}

static void a_peer_that_falls_silent_keeps_the_rings_from_us(void **state)
{
	const struct vu_header news = {VU_BACK_CONFIG_CHANGED, VU_VERSION, 0};

	(void)state;
	start_without_inflight();
	misbehave(VU_GET_CONFIG, PEER_IS_SILENT);
	assert_true(fake_peer_ask(&vu.peer, &news, sizeof(news)));
	vu_rig_until_link(&vu.rig, false);
	vu_rig_turn(&vu.rig, 20);
	rings_wait_for_the_next_peer(); /* this one may be at them */
}

static void a_peer_that_breaks_a_rule_keeps_the_rings_from_us(void **state)
{
	const struct vu_msg unasked = {.h = {VU_GET_FEATURES, VU_VERSION | VU_REPLY, 8}};

	(void)state;
	start_without_inflight();
	assert_true(fake_peer_say(&vu.peer, &unasked, sizeof(unasked.h) + 8));
	vu_rig_until_link(&vu.rig, false);
	rings_wait_for_the_next_peer(); /* who knows whether this one has stopped */
}

static void a_reset_takes_the_rings_from_a_peer_that_was_given_up(void **state)
{
	const struct vu_msg unasked = {.h = {VU_GET_FEATURES, VU_VERSION | VU_REPLY, 8}};
	struct capture cap;

	(void)state;
	vu.peer.protocol &= ~FEATURE(VU_PROTOCOL_INFLIGHT);
	vu_case_start(&vu);
	fake_peer_say(&vu.peer, &unasked, sizeof(unasked.h) + 8);
	vu_rig_until_link(&vu.rig, false);
	capture_begin(&cap);
	virtio_set_status(vu.rig.dev.core, 0);
	capture_end(&cap);
	assert_one_line(&cap, "may still write to the guest's memory");
	vu_rig_up(&vu.rig, 0);
	vu_rig_until_link(&vu.rig, true);
	vu_rig_traffic(&vu.rig, 50);
	capture_begin(&cap);
	virtio_set_status(vu.rig.dev.core, 0); /* this one has let go of them */
	capture_end(&cap);
	assert_string_equal(cap.text, "");
}

static void peers_that_do_not_stay_are_looked_for_ever_more_seldom(void **state)
{
	const unsigned visits = 3;
	uint64_t from;

	(void)state;
	vu_case_start(&vu);
	fake_peer_die(&vu.peer);
	vu_rig_until_link(&vu.rig, false);
	fake_peer_misbehave(&vu.peer, VU_GET_FEATURES, PEER_CLOSES, visits);
	from = loop_now_ns();
	fake_peer_listen(&vu.peer);
	vu_rig_until_link(&vu.rig, true);
	/* After each of them twice as long as before: 0.2 + 0.4 + 0.8 s. */
	assert_true(loop_now_ns() - from > UINT64_C(1400000000));
	assert_int_equal(fake_peer_number(&vu.peer, &vu.peer.nr_connections), 1 + visits + 1);
	vu_rig_traffic(&vu.rig, 50);
}

static void half_an_answer_takes_the_link_down(void **state)
{
	(void)state;
	misbehave(VU_SET_VRING_ADDR, PEER_HALF);
	fake_peer_listen(&vu.peer);
	assert_int_equal(vu_case_create(&vu, "", &vu_case_common), 0);
	assert_int_equal(vu_rig_prepare(&vu.rig), 0);
	vu_rig_up(&vu.rig, 0);
	vu_case_goes_on(&vu);
}

static void words_that_nobody_asked_for_end_the_connection(void **state)
{
	const struct vu_msg m = {.h = {VU_GET_FEATURES, VU_VERSION | VU_REPLY, 8}};

	(void)state;
	vu_case_start(&vu);
	assert_true(fake_peer_say(&vu.peer, &m, sizeof(m.h) + 8));
	vu_case_goes_on(&vu);
}

static void a_peer_that_does_nothing_does_not_hold_the_driver(void **state)
{
	(void)state;
	vu_case_start(&vu);
	fake_peer_die(&vu.peer);
	vu_rig_until_link(&vu.rig, false);
	vu.peer.idle = true;
	fake_peer_listen(&vu.peer);
	vu_rig_until_link(&vu.rig, true);
	vu_rig_send(&vu.rig, VU_RIG_QUEUE);
	vu_rig_turn(&vu.rig, 10);
	virtio_set_status(vu.rig.dev.core, 0);
	vu_rig_up(&vu.rig, 0);
	assert_false(needs_reset());
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_bad_answer_at_the_start_is_an_error),
		CASE(a_file_that_may_wait_for_its_server_is_not_even_closed),
		CASE(a_refusal_at_the_start_is_an_error),
		CASE(a_peer_that_leaves_at_the_start_is_waited_for),
		CASE(a_bad_answer_about_rings_takes_the_link_down),
		CASE(a_reset_gets_along_with_every_bad_answer),
		CASE(a_link_that_goes_down_gets_along_with_every_bad_answer),
		CASE(a_peer_that_takes_the_link_down_and_falls_silent_is_lost_only),
		CASE(a_next_peer_whose_link_is_down_does_not_keep_the_rings),
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
	return cmocka_run_group_tests_name("vhost_user_rules", tests, NULL, NULL);
}
