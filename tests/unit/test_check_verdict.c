/* SPDX-License-Identifier: Apache-2.0 */
/* Has the driver come to anything? What the report and the exit status say of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "check/check.h"
#include "check/report.h"
#include "devices/virtio_watch.h"
#include "devices/vq.h"
#include "tests/lib/check_rig.h"
#include "vmm/core/gmem.h"
#include "vmm/run.h"

#define MEMORY 0x1000u
#define AVAIL  0x400u

struct rig {
	struct gmem mem;
	struct check *c;
	bool *ignored;
	struct report report;
	uint8_t status;
};

static int setup(void **state)
{
	static struct rig rig;
	struct rig *r = &rig;

	*r = (struct rig){.status = 0};
	crig_make((struct check_device){.num_max = {8, 8}, .nr_queues = 2}, MEMORY, &r->mem, &r->c);
	r->ignored = calloc(nr_rules, sizeof(*r->ignored));
	assert_non_null(r->ignored);
	/* What is looked at here is not the rules. */
	memset(r->ignored, true, nr_rules * sizeof(*r->ignored));
	r->report = (struct report){.checks = &r->c, .nr = 1, .ignored = r->ignored};
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	free(r->ignored);
	crig_unmake(&r->mem, r->c);
	return 0;
}

static void access_it(struct rig *r, uint32_t off, bool write, uint64_t val)
{
	const struct virtio_access a = {off, 4, write, val, r->status};

	check_watch(r->c)->access(check_watch(r->c), &a);
	if (write && off == VIRTIO_MMIO_STATUS)
		r->status = (uint8_t)val;
}

/* DRIVER_OK, and both queues are there. */
static void go_live(struct rig *r)
{
	const struct vq_addr addr = {.num = 8, .desc = 0, .avail = AVAIL, .used = 0x800};

	access_it(r, VIRTIO_MMIO_STATUS, true, VIRTIO_CONFIG_S_DRIVER);
	for (unsigned i = 0; i < 2; i++) {
		access_it(r, VIRTIO_MMIO_QUEUE_SEL, true, i);
		access_it(r, VIRTIO_MMIO_QUEUE_READY, true, 1);
	}
	access_it(r, VIRTIO_MMIO_STATUS, true, VIRTIO_CONFIG_S_DRIVER | VIRTIO_CONFIG_S_DRIVER_OK);
	for (unsigned i = 0; i < 2; i++)
		check_watch(r->c)->queue(check_watch(r->c), i, &addr);
}

static void offer(struct rig *r)
{
	const uint8_t ring[] = {0, 0, 1, 0, 0, 0}; /* flags, index, head */

	assert_int_equal(gmem_write(&r->mem, AVAIL, ring, sizeof(ring)), 0);
}

static void expect(struct rig *r, const char *trouble, int status)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	json_t *json, *device;

	check_last_look(r->c);
	assert_int_equal(report_status(&r->report, EXIT_TIMEOUT), status);
	report_text(&r->report, out);
	report_junit(&r->report, out);
	fclose(out);
	json = report_json(&r->report);
	device = json_array_get(json_object_get(json, "devices"), 0);
	if (trouble) {
		assert_string_equal(check_trouble(r->c), trouble);
		assert_string_equal(json_string_value(json_object_get(device, "trouble")), trouble);
		assert_non_null(strstr(text, trouble));
		assert_non_null(strstr(text, "name=\"works\"><failure message=\"the "));
	} else {
		assert_null(check_trouble(r->c));
		assert_null(json_object_get(device, "trouble"));
		assert_non_null(strstr(text, "name=\"works\"></testcase>"));
	}
	json_decref(json);
	free(text);
}

static void device_that_nobody_touches(void **state)
{
	expect(*state, "the kernel never touched the device", EXIT_NO_DRIVER);
}

static void device_that_is_looked_at_and_left_alone(void **state)
{
	access_it(*state, VIRTIO_MMIO_VERSION, false, 1);
	expect(*state, "the driver looked at the device and left it alone", EXIT_NO_DRIVER);
}

static void driver_that_gives_up_before_driver_ok(void **state)
{
	access_it(*state, VIRTIO_MMIO_STATUS, true, VIRTIO_CONFIG_S_DRIVER);
	expect(*state, "the driver never came as far as DRIVER_OK", EXIT_NO_DRIVER);
}

static void driver_that_offers_no_buffer(void **state)
{
	go_live(*state);
	expect(*state, "the driver never offered a buffer to receive into", EXIT_NO_DRIVER);
}

/* Whether the device was told of it is another question, and another rule. */
static void driver_that_offers_a_buffer_works(void **state)
{
	struct rig *r = *state;

	go_live(r);
	offer(r);
	expect(r, NULL, EXIT_TIMEOUT);
	assert_int_equal(report_status(&r->report, 7), 7);
}

static void buffers_before_a_reset_count(void **state)
{
	struct rig *r = *state;

	go_live(r);
	offer(r);
	access_it(r, VIRTIO_MMIO_STATUS, true, 0);
	expect(r, NULL, EXIT_TIMEOUT);
}

static void driver_of_a_guest_that_died_does_not_work(void **state)
{
	struct rig *r = *state;
	json_t *json;

	go_live(r);
	offer(r);
	r->report.dead = "the guest died";
	expect(r, NULL, EXIT_NO_DRIVER);
	json = report_json(&r->report);
	assert_string_equal(json_string_value(json_object_get(json, "dead")), "the guest died");
	json_decref(json);
}

static void broken_rules_come_first(void **state)
{
	struct rig *r = *state;

	memset(r->ignored, false, nr_rules * sizeof(*r->ignored));
	access_it(r, VIRTIO_MMIO_VERSION, true, 5);
	assert_int_equal(report_status(&r->report, EXIT_OK), EXIT_FINDINGS);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(device_that_nobody_touches),
		CASE(device_that_is_looked_at_and_left_alone),
		CASE(driver_that_gives_up_before_driver_ok),
		CASE(driver_that_offers_no_buffer),
		CASE(driver_that_offers_a_buffer_works),
		CASE(buffers_before_a_reset_count),
		CASE(driver_of_a_guest_that_died_does_not_work),
		CASE(broken_rules_come_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
