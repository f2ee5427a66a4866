/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What doorbell check sees in rings that a device of ours really serves: for each rule a driver that breaks it and one
 * that keeps it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "devices/virtio_provoke.h"
#include "tests/lib/check_ring_rig.h"
#include "tests/lib/check_ring_rules.h"
#include "vmm/core/le.h"

/* ---- packed: lists */

struct lists {
	const char *rule;
	uint64_t accept;
	struct rrig_piece d[4], table[5];
	uint16_t event; /* flags of the driver's */
};

#define A                     \
	{                     \
		BUF, 72, 1, 0 \
	}

static const struct lists wrong[] = {
	{"packed.avail-bits", 0, {{BUF, 8, 0, N}, {BUF, 60, 0, RAW}}, {{0}}, 0},
	{"packed.avail-bits", 0, {{BUF, 8, 0, N}, {BUF, 60, 0, RAW | USED_BIT}}, {{0}}, 0},
	{"packed.head-last", 0, {{BUF, 8, 0, N}, {0, 0, 0, RAW}}, {{0}}, 0},
	{"packed.list-le-queue-size",
         0,
         {{BUF, 8, 0, N}, {BUF, 8, 0, N}, {BUF, 8, 0, N}, {BUF, 8, 0, N}},
         {{0}},
         0},
	{"packed.readable-before-writable", 0, {{BUF, 8, 0, N | D}, {BUF, 60, 0, 0}}, {{0}}, 0},
	{"packed.desc-nonempty", 0, {{BUF, 72, 0, N}, {BUF, 0, 0, 0}}, {{0}}, 0},
	{"packed.desc-in-ram", 0, {{UINT64_MAX - 4, 72, 0, 0}}, {{0}}, 0},
	{"packed.desc-in-ram", TABLES, {{MEMORY - 16, 32, 0, I}}, {{0}}, 0},
	{"feat.physical-addresses", TABLES, {{MEMORY - 16, 32, 0, I}}, {{0}}, 0},
	{"packed.desc-flags-known", 0, {{BUF, 72, 0, 0x10}}, {{0}}, 0},
	{"packed.id-in-last", 0, {A, A}, {{0}}, 0},
	{"packed.indirect-negotiated", 0, {{TABLE, 16, 0, I}}, {A}, 0},
	{"packed.indirect-only-write-flag", TABLES, {{TABLE, 32, 0, I}}, {{BUF, 8, 0, N}, A}, 0},
	{"packed.indirect-only-write-flag", TABLES, {{TABLE, 16, 0, I}}, {{TABLE, 16, 0, I}}, 0},
	{"packed.indirect-limit", TABLES, {{TABLE, 80, 0, I}}, {A, A, A, A, A}, 0},
	{"packed.no-indirect-in-chain", TABLES, {{TABLE, 16, 0, I | N}, A}, {A}, 0},
	{"packed.no-indirect-in-chain", TABLES, {{BUF, 8, 0, N}, {TABLE, 16, 0, I}}, {A}, 0},
	{"indirect.table-len", TABLES, {{TABLE, 30, 0, I}}, {A}, 0},
	{"packed.event-desc-needs-feature", 0, {A}, {{0}}, 2},
	{"packed.event-desc-needs-feature", EVENT, {A}, {{0}}, 3},
	{"packed.event-reserved-0", EVENT, {A}, {{0}}, 4 | 2},
};

static const struct lists right[] = {
	{"one", 0, {A}, {{0}}, 0},
	{"no interrupts", 0, {A}, {{0}}, 1},
	{"event", EVENT, {A}, {{0}}, 2},
	{"two lists",
         0,
         {{BUF, 8, 0, N}, {BUF, 60, 0xffff, 0}, {BUF, 8, 9, N}, {BUF, 60, 9, D}},
         {{0}},
         0},
	{"full", 0, {{BUF, 8, 0, N}, {BUF, 8, 0, N}, {BUF, 8, 0, N}, {BUF, 8, 0, 0}}, {{0}}, 0},
	{"table", TABLES, {{TABLE, 48, 0, I}}, {{BUF, 8, 7, 0}, {BUF, 8, 7, D}, {BUF, 8, 0, D}}, 0},
	{"mixed", TABLES, {{TABLE, 16, 0, I}, {BUF, 72, 1, 0}}, {A}, 0},
};

