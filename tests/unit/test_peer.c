/* SPDX-License-Identifier: Apache-2.0 */
/* The peer of doorbell check against guests that answer right, wrong, late, and not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "check/peer.h"
#include "check/provoke_priv.h"
#include "check/questions.h"
#include "devices/net_features.h"
#include "devices/virtio.h"
#include "net/csum.h"
#include "net/turn_round.h"
#include "tests/lib/capture.h"
#include "vmm/core/loop.h"
#include "vmm/nic_config.h"

#define BIT(id) (UINT64_C(1) << (id))
#define UDP     17
#define ROUNDS  (BIT(P_LENGTHS) | BIT(P_FLOOD) | BIT(P_BAD_CHECKSUMS))

static const uint8_t guest_mac[6] = {0x52, 0x54, 0, 0, 0, 9};

/* Who sits behind the rings, and how. */
struct guest {
	bool deaf, no_echo, trusts, silent, corrupts, other_address;
	unsigned drops; /* so many pings of rounds */
};

struct rig {
	struct loop *loop;
	struct net_backend *b;
	struct provoke *p;
	struct virtio_dev dev;
	struct nic_config nic;
	struct guest guest;
	unsigned farewells;
	unsigned frames;
	uint8_t last[128]; /* what came last, its first bytes */
};

static uint16_t sum_of(const uint8_t *ip, size_t len)
{
	uint8_t all[2048] = {0};
	const size_t l4 = len - 20;

	if (ip[9] != UDP)
		return csum_sum(ip + 20, l4);
	memcpy(all, ip + 12, 8);
	all[9] = UDP;
	all[10] = (uint8_t)(l4 >> 8);
	all[11] = (uint8_t)l4;
	memcpy(all + 12, ip + 20, l4);
	return csum_sum(all, 12 + l4);
}

/* False: it does not answer. */
static bool answers(struct rig *r, uint8_t *f, size_t len)
{
	struct guest *g = &r->guest;
	const bool udp = f[12] == 8 && f[13] == 0 && f[23] == UDP;
	const bool ip = f[12] == 8 && f[13] == 0;

	if (len < 42 || g->deaf)
		return false;
	if (udp && f[37] == 9) {
		r->farewells++;
		return false;
	}
	if ((udp && g->no_echo) || (g->silent && r->p->round >= 0))
		return false;
	if (ip && !g->trusts && sum_of(f + 14, len - 14) != UINT16_MAX)
		return false;
	if (ip && r->p->round >= 0 && g->drops > 0) {
		g->drops--;
		return false;
	}
	turn_round(f, len);
	memcpy(f + 6, guest_mac, 6);
	f[11] ^= g->other_address;
	if (ip && g->corrupts && len > 60)
		f[len - 1] ^= 1;
	return true;
}

static void send_frame(struct rig *r, const uint8_t *frame, size_t len)
{
	static uint8_t hdr[NET_HDR_LEN];
	const struct iovec iov[2] = {{hdr, sizeof(hdr)}, {(void *)(uintptr_t)frame, len}};

	assert_int_equal(r->b->frame->send(r->b, iov, 2), sizeof(hdr) + len);
}

static void on_can_recv(void *arg)
{
	struct rig *r = arg;
	static uint8_t buf[NET_RECV_MAX];
	const struct iovec iov = {buf, sizeof(buf)};
	const ssize_t len = r->b->frame->recv(r->b, &iov, 1);

	if (len <= 0)
		return;
	r->frames++;
	memcpy(r->last, buf + NET_HDR_LEN, sizeof(r->last));
	if (answers(r, buf + NET_HDR_LEN, (size_t)len - NET_HDR_LEN))
		send_frame(r, buf + NET_HDR_LEN, (size_t)len - NET_HDR_LEN);
}

static void begin(struct rig *r, uint64_t set, struct guest g)
{
	const struct net_sink sink = {.can_recv = on_can_recv, .arg = r};
	struct net_common common = {.nic = "net0"};

	*r = (struct rig){.guest = g};
	memcpy(common.mac, guest_mac, 6);
	assert_int_equal(loop_create(&r->loop), 0);
	assert_int_equal(provoke_create(set, 1, &r->p), 0);
	r->dev.accepted = FEATURE(VIRTIO_NET_F_MAC);
	r->p->dev = &r->dev;
	r->p->again_ns = 2000000;
	assert_int_equal(nic_config_parse(&r->nic, 0, "echo", true), 0);
	assert_int_equal(provoke_nic(r->p, &r->nic), 0);
	assert_int_equal(r->nic.kind->create(r->nic.backend, &common, r->loop, &r->b), 0);
	assert_int_equal(r->b->frame->start(r->b, 0, &sink), 0);
}

