/* SPDX-License-Identifier: Apache-2.0 */
/* Commands of the control queue, and what their drivers do behind them: each rule has one that breaks it and one that keeps it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#define VIRTIO_MMIO_NO_LEGACY
#include <linux/virtio_mmio.h>
#include <string.h>

#include "devices/virtio_watch.h"
#include "tests/lib/check_rig.h"
#include "tests/lib/pkt.h"
#include "vmm/core/le.h"

#define F     CRIG_F
#define CTRL  (CRIG_V1 | F(MAC) | F(STATUS) | F(CTRL_VQ))
#define RX    (CTRL | F(CTRL_RX))
#define PAIRS (CTRL | F(MQ))
#define RSS   (PAIRS | F(RSS) | F(HASH_REPORT))
#define OK    VIRTIO_NET_OK
#define ERR   VIRTIO_NET_ERR

/* ---- commands that stand for themselves */

struct order {
	const char *rule; /* that is broken; NULL: none */
	uint64_t accept;
	size_t len;
	uint8_t data[32];
};

static const struct order orders[] = {
	{"ctrl.framing", CTRL, 0, {0}},
	{"ctrl.framing", CTRL, 1, {0}},
	{"ctrl.framing", CTRL | F(GUEST_ANNOUNCE), 3, {3, 0, 1}},
	{"ctrl.framing", CTRL | F(CTRL_MAC_ADDR), 7, {1, 1, 2, 1, 2, 3, 4}},
	{"ctrl.framing", PAIRS, 3, {4, 0, 1}},
	{"ctrl.class-negotiated", CTRL, 4, {2, 0, 1, 0}},
	{"ctrl.class-negotiated", CTRL, 2, {3, 0}},
	{"ctrl.class-negotiated", CTRL, 4, {4, 0, 1, 0}},
	{"ctrl.class-negotiated", CTRL, 15, {4, 2}},
	{"ctrl.class-negotiated", CTRL, 10, {5, 0}},
	{"ctrl.class-negotiated", CTRL, 10, {6, 0}},
	{"ctrl.class-negotiated", CTRL, 2, {8, 0}},
	{"ctrl.class-negotiated", CTRL, 2, {200, 0}},
	{"ctrl.class-negotiated", RX, 8, {1, 1, 2, 1, 2, 3, 4, 6}},
	{"ctrl.rx-negotiated", CTRL, 3, {0, 0, 1}},
	{"ctrl.rx-negotiated", CTRL, 3, {0, 1, 1}},
	{"ctrl.rx-extra-negotiated", RX, 3, {0, 2, 1}},
	{"ctrl.rx-extra-negotiated", RX, 3, {0, 5, 1}},
	{"ctrl.rx-data-bool", RX, 3, {0, 0, 2}},
	{"ctrl.rx-data-bool", RX, 6, {0, 0, 1, 0, 0, 0}},
	{"ctrl.mac-negotiated", CTRL, 10, {1, 0}},
	{"ctrl.mac-negotiated", CTRL, 8, {1, 1, 2, 1, 2, 3, 4, 6}},
	/* One table only; too many; too few; a group among the others, and the other way round. */
	{"ctrl.mac-table-format", RX, 6, {1, 0, 0, 0, 0, 0}},
	{"ctrl.mac-table-format", RX, 12, {1, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 6}},
	{"ctrl.mac-table-format", RX, 10, {1, 0, 1, 0, 0, 0}},
	{"ctrl.mac-table-format", RX, 16, {1, 0}},
	{"ctrl.mac-table-format", RX, 16, {1, 0, 1, 0, 0, 0, 0x33, 0x33, 0, 0, 0, 1}},
	{"ctrl.mac-table-format", RX, 16, {1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2}},
	{"ctrl.vlan-id", CTRL | F(CTRL_VLAN), 6, {2, 0, 1}},
	{"ctrl.vlan-id", CTRL | F(CTRL_VLAN), 4, {2, 0, 0, 16}},
	{"ctrl.vlan-id", CTRL | F(CTRL_VLAN), 4, {2, 1, 7, 0}},
	{"offloads.negotiated", CTRL | F(GUEST_CSUM) | F(CTRL_GUEST_OFFLOADS), 10, {5, 0, 0x82}},
	{"mq.pairs-range", PAIRS, 4, {4, 0, 0, 0}},
	{"mq.pairs-range", PAIRS, 4, {4, 0, 3, 0}},
	{"rss.negotiated", PAIRS, 20, {4, 1}},
	{"rssctx.negotiated", RSS, 8, {9, 1}},

	{NULL, RX, 3, {0, 0, 1}},
	{NULL, RX, 3, {0, 1, 0}},
	{NULL, RX | F(CTRL_RX_EXTRA), 3, {0, 5, 1}},
	{NULL, RX, 10, {1, 0}},
	{NULL, RX, 22, {1, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 6, 1, 0, 0, 0, 0x33, 0x33, 0, 0, 0, 1}},
	{NULL, CTRL | F(CTRL_MAC_ADDR), 8, {1, 1, 2, 1, 2, 3, 4, 6}},
	{NULL, CTRL | F(CTRL_VLAN), 4, {2, 0, 0xff, 15}},
	{NULL, CTRL | F(GUEST_CSUM) | F(CTRL_GUEST_OFFLOADS), 10, {5, 0, 2}},
	{NULL, PAIRS, 4, {4, 0, 2, 0}},
};

