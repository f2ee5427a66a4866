/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device core: queues, interrupts, reset and broken rules. A comment before a case is the id of the
 * clause in the standard's list that it holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/uio.h>

#include "tests/lib/probe_device.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

#define ACK      VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER   VIRTIO_CONFIG_S_DRIVER
#define FEAT_OK  VIRTIO_CONFIG_S_FEATURES_OK
#define LIVE     VIRTIO_CONFIG_S_DRIVER_OK
#define BROKEN   VIRTIO_CONFIG_S_NEEDS_RESET
#define USED_BIT VIRTIO_ISR_USED
#define CONF_BIT VIRTIO_ISR_CONFIG

#define VERSION_1 FEATURE(VIRTIO_F_VERSION_1)

static int setup(void **state)
{
	*state = probe_create();
	return *state ? 0 : -1;
}

static int teardown(void **state)
{
	probe_destroy(*state);
	return 0;
}

static void bring_up(struct probe *p, uint64_t features)
{
	assert_int_equal(probe_bring_up(p, features), 0);
	assert_true(p->dev.started);
}

/* ---- queues */

/* dev.mmio.absent-queue */
static void only_existing_queues_can_be_selected(void **state)
{
	static const uint32_t absent[] = {3, 4, 0xffff, 0x10000, 0x7fffffff, UINT32_MAX};
	struct probe *p = *state;

	virtio_set_status(&p->dev, ACK | DRIVER);
	for (unsigned i = 0; i < 3; i++)
		assert_ptr_equal(virtio_queue_at(&p->dev, i, false), &p->queue[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(absent); i++) {
		assert_null(virtio_queue_at(&p->dev, absent[i], false));
		assert_null(virtio_queue_at(&p->dev, absent[i], true));
		virtio_queue_ready(&p->dev, absent[i], true);
		virtio_queue_ready(&p->dev, absent[i], false);
	}
}

static void queues_can_be_changed_between_driver_and_driver_ok_only(void **state)
{
	struct probe *p = *state;

	assert_null(virtio_queue_at(&p->dev, 0, true));
	virtio_set_status(&p->dev, ACK);
	assert_null(virtio_queue_at(&p->dev, 0, true));
	virtio_set_status(&p->dev, ACK | DRIVER);
	assert_non_null(virtio_queue_at(&p->dev, 0, true));
	virtio_accept(&p->dev, 1, 1);
	fake_add_status(&p->drv, FEAT_OK);
	assert_non_null(virtio_queue_at(&p->dev, 0, true));
	fake_add_status(&p->drv, LIVE);
	assert_null(virtio_queue_at(&p->dev, 0, true));
	virtio_queue_ready(&p->dev, 0, true);
	assert_false(p->queue[0].ready);
	virtio_broken(&p->dev, "test");
	assert_null(virtio_queue_at(&p->dev, 0, true));
}

static void a_ready_queue_cannot_be_changed_until_it_is_taken_back(void **state)
{
	struct probe *p = *state;

	virtio_set_status(&p->dev, ACK | DRIVER);
	virtio_queue_ready(&p->dev, 0, true);
	assert_null(virtio_queue_at(&p->dev, 0, true));
	assert_non_null(virtio_queue_at(&p->dev, 1, true));
	virtio_queue_ready(&p->dev, 0, false);
	assert_non_null(virtio_queue_at(&p->dev, 0, true));
}

/* dev.mmio.no-access-unready, dev.mmio.qready-readback */
static void a_queue_that_is_taken_back_while_running_is_let_go_of(void **state)
{
	struct probe *p = *state;
	struct iovec iov[4];
	struct vq_chain c = {.iov = iov, .room = 4};

	bring_up(p, VERSION_1);
	assert_true(fake_vq_add(&p->vq[0], (struct fake_buf[]){fake_out(&p->m, "x", 1)}, 1) >= 0);
	fake_vq_publish(&p->vq[0]);
	virtio_queue_ready(&p->dev, 0, false);
	assert_false(p->queue[0].ready);
	assert_int_equal(vq_pop(&p->queue[0].vq, &c), 0);
	assert_true(vq_running(&p->queue[1].vq));
	assert_true(p->dev.started);
	virtio_queue_ready(&p->dev, 0, true); /* too late: RING_RESET is not offered */
	assert_false(p->queue[0].ready);
	assert_false(vq_running(&p->queue[0].vq));
}

static void a_ready_queue_with_a_bad_address_or_size_breaks_at_driver_ok(void **state)
{
	static const struct vq_addr bad[] = {
		{.num = 0},
		{.num = 3},
		{.num = 32}, /* num_max is 16 */
		{.num = UINT32_MAX},
		{.num = 16, .desc = 8},
		{.num = 16, .avail = 1},
		{.num = 16, .used = 2},
		{.num = 16, .desc = MIB(2)},
		{.num = 16, .avail = MIB(2)},
		{.num = 16, .used = MIB(2)},
	};
	struct probe *p = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		struct vq_addr a = p->vq[0].addr;

		a.num = bad[i].num;
		a.desc += bad[i].desc;
		a.avail += bad[i].avail;
		a.used += bad[i].used;
		assert_int_equal(fake_negotiate(&p->drv, VERSION_1), 0);
		fake_set_queue(&p->drv, 1, &p->vq[1].addr);
		fake_set_queue(&p->drv, 2, &a);
		fake_add_status(&p->drv, LIVE);
		assert_int_equal(p->dev.status, ACK | DRIVER | FEAT_OK | LIVE | BROKEN);
		assert_int_equal(p->starts, 0);
		assert_int_equal(p->dev.broken, i + 1);
		for (unsigned j = 0; j < 3; j++)
			assert_false(vq_running(&p->queue[j].vq));
	}
}

