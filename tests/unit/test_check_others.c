/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What right drivers may do and few do: those of other systems than Linux, and those whose CPUs meet. Beside each a wrong one
 * that is nearly the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#define VIRTIO_MMIO_NO_LEGACY
#include <linux/virtio_mmio.h>
#include <string.h>

#include "devices/vq.h"
#include "tests/lib/check_rig.h"
#include "vmm/core/le.h"

#define PLAIN  (CRIG_V1 | CRIG_F(MAC))
#define TABLES FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define LINK   (PLAIN | CRIG_F(STATUS))
#define CTRL   (PLAIN | CRIG_F(CTRL_VQ) | CRIG_F(CTRL_RX))

#define W(r, reg, v) crig_write(r, VIRTIO_MMIO_##reg, v)
#define R(r, reg, v) crig_read(r, VIRTIO_MMIO_##reg, v)

static const struct check_result *result_of(const struct check_rig *r, const char *id)
{
	return crig_result(r->c, id);
}

static void expect_clean(const struct check_rig *r, const char *what)
{
	struct check_tally t = {0};

	crig_expect_clean(r, what, &t);
}

static void expect_broken(struct check_rig *r, const char *id)
{
	struct check_tally t = {0};

	crig_expect_broken(r, id, &t);
	crig_end(r);
}

/* ---- the first looks */

static void magic_number_may_be_read_twice(unused void **state)
{
	struct check_rig r;

	crig_begin(&r, PLAIN);
	R(&r, MAGIC_VALUE, 0x74726976); /* a bus does, and its driver once more (NetBSD) */
	crig_up(&r, PLAIN);
	expect_clean(&r, "twice");
	assert_int_equal(result_of(&r, "mmio.probe-magic-version")->kept, 1);
	assert_int_equal(result_of(&r, "mmio.probe-devid")->kept, 1);
	crig_end(&r);

	crig_begin(&r, PLAIN);
	R(&r, VERSION, 2);
	crig_up(&r, PLAIN);
	expect_clean(&r, "version first");
	crig_end(&r);
}

static void what_comes_before_the_first_looks_is_found(unused void **state)
{
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_config(&r, 0, 1, 2);
	crig_up(&r, PLAIN);
	expect_broken(&r, "mmio.probe-magic-version");

	crig_begin(&r, PLAIN);
	R(&r, MAGIC_VALUE, 0x74726976);
	R(&r, VERSION, 2);
	W(&r, STATUS, 0);
	expect_broken(&r, "mmio.probe-devid");
}

static void driver_behind_another_one_resets_the_device(unused void **state)
{
	for (unsigned reset = 0; reset < 2; reset++) {
		struct check_rig r;

		crig_begin(&r, PLAIN);
		crig_up(&r, PLAIN);
		R(&r, MAGIC_VALUE, 0x74726976);
		R(&r, VERSION, 2);
		R(&r, DEVICE_ID, 1);
		W(&r, QUEUE_NOTIFY, 1);
		expect_clean(&r, "somebody looks on");
		W(&r, STATUS, reset ? 0 : 15);
		if (reset) {
			R(&r, STATUS, 0);
			expect_clean(&r, "from the beginning");
			assert_int_equal(result_of(&r, "init.reset-first")->kept, 2);
			crig_end(&r);
		} else {
			expect_broken(&r, "init.reset-first");
		}
	}
}

/* ---- bring-up */

static void begin(struct check_rig *r, uint64_t offered)
{
	crig_begin(r, offered);
	R(r, MAGIC_VALUE, 0x74726976);
	R(r, VERSION, 2);
	R(r, DEVICE_ID, 1);
	W(r, STATUS, 0);
	R(r, STATUS, 0);
	W(r, STATUS, 1);
	W(r, STATUS, 3);
}

static void accept_word(struct check_rig *r, unsigned word, uint32_t bits)
{
	W(r, DRIVER_FEATURES_SEL, word);
	W(r, DRIVER_FEATURES, bits);
}

