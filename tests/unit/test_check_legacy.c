/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rules about version 1: a right driver keeps each of them, and for each there is one that breaks it. The drivers are lists
 * of what they do to the registers, and of chains.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "check/borne.h"
#include "check/check.h"
#include "check/state.h"
#include "tests/lib/check_rig.h"
#include "vmm/core/gmem.h"
#include "vmm/core/le.h"

#define F(name)    FEATURE(VIRTIO_NET_F_##name)
#define ANY_LAYOUT FEATURE(VIRTIO_F_ANY_LAYOUT)
#define OFFERED    (F(MAC) | F(STATUS) | F(CTRL_VQ) | F(CTRL_RX) | F(MRG_RXBUF) | ANY_LAYOUT)
#define ACCEPTED   (F(MAC) | F(CTRL_VQ) | F(CTRL_RX) | ANY_LAYOUT)

#define MEMORY 0x40000u
#define PAGE   4096u
#define NUM    8u
#define RING   0x2000u /* of the transmit queue; others are not looked at */
#define DATA   0x8000u

enum { RX, TX, CTRL, NR_QUEUES };

/* Of all cases: rules that were kept by right drivers, and broken by the others. */
static bool kept[512], broke[512];

static const uint8_t own_mac[6] = {2, 1, 2, 3, 4, 5};

static struct {
	struct gmem mem;
	struct check *c;
	uint8_t status;
} rig;

static void *at(gpa_t where)
{
	return gmem_ptr(&rig.mem, where, 1);
}

static void begin(uint64_t offered)
{
	struct check_device dev = {.offered = offered,
	                           .legacy = !(offered & FEATURE(VIRTIO_F_VERSION_1)),
	                           .config_len = 24,
	                           .config = {2, 1, 2, 3, 4, 5},
	                           .num_max = {256, 256, 64},
	                           .nr_queues = NR_QUEUES};

	rig.status = 0;
	crig_make(dev, MEMORY, &rig.mem, &rig.c);
}

static void end(void)
{
	crig_unmake(&rig.mem, rig.c);
}

/* The end of a right driver. */
static void expect_clean(const char *what)
{
	for (size_t i = 0; i < nr_rules; i++) {
		const struct check_result *res = check_result(rig.c, i);

		if (res->broken)
			fail_msg("%s: %s: %s", what, rules[i].id, res->why);
		kept[i] |= res->kept > 0;
	}
	end();
}

/* That of a wrong one. */
static void expect_broken(const char *id)
{
	const size_t i = crig_rule(id);

	if (!check_result(rig.c, i)->broken)
		fail_msg("%s was not found", id);
	assert_true(check_result(rig.c, i)->why[0]);
	broke[i] = true;
	end();
}

/* ---- registers */

struct step {
	char how; /* 'r'ead, 'w'rite; 's': write to Status */
	uint32_t off, size;
	uint64_t val;
};

static void do_step(const struct step *s)
{
	struct virtio_watch *w = check_watch(rig.c);
	const uint32_t byte = s->off - VIRTIO_MMIO_CONFIG;
	const bool mac = s->how == 'r' && s->off >= VIRTIO_MMIO_CONFIG && byte < 6;
	const struct virtio_access a = {s->off, s->size, s->how != 'r',
	                                mac && !s->val ? own_mac[byte] : s->val, rig.status};

	w->access(w, &a);
	if (s->how == 's')
		rig.status = s->val ? (uint8_t)(rig.status | (s->val & 0x87)) : 0;
}

#define READ(reg, v)                         \
	{                                    \
		'r', VIRTIO_MMIO_##reg, 4, v \
	}
#define WRITE(reg, v)                        \
	{                                    \
		'w', VIRTIO_MMIO_##reg, 4, v \
	}
#define STATUS(v)                             \
	{                                     \
		's', VIRTIO_MMIO_STATUS, 4, v \
	}
#define MAC_BYTE(n)                                 \
	{                                           \
		'r', VIRTIO_MMIO_CONFIG + (n), 1, 0 \
	}
#define MAC_BYTES MAC_BYTE(0), MAC_BYTE(1), MAC_BYTE(2), MAC_BYTE(3), MAC_BYTE(4), MAC_BYTE(5)

