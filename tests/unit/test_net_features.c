/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "devices/net_features.h"

#define F(name) FEATURE(VIRTIO_NET_F_##name)
#define V1      FEATURE(VIRTIO_F_VERSION_1)

static char why[1024];

static uint64_t parsed(const char *text, uint64_t can)
{
	uint64_t set = 0;

	if (net_features_parse(text, can, &set, why, sizeof(why)))
		fail_msg("'%s': %s", text ? text : "NULL", why);
	return set;
}

/* The message when @text is refused. */
static const char *refused(const char *text, uint64_t can)
{
	uint64_t set = 0x5a5a;

	assert_int_equal(net_features_parse(text, can, &set, why, sizeof(why)), -EINVAL);
	assert_int_equal(set, 0x5a5a);
	return why;
}

static void table_is_sorted_and_names_are_unique(unused void **state)
{
	for (const struct net_feature *f = net_features; f->name; f++) {
		for (const struct net_feature *g = f + 1; g->name; g++) {
			assert_true(f->bit < g->bit);
			assert_string_not_equal(f->name, g->name);
		}
		assert_int_equal(
			(f->needs_all | f->needs_any | f->offered_with) & ~net_features_known(), 0);
	}
}

static void everything_known_is_closed(unused void **state)
{
	assert_null(net_features_missing(net_features_known()));
	assert_int_equal(net_features_close(net_features_known()), net_features_known());
	assert_null(net_features_missing(0));
}

/* dev.feat.offer-consistent, dev.feat.reject-bad */
static void each_need_of_the_standard_is_noticed(unused void **state)
{
	static const struct {
		unsigned bit;
		uint64_t enough; /* with this the bit is fine, without it not */
	} rule[] = {
		{VIRTIO_NET_F_GUEST_TSO4, F(GUEST_CSUM)},
		{VIRTIO_NET_F_GUEST_TSO6, F(GUEST_CSUM)},
		{VIRTIO_NET_F_GUEST_UFO, F(GUEST_CSUM)},
		{VIRTIO_NET_F_GUEST_USO4, F(GUEST_CSUM)},
		{VIRTIO_NET_F_GUEST_USO6, F(GUEST_CSUM)},
		{VIRTIO_NET_F_GUEST_ECN, F(GUEST_TSO4) | F(GUEST_CSUM)},
		{VIRTIO_NET_F_GUEST_ECN, F(GUEST_TSO6) | F(GUEST_CSUM)},
		{VIRTIO_NET_F_HOST_TSO4, F(CSUM)},
		{VIRTIO_NET_F_HOST_TSO6, F(CSUM)},
		{VIRTIO_NET_F_HOST_UFO, F(CSUM)},
		{VIRTIO_NET_F_HOST_USO, F(CSUM)},
		{VIRTIO_NET_F_HOST_ECN, F(HOST_TSO4) | F(CSUM)},
		{VIRTIO_NET_F_HOST_ECN, F(HOST_TSO6) | F(CSUM)},
		{VIRTIO_NET_F_CTRL_RX, F(CTRL_VQ)},
		{VIRTIO_NET_F_CTRL_VLAN, F(CTRL_VQ)},
		{VIRTIO_NET_F_GUEST_ANNOUNCE, F(CTRL_VQ)},
		{VIRTIO_NET_F_CTRL_MAC_ADDR, F(CTRL_VQ)},
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rule); i++) {
		uint64_t bit = FEATURE(rule[i].bit);

		assert_non_null(net_features_missing(bit));
		assert_int_equal(net_features_missing(bit)->bit, rule[i].bit);
		assert_null(net_features_missing(bit | rule[i].enough));
	}
}

/* dev.net.hash-report-ctrl, dev.net.rx-extra-ctrl */
static void recommendations_bind_the_offer_but_not_the_driver(unused void **state)
{
	uint64_t soft = F(CTRL_GUEST_OFFLOADS) | F(CTRL_RX_EXTRA);

	assert_null(net_features_missing(soft));
	assert_int_equal(net_features_close(soft), 0);
	assert_int_equal(net_features_close(soft | F(CTRL_VQ)), soft | F(CTRL_VQ));
}