static void read_offer(struct check_rig *r)
{
	W(r, DEVICE_FEATURES_SEL, 1);
	R(r, DEVICE_FEATURES, 1);
}

/* ... on another CPU. Who goes on raises a step, and who begins anew has them behind him. */
static void bus_may_look_between_two_steps(unused void **state)
{
	struct check_rig r;

	begin(&r, CRIG_V1);
	read_offer(&r);
	R(&r, MAGIC_VALUE, 0x74726976);
	accept_word(&r, 1, 1);
	W(&r, STATUS, 11);
	R(&r, STATUS, 11);
	expect_clean(&r, "it goes on");
	R(&r, MAGIC_VALUE, 0x74726976);
	W(&r, STATUS, 11);
	expect_broken(&r, "init.reset-first");
}

static void word_of_which_nothing_is_wanted_need_not_be_written(unused void **state)
{
	struct check_rig r;

	begin(&r, CRIG_V1);
	read_offer(&r);
	accept_word(&r, 1, 1);
	W(&r, STATUS, 11);
	R(&r, STATUS, 11);
	expect_clean(&r, "word 1 alone"); /* Zephyr */
	crig_end(&r);
}

static void offer_that_nobody_has_read_is_found(unused void **state)
{
	struct check_rig r;

	begin(&r, CRIG_V1);
	accept_word(&r, 0, 0);
	accept_word(&r, 1, 1);
	W(&r, STATUS, 11);
	expect_broken(&r, "init.features-before-ok");
}

static void features_behind_the_last_word_are_found(unused void **state)
{
	static const char *const ids[] = {"feat.no-unoffered", "feat.no-undefined-bit"};

	for (unsigned i = 0; i < 2; i++) {
		struct check_rig r;

		begin(&r, CRIG_V1);
		read_offer(&r);
		accept_word(&r, 1, 1);
		accept_word(&r, 2, 4);
		W(&r, STATUS, 11);
		expect_broken(&r, ids[i]);
	}
}

/* With --provoke unknown-features. To accept them is wrong, but for another reason. */
static void what_was_read_behind_the_last_word_was_offered(unused void **state)
{
	struct check_rig r;

	begin(&r, CRIG_V1);
	read_offer(&r);
	W(&r, DEVICE_FEATURES_SEL, 2);
	R(&r, DEVICE_FEATURES, 4);
	accept_word(&r, 1, 1);
	accept_word(&r, 2, 4);
	W(&r, STATUS, 11);
	assert_int_equal(result_of(&r, "feat.no-unoffered")->broken, 0);
	expect_broken(&r, "feat.no-undefined-bit");
}

static void zero_behind_the_last_word_is_clean(unused void **state)
{
	struct check_rig r;

	begin(&r, CRIG_V1);
	read_offer(&r);
	for (unsigned word = 0; word < 4; word++)
		accept_word(&r, word, word == 1);
	W(&r, STATUS, 11);
	R(&r, STATUS, 11);
	expect_clean(&r, "four words");
	crig_end(&r);
}

static void features_behind_the_last_word_may_be_taken_back(unused void **state)
{
	for (unsigned reset = 0; reset < 2; reset++) {
		struct check_rig r;

		begin(&r, CRIG_V1);
		read_offer(&r);
		accept_word(&r, 1, 1);
		accept_word(&r, 2, 4);
		if (reset)
			crig_negotiate(&r, CRIG_V1);
		else
			accept_word(&r, 2, 0);
		W(&r, STATUS, 11);
		R(&r, STATUS, 11);
		expect_clean(&r, reset ? "by a reset" : "by writing 0");
		crig_end(&r);
	}
}

