/* SPDX-License-Identifier: Apache-2.0 */
/* The peer of doorbell check against guests that answer right, wrong, late, and not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <string.h>
#include <sys/uio.h>

#include "check/peer.h"
#include "check/provoke_priv.h"
#include "check/questions.h"
#include "devices/net_features.h"
#include "devices/virtio.h"
#include "net/csum.h"
#include "net/turn_round.h"
#include "vmm/core/loop.h"
#include "vmm/core/tasks.h"
#include "vmm/nic_config.h"

#define UDP    17
#define ROUNDS (PROVOKE_BIT(P_LENGTHS) | PROVOKE_BIT(P_FLOOD) | PROVOKE_BIT(P_BAD_CHECKSUMS))

static const uint8_t guest_mac[6] = {0x52, 0x54, 0, 0, 0, 9};

/* Who sits behind the rings, and how. */
struct guest {
	bool deaf, no_echo, trusts, silent, corrupts, other_address;
	unsigned drops;   /* so many pings of rounds */
	unsigned ends_at; /* it takes so many frames, and no more; 0: all */
};

struct rig {
	struct loop *loop;
	struct net_backend *b;
	struct side {
		struct rig *r;
		struct net_backend *b;
		unsigned frames;
	} side[2]; /* of its pairs */
	struct provoke *p;
	struct virtio_dev dev;
	struct nic_config nic;
	struct guest guest;
	uint8_t mac[6]; /* the device's, as the guest has set it */
	unsigned farewells;
	unsigned frames;
	size_t longest;
	uint8_t last[128]; /* what came last, its first bytes */
};

static uint16_t sum_of(const uint8_t *ip, size_t len)
{
	uint8_t all[QUESTION_MAX] = {0};
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

	if (len < 42 || g->deaf || (g->ends_at && r->frames > g->ends_at))
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
	if (memcmp(f, r->mac, 6) != 0 && !(f[0] & 1)) /* as the device's filter */
		return false;
	turn_round(f, len);
	memcpy(f + 6, r->mac, 6);
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
	struct side *side = arg;
	struct rig *r = side->r;
	static uint8_t buf[NET_RECV_MAX];
	const struct iovec iov = {buf, sizeof(buf)};
	const ssize_t len = side->b->frame->recv(side->b, &iov, 1);

	if (len <= 0)
		return;
	r->frames++;
	side->frames++;
	if ((size_t)len - NET_HDR_LEN > r->longest)
		r->longest = (size_t)len - NET_HDR_LEN;
	memcpy(r->last, buf + NET_HDR_LEN, sizeof(r->last));
	if (answers(r, buf + NET_HDR_LEN, (size_t)len - NET_HDR_LEN))
		send_frame(r, buf + NET_HDR_LEN, (size_t)len - NET_HDR_LEN);
}

static void config_read(struct virtio_dev *d, unused uint32_t off, void *buf, uint32_t len)
{
	const struct rig *r = container_of(d, struct rig, dev);

	assert_int_equal(len, sizeof(r->mac));
	memcpy(buf, r->mac, len);
}

static const struct virtio_dev_ops dev_ops = {.config_read = config_read};

/* The driver uses @nr pairs. */
static void start(struct rig *r, unsigned nr)
{
	struct net_backend *b = r->b;

	for (unsigned i = 0; i < nr; i++, b = b->next) {
		const struct net_sink sink = {.can_recv = on_can_recv, .arg = &r->side[i]};

		r->side[i].r = r;
		r->side[i].b = b;
		assert_int_equal(b->frame->start(b, 0, &sink), 0);
	}
}

static void stop(struct rig *r)
{
	for (struct net_backend *b = r->b; b; b = b->next)
		b->frame->stop(b);
}

static void begin_pairs(struct rig *r, provoke_set set, struct guest g, unsigned nr)
{
	struct net_common common = {.nic = "net0", .more_pairs = nr - 1};

	*r = (struct rig){.guest = g};
	memcpy(common.mac, guest_mac, 6);
	assert_int_equal(loop_create(&r->loop), 0);
	assert_int_equal(provoke_create(set, 1, &r->p), 0);
	memcpy(r->mac, guest_mac, 6);
	r->dev.ops = &dev_ops;
	r->dev.accepted = FEATURE(VIRTIO_NET_F_MAC);
	r->p->dev = &r->dev;
	r->p->again_ns = 2000000;
	assert_int_equal(nic_config_parse(&r->nic, 0, "echo", true), 0);
	provoke_nic(r->p, &r->nic);
	assert_int_equal(r->nic.kind->create(r->nic.backend, &common, r->loop, &r->b), 0);
	if (nr > 1)
		assert_int_equal(r->b->set_pairs(r->b, nr), 0);
	start(r, nr);
}