static void end(struct rig *r)
{
	r->b->frame->stop(r->b);
	net_destroy(r->b);
	nic_config_free(&r->nic);
	provoke_destroy(r->p);
	loop_destroy(r->loop);
}

static void turn_until_done(struct rig *r)
{
	while (!provoke_done(r->p))
		assert_true(loop_turn(r->loop, -1) >= 0);
	provoke_end(r->p);
}

static enum provoke_verdict verdict(const struct rig *r, enum provoke_id id)
{
	return provoke_result(r->p, id)->verdict;
}

static void a_right_guest_survives_and_is_told_to_stop(unused void **state)
{
	struct rig r;

	begin(&r, ROUNDS, (struct guest){0});
	turn_until_done(&r);
	assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_SURVIVED);
	assert_int_equal(verdict(&r, P_FLOOD), PROVOKE_SURVIVED);
	assert_int_equal(verdict(&r, P_BAD_CHECKSUMS), PROVOKE_SURVIVED);
	assert_true(provoke_result(r.p, P_FLOOD)->asked > 700);
	assert_false(provoke_failed(r.p));
	while (r.farewells == 0)
		assert_true(loop_turn(r.loop, -1) >= 0);
	end(&r);
}

static void who_has_no_echo_port_is_asked_by_ping(unused void **state)
{
	struct rig r;

	begin(&r, ROUNDS, (struct guest){.no_echo = true});
	turn_until_done(&r);
	assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_SURVIVED);
	assert_int_equal(verdict(&r, P_BAD_CHECKSUMS), PROVOKE_SURVIVED);
	end(&r);
}

static void an_answer_to_what_is_wrong_is_corruption(unused void **state)
{
	struct rig r;

	begin(&r, ROUNDS, (struct guest){.trusts = true});
	turn_until_done(&r);
	assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_SURVIVED);
	assert_int_equal(verdict(&r, P_BAD_CHECKSUMS), PROVOKE_CORRUPTED);
	assert_true(provoke_failed(r.p));
	end(&r);
}

static void lost_frames_are_counted_and_no_failure(unused void **state)
{
	struct rig r;

	begin(&r, BIT(P_LENGTHS), (struct guest){.drops = 3});
	turn_until_done(&r);
	assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_LOST);
	assert_int_equal(provoke_result(r.p, P_LENGTHS)->lost, 3);
	assert_false(provoke_failed(r.p));
	end(&r);
}

static void who_falls_silent_is_stuck_and_is_not_tried_again(unused void **state)
{
	struct rig r;

	begin(&r, ROUNDS, (struct guest){.silent = true});
	turn_until_done(&r);
	/* The tame ones come first, in the order of the table. */
	assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_STUCK);
	assert_int_equal(verdict(&r, P_BAD_CHECKSUMS), PROVOKE_NOT_TRIED);
	assert_int_equal(verdict(&r, P_FLOOD), PROVOKE_NOT_TRIED);
	assert_true(provoke_failed(r.p));
	end(&r);
}

/* For far longer than one that is silent has. */
static void a_guest_that_is_paused_is_not_stuck(unused void **state)
{
	struct rig r;

	begin(&r, BIT(P_LENGTHS), (struct guest){.silent = true});
	while (r.p->round < 0)
		assert_true(loop_turn(r.loop, -1) >= 0);
	provoke_wait(r.p, true);
	for (unsigned i = 0; i < 200; i++)
		assert_true(loop_turn(r.loop, -1) >= 0);
	assert_false(provoke_done(r.p));
	r.guest.silent = false;
	provoke_wait(r.p, false);
	turn_until_done(&r);
	assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_LOST);
	assert_false(provoke_failed(r.p));
	end(&r);
}

static void a_guest_that_ends_in_a_round_is_stuck_there(unused void **state)
{
	struct rig r;

	begin(&r, ROUNDS | BIT(P_MTU), (struct guest){.silent = true});
	while (r.p->round < 0)
		assert_true(loop_turn(r.loop, -1) >= 0);
	provoke_end(r.p);
	assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_STUCK);
	assert_int_equal(verdict(&r, P_MTU), PROVOKE_SURVIVED);
	end(&r);
}

