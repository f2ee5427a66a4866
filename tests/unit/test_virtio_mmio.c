/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registers, one by one and with an echo device behind them. A comment before a case is the id of
 * the clause in the standard's list that it holds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio_mmio.h"
#include "tests/lib/echo_device.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/fake_page.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

#define ACK       VIRTIO_CONFIG_S_ACKNOWLEDGE
#define DRIVER    VIRTIO_CONFIG_S_DRIVER
#define VERSION_1 FEATURE(VIRTIO_F_VERSION_1)

struct rig {
	struct fake_mem m;
	struct fake_vq vq[ECHO_QUEUES];
	struct loop *loop;
	struct echo echo;
	struct virtio_mmio mmio;
	struct fake_page page; /* with setup_page() */
	struct fake_dev drv;
	atomic_uint edges; /* rising ones */
	bool level;
	unsigned gsi;
	int interrupt; /* eventfd, rung at each edge */
};

static void set_line(void *arg, unsigned gsi, bool level)
{
	struct rig *r = arg;

	if (level && !r->level) {
		atomic_fetch_add(&r->edges, 1);
		fd_event_set(r->interrupt);
	}
	r->level = level;
	r->gsi = gsi;
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (!r || loop_create(&r->loop) < 0)
		return -1;
	fake_mem_create(&r->m, MIB(1));
	fake_vq_init(&r->vq[0], &r->m, 16, FEATURE(VIRTIO_RING_F_EVENT_IDX));
	fake_vq_init(&r->vq[1], &r->m, 64, FEATURE(VIRTIO_RING_F_EVENT_IDX));
	r->interrupt = fd_eventfd();
	if (echo_create(&r->echo, &r->m.gmem, r->loop) < 0)
		return -1;
	virtio_mmio_init(&r->mmio, &r->echo.dev,
	                 (struct irq_line){.set = set_line, .arg = r, .gsi = 7});
	r->drv = (struct fake_dev){.core = &r->echo.dev, .mmio = &r->mmio};
	*state = r;
	return 0;
}

/* With the loop in a thread of its own, as in a running VM. */
static int setup_thread(void **state)
{
	int rc = setup(state);
	struct rig *r = *state;

	return rc ? rc : loop_thread_start(r->loop, "test");
}

/* The same with a register page. */
static int setup_page(void **state)
{
	int rc = setup(state);
	struct rig *r = *state;

	if (rc || fake_page_create(&r->page, &r->mmio) < 0)
		return -1;
	r->drv.page = &r->page;
	return loop_thread_start(r->loop, "test");
}

static int teardown(void **state)
{
	struct rig *r = *state;

	loop_thread_stop(r->loop);
	echo_destroy(&r->echo);
	if (r->drv.page)
		fake_page_destroy(r->drv.page);
	loop_destroy(r->loop);
	fd_close(&r->interrupt);
	fake_mem_destroy(&r->m);
	free(r);
	return 0;
}

static uint64_t rd(struct rig *r, uint64_t off, unsigned size)
{
	return virtio_mmio_bus_ops.read(&r->mmio, off, size);
}

static void wr(struct rig *r, uint64_t off, unsigned size, uint64_t val)
{
	virtio_mmio_bus_ops.write(&r->mmio, off, size, val);
}

static uint32_t readl(struct rig *r, uint64_t off)
{
	return fake_readl(&r->drv, off);
}

static void writel(struct rig *r, uint64_t off, uint32_t val)
{
	fake_writel(&r->drv, off, val);
}

static void bring_up(struct rig *r, uint64_t features)
{
	struct fake_vq *const vqs[] = {&r->vq[0], &r->vq[1]};

	assert_int_equal(fake_probe(&r->drv, features, vqs, 2), 0);
}

/* ---- identification */

