/* SPDX-License-Identifier: Apache-2.0 */
/* The register page: what the guest reads there, and which ACKs doorbell gets to see. */
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

#include "tests/lib/echo_device.h"
#include "tests/lib/fake_driver.h"
#include "tests/lib/fake_page.h"
#include "vmm/core/compiler.h"
#include "vmm/core/fd.h"
#include "vmm/core/log.h"

#define USED      VIRTIO_MMIO_INT_VRING
#define CONFIG    VIRTIO_MMIO_INT_CONFIG
#define VERSION_1 FEATURE(VIRTIO_F_VERSION_1)

struct rig {
	struct fake_mem m;
	struct fake_vq vq[ECHO_QUEUES];
	struct loop *loop;
	struct echo echo;
	struct virtio_mmio mmio;
	struct fake_page page;
	struct fake_dev drv;
	int interrupt; /* eventfd, rung at each edge */
	/* The page at the last edge. */
	uint32_t isr, status, generation;
};

static uint32_t readl(struct rig *r, uint64_t off)
{
	return fake_readl(&r->drv, off);
}

static void writel(struct rig *r, uint64_t off, uint32_t val)
{
	fake_writel(&r->drv, off, val);
}

static void set_line(void *arg, unsigned gsi unused, bool level)
{
	struct rig *r = arg;

	if (!level)
		return;
	r->isr = readl(r, VIRTIO_MMIO_INTERRUPT_STATUS);
	r->status = readl(r, VIRTIO_MMIO_STATUS);
	r->generation = readl(r, VIRTIO_MMIO_CONFIG_GENERATION);
	fd_event_set(r->interrupt);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	if (!r || loop_create(&r->loop) < 0)
		return -1;
	fake_mem_create(&r->m, MIB(1));
	fake_vq_init(&r->vq[0], &r->m, 16, 0);
	fake_vq_init(&r->vq[1], &r->m, 64, 0);
	r->interrupt = fd_eventfd();
	if (echo_create(&r->echo, &r->m.gmem, r->loop) < 0)
		return -1;
	virtio_mmio_init(&r->mmio, &r->echo.dev, (struct irq_line){.set = set_line, .arg = r});
	r->drv = (struct fake_dev){.core = &r->echo.dev, .mmio = &r->mmio, .page = &r->page};
	*state = r;
	return fake_page_create(&r->page, &r->mmio);
}

/* With the loop in a thread of its own, as in a running VM. */
static int setup_thread(void **state)
{
	int rc = setup(state);
	struct rig *r = *state;

	return rc ? rc : loop_thread_start(r->loop, "test");
}

static int teardown(void **state)
{
	struct rig *r = *state;

	loop_thread_stop(r->loop);
	echo_destroy(&r->echo);
	fake_page_destroy(&r->page);
	loop_destroy(r->loop);
	fd_close(&r->interrupt);
	fake_mem_destroy(&r->m);
	free(r);
	return 0;
}

static void bring_up(struct rig *r)
{
	struct fake_vq *const vqs[] = {&r->vq[0], &r->vq[1]};

	assert_int_equal(fake_probe(&r->drv, VERSION_1, vqs, 2), 0);
}

/* ---- what is read */

struct model { /* of what the driver may know */
	struct rig *r;
	bool config;     /* a config interrupt is not acknowledged yet */
	unsigned random; /* the state of a generator */
};

static unsigned draw(struct model *m, unsigned below)
{
	m->random = m->random * 1664525u + 1013904223u;
	return (m->random >> 8) % below;
}

static bool live(const struct rig *r)
{
	return (r->echo.dev.status & (VIRTIO_CONFIG_S_DRIVER_OK | VIRTIO_CONFIG_S_NEEDS_RESET)) ==
	       VIRTIO_CONFIG_S_DRIVER_OK;
}

static void write_something(struct model *m)
{
	const uint32_t off = 4 * draw(m, VIRTIO_MMIO_PAGE_REGS);
	const uint32_t val = draw(m, 4) ? draw(m, 16) : draw(m, 1u << 24) << 8;
	const uint8_t before = m->r->echo.dev.status;

	writel(m->r, off, val);
	if (off == VIRTIO_MMIO_INTERRUPT_ACK && (val & CONFIG))
		m->config = false;
	if (off == VIRTIO_MMIO_STATUS && val == 0)
		m->config = false;
	/* At DRIVER_OK the queues are judged. */
	if (m->r->echo.dev.status & ~before & VIRTIO_CONFIG_S_NEEDS_RESET)
		m->config = true;
}