static void each_wrong_command_is_found_and_no_right_one(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		const struct order *o = &orders[i];
		struct check_rig r;

		crig_begin(&r, o->accept);
		crig_up(&r, o->accept);
		crig_expect_clean(&r, "bring-up", *state);
		crig_command(&r, o->data, o->len, o->rule ? ERR : OK);
		if (o->rule)
			crig_expect_broken(&r, o->rule, *state);
		else
			crig_expect_clean(&r, "command", *state);
		crig_end(&r);
	}
}

static void a_vlan_is_taken_out_once(void **state)
{
	static const uint8_t in[] = {2, 0, 7, 0}, out[] = {2, 1, 7, 0};
	struct check_rig r;

	crig_begin(&r, CTRL | F(CTRL_VLAN));
	crig_up(&r, CTRL | F(CTRL_VLAN));
	crig_command(&r, in, sizeof(in), OK);
	crig_command(&r, out, sizeof(out), OK);
	crig_expect_clean(&r, "in and out", *state);
	crig_command(&r, out, sizeof(out), OK);
	crig_expect_broken(&r, "ctrl.vlan-id", *state);
	crig_end(&r);
}

static void a_command_that_the_driver_changes_is_found(void **state)
{
	static const uint8_t promisc[] = {0, 0, 1};
	struct virtio_command cmd = {
		.data = promisc, .held = 3, .out_len = 3, .in_len = 1, .ack = OK, .changed = true};
	struct check_rig r;

	crig_begin(&r, RX);
	crig_up(&r, RX);
	check_watch(r.c)->command(check_watch(r.c), &cmd);
	crig_expect_broken(&r, "ctrl.wait-for-used", *state);
	cmd.in_len = 0;
	check_watch(r.c)->command(check_watch(r.c), &cmd);
	crig_expect_broken(&r, "ctrl.framing", *state);
	crig_end(&r);
}

/* What is longer than the device's copy is judged as far as that goes. */
static void a_table_behind_the_copy_is_not_judged(void **state)
{
	uint8_t data[64] = {1, 0, 100};
	const struct virtio_command cmd = {
		.data = data, .held = 64, .out_len = 2 + 4 + 600 + 4, .in_len = 1, .ack = OK};
	struct check_rig r;

	crig_begin(&r, RX);
	crig_up(&r, RX);
	check_watch(r.c)->command(check_watch(r.c), &cmd);
	crig_expect_clean(&r, "long table", *state);
	data[6] = 1;
	check_watch(r.c)->command(check_watch(r.c), &cmd);
	crig_expect_broken(&r, "ctrl.mac-table-format", *state);
	crig_end(&r);
}

/* ---- RSS */