static void begin(struct rig *r, provoke_set set, struct guest g)
{
	begin_pairs(r, set, g, 1);
}

static void end(struct rig *r)
{
	stop(r);
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

	begin(&r, PROVOKE_BIT(P_LENGTHS), (struct guest){.drops = 3});
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

	begin(&r, PROVOKE_BIT(P_LENGTHS), (struct guest){.silent = true});
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

/* What the host's scheduler says of the guest: it runs; or it stands in line, as is known afterwards, or since before. */
enum luck { RUNS, WAITED, WAITS };

struct host {
	enum luck luck;
	uint64_t turn_ns;
	unsigned asked;
	struct task now;
};

static void cpu_time(void *arg, struct task *now)
{
	struct host *h = arg;

	h->asked++;
	h->now.ready = h->luck == WAITS;
	h->now.cpu_ns += h->luck == WAITS ? 0 : 1;
	h->now.runqueue_ns += h->luck == WAITED ? h->turn_ns - h->turn_ns / 100 : 0;
	*now = h->now;
}

/* For several times as long as one that could answer has; what it gets adds up all the same. */
static void a_guest_without_a_cpu_is_not_stuck(unused void **state)
{
	for (enum luck luck = WAITED; luck <= WAITS; luck++) {
		struct host h = {.luck = luck, .now = {.cpu_ns = 1}};
		struct rig r;

		begin(&r, PROVOKE_BIT(P_LENGTHS), (struct guest){.silent = true});
		h.turn_ns = r.p->again_ns;
		provoke_cpu_time(r.p, cpu_time, &h);
		while (h.asked < 300) {
			assert_true(loop_turn(r.loop, -1) >= 0);
			assert_false(provoke_done(r.p));
		}
		assert_true(r.p->round >= 0);
		r.guest.silent = false;
		h.luck = RUNS;
		turn_until_done(&r);
		assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_LOST);
		assert_false(provoke_failed(r.p));
		end(&r);
	}
}

static void one_that_has_a_cpu_and_does_not_answer_is_stuck(unused void **state)
{
	struct host h = {.luck = RUNS, .now = {.cpu_ns = 1}};
	struct rig r;

	begin(&r, PROVOKE_BIT(P_LENGTHS), (struct guest){.silent = true});
	provoke_cpu_time(r.p, cpu_time, &h);
	turn_until_done(&r);
	assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_STUCK);
	assert_true(h.asked > 50);
	end(&r);
}

static void a_guest_that_ends_in_a_round_is_stuck_there(unused void **state)
{
	struct rig r;

	begin(&r, ROUNDS | PROVOKE_BIT(P_MTU), (struct guest){.silent = true});
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

	begin(&r, PROVOKE_BIT(P_MTU) | PROVOKE_BIT(P_LENGTHS), (struct guest){.corrupts = true});
	for (unsigned i = 0; i < 100; i++)
		assert_true(loop_turn(r.loop, -1) >= 0);
	provoke_end(r.p);
	assert_int_equal(verdict(&r, P_MTU), PROVOKE_STUCK);
	end(&r);
	begin(&r, PROVOKE_BIT(P_MTU), (struct guest){.other_address = true});
	for (unsigned i = 0; i < 100; i++)
		assert_true(loop_turn(r.loop, -1) >= 0);
	provoke_end(r.p);
	assert_int_equal(verdict(&r, P_MTU), PROVOKE_STUCK);
	end(&r);
}

/* ---- guests that go on in another way */

static void turn_until_asked(struct rig *r, unsigned nr)
{
	while (r->p->round < 0 || r->frames < nr)
		assert_true(loop_turn(r->loop, -1) >= 0);
}

static void an_address_that_the_device_was_told_is_right(unused void **state)
{
	static const uint8_t other[6] = {0x52, 0x54, 0, 0, 0, 77};
	struct rig r;

	begin(&r, PROVOKE_BIT(P_LENGTHS) | PROVOKE_BIT(P_FLOOD), (struct guest){0});
	turn_until_asked(&r, 40);
	memcpy(r.mac, other, 6); /* MAC_ADDR_SET: filter and config space have it */
	turn_until_done(&r);
	assert_false(provoke_failed(r.p));
	assert_int_equal(provoke_result(r.p, P_LENGTHS)->corrupt, 0);
	assert_int_equal(verdict(&r, P_FLOOD), PROVOKE_SURVIVED);
	end(&r);
}