static void step(struct model *m)
{
	struct rig *r = m->r;

	switch (draw(m, 12)) {
	case 0:
		bring_up(r);
		m->config = false;
		break;
	case 1:
		virtio_used(&r->echo.dev);
		break;
	case 2:
		m->config |= live(r);
		virtio_config(&r->echo.dev);
		break;
	case 3:
		m->config |= live(r);
		virtio_broken(&r->echo.dev, "as the test wants it");
		break;
	case 4: /* an interrupt handler */
		writel(r, VIRTIO_MMIO_INTERRUPT_ACK, readl(r, VIRTIO_MMIO_INTERRUPT_STATUS));
		m->config = false;
		break;
	default:
		write_something(m);
		break;
	}
}

static void the_page_says_what_a_trapped_read_says_after_every_step(void **state)
{
	struct rig *r = *state;

	for (unsigned seed = 0; seed < 40; seed++) {
		struct model m = {.r = r, .random = seed};

		writel(r, VIRTIO_MMIO_STATUS, 0);
		for (unsigned i = 0; i < 2000; i++) {
			step(&m);
			assert_int_equal(fake_page_lie(&r->page, &r->mmio), -1);
			assert_int_equal(
				readl(r, VIRTIO_MMIO_INTERRUPT_STATUS),
				(r->echo.dev.status & VIRTIO_CONFIG_S_DRIVER_OK ? USED : 0) |
					(m.config ? CONFIG : 0));
			assert_true(r->page.on == !m.config);
		}
	}
}

/* dev.mmio.reset-clears */
static void a_reset_brings_the_page_back(void **state)
{
	struct rig *r = *state;
	uint32_t fresh[VIRTIO_MMIO_PAGE_REGS];

	for (unsigned i = 0; i < VIRTIO_MMIO_PAGE_REGS; i++)
		fresh[i] = readl(r, 4 * i);
	bring_up(r);
	writel(r, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	writel(r, VIRTIO_MMIO_QUEUE_SEL, 7);
	virtio_used(&r->echo.dev);
	virtio_config(&r->echo.dev);
	assert_false(r->page.on);
	writel(r, VIRTIO_MMIO_STATUS, 0);
	fresh[VIRTIO_MMIO_CONFIG_GENERATION / 4] = 1; /* goes on counting */
	for (unsigned i = 0; i < VIRTIO_MMIO_PAGE_REGS; i++)
		assert_int_equal(readl(r, 4 * i), fresh[i]);
	assert_true(r->page.on);
}

/* ---- interrupts */

static void acks_of_used_buffers_end_in_the_kernel(void **state)
{
	struct rig *r = *state;
	unsigned changes;

	bring_up(r);
	changes = r->page.changes;
	for (unsigned i = 1; i <= 100; i++) {
		virtio_used(&r->echo.dev);
		assert_int_equal(fd_event_take(r->interrupt), 1);
		assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), USED);
		writel(r, VIRTIO_MMIO_INTERRUPT_ACK, USED);
		assert_int_equal(r->page.swallowed, i);
	}
	assert_int_equal(r->page.changes, changes);
}

static void a_driver_that_starts_and_stops_changes_no_eventfd(void **state)
{
	struct rig *r = *state;

	for (unsigned i = 0; i < 10; i++) {
		bring_up(r);
		writel(r, VIRTIO_MMIO_STATUS, 0);
	}
	assert_int_equal(r->page.changes, 1);
}

/* dev.mmio.intstatus-sticky */
static void a_config_change_stays_up_until_its_own_bit_is_acknowledged(void **state)
{
	struct rig *r = *state;

	bring_up(r);
	virtio_config(&r->echo.dev);
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), USED | CONFIG);
	writel(r, VIRTIO_MMIO_INTERRUPT_ACK, USED); /* read before the bit went up */
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), USED | CONFIG);
	virtio_config(&r->echo.dev); /* one more before the first is acknowledged */
	assert_int_equal(fd_event_take(r->interrupt), 2);
	writel(r, VIRTIO_MMIO_INTERRUPT_ACK, USED | CONFIG);
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), USED);
	assert_int_equal(r->page.swallowed, 0);
	assert_true(r->page.on);
}