/* The device has refused once, and is asked again. */
static void ask_twice(struct check_rig *r, bool look)
{
	begin(r, LINK);
	read_offer(r);
	accept_word(r, 0, LINK & UINT32_MAX);
	accept_word(r, 1, 1);
	W(r, STATUS, 11);
	r->status = 3;
	R(r, STATUS, 3);
	accept_word(r, 0, PLAIN & UINT32_MAX);
	W(r, STATUS, 11);
	if (look)
		R(r, STATUS, 11);
	crig_ready(r, 0);
	crig_ready(r, 1);
	crig_go(r);
}

static void second_answer_counts(unused void **state)
{
	struct check_rig r;

	ask_twice(&r, true);
	expect_clean(&r, "refused, then accepted");
	crig_end(&r);
	ask_twice(&r, false);
	assert_int_equal(result_of(&r, "init.stop-after-failure")->broken, 0);
	expect_broken(&r, "init.reread-features-ok");
}

static void only_who_stops_has_stopped(unused void **state)
{
	static const uint64_t ends[] = {0, 0x83};
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_up(&r, PLAIN); /* nothing has failed */
	assert_int_equal(result_of(&r, "init.stop-after-failure")->kept, 0);
	crig_end(&r);
	for (unsigned i = 0; i < 2; i++) {
		begin(&r, CRIG_V1);
		read_offer(&r);
		accept_word(&r, 1, 1);
		W(&r, STATUS, 11);
		r.status = 3;
		R(&r, STATUS, 3);
		W(&r, STATUS, ends[i]);
		expect_clean(&r, "it stops");
		assert_int_equal(result_of(&r, "init.stop-after-failure")->kept, 1);
		crig_end(&r);
	}
}

static void queue_without_any_step_is_found(unused void **state)
{
	struct check_rig r;

	crig_begin(&r, PLAIN);
	W(&r, STATUS, 0);
	R(&r, STATUS, 0);
	crig_ready(&r, 0);
	expect_broken(&r, "init.setup-after-negotiation");
}

/* ---- behind a reset */

static void queues_are_taken_out_of_registers_behind_the_reset(unused void **state)
{
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_up(&r, PLAIN);
	W(&r, STATUS, 0);
	R(&r, STATUS, 0);
	for (unsigned i = 0; i < 2; i++) { /* NetBSD */
		W(&r, QUEUE_SEL, i);
		W(&r, QUEUE_READY, 0);
		W(&r, QUEUE_DESC_LOW, 0);
		W(&r, QUEUE_DESC_HIGH, 0);
	}
	expect_clean(&r, "out of registers");
	crig_end(&r);

	crig_begin(&r, PLAIN);
	crig_up(&r, PLAIN);
	W(&r, QUEUE_SEL, 0);
	W(&r, QUEUE_READY, 0);
	W(&r, STATUS, 0);
	expect_broken(&r, "mmio.qready0-readback");

	crig_begin(&r, PLAIN);
	crig_negotiate(&r, PLAIN);
	W(&r, QUEUE_SEL, 0);
	R(&r, QUEUE_READY, 1); /* of whoever had the device before */
	W(&r, QUEUE_READY, 0);
	W(&r, QUEUE_NUM, CRIG_NUM);
	expect_broken(&r, "mmio.qready0-readback");
}

/* ---- config space */

static void read_mac(struct check_rig *r)
{
	for (unsigned i = 0; i < sizeof(crig_mac); i++)
		crig_config(r, i, 1, crig_mac[i]);
}

static void bracket_may_hold_all_of_the_config_space(unused void **state)
{
	struct check_rig r;

	crig_begin(&r, LINK);
	crig_up(&r, LINK);
	for (unsigned i = 0; i < 2; i++) { /* the first time it has changed */
		R(&r, CONFIG_GENERATION, i);
		crig_config(&r, 6, 2, 1);
		read_mac(&r);
		R(&r, INTERRUPT_STATUS, 0); /* a handler, on another CPU */
		crig_config(&r, 6, 2, 1);
		R(&r, CONFIG_GENERATION, 1);
	}
	R(&r, STATUS, 15);
	crig_ticks(&r, 12);
	expect_clean(&r, "all in one bracket");
	assert_int_equal(result_of(&r, "cfg.generation-loop")->kept, 1);
	crig_end(&r);

	crig_begin(&r, LINK);
	crig_up(&r, LINK);
	R(&r, CONFIG_GENERATION, 0);
	read_mac(&r);
	crig_config(&r, 6, 2, 1);
	R(&r, STATUS, 15);
	expect_broken(&r, "cfg.generation-loop");
}