static void put_lists(struct ring_rig *r, const struct lists *l)
{
	unsigned nr = 0;

	while (nr < 4 && (l->d[nr].addr || l->d[nr].flags))
		nr++;
	rrig_put_table(r, l->table, 5);
	put_le16(rrig_at(r, DRIVER + 2), l->event);
	rrig_put(r, l->d, nr);
}

static void each_wrong_list_is_found(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct ring_rig r;

		rrig_begin(&r, PACKED | wrong[i].accept, TX, NUM);
		put_lists(&r, &wrong[i]);
		rrig_take(&r);
		rrig_expect_broken(&r, *state, wrong[i].rule);
		rrig_end(&r, NULL);
	}
}

static void right_lists_are_clean(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(right); i++) {
		struct ring_rig r;

		rrig_begin(&r, PACKED | right[i].accept, TX, NUM);
		put_lists(&r, &right[i]);
		assert_int_equal(rrig_take(&r), 0);
		rrig_use_all(&r);
		rrig_look_often(&r);
		rrig_expect_clean(&r, right[i].rule);
		rrig_end(&r, *state);
	}
}

static void packed_rings_that_do_not_fit_are_found(void **state)
{
	static const struct {
		const char *rule;
		struct vq_addr a;
	} bad[] = {
		{"packed.align", {NUM, RING + 8, DRIVER, DEVICE}},
		{"packed.align", {NUM, RING, DRIVER + 2, DEVICE}},
		{"packed.size-range", {0, RING, DRIVER, DEVICE}},
		{"packed.size-range", {32769, RING, DRIVER, DEVICE}},
		{"packed.areas-in-ram", {NUM, MEMORY - 16, DRIVER, DEVICE}},
		{"packed.areas-in-ram", {NUM, RING, RING + 16, DEVICE}},
		{"packed.areas-in-ram", {NUM, RING, DRIVER, DRIVER}},
		{"feat.physical-addresses", {NUM, MEMORY - 16, DRIVER, DEVICE}},
		{"packed.zero-init", {NUM, BUF, DRIVER, DEVICE}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct ring_rig r;

		rrig_create(&r, PACKED, TX, NUM);
		r.addr = bad[i].a;
		put_le16(rrig_at(&r, BUF + 16 + 14), AVAIL_BIT | USED_BIT);
		rrig_ready(&r);
		rrig_expect_broken(&r, *state, bad[i].rule);
		rrig_end(&r, NULL);
	}
}

/* ---- packed: laps */

static void odd_ring_goes_round_many_times_and_is_clean(void **state)
{
	struct ring_rig r;

	rrig_begin(&r, PACKED | EVENT, TX, 3);
	put_le16(rrig_at(&r, DRIVER + 2), 2);
	for (uint16_t i = 0; i < 100; i++) {
		const struct rrig_piece two[] = {{BUF, 8, i, N}, {BUF, 60, i, 0}};

		if (i % 2)
			rrig_put(&r, two, 2);
		else
			rrig_offer_one(&r, i);
		rrig_kick(&r);
		assert_int_equal(rrig_take(&r), 0);
		rrig_use_all(&r);
		vq_kicks_on(&r.vq);
	}
	rrig_look_often(&r);
	rrig_expect_clean(&r, "laps");
	rrig_end(&r, *state);
}

static void lists_that_come_back_in_another_order_are_clean(void **state)
{
	const struct rrig_piece two[] = {{BUF, 8, 7, N}, {BUF, 60, 7, 0}};
	struct ring_rig r;

	rrig_begin(&r, PACKED, TX, NUM);
	rrig_offer_one(&r, 1);
	rrig_put(&r, two, 2);
	rrig_offer_one(&r, 2);
	rrig_take(&r);
	rrig_use(&r, 1); /* stands in slot 0 for two */
	vq_publish(&r.vq);
	rrig_put(&r, two, 2);
	rrig_take(&r);
	rrig_use_all(&r);
	rrig_offer_one(&r, 1);
	rrig_take(&r);
	rrig_expect_clean(&r, "out of order");
	rrig_end(&r, *state);
}

static void used_descriptor_for_a_batch_gives_all_of_it_back(void **state)
{
	struct ring_rig r;

	rrig_begin(&r, PACKED | IN_ORDER, TX, NUM);
	for (unsigned lap = 0; lap < 3; lap++) {
		for (uint16_t i = 0; i < NUM; i++)
			rrig_offer_one(&r, i);
		rrig_take(&r);
		assert_int_equal(r.popped, NUM);
		rrig_use_all(&r);
	}
	rrig_expect_clean(&r, "in order");
	rrig_end(&r, *state);
}

/* As a provocation does: of two entries the first one names the last chain, and the other one says nothing. */
static void merge(unused struct vq_provoke *p, struct vq_batch *b)
{
	b->entry[b->from % b->num] = b->entry[(uint16_t)(b->to - 1) % b->num];
	for (uint16_t i = (uint16_t)(b->from + 1); i != b->to; i++)
		b->entry[i % b->num] = (struct vq_used_elem){.id = le32_of(0)};
}

static void used_entry_for_a_batch_gives_all_of_it_back(void **state)
{
	struct vq_provoke hooks = {.publish = merge};
	struct ring_rig r;

	rrig_begin(&r, IN_ORDER, TX, 8);
	r.vq.provoke = &hooks;
	for (uint16_t i = 0; i < 64; i += 4) {
		for (uint16_t k = 0; k < 4; k++)
			rrig_offer_one(&r, (uint16_t)((i + k) % 8));
		rrig_kick(&r);
		rrig_take(&r);
		rrig_use_all(&r);
		rrig_expect_clean(&r, "all four are the driver's again");
	}
	rrig_end(&r, *state);
}

static void slot_that_the_device_has_is_offered_again(void **state)
{
	struct ring_rig r;

	rrig_begin(&r, PACKED, TX, NUM);
	for (uint16_t i = 0; i < NUM + 1; i++)
		rrig_offer_one(&r, i);
	rrig_take(&r);
	rrig_expect_clean(&r, "the last one has written over the first");
	rrig_end(&r, NULL);

	rrig_begin(&r, PACKED, TX, NUM);
	for (uint16_t i = 0; i < NUM; i++)
		rrig_offer_one(&r, i);
	rrig_take(&r);
	rrig_offer_one(&r, NUM);
	rrig_take(&r);
	rrig_expect_broken(&r, *state, "packed.no-change-unless-used");
	rrig_end(&r, NULL);
}

static void list_that_has_no_room_is_found(void **state)
{
	const struct rrig_piece two[] = {{BUF, 8, 7, N}, {BUF, 60, 7, 0}};
	struct ring_rig r;

	rrig_begin(&r, PACKED, TX, NUM);
	for (uint16_t i = 0; i < NUM - 1; i++)
		rrig_offer_one(&r, i);
	rrig_take(&r);
	rrig_put(&r, two, 2);
	rrig_take(&r);
	rrig_expect_broken(&r, *state, "packed.space-first");
	rrig_end(&r, NULL);
}

/* In the second lap the bits are those of the first; or there are none at all. */
static void descriptor_with_the_bits_of_another_lap_is_found(void **state)
{
	static const char *const ids[] = {"packed.wrap-toggle", "packed.avail-bits"};

	for (unsigned kind = 0; kind < 2; kind++) {
		const struct rrig_piece p = {BUF + 0x800, 72, 1,
		                             RAW | (kind ? USED_BIT | AVAIL_BIT : AVAIL_BIT)};
		struct ring_rig r;

		rrig_begin(&r, PACKED, TX, NUM);
		for (uint16_t i = 0; i < NUM; i++)
			rrig_offer_one(&r, i);
		rrig_take(&r);
		rrig_use_all(&r);
		rrig_put(&r, &p, 1);
		rrig_take(&r);
		rrig_look_often(&r);
		rrig_expect_clean(&r, "it may be at work");
		rrig_kick(&r);
		rrig_look_often(&r);
		rrig_expect_broken(&r, *state, ids[kind]);
		assert_string_equal(check_stall(r.c, TX)->rule, ids[kind]);
		rrig_end(&r, NULL);
	}
}

/* A device that has buffers left asks for no kick: a driver whose wrap counter stands waits for ever. */
static void receive_queue_with_the_bits_of_the_lap_before_is_found_without_a_kick(void **state)
{
	const struct rrig_piece p = {BUF + 0x800, 72, 1, RAW | AVAIL_BIT | D};
	struct ring_rig r;

	rrig_begin(&r, PACKED, RX, NUM);
	for (uint16_t i = 0; i < NUM; i++)
		rrig_offer_one(&r, i);
	rrig_kick(&r);
	rrig_take(&r);
	for (unsigned i = 0; i < NUM / 2; i++) {
		rrig_use(&r, 0);
		vq_publish(&r.vq);
	}
	rrig_put(&r, &p, 1);
	rrig_look_often(&r);
	rrig_expect_clean(&r, "half of the buffers are there, it may be at work");
	rrig_use(&r, 0);
	vq_publish(&r.vq);
	rrig_look_often(&r);
	rrig_expect_broken(&r, *state, "packed.wrap-toggle");
	assert_string_equal(check_stall(r.c, RX)->rule, "packed.wrap-toggle");
	rrig_end(&r, NULL);
}

/* ---- what the device has */

static void change_of_what_the_device_has_is_found(void **state)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		const bool packed = kind & 1, tick = kind & 2;
		struct ring_rig r;

		rrig_begin(&r, packed ? PACKED : 0, TX, NUM);
		rrig_offer_one(&r, 0);
		rrig_offer_one(&r, 1);
		rrig_take(&r);
		put_le64(rrig_at(&r, RING), BUF + 0x1000);
		if (tick)
			check_tick(r.c);
		else
			rrig_use_all(&r);
		rrig_expect_broken(&r, *state,
		                   packed ? "packed.no-change-after-avail"
		                          : "cleanup.no-alter-exposed");
		rrig_end(&r, NULL);
	}
}