struct table {
	const char *rule;
	uint32_t types;
	unsigned entries;
	uint16_t first, tx; /* first entry; number of tx queues */
	unsigned key, sent; /* bytes of the key, said and there */
};

static const struct table tables[] = {
	{"rss.table-enabled", 1, 4, 2, 1, 40, 40},
	{"rss.table-pow2", 1, 3, 1, 1, 40, 40},
	{"rss.mask-limit", 1, 256, 1, 1, 40, 40},
	{"rss.hash-types", 0x40, 4, 1, 1, 40, 40},
	{"rss.key-limit", 1, 4, 1, 1, 41, 41},
	{"rss.key-limit", 1, 4, 1, 1, 40, 39},
	{"rss.key-limit", 1, 4, 0x8001, 1, 40, 40},
	{NULL, 0x3f, 128, 1, 2, 40, 40},
	{NULL, 1, 1, 0, 1, 0, 0},
};

static size_t put_table(uint8_t *out, const struct table *t)
{
	uint8_t *p = out;

	*p++ = VIRTIO_NET_CTRL_MQ;
	*p++ = 1;
	put_le32(p, t->types);
	put_le16(p + 4, (uint16_t)(t->entries - 1));
	p += 8; /* queue 0 without a hash */
	for (unsigned i = 0; i < t->entries; i++, p += 2)
		put_le16(p, i == 0 ? t->first : 0);
	put_le16(p, t->tx);
	p[2] = (uint8_t)t->key;
	return (size_t)(p + 3 + t->sent - out);
}

static void each_wrong_table_is_found_and_no_right_one(void **state)
{
	static const uint8_t hash[4 + 8 + 3] = {4, 2, 0x3f}, bad_hash[4 + 8 + 3] = {4, 2, 0x80};

	for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
		const struct table *t = &tables[i];
		uint8_t data[1024] = {0};
		struct check_rig r;

		crig_begin(&r, RSS);
		crig_up(&r, RSS);
		crig_command(&r, hash, sizeof(hash), OK);
		crig_command(&r, data, put_table(data, t), t->rule ? ERR : OK);
		if (t->rule)
			crig_expect_broken(&r, t->rule, *state);
		else
			crig_expect_clean(&r, "table", *state);
		crig_command(&r, bad_hash, sizeof(bad_hash), ERR);
		crig_expect_broken(&r, "rss.hash-types", *state);
		crig_end(&r);
	}
}

static void tables_that_end_anywhere_are_survived(void **state)
{
	const struct table *t = &tables[ARRAY_SIZE(tables) - 2];
	uint8_t data[1024] = {0};
	const size_t len = put_table(data, t);
	struct check_rig r;

	crig_begin(&r, RSS);
	crig_up(&r, RSS);
	for (size_t i = 2; i < len; i++)
		crig_command(&r, data, i, ERR);
	crig_expect_broken(&r, "rss.key-limit", *state);
	crig_end(&r);
}

/* ---- pairs */

static const uint8_t two[] = {4, 0, 2, 0}, one[] = {4, 0, 1, 0};

static void send_by(struct check_rig *r, unsigned queue)
{
	const struct pkt_ends ends = {.src_mac = {2, 1, 2, 3, 4, 5}, .src = 1, .dst = 2};
	static uint8_t data[12 + PKT_MAX];

	crig_send(r, queue, data, 12 + pkt_udp(data + 12, &ends, "hello, world!", 13));
}

static void post(struct check_rig *r, unsigned queue)
{
	crig_offer(r, queue, NULL, 1526);
	crig_look(r, queue);
}

static void pairs_up(struct check_rig *r)
{
	crig_begin(r, PAIRS);
	crig_up(r, PAIRS);
	post(r, 0);
	post(r, 2);
}

static void pairs_that_are_not_ready_are_found(void **state)
{
	struct check_rig r;

	crig_begin(&r, PAIRS);
	crig_negotiate(&r, PAIRS);
	for (unsigned i = 0; i < CRIG_QUEUES; i++)
		if (i != 3)
			crig_ready(&r, i);
	crig_go(&r);
	crig_command(&r, one, sizeof(one), OK);
	crig_expect_clean(&r, "one pair", *state);
	crig_command(&r, two, sizeof(two), OK);
	crig_expect_broken(&r, "mq.configure-first", *state);
	crig_end(&r);
}