enum place {
	PAGE_SIZE_TOLD = 3,
	TAKE = 12,
	ONCE_MORE = 20,
	SELECT = 26,
	MAX = 28,
	ALIGN = 30,
	PFN = 31,
	GO = 32,
	KICK = 33,
};

/* As Linux does it, but for the second reading of the address. */
static const struct step right[] = {
	READ(MAGIC_VALUE, 0x74726976),
	READ(VERSION, 1),
	READ(DEVICE_ID, 1),
	[PAGE_SIZE_TOLD] = WRITE(GUEST_PAGE_SIZE, PAGE),
	STATUS(0),
	READ(STATUS, 0),
	STATUS(1),
	STATUS(3),
	WRITE(DEVICE_FEATURES_SEL, 0),
	READ(DEVICE_FEATURES, 0),
	WRITE(DRIVER_FEATURES_SEL, 0),
	READ(STATUS, 3),
	[TAKE] = WRITE(DRIVER_FEATURES, ACCEPTED),
	READ(STATUS, 3),
	MAC_BYTES,
	[ONCE_MORE] = MAC_BYTES,
	[SELECT] = WRITE(QUEUE_SEL, TX),
	READ(QUEUE_PFN, 0),
	[MAX] = READ(QUEUE_NUM_MAX, 256),
	WRITE(QUEUE_NUM, NUM),
	[ALIGN] = WRITE(QUEUE_ALIGN, PAGE),
	[PFN] = WRITE(QUEUE_PFN, RING / PAGE),
	[GO] = STATUS(7),
	[KICK] = WRITE(QUEUE_NOTIFY, TX),
	READ(INTERRUPT_STATUS, 1),
	WRITE(INTERRUPT_ACK, 1),
	WRITE(QUEUE_SEL, TX),
	WRITE(QUEUE_PFN, 0),
	STATUS(0),
	READ(STATUS, 0),
};

/* From @from up to @to, but for @skip of them at @place, where @other comes instead; NULL: nothing. */
static void play(unsigned from, unsigned to, unsigned place, unsigned skip,
                 const struct step *other)
{
	for (unsigned i = from; i < to; i++) {
		if (i == place && other && other->off)
			do_step(other);
		if (i < place || i >= place + skip)
			do_step(&right[i]);
	}
}

static const struct wrong {
	const char *rule;
	unsigned place, skip;
	struct step other; /* zeroed: none */
} wrongs[] = {
	{"init.legacy-skip-features-ok", GO, 0, STATUS(11)},
	{"init.reset-first", PAGE_SIZE_TOLD + 1, 1, STATUS(1)},
	{"feat.legacy-accept-any-layout", TAKE, 1, WRITE(DRIVER_FEATURES, F(MAC))},
	{"feat.legacy-no-bit30", TAKE, 1, WRITE(DRIVER_FEATURES, ACCEPTED | FEATURE(30))},
	{"feat.no-unoffered", TAKE, 1, WRITE(DRIVER_FEATURES, ACCEPTED | F(CSUM))},
	{"feat.deps", TAKE, 1, WRITE(DRIVER_FEATURES, F(CTRL_RX))},
	{"cfg.legacy-read-twice", ONCE_MORE, 6, {0}},
	{"cfg.legacy-read-twice", ONCE_MORE + 3, 1, {'r', VIRTIO_MMIO_CONFIG + 3, 1, 9}},
	{"cfg.legacy-read-twice", ONCE_MORE + 5, 1, {0}},
	{"legacy.vq-size-from-device", MAX, 1, {0}},
	{"mmio.qsize-le-max", MAX + 1, 1, WRITE(QUEUE_NUM, 512)},
	{"mmio.queuesel-first", SELECT, 1, {0}},
	{"mmio-legacy.page-size-first", PAGE_SIZE_TOLD, 1, {0}},
	{"mmio-legacy.page-size-first", PAGE_SIZE_TOLD, 1, WRITE(GUEST_PAGE_SIZE, 1000)},
	{"mmio-legacy.page-size-first", GO, 0, WRITE(GUEST_PAGE_SIZE, 2 * PAGE)},
	{"mmio-legacy.pfn-not-address", PFN, 1, WRITE(QUEUE_PFN, RING)},
	{"mmio-legacy.qmax-when-idle", GO, 0, READ(QUEUE_NUM_MAX, 256)},
	{"mmio-legacy.align-pow2", ALIGN, 1, {0}},
	{"mmio-legacy.align-pow2", ALIGN, 1, WRITE(QUEUE_ALIGN, 24)},
	{"mmio-legacy.no-modern-regs", GO, 0, WRITE(QUEUE_READY, 1)},
	{"mmio-legacy.no-modern-regs", ONCE_MORE, 0, READ(CONFIG_GENERATION, 0)},
	{"mmio.no-undescribed-offset", GO, 0, {'r', 0x48, 4, 0}},
	{"mmio.no-read-writeonly", GO, 0, READ(QUEUE_ALIGN, 0)},
	{"mmio.no-qreg-when-ready", GO, 0, WRITE(QUEUE_NUM, 4)},
	{"notify.queue-index-valid", KICK, 1, WRITE(QUEUE_NOTIFY, RX)},
	{"init.no-kick-before-drvok", GO, 0, WRITE(QUEUE_NOTIFY, TX)},
	{"init.drvok-last", KICK, 0, WRITE(QUEUE_PFN, RING / PAGE)},
	{"split.areas-in-ram", PFN, 1, WRITE(QUEUE_PFN, MEMORY / PAGE - 1)},
	{"net.cfg-readonly", GO, 0, {'w', VIRTIO_MMIO_CONFIG + 6, 2, 0}},
};