static void change_of_a_table_is_found(void **state)
{
	const struct rrig_piece table = {TABLE, 16, 0, I}, in_table = {BUF, 72, 0, 0};

	for (unsigned kind = 0; kind < 8; kind++) {
		const bool packed = kind & 1, early = kind & 2, reset = kind & 4;
		struct ring_rig r;

		rrig_begin(&r, TABLES | (packed ? PACKED : 0), TX, NUM);
		rrig_put_table(&r, &in_table, 1);
		if (packed) {
			rrig_put(&r, &table, 1);
		} else {
			rrig_put_at(&r, RING, &table, 0);
			rrig_offer(&r, 0);
		}
		rrig_take(&r);
		if (early)
			memset(rrig_at(&r, TABLE), 0x5a, 16);
		if (reset)
			rrig_reg(&r, VIRTIO_MMIO_STATUS, true, 0);
		else
			rrig_use_all(&r);
		memset(rrig_at(&r, TABLE), 0xa5, 16);
		if (!reset)
			rrig_reg(&r, VIRTIO_MMIO_STATUS, true, 0);
		if (early)
			rrig_expect_broken(&r, *state, "indirect.table-stable");
		else
			rrig_expect_clean(&r, "it is the driver's again");
		rrig_end(&r, early ? NULL : *state);
	}
}

