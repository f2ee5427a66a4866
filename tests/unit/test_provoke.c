/* SPDX-License-Identifier: Apache-2.0 */
/* What can be provoked; what a provoked device's registers, config space and control queue say; the report. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/virtio_mmio.h>
#include <stdlib.h>
#include <string.h>

#include "devices/virtio.h"
#include "tests/lib/provoke_rig.h"
#include "vmm/nic_config.h"

#define V1          FEATURE(VIRTIO_F_VERSION_1)
#define QUEUE_RESET 0x0c0u

/* ---- names */

static void names_groups_and_lists_are_understood(unused void **state)
{
	provoke_set set = 0, all = 0;
	char why[300];

	assert_int_equal(provoke_parse(&set, "reorder,delay", why, sizeof(why)), 0);
	assert_true(set == (PROVOKE_BIT(P_REORDER) | PROVOKE_BIT(P_DELAY)));
	set = 0;
	assert_int_equal(provoke_parse(&set, "legal", why, sizeof(why)), 0);
	assert_int_equal(provoke_parse(&all, "hostile", why, sizeof(why)), 0);
	assert_true((set & all) == 0);
	for (unsigned i = 0; i < NR_PROVOCATIONS; i++) {
		const struct provocation *p = &provocations[i];
		const bool tame = p->tag == PROVOKE_LEGAL || p->tag == PROVOKE_RARE;

		assert_non_null(p->name);
		assert_in_range(p->number, 1, 35);
		assert_true(strlen(p->does) > 0 && strlen(p->rule) > 0);
		assert_int_equal(set >> i & 1, tame && !provoke_by_name(i));
	}
	assert_true((set & PROVOKE_BIT(P_SHARED_LINE)) != 0);
	set |= all;
	all = 0;
	assert_int_equal(provoke_parse(&all, "all", why, sizeof(why)), 0);
	assert_true(all == set);
	all = 0;
	assert_int_equal(provoke_parse(&all, "hostile,reorder,legal", why, sizeof(why)), 0);
	assert_true(all == set);
}

static void wrong_names_get_the_closest_one(unused void **state)
{
	provoke_set set = 0;
	char why[300];

	assert_int_equal(provoke_parse(&set, "delay,reoder", why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "most like it is reorder"));
	assert_int_equal(provoke_parse(&set, "nope", why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "there is no provocation 'nope': --list-provocations shows them");
	assert_int_equal(provoke_parse(&set, "", why, sizeof(why)), -EINVAL);
}

/* ---- registers */

static void strict_status_takes_one_step_at_a_time(unused void **state)
{
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_STRICT_STATUS));
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, 3);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_STATUS), 0);
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, 1);
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, 3);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_STATUS), 3);
	vrig_up(&r.v, VRIG_ALL);
	prig_end(&r);
}

static void dirty_handover_is_over_with_a_reset(unused void **state)
{
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_DIRTY_HANDOVER));
	assert_int_not_equal(prig_reg(&r, VIRTIO_MMIO_STATUS), 0);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_QUEUE_READY), 1);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS), 3);
	assert_int_equal(r.mmio.queue_sel, r.v.dev.core->nr_queues - 1);
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_STATUS), 0);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_QUEUE_READY), 0);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	vrig_up(&r.v, VRIG_ALL);
	prig_end(&r);
}

static void features_are_refused_once_and_whoever_goes_on_is_stuck(unused void **state)
{
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_FEATURES_REFUSED));
	assert_int_equal(fake_negotiate(&r.v.dev, V1), -ENODEV);
	fake_add_status(&r.v.dev, VIRTIO_CONFIG_S_FAILED);
	provoke_end(r.p);
	assert_int_equal(provoke_result(r.p, P_FEATURES_REFUSED)->verdict, PROVOKE_SURVIVED);
	assert_true(provoke_gave_up(r.p));
	prig_end(&r);

	prig_begin(&r, PROVOKE_BIT(P_FEATURES_REFUSED));
	assert_int_equal(fake_negotiate(&r.v.dev, V1), -ENODEV);
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, 15);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_STATUS), 3);
	provoke_end(r.p);
	assert_int_equal(provoke_result(r.p, P_FEATURES_REFUSED)->verdict, PROVOKE_STUCK);
	assert_true(provoke_failed(r.p));
	vrig_up(&r.v, VRIG_ALL); /* after a reset they are taken */
	prig_end(&r);
}

