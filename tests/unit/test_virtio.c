/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The device core: status machine, features, queues, interrupts. A comment before a case is the id of
 * the clause in the standard's list that it holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/fake_driver.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

#define ACK      VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER   VIRTIO_CONFIG_S_DRIVER
#define FEAT_OK  VIRTIO_CONFIG_S_FEATURES_OK
#define LIVE     VIRTIO_CONFIG_S_DRIVER_OK
#define BROKEN   VIRTIO_CONFIG_S_NEEDS_RESET
#define FAILED   VIRTIO_CONFIG_S_FAILED
#define USED_BIT VIRTIO_MMIO_INT_VRING
#define CONF_BIT VIRTIO_MMIO_INT_CONFIG

#define VERSION_1 FEATURE(VIRTIO_F_VERSION_1)
#define RING      (FEATURE(VIRTIO_RING_F_INDIRECT_DESC) | FEATURE(VIRTIO_RING_F_EVENT_IDX))
#define OFFERED   (VERSION_1 | RING | FEATURE(0) | FEATURE(1) | FEATURE(40))

/* A device that does nothing but remember what it was told. */
struct probe {
	struct virtio_dev dev;
	struct virtio_queue queue[3];
	struct fake_mem m;
	struct fake_vq vq[2];
	struct fake_dev drv;
	uint8_t config[8];
	uint32_t write_off, write_len;
	unsigned starts, stops, pulses;
	int start_error;          /* what the next start() returns */
	const char *break_start;  /* start() finds this broken rule */
	unsigned running_at_stop; /* queues that still ran when stop() was called */
	uint8_t status_at_start;
};

static struct probe *probe_of(struct virtio_dev *d)
{
	return container_of(d, struct probe, dev);
}

static void dev_config_read(struct virtio_dev *d, uint32_t off, void *buf, uint32_t len)
{
	assert_true(off < 8 && len > 0 && len <= 8 - off);
	memcpy(buf, probe_of(d)->config + off, len);
}

static void dev_config_write(struct virtio_dev *d, uint32_t off, const void *buf, uint32_t len)
{
	struct probe *p = probe_of(d);

	assert_true(off < 8 && len > 0 && len <= 8 - off);
	memcpy(p->config + off, buf, len);
	p->write_off = off;
	p->write_len = len;
}

/* Bit 1 needs bit 0. */
static bool dev_features_ok(const struct virtio_dev *d, uint64_t accepted)
{
	assert_int_equal(accepted & ~d->offered, 0);
	return !(accepted & FEATURE(1)) || (accepted & FEATURE(0));
}

static int dev_start(struct virtio_dev *d)
{
	struct probe *p = probe_of(d);

	p->starts++;
	p->status_at_start = d->status;
	if (p->break_start)
		virtio_broken(d, p->break_start);
	return p->start_error;
}

static void dev_stop(struct virtio_dev *d)
{
	struct probe *p = probe_of(d);

	p->stops++;
	p->running_at_stop = 0;
	for (unsigned i = 0; i < d->nr_queues; i++)
		p->running_at_stop += vq_running(&d->queue[i].vq);
}

static const struct virtio_dev_ops ops = {
	.id = 42,
	.config_len = 8,
	.config_read = dev_config_read,
	.config_write = dev_config_write,
	.features_ok = dev_features_ok,
	.start = dev_start,
	.stop = dev_stop,
};

static const struct virtio_dev_ops plain_ops = {
	.id = 42,
	.config_len = 8,
	.config_read = dev_config_read,
	.start = dev_start,
	.stop = dev_stop,
};

static void pulse(void *transport)
{
	struct probe *p = transport;

	p->pulses++;
}

static const struct virtio_transport_ops transport = {.interrupt = pulse};

static int setup(void **state)
{
	struct probe *p = calloc(1, sizeof(*p));

	if (!p)
		return -1;
	fake_mem_create(&p->m, KIB(64));
	fake_vq_init(&p->vq[0], &p->m, 16, 0);
	fake_vq_init(&p->vq[1], &p->m, 8, 0);
	p->dev = (struct virtio_dev){
		.ops = &ops,
		.tops = &transport,
		.transport = p,
		.name = "probe0",
		.mem = &p->m.gmem,
		.offered = OFFERED,
		.queue = p->queue,
		.nr_queues = 3,
	};
	for (unsigned i = 0; i < 3; i++)
		p->queue[i].num_max = 16;
	for (unsigned i = 0; i < 8; i++)
		p->config[i] = u8_of(i + 1);
	p->drv.core = &p->dev;
	*state = p;
	return virtio_init(&p->dev);
}