static void right_driver_is_clean(unused void **state)
{
	begin(OFFERED);
	play(0, ARRAY_SIZE(right), UINT32_MAX, 0, NULL);
	assert_true(check_was_live(rig.c));
	/* A new driver that is not told of the page size once more, as the device keeps it. */
	play(PAGE_SIZE_TOLD + 1, ARRAY_SIZE(right), UINT32_MAX, 0, NULL);
	expect_clean("registers");
}

static void driver_that_goes_away_had_another_step_to_take(unused void **state)
{
	const struct check_result *res;

	begin(OFFERED);
	play(0, TAKE - 4, UINT32_MAX, 0, NULL); /* up to DRIVER */
	res = check_result(rig.c, crig_rule("feat.fail-when-unusable"));
	for (unsigned i = 0; i < 100; i++)
		check_tick(rig.c);
	assert_int_equal(res->broken, 1);
	assert_non_null(strstr(res->why, "neither DRIVER_OK nor FAILED"));
	end();
}

static void step_that_version_1_has_not_is_one_mistake(unused void **state)
{
	const struct step s = STATUS(11);

	begin(OFFERED);
	play(0, ARRAY_SIZE(right), GO, 0, &s);
	for (size_t i = 0; i < nr_rules; i++)
		if (check_result(rig.c, i)->broken &&
		    i != crig_rule("init.legacy-skip-features-ok"))
			fail_msg("%s: %s", rules[i].id, check_result(rig.c, i)->why);
	expect_broken("init.legacy-skip-features-ok");
}

static void address_may_be_written(unused void **state)
{
	const struct step s = {'w', VIRTIO_MMIO_CONFIG + 5, 1, 9};

	begin(OFFERED);
	play(0, ARRAY_SIZE(right), PAGE_SIZE_TOLD + 3, 0, &s);
	expect_clean("the address");
}

/* A device that changes its address has it read until it does not. */
static void address_is_read_until_two_readings_agree(unused void **state)
{
	const struct step other = {'r', VIRTIO_MMIO_CONFIG + 3, 1, 9};

	for (unsigned more = 0; more <= 2; more++) {
		begin(OFFERED);
		play(0, SELECT, ONCE_MORE + 3, 1, &other);
		for (unsigned i = 0; i < more; i++)
			play(ONCE_MORE, SELECT, UINT32_MAX, 0, NULL);
		play(SELECT, ARRAY_SIZE(right), UINT32_MAX, 0, NULL);
		if (more == 2)
			expect_clean("until they agree");
		else
			expect_broken("cfg.legacy-read-twice");
	}
}

