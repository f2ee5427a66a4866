/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "net/mac.h"
#include "vmm/core/compiler.h"

static void address_is_read(unused void **state)
{
	static const uint8_t want[6] = {0x52, 0x54, 0x00, 0xab, 0xCD, 0xef};
	uint8_t mac[6];

	assert_int_equal(mac_parse("52:54:00:ab:CD:ef", mac), 0);
	assert_memory_equal(mac, want, 6);
}

static void print_and_parse_agree(unused void **state)
{
	char text[MAC_TEXT];
	uint8_t mac[6], back[6];

	for (unsigned i = 0; i < 300; i++) {
		mac_pick(i * 7919, mac);
		mac_print(mac, text);
		assert_int_equal(strlen(text), MAC_TEXT - 1);
		assert_int_equal(mac_parse(text, back), 0);
		assert_memory_equal(mac, back, 6);
	}
}

static void anything_else_is_refused_and_nothing_written(unused void **state)
{
	static const char *const bad[] = {
		"",
		"52",
		"52:54:00:12:34",
		"52:54:00:12:34:5",
		"52:54:00:12:34:567",
		"52:54:00:12:34:56:",
		":52:54:00:12:34:56",
		"52-54-00-12-34-56",
		"5254:00:12:34:56:",
		"52:54:00:12:34:5g",
		"52:54:00:12:34: 6",
		"+2:54:00:12:34:56",
		"0x:54:00:12:34:56",
		"52.54.00.12.34.56",
		"52:54:00:12:34\n56",
	};
	static const uint8_t before[6] = {1, 2, 3, 4, 5, 6};
	uint8_t mac[6];

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(mac, before, 6);
		assert_int_equal(mac_parse(bad[i], mac), -EINVAL);
		assert_memory_equal(mac, before, 6);
	}
}

static void multicast_and_zero_are_no_addresses_of_a_nic(unused void **state)
{
	uint8_t mac[6];

	assert_int_equal(mac_parse("01:00:5e:00:00:01", mac), -EADDRNOTAVAIL);
	assert_int_equal(mac_parse("ff:ff:ff:ff:ff:ff", mac), -EADDRNOTAVAIL);
	assert_int_equal(mac_parse("53:54:00:12:34:56", mac), -EADDRNOTAVAIL);
	assert_int_equal(mac_parse("00:00:00:00:00:00", mac), -EADDRNOTAVAIL);
	assert_int_equal(mac_parse("00:00:00:00:00:01", mac), 0);
}

static void picked_addresses_are_local_unicast_and_different(unused void **state)
{
	uint8_t a[6], b[6];

	for (unsigned i = 0; i < 1000; i++) {
		mac_pick(i, a);
		mac_pick(i + 1, b);
		assert_int_equal(a[0] & 3, 2);
		assert_memory_not_equal(a, b, 6);
		mac_pick(i, b);
		assert_memory_equal(a, b, 6);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_is_read),
		cmocka_unit_test(print_and_parse_agree),
		cmocka_unit_test(anything_else_is_refused_and_nothing_written),
		cmocka_unit_test(multicast_and_zero_are_no_addresses_of_a_nic),
		cmocka_unit_test(picked_addresses_are_local_unicast_and_different),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