static int teardown(void **state)
{
	struct probe *p = *state;

	virtio_fini(&p->dev);
	fake_mem_destroy(&p->m);
	free(p);
	return 0;
}

static void bring_up(struct probe *p, uint64_t features)
{
	struct fake_vq *const vqs[] = {&p->vq[0], &p->vq[1]};

	assert_int_equal(fake_probe(&p->drv, features, vqs, 2), 0);
	assert_true(p->dev.started);
}

/* ---- life of the object */

static void kick_descriptors_are_open_all_life_long(void **state)
{
	struct probe *p = *state;

	for (unsigned i = 0; i < 3; i++)
		assert_true(fcntl(p->queue[i].kick_fd, F_GETFD) >= 0);
	bring_up(p, VERSION_1);
	virtio_fini(&p->dev);
	assert_int_equal(p->stops, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(p->queue[i].kick_fd, -1);
}

/* ---- status (virtio 1.2, 2.1 and 3.1.1) */

static void the_steps_of_linux_lead_to_a_started_device(void **state)
{
	struct probe *p = *state;

	bring_up(p, VERSION_1 | FEATURE(VIRTIO_RING_F_EVENT_IDX));
	assert_int_equal(p->dev.status, ACK | DRIVER | FEAT_OK | LIVE);
	assert_int_equal(p->status_at_start & LIVE, LIVE);
	assert_int_equal(p->starts, 1);
	assert_true(vq_running(&p->queue[0].vq));
	assert_true(vq_running(&p->queue[1].vq));
	assert_false(vq_running(&p->queue[2].vq));
	assert_true(p->queue[0].vq.event_idx);
	assert_false(p->queue[0].vq.indirect);
	assert_int_equal(p->dev.accepted, VERSION_1 | FEATURE(VIRTIO_RING_F_EVENT_IDX));
}

static void acknowledge_and_driver_may_come_in_one_write(void **state)
{
	struct probe *p = *state;

	virtio_set_status(&p->dev, ACK | DRIVER);
	assert_int_equal(p->dev.status, ACK | DRIVER);
}

static void a_step_before_its_turn_is_ignored(void **state)
{
	static const struct {
		uint8_t from, wrong;
	} rows[] = {
		{0, DRIVER},    {0, FEAT_OK}, {0, LIVE},
		{ACK, FEAT_OK}, {ACK, LIVE},  {ACK | DRIVER, LIVE},
	};
	struct probe *p = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		virtio_set_status(&p->dev, 0);
		if (rows[i].from)
			virtio_set_status(&p->dev, rows[i].from);
		virtio_accept(&p->dev, 1, 1);
		virtio_set_status(&p->dev, (uint32_t)rows[i].from | rows[i].wrong);
		assert_int_equal(p->dev.status, rows[i].from);
		assert_int_equal(p->starts, 0);
	}
}

/* Every order in which the four steps can be written one by one: only the right one arrives. */
static void of_all_orders_of_steps_only_the_right_one_starts_the_device(void **state)
{
	static const uint8_t bit[] = {ACK, DRIVER, FEAT_OK, LIVE};
	struct probe *p = *state;

	for (unsigned code = 0; code < 256; code++) {
		unsigned reached = 0;
		uint8_t expected = 0;

		virtio_set_status(&p->dev, 0);
		virtio_accept(&p->dev, 1, 1);
		for (unsigned i = 0; i < 4; i++) {
			const uint8_t step = bit[code >> (2 * i) & 3];

			if (reached < 4 && step == bit[reached])
				expected |= bit[reached++];
			fake_add_status(&p->drv, step);
		}
		assert_int_equal(p->dev.status, expected);
		assert_int_equal(p->dev.started, reached == 4);
	}
}

static void status_bits_are_cleared_by_reset_only(void **state)
{
	struct probe *p = *state;

	bring_up(p, VERSION_1);
	virtio_set_status(&p->dev, ACK);
	assert_int_equal(p->dev.status, ACK | DRIVER | FEAT_OK | LIVE);
	assert_true(p->dev.started);
	virtio_set_status(&p->dev, 0x100); /* not a reset either, and no known bit */
	assert_int_equal(p->dev.status, ACK | DRIVER | FEAT_OK | LIVE);
	virtio_set_status(&p->dev, 0);
	assert_int_equal(p->dev.status, 0);
}