/* dev.feat.offer-consistent */
static void closing_removes_chains_of_needs_and_unknown_bits(unused void **state)
{
	assert_int_equal(net_features_close(F(HOST_ECN) | F(HOST_TSO4)), 0);
	assert_int_equal(net_features_close(F(HOST_ECN) | F(HOST_TSO6) | F(CSUM)),
	                 F(HOST_ECN) | F(HOST_TSO6) | F(CSUM));
	assert_int_equal(net_features_close(F(MQ) | F(RSS) | F(MAC)), F(MAC));
}

static void random_sets_close_to_closed_subsets(unused void **state)
{
	srand(1);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t set = (uint64_t)rand() << 42 ^ (uint64_t)rand() << 21 ^ (uint64_t)rand();
		uint64_t closed = net_features_close(set);

		assert_int_equal(closed & ~set, 0);
		assert_null(net_features_missing(closed));
		assert_int_equal(net_features_close(closed), closed);
	}
}

/* dev.feat.offer-version-1 */
static void presets_mean_what_they_say(unused void **state)
{
	uint64_t can = net_features_known() & ~NET_ONLY_BY_NAME;

	assert_int_equal(parsed(NULL, can), can);
	assert_int_equal(parsed("default", can), can);
	assert_int_equal(parsed("minimal", can), V1 | F(MAC));
	assert_int_equal(parsed("none", can), V1);
	assert_int_equal(parsed("minimal", can & ~F(MAC)), V1);
	assert_int_equal(parsed("default", F(CSUM)), F(CSUM) | V1);
}

static void what_costs_is_in_no_preset_but_can_be_asked_for(unused void **state)
{
	uint64_t can = net_features_known();

	assert_int_equal(parsed("default", can), can & ~NET_ONLY_BY_NAME);
	assert_int_equal(parsed("default+rss+hash_report+packed+in_order+notification_data", can),
	                 can);
	assert_int_equal(parsed("none+ctrl_vq+hash_report", can), V1 | F(CTRL_VQ) | F(HASH_REPORT));
	assert_int_equal(parsed("none+packed", can), V1 | FEATURE(VIRTIO_F_RING_PACKED));
	assert_int_equal(parsed("none+ctrl_vq+rss", can), V1 | F(CTRL_VQ) | F(RSS));
}

static void names_are_added_and_removed_in_order(unused void **state)
{
	uint64_t can = net_features_known() & ~NET_ONLY_BY_NAME;

	assert_int_equal(parsed("none+csum+host_tso4", can), V1 | F(CSUM) | F(HOST_TSO4));
	assert_int_equal(parsed("none+host_tso4+csum", can), V1 | F(CSUM) | F(HOST_TSO4));
	assert_int_equal(parsed("none+mac-mac", can), V1);
	assert_int_equal(parsed("none+version_1", can), V1);
	assert_int_equal(parsed("default-mrg_rxbuf", can), can & ~F(MRG_RXBUF));
	assert_int_equal(parsed("none+host_tso4-mtu+csum", can), V1 | F(CSUM) | F(HOST_TSO4));
}

static void removing_takes_dependents_along(unused void **state)
{
	uint64_t can = net_features_known() & ~NET_ONLY_BY_NAME;

	assert_int_equal(parsed("default-csum", can), can & ~NET_HOST_OFFLOADS);
	assert_int_equal(parsed("default-guest_csum", can), can & ~NET_GUEST_OFFLOADS);
	assert_int_equal(parsed("default-host_tso4", can), can & ~F(HOST_TSO4));
	assert_int_equal(parsed("default-host_tso4-host_tso6", can),
	                 can & ~(F(HOST_TSO4) | F(HOST_TSO6) | F(HOST_ECN)));
	assert_int_equal(parsed("default-ctrl_vq", can) &
	                         (F(CTRL_RX) | F(CTRL_VLAN) | F(CTRL_MAC_ADDR) | F(GUEST_ANNOUNCE) |
	                          F(CTRL_GUEST_OFFLOADS) | F(CTRL_RX_EXTRA)),
	                 0);
	assert_int_equal(parsed("default-status", can), can & ~(F(STATUS) | F(GUEST_ANNOUNCE)));
}

static void removing_what_is_not_possible_anyway_is_fine(unused void **state)
{
	assert_int_equal(parsed("default-host_uso", F(CSUM)), V1 | F(CSUM));
}