static void wrong_bytes_and_a_wrong_address_are_corruption(unused void **state)
{
	struct rig r;

	begin(&r, BIT(P_MTU) | BIT(P_LENGTHS), (struct guest){.corrupts = true});
	for (unsigned i = 0; i < 100; i++)
		assert_true(loop_turn(r.loop, -1) >= 0);
	provoke_end(r.p);
	assert_int_equal(verdict(&r, P_MTU), PROVOKE_STUCK);
	end(&r);
	begin(&r, BIT(P_MTU), (struct guest){.other_address = true});
	for (unsigned i = 0; i < 100; i++)
		assert_true(loop_turn(r.loop, -1) >= 0);
	provoke_end(r.p);
	assert_int_equal(verdict(&r, P_MTU), PROVOKE_STUCK);
	end(&r);
}

static void what_a_guest_asks_is_answered_and_its_address_is_learned(unused void **state)
{
	static const uint8_t arp[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0, 0,
	                                9,    8,    6,    0,    1,    8,    0,    6,    4, 0, 1,
	                                0x52, 0x54, 0,    0,    0,    9,    192,  168,  1, 7, 0,
	                                0,    0,    0,    0,    0,    192,  168,  1,    1};
	struct rig r;

	begin(&r, BIT(P_LENGTHS), (struct guest){.deaf = true});
	send_frame(&r, arp, sizeof(arp));
	while (r.last[21] != 2) /* the answer */
		assert_true(loop_turn(r.loop, -1) >= 0);
	assert_memory_equal(r.last, guest_mac, 6);
	while (r.last[21] != 1 || r.last[41] != 7) /* a question, to that address */
		assert_true(loop_turn(r.loop, -1) >= 0);
	assert_memory_equal(r.last + 38, arp + 28, 4);
	end(&r);
}

static void nonsense_is_no_answer(unused void **state)
{
	uint8_t bytes[QUESTION_MAX] = {0};
	struct rig r;

	begin(&r, BIT(P_LENGTHS), (struct guest){0});
	for (size_t len = 1; len < sizeof(bytes); len += 7) {
		memset(bytes, (int)len, sizeof(bytes));
		memcpy(bytes, turn_round_mac, 6);
		bytes[12] = 8;
		bytes[13] = len % 2 ? 6 : 0;
		bytes[14] = 0x45;
		send_frame(&r, bytes, len);
	}
	turn_until_done(&r);
	assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_SURVIVED);
	end(&r);
}

static void two_pairs_are_refused_and_the_rest_is_set(unused void **state)
{
	struct nic_config nic;
	struct capture c;
	struct provoke *p;
	int ret;

	assert_int_equal(provoke_create(BIT(P_MTU) | BIT(P_POLLING), 1, &p), 0);
	assert_int_equal(nic_config_parse(&nic, 0, "echo,queues=2", true), 0);
	CAPTURED(&c, &ret, provoke_nic(p, &nic));
	assert_int_equal(ret, -EINVAL);
	assert_one_line(&c, "queues=2");
	nic_config_free(&nic);
	assert_int_equal(nic_config_parse(&nic, 0, "echo", true), 0);
	assert_int_equal(provoke_nic(p, &nic), 0);
	assert_int_equal(nic.poll, POLL_ON);
	assert_true(nic.mtu >= 1280);
	nic_config_free(&nic);
	provoke_destroy(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_right_guest_survives_and_is_told_to_stop),
		cmocka_unit_test(who_has_no_echo_port_is_asked_by_ping),
		cmocka_unit_test(an_answer_to_what_is_wrong_is_corruption),
		cmocka_unit_test(lost_frames_are_counted_and_no_failure),
		cmocka_unit_test(who_falls_silent_is_stuck_and_is_not_tried_again),
		cmocka_unit_test(a_guest_that_is_paused_is_not_stuck),
		cmocka_unit_test(a_guest_that_ends_in_a_round_is_stuck_there),
		cmocka_unit_test(wrong_bytes_and_a_wrong_address_are_corruption),
		cmocka_unit_test(what_a_guest_asks_is_answered_and_its_address_is_learned),
		cmocka_unit_test(nonsense_is_no_answer),
		cmocka_unit_test(two_pairs_are_refused_and_the_rest_is_set),
	};

	return cmocka_run_group_tests_name("peer", tests, NULL, NULL);
}