/* Not two readings: what was read of one byte may be of another address than the next one. */
static void each_byte_twice_is_one_reading(unused void **state)
{
	begin(OFFERED);
	play(0, ONCE_MORE - 6, UINT32_MAX, 0, NULL);
	for (unsigned i = 0; i < 12; i++)
		play(ONCE_MORE + i / 2, ONCE_MORE + i / 2 + 1, UINT32_MAX, 0, NULL);
	play(SELECT, ARRAY_SIZE(right), UINT32_MAX, 0, NULL);
	expect_broken("cfg.legacy-read-twice");
}

/* A handler of interrupts, or a kick of another CPU. */
static void others_may_come_between_two_readings(unused void **state)
{
	const struct step s[] = {READ(INTERRUPT_STATUS, 0), WRITE(QUEUE_NOTIFY, TX)};

	begin(OFFERED);
	play(0, KICK, UINT32_MAX, 0, NULL);
	for (unsigned i = 0; i < 24; i++) {
		play(ONCE_MORE + i % 6, ONCE_MORE + i % 6 + 1, UINT32_MAX, 0, NULL);
		do_step(&s[i % 2]);
	}
	play(SELECT, SELECT + 1, UINT32_MAX, 0, NULL);
	expect_clean("in between");
}

/* In pieces of any width, which may overlap. */
static void address_may_be_read_in_pieces(unused void **state)
{
	static const struct step pieces[] = {{'r', VIRTIO_MMIO_CONFIG, 4, 0x04030201},
	                                     {'r', VIRTIO_MMIO_CONFIG + 4, 4, 0x99990605},
	                                     {'r', VIRTIO_MMIO_CONFIG, 4, 0x04030201},
	                                     {'r', VIRTIO_MMIO_CONFIG + 2, 4, 0x06050403}};

	begin(OFFERED);
	play(0, ONCE_MORE - 6, UINT32_MAX, 0, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++)
		do_step(&pieces[i]);
	play(SELECT, ARRAY_SIZE(right), UINT32_MAX, 0, NULL);
	if (check_result(rig.c, crig_rule("cfg.legacy-read-twice"))->broken)
		fail_msg("%s", check_result(rig.c, crig_rule("cfg.legacy-read-twice"))->why);
	assert_true(check_result(rig.c, crig_rule("cfg.legacy-read-twice"))->kept > 0);
	end();
}

static void each_wrong_step_is_found(unused void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrongs); i++) {
		const struct wrong *w = &wrongs[i];

		begin(OFFERED);
		play(0, ARRAY_SIZE(right), w->place, w->skip, &w->other);
		expect_broken(w->rule);
	}
}

static void a_driver_that_works_and_is_idle_is_clean(unused void **state)
{
	begin(OFFERED);
	play(0, KICK, UINT32_MAX, 0, NULL);
	for (unsigned i = 0; i < 200; i++)
		check_tick(rig.c);
	expect_clean("idle");
}

/* Nobody has judged its numbers: a ring of 0x80000000 entries, of a layout that was not offered. */
static void a_kick_of_a_queue_that_is_not_there_is_survived(unused void **state)
{
	static const struct step steps[] = {
		WRITE(DRIVER_FEATURES_SEL, 1),
		WRITE(DRIVER_FEATURES, 1u << (VIRTIO_F_RING_PACKED - 32)),
		WRITE(QUEUE_SEL, RX),
		WRITE(QUEUE_NUM, 0x80000000),
		WRITE(QUEUE_NOTIFY, RX),
	};

	begin(OFFERED);
	play(0, TAKE, UINT32_MAX, 0, NULL);
	for (unsigned i = 0; i < ARRAY_SIZE(steps); i++)
		do_step(&steps[i]);
	assert_int_equal(check_result(rig.c, crig_rule("legacy.vq-layout"))->broken, 0);
	end();
}

static void registers_of_version_1_are_none_of_version_2(unused void **state)
{
	const struct step s = WRITE(QUEUE_PFN, 2);

	begin(OFFERED | FEATURE(VIRTIO_F_VERSION_1));
	do_step(&s);
	expect_broken("mmio-legacy.no-modern-regs");
}

/* ---- chains */

struct chain {
	const char *rule; /* that is broken; NULL: none */
	uint64_t accept;
	unsigned queue;
	uint32_t
		len[5]; /* of its pieces; those behind one of 0 are for writing, that one is none */
	uint8_t start[32];
};