static void queue_registers_are_late_before_features_ok(unused void **state)
{
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_LATE_QUEUES));
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, 1);
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, 3);
	prig_set_reg(&r, VIRTIO_MMIO_QUEUE_NUM, 8);
	assert_int_equal(r.v.dev.core->queue[0].addr.num, 0);
	vrig_up(&r.v, VRIG_ALL);
	prig_end(&r);
}

static void a_ready_queue_is_slow_to_go(unused void **state)
{
	struct prig r;
	unsigned reads = 0;

	prig_begin(&r, PROVOKE_BIT(P_SLOW_READY));
	vrig_up(&r.v, VRIG_ALL);
	prig_set_reg(&r, VIRTIO_MMIO_QUEUE_SEL, 1);
	prig_set_reg(&r, VIRTIO_MMIO_QUEUE_READY, 0);
	while (prig_reg(&r, VIRTIO_MMIO_QUEUE_READY))
		reads++;
	assert_int_equal(reads, 3);
	prig_end(&r);
}

static void count_call(void *arg)
{
	++*(unsigned *)arg;
}

/* Nothing that is written before it is over has an effect, nor is it judged; who waits is served as ever. */
static void a_reset_takes_its_time(unused void **state)
{
	struct prig r;
	unsigned reads = 0, muted = 0;

	prig_begin(&r, PROVOKE_BIT(P_SLOW_RESET));
	provoke_on_illegal(r.p, count_call, &muted);
	vrig_up(&r.v, VRIG_ALL);
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, 0);
	prig_set_reg(&r, VIRTIO_MMIO_INTERRUPT_ACK, 1); /* of a handler that was on its way */
	assert_int_equal(muted, 0);
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	assert_int_equal(r.v.dev.core->status, 0);
	assert_int_equal(muted, 1);
	for (; prig_reg(&r, VIRTIO_MMIO_STATUS); reads++)
		assert_int_equal(r.v.dev.core->status, 0);
	assert_int_equal(reads, 3);
	assert_int_equal(prig_times(&r, P_SLOW_RESET), 3);
	prig_set_reg(&r, VIRTIO_MMIO_STATUS,
	             0); /* of one that does nothing there is nothing to wait for */
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_STATUS), 0);
	vrig_up(&r.v, VRIG_ALL);
	assert_int_equal(muted, 1);
	prig_end(&r);
}

/* Ours is pending, or may be: then none comes from a neighbour. */
static void somebody_else_is_on_the_line_while_the_device_is_brought_up(unused void **state)
{
	struct prig r;
	unsigned pulses;

	prig_begin(&r, PROVOKE_BIT(P_SHARED_LINE));
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, 0);
	provoke_act(r.p);
	assert_int_equal(r.pulses, 1);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS), 0);
	atomic_store(r.v.dev.core->isr, 1);
	prig_set_reg(&r, VIRTIO_MMIO_STATUS, 0);
	provoke_act(r.p);
	assert_int_equal(r.pulses, 2); /* the reset has taken it away */
	vrig_up(&r.v, VRIG_ALL);
	pulses = r.pulses;
	provoke_act(r.p);
	assert_int_equal(r.pulses, pulses);
	assert_int_equal(prig_times(&r, P_SHARED_LINE), 2);
	prig_end(&r);
}