/* Each is one read: there is nothing to tear. */
static void fields_behind_the_address_need_no_bracket(unused void **state)
{
	struct check_rig r;

	crig_begin(&r, CTRL | CRIG_F(STATUS) | CRIG_F(MQ));
	crig_up(&r, CTRL | CRIG_F(STATUS) | CRIG_F(MQ));
	for (unsigned i = 0; i < 2; i++) {
		crig_config(&r, 6, 2, 1);
		crig_config(&r, 8, 2, 2);
	}
	R(&r, STATUS, 15);
	expect_clean(&r, "one behind the other");
	crig_end(&r);
}

/* On a CPU that does not know of the other's. */
static void kicks_come_between_any_two_accesses(unused void **state)
{
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_up(&r, PLAIN);
	R(&r, CONFIG_GENERATION, 0);
	W(&r, QUEUE_NOTIFY, 1);
	read_mac(&r);
	W(&r, QUEUE_NOTIFY, 1);
	R(&r, CONFIG_GENERATION, 0);
	W(&r, QUEUE_SEL, 0);
	W(&r, QUEUE_READY, 0);
	W(&r, QUEUE_NOTIFY, 1);
	R(&r, QUEUE_READY, 0);
	expect_clean(&r, "kicks");
	crig_end(&r);
}

static void wide_read_takes_the_field_behind_too(unused void **state)
{
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_up(&r, PLAIN);
	crig_config(&r, 4, 4, 0);
	expect_broken(&r, "cfg.check-feature-first");
}

/* ---- rings */

#define RING_OF(queue) (0x1000u * (queue))
#define TABLE          0x10000u
#define NR_MANY        (VQ_NUM_MAX + 2)