/* ---- interrupts */

/* dev.status.no-used-irq-early, dev.status.no-consume-early */
static void nothing_runs_and_nothing_is_told_before_driver_ok(void **state)
{
	struct probe *p = *state;

	virtio_used(&p->dev);
	virtio_config(&p->dev);
	assert_int_equal(fake_negotiate(&p->drv, VERSION_1), 0);
	fake_set_queue(&p->drv, 0, &p->vq[0].addr);
	virtio_kick(&p->dev, 0);
	virtio_used(&p->dev);
	virtio_config(&p->dev);
	assert_int_equal(virtio_isr(&p->dev), 0);
	assert_int_equal(p->pulses, 0);
	assert_int_equal(p->starts, 0);
	assert_false(vq_running(&p->queue[0].vq));
}

/* dev.mmio.intstatus-sticky, dev.mmio.intstatus-clean */
static void an_interrupt_bit_stays_until_it_is_acknowledged(void **state)
{
	struct probe *p = *state;

	bring_up(p, VERSION_1);
	assert_int_equal(virtio_isr(&p->dev), 0);
	virtio_used(&p->dev);
	assert_int_equal(p->pulses, 1);
	virtio_config(&p->dev);
	assert_int_equal(p->pulses, 2);
	assert_int_equal(virtio_isr(&p->dev), USED_BIT | CONF_BIT);
	assert_int_equal(virtio_isr(&p->dev), USED_BIT | CONF_BIT);
	virtio_isr_ack(&p->dev, 0);
	assert_int_equal(virtio_isr(&p->dev), USED_BIT | CONF_BIT);
	virtio_isr_ack(&p->dev, USED_BIT);
	assert_int_equal(virtio_isr(&p->dev), CONF_BIT);
	virtio_used(&p->dev);
	virtio_isr_ack(&p->dev, CONF_BIT);
	assert_int_equal(virtio_isr(&p->dev), USED_BIT);
	virtio_isr_ack(&p->dev, UINT32_MAX);
	assert_int_equal(virtio_isr(&p->dev), 0);
	assert_int_equal(p->dev.interrupts, p->pulses);
}

/* dev.cfg.change-irq, dev.mmio.generation */
static void a_config_change_moves_the_generation_and_is_announced(void **state)
{
	struct probe *p = *state;
	uint32_t before = atomic_load(&p->dev.config_generation);

	virtio_config(&p->dev); /* silent, but counted */
	assert_int_equal(atomic_load(&p->dev.config_generation), before + 1);
	bring_up(p, VERSION_1);
	assert_int_equal(atomic_load(&p->dev.config_generation), before + 1);
	virtio_config(&p->dev);
	assert_int_equal(atomic_load(&p->dev.config_generation), before + 2);
	assert_int_equal(virtio_isr(&p->dev), CONF_BIT);
	virtio_set_status(&p->dev, 0);
	assert_int_equal(atomic_load(&p->dev.config_generation), before + 2);
}

static void kicks_reach_the_queue_that_was_named(void **state)
{
	struct probe *p = *state;

	virtio_kick(&p->dev, 1);
	virtio_kick(&p->dev, 1);
	virtio_kick(&p->dev, 3);
	virtio_kick(&p->dev, 0x10001);
	virtio_kick(&p->dev, UINT32_MAX);
	assert_int_equal(fd_event_take(p->queue[0].kick_fd), 0);
	assert_int_equal(fd_event_take(p->queue[1].kick_fd), 2);
	assert_int_equal(fd_event_take(p->queue[2].kick_fd), 0);
	p->dev.nr_queues = 2;
	virtio_kick(&p->dev, 2);
	p->dev.nr_queues = 3;
	assert_int_equal(fd_event_take(p->queue[2].kick_fd), 0);
}

/* ---- reset (virtio 1.2, 2.4) and broken rules */