#define PLAIN (F(MAC) | F(CTRL_VQ) | F(CTRL_RX)) /* without ANY_LAYOUT */
#define FRAME_AT(n) \
	[(n) + 6] = 2, [(n) + 7] = 1, [(n) + 8] = 2, [(n) + 9] = 3, [(n) + 10] = 4, [(n) + 11] = 5

static const struct chain chains[] = {
	{NULL, ACCEPTED, TX, {70}, {FRAME_AT(10)}},
	{NULL, ACCEPTED | F(MRG_RXBUF), TX, {72}, {FRAME_AT(12)}},
	{"net.legacy-hdr-10-bytes", ACCEPTED, TX, {12, 60}, {FRAME_AT(12)}},
	{NULL, PLAIN, TX, {10, 60}, {FRAME_AT(10)}},
	{NULL, PLAIN | F(MRG_RXBUF), TX, {12, 60}, {FRAME_AT(12)}},
	{"net.legacy-hdr-own-desc", PLAIN, TX, {70}, {FRAME_AT(10)}},
	{"net.legacy-hdr-own-desc", PLAIN, TX, {14, 56}, {FRAME_AT(10)}},
	{NULL, PLAIN, RX, {0, 10, 1514}, {0}},
	{"net.legacy-hdr-own-desc", PLAIN, RX, {0, 1524}, {0}},
	{NULL, PLAIN | F(MRG_RXBUF), RX, {0, 1536}, {0}},
	{NULL, PLAIN | F(MRG_RXBUF), RX, {0, 12, 1514}, {0}},
	{"net.legacy-hdr-own-desc", PLAIN | F(MRG_RXBUF), TX, {72}, {FRAME_AT(12)}},
	{"net.rx-buf-1526", ACCEPTED, RX, {0, 1523}, {0}},
	{NULL, ACCEPTED, RX, {0, 1524}, {0}},
	{NULL, PLAIN, CTRL, {2, 1, 0, 1}, {0}},
	{NULL, PLAIN, CTRL, {2, 0, 1}, {3, 0}},
	{"ctrl.legacy-cmd-desc", PLAIN, CTRL, {1, 2, 0, 1}, {0}},
	{"ctrl.legacy-ack-desc", PLAIN, CTRL, {2, 1, 0, 2}, {0}},
	{"ctrl.legacy-data-desc", PLAIN, CTRL, {2, 1, 1, 0, 1}, {0}},
	{NULL, ACCEPTED, CTRL, {3, 0, 1}, {0}},
};

/* @nr pieces at DATA; those from @first_in on are for writing. The only chain of queue @i. */
static void offer(unsigned i, const uint32_t *len, unsigned nr, unsigned first_in)
{
	struct virtio_watch *w = check_watch(rig.c);
	const gpa_t desc = 0x10000 * (gpa_t)i + RING;
	const struct vq_addr a = {NUM, desc, desc + 16 * NUM, desc + PAGE};
	uint32_t off = 0;

	for (unsigned k = 0; k < nr; k++) {
		uint8_t *d = at(desc + 16 * (gpa_t)k);

		put_le64(d, DATA + off);
		put_le32(d + 8, len[k]);
		put_le16(d + 12, u16_of((k + 1 < nr ? VRING_DESC_F_NEXT : 0u) |
		                        (k >= first_in ? VRING_DESC_F_WRITE : 0u)));
		put_le16(d + 14, u16_of(k + 1));
		off += len[k];
	}
	put_le16(at(a.avail + 2), 1);
	w->queue(w, i, &a)->avail(w->queue(w, i, &a), 0, 1);
}

static void bring_up(uint64_t accept)
{
	const struct step take = WRITE(DRIVER_FEATURES, accept);

	begin(accept);
	play(0, KICK, TAKE, 1, &take);
}

static void offer_chain(const struct chain *c)
{
	uint32_t len[ARRAY_SIZE(c->len)];
	unsigned nr = 0, first_in = UINT32_MAX;

	bring_up(c->accept);
	memcpy(at(DATA), c->start, sizeof(c->start));
	for (unsigned i = 0; i < ARRAY_SIZE(len); i++)
		if (c->len[i])
			len[nr++] = c->len[i];
		else if (first_in == UINT32_MAX)
			first_in = nr;
	offer(c->queue, len, nr, first_in);
}