/* A queue that becomes ready is a step of its own. */
static void somebody_else_is_on_the_line_at_each_queue(unused void **state)
{
	static const uint32_t given[] = {VIRTIO_MMIO_QUEUE_READY, VIRTIO_MMIO_QUEUE_PFN};

	for (unsigned legacy = 0; legacy < 2; legacy++) {
		struct nic_config nic;
		struct prig r;

		prig_begin(&r, PROVOKE_BIT(P_SHARED_LINE));
		assert_int_equal(nic_config_parse(&nic, 0,
		                                  legacy ? "echo,transport=mmio-legacy" : "echo",
		                                  true),
		                 0);
		provoke_nic(r.p, &nic);
		for (unsigned i = 0; i < 2; i++) { /* that of the other version is none */
			prig_set_reg(&r, given[i], 1);
			provoke_act(r.p);
			assert_int_equal(r.pulses, i >= legacy);
		}
		nic_config_free(&nic);
		prig_end(&r);
	}
}

static void registers_without_a_value_have_any(unused void **state)
{
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_POISON));
	assert_int_not_equal(prig_reg(&r, VIRTIO_MMIO_QUEUE_NOTIFY),
	                     prig_reg(&r, VIRTIO_MMIO_QUEUE_NOTIFY));
	assert_int_not_equal(prig_reg(&r, 0x0f0), prig_reg(&r, 0x0f0));
	/* All that a driver may read have one. */
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_VERSION), 2);
	assert_int_equal(prig_reg(&r, QUEUE_RESET), 0);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_SHM_LEN_LOW), UINT32_MAX);
	vrig_up(&r.v, VRIG_ALL);
	prig_end(&r);
}

static void interrupt_status_has_bits_that_mean_nothing(unused void **state)
{
	struct prig r;

	prig_up(&r, P_ISR_BITS, VRIG_ALL);
	atomic_store(r.v.dev.core->isr, 1);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS) & 3, 1);
	assert_true(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS) & ~3u);
	provoke_switch(r.p, -1);
	assert_int_equal(prig_reg(&r, VIRTIO_MMIO_INTERRUPT_STATUS), 1);
	prig_end(&r);
}

/* ---- the config space, features, sizes */

static void read_mac(const struct prig *r, uint8_t mac[6])
{
	for (uint32_t i = 0; i < 6; i++)
		mac[i] = prig_config8(r, i);
}

static void a_torn_address_shows_in_the_generation(unused void **state)
{
	struct prig r;
	uint8_t mac[6];
	unsigned tries = 0;
	uint32_t generation;

	prig_begin(&r, PROVOKE_BIT(P_TORN_CONFIG));
	do {
		generation = prig_reg(&r, VIRTIO_MMIO_CONFIG_GENERATION);
		read_mac(&r, mac);
		if (tries++ == 0)
			assert_memory_not_equal(mac, vrig_mac, sizeof(mac));
	} while (prig_reg(&r, VIRTIO_MMIO_CONFIG_GENERATION) != generation);
	assert_int_equal(tries, 4);
	assert_memory_equal(mac, vrig_mac, sizeof(mac));
	prig_end(&r);
}

static void the_config_space_has_a_tail(unused void **state)
{
	struct prig r;
	const uint32_t len = sizeof(struct virtio_net_config);
	unsigned any = 0;

	prig_begin(&r, PROVOKE_BIT(P_CONFIG_TAIL));
	for (uint32_t i = len; i < len + 16; i++)
		any |= prig_config8(&r, i);
	assert_int_not_equal(any, 0);
	assert_int_equal(prig_config8(&r, 0), vrig_mac[0]);
	prig_end(&r);
}

static void the_link_status_has_bits_that_mean_nothing(unused void **state)
{
	struct prig r;
	const uint32_t at = offsetof(struct virtio_net_config, status);

	prig_begin(&r, PROVOKE_BIT(P_STATUS_BITS));
	assert_int_equal(prig_config8(&r, at), 0xfd); /* not ANNOUNCE */
	assert_int_equal(prig_config8(&r, at + 1), 0xff);
	prig_end(&r);
}