static void what_an_interrupt_is_about_is_in_the_page_before_it(void **state)
{
	struct rig *r = *state;

	bring_up(r);
	virtio_config(&r->echo.dev);
	assert_int_equal(r->isr, USED | CONFIG);
	assert_int_equal(r->generation, 1);
	virtio_broken(&r->echo.dev, "as the test wants it");
	assert_int_equal(fd_event_take(r->interrupt), 2);
	assert_true(r->status & VIRTIO_CONFIG_S_NEEDS_RESET);
}

/* dev.mmio.intstatus-clean */
static void without_a_driver_no_bit_is_up(void **state)
{
	struct rig *r = *state;

	virtio_used(&r->echo.dev);
	virtio_config(&r->echo.dev);
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	assert_int_equal(readl(r, VIRTIO_MMIO_CONFIG_GENERATION), 1);
	assert_int_equal(fake_negotiate(&r->drv, VERSION_1), 0);
	virtio_used(&r->echo.dev);
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
}

/* ---- when the kernel does not play along */

static void a_page_without_its_eventfd_is_no_page(void **state)
{
	struct rig *r = *state;
	struct fake_page p = {.error = -ENOSPC};
	struct virtio_mmio t;

	virtio_mmio_init(&t, &r->echo.dev, (struct irq_line){0});
	assert_int_equal(fake_page_create(&p, &t), -ENOSPC);
	fake_page_destroy(&p);
	r->echo.dev.isr = &r->echo.dev.own_isr;
}

static void an_eventfd_that_does_not_come_back_costs_exits_only(void **state)
{
	struct rig *r = *state;

	bring_up(r);
	virtio_config(&r->echo.dev);
	r->page.error = -ENOMEM;
	writel(r, VIRTIO_MMIO_INTERRUPT_ACK, USED | CONFIG);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), USED);
		writel(r, VIRTIO_MMIO_INTERRUPT_ACK, USED);
		virtio_config(&r->echo.dev);
		assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), USED | CONFIG);
		writel(r, VIRTIO_MMIO_INTERRUPT_ACK, USED | CONFIG);
	}
	r->page.error = 0;
	writel(r, VIRTIO_MMIO_INTERRUPT_ACK, USED);
	assert_true(r->page.on);
}

static void an_eventfd_that_does_not_go_loses_no_config_change(void **state)
{
	struct rig *r = *state;

	bring_up(r);
	r->page.error = -ENOMEM;
	virtio_config(&r->echo.dev);
	assert_int_equal(fd_event_take(r->interrupt), 1);
	writel(r, VIRTIO_MMIO_INTERRUPT_ACK, readl(r, VIRTIO_MMIO_INTERRUPT_STATUS));
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), USED | CONFIG);
	r->page.error = 0;
	virtio_config(&r->echo.dev);
	writel(r, VIRTIO_MMIO_INTERRUPT_ACK, readl(r, VIRTIO_MMIO_INTERRUPT_STATUS));
	assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), USED);
}

/* ---- many at once */

#define CHANGES 3000u

/* The device's side: buffers are used and the config space changes, without a rest. */
struct changer {
	struct rig *rig;
	atomic_uint work; /* stands for what is in the rings */
	unsigned changes;
	atomic_bool done;
};

static void change(void *arg)
{
	struct changer *c = arg;

	atomic_fetch_add_explicit(&c->work, 1, memory_order_relaxed);
	virtio_used(&c->rig->echo.dev);
	if (atomic_load_explicit(&c->work, memory_order_relaxed) % 3)
		return;
	c->changes++;
	memcpy(c->rig->echo.config, &c->changes, sizeof(c->changes));
	virtio_config(&c->rig->echo.dev);
}

static void *change_on(void *arg)
{
	struct changer *c = arg;

	for (unsigned i = 0; i < CHANGES; i++)
		loop_call(c->rig->loop, change, c);
	return NULL;
}

/* Another vCPU that looks all the time; what it returns is not NULL when a register was wrong. */
static void *look_on(void *arg)
{
	struct changer *c = arg;
	uint32_t generation = 0;

	while (!atomic_load(&c->done)) {
		const uint32_t g = readl(c->rig, VIRTIO_MMIO_CONFIG_GENERATION);

		if (g < generation || !(readl(c->rig, VIRTIO_MMIO_INTERRUPT_STATUS) & USED) ||
		    readl(c->rig, VIRTIO_MMIO_MAGIC_VALUE) != 0x74726976)
			return c;
		generation = g;
	}
	return NULL;
}

