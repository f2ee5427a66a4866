/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a register is not enough: drivers that look, and do not heed what they have seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_net.h>
#include <string.h>

#include "tests/lib/check_rig.h"

#define V1      CRIG_V1
#define PLAIN   (V1 | CRIG_F(MAC))
#define SECONDS 12u /* looks that are more than one */

static void read_mac(struct check_rig *r, uint64_t before, uint64_t behind)
{
	crig_read(r, VIRTIO_MMIO_CONFIG_GENERATION, before);
	for (unsigned i = 0; i < sizeof(crig_mac); i++)
		crig_config(r, i, 1, crig_mac[i]);
	crig_read(r, VIRTIO_MMIO_CONFIG_GENERATION, behind);
}

static void queues(struct check_rig *r)
{
	crig_ready(r, 0);
	crig_ready(r, 1);
}

/* ---- cfg.generation-loop */

static void address_that_changed_meanwhile_has_to_be_read_again(unused void **state)
{
	struct check_tally t = {{false}, {false}};
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_negotiate(&r, PLAIN);
	read_mac(&r, 1, 2);
	queues(&r);
	crig_go(&r);
	crig_expect_broken(&r, "cfg.generation-loop", &t);
	crig_end(&r);
}

static void address_that_is_read_until_it_stands_is_right(unused void **state)
{
	struct check_tally t = {{false}, {false}};
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_negotiate(&r, PLAIN);
	read_mac(&r, 1, 2);
	crig_ticks(&r, SECONDS - 3); /* as long as it takes */
	read_mac(&r, 2, 3);
	/* What was behind the last one may be before the next one, too. */
	for (unsigned i = 0; i < sizeof(crig_mac); i++)
		crig_config(&r, i, 1, crig_mac[i]);
	crig_read(&r, VIRTIO_MMIO_CONFIG_GENERATION, 3);
	queues(&r);
	crig_go(&r);
	crig_ticks(&r, SECONDS);
	crig_expect_clean(&r, "read again", &t);
	assert_true(t.kept[rule_find("cfg.generation-loop") - rules]);
	crig_end(&r);
}

static void address_that_changes_under_way_has_to_be_read_again_too(unused void **state)
{
	struct check_tally t = {{false}, {false}};
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_up(&r, PLAIN);
	read_mac(&r, 1, 2);
	crig_write(&r, VIRTIO_MMIO_QUEUE_NOTIFY, 1); /* of another CPU */
	crig_expect_clean(&r, "it may come yet", &t);
	crig_ticks(&r, SECONDS);
	crig_expect_broken(&r, "cfg.generation-loop", &t);
	crig_end(&r);
}

/* ---- cfg.check-feature-first */

static void field_before_its_feature_was_looked_for_is_found(unused void **state)
{
	const uint64_t offered = PLAIN | CRIG_F(STATUS);
	const unsigned at = offsetof(struct virtio_net_config, status);
	struct check_tally t = {{false}, {false}};
	struct check_rig r;

	crig_begin(&r, offered);
	crig_config(&r, at, 2, 1);
	crig_expect_broken(&r, "cfg.check-feature-first", &t);
	crig_end(&r);
	crig_begin(&r, offered);
	crig_up(&r, offered);
	crig_config(&r, at, 2, 1);
	crig_write(&r, VIRTIO_MMIO_STATUS, 0); /* what is offered stays what it is */
	crig_read(&r, VIRTIO_MMIO_STATUS, 0);
	crig_config(&r, at, 2, 1);
	crig_expect_clean(&r, "looked for before", &t);
	crig_end(&r);
}

/* ---- reset.wait-for-zero */

static void reset_that_is_not_over_is_waited_for(unused void **state)
{
	struct check_tally t = {{false}, {false}};
	struct check_rig r;

	crig_begin(&r, V1);
	crig_up(&r, V1);
	crig_write(&r, VIRTIO_MMIO_STATUS, 0);
	crig_read(&r, VIRTIO_MMIO_STATUS, 15);
	crig_read(&r, VIRTIO_MMIO_STATUS, 15);
	crig_read(&r, VIRTIO_MMIO_STATUS, 0);
	crig_write(&r, VIRTIO_MMIO_STATUS, 1);
	crig_expect_clean(&r, "a driver that waits", &t);
	assert_true(t.kept[rule_find("reset.wait-for-zero") - rules]);
	crig_write(&r, VIRTIO_MMIO_STATUS, 0);
	crig_read(&r, VIRTIO_MMIO_STATUS, 1);
	crig_write(&r, VIRTIO_MMIO_STATUS, 1);
	crig_expect_broken(&r, "reset.wait-for-zero", &t);
	crig_end(&r);
}

/* ---- interrupts */