static void one_that_it_was_not_told_is_corruption(unused void **state)
{
	struct rig r;

	begin(&r, PROVOKE_BIT(P_LENGTHS), (struct guest){0});
	turn_until_asked(&r, 40);
	r.guest.other_address = true;
	turn_until_done(&r);
	assert_true(provoke_failed(r.p));
	assert_true(provoke_result(r.p, P_LENGTHS)->corrupt > 0);
	end(&r);
}

static void reset(struct rig *r, bool boots)
{
	r->b->frame->stop(r->b);
	r->b->frame->forget(r->b);
	r->p->lives += boots;
}

/* More than the 50 times that a driver has who is there. */
static void be_away(struct rig *r)
{
	const uint64_t until = loop_now_ns() + 80 * r->p->again_ns;

	while (loop_now_ns() < until)
		assert_true(loop_turn(r->loop, -1) >= 0);
}

static void who_resets_or_reboots_in_a_round_has_time_to_come_back(unused void **state)
{
	for (unsigned boots = 0; boots < 2; boots++) {
		struct rig r;

		begin(&r, PROVOKE_BIT(P_LENGTHS) | PROVOKE_BIT(P_FLOOD), (struct guest){0});
		turn_until_asked(&r, 40);
		reset(&r, boots);
		be_away(&r);
		assert_false(provoke_done(r.p));
		start(&r, 1);
		turn_until_done(&r);
		assert_false(provoke_failed(r.p));
		assert_int_equal(verdict(&r, P_LENGTHS), boots ? PROVOKE_REBOOTED : PROVOKE_LOST);
		assert_int_equal(verdict(&r, P_FLOOD), PROVOKE_SURVIVED);
		end(&r);
	}
}

static void who_does_not_come_back_is_stuck(unused void **state)
{
	struct rig r;

	begin(&r, PROVOKE_BIT(P_LENGTHS), (struct guest){0});
	turn_until_asked(&r, 40);
	reset(&r, false);
	turn_until_done(&r); /* 600 times */
	assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_STUCK);
	end(&r);
}

static void a_device_that_failed_and_is_not_reset_is_given_up_sooner(unused void **state)
{
	struct rig r;
	uint64_t began;

	begin(&r, PROVOKE_BIT(P_LENGTHS), (struct guest){0});
	turn_until_asked(&r, 40);
	atomic_store(&r.dev.status, VIRTIO_CONFIG_S_NEEDS_RESET);
	reset(&r, false);
	began = r.frames;
	turn_until_done(&r);
	assert_int_equal(r.frames, began);
	assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_STUCK);
	end(&r);
}

/* ---- rounds with questions of their own */

static void long_frames_are_for_who_has_accepted_the_mtu(unused void **state)
{
	for (unsigned takes = 0; takes < 2; takes++) {
		struct rig r;

		begin(&r, PROVOKE_BIT(P_JUMBO), (struct guest){0});
		r.p->mtu = 9000;
		if (takes)
			r.dev.accepted |= FEATURE(VIRTIO_NET_F_MTU);
		turn_until_done(&r);
		assert_int_equal(verdict(&r, P_JUMBO),
		                 takes ? PROVOKE_SURVIVED : PROVOKE_NO_OCCASION);
		assert_int_equal(r.longest > QUESTION_USUAL, takes);
		assert_true(r.longest <= 9014);
		end(&r);
	}
}

static void indices_of_16_bits_go_round(unused void **state)
{
	struct rig r;

	begin(&r, PROVOKE_BIT(P_INDEX_WRAP), (struct guest){0});
	turn_until_done(&r);
	assert_int_equal(verdict(&r, P_INDEX_WRAP), PROVOKE_SURVIVED);
	assert_true(r.frames > UINT16_MAX);
	end(&r);
}

static void a_counter_that_ends_there_is_found(unused void **state)
{
	struct rig r;

	begin(&r, PROVOKE_BIT(P_INDEX_WRAP), (struct guest){.ends_at = UINT16_MAX});
	turn_until_done(&r);
	assert_int_equal(verdict(&r, P_INDEX_WRAP), PROVOKE_STUCK);
	end(&r);
}

static void who_is_leaving_gets_frames_that_need_no_answer(unused void **state)
{
	struct rig r;
	unsigned before;

	begin(&r, PROVOKE_BIT(P_LENGTHS), (struct guest){.deaf = true});
	for (unsigned i = 0; i < 10; i++)
		assert_true(loop_turn(r.loop, -1) >= 0);
	before = r.frames;
	r.p->late(r.p->late_arg);
	assert_int_equal(r.frames, before + 8);
	end(&r);
}