static void a_second_pair_is_idle_until_the_command(void **state)
{
	struct check_rig r;

	pairs_up(&r);
	send_by(&r, 1);
	crig_ticks(&r, 2);
	crig_command(&r, two, sizeof(two), OK);
	send_by(&r, 3);
	crig_ticks(&r, 30);
	crig_expect_clean(&r, "behind the command", *state);
	crig_end(&r);
	/* Seen by a look, or when the command comes. */
	for (unsigned ticks = 0; ticks < 2; ticks++) {
		pairs_up(&r);
		crig_offer(&r, 3, "frame", 5);
		crig_ticks(&r, ticks);
		if (ticks == 0)
			crig_command(&r, two, sizeof(two), OK);
		crig_expect_broken(&r, "mq.tx1-before", *state);
		crig_end(&r);
	}
}

/* What was on its way when the number became smaller is not held against the driver: Linux does that. */
static void a_pair_that_was_switched_off_stays_idle(void **state)
{
	struct check_rig r;

	pairs_up(&r);
	crig_command(&r, two, sizeof(two), OK);
	send_by(&r, 3);
	crig_command(&r, one, sizeof(one), OK);
	crig_offer(&r, 3, "late", 4);
	crig_write(&r, VIRTIO_MMIO_QUEUE_NOTIFY, 3);
	crig_ticks(&r, 10);
	crig_expect_clean(&r, "on its way", *state);
	crig_offer(&r, 3, "too late", 8);
	crig_ticks(&r, 1);
	crig_expect_broken(&r, "mq.tx-within-pairs", *state);
	crig_end(&r);
}

static void pairs_that_were_refused_stay_off(void **state)
{
	struct check_rig r;

	pairs_up(&r);
	crig_command(&r, two, sizeof(two), ERR);
	crig_ticks(&r, 3);
	crig_expect_clean(&r, "refused", *state);
	crig_offer(&r, 3, "frame", 5);
	crig_ticks(&r, 1);
	crig_expect_broken(&r, "ctrl.check-ack", *state);
	crig_end(&r);
}

static void a_pair_without_receive_buffers_is_found(void **state)
{
	struct check_rig r;

	crig_begin(&r, PAIRS);
	crig_up(&r, PAIRS);
	post(&r, 0);
	crig_command(&r, two, sizeof(two), OK);
	crig_ticks(&r, 30);
	crig_expect_clean(&r, "an interface that is down", *state);
	send_by(&r, 1);
	crig_ticks(&r, 30);
	crig_expect_broken(&r, "net.rx-mq-populate", *state);
	crig_end(&r);
}

/* The table names receive queue @queue, and what has no hash goes to @other; two pairs send. */
static void receive_by(struct check_rig *r, uint8_t queue, uint8_t other)
{
	const uint8_t config[] = {4, 1, 1, 0, 0, 0, 0, 0, other, 0, queue, 0, 2, 0, 0};

	crig_command(r, config, sizeof(config), OK);
}

static void a_pair_that_a_table_names_needs_receive_buffers(void **state)
{
	const uint64_t f = CTRL | F(RSS);
	struct check_rig r;

	for (uint8_t queues = 0; queues < 3; queues++) {
		crig_begin(&r, f);
		crig_up(&r, f);
		post(&r, 0);
		receive_by(&r, queues & 1, queues >> 1);
		crig_ticks(&r, 12);
		send_by(&r, 1);
		crig_ticks(&r, 30);
		if (queues)
			crig_expect_broken(&r, "net.rx-mq-populate", *state);
		else
			crig_expect_clean(&r, "the first", *state);
		crig_end(&r);
	}
}

