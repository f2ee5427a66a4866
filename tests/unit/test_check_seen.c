/* SPDX-License-Identifier: Apache-2.0 */
/* What a finding says of where it was seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "check/check.h"
#include "check/registers.h"
#include "check/report.h"
#include "devices/virtio_watch.h"
#include "devices/vq.h"
#include "tests/lib/check_rig.h"
#include "vmm/core/compiler.h"

#define MEMORY 0x1000u

struct rig {
	struct gmem mem;
	struct check *c;
	unsigned asked; /* for the guest's place */
};

static bool guest_pc(void *arg, uint64_t *out)
{
	struct rig *r = arg;

	r->asked++;
	*out = 0xffffffff81000000 + r->asked;
	return true;
}

static void begin(struct rig *r)
{
	const struct check_device dev = {
		.num_max = {8, 8}, .nr_queues = 2, .pc = guest_pc, .arg = r};

	*r = (struct rig){.asked = 0};
	crig_make(dev, MEMORY, &r->mem, &r->c);
}

static void end(struct rig *r)
{
	crig_unmake(&r->mem, r->c);
}

static void access_it(struct rig *r, uint32_t off, unsigned size, bool write, uint64_t val)
{
	const struct virtio_access a = {off, size, write, val, 0};

	check_watch(r->c)->access(check_watch(r->c), &a);
}

static const struct check_result *result_of(const struct rig *r, const char *id)
{
	return crig_result(r->c, id);
}

static void access_is_named_with_the_place_of_the_first(unused void **state)
{
	const struct check_result *res;
	struct rig r;

	begin(&r);
	access_it(&r, VIRTIO_MMIO_MAGIC_VALUE, 4, false, 0x74726976);
	assert_int_equal(r.asked, 0); /* nothing is wrong, so nothing is asked */
	access_it(&r, VIRTIO_MMIO_VERSION, 4, false, 2);
	access_it(&r, VIRTIO_MMIO_DEVICE_ID, 2, false, 1);
	res = result_of(&r, "mmio.control-32bit");
	assert_int_equal(res->broken, 1);
	assert_string_equal(res->shown, "read of 0x1 from DeviceID (0x008), 2 bytes");
	assert_true(res->has_pc);
	assert_true(res->pc == 0xffffffff81000001);
	/* Each time after the first costs nothing and changes nothing. */
	access_it(&r, VIRTIO_MMIO_DEVICE_ID, 1, false, 1);
	assert_int_equal(res->broken, 2);
	assert_true(res->pc == 0xffffffff81000001);
	end(&r);
}

static void kick_is_named_that_led_to_the_look(unused void **state)
{
	const struct vq_addr addr = {.num = 8, .desc = 0, .avail = 0x400, .used = 0x800};
	const uint8_t ring[] = {0, 0, 1, 0, 99, 0}; /* flags, index, head */
	const struct check_result *res;
	struct vq_watch *queue;
	struct rig r;

	begin(&r);
	assert_int_equal(gmem_write(&r.mem, addr.avail, ring, sizeof(ring)), 0);
	queue = check_watch(r.c)->queue(check_watch(r.c), 1, &addr);
	access_it(&r, VIRTIO_MMIO_QUEUE_NOTIFY, 4, true, 1);
	queue->avail(queue, 0, 1);
	res = result_of(&r, "split.head-in-range");
	assert_int_equal(res->broken, 1);
	assert_non_null(strstr(res->shown, "look at queue 1, which was last kicked at 0."));
	assert_false(res->has_pc); /* the thread that looks is none of the guest's */
	end(&r);
	begin(&r);
	assert_int_equal(gmem_write(&r.mem, addr.avail, ring, sizeof(ring)), 0);
	queue = check_watch(r.c)->queue(check_watch(r.c), 1, &addr);
	queue->avail(queue, 0, 1);
	assert_string_equal(result_of(&r, "split.head-in-range")->shown,
	                    "look at queue 1, which was never kicked");
	end(&r);
}