/* As many pieces as the longest ring has are looked at. */
static void table_of_more_than_the_longest_ring_is_too_long(void **state)
{
	const gpa_t table = 0x9000, ring = 0x14000;

	for (unsigned kind = 0; kind < 4; kind++) {
		const bool packed = kind & 1, more = kind & 2;
		const uint64_t accept = TABLES | (packed ? PACKED : 0);
		const char *const id =
			packed ? "packed.indirect-limit" : "indirect.chain-le-queue-size";
		const uint32_t nr = VQ_NUM_MAX + more;
		struct rrig_piece p = {BUF, 1, 0, 0};
		struct ring_rig r;

		rrig_create(&r, accept, TX, VQ_NUM_MAX);
		r.addr.desc = ring;
		rrig_ready(&r);
		rrig_live(&r, accept);
		for (uint32_t i = 0; i < nr; i++) {
			p.flags = packed || i + 1 == nr ? 0 : N;
			p.link = (uint16_t)(i + 1);
			rrig_put_at(&r, table + 16 * (gpa_t)i, &p, 0);
		}
		p = (struct rrig_piece){table, 16 * nr, 0, I};
		rrig_put_at(&r, ring, &p, packed ? AVAIL_BIT : 0);
		if (!packed)
			rrig_offer(&r, 0);
		rrig_take(&r);
		assert_int_equal(check_result(r.c, crig_rule(id))->broken, more);
		assert_int_equal(check_result(r.c, crig_rule(id))->kept, !more);
		if (more)
			rrig_expect_broken(&r, *state, id);
		rrig_end(&r, NULL);
	}
}