static void what_a_guest_asks_is_answered_and_its_address_is_learned(unused void **state)
{
	static const uint8_t arp[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 0, 0,
	                                9,    8,    6,    0,    1,    8,    0,    6,    4, 0, 1,
	                                0x52, 0x54, 0,    0,    0,    9,    192,  168,  1, 7, 0,
	                                0,    0,    0,    0,    0,    192,  168,  1,    1};
	struct rig r;

	begin(&r, PROVOKE_BIT(P_LENGTHS), (struct guest){.deaf = true});
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

	begin(&r, PROVOKE_BIT(P_LENGTHS), (struct guest){0});
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

static void what_a_nic_is_to_be_is_set(unused void **state)
{
	struct nic_config nic;
	struct provoke *p;

	assert_int_equal(provoke_create(PROVOKE_BIT(P_MTU) | PROVOKE_BIT(P_POLLING), 1, &p), 0);
	assert_int_equal(nic_config_parse(&nic, 0, "echo,queues=2", true), 0);
	provoke_nic(p, &nic);
	assert_int_equal(nic.queues, 2);
	assert_int_equal(nic.poll, POLL_ON);
	assert_true(nic.mtu >= 1280);
	nic_config_free(&nic);
	provoke_destroy(p);
}

/* As a driver does when its user takes pairs away: the device stops all of them, and begins with fewer. */
static void
questions_come_by_all_pairs_and_by_the_first_when_the_others_go_under_load(unused void **state)
{
	unsigned second = 0;
	struct rig r;

	begin_pairs(&r, ROUNDS, (struct guest){0}, 2);
	assert_true(r.b->can & FEATURE(VIRTIO_NET_F_MQ));
	while (!provoke_done(r.p)) {
		assert_true(loop_turn(r.loop, -1) >= 0);
		if (second || r.p->round != P_FLOOD || r.side[1].frames == 0)
			continue;
		second = r.side[1].frames;
		stop(&r);
		assert_int_equal(r.b->set_pairs(r.b, 1), 0);
		start(&r, 1);
	}
	provoke_end(r.p);
	assert_true(second > 0);
	assert_int_equal(r.side[1].frames, second);
	assert_true(r.side[0].frames > second);
	assert_int_not_equal(verdict(&r, P_FLOOD), PROVOKE_NOT_TRIED);
	assert_int_equal(verdict(&r, P_LENGTHS), PROVOKE_SURVIVED);
	assert_false(provoke_failed(r.p));
	end(&r);
}

/* The pairs begin anew each time: that is no new driver, who would have time to come back. */
static void who_sets_its_pairs_again_and_again_and_is_silent_is_stuck(unused void **state)
{
	struct rig r;

	begin_pairs(&r, ROUNDS, (struct guest){.silent = true}, 2);
	while (!provoke_done(r.p)) {
		assert_true(loop_turn(r.loop, -1) >= 0);
		stop(&r);
		assert_int_equal(r.b->set_pairs(r.b, 2), 0);
		start(&r, 2);
	}
	provoke_end(r.p);
	assert_true(provoke_failed(r.p));
	end(&r);
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
		cmocka_unit_test(a_guest_without_a_cpu_is_not_stuck),
		cmocka_unit_test(one_that_has_a_cpu_and_does_not_answer_is_stuck),
		cmocka_unit_test(a_guest_that_ends_in_a_round_is_stuck_there),
		cmocka_unit_test(wrong_bytes_and_a_wrong_address_are_corruption),
		cmocka_unit_test(an_address_that_the_device_was_told_is_right),
		cmocka_unit_test(one_that_it_was_not_told_is_corruption),
		cmocka_unit_test(who_resets_or_reboots_in_a_round_has_time_to_come_back),
		cmocka_unit_test(who_does_not_come_back_is_stuck),
		cmocka_unit_test(a_device_that_failed_and_is_not_reset_is_given_up_sooner),
		cmocka_unit_test(long_frames_are_for_who_has_accepted_the_mtu),
		cmocka_unit_test(indices_of_16_bits_go_round),
		cmocka_unit_test(a_counter_that_ends_there_is_found),
		cmocka_unit_test(who_is_leaving_gets_frames_that_need_no_answer),
		cmocka_unit_test(what_a_guest_asks_is_answered_and_its_address_is_learned),
		cmocka_unit_test(nonsense_is_no_answer),
		cmocka_unit_test(what_a_nic_is_to_be_is_set),
		cmocka_unit_test(who_sets_its_pairs_again_and_again_and_is_silent_is_stuck),
		cmocka_unit_test(
			questions_come_by_all_pairs_and_by_the_first_when_the_others_go_under_load),
	};

	return cmocka_run_group_tests_name("peer", tests, NULL, NULL);
}