static void a_driver_cannot_set_needs_reset_or_unknown_bits(void **state)
{
	struct probe *p = *state;

	virtio_set_status(&p->dev, ACK | BROKEN | 0x10 | 0x20 | 0xffffff00u);
	assert_int_equal(p->dev.status, ACK);
}

static void a_driver_that_failed_gets_no_further_without_reset(void **state)
{
	struct probe *p = *state;

	virtio_set_status(&p->dev, ACK | DRIVER);
	virtio_set_status(&p->dev, FAILED);
	assert_int_equal(p->dev.status, ACK | DRIVER | FAILED);
	virtio_accept(&p->dev, 1, 1);
	fake_add_status(&p->drv, FEAT_OK);
	assert_int_equal(p->dev.status, ACK | DRIVER | FAILED);
	bring_up(p, VERSION_1);
}

static void driver_ok_twice_starts_once(void **state)
{
	struct probe *p = *state;

	bring_up(p, VERSION_1);
	fake_add_status(&p->drv, LIVE);
	assert_int_equal(p->starts, 1);
}

static void driver_ok_without_any_queue_starts_the_device(void **state)
{
	struct probe *p = *state;

	assert_int_equal(fake_probe(&p->drv, VERSION_1, NULL, 0), 0);
	assert_int_equal(p->starts, 1);
}

/* ---- features (virtio 1.2, 2.2) */

/* dev.feat.accept-subsets, dev.feat.reject-bad: every subset of the bits on offer, and foreign ones */
static void features_ok_sticks_exactly_for_sets_that_we_run_with(void **state)
{
	static const uint64_t bits[] = {VERSION_1,   FEATURE(0),  FEATURE(1), FEATURE(28),
	                                FEATURE(29), FEATURE(40), FEATURE(2), /* not offered */
	                                FEATURE(63)};                         /* not offered */
	struct probe *p = *state;

	for (unsigned code = 0; code < 256; code++) {
		uint64_t set = 0;
		bool good;

		for (unsigned i = 0; i < ARRAY_SIZE(bits); i++)
			set |= code & 1u << i ? bits[i] : 0;
		good = !(set & ~OFFERED) && (set & VERSION_1) &&
		       (!(set & FEATURE(1)) || (set & FEATURE(0)));
		assert_int_equal(fake_negotiate(&p->drv, set), good ? 0 : -ENODEV);
		assert_int_equal(p->dev.accepted, good ? set : 0);
		assert_int_equal(p->dev.status, ACK | DRIVER | (good ? FEAT_OK : 0));
	}
}

static void a_refused_set_can_be_corrected(void **state)
{
	struct probe *p = *state;

	assert_int_equal(fake_negotiate(&p->drv, FEATURE(0)), -ENODEV);
	virtio_accept(&p->dev, 1, 1);
	fake_add_status(&p->drv, FEAT_OK);
	assert_int_equal(p->dev.accepted, VERSION_1 | FEATURE(0));
}

static void without_a_check_of_its_own_a_device_runs_with_any_subset(void **state)
{
	struct probe *p = *state;

	p->dev.ops = &plain_ops;
	assert_int_equal(fake_negotiate(&p->drv, VERSION_1 | FEATURE(1)), 0);
}

static void features_are_final_after_features_ok(void **state)
{
	struct probe *p = *state;

	assert_int_equal(fake_negotiate(&p->drv, VERSION_1), 0);
	virtio_accept(&p->dev, 0, 1);
	virtio_accept(&p->dev, 1, 0);
	fake_add_status(&p->drv, LIVE);
	assert_int_equal(p->dev.accepted, VERSION_1);
}

static void features_may_be_written_several_times_before(void **state)
{
	struct probe *p = *state;

	virtio_set_status(&p->dev, ACK | DRIVER);
	virtio_accept(&p->dev, 0, UINT32_MAX);
	virtio_accept(&p->dev, 1, UINT32_MAX);
	virtio_accept(&p->dev, 0, 1);
	virtio_accept(&p->dev, 1, 1);
	assert_int_equal(p->dev.accepted, 0);
	fake_add_status(&p->drv, FEAT_OK);
	assert_int_equal(p->dev.accepted, VERSION_1 | FEATURE(0));
}

