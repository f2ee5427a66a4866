/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "devices/rx_filter.h"
#include "vmm/core/compiler.h"

static const uint8_t own[6] = {0x52, 0x54, 0, 0, 0, 1};
static const uint8_t listed[6] = {0x52, 0x54, 0, 0, 0, 2};
static const uint8_t foreign[6] = {0x52, 0x54, 0, 0, 0, 3};
static const uint8_t group[6] = {0x33, 0x33, 0, 0, 0, 1};
static const uint8_t other_group[6] = {0x33, 0x33, 0, 0, 0, 2};
static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

enum { PROMISC, ALLMULTI, ALLUNI, NOMULTI, NOUNI, NOBCAST, MODES };

/* @listed and @group in the MAC table. */
static struct rx_filter filter(bool by_mode)
{
	struct rx_filter f;

	rx_filter_init(&f, own, by_mode, false);
	f.macs.nr = 2;
	memcpy(f.macs.mac[0], listed, 6);
	memcpy(f.macs.mac[1], group, 6);
	return f;
}

static bool wants(const struct rx_filter *f, const uint8_t dst[6])
{
	uint8_t head[RX_FILTER_LOOK] = {0};

	memcpy(head, dst, 6);
	return rx_filter_wants(f, head, sizeof(head));
}

static bool wants_tag(const struct rx_filter *f, unsigned proto, unsigned tci)
{
	uint8_t head[RX_FILTER_LOOK] = {0};

	memcpy(head, own, 6);
	head[12] = (uint8_t)(proto >> 8);
	head[13] = (uint8_t)proto;
	head[14] = (uint8_t)(tci >> 8);
	head[15] = (uint8_t)tci;
	return rx_filter_wants(f, head, sizeof(head));
}

static void at_reset_only_own_address_and_broadcast_pass(unused void **state)
{
	struct rx_filter f;

	rx_filter_init(&f, own, true, false);
	assert_true(wants(&f, own));
	assert_true(wants(&f, broadcast));
	assert_false(wants(&f, foreign));
	assert_false(wants(&f, listed));
	assert_false(wants(&f, group));
}

static void without_ctrl_rx_everything_passes(unused void **state)
{
	struct rx_filter f;

	rx_filter_init(&f, own, false, false);
	assert_true(wants(&f, own));
	assert_true(wants(&f, foreign));
	assert_true(wants(&f, other_group));
	assert_true(wants(&f, broadcast));
	/* CTRL_RX_EXTRA alone can forbid. */
	rx_filter_set_mode(&f, NOUNI, true);
	assert_false(wants(&f, own));
	assert_true(wants(&f, other_group));
}

static void listed_addresses_pass(unused void **state)
{
	struct rx_filter f = filter(true);

	assert_true(wants(&f, listed));
	assert_true(wants(&f, group));
	assert_false(wants(&f, foreign));
	assert_false(wants(&f, other_group));
}

/* The rules of the header, written down once more in another form: by exclusion, mode by mode. */
static bool expected(const uint8_t dst[6], const bool mode[MODES])
{
	if (mode[PROMISC])
		return true;
	if (dst == broadcast)
		return !mode[NOBCAST];
	if (dst == group)
		return !mode[NOMULTI];
	if (dst == other_group)
		return mode[ALLMULTI] && !mode[NOMULTI];
	if (dst == foreign)
		return mode[ALLUNI] && !mode[NOUNI];
	return !mode[NOUNI]; /* own and listed */
}

/*
 * dev.rxf.promisc-all, dev.rxf.promisc-wins, dev.rxf.allmulti-all, dev.rxf.alluni-all, dev.rxf.nomulti-drop,
 * dev.rxf.nomulti-wins, dev.rxf.nomulti-bcast, dev.rxf.nouni-drop, dev.rxf.nouni-wins, dev.rxf.nobcast-drop,
 * dev.rxf.nobcast-wins
 */
static void all_modes_in_all_combinations(unused void **state)
{
	const uint8_t *const dst[] = {own, listed, foreign, group, other_group, broadcast};

	for (unsigned set = 0; set < 1u << MODES; set++) {
		struct rx_filter f = filter(true);
		bool mode[MODES];

		for (unsigned i = 0; i < MODES; i++) {
			mode[i] = set >> i & 1;
			rx_filter_set_mode(&f, i, mode[i]);
		}
		for (unsigned i = 0; i < ARRAY_SIZE(dst); i++)
			assert_int_equal(wants(&f, dst[i]), expected(dst[i], mode));
	}
}

static void modes_can_be_switched_off_again(unused void **state)
{
	struct rx_filter f = filter(true);

	rx_filter_set_mode(&f, PROMISC, true);
	assert_true(wants(&f, foreign));
	rx_filter_set_mode(&f, PROMISC, false);
	assert_false(wants(&f, foreign));
}