static void features_and_sizes_follow_the_seed(unused void **state)
{
	struct prig r;
	uint64_t first, offered;
	unsigned fewer = 0;

	prig_begin(&r, 0);
	offered = r.v.dev.core->offered;
	prig_end(&r);
	for (uint64_t seed = 0; seed < 8; seed++) {
		prig_begin_seeded(&r, PROVOKE_BIT(P_FEWER_FEATURES) | PROVOKE_BIT(P_QUEUE_SIZES),
		                  seed);
		first = r.v.dev.core->offered;
		assert_true((first & V1) && !(first & ~offered));
		assert_int_equal(net_features_missing(first), 0);
		fewer += first != offered;
		for (unsigned i = 0; i < r.v.dev.core->nr_queues; i++) {
			const uint32_t max = r.v.dev.core->queue[i].num_max;

			assert_in_range(max, 32, VQ_NUM_MAX);
			assert_int_equal(max & (max - 1), 0);
		}
		prig_end(&r);
		prig_begin_seeded(&r, PROVOKE_BIT(P_FEWER_FEATURES) | PROVOKE_BIT(P_QUEUE_SIZES),
		                  seed);
		assert_true(r.v.dev.core->offered == first);
		prig_end(&r);
	}
	assert_true(fewer > 0);
}

static void unknown_features_are_offered_and_do_nothing(unused void **state)
{
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_UNKNOWN_FEATURES));
	assert_true(r.v.dev.core->offered >> 42 & 1);
	vrig_up(&r.v, VRIG_ALL); /* a driver that takes them all */
	assert_true(r.v.dev.core->accepted >> 42 & 1);
	prig_send(&r, 2, NULL);
	vrig_pump(&r.v);
	assert_int_equal(r.v.net->nr_sent, 2);
	prig_end(&r);
}

static void every_second_command_is_an_error(unused void **state)
{
	const uint8_t on = 1;
	struct prig r;

	prig_begin(&r, PROVOKE_BIT(P_CTRL_ERROR));
	vrig_up(&r.v, VRIG_ALL);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(
			vrig_command(&r.v, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &on, 1),
			i % 2 ? VIRTIO_NET_ERR : VIRTIO_NET_OK);
	prig_end(&r);
	prig_begin(&r, PROVOKE_BIT(P_CTRL_ACK));
	vrig_up(&r.v, VRIG_ALL);
	assert_true(vrig_command(&r.v, VIRTIO_NET_CTRL_RX, VIRTIO_NET_CTRL_RX_PROMISC, &on, 1) >
	            VIRTIO_NET_ERR);
	prig_end(&r);
}

static const char *level_of(const json_t *list, const char *name)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);

		if (strcmp(json_string_value(json_object_get(o, "provocation")), name) == 0)
			return json_string_value(json_object_get(o, "level"));
	}
	return "";
}

/* Ctrl-C is no fault of the driver's; nor is --timeout, unless it has never answered. */
static void round_that_is_cut_from_outside_says_nothing(unused void **state)
{
	static const struct {
		bool baseline, cut, late;
		enum provoke_verdict verdict;
	} how[] = {
		{true, false, false, PROVOKE_STUCK},     {true, true, false, PROVOKE_NOT_TRIED},
		{true, true, true, PROVOKE_NOT_TRIED},   {false, false, false, PROVOKE_STUCK},
		{false, true, false, PROVOKE_NOT_TRIED}, {false, true, true, PROVOKE_STUCK},
	};

	for (size_t i = 0; i < ARRAY_SIZE(how); i++) {
		const enum provoke_id id = how[i].baseline ? P_REORDER : P_STRICT_STATUS;
		struct prig r;

		prig_begin(&r, PROVOKE_BIT(id));
		r.p->baseline = how[i].baseline;
		r.p->round = how[i].baseline ? P_REORDER : -1;
		if (how[i].cut)
			provoke_cut(r.p, how[i].late);
		provoke_end(r.p);
		assert_int_equal(provoke_result(r.p, id)->verdict, how[i].verdict);
		assert_int_equal(provoke_failed(r.p), how[i].verdict == PROVOKE_STUCK);
		prig_end(&r);
	}
}