/* dev.mmio.feature-windows, dev.feat.no-unsupported-offer */
static void feature_pages_above_the_second_are_empty(void **state)
{
	static const uint32_t pages[] = {2, 3, 4, 0x7fffffff, 0x80000000, 0x80000001, UINT32_MAX};
	struct probe *p = *state;

	assert_int_equal(virtio_offered(&p->dev, 0), u32_of(OFFERED));
	assert_int_equal(virtio_offered(&p->dev, 1), OFFERED >> 32);
	virtio_set_status(&p->dev, ACK | DRIVER);
	virtio_accept(&p->dev, 1, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
		assert_int_equal(virtio_offered(&p->dev, pages[i]), 0);
		virtio_accept(&p->dev, pages[i], UINT32_MAX);
	}
	fake_add_status(&p->drv, FEAT_OK);
	assert_int_equal(p->dev.accepted, VERSION_1);
}

/* dev.feat.stable-renegotiation */
static void a_set_that_worked_works_again_after_every_reset(void **state)
{
	struct probe *p = *state;

	for (unsigned i = 1; i <= 1000; i++) {
		bring_up(p, OFFERED);
		assert_int_equal(p->starts, i);
		virtio_set_status(&p->dev, 0);
		assert_int_equal(p->stops, i);
	}
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
}

/* ---- reset (virtio 1.2, 2.4) and broken rules */

/* dev.reset.status-0, dev.reset.quiesce, dev.mmio.reset-clears */
static void reset_stops_the_device_first_and_forgets_everything(void **state)
{
	struct probe *p = *state;

	bring_up(p, OFFERED);
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
	assert_int_equal(fake_negotiate(&p->drv, VERSION_1), 0); /* nothing of OFFERED is left */
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

/* ---- config space */

/* dev.mmio.cfg-bytes, dev.cfg.read-early */
static void config_reads_are_clipped_and_filled_with_zeros(void **state)
{
	struct probe *p = *state;
	uint8_t buf[8];

	for (uint32_t off = 0; off < 20; off++)
		for (uint32_t len = 1; len <= 8; len++) {
			memset(buf, 0xee, sizeof(buf));
			virtio_config_read(&p->dev, off, buf, len);
			for (uint32_t i = 0; i < 8; i++)
				assert_int_equal(buf[i], i >= len       ? 0xee
				                         : off + i >= 8 ? 0
				                                        : off + i + 1);
		}
	virtio_config_read(&p->dev, UINT32_MAX, buf, 8);
	assert_int_equal(buf[0], 0);
}

static void config_writes_are_clipped_and_vanish_past_the_end(void **state)
{
	struct probe *p = *state;
	const uint8_t buf[8] = {9, 9, 9, 9, 9, 9, 9, 9};

	virtio_config_write(&p->dev, 6, buf, 8);
	assert_int_equal(p->write_off, 6);
	assert_int_equal(p->write_len, 2);
	p->write_len = 0;
	virtio_config_write(&p->dev, 8, buf, 1);
	virtio_config_write(&p->dev, UINT32_MAX, buf, 8);
	assert_int_equal(p->write_len, 0);
	p->dev.ops = &plain_ops; /* read-only */
	virtio_config_write(&p->dev, 0, buf, 8);
	assert_int_equal(p->config[0], 1);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest cases[] = {
		CASE(kick_descriptors_are_open_all_life_long),
		CASE(the_steps_of_linux_lead_to_a_started_device),
		CASE(acknowledge_and_driver_may_come_in_one_write),
		CASE(a_step_before_its_turn_is_ignored),
		CASE(of_all_orders_of_steps_only_the_right_one_starts_the_device),
		CASE(status_bits_are_cleared_by_reset_only),
		CASE(a_driver_cannot_set_needs_reset_or_unknown_bits),
		CASE(a_driver_that_failed_gets_no_further_without_reset),
		CASE(driver_ok_twice_starts_once),
		CASE(driver_ok_without_any_queue_starts_the_device),
		CASE(features_ok_sticks_exactly_for_sets_that_we_run_with),
		CASE(a_refused_set_can_be_corrected),
		CASE(without_a_check_of_its_own_a_device_runs_with_any_subset),
		CASE(features_are_final_after_features_ok),
		CASE(features_may_be_written_several_times_before),
		CASE(feature_pages_above_the_second_are_empty),
		CASE(a_set_that_worked_works_again_after_every_reset),
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
		CASE(config_reads_are_clipped_and_filled_with_zeros),
		CASE(config_writes_are_clipped_and_vanish_past_the_end),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(cases, NULL, NULL);
}