static void an_address_that_was_refused_is_not_ones_own(void **state)
{
	static const uint8_t set[] = {1, 1, 2, 9, 9, 9, 9, 9};
	const uint64_t f = CTRL | F(CTRL_MAC_ADDR);
	uint8_t frame[12 + 64] = {0};
	struct check_rig r;

	crig_begin(&r, f);
	crig_up(&r, f);
	crig_command(&r, set, sizeof(set), ERR);
	crig_send(&r, 1, frame, 12 + pkt_arp_request(frame + 12, crig_mac, 1, 2));
	crig_expect_clean(&r, "the old one", *state);
	crig_send(&r, 1, frame, 12 + pkt_arp_request(frame + 12, set + 2, 1, 2));
	crig_expect_broken(&r, "ctrl.check-ack", *state);
	crig_end(&r);

	/* It is what it had before. */
	crig_begin(&r, f);
	crig_up(&r, f);
	crig_command(&r, set, sizeof(set), OK);
	crig_command(&r, set, sizeof(set), ERR);
	crig_send(&r, 1, frame, 12 + pkt_arp_request(frame + 12, set + 2, 1, 2));
	crig_expect_clean(&r, "the same", *state);
	crig_end(&r);

	/* Asked once more, it was given. */
	crig_begin(&r, f);
	crig_up(&r, f);
	crig_command(&r, set, sizeof(set), ERR);
	crig_command(&r, set, sizeof(set), OK);
	crig_send(&r, 1, frame, 12 + pkt_arp_request(frame + 12, set + 2, 1, 2));
	crig_expect_clean(&r, "the new one", *state);
	crig_end(&r);
}

/* Without MAC the config space has none. What was told before, and taken, is one to go on with. */
static void an_address_that_was_made_up_is_the_only_one(void **state)
{
	static const uint8_t set[] = {1, 1, 2, 9, 9, 9, 9, 9}, first[] = {1, 1, 2, 8, 8, 8, 8, 8};
	const uint64_t f = (CTRL | F(CTRL_MAC_ADDR)) & ~F(MAC);

	for (unsigned told = 0; told < 2; told++) {
		uint8_t frame[12 + 64] = {0};
		struct check_rig r;

		crig_begin(&r, f);
		crig_up(&r, f);
		if (told)
			crig_command(&r, first, sizeof(first), OK);
		crig_command(&r, set, sizeof(set), ERR);
		crig_send(&r, 1, frame, 12 + pkt_arp_request(frame + 12, set + 2, 1, 2));
		if (told)
			crig_expect_broken(&r, "ctrl.check-ack", *state);
		else
			crig_expect_clean(&r, "it has no other", *state);
		crig_end(&r);
	}
}

/* On several CPUs frames are made while the address is told. */
static void frames_of_the_address_before_may_be_on_their_way(void **state)
{
	static const uint8_t set[] = {1, 1, 2, 9, 9, 9, 9, 9};
	const uint64_t f = CTRL | F(CTRL_MAC_ADDR);
	uint8_t frame[12 + 64] = {0};
	struct check_rig r;

	/* None has come from there before. */
	crig_begin(&r, f);
	crig_up(&r, f);
	crig_command(&r, set, sizeof(set), OK);
	for (unsigned i = 0; i < 4; i++)
		crig_send(&r, 1, frame, 12 + pkt_arp_request(frame + 12, crig_mac, 1, 2));
	crig_expect_broken(&r, "net.mac-use", *state);
	crig_end(&r);

	for (unsigned others = 0; others < 2; others++) {
		crig_begin(&r, f);
		crig_up(&r, f);
		send_by(&r, 1);
		crig_send(&r, 1, frame, 12 + pkt_arp_request(frame + 12, crig_mac, 1, 2));
		crig_command(&r, set, sizeof(set), OK);
		for (unsigned i = 0; i < 4; i++)
			crig_send(&r, 1, frame, 12 + pkt_arp_request(frame + 12, crig_mac, 1, 2));
		crig_expect_clean(&r, "on their way", *state);
		for (unsigned i = 0; others && i < 4; i++)
			crig_send(&r, 1, frame,
			          12 + pkt_arp_request(frame + 12, (uint8_t[]){2, 8, 8, 8, 8, 8}, 1,
			                               2));
		if (others)
			crig_expect_broken(&r, "net.mac-use", *state);
		crig_end(&r);
	}
}