static void reports_name_the_provocation_and_the_rule(unused void **state)
{
	const struct provoke_result stuck = {.verdict = PROVOKE_STUCK, .asked = 1, .corrupt = 1};
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	struct prig r;
	json_t *list;

	assert_non_null(out);
	prig_begin(&r, PROVOKE_BIT(P_REORDER) | PROVOKE_BIT(P_DELAY) | PROVOKE_BIT(P_BAD_ID));
	provoke_count(r.p, P_REORDER);
	provoke_note(r.p, P_REORDER, &stuck);
	r.p->baseline = true;
	provoke_end(r.p);
	provoke_text(r.p, out);
	provoke_junit(r.p, "net0", out);
	assert_int_equal(fclose(out), 0);
	assert_non_null(strstr(text, "provoked by reorder (F17, rare): no progress"));
	assert_non_null(strstr(text, "; 1 time, 1 question, 0 lost, 1 wrong answer\n"));
	assert_non_null(strstr(text, "; 0 times, 0 questions, 0 lost, 0 wrong answers\n"));
	assert_non_null(strstr(text, "rule:   used.any-order"));
	assert_non_null(strstr(text, "name=\"reorder\"><failure message=\"no progress\">implied "
	                             "used.any-order, F17, rare\n"));
	assert_non_null(strstr(text, "name=\"delay\"><skipped message=\"not tried\"/>"));
	list = provoke_json(r.p);
	assert_int_equal(json_array_size(list), 3);
	assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "id")),
	                 P_REORDER);
	assert_true(json_is_true(json_object_get(json_array_get(list, 0), "failed")));
	/* What a device may do: the rule's level. What none may: no clause asks for it. */
	assert_string_equal(level_of(list, "reorder"), "implied");
	assert_string_equal(level_of(list, "bad-id"), "hardening");
	json_decref(list);
	free(text);
	prig_end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_groups_and_lists_are_understood),
		cmocka_unit_test(wrong_names_get_the_closest_one),
		cmocka_unit_test(strict_status_takes_one_step_at_a_time),
		cmocka_unit_test(dirty_handover_is_over_with_a_reset),
		cmocka_unit_test(features_are_refused_once_and_whoever_goes_on_is_stuck),
		cmocka_unit_test(queue_registers_are_late_before_features_ok),
		cmocka_unit_test(a_ready_queue_is_slow_to_go),
		cmocka_unit_test(a_reset_takes_its_time),
		cmocka_unit_test(somebody_else_is_on_the_line_while_the_device_is_brought_up),
		cmocka_unit_test(somebody_else_is_on_the_line_at_each_queue),
		cmocka_unit_test(registers_without_a_value_have_any),
		cmocka_unit_test(interrupt_status_has_bits_that_mean_nothing),
		cmocka_unit_test(a_torn_address_shows_in_the_generation),
		cmocka_unit_test(the_config_space_has_a_tail),
		cmocka_unit_test(the_link_status_has_bits_that_mean_nothing),
		cmocka_unit_test(features_and_sizes_follow_the_seed),
		cmocka_unit_test(unknown_features_are_offered_and_do_nothing),
		cmocka_unit_test(every_second_command_is_an_error),
		cmocka_unit_test(round_that_is_cut_from_outside_says_nothing),
		cmocka_unit_test(reports_name_the_provocation_and_the_rule),
	};

	return cmocka_run_group_tests_name("provoke", tests, NULL, NULL);
}