/* Behind a list that could not be followed: what the device gives back is not followed either. */
static void table_behind_a_list_that_was_lost_is_the_drivers(void **state)
{
	const struct rrig_piece table = {TABLE, 16, 0, I}, in_table = {BUF, 72, 0, 0};
	const struct rrig_piece bad = {TABLE + 16, 24, 1, I};
	struct ring_rig r;

	rrig_begin(&r, TABLES | PACKED, TX, NUM);
	rrig_put_table(&r, &in_table, 1);
	rrig_put(&r, &table, 1);
	rrig_take(&r);
	rrig_put(&r, &bad, 1);
	rrig_take(&r);
	rrig_use_all(&r);
	memset(rrig_at(&r, TABLE), 0xa5, 16);
	rrig_reg(&r, VIRTIO_MMIO_STATUS, true, 0);
	assert_int_equal(check_result(r.c, crig_rule("indirect.table-stable"))->broken, 0);
	rrig_expect_broken(&r, *state, "indirect.table-len");
	rrig_end(&r, NULL);
}

static void packed_ring_that_is_recycled_before_the_reset_is_found(void **state)
{
	struct check_tally *t = *state;

	for (unsigned early = 0; early < 2; early++) {
		struct ring_rig rig, *r = &rig;

		rrig_begin(r, PACKED, RX, NUM);
		rrig_offer_one(r, 1);
		rrig_take(r);
		if (early)
			memset(rrig_at(r, RING), 0, 64);
		W(STATUS, 0);
		if (early)
			rrig_expect_broken(r, t, "cleanup.reset-before-unexpose");
		else
			assert_int_equal(
				check_result(r->c, crig_rule("cleanup.reset-before-unexpose"))
					->broken,
				0);
		rrig_end(r, NULL);
	}
}

/* ---- split */