static void reports_say_where_it_was_seen(unused void **state)
{
	static const char *const expected[] = {"    seen:   write of 0x5 to Version",
	                                       "register 0x004\">MUST NOT mmio.no-write-readonly "
	                                       "(virtio 1.2, 4.2.2.2), 1 time, first after"};
	static const char *const seen = "write of 0x5 to Version (0x004), guest at 0xffffffff8100";
	struct rig r;
	bool *ignored = calloc(nr_rules, sizeof(*ignored));
	struct report report = {.nr = 1, .ignored = ignored};
	json_t *json, *rules_of;
	const json_t *each;
	bool found = false;
	size_t i;

	begin(&r);
	access_it(&r, VIRTIO_MMIO_VERSION, 4, true, 5);
	report.checks = &r.c;
	for (i = 0; i < ARRAY_SIZE(expected); i++) {
		char *text = NULL;
		size_t len;
		FILE *out = open_memstream(&text, &len);

		if (i == 0)
			report_text(&report, out);
		else
			assert_int_equal(report_junit(&report, out), 0);
		assert_int_equal(fclose(out), 0);
		assert_non_null(strstr(text, expected[i]));
		assert_non_null(strstr(text, seen));
		free(text);
	}
	json = report_json(&report);
	rules_of = json_object_get(json_array_get(json_object_get(json, "devices"), 0), "rules");
	json_array_foreach(rules_of, i, each)
	{
		const char *pc = json_string_value(json_object_get(each, "pc"));

		found |= pc && strncmp(pc, "0xffffffff8100", 14) == 0;
	}
	assert_true(found);
	json_decref(json);
	free(ignored);
	end(&r);
}

/* Neither a failure nor a rule that nothing has come to. */
static void ignored_findings_are_called_so(unused void **state)
{
	bool *ignored = calloc(nr_rules, sizeof(*ignored));
	struct report report = {.nr = 1, .ignored = ignored};
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	struct rig r;

	begin(&r);
	access_it(&r, VIRTIO_MMIO_VERSION, 4, true, 5);
	report.checks = &r.c;
	ignored[rule_find("mmio.no-write-readonly") - rules] = true;
	assert_int_equal(report_junit(&report, out), 0);
	assert_int_equal(fclose(out), 0);
	assert_non_null(
		strstr(text, "name=\"mmio.no-write-readonly\"><skipped message=\"ignored\"/>"));
	free(text);
	free(ignored);
	end(&r);
}

static void any_access_has_words(unused void **state)
{
	const struct {
		struct virtio_access a;
		const char *text;
	} each[] = {
		{{0x70, 4, true, 3, 0}, "write of 0x3 to Status (0x070)"},
		{{0x106, 1, false, 7, 0}, "read of 0x7 from byte 6 of the config space, 1 byte"},
		{{0x48, 4, false, 0, 0}, "read of 0x0 from no register (0x048)"},
		{{0x71, 8, true, UINT64_MAX, 0},
	         "write of 0xffffffffffffffff to no register (0x071), 8 bytes"},
	};
	char buf[128];

	for (size_t i = 0; i < ARRAY_SIZE(each); i++)
		assert_string_equal(access_text(&each[i].a, buf, sizeof(buf)), each[i].text);
	access_text(&each[3].a, buf, 8);
	assert_string_equal(buf, "write o");
	assert_non_null(strstr(register_text(UINT32_MAX, buf, sizeof(buf)), "config space"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(access_is_named_with_the_place_of_the_first),
		cmocka_unit_test(kick_is_named_that_led_to_the_look),
		cmocka_unit_test(reports_say_where_it_was_seen),
		cmocka_unit_test(ignored_findings_are_called_so),
		cmocka_unit_test(any_access_has_words),
	};

	return cmocka_run_group_tests_name("check_seen", tests, NULL, NULL);
}