struct piece {
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static void put(struct check_rig *r, gpa_t at, const struct piece *p)
{
	uint8_t *d = gmem_ptr(&r->mem, at, 16);

	put_le64(d, p->addr);
	put_le32(d + 8, p->len);
	put_le16(d + 12, p->flags);
	put_le16(d + 14, p->next);
}

/* One chain of queue 1, by way of a table at @at. */
static void offer_table(struct check_rig *r, uint64_t more, uint64_t at, unsigned nr)
{
	crig_begin(r, PLAIN | TABLES | more);
	crig_up(r, PLAIN | TABLES | more);
	crig_offer(r, 1, "", 1);
	put(r, RING_OF(1), &(struct piece){at, 16 * nr, VRING_DESC_F_INDIRECT, 0});
}

static void table_outside_memory_is_found(unused void **state)
{
	static const char *const ids[] = {"split.desc-in-ram", "feat.physical-addresses"};

	for (unsigned i = 0; i < 2; i++) {
		struct check_rig r;

		offer_table(&r, 0, UINT64_C(1) << 40, 2);
		crig_look(&r, 1);
		expect_broken(&r, ids[i]);
	}
}

static void addresses_are_physical_without_access_platform_alone(unused void **state)
{
	struct check_rig r;

	offer_table(&r, FEATURE(VIRTIO_F_ACCESS_PLATFORM), UINT64_C(1) << 40, 2);
	crig_look(&r, 1);
	assert_int_equal(result_of(&r, "feat.physical-addresses")->broken, 0);
	expect_broken(&r, "split.desc-in-ram");
}

static void table_of_more_than_any_ring_is_too_long(unused void **state)
{
	struct check_rig r;

	offer_table(&r, 0, TABLE, NR_MANY);
	for (unsigned i = 0; i < NR_MANY; i++)
		put(&r, TABLE + 16 * (gpa_t)i,
		    &(struct piece){0x8000, 1, i + 1 < NR_MANY ? VRING_DESC_F_NEXT : 0,
		                    (uint16_t)(i + 1)});
	crig_look(&r, 1);
	assert_int_equal(result_of(&r, "indirect.next-in-table")->broken, 0);
	expect_broken(&r, "indirect.chain-le-queue-size");
}

static void chain_may_have_all_of_four_gibibytes(unused void **state)
{
	for (unsigned more = 0; more < 2; more++) {
		const uint32_t half = UINT32_C(1) << 31;
		struct check_rig r;

		offer_table(&r, 0, TABLE, 2);
		put(&r, TABLE, &(struct piece){0x8000, half, VRING_DESC_F_NEXT, 1});
		put(&r, TABLE + 16, &(struct piece){0x8000, half + more, 0, 0});
		crig_look(&r, 1);
		assert_int_equal(result_of(&r, "split.chain-bytes")->broken, more);
		crig_end(&r);
	}
}

static void rings_that_two_queues_have_are_found(unused void **state)
{
	static const char *const ids[] = {"split.areas-in-ram", "packed.areas-in-ram"};
	static const uint32_t low[] = {VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_AVAIL_LOW,
	                               VIRTIO_MMIO_QUEUE_USED_LOW};

	for (unsigned i = 0; i < 6; i++) {
		const uint64_t f = PLAIN | (i % 2 ? FEATURE(VIRTIO_F_RING_PACKED) : 0);
		struct check_rig r;

		crig_begin(&r, f);
		crig_negotiate(&r, f);
		crig_ready(&r, 0);
		expect_clean(&r, "the first");
		W(&r, QUEUE_SEL, 1);
		W(&r, QUEUE_NUM, CRIG_NUM);
		for (unsigned k = 0; k < 3; k++) /* one of the three is the other's */
			crig_write(&r, low[k], RING_OF(k != i / 2) + 0x400 * k);
		W(&r, QUEUE_READY, 1);
		expect_broken(&r, ids[i % 2]);
	}
}

static void descriptor_that_is_withdrawn_before_the_reset_is_found(unused void **state)
{
	for (unsigned used = 0; used < 2; used++) {
		struct check_rig r;

		crig_begin(&r, PLAIN);
		crig_up(&r, PLAIN);
		crig_offer(&r, 0, NULL, 1526);
		crig_look(&r, 0);
		if (used)
			crig_use(&r, 0);
		put(&r, RING_OF(0), &(struct piece){0, 0, 0, 1});
		W(&r, STATUS, 0);
		R(&r, STATUS, 0);
		if (used) {
			expect_clean(&r, "it is the driver's again");
			crig_end(&r);
		} else {
			expect_broken(&r, "cleanup.reset-before-unexpose");
		}
	}
}

static void table_that_is_withdrawn_before_the_reset_is_found(unused void **state)
{
	for (unsigned early = 0; early < 2; early++) {
		struct check_rig r;

		offer_table(&r, 0, TABLE, 1);
		put(&r, TABLE, &(struct piece){0x8000, 72, 0, 0});
		crig_look(&r, 1);
		if (early)
			put(&r, TABLE, &(struct piece){0});
		W(&r, STATUS, 0);
		assert_int_equal(result_of(&r, "indirect.table-stable")->broken, early);
		assert_int_equal(result_of(&r, "indirect.table-stable")->kept, !early);
		crig_end(&r);
	}
}

static void queue_that_is_found_ready_is_left_or_stopped(unused void **state)
{
	for (unsigned stop = 0; stop < 2; stop++) {
		struct check_rig r;

		crig_begin(&r, PLAIN);
		crig_negotiate(&r, PLAIN);
		W(&r, QUEUE_SEL, 0);
		R(&r, QUEUE_READY, 1);
		if (stop) {
			W(&r, QUEUE_READY, 0);
			R(&r, QUEUE_READY, 0);
			crig_ready(&r, 0);
			expect_clean(&r, "stopped");
			crig_end(&r);
		} else {
			R(&r, QUEUE_NUM_MAX, 256);
			W(&r, QUEUE_NUM, CRIG_NUM);
			expect_broken(&r, "mmio.no-qreg-when-ready");
		}
	}
}

static void failure_that_is_told_twice_is_no_new_attempt(unused void **state)
{
	struct check_rig r;

	begin(&r, CRIG_V1);
	W(&r, STATUS, 0x83);
	W(&r, STATUS, 0x83);
	assert_int_equal(result_of(&r, "status.failed-then-reset")->kept, 0);
	W(&r, STATUS, 0);
	assert_int_equal(result_of(&r, "status.failed-then-reset")->kept, 1);
	crig_end(&r);
}

static void queue_without_room_is_none(unused void **state)
{
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_negotiate(&r, PLAIN);
	W(&r, QUEUE_SEL, 0);
	R(&r, QUEUE_NUM_MAX, 0);
	W(&r, QUEUE_DESC_LOW, 0);
	expect_clean(&r, "what is taken out of the registers");
	W(&r, QUEUE_DESC_LOW, 0x1000);
	expect_broken(&r, "mmio.qmax0-absent");
}

/* ---- interrupts */

static void causes_may_be_acknowledged_one_by_one(unused void **state)
{
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_up(&r, PLAIN);
	R(&r, INTERRUPT_STATUS, 3);
	W(&r, INTERRUPT_ACK, 1);
	W(&r, INTERRUPT_ACK, 2);
	expect_clean(&r, "one by one");
	crig_end(&r);
}

static void handlers_on_two_cpus_may_both_acknowledge(unused void **state)
{
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_up(&r, PLAIN);
	R(&r, INTERRUPT_STATUS, 1);
	R(&r, INTERRUPT_STATUS, 1);
	W(&r, INTERRUPT_ACK, 1);
	W(&r, INTERRUPT_ACK, 1);
	for (unsigned i = 0; i < 2; i++)
		R(&r, INTERRUPT_STATUS, 0);
	for (unsigned i = 0; i < 2; i++) /* of whoever writes what it has read (FreeBSD) */
		W(&r, INTERRUPT_ACK, 0);
	expect_clean(&r, "two CPUs");
	W(&r, INTERRUPT_ACK, 1);
	assert_int_equal(result_of(&r, "mmio.irq-read-status")->broken, 1);
	expect_broken(&r, "mmio.irq-ack");
}

static void reset_may_overtake_a_handler(unused void **state)
{
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_up(&r, PLAIN);
	R(&r, INTERRUPT_STATUS, 1);
	for (unsigned i = 0; i < 2; i++) {
		W(&r, STATUS, 0);
		R(&r, STATUS, 0);
	}
	W(&r, INTERRUPT_ACK, 1);
	expect_clean(&r, "overtaken");
	W(&r, INTERRUPT_ACK, 1);
	expect_broken(&r, "mmio.irq-ack");
}

static void cause_that_is_never_acknowledged_is_found_beside_one_that_is(unused void **state)
{
	struct check_rig r;

	for (unsigned bit = 0; bit < 2; bit++) {
		crig_begin(&r, PLAIN);
		crig_up(&r, PLAIN);
		for (unsigned i = 0; i < 9; i++) {
			assert_int_equal(result_of(&r, "mmio.intack-handled")->broken, 0);
			R(&r, INTERRUPT_STATUS, 3);
			W(&r, INTERRUPT_ACK, 1u << bit);
		}
		assert_non_null(strstr(result_of(&r, "mmio.intack-handled")->why,
		                       bit ? "with bit 0 set" : "with bit 1 set"));
		expect_broken(&r, "mmio.intack-handled");
	}
}

/* ---- where it was */

static void command_is_of_the_queue_that_has_it(unused void **state)
{
	static const uint8_t odd[] = {0, 0, 7};
	struct check_rig r;

	for (unsigned several = 0; several < 2; several++) {
		const uint64_t f = CTRL | (several ? CRIG_F(MQ) : 0);

		crig_begin(&r, f);
		crig_up(&r, f);
		crig_command(&r, odd, sizeof(odd), 0);
		assert_int_equal(result_of(&r, "ctrl.rx-data-bool")->queue,
		                 several ? CRIG_QUEUES - 1 : 2);
		expect_broken(&r, "ctrl.rx-data-bool");
	}
}

/* Another thread carries commands out: a reset comes between one and what is said of it. */
static void reset_may_overtake_a_command(unused void **state)
{
	static const uint8_t promisc[] = {0, 0, 1};
	struct check_rig r;

	crig_begin(&r, CTRL);
	crig_up(&r, CTRL);
	W(&r, STATUS, 0);
	crig_command(&r, promisc, sizeof(promisc), 0);
	R(&r, STATUS, 0);
	expect_clean(&r, "overtaken");
	crig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(magic_number_may_be_read_twice),
		cmocka_unit_test(what_comes_before_the_first_looks_is_found),
		cmocka_unit_test(driver_behind_another_one_resets_the_device),
		cmocka_unit_test(bus_may_look_between_two_steps),
		cmocka_unit_test(word_of_which_nothing_is_wanted_need_not_be_written),
		cmocka_unit_test(offer_that_nobody_has_read_is_found),
		cmocka_unit_test(features_behind_the_last_word_are_found),
		cmocka_unit_test(what_was_read_behind_the_last_word_was_offered),
		cmocka_unit_test(zero_behind_the_last_word_is_clean),
		cmocka_unit_test(features_behind_the_last_word_may_be_taken_back),
		cmocka_unit_test(second_answer_counts),
		cmocka_unit_test(only_who_stops_has_stopped),
		cmocka_unit_test(queue_without_any_step_is_found),
		cmocka_unit_test(queues_are_taken_out_of_registers_behind_the_reset),
		cmocka_unit_test(bracket_may_hold_all_of_the_config_space),
		cmocka_unit_test(fields_behind_the_address_need_no_bracket),
		cmocka_unit_test(kicks_come_between_any_two_accesses),
		cmocka_unit_test(wide_read_takes_the_field_behind_too),
		cmocka_unit_test(table_outside_memory_is_found),
		cmocka_unit_test(addresses_are_physical_without_access_platform_alone),
		cmocka_unit_test(table_of_more_than_any_ring_is_too_long),
		cmocka_unit_test(chain_may_have_all_of_four_gibibytes),
		cmocka_unit_test(rings_that_two_queues_have_are_found),
		cmocka_unit_test(descriptor_that_is_withdrawn_before_the_reset_is_found),
		cmocka_unit_test(table_that_is_withdrawn_before_the_reset_is_found),
		cmocka_unit_test(queue_that_is_found_ready_is_left_or_stopped),
		cmocka_unit_test(failure_that_is_told_twice_is_no_new_attempt),
		cmocka_unit_test(queue_without_room_is_none),
		cmocka_unit_test(causes_may_be_acknowledged_one_by_one),
		cmocka_unit_test(handlers_on_two_cpus_may_both_acknowledge),
		cmocka_unit_test(reset_may_overtake_a_handler),
		cmocka_unit_test(cause_that_is_never_acknowledged_is_found_beside_one_that_is),
		cmocka_unit_test(command_is_of_the_queue_that_has_it),
		cmocka_unit_test(reset_may_overtake_a_command),
	};

	return cmocka_run_group_tests_name("check_others", tests, NULL, NULL);
}