/* ---- the request to announce */

#define ANNOUNCE (CTRL | F(GUEST_ANNOUNCE))

static void ask_to_announce(struct check_rig *r)
{
	crig_begin(r, ANNOUNCE);
	crig_up(r, ANNOUNCE);
	post(r, 0);
	send_by(r, 1);
	crig_read(r, VIRTIO_MMIO_INTERRUPT_STATUS, VIRTIO_MMIO_INT_CONFIG);
	crig_write(r, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_CONFIG);
	crig_config(r, 6, 2, VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
}

static void requests_to_announce_are_answered(void **state)
{
	static const uint8_t ack[] = {3, 0};
	uint8_t frame[12 + 64] = {0};
	struct check_rig r;

	ask_to_announce(&r);
	crig_ticks(&r, 5);
	crig_expect_clean(&r, "there is time", *state);
	crig_ticks(&r, 20);
	crig_expect_broken(&r, "announce.ack", *state);
	crig_expect_broken(&r, "announce.peers", *state);
	crig_end(&r);

	ask_to_announce(&r);
	crig_send(&r, 1, frame, 12 + pkt_arp_request(frame + 12, crig_mac, 1, 1));
	crig_command(&r, ack, sizeof(ack), OK);
	crig_ticks(&r, 30);
	crig_expect_clean(&r, "announced", *state);
	crig_end(&r);
}

/* ANNOUNCE may stand there from the boot on. */
static void an_interface_that_is_not_up_yet_has_nobody_to_tell(void **state)
{
	static const uint8_t ack[] = {3, 0};
	struct check_rig r;

	crig_begin(&r, ANNOUNCE);
	crig_up(&r, ANNOUNCE);
	post(&r, 0);
	crig_config(&r, 6, 2, VIRTIO_NET_S_LINK_UP | VIRTIO_NET_S_ANNOUNCE);
	crig_command(&r, ack, sizeof(ack), OK);
	send_by(&r, 1); /* the first frame that names an address */
	crig_ticks(&r, 30);
	crig_expect_clean(&r, "up later", *state);
	crig_end(&r);
}

static void all_have_both(void **state)
{
	crig_expect_both(*state, check_ctrl_ids);
}

int main(void)
{
	static struct check_tally tally;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(each_wrong_command_is_found_and_no_right_one, &tally),
		cmocka_unit_test_prestate(a_vlan_is_taken_out_once, &tally),
		cmocka_unit_test_prestate(a_command_that_the_driver_changes_is_found, &tally),
		cmocka_unit_test_prestate(a_table_behind_the_copy_is_not_judged, &tally),
		cmocka_unit_test_prestate(each_wrong_table_is_found_and_no_right_one, &tally),
		cmocka_unit_test_prestate(tables_that_end_anywhere_are_survived, &tally),
		cmocka_unit_test_prestate(pairs_that_are_not_ready_are_found, &tally),
		cmocka_unit_test_prestate(a_second_pair_is_idle_until_the_command, &tally),
		cmocka_unit_test_prestate(a_pair_that_was_switched_off_stays_idle, &tally),
		cmocka_unit_test_prestate(pairs_that_were_refused_stay_off, &tally),
		cmocka_unit_test_prestate(a_pair_without_receive_buffers_is_found, &tally),
		cmocka_unit_test_prestate(frames_of_the_address_before_may_be_on_their_way, &tally),
		cmocka_unit_test_prestate(a_pair_that_a_table_names_needs_receive_buffers, &tally),
		cmocka_unit_test_prestate(an_address_that_was_refused_is_not_ones_own, &tally),
		cmocka_unit_test_prestate(an_address_that_was_made_up_is_the_only_one, &tally),
		cmocka_unit_test_prestate(requests_to_announce_are_answered, &tally),
		cmocka_unit_test_prestate(an_interface_that_is_not_up_yet_has_nobody_to_tell,
	                                  &tally),
		cmocka_unit_test_prestate(all_have_both, &tally),
	};

	return cmocka_run_group_tests_name("check_ctrl", tests, NULL, NULL);
}