static void each_chain_is_judged(unused void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(chains); i++) {
		offer_chain(&chains[i]);
		if (chains[i].rule)
			expect_broken(chains[i].rule);
		else
			expect_clean("chain");
	}
}

/* A driver of version 1 may write the address of the device: its frames come from there. */
static void header_is_seen_by_the_address_that_was_written(unused void **state)
{
	static const uint32_t len[] = {72};

	for (unsigned wrong = 0; wrong < 2; wrong++) {
		bring_up(ACCEPTED);
		for (uint32_t i = 0; i < 6; i++) {
			const struct step s = {'w', VIRTIO_MMIO_CONFIG + i, 1, 0x12 + i};

			do_step(&s);
			*(uint8_t *)at(DATA + (wrong ? 12 : 10) + 6 + i) = (uint8_t)(0x12 + i);
		}
		offer(TX, len, 1, UINT32_MAX);
		if (wrong)
			expect_broken("net.legacy-hdr-10-bytes");
		else
			expect_clean("its own address");
	}
}

/* Class 1, command 0: a list of unicast addresses, and one of others. */
static void tables_of_addresses_are_two_pieces(unused void **state)
{
	static const uint32_t two[] = {2, 10, 4, 1}, one[] = {2, 14, 1};

	for (unsigned k = 0; k < 2; k++) {
		bring_up(PLAIN);
		memcpy(at(DATA), (uint8_t[]){VIRTIO_NET_CTRL_MAC, 0, 1}, 3);
		offer(CTRL, k ? one : two, k ? 3 : 4, k ? 2 : 3);
		if (k)
			expect_broken("ctrl.legacy-mac-table-desc");
		else
			expect_clean("tables");
	}
}

static void rings_that_are_elsewhere_are_found(unused void **state)
{
	for (unsigned elsewhere = 0; elsewhere < 2; elsewhere++) {
		bring_up(ACCEPTED);
		/* The driver fills what it takes for the rings, and the device looks where they should be. */
		put_le32(at(0x10000 + RING + 8), 70);
		put_le16(at(0x10000 + RING + 16 * NUM + 2), elsewhere ? 0 : 1);
		(void)check_watch(rig.c)->queue(check_watch(rig.c), TX,
		                                &(struct vq_addr){NUM, 0x10000 + RING,
		                                                  0x10000 + RING + 16 * NUM,
		                                                  0x10000 + RING + PAGE});
		do_step(&right[KICK]);
		if (elsewhere)
			expect_broken("legacy.vq-layout");
		else
			expect_clean("layout");
	}
}

static void all_rules_of_the_part_have_both(unused void **state)
{
	assert_true(nr_rules <= ARRAY_SIZE(kept));
	for (size_t i = 0; i < nr_rules; i++) {
		if (!rules[i].advice || !strstr(rules[i].part, "legacy") || borne_only(&rules[i]))
			continue;
		if (!broke[i])
			fail_msg("no driver breaks %s", rules[i].id);
		if (!kept[i])
			fail_msg("no driver keeps %s", rules[i].id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(right_driver_is_clean),
		cmocka_unit_test(driver_that_goes_away_had_another_step_to_take),
		cmocka_unit_test(step_that_version_1_has_not_is_one_mistake),
		cmocka_unit_test(address_may_be_written),
		cmocka_unit_test(each_wrong_step_is_found),
		cmocka_unit_test(address_is_read_until_two_readings_agree),
		cmocka_unit_test(each_byte_twice_is_one_reading),
		cmocka_unit_test(others_may_come_between_two_readings),
		cmocka_unit_test(address_may_be_read_in_pieces),
		cmocka_unit_test(a_driver_that_works_and_is_idle_is_clean),
		cmocka_unit_test(a_kick_of_a_queue_that_is_not_there_is_survived),
		cmocka_unit_test(registers_of_version_1_are_none_of_version_2),
		cmocka_unit_test(each_chain_is_judged),
		cmocka_unit_test(header_is_seen_by_the_address_that_was_written),
		cmocka_unit_test(tables_of_addresses_are_two_pieces),
		cmocka_unit_test(rings_that_are_elsewhere_are_found),
		cmocka_unit_test(all_rules_of_the_part_have_both),
	};

	return cmocka_run_group_tests_name("check_legacy", tests, NULL, NULL);
}