static void memory_that_is_not_cleared_is_found(void **state)
{
	static const struct {
		const char *rule;
		gpa_t word;
		uint16_t val;
	} left[] = {
		{"notif.used-flags-init-0", DEVICE, 1},
		{"split.mem-zeroed", DEVICE + 2, 7},
		{"split.mem-zeroed", DEVICE + 4 + 8, 7},
		{"split.avail-idx-start-0", DEVICE + 2, 7},
		{"split.avail-idx-start-0", DRIVER + 2, NUM + 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(left); i++) {
		struct ring_rig r;

		rrig_create(&r, 0, TX, NUM);
		put_le16(rrig_at(&r, left[i].word), left[i].val);
		rrig_ready(&r);
		rrig_expect_broken(&r, *state, left[i].rule);
		rrig_end(&r, NULL);
	}
}

static void index_modulo_the_size_is_found(void **state)
{
	for (unsigned modulo = 0; modulo < 2; modulo++) {
		struct ring_rig r;

		rrig_begin(&r, 0, TX, NUM);
		for (unsigned i = 0; i < 2 * NUM; i++) {
			rrig_offer_one(&r, i % NUM);
			if (modulo)
				put_le16(rrig_at(&r, DRIVER + 2), r.avail % NUM);
			rrig_take(&r);
			rrig_use_all(&r);
		}
		if (modulo)
			rrig_expect_broken(&r, *state, "split.idx-wraps-16bit");
		else
			rrig_expect_clean(&r, "free-running");
		rrig_end(&r, modulo ? NULL : *state);
	}
}

static void chain_of_very_many_pieces_is_found(void **state)
{
	struct ring_rig r;

	rrig_begin(&r, 0, TX, 128);
	for (uint16_t i = 0; i <= 64; i++) {
		const struct rrig_piece p = {BUF, 16, (uint16_t)(i + 1), i < 64 ? N : 0};

		rrig_put_at(&r, RING + 16u * i, &p, 0);
	}
	rrig_offer(&r, 0);
	rrig_take(&r);
	rrig_expect_broken(&r, *state, "split.few-descriptors");
	rrig_end(&r, NULL);
}

/* Two chains of two, and a table: in the order of IN_ORDER, or not. */
static void order_of_descriptors_is_judged(void **state)
{
	static const struct {
		const char *rule;
		struct rrig_piece d[4], table[3];
		uint16_t head[2];
	} how[] = {
		{NULL,
	         {{BUF, 8, 1, N}, {BUF, 60, 0, 0}, {BUF, 8, 3, N}, {BUF, 60, 0, 0}},
	         {{0}},
	         {0, 2}},
		{NULL,
	         {{TABLE, 48, 0, I}, {BUF, 72, 0, 0}},
	         {{BUF, 8, 1, N}, {BUF, 8, 2, N}, {BUF, 8, 0, 0}},
	         {0, 1}},
		{"inorder.split-next-seq",
	         {{BUF, 8, 2, N}, {BUF, 72, 0, 0}, {BUF, 60, 0, 0}, {0}},
	         {{0}},
	         {0, 1}},
		{"inorder.split-ring-order", {A, A, A}, {{0}}, {0, 2}},
		{"inorder.split-ring-order", {A, A, A}, {{0}}, {1, 2}},
		{"inorder.indirect-seq",
	         {{TABLE, 48, 0, I}, {BUF, 72, 0, 0}},
	         {{BUF, 8, 2, N}, {BUF, 8, 0, 0}, {BUF, 8, 1, N}},
	         {0, 1}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		struct ring_rig r;

		rrig_begin(&r, IN_ORDER | TABLES, TX, NUM);
		for (unsigned k = 0; k < 4; k++)
			rrig_put_at(&r, RING + 16 * k, &how[i].d[k], 0);
		rrig_put_table(&r, how[i].table, 3);
		rrig_offer(&r, how[i].head[0]);
		rrig_offer(&r, how[i].head[1]);
		rrig_take(&r);
		if (how[i].rule)
			rrig_expect_broken(&r, *state, how[i].rule);
		else
			rrig_expect_clean(&r, "in order");
		rrig_end(&r, how[i].rule ? NULL : *state);
	}
}

/* ---- any content */

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Words that are nearly right, for those of a right driver are soon used up. */
static void scribble(struct ring_rig *r, uint32_t *seed)
{
	static const uint16_t often[] = {
		0,      1,     2, 4, 16, 32, AVAIL_BIT, USED_BIT, AVAIL_BIT | N, USED_BIT | I,
		0x3000, 0x8000};

	for (unsigned n = next_random(seed) % 40; n > 0; n--) {
		const gpa_t area[] = {RING, DRIVER, DEVICE, TABLE};
		const gpa_t where = area[next_random(seed) % 4] + 2 * (next_random(seed) % 128);

		put_le16(rrig_at(r, where), next_random(seed) % 8
		                                    ? often[next_random(seed) % ARRAY_SIZE(often)]
		                                    : (uint16_t)next_random(seed));
	}
}

static void rings_of_any_content_harm_nobody(unused void **state)
{
	static const uint64_t bits[] = {PACKED, TABLES, EVENT, IN_ORDER};
	uint32_t seed = 1;

	for (unsigned i = 0; i < 2000; i++) {
		uint64_t accept = 0;
		struct ring_rig r;

		for (unsigned b = 0; b < 4; b++)
			accept |= next_random(&seed) % 2 ? bits[b] : 0;
		rrig_begin(&r, accept, next_random(&seed) % 2, 1u << next_random(&seed) % 4);
		for (unsigned k = 0; k < 20; k++) {
			scribble(&r, &seed);
			if (rrig_take(&r) < 0)
				break;
			if (next_random(&seed) % 2)
				rrig_use_all(&r);
			rrig_kick(&r);
			check_tick(r.c);
		}
		rrig_look_often(&r);
		rrig_reg(&r, VIRTIO_MMIO_STATUS, true, 0);
		rrig_end(&r, NULL);
	}
}

/* Five descriptors behind five others in a ring of eight: there are three. */
static void a_list_that_is_begun_without_room_for_its_end_is_found(void **state)
{
	static const struct rrig_piece list[] = {
		{BUF, 8, 9, N}, {BUF, 8, 9, N}, {BUF, 8, 9, N}, {BUF, 8, 9, N}, {BUF, 8, 9, 0}};
	static const char rule[] = "packed.no-wait-mid-list";

	struct ring_rig r;

	for (unsigned early = 0; early < 2; early++) {
		rrig_begin(&r, PACKED, TX, 8);
		for (uint16_t id = 0; id < 5; id++)
			rrig_offer_one(&r, id);
		rrig_take(&r);
		for (unsigned i = 1; early && i < 3; i++)
			rrig_put_at(&r, RING + 16 * (5 + i), &list[i], AVAIL_BIT);
		rrig_use_all(&r);
		rrig_put(&r, list, 5);
		rrig_take(&r);
		if (early)
			rrig_expect_broken(&r, *state, rule);
		else
			rrig_expect_clean(&r, "begun when there was room");
		rrig_end(&r, *state);
	}
	/* All but its head is written when the device gives something back; it ends where that had begun. */
	rrig_begin(&r, PACKED, TX, 8);
	for (uint16_t id = 0; id < 6; id++)
		rrig_offer_one(&r, id);
	rrig_take(&r);
	rrig_put_at(&r, RING + 16 * 7, &list[4], AVAIL_BIT);
	rrig_use_all(&r);
	rrig_put(&r, list + 3, 2);
	rrig_take(&r);
	rrig_expect_clean(&r, "whole");
	rrig_end(&r, *state);
}

/* ---- the table */

static void all_ring_rules_have_both(void **state)
{
	rrig_expect_both(*state, is_ring_rule);
}

int main(void)
{
	static struct check_tally tally;
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(each_wrong_list_is_found, &tally),
		cmocka_unit_test_prestate(right_lists_are_clean, &tally),
		cmocka_unit_test_prestate(packed_rings_that_do_not_fit_are_found, &tally),
		cmocka_unit_test_prestate(odd_ring_goes_round_many_times_and_is_clean, &tally),
		cmocka_unit_test_prestate(lists_that_come_back_in_another_order_are_clean, &tally),
		cmocka_unit_test_prestate(used_descriptor_for_a_batch_gives_all_of_it_back, &tally),
		cmocka_unit_test_prestate(used_entry_for_a_batch_gives_all_of_it_back, &tally),
		cmocka_unit_test_prestate(slot_that_the_device_has_is_offered_again, &tally),
		cmocka_unit_test_prestate(list_that_has_no_room_is_found, &tally),
		cmocka_unit_test_prestate(descriptor_with_the_bits_of_another_lap_is_found, &tally),
		cmocka_unit_test_prestate(
			receive_queue_with_the_bits_of_the_lap_before_is_found_without_a_kick,
			&tally),
		cmocka_unit_test_prestate(change_of_what_the_device_has_is_found, &tally),
		cmocka_unit_test_prestate(change_of_a_table_is_found, &tally),
		cmocka_unit_test_prestate(table_of_more_than_the_longest_ring_is_too_long, &tally),
		cmocka_unit_test_prestate(table_behind_a_list_that_was_lost_is_the_drivers, &tally),
		cmocka_unit_test_prestate(packed_ring_that_is_recycled_before_the_reset_is_found,
	                                  &tally),
		cmocka_unit_test_prestate(memory_that_is_not_cleared_is_found, &tally),
		cmocka_unit_test_prestate(index_modulo_the_size_is_found, &tally),
		cmocka_unit_test_prestate(chain_of_very_many_pieces_is_found, &tally),
		cmocka_unit_test_prestate(order_of_descriptors_is_judged, &tally),
		cmocka_unit_test(rings_of_any_content_harm_nobody),
		cmocka_unit_test_prestate(a_list_that_is_begun_without_room_for_its_end_is_found,
	                                  &tally),
		cmocka_unit_test_prestate(all_ring_rules_have_both, &tally),
	};

	return cmocka_run_group_tests_name("check_ring", tests, NULL, NULL);
}