/* dev.mmio.magic, dev.mmio.version */
static void the_device_says_what_it_is(void **state)
{
	struct rig *r = *state;

	assert_int_equal(readl(r, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(readl(r, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(readl(r, VIRTIO_MMIO_DEVICE_ID), ECHO_ID);
	assert_int_not_equal(readl(r, VIRTIO_MMIO_VENDOR_ID), 0);
}

/* dev.mmio.shm-absent, dev.shm.no-control */
static void shared_memory_regions_do_not_exist(void **state)
{
	static const uint32_t sel[] = {0, 1, 255, 256, UINT32_MAX};
	struct rig *r = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(sel); i++) {
		writel(r, VIRTIO_MMIO_SHM_SEL, sel[i]);
		assert_int_equal(readl(r, VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
		assert_int_equal(readl(r, VIRTIO_MMIO_SHM_LEN_HIGH), UINT32_MAX);
		assert_int_equal(readl(r, VIRTIO_MMIO_SHM_BASE_LOW), UINT32_MAX);
		assert_int_equal(readl(r, VIRTIO_MMIO_SHM_BASE_HIGH), UINT32_MAX);
	}
}

/* ---- widths */

/* dev.mmio.access-size */
static void control_registers_take_aligned_words_only(void **state)
{
	struct rig *r = *state;
	static const unsigned sizes[] = {1, 2, 4, 8};
	struct virtio_mmio before;
	uint8_t status;

	writel(r, VIRTIO_MMIO_STATUS, ACK | DRIVER);
	status = r->echo.dev.status;
	before = r->mmio;
	for (uint64_t off = 0; off < VIRTIO_MMIO_CONFIG; off++)
		for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
			if (sizes[i] == 4 && off % 4 == 0)
				continue;
			assert_int_equal(rd(r, off, sizes[i]), 0);
			wr(r, off, sizes[i], UINT64_MAX);
			wr(r, off, sizes[i], 0);
		}
	assert_memory_equal(&before, &r->mmio, offsetof(struct virtio_mmio, stats));
	assert_int_equal(r->echo.dev.status, status);
	assert_int_equal(r->echo.dev.asked, 0);
	assert_int_equal(r->echo.queue[0].addr.num, 0);
	assert_int_equal(fd_event_take(r->echo.queue[0].kick_fd), 0);
}

static void accesses_are_counted_by_what_they_are_for(void **state)
{
	struct rig *r = *state;
	const struct virtio_mmio_stats *s = &r->mmio.stats;

	writel(r, VIRTIO_MMIO_STATUS, ACK);
	readl(r, VIRTIO_MMIO_STATUS);
	readl(r, VIRTIO_MMIO_INTERRUPT_STATUS);
	writel(r, VIRTIO_MMIO_INTERRUPT_ACK, 1);
	writel(r, VIRTIO_MMIO_INTERRUPT_ACK, 2);
	writel(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	readl(r, VIRTIO_MMIO_CONFIG_GENERATION);
	rd(r, VIRTIO_MMIO_CONFIG, 1);
	wr(r, VIRTIO_MMIO_CONFIG + 3, 1, 0);
	rd(r, 1, 1); /* one that is refused is an exit, too */
	assert_int_equal(s->isr_reads, 1);
	assert_int_equal(s->acks, 2);
	assert_int_equal(s->notifies, 1);
	assert_int_equal(s->config, 3);
	assert_int_equal(s->others, 3);
}

static void write_only_and_unknown_registers_read_zero(void **state)
{
	static const uint32_t readable[] = {
		VIRTIO_MMIO_MAGIC_VALUE,   VIRTIO_MMIO_VERSION,          VIRTIO_MMIO_DEVICE_ID,
		VIRTIO_MMIO_VENDOR_ID,     VIRTIO_MMIO_DEVICE_FEATURES,  VIRTIO_MMIO_QUEUE_NUM_MAX,
		VIRTIO_MMIO_QUEUE_READY,   VIRTIO_MMIO_INTERRUPT_STATUS, VIRTIO_MMIO_STATUS,
		VIRTIO_MMIO_SHM_LEN_LOW,   VIRTIO_MMIO_SHM_LEN_HIGH,     VIRTIO_MMIO_SHM_BASE_LOW,
		VIRTIO_MMIO_SHM_BASE_HIGH, VIRTIO_MMIO_CONFIG_GENERATION};
	struct rig *r = *state;

	bring_up(r, VERSION_1);
	for (uint32_t off = 0; off < VIRTIO_MMIO_CONFIG; off += 4) {
		bool known = false;

		for (unsigned i = 0; i < ARRAY_SIZE(readable); i++)
			known |= readable[i] == off;
		if (!known)
			assert_int_equal(readl(r, off), 0);
	}
}

static void writes_to_read_only_and_unknown_registers_vanish(void **state)
{
	static const uint32_t regs[] = {
		VIRTIO_MMIO_MAGIC_VALUE,
		VIRTIO_MMIO_DEVICE_ID,
		VIRTIO_MMIO_DEVICE_FEATURES,
		VIRTIO_MMIO_QUEUE_NUM_MAX,
		0x3c, /* QueueAlign, legacy */
		0x40,
		/* QueuePFN, legacy */ 0xc0, /* QueueReset, with RING_RESET only */
		VIRTIO_MMIO_INTERRUPT_STATUS,
		VIRTIO_MMIO_SHM_LEN_LOW,
		VIRTIO_MMIO_CONFIG_GENERATION};
	static const struct vq_addr untouched;
	struct rig *r = *state;
	struct virtio_mmio before;

	writel(r, VIRTIO_MMIO_STATUS, ACK | DRIVER);
	before = r->mmio;
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++)
		writel(r, regs[i], UINT32_MAX);
	assert_memory_equal(&before, &r->mmio, offsetof(struct virtio_mmio, stats));
	assert_memory_equal(&r->echo.queue[0].addr, &untouched, sizeof(untouched));
	assert_int_equal(r->echo.dev.status, ACK | DRIVER);
	assert_int_equal(r->echo.dev.asked, 0);
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	assert_int_equal(readl(r, VIRTIO_MMIO_CONFIG_GENERATION), 0);
}

/* dev.mmio.cfg-bytes, dev.cfg.read-early: right after creation, before any status bit */
static void config_space_is_an_array_of_bytes_with_zeros_behind_it(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < ECHO_CONFIG; i++)
		r->echo.config[i] = u8_of(0x81 + i);
	for (uint64_t off = 0; off < 0x100; off++)
		for (unsigned size = 1; size <= 8 && off + size <= 0x100; size *= 2) {
			uint64_t expected = 0;

			for (unsigned i = 0; i < size; i++)
				if (off + i < ECHO_CONFIG)
					expected |= (uint64_t)r->echo.config[off + i] << (8 * i);
			assert_true(rd(r, VIRTIO_MMIO_CONFIG + off, size) == expected);
		}
}

/* dev.mmio.cfg-bytes */
static void config_writes_of_any_width_land_where_they_belong(void **state)
{
	struct rig *r = *state;
	const uint64_t val = UINT64_C(0x8877665544332211);

	for (uint64_t off = 0; off < 0x100; off++)
		for (unsigned size = 1; size <= 8 && off + size <= 0x100; size *= 2) {
			memset(r->echo.config, 0xee, ECHO_CONFIG);
			wr(r, VIRTIO_MMIO_CONFIG + off, size, val);
			for (unsigned i = 0; i < ECHO_CONFIG; i++)
				assert_int_equal(r->echo.config[i],
				                 i >= off && i < off + size
				                         ? (val >> (8 * (i - off)) & 0xff)
				                         : 0xee);
		}
}

/* ---- features, queues, status */

/* dev.mmio.feature-windows */
static void feature_windows_follow_their_selectors(void **state)
{
	static const uint32_t empty[] = {2, 3, 0x80000000, 0x80000001, UINT32_MAX};
	struct rig *r = *state;

	assert_true(fake_offered(&r->drv) == ECHO_FEATURES);
	for (unsigned i = 0; i < ARRAY_SIZE(empty); i++) {
		writel(r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, empty[i]);
		assert_int_equal(readl(r, VIRTIO_MMIO_DEVICE_FEATURES), 0);
		writel(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, empty[i]);
		writel(r, VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
	}
	writel(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	assert_int_equal(r->echo.dev.asked, 0);
	writel(r, VIRTIO_MMIO_DRIVER_FEATURES, 1);
	assert_true(r->echo.dev.asked == VERSION_1);
}

/* dev.mmio.absent-queue */
static void a_selector_without_a_queue_selects_nothing(void **state)
{
	static const uint32_t absent[] = {2, 3, 0xffff, 0x10000, 0x10001, UINT32_MAX};
	static const uint32_t regs[] = {VIRTIO_MMIO_QUEUE_NUM,        VIRTIO_MMIO_QUEUE_DESC_LOW,
	                                VIRTIO_MMIO_QUEUE_DESC_HIGH,  VIRTIO_MMIO_QUEUE_AVAIL_LOW,
	                                VIRTIO_MMIO_QUEUE_AVAIL_HIGH, VIRTIO_MMIO_QUEUE_USED_LOW,
	                                VIRTIO_MMIO_QUEUE_USED_HIGH,  VIRTIO_MMIO_QUEUE_READY};
	static const struct vq_addr untouched;
	struct rig *r = *state;

	writel(r, VIRTIO_MMIO_STATUS, ACK | DRIVER);
	assert_int_equal(readl(r, VIRTIO_MMIO_QUEUE_NUM_MAX), ECHO_NUM_MAX);
	for (unsigned i = 0; i < ARRAY_SIZE(absent); i++) {
		writel(r, VIRTIO_MMIO_QUEUE_SEL, absent[i]);
		assert_int_equal(readl(r, VIRTIO_MMIO_QUEUE_NUM_MAX), 0);
		for (unsigned j = 0; j < ARRAY_SIZE(regs); j++)
			writel(r, regs[j], 0x1000);
		assert_int_equal(readl(r, VIRTIO_MMIO_QUEUE_READY), 0);
	}
	for (unsigned i = 0; i < ECHO_QUEUES; i++) {
		assert_memory_equal(&r->echo.queue[i].addr, &untouched, sizeof(untouched));
		assert_false(r->echo.queue[i].ready);
	}
}

/* dev.mmio.addr-halves */
static void address_halves_combine_in_any_order_and_may_be_rewritten(void **state)
{
	static const struct {
		uint32_t low, high;
		size_t member;
	} regs[] = {
		{VIRTIO_MMIO_QUEUE_DESC_LOW, VIRTIO_MMIO_QUEUE_DESC_HIGH,
	         offsetof(struct vq_addr, desc)},
		{VIRTIO_MMIO_QUEUE_AVAIL_LOW, VIRTIO_MMIO_QUEUE_AVAIL_HIGH,
	         offsetof(struct vq_addr, avail)},
		{VIRTIO_MMIO_QUEUE_USED_LOW, VIRTIO_MMIO_QUEUE_USED_HIGH,
	         offsetof(struct vq_addr, used)},
	};
	struct rig *r = *state;

	writel(r, VIRTIO_MMIO_STATUS, ACK | DRIVER);
	writel(r, VIRTIO_MMIO_QUEUE_SEL, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++) {
		gpa_t got;

		writel(r, regs[i].low, 0xffffffff);
		writel(r, regs[i].high, 0xffffffff);
		writel(r, regs[i].high, 0x11223344);
		writel(r, regs[i].low, 0x55667788);
		memcpy(&got, (const char *)&r->echo.queue[1].addr + regs[i].member, sizeof(got));
		assert_true(got == UINT64_C(0x1122334455667788));
		writel(r, regs[i].high, 0);
		memcpy(&got, (const char *)&r->echo.queue[1].addr + regs[i].member, sizeof(got));
		assert_true(got == 0x55667788);
	}
	writel(r, VIRTIO_MMIO_QUEUE_NUM, 8);
	writel(r, VIRTIO_MMIO_QUEUE_READY, 1);
	for (unsigned i = 0; i < ARRAY_SIZE(regs); i++)
		writel(r, regs[i].low, 0);
	writel(r, VIRTIO_MMIO_QUEUE_NUM, 4);
	assert_int_equal(r->echo.queue[1].addr.num, 8);
	assert_true(r->echo.queue[1].addr.desc == 0x55667788);
	assert_true(r->echo.queue[0].addr.desc == 0);
}

/* dev.mmio.qready-readback */
static void queue_ready_reads_back_what_was_written(void **state)
{
	struct rig *r = *state;

	bring_up(r, VERSION_1);
	for (uint32_t i = 0; i < ECHO_QUEUES; i++) {
		writel(r, VIRTIO_MMIO_QUEUE_SEL, i);
		assert_int_equal(readl(r, VIRTIO_MMIO_QUEUE_READY), 1);
		writel(r, VIRTIO_MMIO_QUEUE_READY, 0);
		assert_int_equal(readl(r, VIRTIO_MMIO_QUEUE_READY), 0);
		assert_false(vq_running(&r->echo.queue[i].vq));
	}
}

/* dev.reset.status-0, dev.mmio.reset-clears */
static void reset_brings_every_register_back(void **state)
{
	struct rig *r = *state;

	bring_up(r, ECHO_FEATURES);
	writel(r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	writel(r, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	writel(r, VIRTIO_MMIO_QUEUE_SEL, 1);
	virtio_used(&r->echo.dev);
	virtio_config(&r->echo.dev);
	writel(r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(readl(r, VIRTIO_MMIO_STATUS), 0);
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	assert_int_equal(r->mmio.feature_sel, 0);
	assert_int_equal(r->mmio.accept_sel, 0);
	assert_int_equal(r->mmio.queue_sel, 0);
	for (uint32_t i = 0; i < ECHO_QUEUES; i++) {
		writel(r, VIRTIO_MMIO_QUEUE_SEL, i);
		assert_int_equal(readl(r, VIRTIO_MMIO_QUEUE_READY), 0);
	}
	assert_false(r->level);
}

/* ---- interrupts */

/* dev.mmio.line-level: our lines are edge-triggered, so each event is one edge */
static void each_interrupt_is_one_edge_on_our_line(void **state)
{
	struct rig *r = *state;

	bring_up(r, VERSION_1);
	virtio_used(&r->echo.dev);
	assert_int_equal(r->edges, 1);
	assert_false(r->level);
	assert_int_equal(r->gsi, 7);
	virtio_config(&r->echo.dev); /* before the first one is acknowledged */
	assert_int_equal(r->edges, 2);
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), 3);
	writel(r, VIRTIO_MMIO_INTERRUPT_ACK, VIRTIO_MMIO_INT_VRING);
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_CONFIG);
	writel(r, VIRTIO_MMIO_INTERRUPT_ACK, UINT32_MAX);
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

static void a_device_without_a_line_still_keeps_its_status(void **state)
{
	struct rig *r = *state;

	virtio_mmio_init(&r->mmio, &r->echo.dev, (struct irq_line){0});
	bring_up(r, VERSION_1);
	virtio_used(&r->echo.dev);
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), VIRTIO_MMIO_INT_VRING);
}

/* dev.mmio.notify-data: NOTIFICATION_DATA is not on offer, so the value is a plain index */
static void queue_notify_is_a_plain_index(void **state)
{
	struct rig *r = *state;

	assert_int_equal(fake_offered(&r->drv) & FEATURE(38), 0);
	writel(r, VIRTIO_MMIO_QUEUE_NOTIFY, 1);
	writel(r, VIRTIO_MMIO_QUEUE_NOTIFY, 2);
	writel(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0x00010001);
	writel(r, VIRTIO_MMIO_QUEUE_NOTIFY, UINT32_MAX);
	assert_int_equal(fd_event_take(r->echo.queue[0].kick_fd), 0);
	assert_int_equal(fd_event_take(r->echo.queue[1].kick_fd), 1);
}

/* dev.mmio.notify-data: whatever the position, outside of the ring or not, it is the number of the queue that counts */
static void with_notification_data_queue_notify_has_a_position_above_the_number(void **state)
{
	static const struct {
		uint32_t val;
		bool first, second; /* which of the two is kicked */
	} kicks[] = {
		{0, true, false},          {1, false, true},           {0x00050001, false, true},
		{0x80050000, true, false}, {0xffff0001, false, true},  {0x7fff0000, true, false},
		{2, false, false},         {0x00010002, false, false}, {UINT32_MAX, false, false}};
	struct rig *r = *state;

	r->echo.dev.offered |= FEATURE(VIRTIO_F_NOTIFICATION_DATA);
	bring_up(r, VERSION_1);
	for (unsigned i = 0; i < 2; i++) /* it looks once by itself */
		fd_event_take(r->echo.queue[i].kick_fd);
	writel(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0x00050001); /* offered, and not accepted */
	assert_int_equal(fd_event_take(r->echo.queue[1].kick_fd), 0);
	bring_up(r, VERSION_1 | FEATURE(VIRTIO_F_NOTIFICATION_DATA));
	for (unsigned i = 0; i < 2; i++)
		fd_event_take(r->echo.queue[i].kick_fd);
	for (size_t i = 0; i < ARRAY_SIZE(kicks); i++) {
		writel(r, VIRTIO_MMIO_QUEUE_NOTIFY, kicks[i].val);
		assert_int_equal(fd_event_take(r->echo.queue[0].kick_fd), kicks[i].first);
		assert_int_equal(fd_event_take(r->echo.queue[1].kick_fd), kicks[i].second);
	}
}

struct gate {
	pthread_barrier_t in, out;
};

static void hold_the_loop(void *arg)
{
	struct gate *g = arg;

	pthread_barrier_wait(&g->in);
	pthread_barrier_wait(&g->out);
}

struct hold {
	struct loop *loop;
	struct gate gate;
};

static void *holder(void *arg)
{
	struct hold *h = arg;

	loop_call(h->loop, hold_the_loop, &h->gate);
	return NULL;
}

static void the_registers_of_an_interrupt_answer_while_the_loop_is_busy(void **state)
{
	struct rig *r = *state;
	struct hold h = {.loop = r->loop};
	pthread_t t;

	bring_up(r, VERSION_1);
	pthread_barrier_init(&h.gate.in, NULL, 2);
	pthread_barrier_init(&h.gate.out, NULL, 2);
	assert_int_equal(pthread_create(&t, NULL, holder, &h), 0);
	pthread_barrier_wait(&h.gate.in);
	/* The loop thread now stands still: a trip over there would not come back. */
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	writel(r, VIRTIO_MMIO_INTERRUPT_ACK, 3);
	writel(r, VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	assert_int_equal(readl(r, VIRTIO_MMIO_MAGIC_VALUE), 0x74726976);
	assert_int_equal(readl(r, VIRTIO_MMIO_CONFIG_GENERATION), 0);
	pthread_barrier_wait(&h.gate.out);
	pthread_join(t, NULL);
	pthread_barrier_destroy(&h.gate.in);
	pthread_barrier_destroy(&h.gate.out);
}

/* ---- config generation */

struct flipper {
	struct rig *rig;
	atomic_bool stop;
	unsigned flips;
};

static void flip(void *arg)
{
	struct flipper *f = arg;

	memset(f->rig->echo.config, (int)(++f->flips & 0x7f), ECHO_CONFIG);
	virtio_config(&f->rig->echo.dev);
}

static void *flip_on(void *arg)
{
	struct flipper *f = arg;

	while (!atomic_load(&f->stop))
		loop_call(f->rig->loop, flip, f);
	return NULL;
}

/* dev.mmio.generation */
static void a_torn_config_read_shows_in_the_generation(void **state)
{
	struct rig *r = *state;
	struct flipper f = {.rig = r};
	unsigned torn = 0;
	pthread_t t;

	assert_int_equal(readl(r, VIRTIO_MMIO_CONFIG_GENERATION),
	                 readl(r, VIRTIO_MMIO_CONFIG_GENERATION));
	assert_int_equal(pthread_create(&t, NULL, flip_on, &f), 0);
	for (unsigned i = 0; i < 2000; i++) {
		const uint32_t before = readl(r, VIRTIO_MMIO_CONFIG_GENERATION);
		const uint32_t a = readl(r, VIRTIO_MMIO_CONFIG);
		const uint32_t b = readl(r, VIRTIO_MMIO_CONFIG + 8);

		if (readl(r, VIRTIO_MMIO_CONFIG_GENERATION) == before)
			assert_int_equal(a, b);
		torn += a != b;
	}
	atomic_store(&f.stop, true);
	pthread_join(t, NULL);
	print_message("%u of 2000 reads were torn, %u flips\n", torn, f.flips);
}

/* ---- the whole way */

/* One request after the other, both queues; waits for the interrupt each time. */
static void echo_some(struct rig *r, unsigned n)
{
	struct fake_buf out = fake_out(&r->m, "are you there?", 14), in = fake_in(&r->m, 14);

	for (unsigned i = 0; i < n; i++) {
		struct fake_vq *v = &r->vq[i % 2];
		struct pollfd p = {.fd = r->interrupt, .events = POLLIN};
		unsigned head;
		uint32_t len;

		memset(fake_at(&r->m, in.addr, in.len), 0, in.len);
		assert_true(fake_vq_add(v, (struct fake_buf[]){out, in}, 2) >= 0);
		fake_vq_publish(v);
		if (fake_vq_wants_kick(v))
			fake_kick(&r->drv, i % 2);
		while (!fake_vq_irq_on(v))
			if (poll(&p, 1, 30000) == 1)
				fd_event_take(r->interrupt);
			else
				fail_msg("no interrupt came");
		writel(r, VIRTIO_MMIO_INTERRUPT_ACK, readl(r, VIRTIO_MMIO_INTERRUPT_STATUS));
		assert_true(fake_vq_reap(v, &head, &len));
		assert_int_equal(len, 14);
		assert_memory_equal(fake_at(&r->m, in.addr, 14), "are you there?", 14);
	}
}

/* dev.notif.spurious-kick, dev.mmio.notify-data */
static void requests_travel_from_registers_to_ring_and_back(void **state)
{
	struct rig *r = *state;

	for (unsigned turn = 0; turn < 10; turn++) {
		bring_up(r, ECHO_FEATURES);
		for (unsigned i = 0; i < 100; i++)
			writel(r, VIRTIO_MMIO_QUEUE_NOTIFY, i % 3);
		echo_some(r, 50);
		writel(r, VIRTIO_MMIO_STATUS, 0);
		assert_int_equal(readl(r, VIRTIO_MMIO_STATUS), 0);
		fake_vq_clear(&r->vq[0]);
		fake_vq_clear(&r->vq[1]);
	}
	assert_int_equal(r->echo.served, 500);
}

/* dev.reset.quiesce: nothing in the rings or buffers moves after the write of 0 has returned */
static void after_a_reset_under_load_guest_memory_stays_as_it_is(void **state)
{
	struct rig *r = *state;
	struct fake_buf in = fake_in(&r->m, 64), out = fake_out(&r->m, "0123456789", 10);
	const size_t all = r->m.end - FAKE_MEM_BASE;
	uint8_t *copy = malloc(all);

	assert_non_null(copy);
	for (unsigned turn = 0; turn < 50; turn++) {
		bring_up(r, ECHO_FEATURES);
		while (fake_vq_add(&r->vq[1], (struct fake_buf[]){out, in}, 2) >= 0)
			;
		fake_vq_publish(&r->vq[1]);
		fake_kick(&r->drv, 1);
		writel(r, VIRTIO_MMIO_STATUS, 0);
		memcpy(copy, fake_at(&r->m, FAKE_MEM_BASE, all), all);
		fake_kick(&r->drv, 1);
		assert_int_equal(readl(r, VIRTIO_MMIO_STATUS), 0); /* the loop has turned */
		assert_memory_equal(copy, fake_at(&r->m, FAKE_MEM_BASE, all), all);
		assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
		fake_vq_clear(&r->vq[1]);
	}
	free(copy);
}

/* dev.status.needs-reset, dev.desc.bad-input */
static void a_broken_ring_ends_in_needs_reset_and_a_config_interrupt(void **state)
{
	struct rig *r = *state;
	struct pollfd p = {.fd = r->interrupt, .events = POLLIN};

	bring_up(r, VERSION_1);
	fake_vq_raw_head(&r->vq[0], 999);
	fake_vq_publish(&r->vq[0]);
	fake_kick(&r->drv, 0);
	assert_int_equal(poll(&p, 1, 30000), 1);
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS) & ~(r->drv.page ? 1u : 0),
	                 VIRTIO_MMIO_INT_CONFIG);
	assert_true(readl(r, VIRTIO_MMIO_STATUS) & VIRTIO_CONFIG_S_NEEDS_RESET);
}

int main(void)
{
#define CASE(f)     cmocka_unit_test_setup_teardown(f, setup, teardown)
#define THREADED(f) cmocka_unit_test_setup_teardown(f, setup_thread, teardown)
#define PAGE(f)                                                                            \
	{                                                                                  \
		.name = #f " (register page)", .test_func = (f), .setup_func = setup_page, \
		.teardown_func = teardown                                                  \
	}
	const struct CMUnitTest cases[] = {
		CASE(the_device_says_what_it_is),
		CASE(shared_memory_regions_do_not_exist),
		CASE(control_registers_take_aligned_words_only),
		CASE(accesses_are_counted_by_what_they_are_for),
		CASE(write_only_and_unknown_registers_read_zero),
		CASE(writes_to_read_only_and_unknown_registers_vanish),
		CASE(config_space_is_an_array_of_bytes_with_zeros_behind_it),
		CASE(config_writes_of_any_width_land_where_they_belong),
		CASE(feature_windows_follow_their_selectors),
		CASE(a_selector_without_a_queue_selects_nothing),
		CASE(address_halves_combine_in_any_order_and_may_be_rewritten),
		CASE(queue_ready_reads_back_what_was_written),
		CASE(reset_brings_every_register_back),
		CASE(each_interrupt_is_one_edge_on_our_line),
		CASE(a_device_without_a_line_still_keeps_its_status),
		CASE(queue_notify_is_a_plain_index),
		CASE(with_notification_data_queue_notify_has_a_position_above_the_number),
		THREADED(the_registers_of_an_interrupt_answer_while_the_loop_is_busy),
		THREADED(a_torn_config_read_shows_in_the_generation),
		THREADED(requests_travel_from_registers_to_ring_and_back),
		THREADED(after_a_reset_under_load_guest_memory_stays_as_it_is),
		THREADED(a_broken_ring_ends_in_needs_reset_and_a_config_interrupt),
		PAGE(the_device_says_what_it_is),
		PAGE(shared_memory_regions_do_not_exist),
		PAGE(write_only_and_unknown_registers_read_zero),
		PAGE(feature_windows_follow_their_selectors),
		PAGE(a_selector_without_a_queue_selects_nothing),
		PAGE(queue_ready_reads_back_what_was_written),
		PAGE(a_torn_config_read_shows_in_the_generation),
		PAGE(requests_travel_from_registers_to_ring_and_back),
		PAGE(after_a_reset_under_load_guest_memory_stays_as_it_is),
		PAGE(a_broken_ring_ends_in_needs_reset_and_a_config_interrupt),
	};

	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(cases, NULL, NULL);
}