/* dev.reset.status-0, dev.reset.quiesce, dev.mmio.reset-clears */
static void reset_stops_the_device_first_and_forgets_everything(void **state)
{
	struct probe *p = *state;

	bring_up(p, PROBE_FEATURES);
	virtio_used(&p->dev);
	virtio_kick(&p->dev, 0);
	virtio_set_status(&p->dev, 0);
	assert_int_equal(p->dev.status, 0);
	assert_int_equal(p->dev.accepted, 0);
	assert_int_equal(virtio_isr(&p->dev), 0);
	assert_false(p->dev.started);
	assert_int_equal(p->stops, 1);
	assert_int_equal(p->running_at_stop, 2); /* stop() could still give chains back */
	for (unsigned i = 0; i < 3; i++) {
		assert_false(p->queue[i].ready);
		assert_false(vq_running(&p->queue[i].vq));
		assert_int_equal(p->queue[i].addr.num, 0);
		assert_int_equal(p->queue[i].addr.desc, 0);
		assert_int_equal(fd_event_take(p->queue[i].kick_fd), 0);
	}
	virtio_used(&p->dev);
	assert_int_equal(virtio_isr(&p->dev), 0);
	virtio_set_status(&p->dev, 0);
	assert_int_equal(p->stops, 1);
	/* Nothing of PROBE_FEATURES is left: even VERSION_1 has to be asked for again. */
	virtio_set_status(&p->dev, ACK | DRIVER | FEAT_OK);
	assert_int_equal(p->dev.status, ACK | DRIVER);
	assert_int_equal(fake_negotiate(&p->drv, VERSION_1), 0);
	assert_int_equal(p->dev.accepted, VERSION_1);
}

/* dev.status.needs-reset, dev.status.needs-reset-irq */
static void a_broken_rule_stops_the_device_and_tells_the_driver_once(void **state)
{
	struct probe *p = *state;

	bring_up(p, VERSION_1);
	virtio_broken(&p->dev, "test");
	assert_int_equal(p->dev.status, ACK | DRIVER | FEAT_OK | LIVE | BROKEN);
	assert_int_equal(virtio_isr(&p->dev), CONF_BIT);
	assert_int_equal(p->pulses, 1);
	assert_int_equal(p->stops, 1);
	assert_int_equal(p->dev.broken, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_false(vq_running(&p->queue[i].vq));
	virtio_broken(&p->dev, "test");
	virtio_used(&p->dev);
	virtio_config(&p->dev);
	fake_add_status(&p->drv, LIVE);
	assert_int_equal(p->pulses, 1);
	assert_int_equal(p->stops, 1);
	assert_int_equal(p->starts, 1);
	assert_int_equal(p->dev.broken, 1);
	bring_up(p, VERSION_1); /* a reset cures it */
	assert_int_equal(p->dev.status, ACK | DRIVER | FEAT_OK | LIVE);
}

/* dev.status.needs-reset-irq */
static void a_broken_rule_before_driver_ok_raises_no_interrupt(void **state)
{
	struct probe *p = *state;

	assert_int_equal(fake_negotiate(&p->drv, VERSION_1), 0);
	virtio_broken(&p->dev, "test");
	assert_int_equal(p->dev.status, ACK | DRIVER | FEAT_OK | BROKEN);
	assert_int_equal(virtio_isr(&p->dev), 0);
	fake_add_status(&p->drv, LIVE);
	assert_int_equal(p->starts, 0);
}

static void a_rule_found_broken_within_start_stops_the_device(void **state)
{
	struct probe *p = *state;

	p->break_start = "test";
	assert_int_equal(fake_probe(&p->drv, VERSION_1, NULL, 0), -EIO);
	assert_int_equal(p->starts, 1);
	assert_int_equal(p->stops, 1);
	assert_false(p->dev.started);
	assert_int_equal(virtio_isr(&p->dev), CONF_BIT);
}

static void a_device_that_cannot_start_needs_a_reset_and_is_not_stopped(void **state)
{
	struct probe *p = *state;
	struct fake_vq *const vqs[] = {&p->vq[0]};

	p->start_error = -ENOMEM;
	assert_int_equal(fake_probe(&p->drv, VERSION_1, vqs, 1), -EIO);
	assert_false(p->dev.started);
	assert_int_equal(p->stops, 0);
	assert_int_equal(p->dev.broken, 0); /* it was not the driver */
	assert_false(vq_running(&p->queue[0].vq));
	assert_int_equal(virtio_isr(&p->dev), CONF_BIT);
	p->start_error = 0;
	bring_up(p, VERSION_1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest cases[] = {
		CASE(only_existing_queues_can_be_selected),
		CASE(queues_can_be_changed_between_driver_and_driver_ok_only),
		CASE(a_ready_queue_cannot_be_changed_until_it_is_taken_back),
		CASE(a_queue_that_is_taken_back_while_running_is_let_go_of),
		CASE(a_ready_queue_with_a_bad_address_or_size_breaks_at_driver_ok),
		CASE(nothing_runs_and_nothing_is_told_before_driver_ok),
		CASE(an_interrupt_bit_stays_until_it_is_acknowledged),
		CASE(a_config_change_moves_the_generation_and_is_announced),
		CASE(kicks_reach_the_queue_that_was_named),
		CASE(reset_stops_the_device_first_and_forgets_everything),
		CASE(a_broken_rule_stops_the_device_and_tells_the_driver_once),
		CASE(a_broken_rule_before_driver_ok_raises_no_interrupt),
		CASE(a_rule_found_broken_within_start_stops_the_device),
		CASE(a_device_that_cannot_start_needs_a_reset_and_is_not_stopped),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(cases, NULL, NULL);
}
