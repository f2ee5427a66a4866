/* SPDX-License-Identifier: Apache-2.0 */
/* Drivers that never look at InterruptStatus: who takes interrupts and does not ask why, and who polls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#define VIRTIO_MMIO_NO_LEGACY
#include <linux/virtio_mmio.h>
#include <string.h>

#include "check/check.h"
#include "devices/virtio_watch.h"
#include "tests/lib/check_rig.h"
#include "vmm/core/compiler.h"

#define TAKEN 8u /* so many interrupts are enough */
#define MANY  100u

struct rig {
	struct gmem mem;
	struct check *c;
	bool open;  /* the interrupt controller's input */
	bool waits; /* the CPU has not taken what was sent; asked for on its thread */
	bool on_cpu;
};

static bool hears(void *arg)
{
	const struct rig *r = arg;

	return r->open && !(r->on_cpu && r->waits);
}

static void begin(struct rig *r)
{
	const struct check_device dev = {
		.num_max = {8, 8}, .nr_queues = 2, .hears = hears, .arg = r};

	*r = (struct rig){.open = true};
	crig_make(dev, 0x1000, &r->mem, &r->c);
}

static void end(struct rig *r)
{
	crig_unmake(&r->mem, r->c);
}

static void access_it(struct rig *r, uint32_t off, bool write, uint64_t val)
{
	const struct virtio_access a = {off, 4, write, val, 15};

	r->on_cpu = true;
	check_watch(r->c)->access(check_watch(r->c), &a);
	r->on_cpu = false;
}

static void interrupt(struct rig *r, uint32_t bits)
{
	check_watch(r->c)->interrupt(check_watch(r->c), bits);
}

static void kick(struct rig *r)
{
	access_it(r, VIRTIO_MMIO_QUEUE_NOTIFY, true, 1);
}

static void rounds(struct rig *r, unsigned nr)
{
	while (nr--) {
		interrupt(r, VIRTIO_MMIO_INT_VRING);
		kick(r);
	}
}

static const struct check_result *result(const struct rig *r, const char *id)
{
	return crig_result(r->c, id);
}

static uint64_t found(const struct rig *r)
{
	return result(r, "mmio.irq-read-status")->broken;
}

static void handler_that_never_looks_is_found_once(unused void **state)
{
	struct rig r;

	begin(&r);
	rounds(&r, TAKEN - 1);
	interrupt(&r, VIRTIO_MMIO_INT_VRING);
	assert_int_equal(found(&r), 0);
	kick(&r);
	assert_int_equal(found(&r), 1);
	assert_non_null(strstr(result(&r, "mmio.irq-read-status")->why, "8 interrupts"));
	rounds(&r, MANY);
	assert_int_equal(found(&r), 1);
	assert_int_equal(result(&r, "mmio.intack-handled")->broken, 0); /* the same mistake */
	end(&r);
}

/* An acknowledgement without a look is a mistake of its own, which is counted as such. */
static void one_look_or_acknowledgement_ends_the_count(unused void **state)
{
	for (unsigned ack = 0; ack < 2; ack++) {
		struct rig r;

		begin(&r);
		rounds(&r, TAKEN - 1);
		interrupt(&r, VIRTIO_MMIO_INT_VRING);
		if (ack)
			access_it(&r, VIRTIO_MMIO_INTERRUPT_ACK, true, 1);
		else
			access_it(&r, VIRTIO_MMIO_INTERRUPT_STATUS, false, 0);
		kick(&r);
		assert_int_equal(found(&r), ack);
		rounds(&r, MANY);
		assert_int_equal(found(&r), ack);
		end(&r);
	}
}

static void driver_with_its_input_masked_polls(unused void **state)
{
	struct rig r;

	begin(&r);
	r.open = false;
	rounds(&r, MANY);
	assert_int_equal(found(&r), 0);
	end(&r);
	begin(&r);
	for (unsigned i = 0; i < MANY; i++) { /* it opens the input for its kicks alone */
		r.open = false;
		interrupt(&r, VIRTIO_MMIO_INT_VRING);
		r.open = true;
		kick(&r);
	}
	assert_int_equal(found(&r), 0);
	end(&r);
}

static void driver_with_the_cpus_interrupts_off_polls(unused void **state)
{
	struct rig r;

	begin(&r);
	r.waits = true;
	rounds(&r, MANY);
	assert_int_equal(found(&r), 0);
	end(&r);
}

/* Interrupts that were sent before, and come when they may, are one. */
static void what_has_waited_counts_when_it_was_taken(unused void **state)
{
	struct rig r;

	begin(&r);
	for (unsigned i = 0; i < TAKEN; i++) {
		assert_int_equal(found(&r), 0);
		r.waits = true;
		rounds(&r, 3);
		r.waits = false;
		kick(&r);
		kick(&r); /* nothing was sent between */
	}
	assert_int_equal(found(&r), 1);
	end(&r);
}

static void time_with_the_input_masked_begins_anew(unused void **state)
{
	struct rig r;

	begin(&r);
	for (unsigned i = 0; i < 3; i++) {
		r.open = false;
		rounds(&r, 1);
		r.open = true;
		rounds(&r, TAKEN - 1);
	}
	assert_int_equal(found(&r), 0);
	rounds(&r, 1);
	assert_int_equal(found(&r), 1);
	end(&r);
}

static void reset_begins_anew(unused void **state)
{
	struct rig r;

	begin(&r);
	for (unsigned i = 0; i < 3; i++) {
		access_it(&r, VIRTIO_MMIO_STATUS, true, 0);
		rounds(&r, TAKEN - 1);
	}
	assert_int_equal(found(&r), 0);
	access_it(&r, VIRTIO_MMIO_INTERRUPT_STATUS, false, 1);
	access_it(&r, VIRTIO_MMIO_STATUS, true, 0);
	rounds(&r, TAKEN); /* another driver, which does not look */
	assert_int_equal(found(&r), 1);
	end(&r);
}

static void only_interrupts_for_used_buffers_count_with_a_kick_behind_each(unused void **state)
{
	struct rig r;

	begin(&r);
	for (unsigned i = 0; i < MANY; i++)
		interrupt(&r, VIRTIO_MMIO_INT_VRING);
	kick(&r);
	for (unsigned i = 0; i < MANY; i++)
		kick(&r);
	for (unsigned i = 0; i < MANY; i++) {
		interrupt(&r, VIRTIO_MMIO_INT_CONFIG);
		kick(&r);
	}
	rounds(&r, TAKEN - 2);
	assert_int_equal(found(&r), 0);
	rounds(&r, 1);
	assert_int_equal(found(&r), 1);
	end(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(handler_that_never_looks_is_found_once),
		cmocka_unit_test(one_look_or_acknowledgement_ends_the_count),
		cmocka_unit_test(driver_with_its_input_masked_polls),
		cmocka_unit_test(driver_with_the_cpus_interrupts_off_polls),
		cmocka_unit_test(what_has_waited_counts_when_it_was_taken),
		cmocka_unit_test(time_with_the_input_masked_begins_anew),
		cmocka_unit_test(reset_begins_anew),
		cmocka_unit_test(only_interrupts_for_used_buffers_count_with_a_kick_behind_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