static void nothing_is_lost_whatever_acks_cross(void **state)
{
	struct rig *r = *state;
	struct changer c = {.rig = r};
	struct pollfd p = {.fd = r->interrupt, .events = POLLIN};
	unsigned work = 0, seen = 0, handled = 0;
	pthread_t changer, looker;
	void *wrong;

	bring_up(r);
	assert_int_equal(pthread_create(&changer, NULL, change_on, &c), 0);
	assert_int_equal(pthread_create(&looker, NULL, look_on, &c), 0);
	while (work < CHANGES ||
	       seen < CHANGES / 3) { /* an edge-triggered handler, as Linux has it */
		uint32_t isr;

		if (poll(&p, 1, 30000) != 1)
			fail_msg("no interrupt any more: %u of %u, config %u", work, CHANGES, seen);
		fd_event_take(r->interrupt);
		isr = readl(r, VIRTIO_MMIO_INTERRUPT_STATUS);
		writel(r, VIRTIO_MMIO_INTERRUPT_ACK, isr);
		if (isr & CONFIG)
			seen = readl(r, VIRTIO_MMIO_CONFIG);
		if (isr & USED)
			work = atomic_load_explicit(&c.work, memory_order_relaxed);
		handled++;
	}
	atomic_store(&c.done, true);
	pthread_join(changer, NULL);
	pthread_join(looker, &wrong);
	assert_null(wrong);
	assert_int_equal(readl(r, VIRTIO_MMIO_CONFIG_GENERATION), CHANGES / 3);
	print_message("%u interrupts handled, %u ACKs swallowed, %u changes of the eventfd\n",
	              handled, r->page.swallowed, r->page.changes);
}

/* Reset and start over while the device is at work and another vCPU acknowledges anything. */
static void *acknowledge_on(void *arg)
{
	struct changer *c = arg;

	while (!atomic_load(&c->done))
		for (uint32_t bits = 0; bits < 4; bits++)
			writel(c->rig, VIRTIO_MMIO_INTERRUPT_ACK, bits);
	return NULL;
}

static void resets_and_stray_acks_leave_the_page_true(void **state)
{
	struct rig *r = *state;
	struct changer c = {.rig = r};
	pthread_t changer, stray;

	assert_int_equal(pthread_create(&changer, NULL, change_on, &c), 0);
	assert_int_equal(pthread_create(&stray, NULL, acknowledge_on, &c), 0);
	for (unsigned i = 0; i < 200; i++) {
		bring_up(r);
		assert_true(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS) & USED);
		writel(r, VIRTIO_MMIO_STATUS, 0);
		assert_int_equal(readl(r, VIRTIO_MMIO_STATUS), 0);
		assert_int_equal(readl(r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	}
	pthread_join(changer, NULL);
	atomic_store(&c.done, true);
	pthread_join(stray, NULL);
	assert_int_equal(fake_page_lie(&r->page, &r->mmio), -1);
	assert_true(r->page.on);
}

int main(void)
{
#define CASE(f)     cmocka_unit_test_setup_teardown(f, setup, teardown)
#define THREADED(f) cmocka_unit_test_setup_teardown(f, setup_thread, teardown)
	const struct CMUnitTest cases[] = {
		CASE(the_page_says_what_a_trapped_read_says_after_every_step),
		CASE(a_reset_brings_the_page_back),
		CASE(acks_of_used_buffers_end_in_the_kernel),
		CASE(a_driver_that_starts_and_stops_changes_no_eventfd),
		CASE(a_config_change_stays_up_until_its_own_bit_is_acknowledged),
		CASE(what_an_interrupt_is_about_is_in_the_page_before_it),
		CASE(without_a_driver_no_bit_is_up),
		CASE(a_page_without_its_eventfd_is_no_page),
		CASE(an_eventfd_that_does_not_come_back_costs_exits_only),
		CASE(an_eventfd_that_does_not_go_loses_no_config_change),
		THREADED(nothing_is_lost_whatever_acks_cross),
		THREADED(resets_and_stray_acks_leave_the_page_true),
	};

	log_set_level((enum log_level)(LOG_ERROR - 1));
	return cmocka_run_group_tests(cases, NULL, NULL);
}