static void a_class_too_large_for_the_table_passes_whole(unused void **state)
{
	struct rx_filter f = filter(true);

	f.macs.all_unicast = true;
	assert_true(wants(&f, foreign));
	assert_false(wants(&f, other_group));
	f.macs.all_unicast = false;
	f.macs.all_multicast = true;
	assert_false(wants(&f, foreign));
	assert_true(wants(&f, other_group));
	rx_filter_set_mode(&f, NOMULTI, true);
	assert_false(wants(&f, other_group));
}

static void a_full_table_is_searched_to_its_end(unused void **state)
{
	struct rx_filter f;

	rx_filter_init(&f, own, true, false);
	f.macs.nr = RX_FILTER_MACS;
	memcpy(f.macs.mac[RX_FILTER_MACS - 1], listed, 6);
	assert_true(wants(&f, listed));
	assert_false(wants(&f, foreign));
}

/* dev.vlan.all-without */
static void without_ctrl_vlan_every_tag_passes(unused void **state)
{
	struct rx_filter f;

	rx_filter_init(&f, own, true, false);
	for (unsigned id = 0; id < RX_FILTER_VLANS; id++)
		assert_true(wants_tag(&f, 0x8100, id));
}

/* dev.vlan.listed, dev.vlan.unlisted */
static void with_ctrl_vlan_only_listed_tags_pass(unused void **state)
{
	struct rx_filter f;

	rx_filter_init(&f, own, true, true);
	for (unsigned id = 0; id < RX_FILTER_VLANS; id++)
		assert_false(wants_tag(&f, 0x8100, id));
	for (unsigned id = 0; id < RX_FILTER_VLANS; id += 97)
		rx_filter_set_vlan(&f, id, true);
	for (unsigned id = 0; id < RX_FILTER_VLANS; id++)
		assert_int_equal(wants_tag(&f, 0x8100, id), id % 97 == 0);
	rx_filter_set_vlan(&f, 97, false);
	rx_filter_set_vlan(&f, 98, false);
	assert_false(wants_tag(&f, 0x8100, 97));
	assert_true(wants_tag(&f, 0x8100, 194));
}

static void priority_bits_are_no_part_of_the_vlan_id(unused void **state)
{
	struct rx_filter f;

	rx_filter_init(&f, own, true, true);
	rx_filter_set_vlan(&f, 5, true);
	assert_true(wants_tag(&f, 0x8100, 0xf005));
	assert_false(wants_tag(&f, 0x8100, 0xf006));
}

static void untagged_frames_and_service_tags_are_not_for_the_vlan_table(unused void **state)
{
	struct rx_filter f;

	rx_filter_init(&f, own, true, true);
	assert_true(wants_tag(&f, 0x0800, 5));
	assert_true(wants_tag(&f, 0x88a8, 5));
}

static void a_listed_tag_does_not_help_a_foreign_address(unused void **state)
{
	struct rx_filter f;
	uint8_t head[RX_FILTER_LOOK] = {[12] = 0x81, [15] = 5};

	rx_filter_init(&f, own, true, true);
	rx_filter_set_vlan(&f, 5, true);
	memcpy(head, foreign, 6);
	assert_false(rx_filter_wants(&f, head, sizeof(head)));
	rx_filter_set_mode(&f, PROMISC, true);
	head[15] = 6; /* promiscuous means every frame */
	assert_true(rx_filter_wants(&f, head, sizeof(head)));
}

static void a_frame_that_ends_before_its_tag_has_none(unused void **state)
{
	struct rx_filter f;
	uint8_t head[RX_FILTER_LOOK] = {[12] = 0x81, [15] = 5};

	rx_filter_init(&f, own, true, true);
	memcpy(head, own, 6);
	assert_true(rx_filter_wants(&f, head, 14));
	assert_true(rx_filter_wants(&f, head, 15));
	assert_false(rx_filter_wants(&f, head, 16));
	assert_false(rx_filter_tagged(head, 15));
	assert_true(rx_filter_tagged(head, 16));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_reset_only_own_address_and_broadcast_pass),
		cmocka_unit_test(without_ctrl_rx_everything_passes),
		cmocka_unit_test(listed_addresses_pass),
		cmocka_unit_test(all_modes_in_all_combinations),
		cmocka_unit_test(modes_can_be_switched_off_again),
		cmocka_unit_test(a_class_too_large_for_the_table_passes_whole),
		cmocka_unit_test(a_full_table_is_searched_to_its_end),
		cmocka_unit_test(without_ctrl_vlan_every_tag_passes),
		cmocka_unit_test(with_ctrl_vlan_only_listed_tags_pass),
		cmocka_unit_test(priority_bits_are_no_part_of_the_vlan_id),
		cmocka_unit_test(untagged_frames_and_service_tags_are_not_for_the_vlan_table),
		cmocka_unit_test(a_listed_tag_does_not_help_a_foreign_address),
		cmocka_unit_test(a_frame_that_ends_before_its_tag_has_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