static void legacy_device_has_32_bits_and_any_layout(unused void **state)
{
	const uint64_t layout = FEATURE(VIRTIO_F_ANY_LAYOUT);
	const uint64_t can = net_features_legacy(net_features_known() & ~layout);

	assert_int_equal(can & ~(uint64_t)UINT32_MAX, 0);
	assert_int_equal(net_features_close(can), can);
	assert_int_equal(parsed("default", can), can);
	assert_int_equal(parsed("none", can), layout);
	assert_int_equal(parsed("none-version_1", can), layout);
	assert_int_equal(parsed("default-any_layout", can), can & ~layout);
	assert_non_null(strstr(refused("default+packed", can), "packed is not possible here"));
	assert_non_null(strstr(refused("default+version_1", can), "version_1 is not possible"));
}

static void a_name_that_does_not_exist_is_named_with_those_that_do(unused void **state)
{
	assert_non_null(strstr(refused("default+foo", net_features_known()), "'foo'"));
	assert_non_null(strstr(why, "csum,guest_csum,"));
	assert_non_null(strstr(why, ",speed_duplex"));
	assert_non_null(strstr(refused("default-host_tso", ~UINT64_C(0)), "'host_tso'"));
	assert_non_null(strstr(refused("default+", ~UINT64_C(0)), "''"));
	assert_non_null(strstr(refused("default++mac", ~UINT64_C(0)), "''"));
}

static void a_feature_that_cannot_be_is_refused_with_those_that_can(unused void **state)
{
	assert_non_null(strstr(refused("none+host_uso", F(CSUM) | F(MAC)), "host_uso"));
	assert_non_null(strstr(why, "csum,mac"));
}

static void a_set_that_is_not_closed_is_refused_with_what_lacks(unused void **state)
{
	uint64_t can = net_features_known();

	assert_string_equal(refused("none+host_tso4", can), "host_tso4 needs csum");
	assert_string_equal(refused("none+csum+host_ecn", can),
	                    "host_ecn needs one of host_tso4,host_tso6");
	assert_string_equal(refused("default-csum+host_tso4", can), "host_tso4 needs csum");
	assert_string_equal(refused("none+ctrl_guest_offloads", can),
	                    "ctrl_guest_offloads needs ctrl_vq");
}

static void what_is_no_preset_is_refused(unused void **state)
{
	static const char *const text[] = {"",     "+mac",    "all",   "defaults",
	                                   "csum", "Default", "defaul"};

	for (unsigned i = 0; i < ARRAY_SIZE(text); i++)
		assert_non_null(strstr(refused(text[i], ~UINT64_C(0)), "default, minimal or none"));
	assert_non_null(strstr(refused("default-version_1", ~UINT64_C(0)), "version_1"));
}

static void messages_and_lists_are_cut_at_their_room(unused void **state)
{
	char small[8];
	uint64_t set;

	memset(small, 'x', sizeof(small));
	assert_int_equal(net_features_parse("nonsense", 0, &set, small, sizeof(small)), -EINVAL);
	assert_int_equal(strlen(small), sizeof(small) - 1);
	net_features_print(net_features_known(), small, sizeof(small));
	assert_string_equal(small, "csum,gu");
	assert_string_equal(net_features_print(0, small, sizeof(small)), "");
	assert_string_equal(net_features_print(F(MAC), small, sizeof(small)), "mac");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table_is_sorted_and_names_are_unique),
		cmocka_unit_test(everything_known_is_closed),
		cmocka_unit_test(each_need_of_the_standard_is_noticed),
		cmocka_unit_test(recommendations_bind_the_offer_but_not_the_driver),
		cmocka_unit_test(closing_removes_chains_of_needs_and_unknown_bits),
		cmocka_unit_test(random_sets_close_to_closed_subsets),
		cmocka_unit_test(presets_mean_what_they_say),
		cmocka_unit_test(what_costs_is_in_no_preset_but_can_be_asked_for),
		cmocka_unit_test(names_are_added_and_removed_in_order),
		cmocka_unit_test(removing_takes_dependents_along),
		cmocka_unit_test(removing_what_is_not_possible_anyway_is_fine),
		cmocka_unit_test(legacy_device_has_32_bits_and_any_layout),
		cmocka_unit_test(a_name_that_does_not_exist_is_named_with_those_that_do),
		cmocka_unit_test(a_feature_that_cannot_be_is_refused_with_those_that_can),
		cmocka_unit_test(a_set_that_is_not_closed_is_refused_with_what_lacks),
		cmocka_unit_test(what_is_no_preset_is_refused),
		cmocka_unit_test(messages_and_lists_are_cut_at_their_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