static void handle(struct check_rig *r, uint64_t why)
{
	crig_read(r, VIRTIO_MMIO_INTERRUPT_STATUS, why);
	if (why)
		crig_write(r, VIRTIO_MMIO_INTERRUPT_ACK, why);
}

/* A handler comes when it likes, with a neighbour on the line before DRIVER_OK, too: --provoke shared-line. */
static void handler_of_interrupts_may_come_between_any_two_accesses(unused void **state)
{
	struct check_tally t = {{false}, {false}};
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_up(&r, PLAIN);
	crig_write(&r, VIRTIO_MMIO_STATUS, 0);
	handle(&r, 0);
	crig_read(&r, VIRTIO_MMIO_STATUS, 15);
	handle(&r, 1);
	crig_read(&r, VIRTIO_MMIO_STATUS, 0);
	crig_negotiate(&r, PLAIN);
	crig_read(&r, VIRTIO_MMIO_CONFIG_GENERATION, 1);
	handle(&r, 0);
	for (unsigned i = 0; i < sizeof(crig_mac); i++) {
		crig_config(&r, i, 1, crig_mac[i]);
		handle(&r, 0);
	}
	crig_read(&r, VIRTIO_MMIO_CONFIG_GENERATION, 1);
	queues(&r);
	crig_write(&r, VIRTIO_MMIO_QUEUE_SEL, 0);
	crig_write(&r, VIRTIO_MMIO_QUEUE_READY, 0);
	handle(&r, 0);
	crig_read(&r, VIRTIO_MMIO_QUEUE_READY, 0);
	crig_expect_clean(&r, "a handler in between", &t);
	assert_true(t.kept[rule_find("reset.wait-for-zero") - rules]);
	assert_true(t.kept[rule_find("mmio.qready0-readback") - rules]);
	assert_true(t.kept[rule_find("cfg.generation-loop") - rules]);
	/* What it may not hide: nobody waits for the reset. */
	crig_write(&r, VIRTIO_MMIO_STATUS, 0);
	handle(&r, 0);
	crig_write(&r, VIRTIO_MMIO_STATUS, 1);
	crig_expect_broken(&r, "reset.wait-for-zero", &t);
	crig_end(&r);
}

/* ---- mmio.queue-not-in-use */

/* Somebody's: as firmware leaves it, when nobody has reset the device. */
static void queue_that_is_in_use_is_left_alone(unused void **state)
{
	struct check_tally t = {{false}, {false}};
	struct check_rig r;

	crig_begin(&r, V1);
	crig_negotiate(&r, V1);
	crig_write(&r, VIRTIO_MMIO_QUEUE_SEL, 0);
	crig_read(&r, VIRTIO_MMIO_QUEUE_READY, 1);
	crig_write(&r, VIRTIO_MMIO_QUEUE_READY, 0);
	crig_read(&r, VIRTIO_MMIO_QUEUE_READY, 0);
	crig_ready(&r, 0);
	crig_expect_clean(&r, "a queue that was taken back before", &t);
	crig_write(&r, VIRTIO_MMIO_QUEUE_SEL, 1);
	crig_read(&r, VIRTIO_MMIO_QUEUE_READY, 1);
	crig_write(&r, VIRTIO_MMIO_QUEUE_READY, 1);
	crig_expect_broken(&r, "mmio.queue-not-in-use", &t);
	crig_end(&r);
}

/* ---- init.no-kick-before-drvok */

/* One that fails in front of it: --provoke early-needs-reset. Who is not told by an interrupt need not look. */
static void kick_behind_a_driver_ok_that_was_not_taken_is_not_early(unused void **state)
{
	struct check_tally t = {{false}, {false}};
	struct check_rig r;

	crig_begin(&r, PLAIN);
	crig_negotiate(&r, PLAIN);
	queues(&r);
	crig_write(&r, VIRTIO_MMIO_STATUS, 15);
	r.status = 11;
	crig_write(&r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	crig_expect_clean(&r, "a kick", &t);
	crig_negotiate(&r, PLAIN);
	queues(&r);
	crig_write(&r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	crig_expect_broken(&r, "init.no-kick-before-drvok", &t);
	crig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_that_changed_meanwhile_has_to_be_read_again),
		cmocka_unit_test(address_that_is_read_until_it_stands_is_right),
		cmocka_unit_test(address_that_changes_under_way_has_to_be_read_again_too),
		cmocka_unit_test(field_before_its_feature_was_looked_for_is_found),
		cmocka_unit_test(reset_that_is_not_over_is_waited_for),
		cmocka_unit_test(handler_of_interrupts_may_come_between_any_two_accesses),
		cmocka_unit_test(queue_that_is_in_use_is_left_alone),
		cmocka_unit_test(kick_behind_a_driver_ok_that_was_not_taken_is_not_early),
	};

	return cmocka_run_group_tests_name("check, what is read counts", tests, NULL, NULL);
}
